// More figures of docs/simulator.md, for fleets with several routers, slots, unequal groups, and knees. kthena_sim_tests "[figures]"
#include <cstdio>
#include <string>
#include <utility>

#include "catch.hpp"
#include "kthena/route/presets.hpp"
#include "kthena/sim.hpp"
#include "sim/seeds.hpp"

using namespace kthena;

namespace {

std::string cell(const char* format, double value) {
  char text[40];
  std::snprintf(text, sizeof text, format, value);
  return std::string(" | ") + text;
}

/// Chooses by its own count of requests in flight.
route::PolicySpec own_counts() {
  route::PolicySpec spec;
  spec.name = "own counts";
  spec.scorers = {{"least-request", 1, {{"waiting_weight", 0}}}};
  return spec;
}

}  // namespace

TEST_CASE("figures: slots, waits by policy and routers", "[.][figures]") {
  std::string table;
  for (const route::PolicySpec& policy : {route::preset("random").value(), route::preset("round-robin").value(),
                                          route::preset("kthena-2025-09/least-request").value(), own_counts()}) {
    table += policy.name;
    for (const std::uint32_t routers : {1u, 4u, 8u}) {
      double mean = 0;
      double p99 = 0;
      for (std::uint64_t seed = 1; seed <= seeds::kSeeds; ++seed) {
        const sim::RunReport total = seeds::total_of(seeds::slots(policy, routers, seed));
        mean += total.wait_s.mean * 1e3 / seeds::kSeeds;
        p99 += total.wait_s.p99 * 1e3 / seeds::kSeeds;
      }
      table += cell("%.1f", mean) + cell("%.0f", p99);
    }
    table += "\n";
  }
  WARN("ms, mean and p99 with 1, 4 and 8 routers\n" << table);
}

TEST_CASE("figures: unequal groups", "[.][figures]") {
  std::string table;
  for (const std::string_view policy : {"partition", "random", "kthena-2025-09/least-request+kv"}) {
    for (const std::uint64_t capacity : {547'000, 270'000}) {
      table += std::string(policy) + ", " + std::to_string(capacity / 1000) + "k";
      for (const double zipf_s : {0.0, 0.8, 1.0, 1.2}) {
        const seeds::Mean mean = seeds::mean_of([&](std::uint64_t seed) {
          sim::GeneratedSharedPrefix spec;
          spec.zipf_s = zipf_s;
          spec.seed = seed;
          const bool partition = policy == "partition";
          sim::Scenario scenario = sim::published_scenario(sim::make_generated_shared_prefix(spec).value(),
                                                           route::preset(partition ? "random" : policy).value());
          if (partition) scenario.assignment = sim::Assignment::kPartition;
          scenario.engine.kv_capacity_tokens = capacity;
          scenario.seed = seed;
          return scenario;
        });
        table += cell("%.1f", mean.rps);
      }
      table += "\n";
    }
  }
  WARN("req/s at zipf_s 0, 0.8, 1, 1.2\n" << table);
}

TEST_CASE("figures: knees, gsp-long as an open loop", "[.][figures]") {
  std::string table;
  for (const std::string_view policy :
       {"partition", "kthena-2025-09/least-request+kv", "kthena-2025-09/least-request+prefix", "random", "round-robin",
        "kthena-2025-09/least-request"}) {
    sim::GeneratedSharedPrefix spec;
    spec.rate_rps = 10;
    sim::Scenario scenario;
    scenario.workload = sim::make_generated_shared_prefix(spec).value();
    scenario.policy = route::preset(policy == "partition" ? "random" : policy).value();
    if (policy == "partition") scenario.assignment = sim::Assignment::kPartition;
    scenario.runs = 2;
    const sim::Knee knee = sim::find_knee(scenario).value();
    table += std::string(policy) + cell("%.1f", knee.rate_rps) + cell("%.2f", knee.run.ttft_s.mean) +
             cell("%.0f", knee.simulations) + "\n";
  }
  WARN("req/s, TTFT s there, simulations\n" << table);
}
