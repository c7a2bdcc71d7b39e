// include/kthena/base/random.hpp
//
// Counter-based random numbers: the value is a function of (seed, stream, counter), so streams do not disturb each other, can be read
// at any place, and are the same in every language. Source of the construction: SplitMix64 with a keyed counter.
// Not for cryptography.
#pragma once

#include <cstdint>

#include "kthena/base/hash.hpp"
#include "kthena/base/math.hpp"

namespace kthena {

/// The number at place `counter` of stream `stream` of seed `seed`; uniform over 64 bits.
constexpr std::uint64_t random_u64(std::uint64_t seed, std::uint64_t stream, std::uint64_t counter) noexcept {
  const std::uint64_t key = mix64(mix64(seed + 0x9E3779B97F4A7C15ull) + stream * 0xD1342543DE82EF95ull);
  return mix64(key + (counter + 1) * 0x9E3779B97F4A7C15ull);
}

/// [0, n) from 64 uniform bits by the high half of the product; the bias is below n / 2^64. n = 0 gives 0.
constexpr std::uint64_t scale_to(std::uint64_t bits, std::uint64_t n) noexcept {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(bits) * n) >> 64);
}

/// A stream read in order. A value: copying it forks it. One thread.
class RandomStream {
 public:
  constexpr RandomStream(std::uint64_t seed, std::uint64_t stream) noexcept : seed_(seed), stream_(stream) {}

  constexpr std::uint64_t next_u64() noexcept { return random_u64(seed_, stream_, counter_++); }
  /// Uniform in [0, 1), 53 bits.
  constexpr double next_double() noexcept { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }
  /// Uniform in [0, n); 0 when n is 0.
  constexpr std::uint64_t next_below(std::uint64_t n) noexcept { return scale_to(next_u64(), n); }
  /// Exponential with the given mean (> 0).
  constexpr double next_exponential(double mean) noexcept { return -mean * log_fixed(1 - next_double()); }

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t counter_ = 0;
};

}  // namespace kthena
