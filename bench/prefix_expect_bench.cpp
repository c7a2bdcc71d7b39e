// bench/prefix_expect_bench.cpp
//
// expect() beside a plain baseline in the same run. An iteration is one prompt of 272 blocks that goes to a worker; items_per_second
// counts blocks.
//
// Corpus: 256 groups of 32 prompts of 256 shared and 16 own blocks on 16 workers, in random order, each to a random worker.
//   touched   all prompts were expected before and nothing is evicted: only their order changes.
//   full      each worker may be expected to hold 16,384 blocks, a fifth of what it is sent: own blocks are mostly new and drive others out.
//   new       no two prompts have a block in common and each worker holds 16,384: every block is new and drives one out.
// BM_Prefix_ExpectPromoted: a new prompt is expected, stored by the engine and removed by it; all three are timed.
//
// Baseline: a std::list and a std::unordered_map of chained keys per worker, and one std::unordered_map from key to its workers (so that
// a lookup can be answered), block by block; the same order and capacity.
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

constexpr std::uint32_t kWorkers = 16;

struct Corpus {
  std::vector<PrefixQuery> queries;
  std::vector<Hashes> keys;  // chained, for the baseline
  std::vector<WorkerId> targets;
};

Corpus make_corpus(bool shared_prefixes) {
  Corpus corpus;
  RandomStream random(4, 5);
  std::vector<Hashes> prompts;
  for (int group = 0; group < 256; ++group) {
    Hashes shared(shared_prefixes ? 256 : 0);
    for (std::uint64_t& hash : shared) hash = random.next_u64();
    for (int request = 0; request < 32; ++request) {
      Hashes prompt = shared;
      while (prompt.size() < 272) prompt.push_back(random.next_u64());
      prompts.push_back(std::move(prompt));
    }
  }
  for (std::size_t i = prompts.size(); i > 1; --i) std::swap(prompts[i - 1], prompts[random.next_below(i)]);
  for (const Hashes& prompt : prompts) {
    PrefixQuery query(7, 16, 0);
    if (!query.extend_contents(prompt).ok()) std::abort();
    corpus.queries.push_back(std::move(query));
    Hashes keys;
    std::uint64_t key = 7;
    for (const std::uint64_t content : prompt) keys.push_back(key = combine64(key, content));
    corpus.keys.push_back(std::move(keys));
    corpus.targets.push_back({static_cast<std::uint32_t>(random.next_below(kWorkers))});
  }
  return corpus;
}
const Corpus& shared_corpus() {
  static const Corpus corpus = make_corpus(true);
  return corpus;
}
const Corpus& new_corpus() {
  static const Corpus corpus = make_corpus(false);
  return corpus;
}

class Plain {
 public:
  explicit Plain(std::size_t capacity) : recent_(kWorkers), at_(kWorkers), capacity_(capacity) {}

  void expect(WorkerId worker, const Hashes& keys, std::int64_t now_ns) {
    std::list<Guess>& recent = recent_[worker.value];
    auto& at = at_[worker.value];
    for (std::size_t i = keys.size(); i-- > 0;) {
      if (const auto it = at.find(keys[i]); it != at.end()) {
        it->second->touched_ns = now_ns;
        recent.splice(recent.begin(), recent, it->second);
        continue;
      }
      recent.push_front({keys[i], now_ns});
      at[keys[i]] = recent.begin();
      holders_[keys[i]].push_back(worker.value);
    }
    for (; recent.size() > capacity_; recent.pop_back()) {
      const auto it = holders_.find(recent.back().key);
      std::vector<std::uint32_t>& holders = it->second;
      holders.erase(std::find(holders.begin(), holders.end(), worker.value));
      if (holders.empty()) holders_.erase(it);
      at.erase(recent.back().key);
    }
  }
  [[nodiscard]] std::size_t size() const {
    std::size_t size = 0;
    for (const auto& recent : recent_) size += recent.size();
    return size;
  }

 private:
  struct Guess {
    std::uint64_t key;
    std::int64_t touched_ns;
  };

  std::vector<std::list<Guess>> recent_;
  std::vector<std::unordered_map<std::uint64_t, std::list<Guess>::iterator>> at_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> holders_;
  std::size_t capacity_;
};

PrefixIndex make_index(std::size_t capacity) {
  PrefixIndex index = PrefixIndex::create({.max_expected_blocks = capacity}).value();
  for (std::uint32_t i = 0; i < kWorkers; ++i) (void)index.add_worker("worker" + std::to_string(i)).value();
  return index;
}

void report(benchmark::State& state) { state.SetItemsProcessed(state.iterations() * 272); }

void expect_all(benchmark::State& state, const Corpus& corpus, std::size_t capacity) {
  PrefixIndex index = make_index(capacity);
  std::int64_t now_ns = 0;
  for (std::size_t i = 0; i < corpus.queries.size(); ++i)
    (void)index.expect(corpus.targets[i], corpus.queries[i], ++now_ns);
  std::size_t i = 0;
  for (auto _ : state) {
    (void)index.expect(corpus.targets[i], corpus.queries[i], ++now_ns);
    if (++i == corpus.queries.size()) i = 0;
  }
  report(state);
  const PrefixIndexStats stats = index.stats();
  state.counters["guesses"] = static_cast<double>(stats.expected_blocks);
  state.counters["bytes_per_guess"] =
      static_cast<double>(stats.approximate_bytes) / static_cast<double>(stats.expected_blocks);
}

void expect_all_baseline(benchmark::State& state, const Corpus& corpus, std::size_t capacity) {
  Plain plain(capacity);
  std::int64_t now_ns = 0;
  for (std::size_t i = 0; i < corpus.queries.size(); ++i) plain.expect(corpus.targets[i], corpus.keys[i], ++now_ns);
  std::size_t i = 0;
  for (auto _ : state) {
    plain.expect(corpus.targets[i], corpus.keys[i], ++now_ns);
    if (++i == corpus.queries.size()) i = 0;
  }
  report(state);
  state.counters["guesses"] = static_cast<double>(plain.size());
}

constexpr std::size_t kUnbounded = 1u << 30;
constexpr std::size_t kFull = 16384;

void BM_Prefix_Expect(benchmark::State& state, const Corpus& (*corpus)(), std::size_t capacity) {
  expect_all(state, corpus(), capacity);
}
void BM_Prefix_ExpectBaseline(benchmark::State& state, const Corpus& (*corpus)(), std::size_t capacity) {
  expect_all_baseline(state, corpus(), capacity);
}

void BM_Prefix_ExpectPromoted(benchmark::State& state) {
  const Corpus& corpus = new_corpus();
  PrefixIndex index = make_index(kFull);
  std::int64_t now_ns = 0;
  std::size_t i = 0;
  for (auto _ : state) {
    const WorkerId worker = corpus.targets[i];
    (void)index.expect(worker, corpus.queries[i], ++now_ns);
    (void)index.apply(BlockStored{.worker = worker,
                                  .namespace_key = 7,
                                  .parent = std::nullopt,
                                  .engine_hashes = corpus.keys[i],
                                  .content_hashes = corpus.queries[i].contents()});
    (void)index.apply(BlockRemoved{.worker = worker, .engine_hashes = corpus.keys[i]});
    if (++i == corpus.queries.size()) i = 0;
  }
  report(state);
  if (index.stats().memberships != 0 || index.stats().promoted_blocks == 0) state.SkipWithError("not promoted");
}

BENCHMARK_CAPTURE(BM_Prefix_Expect, touched, shared_corpus, kUnbounded);
BENCHMARK_CAPTURE(BM_Prefix_ExpectBaseline, touched, shared_corpus, kUnbounded);
BENCHMARK_CAPTURE(BM_Prefix_Expect, full, shared_corpus, kFull);
BENCHMARK_CAPTURE(BM_Prefix_ExpectBaseline, full, shared_corpus, kFull);
BENCHMARK_CAPTURE(BM_Prefix_Expect, new, new_corpus, kFull);
BENCHMARK_CAPTURE(BM_Prefix_ExpectBaseline, new, new_corpus, kFull);
BENCHMARK(BM_Prefix_ExpectPromoted);

}  // namespace
