// bench/prefix_bench.cpp
//
// The prefix index beside a plain baseline in the same run, because a ratio travels and a time does not. An iteration of Find* is one
// lookup, of Store and Remove the whole corpus, of PrepareQuery one prompt; items_per_second counts blocks.
//
// Corpora
//   gsp    256 groups of 32 prompts, 256 shared + 16 own blocks each; each group's prompts on 2 of 16 workers.
//   churn  64 workers of up to 16,384 blocks each, chains of 320 blocks that branch off one another, least recently stored dropped.
// Queries: hit = a stored prompt; miss = a shared prefix with a new tail; cold = nothing of it is stored. In random order.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "kthena/base.hpp"
#include "kthena/prefix.hpp"

namespace {

using namespace kthena;
using namespace kthena::prefix;

using Hashes = std::vector<std::uint64_t>;

struct Event {
  std::uint32_t worker;
  bool stored;
  std::uint64_t parent;  // engine hash, 0: none
  Hashes engine_hashes;
  Hashes contents;
};

struct Corpus {
  std::uint32_t workers = 0;
  std::vector<Event> events;
  std::vector<Hashes> hit, miss, cold;  // contents of queries
  std::size_t stored_blocks = 0;
};

/// The engines' own hashes: a chain over the contents, shared by all workers.
Hashes engine_chain(const Hashes& contents) {
  Hashes chain;
  std::uint64_t key = 1;
  for (const std::uint64_t content : contents) chain.push_back(key = combine64(key, content));
  return chain;
}

void add_queries(Corpus& corpus, RandomStream& random) {
  const std::size_t stored = corpus.hit.size();
  for (std::size_t i = 0; i < stored; ++i) {
    Hashes miss = corpus.hit[i];
    for (std::size_t block = miss.size() * 16 / 17; block < miss.size(); ++block) miss[block] = random.next_u64();
    corpus.miss.push_back(std::move(miss));
    Hashes cold(corpus.hit[i].size());
    for (std::uint64_t& content : cold) content = random.next_u64();
    corpus.cold.push_back(std::move(cold));
  }
  for (std::vector<Hashes>* queries : {&corpus.hit, &corpus.miss, &corpus.cold}) {
    for (std::size_t i = queries->size(); i > 1; --i) std::swap((*queries)[i - 1], (*queries)[random.next_below(i)]);
    if (queries->size() > 4096) queries->resize(4096);
  }
}

const Corpus& gsp() {
  static const Corpus corpus = [] {
    Corpus made;
    made.workers = 16;
    RandomStream random(1, 1);
    for (std::uint32_t group = 0; group < 256; ++group) {
      Hashes shared(256);
      for (std::uint64_t& content : shared) content = random.next_u64();
      const std::uint64_t homes[] = {random.next_below(16), random.next_below(16)};
      for (std::uint32_t request = 0; request < 32; ++request) {
        Hashes prompt = shared;
        while (prompt.size() < 272) prompt.push_back(random.next_u64());
        made.stored_blocks += prompt.size();
        made.events.push_back({static_cast<std::uint32_t>(homes[request % 2]), true, 0, engine_chain(prompt), prompt});
        made.hit.push_back(std::move(prompt));
      }
    }
    add_queries(made, random);
    return made;
  }();
  return corpus;
}

const Corpus& churn() {
  static const Corpus corpus = [] {
    Corpus made;
    made.workers = 64;
    RandomStream random(2, 1);
    std::vector<std::deque<Hashes>> held(made.workers);
    std::vector<std::size_t> blocks(made.workers);
    std::vector<Hashes> prompts;
    for (int i = 0; i < 8000; ++i) {
      Hashes prompt;
      if (prompts.size() > 8) {
        const Hashes& other =
            prompts[prompts.size() - 1 - random.next_below(std::min<std::size_t>(prompts.size(), 400))];
        prompt.assign(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(random.next_below(320)));
      }
      const std::size_t branch = prompt.size();
      while (prompt.size() < 320) prompt.push_back(random.next_u64());
      const auto worker = static_cast<std::uint32_t>(random.next_below(made.workers));
      const Hashes chain = engine_chain(prompt);
      made.events.push_back({worker, true, 0, chain, prompt});
      made.stored_blocks += prompt.size();
      // The worker drops the own blocks of its oldest prompts, deepest first.
      held[worker].push_back({chain.begin() + static_cast<std::ptrdiff_t>(branch), chain.end()});
      blocks[worker] += 320 - branch;
      while (blocks[worker] > 16384) {
        Hashes dropped = std::move(held[worker].front());
        held[worker].pop_front();
        blocks[worker] -= dropped.size();
        std::reverse(dropped.begin(), dropped.end());
        made.events.push_back({worker, false, 0, std::move(dropped), {}});
      }
      prompts.push_back(std::move(prompt));
    }
    made.hit.assign(prompts.end() - 4096, prompts.end());
    add_queries(made, random);
    return made;
  }();
  return corpus;
}

PrefixIndex new_index(const Corpus& corpus) {
  PrefixIndex index = PrefixIndex::create({.seed = 99}).value();
  for (std::uint32_t i = 0; i < corpus.workers; ++i) (void)index.add_worker("worker" + std::to_string(i));
  return index;
}

void apply(PrefixIndex& index, const Event& event) {
  const Status status =
      event.stored
          ? index.apply(BlockStored{{event.worker}, 7, {}, event.engine_hashes, event.contents, KvTier::kDevice})
          : index.apply(BlockRemoved{{event.worker}, event.engine_hashes, KvTier::kDevice});
  if (!status.ok()) std::abort();
}

/// The baseline: one map from the chained key of a block to the workers that hold it, walked block by block. Not exact under holes: it
/// has to be told where a block stands, and takes the word of the engine's hash for it.
class ChainedMap {
 public:
  explicit ChainedMap(std::uint32_t workers) : workers_(workers) {}

  void apply(const Event& event) {
    for (const std::uint64_t hash : event.engine_hashes) {
      std::vector<std::uint32_t>& holders = map_[hash];
      const auto it = std::find(holders.begin(), holders.end(), event.worker);
      if (event.stored && it == holders.end()) holders.push_back(event.worker);
      if (!event.stored && it != holders.end()) holders.erase(it);
      if (holders.empty()) map_.erase(hash);
    }
  }
  void find(const Hashes& contents, std::vector<std::uint32_t>& depths) const {
    std::fill(depths.begin(), depths.end(), 0);
    std::uint64_t key = 1;
    std::uint32_t depth = 0;
    for (const std::uint64_t content : contents) {
      key = combine64(key, content);
      const auto it = map_.find(key);
      if (it == map_.end()) return;
      bool any = false;
      for (const std::uint32_t worker : it->second) {
        if (depths[worker] != depth) continue;
        depths[worker] = depth + 1;
        any = true;
      }
      if (!any) return;
      ++depth;
    }
  }
  [[nodiscard]] std::uint32_t workers() const { return workers_; }

 private:
  std::uint32_t workers_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> map_;
};

template <class Filled>
Filled& filled_with(const Corpus& corpus, Filled (*make)(const Corpus&)) {
  static std::unordered_map<const Corpus*, std::unique_ptr<Filled>> all;
  std::unique_ptr<Filled>& one = all[&corpus];
  if (!one) one = std::make_unique<Filled>(make(corpus));
  return *one;
}

PrefixIndex fill_index(const Corpus& corpus) {
  PrefixIndex index = new_index(corpus);
  for (const Event& event : corpus.events) apply(index, event);
  return index;
}
ChainedMap fill_map(const Corpus& corpus) {
  ChainedMap map(corpus.workers);
  for (const Event& event : corpus.events) map.apply(event);
  return map;
}

// ---- find

using CorpusOf = const Corpus& (*)();  // made when a benchmark that needs it runs
using Queries = std::vector<Hashes> Corpus::*;

std::vector<PrefixQuery> prepare(const std::vector<Hashes>& queries) {
  std::vector<PrefixQuery> prepared;
  for (const Hashes& contents : queries) {
    prepared.emplace_back(7, 16, 99);
    if (!prepared.back().extend_contents(contents).ok()) std::abort();
  }
  return prepared;
}

void find_index(benchmark::State& state, CorpusOf made, Queries kind) {
  const Corpus& corpus = made();
  const PrefixIndex& index = filled_with<PrefixIndex>(corpus, fill_index);
  const std::vector<PrefixQuery> prepared = prepare(corpus.*kind);
  std::vector<std::uint32_t> depths(corpus.workers);
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    index.find(prepared[i], {}, depths);
    benchmark::DoNotOptimize(depths.data());
    benchmark::ClobberMemory();
    if (++i == prepared.size()) i = 0;
  }
  const PrefixIndexStats stats = index.stats();
  state.counters["bytes_per_membership"] =
      static_cast<double>(stats.approximate_bytes) / static_cast<double>(stats.memberships);
}

void find_for_index(benchmark::State& state, CorpusOf made, Queries kind) {
  const Corpus& corpus = made();
  const PrefixIndex& index = filled_with<PrefixIndex>(corpus, fill_index);
  const std::vector<PrefixQuery> prepared = prepare(corpus.*kind);
  std::vector<WorkerId> workers(corpus.workers);
  for (std::uint32_t id = 0; id < corpus.workers; ++id) workers[corpus.workers - 1 - id] = {id};
  std::vector<std::uint32_t> depths(corpus.workers);
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    index.find_for(prepared[i], workers, depths);
    benchmark::DoNotOptimize(depths.data());
    benchmark::ClobberMemory();
    if (++i == prepared.size()) i = 0;
  }
}

void find_map(benchmark::State& state, CorpusOf made, Queries kind) {
  const Corpus& corpus = made();
  const std::vector<Hashes>& queries = corpus.*kind;
  const ChainedMap& map = filled_with<ChainedMap>(corpus, fill_map);
  std::vector<std::uint32_t> depths(corpus.workers);
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    map.find(queries[i], depths);
    benchmark::DoNotOptimize(depths.data());
    benchmark::ClobberMemory();
    if (++i == queries.size()) i = 0;
  }
}

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
  state.SetItemsProcessed(static_cast<std::int64_t>(corpus.stored_blocks) * state.iterations());
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
  state.SetItemsProcessed(static_cast<std::int64_t>(corpus.stored_blocks) * state.iterations());
}

/// The removal of every prompt, deepest block first; blocks shared with other prompts are removed once and unknown after that.
std::vector<Event> removals(const Corpus& corpus) {
  std::vector<Event> events;
  for (const Event& event : corpus.events) {
    events.push_back({event.worker, false, 0, {event.engine_hashes.rbegin(), event.engine_hashes.rend()}, {}});
  }
  return events;
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
  state.SetItemsProcessed(static_cast<std::int64_t>(corpus.stored_blocks) * state.iterations());
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
  state.SetItemsProcessed(static_cast<std::int64_t>(corpus.stored_blocks) * state.iterations());
}
/// One worker with 1/16 of gsp goes at once.
void remove_worker(benchmark::State& state) {
  for ([[maybe_unused]] auto _ : state) {
    state.PauseTiming();
    {
      PrefixIndex index = fill_index(gsp());
      state.ResumeTiming();
      if (!index.remove_worker({3}).ok()) std::abort();
      state.PauseTiming();
    }
    state.ResumeTiming();
  }
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
BENCHMARK_CAPTURE(find_map, gsp_hit, &gsp, &Corpus::hit)->Name("BM_Prefix_FindHitBaseline/gsp");
BENCHMARK_CAPTURE(find_index, gsp_miss, &gsp, &Corpus::miss)->Name("BM_Prefix_FindMiss/gsp");
BENCHMARK_CAPTURE(find_for_index, gsp_miss, &gsp, &Corpus::miss)->Name("BM_Prefix_FindForMiss/gsp");
BENCHMARK_CAPTURE(find_map, gsp_miss, &gsp, &Corpus::miss)->Name("BM_Prefix_FindMissBaseline/gsp");
BENCHMARK_CAPTURE(find_index, gsp_cold, &gsp, &Corpus::cold)->Name("BM_Prefix_FindCold/gsp");
BENCHMARK_CAPTURE(find_for_index, gsp_cold, &gsp, &Corpus::cold)->Name("BM_Prefix_FindForCold/gsp");
BENCHMARK_CAPTURE(find_map, gsp_cold, &gsp, &Corpus::cold)->Name("BM_Prefix_FindColdBaseline/gsp");
BENCHMARK_CAPTURE(store_index, gsp, &gsp)->Name("BM_Prefix_Store/gsp")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(store_map, gsp, &gsp)->Name("BM_Prefix_StoreBaseline/gsp")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(remove_index, gsp, &gsp)->Name("BM_Prefix_Remove/gsp")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(remove_map, gsp, &gsp)->Name("BM_Prefix_RemoveBaseline/gsp")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(find_index, churn_hit, &churn, &Corpus::hit)->Name("BM_Prefix_FindHit/churn");
BENCHMARK_CAPTURE(find_for_index, churn_hit, &churn, &Corpus::hit)->Name("BM_Prefix_FindForHit/churn");
BENCHMARK_CAPTURE(find_map, churn_hit, &churn, &Corpus::hit)->Name("BM_Prefix_FindHitBaseline/churn");
BENCHMARK_CAPTURE(find_index, churn_miss, &churn, &Corpus::miss)->Name("BM_Prefix_FindMiss/churn");
BENCHMARK_CAPTURE(find_for_index, churn_miss, &churn, &Corpus::miss)->Name("BM_Prefix_FindForMiss/churn");
BENCHMARK_CAPTURE(find_map, churn_miss, &churn, &Corpus::miss)->Name("BM_Prefix_FindMissBaseline/churn");
BENCHMARK_CAPTURE(find_index, churn_cold, &churn, &Corpus::cold)->Name("BM_Prefix_FindCold/churn");
BENCHMARK_CAPTURE(find_for_index, churn_cold, &churn, &Corpus::cold)->Name("BM_Prefix_FindForCold/churn");
BENCHMARK_CAPTURE(find_map, churn_cold, &churn, &Corpus::cold)->Name("BM_Prefix_FindColdBaseline/churn");
BENCHMARK_CAPTURE(store_index, churn, &churn)->Name("BM_Prefix_Store/churn")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(store_map, churn, &churn)->Name("BM_Prefix_StoreBaseline/churn")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(remove_index, churn, &churn)->Name("BM_Prefix_Remove/churn")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(remove_map, churn, &churn)->Name("BM_Prefix_RemoveBaseline/churn")->Unit(benchmark::kMillisecond);
// Few iterations: each fills an index first.
BENCHMARK(remove_worker)->Name("BM_Prefix_RemoveWorker/gsp")->Unit(benchmark::kMicrosecond)->Iterations(20);
BENCHMARK(prepare_query)->Name("BM_Prefix_PrepareQuery")->Arg(4096);
BENCHMARK(prepare_query_fnv)->Name("BM_Prefix_PrepareQueryBaseline")->Arg(4096);

}  // namespace
