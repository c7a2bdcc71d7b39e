// Places: runs, their arrays, and the edges between them. Who holds them: run_holders.cpp.
#include "prefix/run_tree.hpp"

#include <cstring>
#include <utility>

namespace kthena::prefix::detail {

namespace {

/// What an allocation costs beyond what was asked for.
constexpr std::size_t kAllocationBytes = 8;
constexpr std::align_val_t kLine{64};

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

void free_words(void*, void* words) { ::operator delete(words); }
void free_lines(void*, void* lines) { ::operator delete(lines, kLine); }

}  // namespace

RunTree::RunTree(std::uint64_t content_seed, std::uint64_t secret, bool wide, std::uint64_t edge_mask)
    : content_seed_(content_seed),
      root_secret_(mix64(secret + 1)),
      child_secret_(mix64(secret + 2)),
      edge_mask_(edge_mask),
      wide_(wide),
      edges_({}, &reclaimer_),
      gaps_(0, kthena::detail::Hash{mix64(secret + 3)}),
      slow_(SlowUpperHash{mix64(secret + 4)}, &reclaimer_) {}

RunTree::~RunTree() { clear(); }

void RunTree::clear() noexcept {
  ++eras_;
  edges_.clear();
  // Runs that wait to be used again go with their chunks.
  reclaimer_.cancel(&RunTree::recycle);
  Chunks* const chunks = chunks_;
  store(chunks_, nullptr);
  for (std::size_t chunk = 0; chunks != nullptr && chunk < chunks->count; ++chunk) {
    Run* const runs = chunks->runs()[chunk];
    for (Run* run = runs; run != runs + kChunkRuns; ++run) {
      if (run->length == 0) continue;  // not in use
      retire_blocks(*run);
      if (HolderList* const list = run->list()) HolderList::retire(list, reclaimer_);
    }
    reclaimer_.retire(runs, kChunkRuns * sizeof(Run), free_lines);
  }
  if (chunks != nullptr) reclaimer_.retire(chunks, chunks->bytes(), free_words);
  gaps_ = kthena::detail::HashMap<RunId, Gaps>(0, gaps_.hash_function());
  gaps_of_ = std::vector<std::uint32_t>();
  decltype(slow_)::Cursor all;
  (void)slow_.visit(all, ~std::size_t{0}, [this](const SlowRef& ref) { SlowList::retire(ref.list, reclaimer_); });
  slow_.clear();
  slow_of_ = std::vector<std::uint32_t>();
  free_ = kNoRun;
  runs_ = 0;
  held_ = 0;
  array_bytes_ = 0;
  collect(true);
}

// ---- places

Stretch RunTree::extend(Place parent, std::uint64_t namespace_key, Contents contents) {
  const std::uint64_t first = contents.lower[0];
  std::uint32_t next = 0;
  std::uint64_t hash = 0;
  if (parent.run != kNoRun) {
    const Run& run = at(parent.run);
    next = parent.offset + 1;
    if (next < run.length && has_content({parent.run, next}, contents)) {
      extended_ = parent.run;
      return {parent.run, next, common_length(run, next, contents)};
    }
    hash = child_hash(parent.run, next, first);
    extended_ = next <= run.deepest_child ? find_child(hash, parent.run, next, contents, era()) : kNoRun;
    if (extended_ == kNoRun && next == run.length && next < kMaxLength) {
      extended_ = parent.run;
      return {parent.run, next, append(parent.run, contents)};
    }
  } else {
    hash = root_hash(namespace_key, first);
    extended_ = find_root(hash, namespace_key, contents, era());
  }
  if (extended_ == kNoRun) {
    extended_ = create(parent, next, namespace_key, first);
    const std::uint32_t count = append(extended_, contents);
    publish(extended_, hash);
    return {extended_, 0, count};
  }
  return {extended_, 0, common_length(at(extended_), 0, contents)};
}

std::uint32_t RunTree::common_length(const Run& run, std::uint32_t offset, Contents contents) const noexcept {
  const std::size_t most = std::min<std::size_t>(contents.size(), run.length - offset);
  const std::uint32_t same = detail::common_length(run.blocks + offset, contents.lower.data(), most);
  return wide_ ? detail::common_length(uppers(run) + offset, contents.upper.data(), same) : same;
}

std::size_t RunTree::array_bytes(std::uint32_t capacity) const noexcept {
  return capacity == 0 ? 0 : 8 * array_words(capacity) + kAllocationBytes;
}

void RunTree::settle() { settle(std::exchange(extended_, kNoRun)); }

void RunTree::make_chunk() {
  const std::size_t count = chunks_ == nullptr ? 0 : chunks_->count;
  if (chunks_ == nullptr || count == chunks_->capacity) {
    Chunks* const old = chunks_;
    const Chunks head{count, std::max<std::size_t>(4, 2 * count), eras_};
    auto* const larger = new (::operator new(head.bytes())) Chunks(head);
    if (old != nullptr) std::copy_n(old->runs(), count, larger->runs());
    store(chunks_, larger);
    if (old != nullptr) reclaimer_.retire(old, old->bytes(), free_words);
  }
  auto* const runs = static_cast<Run*>(::operator new(kChunkRuns * sizeof(Run), kLine));
  const auto first = static_cast<RunId>(count * kChunkRuns);
  for (std::uint32_t i = kChunkRuns; i-- > 0;) {
    Run* const run = new (runs + i) Run();
    run->parent = std::exchange(free_, first + i);
  }
  chunks_->runs()[count] = runs;
  store(chunks_->count, count + 1);
}

RunId RunTree::create(Place parent, std::uint32_t offset, std::uint64_t namespace_key, std::uint64_t content) {
  if (free_ == kNoRun) make_chunk();
  const RunId id = free_;
  Run& run = at(id);
  free_ = run.parent;
  run.first = content;
  run.namespace_key = namespace_key;
  run.parent = parent.run;
  run.parent_offset = narrow(offset);
  if (parent.run != kNoRun) {
    Run& above = at(parent.run);
    run.start = above.start + offset;
    run.next_sibling = std::exchange(above.first_child, id);
    if (run.next_sibling != kNoRun) at(run.next_sibling).previous_sibling = id;
    if (offset > above.deepest_child) {
      store(above.deepest_child, narrow(offset));
      above.children_at_deepest = 0;
    }
    if (offset == above.deepest_child) ++above.children_at_deepest;
  }
  ++runs_;
  return id;
}

void RunTree::publish(RunId id, std::uint64_t hash) {
  edges_.insert(hash, {id, static_cast<std::uint32_t>(hash >> 32)});
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
    if (run.parent_offset == above.deepest_child && --above.children_at_deepest == 0) {
      std::uint16_t deepest = 0;
      for (RunId child = above.first_child; child != kNoRun; child = at(child).next_sibling) {
        const std::uint16_t offset = at(child).parent_offset;
        if (offset > deepest) {
          deepest = offset;
          above.children_at_deepest = 0;
        }
        if (offset == deepest) ++above.children_at_deepest;
      }
      store(above.deepest_child, deepest);
    }
  }
  retire_blocks(run);
  if (HolderList* const list = run.list()) {
    array_bytes_ -= list->bytes();
    HolderList::retire(list, reclaimer_);
  }
  store(run.length, 0);  // the writer's sign that it is not in use
  reclaimer_.retire(reinterpret_cast<void*>(static_cast<std::uintptr_t>(id)), 0, &RunTree::recycle);
  if (--runs_ == 0) clear();
}

void RunTree::recycle(void* owner, void* memory) noexcept {
  auto& tree = *static_cast<RunTree*>(owner);
  const auto id = static_cast<RunId>(reinterpret_cast<std::uintptr_t>(memory));
  Run& run = tree.at(id);
  run = Run();
  run.parent = std::exchange(tree.free_, id);
}

void RunTree::retire_blocks(Run& run) {
  array_bytes_ -= array_bytes(run.capacity);
  if (run.capacity != 0)
    reclaimer_.retire(run.blocks - head_words(run.capacity), array_bytes(run.capacity), free_words);
}

std::uint32_t RunTree::append(RunId id, Contents contents) {
  Run& run = at(id);
  const std::uint32_t old_length = run.length;
  const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(contents.size(), kMaxLength - old_length));
  const std::uint32_t length = old_length + count;
  if (length > run.capacity) {
    // A run that grows again is a conversation: it gets some room.
    const std::uint32_t room = old_length == 0 ? length : std::max(length, run.capacity + run.capacity / 4u);
    reserve(run, std::min(room, kMaxLength));
  }
  std::uint64_t* const to = run.blocks + old_length;
  for (std::uint32_t i = 0; i < count; ++i) store(to[i], contents.lower[i]);
  for (std::uint32_t i = 0; wide_ && i < count; ++i) store(to[run.capacity + i], contents.upper[i]);
  add_checkpoints(id, old_length, length);
  store(run.length, narrow(length));
  return count;
}

void RunTree::reserve(Run& run, std::uint32_t capacity) {
  auto* const words = static_cast<std::uint64_t*>(::operator new(8 * array_words(capacity)));
  std::uint64_t* const blocks = words + head_words(capacity);
  if (run.length != 0) {
    const std::size_t head = (run.start + run.length) / 16 - run.first_checkpoint() + (wide_ ? 1 : 0);
    std::memcpy(blocks - head, run.blocks - head, 8 * (head + run.length));
    if (wide_) std::memcpy(blocks + capacity, run.blocks + run.capacity, 8 * std::size_t{run.length});
  }
  if (wide_) blocks[-1] = capacity;
  std::uint64_t* const old = run.blocks;
  store(run.blocks, blocks);
  if (run.capacity != 0) reclaimer_.retire(old - head_words(run.capacity), array_bytes(run.capacity), free_words);
  array_bytes_ += array_bytes(capacity) - array_bytes(run.capacity);
  run.capacity = narrow(capacity);
}

void RunTree::add_checkpoints(RunId id, std::uint32_t old_length, std::uint32_t length) {
  Run& run = at(id);
  const std::uint32_t first = run.first_checkpoint();
  for (std::uint32_t k = (run.start + old_length) / 16; k < (run.start + length) / 16; ++k) {
    const std::uint64_t before = k > first ? checkpoint(run, k - 1) : checkpoint_at(id, 16 * k);
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
    const std::uint64_t after = xxh3_64(std::as_bytes(std::span(segment, 16)), before);
    store(checkpoint(run, k), after);
    store(run.last_checkpoint, after);
  }
}

std::uint64_t RunTree::checkpoint_at(RunId id, std::uint32_t depth) noexcept {
  if (depth == 0) return combine64(at(id).namespace_key, content_seed_);
  while (at(id).start >= depth) id = at(id).parent;
  return checkpoint(at(id), depth / 16 - 1);
}

void RunTree::settle(RunId id) {
  while (id != kNoRun) {
    Run& run = at(id);
    const Gaps* const gaps = run.has_gaps ? &gaps_.find(id)->second : nullptr;
    const std::uint32_t held = held_of(run, gaps);
    held_ += held;
    held_ -= run.held;
    run.held = held & 0x3FFF;
    if (id == extended_) return;
    std::uint32_t needed = std::max(run.max_cutoff, run.deepest_child);
    if (gaps != nullptr) {
      for (const Gap& gap : *gaps) needed = std::max<std::uint32_t>(needed, gap.last);
    }
    if (needed == run.length) return;
    if (needed != 0) {
      store(run.length, narrow(needed));
      note_change(run);  // from here on other blocks may come where these were
      const std::uint32_t checkpoints = (run.start + needed) / 16 - run.first_checkpoint();
      if (checkpoints != 0) store(run.last_checkpoint, checkpoint(run, run.first_checkpoint() + checkpoints - 1));
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

std::size_t RunTree::gap_blocks() const noexcept {
  std::size_t blocks = 0;
  for (const auto& [run, gaps] : gaps_) {
    for (const Gap& gap : gaps) blocks += static_cast<std::size_t>(gap.last - gap.first);
  }
  return blocks;
}

std::size_t RunTree::heap_bytes() const noexcept {
  std::size_t bytes = edges_.heap_bytes() + run_limit() * sizeof(Run) + (chunks_ == nullptr ? 0 : chunks_->bytes()) +
                      array_bytes_ + reclaimer_.bytes() + kthena::detail::heap_bytes(gaps_) +
                      kthena::detail::heap_bytes(gaps_of_) + slow_.heap_bytes() + kthena::detail::heap_bytes(slow_of_);
  for (const auto& [run, gaps] : gaps_) bytes += kthena::detail::heap_bytes(gaps);
  decltype(slow_)::Cursor all;
  (void)slow_.visit(all, ~std::size_t{0}, [&bytes](const SlowRef& ref) { bytes += ref.list->bytes(); });
  return bytes;
}

}  // namespace kthena::prefix::detail
