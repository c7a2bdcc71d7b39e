// include/kthena/base/histogram.hpp
//
// Histogram: counts of observations below ascending bounds, as an engine's metrics page has them (Prometheus' cumulative buckets).
//
//   quantile     O(log buckets), linear inside a bucket.
//   difference   what was observed between two readings of one histogram, safe against a restart in between.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace kthena {

/// cumulative[i] observations were <= bounds[i]. Both have the same length, both ascend; the last bound may be +infinity. A value.
struct Histogram {
  std::vector<double> bounds;      ///< ascending, without repeats
  std::vector<double> cumulative;  ///< whole numbers up to 2^53, ascending
  double count = 0;                ///< all observations, >= cumulative.back()
  double sum = 0;                  ///< of the observed values; NaN when it is not published

  /// Mean of the observed values; NaN when there are none.
  [[nodiscard]] double mean() const noexcept {
    return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
  }

  void clear() noexcept {
    bounds.clear();
    cumulative.clear();
    count = 0;
    sum = 0;
  }

  friend bool operator==(const Histogram&, const Histogram&) = default;
};

/// The value below which a share `q` (0..1) of `count` observations lie, by linear interpolation inside its bucket; the lowest bucket starts
/// at 0, or at its bound when that is negative. Observations above the last finite bound are taken to lie on it. NaN when there are no
/// observations or no buckets, or q is not in 0..1. `bounds` and `cumulative` are as in Histogram. Source of the rules: Prometheus'
/// histogram_quantile.
inline double quantile(std::span<const double> bounds, std::span<const double> cumulative, double count,
                       double q) noexcept {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const std::size_t finite =
      bounds.size() - (!bounds.empty() && bounds.back() > std::numeric_limits<double>::max() ? 1 : 0);
  if (!(count > 0) || finite == 0 || !(q >= 0 && q <= 1)) return kNone;
  const double rank = q * count;
  const auto end = cumulative.begin() + static_cast<std::ptrdiff_t>(finite);
  const auto it = std::lower_bound(cumulative.begin(), end, rank);
  if (it == end) return bounds[finite - 1];
  const auto i = static_cast<std::size_t>(it - cumulative.begin());
  if (i == 0 && bounds[0] <= 0) return bounds[0];
  const double low = i == 0 ? 0 : bounds[i - 1];
  const double below = i == 0 ? 0 : cumulative[i - 1];
  const double inside = cumulative[i] - below;
  return inside > 0 ? low + (bounds[i] - low) * ((rank - below) / inside) : low;
}

inline double quantile(const Histogram& histogram, double q) noexcept {
  return quantile(histogram.bounds, histogram.cumulative, histogram.count, q);
}

/// out = what `now` has observed since `before`. When it was restarted in between (the count, the sum or a bucket fell, or the bounds
/// are others) all that `now` holds is new. `out` may be neither of the two; its memory is used again. Gives whether it was restarted.
inline bool difference(const Histogram& before, const Histogram& now, Histogram& out) {
  bool restarted = before.bounds != now.bounds || now.count < before.count || now.sum < before.sum;
  for (std::size_t i = 0; !restarted && i < now.cumulative.size(); ++i)
    restarted = now.cumulative[i] < before.cumulative[i];
  out = now;
  if (restarted) return true;
  for (std::size_t i = 0; i < out.cumulative.size(); ++i) out.cumulative[i] -= before.cumulative[i];
  // Differences of readings that were not taken at one instant need not ascend.
  for (std::size_t i = 1; i < out.cumulative.size(); ++i)
    out.cumulative[i] = std::max(out.cumulative[i], out.cumulative[i - 1]);
  out.count -= before.count;
  out.sum -= before.sum;
  return false;
}

}  // namespace kthena
