#include "prefix/run_tree.hpp"

#include <cstring>
#include <utility>

namespace kthena::prefix::detail {

namespace {

constexpr std::size_t kLine = 64;
/// What an allocation costs beyond what was asked for.
constexpr std::size_t kAllocationBytes = 8;

constexpr std::size_t array_words(std::uint32_t capacity) noexcept {
  return capacity == 0 ? 0 : std::size_t{capacity} + capacity / 16 + 1;
}
constexpr std::size_t array_bytes(std::uint32_t capacity) noexcept {
  return capacity == 0 ? 0 : 8 * array_words(capacity) + kAllocationBytes;
}
constexpr std::size_t holder_bytes(std::uint32_t capacity) noexcept {
  return capacity == 0 ? 0 : sizeof(Holder) * capacity + kAllocationBytes;
}

std::uint32_t common_length(const std::uint64_t* a, const std::uint64_t* b, std::size_t length) noexcept {
  std::size_t same = 0;
  while (same + 4 <= length && ((a[same] ^ b[same]) | (a[same + 1] ^ b[same + 1]) | (a[same + 2] ^ b[same + 2]) |
                                (a[same + 3] ^ b[same + 3])) == 0) {
    same += 4;
  }
  while (same < length && a[same] == b[same]) ++same;
  return static_cast<std::uint32_t>(same);
}

constexpr std::uint16_t narrow(std::uint32_t value) noexcept { return static_cast<std::uint16_t>(value); }

}  // namespace

RunTree::RunTree(std::uint64_t content_seed, std::uint64_t secret, std::uint64_t edge_mask)
    : content_seed_(content_seed),
      root_secret_(mix64(secret + 1)),
      child_secret_(mix64(secret + 2)),
      edge_mask_(edge_mask),
      gaps_(0, kthena::detail::Hash{mix64(secret + 3)}),
      slow_(0, kthena::detail::Hash{mix64(secret + 4)}) {}

RunTree::~RunTree() { clear(); }

void RunTree::clear() noexcept {
  for (const Chunk& chunk : chunks_) {
    for (Run* run = chunk.runs; run != chunk.runs + kChunkRuns; ++run) {
      delete[] run->blocks;
      if (run->holder_capacity != 0) delete[] run->many;
    }
  }
  chunks_ = std::vector<Chunk>();
  edges_.clear();
  gaps_ = kthena::detail::HashMap<RunId, Gaps>(0, gaps_.hash_function());
  gaps_of_ = std::vector<std::uint32_t>();
  slow_ = kthena::detail::HashMap<RunId, std::vector<Slow>>(0, slow_.hash_function());
  slow_of_ = std::vector<std::uint32_t>();
  free_ = kNoRun;
  runs_ = 0;
  held_ = 0;
  array_bytes_ = 0;
}

// ---- places

Stretch RunTree::extend(Place parent, std::uint64_t namespace_key, std::span<const std::uint64_t> contents) {
  RunId id = kNoRun;
  std::uint32_t next = 0;
  if (parent.run != kNoRun) {
    const Run& run = at(parent.run);
    next = parent.offset + 1;
    if (next < run.length && run.blocks[next] == contents[0]) {
      extended_ = parent.run;
      const std::size_t most = std::min<std::size_t>(contents.size(), run.length - next);
      return {parent.run, next, common_length(run.blocks + next, contents.data(), most)};
    }
    const std::uint64_t hash = child_hash(parent.run, next, contents[0]);
    id = next <= run.deepest_child ? find_child(hash, parent.run, next, contents[0]) : kNoRun;
    if (id == kNoRun && next == run.length && next < kMaxLength) {
      extended_ = parent.run;
      return {parent.run, next, append(parent.run, contents)};
    }
    if (id == kNoRun) id = create(parent, next, namespace_key, contents[0], hash);
  } else {
    const std::uint64_t hash = root_hash(namespace_key, contents[0]);
    id = find_root(hash, namespace_key, contents[0]);
    if (id == kNoRun) id = create(parent, 0, namespace_key, contents[0], hash);
  }
  extended_ = id;
  if (at(id).length == 0) return {id, 0, append(id, contents)};
  const std::size_t most = std::min<std::size_t>(contents.size(), at(id).length);
  return {id, 0, common_length(at(id).blocks, contents.data(), most)};
}

void RunTree::settle() { settle(std::exchange(extended_, kNoRun)); }

RunId RunTree::create(Place parent, std::uint32_t offset, std::uint64_t namespace_key, std::uint64_t content,
                      std::uint64_t hash) {
  if (free_ == kNoRun) {
    Chunk chunk{std::make_unique_for_overwrite<std::byte[]>(kChunkRuns * sizeof(Run) + kLine), nullptr};
    const std::size_t past = reinterpret_cast<std::uintptr_t>(chunk.memory.get()) % kLine;
    std::byte* const line = chunk.memory.get() + (past == 0 ? 0 : kLine - past);
    chunk.runs = reinterpret_cast<Run*>(line);
    const auto first = static_cast<RunId>(chunks_.size() * kChunkRuns);
    for (std::uint32_t i = kChunkRuns; i-- > 0;) {
      Run* const run = new (line + i * sizeof(Run)) Run();
      run->parent = std::exchange(free_, first + i);
    }
    chunks_.push_back(std::move(chunk));
  }
  const RunId id = free_;
  Run& run = at(id);
  free_ = run.parent;
  run = Run();
  run.first = content;
  run.namespace_key = namespace_key;
  run.parent = parent.run;
  run.parent_offset = narrow(offset);
  if (parent.run != kNoRun) {
    Run& above = at(parent.run);
    run.start = above.start + offset;
    run.next_sibling = std::exchange(above.first_child, id);
    if (run.next_sibling != kNoRun) at(run.next_sibling).previous_sibling = id;
    ++above.children;
    if (offset > above.deepest_child) {
      above.deepest_child = narrow(offset);
      above.children_at_deepest = 0;
    }
    if (offset == above.deepest_child) ++above.children_at_deepest;
  }
  edges_.insert(hash, {id, static_cast<std::uint32_t>(hash >> 32)});
  ++runs_;
  return id;
}

void RunTree::free_run(RunId id) {
  Run& run = at(id);
  const std::uint64_t hash = run.parent == kNoRun ? root_hash(run.namespace_key, run.first)
                                                  : child_hash(run.parent, run.parent_offset, run.first);
  edges_.erase(hash, edges_.find(hash, [id](const Edge& edge) { return edge.run == id; }));
  if (run.parent != kNoRun) {
    Run& above = at(run.parent);
    (run.previous_sibling == kNoRun ? above.first_child : at(run.previous_sibling).next_sibling) = run.next_sibling;
    if (run.next_sibling != kNoRun) at(run.next_sibling).previous_sibling = run.previous_sibling;
    --above.children;
    if (run.parent_offset == above.deepest_child && --above.children_at_deepest == 0) {
      above.deepest_child = 0;
      for (RunId child = above.first_child; child != kNoRun; child = at(child).next_sibling) {
        const std::uint16_t offset = at(child).parent_offset;
        if (offset > above.deepest_child) {
          above.deepest_child = offset;
          above.children_at_deepest = 0;
        }
        if (offset == above.deepest_child) ++above.children_at_deepest;
      }
    }
  }
  array_bytes_ -= array_bytes(run.capacity) + holder_bytes(run.holder_capacity);
  delete[] run.blocks;
  if (run.holder_capacity != 0) delete[] run.many;
  run = Run();
  run.parent = std::exchange(free_, id);
  if (--runs_ == 0) clear();
}

std::uint32_t RunTree::append(RunId id, std::span<const std::uint64_t> contents) {
  Run& run = at(id);
  const std::uint32_t old_length = run.length;
  const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(contents.size(), kMaxLength - old_length));
  const std::uint32_t length = old_length + count;
  if (length > run.capacity) {
    // A run that grows again is a conversation: it gets some room.
    const std::uint32_t room = old_length == 0 ? length : std::max(length, run.capacity + run.capacity / 4u);
    reserve(run, std::min(room, kMaxLength));
  }
  std::memcpy(run.blocks + old_length, contents.data(), 8 * std::size_t{count});
  run.length = narrow(length);
  add_checkpoints(id, old_length);
  return count;
}

void RunTree::reserve(Run& run, std::uint32_t capacity) {
  auto* const blocks = new std::uint64_t[array_words(capacity)];
  if (run.length != 0) {
    std::memcpy(blocks, run.blocks, 8 * std::size_t{run.length});
    const std::size_t checkpoints = (run.start + run.length) / 16 - run.first_checkpoint();
    std::memcpy(blocks + capacity, run.blocks + run.capacity, 8 * checkpoints);
  }
  delete[] run.blocks;
  array_bytes_ += array_bytes(capacity) - array_bytes(run.capacity);
  run.blocks = blocks;
  run.capacity = narrow(capacity);
}

void RunTree::add_checkpoints(RunId id, std::uint32_t old_length) {
  Run& run = at(id);
  std::uint64_t* const own = run.blocks + run.capacity;
  const std::uint32_t first = run.first_checkpoint();
  for (std::uint32_t k = (run.start + old_length) / 16; k < (run.start + run.length) / 16; ++k) {
    const std::uint64_t before = k > first ? own[k - 1 - first] : checkpoint_at(id, 16 * k);
    std::uint64_t gathered[16];
    const std::uint64_t* segment = gathered;
    if (16 * k >= run.start) {
      segment = run.blocks + (16 * k - run.start);
    } else {  // the segment begins in runs above
      std::uint32_t depth = 16 * k + 16;
      for (RunId above = id; depth > 16 * k; above = at(above).parent) {
        const Run& one = at(above);
        for (; depth > std::max(one.start, 16 * k); --depth)
          gathered[depth - 1 - 16 * k] = one.blocks[depth - 1 - one.start];
      }
    }
    own[k - first] = xxh3_64(std::as_bytes(std::span(segment, 16)), before);
    run.last_checkpoint = own[k - first];
  }
}

std::uint64_t RunTree::checkpoint_at(RunId id, std::uint32_t depth) const noexcept {
  if (depth == 0) return combine64(at(id).namespace_key, content_seed_);
  while (at(id).start >= depth) id = at(id).parent;
  const Run& run = at(id);
  return run.blocks[run.capacity + depth / 16 - 1 - run.first_checkpoint()];
}

void RunTree::settle(RunId id) {
  while (id != kNoRun) {
    Run& run = at(id);
    const Gaps* const gaps = run.has_gaps ? &gaps_.find(id)->second : nullptr;
    const std::uint32_t held = held_of(run, gaps);
    held_ += held;
    held_ -= run.held;
    run.held = narrow(held);
    if (id == extended_) return;
    std::uint32_t needed = std::max(run.max_cutoff, run.deepest_child);
    if (gaps != nullptr) {
      for (const Gap& gap : *gaps) needed = std::max<std::uint32_t>(needed, gap.last);
    }
    if (needed == run.length) return;
    if (needed != 0) {
      run.length = narrow(needed);
      const std::uint32_t checkpoints = (run.start + needed) / 16 - run.first_checkpoint();
      if (checkpoints != 0) run.last_checkpoint = run.blocks[run.capacity + checkpoints - 1];
      if (run.capacity > 32 && needed < run.capacity / 2u) reserve(run, needed);
      return;
    }
    const RunId parent = run.parent;
    free_run(id);
    id = parent;
  }
}

std::uint32_t RunTree::held_of(const Run& run, const Gaps* gaps) noexcept {
  if (gaps == nullptr) return run.max_cutoff;
  std::uint64_t bits[(kMaxLength + 63) / 64] = {};
  const auto mark = [&bits](std::uint32_t first, std::uint32_t last) {
    for (std::uint32_t word = first / 64; 64 * word < last; ++word) {
      const std::uint32_t low = std::max(first, 64 * word) - 64 * word;
      const std::uint32_t high = std::min(last, 64 * word + 64) - 64 * word;
      bits[word] |= ~std::uint64_t{0} >> (64 - (high - low)) << low;
    }
  };
  mark(0, run.max_cutoff);
  for (const Gap& gap : *gaps) mark(gap.first, gap.last);
  std::uint32_t held = 0;
  for (const std::uint64_t word : bits) held += static_cast<std::uint32_t>(std::popcount(word));
  return held;
}

// ---- holders

Holder* RunTree::holder(Run& run, std::uint32_t worker) const noexcept {
  Holder* const begin = run.holders();
  Holder* const end = begin + run.holder_count;
  Holder* const at = run.holder_count <= 8
                         ? std::find_if(begin, end, [worker](const Holder& one) { return one.worker >= worker; })
                         : std::lower_bound(begin, end, worker, [](const Holder& one, std::uint32_t wanted) {
                             return one.worker < wanted;
                           });
  return at != end && at->worker == worker ? at : nullptr;
}

Holder& RunTree::add_holder(Run& run, std::uint32_t worker, std::uint32_t cutoff) {
  const std::uint32_t capacity = run.holder_capacity == 0 ? Run::kInlineHolders : run.holder_capacity;
  if (run.holder_count == capacity) {
    const std::uint32_t larger = capacity + capacity / 2 + 1;
    auto* const many = new Holder[larger];
    std::copy_n(run.holders(), run.holder_count, many);
    if (run.holder_capacity != 0) delete[] run.many;
    array_bytes_ += holder_bytes(larger) - holder_bytes(run.holder_capacity);
    run.many = many;
    run.holder_capacity = narrow(larger);
  }
  Holder* at = run.holders() + run.holder_count++;
  for (; at != run.holders() && at[-1].worker > worker; --at) *at = at[-1];
  *at = {narrow(worker), narrow(cutoff), 0};
  return *at;
}

void RunTree::remove_holder(Run& run, Holder* holder) noexcept {
  std::copy(holder + 1, run.holders() + run.holder_count, holder);
  --run.holder_count;
  if (run.holder_capacity == 0 || run.holder_count > Run::kInlineHolders - 2) return;
  Holder* const many = run.many;
  array_bytes_ -= holder_bytes(run.holder_capacity);
  run.holder_capacity = 0;
  std::copy_n(many, run.holder_count, run.few);
  delete[] many;
}

/// A holder's cutoff was `from` and is less now.
void RunTree::cut(Run& run, std::uint32_t from) noexcept {
  if (from < run.max_cutoff) return;
  run.max_cutoff = 0;
  for (std::uint32_t i = 0; i < run.holder_count; ++i)
    run.max_cutoff = std::max(run.max_cutoff, run.holders()[i].cutoff);
}

bool RunTree::reaches_start(const Run& run, std::uint32_t worker) noexcept {
  if (run.parent == kNoRun) return true;
  const Holder* const above = holder(at(run.parent), worker);
  return above != nullptr && above->cutoff >= run.parent_offset;
}

bool RunTree::holds(std::uint32_t worker, Place place) const noexcept {
  Run& run = const_cast<RunTree*>(this)->at(place.run);
  if (place.offset < run.max_cutoff) {
    const Holder* const known = holder(run, worker);
    if (known != nullptr && place.offset < known->cutoff) return true;
  }
  if (!run.has_gaps || gaps_of(worker) == 0) return false;
  const Gaps& gaps = gaps_.find(place.run)->second;
  return std::any_of(gaps.begin(), gaps.end(), [&](const Gap& gap) {
    return gap.worker == worker && gap.first <= place.offset && place.offset < gap.last;
  });
}

bool RunTree::held(Place place) const noexcept {
  const Run& run = at(place.run);
  if (place.offset < run.max_cutoff) return true;
  if (!run.has_gaps) return false;
  const Gaps& gaps = gaps_.find(place.run)->second;
  return std::any_of(gaps.begin(), gaps.end(),
                     [&](const Gap& gap) { return gap.first <= place.offset && place.offset < gap.last; });
}

bool RunTree::in(std::uint32_t worker, RunId id) const noexcept {
  if (id >= chunks_.size() * kChunkRuns) return false;
  Run& run = const_cast<RunTree*>(this)->at(id);
  if (holder(run, worker) != nullptr) return true;
  if (!run.has_gaps) return false;
  const Gaps& gaps = gaps_.find(id)->second;
  return std::any_of(gaps.begin(), gaps.end(), [worker](const Gap& gap) { return gap.worker == worker; });
}

void RunTree::hold(std::uint32_t worker, RunId id, std::uint32_t first, std::uint32_t last,
                   std::vector<Range>& already) {
  Run& run = at(id);
  const Holder* const known = holder(run, worker);
  const std::uint32_t cutoff = known == nullptr ? 0 : known->cutoff;
  // What it held before: blocks that it reaches, and those in gaps. (Both are rare: two engine hashes for one block.)
  if (first < cutoff) already.push_back({first, std::min(last, cutoff)});
  if (run.has_gaps && gaps_of(worker) != 0) {
    for (const Gap& gap : gaps_.find(id)->second) {
      if (gap.worker == worker && gap.first < last && gap.last > first) {
        already.push_back({std::max<std::uint32_t>(first, gap.first), std::min<std::uint32_t>(last, gap.last)});
      }
    }
  }
  if (first <= cutoff && (cutoff != 0 || reaches_start(run, worker))) {
    if (last > cutoff) reach(id, worker, last);
  } else {
    add_gap(id, worker, first, last);
    settle(id);
  }
}

void RunTree::reach(RunId id, std::uint32_t worker, std::uint32_t cutoff) {
  struct Step {
    RunId run;
    std::uint32_t cutoff;
  };
  kthena::detail::SmallVector<Step, 8> steps = {{id, cutoff}};
  while (!steps.empty()) {
    const Step step = steps.back();
    steps.pop_back();
    Run& run = at(step.run);
    Holder* known = holder(run, worker);
    const std::uint32_t before = known == nullptr ? 0 : known->cutoff;
    std::uint32_t after = step.cutoff;
    if (run.has_gaps && gaps_of(worker) != 0) {
      // Gaps that the reach comes to, or covers, are none any more.
      auto it = gaps_.find(step.run);
      Gaps& gaps = it->second;
      for (std::size_t i = 0; i < gaps.size();) {
        if (gaps[i].worker == worker && gaps[i].first <= after) {
          after = std::max<std::uint32_t>(after, gaps[i].last);
          gaps.erase(gaps.begin() + static_cast<std::ptrdiff_t>(i));
          --gaps_of_[worker];
        } else {
          ++i;
        }
      }
      keep_gaps(step.run, gaps);
    }
    if (known == nullptr) {
      add_holder(run, worker, after);
      if (run.parent != kNoRun) ++holder(at(run.parent), worker)->children;
    } else {
      known->cutoff = narrow(after);
    }
    run.max_cutoff = std::max(run.max_cutoff, narrow(after));
    settle(step.run);
    if (gaps_of(worker) == 0 || run.deepest_child <= before) continue;
    for (RunId child = run.first_child; child != kNoRun; child = at(child).next_sibling) {
      const Run& below = at(child);
      if (!below.has_gaps || below.parent_offset <= before || below.parent_offset > after) continue;
      const std::uint32_t end = take_gap(child, worker, 0);
      if (end != 0) steps.push_back({child, end});
    }
  }
}

void RunTree::release(std::uint32_t worker, RunId id, std::uint32_t first, std::uint32_t last) {
  Run& run = at(id);
  forget_tiers(id, worker, first, last);
  Holder* const known = holder(run, worker);
  const std::uint32_t cutoff = known == nullptr ? 0 : known->cutoff;
  if (last > cutoff) {
    remove_gap(id, worker, first, last);
  } else {
    const std::uint32_t reached_children = known->children;
    if (last < cutoff) add_gap(id, worker, last, cutoff);
    if (first != 0) {
      known->cutoff = narrow(first);
    } else {
      remove_holder(run, known);
      Holder* const above = run.parent == kNoRun ? nullptr : holder(at(run.parent), worker);
      if (above != nullptr) --above->children;
    }
    cut(run, cutoff);
    if (reached_children != 0) unreach_children(id, worker, first, reached_children);
  }
  settle(id);
}

void RunTree::unreach_children(RunId id, std::uint32_t worker, std::uint32_t cutoff, std::uint32_t reached_children) {
  struct Step {
    RunId run;
    std::uint32_t cutoff;
    std::uint32_t reached_children;
  };
  kthena::detail::SmallVector<Step, 8> steps = {{id, cutoff, reached_children}};
  while (!steps.empty()) {
    const Step step = steps.back();
    steps.pop_back();
    std::uint32_t left = step.reached_children;
    for (RunId child = at(step.run).first_child; child != kNoRun && left != 0; child = at(child).next_sibling) {
      Run& run = at(child);
      Holder* const known = holder(run, worker);
      if (known == nullptr) continue;
      --left;
      if (run.parent_offset <= step.cutoff) continue;
      const std::uint32_t before = known->cutoff;
      if (known->children != 0) steps.push_back({child, 0, known->children});
      remove_holder(run, known);
      cut(run, before);
      add_gap(child, worker, 0, before);
      settle(child);
      if (Holder* const above = holder(at(step.run), worker); above != nullptr) --above->children;
    }
  }
}

void RunTree::drop(std::uint32_t worker, RunId id) {
  Run& run = at(id);
  forget_tiers(id, worker, 0, run.length);
  if (Holder* const known = holder(run, worker); known != nullptr) {
    const std::uint32_t before = known->cutoff;
    remove_holder(run, known);
    cut(run, before);
  }
  if (run.has_gaps) {
    Gaps& gaps = gaps_.find(id)->second;
    const auto erased = std::erase_if(gaps, [worker](const Gap& gap) { return gap.worker == worker; });
    if (erased != 0) gaps_of_[worker] -= static_cast<std::uint32_t>(erased);
    keep_gaps(id, gaps);
  }
  settle(id);
}

// ---- gaps

void RunTree::add_gap(RunId id, std::uint32_t worker, std::uint32_t first, std::uint32_t last) {
  if (gaps_of_.size() <= worker) gaps_of_.resize(worker + 1);
  Gaps& gaps = gaps_[id];
  at(id).has_gaps = true;
  auto it = std::find_if(gaps.begin(), gaps.end(), [&](const Gap& gap) {
    return gap.worker > worker || (gap.worker == worker && gap.last >= first);
  });
  const auto begin = it;
  for (; it != gaps.end() && it->worker == worker && it->first <= last; ++it) {
    first = std::min<std::uint32_t>(first, it->first);
    last = std::max<std::uint32_t>(last, it->last);
    --gaps_of_[worker];
  }
  gaps.insert(gaps.erase(begin, it), Gap{narrow(worker), narrow(first), narrow(last)});
  ++gaps_of_[worker];
}

void RunTree::remove_gap(RunId id, std::uint32_t worker, std::uint32_t first, std::uint32_t last) {
  Gaps& gaps = gaps_.find(id)->second;
  const auto it =
      std::find_if(gaps.begin(), gaps.end(), [&](const Gap& gap) { return gap.worker == worker && gap.last >= last; });
  const Gap gap = *it;
  if (gap.first == first && gap.last == last) {
    gaps.erase(it);
    --gaps_of_[worker];
  } else if (gap.first == first) {
    it->first = narrow(last);
  } else {
    it->last = narrow(first);
    if (gap.last != last) {
      gaps.insert(it + 1, Gap{gap.worker, narrow(last), gap.last});
      ++gaps_of_[worker];
    }
  }
  keep_gaps(id, gaps);
}

std::uint32_t RunTree::take_gap(RunId id, std::uint32_t worker, std::uint32_t first) {
  Gaps& gaps = gaps_.find(id)->second;
  const auto it = std::find_if(gaps.begin(), gaps.end(),
                               [&](const Gap& gap) { return gap.worker == worker && gap.first == first; });
  if (it == gaps.end()) return first;
  const std::uint32_t last = it->last;
  gaps.erase(it);
  --gaps_of_[worker];
  keep_gaps(id, gaps);
  return last;
}

void RunTree::keep_gaps(RunId id, Gaps& gaps) {
  if (!gaps.empty()) return;
  gaps_.erase(id);
  at(id).has_gaps = false;
}

// ---- tiers

void RunTree::set_tier(std::uint32_t worker, Place place, std::uint32_t tier) {
  if (tier == 0) return forget_tiers(place.run, worker, place.offset, place.offset + 1);
  if (slow_of_.size() <= worker) slow_of_.resize(worker + 1);
  std::vector<Slow>& all = slow_[place.run];
  at(place.run).has_slow = true;
  const auto it =
      std::lower_bound(all.begin(), all.end(), std::pair(worker, place.offset), [](const Slow& one, const auto& key) {
        return std::pair<std::uint32_t, std::uint32_t>(one.worker, one.offset) < key;
      });
  if (it != all.end() && it->worker == worker && it->offset == place.offset) {
    it->tier = narrow(tier);
    return;
  }
  all.insert(it, Slow{narrow(worker), narrow(place.offset), narrow(tier)});
  ++slow_of_[worker];
}

void RunTree::forget_tiers(RunId id, std::uint32_t worker, std::uint32_t first, std::uint32_t last) {
  if (slow_of(worker) == 0 || !at(id).has_slow) return;
  std::vector<Slow>& all = slow_.find(id)->second;
  slow_of_[worker] -= static_cast<std::uint32_t>(std::erase_if(
      all, [&](const Slow& one) { return one.worker == worker && one.offset >= first && one.offset < last; }));
  if (!all.empty()) return;
  slow_.erase(id);
  at(id).has_slow = false;
}

std::size_t RunTree::gap_blocks() const noexcept {
  std::size_t blocks = 0;
  for (const auto& [run, gaps] : gaps_) {
    for (const Gap& gap : gaps) blocks += static_cast<std::size_t>(gap.last - gap.first);
  }
  return blocks;
}

std::size_t RunTree::heap_bytes() const noexcept {
  std::size_t bytes = edges_.heap_bytes() + kthena::detail::heap_bytes(chunks_) + kthena::detail::heap_bytes(gaps_) +
                      kthena::detail::heap_bytes(gaps_of_) + chunks_.size() * (kChunkRuns * sizeof(Run) + kLine) +
                      array_bytes_;
  for (const auto& [run, gaps] : gaps_) bytes += kthena::detail::heap_bytes(gaps);
  bytes += kthena::detail::heap_bytes(slow_) + kthena::detail::heap_bytes(slow_of_);
  for (const auto& [run, slow] : slow_) bytes += kthena::detail::heap_bytes(slow);
  return bytes;
}

}  // namespace kthena::prefix::detail
