// The mean of a scenario over seeds 1 to 5, for figures that one seed would decide, and scenarios that several tests run.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "catch.hpp"
#include "kthena/route/presets.hpp"
#include "kthena/sim.hpp"

namespace seeds {

inline constexpr std::uint64_t kSeeds = 5;

struct Mean {
  double rps = 0;
  double least_rps = 1e300;
  double most_rps = 0;
  double e2e_s = 0;
  double ttft_s = 0;
  double hit_ratio = 0;
  std::uint64_t requests = 0;  ///< of all seeds
};

/// Runs it to the end.
inline kthena::sim::RunReport total_of(kthena::sim::Scenario scenario) {
  auto simulation = kthena::sim::Simulation::create(std::move(scenario));
  REQUIRE(simulation.status() == kthena::Status());
  while (!simulation->done()) simulation->advance(1'000'000);
  return simulation->report().total;
}

/// `make(seed)` gives the scenario.
template <class Make>
Mean mean_of(Make&& make) {
  Mean mean;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const kthena::sim::RunReport total = total_of(make(seed));
    mean.rps += total.throughput_rps / kSeeds;
    mean.least_rps = std::min(mean.least_rps, total.throughput_rps);
    mean.most_rps = std::max(mean.most_rps, total.throughput_rps);
    mean.e2e_s += total.e2e_s.mean / kSeeds;
    mean.ttft_s += total.ttft_s.mean / kSeeds;
    mean.hit_ratio += total.hit_ratio / kSeeds;
    mean.requests += total.requests;
  }
  return mean;
}

/// The published benchmark, three runs, with a seed for the workload and for the router.
inline kthena::sim::Scenario published(std::string_view workload, std::string_view policy, std::uint64_t seed) {
  kthena::sim::Scenario scenario = kthena::sim::published_scenario(kthena::sim::named_workload(workload, seed).value(),
                                                                   kthena::route::preset(policy).value());
  scenario.seed = seed;
  return scenario;
}

/// 8 servers of 16 slots at 86 % load: 100 requests a second, answers of 1.1 s on average (lognormal, sigma 0.8), metrics once a second.
inline kthena::sim::Scenario slots(const kthena::route::PolicySpec& policy, std::uint32_t routers, std::uint64_t seed) {
  kthena::sim::PoissonArrivals spec;
  spec.requests = 12'000;
  spec.prompt_tokens = 1;
  spec.output_tokens = 1100;
  spec.output_sigma = 0.8;
  spec.rate_rps = 100;
  spec.seed = seed;
  kthena::sim::Scenario scenario;
  scenario.workload = kthena::sim::make_poisson(spec).value();
  scenario.policy = policy;
  scenario.engine = kthena::sim::slot_server(16, 0.001);
  scenario.replicas = 8;
  scenario.routers = routers;
  scenario.seed = seed;
  return scenario;
}

}  // namespace seeds
