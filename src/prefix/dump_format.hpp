// src/prefix/dump_format.hpp
//
// The bytes of a dump. All numbers are little-endian; n* is a u32 count and n elements.
//
//   head      "kthenaPX", u32 version = 1, u32 block_tokens, u32 flags (1: shared_engine_hashes, 2: wide_contents, 4: count_copies), u64 fingerprint of the seed
//   counters  i64 latest time, u32 worker that expire() looks at next, u64 of each count in kCounters
//   workers   n* by id up to the largest in use: u32 size of the name (0: the id is not in use), name
//   runs      n* in preorder, the children of a run and the runs without a parent by (offset or namespace, first content):
//             u32 parent + 1 (0: none), u16 offset in the parent, u16 blocks, u64 namespace if there is no parent, u64 contents,
//             if they are wide, u64 upper halves
//   names     n* of the shared table by engine hash: u64 engine hash, u32 run, u16 offset
//   for each worker in use, by id
//     own     n* of its own table by engine hash: u64 engine hash, u32 run, u16 offset, u8 tiers, u16 parent's tag
//     shared  n* in ascending order: u32 number of the name that it holds a block under
//     guesses n* the most recent first, in the longest segments: u32 run, u16 first, u16 last, i64 touched
//   orphans   n* the oldest first: u32 worker, u64 namespace, u64 engine hash, u64 parent, u64 content, u8 tiers, u16 parent's tag,
//             if contents are wide, u64 upper half
//   copies    if they are counted, for each worker in use n* by engine hash: u64 engine hash, u32 copies beyond the first in each of 4 tiers
//   end       u64 XXH3 of all before
//
// Tables, holders, gaps, tiers of places and second names follow from these.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kthena/base/hash.hpp"
#include "kthena/base/status.hpp"
#include "kthena/prefix/index.hpp"

namespace kthena::prefix::detail {

inline constexpr std::string_view kDumpMagic = "kthenaPX";
inline constexpr std::uint32_t kDumpVersion = 1;
/// Bytes of the shortest element of each kind.
inline constexpr std::size_t kWorkerBytes = 4;
inline constexpr std::size_t kRunBytes = 16;
inline constexpr std::size_t kNameBytes = 14;
inline constexpr std::size_t kOwnBytes = 17;
inline constexpr std::size_t kGuessBytes = 16;
inline constexpr std::size_t kOrphanBytes = 39;
inline constexpr std::size_t kCopyBytes = 24;

/// The counts that cannot be seen from what is held.
inline constexpr std::uint64_t PrefixIndexStats::*kCounters[] = {
    &PrefixIndexStats::orphans_dropped,   &PrefixIndexStats::unknown_removes,
    &PrefixIndexStats::rehashed_blocks,   &PrefixIndexStats::sweeps,
    &PrefixIndexStats::promoted_blocks,   &PrefixIndexStats::expired_blocks,
    &PrefixIndexStats::unresolved_stores, &PrefixIndexStats::evicted_blocks,
};

/// Says whether two seeds are one, and nothing else about them.
inline std::uint64_t seed_fingerprint(std::uint64_t seed) noexcept {
  std::array<std::byte, 16> bytes = {};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<std::byte>(kDumpMagic[i]);
    bytes[8 + i] = static_cast<std::byte>(seed >> 8 * i);
  }
  const auto digest = sha256(bytes);
  std::uint64_t fingerprint = 0;
  for (std::size_t i = 0; i < 8; ++i) fingerprint |= std::uint64_t{digest[i]} << 8 * i;
  return fingerprint;
}

class DumpWriter {
 public:
  template <std::unsigned_integral T>
  void put(T value) {
    std::byte bytes[sizeof(T)];
    for (std::size_t i = 0; i < sizeof(T); ++i)
      bytes[i] = static_cast<std::byte>(static_cast<std::uint64_t>(value) >> 8 * i);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof(T));
  }
  void put_count(std::size_t count) { put(static_cast<std::uint32_t>(count)); }
  void put_text(std::string_view text) {
    for (const char c : text) bytes_.push_back(static_cast<std::byte>(c));
  }
  void reserve(std::size_t more) { bytes_.reserve(bytes_.size() + more); }
  /// Adds the end.
  [[nodiscard]] std::vector<std::byte> finish() {
    put(xxh3_64(bytes_, 0));
    return std::move(bytes_);
  }

 private:
  std::vector<std::byte> bytes_;
};

/// Reads on as long as there are bytes; then it is not ok() and gives zeros.
class DumpReader {
 public:
  explicit DumpReader(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

  template <std::unsigned_integral T>
  T get() noexcept {
    if (bytes_.size() - at_ < sizeof(T)) {
      at_ = bytes_.size();
      ok_ = false;
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) value |= std::to_integer<std::uint64_t>(bytes_[at_ + i]) << 8 * i;
    at_ += sizeof(T);
    return static_cast<T>(value);
  }
  /// A count of elements of `least` bytes or more; more than there can be is none, and not ok().
  std::uint32_t get_count(std::size_t least) noexcept {
    const auto count = get<std::uint32_t>();
    if (count <= (bytes_.size() - at_) / least) return count;
    at_ -= sizeof(count);
    ok_ = false;
    return 0;
  }
  std::string_view get_text(std::size_t size) noexcept {
    if (bytes_.size() - at_ < size) {
      at_ = bytes_.size();
      ok_ = false;
      return {};
    }
    at_ += size;
    return {reinterpret_cast<const char*>(bytes_.data()) + at_ - size, size};
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t left() const noexcept { return bytes_.size() - at_; }
  /// kInvalidArgument: what is wrong with what was read last.
  [[nodiscard]] Status fault(const std::string& what) const {
    return invalid_argument("byte " + std::to_string(at_) + ": " + what);
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace kthena::prefix::detail
