// tests/c/fixture.hpp
//
// The C interface as tests use it: handles that free themselves, strings that go flat, an error that is ready.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "kthena/kthena.h"

namespace kthena::test {

struct Free {
  void operator()(kthena_pool* handle) const { kthena_pool_free(handle); }
  void operator()(kthena_policy* handle) const { kthena_policy_free(handle); }
  void operator()(kthena_workspace* handle) const { kthena_workspace_free(handle); }
  void operator()(kthena_prefix_index* handle) const { kthena_prefix_index_free(handle); }
  void operator()(kthena_prefix_query* handle) const { kthena_prefix_query_free(handle); }
  void operator()(kthena_prefix_events* handle) const { kthena_prefix_events_free(handle); }
  void operator()(kthena_engine_parser* handle) const { kthena_engine_parser_free(handle); }
  void operator()(kthena_engine_sample* handle) const { kthena_engine_sample_free(handle); }
  void operator()(kthena_engine_interval* handle) const { kthena_engine_interval_free(handle); }
  void operator()(kthena_kv_stream* handle) const { kthena_kv_stream_free(handle); }
  void operator()(kthena_simulation* handle) const { kthena_simulation_free(handle); }
  void operator()(kthena_decision_log* handle) const { kthena_decision_log_free(handle); }
};
using Pool = std::unique_ptr<kthena_pool, Free>;
using Policy = std::unique_ptr<kthena_policy, Free>;
using Workspace = std::unique_ptr<kthena_workspace, Free>;
using PrefixIndex = std::unique_ptr<kthena_prefix_index, Free>;
using PrefixQuery = std::unique_ptr<kthena_prefix_query, Free>;
using PrefixEvents = std::unique_ptr<kthena_prefix_events, Free>;
using EngineParser = std::unique_ptr<kthena_engine_parser, Free>;
using EngineSample = std::unique_ptr<kthena_engine_sample, Free>;
using EngineInterval = std::unique_ptr<kthena_engine_interval, Free>;
using KvStream = std::unique_ptr<kthena_kv_stream, Free>;
using Simulation = std::unique_ptr<kthena_simulation, Free>;
using DecisionLog = std::unique_ptr<kthena_decision_log, Free>;

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

inline kthena_str str(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view view(kthena_str text) {
  return text.data == nullptr ? std::string_view{} : std::string_view{text.data, text.size};
}

/// An error to hand in, and what came back.
struct Error : kthena_error {
  Error() : kthena_error(KTHENA_INIT(kthena_error)) {}
  [[nodiscard]] std::string text() const { return message; }
};

struct Strings {
  std::string bytes;
  std::vector<std::uint64_t> offsets{0};
  Strings() = default;
  explicit Strings(const std::vector<std::string>& list) {
    for (const std::string& text : list) add(text);
  }
  void add(std::string_view text) {
    bytes += text;
    offsets.push_back(bytes.size());
  }
};

inline Pool make_pool(const std::vector<std::string>& ids, const std::vector<std::vector<std::string>>& models = {}) {
  const Strings flat(ids);
  Strings names;
  std::vector<std::uint64_t> starts{0};
  for (const auto& list : models) {
    for (const std::string& name : list) names.add(name);
    starts.push_back(names.offsets.size() - 1);
  }
  kthena_pool* pool = nullptr;
  Error error;
  const kthena_status status =
      kthena_pool_create(flat.bytes.data(), flat.offsets.data(), ids.size(), names.bytes.data(), names.offsets.data(),
                         models.empty() ? nullptr : starts.data(), &pool, &error);
  INFO(error.text());
  REQUIRE(status == KTHENA_OK);
  return Pool(pool);
}

/// Endpoints in the form of kthena_pool_create_from, with what they point to.
struct Endpoints {
  Strings ids, models, waiting, places;
  std::vector<std::uint64_t> model_starts{0}, waiting_starts{0};

  void add(std::string_view id, const std::vector<std::string>& serves = {}, const std::vector<std::string>& waits = {},
           const std::array<std::string, KTHENA_PLACE_LEVELS>& place = {}) {
    ids.add(id);
    for (const std::string& name : serves) models.add(name);
    for (const std::string& name : waits) waiting.add(name);
    for (const std::string& name : place) places.add(name);
    model_starts.push_back(models.offsets.size() - 1);
    waiting_starts.push_back(waiting.offsets.size() - 1);
  }

  /// Borrows from this.
  [[nodiscard]] kthena_pool_endpoints view() const {
    kthena_pool_endpoints endpoints = KTHENA_INIT(kthena_pool_endpoints);
    endpoints.n = ids.offsets.size() - 1;
    endpoints.id_bytes = ids.bytes.data();
    endpoints.id_offsets = ids.offsets.data();
    endpoints.model_bytes = models.bytes.data();
    endpoints.model_offsets = models.offsets.data();
    endpoints.endpoint_models = model_starts.data();
    endpoints.waiting_bytes = waiting.bytes.data();
    endpoints.waiting_offsets = waiting.offsets.data();
    endpoints.endpoint_waiting = waiting_starts.data();
    endpoints.place_bytes = places.bytes.data();
    endpoints.place_offsets = places.offsets.data();
    return endpoints;
  }
};

inline Pool pool_of(const Endpoints& endpoints) {
  kthena_pool* pool = nullptr;
  Error error;
  const kthena_pool_endpoints view = endpoints.view();
  const kthena_status status = kthena_pool_create_from(&view, &pool, &error);
  INFO(error.text());
  REQUIRE(status == KTHENA_OK);
  return Pool(pool);
}

inline void set(const Pool& pool, kthena_signal signal, const std::vector<double>& values,
                std::int64_t sampled_ns = 0) {
  Error error;
  const kthena_status status =
      kthena_pool_set_signal(pool.get(), signal, values.data(), values.size(), nullptr, sampled_ns, &error);
  INFO(error.text());
  REQUIRE(status == KTHENA_OK);
}

inline Policy make_policy(std::string_view json) {
  kthena_policy* policy = nullptr;
  Error error;
  const kthena_status status = kthena_policy_create_json(str(json), &policy, &error);
  INFO(error.text());
  REQUIRE(status == KTHENA_OK);
  return Policy(policy);
}

inline Workspace make_workspace() { return Workspace(kthena_workspace_create()); }

/// Text by convention 7. `call` is given buffer, capacity and needed.
template <class Call>
std::string text_of(const Call& call) {
  std::size_t needed = 0;
  REQUIRE(call(nullptr, std::size_t{0}, &needed) == KTHENA_OUT_OF_RANGE);
  std::string text(needed, '?');
  std::size_t again = 0;
  REQUIRE(call(text.data(), text.size(), &again) == KTHENA_OK);
  REQUIRE(again == needed);
  return text;
}

}  // namespace kthena::test
