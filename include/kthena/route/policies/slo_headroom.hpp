// include/kthena/route/policies/slo_headroom.hpp
//
// SLO headroom: endpoints expected to keep what Request::slo_ttft_s and slo_tpot_s promise; when none will, those that miss it least.
//
//   Use when   requests carry promises and ttft_s and tpot_s are predictions for this request, or recent means.
//   Cost       three passes over two or three columns; no state, no allocation.
//   Source     llm-d-router pkg/epp/framework/plugins/scheduling/scorer/latency. It rounds to hundredths, so that the best two can tie, and
//              falls back to KV, queue and prefix without predictions; here the score is exact and an endpoint without one abstains.
//   Known for  the default packs: it prefers the endpoint that is closest to the promise, which leaves no room for an error of prediction.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct SloHeadroomOptions {
  /// Weights of the two headrooms, by their sum. Range [0, 1e6]; both 0: TTFT only. DEFAULT: 0.8, 0.2.
  double ttft_weight = 0.8;
  double tpot_weight = 0.2;
  /// 0: of those that keep the promise the closest to it; 1: the farthest from it. DEFAULT: 0.
  double most = 0;
};

/// headroom = promise - prediction, negative when nothing was promised. The first group that is not empty is scored, the others get 0: both
/// headrooms >= 0; of the rest those with nothing in flight; only TPOT missed; only TTFT missed; both missed. In the group each |headroom| is
/// min-max scaled (0.5 when equal; the other one alone counts then), weighted to c, and the opinion is 1 + 99 * (1 - c), or 1 + 99 * c for
/// `most` in the first group.
class SloHeadroom {
 public:
  static constexpr std::string_view kName = "slo-headroom";
  using Options = SloHeadroomOptions;
  static constexpr std::array kOptions = {Option<Options>{"ttft_weight", 0, 1e6, &Options::ttft_weight},
                                          Option<Options>{"tpot_weight", 0, 1e6, &Options::tpot_weight},
                                          Option<Options>{"most", 0, 1, &Options::most}};

  explicit SloHeadroom(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const double* ttft = context.column(Signal::kTtft).data();
    const double* tpot = context.column(Signal::kTpot).data();
    const double* sent = context.column(Signal::kInFlight).data();
    const double ttft_promise = context.request().slo_ttft_s;
    const double tpot_promise = context.request().slo_tpot_s;
    // `out` holds each one's group: 0 kept, 1 idle, 2 TPOT missed, 3 TTFT missed, 4 both; NaN without a prediction.
    for (std::size_t i = 0; i < out.size(); ++i) {
      const bool late = ttft_promise - ttft[i] < 0;
      const bool slow = tpot_promise - tpot[i] < 0;
      const double missed = late & slow ? 4 : late ? 3 : 2;
      const double group = late | slow ? (sent[i] == 0 ? 1 : missed) : 0;
      out[i] = (ttft[i] == ttft[i]) & (tpot[i] == tpot[i]) ? group : kMissing;
    }
    const double chosen = column_range(out).min;
    Extent first;
    Extent token;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (out[i] != chosen) continue;
      first.add(distance(ttft_promise, ttft[i]));
      token.add(distance(tpot_promise, tpot[i]));
    }
    const double weights = options_.ttft_weight + options_.tpot_weight;
    double first_weight = weights > 0 ? options_.ttft_weight / weights : 1;
    double token_weight = weights > 0 ? options_.tpot_weight / weights : 0;
    if (first.width() <= kEqual && token.width() > kEqual) {
      first_weight = 0;
      token_weight = 1;
    } else if (token.width() <= kEqual && first.width() > kEqual) {
      first_weight = 1;
      token_weight = 0;
    }
    const bool most = options_.most != 0 && chosen == 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double share = first_weight * first.place(distance(ttft_promise, ttft[i])) +
                           token_weight * token.place(distance(tpot_promise, tpot[i]));
      const double opinion = 1 + 99 * (most ? share : 1 - share);
      const double outside = out[i] == out[i] ? 0 : out[i];
      out[i] = out[i] == chosen ? opinion : outside;
    }
  }

 private:
  static constexpr double kEqual = 1e-12;  // seconds

  static double distance(double promise, double prediction) noexcept {
    return promise < prediction ? prediction - promise : promise - prediction;
  }

  struct Extent {
    double min = 1e300;
    double max = -1e300;
    void add(double x) noexcept {
      min = x < min ? x : min;
      max = x > max ? x : max;
    }
    [[nodiscard]] double width() const noexcept { return max - min; }
    [[nodiscard]] double place(double x) const noexcept { return width() > kEqual ? (x - min) / width() : 0.5; }
  };

  Options options_;
};

}  // namespace kthena::route
