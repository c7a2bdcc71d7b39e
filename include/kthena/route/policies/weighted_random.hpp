// include/kthena/route/policies/weighted_random.hpp
//
// Weighted random: an endpoint by chance, in proportion to its total; the others by total behind it.
//
//   Use when   the total is a share: capacities, prices, weights of a canary.
//   Cost       two passes over the totals.
//   Source     the textbook.
//   Known for  hardly telling apart opinions that are all high: 90 against 100 is 47 % against 53 %.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/ranking.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

/// Probability = max(total, 0) / the sum of these; all alike where no total is above 0. The draw is a seeded hash of the request.
class WeightedRandom {
 public:
  static constexpr std::string_view kName = "weighted-random";
  static constexpr bool kReadsTotals = true;
  using Options = NoOptions;
  static constexpr std::array<Option<Options>, 0> kOptions = {};

  explicit WeightedRandom(Options = {}) {}

  void pick(const ScoreContext& context, std::span<const double> totals, std::size_t limit,
            Decision& decision) const noexcept {
    const std::size_t n = totals.size();
    double sum = 0;
    for (const double total : totals) sum += total > 0 ? total : 0;
    const std::uint64_t bits = combine64(context.request_key(), 0x5765696768746564);
    const std::uint32_t drawn = sum > 0 ? draw_weighted(totals, sum, unit_interval(bits))
                                        : static_cast<std::uint32_t>(scale_to(bits, static_cast<std::uint64_t>(n)));
    rank_behind(context, totals, limit, {&drawn, 1}, decision);
    decision.reason = n == 1 ? Reason{ReasonCode::only_candidate, 0, decision.score, 0}
                             : Reason{ReasonCode::weighted_drawn, 0, decision.score,
                                      sum > 0 ? decision.score / sum : 1 / static_cast<double>(n)};
  }
};

}  // namespace kthena::route
