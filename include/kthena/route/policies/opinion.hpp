// include/kthena/route/policies/opinion.hpp
//
// From a load or a cost to an opinion, as several scorers do it. NaN (never sampled, no opinion) stays NaN.
#pragma once

#include <span>

#include "kthena/route/column.hpp"
#include "kthena/route/signal.hpp"

namespace kthena::route::detail {

/// `value`, or `assumed` where it is missing.
inline double known_or(double value, double assumed) noexcept { return value == value ? value : assumed; }

/// out holds costs of 0 and more; lower is better. 100 / (1 + cost): 0 is 100, 1 is 50, no cost gets 0. It does not hang on who else is
/// there, and keeps the order of costs.
inline void score_by_cost(std::span<double> out) noexcept {
  for (double& x : out) x = 100 / (1 + x);
}

/// 100 * (max - x) / (max - min), 100 for all when they are equal.
inline void score_lower_in_range(std::span<double> out) noexcept {
  const ColumnRange range = column_range(out);
  const bool differ = range.max > range.min;
  const double width = differ ? range.max - range.min : 1;
  for (double& x : out) {
    const double equal = x == x ? 100 : x;
    const double place = 100 * (range.max - x) / width;
    x = differ ? place : equal;
  }
}

/// 100 * (max - x) / max, 100 for all when max is 0: the most loaded gets 0.
inline void score_below_most(std::span<double> out) noexcept {
  const double most = column_max(out);
  const bool loaded = most > 0;
  const double scale = loaded ? most : 1;
  for (double& x : out) {
    const double idle = x == x ? 100 : x;
    const double below = 100 * (most - x) / scale;
    x = loaded ? below : idle;
  }
}

/// Signal by its number in an option.
inline Signal signal_of(double option) noexcept { return static_cast<Signal>(static_cast<unsigned>(option)); }
inline constexpr double kLastSignal = static_cast<double>(kSignalCount - 1);

}  // namespace kthena::route::detail
