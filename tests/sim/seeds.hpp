// The mean of a scenario over seeds 1 to 5, for figures that one seed would decide.
#pragma once

#include <algorithm>
#include <cstdint>

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

/// `make(seed)` gives the scenario.
template <class Make>
Mean mean_of(Make&& make) {
  Mean mean;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    auto simulation = kthena::sim::Simulation::create(make(seed));
    REQUIRE(simulation.status() == kthena::Status());
    while (!simulation->done()) simulation->advance(1'000'000);
    const kthena::sim::RunReport total = simulation->report().total;
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

}  // namespace seeds
