// FleetRouter: the router of a simulation as the library's own Fleet: bookings, exact index or expected prompts, homes, learned rates.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kthena/base/status.hpp"
#include "kthena/route/fleet.hpp"
#include "kthena/sim/scenario.hpp"
#include "kthena/sim/simulation.hpp"
#include "sim/block_chains.hpp"
#include "sim/engine.hpp"

namespace kthena::sim::detail {

class FleetRouter {
 public:
  static constexpr std::uint32_t kNobody = 0xFFFFFFFFu;

  /// `chains`, `workload` and `parents` (of each block, for events) outlive it.
  static Result<FleetRouter> create(const Scenario& scenario, const BlockChains& chains,
                                    std::span<const EngineModel> models, std::span<const std::uint32_t> parents);

  [[nodiscard]] bool wants_kv_events() const noexcept { return wants_kv_events_; }
  /// Decides and books.
  std::uint32_t decide(const route::Policy& policy, std::uint32_t request, std::uint64_t sequence, std::uint64_t seed,
                       Time now, route::Workspace& workspace);
  void first_token(std::uint32_t request, Time now) { (void)fleet_.first_token(tickets_[request], now); }
  void answered(std::uint32_t request, Time now);
  /// One value per signal; kMissing where the engine says nothing.
  void sample(std::uint32_t engine, std::span<const route::SignalValue> values, Time now) {
    (void)fleet_.sample({engine}, values, now, now);
  }
  void serve(std::uint32_t engine, const AdapterSlots& adapters);
  void apply(std::uint32_t engine, std::span<const std::uint32_t> events);
  [[nodiscard]] const route::PoolSnapshot& pool() const noexcept { return fleet_.pool(); }

 private:
  FleetRouter(const Scenario& scenario, const BlockChains& chains, std::span<const std::uint32_t> parents,
              route::Fleet fleet);
  void name_adapter(std::uint32_t adapter);

  const Workload* workload_;
  const BlockChains* chains_;
  std::span<const std::uint32_t> parents_;
  bool wants_kv_events_;
  route::Fleet fleet_;
  prefix::PrefixQuery query_;
  std::vector<std::uint64_t> hashes_;
  std::vector<route::Ticket> tickets_;  // by request
  std::vector<std::string> adapter_names_;
  std::vector<std::vector<std::uint32_t>> served_;  // adapters by engine, as the fleet was told
};

}  // namespace kthena::sim::detail
