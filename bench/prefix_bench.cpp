// bench/prefix_bench.cpp
//
// Lookups in the prefix index beside a plain baseline in the same run, because a ratio travels and a time does not. Corpora:
// prefix_corpora.hpp. Queries are in random order; those of gsp, churn, tangle and mooncake are prepared before, 4,096 of them, so reading
// them misses the caches as well.
//
// BM_Prefix_Find{Hit,Partial,Cold}/<corpus>        find_by_worker; FindFor*: find; FindBatch*: find_batch, 32 at a time, per query;
//                                                  *Baseline: a map walk block by block.
// BM_Prefix_FindMiss/<roots>                       find of a prompt that is not there, 65,536 of them in turn.
// BM_Prefix_FindBest/<workers>                     find_best on gsp's prompts with all workers loaded; Baseline: find and a scan.
// BM_Prefix_PrepareQuery/<tokens>                  tokens to a query.
#include <benchmark/benchmark.h>

#include <chrono>

#include "prefix_corpora.hpp"

namespace {

using namespace kthena;
using namespace kthena::bench;

/// Calls look_up(i) for one query after another, and then times each of them alone: p50 and p99, less an empty measurement.
template <class LookUp>
void run_finds(benchmark::State& state, std::size_t queries, LookUp&& look_up) {
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    look_up(i);
    benchmark::ClobberMemory();
    if (++i == queries) i = 0;
  }
  using Clock = std::chrono::steady_clock;
  const auto nanoseconds = [](Clock::duration time) {
    return static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
  };
  std::vector<double> times;
  std::vector<double> nothing;
  for (i = 0; i < queries; ++i) {
    const auto before = Clock::now();
    look_up(i);
    const auto after = Clock::now();
    times.push_back(nanoseconds(after - before));
    nothing.push_back(nanoseconds(Clock::now() - after));
  }
  std::sort(times.begin(), times.end());
  std::sort(nothing.begin(), nothing.end());
  state.counters["p50_ns"] = std::max(0.0, times[queries / 2] - nothing[queries / 2]);
  state.counters["p99_ns"] = std::max(0.0, times[queries * 99 / 100] - nothing[queries / 2]);
}

void find_index(benchmark::State& state, CorpusOf made, Queries kind) {
  const Corpus& corpus = made();
  if (corpus.hit.empty()) return state.SkipWithError(test::skipped_without(kTrace).c_str());
  const PrefixIndex& index = filled_with<PrefixIndex>(corpus, fill_index);
  const std::vector<PrefixQuery> prepared = prepare(corpus.*kind);
  std::vector<std::uint32_t> depths(corpus.workers);
  run_finds(state, prepared.size(), [&](std::size_t i) {
    index.find_by_worker(prepared[i], {}, depths);
    benchmark::DoNotOptimize(depths.data());
  });
  const PrefixIndexStats stats = index.stats();
  state.counters["bytes_per_membership"] =
      static_cast<double>(stats.approximate_bytes) / static_cast<double>(stats.memberships);
  state.counters["unique_per_run"] = static_cast<double>(stats.unique_blocks) / static_cast<double>(stats.runs);
}

/// 32 queries at a time; the time is that of one.
void find_batch_index(benchmark::State& state, CorpusOf made, Queries kind) {
  constexpr std::size_t kQueries = 32;
  const Corpus& corpus = made();
  const PrefixIndex& index = filled_with<PrefixIndex>(corpus, fill_index);
  const std::vector<PrefixQuery> prepared = prepare(corpus.*kind);
  std::vector<const PrefixQuery*> pointers;
  for (const PrefixQuery& query : prepared) pointers.push_back(&query);
  std::vector<std::uint32_t> depths(kQueries * corpus.workers);
  std::size_t i = 0;
  while (state.KeepRunningBatch(kQueries)) {
    index.find_batch(std::span(pointers).subspan(i, kQueries), {}, depths);
    benchmark::DoNotOptimize(depths.data());
    benchmark::ClobberMemory();
    i += kQueries;
    if (i + kQueries > pointers.size()) i = 0;
  }
}

/// A prompt that is not there, among `roots` prompts of one block.
void find_miss_roots(benchmark::State& state) {
  const auto roots = static_cast<std::uint64_t>(state.range(0));
  PrefixIndex index = PrefixIndex::create({.seed = 99}).value();
  const WorkerId worker = index.add_worker("worker").value();
  RandomStream random(6, 1);
  for (std::uint64_t i = 0; i < roots; ++i) {
    const std::uint64_t hash = random.next_u64();
    if (!index.apply(BlockStored{worker, 7, {}, {&hash, 1}, {&hash, 1}, KvTier::kDevice}).ok()) std::abort();
  }
  std::vector<Hashes> cold(65536, Hashes(1));
  for (Hashes& contents : cold) contents[0] = random.next_u64();
  const std::vector<PrefixQuery> prepared = prepare(cold);
  std::uint32_t depth = 0;
  run_finds(state, prepared.size(), [&](std::size_t i) {
    index.find_by_worker(prepared[i], {}, std::span(&depth, 1));
    benchmark::DoNotOptimize(depth);
  });
}
/// Baseline: the standard map.
void find_miss_roots_map(benchmark::State& state) {
  ChainedMap map(1);
  RandomStream random(6, 1);
  for (std::int64_t i = 0; i < state.range(0); ++i) map.apply({0, true, 0, engine_chain({random.next_u64()}), {}});
  std::vector<Hashes> cold(65536, Hashes(1));
  for (Hashes& contents : cold) contents[0] = random.next_u64();
  std::vector<std::uint32_t> depths(1);
  run_finds(state, cold.size(), [&](std::size_t i) {
    map.find(cold[i], depths);
    benchmark::DoNotOptimize(depths.data());
  });
}

/// gsp's prompts on so many workers, each prefix on 4 of them, all of them loaded.
struct Pool {
  explicit Pool(std::uint32_t workers) : index(PrefixIndex::create({.seed = 99}).value()), loads(workers) {
    const Corpus& corpus = gsp();
    RandomStream random(7, 1);
    for (std::uint32_t i = 0; i < workers; ++i) {
      (void)index.add_worker("worker" + std::to_string(i));
      loads[i] = static_cast<std::uint32_t>(random.next_below(400));
    }
    for (const Event& event : corpus.events) {
      Event moved = event;
      moved.worker = static_cast<std::uint32_t>(mix64(event.contents[0] + event.worker) % workers);
      apply(index, moved);
    }
    queries = prepare(corpus.hit);
  }
  PrefixIndex index;
  std::vector<std::uint32_t> loads;
  std::vector<PrefixQuery> queries;
};
void find_best(benchmark::State& state) {
  const Pool pool(static_cast<std::uint32_t>(state.range(0)));
  run_finds(state, pool.queries.size(),
            [&](std::size_t i) { benchmark::DoNotOptimize(pool.index.find_best(pool.queries[i], {}, pool.loads)); });
}
void find_best_scan(benchmark::State& state) {
  const Pool pool(static_cast<std::uint32_t>(state.range(0)));
  std::vector<std::uint32_t> depths(pool.loads.size());
  run_finds(state, pool.queries.size(), [&](std::size_t i) {
    pool.index.find_by_worker(pool.queries[i], {}, depths);
    std::size_t best = 0;
    std::uint64_t best_cost = ~std::uint64_t{0};
    for (std::size_t worker = 0; worker < depths.size(); ++worker) {
      const std::uint64_t cost = pool.loads[worker] + pool.queries[i].size_blocks() - depths[worker];
      if (cost >= best_cost) continue;
      best = worker;
      best_cost = cost;
    }
    benchmark::DoNotOptimize(best);
  });
}

void find_for_index(benchmark::State& state, CorpusOf made, Queries kind) {
  const Corpus& corpus = made();
  const PrefixIndex& index = filled_with<PrefixIndex>(corpus, fill_index);
  const std::vector<PrefixQuery> prepared = prepare(corpus.*kind);
  std::vector<WorkerId> workers(corpus.workers);
  for (std::uint32_t id = 0; id < corpus.workers; ++id) workers[corpus.workers - 1 - id] = {id};
  std::vector<std::uint32_t> depths(corpus.workers);
  run_finds(state, prepared.size(), [&](std::size_t i) {
    index.find(prepared[i], workers, depths);
    benchmark::DoNotOptimize(depths.data());
  });
}

void find_map(benchmark::State& state, CorpusOf made, Queries kind) {
  const Corpus& corpus = made();
  if (corpus.hit.empty()) return state.SkipWithError(test::skipped_without(kTrace).c_str());
  const std::vector<Hashes>& queries = corpus.*kind;
  const ChainedMap& map = filled_with<ChainedMap>(corpus, fill_map);
  std::vector<std::uint32_t> depths(corpus.workers);
  run_finds(state, queries.size(), [&](std::size_t i) {
    map.find(queries[i], depths);
    benchmark::DoNotOptimize(depths.data());
  });
}

// ---- queries: one prompt of 4,096 random tokens; items are blocks

std::vector<std::uint32_t> random_tokens(std::size_t n) {
  RandomStream random(3, 1);
  std::vector<std::uint32_t> tokens(n);
  for (std::uint32_t& token : tokens) token = static_cast<std::uint32_t>(random.next_below(150'000));
  return tokens;
}
void prepare_query(benchmark::State& state) {
  const std::vector<std::uint32_t> tokens = random_tokens(static_cast<std::size_t>(state.range(0)));
  PrefixQuery query(7, 16, 99);
  for ([[maybe_unused]] auto _ : state) {
    query.clear();
    query.extend_tokens(tokens);
    benchmark::DoNotOptimize(query.checkpoints().data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) / 16);
}
/// Baseline: FNV-1a over the bytes, chained, as Go routers do.
void prepare_query_fnv(benchmark::State& state) {
  const std::vector<std::uint32_t> tokens = random_tokens(static_cast<std::size_t>(state.range(0)));
  Hashes hashes(tokens.size() / 16);
  for ([[maybe_unused]] auto _ : state) {
    std::uint64_t hash = 0xCBF29CE484222325ull;
    for (std::size_t block = 0; block < hashes.size(); ++block) {
      const std::span<const std::byte> bytes = std::as_bytes(std::span(tokens).subspan(16 * block, 16));
      for (const std::byte byte : bytes) hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001B3ull;
      hashes[block] = hash;
    }
    benchmark::DoNotOptimize(hashes.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) / 16);
}

BENCHMARK_CAPTURE(find_index, gsp_hit, &gsp, &Corpus::hit)->Name("BM_Prefix_FindHit/gsp");
BENCHMARK_CAPTURE(find_for_index, gsp_hit, &gsp, &Corpus::hit)->Name("BM_Prefix_FindForHit/gsp");
BENCHMARK_CAPTURE(find_batch_index, gsp_hit, &gsp, &Corpus::hit)->Name("BM_Prefix_FindBatchHit/gsp");
BENCHMARK_CAPTURE(find_map, gsp_hit, &gsp, &Corpus::hit)->Name("BM_Prefix_FindHitBaseline/gsp");
BENCHMARK_CAPTURE(find_index, gsp_partial, &gsp, &Corpus::partial)->Name("BM_Prefix_FindPartial/gsp");
BENCHMARK_CAPTURE(find_map, gsp_partial, &gsp, &Corpus::partial)->Name("BM_Prefix_FindPartialBaseline/gsp");
BENCHMARK_CAPTURE(find_index, gsp_cold, &gsp, &Corpus::cold)->Name("BM_Prefix_FindCold/gsp");
BENCHMARK_CAPTURE(find_map, gsp_cold, &gsp, &Corpus::cold)->Name("BM_Prefix_FindColdBaseline/gsp");
BENCHMARK_CAPTURE(find_index, churn_hit, &churn, &Corpus::hit)->Name("BM_Prefix_FindHit/churn");
BENCHMARK_CAPTURE(find_for_index, churn_hit, &churn, &Corpus::hit)->Name("BM_Prefix_FindForHit/churn");
BENCHMARK_CAPTURE(find_batch_index, churn_hit, &churn, &Corpus::hit)->Name("BM_Prefix_FindBatchHit/churn");
BENCHMARK_CAPTURE(find_map, churn_hit, &churn, &Corpus::hit)->Name("BM_Prefix_FindHitBaseline/churn");
BENCHMARK_CAPTURE(find_index, churn_partial, &churn, &Corpus::partial)->Name("BM_Prefix_FindPartial/churn");
BENCHMARK_CAPTURE(find_map, churn_partial, &churn, &Corpus::partial)->Name("BM_Prefix_FindPartialBaseline/churn");
BENCHMARK_CAPTURE(find_index, churn_cold, &churn, &Corpus::cold)->Name("BM_Prefix_FindCold/churn");
BENCHMARK_CAPTURE(find_map, churn_cold, &churn, &Corpus::cold)->Name("BM_Prefix_FindColdBaseline/churn");
BENCHMARK_CAPTURE(find_index, tangle_hit, &tangle, &Corpus::hit)->Name("BM_Prefix_FindHit/tangle");
BENCHMARK_CAPTURE(find_for_index, tangle_hit, &tangle, &Corpus::hit)->Name("BM_Prefix_FindForHit/tangle");
BENCHMARK_CAPTURE(find_batch_index, tangle_hit, &tangle, &Corpus::hit)->Name("BM_Prefix_FindBatchHit/tangle");
BENCHMARK_CAPTURE(find_map, tangle_hit, &tangle, &Corpus::hit)->Name("BM_Prefix_FindHitBaseline/tangle");
BENCHMARK_CAPTURE(find_index, tangle_partial, &tangle, &Corpus::partial)->Name("BM_Prefix_FindPartial/tangle");
BENCHMARK_CAPTURE(find_map, tangle_partial, &tangle, &Corpus::partial)->Name("BM_Prefix_FindPartialBaseline/tangle");
BENCHMARK_CAPTURE(find_index, tangle_cold, &tangle, &Corpus::cold)->Name("BM_Prefix_FindCold/tangle");
BENCHMARK_CAPTURE(find_map, tangle_cold, &tangle, &Corpus::cold)->Name("BM_Prefix_FindColdBaseline/tangle");
BENCHMARK_CAPTURE(find_index, mooncake_hit, &mooncake, &Corpus::hit)->Name("BM_Prefix_FindHit/mooncake");
BENCHMARK_CAPTURE(find_map, mooncake_hit, &mooncake, &Corpus::hit)->Name("BM_Prefix_FindHitBaseline/mooncake");
BENCHMARK(find_miss_roots)->Name("BM_Prefix_FindMiss")->RangeMultiplier(10)->Range(1, 1'000'000);
BENCHMARK(find_miss_roots_map)->Name("BM_Prefix_FindMissBaseline")->Arg(1)->Arg(1000)->Arg(1'000'000);
BENCHMARK(find_best)->Name("BM_Prefix_FindBest")->Arg(64)->Arg(1024);
BENCHMARK(find_best_scan)->Name("BM_Prefix_FindBestBaseline")->Arg(64)->Arg(1024);
BENCHMARK(prepare_query)->Name("BM_Prefix_PrepareQuery")->Arg(4096);
BENCHMARK(prepare_query_fnv)->Name("BM_Prefix_PrepareQueryBaseline")->Arg(4096);

}  // namespace
