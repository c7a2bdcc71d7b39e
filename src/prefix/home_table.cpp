#include "kthena/prefix/home_table.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "kthena/base/hash.hpp"

namespace kthena::prefix {
namespace {

/// The prefixes that are looked at: their keys and lengths, shortest first.
class Landmarks {
 public:
  explicit Landmarks(const PrefixQuery& query) noexcept {
    const std::span<const std::uint64_t> contents = query.contents();
    std::uint64_t hash = combine64(query.namespace_key(), query.seed());
    const std::size_t head = std::min<std::size_t>(contents.size(), PrefixQuery::kCheckpointBlocks - 1);
    for (std::uint32_t depth = 1; depth <= head; ++depth) {
      hash = combine64(hash, contents[depth - 1]);
      constexpr std::uint32_t kLooked = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 6 | 1u << 8 | 1u << 12;
      if ((kLooked >> depth & 1) != 0) add(hash, depth);
    }
    const std::span<const std::uint64_t> checkpoints = query.checkpoints();
    for (std::size_t k = 1; k <= checkpoints.size();) {
      add(checkpoints[k - 1], static_cast<std::uint32_t>(k * PrefixQuery::kCheckpointBlocks));
      const std::size_t octave = std::bit_floor(k);
      k += octave < 4 ? 1 : octave / 4;
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint64_t key(std::size_t i) const noexcept { return keys_[i]; }
  [[nodiscard]] std::uint32_t depth(std::size_t i) const noexcept { return depths_[i]; }

 private:
  void add(std::uint64_t hash, std::uint32_t depth) noexcept {
    if (size_ == keys_.size()) return;
    keys_[size_] = std::max<std::uint64_t>(mix64(hash + depth), 1);  // 0 is a free entry
    depths_[size_++] = depth;
  }

  // 7 before the first checkpoint, and 4 to each of the 27 doublings of 2^31 / 16 blocks.
  std::array<std::uint64_t, 7 + 4 * 28> keys_;
  std::array<std::uint32_t, 7 + 4 * 28> depths_;
  std::size_t size_ = 0;
};

}  // namespace

Result<HomeTable> HomeTable::create(const HomeTableOptions& options) {
  if (options.max_entries < 4 || options.max_entries > (1u << 28))
    return invalid_argument("max_entries: " + std::to_string(options.max_entries) + " is not in 4..2^28");
  return HomeTable(std::bit_ceil(options.max_entries) / 4);
}

void HomeTable::set(const PrefixQuery& query, WorkerId worker) noexcept {
  if (!worker.valid()) return;
  const Landmarks marks(query);
  for (std::size_t i = 0; i < marks.size(); ++i) __builtin_prefetch(&buckets_[marks.key(i) & mask_], 1);
  ++turn_;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    Bucket& bucket = buckets_[marks.key(i) & mask_];
    Entry* place = &bucket.entries[0];
    for (Entry& entry : bucket.entries) {
      if (entry.key == marks.key(i)) {
        place = &entry;
        break;
      }
      // The free or the oldest one. Turns wrap: their distance counts.
      if (place->key != 0 && (entry.key == 0 || turn_ - entry.turn > turn_ - place->turn)) place = &entry;
    }
    *place = {marks.key(i), worker.value, turn_};
  }
}

Home HomeTable::find(const PrefixQuery& query) const noexcept {
  const Landmarks marks(query);
  for (std::size_t i = 0; i < marks.size(); ++i) __builtin_prefetch(&buckets_[marks.key(i) & mask_]);
  for (std::size_t i = marks.size(); i > 0; --i) {
    const std::uint64_t key = marks.key(i - 1);
    for (const Entry& entry : buckets_[key & mask_].entries)
      if (entry.key == key) return {{entry.worker}, marks.depth(i - 1)};
  }
  return {};
}

void HomeTable::forget(WorkerId worker) noexcept {
  for (Bucket& bucket : buckets_)
    for (Entry& entry : bucket.entries)
      if (entry.key != 0 && entry.worker == worker.value) entry = {};
}

}  // namespace kthena::prefix
