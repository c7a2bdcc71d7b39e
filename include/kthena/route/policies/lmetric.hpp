// include/kthena/route/policies/lmetric.hpp
//
// LMetric: the product of the tokens that would have to be computed and the size of the batch they would join; the least wins.
//
//   Use when   cache hits and load should be weighed against each other without weights to tune: a common factor of either cancels.
//   Cost       one pass over one column and the depths; no state, no allocation.
//   Source     LMetric (arXiv 2603.15202): new prefill tokens * batch size. The + 1 on both is ours: without it a full hit, or an idle
//              endpoint, costs 0 whatever the other factor is.
//   Known for  a full hit wins over almost any load: 1 * 201 against 2,001 * 1.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/policies/prompt.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct LMetricOptions {
  /// The signal that is the batch, by its number in Signal. Range [0, 20], whole. DEFAULT: 5, in_flight.
  double signal = 5;
  /// Which match says what is cached: 0 = Request::history first, 1 = Request::prefix first. DEFAULT: 1.
  double match = detail::kPrefixFirst;
  /// Requests assumed where the signal was never sampled. Range [0, 1e9]. DEFAULT: none, the endpoint abstains.
  double missing_requests = kMissing;
};

/// 100 / ((uncached tokens of this request + 1) * (batch + 1)).
class LMetric {
 public:
  static constexpr std::string_view kName = "lmetric";
  using Options = LMetricOptions;
  static constexpr std::array kOptions = {Option<Options>{"signal", 0, detail::kLastSignal, &Options::signal},
                                          Option<Options>{"match", 0, 1, &Options::match},
                                          Option<Options>{"missing_requests", 0, 1e9, &Options::missing_requests}};

  explicit LMetric(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const detail::PromptMatch prompt(context, options_.match);
    const double* batch = context.column(detail::signal_of(options_.signal)).data();
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double requests = detail::known_or(batch[i], options_.missing_requests);
      out[i] = 100 / ((prompt.uncached_tokens(i) + 1) * (requests + 1));
    }
  }

 private:
  Options options_;
};

}  // namespace kthena::route
