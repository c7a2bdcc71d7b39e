// bench/prefix_write_bench.cpp
//
// The writer of the prefix index beside a plain baseline in the same run, and lookups while it writes. Corpora: prefix_corpora.hpp.
//
// BM_Prefix_Store/<corpus>, Remove/<corpus>        all events; all prompts, deepest block first; items are blocks stored or removed.
// BM_Prefix_RemoveWorker                           remove_worker of one that holds 16,384 blocks; Sweep: the rest of it.
// BM_Prefix_FindContended/<corpus>                 hits while one writer removes and stores the own blocks of prompts at full rate: p50_ns,
//                                                  beside alone_p50_ns in the same run. Baseline: the map behind a std::shared_mutex.
// BM_Prefix_Growth/<blocks>                        stores of 16 blocks up to so many; the longest one, in CPU time of the thread.
#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "prefix_corpora.hpp"

namespace {

using namespace kthena;
using namespace kthena::bench;

// ---- store and remove: one iteration applies the whole corpus; items are blocks

void store_index(benchmark::State& state, CorpusOf made) {
  const Corpus& corpus = made();
  for ([[maybe_unused]] auto _ : state) {
    state.PauseTiming();
    {
      PrefixIndex index = new_index(corpus);
      state.ResumeTiming();
      for (const Event& event : corpus.events) apply(index, event);
      state.PauseTiming();
    }
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(corpus.event_blocks) * state.iterations());
}
void store_map(benchmark::State& state, CorpusOf made) {
  const Corpus& corpus = made();
  for ([[maybe_unused]] auto _ : state) {
    state.PauseTiming();
    {
      ChainedMap map(corpus.workers);
      state.ResumeTiming();
      for (const Event& event : corpus.events) map.apply(event);
      state.PauseTiming();
    }
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(corpus.event_blocks) * state.iterations());
}

/// The removal of every prompt, deepest block first; blocks shared with other prompts are removed once and unknown after that.
std::vector<Event> removals(const Corpus& corpus) {
  std::vector<Event> events;
  for (const Event& event : corpus.events) {
    if (event.stored)
      events.push_back({event.worker, false, 0, {event.engine_hashes.rbegin(), event.engine_hashes.rend()}, {}});
  }
  return events;
}
std::int64_t blocks_of(const std::vector<Event>& events) {
  std::int64_t blocks = 0;
  for (const Event& event : events) blocks += static_cast<std::int64_t>(event.engine_hashes.size());
  return blocks;
}
void remove_index(benchmark::State& state, CorpusOf made) {
  const Corpus& corpus = made();
  const std::vector<Event> events = removals(corpus);
  for ([[maybe_unused]] auto _ : state) {
    state.PauseTiming();
    PrefixIndex index = fill_index(corpus);
    state.ResumeTiming();
    for (const Event& event : events) apply(index, event);
  }
  state.SetItemsProcessed(blocks_of(events) * state.iterations());
}
void remove_map(benchmark::State& state, CorpusOf made) {
  const Corpus& corpus = made();
  const std::vector<Event> events = removals(corpus);
  for ([[maybe_unused]] auto _ : state) {
    state.PauseTiming();
    ChainedMap map = fill_map(corpus);
    state.ResumeTiming();
    for (const Event& event : events) map.apply(event);
  }
  state.SetItemsProcessed(blocks_of(events) * state.iterations());
}
/// A worker of churn, with 16,384 blocks, goes: what remove_worker() takes, and what sweep() takes after it.
void remove_worker(benchmark::State& state, bool sweeps) {
  const Corpus& corpus = churn();
  for ([[maybe_unused]] auto _ : state) {
    state.PauseTiming();
    {
      PrefixIndex index = fill_index(corpus);
      if (!sweeps) state.ResumeTiming();
      if (!index.remove_worker({3}).ok()) std::abort();
      if (sweeps) state.ResumeTiming();
      if (sweeps) benchmark::DoNotOptimize(index.sweep(1'000'000));
      state.PauseTiming();
    }
    state.ResumeTiming();
  }
}

// ---- lookups while one writer writes

/// What is looked up while `write(i)` goes on in another thread, i = 0, 1, 2 ... The time is that of a lookup.
template <class LookUp, class Write>
void run_contended(benchmark::State& state, std::size_t queries, LookUp&& look_up, Write&& write) {
  using Clock = std::chrono::steady_clock;
  const auto median = [&](std::size_t rounds) {
    std::vector<double> times;
    std::vector<double> nothing;
    for (std::size_t i = 0; i < rounds * queries; ++i) {
      const auto before = Clock::now();
      look_up(i % queries);
      const auto after = Clock::now();
      times.push_back(std::chrono::duration<double, std::nano>(after - before).count());
      nothing.push_back(std::chrono::duration<double, std::nano>(Clock::now() - after).count());
    }
    std::sort(times.begin(), times.end());
    std::sort(nothing.begin(), nothing.end());
    return std::pair(times[times.size() / 2] - nothing[nothing.size() / 2],
                     times[times.size() * 99 / 100] - nothing[nothing.size() / 2]);
  };
  const auto alone = median(20);
  std::atomic<bool> over = false;
  std::atomic<std::uint64_t> blocks = 0;
  std::thread writer([&] {
    for (std::size_t i = 0; !over.load(std::memory_order_relaxed); ++i)
      blocks.fetch_add(write(i), std::memory_order_relaxed);
  });
  while (blocks.load() == 0) std::this_thread::yield();
  const std::uint64_t blocks_before = blocks;
  const auto began = Clock::now();
  const auto contended = median(20);
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  state.counters["writer_blocks_per_s"] = static_cast<double>(blocks - blocks_before) / seconds;
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    look_up(i);
    benchmark::ClobberMemory();
    if (++i == queries) i = 0;
  }
  over = true;
  writer.join();
  state.counters["alone_p50_ns"] = alone.first;
  state.counters["alone_p99_ns"] = alone.second;
  state.counters["p50_ns"] = contended.first;
  state.counters["p99_ns"] = contended.second;
}

/// Pairs of events: the own blocks of a prompt go, deepest first, and come back.
std::vector<Event> own_blocks(const Corpus& corpus) {
  std::vector<Event> pairs;
  RandomStream random(11, 1);
  for (const Event& event : corpus.events) {
    if (!event.stored || event.parent != 0 || event.engine_hashes.size() <= corpus.shared_blocks) continue;
    const auto own = static_cast<std::ptrdiff_t>(corpus.shared_blocks);
    const Hashes hashes(event.engine_hashes.begin() + own, event.engine_hashes.end());
    pairs.push_back({event.worker, false, 0, {hashes.rbegin(), hashes.rend()}, {}});
    pairs.push_back({event.worker,
                     true,
                     event.engine_hashes[corpus.shared_blocks - 1],
                     hashes,
                     {event.contents.begin() + own, event.contents.end()}});
  }
  for (std::size_t i = pairs.size() / 2; i > 1; --i) {
    const std::size_t other = random.next_below(i);
    std::swap(pairs[2 * i - 2], pairs[2 * other]);
    std::swap(pairs[2 * i - 1], pairs[2 * other + 1]);
  }
  return pairs;
}

void find_contended(benchmark::State& state, CorpusOf made) {
  const Corpus& corpus = made();
  PrefixIndex index = fill_index(corpus);
  const std::vector<PrefixQuery> prepared = prepare(corpus.hit);
  const std::vector<Event> pairs = own_blocks(corpus);
  std::vector<std::uint32_t> depths(corpus.workers);
  run_contended(
      state, prepared.size(),
      [&](std::size_t i) {
        index.find_by_worker(prepared[i], {}, depths);
        benchmark::DoNotOptimize(depths.data());
      },
      [&](std::size_t i) {
        const Event& event = pairs[i % pairs.size()];
        apply(index, event);
        return event.engine_hashes.size();
      });
}
void find_contended_map(benchmark::State& state, CorpusOf made) {
  const Corpus& corpus = made();
  ChainedMap map = fill_map(corpus);
  std::shared_mutex mutex;
  const std::vector<Event> pairs = own_blocks(corpus);
  std::vector<std::uint32_t> depths(corpus.workers);
  run_contended(
      state, corpus.hit.size(),
      [&](std::size_t i) {
        const std::shared_lock lock(mutex);
        map.find(corpus.hit[i], depths);
        benchmark::DoNotOptimize(depths.data());
      },
      [&](std::size_t i) {
        const Event& event = pairs[i % pairs.size()];
        const std::unique_lock lock(mutex);
        map.apply(event);
        return event.engine_hashes.size();
      });
}

// ---- growth

double thread_us() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e6 * static_cast<double>(now.tv_sec) + 1e-3 * static_cast<double>(now.tv_nsec);
}

void growth(benchmark::State& state) {
  const auto blocks = static_cast<std::size_t>(state.range(0));
  for ([[maybe_unused]] auto _ : state) {
    PrefixIndex index = PrefixIndex::create({.seed = 99}).value();
    for (std::uint32_t i = 0; i < 16; ++i) (void)index.add_worker("worker" + std::to_string(i));
    RandomStream random(8, 1);
    std::vector<double> times;
    Event event{0, true, 0, Hashes(16), Hashes(16)};
    for (std::size_t done = 0; done < blocks; done += 16) {
      event.parent = done % 256 == 0 ? 0 : event.engine_hashes.back();
      event.worker = static_cast<std::uint32_t>(done / 256 % 16);
      for (std::size_t i = 0; i < 16; ++i) event.engine_hashes[i] = event.contents[i] = random.next_u64();
      const double before = thread_us();
      apply(index, event);
      times.push_back(thread_us() - before);
    }
    std::sort(times.begin(), times.end());
    state.counters["p50_us"] = times[times.size() / 2];
    state.counters["p999_us"] = times[times.size() * 999 / 1000];
    state.counters["longest_us"] = times.back();
    state.counters["bytes_per_block"] =
        static_cast<double>(index.stats().approximate_bytes) / static_cast<double>(index.stats().memberships);
  }
}

BENCHMARK_CAPTURE(store_index, gsp, &gsp)->Name("BM_Prefix_Store/gsp")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(store_map, gsp, &gsp)->Name("BM_Prefix_StoreBaseline/gsp")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(remove_index, gsp, &gsp)->Name("BM_Prefix_Remove/gsp")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(remove_map, gsp, &gsp)->Name("BM_Prefix_RemoveBaseline/gsp")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(store_index, churn, &churn)->Name("BM_Prefix_Store/churn")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(store_map, churn, &churn)->Name("BM_Prefix_StoreBaseline/churn")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(remove_index, churn, &churn)->Name("BM_Prefix_Remove/churn")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(remove_map, churn, &churn)->Name("BM_Prefix_RemoveBaseline/churn")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(store_index, tangle, &tangle)->Name("BM_Prefix_Store/tangle")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(store_map, tangle, &tangle)->Name("BM_Prefix_StoreBaseline/tangle")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(remove_index, tangle, &tangle)->Name("BM_Prefix_Remove/tangle")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(remove_map, tangle, &tangle)->Name("BM_Prefix_RemoveBaseline/tangle")->Unit(benchmark::kMillisecond);
// Few iterations: each fills an index first.
BENCHMARK_CAPTURE(remove_worker, only, false)
    ->Name("BM_Prefix_RemoveWorker")
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(10);
BENCHMARK_CAPTURE(remove_worker, sweep, true)
    ->Name("BM_Prefix_RemoveWorkerSweep")
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(10);
BENCHMARK_CAPTURE(find_contended, gsp, &gsp)->Name("BM_Prefix_FindContended/gsp")->Iterations(100'000);
BENCHMARK_CAPTURE(find_contended_map, gsp, &gsp)->Name("BM_Prefix_FindContendedBaseline/gsp")->Iterations(1000);
BENCHMARK_CAPTURE(find_contended, churn, &churn)->Name("BM_Prefix_FindContended/churn")->Iterations(100'000);
BENCHMARK_CAPTURE(find_contended_map, churn, &churn)->Name("BM_Prefix_FindContendedBaseline/churn")->Iterations(1000);
BENCHMARK(growth)->Name("BM_Prefix_Growth")->Arg(10'000'000)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
