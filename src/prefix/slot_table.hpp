// src/prefix/slot_table.hpp
//
// SlotTable: a hash table of 32-bit values whose keys live elsewhere, in arrays of the owner. Open addressing with linear probing; 8
// bytes per slot, at most 62.5 % full; removal shifts back, so there are no tombstones. A slot keeps 32 bits of the key's hash, of
// which the upper ones say where it belongs: neither growth nor removal looks at keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace kthena::prefix::detail {

class SlotTable {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;

  /// The value under `hash` for which `is_key(value)` holds, or kNone.
  template <class IsKey>
  [[nodiscard]] std::uint32_t find(std::uint64_t hash, IsKey&& is_key) const noexcept {
    if (slots_.empty()) return kNone;
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t at = home(tag);; at = (at + 1) & mask()) {
      const Slot slot = slots_[at];
      if (slot.value == kNone) return kNone;
      if (slot.tag == tag && is_key(slot.value)) return slot.value;
    }
  }

  /// Adds a value whose key is not there. `value` is not kNone.
  void insert(std::uint64_t hash, std::uint32_t value) {
    if ((size_ + 1) * 8 > slots_.size() * 5) grow();
    put({tag_of(hash), value});
    ++size_;
  }

  /// Removes a value that is there.
  void erase(std::uint64_t hash, std::uint32_t value) noexcept {
    std::size_t hole = home(tag_of(hash));
    while (slots_[hole].value != value) hole = (hole + 1) & mask();
    for (std::size_t at = hole;;) {
      at = (at + 1) & mask();
      if (slots_[at].value == kNone) break;
      // A slot may move back to the hole unless its home lies after it.
      if (((at - home(slots_[at].tag)) & mask()) >= ((at - hole) & mask())) {
        slots_[hole] = slots_[at];
        hole = at;
      }
    }
    slots_[hole].value = kNone;
    --size_;
  }

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return slots_.capacity() * sizeof(Slot); }
  /// Hints that find(hash) comes soon.
  void prefetch(std::uint64_t hash) const noexcept {
    if (!slots_.empty()) __builtin_prefetch(&slots_[home(tag_of(hash))]);
  }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t value = kNone;
  };

  static std::uint32_t tag_of(std::uint64_t hash) noexcept { return static_cast<std::uint32_t>(hash >> 32); }
  [[nodiscard]] std::size_t home(std::uint32_t tag) const noexcept { return tag >> shift_; }
  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }

  void put(Slot slot) noexcept {
    std::size_t at = home(slot.tag);
    while (slots_[at].value != kNone) at = (at + 1) & mask();
    slots_[at] = slot;
  }

  void grow() {
    const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.empty() ? 64 : 2 * slots_.size()));
    shift_ = old.empty() ? 32 - 6 : shift_ - 1;
    for (const Slot& slot : old) {
      if (slot.value != kNone) put(slot);
    }
  }

  std::vector<Slot> slots_;
  unsigned shift_ = 32;
  std::size_t size_ = 0;
};

}  // namespace kthena::prefix::detail
