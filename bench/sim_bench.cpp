// bench/sim_bench.cpp
//
// BM_Sim_Events/gsp-long/<policy>   events of one run of gsp-long (8,192 requests, 3 engines, closed loop of 300); an event is one entry
//                                   popped from the queue; set-up is not timed. items_per_second is events per second.
//                                   Its baseline is on a smaller fleet, BM_Sim_Small: the naive one keeps every prefix as tokens and would
//                                   need gigabytes for gsp-long.
// BM_Sim_Small                      set-up and one run of 16 groups x 8 requests, 512 + 64 tokens in, 64 out, 2 engines, 32 in flight, round
//                                   robin. Baseline: the fleet of tests/sim/reference_fleet.hpp, which visits every sequence in every step.
// BM_Sim_Setup/gsp-long             making the workload and the simulation.
// BM_Sim_EventQueue/<n>             pop one, push one, n entries in the queue, no engine steps. Baseline: std::priority_queue.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <limits>
#include <queue>
#include <string>
#include <vector>

#include "kthena/base/random.hpp"
#include "kthena/route/presets.hpp"
#include "kthena/sim.hpp"
#include "sim/event_queue.hpp"
#include "sim/reference_fleet.hpp"

namespace {

using namespace kthena;

sim::Scenario gsp_long(std::string_view policy) {
  sim::Scenario scenario =
      sim::published_scenario(sim::named_workload("gsp-long").value(), route::preset(policy).value());
  scenario.runs = 1;
  return scenario;
}

void events(benchmark::State& state, std::string_view policy) {
  const sim::Scenario scenario = gsp_long(policy);
  std::uint64_t handled = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto simulation = sim::Simulation::create(scenario);
    state.ResumeTiming();
    handled += simulation->advance(std::numeric_limits<std::uint64_t>::max());
    state.PauseTiming();
    simulation = failed_precondition("not timed: its end");
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(handled));
}

sim::Scenario small_fleet() {
  sim::GeneratedSharedPrefix spec;
  spec.groups = 16;
  spec.requests_per_group = 8;
  spec.system_tokens = 512;
  spec.question_tokens = 64;
  spec.output_tokens = 64;
  sim::Scenario scenario =
      sim::published_scenario(sim::make_generated_shared_prefix(spec).value(), route::preset("round-robin").value());
  scenario.runs = 1;
  scenario.replicas = 2;
  scenario.client.concurrency = 32;
  scenario.engine.kv_capacity_tokens = 20'000;
  return scenario;
}

/// Events of the small fleet: the same work for both.
std::int64_t small_events() {
  auto simulation = sim::Simulation::create(small_fleet());
  return static_cast<std::int64_t>(simulation->advance(std::numeric_limits<std::uint64_t>::max()));
}

void small(benchmark::State& state) {
  const sim::Scenario scenario = small_fleet();
  for (auto _ : state) {
    auto simulation = sim::Simulation::create(scenario);
    benchmark::DoNotOptimize(simulation->advance(std::numeric_limits<std::uint64_t>::max()));
  }
  state.SetItemsProcessed(state.iterations() * small_events());
}

void small_reference(benchmark::State& state) {
  const sim::Scenario scenario = small_fleet();
  for (auto _ : state) {
    const reference::Fleet fleet = reference::run({.workload = scenario.workload,
                                                   .model = scenario.engine,
                                                   .replicas = scenario.replicas,
                                                   .concurrency = scenario.client.concurrency,
                                                   .runs = scenario.runs,
                                                   .poll_interval = scenario.poll_interval_ns});
    benchmark::DoNotOptimize(fleet.rows.data());
  }
  state.SetItemsProcessed(state.iterations() * small_events());
}

void setup(benchmark::State& state) {
  for (auto _ : state) {
    auto simulation = sim::Simulation::create(gsp_long("random"));
    benchmark::DoNotOptimize(simulation);
  }
}

/// The gaps between events: mostly short, as steps are.
std::vector<Duration> gaps() {
  RandomStream random(1, 1);
  std::vector<Duration> out(4096);
  for (Duration& gap : out) gap = from_seconds(random.next_exponential(0.05));
  return out;
}

void event_queue(benchmark::State& state) {
  const std::vector<Duration> gap = gaps();
  sim::detail::EventQueue queue;
  for (std::int64_t i = 0; i < state.range(0); ++i) queue.push(gap[static_cast<std::size_t>(i) % gap.size()], 0, 0);
  std::size_t i = 0;
  for (auto _ : state) {
    const sim::detail::Event event = queue.pop();
    queue.push(event.at + gap[++i % gap.size()], 1, event.subject());
  }
  benchmark::DoNotOptimize(queue.top());
  state.SetItemsProcessed(state.iterations());
}

struct PlainEvent {
  Time at;
  std::uint64_t order;
  std::uint32_t kind;
  std::uint32_t subject;
  bool operator>(const PlainEvent& other) const { return at != other.at ? at > other.at : order > other.order; }
};

void priority_queue(benchmark::State& state) {
  const std::vector<Duration> gap = gaps();
  std::priority_queue<PlainEvent, std::vector<PlainEvent>, std::greater<>> queue;
  std::uint64_t order = 0;
  for (std::int64_t i = 0; i < state.range(0); ++i)
    queue.push({gap[static_cast<std::size_t>(i) % gap.size()], order++, 0, 0});
  std::size_t i = 0;
  for (auto _ : state) {
    const PlainEvent event = queue.top();
    queue.pop();
    queue.push({event.at + gap[++i % gap.size()], order++, 1, event.subject});
  }
  benchmark::DoNotOptimize(queue.top());
  state.SetItemsProcessed(state.iterations());
}

const int registered = [] {
  for (const std::string_view policy : {"random", "kthena-2025-09/least-request", "kthena-2025-09/least-request+prefix",
                                        "kthena-2025-09/least-request+kv"})
    benchmark::RegisterBenchmark(("BM_Sim_Events/gsp-long/" + std::string(policy)).c_str(), events, policy)
        ->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("BM_Sim_Small", small)->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("BM_Sim_Small_Baseline", small_reference)->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("BM_Sim_Setup/gsp-long", setup)->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("BM_Sim_EventQueue", event_queue)->Arg(8)->Arg(64)->Arg(1024)->Arg(16384);
  benchmark::RegisterBenchmark("BM_Sim_EventQueue_Baseline", priority_queue)->Arg(8)->Arg(64)->Arg(1024)->Arg(16384);
  return 0;
}();

}  // namespace
