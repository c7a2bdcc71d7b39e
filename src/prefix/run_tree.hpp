// src/prefix/run_tree.hpp
//
// RunTree: every distinct prompt prefix that somebody holds, as a tree of runs. A run is a stretch of consecutive blocks of one chain:
// their content hashes in one array, behind them a cumulative checkpoint at each depth that is a multiple of 16, and the workers that
// hold its first blocks. Runs are never split: where a chain parts from a run in the middle, a child run hangs off that offset, so the
// place (run, offset) of a block never changes while someone holds it.
//
//   reach    A worker *reaches* a block when it holds it and every block before it. `cutoff` = how many leading blocks of the run the
//            worker reaches; those with a cutoff > 0 are the run's holders.
//   gaps     Blocks a worker holds and does not reach, because there is a hole before them, lie in a side table that is normally empty.
//   tiers    The same is done for blocks that are not in the fastest tier.
//   lookup   Compares one checkpoint per run, the 15 contents at most behind it, and on a difference the checkpoints by halves and
//            16 contents. An edge to a child is found in a TagTable by a keyed hash and verified in the child.
//   Cost     find: about six cache lines per run. hold, release: O(1) per stretch of blocks when a worker fills and evicts from the tail; a
//            hole in the middle costs O(children of the runs below in which the worker reaches something).
//   Memory   8.5 bytes per block, 128 bytes per run with up to 6 holders, 8 bytes per further holder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/containers.hpp"
#include "kthena/base/hash.hpp"
#include "prefix/tag_table.hpp"

namespace kthena::prefix::detail {

using RunId = std::uint32_t;
inline constexpr RunId kNoRun = 0xFFFFFFFFu;

/// One block's place. run == kNoRun: before the first block of a prompt.
struct Place {
  RunId run = kNoRun;
  std::uint32_t offset = 0;

  friend bool operator==(const Place&, const Place&) = default;
};

/// `count` places one after another.
struct Stretch {
  RunId run = kNoRun;
  std::uint32_t offset = 0;
  std::uint32_t count = 0;
};

/// A worker in the list of a run's holders.
struct Holder {
  std::uint16_t worker = 0;
  std::uint16_t cutoff = 0;    ///< leading blocks of the run that it reaches, > 0
  std::uint32_t children = 0;  ///< child runs in which it reaches something
};

struct Run {
  static constexpr std::uint32_t kInlineHolders = 6;

  // The first line says whether a query matches.
  std::uint64_t first = 0;  ///< content of the first block
  std::uint64_t namespace_key = 0;
  std::uint64_t last_checkpoint = 0;  ///< if there is one
  std::uint64_t* blocks = nullptr;    ///< `capacity` contents, then checkpoints
  RunId parent = kNoRun;              ///< of a free run: the next free one
  std::uint32_t start = 0;            ///< blocks before the first one
  std::uint16_t parent_offset = 0;    ///< blocks of the parent before the first one
  std::uint16_t length = 0;
  std::uint16_t capacity = 0;
  std::uint16_t holder_count = 0;
  std::uint16_t holder_capacity = 0;  ///< 0: they are in `few`
  std::uint16_t max_cutoff = 0;
  std::uint16_t held = 0;           ///< blocks that some worker holds
  std::uint16_t deepest_child = 0;  ///< largest parent_offset of a child
  std::uint32_t children = 0;
  RunId first_child = kNoRun;
  // The second line says who holds it.
  union {
    Holder few[kInlineHolders];
    Holder* many;
  };
  std::uint32_t children_at_deepest = 0;
  RunId next_sibling = kNoRun;
  RunId previous_sibling = kNoRun;
  bool has_gaps = false;
  bool has_slow = false;  ///< some blocks are not in the fastest tier

  Run() noexcept : few{} {}
  [[nodiscard]] const Holder* holders() const noexcept { return holder_capacity == 0 ? few : many; }
  [[nodiscard]] Holder* holders() noexcept { return holder_capacity == 0 ? few : many; }
  /// Number of the first checkpoint that the run keeps: checkpoint k stands at depth 16 * (k + 1).
  [[nodiscard]] std::uint32_t first_checkpoint() const noexcept { return start / 16; }
};
static_assert(sizeof(Run) == 128 && offsetof(Run, few) == 64);

class RunTree {
 public:
  static constexpr std::uint32_t kMaxLength = 4080;

  /// `content_seed`: the seed of the queries' checkpoints. `secret`: of the edges. `edge_mask`: which bits of an edge's hash are used; a test
  /// makes hashes collide with it.
  RunTree(std::uint64_t content_seed, std::uint64_t secret, std::uint64_t edge_mask = ~std::uint64_t{0});
  ~RunTree();
  RunTree(const RunTree&) = delete;
  RunTree& operator=(const RunTree&) = delete;

  // ---- places

  /// Places for contents[0], contents[1] ... behind `parent`, as many as lie in one run; made if they are not there. The run stays as it is
  /// until settle(): the caller holds what it needs of it in between. At most one run at a time.
  Stretch extend(Place parent, std::uint64_t namespace_key, std::span<const std::uint64_t> contents);
  /// Ends extend(): what nobody holds goes.
  void settle();
  [[nodiscard]] std::uint64_t content(Place place) const noexcept { return at(place.run).blocks[place.offset]; }
  [[nodiscard]] std::uint64_t namespace_key(RunId run) const noexcept { return at(run).namespace_key; }

  // ---- who holds them

  struct Range {
    std::uint32_t first;
    std::uint32_t last;  // one more than the last
  };
  /// The worker holds blocks first .. last-1 of a run. Appends to `already` those that it held before; the rest is new to it.
  void hold(std::uint32_t worker, RunId run, std::uint32_t first, std::uint32_t last, std::vector<Range>& already);
  /// The worker, which held them all, no longer holds blocks first .. last-1 of a run. Frees what nobody needs any more.
  void release(std::uint32_t worker, RunId run, std::uint32_t first, std::uint32_t last);
  /// The worker holds nothing of this run. For one that goes altogether: its counts in other runs are not kept.
  void drop(std::uint32_t worker, RunId run);
  /// The fastest tier that the worker has a block in. It is forgotten with the block.
  void set_tier(std::uint32_t worker, Place place, std::uint32_t tier);
  /// Blocks of the worker that are not in tier 0.
  [[nodiscard]] std::uint32_t slow_of(std::uint32_t worker) const noexcept {
    return worker < slow_of_.size() ? slow_of_[worker] : 0;
  }
  /// Calls visit(worker, offset, tier) for blocks of a run that are not in tier 0, by worker and offset.
  template <class Visit>
  void for_each_slow(const Run& run, RunId id, Visit&& visit) const noexcept {
    if (!run.has_slow) return;
    for (const Slow& slow : slow_.find(id)->second) visit(slow.worker, slow.offset, slow.tier);
  }
  /// Whether the worker, or anyone, holds the block.
  [[nodiscard]] bool holds(std::uint32_t worker, Place place) const noexcept;
  [[nodiscard]] bool held(Place place) const noexcept;
  /// Whether the worker holds something of the run. The run may be gone since, or be another one.
  [[nodiscard]] bool in(std::uint32_t worker, RunId run) const noexcept;
  /// Frees everything.
  void clear() noexcept;

  // ---- lookup

  /// A query on its way down.
  struct Walker {
    std::uint64_t namespace_key = 0;
    std::span<const std::uint64_t> contents;
    const std::uint64_t* checkpoints = nullptr;  ///< null: they are not the contents' under this tree's seed
    std::uint64_t hash = 0;                      ///< of the edge to the next run
    std::size_t depth = 0;                       ///< blocks before it
    RunId run = kNoRun;                          ///< before arrive(): where it came from
    std::uint32_t offset = 0;                    ///< blocks of that run before the edge
    bool ended = false;

    [[nodiscard]] bool walking() const noexcept { return !ended; }
  };
  /// True if there is something to walk: then arrive() and step() in turn, until step() is false or arrive() has ended it.
  bool start(Walker& walker) const noexcept;
  void arrive(Walker& walker) const noexcept;
  /// Calls visit(run, matched) with the blocks of the run that match; it says whether to go on to the child behind them.
  template <class Visit>
  bool step(Walker& walker, Visit&& visit) const noexcept;
  /// All steps of one query.
  template <class Visit>
  void walk(std::uint64_t namespace_key, std::span<const std::uint64_t> contents, const std::uint64_t* checkpoints,
            Visit&& visit) const noexcept;

  // ---- what there is

  /// Blocks that some worker holds; `counts(worker)` says which workers count. O(1) for all, else O(runs).
  [[nodiscard]] std::size_t held_blocks() const noexcept { return held_; }
  template <class Counts>
  [[nodiscard]] std::size_t held_blocks(Counts&& counts) const noexcept;
  [[nodiscard]] std::size_t runs() const noexcept { return runs_; }
  [[nodiscard]] std::size_t gap_blocks() const noexcept;
  [[nodiscard]] std::size_t heap_bytes() const noexcept;

  // ---- for those who look at all of it

  /// Calls visit(worker) for each worker that holds the block, in no order.
  template <class Visit>
  void for_each_holder(Place place, Visit&& visit) const noexcept {
    const Run& run = at(place.run);
    for (std::uint32_t i = 0; i < run.holder_count; ++i) {
      if (place.offset < run.holders()[i].cutoff) visit(std::uint32_t{run.holders()[i].worker});
    }
    if (!run.has_gaps) return;
    for (const Gap& gap : gaps_.find(place.run)->second) {
      if (gap.first <= place.offset && place.offset < gap.last) visit(std::uint32_t{gap.worker});
    }
  }

 private:
  static constexpr std::uint32_t kChunkRuns = 128;

  struct Edge {
    RunId run;
    std::uint32_t upper_hash;
  };
  struct EdgeUpperHash {
    std::uint32_t operator()(const Edge& edge) const noexcept { return edge.upper_hash; }
  };
  /// Blocks first .. last-1 of a run that a worker holds and does not reach. In a run's list they are disjoint, do not touch, and are
  /// sorted by worker and place.
  struct Gap {
    std::uint16_t worker;
    std::uint16_t first;
    std::uint16_t last;
  };
  using Gaps = std::vector<Gap>;
  /// A block that a worker holds, but not in tier 0. Sorted by worker and offset.
  struct Slow {
    std::uint16_t worker;
    std::uint16_t offset;
    std::uint16_t tier;
  };

  [[nodiscard]] Run& at(RunId run) noexcept { return chunks_[run / kChunkRuns].runs[run % kChunkRuns]; }
  [[nodiscard]] const Run& at(RunId run) const noexcept { return chunks_[run / kChunkRuns].runs[run % kChunkRuns]; }

  [[nodiscard]] std::uint64_t root_hash(std::uint64_t namespace_key, std::uint64_t content) const noexcept {
    return combine64(root_secret_ ^ namespace_key, content) & edge_mask_;
  }
  [[nodiscard]] std::uint64_t child_hash(RunId parent, std::uint32_t offset, std::uint64_t content) const noexcept {
    const std::uint64_t place = (std::uint64_t{parent} << 16 | offset) * 0xD6E8FEB86659FD93ull;
    return combine64(child_secret_ ^ place, content) & edge_mask_;
  }
  [[nodiscard]] RunId find_root(std::uint64_t hash, std::uint64_t namespace_key, std::uint64_t content) const noexcept {
    const Edge* const edge = edges_.find(hash, [&](const Edge& one) {
      if (one.upper_hash != static_cast<std::uint32_t>(hash >> 32)) return false;
      const Run& run = at(one.run);
      __builtin_prefetch(run.few);
      return run.first == content && run.namespace_key == namespace_key && run.parent == kNoRun;
    });
    return edge == nullptr ? kNoRun : edge->run;
  }
  [[nodiscard]] RunId find_child(std::uint64_t hash, RunId parent, std::uint32_t offset,
                                 std::uint64_t content) const noexcept {
    const Edge* const edge = edges_.find(hash, [&](const Edge& one) {
      if (one.upper_hash != static_cast<std::uint32_t>(hash >> 32)) return false;
      const Run& run = at(one.run);
      __builtin_prefetch(run.few);
      return run.first == content && run.parent == parent && run.parent_offset == offset;
    });
    return edge == nullptr ? kNoRun : edge->run;
  }
  [[nodiscard]] static std::uint32_t match(const Run& run, std::span<const std::uint64_t> contents,
                                           const std::uint64_t* checkpoints) noexcept;

  RunId create(Place parent, std::uint32_t offset, std::uint64_t namespace_key, std::uint64_t content,
               std::uint64_t hash);
  std::uint32_t append(RunId id, std::span<const std::uint64_t> contents);
  void reserve(Run& run, std::uint32_t capacity);
  void add_checkpoints(RunId id, std::uint32_t old_length);
  [[nodiscard]] std::uint64_t checkpoint_at(RunId id, std::uint32_t depth) const noexcept;
  void free_run(RunId id);
  void settle(RunId id);
  [[nodiscard]] static std::uint32_t held_of(const Run& run, const Gaps* gaps) noexcept;

  [[nodiscard]] Holder* holder(Run& run, std::uint32_t worker) const noexcept;
  Holder& add_holder(Run& run, std::uint32_t worker, std::uint32_t cutoff);
  void remove_holder(Run& run, Holder* holder) noexcept;
  static void cut(Run& run, std::uint32_t from) noexcept;
  [[nodiscard]] bool reaches_start(const Run& run, std::uint32_t worker) noexcept;

  void add_gap(RunId id, std::uint32_t worker, std::uint32_t first, std::uint32_t last);
  void remove_gap(RunId id, std::uint32_t worker, std::uint32_t first, std::uint32_t last);
  /// Takes the gap of the worker that starts at `first` away and gives its end; `first` if there is none.
  std::uint32_t take_gap(RunId id, std::uint32_t worker, std::uint32_t first);
  void keep_gaps(RunId id, Gaps& gaps);
  [[nodiscard]] std::uint32_t gaps_of(std::uint32_t worker) const noexcept {
    return worker < gaps_of_.size() ? gaps_of_[worker] : 0;
  }

  void forget_tiers(RunId id, std::uint32_t worker, std::uint32_t first, std::uint32_t last);

  /// The worker now reaches `cutoff` blocks of the run; what follows on in children is reached as well.
  void reach(RunId id, std::uint32_t worker, std::uint32_t cutoff);
  /// The worker no longer reaches children of the run beyond `cutoff`, nor what follows on in theirs.
  void unreach_children(RunId id, std::uint32_t worker, std::uint32_t cutoff, std::uint32_t reached_children);

  struct Chunk {
    std::unique_ptr<std::byte[]> memory;
    Run* runs;  // in `memory`, at a cache line
  };

  std::uint64_t content_seed_;
  std::uint64_t root_secret_;
  std::uint64_t child_secret_;
  std::uint64_t edge_mask_;
  TagTable<Edge, EdgeUpperHash> edges_;
  std::vector<Chunk> chunks_;
  RunId free_ = kNoRun;
  RunId extended_ = kNoRun;  // settle() has not come yet
  kthena::detail::HashMap<RunId, Gaps> gaps_;
  std::vector<std::uint32_t> gaps_of_;  // by worker: gaps in the side table
  kthena::detail::HashMap<RunId, std::vector<Slow>> slow_;
  std::vector<std::uint32_t> slow_of_;  // by worker: blocks in that side table
  std::size_t runs_ = 0;
  std::size_t held_ = 0;
  std::size_t array_bytes_ = 0;
};

inline std::uint32_t RunTree::match(const Run& run, std::span<const std::uint64_t> contents,
                                    const std::uint64_t* checkpoints) noexcept {
  const std::uint64_t* const wanted = contents.data() + run.start;
  auto length = static_cast<std::uint32_t>(std::min<std::size_t>(run.length, contents.size() - run.start));
  std::uint32_t same = 1;  // the edge compared the first block
  if (checkpoints != nullptr) {
    const std::uint32_t first = run.first_checkpoint();
    const std::uint32_t last = (run.start + length) / 16;
    if (last > first) {
      const std::uint64_t* const own = run.blocks + run.capacity - first;
      if ((length == run.length ? run.last_checkpoint : own[last - 1]) == checkpoints[last - 1]) {
        same = std::max(same, 16 * last - run.start);
      } else {  // the first checkpoint that differs: all after it do
        std::uint32_t low = first;
        std::uint32_t high = last - 1;
        if (low < high && own[high - 1] == checkpoints[high - 1]) low = high;
        while (low < high) {
          const std::uint32_t middle = (low + high) / 2;
          if (own[middle] == checkpoints[middle]) {
            low = middle + 1;
          } else {
            high = middle;
          }
        }
        if (16 * low > run.start) same = std::max(same, 16 * low - run.start);
        length = std::min(length, 16 * low + 16 - run.start);
      }
    }
  }
  while (same < length && run.blocks[same] == wanted[same]) ++same;
  return same;
}

inline bool RunTree::start(Walker& walker) const noexcept {
  walker.ended = walker.contents.empty();
  if (walker.ended) return false;
  walker.hash = root_hash(walker.namespace_key, walker.contents[0]);
  edges_.prefetch_tags(walker.hash);
  return true;
}

inline void RunTree::arrive(Walker& walker) const noexcept {
  if (walker.ended) return;
  const std::uint64_t content = walker.contents[walker.depth];
  walker.run = walker.run == kNoRun ? find_root(walker.hash, walker.namespace_key, content)
                                    : find_child(walker.hash, walker.run, walker.offset, content);
  walker.ended = walker.run == kNoRun;
}

template <class Visit>
bool RunTree::step(Walker& walker, Visit&& visit) const noexcept {
  const Run& run = at(walker.run);
  __builtin_prefetch(run.holders());
  walker.offset = match(run, walker.contents, walker.checkpoints);
  walker.depth = std::size_t{run.start} + walker.offset;
  walker.ended = walker.depth == walker.contents.size() || walker.offset > run.deepest_child;
  if (!walker.ended) {
    walker.hash = child_hash(walker.run, walker.offset, walker.contents[walker.depth]);
    edges_.prefetch_tags(walker.hash);
  }
  if (!visit(run, walker.offset)) walker.ended = true;
  return !walker.ended;
}

template <class Visit>
void RunTree::walk(std::uint64_t namespace_key, std::span<const std::uint64_t> contents,
                   const std::uint64_t* checkpoints, Visit&& visit) const noexcept {
  Walker walker{namespace_key, contents, checkpoints};
  if (!start(walker)) return;
  for (;;) {
    arrive(walker);
    if (walker.ended || !step(walker, visit)) return;
  }
}

template <class Counts>
std::size_t RunTree::held_blocks(Counts&& counts) const noexcept {
  std::size_t blocks = 0;
  for (RunId id = 0; id < chunks_.size() * kChunkRuns; ++id) {
    const Run& run = at(id);
    if (run.length == 0) continue;
    std::uint64_t bits[(kMaxLength + 63) / 64] = {};
    const auto mark = [&bits](std::uint32_t first, std::uint32_t last) {
      for (std::uint32_t i = first; i < last; ++i) bits[i / 64] |= std::uint64_t{1} << (i % 64);
    };
    std::uint32_t cutoff = 0;
    for (std::uint32_t i = 0; i < run.holder_count; ++i) {
      const Holder& holder = run.holders()[i];
      if (counts(holder.worker)) cutoff = std::max<std::uint32_t>(cutoff, holder.cutoff);
    }
    mark(0, cutoff);
    if (run.has_gaps) {
      for (const Gap& gap : gaps_.find(id)->second) {
        if (counts(gap.worker)) mark(gap.first, gap.last);
      }
    }
    for (const std::uint64_t word : bits) blocks += static_cast<std::size_t>(std::popcount(word));
  }
  return blocks;
}

}  // namespace kthena::prefix::detail
