// Fleets beyond one router over equal engines: several routers, mixed engines, a partition, slots, waits. Their times are compared with a
// naive fleet in reference_test.cpp.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "kthena/manifest/scenario.hpp"
#include "kthena/route/presets.hpp"
#include "kthena/sim.hpp"

using namespace kthena;

namespace {

sim::Scenario small(std::string_view policy = "random") {
  sim::GeneratedSharedPrefix spec;
  spec.groups = 20;
  spec.requests_per_group = 10;
  sim::Scenario scenario;
  scenario.workload = sim::make_generated_shared_prefix(spec).value();
  scenario.policy = route::preset(policy).value();
  scenario.client.concurrency = 40;
  return scenario;
}

sim::Simulation finished(const sim::Scenario& scenario) {
  auto simulation = sim::Simulation::create(scenario);
  REQUIRE(simulation.status() == Status());
  while (!simulation->done()) simulation->advance(1'000'000);
  return std::move(simulation).value();
}

std::string fault_of(const sim::Scenario& scenario) { return sim::check(scenario).message(); }

/// 8 servers of 16 slots, 100 requests a second, lognormal service of mean 1.1 s: 86 % load.
sim::Scenario slots(route::PolicySpec policy, std::uint64_t seed) {
  sim::PoissonArrivals spec;
  spec.requests = 12'000;
  spec.prompt_tokens = 1;
  spec.output_tokens = 1100;
  spec.output_sigma = 0.8;
  spec.rate_rps = 100;
  spec.seed = seed;
  sim::Scenario scenario;
  scenario.workload = sim::make_poisson(spec).value();
  scenario.policy = std::move(policy);
  scenario.engine = sim::slot_server(16, 0.001);
  scenario.replicas = 8;
  scenario.seed = seed;
  return scenario;
}

}  // namespace

TEST_CASE("routers share requests out and poll in turn", "[sim][fleet]") {
  sim::Scenario scenario = small("kthena-2025-09/least-request");
  scenario.routers = 4;
  scenario.runs = 2;
  auto simulation = sim::Simulation::create(scenario);
  REQUIRE(simulation.status() == Status());
  std::vector<std::uint64_t> polls(4);
  while (!simulation->done()) {
    simulation->advance(1);
    for (std::uint32_t r = 0; r < 4; ++r) {
      if (simulation->router(r).polls == polls[r]) continue;
      const Time phase = scenario.poll_interval_ns * r / 4;
      REQUIRE(simulation->now() == phase + static_cast<Time>(polls[r]) * scenario.poll_interval_ns);
      ++polls[r];
    }
    if (simulation->events() % 50 != 0) continue;
    double in_flight = 0;
    for (std::uint32_t r = 0; r < 4; ++r)
      for (const double own : simulation->router(r).in_flight) in_flight += own;
    REQUIRE(in_flight <= 40);
  }
  const sim::RequestRows rows = simulation->rows();
  REQUIRE(rows.router.size() == 400);
  for (std::uint32_t r = 0; r < 4; ++r) {
    CHECK(std::count(rows.router.begin(), rows.router.end(), r) > 60);
    CHECK(polls[r] > 2);
    for (const double own : simulation->router(r).in_flight) CHECK(own == 0);
  }
  CHECK(simulation->report().total.requests == 400);
  CHECK(simulation->report().routers == 4);
}

TEST_CASE("each router learns by its own answers, and all learn from KV events", "[sim][fleet]") {
  // One prompt asked again and again, each time long after the answer before.
  sim::Workload w;
  w.name = "one prompt";
  for (std::uint32_t i = 0; i < 12; ++i) {
    w.arrival_ns.push_back(Time{i} * 100 * kSecond);
    w.prompt_tokens.push_back(1280);
    w.output_tokens.push_back(2);
    w.segment_ids.push_back(1);
    w.segment_tokens.push_back(1280);
    w.segment_offsets.push_back(i + 1);
  }
  for (const bool events : {false, true}) {
    sim::Scenario scenario = small(events ? "kthena-2025-09/least-request+kv" : "kthena-2025-09/least-request+prefix");
    scenario.workload = w;
    scenario.routers = 3;
    scenario.replicas = 2;
    auto simulation = sim::Simulation::create(scenario);
    REQUIRE(simulation.status() == Status());
    std::vector<bool> told(3);
    for (std::size_t i = 0; i < w.size(); ++i) {
      while (simulation->rows().arrival_ns[i] == kNever) REQUIRE(simulation->advance(1) == 1);
      const std::uint32_t router = simulation->rows().router[i];
      const sim::RouterView known = simulation->router(router);
      const auto depths = events ? known.prefix_depths : known.history_depths;
      const bool knows = std::any_of(depths.begin(), depths.end(), [](std::uint32_t d) { return d > 0; });
      CHECK(knows == (events ? i > 0 : told[router]));
      told[router] = true;
    }
    CHECK(std::all_of(told.begin(), told.end(), [](bool yes) { return yes; }));
  }
}

TEST_CASE("mixed engines are numbered group by group", "[sim][fleet]") {
  sim::Scenario scenario = small("round-robin");
  const sim::Scenario plain = scenario;
  scenario.engine_groups = {{plain.engine, 1}, {plain.engine, 2}};  // equal: the same fleet
  CHECK(finished(scenario).rows().end_ns == finished(plain).rows().end_ns);
  CHECK(finished(scenario).report().published == nullptr);

  scenario.engine_groups[1].engine.name = "slow";
  scenario.engine_groups[1].engine.t0_s *= 2;
  scenario.engine_groups[1].engine.kv_capacity_tokens /= 2;
  const sim::Report report = finished(scenario).report();
  CHECK(report.replicas == 3);
  REQUIRE(report.engine_groups.size() == 2);
  CHECK(report.engine_groups[1].engine.name == "slow");
  REQUIRE(report.engines.size() == 3);
  CHECK(report.engines[0].group == 0);
  CHECK(report.engines[2].group == 1);
  CHECK(report.engines[0].capacity_blocks == 547'000 / 128);
  CHECK(report.engines[2].capacity_blocks == 273'500 / 128);
  const auto step_s = [&](std::size_t e) {
    return report.engines[e].busy_s / static_cast<double>(report.engines[e].steps);
  };
  CHECK(step_s(1) > step_s(0) * 1.2);
  CHECK(step_s(2) > step_s(0) * 1.2);

  scenario.engine_groups[1].engine.block_tokens = 64;
  scenario.engine_groups[0].count = 0;
  CHECK(fault_of(scenario) ==
        "engine_groups[0].count: not in 1..4096; engine_groups[1].engine.block_tokens: 64 is not the 128 of "
        "engine_groups[0]");
  scenario.engine_groups = {{plain.engine, 4000}, {plain.engine, 97}};
  CHECK(fault_of(scenario) == "engine_groups: 4097 engines are more than 4096");
  scenario.engine_groups = {{plain.engine, 1}, {plain.engine, 1}};
  scenario.engine_groups[1].engine.kv_capacity_tokens = 4096;
  CHECK(sim::Simulation::create(scenario).status().message().find("do not fit") != std::string::npos);
}

TEST_CASE("a partition gives every group its engine", "[sim][fleet]") {
  sim::Scenario scenario = small();
  scenario.assignment = sim::Assignment::kPartition;
  const sim::Simulation simulation = finished(scenario);
  const sim::RequestRows rows = simulation.rows();
  for (std::size_t i = 0; i < rows.endpoint.size(); ++i)
    REQUIRE(rows.endpoint[i] == scenario.workload.group_ids[i] % 3);
  const sim::Report report = simulation.report();
  CHECK(report.assignment == sim::Assignment::kPartition);
  // Every group is computed once and found 9 times of 10: 32 of 34 blocks.
  CHECK(report.total.hit_ratio == Approx(0.9 * 4096 / 4352).epsilon(1e-9));
  scenario.workload.group_ids.clear();
  CHECK(fault_of(scenario) == "assignment: partition needs a workload with groups");
  scenario.routers = 65;
  CHECK(fault_of(scenario).starts_with("routers: not in 1..64; "));
}

TEST_CASE("waits end with the first admission", "[sim][fleet]") {
  sim::Scenario scenario = small("round-robin");
  scenario.engine.max_running = 4;
  const sim::Simulation simulation = finished(scenario);
  const sim::RequestRows rows = simulation.rows();
  double sum = 0;
  std::size_t waited = 0;
  for (std::size_t i = 0; i < rows.end_ns.size(); ++i) {
    REQUIRE(rows.admitted_ns[i] >= rows.arrival_ns[i]);
    REQUIRE(rows.admitted_ns[i] < rows.first_token_ns[i]);
    sum += to_seconds(rows.admitted_ns[i] - rows.arrival_ns[i]);
    waited += rows.admitted_ns[i] > rows.arrival_ns[i] ? 1 : 0;
  }
  CHECK(waited > rows.end_ns.size() / 2);
  const sim::Distribution wait = simulation.report().total.wait_s;
  CHECK(wait.count == 200);
  CHECK(wait.mean == Approx(sum / 200).epsilon(1e-9));
  CHECK(wait.p99 <= wait.max);
}

TEST_CASE("slots: a load policy with its own counts waits a tenth of random's time", "[sim][fleet]") {
  route::PolicySpec own_counts;
  own_counts.name = "own counts";
  own_counts.scorers = {{"least-request", 1, {{"waiting_weight", 0}}}};
  own_counts.picker = {"best-score"};
  const sim::RunReport random = finished(slots(route::preset("random").value(), 1)).report().total;
  const sim::RunReport own = finished(slots(own_counts, 1)).report().total;
  INFO("random " << random.wait_s.mean << " s, own counts " << own.wait_s.mean << " s");
  CHECK(random.wait_s.mean > 0.1);
  CHECK(own.wait_s.mean < random.wait_s.mean / 10);
  CHECK(random.requests == 12'000);
  // Chance is as good in four routers as in one: their choices are not the same ones.
  sim::Scenario four = slots(route::preset("random").value(), 1);
  four.routers = 4;
  CHECK(finished(four).report().total.wait_s.mean < 1.5 * random.wait_s.mean);
}

TEST_CASE("lognormal answers have their mean and their spread", "[sim][workload]") {
  sim::PoissonArrivals spec;
  spec.requests = 200'000;
  spec.output_tokens = 1000;
  const sim::Workload plain = sim::make_poisson(spec).value();
  spec.output_sigma = 0.5;
  const sim::Workload w = sim::make_poisson(spec).value();
  CHECK(w.arrival_ns == plain.arrival_ns);
  double sum = 0;
  double squares = 0;
  for (const std::uint32_t tokens : w.output_tokens) {
    REQUIRE(tokens >= 1);
    sum += tokens;
    squares += static_cast<double>(tokens) * tokens;
  }
  const double mean = sum / 200'000;
  CHECK(mean == Approx(1000).epsilon(0.006));  // five standard errors
  // Variance of a lognormal: mean^2 (exp(sigma^2) - 1).
  CHECK(squares / 200'000 / (mean * mean) - 1 == Approx(0.284).epsilon(0.03));
}

TEST_CASE("groups share requests out as a power of their rank", "[sim][workload]") {
  sim::GeneratedSharedPrefix spec;
  spec.zipf_s = 1;
  const sim::Workload w = sim::make_generated_shared_prefix(spec).value();
  REQUIRE(w.size() == 8192);
  REQUIRE(w.group_ids.size() == 8192);
  std::vector<std::uint32_t> counts(256);
  for (std::size_t i = 0; i < w.size(); ++i) {
    ++counts[w.group_ids[i]];
    REQUIRE(w.segment_ids[w.segment_offsets[i]] == w.group_ids[i]);
  }
  double harmonic = 0;
  for (int rank = 1; rank <= 256; ++rank) harmonic += 1.0 / rank;
  for (int rank = 1; rank <= 256; ++rank) {
    INFO("rank " << rank);
    CHECK(std::abs(counts[static_cast<std::size_t>(rank - 1)] - 8192 / (harmonic * rank)) <= 1);
  }
  // Questions are asked once each.
  std::vector<std::uint32_t> questions;
  for (std::size_t i = 1; i < w.segment_ids.size(); i += 2) questions.push_back(w.segment_ids[i]);
  std::sort(questions.begin(), questions.end());
  for (std::uint32_t i = 0; i < 8192; ++i) REQUIRE(questions[i] == 256 + i);
  spec.zipf_s = 11;
  CHECK(sim::make_generated_shared_prefix(spec).status().message().starts_with("zipf_s: "));
}

TEST_CASE("adapters are drawn by their odds, and share no prefixes", "[sim][workload]") {
  sim::PoissonArrivals spec;
  spec.requests = 100'000;
  spec.adapters = 10;
  spec.adapter_zipf_s = 1;
  const sim::Workload w = sim::make_poisson(spec).value();
  double harmonic = 0;
  for (int rank = 1; rank <= 10; ++rank) harmonic += 1.0 / rank;
  for (std::uint32_t a = 0; a < 10; ++a)
    CHECK(static_cast<double>(std::count(w.adapter_ids.begin(), w.adapter_ids.end(), a)) ==
          Approx(100'000 / harmonic / (a + 1)).epsilon(0.05));

  sim::Workload same;
  same.name = "same prompt";
  for (std::uint32_t i = 0; i < 4; ++i) {
    same.arrival_ns.push_back(0);
    same.prompt_tokens.push_back(100);
    same.output_tokens.push_back(1);
    same.segment_ids.push_back(7);
    same.segment_tokens.push_back(100);
    same.segment_offsets.push_back(i + 1);
  }
  CHECK(sim::prefix_stats(same, 10)->unique_blocks == 10);
  same.adapter_ids = {0, 1, 0, sim::kNoAdapter};
  CHECK(sim::prefix_stats(same, 10)->unique_blocks == 30);
  CHECK(sim::prefix_stats(same, 10)->ideal_hit_tokens == 100);
  same.adapter_ids[2] = sim::kMaxAdapters;
  CHECK(sim::check(same).message().starts_with("requests[2].adapter_ids: 65536 is not below"));
  same.adapter_ids.pop_back();
  CHECK(sim::check(same).message() == "adapter_ids: not as many as arrivals");
}

TEST_CASE("documents of a fleet are refused for what no schema sees", "[sim][fleet]") {
  const auto fault = [](const std::string& more) {
    return manifest::parse_scenario(R"({"workload": {"poisson": {}}, "policy": "random", )" + more + "}")
        .status()
        .message();
  };
  CHECK(fault(R"("assignment": "partition")") == "assignment: partition needs a workload with groups");
  CHECK(fault(R"("engine_groups": [])") == "engine_groups: must be an array with at least one group");
  CHECK(fault(R"("engine_groups": [{"count": 4090}, {"engine": {"block_tokens": 64}, "count": 7}])") ==
        "engine_groups[1].engine.block_tokens: 64 is not the 128 of engine_groups[0]; "
        "engine_groups: 4097 engines are more than 4096");
}

TEST_CASE("a fleet's documents say what is not the default, and only that", "[sim][fleet]") {
  const std::string plain =
      R"({"workload": {"generated_shared_prefix": {"groups": 2, "requests_per_group": 3}}, "policy": "random"})";
  const auto with = [&](const std::string& more) { return plain.substr(0, plain.size() - 1) + ", " + more + "}"; };
  const std::string before = manifest::simulate_document(plain).value();
  for (const char* key : {"wait_s", "routers", "assignment", "engine_groups"})
    CHECK(before.find(key) == std::string::npos);
  CHECK(manifest::simulate_document(with(R"("routers": 1, "assignment": "policy", "report_waits": false)")).value() ==
        before);
  const std::string waits = manifest::simulate_document(with(R"("report_waits": true)")).value();
  CHECK(waits.find(R"("wait_s":{"count":6,)") != std::string::npos);
  auto simulation =
      sim::Simulation::create(manifest::parse_scenario(with(R"("report_waits": true, "routers": 2)")).value());
  REQUIRE(simulation.ok());
  while (!simulation->done()) simulation->advance(1000);
  CHECK(manifest::write_requests_csv(*simulation)
            .starts_with("run,request,endpoint,arrival_ns,first_token_ns,end_ns,prompt_tokens,output_tokens,hit_tokens,"
                         "admitted_ns,router\n0,0,engine-"));
}
