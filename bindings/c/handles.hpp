// bindings/c/handles.hpp
//
// What the opaque handles of kthena/kthena.h hold.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "kthena/base/kv_event.hpp"
#include "kthena/engine/kv_stream.hpp"
#include "kthena/engine/metrics.hpp"
#include "kthena/kthena.h"
#include "kthena/prefix/index.hpp"
#include "kthena/prefix/query.hpp"
#include "kthena/route/decision_log.hpp"
#include "kthena/route/fleet.hpp"
#include "kthena/route/policy.hpp"
#include "kthena/route/pool.hpp"
#include "kthena/route/scoring.hpp"
#include "kthena/sim/simulation.hpp"

/// A pool and the numbers its caller knows the endpoints by. Where the caller gave them in the order of ids, `to_pool` and `to_caller`
/// are empty and both orders are one.
struct kthena_pool {
  kthena::route::PoolSnapshot snapshot;
  std::vector<std::uint32_t> to_pool;    ///< by the caller's number: position in the snapshot
  std::vector<std::uint32_t> to_caller;  ///< by position in the snapshot: the caller's number

  [[nodiscard]] bool sorted() const noexcept { return to_pool.empty(); }
  /// `endpoint` must be one of the pool.
  [[nodiscard]] kthena::EndpointIndex in_pool(std::uint32_t endpoint) const noexcept {
    return {sorted() ? endpoint : to_pool[endpoint]};
  }
  [[nodiscard]] std::uint32_t for_caller(kthena::EndpointIndex endpoint) const noexcept {
    return sorted() || !endpoint.valid() ? endpoint.value : to_caller[endpoint.value];
  }

  /// Puts a column in the caller's order, one element per endpoint, into the order of the snapshot. `column` is resized to the pool.
  template <class T>
  std::span<const T> order(const T* given, std::vector<T>& column) const {
    const std::size_t n = snapshot.size();
    if (sorted()) return {given, n};
    if (column.size() < n) column.resize(n);
    for (std::size_t i = 0; i < n; ++i) column[i] = given[to_caller[i]];
    return {column.data(), n};
  }
};

struct kthena_policy {
  kthena::route::Policy policy;
  bool asks_users = false;  ///< was made with scorers of the caller's own
};

struct kthena_workspace {
  kthena::route::Workspace workspace;
  /// In the order of the snapshot: of the prefix on the device, in host memory and on disk; of the history the same.
  std::array<std::vector<std::uint32_t>, 6> depths;
};

struct kthena_decision_log {
  kthena::route::DecisionLogWriter writer;
  std::vector<std::byte> bytes;                      ///< not taken yet
  std::array<std::vector<std::uint32_t>, 6> depths;  ///< as in kthena_workspace
};

/// An index of its own, or one that is borrowed from a fleet.
struct kthena_prefix_index {
  explicit kthena_prefix_index(kthena::prefix::PrefixIndex made)
      : own(std::make_unique<kthena::prefix::PrefixIndex>(std::move(made))), index(*own) {}
  explicit kthena_prefix_index(kthena::prefix::PrefixIndex* borrowed) : index(*borrowed) {}

  std::unique_ptr<kthena::prefix::PrefixIndex> own;
  kthena::prefix::PrefixIndex& index;
};

/// Endpoints are numbered by their workers in the index.
struct kthena_fleet {
  explicit kthena_fleet(kthena::route::Fleet made) : fleet(std::move(made)), index(&fleet.index()) {}

  kthena::route::Fleet fleet;
  kthena_prefix_index index;
  std::vector<kthena::prefix::PrefixQuery> queries;  ///< scratch: prompts of a batch
  std::vector<kthena::route::FleetRequest> requests;
  std::vector<kthena::route::Routed> routed;
};

struct kthena_prefix_query {
  kthena::prefix::PrefixQuery query;
};

/// Copies of events, their hashes one behind the other: engine hashes, then content hashes and their upper halves where there are any.
struct kthena_prefix_events {
  std::vector<kthena_prefix_event> events;  ///< without their arrays
  std::vector<std::size_t> starts;          ///< by event: where its hashes begin
  std::vector<bool> with_contents;          ///< by event
  std::vector<bool> with_uppers;            ///< by event
  std::vector<std::uint64_t> hashes;

  void add(const kthena::KvEvent& event);
  [[nodiscard]] kthena_prefix_event get(std::size_t position) const;
};

struct kthena_engine_parser {
  kthena::engine::MetricsParser parser;
};

struct kthena_engine_sample {
  kthena::EngineSample sample;
};

struct kthena_engine_interval {
  kthena::EngineInterval interval;
};

struct kthena_kv_stream {
  const kthena::engine::EngineProfile* profile;
  kthena::engine::KvStreamOptions options;
  kthena::engine::KvStream stream;
};

struct kthena_simulation {
  kthena::sim::Simulation simulation;
};
