// Blocks that are gone: removed one by one, cleared, or held by a worker that was removed.
#include <limits>
#include <utility>
#include <vector>

#include "prefix/ahead.hpp"
#include "prefix/index_state.hpp"

namespace kthena::prefix {

using detail::Ahead;
using detail::fastest;
using detail::Found;
using detail::Holding;
using detail::kNoRun;
using detail::OrphanId;
using detail::Untold;
using detail::Worker;

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
    if (take_copy(id, hashes[i], event.tier)) continue;
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
    if (take_copy(id, hashes[i], event.tier)) continue;
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
  drop_copies(id);
  counts.memberships -= worker.memberships;
  counts.expected_blocks -= worker.guesses.size();
  hide(id);
  (void)drop(id, std::numeric_limits<std::size_t>::max());
  reset(id);
  detail::store(hidden, hidden - 1);
  show(id);
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
      if (told(id, name.place()) && under_shared_name(id, name.place())) held.push_back(name);
    });
    for (const Holding& name : held) {
      const std::uint64_t hashed = worker.hash.hash(name.engine_hash);
      Holding* const entry =
          shared.find(hashed, [&name](const Holding& one) { return one.engine_hash == name.engine_hash; });
      if (--entry->parent_tag == 0) shared.erase(hashed, entry);
      if (tree.in(id, name.at)) tree.drop(id, name.at);
    }
  }
  std::size_t visited = worker.blocks.visit(worker.swept, budget, [&](const Holding& holding) {
    if (tree.in(id, holding.at)) tree.drop(id, holding.at);
  });
  for (; visited < budget && worker.guesses.size() != 0; ++visited) {
    const detail::Guesses::Segment segment = worker.guesses.oldest();
    worker.guesses.drop_oldest(segment.last - segment.first);
    if (tree.in(id, segment.run)) tree.drop(id, segment.run);
  }
  return budget - visited;
}

void PrefixIndex::State::reset(std::uint32_t id) {
  Worker& worker = workers[id];
  worker.blocks.clear();
  worker.duplicates = Worker(options.seed).duplicates;
  worker.own_places = Worker(options.seed).own_places;
  worker.guesses.clear();
  worker.memberships = 0;
  worker.slow_tiers = false;
  worker.swept = {};
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

}  // namespace kthena::prefix
