// bench/prefix_compat_bench.cpp
//
// The two stores of Kthena, each beside a plain baseline in the same run. An iteration is one prompt; items_per_second counts blocks.
//
// Corpus: 256 groups of 32 prompts of 128 blocks, 96 of them shared by the group; each prompt goes to a random one of W workers; in
// random order. The argument is W. All prompts are stored once before the clock starts. With 3 workers the history (50,000 hashes each)
// overflows all the time, so that an added block is new and drives one out; with 16 and 64 an added block is already there.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <list>
#include <string>
#include <unordered_map>
#include <vector>

#include "kthena/base.hpp"
#include "kthena/prefix.hpp"

namespace {

using namespace kthena;
using namespace kthena::prefix;

using Hashes = std::vector<std::uint64_t>;

struct Corpus {
  std::vector<Hashes> prompts;
  std::vector<WorkerId> workers;
  std::vector<WorkerId> targets;  // of each prompt
};

Corpus make_corpus(std::uint32_t workers) {
  Corpus corpus;
  RandomStream random(4, workers);
  for (std::uint32_t id = 0; id < workers; ++id) corpus.workers.push_back({id});
  for (int group = 0; group < 256; ++group) {
    Hashes shared(96);
    for (std::uint64_t& hash : shared) hash = random.next_u64();
    for (int request = 0; request < 32; ++request) {
      Hashes prompt = shared;
      while (prompt.size() < 128) prompt.push_back(random.next_u64());
      corpus.prompts.push_back(std::move(prompt));
    }
  }
  for (std::size_t i = corpus.prompts.size(); i > 1; --i)
    std::swap(corpus.prompts[i - 1], corpus.prompts[random.next_below(i)]);
  for (std::size_t i = 0; i < corpus.prompts.size(); ++i)
    corpus.targets.push_back({static_cast<std::uint32_t>(random.next_below(workers))});
  return corpus;
}

/// Baseline of the byte history: the same rule with a standard list and map per worker, as Kthena's Go code has them.
class PlainHistory {
 public:
  PlainHistory(std::uint32_t workers, std::size_t capacity) : recent_(workers), at_(workers), capacity_(capacity) {}

  void add(WorkerId worker, const Hashes& hashes) {
    std::list<std::uint64_t>& recent = recent_[worker.value];
    auto& at = at_[worker.value];
    for (std::size_t i = hashes.size(); i-- > 0;) {
      if (const auto it = at.find(hashes[i]); it != at.end()) {
        recent.splice(recent.begin(), recent, it->second);
        continue;
      }
      recent.push_front(hashes[i]);
      at[hashes[i]] = recent.begin();
      holders_[hashes[i]].push_back(worker.value);
      if (recent.size() <= capacity_) continue;
      std::vector<std::uint32_t>& holders = holders_[recent.back()];
      holders.erase(std::find(holders.begin(), holders.end(), worker.value));
      if (holders.empty()) holders_.erase(recent.back());
      at.erase(recent.back());
      recent.pop_back();
    }
  }
  void find(const Hashes& hashes, std::size_t top_k, std::vector<std::uint32_t>& depths) const {
    std::fill(depths.begin(), depths.end(), 0);
    std::size_t matched = 0;
    for (std::size_t i = hashes.size(); i-- > 0 && matched < std::min(top_k, depths.size());) {
      const auto it = holders_.find(hashes[i]);
      if (it == holders_.end()) continue;
      for (const std::uint32_t worker : it->second) {
        if (depths[worker] != 0 || matched == top_k) continue;
        depths[worker] = static_cast<std::uint32_t>(i + 1);
        ++matched;
      }
    }
  }

 private:
  std::vector<std::list<std::uint64_t>> recent_;
  std::vector<std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator>> at_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> holders_;
  std::size_t capacity_;
};

void byte_history_add(benchmark::State& state) {
  const Corpus corpus = make_corpus(static_cast<std::uint32_t>(state.range(0)));
  compat::ByteHistory history = compat::ByteHistory::create({}).value();
  for (std::size_t i = 0; i < corpus.prompts.size(); ++i) history.add(7, corpus.targets[i], corpus.prompts[i]);
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    history.add(7, corpus.targets[i], corpus.prompts[i]);
    if (++i == corpus.prompts.size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations() * 128);
}
void byte_history_find(benchmark::State& state) {
  const Corpus corpus = make_corpus(static_cast<std::uint32_t>(state.range(0)));
  compat::ByteHistory history = compat::ByteHistory::create({}).value();
  for (std::size_t i = 0; i < corpus.prompts.size(); ++i) history.add(7, corpus.targets[i], corpus.prompts[i]);
  std::vector<std::uint32_t> depths(corpus.workers.size());
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    history.find(7, corpus.prompts[i], corpus.workers, i, depths);
    benchmark::DoNotOptimize(depths.data());
    benchmark::ClobberMemory();
    if (++i == corpus.prompts.size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations() * 128);
}
void plain_history_add(benchmark::State& state) {
  const Corpus corpus = make_corpus(static_cast<std::uint32_t>(state.range(0)));
  PlainHistory history(static_cast<std::uint32_t>(state.range(0)), 50'000);
  for (std::size_t i = 0; i < corpus.prompts.size(); ++i) history.add(corpus.targets[i], corpus.prompts[i]);
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    history.add(corpus.targets[i], corpus.prompts[i]);
    if (++i == corpus.prompts.size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations() * 128);
}
void plain_history_find(benchmark::State& state) {
  const Corpus corpus = make_corpus(static_cast<std::uint32_t>(state.range(0)));
  PlainHistory history(static_cast<std::uint32_t>(state.range(0)), 50'000);
  for (std::size_t i = 0; i < corpus.prompts.size(); ++i) history.add(corpus.targets[i], corpus.prompts[i]);
  std::vector<std::uint32_t> depths(corpus.workers.size());
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    history.find(corpus.prompts[i], 5, depths);
    benchmark::DoNotOptimize(depths.data());
    benchmark::ClobberMemory();
    if (++i == corpus.prompts.size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations() * 128);
}

void unchained_store(benchmark::State& state) {
  const Corpus corpus = make_corpus(static_cast<std::uint32_t>(state.range(0)));
  compat::UnchainedOwners owners;
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {  // a prompt is stored, the one stored 4,096 prompts ago removed
    owners.store(7, corpus.targets[i], corpus.prompts[i]);
    const std::size_t old = (i + 4096) % corpus.prompts.size();
    owners.remove(7, corpus.targets[old], corpus.prompts[old]);
    if (++i == corpus.prompts.size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations() * 256);
}
void unchained_find(benchmark::State& state) {
  const Corpus corpus = make_corpus(static_cast<std::uint32_t>(state.range(0)));
  compat::UnchainedOwners owners;
  for (std::size_t i = 0; i < corpus.prompts.size(); ++i) owners.store(7, corpus.targets[i], corpus.prompts[i]);
  std::vector<std::uint32_t> depths(corpus.workers.size());
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    owners.find(7, corpus.prompts[i], corpus.workers, depths);
    benchmark::DoNotOptimize(depths.data());
    benchmark::ClobberMemory();
    if (++i == corpus.prompts.size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations() * 128);
}
/// Baseline: a standard map of vectors, walked block by block.
void plain_owners_find(benchmark::State& state) {
  const Corpus corpus = make_corpus(static_cast<std::uint32_t>(state.range(0)));
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> owners;
  for (std::size_t i = 0; i < corpus.prompts.size(); ++i) {
    for (const std::uint64_t hash : corpus.prompts[i]) {
      std::vector<std::uint32_t>& list = owners[hash];
      if (std::find(list.begin(), list.end(), corpus.targets[i].value) == list.end())
        list.push_back(corpus.targets[i].value);
    }
  }
  std::vector<std::uint32_t> depths(corpus.workers.size());
  std::size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    std::fill(depths.begin(), depths.end(), 0);
    std::uint32_t depth = 0;
    for (const std::uint64_t hash : corpus.prompts[i]) {
      const auto it = owners.find(hash);
      if (it == owners.end()) break;
      bool any = false;
      for (const std::uint32_t worker : it->second) {
        if (depths[worker] != depth) continue;
        depths[worker] = depth + 1;
        any = true;
      }
      if (!any) break;
      ++depth;
    }
    benchmark::DoNotOptimize(depths.data());
    benchmark::ClobberMemory();
    if (++i == corpus.prompts.size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations() * 128);
}

void hash_bytes(benchmark::State& state) {
  const std::string prompt(8192, 'x');
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(compat::hash_prompt_bytes("model", prompt));
  state.SetItemsProcessed(state.iterations() * 128);
}
void hash_unchained(benchmark::State& state) {
  std::vector<std::uint32_t> tokens(2048);
  for (std::uint32_t i = 0; i < tokens.size(); ++i) tokens[i] = i;
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(compat::hash_prompt_unchained(tokens));
  state.SetItemsProcessed(state.iterations() * 128);
}

BENCHMARK(byte_history_add)->Name("BM_Prefix_ByteHistoryAdd")->Arg(3)->Arg(16)->Arg(64);
BENCHMARK(plain_history_add)->Name("BM_Prefix_ByteHistoryAddBaseline")->Arg(3)->Arg(16)->Arg(64);
BENCHMARK(byte_history_find)->Name("BM_Prefix_ByteHistoryFind")->Arg(3)->Arg(16)->Arg(64);
BENCHMARK(plain_history_find)->Name("BM_Prefix_ByteHistoryFindBaseline")->Arg(3)->Arg(16)->Arg(64);
BENCHMARK(unchained_store)->Name("BM_Prefix_UnchainedStore")->Arg(3)->Arg(16)->Arg(64);
BENCHMARK(unchained_find)->Name("BM_Prefix_UnchainedFind")->Arg(3)->Arg(16)->Arg(64);
BENCHMARK(plain_owners_find)->Name("BM_Prefix_UnchainedFindBaseline")->Arg(3)->Arg(16)->Arg(64);
BENCHMARK(hash_bytes)->Name("BM_Prefix_HashPromptBytes/8192");
BENCHMARK(hash_unchained)->Name("BM_Prefix_HashPromptUnchained/2048");

}  // namespace
