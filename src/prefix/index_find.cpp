// Lookups: a walk down the tree, and what is written of the holders on the way.
#include <algorithm>
#include <bit>
#include <utility>

#include "prefix/index_state.hpp"

namespace kthena::prefix {

using detail::Holder;
using detail::Run;
using detail::RunTree;

namespace {

/// Queries that find_batch() walks at once.
constexpr std::size_t kBatch = 8;

/// Writes the depths of a run's holders whose ids are below `size`. True if one of them reaches what comes behind the match.
struct Depths {
  std::uint32_t* depths;
  std::size_t size;

  bool operator()(const Run& run, std::uint32_t matched, detail::RunId) const noexcept {
    bool further = false;
    detail::for_each_holder(run, [&](const Holder& holder) {
      if (holder.worker >= size) return;
      depths[holder.worker] = run.start + std::min<std::uint32_t>(holder.cutoff, matched);
      further |= holder.cutoff >= matched;
    });
    return further;
  }
};

/// The same for workers whose bit is set.
struct SelectedDepths {
  std::uint32_t* depths;
  std::span<const std::uint64_t> selected;

  bool operator()(const Run& run, std::uint32_t matched, detail::RunId) const noexcept {
    bool further = false;
    detail::for_each_holder(run, [&](const Holder& holder) {
      if (!is_selected(selected, holder.worker)) return;
      depths[holder.worker] = run.start + std::min<std::uint32_t>(holder.cutoff, matched);
      further |= holder.cutoff >= matched;
    });
    return further;
  }

  static bool is_selected(std::span<const std::uint64_t> selected, std::uint32_t worker) noexcept {
    const std::size_t word = detail::word_of(worker);
    return word < selected.size() && (selected[word] & detail::bit_of(worker)) != 0;
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
                  (word < alive.size() ? detail::load(alive[word]) : 0);
  }
  if (size % 64 != 0) words.back() &= ~std::uint64_t{0} >> (64 - size % 64);
}

RunTree::Walker PrefixIndex::State::walker(const PrefixQuery& query) const noexcept {
  return {query.namespace_key(), {query.contents(), query.uppers()}, checkpoints(query)};
}

template <class Reset, class Visit>
void PrefixIndex::State::walk(const PrefixQuery& query, Reset&& reset, Visit&& visit) const noexcept {
  const detail::Reclaimer::Reading reading = tree.reading();
  for (;;) {
    const std::uint64_t begun = detail::load(generation);
    reset();
    RunTree::Walker one = walker(query);
    tree.walk(one, visit);
    if (tree.unchanged(one) && detail::load(generation) == begun) return;
  }
}

void PrefixIndex::find_by_worker(const PrefixQuery& query, std::span<const std::uint64_t> candidates,
                                 std::span<std::uint32_t> depths) const noexcept {
  const State& state = *state_;
  const std::size_t size = std::min(depths.size(), detail::load(state.limit));
  detail::WorkerSet selected(size);
  bool all = true;
  const auto reset = [&] {
    std::fill(depths.begin(), depths.end(), 0);
    all = candidates.empty() && detail::load(state.hidden) == 0;
    if (!all) state.select(candidates, size, selected.words());
  };
  state.walk(query, reset, [&](const Run& run, std::uint32_t matched, detail::RunId id) {
    return all ? Depths{depths.data(), size}(run, matched, id)
               : SelectedDepths{depths.data(), selected.words()}(run, matched, id);
  });
}

void PrefixIndex::find(const PrefixQuery& query, std::span<const WorkerId> workers,
                       std::span<std::uint32_t> depths) const noexcept {
  const State& state = *state_;
  detail::DepthTable table(workers, detail::load(state.limit));
  const std::span<std::uint64_t> selected = table.asked().words();
  bool again = false;
  const auto reset = [&] {
    if (std::exchange(again, true)) table.reset(workers);
    for (std::size_t word = 0; word < selected.size(); ++word) selected[word] &= detail::load(state.alive[word]);
  };
  state.walk(query, reset, SelectedDepths{table.depths(), selected});
  table.write(workers, depths);
}

void PrefixIndex::find_batch(std::span<const PrefixQuery* const> queries, std::span<const std::uint64_t> candidates,
                             std::span<std::uint32_t> depths) const noexcept {
  if (queries.empty()) return;
  const State& state = *state_;
  const std::size_t width = depths.size() / queries.size();
  const std::size_t size = std::min(width, detail::load(state.limit));
  std::fill(depths.begin(), depths.end(), 0);
  const std::uint64_t begun = detail::load(state.generation);
  detail::WorkerSet selected(size);
  const bool all = candidates.empty() && detail::load(state.hidden) == 0;
  if (!all) state.select(candidates, size, selected.words());
  const detail::Reclaimer::Reading reading = state.tree.reading();
  RunTree::Walker walkers[kBatch];
  for (std::size_t first = 0; first < queries.size(); first += kBatch) {
    const std::size_t count = std::min(kBatch, queries.size() - first);
    std::size_t walking = 0;
    for (std::size_t i = 0; i < count; ++i) {
      walkers[i] = state.walker(*queries[first + i]);
      walking += state.tree.start(walkers[i]);
    }
    // All of them take a step at a time, so that the memory each one waits for comes while the others work.
    while (walking != 0) {
      for (std::size_t i = 0; i < count; ++i) state.tree.arrive(walkers[i]);
      walking = 0;
      for (std::size_t i = 0; i < count; ++i) {
        if (!walkers[i].walking()) continue;
        std::uint32_t* const own = depths.data() + (first + i) * width;
        walking += all ? state.tree.step(walkers[i], Depths{own, size})
                       : state.tree.step(walkers[i], SelectedDepths{own, selected.words()});
      }
    }
    const bool same = detail::load(state.generation) == begun;
    for (std::size_t i = 0; i < count; ++i) {
      if (same && state.tree.unchanged(walkers[i])) continue;
      find_by_worker(*queries[first + i], candidates, depths.subspan((first + i) * width, width));
    }
  }
}

void PrefixIndex::find_tiers(const PrefixQuery& query, std::span<const std::uint64_t> candidates,
                             std::span<std::uint32_t> depths) const noexcept {
  constexpr std::size_t kSlowest = kTiers - 1;
  const State& state = *state_;
  const std::size_t width = depths.size() / kTiers;
  const std::size_t size = std::min(width, detail::load(state.limit));
  std::uint32_t* const any = depths.data() + kSlowest * width;
  detail::WorkerSet selected(size);
  const auto reset = [&] {
    std::fill_n(depths.begin(), kSlowest * width, ~std::uint32_t{0});
    std::fill(any, depths.data() + depths.size(), 0);
    state.select(candidates, size, selected.words());
  };
  state.walk(query, reset, [&](const Run& run, std::uint32_t matched, detail::RunId id) {
    // Holders first: a block that becomes slow after it was counted is seen here.
    const bool further = SelectedDepths{any, selected.words()}(run, matched, id);
    state.tree.for_each_slow(id, [&](std::uint32_t worker, std::uint32_t offset, std::uint32_t tier) {
      if (worker >= size || offset >= matched) return;
      for (std::size_t faster = 0; faster < tier; ++faster) {
        std::uint32_t& depth = depths[faster * width + worker];
        depth = std::min(depth, run.start + offset);
      }
    });
    return further;
  });
  for (std::size_t tier = 0; tier < kSlowest; ++tier) {
    for (std::size_t worker = 0; worker < width; ++worker) {
      std::uint32_t& depth = depths[tier * width + worker];
      depth = std::min(depth, any[worker]);
    }
  }
}

Pick PrefixIndex::find_best(const PrefixQuery& query, std::span<const std::uint64_t> candidates,
                            std::span<const std::uint32_t> loads, const PickRule& rule) const noexcept {
  const State& state = *state_;
  const std::size_t size = std::min(loads.size(), detail::load(state.limit));
  detail::WorkerSet selected(size);
  const std::span<std::uint64_t> words = selected.words();
  BestPick best(loads, rule, query.size_blocks());
  const auto reset = [&] {
    state.select(candidates, size, words);
    best = BestPick(loads, rule, query.size_blocks());
  };
  // A worker's cost only falls as deeper runs are seen, and the offer of the deepest one is the true one: no depth is written anywhere.
  state.walk(query, reset, [&](const Run& run, std::uint32_t matched, detail::RunId) {
    bool further = false;
    detail::for_each_holder(run, [&](const Holder& holder) {
      if (!SelectedDepths::is_selected(words, holder.worker)) return;
      best.offer(holder.worker, run.start + std::min<std::uint32_t>(holder.cutoff, matched));
      further |= holder.cutoff >= matched;
    });
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
