// include/kthena/route/policies/explore.hpp
//
// Explore: the best score, but now and then any endpoint, so that nothing is judged for ever by what was once seen of it.
//
//   Use when   what scorers read is learned from the requests themselves: latencies, adapters, caches.
//   Cost       that of best-score.
//   Source     epsilon-greedy (Sutton and Barto, Reinforcement Learning, chapter 2); llm-d-router's latency predictor explores alike.
//   Known for  sending its share to endpoints that are known to be slow.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/best_score.hpp"
#include "kthena/route/policies/ranking.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct ExploreOptions {
  /// Share of requests that go to any candidate, all alike, the best one included. Range [0, 1]. DEFAULT: 0.01.
  double epsilon = 0.01;
};

/// Which requests explore, and where to, is a seeded hash of the request.
class Explore {
 public:
  static constexpr std::string_view kName = "explore";
  static constexpr bool kReadsTotals = true;
  using Options = ExploreOptions;
  static constexpr std::array kOptions = {Option<Options>{"epsilon", 0, 1, &Options::epsilon}};

  explicit Explore(Options options = {}) : options_(options) {}

  void pick(const ScoreContext& context, std::span<const double> totals, std::size_t limit,
            Decision& decision) const noexcept {
    const std::uint64_t stream = combine64(context.request_key(), 0x4578706C6F7265);
    if (totals.size() == 1 || !(unit_interval(stream) < options_.epsilon))
      return BestScore{}.pick(context, totals, limit, decision);
    const auto drawn = static_cast<std::uint32_t>(scale_to(combine64(stream, 1), totals.size()));
    rank_behind(context, totals, limit, {&drawn, 1}, decision);
    decision.reason = {ReasonCode::explored, 0, decision.score, static_cast<double>(totals.size())};
  }

 private:
  Options options_;
};

}  // namespace kthena::route
