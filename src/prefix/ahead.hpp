// src/prefix/ahead.hpp
//
// Ahead: the engine hashes of one event, hashed a few blocks ahead of their use, so that their table entries are on the way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "prefix/holdings.hpp"

namespace kthena::prefix::detail {

class Ahead {
 public:
  Ahead(const HoldingTable& table, const HoldingUpperHash& hash, std::span<const std::uint64_t> engine_hashes) noexcept
      : table_(table), hash_(hash), engine_hashes_(engine_hashes) {
    for (std::size_t i = 0; i < std::min(kTags, engine_hashes.size()); ++i) fetch_tags(i);
  }
  /// To be called once, after some other work if there is any.
  void fetch_slots() noexcept {
    for (std::size_t i = 0; i < std::min(kSlots, engine_hashes_.size()); ++i) table_.prefetch_slot(hashed_[i]);
  }
  /// The hash of engine_hashes[i]; i = 0, 1, 2 ...
  std::uint64_t next(std::size_t i) noexcept {
    const std::uint64_t hashed = hashed_[i % kTags];
    if (i + kTags < engine_hashes_.size()) fetch_tags(i + kTags);
    if (i + kSlots < engine_hashes_.size()) table_.prefetch_slot(hashed_[(i + kSlots) % kTags]);
    return hashed;
  }

 private:
  static constexpr std::size_t kTags = 16;
  static constexpr std::size_t kSlots = 8;

  void fetch_tags(std::size_t i) noexcept { table_.prefetch_tags(hashed_[i % kTags] = hash_.hash(engine_hashes_[i])); }

  const HoldingTable& table_;
  const HoldingUpperHash& hash_;
  std::span<const std::uint64_t> engine_hashes_;
  std::uint64_t hashed_[kTags] = {};
};

}  // namespace kthena::prefix::detail
