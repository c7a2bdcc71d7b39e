// src/route/decision_log_format.hpp
//
// Names of the bytes of a decision log; docs/decision-log.md describes them.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "kthena/base/hash.hpp"
#include "kthena/route/decision_log.hpp"
#include "kthena/route/signal.hpp"

namespace kthena::route::detail {

/// A head: these 8 bytes, u32 version.
inline constexpr std::string_view kLogMagic = "kthenaDL";
inline constexpr std::uint32_t kLogVersion = 1;
inline constexpr std::size_t kLogHead = 12;
/// The first byte of a record.
inline constexpr std::uint8_t kLogPolicy = 1;
inline constexpr std::uint8_t kLogPool = 2;
inline constexpr std::uint8_t kLogDecision = 3;

inline constexpr std::size_t kVarintBytes = 10;
inline constexpr std::size_t kNumberBytes = 9;
inline constexpr std::size_t kCheckBytes = 4;

/// Of a pool.
inline constexpr std::uint8_t kPoolModels = 1;
inline constexpr std::uint8_t kPoolWaiting = 2;
inline constexpr unsigned kPoolPlaces = 2;  ///< the bit of the nearest level

/// Of a request.
inline constexpr std::uint8_t kSameModel = 1;
inline constexpr std::uint8_t kSameSeed = 2;
inline constexpr std::uint8_t kWithSession = 4;
inline constexpr std::uint8_t kWithNear = 8;
inline constexpr std::uint8_t kWithPromise = 16;
inline constexpr std::uint8_t kWithPrefix = 32;
inline constexpr std::uint8_t kWithHistory = 64;

/// Of a column: how values are written, in bits 0 and 1, and times, in bits 2 and 3.
inline constexpr std::uint8_t kUnchanged = 0;
inline constexpr std::uint8_t kListed = 1;
inline constexpr std::uint8_t kWhole = 2;
inline constexpr std::uint8_t kAllAlike = 3;  ///< times only
inline constexpr unsigned kTimesShift = 2;
inline constexpr std::uint8_t kHasValues = 16;
inline constexpr std::uint8_t kHasTimes = 32;

/// Of a decision.
inline constexpr std::uint8_t kDecisionRouted = 1;
inline constexpr std::uint8_t kReasonAIsScore = 2;
inline constexpr std::uint8_t kReasonBIsMargin = 4;
inline constexpr std::uint8_t kChosenIsFirst = 8;
inline constexpr std::uint8_t kWithStage = 16;
inline constexpr std::uint8_t kWithSubject = 32;
inline constexpr std::uint8_t kAllAreCandidates = 64;

/// Numbers: twice a whole number below 2^52, or one of these; after kRaw follow the 8 bytes.
inline constexpr std::uint64_t kRaw = 1;
inline constexpr std::uint64_t kMissingNumber = 3;
inline constexpr double kWholeLimit = 4503599627370496.0;

constexpr std::uint64_t zigzag(std::uint64_t difference) noexcept {
  return (difference << 1) ^ (std::uint64_t{0} - (difference >> 63));
}
constexpr std::uint64_t unzigzag(std::uint64_t code) noexcept { return (code >> 1) ^ (std::uint64_t{0} - (code & 1)); }

inline std::uint32_t log_check(std::span<const std::byte> record, std::uint32_t before) noexcept {
  return static_cast<std::uint32_t>(xxh3_64(record, before));
}

/// Whether a log can hold it as a value of that signal.
inline bool holds(Signal signal, double value) noexcept {
  return is_missing(value) || (value >= 0 && value <= info(signal).maximum);
}

/// Writes behind a pointer; who calls has made room.
class LogPen {
 public:
  explicit LogPen(std::byte* at) noexcept : at_(at) {}
  [[nodiscard]] std::byte* at() const noexcept { return at_; }

  void byte(std::uint8_t value) noexcept { *at_++ = static_cast<std::byte>(value); }
  // In a local pointer: what is written could be at_ itself, for all that a compiler knows.
  void varint(std::uint64_t value) noexcept {
    std::byte* at = at_;
    for (; value >= 0x80; value >>= 7) *at++ = static_cast<std::byte>(value | 0x80);
    *at++ = static_cast<std::byte>(value);
    at_ = at;
  }
  void fixed(std::uint64_t value, std::size_t bytes) noexcept {
    std::byte* const at = at_;
    if constexpr (std::endian::native == std::endian::little) {
      std::memcpy(at, &value, bytes);
    } else {
      for (std::size_t i = 0; i < bytes; ++i) at[i] = static_cast<std::byte>(value >> 8 * i);
    }
    at_ = at + bytes;
  }
  void number(double value) noexcept {
    if (value >= 0 && value < kWholeLimit && !std::signbit(value)) {
      const auto whole = static_cast<std::uint64_t>(value);
      if (static_cast<double>(whole) == value) return varint(whole << 1);
    }
    const auto bits = std::bit_cast<std::uint64_t>(value);
    if (bits == std::bit_cast<std::uint64_t>(kMissing)) return byte(kMissingNumber);
    byte(kRaw);
    fixed(bits, 8);
  }
  void text(std::string_view value) noexcept {
    varint(value.size());
    if (!value.empty()) std::memcpy(at_, value.data(), value.size());
    at_ += value.size();
  }

 private:
  std::byte* at_;
};

}  // namespace kthena::route::detail
