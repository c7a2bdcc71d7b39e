// What the router of a simulation is told, and when. Its metrics are compared with a naive reading of them in reference_test.cpp.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "kthena/route/presets.hpp"
#include "kthena/sim.hpp"

using namespace kthena;

namespace {

struct Asked {
  Time at;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> segments;  // id, tokens
};

sim::Workload make_workload(const std::vector<Asked>& requests, std::uint32_t output_tokens) {
  sim::Workload w;
  w.name = "by hand";
  for (const Asked& asked : requests) {
    std::uint32_t prompt = 0;
    for (const auto& [id, tokens] : asked.segments) {
      w.segment_ids.push_back(id);
      w.segment_tokens.push_back(tokens);
      prompt += tokens;
    }
    w.segment_offsets.push_back(static_cast<std::uint32_t>(w.segment_ids.size()));
    w.arrival_ns.push_back(asked.at);
    w.prompt_tokens.push_back(prompt);
    w.output_tokens.push_back(output_tokens);
  }
  return w;
}

sim::Scenario scenario_of(sim::Workload workload, std::string_view policy, std::uint32_t replicas) {
  sim::Scenario scenario;
  scenario.workload = std::move(workload);
  scenario.policy = route::preset(policy).value();
  scenario.replicas = replicas;
  scenario.engine.block_tokens = 16;
  scenario.engine.kv_capacity_tokens = 160'000;
  return scenario;
}

void run_until_sent(sim::Simulation& simulation, std::size_t request) {
  while (simulation.rows().arrival_ns[request] == kNever) REQUIRE(simulation.advance(1) == 1);
}

std::vector<std::uint32_t> copy(std::span<const std::uint32_t> depths) { return {depths.begin(), depths.end()}; }

using Depths = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("the history is told when an answer is complete, not when a request is sent", "[sim][router]") {
  // The third request comes one nanosecond before or after the first answer ends.
  std::vector<Asked> requests = {{0, {{7, 160}}}, {kMillisecond, {{7, 160}}}, {3600 * kSecond, {{7, 160}}}};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    requests[2].at = 3600 * kSecond;
    sim::Scenario scenario = scenario_of(make_workload(requests, 50), "kthena-2025-09/least-request+prefix", 3);
    scenario.seed = seed;
    auto whole = sim::Simulation::create(scenario);
    REQUIRE(whole.status() == Status());
    run_until_sent(*whole, 0);
    CHECK(copy(whole->router().history_depths) == Depths{0, 0, 0});
    run_until_sent(*whole, 1);
    CHECK(copy(whole->router().history_depths) == Depths{0, 0, 0});  // the first one is in an engine, but has no answer
    while (!whole->done()) whole->advance(1);
    const sim::RequestRows rows = whole->rows();
    Depths both(3);
    both[rows.endpoint[0]] = both[rows.endpoint[1]] = 10;
    CHECK(copy(whole->router().history_depths) == both);
    REQUIRE(rows.end_ns[0] < rows.end_ns[1]);

    for (const Duration late : {-1, 1}) {
      requests[2].at = rows.end_ns[0] + late;
      scenario.workload = make_workload(requests, 50);
      auto simulation = sim::Simulation::create(scenario);
      REQUIRE(simulation.status() == Status());
      run_until_sent(*simulation, 2);
      Depths expected(3);
      if (late > 0) expected[rows.endpoint[0]] = 10;
      CHECK(copy(simulation->router().history_depths) == expected);
    }
  }
}

TEST_CASE("the history looks at 128 blocks of 16 tokens, the last partial one counted", "[sim][router]") {
  const struct {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> segments;
    std::uint32_t depth;
  } prompts[] = {
      {{{0, 3000}}, 0},              // told to nobody yet
      {{{0, 3000}}, 128},            // of 188 blocks
      {{{0, 2048}, {1, 952}}, 128},  // what follows is not looked at
      {{{0, 2047}, {2, 953}}, 127},  // the last token of the window differs
      {{{0, 2032}, {3, 968}}, 127},  // so does the last block
      {{{0, 2031}, {4, 969}}, 126},
      {{{0, 16}, {5, 100}}, 1},
      {{{0, 15}, {6, 100}}, 0},
      {{{0, 40}}, 2},  // ends inside a block
      {{{0, 40}}, 3},  // which is now known as it is
      {{{0, 41}}, 2},
      {{{0, 1}}, 0},
      {{{0, 1}}, 1},
  };
  std::vector<Asked> requests;
  for (const auto& prompt : prompts)
    requests.push_back({static_cast<Time>(requests.size()) * 100 * kSecond, prompt.segments});
  auto simulation =
      sim::Simulation::create(scenario_of(make_workload(requests, 2), "kthena-2025-09/least-request+prefix", 1));
  REQUIRE(simulation.status() == Status());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    INFO("prompt " << i);
    run_until_sent(*simulation, i);
    CHECK(copy(simulation->router().history_depths) == Depths{prompts[i].depth});
    CHECK(simulation->router().prefix_depths.empty());
  }
}

TEST_CASE("KV events are known after their delay; Kthena looks at 128 blocks of them, the index at all",
          "[sim][router]") {
  // One step computes the prompt, the second the answer; the request at 1 s + 1 ns comes just after the events do.
  for (const sim::PrefixSource source : {sim::PrefixSource::kKthena, sim::PrefixSource::kExact}) {
    INFO(sim::prefix_source_name(source));
    std::vector<Asked> requests = {{0, {{0, 3000}}}, {0, {{0, 3000}}}, {0, {{0, 3000}}}, {3600 * kSecond, {{0, 40}}}};
    sim::Scenario scenario = scenario_of({}, "kthena-2025-09/least-request+kv", 1);
    scenario.prefix_source = source;
    scenario.kv_event_delay_ns = kSecond;
    scenario.engine.t0_s = 0.25;
    scenario.engine.c_token_s = scenario.engine.c_prefill_s = scenario.engine.c_context_s = 0;
    scenario.engine.c_sequence_s = 0;
    requests[1].at = 1250 * kMillisecond - 1;
    requests[2].at = 1250 * kMillisecond + 1;
    scenario.workload = make_workload(requests, 2);
    auto simulation = sim::Simulation::create(scenario);
    REQUIRE(simulation.status() == Status());
    run_until_sent(*simulation, 1);
    CHECK(copy(simulation->router().prefix_depths) == Depths{0});
    run_until_sent(*simulation, 2);
    CHECK(copy(simulation->router().prefix_depths) == Depths{source == sim::PrefixSource::kKthena ? 128u : 187u});
    run_until_sent(*simulation, 3);
    CHECK(copy(simulation->router().prefix_depths) == Depths{2});
    CHECK(simulation->router().history_depths.empty());
  }
}

TEST_CASE("what feeds prefixes follows from prefix_source, never from a policy's name", "[sim][router]") {
  sim::GeneratedSharedPrefix spec;
  spec.groups = 40;
  spec.requests_per_group = 12;
  for (const std::string_view preset : {"kthena-2025-09/least-request+prefix", "kthena-2025-09/least-request+kv"}) {
    INFO(preset);
    sim::Scenario scenario =
        sim::published_scenario(sim::make_generated_shared_prefix(spec).value(), route::preset(preset).value());
    scenario.engine.kv_capacity_tokens = 60'000;
    scenario.client.concurrency = 60;
    CHECK(scenario.prefix_source == sim::PrefixSource::kKthena);
    std::vector<std::vector<Time>> ends;
    for (const sim::PrefixSource source : {sim::PrefixSource::kKthena, sim::PrefixSource::kExact}) {
      for (const char* name : {"kthena-mine", "mine", ""}) {
        scenario.prefix_source = source;
        scenario.policy.name = name;
        auto simulation = sim::Simulation::create(scenario);
        REQUIRE(simulation.status() == Status());
        while (!simulation->done()) simulation->advance(1'000'000);
        CHECK(simulation->report().prefix_source == source);
        ends.push_back(simulation->rows().end_ns);
      }
    }
    CHECK(ends[0] == ends[1]);
    CHECK(ends[0] == ends[2]);
    CHECK(ends[3] == ends[4]);
    CHECK(ends[3] == ends[5]);
    // The history of sent prompts is not what engines hold; unchained owners of prompts this short are (laws_test.cpp).
    CHECK((ends[0] == ends[3]) == preset.ends_with("+kv"));
  }
  for (const sim::PrefixSource source : {sim::PrefixSource::kKthena, sim::PrefixSource::kExact})
    CHECK(sim::find_prefix_source(sim::prefix_source_name(source)) == source);
  CHECK(sim::find_prefix_source("auto") == std::nullopt);
}
