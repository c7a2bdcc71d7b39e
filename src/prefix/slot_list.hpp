// src/prefix/slot_list.hpp
//
// SlotList: a sorted list of 8-byte slots that lookups read while the writer changes it. A slot never moves inside an array: one that goes
// is made vacant where it is, one that comes at the end or back to its place is written there, and for any other a new array is made
// and the old one is left to the reclaimer as it was. So a reader sees of every key its slot as it was at some moment of the read.
//
//   Slot     std::uint32_t key(), bool vacant(), a copy with the same key that is vacant: emptied().
//   Cost     find: a binary search. Changing, leaving, coming back, coming last: in place. Else: a copy.
//   Memory   8 bytes per slot, 16 of head; grown by a half.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include "prefix/field.hpp"
#include "prefix/reclaimer.hpp"

namespace kthena::prefix::detail {

template <class Slot>
struct SlotList {
  static_assert(sizeof(Slot) == 8 && alignof(Slot) == 8 && std::is_trivially_copyable_v<Slot>);

  std::uint32_t count = 0;     ///< slots in use, vacant ones among them; readers load it
  std::uint32_t capacity = 0;  ///< for the writer, as what follows
  std::uint32_t vacant = 0;
  std::uint32_t owner =
      0;  ///< what it belongs to, if the user of the list wants to know; set before the list is published

  [[nodiscard]] Slot* slots() noexcept { return reinterpret_cast<Slot*>(this + 1); }
  [[nodiscard]] const Slot* slots() const noexcept { return reinterpret_cast<const Slot*>(this + 1); }
  [[nodiscard]] std::uint32_t live() const noexcept { return count - vacant; }
  [[nodiscard]] std::size_t bytes() const noexcept { return sizeof(SlotList) + capacity * sizeof(Slot); }

  [[nodiscard]] static SlotList* make(std::uint32_t capacity) {
    auto* const list = new (::operator new(sizeof(SlotList) + capacity * sizeof(Slot))) SlotList();
    list->capacity = capacity;
    return list;
  }
  static void free(SlotList* list) noexcept { ::operator delete(list); }
  static void retire(SlotList* list, Reclaimer& reclaimer) {
    reclaimer.retire(list, list->bytes(), [](void*, void* gone) { ::operator delete(gone); });
  }

  /// Where the key is, vacant or not, or where it would be.
  [[nodiscard]] Slot* lower_bound(std::uint32_t key) noexcept {
    return std::lower_bound(slots(), slots() + count, key,
                            [](const Slot& slot, std::uint32_t wanted) { return slot.key() < wanted; });
  }
  /// The slot of a key, or null.
  [[nodiscard]] Slot* find(std::uint32_t key) noexcept {
    Slot* const at = lower_bound(key);
    return at != slots() + count && at->key() == key && !at->vacant() ? at : nullptr;
  }

  /// Adds a slot whose key is not there, to an array that is last in line (the writer's). Gives the array that has it: this one, or a new
  /// one, which the caller publishes before it retires this.
  [[nodiscard]] SlotList* insert(const Slot& slot) {
    Slot* const at = lower_bound(slot.key());
    Slot* const end = slots() + count;
    if (at != end && at->key() == slot.key()) {
      --vacant;
      store(*at, slot);
      return this;
    }
    if (at == end && count != capacity) {
      store(*at, slot);
      store(count, count + 1);
      return this;
    }
    const std::uint32_t needed = live() + 1;
    SlotList* const list = make(needed + needed / 2);
    list->owner = owner;
    Slot* to = copy_live(slots(), at, list->slots());
    *to++ = slot;
    to = copy_live(at, end, to);
    list->count = static_cast<std::uint32_t>(to - list->slots());
    return list;
  }
  void erase(Slot* slot) noexcept {
    store(*slot, slot->emptied());
    ++vacant;
  }
  /// A new array without the vacant slots, to be published as insert() says.
  [[nodiscard]] SlotList* compacted() const {
    SlotList* const list = make(live() + live() / 4);
    list->owner = owner;
    list->count = static_cast<std::uint32_t>(copy_live(slots(), slots() + count, list->slots()) - list->slots());
    return list;
  }

 private:
  static Slot* copy_live(const Slot* from, const Slot* end, Slot* to) noexcept {
    return std::copy_if(from, end, to, [](const Slot& slot) { return !slot.vacant(); });
  }
};

}  // namespace kthena::prefix::detail
