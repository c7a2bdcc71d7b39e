// bench/prefix_dump_bench.cpp
//
// dump() and load(), beside filling an index with the events of dump_events(). items_per_second counts (worker, block) pairs.
//
// Corpus: 256 groups of 32 prompts of 256 shared and 16 own blocks; each prompt is stored by one of 16 workers at random. About 1.1 million
// pairs. The argument is shared_engine_hashes.
#include <benchmark/benchmark.h>

#include <optional>
#include <string>
#include <vector>

#include "kthena/base.hpp"
#include "kthena/prefix.hpp"

namespace {

using namespace kthena;
using namespace kthena::prefix;

using Hashes = std::vector<std::uint64_t>;

constexpr std::uint32_t kWorkers = 16;

PrefixIndex make_index(bool shared) {
  PrefixIndex index = PrefixIndex::create({.shared_engine_hashes = shared}).value();
  for (std::uint32_t i = 0; i < kWorkers; ++i) (void)index.add_worker("worker" + std::to_string(i)).value();
  return index;
}

const PrefixIndex& full_index(bool shared) {
  static const auto make = [](bool is_shared) {
    PrefixIndex index = make_index(is_shared);
    RandomStream random(4, 6);
    for (int group = 0; group < 256; ++group) {
      Hashes head(256);
      for (std::uint64_t& hash : head) hash = random.next_u64();
      for (int request = 0; request < 32; ++request) {
        Hashes prompt = head;
        while (prompt.size() < 272) prompt.push_back(random.next_u64());
        Hashes names;
        std::uint64_t key = 7;
        for (const std::uint64_t content : prompt) names.push_back(key = combine64(key, content));
        const WorkerId worker{static_cast<std::uint32_t>(random.next_below(kWorkers))};
        if (!index.apply(BlockStored{worker, 7, std::nullopt, names, prompt, KvTier::kDevice}).ok()) std::abort();
      }
    }
    return index;
  };
  static const PrefixIndex own = make(false);
  static const PrefixIndex common = make(true);
  return shared ? common : own;
}

void report(benchmark::State& state, const PrefixIndex& index, std::size_t bytes) {
  const auto pairs = static_cast<double>(index.stats().memberships);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(pairs));
  state.counters["pairs"] = pairs;
  if (bytes != 0) state.counters["bytes_per_pair"] = static_cast<double>(bytes) / pairs;
}

void BM_Prefix_Dump(benchmark::State& state) {
  const PrefixIndex& index = full_index(state.range(0) != 0);
  std::size_t bytes = 0;
  for (auto _ : state) bytes = index.dump().size();
  report(state, index, bytes);
}

void BM_Prefix_Load(benchmark::State& state) {
  const PrefixIndex& index = full_index(state.range(0) != 0);
  const std::vector<std::byte> dump = index.dump();
  for (auto _ : state) {
    const Result<PrefixIndex> loaded = PrefixIndex::load(dump, index.options());
    if (!loaded.ok() || loaded->stats().memberships != index.stats().memberships) state.SkipWithError("not loaded");
  }
  report(state, index, dump.size());
}

/// Both halves: making the events, and applying them.
void BM_Prefix_LoadBaseline_Replay(benchmark::State& state) {
  const PrefixIndex& index = full_index(state.range(0) != 0);
  for (auto _ : state) {
    PrefixIndex replayed = make_index(state.range(0) != 0);
    for (std::uint32_t id = 0; id < kWorkers; ++id)
      (void)index.dump_events({id}, [&replayed](const KvEvent& event) { (void)replayed.apply(event); });
    if (replayed.stats().memberships != index.stats().memberships) state.SkipWithError("not replayed");
  }
  report(state, index, 0);
}

BENCHMARK(BM_Prefix_Dump)->ArgName("shared")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Prefix_Load)->ArgName("shared")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Prefix_LoadBaseline_Replay)->ArgName("shared")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
