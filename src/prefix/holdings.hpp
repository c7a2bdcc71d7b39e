// src/prefix/holdings.hpp
//
// Holdings: what one worker says it has, by the engine's own block hashes. Each block is either placed in the tree or waits as an orphan.
//
//   Memory   16 bytes per block at a load of 60 to 85 %, and 1.07 for the tag: 20 to 28.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/containers.hpp"
#include "kthena/base/hash.hpp"
#include "kthena/base/kv_event.hpp"
#include "prefix/guesses.hpp"
#include "prefix/orphans.hpp"
#include "prefix/run_tree.hpp"
#include "prefix/tag_table.hpp"

namespace kthena::prefix::detail {

constexpr std::uint32_t tier_bit(KvTier tier) noexcept { return 1u << static_cast<unsigned>(tier); }

/// A block by the engine's hash.
struct Holding {
  std::uint64_t engine_hash = 0;
  /// RunId when placed, OrphanId when waiting.
  std::uint32_t at = 0;
  /// Offset in the run; kWaiting for an orphan.
  std::uint32_t offset : 12 = 0;
  std::uint32_t tiers : 4 = 0;
  /// 16 bits of the hash of the parent in the last store, 0 for a block that starts a prompt, or kUnknownParent. Tells a repeated
  /// store from a new one when the parent is gone.
  std::uint32_t parent_tag : 16 = 0;

  static constexpr std::uint32_t kWaiting = 0xFFF;
  [[nodiscard]] bool placed() const noexcept { return offset != kWaiting; }
  [[nodiscard]] Place place() const noexcept { return {at, offset}; }
};
static_assert(sizeof(Holding) == 16 && RunTree::kMaxLength <= Holding::kWaiting);

struct HoldingUpperHash {
  std::uint64_t secret = 0;
  [[nodiscard]] std::uint64_t hash(std::uint64_t engine_hash) const noexcept { return mix64(engine_hash ^ secret); }
  std::uint32_t operator()(const Holding& holding) const noexcept {
    return static_cast<std::uint32_t>(hash(holding.engine_hash) >> 32);
  }
};

using HoldingTable = TagTable<Holding, HoldingUpperHash>;

/// Where the engines share one hash space, most blocks are in one table for all workers, and a worker's own table has those that do not fit
/// there: orphans, blocks in other tiers than the first, and names that other workers do not use for the block. This is a place that the own
/// table has blocks at.
struct OwnPlace {
  std::uint32_t names = 0;  ///< in the own table
  bool shared = false;      ///< the worker holds it under the name in the shared table as well
};

struct Worker {
  /// `seed`: the secret of the tables.
  explicit Worker(std::uint64_t seed)
      : hash{mix64(seed + 4)},
        blocks(hash),
        duplicates(0, kthena::detail::Hash{mix64(seed + 5)}),
        copies(0, kthena::detail::Hash{mix64(seed + 9)}),
        own_places(0, kthena::detail::Hash{mix64(seed + 6)}),
        guesses(mix64(seed + 7)) {}

  [[nodiscard]] Holding* find(std::uint64_t engine_hash) noexcept { return find(engine_hash, hash.hash(engine_hash)); }
  [[nodiscard]] Holding* find(std::uint64_t engine_hash, std::uint64_t hashed) noexcept {
    return blocks.find(hashed, [engine_hash](const Holding& one) { return one.engine_hash == engine_hash; });
  }
  [[nodiscard]] const Holding* find(std::uint64_t engine_hash) const noexcept {
    return const_cast<Worker*>(this)->find(engine_hash);
  }

  bool in_use = false;
  bool slow_tiers = false;  ///< it stored something in another tier than the first
  std::string name;
  HoldingUpperHash hash;
  HoldingTable blocks;
  std::size_t memberships = 0;  ///< distinct places, with the guesses
  std::size_t orphans = 0;
  /// Further engine hashes of this worker at one place (run, offset), beyond the first; normally empty.
  kthena::detail::HashMap<std::uint64_t, std::uint32_t> duplicates;
  /// By engine hash: copies beyond the first, by tier; empty unless copies are counted.
  kthena::detail::HashMap<std::uint64_t, std::array<std::uint32_t, 4>> copies;
  /// By place, as the duplicates; empty unless engine hashes are shared.
  kthena::detail::HashMap<std::uint64_t, OwnPlace> own_places;
  /// Blocks that it is expected to hold and has no name for. No engine hash of it is at a place that is one of these.
  Guesses guesses;
  /// Of a worker that was removed: how far the sweep is.
  HoldingTable::Cursor swept;
};

constexpr std::uint64_t place_key(Place place) noexcept { return std::uint64_t{place.run} << 32 | place.offset; }

/// The parent's tag of a block whose parent was not told: any parent is the same.
inline constexpr std::uint32_t kUnknownParent = 0xFFFF;

constexpr std::uint32_t parent_tag(std::uint64_t hashed) noexcept {
  const auto tag = static_cast<std::uint32_t>(hashed >> 16 & 0xFFFF);
  return tag == 0 || tag == kUnknownParent ? 1 : tag;
}

}  // namespace kthena::prefix::detail
