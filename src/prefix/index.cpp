// PrefixIndex over a RunTree: workers and what they say they hold, orphans, and the sweep after workers that were removed.
//
// An event of n blocks is the same as n events of one block, in order: every rule below is about one block. Stretches of blocks that are
// plainly new, or plainly gone, are told to the tree at once.
#include "kthena/prefix/index.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/containers.hpp"
#include "kthena/base/faults.hpp"
#include "kthena/base/hash.hpp"
#include "prefix/holdings.hpp"
#include "prefix/orphans.hpp"
#include "prefix/run_tree.hpp"
#include "prefix/worker_set.hpp"

namespace kthena::prefix {

using detail::Holding;
using detail::kNoOrphan;
using detail::kNoRun;
using detail::Orphan;
using detail::OrphanId;
using detail::Place;
using detail::Run;
using detail::RunTree;
using detail::Stretch;
using detail::Worker;

namespace {

/// The hashes of an event's engine hashes, a few blocks ahead of their use, so that their table entries are on the way.
class Ahead {
 public:
  Ahead(const detail::HoldingTable& table, const detail::HoldingUpperHash& hash,
        std::span<const std::uint64_t> engine_hashes) noexcept
      : table_(table), hash_(hash), engine_hashes_(engine_hashes) {
    for (std::size_t i = 0; i < std::min(kTags, engine_hashes.size()); ++i) fetch_tags(i);
  }
  /// To be called once, after some other work if there is any.
  void fetch_slots() noexcept {
    for (std::size_t i = 0; i < std::min(kSlots, engine_hashes_.size()); ++i)
      table_.prefetch_slot(hashed_[i]);  // NOLINT(clang-analyzer-core.CallAndMessage): fetch_tags() wrote it
  }
  /// The hash of engine_hashes[i]; i = 0, 1, 2 ...
  std::uint64_t next(std::size_t i) noexcept {
    const std::uint64_t hashed =
        hashed_[i % kTags];  // NOLINT(clang-analyzer-core.uninitialized.Assign): fetch_tags() wrote it
    if (i + kTags < engine_hashes_.size()) fetch_tags(i + kTags);
    if (i + kSlots < engine_hashes_.size()) table_.prefetch_slot(hashed_[(i + kSlots) % kTags]);
    return hashed;
  }

 private:
  static constexpr std::size_t kTags = 16;
  static constexpr std::size_t kSlots = 8;

  void fetch_tags(std::size_t i) noexcept { table_.prefetch_tags(hashed_[i % kTags] = hash_.hash(engine_hashes_[i])); }

  const detail::HoldingTable& table_;
  const detail::HoldingUpperHash& hash_;
  std::span<const std::uint64_t> engine_hashes_;
  std::uint64_t hashed_[kTags];
};

/// The fastest of a set of tiers, which is not empty.
constexpr std::uint32_t fastest(std::uint32_t tiers) noexcept {
  return static_cast<std::uint32_t>(std::countr_zero(tiers));
}

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

/// Blocks of a run that the tree was not told about yet: they are held, or gone.
struct Untold {
  detail::RunId run = kNoRun;
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  bool held = false;

  [[nodiscard]] bool has(Place place) const noexcept {
    return place.run == run && first <= place.offset && place.offset < last;
  }
};

/// What a worker means by an engine hash.
struct Found {
  Holding holding;
  Holding* own = nullptr;   // in the worker's own table
  Holding* name = nullptr;  // in the shared table; its parent_tag counts the workers that hold it under this name

  [[nodiscard]] bool known() const noexcept { return own != nullptr || name != nullptr; }
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

struct PrefixIndex::State {
  explicit State(const PrefixIndexOptions& given)
      : options(given),
        tree(given.seed, mix64(given.seed + 1)),
        orphans(mix64(given.seed + 2)),
        shared(Worker(given.seed).hash),
        names(0, kthena::detail::Hash{mix64(given.seed + 3)}) {}

  [[nodiscard]] bool in_use(WorkerId worker) const noexcept {
    return worker.value < limit && workers[worker.value].in_use;
  }
  [[nodiscard]] Status check(WorkerId worker, KvTier tier) const;

  Status apply(const BlockStored& event);
  Status apply(const BlockRemoved& event);
  Status apply(const AllBlocksCleared& event);

  /// Stores the blocks behind a known parent that lie in one run with the first of them. Gives their number and moves `parent` to the last.
  std::size_t store(std::uint32_t id, const BlockStored& event, std::size_t first, Place& parent);
  /// The same where engine hashes are shared.
  void store_shared(std::uint32_t id, const BlockStored& event, std::size_t first, Stretch stretch, Ahead& ahead);
  void remove_shared(std::uint32_t id, const BlockRemoved& event);

  /// What the worker means by an engine hash, whose hash is `hashed`. Blocks in `untold` count as it says.
  [[nodiscard]] Found look_up(std::uint32_t id, std::uint64_t engine_hash, std::uint64_t hashed,
                              const Untold& untold = {});
  /// Adds what was not known. The tree is told after it.
  void put(std::uint32_t id, std::uint64_t hashed, const Holding& holding);
  void put_own(std::uint32_t id, std::uint64_t hashed, const Holding& holding, bool also_shared);
  /// Takes a name out of the tables. The tree is told after it.
  void forget(std::uint32_t id, std::uint64_t hashed, const Found& found);
  /// A block that is known has these tiers now, which are not none, and this parent.
  void set_tiers(std::uint32_t id, std::uint64_t hashed, const Found& found, std::uint32_t tiers,
                 std::uint32_t parent_tag);

  /// Stores one block whose parent is not known. Gives its place if it had been placed before, by the same store; else kNoRun.
  Place park(std::uint32_t id, const Orphan& orphan, const Holding& claim);
  void place_waiting(std::uint32_t id, std::uint64_t engine_hash, Place place);
  /// The worker lost a block in all tiers, or says that it is another one.
  void release(std::uint32_t id, const Holding& holding);
  void hold(std::uint32_t id, detail::RunId run, std::uint32_t first, std::uint32_t last);
  /// Tiers of all engine hashes of the worker at a place: a walk over its table, for those rare places that have several.
  [[nodiscard]] std::uint32_t tiers_at(std::uint32_t id, Place place) const;
  /// A holding of the worker at this place now has these tiers.
  void note_tier(std::uint32_t id, Place place, std::uint32_t tiers);
  /// Drops what the worker holds, `budget` places of its table at most. Gives what is left of the budget.
  std::size_t drop(std::uint32_t id, std::size_t budget);
  /// The worker is as a new one.
  void reset(std::uint32_t id);
  void drop_orphans(std::uint32_t id);

  /// The bit of each worker below `size` that is a candidate and in use. `words` has one word per 64 workers below `size`.
  void select(std::span<const std::uint64_t> candidates, std::size_t size,
              std::span<std::uint64_t> words) const noexcept;
  /// Checkpoints that the tree's can be compared with, or null.
  [[nodiscard]] const std::uint64_t* checkpoints(const PrefixQuery& query) const noexcept {
    return query.seed() == options.seed ? query.checkpoints().data() : nullptr;
  }
  /// Writes the depths of the workers in `selected` that have one; in the first form, of all workers.
  void find(const PrefixQuery& query, std::uint32_t* depths) const noexcept;
  void find(const PrefixQuery& query, std::span<const std::uint64_t> selected, std::uint32_t* depths) const noexcept;

  PrefixIndexOptions options;
  RunTree tree;
  detail::Orphans orphans;
  detail::HoldingTable shared;          // by engine hash; empty unless engine hashes are shared
  std::vector<Worker> workers;          // by id
  std::size_t limit = 0;                // one more than the largest id in use
  std::vector<std::uint64_t> alive;     // a bit per worker in use
  std::vector<std::uint32_t> unswept;   // workers that were removed and still have a table, oldest first
  std::vector<RunTree::Range> already;  // scratch of hold()
  kthena::detail::HashMap<std::string, std::uint32_t> names;
  PrefixIndexStats counts;  // workers, memberships and those that only grow
};

Status PrefixIndex::State::check(WorkerId worker, KvTier tier) const {
  if (!in_use(worker))
    return not_found("worker: " + (worker.valid() ? std::to_string(worker.value) : "none") + " is not in use");
  if (tier > KvTier::kExternal)
    return invalid_argument("tier: " + std::to_string(static_cast<int>(tier)) + " is not a tier");
  return {};
}

Status PrefixIndex::State::apply(const BlockStored& event) {
  if (Status status = check(event.worker, event.tier); !status.ok()) return status;
  if (event.engine_hashes.size() != event.content_hashes.size()) {
    return invalid_argument("content_hashes: " + std::to_string(event.content_hashes.size()) +
                            " elements where engine_hashes has " + std::to_string(event.engine_hashes.size()));
  }
  if (event.engine_hashes.empty()) return {};

  const std::uint32_t id = event.worker.value;
  Worker& worker = workers[id];
  worker.slow_tiers |= event.tier != KvTier::kDevice;
  Place parent;
  bool known = true;
  if (event.parent) {
    const Found found = look_up(id, *event.parent, worker.hash.hash(*event.parent));
    known = found.known() && found.holding.placed() && tree.namespace_key(found.holding.at) == event.namespace_key;
    if (known) parent = found.holding.place();
  }
  for (std::size_t i = 0; i < event.engine_hashes.size();) {
    if (known) {
      i += store(id, event, i, parent);
      continue;
    }
    const std::uint64_t parent_hash = i == 0 ? *event.parent : event.engine_hashes[i - 1];
    Holding claim;
    claim.engine_hash = event.engine_hashes[i];
    claim.tiers = detail::tier_bit(event.tier) & 0xF;
    claim.parent_tag = detail::parent_tag(worker.hash.hash(parent_hash)) & 0xFFFF;
    parent = park(id, {event.namespace_key, claim.engine_hash, parent_hash, event.content_hashes[i], id}, claim);
    known = parent.run != kNoRun;
    ++i;
  }
  return {};
}

std::size_t PrefixIndex::State::store(std::uint32_t id, const BlockStored& event, std::size_t first, Place& parent) {
  Worker& worker = workers[id];
  const std::span<const std::uint64_t> hashes = event.engine_hashes;
  // Orphans may hang on to any block, and grow the tree there: one block at a time.
  const bool single = orphans.size() != 0;
  const bool fast = event.tier == KvTier::kDevice && tree.slow_of(id) == 0;  // nothing to note about tiers
  const std::size_t most = single ? 1 : hashes.size() - first;
  Ahead ahead(options.shared_engine_hashes ? shared : worker.blocks, worker.hash, hashes.subspan(first, most));
  const Stretch stretch = tree.extend(parent, event.namespace_key, event.content_hashes.subspan(first, most));
  ahead.fetch_slots();
  parent = {stretch.run, stretch.offset + stretch.count - 1};
  if (options.shared_engine_hashes) {
    store_shared(id, event, first, stretch, ahead);
    return stretch.count;
  }
  Holding claim;
  claim.at = stretch.run;
  claim.tiers = detail::tier_bit(event.tier) & 0xF;
  if (first != 0 || event.parent) {
    claim.parent_tag = detail::parent_tag(worker.hash.hash(first == 0 ? *event.parent : hashes[first - 1])) & 0xFFFF;
  }

  const std::uint32_t end = stretch.offset + stretch.count;
  std::uint32_t unheld = stretch.offset;  // from here to the block at hand the tree was not told yet
  bool placed = false;                    // the last block is new at its place
  for (std::uint32_t i = 0; i < stretch.count; ++i) {
    claim.engine_hash = hashes[first + i];
    claim.offset = (stretch.offset + i) & 0xFFF;
    const std::uint64_t hashed = ahead.next(i);
    const auto [known, is_new] = worker.blocks.find_or_insert(
        hashed, claim, [&claim](const Holding& one) { return one.engine_hash == claim.engine_hash; });
    placed = true;
    if (!is_new) {
      const Holding before = std::exchange(*known, claim);
      const bool same = before.placed() && before.place() == claim.place();
      hold(id, stretch.run, unheld, claim.offset + (same ? 0u : 1u));  // before the release, which may free runs
      unheld = claim.offset + 1u;
      if (same) {
        known->tiers |= before.tiers;
        placed = false;
      } else {
        ++counts.rehashed_blocks;
        release(id, before);
      }
    }
    if (!fast) {
      hold(id, stretch.run, unheld, claim.offset + 1u);
      unheld = claim.offset + 1u;
      note_tier(id, known->place(), known->tiers);
    }
    claim.parent_tag = detail::parent_tag(hashed) & 0xFFFF;
  }
  hold(id, stretch.run, unheld, end);
  tree.settle();
  if (single && placed) place_waiting(id, hashes[first], parent);
  return stretch.count;
}

void PrefixIndex::State::store_shared(std::uint32_t id, const BlockStored& event, std::size_t first, Stretch stretch,
                                      Ahead& ahead) {
  Holding claim;
  claim.at = stretch.run;
  claim.tiers = detail::tier_bit(event.tier) & 0xF;
  if (first != 0 || event.parent) {
    const std::uint64_t before = first == 0 ? *event.parent : event.engine_hashes[first - 1];
    claim.parent_tag = detail::parent_tag(workers[id].hash.hash(before)) & 0xFFFF;
  }
  const bool single = orphans.size() != 0;
  const bool fast = event.tier == KvTier::kDevice && tree.slow_of(id) == 0;
  Untold untold{stretch.run, stretch.offset, stretch.offset, true};
  const auto tell = [&](std::uint32_t last, std::uint32_t next) {
    hold(id, stretch.run, untold.first, last);
    untold.first = untold.last = next;
  };
  bool placed = false;
  for (std::uint32_t i = 0; i < stretch.count; ++i) {
    claim.engine_hash = event.engine_hashes[first + i];
    claim.offset = (stretch.offset + i) & 0xFFF;
    const std::uint64_t hashed = ahead.next(i);
    const Found before = look_up(id, claim.engine_hash, hashed, untold);
    placed = true;
    if (!before.known()) {
      put(id, hashed, claim);
      untold.last = claim.offset + 1u;
    } else if (before.holding.placed() && before.holding.place() == claim.place()) {
      tell(claim.offset, claim.offset + 1u);
      set_tiers(id, hashed, before, before.holding.tiers | claim.tiers, claim.parent_tag);
      placed = false;
    } else {
      ++counts.rehashed_blocks;
      tell(claim.offset, claim.offset);
      forget(id, hashed, before);
      put(id, hashed, claim);
      tell(claim.offset + 1u, claim.offset + 1u);
      release(id, before.holding);
    }
    if (!fast && placed) {
      tell(claim.offset + 1u, claim.offset + 1u);
      note_tier(id, claim.place(), claim.tiers);
    }
    claim.parent_tag = detail::parent_tag(hashed) & 0xFFFF;
  }
  tell(stretch.offset + stretch.count, stretch.offset + stretch.count);
  tree.settle();
  if (single && placed) place_waiting(id, event.engine_hashes[first], claim.place());
}

Found PrefixIndex::State::look_up(std::uint32_t id, std::uint64_t engine_hash, std::uint64_t hashed,
                                  const Untold& untold) {
  Worker& worker = workers[id];
  const auto is_key = [engine_hash](const Holding& one) { return one.engine_hash == engine_hash; };
  Found found;
  found.own = worker.blocks.find(hashed, is_key);
  if (found.own != nullptr) {
    found.holding = *found.own;
    return found;
  }
  Holding* const name = shared.find(hashed, is_key);
  if (name == nullptr) return found;
  const Place place = name->place();
  if (untold.has(place) ? !untold.held : !tree.holds(id, place)) return found;
  if (!worker.own_places.empty()) {
    const auto own = worker.own_places.find(detail::place_key(place));
    if (own != worker.own_places.end() && !own->second.shared) return found;
  }
  found.name = name;
  found.holding = *name;
  found.holding.tiers = 1;
  return found;
}

void PrefixIndex::State::put(std::uint32_t id, std::uint64_t hashed, const Holding& holding) {
  Worker& worker = workers[id];
  const Place place = holding.place();
  if (options.shared_engine_hashes && holding.placed() && holding.tiers == 1) {
    Holding* const name =
        shared.find(hashed, [&holding](const Holding& one) { return one.engine_hash == holding.engine_hash; });
    // A block that someone holds has its name already, and no second one.
    if (name != nullptr ? name->place() == place : !tree.held(place)) {
      if (name != nullptr) {
        ++name->parent_tag;
      } else {
        Holding first = holding;
        first.parent_tag = 1;
        shared.insert(hashed, first);
      }
      if (const auto own = worker.own_places.find(detail::place_key(place)); own != worker.own_places.end())
        own->second.shared = true;
      return;
    }
  }
  put_own(id, hashed, holding, options.shared_engine_hashes && holding.placed() && tree.holds(id, place));
}

void PrefixIndex::State::put_own(std::uint32_t id, std::uint64_t hashed, const Holding& holding, bool also_shared) {
  Worker& worker = workers[id];
  worker.blocks.insert(hashed, holding);
  if (!options.shared_engine_hashes || !holding.placed()) return;
  detail::OwnPlace& own = worker.own_places[detail::place_key(holding.place())];
  if (own.names++ == 0) own.shared = also_shared;
}

void PrefixIndex::State::forget(std::uint32_t id, std::uint64_t hashed, const Found& found) {
  Worker& worker = workers[id];
  const auto own = found.holding.placed() && !worker.own_places.empty()
                       ? worker.own_places.find(detail::place_key(found.holding.place()))
                       : worker.own_places.end();
  if (found.own != nullptr) {
    worker.blocks.erase(hashed, found.own);
    if (own != worker.own_places.end() && --own->second.names == 0) worker.own_places.erase(own);
    return;
  }
  if (--found.name->parent_tag == 0) shared.erase(hashed, found.name);
  if (own != worker.own_places.end()) own->second.shared = false;
}

void PrefixIndex::State::set_tiers(std::uint32_t id, std::uint64_t hashed, const Found& found, std::uint32_t tiers,
                                   std::uint32_t parent_tag) {
  if (found.own != nullptr) {
    found.own->tiers = tiers & 0xF;
    found.own->parent_tag = parent_tag & 0xFFFF;
  } else if (tiers != 1) {
    Holding own = found.holding;
    own.tiers = tiers & 0xF;
    own.parent_tag = parent_tag & 0xFFFF;
    forget(id, hashed, found);
    put_own(id, hashed, own, false);
  }
  if (found.holding.placed()) note_tier(id, found.holding.place(), tiers);
}

Place PrefixIndex::State::park(std::uint32_t id, const Orphan& orphan, const Holding& claim) {
  Worker& worker = workers[id];
  const std::uint64_t hashed = worker.hash.hash(orphan.engine_hash);
  if (const Found found = look_up(id, orphan.engine_hash, hashed); found.known()) {
    const Holding before = found.holding;
    const bool same_content =
        before.placed()
            ? tree.content(before.place()) == orphan.content && tree.namespace_key(before.at) == orphan.namespace_key
            : orphans[before.at].content == orphan.content && orphans[before.at].namespace_key == orphan.namespace_key;
    const bool same_parent = found.name != nullptr || before.parent_tag == claim.parent_tag;
    if (same_content && same_parent) {
      set_tiers(id, hashed, found, before.tiers | claim.tiers, claim.parent_tag);
      return before.placed() ? before.place() : Place{};
    }
    forget(id, hashed, found);
    ++counts.rehashed_blocks;
    release(id, before);
  }
  if (options.max_orphan_blocks == 0) {
    ++counts.orphans_dropped;
    return {};
  }
  if (orphans.size() == options.max_orphan_blocks) {
    const OrphanId oldest = orphans.oldest();
    Worker& owner = workers[orphans[oldest].worker];
    const std::uint64_t dropped = orphans[oldest].engine_hash;
    owner.blocks.erase(owner.hash.hash(dropped), owner.find(dropped));
    --owner.orphans;
    orphans.erase(oldest);
    ++counts.orphans_dropped;
  }
  Holding waiting = claim;
  waiting.at = orphans.park(orphan);
  waiting.offset = Holding::kWaiting;
  worker.blocks.insert(hashed, waiting);
  ++worker.orphans;
  return {};
}

void PrefixIndex::State::place_waiting(std::uint32_t id, std::uint64_t engine_hash, Place place) {
  Worker& worker = workers[id];
  std::vector<std::pair<std::uint64_t, Place>> parents = {{engine_hash, place}};
  while (!parents.empty() && orphans.size() != 0) {
    const auto [parent_hash, parent] = parents.back();
    parents.pop_back();
    OrphanId waiting = orphans.first_waiting(id, parent_hash);
    while (waiting != kNoOrphan) {
      const OrphanId next = orphans.next_waiting(waiting);
      const Orphan orphan = orphans[waiting];
      if (orphan.namespace_key == tree.namespace_key(parent.run)) {
        orphans.erase(waiting);
        --worker.orphans;
        const Stretch child = tree.extend(parent, orphan.namespace_key, {&orphan.content, 1});
        const std::uint64_t hashed = worker.hash.hash(orphan.engine_hash);
        Holding* const entry = worker.find(orphan.engine_hash, hashed);
        Holding holding = *entry;
        holding.at = child.run;
        holding.offset = child.offset & 0xFFF;
        if (options.shared_engine_hashes) {
          worker.blocks.erase(hashed, entry);
          put(id, hashed, holding);
        } else {
          *entry = holding;
        }
        hold(id, child.run, child.offset, child.offset + 1);
        note_tier(id, holding.place(), holding.tiers);
        tree.settle();
        parents.emplace_back(orphan.engine_hash, Place{child.run, child.offset});
      }
      waiting = next;
    }
  }
}

void PrefixIndex::State::hold(std::uint32_t id, detail::RunId run, std::uint32_t first, std::uint32_t last) {
  if (first == last) return;
  Worker& worker = workers[id];
  already.clear();
  tree.hold(id, run, first, last, already);
  std::size_t fresh = last - first;
  for (const RunTree::Range& range : already) {
    fresh -= range.last - range.first;
    for (std::uint32_t offset = range.first; offset < range.last; ++offset)
      ++worker.duplicates[detail::place_key({run, offset})];
  }
  worker.memberships += fresh;
  counts.memberships += fresh;
}

std::uint32_t PrefixIndex::State::tiers_at(std::uint32_t id, Place place) const {
  std::uint32_t tiers = 0;
  detail::HoldingTable::Cursor all;
  (void)workers[id].blocks.visit(all, std::numeric_limits<std::size_t>::max(), [&](const Holding& holding) {
    if (holding.placed() && holding.place() == place) tiers |= holding.tiers;
  });
  if (options.shared_engine_hashes) {
    const auto own = workers[id].own_places.find(detail::place_key(place));
    if (own == workers[id].own_places.end() || own->second.shared) tiers |= 1;
  }
  return tiers;
}

void PrefixIndex::State::note_tier(std::uint32_t id, Place place, std::uint32_t tiers) {
  if (fastest(tiers) == 0 && tree.slow_of(id) == 0) return;
  if (workers[id].duplicates.contains(detail::place_key(place))) tiers = tiers_at(id, place);
  tree.set_tier(id, place, fastest(tiers));
}

void PrefixIndex::State::release(std::uint32_t id, const Holding& holding) {
  Worker& worker = workers[id];
  if (!holding.placed()) {
    orphans.erase(holding.at);
    --worker.orphans;
    return;
  }
  if (const auto it = worker.duplicates.find(detail::place_key(holding.place())); it != worker.duplicates.end()) {
    if (--it->second == 0) worker.duplicates.erase(it);
    if (worker.slow_tiers) tree.set_tier(id, holding.place(), fastest(tiers_at(id, holding.place())));
    return;
  }
  --worker.memberships;
  --counts.memberships;
  tree.release(id, holding.at, holding.offset, holding.offset + 1u);
}

Status PrefixIndex::State::apply(const BlockRemoved& event) {
  if (Status status = check(event.worker, event.tier); !status.ok()) return status;
  const std::uint32_t id = event.worker.value;
  if (options.shared_engine_hashes) {
    remove_shared(id, event);
    return {};
  }
  Worker& worker = workers[id];
  const std::uint32_t tier = detail::tier_bit(event.tier);
  const std::span<const std::uint64_t> hashes = event.engine_hashes;
  // Blocks of one run that follow one another, in either direction, are told to the tree at once.
  detail::RunId run = kNoRun;
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  const auto flush = [&] {
    if (run == kNoRun) return;
    worker.memberships -= last - first;
    counts.memberships -= last - first;
    tree.release(id, std::exchange(run, kNoRun), first, last);
  };
  Ahead ahead(worker.blocks, worker.hash, hashes);
  ahead.fetch_slots();
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    const std::uint64_t hashed = ahead.next(i);
    Holding* const known = worker.find(hashes[i], hashed);
    if (known == nullptr || (known->tiers & tier) == 0) {
      ++counts.unknown_removes;
      continue;
    }
    known->tiers = known->tiers & ~tier & 0xF;
    if (known->tiers != 0) {
      if (known->placed()) note_tier(id, known->place(), known->tiers);
      continue;
    }
    const Holding gone = *known;
    worker.blocks.erase(hashed, known);
    if (!gone.placed() || !worker.duplicates.empty()) {
      flush();
      release(id, gone);
    } else if (gone.at == run && gone.offset + 1u == first) {
      --first;
    } else if (gone.at == run && gone.offset == last) {
      ++last;
    } else {
      flush();
      run = gone.at;
      first = gone.offset;
      last = gone.offset + 1u;
    }
  }
  flush();
  return {};
}

void PrefixIndex::State::remove_shared(std::uint32_t id, const BlockRemoved& event) {
  Worker& worker = workers[id];
  const std::uint32_t tier = detail::tier_bit(event.tier);
  const std::span<const std::uint64_t> hashes = event.engine_hashes;
  Untold gone;
  const auto tell = [&] {
    if (gone.run == kNoRun) return;
    worker.memberships -= gone.last - gone.first;
    counts.memberships -= gone.last - gone.first;
    tree.release(id, std::exchange(gone.run, kNoRun), gone.first, gone.last);
  };
  Ahead ahead(shared, worker.hash, hashes);
  ahead.fetch_slots();
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    const std::uint64_t hashed = ahead.next(i);
    const Found found = look_up(id, hashes[i], hashed, gone);
    if (!found.known() || (found.holding.tiers & tier) == 0) {
      ++counts.unknown_removes;
      continue;
    }
    const Holding& holding = found.holding;
    if ((holding.tiers & ~tier) != 0) {
      set_tiers(id, hashed, found, holding.tiers & ~tier, holding.parent_tag);
      continue;
    }
    forget(id, hashed, found);
    if (!holding.placed() || !worker.duplicates.empty()) {
      tell();
      release(id, holding);
    } else if (holding.at == gone.run && holding.offset + 1u == gone.first) {
      --gone.first;
    } else if (holding.at == gone.run && holding.offset == gone.last) {
      ++gone.last;
    } else {
      tell();
      gone = {holding.at, holding.offset, holding.offset + 1u, false};
    }
  }
  tell();
}

Status PrefixIndex::State::apply(const AllBlocksCleared& event) {
  if (Status status = check(event.worker, KvTier::kDevice); !status.ok()) return status;
  const std::uint32_t id = event.worker.value;
  Worker& worker = workers[id];
  drop_orphans(id);
  counts.memberships -= worker.memberships;
  (void)drop(id, std::numeric_limits<std::size_t>::max());
  reset(id);
  return {};
}

void PrefixIndex::State::drop_orphans(std::uint32_t id) {
  Worker& worker = workers[id];
  for (OrphanId orphan = orphans.oldest(); worker.orphans != 0;) {
    const OrphanId next = orphans.next_oldest(orphan);
    if (orphans[orphan].worker == id) {
      const std::uint64_t hash = orphans[orphan].engine_hash;
      worker.blocks.erase(worker.hash.hash(hash), worker.find(hash));
      orphans.erase(orphan);
      --worker.orphans;
    }
    orphan = next;
  }
}

std::size_t PrefixIndex::State::drop(std::uint32_t id, std::size_t budget) {
  Worker& worker = workers[id];
  if (options.shared_engine_hashes && worker.memberships != 0) {
    std::vector<Holding> held;
    detail::HoldingTable::Cursor all;
    (void)shared.visit(all, std::numeric_limits<std::size_t>::max(), [&](const Holding& name) {
      if (!tree.holds(id, name.place())) return;
      const auto own = worker.own_places.find(detail::place_key(name.place()));
      if (own == worker.own_places.end() || own->second.shared) held.push_back(name);
    });
    for (const Holding& name : held) {
      const std::uint64_t hashed = worker.hash.hash(name.engine_hash);
      Holding* const entry =
          shared.find(hashed, [&name](const Holding& one) { return one.engine_hash == name.engine_hash; });
      if (--entry->parent_tag == 0) shared.erase(hashed, entry);
      if (tree.in(id, name.at)) tree.drop(id, name.at);
    }
  }
  const std::size_t visited = worker.blocks.visit(worker.swept, budget, [&](const Holding& holding) {
    if (tree.in(id, holding.at)) tree.drop(id, holding.at);
  });
  return budget - visited;
}

void PrefixIndex::State::reset(std::uint32_t id) {
  Worker& worker = workers[id];
  worker.blocks.clear();
  worker.duplicates = Worker(options.seed).duplicates;
  worker.own_places = Worker(options.seed).own_places;
  worker.memberships = 0;
  worker.slow_tiers = false;
  worker.swept = {};
}

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

Result<PrefixIndex> PrefixIndex::create(const PrefixIndexOptions& options) {
  Faults faults;
  const auto range = [&faults](const char* path, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
    if (value >= low && value <= high) return;
    faults.add(path, std::to_string(value) + " is not in " + std::to_string(low) + ".." + std::to_string(high));
  };
  range("block_tokens", options.block_tokens, 1, 65536);
  range("max_workers", options.max_workers, 1, detail::kMaxWorkers);
  range("max_orphan_blocks", options.max_orphan_blocks, 0, kNoOrphan);
  if (!faults.empty()) return faults.status();
  return PrefixIndex(std::make_unique<State>(options));
}

PrefixIndex::PrefixIndex(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
PrefixIndex::PrefixIndex(PrefixIndex&&) noexcept = default;
PrefixIndex& PrefixIndex::operator=(PrefixIndex&&) noexcept = default;
PrefixIndex::~PrefixIndex() = default;

const PrefixIndexOptions& PrefixIndex::options() const noexcept { return state_->options; }

Result<WorkerId> PrefixIndex::add_worker(std::string_view name) {
  if (name.empty()) return invalid_argument("name: is empty");
  State& state = *state_;
  if (const WorkerId known = find_worker(name); known.valid()) return known;
  if (state.counts.workers == state.options.max_workers) {
    return resource_exhausted("name: all " + std::to_string(state.options.max_workers) + " workers are in use");
  }
  const auto unused =
      std::find_if(state.workers.begin(), state.workers.end(), [](const Worker& worker) { return !worker.in_use; });
  const auto id = static_cast<std::uint32_t>(unused - state.workers.begin());
  if (unused == state.workers.end()) state.workers.emplace_back(state.options.seed);
  if (std::erase(state.unswept, id) != 0) {
    (void)state.drop(id, std::numeric_limits<std::size_t>::max());
    state.reset(id);
  }
  Worker& worker = state.workers[id];
  worker.in_use = true;
  worker.name = name;
  state.names.emplace(worker.name, id);
  state.limit = std::max<std::size_t>(state.limit, id + 1u);
  state.alive.resize(std::max(state.alive.size(), detail::words_for(state.limit)));
  state.alive[detail::word_of(id)] |= detail::bit_of(id);
  ++state.counts.workers;
  return WorkerId{id};
}

WorkerId PrefixIndex::find_worker(std::string_view name) const noexcept {
  const auto it = state_->names.find(name);
  return it == state_->names.end() ? WorkerId{} : WorkerId{it->second};
}

std::string_view PrefixIndex::worker_name(WorkerId worker) const noexcept {
  return state_->in_use(worker) ? std::string_view(state_->workers[worker.value].name) : std::string_view();
}

Status PrefixIndex::remove_worker(WorkerId worker) {
  State& state = *state_;
  if (Status status = state.check(worker, KvTier::kDevice); !status.ok()) return status;
  const std::uint32_t id = worker.value;
  Worker& gone = state.workers[id];
  state.drop_orphans(id);
  state.counts.memberships -= gone.memberships;
  state.names.erase(gone.name);
  gone.name.clear();
  gone.name.shrink_to_fit();
  gone.in_use = false;
  state.alive[detail::word_of(id)] &= ~detail::bit_of(id);
  if (gone.memberships != 0) state.unswept.push_back(id);
  while (state.limit != 0 && !state.workers[state.limit - 1].in_use) --state.limit;
  if (--state.counts.workers == 0) {
    state.tree.clear();
    state.shared.clear();
    state.workers = std::vector<Worker>();
    state.alive = {};
    state.unswept = {};
    state.already = {};
  }
  return {};
}

std::size_t PrefixIndex::sweep(std::size_t max_blocks) {
  State& state = *state_;
  while (max_blocks != 0 && !state.unswept.empty()) {
    const std::uint32_t id = state.unswept.front();
    max_blocks = state.drop(id, max_blocks);
    if (max_blocks == 0) break;
    state.reset(id);
    state.unswept.erase(state.unswept.begin());
    ++state.counts.sweeps;
  }
  while (state.workers.size() > state.limit && state.workers.back().memberships == 0) state.workers.pop_back();
  std::size_t left = 0;
  for (const std::uint32_t id : state.unswept) left += state.workers[id].memberships;
  return left;
}

std::size_t PrefixIndex::worker_limit() const noexcept { return state_->limit; }

Status PrefixIndex::apply(const KvEvent& event) {
  return std::visit([this](const auto& one) { return state_->apply(one); }, event);
}

PrefixQuery PrefixIndex::make_query(const Namespace& space) const {
  Namespace own = space;
  own.block_tokens = options().block_tokens;
  return {namespace_key(own, options().seed), options().block_tokens, options().seed};
}

void PrefixIndex::find(const PrefixQuery& query, std::span<const std::uint64_t> candidates,
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

void PrefixIndex::find_for(const PrefixQuery& query, std::span<const WorkerId> workers,
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

PrefixIndexStats PrefixIndex::stats() const noexcept {
  const State& state = *state_;
  PrefixIndexStats stats = state.counts;
  stats.unique_blocks =
      state.unswept.empty() ? state.tree.held_blocks() : state.tree.held_blocks([&state](std::uint32_t worker) {
        return worker < state.workers.size() && state.workers[worker].in_use;
      });
  stats.orphan_blocks = state.orphans.size();
  stats.runs = state.tree.runs();
  for (const std::uint32_t id : state.unswept) stats.unswept_blocks += state.workers[id].memberships;
  std::size_t bytes = sizeof(State) + state.tree.heap_bytes() + state.orphans.heap_bytes() +
                      kthena::detail::heap_bytes(state.names) + kthena::detail::heap_bytes(state.workers) +
                      kthena::detail::heap_bytes(state.alive) + kthena::detail::heap_bytes(state.unswept) +
                      kthena::detail::heap_bytes(state.already) + state.shared.heap_bytes();
  for (const Worker& worker : state.workers) {
    bytes += worker.blocks.heap_bytes() + kthena::detail::heap_bytes(worker.duplicates) +
             kthena::detail::heap_bytes(worker.own_places);
  }
  stats.approximate_bytes = bytes;
  return stats;
}

}  // namespace kthena::prefix
