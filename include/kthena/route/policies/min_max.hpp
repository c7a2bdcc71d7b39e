// include/kthena/route/policies/min_max.hpp
//
// Min-max of one signal: the best candidate gets 100, the worst 0, the others in proportion.
//
//   Use when   one signal says it all and its scale is not known; queue and running are the two that llm-d names.
//   Cost       two passes over one column; no state, no allocation.
//   Source     llm-d-router pkg/epp/framework/plugins/scheduling/scorer/{queuedepth,runningrequests,endpointattribute}.
//   Known for  losing the magnitude: 1 waiting against 2 is 100 against 0, as 1 against 200 is. A fixed range does not; herding on the
//              scrape interval.
#pragma once

#include <algorithm>
#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct MinMaxRequestOptions {
  /// Requests assumed where the signal was never sampled. Range [0, 1e9]. DEFAULT: none, the endpoint abstains.
  double missing_requests = kMissing;
};

namespace detail {
inline void score_requests(std::span<const double> column, double missing, std::span<double> out) noexcept {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = known_or(column[i], missing);
  score_lower_in_range(out);
}
}  // namespace detail

/// 100 * (max - waiting) / (max - min); 100 for all when they are equal.
class Queue {
 public:
  static constexpr std::string_view kName = "queue";
  using Options = MinMaxRequestOptions;
  static constexpr std::array kOptions = {Option<Options>{"missing_requests", 0, 1e9, &Options::missing_requests}};

  explicit Queue(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    detail::score_requests(context.column(Signal::kWaiting), options_.missing_requests, out);
  }

 private:
  Options options_;
};

/// The same of the requests that run.
class Running {
 public:
  static constexpr std::string_view kName = "running";
  using Options = MinMaxRequestOptions;
  static constexpr std::array kOptions = Queue::kOptions;

  explicit Running(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    detail::score_requests(context.column(Signal::kRunning), options_.missing_requests, out);
  }

 private:
  Options options_;
};

struct SignalRangeOptions {
  /// The signal, by its number in Signal. Range [0, 20], whole. DEFAULT: 1, waiting.
  double signal = 1;
  /// 1: less is better; 0: more is better. DEFAULT: 1.
  double lower_is_better = 1;
  /// The range; values outside count as its ends. Range [0, 1e15]. DEFAULT: none, that of the candidates.
  double minimum = kMissing;
  double maximum = kMissing;
  /// Assumed where the signal was never sampled. Range [0, 1e15]. DEFAULT: none, the endpoint abstains.
  double missing = kMissing;
};

/// 100 * (maximum - x) / (maximum - minimum), or 100 * (x - minimum) / (maximum - minimum) when more is better; 100 for all when the range
/// is empty.
class SignalRange {
 public:
  static constexpr std::string_view kName = "signal-range";
  using Options = SignalRangeOptions;
  static constexpr std::array kOptions = {Option<Options>{"signal", 0, detail::kLastSignal, &Options::signal},
                                          Option<Options>{"lower_is_better", 0, 1, &Options::lower_is_better},
                                          Option<Options>{"minimum", 0, 1e15, &Options::minimum},
                                          Option<Options>{"maximum", 0, 1e15, &Options::maximum},
                                          Option<Options>{"missing", 0, 1e15, &Options::missing}};

  explicit SignalRange(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const double* column = context.column(detail::signal_of(options_.signal)).data();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = detail::known_or(column[i], options_.missing);
    const ColumnRange seen = column_range(out);
    const double low = detail::known_or(options_.minimum, seen.min);
    const double high = detail::known_or(options_.maximum, seen.max);
    const bool empty = !(high > low);
    const double width = empty ? 1 : high - low;
    const bool lower = options_.lower_is_better != 0;
    for (double& x : out) {
      const double above = x < low ? low : x;
      const double inside = above > high ? high : above;
      const double place = lower ? 100 * (high - inside) / width : 100 * (inside - low) / width;
      const double equal = x == x ? 100 : x;
      x = empty ? equal : place;
    }
  }

 private:
  Options options_;
};

}  // namespace kthena::route
