// include/kthena/route/policies/least_latency.hpp
//
// Least latency: prefer the endpoint whose recent TTFT and TPOT are lowest among the candidates.
//
//   Use when   endpoints differ in speed for reasons that no load signal shows.
//   Cost       two passes over two columns; no state, no allocation.
//   Source     volcano-sh/kthena pkg/kthena-router/scheduler/plugins/least_latency.go.
//   Known for  min-max scaling: a difference of 1 % between two endpoints is 100 against 0; herding on the scrape interval.
#pragma once

#include <array>

#include "kthena/route/column.hpp"
#include "kthena/route/option.hpp"
#include "kthena/route/policies/truncate.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct LeastLatencyOptions {
  /// Share of TTFT against TPOT: 1 looks at TTFT only, 0 at TPOT only. Range [0, 1]. DEFAULT: 0.5.
  double ttft_share = 0.5;
  /// Score of an endpoint whose TTFT or TPOT is 0 or was never sampled. Range [0, 100]. DEFAULT: 50 (Kthena after 2026-09: 100).
  double unmeasured_score = 50;
};

/// Over the measured candidates s(x) = 100 * (max - x) / (max - min), 100 when max = min; score = int(share * s(ttft) + (1 - share) *
/// s(tpot)).
class LeastLatency {
 public:
  static constexpr std::string_view kName = "least-latency";
  using Options = LeastLatencyOptions;
  static constexpr std::array kOptions = {Option<Options>{"ttft_share", 0, 1, &Options::ttft_share},
                                          Option<Options>{"unmeasured_score", 0, 100, &Options::unmeasured_score}};

  explicit LeastLatency(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const double* ttft = context.column(Signal::kTtft).data();
    const double* tpot = context.column(Signal::kTpot).data();
    // `out` serves as scratch: each column without those that are not measured.
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = (ttft[i] > 0) & (tpot[i] > 0) ? ttft[i] : kMissing;
    const ColumnRange first = column_range(out);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = (ttft[i] > 0) & (tpot[i] > 0) ? tpot[i] : kMissing;
    const ColumnRange token = column_range(out);

    const double share = options_.ttft_share;
    const double rest = 1 - share;
    const double unmeasured = options_.unmeasured_score;
    const bool first_differs = first.max > first.min;
    const bool token_differs = token.max > token.min;
    const double first_span = first_differs ? first.max - first.min : 1;
    const double token_span = token_differs ? token.max - token.min : 1;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double by_first = 100 * (first.max - ttft[i]) / first_span;
      const double by_token = 100 * (token.max - tpot[i]) / token_span;
      const double score = share * (first_differs ? by_first : 100) + rest * (token_differs ? by_token : 100);
      out[i] = truncate_score((ttft[i] > 0) & (tpot[i] > 0) ? score : unmeasured);
    }
  }

 private:
  Options options_;
};

}  // namespace kthena::route
