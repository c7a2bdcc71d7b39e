#include "kthena/prefix/compat/byte_history.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "kthena/base/faults.hpp"
#include "kthena/base/hash.hpp"
#include "prefix/compat/owner_table.hpp"
#include "prefix/slot_table.hpp"
#include "prefix/worker_set.hpp"

namespace kthena::prefix::compat {

using detail::BlockKey;
using detail::kPrefetchDistance;
using detail::OwnerTable;
using prefix::detail::kMaxWorkers;
using prefix::detail::SlotTable;

std::vector<std::uint64_t> hash_prompt_bytes(std::string_view model, std::string_view prompt, std::uint32_t block_bytes,
                                             std::uint32_t max_blocks) {
  std::vector<std::uint64_t> hashes;
  if (block_bytes == 0) return hashes;
  const auto hash_text = [](std::string_view text) { return xxh64(std::as_bytes(std::span(text)), 0); };
  std::uint64_t previous = hash_text(model);
  std::string text;
  while (!prompt.empty() && hashes.size() < max_blocks) {
    std::array<char, 20> digits;
    char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), previous).ptr;
    const std::string_view block = prompt.substr(0, block_bytes);
    text.assign(digits.data(), end);
    text += block;
    previous = hash_text(text);
    hashes.push_back(previous);
    prompt.remove_prefix(block.size());
  }
  return hashes;
}

namespace {

constexpr std::uint32_t kNone = SlotTable::kNone;

/// One remembered (worker, hash) pair, in its worker's list from the last used to the longest unused.
struct Pair {
  std::uint32_t newer = kNone;  // of a free pair: the next free one
  std::uint32_t older = kNone;
  std::uint32_t entry = kNone;  // in the OwnerTable
  std::uint32_t worker = kNone;
};

struct List {
  std::uint32_t newest = kNone;
  std::uint32_t oldest = kNone;
  std::uint32_t size = 0;
};

std::uint64_t mix_pair(const BlockKey& key, std::uint32_t worker) noexcept { return combine64(key.mixed(), worker); }

}  // namespace

struct ByteHistory::State {
  explicit State(const ByteHistoryOptions& given) : options(given) {}

  void add(std::uint64_t model, std::uint32_t worker, std::span<const std::uint64_t> hashes);
  [[nodiscard]] std::uint32_t find_pair(const BlockKey& key, std::uint32_t worker) const noexcept;
  void remember(const BlockKey& key, std::uint32_t worker);
  void forget(std::uint32_t pair);
  /// Takes `first` up to the newer `last` out of their list, or puts them at its newest end in the same order.
  void unlink(std::uint32_t first, std::uint32_t last) noexcept;
  void push_newest(std::uint32_t first, std::uint32_t last) noexcept;

  ByteHistoryOptions options;
  OwnerTable table;
  SlotTable pair_slots;  // by key and worker
  std::vector<Pair> pairs;
  std::uint32_t free_pair = kNone;
  std::vector<List> lists;  // by worker
  std::uint64_t evictions = 0;
};

void ByteHistory::State::add(std::uint64_t model, std::uint32_t worker, std::span<const std::uint64_t> hashes) {
  if (worker >= lists.size()) lists.resize(worker + 1);
  // Blocks that were added together lie side by side in the list, so the pair after a known one is usually that of the next block:
  // such a run is followed along the list, without a probe, and moved as a whole.
  std::uint32_t doomed = lists[worker].size == options.capacity ? lists[worker].oldest : kNone;
  for (std::size_t i = 0; i < kPrefetchDistance && doomed != kNone; ++i) doomed = pairs[doomed].newer;
  for (std::size_t left = hashes.size(); left > 0;) {
    if (left > kPrefetchDistance) {
      const BlockKey ahead{model, hashes[left - 1 - kPrefetchDistance]};
      table.prefetch(ahead);
      pair_slots.prefetch(mix_pair(ahead, worker));
    }
    const BlockKey key{model, hashes[left - 1]};
    const std::uint32_t first = find_pair(key, worker);
    --left;
    if (first == kNone) {
      if (doomed != kNone) {  // the pair that remember() will forget in a few blocks
        const BlockKey& later = table.key(pairs[doomed].entry);
        table.prefetch(later);
        pair_slots.prefetch(mix_pair(later, worker));
        doomed = pairs[doomed].newer;
      }
      remember(key, worker);
      continue;
    }
    std::uint32_t last = first;
    while (left > 0) {
      const std::uint32_t next = pairs[last].newer;
      if (next == kNone || table.key(pairs[next].entry) != BlockKey{model, hashes[left - 1]}) break;
      last = next;
      --left;
    }
    if (lists[worker].newest == last) continue;
    unlink(first, last);
    push_newest(first, last);
  }
}

std::uint32_t ByteHistory::State::find_pair(const BlockKey& key, std::uint32_t worker) const noexcept {
  return pair_slots.find(mix_pair(key, worker), [&](std::uint32_t pair) {
    return pairs[pair].worker == worker && table.key(pairs[pair].entry) == key;
  });
}

void ByteHistory::State::remember(const BlockKey& key, std::uint32_t worker) {
  std::uint32_t pair = free_pair;
  if (pair == kNone) {
    pair = static_cast<std::uint32_t>(pairs.size());
    pairs.emplace_back();
  } else {
    free_pair = pairs[pair].newer;
  }
  pairs[pair].entry = table.make(key);
  pairs[pair].worker = worker;
  table.add_owner(pairs[pair].entry, worker);
  pair_slots.insert(mix_pair(key, worker), pair);
  push_newest(pair, pair);
  if (++lists[worker].size > options.capacity) {
    forget(lists[worker].oldest);
    ++evictions;
  }
}

void ByteHistory::State::forget(std::uint32_t pair) {
  const std::uint32_t worker = pairs[pair].worker;
  unlink(pair, pair);
  --lists[worker].size;
  pair_slots.erase(mix_pair(table.key(pairs[pair].entry), worker), pair);
  table.remove_owner(pairs[pair].entry, worker);
  pairs[pair].newer = free_pair;
  free_pair = pair;
}

void ByteHistory::State::unlink(std::uint32_t first, std::uint32_t last) noexcept {
  List& list = lists[pairs[first].worker];
  const std::uint32_t older = pairs[first].older;
  const std::uint32_t newer = pairs[last].newer;
  (newer == kNone ? list.newest : pairs[newer].older) = older;
  (older == kNone ? list.oldest : pairs[older].newer) = newer;
}

void ByteHistory::State::push_newest(std::uint32_t first, std::uint32_t last) noexcept {
  List& list = lists[pairs[first].worker];
  pairs[first].older = list.newest;
  pairs[last].newer = kNone;
  (list.newest == kNone ? list.oldest : pairs[list.newest].newer) = first;
  list.newest = last;
}

Result<ByteHistory> ByteHistory::create(const ByteHistoryOptions& options) {
  Faults faults;
  const auto at_least_one = [&faults](const char* path, std::uint32_t value) {
    if (value == 0) faults.add(path, "is 0, must be at least 1");
  };
  at_least_one("block_bytes", options.block_bytes);
  at_least_one("max_blocks", options.max_blocks);
  at_least_one("capacity", options.capacity);
  at_least_one("top_k", options.top_k);
  if (!faults.empty()) return faults.status();
  return ByteHistory(std::make_unique<State>(options));
}

ByteHistory::ByteHistory(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
ByteHistory::ByteHistory(ByteHistory&&) noexcept = default;
ByteHistory& ByteHistory::operator=(ByteHistory&&) noexcept = default;
ByteHistory::~ByteHistory() = default;

void ByteHistory::add(std::uint64_t model_key, WorkerId worker, std::span<const std::uint64_t> hashes) {
  if (worker.value >= kMaxWorkers) return;
  state_->add(model_key, worker.value, hashes);
}

void ByteHistory::remove_worker(WorkerId worker) {
  State& state = *state_;
  if (worker.value >= state.lists.size()) return;
  while (state.lists[worker.value].oldest != kNone) state.forget(state.lists[worker.value].oldest);
}

void ByteHistory::find(std::uint64_t model_key, std::span<const std::uint64_t> hashes,
                       std::span<const WorkerId> workers, std::uint64_t tie_seed,
                       std::span<std::uint32_t> depths) const noexcept {
  const OwnerTable& table = state_->table;
  prefix::detail::DepthTable found(workers, table.worker_limit());
  const std::span<std::uint64_t> waiting = found.asked().words();  // asked for and not matched yet
  std::uint32_t places = state_->options.top_k;
  std::size_t unmatched = 0;
  for (const std::uint64_t word : waiting) unmatched += static_cast<std::size_t>(std::popcount(word));

  for (std::size_t i = hashes.size(); i-- > 0 && places > 0 && unmatched > 0;) {
    if (i >= kPrefetchDistance) table.prefetch({model_key, hashes[i - kPrefetchDistance]});
    const std::uint32_t entry = table.find({model_key, hashes[i]});
    if (entry == OwnerTable::kNone) continue;
    const std::span<const std::uint64_t> owners = table.owners(entry);
    const auto for_each_new = [&](auto&& visit) {
      for (std::size_t word = 0; word < waiting.size(); ++word) {
        prefix::detail::for_each_worker(word, waiting[word] & owners[word], visit);
      }
    };
    const auto match = [&](std::uint32_t worker) {
      found.set(worker, static_cast<std::uint32_t>(i + 1));
      waiting[prefix::detail::word_of(worker)] &= ~prefix::detail::bit_of(worker);
      --places;
      --unmatched;
    };
    std::size_t new_matches = 0;
    for (std::size_t word = 0; word < waiting.size(); ++word) {
      new_matches += static_cast<std::size_t>(std::popcount(waiting[word] & owners[word]));
    }
    if (new_matches <= places) {
      for_each_new(match);
      continue;
    }
    while (places > 0) {
      std::uint32_t best = kNone;
      std::uint64_t best_rank = 0;
      for_each_new([&](std::uint32_t worker) {
        const std::uint64_t rank = mix64(tie_seed ^ worker);
        if (best != kNone && rank >= best_rank) return;
        best = worker;
        best_rank = rank;
      });
      match(best);
    }
  }
  found.write(workers, depths);
}

std::uint64_t ByteHistory::evictions() const noexcept { return state_->evictions; }
std::uint64_t ByteHistory::size() const noexcept { return state_->table.pairs(); }

}  // namespace kthena::prefix::compat
