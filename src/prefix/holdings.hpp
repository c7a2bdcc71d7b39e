// src/prefix/holdings.hpp
//
// Holdings: what one worker says it has, by the engine's own block hashes. Each block is either placed in the tree or waits as an orphan.
//
//   Memory   25 bytes per place of the table: 29 to 58 per block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/containers.hpp"
#include "kthena/base/kv_event.hpp"

namespace kthena::prefix::detail {

constexpr std::uint8_t tier_bit(KvTier tier) noexcept {
  return static_cast<std::uint8_t>(1u << static_cast<unsigned>(tier));
}

struct Holding {
  /// Engine hash of the parent in the last store. Tells a repeated store from a new one when the parent is gone.
  std::uint64_t parent_hash = 0;
  /// NodeId when placed, OrphanId when waiting.
  std::uint32_t at = 0;
  std::uint8_t tiers = 0;
  bool placed = false;
  /// False for a block that starts a prompt.
  bool has_parent = false;
};

struct Worker {
  /// `seed`: the secret of the tables.
  explicit Worker(std::uint64_t seed)
      : blocks(0, kthena::detail::Hash{mix64(seed + 4)}), duplicates(0, kthena::detail::Hash{mix64(seed + 5)}) {}

  bool in_use = false;
  std::string name;
  kthena::detail::HashMap<std::uint64_t, Holding> blocks;  ///< by engine hash
  /// Further engine hashes of this worker at one node, beyond the first; normally empty.
  kthena::detail::HashMap<std::uint32_t, std::uint32_t> duplicates;
};

}  // namespace kthena::prefix::detail
