// Router: the library's own policy over what a router would know: metrics as old as its last poll, its own count of requests in flight,
// and prefix stores fed by KV events or by its own memory. Several of them share nothing but what never changes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kthena/base/status.hpp"
#include "kthena/prefix/compat/byte_history.hpp"
#include "kthena/prefix/compat/unchained_owners.hpp"
#include "kthena/prefix/index.hpp"
#include "kthena/route/policy.hpp"
#include "kthena/sim/scenario.hpp"
#include "kthena/sim/simulation.hpp"
#include "sim/block_chains.hpp"
#include "sim/engine.hpp"
#include "sim/fleet_router.hpp"

namespace kthena::sim::detail {

class Router {
 public:
  static constexpr std::uint32_t kNobody = 0xFFFFFFFFu;

  /// `scenario.routers` of them. `models`: the engines. All arguments outlive the routers.
  static Result<std::vector<Router>> create_all(const Scenario& scenario, const BlockChains& chains,
                                                std::span<const EngineModel> models);

  [[nodiscard]] std::string endpoint_id(std::size_t engine) const { return pool_->ids()[engine]; }
  /// Whether any scorer reads the engines' KV events.
  [[nodiscard]] bool wants_kv_events() const noexcept {
    return owners_.has_value() || index_.has_value() || (fleet_.has_value() && fleet_->wants_kv_events());
  }
  /// Whether it wants to know of first tokens.
  [[nodiscard]] bool wants_first_tokens() const noexcept { return fleet_.has_value(); }

  /// The engine for a request, or kNobody. `sequence` counts the requests of this router over all runs.
  std::uint32_t decide(std::uint32_t request, std::uint64_t sequence, Time now);
  void sent(std::uint32_t engine) noexcept { in_flight_[engine] += fleet_ ? 0 : 1; }
  /// Only where it wants to know.
  void first_token(std::uint32_t request, Time now) { fleet_->first_token(request, now); }
  /// The answer is complete.
  void answered(std::uint32_t request, std::uint32_t engine, Time now);

  /// Reads the metrics of all engines.
  void poll(std::span<const Engine> engines, Time now);
  /// KV events of one step of one engine, as Engine::kv_events().
  void apply(std::uint32_t engine, std::span<const std::uint32_t> events);

  [[nodiscard]] RouterView known() const noexcept;

 private:
  /// Of the workload; the same for all routers.
  struct Prompts {
    std::vector<std::uint32_t> parents;  // for the index: id -> the id before it in its chain, or kNone
    std::vector<std::uint32_t> history_offsets;
    std::vector<std::uint64_t> history_hashes;
  };

  Router(const Scenario& scenario, const BlockChains& chains, std::span<const EngineModel> models,
         std::shared_ptr<const Prompts> prompts, route::Policy policy);
  static Result<Router> create(const Scenario& scenario, const BlockChains& chains, std::span<const EngineModel> models,
                               std::shared_ptr<const Prompts> prompts);
  static Prompts make_prompts(const Scenario& scenario, const BlockChains& chains);
  Status make_stores(const Scenario& scenario);
  void apply_to_owners(std::uint32_t engine, std::span<const std::uint32_t> events);
  void apply_to_index(std::uint32_t engine, std::span<const std::uint32_t> events);

  struct LastPoll {
    Duration ttft_sum_ns = 0;
    std::uint64_t ttft_count = 0;
    Duration tpot_sum_ns = 0;
    std::uint64_t tpot_count = 0;
  };

  const Workload* workload_;
  const BlockChains* chains_;
  std::span<const EngineModel> models_;
  std::shared_ptr<const Prompts> prompts_;
  route::Policy policy_;
  route::Workspace workspace_;
  std::uint64_t seed_;

  // The pool: ids from a snapshot, columns of our own.
  std::unique_ptr<route::PoolSnapshot> pool_;
  route::PoolView view_;
  std::array<std::vector<double>, route::kSignalCount> columns_;
  std::vector<double>& column(route::Signal signal) { return columns_[static_cast<std::size_t>(signal)]; }
  std::vector<LastPoll> last_;
  std::uint64_t polls_ = 0;
  double* in_flight_ = nullptr;

  std::vector<WorkerId> workers_;
  std::optional<prefix::compat::UnchainedOwners> owners_;
  std::optional<prefix::compat::ByteHistory> history_;
  std::optional<prefix::PrefixIndex> index_;
  std::optional<FleetRouter> fleet_;  // instead of all of these
  prefix::PrefixQuery query_;
  std::vector<std::uint64_t> hashes_;         // scratch
  std::vector<std::uint32_t> prefix_depths_;  // scratch
  std::vector<std::uint32_t> history_depths_;
};

}  // namespace kthena::sim::detail
