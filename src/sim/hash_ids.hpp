// HashIds: dense numbers for 64-bit keys, in order of first sight. Open addressing, grows by doubling.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "kthena/base/hash.hpp"

namespace kthena::sim::detail {

class HashIds {
 public:
  static constexpr std::uint32_t kUnused = 0xFFFFFFFFu;

  explicit HashIds(std::size_t expected = 0) {
    std::size_t slots = 64;
    while (slots < expected * 2) slots *= 2;
    ids_.assign(slots, kUnused);
    keys_.resize(slots);
  }

  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

  /// The number of `key`, a new one when it is new; and whether it is new.
  std::pair<std::uint32_t, bool> insert(std::uint64_t key) {
    if (std::size_t{size_} * 2 >= ids_.size()) grow();
    const std::size_t slot = find(key);
    if (ids_[slot] != kUnused) return {ids_[slot], false};
    keys_[slot] = key;
    ids_[slot] = size_;
    return {size_++, true};
  }

 private:
  [[nodiscard]] std::size_t find(std::uint64_t key) const noexcept {
    const std::size_t mask = ids_.size() - 1;
    std::size_t slot = mix64(key) & mask;
    while (ids_[slot] != kUnused && keys_[slot] != key) slot = (slot + 1) & mask;
    return slot;
  }

  void grow() {
    std::vector<std::uint32_t> ids(ids_.size() * 2, kUnused);
    std::vector<std::uint64_t> keys(ids.size());
    ids.swap(ids_);
    keys.swap(keys_);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] == kUnused) continue;
      const std::size_t slot = find(keys[i]);
      ids_[slot] = ids[i];
      keys_[slot] = keys[i];
    }
  }

  std::vector<std::uint32_t> ids_;
  std::vector<std::uint64_t> keys_;
  std::uint32_t size_ = 0;
};

}  // namespace kthena::sim::detail
