// src/prefix/tag_table.hpp
//
// TagTable: a hash table whose misses end in a small array. Places come in groups of 15; 16 bytes per group hold a tag of 8 bits per place
// (0: free) and a count of the values that had to go past this group. A lookup compares the 15 tags at once and goes on only where
// something overflowed, so a miss costs one cache line at any size, and a removal leaves no tombstone.
//
//   Growth   in pieces: a shard holds at most 4,096 values and then splits in two (extendible hashing by the upper bits of the hash);
//            below that it grows by 1.4. No insertion moves more than 4,096 values. Load 60 to 85 %. Within a shard a value's home
//            follows its hash in order, so growth copies front to back.
//   Memory   (sizeof(Slot) + 1.07) / load per value. A shard without values has none.
//   Source   the tags of Abseil's Swiss tables; the overflow counts of F14 (folly).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace kthena::prefix::detail {

/// Places per group; the 16th byte counts what overflowed.
inline constexpr std::uint32_t kGroupPlaces = 15;

/// A bit for each of the 15 tags at `group` (16 bytes, aligned) that equals `tag`.
inline std::uint32_t match_tags(const std::uint8_t* group, std::uint8_t tag) noexcept {
#if defined(__SSE2__)
  const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(group));
  const __m128i equal = _mm_cmpeq_epi8(tags, _mm_set1_epi8(static_cast<char>(tag)));
  return static_cast<std::uint32_t>(_mm_movemask_epi8(equal)) & 0x7FFFu;
#else
  std::uint32_t bits = 0;
  for (std::uint32_t i = 0; i < kGroupPlaces; ++i) bits |= static_cast<std::uint32_t>(group[i] == tag) << i;
  return bits;
#endif
}

/// `UpperHash{}(slot)` gives the upper 32 bits of the hash of a slot's key.
template <class Slot, class UpperHash>
class TagTable {
  static_assert(std::is_trivially_copyable_v<Slot> && alignof(Slot) <= 16);

 public:
  static constexpr std::uint32_t kShardValues = 4096;

  explicit TagTable(UpperHash upper = {}) : upper_(upper) {}
  TagTable(TagTable&& other) noexcept
      : upper_(other.upper_),
        shards_(std::exchange(other.shards_, {})),
        directory_(std::exchange(other.directory_, {})),
        bits_(std::exchange(other.bits_, 0)),
        size_(std::exchange(other.size_, 0)) {}
  TagTable& operator=(TagTable&& other) noexcept {
    TagTable moved(std::move(other));
    std::swap(upper_, moved.upper_);
    std::swap(shards_, moved.shards_);
    std::swap(directory_, moved.directory_);
    std::swap(bits_, moved.bits_);
    std::swap(size_, moved.size_);
    return *this;
  }

  /// The slot under `hash` for which is_key(slot) holds, or null.
  template <class IsKey>
  [[nodiscard]] const Slot* find(std::uint64_t hash, IsKey&& is_key) const noexcept {
    if (directory_.empty()) return nullptr;
    const Shard& shard = *directory_[entry_of(hash)];
    if (shard.groups == 0) return nullptr;
    const std::uint8_t tag = tag_of(hash);
    std::uint32_t group = shard.home(upper_of(hash));
    for (std::uint32_t step = 0; step < shard.groups; ++step) {
      const std::uint8_t* const tags = shard.tags() + 16 * std::size_t{group};
      for (std::uint32_t bits = match_tags(tags, tag); bits != 0; bits &= bits - 1) {
        const Slot& slot = shard.slots()[group * kGroupPlaces + static_cast<std::uint32_t>(std::countr_zero(bits))];
        if (is_key(slot)) return &slot;
      }
      if (tags[kGroupPlaces] == 0) return nullptr;
      if (++group == shard.groups) group = 0;
    }
    return nullptr;
  }
  template <class IsKey>
  [[nodiscard]] Slot* find(std::uint64_t hash, IsKey&& is_key) noexcept {
    return const_cast<Slot*>(std::as_const(*this).find(hash, is_key));
  }

  /// The slot under `hash` for which is_key(slot) holds and false; if there is none, `slot` is added, and true.
  template <class IsKey>
  std::pair<Slot*, bool> find_or_insert(std::uint64_t hash, const Slot& slot, IsKey&& is_key) {
    if (Slot* const known = find(hash, is_key); known != nullptr) return {known, false};
    return {insert(hash, slot), true};
  }
  /// Adds a slot whose key is not there. The pointer is good until the next insertion.
  Slot* insert(std::uint64_t hash, const Slot& slot) {
    if (directory_.empty()) {
      shards_.push_back(std::make_unique<Shard>());
      directory_.push_back(shards_.back().get());
    }
    Shard* shard = directory_[entry_of(hash)];
    while (shard->size == shard->limit()) {
      grow(*shard);
      shard = directory_[entry_of(hash)];
    }
    ++size_;
    return shard->put(upper_of(hash), tag_of(hash), slot);
  }

  /// Removes a slot that find() gave for this hash.
  void erase(std::uint64_t hash, const Slot* slot) noexcept {
    Shard& shard = *directory_[entry_of(hash)];
    const auto place = static_cast<std::uint32_t>(slot - shard.slots());
    const std::uint32_t last = place / kGroupPlaces;
    shard.tags()[16 * std::size_t{last} + place % kGroupPlaces] = 0;
    for (std::uint32_t group = shard.home(upper_of(hash)); group != last;) {
      std::uint8_t& overflowed = shard.tags()[16 * std::size_t{group} + kGroupPlaces];
      if (overflowed != kManyOverflowed) --overflowed;
      if (++group == shard.groups) group = 0;
    }
    --size_;
    if (--shard.size == 0) shard.allocate(0);
  }

  void clear() noexcept { *this = TagTable(upper_); }

  /// Hints that find(hash) or insert(hash) comes: first the tags, and when they may have arrived, the one slot that they point to.
  void prefetch_tags(std::uint64_t hash) const noexcept {
    if (directory_.empty()) return;
    const Shard& shard = *directory_[entry_of(hash)];
    if (shard.groups != 0) __builtin_prefetch(shard.tags() + 16 * std::size_t{shard.home(upper_of(hash))});
  }
  void prefetch_slot(std::uint64_t hash) const noexcept {
    if (directory_.empty()) return;
    const Shard& shard = *directory_[entry_of(hash)];
    if (shard.groups == 0) return;
    const std::uint32_t group = shard.home(upper_of(hash));
    const std::uint8_t* const tags = shard.tags() + 16 * std::size_t{group};
    std::uint32_t bits = match_tags(tags, tag_of(hash));
    if (bits == 0) bits = match_tags(tags, 0);
    if (bits != 0)
      __builtin_prefetch(shard.slots() + group * kGroupPlaces + static_cast<std::uint32_t>(std::countr_zero(bits)));
  }

  /// Where a walk over all slots stands. Good while nothing is inserted.
  struct Cursor {
    std::uint32_t shard = 0;
    std::uint32_t place = 0;
  };
  /// Calls visit(slot) for slots from the cursor on, until `budget` places were looked at. Gives the number of places; less than `budget`
  /// at the end.
  template <class Visit>
  std::size_t visit(Cursor& cursor, std::size_t budget, Visit&& visit) const {
    std::size_t visited = 0;
    for (; cursor.shard < shards_.size(); ++cursor.shard, cursor.place = 0) {
      const Shard& shard = *shards_[cursor.shard];
      for (; cursor.place < shard.groups * kGroupPlaces; ++cursor.place) {
        if (visited == budget) return visited;
        ++visited;
        if (shard.tags()[16 * std::size_t{cursor.place / kGroupPlaces} + cursor.place % kGroupPlaces] != 0)
          visit(shard.slots()[cursor.place]);
      }
    }
    return visited;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    std::size_t bytes = (shards_.capacity() + directory_.capacity()) * sizeof(void*);
    for (const auto& shard : shards_) bytes += sizeof(Shard) + shard->groups * (16 + sizeof(Slot) * kGroupPlaces);
    return bytes;
  }

 private:
  static constexpr std::uint8_t kManyOverflowed = 255;  // no longer counted

  struct Shard {
    std::uint32_t groups = 0;
    std::uint32_t size = 0;
    std::uint32_t depth = 0;              // upper bits of the hash that all of its values share
    std::unique_ptr<std::byte[]> memory;  // tags, then slots

    [[nodiscard]] std::uint8_t* tags() const noexcept { return reinterpret_cast<std::uint8_t*>(memory.get()); }
    [[nodiscard]] Slot* slots() const noexcept {
      return reinterpret_cast<Slot*>(memory.get() + 16 * std::size_t{groups});
    }
    [[nodiscard]] std::uint32_t limit() const noexcept { return groups * 51 / 4; }  // 85 % of 15
    [[nodiscard]] std::uint32_t home(std::uint32_t upper) const noexcept {
      return static_cast<std::uint32_t>(std::uint64_t{upper << depth} * groups >> 32);
    }
    void allocate(std::uint32_t new_groups) {
      groups = new_groups;
      size = 0;
      memory = groups == 0 ? nullptr
                           : std::make_unique_for_overwrite<std::byte[]>(groups * (16 + sizeof(Slot) * kGroupPlaces));
      if (groups != 0) std::memset(memory.get(), 0, 16 * std::size_t{groups});
    }
    Slot* put(std::uint32_t upper, std::uint8_t tag, const Slot& slot) noexcept {
      std::uint32_t group = home(upper);
      for (;;) {
        std::uint8_t* const at = tags() + 16 * std::size_t{group};
        const std::uint32_t free = match_tags(at, 0);
        if (free != 0) {
          const auto place = static_cast<std::uint32_t>(std::countr_zero(free));
          at[place] = tag;
          ++size;
          return new (slots() + group * kGroupPlaces + place) Slot(slot);
        }
        if (at[kGroupPlaces] != kManyOverflowed) ++at[kGroupPlaces];
        if (++group == groups) group = 0;
      }
    }
  };

  static std::uint32_t upper_of(std::uint64_t hash) noexcept { return static_cast<std::uint32_t>(hash >> 32); }
  static std::uint8_t tag_of(std::uint64_t hash) noexcept {
    const auto tag = static_cast<std::uint8_t>(hash);
    return tag == 0 ? std::uint8_t{1} : tag;
  }
  [[nodiscard]] std::size_t entry_of(std::uint64_t hash) const noexcept {
    return static_cast<std::size_t>((hash >> 1) >> (63 - bits_));
  }

  /// Calls move(upper hash, tag, slot) for all of a shard's values in the order of their places.
  template <class Move>
  void for_each(const Shard& shard, Move&& move) const {
    for (std::uint32_t group = 0; group < shard.groups; ++group) {
      const std::uint8_t* const tags = shard.tags() + 16 * std::size_t{group};
      for (std::uint32_t used = ~match_tags(tags, 0) & 0x7FFFu; used != 0; used &= used - 1) {
        const auto place = static_cast<std::uint32_t>(std::countr_zero(used));
        const Slot& slot = shard.slots()[group * kGroupPlaces + place];
        move(upper_(slot), tags[place], slot);
      }
    }
  }
  void grow(Shard& shard) {
    // The directory is not doubled for a shard that is larger than the others: its hashes would be equal, not many.
    const bool may_split = shard.depth < bits_ || (bits_ < 24 && (std::size_t{256} << bits_) <= size_);
    if (shard.size >= kShardValues && may_split) return split(shard);
    Shard old = std::exchange(shard, Shard{});
    shard.depth = old.depth;
    shard.allocate(std::max(old.groups + 1, old.groups * 7 / 5));
    for_each(old, [&](std::uint32_t upper, std::uint8_t tag, const Slot& slot) { shard.put(upper, tag, slot); });
  }
  void split(Shard& shard) {
    if (shard.depth == bits_) {
      std::vector<Shard*> doubled(2 * directory_.size());
      for (std::size_t i = 0; i < doubled.size(); ++i) doubled[i] = directory_[i / 2];
      directory_ = std::move(doubled);
      ++bits_;
    }
    Shard old = std::exchange(shard, Shard{});
    const std::uint32_t side = std::uint32_t{1} << (31 - old.depth);  // the bit that decides
    std::uint32_t counts[2] = {};
    for_each(old, [&](std::uint32_t upper, std::uint8_t, const Slot&) { ++counts[(upper & side) != 0]; });
    shards_.push_back(std::make_unique<Shard>());
    Shard* const halves[2] = {&shard, shards_.back().get()};
    for (int half = 0; half < 2; ++half) {
      halves[half]->depth = old.depth + 1;
      halves[half]->allocate(counts[half] == 0 ? 0 : counts[half] * 4 / 51 * 6 / 5 + 1);  // 71 % full
    }
    for_each(old, [&](std::uint32_t upper, std::uint8_t tag, const Slot& slot) {
      halves[(upper & side) != 0]->put(upper, tag, slot);
    });
    // The second half of the directory's entries for the old shard.
    const std::size_t first =
        static_cast<std::size_t>(std::find(directory_.begin(), directory_.end(), &shard) - directory_.begin());
    const std::size_t span = std::size_t{1} << (bits_ - old.depth);
    for (std::size_t i = first + span / 2; i < first + span; ++i) directory_[i] = halves[1];
  }

  UpperHash upper_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<Shard*> directory_;  // by the upper bits_ bits of a hash
  std::uint32_t bits_ = 0;
  std::size_t size_ = 0;
};

}  // namespace kthena::prefix::detail
