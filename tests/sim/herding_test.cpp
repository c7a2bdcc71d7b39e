// Do routers that see one fleet send their requests to the same engine? 8 engines with 16 slots, 100 requests a second, answers of 1.1 s on average
// (lognormal), metrics once a second. What counts is the wait for a slot.
#include <cstdio>
#include <string>
#include <utility>

#include "catch.hpp"
#include "kthena/route/presets.hpp"
#include "kthena/sim.hpp"
#include "sim/seeds.hpp"

using namespace kthena;

namespace {

struct Wait {
  double mean_ms = 0;
  double p99_ms = 0;
};

Wait wait_of(const route::PolicySpec& policy, sim::PrefixSource source, std::uint32_t routers, std::uint64_t runs) {
  Wait wait;
  for (std::uint64_t seed = 1; seed <= runs; ++seed) {
    sim::Scenario scenario = seeds::slots(policy, routers, seed);
    scenario.prefix_source = source;
    const sim::RunReport total = seeds::total_of(std::move(scenario));
    wait.mean_ms += total.wait_s.mean * 1e3 / static_cast<double>(runs);
    wait.p99_ms += total.wait_s.p99 * 1e3 / static_cast<double>(runs);
  }
  return wait;
}

route::PolicySpec scored_by(const char* name, std::vector<route::OptionSpec> options = {}) {
  route::PolicySpec spec;
  spec.name = name;
  spec.scorers = {{name, 1, std::move(options)}};
  return spec;
}

}  // namespace

TEST_CASE("routers that book what they send do not herd", "[sim][herding]") {
  constexpr std::uint64_t kSeeds = 2;
  const double random = wait_of(route::preset("random").value(), sim::PrefixSource::kFleet, 1, kSeeds).mean_ms;
  const route::PolicySpec cost = scored_by("cost");
  const double one = wait_of(cost, sim::PrefixSource::kFleet, 1, kSeeds).mean_ms;
  INFO("random " << random << " ms, cost " << one << " ms");
  CHECK(one * 20 <= random);
  for (const std::uint32_t routers : {4u, 8u}) {
    const double many = wait_of(cost, sim::PrefixSource::kFleet, routers, kSeeds).mean_ms;
    INFO(routers << " routers " << many << " ms");
    CHECK(many * 10 <= random);
  }
}

TEST_CASE("figures: waits of routers that are fleets", "[.][figures]") {
  constexpr std::uint64_t kSeeds = 8;
  std::string table;
  const auto add = [&](const char* name, const route::PolicySpec& policy, sim::PrefixSource source) {
    table += name;
    for (const std::uint32_t routers : {1u, 4u, 8u}) {
      const Wait wait = wait_of(policy, source, routers, kSeeds);
      char cell[64];
      std::snprintf(cell, sizeof cell, " | %.1f / %.0f", wait.mean_ms, wait.p99_ms);
      table += cell;
    }
    table += "\n";
  };
  add("random", route::preset("random").value(), sim::PrefixSource::kFleet);
  add("least waiting, as sampled", route::preset("kthena-2025-09/least-request").value(), sim::PrefixSource::kKthena);
  add("in_flight of a Fleet", scored_by("least-request", {{"waiting_weight", 0}}), sim::PrefixSource::kFleet);
  add("cost", scored_by("cost"), sim::PrefixSource::kFleet);
  WARN("ms, mean / p99 with 1, 4 and 8 routers\n" << table);
}
