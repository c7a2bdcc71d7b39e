#include "prefix/orphans.hpp"

#include <utility>

namespace kthena::prefix::detail {

Orphans::Orphans(std::uint64_t seed) : waiting_(0, WaitingHash{seed}) {}

OrphanId Orphans::park(const Orphan& orphan) {
  OrphanId id = free_;
  if (id == kNoOrphan) {
    id = static_cast<OrphanId>(slots_.size());
    slots_.emplace_back();
  } else {
    free_ = slots_[id].newer;
  }
  const auto [head, alone] = waiting_.try_emplace(Waiting{orphan.parent_hash, orphan.worker}, id);
  Slot& slot = slots_[id];
  slot = {orphan, newest_, kNoOrphan, kNoOrphan, kNoOrphan};
  if (!alone) {
    slot.next_sibling = std::exchange(head->second, id);
    slots_[slot.next_sibling].previous_sibling = id;
  }
  (newest_ == kNoOrphan ? oldest_ : slots_[newest_].newer) = id;
  newest_ = id;
  ++size_;
  return id;
}

void Orphans::erase(OrphanId id) {
  const Slot slot = slots_[id];
  (slot.older == kNoOrphan ? oldest_ : slots_[slot.older].newer) = slot.newer;
  (slot.newer == kNoOrphan ? newest_ : slots_[slot.newer].older) = slot.older;
  if (slot.next_sibling != kNoOrphan) slots_[slot.next_sibling].previous_sibling = slot.previous_sibling;
  if (slot.previous_sibling != kNoOrphan) {
    slots_[slot.previous_sibling].next_sibling = slot.next_sibling;
  } else {
    const auto head = waiting_.find(Waiting{slot.orphan.parent_hash, slot.orphan.worker});
    if (slot.next_sibling != kNoOrphan) {
      head->second = slot.next_sibling;
    } else {
      waiting_.erase(head);
    }
  }
  slots_[id].newer = std::exchange(free_, id);
  if (--size_ == 0) *this = Orphans(waiting_.hash_function().seed);  // keeps no memory
}

OrphanId Orphans::first_waiting(std::uint32_t worker, std::uint64_t parent_hash) const noexcept {
  const auto it = waiting_.find(Waiting{parent_hash, worker});
  return it == waiting_.end() ? kNoOrphan : it->second;
}

std::size_t Orphans::heap_bytes() const noexcept {
  return slots_.capacity() * sizeof(Slot) + kthena::detail::heap_bytes(waiting_);
}

}  // namespace kthena::prefix::detail
