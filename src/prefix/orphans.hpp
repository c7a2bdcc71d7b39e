// src/prefix/orphans.hpp
//
// Orphans: blocks that a worker stored behind a block it does not hold. They wait, found by (worker, engine hash of the parent), in
// order of arrival under a cap; what place they have in a prompt is never guessed.
//
//   Cost     every operation O(1). Memory: 64 bytes per orphan and one table entry per parent waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/containers.hpp"

namespace kthena::prefix::detail {

using OrphanId = std::uint32_t;
inline constexpr OrphanId kNoOrphan = 0xFFFFFFFFu;

struct Orphan {
  std::uint64_t namespace_key = 0;
  std::uint64_t engine_hash = 0;
  std::uint64_t parent_hash = 0;
  std::uint64_t content = 0;
  std::uint32_t worker = 0;
  std::uint64_t content_upper = 0;
};

class Orphans {
 public:
  explicit Orphans(std::uint64_t seed);

  OrphanId park(const Orphan& orphan);
  /// Forgets an orphan: it was placed, removed or dropped.
  void erase(OrphanId id);

  /// The longest waiting, or kNoOrphan.
  [[nodiscard]] OrphanId oldest() const noexcept { return oldest_; }
  /// The one that arrived next, or kNoOrphan.
  [[nodiscard]] OrphanId next_oldest(OrphanId id) const noexcept { return slots_[id].newer; }
  /// The one of those that wait for this parent that arrived last, or kNoOrphan; then the others by next_waiting().
  [[nodiscard]] OrphanId first_waiting(std::uint32_t worker, std::uint64_t parent_hash) const noexcept;
  [[nodiscard]] OrphanId next_waiting(OrphanId id) const noexcept { return slots_[id].next_sibling; }

  [[nodiscard]] const Orphan& operator[](OrphanId id) const noexcept { return slots_[id].orphan; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept;

 private:
  struct Slot {
    Orphan orphan;
    OrphanId older = kNoOrphan;
    OrphanId newer = kNoOrphan;  // of a free slot: the next free one
    OrphanId previous_sibling = kNoOrphan;
    OrphanId next_sibling = kNoOrphan;
  };
  struct Waiting {
    std::uint64_t parent_hash;
    std::uint32_t worker;
    friend bool operator==(const Waiting&, const Waiting&) = default;
  };
  struct WaitingHash {
    std::uint64_t seed = 0;
    std::size_t operator()(const Waiting& key) const noexcept {
      return static_cast<std::size_t>(combine64(mix64(key.parent_hash ^ seed), key.worker));
    }
  };

  std::vector<Slot> slots_;
  kthena::detail::HashMap<Waiting, OrphanId, WaitingHash> waiting_;  // head of each list of siblings
  OrphanId free_ = kNoOrphan;
  OrphanId oldest_ = kNoOrphan;
  OrphanId newest_ = kNoOrphan;
  std::size_t size_ = 0;
};

}  // namespace kthena::prefix::detail
