// bench/route_bench.cpp
// BM_Route_Decide/<preset>/N: one decision over N endpoints with prefix depths given, for every preset; no endpoint's queue is too long.
// BM_Route_DecideFiltered/<preset>/N: the same where about one endpoint in eight has too long a queue.
// BM_Route_DecideEven/<preset>/N: loads within 8 requests of each other, so that a gate for uneven loads sends every decision on to the
//   stages behind it.
// BM_Route_DecidePipeline/kthena-default/N: the same parts put together at compile time.
// BM_Route_DecideBaseline/kthena-default/N: the plain way, as the Go router does it: structs, a map from endpoint to score per plugin,
//   a sort of everything (tests/route/plain_router.hpp; a property test shows that it decides alike).
// BM_Route_Explain/kthena-default/N: a decision taken apart.
// Signals are random; requests rotate, so that no branch is learned. allocs_per_op counts operator new.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "../tests/route/plain_router.hpp"
#include "allocation_count.hpp"
#include "kthena/base/random.hpp"
#include "kthena/route.hpp"

namespace {

using namespace kthena;
using namespace kthena::route;

constexpr std::uint32_t kBlocks = 34;  // a prompt of 4352 tokens in blocks of 128

/// A fleet under load. Queues of up to 9 requests, in a filtered fleet up to 13 for one endpoint in eight.
PoolSnapshot fleet(std::size_t endpoints, bool filtered) {
  RandomStream random(2025, endpoints);
  RandomStream more(2026, endpoints);
  PoolBuilder builder;
  for (std::size_t i = 0; i < endpoints; ++i) {
    const auto running = static_cast<double>(random.next_below(200));
    const bool queued = random.next_below(4) == 0;
    const bool overloaded = filtered && random.next_below(8) == 0;
    const auto waiting = static_cast<double>(overloaded ? 10 + random.next_below(40)
                                             : queued   ? random.next_below(10)
                                                        : 0);
    Endpoint endpoint{"llm/qwen-7b-" + std::to_string(random.next_below(1'000'000)) + "-" + std::to_string(i), {}, {}};
    endpoint.set(Signal::kRunning, running);
    endpoint.set(Signal::kWaiting, waiting);
    endpoint.set(Signal::kInFlight, running + waiting + static_cast<double>(random.next_below(5)));
    endpoint.set(Signal::kKvUsage, 0.2 + 0.8 * random.next_double());
    endpoint.set(Signal::kTtft, 0.05 + 2 * random.next_double());
    endpoint.set(Signal::kTpot, 0.01 + 0.04 * random.next_double());
    // What the presets of peers read; drawn by themselves, so that the numbers above stay as they were.
    endpoint.set(Signal::kUncachedTokens, static_cast<double>(more.next_below(200'000)));
    endpoint.set(Signal::kOutputTokens, static_cast<double>(more.next_below(50'000)));
    endpoint.set(Signal::kKvTokens, static_cast<double>(more.next_below(400'000)));
    endpoint.set(Signal::kKvCapacityTokens, 500'000);
    endpoint.set(Signal::kPrefillTps, 10'000 + 10'000 * more.next_double());
    endpoint.set(Signal::kDecodeTps, 1'000 + 2'000 * more.next_double());
    endpoint.set(Signal::kHeldBlocks, static_cast<double>(more.next_below(4'000)));
    builder.add(std::move(endpoint));
  }
  return builder.build().value();
}

/// Requests that rotate: many enough that their outcomes are not learned, few enough that their depths stay in the second-level cache.
class Traffic {
 public:
  explicit Traffic(std::size_t endpoints) {
    RandomStream random(7, endpoints);
    const std::size_t count = std::clamp<std::size_t>(65536 / endpoints, 64, 1024);
    for (std::size_t r = 0; r < count; ++r) {
      ids_.push_back("8f3e" + std::to_string(random.next_u64()) + "-" + std::to_string(r));
      std::vector<std::uint32_t> depths(endpoints);
      for (std::uint32_t& depth : depths)
        depth = static_cast<std::uint32_t>(random.next_below(4) == 0 ? random.next_below(kBlocks + 1) : 0);
      depths_.push_back(std::move(depths));
    }
  }

  Request next() {
    at_ = at_ + 1 == ids_.size() ? 0 : at_ + 1;
    Request request;
    request.id = ids_[at_];
    request.prefix = {depths_[at_], kBlocks};
    request.history = {depths_[at_], kBlocks};
    request.sequence = ++sequence_;
    request.seed = 17;
    request.prompt_tokens = kBlocks * 128;
    return request;
  }

 private:
  std::vector<std::string> ids_;
  std::vector<std::vector<std::uint32_t>> depths_;
  std::size_t at_ = 0;
  std::uint64_t sequence_ = 0;
};

/// Times `decide(request)` and counts its allocations.
template <class Decide>
void measure(benchmark::State& state, Decide decide) {
  Traffic traffic(static_cast<std::size_t>(state.range(0)));
  for (int i = 0; i < 3; ++i) decide(traffic.next());
  const std::size_t before = allocation_count;
  for (auto _ : state) decide(traffic.next());
  state.counters["allocs_per_op"] =
      static_cast<double>(allocation_count - before) / static_cast<double>(state.iterations());
}

void decide_policy(benchmark::State& state, const std::string& name, bool filtered) {
  const PoolSnapshot pool = fleet(static_cast<std::size_t>(state.range(0)), filtered);
  const Policy policy = Policy::create(preset(name).value()).value();
  Workspace workspace;
  measure(state, [&](const Request& request) { benchmark::DoNotOptimize(policy.decide(pool, request, workspace)); });
}

void decide_even(benchmark::State& state, const std::string& name) {
  PoolSnapshot pool = fleet(static_cast<std::size_t>(state.range(0)), false);
  RandomStream random(2027, pool.size());
  std::vector<double> loads(pool.size());
  for (double& load : loads) load = 100 + static_cast<double>(random.next_below(9));
  if (!pool.set_signal(Signal::kInFlight, loads, 0).ok()) std::abort();
  const Policy policy = Policy::create(preset(name).value()).value();
  Workspace workspace;
  measure(state, [&](const Request& request) { benchmark::DoNotOptimize(policy.decide(pool, request, workspace)); });
}

void decide_pipeline(benchmark::State& state) {
  const PoolSnapshot pool = fleet(static_cast<std::size_t>(state.range(0)), false);
  const Pipeline policy(Filters{LeastRequestFilter{}},
                        Scorers{Weighted{LeastRequest({100, 0})}, Weighted{LeastLatency{}}, Weighted{PrefixCache{}}});
  Workspace workspace;
  measure(state,
          [&](const Request& request) { benchmark::DoNotOptimize(policy.decide(pool.view(), request, workspace)); });
}

void decide_baseline(benchmark::State& state) {
  const PoolSnapshot pool = fleet(static_cast<std::size_t>(state.range(0)), false);
  std::vector<plain::Pod> pods;
  for (std::uint32_t i = 0; i < pool.size(); ++i) {
    const auto value = [&](Signal signal) { return pool.sample({i}, signal)->value; };
    pods.push_back({std::string(pool.id({i})), value(Signal::kRunning), value(Signal::kWaiting),
                    value(Signal::kKvUsage), value(Signal::kTtft), value(Signal::kTpot), value(Signal::kInFlight), 0});
  }
  measure(state, [&](const Request& request) {
    for (std::size_t i = 0; i < pods.size(); ++i)
      pods[i].matched_blocks = static_cast<int>(request.history.depth_blocks[i]);
    // Ties by address: the Go router leaves them to the order of its map.
    benchmark::DoNotOptimize(
        plain::schedule(pods, kBlocks, false, [](const auto& a, const auto& b) { return &a < &b; }));
  });
}

void explain(benchmark::State& state) {
  const PoolSnapshot pool = fleet(static_cast<std::size_t>(state.range(0)), true);
  const Policy policy = Policy::create(preset("kthena-default").value()).value();
  measure(state, [&](const Request& request) { benchmark::DoNotOptimize(policy.explain(pool.view(), request)); });
}

const bool registered = [] {
  const auto sizes = [](benchmark::internal::Benchmark* made) { made->Arg(16)->Arg(64)->Arg(256)->Arg(1024); };
  for (const std::string_view name : preset_names()) {
    const std::string title = "BM_Route_Decide/" + std::string(name);
    sizes(benchmark::RegisterBenchmark(title.c_str(), decide_policy, std::string(name), false));
  }
  for (const char* name : {"aibrix-prefix", "smg-cache-aware"}) {
    const std::string title = "BM_Route_DecideEven/" + std::string(name);
    sizes(benchmark::RegisterBenchmark(title.c_str(), decide_even, std::string(name)));
  }
  sizes(benchmark::RegisterBenchmark("BM_Route_DecideFiltered/kthena-default", decide_policy,
                                     std::string("kthena-default"), true));
  sizes(benchmark::RegisterBenchmark("BM_Route_DecidePipeline/kthena-default", decide_pipeline));
  sizes(benchmark::RegisterBenchmark("BM_Route_DecideBaseline/kthena-default", decide_baseline));
  benchmark::RegisterBenchmark("BM_Route_Explain/kthena-default", explain)->Arg(64);
  return true;
}();

}  // namespace
