// src/prefix/run_tree.hpp
//
// RunTree: every distinct prompt prefix that somebody holds, as a tree of runs. A run is a stretch of consecutive blocks of one chain:
// their content hashes in one array, before them a cumulative checkpoint at each depth that is a multiple of 16, and the workers that
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
//
//   Threads  One writer, and any number of lookups beside it that take no lock and wait for nothing:
//            - What a lookup holds in its hands is not freed or given another meaning (Reclaimer), so it may be late, but never lost.
//            - A worker's cutoff in a run is one atomic word. In a cascade through several runs the order is such that at each moment a walk
//              finds what was true before it or after it: parents lose their holder first, and gain it last.
//            - Contents are stored with release and loaded with acquire, so that who sees one that came where another was cut off sees the count of
//              the cut.
//            - What would put together parts of two moments is counted in Run::changes: in a cascade, between a parent's change and its
//              children's; when a tail was cut off, before its places are used again; before a jump over a gap, and before slots are used
//              anew; before and after a change of tiers. unchanged() adds up the counts of the runs on the way; a lookup whose sum is another
//              one walks again.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/containers.hpp"
#include "kthena/base/hash.hpp"
#include "prefix/reclaimer.hpp"
#include "prefix/run.hpp"
#include "prefix/tag_table.hpp"

namespace kthena::prefix::detail {

class RunTree {
 public:
  static constexpr std::uint32_t kMaxLength = 4080;

  /// `content_seed`: the seed of the queries' checkpoints. `secret`: of the edges. `wide`: contents have upper halves, and are equal if both
  /// are. `edge_mask`: which bits of an edge's hash are used; a test makes hashes collide with it.
  RunTree(std::uint64_t content_seed, std::uint64_t secret, bool wide = false,
          std::uint64_t edge_mask = ~std::uint64_t{0});
  ~RunTree();
  RunTree(const RunTree&) = delete;
  RunTree& operator=(const RunTree&) = delete;

  // ---- places

  /// Places for contents[0], contents[1] ... behind `parent`, as many as lie in one run; made if they are not there. The run stays as it is
  /// until settle(): the caller holds what it needs of it in between. At most one run at a time.
  Stretch extend(Place parent, std::uint64_t namespace_key, Contents contents);
  /// Ends extend(): what nobody holds goes.
  void settle();
  [[nodiscard]] std::uint64_t content(Place place) const noexcept { return at(place.run).blocks[place.offset]; }
  [[nodiscard]] bool has_content(Place place, Contents one) const noexcept {
    return content(place) == one.lower[0] && (!wide_ || uppers(at(place.run))[place.offset] == one.upper[0]);
  }
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
  /// Whether the worker, or anyone, holds the block.
  [[nodiscard]] bool holds(std::uint32_t worker, Place place) const noexcept;
  [[nodiscard]] bool held(Place place) const noexcept;
  /// Whether the worker holds something of the run. The run may be gone since, or be another one.
  [[nodiscard]] bool in(std::uint32_t worker, RunId run) const noexcept;
  /// Frees everything.
  void clear() noexcept;
  /// Frees memory that lookups may have had in their hands. Unless `all`, only when there is enough of it to be worth a look.
  void collect(bool all) { reclaimer_.collect(this, all); }

  // ---- lookup: what follows, and reading(), may be called beside the writer

  /// To be held while a lookup is under way.
  [[nodiscard]] Reclaimer::Reading reading() const noexcept { return reclaimer_.read(); }

  /// A query on its way down.
  struct Walker {
    std::uint64_t namespace_key = 0;
    Contents contents;
    const std::uint64_t* checkpoints = nullptr;  ///< null: they are not the contents' under this tree's seed
    std::uint64_t hash = 0;                      ///< of the edge to the next run
    std::size_t depth = 0;                       ///< blocks before it
    RunId run = kNoRun;                          ///< before arrive(): where it came from
    std::uint32_t offset = 0;                    ///< blocks of that run before the edge
    const Run* at = nullptr;                     ///< the run, after arrive()
    RunId deepest = kNoRun;                      ///< the last run it was in
    std::uint64_t changes = 0;                   ///< of the runs that it was in, added up
    std::uint64_t era = 0;
    bool ended = false;

    [[nodiscard]] bool walking() const noexcept { return !ended; }
  };
  /// True if there is something to walk: then arrive() and step() in turn, until step() is false or arrive() has ended it.
  bool start(Walker& walker) const noexcept;
  void arrive(Walker& walker) const noexcept;
  /// Calls visit(run, matched, id) with the blocks of the run that match; it says whether to go on to the child behind them.
  template <class Visit>
  bool step(Walker& walker, Visit&& visit) const noexcept;
  /// All steps of a walker that was just made.
  template <class Visit>
  void walk(Walker& walker, Visit&& visit) const noexcept;
  /// Whether what the walker saw belongs together. If not, it has to walk again.
  [[nodiscard]] bool unchanged(const Walker& walker) const noexcept;

  /// Calls visit(worker, offset, tier) for blocks of a run that are not in tier 0, by worker and offset.
  template <class Visit>
  void for_each_slow(RunId run, Visit&& visit) const noexcept {
    const auto found = slow_.read(slow_.upper().hash(run), [run](SlowRef ref) { return ref.list->owner == run; });
    if (!found) return;
    const std::uint32_t count = load(found->list->count);
    for (std::uint32_t i = 0; i < count; ++i) {
      const Slow slow = load(found->list->slots()[i]);
      if (!slow.vacant()) visit(std::uint32_t{slow.worker}, std::uint32_t{slow.offset}, slow.tier);
    }
  }

  // ---- what there is

  /// Blocks that some worker holds; `counts(worker)` says which workers count. O(1) for all, else O(runs).
  [[nodiscard]] std::size_t held_blocks() const noexcept { return held_; }
  template <class Counts>
  [[nodiscard]] std::size_t held_blocks(Counts&& counts) const noexcept;
  [[nodiscard]] std::size_t runs() const noexcept { return runs_; }
  [[nodiscard]] std::size_t gap_blocks() const noexcept;
  [[nodiscard]] std::size_t heap_bytes() const noexcept;

  // ---- for those who look at all of it

  /// Calls visit(run, parent, parent_offset, namespace_key, contents) for each run, in no order. `parent`: kNoRun for a run that starts
  /// prompts; `parent_offset`: blocks of the parent before the run.
  template <class Visit>
  void for_each_run(Visit&& visit) const {
    for (RunId id = 0; id < run_limit(); ++id) {
      const Run& run = at(id);
      if (run.length == 0) continue;
      const std::uint64_t* const upper = wide_ ? uppers(run) : nullptr;
      visit(id, run.parent, std::uint32_t{run.parent_offset}, run.namespace_key,
            Contents{{run.blocks, run.length}, {upper, wide_ ? run.length : std::size_t{0}}});
    }
  }
  /// A new run with 1 .. kMaxLength contents behind `offset` blocks of `parent` (kNoRun: at the start of prompts), where none begins with the
  /// same content. The caller sees to it that someone holds its last block or that a run hangs there, before anything else is settled there.
  RunId add_run(RunId parent, std::uint32_t offset, std::uint64_t namespace_key, Contents contents) {
    const std::uint64_t first = contents.lower[0];
    const std::uint64_t hash = parent == kNoRun ? root_hash(namespace_key, first) : child_hash(parent, offset, first);
    const RunId id = create({parent, 0}, offset, namespace_key, first);
    append(id, contents);
    publish(id, hash);
    return id;
  }
  /// The run stays as it is until settle(), as after extend().
  void open(RunId run) noexcept { extended_ = run; }
  /// Calls visit(worker) for each worker that holds the block, in no order.
  template <class Visit>
  void for_each_holder(Place place, Visit&& visit) const noexcept {
    const Run& run = at(place.run);
    detail::for_each_holder(run, [&](const Holder& holder) {
      if (place.offset < holder.cutoff) visit(std::uint32_t{holder.worker});
    });
    if (!run.has_gaps) return;
    for (const Gap& gap : gaps_.find(place.run)->second) {
      if (gap.first <= place.offset && place.offset < gap.last) visit(std::uint32_t{gap.worker});
    }
  }

 private:
  static constexpr std::uint32_t kChunkRuns = 128;

  struct alignas(8) Edge {
    RunId run;
    std::uint32_t upper_hash;
  };
  struct EdgeUpperHash {
    std::uint32_t operator()(const Edge& edge) const noexcept { return edge.upper_hash; }
  };
  struct SlowRef {
    SlowList* list;
  };
  struct SlowUpperHash {
    std::uint64_t secret = 0;
    [[nodiscard]] std::uint64_t hash(RunId run) const noexcept { return mix64(run ^ secret); }
    std::uint32_t operator()(const SlowRef& ref) const noexcept {
      return static_cast<std::uint32_t>(hash(ref.list->owner) >> 32);
    }
  };
  /// Blocks first .. last-1 of a run that a worker holds and does not reach. In a run's list they are disjoint, do not touch, and are
  /// sorted by worker and place.
  struct Gap {
    std::uint16_t worker;
    std::uint16_t first;
    std::uint16_t last;
  };
  using Gaps = std::vector<Gap>;

  /// Runs do not move: they are in chunks, and a table that is replaced when it is full says where those are.
  struct Chunks {
    std::size_t count;  // [loaded]
    std::size_t capacity;
    std::uint64_t era;  // of all tables between two times when everything was cleared

    [[nodiscard]] Run** runs() const noexcept { return reinterpret_cast<Run**>(const_cast<Chunks*>(this) + 1); }
    [[nodiscard]] std::size_t bytes() const noexcept { return sizeof(Chunks) + capacity * sizeof(Run*); }
  };

  /// For the writer, and for what readers do not do.
  [[nodiscard]] Run& at(RunId run) const noexcept { return chunks_->runs()[run / kChunkRuns][run % kChunkRuns]; }
  [[nodiscard]] std::uint64_t era() const noexcept { return chunks_ == nullptr ? 0 : chunks_->era; }
  [[nodiscard]] RunId run_limit() const noexcept {
    return chunks_ == nullptr ? 0 : static_cast<RunId>(chunks_->count * kChunkRuns);
  }
  /// For lookups that began in `era`: null if everything was cleared since. (All depths were 0 then, so a walk that ends there is right.)
  [[nodiscard]] const Run* peek(RunId run, std::uint64_t era) const noexcept {
    const Chunks* const chunks = load(chunks_);
    if (chunks == nullptr || chunks->era != era) return nullptr;
    return chunks->runs()[run / kChunkRuns] + run % kChunkRuns;
  }

  [[nodiscard]] std::uint64_t root_hash(std::uint64_t namespace_key, std::uint64_t content) const noexcept {
    return combine64(root_secret_ ^ namespace_key, content) & edge_mask_;
  }
  [[nodiscard]] std::uint64_t child_hash(RunId parent, std::uint32_t offset, std::uint64_t content) const noexcept {
    const std::uint64_t place = (std::uint64_t{parent} << 16 | offset) * 0xD6E8FEB86659FD93ull;
    return combine64(child_secret_ ^ place, content) & edge_mask_;
  }
  /// The upper halves of a run's contents, in a tree of wide ones.
  [[nodiscard]] static const std::uint64_t* uppers(const Run& run) noexcept {
    const std::uint64_t* const blocks = load(run.blocks);
    return blocks + blocks[-1];
  }
  [[nodiscard]] bool begins_with(const Run& run, Contents contents) const noexcept {
    return run.first == contents.lower[0] && (!wide_ || load(*uppers(run)) == contents.upper[0]);
  }
  /// The run under an edge's hash for which is_it(run) holds, of those of `era`, or kNoRun.
  template <class IsIt>
  [[nodiscard]] RunId find_run(std::uint64_t hash, std::uint64_t era, IsIt&& is_it) const noexcept {
    const auto edge = edges_.read(hash, [&](const Edge& one) {
      if (one.upper_hash != static_cast<std::uint32_t>(hash >> 32)) return false;
      const Run* const run = peek(one.run, era);
      if (run == nullptr) return false;
      __builtin_prefetch(run->few);
      return is_it(*run);
    });
    return edge ? edge->run : kNoRun;
  }
  [[nodiscard]] RunId find_root(std::uint64_t hash, std::uint64_t namespace_key, Contents contents,
                                std::uint64_t era) const noexcept {
    return find_run(hash, era, [&](const Run& run) {
      return run.namespace_key == namespace_key && run.parent == kNoRun && begins_with(run, contents);
    });
  }
  [[nodiscard]] RunId find_child(std::uint64_t hash, RunId parent, std::uint32_t offset, Contents contents,
                                 std::uint64_t era) const noexcept {
    return find_run(hash, era, [&](const Run& run) {
      return run.parent == parent && run.parent_offset == offset && begins_with(run, contents);
    });
  }
  [[nodiscard]] std::uint32_t match(const Run& run, std::uint32_t changes, Contents contents,
                                    const std::uint64_t* checkpoints) const noexcept;

  RunId create(Place parent, std::uint32_t offset, std::uint64_t namespace_key, std::uint64_t content);
  void make_chunk();
  /// The run can be found from now on.
  void publish(RunId id, std::uint64_t hash);
  std::uint32_t append(RunId id, Contents contents);
  /// Leading blocks of `contents` that the run has from `offset` on.
  [[nodiscard]] std::uint32_t common_length(const Run& run, std::uint32_t offset, Contents contents) const noexcept;
  /// Words before the contents in an array of this capacity, and in all.
  [[nodiscard]] std::size_t head_words(std::uint32_t capacity) const noexcept {
    return capacity / 16 + 1 + (wide_ ? 1 : 0);
  }
  /// Checkpoint k of a run that keeps it.
  [[nodiscard]] std::uint64_t& checkpoint(std::uint64_t* blocks, std::uint32_t first, std::uint32_t k) const noexcept {
    return blocks[-1 - (wide_ ? 1 : 0) - static_cast<std::ptrdiff_t>(k - first)];
  }
  [[nodiscard]] std::uint64_t& checkpoint(Run& run, std::uint32_t k) const noexcept {
    return checkpoint(run.blocks, run.first_checkpoint(), k);
  }
  [[nodiscard]] std::size_t array_words(std::uint32_t capacity) const noexcept {
    return head_words(capacity) + (wide_ ? 2u : 1u) * capacity;
  }
  [[nodiscard]] std::size_t array_bytes(std::uint32_t capacity) const noexcept;
  void reserve(Run& run, std::uint32_t capacity);
  void add_checkpoints(RunId id, std::uint32_t old_length, std::uint32_t length);
  [[nodiscard]] std::uint64_t checkpoint_at(RunId id, std::uint32_t depth) noexcept;
  void free_run(RunId id);
  /// A Reclaimer::Free: the run with this number may be used again.
  static void recycle(void* owner, void* memory) noexcept;
  void retire_blocks(Run& run);
  void settle(RunId id);
  [[nodiscard]] static std::uint32_t held_of(const Run& run, const Gaps* gaps) noexcept;

  /// To be called before a lookup can see the first part of a change that it must not overlook.
  static void note_change(Run& run) noexcept { store(run.changes, run.changes + 1); }
  [[nodiscard]] static Holder* holder(Run& run, std::uint32_t worker) noexcept;
  [[nodiscard]] static const Holder* holder(const Run& run, std::uint32_t worker) noexcept {
    return holder(const_cast<Run&>(run), worker);
  }
  void add_holder(Run& run, Holder holder);
  void remove_holder(Run& run, Holder* holder);
  void set_list(Run& run, HolderList* list);
  static void set_cutoff(Holder& holder, std::uint32_t cutoff) noexcept;
  /// The worker's holder in the parent, which it has, counts so many more children.
  void add_children(RunId parent, std::uint32_t worker, std::uint32_t more) noexcept;
  static void cut(Run& run, std::uint32_t from) noexcept;
  [[nodiscard]] bool reaches_start(const Run& run, std::uint32_t worker) const noexcept;

  void add_gap(RunId id, std::uint32_t worker, std::uint32_t first, std::uint32_t last);
  void remove_gap(RunId id, std::uint32_t worker, std::uint32_t first, std::uint32_t last);
  /// Takes the gap of the worker that starts at `first` away and gives its end; `first` if there is none.
  std::uint32_t take_gap(RunId id, std::uint32_t worker, std::uint32_t first);
  void keep_gaps(RunId id, Gaps& gaps);
  [[nodiscard]] std::uint32_t gaps_of(std::uint32_t worker) const noexcept {
    return worker < gaps_of_.size() ? gaps_of_[worker] : 0;
  }

  [[nodiscard]] SlowRef* slow_list(RunId id) noexcept;
  void forget_tiers(RunId id, std::uint32_t worker, std::uint32_t first, std::uint32_t last);

  /// The worker now reaches `cutoff` blocks of the run; what follows on in children is reached as well.
  void reach(RunId id, std::uint32_t worker, std::uint32_t cutoff);
  /// The worker no longer reaches children of the run beyond `cutoff`, nor what follows on in theirs.
  void unreach_children(RunId id, std::uint32_t worker, std::uint32_t cutoff, std::uint32_t reached_children);

  mutable Reclaimer reclaimer_;
  std::uint64_t content_seed_;
  std::uint64_t root_secret_;
  std::uint64_t child_secret_;
  std::uint64_t edge_mask_;
  bool wide_;
  TagTable<Edge, EdgeUpperHash, true> edges_;
  Chunks* chunks_ = nullptr;  // [loaded]
  std::uint64_t eras_ = 0;    // times that everything was cleared
  RunId free_ = kNoRun;
  RunId extended_ = kNoRun;  // settle() has not come yet
  kthena::detail::HashMap<RunId, Gaps> gaps_;
  std::vector<std::uint32_t> gaps_of_;  // by worker: gaps in the side table
  TagTable<SlowRef, SlowUpperHash, true> slow_;
  std::vector<std::uint32_t> slow_of_;  // by worker: blocks in that side table
  std::size_t runs_ = 0;
  std::size_t held_ = 0;
  std::size_t array_bytes_ = 0;
};

inline std::uint32_t RunTree::match(const Run& run, std::uint32_t changes, Contents contents,
                                    const std::uint64_t* checkpoints) const noexcept {
  // The length before the array: one that grows is published with its array first. One that shrinks has counted a change in between.
  std::uint32_t run_length = load(run.length);
  std::uint64_t last_checkpoint = load(run.last_checkpoint);
  const std::uint64_t* blocks = load(run.blocks);
  while (load(run.changes) != changes) {
    changes = load(run.changes);
    run_length = load(run.length);
    last_checkpoint = load(run.last_checkpoint);
    blocks = load(run.blocks);
  }
  const std::uint64_t* const wanted = contents.lower.data() + run.start;
  auto length = static_cast<std::uint32_t>(std::min<std::size_t>(run_length, contents.size() - run.start));
  std::uint32_t same = 1;  // the edge compared the first block
  if (checkpoints != nullptr) {
    const std::uint32_t first = run.first_checkpoint();
    const std::uint32_t last = (run.start + length) / 16;
    if (last > first) {
      const std::uint64_t* const last_first = blocks - 1 - (wide_ ? 1 : 0);
      const auto own = [last_first, first](std::uint32_t k) {
        return load(last_first[-static_cast<std::ptrdiff_t>(k - first)]);
      };
      // The run's copy of its last checkpoint may be newer or older than its length: that it differs says nothing.
      if ((length == run_length && last_checkpoint == checkpoints[last - 1]) ||
          own(last - 1) == checkpoints[last - 1]) {
        same = std::max(same, 16 * last - run.start);
      } else {  // the first checkpoint that differs: all after it do
        std::uint32_t low = first;
        std::uint32_t high = last - 1;
        if (low < high && own(high - 1) == checkpoints[high - 1]) low = high;
        while (low < high) {
          const std::uint32_t middle = (low + high) / 2;
          if (own(middle) == checkpoints[middle]) {
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
  while (same < length && load(blocks[same]) == wanted[same]) ++same;
  if (!wide_) return same;
  // What is alike in the lower halves and in the checkpoints over them has to be so in the upper halves as well.
  const std::uint64_t* const upper = blocks + blocks[-1];
  const std::uint64_t* const wanted_upper = contents.upper.data() + run.start;
  std::uint32_t verified = 0;
  while (verified < same && load(upper[verified]) == wanted_upper[verified]) ++verified;
  return verified;
}

inline bool RunTree::start(Walker& walker) const noexcept {
  walker.ended = walker.contents.empty() || (wide_ && walker.contents.upper.empty());
  if (walker.ended) return false;
  const Chunks* const chunks = load(chunks_);
  walker.ended = chunks == nullptr;
  if (walker.ended) return false;
  walker.era = chunks->era;
  walker.hash = root_hash(walker.namespace_key, walker.contents.lower[0]);
  edges_.prefetch_tags(walker.hash);
  return true;
}

inline void RunTree::arrive(Walker& walker) const noexcept {
  if (walker.ended) return;
  const Contents rest = walker.contents.subspan(walker.depth, 1);
  walker.run = walker.run == kNoRun ? find_root(walker.hash, walker.namespace_key, rest, walker.era)
                                    : find_child(walker.hash, walker.run, walker.offset, rest, walker.era);
  walker.at = walker.run == kNoRun ? nullptr : peek(walker.run, walker.era);
  walker.ended = walker.at == nullptr;
}

template <class Visit>
bool RunTree::step(Walker& walker, Visit&& visit) const noexcept {
  const Run& run = *walker.at;
  const std::uint32_t changes = load(run.changes);
  walker.changes += changes;
  walker.deepest = walker.run;
  if (const std::uintptr_t list = load_relaxed(run.holders); list > Run::kInlineHolders)
    __builtin_prefetch(reinterpret_cast<const void*>(list));
  walker.offset = match(run, changes, walker.contents, walker.checkpoints);
  walker.depth = std::size_t{run.start} + walker.offset;
  walker.ended = walker.depth == walker.contents.size() || walker.offset > load(run.deepest_child);
  if (!walker.ended) {
    walker.hash = child_hash(walker.run, walker.offset, walker.contents.lower[walker.depth]);
    edges_.prefetch_tags(walker.hash);
  }
  if (!visit(run, walker.offset, walker.run)) walker.ended = true;
  return !walker.ended;
}

template <class Visit>
void RunTree::walk(Walker& walker, Visit&& visit) const noexcept {
  if (!start(walker)) return;
  for (;;) {
    arrive(walker);
    if (walker.ended || !step(walker, visit)) return;
  }
}

inline bool RunTree::unchanged(const Walker& walker) const noexcept {
  std::uint64_t changes = 0;
  for (RunId id = walker.deepest; id != kNoRun;) {
    const Run* const run = peek(id, walker.era);
    if (run == nullptr) return false;
    changes += load(run->changes);
    id = run->parent;
  }
  return changes == walker.changes;
}

template <class Counts>
std::size_t RunTree::held_blocks(Counts&& counts) const noexcept {
  std::size_t blocks = 0;
  for (RunId id = 0; id < run_limit(); ++id) {
    const Run& run = at(id);
    if (run.length == 0) continue;
    std::uint64_t bits[(kMaxLength + 63) / 64] = {};
    const auto mark = [&bits](std::uint32_t first, std::uint32_t last) {
      for (std::uint32_t i = first; i < last; ++i) bits[i / 64] |= std::uint64_t{1} << (i % 64);
    };
    std::uint32_t cutoff = 0;
    detail::for_each_holder(run, [&](const Holder& holder) {
      if (counts(holder.worker)) cutoff = std::max<std::uint32_t>(cutoff, holder.cutoff);
    });
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
