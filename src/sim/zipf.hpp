// Zipf: shares of ranks that fall as a power, rank^-s with ranks from 1. In a fixed order of operations, without libm.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "kthena/base/math.hpp"
#include "kthena/base/random.hpp"

namespace kthena::sim::detail {

inline std::vector<double> zipf_weights(std::uint32_t ranks, double s) {
  std::vector<double> weights(ranks, 1.0);
  if (s == 0) return weights;
  for (std::uint32_t i = 0; i < ranks; ++i) weights[i] = exp_fixed(-s * log_fixed(static_cast<double>(i) + 1));
  return weights;
}

/// `total` things shared out by the weights: whole parts first, then one each to the largest remainders, the earlier among equals.
inline std::vector<std::uint32_t> zipf_counts(std::uint32_t ranks, std::uint32_t total, double s) {
  const std::vector<double> weights = zipf_weights(ranks, s);
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<std::uint32_t> counts(ranks);
  std::vector<double> remainders(ranks);
  std::uint32_t left = total;
  for (std::uint32_t i = 0; i < ranks; ++i) {
    const double share = static_cast<double>(total) * (weights[i] / sum);
    counts[i] = std::min(left, static_cast<std::uint32_t>(share));
    remainders[i] = share - static_cast<double>(counts[i]);
    left -= counts[i];
  }
  std::vector<std::uint32_t> order(ranks);
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return remainders[a] > remainders[b]; });
  for (std::size_t i = 0; left > 0; --left, i = (i + 1) % ranks) ++counts[order[i]];
  return counts;
}

/// Draws ranks, counted from 0.
class ZipfDraws {
 public:
  ZipfDraws(std::uint32_t ranks, double s) : sums_(zipf_weights(ranks, s)) {
    std::partial_sum(sums_.begin(), sums_.end(), sums_.begin());
  }
  std::uint32_t next(RandomStream& random) const noexcept {
    const double at = random.next_double() * sums_.back();
    const auto found = std::upper_bound(sums_.begin(), sums_.end() - 1, at);
    return static_cast<std::uint32_t>(found - sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

}  // namespace kthena::sim::detail
