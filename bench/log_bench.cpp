// bench/log_bench.cpp
//
// BM_Log_Append/n: 256 decisions among n endpoints, made and logged; less BM_Log_Decide/n, the same without the log, it is what a log costs. Between two decisions one
// endpoint's in_flight rises and another's falls; every 200 decisions all are scraped (five signals). 272-block prompts, 4 endpoints hold some.
// Baseline BM_Log_Plain/n: everything copied as it is, 8 bytes a value.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "kthena/base/random.hpp"
#include "kthena/manifest/decision_log.hpp"
#include "kthena/route.hpp"

using namespace kthena;
using namespace kthena::route;

namespace {

struct Traffic {
  explicit Traffic(std::size_t endpoints) : random(7, endpoints), sent(endpoints), depths(endpoints) {
    PoolBuilder builder;
    for (std::size_t i = 0; i < endpoints; ++i)
      builder.add(Endpoint{.id = "inference/pod-" + std::to_string(i), .models = {"llama-3-8b"}});
    pool = builder.build().value();
    scrape();
    for (std::uint32_t i = 0; i < endpoints; ++i) (void)pool.set_value({i}, Signal::kInFlight, 0, now_ns);
    request.model = "llama-3-8b";
    request.prompt_tokens = 4352;
    request.seed = 42;
  }

  void scrape() {
    std::vector<double> column(pool.size());
    for (const Signal signal : {Signal::kRunning, Signal::kWaiting, Signal::kKvUsage, Signal::kTtft, Signal::kTpot}) {
      const bool whole = signal == Signal::kRunning || signal == Signal::kWaiting;
      for (double& value : column) value = whole ? static_cast<double>(random.next_below(20)) : random.next_double();
      (void)pool.set_signal(signal, column, now_ns);
    }
  }

  void step() {
    now_ns += 5'000'000;
    if (++request.sequence % 200 == 0) scrape();
    for (int i = 0; i < 2; ++i) {
      const auto at = static_cast<std::uint32_t>(random.next_below(pool.size()));
      sent[at] = i == 0 ? sent[at] + 1 : sent[at] > 0 ? sent[at] - 1 : 0;
      (void)pool.set_value({at}, Signal::kInFlight, sent[at], now_ns);
    }
    std::fill(depths.begin(), depths.end(), 0u);
    for (int i = 0; i < 4; ++i)
      depths[random.next_below(depths.size())] = static_cast<std::uint32_t>(random.next_below(272));
    id = "request-" + std::to_string(request.sequence);
    request.id = id;
    request.now_ns = now_ns;
    request.prefix = {depths, 272, 16};
  }

  RandomStream random;
  std::vector<double> sent;
  std::vector<std::uint32_t> depths;
  PoolSnapshot pool;
  Time now_ns = 1'700'000'000'000'000'000;
  std::string id;
  Request request;
};

constexpr int kBatch = 256;

enum class What { kDecide, kAppend, kPlain };

/// As it stands in memory.
void copy_plainly(const PoolView& view, const Request& request, const Decision& decision, std::vector<std::byte>& out) {
  const auto put = [&](const void* data, std::size_t size) {
    const auto* bytes = static_cast<const std::byte*>(data);
    out.insert(out.end(), bytes, bytes + size);
  };
  for (std::size_t s = 0; s < kSignalCount; ++s) {
    if (view.values[s] == nullptr) continue;
    put(view.values[s], view.size * sizeof(double));
    put(view.sampled[s], view.size * sizeof(Time));
  }
  put(request.prefix.depth_blocks.data(), request.prefix.depth_blocks.size_bytes());
  put(&request, sizeof request);
  put(request.id.data(), request.id.size());
  put(&decision, sizeof decision);
}

void run(benchmark::State& state, What what) {
  Traffic traffic(static_cast<std::size_t>(state.range(0)));
  const PolicySpec spec = preset("kthena-default").value();
  const Policy policy = Policy::create(spec).value();
  DecisionLogWriter writer(manifest::logged_policy(spec));
  Workspace workspace;
  std::vector<std::byte> log;
  log.reserve(std::size_t{1} << 24);
  std::uint64_t bytes = 0;
  Decision decision;
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) {
      traffic.step();
      decision = policy.decide(traffic.pool, traffic.request, workspace);
      if (what == What::kAppend) (void)writer.append(traffic.pool, traffic.request, decision, log);
      if (what == What::kPlain) copy_plainly(traffic.pool.view(), traffic.request, decision, log);
      benchmark::DoNotOptimize(decision);
    }
    bytes += log.size();
    log.clear();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * kBatch);
  state.counters["bytes"] = static_cast<double>(bytes) / (static_cast<double>(state.iterations()) * kBatch);
}

}  // namespace

static void BM_Log_Decide(benchmark::State& state) { run(state, What::kDecide); }
BENCHMARK(BM_Log_Decide)->Arg(16)->Arg(64)->Arg(256);
static void BM_Log_Append(benchmark::State& state) { run(state, What::kAppend); }
BENCHMARK(BM_Log_Append)->Arg(16)->Arg(64)->Arg(256);
static void BM_Log_Plain(benchmark::State& state) { run(state, What::kPlain); }
BENCHMARK(BM_Log_Plain)->Arg(16)->Arg(64)->Arg(256);

static void BM_Log_Read(benchmark::State& state) {
  Traffic traffic(static_cast<std::size_t>(state.range(0)));
  const Policy policy = Policy::create(preset("kthena-default").value()).value();
  DecisionLogWriter writer;
  Workspace workspace;
  std::vector<std::byte> log;
  for (int i = 0; i < 2000; ++i) {
    traffic.step();
    (void)writer.append(traffic.pool, traffic.request, policy.decide(traffic.pool, traffic.request, workspace), log);
  }
  for (auto _ : state) {
    DecisionLogReader reader;
    while (reader.offset() < log.size())
      if (!reader.next(std::span(log).subspan(reader.offset())).ok()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(reader.decision());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 2000);
}
BENCHMARK(BM_Log_Read)->Arg(64);
