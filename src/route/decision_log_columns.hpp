// src/route/decision_log_columns.hpp
//
// How a decision log writes the columns of a pool that are not as they were.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "decision_log_format.hpp"
#include "kthena/route/pool.hpp"

namespace kthena::route::detail {

inline bool same_bits(double one, double other) noexcept {
  return std::bit_cast<std::uint64_t>(one) == std::bit_cast<std::uint64_t>(other);
}

/// The elements of a column that are not those of `before`, which becomes the column.
inline void write_values(const double* values, std::vector<double>& before, std::size_t size, std::size_t changed,
                         LogPen& pen) noexcept {
  if (2 * changed > size) {
    for (std::size_t i = 0; i < size; ++i) pen.number(is_missing(values[i]) ? kMissing : values[i]);
    std::copy_n(values, size, before.begin());
    return;
  }
  pen.varint(changed);
  std::size_t next = 0;
  for (std::size_t i = 0; changed > 0; ++i) {
    if (same_bits(values[i], before[i])) continue;
    pen.varint(i - next);
    pen.number(is_missing(values[i]) ? kMissing : values[i]);
    before[i] = values[i];
    next = i + 1;
    --changed;
  }
}

/// Distances from one to the next, the first from `now_ns`.
inline void write_times(const Time* times, std::vector<Time>& before, std::size_t size, std::uint8_t how,
                        std::size_t changed, Time now_ns, LogPen& pen) noexcept {
  auto last = static_cast<std::uint64_t>(now_ns);
  const auto one = [&](Time time) {
    pen.varint(zigzag(static_cast<std::uint64_t>(time) - last));
    last = static_cast<std::uint64_t>(time);
  };
  if (how == kAllAlike) {
    one(times[0]);
  } else if (how == kWhole) {
    for (std::size_t i = 0; i < size; ++i) one(times[i]);
  } else {
    pen.varint(changed);
    std::size_t next = 0;
    for (std::size_t i = 0; changed > 0; ++i) {
      if (times[i] == before[i]) continue;
      pen.varint(i - next);
      one(times[i]);
      before[i] = times[i];
      next = i + 1;
      --changed;
    }
    return;
  }
  std::copy_n(times, size, before.begin());
}

/// What is written of a column that is not as it was.
inline void write_column(std::size_t signal, const PoolView& view, Time now_ns, LogState& state, LogPen& pen) {
  const std::size_t n = view.size;
  const double* values = view.values[signal];
  const Time* times = values == nullptr ? nullptr : view.sampled[signal];
  std::vector<double>& old_values = state.values[signal];
  std::vector<Time>& old_times = state.times[signal];
  if (old_values.size() < n) old_values.resize(n, kMissing);
  if (old_times.size() < n) old_times.resize(n, kNever);

  std::size_t new_values = 0;
  if (values != nullptr)
    for (std::size_t i = 0; i < n; ++i) new_values += static_cast<std::size_t>(!same_bits(values[i], old_values[i]));
  std::size_t new_times = 0;
  std::size_t like_first = 0;
  if (times != nullptr) {
    for (std::size_t i = 0; i < n; ++i) {
      new_times += static_cast<std::size_t>(times[i] != old_times[i]);
      like_first += static_cast<std::size_t>(times[i] == times[0]);
    }
  }
  const std::uint8_t value_kind = new_values == 0 ? kUnchanged : 2 * new_values > n ? kWhole : kListed;
  const std::uint8_t time_kind = new_times == 0                     ? kUnchanged
                                 : like_first == n && new_times > 1 ? kAllAlike
                                 : 2 * new_times > n                ? kWhole
                                                                    : kListed;
  unsigned how = value_kind | static_cast<unsigned>(time_kind) << kTimesShift;
  if (values != nullptr) how |= kHasValues;
  if (times != nullptr) how |= kHasTimes;
  pen.byte(static_cast<std::uint8_t>(signal));
  pen.byte(static_cast<std::uint8_t>(how));
  if (value_kind != kUnchanged) write_values(values, old_values, n, new_values, pen);
  if (time_kind != kUnchanged) write_times(times, old_times, n, time_kind, new_times, now_ns, pen);
  if (values == nullptr) std::fill(old_values.begin(), old_values.end(), kMissing);
  if (times == nullptr) std::fill(old_times.begin(), old_times.end(), kNever);
  state.has_values[signal] = values != nullptr;
  state.has_times[signal] = times != nullptr;
}

}  // namespace kthena::route::detail
