// src/route/decision_log_columns.hpp
//
// How a decision log writes the columns of a pool that are not as they were.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "decision_log_format.hpp"
#include "kthena/route/pool.hpp"

namespace kthena::route::detail {

inline bool same_bits(double one, double other) noexcept {
  return std::bit_cast<std::uint64_t>(one) == std::bit_cast<std::uint64_t>(other);
}

constexpr std::uint64_t bits_of(std::uint32_t value) noexcept { return value; }
constexpr std::uint64_t bits_of(Time value) noexcept { return static_cast<std::uint64_t>(value); }
inline std::uint64_t bits_of(double value) noexcept { return std::bit_cast<std::uint64_t>(value); }

/// Calls `each(position)` where two arrays differ. Eight are compared at once: mostly nothing has changed.
template <class T, class Each>
void each_difference(const T* one, const T* other, std::size_t size, const Each& each) {
  constexpr std::size_t kStep = 8;
  std::size_t i = 0;
  for (; i + kStep <= size; i += kStep) {
    std::uint64_t any = 0;
    for (std::size_t k = 0; k < kStep; ++k) any |= bits_of(one[i + k]) ^ bits_of(other[i + k]);
    if (any == 0) continue;
    for (std::size_t k = i; k < i + kStep; ++k)
      if (bits_of(one[k]) != bits_of(other[k])) each(k);
  }
  for (; i < size; ++i)
    if (bits_of(one[i]) != bits_of(other[i])) each(i);
}

/// Where two arrays differ, in `places`, which has room for all of them; how many those are.
template <class T>
std::size_t find_differences(const T* one, const T* other, std::size_t size, std::uint32_t* places) {
  std::size_t count = 0;
  each_difference(one, other, size, [&](std::size_t i) { places[count++] = static_cast<std::uint32_t>(i); });
  return count;
}

/// A list of the elements at `places`, each written by `element(position)`.
template <class Element>
void write_list(std::span<const std::uint32_t> places, LogPen& pen, const Element& element) {
  pen.varint(places.size());
  std::uint32_t next = 0;
  for (const std::uint32_t at : places) {
    pen.varint(at - next);
    element(at);
    next = at + 1;
  }
}

inline void write_value(double value, LogPen& pen) noexcept { pen.number(is_missing(value) ? kMissing : value); }

/// What is written of a column that is not as it was; `state` becomes what it is. `places` has room for the pool.
inline void write_column(std::size_t signal, const PoolView& view, Time now_ns, LogState& state, std::uint32_t* places,
                         LogPen& pen) {
  const std::size_t n = view.size;
  const double* values = view.values[signal];
  const Time* times = values == nullptr ? nullptr : view.sampled[signal];
  std::vector<double>& old_values = state.values[signal];
  std::vector<Time>& old_times = state.times[signal];
  if (old_values.size() < n) old_values.resize(n, kMissing);
  if (old_times.size() < n) old_times.resize(n, kNever);
  pen.byte(static_cast<std::uint8_t>(signal));
  LogPen flags(pen);
  pen.byte(0);
  unsigned how = (values != nullptr ? kHasValues : 0u) | (times != nullptr ? kHasTimes : 0u);

  const std::size_t new_values = values == nullptr ? 0 : find_differences(values, old_values.data(), n, places);
  if (2 * new_values > n) {
    how |= kWhole;
    for (std::size_t i = 0; i < n; ++i) write_value(values[i], pen);
    std::copy_n(values, n, old_values.begin());
  } else if (new_values > 0) {
    how |= kListed;
    write_list({places, new_values}, pen, [&](std::uint32_t i) {
      write_value(values[i], pen);
      old_values[i] = values[i];
    });
  }

  auto last = static_cast<std::uint64_t>(now_ns);
  const auto write_time = [&](std::size_t i) {
    pen.varint(zigzag(static_cast<std::uint64_t>(times[i]) - last));
    last = static_cast<std::uint64_t>(times[i]);
  };
  const std::size_t new_times = times == nullptr ? 0 : find_differences(times, old_times.data(), n, places);
  if (new_times > 1 && std::all_of(times, times + n, [&](Time time) { return time == times[0]; })) {
    how |= static_cast<unsigned>(kAllAlike) << kTimesShift;
    write_time(0);
    std::copy_n(times, n, old_times.begin());
  } else if (2 * new_times > n) {
    how |= static_cast<unsigned>(kWhole) << kTimesShift;
    for (std::size_t i = 0; i < n; ++i) write_time(i);
    std::copy_n(times, n, old_times.begin());
  } else if (new_times > 0) {
    how |= static_cast<unsigned>(kListed) << kTimesShift;
    write_list({places, new_times}, pen, [&](std::uint32_t i) {
      write_time(i);
      old_times[i] = times[i];
    });
  }

  flags.byte(static_cast<std::uint8_t>(how));
  if (values == nullptr) std::fill(old_values.begin(), old_values.end(), kMissing);
  if (times == nullptr) std::fill(old_times.begin(), old_times.end(), kNever);
  state.has_values[signal] = values != nullptr;
  state.has_times[signal] = times != nullptr;
}

/// Blocks that a tier has beyond the next faster one.
inline void write_tier(std::span<const std::uint32_t> depths, std::span<const std::uint32_t> faster,
                       std::uint32_t* places, LogPen& pen) {
  const std::size_t n = depths.size();
  std::size_t count = 0;
  const auto find = [&](std::size_t i) { places[count++] = static_cast<std::uint32_t>(i); };
  if (!faster.empty()) {
    each_difference(depths.data(), faster.data(), n, find);
  } else {
    constexpr std::size_t kStep = 8;
    std::size_t i = 0;
    for (; i + kStep <= n; i += kStep) {
      std::uint32_t any = 0;
      for (std::size_t k = 0; k < kStep; ++k) any |= depths[i + k];
      if (any == 0) continue;
      for (std::size_t k = i; k < i + kStep; ++k)
        if (depths[k] != 0) find(k);
    }
    for (; i < n; ++i)
      if (depths[i] != 0) find(i);
  }
  write_list({places, count}, pen, [&](std::uint32_t i) { pen.varint(depths[i] - (faster.empty() ? 0 : faster[i])); });
}

}  // namespace kthena::route::detail
