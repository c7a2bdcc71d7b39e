// include/kthena/route/policies/load_aware.hpp
//
// Load aware: 50 for an empty queue, less the longer it is, 0 from a threshold on.
//
//   Use when   a queue should weigh against a cached prefix, but an empty one should not weigh for an endpoint.
//   Cost       one pass over one column; no state, no allocation.
//   Source     llm-d-router pkg/epp/framework/plugins/scheduling/scorer/loadaware.
//   Known for  a scale that hangs on the threshold: with 128, ten waiting requests cost 4 points. Herding on the scrape interval.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct LoadAwareOptions {
  /// Waiting requests from which an endpoint gets 0. Range [1, 1e9]. DEFAULT: 128.
  double threshold = 128;
  /// Requests assumed where the queue was never sampled. Range [0, 1e9]. DEFAULT: none, the endpoint abstains.
  double missing_requests = kMissing;
};

/// 50 * (1 - min(waiting, threshold) / threshold).
class LoadAware {
 public:
  static constexpr std::string_view kName = "load-aware";
  using Options = LoadAwareOptions;
  static constexpr std::array kOptions = {Option<Options>{"threshold", 1, 1e9, &Options::threshold},
                                          Option<Options>{"missing_requests", 0, 1e9, &Options::missing_requests}};

  explicit LoadAware(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const double* waiting = context.column(Signal::kWaiting).data();
    const double threshold = options_.threshold;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double queue = detail::known_or(waiting[i], options_.missing_requests);
      const double counted = queue > threshold ? threshold : queue;
      out[i] = 50 * (1 - counted / threshold);
    }
  }

 private:
  Options options_;
};

}  // namespace kthena::route
