// include/kthena/base/time.hpp
//
// Time: int64 nanoseconds, given by the caller. The library never reads a clock.
#pragma once

#include <cstdint>
#include <limits>

namespace kthena {

/// Nanoseconds since an epoch of the caller's choice; only differences matter.
using Time = std::int64_t;
/// A difference of two Times, in nanoseconds.
using Duration = std::int64_t;

inline constexpr Duration kMicrosecond = 1'000;
inline constexpr Duration kMillisecond = 1'000'000;
inline constexpr Duration kSecond = 1'000'000'000;
/// The sample time of a signal that was never sampled.
inline constexpr Time kNever = std::numeric_limits<Time>::min();

constexpr double to_seconds(Duration duration_ns) noexcept { return static_cast<double>(duration_ns) / 1e9; }
/// Rounds half away from zero. `seconds` must be finite and within +-9.2e9.
constexpr Duration from_seconds(double seconds) noexcept {
  return static_cast<Duration>(seconds * 1e9 + (seconds < 0 ? -0.5 : 0.5));
}

}  // namespace kthena
