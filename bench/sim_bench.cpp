// bench/sim_bench.cpp
//
// BM_Sim_Events/gsp-long/<policy>   events of one run of gsp-long (8,192 requests, 3 engines, closed loop of 300); an event is one entry
//                                   popped from the queue; set-up is not timed. items_per_second is events per second.
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
  benchmark::RegisterBenchmark("BM_Sim_Setup/gsp-long", setup)->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("BM_Sim_EventQueue", event_queue)->Arg(8)->Arg(64)->Arg(1024)->Arg(16384);
  benchmark::RegisterBenchmark("BM_Sim_EventQueue_Baseline", priority_queue)->Arg(8)->Arg(64)->Arg(1024)->Arg(16384);
  return 0;
}();

}  // namespace
