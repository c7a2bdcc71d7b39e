// Blocks that engines stored: their places in the tree, and the orphans that wait for their parent.
#include <utility>
#include <vector>

#include "prefix/ahead.hpp"
#include "prefix/index_state.hpp"

namespace kthena::prefix {

using detail::Ahead;
using detail::fastest;
using detail::Found;
using detail::Holding;
using detail::kNoOrphan;
using detail::kNoRun;
using detail::Orphan;
using detail::OrphanId;
using detail::Place;
using detail::RunTree;
using detail::Stretch;
using detail::Untold;
using detail::Worker;

namespace {

detail::Contents contents_of(const Orphan& orphan) noexcept {
  return {{&orphan.content, 1}, {&orphan.content_upper, 1}};
}

}  // namespace

Status PrefixIndex::State::apply(const BlockStored& event) {
  if (Status status = check(event.worker, event.tier); !status.ok()) return status;
  if (event.engine_hashes.empty() && event.content_hashes.empty()) return {};
  if (event.content_uppers.size() != (options.wide_contents ? event.content_hashes.size() : 0)) {
    return invalid_argument("content_uppers: " + std::to_string(event.content_uppers.size()) + " elements for " +
                            std::to_string(event.content_hashes.size()) + " contents of " +
                            (options.wide_contents ? "128" : "64") + " bits");
  }
  if (event.content_hashes.empty()) {
    store_known(event);
    return {};
  }
  if (event.engine_hashes.size() != event.content_hashes.size()) {
    return invalid_argument("content_hashes: " + std::to_string(event.content_hashes.size()) +
                            " elements where engine_hashes has " + std::to_string(event.engine_hashes.size()));
  }

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
    parent = park(id,
                  {event.namespace_key, claim.engine_hash, parent_hash, event.content_hashes[i], id,
                   options.wide_contents ? event.content_uppers[i] : 0},
                  claim);
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
  bool fast = event.tier == KvTier::kDevice && tree.slow_of(id) == 0;  // nothing to note about tiers
  const std::size_t most = single ? 1 : hashes.size() - first;
  Ahead ahead(options.shared_engine_hashes ? shared : worker.blocks, worker.hash, hashes.subspan(first, most));
  const Stretch stretch = tree.extend(
      parent, event.namespace_key, detail::Contents{event.content_hashes, event.content_uppers}.subspan(first, most));
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
    if (!fast) foretell_tier(id, claim.place(), claim.tiers);
    const auto [known, is_new] = worker.blocks.find_or_insert(
        hashed, claim, [hash = claim.engine_hash](const Holding& one) { return one.engine_hash == hash; });
    placed = true;
    if (!is_new) {
      const Holding before = std::exchange(*known, claim);
      const bool same = before.placed() && before.place() == claim.place();
      hold(id, stretch.run, unheld, claim.offset + (same ? 0u : 1u));  // before the release, which may free runs
      unheld = claim.offset + 1u;
      if (same) {
        note_copy(id, claim.engine_hash, before.tiers, event.tier);
        known->tiers |= before.tiers;
        placed = false;
      } else {
        ++counts.rehashed_blocks;
        forget_copies(id, claim.engine_hash);
        release(id, before);
        fast = fast && tree.slow_of(id) == 0;  // what is left at the old place may be slow
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
  bool fast = event.tier == KvTier::kDevice && tree.slow_of(id) == 0;
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
    if (!fast) foretell_tier(id, claim.place(), claim.tiers);
    const Found before = look_up(id, claim.engine_hash, hashed, untold);
    placed = true;
    if (!before.known()) {
      put(id, hashed, claim);
      untold.last = claim.offset + 1u;
    } else if (before.holding.placed() && before.holding.place() == claim.place()) {
      tell(claim.offset, claim.offset + 1u);
      note_copy(id, claim.engine_hash, before.holding.tiers, event.tier);
      set_tiers(id, hashed, before, before.holding.tiers | claim.tiers, claim.parent_tag);
      placed = false;
    } else {
      ++counts.rehashed_blocks;
      forget_copies(id, claim.engine_hash);
      tell(claim.offset, claim.offset);
      forget(id, hashed, before);
      put(id, hashed, claim);
      tell(claim.offset + 1u, claim.offset + 1u);
      release(id, before.holding);
      fast = fast && tree.slow_of(id) == 0;
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

void PrefixIndex::State::store_known(const BlockStored& event) {
  const std::uint32_t id = event.worker.value;
  Worker& worker = workers[id];
  const std::uint32_t tier = detail::tier_bit(event.tier);
  worker.slow_tiers |= event.tier != KvTier::kDevice;
  for (const std::uint64_t engine_hash : event.engine_hashes) {
    const std::uint64_t hashed = worker.hash.hash(engine_hash);
    if (const Found found = look_up(id, engine_hash, hashed); found.known()) {
      // A name in the shared table has no parent's tag.
      const std::uint32_t parent_tag = found.own != nullptr ? found.holding.parent_tag : detail::kUnknownParent;
      note_copy(id, engine_hash, found.holding.tiers, event.tier);
      set_tiers(id, hashed, found, found.holding.tiers | tier, parent_tag);
      continue;
    }
    const Place place = options.shared_engine_hashes ? place_elsewhere(engine_hash, hashed) : Place{};
    if (place.run == kNoRun) {
      ++counts.unresolved_stores;
      continue;
    }
    Holding claim;
    claim.engine_hash = engine_hash;
    claim.at = place.run;
    claim.offset = place.offset & 0xFFF;
    claim.tiers = tier & 0xF;
    claim.parent_tag = detail::kUnknownParent;
    put(id, hashed, claim);
    foretell_tier(id, place, tier);
    hold(id, place.run, place.offset, place.offset + 1);
    note_tier(id, place, tier);
    if (orphans.size() != 0) place_waiting(id, engine_hash, place);
  }
}

Place PrefixIndex::State::park(std::uint32_t id, const Orphan& orphan, const Holding& claim) {
  Worker& worker = workers[id];
  const std::uint64_t hashed = worker.hash.hash(orphan.engine_hash);
  if (const Found found = look_up(id, orphan.engine_hash, hashed); found.known()) {
    const Holding before = found.holding;
    const bool same_content = before.placed() ? tree.has_content(before.place(), contents_of(orphan)) &&
                                                    tree.namespace_key(before.at) == orphan.namespace_key
                                              : orphans[before.at].content == orphan.content &&
                                                    orphans[before.at].content_upper == orphan.content_upper &&
                                                    orphans[before.at].namespace_key == orphan.namespace_key;
    const bool same_parent =
        found.name != nullptr || before.parent_tag == claim.parent_tag || before.parent_tag == detail::kUnknownParent;
    if (same_content && same_parent) {
      note_copy(id, orphan.engine_hash, before.tiers, static_cast<KvTier>(fastest(claim.tiers)));
      set_tiers(id, hashed, found, before.tiers | claim.tiers, claim.parent_tag);
      return before.placed() ? before.place() : Place{};
    }
    forget(id, hashed, found);
    ++counts.rehashed_blocks;
    forget_copies(id, orphan.engine_hash);
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
    forget_copies(orphans[oldest].worker, dropped);
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
        const Stretch child = tree.extend(parent, orphan.namespace_key, contents_of(orphan));
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
        foretell_tier(id, holding.place(), holding.tiers);
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
    // A guess is a guess no more; what the worker had a name for has two now.
    const auto add_names = [&](std::uint32_t from, std::uint32_t to) {
      for (; from < to; ++from) ++worker.duplicates[detail::place_key({run, from})];
    };
    std::uint32_t named = range.first;
    worker.guesses.for_each_in(run, range.first, range.last, [&](std::uint32_t from, std::uint32_t to) {
      add_names(named, from);
      named = to;
    });
    add_names(named, range.last);
    const std::size_t promoted = worker.guesses.erase(run, range.first, range.last);
    counts.expected_blocks -= promoted;
    counts.promoted_blocks += promoted;
  }
  worker.memberships += fresh;
  counts.memberships += fresh;
}

}  // namespace kthena::prefix
