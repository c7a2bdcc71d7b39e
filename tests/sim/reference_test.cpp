// The engine model against a second, naive one, event for event.
#include <algorithm>
#include <string>

#include "catch.hpp"
#include "kthena/base/random.hpp"
#include "kthena/route/presets.hpp"
#include "kthena/sim.hpp"
#include "sim/reference_fleet.hpp"

using namespace kthena;

namespace {

struct Case {
  sim::Scenario scenario;
  std::string text;
};

/// Small enough to preempt, to chunk and to evict.
Case random_case(std::uint64_t seed) {
  RandomStream random(seed, 77);
  const auto pick = [&](std::uint64_t least, std::uint64_t most) {
    return static_cast<std::uint32_t>(least + random.next_below(most - least + 1));
  };
  Case out;
  EngineModel& model = out.scenario.engine;
  model.name = "small";
  model.t0_s = 1e-3 * pick(0, 5);
  model.t_mem_s = 1e-3 * pick(0, 3);
  model.c_token_s = 1e-4 * pick(1, 7);
  model.c_prefill_s = 1e-6 * pick(0, 9);
  model.c_context_s = 1e-6 * pick(0, 9);
  model.c_sequence_s = 1e-5 * pick(0, 9);
  model.block_tokens = pick(1, 9);
  model.max_batched_tokens = pick(1, 3) == 1 ? pick(1, 12) : pick(10, 80);
  model.max_running = pick(1, 3) == 1 ? pick(1, 3) : pick(4, 12);

  sim::Workload& w = out.scenario.workload;
  w.name = "random";
  const std::uint32_t n = pick(1, 40);
  const std::uint32_t shared = pick(1, 5);
  const std::uint32_t longest = pick(1, 4) == 1 ? 150 : 30;
  std::uint64_t most = 1;
  std::uint32_t fresh = 1000;
  Time at = 0;
  for (std::uint32_t i = 0; i < n; ++i) {
    if (pick(0, 2) > 0) at += pick(0, 30) * kMillisecond;
    w.arrival_ns.push_back(at);
    std::uint32_t prompt = 0;
    for (std::uint32_t s = pick(1, 4); s > 0; --s) {
      const bool own = pick(0, 2) == 0;
      const std::uint32_t id = own ? fresh++ : pick(0, shared);
      const std::uint32_t tokens = own ? pick(1, 20) : 3 + 5 * (id % 4);  // a shared segment has one length...
      w.segment_ids.push_back(id);
      w.segment_tokens.push_back(s == 1 && pick(0, 3) == 0 ? (tokens + 1) / 2 : tokens);  // ...but for some last ones
      prompt += w.segment_tokens.back();
    }
    w.segment_offsets.push_back(static_cast<std::uint32_t>(w.segment_ids.size()));
    w.prompt_tokens.push_back(prompt);
    w.output_tokens.push_back(pick(0, 4) == 0 ? 1 : pick(1, longest));
    most = std::max<std::uint64_t>(most, prompt + w.output_tokens.back());
  }
  const std::uint64_t blocks = (most + model.block_tokens - 1) / model.block_tokens;
  model.kv_capacity_tokens = (blocks + pick(0, pick(0, 1) == 0 ? 5 : 60)) * model.block_tokens;

  out.scenario.replicas = pick(1, 3);
  out.scenario.policy = route::preset("round-robin").value();
  out.scenario.client.concurrency = pick(0, 1) * pick(1, 12);
  out.scenario.runs = pick(1, 3);
  out.scenario.poll_interval_ns = pick(1, 50) * kMillisecond;
  out.text = "seed " + std::to_string(seed) + ": " + std::to_string(n) + " requests, block " +
             std::to_string(model.block_tokens) + ", capacity " + std::to_string(model.kv_capacity_tokens) +
             ", budget " + std::to_string(model.max_batched_tokens) + ", running " + std::to_string(model.max_running) +
             ", replicas " + std::to_string(out.scenario.replicas) + ", concurrency " +
             std::to_string(out.scenario.client.concurrency) + ", runs " + std::to_string(out.scenario.runs);
  return out;
}

struct Seen {
  std::uint64_t preemptions = 0, chunks = 0, hits = 0, steps = 0;
  std::uint64_t polls = 0, waiting = 0, latencies = 0, silences = 0;
  std::uint64_t adapter_loads = 0, passed = 0;
};

/// What the router knows after a poll is what the reference read then.
void compare_poll(const sim::Simulation& simulation, std::uint32_t router, const reference::Fleet& expected,
                  Seen& seen) {
  const sim::RouterView known = simulation.router(router);
  INFO("poll " << known.polls << " of router " << router << " at " << simulation.now() << " ns");
  REQUIRE(known.polls <= expected.polls[router].size());
  const reference::Poll& poll = expected.polls[router][known.polls - 1];
  REQUIRE(simulation.now() == poll.at);
  REQUIRE(known.running.size() == poll.engines.size());
  for (std::size_t e = 0; e < poll.engines.size(); ++e) {
    INFO("engine " << e);
    const reference::Metrics& engine = poll.engines[e];
    REQUIRE(known.running[e] == engine.running);
    REQUIRE(known.waiting[e] == engine.waiting);
    REQUIRE(known.kv_usage[e] == engine.kv_usage);
    REQUIRE(known.ttft_s[e] == engine.ttft);
    REQUIRE(known.tpot_s[e] == engine.tpot);
    REQUIRE(known.in_flight[e] == engine.in_flight);
    ++seen.polls;
    seen.waiting += engine.waiting > 0 ? 1 : 0;
    seen.latencies += engine.ttft > 0 && engine.tpot > 0 ? 1 : 0;
    seen.silences += engine.running > 0 && engine.ttft == 0 ? 1 : 0;
  }
}

void compare(const Case& c, Seen& seen, reference::Routing routing = reference::Routing::kRoundRobin) {
  INFO(c.text);
  const sim::Scenario& s = c.scenario;
  std::vector<EngineModel> models;
  for (const sim::EngineGroup& group : s.engine_groups) models.insert(models.end(), group.count, group.engine);
  const reference::Fleet expected = reference::run({.workload = s.workload,
                                                    .model = s.engine,
                                                    .replicas = s.replicas,
                                                    .concurrency = s.client.concurrency,
                                                    .runs = s.runs,
                                                    .poll_interval = s.poll_interval_ns,
                                                    .routing = routing,
                                                    .seed = s.seed,
                                                    .models = models,
                                                    .routers = s.routers});
  auto simulation = sim::Simulation::create(s);
  REQUIRE(simulation.status() == Status());
  std::vector<std::uint64_t> polls(s.routers);
  while (!simulation->done()) {
    REQUIRE(simulation->advance(1) == 1);
    for (std::uint32_t r = 0; r < s.routers; ++r) {
      if (simulation->router(r).polls == polls[r]) continue;
      ++polls[r];
      compare_poll(*simulation, r, expected, seen);
    }
  }
  for (std::uint32_t r = 0; r < s.routers; ++r) REQUIRE(polls[r] == expected.polls[r].size());
  const sim::RequestRows rows = simulation->rows();
  const sim::Report report = simulation->report();

  REQUIRE(rows.arrival_ns.size() == expected.rows.size());
  for (std::size_t i = 0; i < expected.rows.size(); ++i) {
    INFO("row " << i);
    const reference::Row& row = expected.rows[i];
    REQUIRE(rows.arrival_ns[i] == row.arrival);
    REQUIRE(rows.router[i] == row.router);
    REQUIRE(rows.endpoint[i] == row.engine);
    REQUIRE(rows.admitted_ns[i] == row.admitted);
    REQUIRE(rows.hit_tokens[i] == row.hit);
    REQUIRE(rows.first_token_ns[i] == row.first);
    REQUIRE(rows.end_ns[i] == row.end);
  }
  for (std::size_t e = 0; e < expected.engines.size(); ++e) {
    INFO("engine " << e);
    const reference::Engine& engine = expected.engines[e];
    const sim::EngineReport& mine = report.engines[e];
    CHECK(mine.steps == engine.steps);
    CHECK(mine.preemptions == engine.preemptions);
    CHECK(mine.admissions == engine.admissions);
    CHECK(mine.computed_tokens == engine.computed);
    CHECK(mine.hit_tokens == engine.hits);
    CHECK(mine.lost_tokens == engine.lost);
    CHECK(mine.peak_blocks == engine.peak);
    CHECK(mine.adapter_loads == engine.adapter_loads);
    CHECK(mine.referenced_blocks == 0);
    CHECK(engine.referenced() == 0);
    seen.preemptions += engine.preemptions;
    seen.chunks += engine.chunks;
    seen.hits += engine.hits;
    seen.steps += engine.steps;
    seen.adapter_loads += engine.adapter_loads;
    seen.passed += engine.passed;
  }
}

}  // namespace

TEST_CASE("every request's times equal those of a naive simulator", "[sim][reference]") {
  Seen seen;
  for (std::uint64_t seed = 0; seed < 1500; ++seed) compare(random_case(seed), seen);
  // The comparison is worth something only if all of it happened.
  CHECK(seen.preemptions > 1000);
  CHECK(seen.chunks > 1000);
  CHECK(seen.hits > 10'000);
  CHECK(seen.steps > 100'000);
  CHECK(seen.polls > 100'000);
  CHECK(seen.waiting > 10'000);
  CHECK(seen.latencies > 10'000);
  CHECK(seen.silences > 10'000);
}

TEST_CASE("whole runs under load policies equal those of a naive router over a naive fleet", "[sim][reference]") {
  using reference::Routing;
  const struct {
    const char* preset;
    Routing routing;
  } policies[] = {
      {"kthena-2025-09/least-request", Routing::kLeastRequest},
      {"kthena-2025-09/gpu-usage", Routing::kGpuUsage},
      {"kthena-2025-09/least-latency", Routing::kLeastLatency},
      {"kthena-2025-09/least-request+prefix", Routing::kLeastRequestPrefix},
  };
  for (const auto& [preset, routing] : policies) {
    INFO(preset);
    Seen seen;
    for (std::uint64_t seed = 2000; seed < 2300; ++seed) {
      Case c = random_case(seed);
      c.scenario.policy = route::preset(preset).value();
      c.scenario.replicas = static_cast<std::uint32_t>(2 + seed % 3);
      c.scenario.seed = seed;
      compare(c, seen, routing);
    }
    CHECK(seen.polls > 20'000);
    CHECK(seen.latencies > 2'000);
    CHECK(seen.waiting > 1'000);
  }
}

TEST_CASE("adapters, mixed engines and several routers equal those of the naive fleet", "[sim][reference]") {
  using reference::Routing;
  const struct {
    const char* preset;
    Routing routing;
  } policies[] = {
      {"round-robin", Routing::kRoundRobin},
      {"kthena-2025-09/least-request", Routing::kLeastRequest},
      {"kthena-2025-09/least-latency", Routing::kLeastLatency},
      {"kthena-2025-09/least-request+prefix", Routing::kLeastRequestPrefix},
  };
  Seen seen;
  for (std::uint64_t seed = 4000; seed < 5200; ++seed) {
    Case c = random_case(seed);
    RandomStream random(seed, 79);
    sim::Scenario& s = c.scenario;
    s.seed = seed;
    s.routers = static_cast<std::uint32_t>(1 + random.next_below(4));
    if (random.next_below(4) > 0) {
      const std::uint64_t adapters = 1 + random.next_below(6);
      for (std::size_t i = 0; i < s.workload.size(); ++i)
        s.workload.adapter_ids.push_back(
            random.next_below(5) == 0 ? sim::kNoAdapter : static_cast<std::uint32_t>(random.next_below(adapters)));
      s.engine.max_adapters = static_cast<std::uint32_t>(random.next_below(4));
      s.engine.adapter_load_s = 1e-3 * static_cast<double>(random.next_below(20));
    }
    if (random.next_below(2) > 0) {
      for (std::uint32_t g = 0; g < 3; ++g) {
        sim::EngineGroup& group = s.engine_groups.emplace_back(
            sim::EngineGroup{s.engine, static_cast<std::uint32_t>(1 + random.next_below(2))});
        group.engine.t0_s *= 1 + g;
        group.engine.kv_capacity_tokens += g * 7 * s.engine.block_tokens;
        group.engine.max_running += g;
        if (g == 2) group.engine.max_adapters = 1;
      }
    }
    c.text += ", routers " + std::to_string(s.routers) + ", groups " + std::to_string(s.engine_groups.size()) +
              ", max_adapters " + std::to_string(s.engine.max_adapters);
    const auto& [preset, routing] = policies[seed % 4];
    s.policy = route::preset(preset).value();
    compare(c, seen, routing);
  }
  CHECK(seen.preemptions > 1000);
  CHECK(seen.adapter_loads > 5000);
  CHECK(seen.passed > 5000);
  CHECK(seen.polls > 100'000);
}

TEST_CASE("answers of thousands of tokens in blocks of thousands", "[sim][reference]") {
  Seen seen;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Case c = random_case(seed);
    RandomStream random(seed, 78);
    sim::truncate(c.scenario.workload, 6);
    for (std::uint32_t& tokens : c.scenario.workload.output_tokens)
      tokens = static_cast<std::uint32_t>(1 + random.next_below(4000));
    c.scenario.engine.block_tokens = static_cast<std::uint32_t>(500 + random.next_below(2000));
    c.scenario.engine.kv_capacity_tokens = (10 + random.next_below(10)) * c.scenario.engine.block_tokens;
    compare(c, seen);
  }
  CHECK(seen.steps > 20'000);
}
