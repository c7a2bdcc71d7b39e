// Lookups: a walk down the tree, and what is written of the holders on the way.
#include <algorithm>
#include <bit>

#include "prefix/index_state.hpp"

namespace kthena::prefix {

using detail::Run;
using detail::RunTree;

namespace {

/// Queries that find_batch() walks at once.
constexpr std::size_t kBatch = 8;

/// Writes the depths of all holders of a run. True if one of them reaches what comes behind the match.
struct Depths {
  std::uint32_t* depths;

  bool operator()(const Run& run, std::uint32_t matched) const noexcept {
    bool further = false;
    const detail::Holder* holder = run.holders();
    for (const detail::Holder* const end = holder + run.holder_count; holder != end; ++holder) {
      depths[holder->worker] = run.start + std::min<std::uint32_t>(holder->cutoff, matched);
      further |= holder->cutoff >= matched;
    }
    return further;
  }
};

/// The same for workers whose bit is set.
struct SelectedDepths {
  std::uint32_t* depths;
  std::span<const std::uint64_t> selected;

  bool operator()(const Run& run, std::uint32_t matched) const noexcept {
    bool further = false;
    const detail::Holder* holder = run.holders();
    for (const detail::Holder* const end = holder + run.holder_count; holder != end; ++holder) {
      const std::size_t word = detail::word_of(holder->worker);
      if (word >= selected.size() || (selected[word] & detail::bit_of(holder->worker)) == 0) continue;
      depths[holder->worker] = run.start + std::min<std::uint32_t>(holder->cutoff, matched);
      further |= holder->cutoff >= matched;
    }
    return further;
  }
};

/// The best worker so far, by cost and then by a seeded hash of its id.
class BestPick {
 public:
  BestPick(std::span<const std::uint32_t> loads, const PickRule& rule, std::size_t blocks) noexcept
      : loads_(loads), rule_(rule), blocks_(blocks) {}

  void offer(std::uint32_t worker, std::uint32_t depth) noexcept {
    const std::uint64_t cost = loads_[worker] + std::uint64_t{rule_.block_cost} * (blocks_ - depth);
    if (cost > best_.cost) return;
    const std::uint64_t tie = mix64(rule_.tie_seed ^ worker);
    if (cost == best_.cost && (tie > tie_ || (tie == tie_ && depth < best_.depth))) return;
    best_ = {{worker}, depth, cost};
    tie_ = tie;
  }
  /// The least cost of a worker with this load that holds nothing, and whether such a one can still win.
  [[nodiscard]] bool may_win(std::uint32_t load) const noexcept {
    return load + std::uint64_t{rule_.block_cost} * blocks_ <= best_.cost;
  }
  [[nodiscard]] Pick pick() const noexcept { return best_.worker.valid() ? best_ : Pick{}; }

 private:
  std::span<const std::uint32_t> loads_;
  PickRule rule_;
  std::size_t blocks_;
  Pick best_{{}, 0, ~std::uint64_t{0}};
  std::uint64_t tie_ = ~std::uint64_t{0};
};

}  // namespace

void PrefixIndex::State::select(std::span<const std::uint64_t> candidates, std::size_t size,
                                std::span<std::uint64_t> words) const noexcept {
  for (std::size_t word = 0; word < words.size(); ++word) {
    words[word] = (candidates.empty()         ? ~std::uint64_t{0}
                   : word < candidates.size() ? candidates[word]
                                              : 0) &
                  alive[word];
  }
  if (size % 64 != 0) words.back() &= ~std::uint64_t{0} >> (64 - size % 64);
}

void PrefixIndex::State::find(const PrefixQuery& query, std::uint32_t* depths) const noexcept {
  tree.walk(query.namespace_key(), query.contents(), checkpoints(query), Depths{depths});
}

void PrefixIndex::State::find(const PrefixQuery& query, std::span<const std::uint64_t> selected,
                              std::uint32_t* depths) const noexcept {
  tree.walk(query.namespace_key(), query.contents(), checkpoints(query), SelectedDepths{depths, selected});
}

void PrefixIndex::find_by_worker(const PrefixQuery& query, std::span<const std::uint64_t> candidates,
                                 std::span<std::uint32_t> depths) const noexcept {
  std::fill(depths.begin(), depths.end(), 0);
  const std::size_t size = std::min(worker_limit(), depths.size());
  if (candidates.empty() && state_->unswept.empty() && size == worker_limit()) {
    return state_->find(query, depths.data());
  }
  detail::WorkerSet selected(size);
  state_->select(candidates, size, selected.words());
  state_->find(query, selected.words(), depths.data());
}

void PrefixIndex::find(const PrefixQuery& query, std::span<const WorkerId> workers,
                       std::span<std::uint32_t> depths) const noexcept {
  detail::DepthTable table(workers, worker_limit());
  const std::span<std::uint64_t> words = table.asked().words();
  for (std::size_t word = 0; word < words.size(); ++word) words[word] &= state_->alive[word];
  state_->find(query, words, table.depths());
  table.write(workers, depths);
}

void PrefixIndex::find_batch(std::span<const PrefixQuery* const> queries, std::span<const std::uint64_t> candidates,
                             std::span<std::uint32_t> depths) const noexcept {
  const std::size_t limit = worker_limit();
  std::fill(depths.begin(), depths.end(), 0);
  detail::WorkerSet selected(limit);
  const bool all = candidates.empty() && state_->unswept.empty();
  if (!all) state_->select(candidates, limit, selected.words());
  RunTree::Walker walkers[kBatch];
  for (std::size_t first = 0; first < queries.size(); first += kBatch) {
    const std::size_t count = std::min(kBatch, queries.size() - first);
    std::size_t walking = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const PrefixQuery& query = *queries[first + i];
      walkers[i] = {query.namespace_key(), query.contents(), state_->checkpoints(query)};
      walking += state_->tree.start(walkers[i]);
    }
    // All of them take a step at a time, so that the memory each one waits for comes while the others work.
    while (walking != 0) {
      for (std::size_t i = 0; i < count; ++i) state_->tree.arrive(walkers[i]);
      walking = 0;
      for (std::size_t i = 0; i < count; ++i) {
        if (!walkers[i].walking()) continue;
        std::uint32_t* const own = depths.data() + (first + i) * limit;
        walking += all ? state_->tree.step(walkers[i], Depths{own})
                       : state_->tree.step(walkers[i], SelectedDepths{own, selected.words()});
      }
    }
  }
}

void PrefixIndex::find_tiers(const PrefixQuery& query, std::span<const std::uint64_t> candidates,
                             std::span<std::uint32_t> depths) const noexcept {
  constexpr std::size_t kSlowest = kTiers - 1;
  const State& state = *state_;
  const std::size_t limit = worker_limit();
  std::fill_n(depths.begin(), kSlowest * limit, ~std::uint32_t{0});
  std::uint32_t* const any = depths.data() + kSlowest * limit;
  std::fill_n(any, limit, 0);
  detail::WorkerSet selected(limit);
  state.select(candidates, limit, selected.words());
  const SelectedDepths visit{any, selected.words()};
  RunTree::Walker walker{query.namespace_key(), query.contents(), state.checkpoints(query)};
  for (bool walking = state.tree.start(walker); walking;) {
    state.tree.arrive(walker);
    if (!walker.walking()) break;
    const detail::RunId id = walker.run;
    walking = state.tree.step(walker, [&](const Run& run, std::uint32_t matched) {
      state.tree.for_each_slow(run, id, [&](std::uint32_t worker, std::uint32_t offset, std::uint32_t tier) {
        if (worker >= limit || offset >= matched) return;
        for (std::size_t faster = 0; faster < tier; ++faster) {
          std::uint32_t& depth = depths[faster * limit + worker];
          depth = std::min(depth, run.start + offset);
        }
      });
      return visit(run, matched);
    });
  }
  for (std::size_t tier = 0; tier < kSlowest; ++tier) {
    for (std::size_t worker = 0; worker < limit; ++worker) {
      std::uint32_t& depth = depths[tier * limit + worker];
      depth = std::min(depth, any[worker]);
    }
  }
}

Pick PrefixIndex::find_best(const PrefixQuery& query, std::span<const std::uint64_t> candidates,
                            std::span<const std::uint32_t> loads, const PickRule& rule) const noexcept {
  const std::size_t size = std::min(worker_limit(), loads.size());
  detail::WorkerSet selected(size);
  const std::span<std::uint64_t> words = selected.words();
  state_->select(candidates, size, words);
  BestPick best(loads, rule, query.size_blocks());
  // A worker's cost only falls as deeper runs are seen, and the offer of the deepest one is the true one: no depth is written anywhere.
  state_->tree.walk(query.namespace_key(), query.contents(), state_->checkpoints(query),
                    [&](const Run& run, std::uint32_t matched) {
                      bool further = false;
                      const detail::Holder* holder = run.holders();
                      for (const detail::Holder* const end = holder + run.holder_count; holder != end; ++holder) {
                        const std::size_t word = detail::word_of(holder->worker);
                        if (word >= words.size() || (words[word] & detail::bit_of(holder->worker)) == 0) continue;
                        best.offer(holder->worker, run.start + std::min<std::uint32_t>(holder->cutoff, matched));
                        further |= holder->cutoff >= matched;
                      }
                      return further;
                    });
  // Those that hold nothing: only the least loaded can win.
  std::uint32_t least_of[detail::words_for(detail::kMaxWorkers)];
  std::uint32_t least = ~std::uint32_t{0};
  for (std::size_t word = 0; word < words.size(); ++word) {
    const std::uint32_t* const own = loads.data() + 64 * word;
    std::uint32_t of_word = ~std::uint32_t{0};
    if (words[word] == ~std::uint64_t{0}) {
      for (std::size_t i = 0; i < 64; ++i) of_word = std::min(of_word, own[i]);
    } else {
      detail::for_each_worker(word, words[word],
                              [&](std::uint32_t worker) { of_word = std::min(of_word, loads[worker]); });
    }
    least_of[word] = of_word;
    least = std::min(least, of_word);
  }
  for (std::size_t word = 0; word < words.size() && best.may_win(least); ++word) {
    if (least_of[word] != least) continue;
    detail::for_each_worker(word, words[word], [&](std::uint32_t worker) {
      if (loads[worker] == least) best.offer(worker, 0);
    });
  }
  return best.pick();
}

}  // namespace kthena::prefix
