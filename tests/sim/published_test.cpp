// The published benchmark of Kthena against the simulator with frozen constants: means of seeds 1 to 5.
#include "kthena/sim/published.hpp"

#include <cmath>
#include <cstdio>
#include <map>
#include <string>

#include "catch.hpp"
#include "kthena/route/presets.hpp"
#include "kthena/sim.hpp"
#include "sim/seeds.hpp"

using namespace kthena;

namespace {

using Key = std::pair<std::string_view, std::string_view>;

// Kthena's prefix-cache learns of a prefix when its first answer is complete, so that most groups end up on two engines and the caches
// overflow. The constants were fitted to a model that learned at dispatch. docs/simulator.md.
constexpr Key kStatedMiss = {"gsp-long", "kthena-2025-09/least-request+prefix"};

const std::map<Key, seeds::Mean>& simulated() {
  static const std::map<Key, seeds::Mean> rows = [] {
    std::map<Key, seeds::Mean> out;
    for (const sim::PublishedRow& row : sim::published_rows())
      out[{row.workload, row.policy}] =
          seeds::mean_of([&](std::uint64_t seed) { return seeds::published(row.workload, row.policy, seed); });
    return out;
  }();
  return rows;
}

double percent(double model, double published) { return 100 * (model / published - 1); }

double residual(const sim::PublishedRow& row) {
  return percent(simulated().at({row.workload, row.policy}).rps, row.throughput_rps);
}

}  // namespace

TEST_CASE("eleven of the twelve published rows are met within 20 %", "[sim][published]") {
  std::string table =
      "means of 5 seeds, model/published\n"
      "| workload, policy | req/s | published | residual | E2E s | published | TTFT s | published | hit % | seeds, "
      "req/s |\n";
  int rows = 0;
  for (const sim::PublishedRow& row : sim::published_rows()) {
    const seeds::Mean& mine = simulated().at({row.workload, row.policy});
    const std::size_t slash = row.policy.find('/');
    const std::string policy(slash == std::string_view::npos ? row.policy : row.policy.substr(slash + 1));
    char line[240];
    std::snprintf(
        line, sizeof line, "| %s, %s | %.2f | %.2f | %+.1f %% | %.2f | %.2f | %.2f | %.2f | %.1f | %.1f to %.1f |\n",
        std::string(row.workload.substr(4)).c_str(), policy.c_str(), mine.rps, row.throughput_rps, residual(row),
        mine.e2e_s, row.e2e_mean_s, mine.ttft_s, row.ttft_mean_s, 100 * mine.hit_ratio, mine.least_rps, mine.most_rps);
    table += line;
    INFO(line);
    CHECK(mine.requests == seeds::kSeeds * 3 * 8192);
    if (Key{row.workload, row.policy} == kStatedMiss) continue;
    CHECK(std::abs(residual(row)) < 20);
    ++rows;
  }
  CHECK(rows == 11);
  WARN(table);
}

TEST_CASE("a stated miss: gsp-long under least request and prefix is 20 to 26 % below its published row",
          "[sim][published]") {
  const sim::PublishedRow* row = sim::find_published(kStatedMiss.first, kStatedMiss.second);
  REQUIRE(row != nullptr);
  const double missed = residual(*row);
  INFO(missed << " %");
  CHECK(missed > -26);
  CHECK(missed < -20);  // once it is met: it belongs to the others
}

TEST_CASE("what the published benchmark claims holds in the simulator", "[sim][published]") {
  const auto row = [](std::string_view policy) { return simulated().at({"gsp-long", policy}); };
  const seeds::Mean random = row("random");
  const seeds::Mean kv = row("kthena-2025-09/least-request+kv");
  const seeds::Mean prefix = row("kthena-2025-09/least-request+prefix");
  const seeds::Mean least_request = row("kthena-2025-09/least-request");

  const double gain = kv.rps / random.rps;  // published: 2.73
  CHECK(gain > 2.2);
  CHECK(gain < 2.9);
  CHECK(kv.ttft_s < 0.35 * random.ttft_s);                 // published: -73.5 %
  CHECK(kv.e2e_s < 0.45 * random.e2e_s);                   // published: -63.5 %
  CHECK(least_request.ttft_s > random.ttft_s);             // published: 12.46 s against 2.15 s
  CHECK(least_request.rps < random.rps);                   // published: 9.86 against 11.81
  CHECK(prefix.rps / kv.rps == Approx(0.74).margin(0.1));  // published: 0.74
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

TEST_CASE("a published row stands only beside a run that is like it", "[sim][published]") {
  for (const sim::PublishedRow& row : sim::published_rows())
    CHECK(sim::comparable_row(seeds::published(row.workload, row.policy, 7)) ==
          sim::find_published(row.workload, row.policy));

  const sim::Scenario same = seeds::published("gsp-long", "kthena-2025-09/least-request", 1);
  const sim::PublishedRow* row = sim::find_published("gsp-long", "kthena-2025-09/least-request");
  const auto row_of = [&](auto&& change) {
    sim::Scenario scenario = same;
    change(scenario);
    return sim::comparable_row(scenario);
  };
  // What may differ: the number of runs, seeds, and the label of the policy.
  CHECK(row_of([](sim::Scenario& s) { s.runs = 1; }) == row);
  CHECK(row_of([](sim::Scenario& s) { s.seed = 99; }) == row);
  CHECK(row_of([](sim::Scenario& s) { s.policy.name = "mine"; }) == row);
  CHECK(row_of([](sim::Scenario& s) { s.request_limit = 8192; }) == row);
  // What may not.
  CHECK(row_of([](sim::Scenario& s) { s.replicas = 4; }) == nullptr);
  CHECK(row_of([](sim::Scenario& s) { s.client.concurrency = 299; }) == nullptr);
  CHECK(row_of([](sim::Scenario& s) { s.client.speed = 2; }) == nullptr);
  CHECK(row_of([](sim::Scenario& s) { s.poll_interval_ns = kSecond; }) == nullptr);
  CHECK(row_of([](sim::Scenario& s) { s.kv_event_delay_ns = 1; }) == nullptr);
  CHECK(row_of([](sim::Scenario& s) { s.prefix_source = sim::PrefixSource::kExact; }) == nullptr);
  CHECK(row_of([](sim::Scenario& s) { s.engine = sim::engine_model("llama3-8b@a100").value(); }) == nullptr);
  CHECK(row_of([](sim::Scenario& s) { s.engine.kv_capacity_tokens += 128; }) == nullptr);  // under the same name
  CHECK(row_of([](sim::Scenario& s) { s.request_limit = 8191; }) == nullptr);
  CHECK(row_of([](sim::Scenario& s) { sim::truncate(s.workload, 8191); }) == nullptr);
  CHECK(row_of([](sim::Scenario& s) { s.workload.output_tokens[5] = 1; }) == nullptr);
  CHECK(row_of([](sim::Scenario& s) { s.workload.segment_ids[0] ^= 1; }) == nullptr);
  CHECK(row_of([](sim::Scenario& s) { s.workload.name = "mine"; }) == nullptr);
  CHECK(row_of([](sim::Scenario& s) { s.workload.name = "gsp-short"; }) == nullptr);
  CHECK(row_of([](sim::Scenario& s) { s.policy.scorers[0].weight = 2; }) == nullptr);  // under the same name
  CHECK(row_of([](sim::Scenario& s) { s.policy = route::preset("kthena-default").value(); }) == nullptr);
  CHECK(row_of([](sim::Scenario& s) {
          s.policy = route::preset("kthena-default").value();
          s.policy.name = "kthena-2025-09/least-request";
        }) == nullptr);

  // A report carries it, of any number of runs.
  sim::Scenario one = same;
  one.runs = 1;
  CHECK(sim::Simulation::create(one)->report().published == row);
  one.replicas = 2;
  CHECK(sim::Simulation::create(one)->report().published == nullptr);
}
