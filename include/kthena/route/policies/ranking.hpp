// include/kthena/route/policies/ranking.hpp
//
// What pickers share: the first places of the candidates by total, and one candidate by chance.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kthena/base/random.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

/// A candidate where it stands. The order is total: higher total, then smaller tie, then the order of ids.
struct RankedPlace {
  double total = 0;
  std::uint64_t tie = 0;
  std::uint32_t candidate = 0;
  [[nodiscard]] bool before(const RankedPlace& other) const noexcept {
    if (total != other.total) return total > other.total;
    if (tie != other.tie) return tie < other.tie;
    return candidate < other.candidate;
  }
};

/// Writes the first `limit` candidates for which `skip(candidate)` is false; gives their number. One pass; a hash for each that reaches
/// the list. `limit` <= kMaxRanked.
template <class Skip>
std::size_t rank_best(const ScoreContext& context, std::span<const double> totals, std::size_t limit, RankedPlace* best,
                      Skip skip) noexcept {
  if (limit == 0) return 0;
  std::size_t count = 0;
  const std::uint64_t* keys = context.keys().data();
  double threshold = 0;  // of the last place, once all are taken
  for (std::size_t i = 0; i < totals.size(); ++i) {
    if (count == limit && totals[i] < threshold) continue;
    if (skip(i)) continue;
    const RankedPlace place{totals[i], tie_order(context.request_key(), keys[i]), static_cast<std::uint32_t>(i)};
    if (count == limit) {
      if (!place.before(best[count - 1])) continue;
    } else {
      ++count;
    }
    std::size_t at = count - 1;
    for (; at > 0 && place.before(best[at - 1]); --at) best[at] = best[at - 1];
    best[at] = place;
    threshold = best[count - 1].total;
  }
  return count;
}

/// Fills all of a decision but reason and margin: `first` (at least one, in their order, as many as fit), then the others by total.
inline void rank_behind(const ScoreContext& context, std::span<const double> totals, std::size_t limit,
                        std::span<const std::uint32_t> first, Decision& decision) noexcept {
  std::size_t count = std::min(limit, first.size());
  for (std::size_t i = 0; i < count; ++i) decision.ranked[i] = context.endpoint(first[i]);
  std::array<RankedPlace, kMaxRanked> rest;
  const std::size_t others = rank_best(context, totals, limit - count, rest.data(), [first](std::size_t candidate) {
    return std::find(first.begin(), first.end(), static_cast<std::uint32_t>(candidate)) != first.end();
  });
  for (std::size_t i = 0; i < others; ++i) decision.ranked[count++] = context.endpoint(rest[i].candidate);
  decision.outcome = Outcome::kRouted;
  decision.ranked_count = static_cast<std::uint32_t>(count);
  decision.endpoint = decision.ranked[0];
  decision.score = totals[first[0]];
}

/// The candidate at which the running sum of `weights` (>= 0, in the order of ids) first exceeds `at` * their sum; the last one that has
/// any where rounding leaves none. `sum` is that running sum at its end, > 0.
inline std::uint32_t draw_weighted(std::span<const double> weights, double sum, double at) noexcept {
  const double target = at * sum;
  double running = 0;
  std::uint32_t last = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (!(weights[i] > 0)) continue;
    running += weights[i];
    last = static_cast<std::uint32_t>(i);
    if (running > target) break;
  }
  return last;
}

}  // namespace kthena::route
