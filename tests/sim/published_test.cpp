// The published benchmark of Kthena against the simulator with frozen constants.
#include "kthena/sim/published.hpp"

#include <cmath>
#include <cstdio>
#include <map>
#include <string>

#include "catch.hpp"
#include "kthena/route/presets.hpp"
#include "kthena/sim.hpp"

using namespace kthena;

namespace {

using Key = std::pair<std::string_view, std::string_view>;

const std::map<Key, sim::RunReport>& simulated() {
  static const std::map<Key, sim::RunReport> rows = [] {
    std::map<Key, sim::RunReport> out;
    for (const sim::PublishedRow& row : sim::published_rows()) {
      auto simulation = sim::Simulation::create(
          sim::published_scenario(sim::named_workload(row.workload).value(), route::preset(row.policy).value()));
      REQUIRE(simulation.status() == Status());
      while (!simulation->done()) simulation->advance(1'000'000);
      out[{row.workload, row.policy}] = simulation->report().total;
    }
    return out;
  }();
  return rows;
}

double percent(double model, double published) { return 100 * (model / published - 1); }

}  // namespace

TEST_CASE("the twelve published rows", "[sim][published]") {
  std::string table = "req/s, E2E s and TTFT s; model/published\n";
  for (const sim::PublishedRow& row : sim::published_rows()) {
    const sim::RunReport& mine = simulated().at({row.workload, row.policy});
    const std::size_t slash = row.policy.find('/');
    const std::string policy(slash == std::string_view::npos ? row.policy : row.policy.substr(slash + 1));
    char line[200];
    std::snprintf(line, sizeof line, "%-5s %-20s %5.2f/%5.2f %+5.1f%% %5.2f/%5.2f %5.2f/%5.2f\n",
                  std::string(row.workload.substr(4)).c_str(), policy.c_str(), mine.throughput_rps, row.throughput_rps,
                  percent(mine.throughput_rps, row.throughput_rps), mine.e2e_s.mean, row.e2e_mean_s, mine.ttft_s.mean,
                  row.ttft_mean_s);
    table += line;
    INFO(line);
    CHECK(mine.requests == 3 * 8192);
    CHECK(mine.unroutable == 0);
    // One row misses 20 %: Kthena's prefix-cache learns of a prefix when its first answer is complete, so that most groups end up on
    // two engines and the caches overflow. The constants were fitted to a model that learned at dispatch. docs/simulator.md.
    const bool learns_late = row.workload == "gsp-long" && row.policy == "kthena-2025-09/least-request+prefix";
    CHECK(std::abs(percent(mine.throughput_rps, row.throughput_rps)) < (learns_late ? 25 : 20));
  }
  WARN(table);
}

TEST_CASE("what the published benchmark claims holds in the simulator", "[sim][published]") {
  const auto row = [](std::string_view policy) { return simulated().at({"gsp-long", policy}); };
  const sim::RunReport random = row("random");
  const sim::RunReport kv = row("kthena-2025-09/least-request+kv");
  const sim::RunReport prefix = row("kthena-2025-09/least-request+prefix");
  const sim::RunReport least_request = row("kthena-2025-09/least-request");

  const double gain = kv.throughput_rps / random.throughput_rps;  // published: 2.73
  CHECK(gain > 2.2);
  CHECK(gain < 2.9);
  CHECK(kv.ttft_s.mean < 0.35 * random.ttft_s.mean);                             // published: -73.5 %
  CHECK(kv.e2e_s.mean < 0.45 * random.e2e_s.mean);                               // published: -63.5 %
  CHECK(least_request.ttft_s.mean > random.ttft_s.mean);                         // published: 12.46 s against 2.15 s
  CHECK(least_request.throughput_rps < random.throughput_rps);                   // published: 9.86 against 11.81
  CHECK(prefix.throughput_rps / kv.throughput_rps == Approx(0.74).margin(0.1));  // published: 0.74
  CHECK(prefix.hit_ratio < kv.hit_ratio);
}

TEST_CASE("a published row is found by workload and policy", "[sim][published]") {
  REQUIRE(sim::find_published("gsp-short", "random") != nullptr);
  CHECK(sim::find_published("gsp-short", "random")->throughput_rps == 8.21);
  CHECK(sim::find_published("gsp-short", "kthena-default") == nullptr);
  // A closed loop of 300 obeys Little's law in what was published, too.
  for (const sim::PublishedRow& published : sim::published_rows())
    CHECK(published.throughput_rps * published.e2e_mean_s == Approx(298).epsilon(0.02));
}
