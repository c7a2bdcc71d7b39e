// include/kthena/route/policies/best_score.hpp
//
// Best score: the endpoint with the highest total, the next ones behind it in the ranked list.
//
//   Use when   always, unless the policy does not score.
//   Cost       one pass over the totals; a hash for each total that reaches the list.
//   Source     volcano-sh/kthena pkg/kthena-router/scheduler/scheduler_impl.go (top 5), whose ties fall by the order of a Go map; here
//              they fall by a seeded hash of request and endpoint id, evenly and repeatably.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/ranking.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

class BestScore {
 public:
  static constexpr std::string_view kName = "best-score";
  static constexpr bool kReadsTotals = true;
  using Options = NoOptions;
  static constexpr std::array<Option<Options>, 0> kOptions = {};

  explicit BestScore(Options = {}) {}

  void pick(const ScoreContext& context, std::span<const double> totals, std::size_t limit,
            Decision& decision) const noexcept {
    std::array<RankedPlace, kMaxRanked> best;
    const std::size_t count = rank_best(context, totals, limit, best.data(), [](std::size_t) { return false; });
    decision.outcome = Outcome::kRouted;
    decision.ranked_count = static_cast<std::uint32_t>(count);
    for (std::size_t i = 0; i < count; ++i) decision.ranked[i] = context.endpoint(best[i].candidate);
    decision.endpoint = decision.ranked[0];
    decision.score = best[0].total;
    if (totals.size() == 1) {
      decision.reason = {ReasonCode::only_candidate, 0, decision.score, 0};
      return;
    }
    const double second = count > 1 ? best[1].total : best_but(totals, best[0].candidate);
    decision.margin = decision.score - second;
    if (decision.margin > 0) {
      decision.reason = {ReasonCode::best_score, 0, decision.score, decision.margin};
    } else {
      double tied = 0;
      for (const double total : totals) tied += total == decision.score ? 1 : 0;
      decision.reason = {ReasonCode::tie_broken, 0, decision.score, tied};
    }
  }

 private:
  static double best_but(std::span<const double> totals, std::size_t without) noexcept {
    double best = totals[without == 0 ? 1 : 0];
    for (std::size_t i = 0; i < totals.size(); ++i)
      if (i != without && totals[i] > best) best = totals[i];
    return best;
  }
};

}  // namespace kthena::route
