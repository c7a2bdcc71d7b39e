// What a worker means by an engine hash: in its own table, or in the one that engines with one hash space share.
#include <limits>

#include "prefix/index_state.hpp"

namespace kthena::prefix {

using detail::fastest;
using detail::Found;
using detail::Holding;
using detail::Place;
using detail::Untold;
using detail::Worker;

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
  if (untold.has(place) ? !untold.held : !told(id, place)) return found;
  if (!worker.own_places.empty()) {
    const auto own = worker.own_places.find(detail::place_key(place));
    if (own != worker.own_places.end() && !own->second.shared) return found;
  }
  found.name = name;
  found.holding = *name;
  found.holding.tiers = 1;
  return found;
}

Place PrefixIndex::State::place_elsewhere(std::uint64_t engine_hash, std::uint64_t hashed) {
  const Holding* const name =
      shared.find(hashed, [engine_hash](const Holding& one) { return one.engine_hash == engine_hash; });
  if (name != nullptr && unswept.empty()) return name->place();
  // Either only removed workers may hold it under that name, or the others hold it in their own tables.
  Place own;
  for (std::uint32_t id = 0; id < limit; ++id) {
    if (!workers[id].in_use) continue;
    const Found found = look_up(id, engine_hash, hashed);
    if (found.name != nullptr) return found.holding.place();
    if (own.run == detail::kNoRun && found.known() && found.holding.placed()) own = found.holding.place();
  }
  return own;
}

void PrefixIndex::State::put(std::uint32_t id, std::uint64_t hashed, const Holding& holding) {
  Worker& worker = workers[id];
  const Place place = holding.place();
  if (options.shared_engine_hashes && holding.placed() && holding.tiers == 1) {
    Holding* const name =
        shared.find(hashed, [&holding](const Holding& one) { return one.engine_hash == holding.engine_hash; });
    // A block that some engine says it holds has its name already, and no second one.
    if (name != nullptr ? name->place() == place : !told(place)) {
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
  put_own(id, hashed, holding, options.shared_engine_hashes && holding.placed() && told(id, place));
}

void PrefixIndex::State::put_own(std::uint32_t id, std::uint64_t hashed, const Holding& holding, bool also_shared) {
  Worker& worker = workers[id];
  worker.blocks.insert(hashed, holding);
  if (!options.shared_engine_hashes || !holding.placed()) return;
  detail::OwnPlace& own = worker.own_places[detail::place_key(holding.place())];
  if (own.names++ == 0) own.shared = also_shared;
}

void PrefixIndex::State::note_copy(std::uint32_t id, std::uint64_t engine_hash, std::uint32_t tiers, KvTier tier) {
  if (!options.count_copies || (tiers & detail::tier_bit(tier)) == 0) return;
  ++workers[id].copies[engine_hash][static_cast<std::size_t>(tier)];
  ++counts.copied_blocks;
}

bool PrefixIndex::State::take_copy(std::uint32_t id, std::uint64_t engine_hash, KvTier tier) {
  auto& copies = workers[id].copies;
  if (copies.empty()) return false;
  const auto it = copies.find(engine_hash);
  if (it == copies.end() || it->second[static_cast<std::size_t>(tier)] == 0) return false;
  --counts.copied_blocks;
  --it->second[static_cast<std::size_t>(tier)];
  if (it->second == std::array<std::uint32_t, 4>{}) copies.erase(it);
  return true;
}

void PrefixIndex::State::forget_copies(std::uint32_t id, std::uint64_t engine_hash) {
  auto& copies = workers[id].copies;
  if (copies.empty()) return;
  const auto it = copies.find(engine_hash);
  if (it == copies.end()) return;
  for (const std::uint32_t in_tier : it->second) counts.copied_blocks -= in_tier;
  copies.erase(it);
}

void PrefixIndex::State::drop_copies(std::uint32_t id) {
  for (const auto& [hash, by_tier] : workers[id].copies) {
    for (const std::uint32_t in_tier : by_tier) counts.copied_blocks -= in_tier;
  }
  workers[id].copies = Worker(options.seed).copies;
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

void PrefixIndex::State::foretell_tier(std::uint32_t id, Place place, std::uint32_t tiers) {
  if (fastest(tiers) != 0 && !tree.holds(id, place)) tree.set_tier(id, place, fastest(tiers));
}

void PrefixIndex::State::note_tier(std::uint32_t id, Place place, std::uint32_t tiers) {
  if (fastest(tiers) == 0 && tree.slow_of(id) == 0) return;
  if (workers[id].duplicates.contains(detail::place_key(place))) tiers = tiers_at(id, place);
  tree.set_tier(id, place, fastest(tiers));
}

}  // namespace kthena::prefix
