// src/prefix/run.hpp
//
// Run: a stretch of consecutive blocks of one chain, and who holds them. What of it lookups read while the writer changes it, and in what
// order, is said in run_tree.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "prefix/field.hpp"
#include "prefix/slot_list.hpp"

namespace kthena::prefix::detail {

using RunId = std::uint32_t;
inline constexpr RunId kNoRun = 0xFFFFFFFFu;

/// One block's place. run == kNoRun: before the first block of a prompt.
struct Place {
  RunId run = kNoRun;
  std::uint32_t offset = 0;

  friend bool operator==(const Place&, const Place&) = default;
};

/// `count` places one after another.
struct Stretch {
  RunId run = kNoRun;
  std::uint32_t offset = 0;
  std::uint32_t count = 0;
};

/// Contents of blocks that follow one another. `upper` is empty where contents have 64 bits.
struct Contents {
  std::span<const std::uint64_t> lower;
  std::span<const std::uint64_t> upper;

  [[nodiscard]] std::size_t size() const noexcept { return lower.size(); }
  [[nodiscard]] bool empty() const noexcept { return lower.empty(); }
  [[nodiscard]] Contents subspan(std::size_t first, std::size_t count) const noexcept {
    return {lower.subspan(first, count), upper.empty() ? upper : upper.subspan(first, count)};
  }
  [[nodiscard]] Contents first(std::size_t count) const noexcept { return subspan(0, count); }
  [[nodiscard]] Contents from(std::size_t first) const noexcept { return subspan(first, size() - first); }
};

/// A worker in the list of a run's holders.
struct alignas(8) Holder {
  std::uint16_t worker = 0;
  std::uint16_t cutoff = 0;    ///< leading blocks of the run that it reaches; 0: a vacant slot
  std::uint32_t children = 0;  ///< child runs in which it reaches something

  [[nodiscard]] std::uint32_t key() const noexcept { return worker; }
  [[nodiscard]] bool vacant() const noexcept { return cutoff == 0; }
  [[nodiscard]] Holder emptied() const noexcept { return {worker, 0, 0}; }
};
using HolderList = SlotList<Holder>;

/// A block that a worker holds, but not in tier 0.
struct alignas(8) Slow {
  std::uint16_t offset = 0;
  std::uint16_t worker = 0;
  std::uint32_t tier = 0;  ///< 0: a vacant slot

  [[nodiscard]] std::uint32_t key() const noexcept { return std::uint32_t{worker} << 16 | offset; }
  [[nodiscard]] bool vacant() const noexcept { return tier == 0; }
  [[nodiscard]] Slow emptied() const noexcept { return {offset, worker, 0}; }
};
using SlowList = SlotList<Slow>;

struct alignas(64) Run {
  static constexpr std::uint32_t kInlineHolders = 6;

  // The first line says whether a query matches. first, namespace_key, parent, parent_offset and start do not change while a lookup can see
  // the run; the others marked so are loaded by lookups as atomics.
  std::uint64_t first = 0;  ///< content of the first block
  std::uint64_t namespace_key = 0;
  std::uint64_t last_checkpoint = 0;  ///< if there is one [loaded]
  /// Contents from here on, and their upper halves `capacity` words further on if contents are wide. blocks[-1] is the capacity then. Before them,
  /// from the last to the first, checkpoints. [loaded]
  std::uint64_t* blocks = nullptr;
  RunId parent = kNoRun;      ///< of a free run: the next free one
  std::uint32_t start = 0;    ///< blocks before the first one
  std::uint32_t changes = 0;  ///< counts what a lookup must not overlook [loaded]
  RunId first_child = kNoRun;
  std::uint32_t children_at_deepest = 0;
  std::uint16_t parent_offset = 0;  ///< blocks of the parent before the first one
  std::uint16_t length = 0;         ///< [loaded]
  std::uint16_t deepest_child = 0;  ///< largest parent_offset of a child [loaded]
  std::uint16_t capacity = 0;
  std::uint16_t max_cutoff = 0;
  std::uint16_t held : 14 = 0;  ///< blocks that some worker holds
  std::uint16_t has_gaps : 1 = 0;
  std::uint16_t has_slow : 1 = 0;  ///< some blocks are not in the fastest tier
  // The second line says who holds it.
  Holder few[kInlineHolders] = {};
  std::uintptr_t holders = 0;  ///< up to 6: that many slots of `few` are in use; else a HolderList [loaded]
  RunId next_sibling = kNoRun;
  RunId previous_sibling = kNoRun;

  /// Number of the first checkpoint that the run keeps: checkpoint k stands at depth 16 * (k + 1).
  [[nodiscard]] std::uint32_t first_checkpoint() const noexcept { return start / 16; }
  [[nodiscard]] HolderList* list() const noexcept {
    return holders <= kInlineHolders ? nullptr : reinterpret_cast<HolderList*>(holders);
  }
};
static_assert(sizeof(Run) == 128 && offsetof(Run, few) == 64);

/// Calls visit(holder) for each holder of a run. Lookups may, beside the writer.
template <class Visit>
inline void for_each_holder(const Run& run, Visit&& visit) noexcept {
  const std::uintptr_t word = load(run.holders);
  const Holder* slot = run.few;
  std::size_t count = word;
  if (word > Run::kInlineHolders) {
    const auto* const list = reinterpret_cast<const HolderList*>(word);
    slot = list->slots();
    count = load(list->count);
  }
  for (const Holder* const end = slot + count; slot != end; ++slot) {
    const Holder holder = load(*slot);
    if (!holder.vacant()) visit(holder);
  }
}

}  // namespace kthena::prefix::detail
