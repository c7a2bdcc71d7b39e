// include/kthena/route/policies/softmax.hpp
//
// Softmax: an endpoint by chance, the likelier the higher its total; the others by total behind it.
//
//   Use when   several routers read one snapshot, and the best by a hair would get what all of them send.
//   Cost       an exponential for each candidate, then two passes.
//   Source     ai-dynamo/dynamo lib/kv-router/src/scheduling (router_temperature, over logits that it scales to 0..1 first; here totals
//              are taken as they are).
//   Known for  a temperature that is right for one sum of weights and wrong for another.
#pragma once

#include <array>

#include "kthena/base/math.hpp"
#include "kthena/route/column.hpp"
#include "kthena/route/option.hpp"
#include "kthena/route/policies/best_score.hpp"
#include "kthena/route/policies/ranking.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct SoftmaxOptions {
  /// Points of total: one candidate that is so many below another is taken e times less often. Range [0, 1e9]; 0: the best score.
  /// DEFAULT: 10, a tenth of what one opinion spans.
  double temperature = 10;
};

/// Probability = exp((total - highest total) / temperature) / the sum of these. The draw is a seeded hash of the request.
class Softmax {
 public:
  static constexpr std::string_view kName = "softmax";
  static constexpr bool kReadsTotals = true;
  using Options = SoftmaxOptions;
  static constexpr std::array kOptions = {Option<Options>{"temperature", 0, 1e9, &Options::temperature}};

  explicit Softmax(Options options = {}) : options_(options) {}

  void pick(const ScoreContext& context, std::span<const double> totals, std::size_t limit,
            Decision& decision) const noexcept {
    if (totals.size() == 1 || !(options_.temperature > 0)) return BestScore{}.pick(context, totals, limit, decision);
    const std::span<double> weights = context.scratch();
    const double highest = column_max(totals);
    double sum = 0;
    for (std::size_t i = 0; i < totals.size(); ++i) {
      weights[i] = exp_fixed((totals[i] - highest) / options_.temperature);
      sum += weights[i];
    }
    const double at = unit_interval(combine64(context.request_key(), 0x536F66746D6178));
    const std::uint32_t drawn = draw_weighted(weights, sum, at);
    rank_behind(context, totals, limit, {&drawn, 1}, decision);
    decision.reason = {ReasonCode::softmax_drawn, 0, decision.score, weights[drawn] / sum};
  }

 private:
  Options options_;
};

}  // namespace kthena::route
