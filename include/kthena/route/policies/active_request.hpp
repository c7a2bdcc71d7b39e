// include/kthena/route/policies/active_request.hpp
//
// Active requests: prefer endpoints to which this router has sent the fewest requests that have not ended.
//
//   Use when   the router's own count is the freshest there is, and endpoints below a threshold are as good as idle.
//   Cost       two passes over one column; no state, no allocation.
//   Source     llm-d-router pkg/epp/framework/plugins/scheduling/scorer/activerequest.
//   Known for  scaling by the busiest candidate: one endpoint with 1,000 makes 1 and 100 look alike; blind to other routers.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct ActiveRequestOptions {
  /// Endpoints with as many or fewer in flight are idle. Range [0, 1e9]. DEFAULT: 0.
  double idle_requests = 0;
  /// The most that an endpoint gets which is not idle. Range [0, 100]. DEFAULT: 100.
  double max_busy_score = 100;
  /// Requests assumed where nothing was counted. Range [0, 1e9]. DEFAULT: none, the endpoint abstains.
  double missing_requests = kMissing;
};

/// 100 when idle, else (max - in_flight) / max * max_busy_score.
class ActiveRequest {
 public:
  static constexpr std::string_view kName = "active-request";
  using Options = ActiveRequestOptions;
  static constexpr std::array kOptions = {Option<Options>{"idle_requests", 0, 1e9, &Options::idle_requests},
                                          Option<Options>{"max_busy_score", 0, 100, &Options::max_busy_score},
                                          Option<Options>{"missing_requests", 0, 1e9, &Options::missing_requests}};

  explicit ActiveRequest(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const double* sent = context.column(Signal::kInFlight).data();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = detail::known_or(sent[i], options_.missing_requests);
    const double most = column_max(out);
    const double scale = most > 0 ? most : 1;
    for (double& x : out) {
      const double busy = (most - x) / scale * options_.max_busy_score;
      x = x <= options_.idle_requests ? 100 : busy;
    }
  }

 private:
  Options options_;
};

}  // namespace kthena::route
