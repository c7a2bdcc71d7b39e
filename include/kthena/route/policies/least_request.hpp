// include/kthena/route/policies/least_request.hpp
//
// Least request: prefer the endpoint with the fewest requests; drop those whose queue is too long.
//
//   Use when   requests cost about the same and nothing is known about their prefixes.
//   Cost       two passes over two columns; no state, no allocation.
//   Source     volcano-sh/kthena pkg/kthena-router/scheduler/plugins/least_request.go: the score of 2026-08 and the one of the
//              2025-09 benchmark (docs/kthena/blog/2025-09-09-benchmark).
//   Known for  herding when several requests or routers read one scraped snapshot: all go to the endpoint that was emptiest then.
#pragma once

#include <algorithm>
#include <array>

#include "kthena/route/column.hpp"
#include "kthena/route/option.hpp"
#include "kthena/route/policies/truncate.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct LeastRequestFilterOptions {
  /// Endpoints with as many or more waiting requests are dropped. Range [-1e9, 1e9]; <= 0 drops all. DEFAULT: 10.
  double max_waiting = 10;
};

/// Keeps endpoints with waiting < max_waiting. One that was never sampled is kept.
class LeastRequestFilter {
 public:
  static constexpr std::string_view kName = "least-request";
  using Options = LeastRequestFilterOptions;
  static constexpr std::array kOptions = {Option<Options>{"max_waiting", -1e9, 1e9, &Options::max_waiting}};

  explicit LeastRequestFilter(Options options = {}) : options_(options) {}

  void filter(const PoolView& view, const Request&, std::span<std::uint8_t> keep) const noexcept {
    const double limit = options_.max_waiting;
    if (!(limit > 0)) {
      std::fill(keep.begin(), keep.end(), std::uint8_t{0});
      return;
    }
    const double* waiting = view.values[static_cast<std::size_t>(Signal::kWaiting)];
    if (waiting == nullptr || column_max({waiting, keep.size()}) < limit) return;  // most often nobody is over
    for (std::size_t i = 0; i < keep.size(); ++i)
      keep[i] = static_cast<std::uint8_t>(keep[i] & static_cast<std::uint8_t>(!(waiting[i] >= limit)));
  }

  [[nodiscard]] Reason explain(const PoolView& view, const Request&, EndpointIndex endpoint) const {
    const double* waiting = view.values[static_cast<std::size_t>(Signal::kWaiting)];
    const double queue = waiting == nullptr || is_missing(waiting[endpoint.value]) ? 0 : waiting[endpoint.value];
    return {ReasonCode::waiting_limit, 0, queue, options_.max_waiting};
  }

 private:
  Options options_;
};

struct LeastRequestOptions {
  /// Requests that wait weigh this much more than those that run. Range [0, 1e6]. DEFAULT: 100.
  double waiting_weight = 100;
  /// Requests assumed where a signal was never sampled. Range [0, 1e9]. DEFAULT: none, the endpoint abstains.
  double missing_requests = kMissing;
};

namespace detail {
/// out holds each candidate's load (NaN: abstains). score = int(((max - load) / max) * 100); all get 100 when max is 0.
inline void score_by_load(std::span<double> out) noexcept {
  const double max = column_max(out);
  if (max > 0) {
    for (double& x : out) x = truncate_score(((max - x) / max) * 100);
  } else {
    for (double& x : out) x = x == x ? 100 : x;
  }
}
}  // namespace detail

/// load = in_flight + waiting_weight * max(in_flight - running, 0) requests; the most loaded candidate gets 0.
class LeastRequest {
 public:
  static constexpr std::string_view kName = "least-request";
  using Options = LeastRequestOptions;
  static constexpr std::array kOptions = {Option<Options>{"waiting_weight", 0, 1e6, &Options::waiting_weight},
                                          Option<Options>{"missing_requests", 0, 1e9, &Options::missing_requests}};

  explicit LeastRequest(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const double* in_flight = context.column(Signal::kInFlight).data();
    const double* running = context.column(Signal::kRunning).data();
    const double weight = options_.waiting_weight;
    const double missing = options_.missing_requests;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double sent = in_flight[i] == in_flight[i] ? in_flight[i] : missing;
      const double runs = running[i] == running[i] ? running[i] : missing;
      const double waits = sent - runs;
      out[i] = sent + weight * (waits < 0 ? 0 : waits);  // NaN in either signal stays NaN
    }
    detail::score_by_load(out);
  }

 private:
  Options options_;
};

/// load = running + waiting_weight * waiting requests, both as scraped: the formula of the published benchmark.
class LeastRequest202509 {
 public:
  static constexpr std::string_view kName = "least-request-2025-09";
  using Options = LeastRequestOptions;
  static constexpr std::array kOptions = LeastRequest::kOptions;

  explicit LeastRequest202509(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const double* running = context.column(Signal::kRunning).data();
    const double* waiting = context.column(Signal::kWaiting).data();
    const double weight = options_.waiting_weight;
    const double missing = options_.missing_requests;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double runs = running[i] == running[i] ? running[i] : missing;
      const double waits = waiting[i] == waiting[i] ? waiting[i] : missing;
      out[i] = runs + weight * waits;
    }
    detail::score_by_load(out);
  }

 private:
  Options options_;
};

}  // namespace kthena::route
