// include/kthena/sim/scenario.hpp
//
// Scenario: one policy on one fleet under one workload. Everything a simulation depends on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kthena/base/engine_model.hpp"
#include "kthena/base/status.hpp"
#include "kthena/base/time.hpp"
#include "kthena/route/policy.hpp"
#include "kthena/sim/engines.hpp"
#include "kthena/sim/workload.hpp"

namespace kthena::sim {

/// Who feeds Request::prefix, which kvcache-aware reads, and Request::history, which prefix-cache reads.
enum class PrefixSource : std::uint8_t {
  kKthena =
      0,       ///< "kthena": the stores of Kthena's two plugins, owners of unchained blocks and history of prompt bytes
  kExact = 1,  ///< "exact": prefix::PrefixIndex over the engines' KV events feeds both
  kFleet = 2,  ///< "fleet": route::Fleet with its bookings, homes, learned rates and an exact index over KV events
  kFleetExpected = 3,  ///< "fleet-expected": the same without KV events; prompts are expected where they were sent
};

/// Whether each router is a route::Fleet.
constexpr bool is_fleet(PrefixSource source) noexcept { return source >= PrefixSource::kFleet; }
std::string_view prefix_source_name(PrefixSource source) noexcept;
std::optional<PrefixSource> find_prefix_source(std::string_view name) noexcept;

/// Who chooses the engine of a request.
enum class Assignment : std::uint8_t {
  kPolicy = 0,  ///< "policy": the scenario's policy
  /// "partition": engine = group id mod engines, for a workload with group_ids. Not a policy: it knows groups that no router is told. It
  /// is what an affinity policy could reach at best while groups are equally hot.
  kPartition = 1,
};

std::string_view assignment_name(Assignment assignment) noexcept;
std::optional<Assignment> find_assignment(std::string_view name) noexcept;

/// Engines that are alike.
struct EngineGroup {
  EngineModel engine;
  std::uint32_t count = 1;  ///< >= 1
};

struct Client {
  /// Requests in flight at most (a closed loop). 0: as many as come (an open loop). DEFAULT: 0.
  std::uint32_t concurrency = 0;
  /// Divides the arrival times of the workload; only the order counts when it is 0. Range 0 or [0.01, 1e6]. DEFAULT: 1.
  double speed = 1;
};

struct Scenario {
  Workload workload;
  std::uint32_t replicas = 3;  ///< 1..4096
  EngineModel engine = engine_model("qwen2.5-7b@910b-fit").value();
  /// Engines that are not all alike, numbered group by group; at most 4096, with equal block_tokens. When there is one, `replicas` and
  /// `engine` are not read. DEFAULT: none.
  std::vector<EngineGroup> engine_groups;
  route::PolicySpec policy;
  Client client;
  /// Routers that do not know of each other: each has its policy, its seed, its counts of requests in flight, its prefix stores, and polls of its
  /// own, router i at i * poll_interval / routers after the first; until then it knows zeros. A request goes to the router that a hash
  /// of seed and number gives (its number over all runs). KV events reach all of them. Range 1..64. DEFAULT: 1.
  std::uint32_t routers = 1;
  Assignment assignment = Assignment::kPolicy;  ///< DEFAULT: kPolicy
  /// Age that the engines' metrics reach before the router reads them again. Range [1 ms, 1 h]. DEFAULT: 1 s, as Kthena's router.
  Duration poll_interval_ns = kSecond;
  /// From the end of a step to the router's knowledge of its KV events. Range [0, 1 h]. DEFAULT: 0.
  Duration kv_event_delay_ns = 0;
  /// Never follows from a policy's name. DEFAULT: kKthena, for the plugins that read it are Kthena's.
  PrefixSource prefix_source = PrefixSource::kKthena;
  /// Times that the same requests are sent; engines and router stay as they are in between. A run starts one poll interval after the
  /// end of the one before. Range 1..1000. DEFAULT: 1.
  std::uint32_t runs = 1;
  std::uint64_t seed = 1;  ///< for ties and random choices; the workload has its own
  /// Only the first requests of the workload; 0: all. DEFAULT: 0.
  std::uint64_t request_limit = 0;
  /// Whether the documents of a report have the waits too: `wait_s` in JSON, admitted_ns in CSV. Report and RequestRows always do.
  /// DEFAULT: false, so that documents are what they were.
  bool report_waits = false;
};

/// What the published benchmark ran: 3 replicas, closed loop of 300, 3 runs, and polls every 2.7 s (the one fitted constant).
Scenario published_scenario(Workload workload, route::PolicySpec policy);

/// Every fault with its field.
Status check(const Scenario& scenario);

}  // namespace kthena::sim
