// src/prefix/tag_table.hpp
//
// TagTable: a hash table whose misses end in a small array. Places come in groups of 15; 16 bytes per group hold a tag of 8 bits per place
// (0: free) and a count of the values that had to go past this group. A lookup compares the 15 tags at once and goes on only where
// something overflowed, so a miss costs one cache line at any size, and a removal leaves no tombstone.
//
//   Growth   in pieces: a shard holds at most 4,096 values and then splits in two (extendible hashing by the upper bits of the hash);
//            below that it grows by 1.4. No insertion moves more than 4,096 values. Load 60 to 85 %. Within a shard a value's home
//            follows its hash in order, so growth copies front to back.
//   Readers  with kReaders, read() may run beside the one writer: values never move within a shard, a slot is written before its tag, and a
//            shard or directory that was replaced stays as it was until the reclaimer frees it. Slots are 8 bytes then.
//   Memory   (sizeof(Slot) + 1.07) / load per value. A shard without values has none.
//   Source   the tags of Abseil's Swiss tables; the overflow counts of F14 (folly).
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "prefix/field.hpp"
#include "prefix/reclaimer.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace kthena::prefix::detail {

/// Places per group; the 16th byte counts what overflowed.
inline constexpr std::uint32_t kGroupPlaces = 15;

/// A bit for each of the 15 tags at `group` (16 bytes, aligned) that equals `tag`. With kReaders the tags may change meanwhile.
template <bool kReaders = false>
inline std::uint32_t match_tags(const std::uint8_t* group, std::uint8_t tag) noexcept {
#if defined(__SSE2__)
  __m128i tags;
  if constexpr (kReaders) {
    const auto* const halves = reinterpret_cast<const std::uint64_t*>(group);
    const std::uint64_t low = load(halves[0]);
    tags = _mm_set_epi64x(static_cast<long long>(load(halves[1])), static_cast<long long>(low));
  } else {
    tags = _mm_load_si128(reinterpret_cast<const __m128i*>(group));
  }
  const __m128i equal = _mm_cmpeq_epi8(tags, _mm_set1_epi8(static_cast<char>(tag)));
  return static_cast<std::uint32_t>(_mm_movemask_epi8(equal)) & 0x7FFFu;
#else
  std::uint32_t bits = 0;
  for (std::uint32_t i = 0; i < kGroupPlaces; ++i) {
    const std::uint8_t one = kReaders ? load(group[i]) : group[i];
    bits |= static_cast<std::uint32_t>(one == tag) << i;
  }
  return bits;
#endif
}

/// `UpperHash{}(slot)` gives the upper 32 bits of the hash of a slot's key.
template <class Slot, class UpperHash, bool kReaders = false>
class TagTable {
  static_assert(std::is_trivially_copyable_v<Slot> && alignof(Slot) <= 16);
  static_assert(!kReaders || (sizeof(Slot) == 8 && alignof(Slot) == 8));

 public:
  static constexpr std::uint32_t kShardValues = 4096;

  /// `reclaimer` outlives the table; null: there are no readers.
  explicit TagTable(UpperHash upper = {}, Reclaimer* reclaimer = nullptr) : upper_(upper), reclaimer_(reclaimer) {}
  ~TagTable() { free_all(); }
  TagTable(TagTable&& other) noexcept
      : upper_(other.upper_),
        reclaimer_(other.reclaimer_),
        shards_(std::exchange(other.shards_, {})),
        directory_(std::exchange(other.directory_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  TagTable& operator=(TagTable&& other) noexcept {
    TagTable moved(std::move(other));
    std::swap(upper_, moved.upper_);
    std::swap(reclaimer_, moved.reclaimer_);
    std::swap(shards_, moved.shards_);
    std::swap(directory_, moved.directory_);
    std::swap(size_, moved.size_);
    return *this;
  }

  /// The slot under `hash` for which is_key(slot) holds, or null.
  template <class IsKey>
  [[nodiscard]] const Slot* find(std::uint64_t hash, IsKey&& is_key) const noexcept {
    const Shard* const shard = shard_of(hash);
    const Slot* found = nullptr;
    if (shard != nullptr) {
      probe(*shard, hash, [&](std::uint32_t place) {
        if (!is_key(shard->slots()[place])) return false;
        found = shard->slots() + place;
        return true;
      });
    }
    return found;
  }
  template <class IsKey>
  [[nodiscard]] Slot* find(std::uint64_t hash, IsKey&& is_key) noexcept {
    return const_cast<Slot*>(std::as_const(*this).find(hash, is_key));
  }
  /// The same beside the writer: a copy of the slot.
  template <class IsKey>
  [[nodiscard]] std::optional<Slot> read(std::uint64_t hash, IsKey&& is_key) const noexcept requires kReaders {
    const Shard* const shard = shard_of(hash);
    std::optional<Slot> found;
    if (shard != nullptr) {
      probe(*shard, hash, [&](std::uint32_t place) {
        const Slot slot = load(shard->slots()[place]);
        if (!is_key(slot)) return false;
        found = slot;
        return true;
      });
    }
    return found;
  }

  /// The slot under `hash` for which is_key(slot) holds and false; if there is none, `slot` is added, and true.
  template <class IsKey>
  std::pair<Slot*, bool> find_or_insert(std::uint64_t hash, Slot slot, IsKey&& is_key) {
    if (Slot* const known = find(hash, is_key); known != nullptr) return {known, false};
    return {insert(hash, slot), true};
  }
  /// Adds a slot whose key is not there. The pointer is good until the next insertion.
  Slot* insert(std::uint64_t hash, Slot slot) {
    if (directory_ == nullptr) {
      shards_.push_back(make_shard(0, 0, 0));
      Directory* const first = make_directory(0);
      first->shards()[0] = shards_.back();
      publish(directory_, first);
    }
    Shard* shard = shard_of(hash);
    while (shard->size == shard->limit()) {
      grow(*shard, hash);
      shard = shard_of(hash);
    }
    ++size_;
    return put(*shard, upper_of(hash), tag_of(hash), slot);
  }

  /// Removes a slot that find() gave for this hash.
  void erase(std::uint64_t hash, const Slot* slot) noexcept {
    Shard& shard = *shard_of(hash);
    const auto place = static_cast<std::uint32_t>(slot - shard.slots());
    const std::uint32_t last = place / kGroupPlaces;
    set(shard.tags()[16 * std::size_t{last} + place % kGroupPlaces], 0);
    for (std::uint32_t group = shard.home(upper_of(hash)); group != last;) {
      std::uint8_t& overflowed = shard.tags()[16 * std::size_t{group} + kGroupPlaces];
      if (overflowed != kManyOverflowed) set(overflowed, static_cast<std::uint8_t>(overflowed - 1));
      if (++group == shard.groups) group = 0;
    }
    --size_;
    if (--shard.size == 0) replace(shard, hash, make_shard(0, shard.depth, shard.index));
  }

  void clear() noexcept {
    std::vector<Shard*> shards = std::exchange(shards_, {});
    Directory* const directory = directory_;
    publish(directory_, nullptr);
    size_ = 0;
    for (Shard* const shard : shards) discard(shard, shard->bytes());
    if (directory != nullptr) discard(directory, directory->bytes());
  }

  /// Hints that find(hash) or insert(hash) comes: first the tags, and when they may have arrived, the one slot that they point to.
  void prefetch_tags(std::uint64_t hash) const noexcept {
    const Shard* const shard = shard_of(hash);
    if (shard != nullptr && shard->groups != 0)
      __builtin_prefetch(shard->tags() + 16 * std::size_t{shard->home(upper_of(hash))});
  }
  void prefetch_slot(std::uint64_t hash) const noexcept {
    const Shard* const shard = shard_of(hash);
    if (shard == nullptr || shard->groups == 0) return;
    const std::uint32_t group = shard->home(upper_of(hash));
    const std::uint8_t* const tags = shard->tags() + 16 * std::size_t{group};
    std::uint32_t bits = match_tags(tags, tag_of(hash));
    if (bits == 0) bits = match_tags(tags, 0);
    if (bits != 0)
      __builtin_prefetch(shard->slots() + group * kGroupPlaces + static_cast<std::uint32_t>(std::countr_zero(bits)));
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

  [[nodiscard]] const UpperHash& upper() const noexcept { return upper_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    std::size_t bytes = shards_.capacity() * sizeof(void*) + (directory_ == nullptr ? 0 : directory_->bytes());
    for (const Shard* const shard : shards_) bytes += shard->bytes();
    return bytes;
  }

 private:
  static constexpr std::uint8_t kManyOverflowed = 255;  // no longer counted
  static constexpr std::align_val_t kAlignment{kReaders ? 64 : 16};

  /// Tags and slots lie behind it.
  struct alignas(kReaders ? 64 : 16) Shard {
    std::uint32_t groups;
    std::uint32_t depth;  // upper bits of the hash that all of its values share
    std::uint32_t index;  // in shards_
    // What the writer changes is not in the line that readers need.
    alignas(kReaders ? 64 : 4) std::uint32_t size;

    [[nodiscard]] std::uint8_t* tags() const noexcept {
      return reinterpret_cast<std::uint8_t*>(const_cast<Shard*>(this) + 1);
    }
    [[nodiscard]] Slot* slots() const noexcept { return reinterpret_cast<Slot*>(tags() + 16 * std::size_t{groups}); }
    [[nodiscard]] std::uint32_t limit() const noexcept { return groups * 51 / 4; }  // 85 % of 15
    [[nodiscard]] std::uint32_t home(std::uint32_t upper) const noexcept {
      return static_cast<std::uint32_t>(std::uint64_t{upper << depth} * groups >> 32);
    }
    [[nodiscard]] std::size_t bytes() const noexcept {
      return sizeof(Shard) + groups * (16 + sizeof(Slot) * kGroupPlaces);
    }
  };
  /// 2^bits shards by the upper bits of a hash lie behind it.
  struct Directory {
    std::uint64_t bits;

    [[nodiscard]] Shard** shards() const noexcept {
      return reinterpret_cast<Shard**>(const_cast<Directory*>(this) + 1);
    }
    [[nodiscard]] std::size_t size() const noexcept { return std::size_t{1} << bits; }
    [[nodiscard]] std::size_t entry(std::uint64_t hash) const noexcept {
      return static_cast<std::size_t>((hash >> 1) >> (63 - bits));
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return sizeof(Directory) + size() * sizeof(Shard*); }
  };

  [[nodiscard]] static Shard* make_shard(std::uint32_t groups, std::uint32_t depth, std::uint32_t index) {
    const Shard header{groups, depth, index, 0};
    auto* const shard = new (::operator new(header.bytes(), kAlignment)) Shard(header);
    std::memset(shard->tags(), 0, 16 * std::size_t{groups});
    return shard;
  }
  [[nodiscard]] static Directory* make_directory(std::uint64_t bits) {
    const Directory header{bits};
    return new (::operator new(header.bytes(), kAlignment)) Directory(header);
  }
  void discard(void* memory, std::size_t bytes) noexcept {
    if (reclaimer_ == nullptr) return ::operator delete(memory, kAlignment);
    reclaimer_->retire(memory, bytes, [](void*, void* gone) { ::operator delete(gone, kAlignment); });
  }
  void free_all() noexcept {
    for (Shard* const shard : shards_) ::operator delete(shard, kAlignment);
    ::operator delete(directory_, kAlignment);
  }

  template <class T>
  static void publish(T*& pointer, std::type_identity_t<T>* value) noexcept {
    if constexpr (kReaders) {
      store(pointer, value);
    } else {
      pointer = value;
    }
  }
  template <class T>
  [[nodiscard]] static T* published(T* const& pointer) noexcept {
    if constexpr (kReaders) {
      return load(pointer);
    } else {
      return pointer;
    }
  }
  static void set(std::uint8_t& tag, std::uint8_t value) noexcept {
    if constexpr (kReaders) {
      store(tag, value);
    } else {
      tag = value;
    }
  }

  static std::uint32_t upper_of(std::uint64_t hash) noexcept { return static_cast<std::uint32_t>(hash >> 32); }
  static std::uint8_t tag_of(std::uint64_t hash) noexcept {
    const auto tag = static_cast<std::uint8_t>(hash);
    return tag == 0 ? std::uint8_t{1} : tag;
  }
  [[nodiscard]] Shard* shard_of(std::uint64_t hash) const noexcept {
    const Directory* const directory = published(directory_);
    if (directory == nullptr) return nullptr;
    return published(directory->shards()[directory->entry(hash)]);
  }

  /// Calls is_it(place) for places whose tag fits, until it says yes.
  template <class IsIt>
  static void probe(const Shard& shard, std::uint64_t hash, IsIt&& is_it) noexcept {
    if (shard.groups == 0) return;
    const std::uint8_t tag = tag_of(hash);
    std::uint32_t group = shard.home(upper_of(hash));
    for (std::uint32_t step = 0; step < shard.groups; ++step) {
      const std::uint8_t* const tags = shard.tags() + 16 * std::size_t{group};
      for (std::uint32_t bits = match_tags<kReaders>(tags, tag); bits != 0; bits &= bits - 1) {
        if (is_it(group * kGroupPlaces + static_cast<std::uint32_t>(std::countr_zero(bits)))) return;
      }
      const std::uint8_t overflowed = kReaders ? load(tags[kGroupPlaces]) : tags[kGroupPlaces];
      if (overflowed == 0) return;
      if (++group == shard.groups) group = 0;
    }
  }
  static Slot* put(Shard& shard, std::uint32_t upper, std::uint8_t tag, Slot slot) noexcept {
    std::uint32_t group = shard.home(upper);
    for (;;) {
      std::uint8_t* const at = shard.tags() + 16 * std::size_t{group};
      const std::uint32_t free = match_tags(at, 0);
      if (free != 0) {
        const auto place = static_cast<std::uint32_t>(std::countr_zero(free));
        Slot* const to = shard.slots() + group * kGroupPlaces + place;
        if constexpr (kReaders) {
          store(*to, slot);
        } else if constexpr (sizeof(Slot) == 16) {
          // Two stores of the halves, as they came in two registers. As one of 16 bytes it has to wait for them to reach the stack and come
          // back together: 10 ns.
          const auto words = std::bit_cast<std::array<std::uint64_t, 2>>(slot);
          auto* const halves = reinterpret_cast<std::uint64_t*>(new (to) Slot);
          store_relaxed(halves[0], words[0]);
          store_relaxed(halves[1], words[1]);
        } else {
          new (to) Slot(slot);
        }
        set(at[place], tag);
        ++shard.size;
        return to;
      }
      if (at[kGroupPlaces] != kManyOverflowed) set(at[kGroupPlaces], static_cast<std::uint8_t>(at[kGroupPlaces] + 1));
      if (++group == shard.groups) group = 0;
    }
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
  /// Puts `now`, for a shard that was split also `more`, in the place of the shard that `hash` belongs to. The directory's entries for one
  /// shard follow one another.
  void replace(Shard& old, std::uint64_t hash, Shard* now, Shard* more = nullptr) noexcept {
    shards_[old.index] = now;
    const std::size_t span = std::size_t{1} << (directory_->bits - old.depth);
    const std::size_t first = directory_->entry(hash) & ~(span - 1);
    for (std::size_t i = 0; i < span; ++i)
      publish(directory_->shards()[first + i], more != nullptr && i >= span / 2 ? more : now);
    discard(&old, old.bytes());
  }
  void grow(Shard& shard, std::uint64_t hash) {
    const std::uint64_t bits = directory_->bits;
    // The directory is not doubled for a shard that is larger than the others: its hashes would be equal, not many.
    const bool may_split = shard.depth < bits || (bits < 24 && (std::size_t{256} << bits) <= size_);
    if (shard.size >= kShardValues && may_split) return split(shard, hash);
    Shard* const larger = make_shard(std::max(shard.groups + 1, shard.groups * 7 / 5), shard.depth, shard.index);
    for_each(shard, [&](std::uint32_t upper, std::uint8_t tag, const Slot& slot) { put(*larger, upper, tag, slot); });
    replace(shard, hash, larger);
  }
  void split(Shard& shard, std::uint64_t hash) {
    if (shard.depth == directory_->bits) {
      Directory* const old = directory_;
      Directory* const doubled = make_directory(old->bits + 1);
      for (std::size_t i = 0; i < doubled->size(); ++i) doubled->shards()[i] = old->shards()[i / 2];
      publish(directory_, doubled);
      discard(old, old->bytes());
    }
    const std::uint32_t side = std::uint32_t{1} << (31 - shard.depth);  // the bit that decides
    std::uint32_t counts[2] = {};
    for_each(shard, [&](std::uint32_t upper, std::uint8_t, const Slot&) { ++counts[(upper & side) != 0]; });
    Shard* halves[2];
    for (std::uint32_t half = 0; half < 2; ++half) {
      const std::uint32_t groups = counts[half] == 0 ? 0 : counts[half] * 4 / 51 * 6 / 5 + 1;  // 71 % full
      halves[half] =
          make_shard(groups, shard.depth + 1, half == 0 ? shard.index : static_cast<std::uint32_t>(shards_.size()));
    }
    shards_.push_back(halves[1]);
    for_each(shard, [&](std::uint32_t upper, std::uint8_t tag, const Slot& slot) {
      put(*halves[(upper & side) != 0], upper, tag, slot);
    });
    replace(shard, hash, halves[0], halves[1]);
  }

  UpperHash upper_;
  Reclaimer* reclaimer_;
  std::vector<Shard*> shards_;
  Directory* directory_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace kthena::prefix::detail
