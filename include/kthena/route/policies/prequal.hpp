// include/kthena/route/policies/prequal.hpp
//
// Prequal: endpoints with few requests in flight are cold, and the fastest of them wins; the hot ones only count when all are hot.
//
//   Use when   tail latency matters and endpoints differ in speed for reasons that requests in flight do not show.
//   Cost       a selection in one column and one pass over two; no state, no allocation.
//   Source     Prequal (NSDI 2024). Its probes are an asynchronous pool that is used up; here the snapshot is the probe of everybody.
//   Known for  an endpoint without a latency counts as the fastest: until it answers, only requests in flight hold it back.
#pragma once

#include <algorithm>
#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct PrequalOptions {
  /// Share of the candidates that may be cold: the limit is the ceil(quantile * n)-th smallest count. Range [0, 1]; 0: all are hot. DEFAULT: 0.84.
  double quantile = 0.84;
  /// The signal that is latency, by its number in Signal. Range [0, 20], whole. DEFAULT: 3, ttft_s.
  double latency_signal = 3;
  /// Latency where none was measured, in the signal's unit. Range [0, 1e9]. DEFAULT: 0.
  double unmeasured = 0;
  /// Requests assumed where nothing was counted. Range [0, 1e9]. DEFAULT: none, the endpoint abstains.
  double missing_requests = kMissing;
};

/// Cold, in_flight <= limit: 50 + 50 / (1 + latency). Hot: 50 / (1 + in_flight).
class Prequal {
 public:
  static constexpr std::string_view kName = "prequal";
  using Options = PrequalOptions;
  static constexpr std::array kOptions = {
      Option<Options>{"quantile", 0, 1, &Options::quantile},
      Option<Options>{"latency_signal", 0, detail::kLastSignal, &Options::latency_signal},
      Option<Options>{"unmeasured", 0, 1e9, &Options::unmeasured},
      Option<Options>{"missing_requests", 0, 1e9, &Options::missing_requests}};

  explicit Prequal(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const double* sent = context.column(Signal::kInFlight).data();
    const double* latency = context.column(detail::signal_of(options_.latency_signal)).data();
    const std::span<double> counts = context.scratch();
    std::size_t known = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = detail::known_or(sent[i], options_.missing_requests);
      counts[known] = out[i];  // overwritten by the next one when it is missing
      known += out[i] == out[i] ? 1 : 0;
    }
    const double limit = nth_smallest(counts.first(known));
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double measured = latency[i] > 0 ? latency[i] : options_.unmeasured;
      const double hot = 50 / (1 + out[i]);
      out[i] = out[i] <= limit ? 50 + 50 / (1 + measured) : hot;
    }
  }

 private:
  /// The ceil(quantile * n)-th smallest; -1 when that is none.
  [[nodiscard]] double nth_smallest(std::span<double> counts) const noexcept {
    const double wanted = options_.quantile * static_cast<double>(counts.size());
    auto rank = static_cast<std::size_t>(wanted);
    rank += static_cast<double>(rank) < wanted ? 1 : 0;
    if (rank == 0) return -1;
    const auto place = counts.begin() + static_cast<std::ptrdiff_t>(rank - 1);
    std::nth_element(counts.begin(), place, counts.end());
    return *place;
  }

  Options options_;
};

}  // namespace kthena::route
