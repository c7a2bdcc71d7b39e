// src/prefix/compat/owner_table.hpp
//
// OwnerTable: (model, block hash) -> set of workers, the store that both of Kthena's prefix plugins have in common. Entries are dense
// numbers; the owners of an entry are a row of bits in one array, as wide as the largest worker id seen needs (one word up to 64).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kthena/base/hash.hpp"
#include "prefix/slot_table.hpp"
#include "prefix/worker_set.hpp"

namespace kthena::prefix::compat::detail {

using prefix::detail::bit_of;
using prefix::detail::SlotTable;
using prefix::detail::word_of;

struct BlockKey {
  std::uint64_t model = 0;
  std::uint64_t hash = 0;

  [[nodiscard]] std::uint64_t mixed() const noexcept { return combine64(model, hash); }
  friend bool operator==(const BlockKey&, const BlockKey&) = default;
};

class OwnerTable {
 public:
  static constexpr std::uint32_t kNone = SlotTable::kNone;

  /// The entry, or kNone.
  [[nodiscard]] std::uint32_t find(const BlockKey& key) const noexcept {
    return slots_.find(key.mixed(), [&](std::uint32_t entry) { return keys_[entry] == key; });
  }
  /// The entry, made without owners if it is not there; then the caller adds one.
  std::uint32_t make(const BlockKey& key) {
    std::uint32_t entry = find(key);
    if (entry != kNone) return entry;
    if (free_.empty()) {
      entry = static_cast<std::uint32_t>(keys_.size());
      keys_.push_back(key);
      rows_.resize(rows_.size() + width_);
    } else {
      entry = free_.back();
      free_.pop_back();
      keys_[entry] = key;
    }
    slots_.insert(key.mixed(), entry);
    return entry;
  }

  [[nodiscard]] const BlockKey& key(std::uint32_t entry) const noexcept { return keys_[entry]; }
  /// A bit per worker; words beyond the row are 0.
  [[nodiscard]] std::span<const std::uint64_t> owners(std::uint32_t entry) const noexcept {
    return {rows_.data() + width_ * entry, width_};
  }
  [[nodiscard]] bool owns(std::uint32_t entry, std::uint32_t worker) const noexcept {
    return word_of(worker) < width_ && (rows_[width_ * entry + word_of(worker)] & bit_of(worker)) != 0;
  }

  /// False if the worker owned it already. worker < kMaxWorkers.
  bool add_owner(std::uint32_t entry, std::uint32_t worker) {
    if (word_of(worker) >= width_) widen(word_of(worker) + 1);
    std::uint64_t& word = rows_[width_ * entry + word_of(worker)];
    if ((word & bit_of(worker)) != 0) return false;
    word |= bit_of(worker);
    ++pairs_;
    return true;
  }
  /// False if the worker did not own it. The last owner takes the entry with it.
  bool remove_owner(std::uint32_t entry, std::uint32_t worker) {
    if (!owns(entry, worker)) return false;
    rows_[width_ * entry + word_of(worker)] &= ~bit_of(worker);
    --pairs_;
    if (std::ranges::all_of(owners(entry), [](std::uint64_t word) { return word == 0; })) {
      slots_.erase(keys_[entry].mixed(), entry);
      free_.push_back(entry);
    }
    return true;
  }

  void prefetch(const BlockKey& key) const noexcept { slots_.prefetch(key.mixed()); }

  /// Entries are below this; free ones have no owners.
  [[nodiscard]] std::uint32_t entry_limit() const noexcept { return static_cast<std::uint32_t>(keys_.size()); }
  /// Worker ids that own anything are below this.
  [[nodiscard]] std::size_t worker_limit() const noexcept { return 64 * width_; }
  /// (worker, block) pairs.
  [[nodiscard]] std::uint64_t pairs() const noexcept { return pairs_; }

 private:
  void widen(std::size_t width) {
    std::vector<std::uint64_t> rows(keys_.size() * width);
    for (std::size_t entry = 0; entry < keys_.size(); ++entry) {
      std::copy_n(rows_.begin() + static_cast<std::ptrdiff_t>(width_ * entry), width_,
                  rows.begin() + static_cast<std::ptrdiff_t>(width * entry));
    }
    rows_ = std::move(rows);
    width_ = width;
  }

  SlotTable slots_;
  std::vector<BlockKey> keys_;
  std::vector<std::uint64_t> rows_;
  std::vector<std::uint32_t> free_;
  std::size_t width_ = 1;
  std::uint64_t pairs_ = 0;
};

/// Blocks between the prefetch of a table slot and its use: enough to hide a load from memory behind the probes of the blocks before.
inline constexpr std::size_t kPrefetchDistance = 8;

}  // namespace kthena::prefix::compat::detail
