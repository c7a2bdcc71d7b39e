// bench/prefix_corpora.hpp
//
// What the benchmarks of the prefix index are about: event streams with the queries that belong to them, and the plain baseline.
//
// Corpora
//   gsp       256 groups of 32 prompts, 256 shared + 16 own blocks each; each group's prompts on 4 of 16 workers.
//   churn     64 workers of 16,384 blocks, 320-block chains: 1,024 prefixes of 256 blocks (popularity 1 / rank^0.8) with tails of 64 on 8
//             workers each; a worker that is full drops its least recently used tails, deepest block first.
//   tangle    64 workers, chains of 320 blocks that branch off one another anywhere; the own blocks of the oldest prompts go.
//   mooncake  the conversations of Mooncake's trace on 64 workers; needs mooncake_conversation.csv in the folder KTHENA_DATA.
//   roots     1 to 10^6 prompts of one block that have nothing in common.
// Queries: hit = a stored prompt; partial = a shared prefix with a new tail; cold = nothing of it is stored. In random order. Those of gsp,
// churn, tangle and mooncake are prepared before, 4,096 of them, so reading them misses the caches as well.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "kthena/base.hpp"
#include "kthena/prefix.hpp"
#include "support/trace_data.hpp"

namespace kthena::bench {

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
  std::vector<Hashes> hit, partial, cold;  // contents of queries
  std::size_t shared_blocks = 0;           // of a prompt, before its own
  std::size_t event_blocks = 0;            // stored and removed
};

/// The engines' own hashes: a chain over the contents, shared by all workers.
inline Hashes engine_chain(const Hashes& contents) {
  Hashes chain;
  std::uint64_t key = 1;
  for (const std::uint64_t content : contents) chain.push_back(key = combine64(key, content));
  return chain;
}

inline void add_queries(Corpus& corpus, RandomStream& random) {
  const std::size_t stored = corpus.hit.size();
  for (std::size_t i = 0; i < stored; ++i) {
    Hashes partial = corpus.hit[i];
    const std::size_t own = std::max<std::size_t>(1, std::min<std::size_t>(partial.size() - 1, corpus.shared_blocks));
    for (std::size_t block = own; block < partial.size(); ++block) partial[block] = random.next_u64();
    corpus.partial.push_back(std::move(partial));
    Hashes cold(corpus.hit[i].size());
    for (std::uint64_t& content : cold) content = random.next_u64();
    corpus.cold.push_back(std::move(cold));
  }
  for (std::vector<Hashes>* queries : {&corpus.hit, &corpus.partial, &corpus.cold}) {
    for (std::size_t i = queries->size(); i > 1; --i) std::swap((*queries)[i - 1], (*queries)[random.next_below(i)]);
    if (queries->size() > 4096) queries->resize(4096);
  }
}

inline const Corpus& gsp() {
  static const Corpus corpus = [] {
    Corpus made;
    made.workers = 16;
    made.shared_blocks = 256;
    RandomStream random(1, 1);
    for (std::uint32_t group = 0; group < 256; ++group) {
      Hashes shared(256);
      for (std::uint64_t& content : shared) content = random.next_u64();
      for (std::uint32_t request = 0; request < 32; ++request) {
        Hashes prompt = shared;
        while (prompt.size() < 272) prompt.push_back(random.next_u64());
        made.event_blocks += prompt.size();
        made.events.push_back({(group * 7 + request % 4 * 5) % 16, true, 0, engine_chain(prompt), prompt});
        made.hit.push_back(std::move(prompt));
      }
    }
    add_queries(made, random);
    return made;
  }();
  return corpus;
}

/// What one worker of churn holds: whole prefixes and some leading blocks of tails, in the order of their last use.
struct ChurnWorker {
  using Key = std::pair<bool, std::uint32_t>;     // (is a prefix, its number); a prefix is here once no tail needs it
  std::list<std::pair<Key, std::uint32_t>> used;  // with the blocks held; the least recently used first
  std::map<Key, decltype(used)::iterator> at;
  std::map<std::uint32_t, std::set<std::uint32_t>> tails;  // by prefix
  std::uint32_t blocks = 0;

  /// Takes an entry out and gives its blocks.
  std::uint32_t take(Key key) {
    const auto it = at.find(key);
    if (it == at.end()) return 0;
    const std::uint32_t held = it->second->second;
    used.erase(it->second);
    at.erase(it);
    return held;
  }
};

inline const Corpus& churn() {
  static const Corpus corpus = [] {
    constexpr std::uint32_t kGroups = 1024;
    constexpr std::uint32_t kShared = 256;
    constexpr std::uint32_t kTail = 64;
    constexpr std::uint32_t kCapacity = 16384;
    Corpus made;
    made.workers = 64;
    made.shared_blocks = kShared;
    RandomStream random(4, 1);
    const auto some = [&random](std::size_t n) {
      Hashes contents(n);
      for (std::uint64_t& content : contents) content = random.next_u64();
      return contents;
    };
    std::vector<double> popularity(kGroups);
    for (std::uint32_t i = 0; i < kGroups; ++i)
      popularity[i] = (i == 0 ? 0 : popularity[i - 1]) + 1 / std::pow(i + 1, 0.8);
    std::vector<Hashes> prompts;  // one per tail, with its prefix
    std::vector<Hashes> chains;
    std::vector<Hashes> prefixes(kGroups);
    std::vector<std::uint32_t> group_of;
    std::vector<std::vector<std::uint32_t>> tails_of(kGroups);
    std::vector<ChurnWorker> workers(made.workers);
    while (made.event_blocks < 2'400'000) {
      const double dice = random.next_double() * popularity.back();
      const auto group =
          static_cast<std::uint32_t>(std::lower_bound(popularity.begin(), popularity.end(), dice) - popularity.begin());
      if (prefixes[group].empty()) prefixes[group] = some(kShared);
      std::vector<std::uint32_t>& old = tails_of[group];
      auto tail = static_cast<std::uint32_t>(prompts.size());
      if (!old.empty() && random.next_below(10) < 3) {
        tail = old[old.size() - 1 - random.next_below(std::min<std::size_t>(old.size(), 4))];
      } else {
        Hashes prompt = prefixes[group];
        for (const std::uint64_t content : some(kTail)) prompt.push_back(content);
        chains.push_back(engine_chain(prompt));
        prompts.push_back(std::move(prompt));
        group_of.push_back(group);
        old.push_back(tail);
      }
      const std::uint32_t id = (group * 7 + static_cast<std::uint32_t>(random.next_below(8)) * 5) % made.workers;
      ChurnWorker& worker = workers[id];
      const std::uint32_t of_tail = worker.take({false, tail});
      const bool whole_prefix = worker.tails.contains(group) && !worker.at.contains({true, group});
      const std::uint32_t of_prefix = whole_prefix ? kShared : worker.take({true, group});
      worker.tails[group].insert(tail);
      const std::uint32_t held = of_prefix < kShared ? of_prefix : kShared + of_tail;
      const std::uint32_t needed = kShared + kTail - held;
      Hashes gone;
      while (kCapacity - worker.blocks + gone.size() < needed) {
        auto& [key, length] = worker.used.front();
        const Hashes& chain = key.first ? chains[tails_of[key.second].front()] : chains[key.second];
        const std::uint32_t first = key.first ? 0 : kShared;
        const auto lack = static_cast<std::uint32_t>(needed - (kCapacity - worker.blocks) - gone.size());
        const std::uint32_t dropped = std::min(length, lack);
        for (std::uint32_t i = 0; i < dropped; ++i) gone.push_back(chain[first + length - 1 - i]);
        length -= dropped;
        if (length != 0) continue;
        const ChurnWorker::Key key_gone = key;
        worker.take(key_gone);
        if (key_gone.first) {
          worker.tails.erase(key_gone.second);
          continue;
        }
        std::set<std::uint32_t>& left = worker.tails[group_of[key_gone.second]];
        left.erase(key_gone.second);
        if (!left.empty()) continue;  // else the prefix is next
        worker.used.emplace_front(ChurnWorker::Key{true, group_of[key_gone.second]}, kShared);
        worker.at[{true, group_of[key_gone.second]}] = worker.used.begin();
      }
      worker.blocks += needed - static_cast<std::uint32_t>(gone.size());
      made.event_blocks += needed + gone.size();
      if (!gone.empty()) made.events.push_back({id, false, 0, std::move(gone), {}});
      if (needed != 0) {
        made.events.push_back({id,
                               true,
                               held == 0 ? 0 : chains[tail][held - 1],
                               {chains[tail].begin() + held, chains[tail].end()},
                               {prompts[tail].begin() + held, prompts[tail].end()}});
      }
      worker.used.emplace_back(ChurnWorker::Key{false, tail}, kTail);
      worker.at[{false, tail}] = std::prev(worker.used.end());
    }
    // Stored not long ago, so most are still there.
    made.hit.assign(prompts.end() - 4096, prompts.end());
    add_queries(made, random);
    return made;
  }();
  return corpus;
}

inline constexpr const char* kTrace = "mooncake_conversation.csv";

/// Empty without the trace.
inline const Corpus& mooncake() {
  static const Corpus corpus = [] {
    Corpus made;
    made.workers = 64;
    const auto csv = test::trace_data(kTrace);
    if (!csv) return made;
    RandomStream random(5, 1);
    std::unordered_map<std::uint64_t, std::uint32_t> last_on;  // worker by block id
    for (const Hashes& blocks : test::mooncake_blocks(*csv)) {
      if (blocks.empty()) continue;
      // Half of them go where the deepest block that anyone has was stored last.
      auto worker = static_cast<std::uint32_t>(random.next_below(made.workers));
      if (random.next_below(2) == 0) {
        for (const std::uint64_t id : blocks) {
          const auto it = last_on.find(id);
          if (it == last_on.end()) break;
          worker = it->second;
        }
      }
      for (const std::uint64_t id : blocks) last_on[id] = worker;
      Hashes contents;
      for (const std::uint64_t id : blocks) contents.push_back(mix64(id + 1));
      made.event_blocks += contents.size();
      made.events.push_back({worker, true, 0, engine_chain(contents), contents});
      made.hit.push_back(std::move(contents));
    }
    if (!made.hit.empty()) add_queries(made, random);
    return made;
  }();
  return corpus;
}

inline const Corpus& tangle() {
  static const Corpus corpus = [] {
    Corpus made;
    made.workers = 64;
    made.shared_blocks = 300;
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
      made.event_blocks += prompt.size();
      // The worker drops the own blocks of its oldest prompts, deepest first.
      held[worker].push_back({chain.begin() + static_cast<std::ptrdiff_t>(branch), chain.end()});
      blocks[worker] += 320 - branch;
      while (blocks[worker] > 16384) {
        Hashes dropped = std::move(held[worker].front());
        held[worker].pop_front();
        blocks[worker] -= dropped.size();
        made.event_blocks += dropped.size();
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

inline PrefixIndex new_index(const Corpus& corpus) {
  PrefixIndex index = PrefixIndex::create({.seed = 99}).value();
  for (std::uint32_t i = 0; i < corpus.workers; ++i) (void)index.add_worker("worker" + std::to_string(i));
  return index;
}

inline void apply(PrefixIndex& index, const Event& event) {
  const Status status = event.stored
                            ? index.apply(BlockStored{{event.worker},
                                                      7,
                                                      event.parent == 0 ? std::nullopt : std::optional(event.parent),
                                                      event.engine_hashes,
                                                      event.contents,
                                                      KvTier::kDevice})
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

inline PrefixIndex fill_index(const Corpus& corpus) {
  PrefixIndex index = new_index(corpus);
  for (const Event& event : corpus.events) apply(index, event);
  return index;
}
inline ChainedMap fill_map(const Corpus& corpus) {
  ChainedMap map(corpus.workers);
  for (const Event& event : corpus.events) map.apply(event);
  return map;
}

// ---- find

using CorpusOf = const Corpus& (*)();  // made when a benchmark that needs it runs
using Queries = std::vector<Hashes> Corpus::*;

inline std::vector<PrefixQuery> prepare(const std::vector<Hashes>& queries) {
  std::vector<PrefixQuery> prepared;
  for (const Hashes& contents : queries) {
    prepared.emplace_back(7, 16, 99);
    if (!prepared.back().extend_contents(contents).ok()) std::abort();
  }
  return prepared;
}

}  // namespace kthena::bench
