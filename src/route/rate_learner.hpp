// src/route/rate_learner.hpp
//
// RateLearner: what an endpoint computes in a second, from what a router sees of its own requests. level_rates: rates of endpoints that are
// alike made equal.
//
//   Prefill    a prompt with nothing in front of it and t seconds to its first token: tokens / t, over many. It is too low by what a step of the
//              engine takes, and so it is for all endpoints.
//   Decode     an answer of k tokens that took t seconds beside n others: alone it would take t less what the others cost in each step, which
//              is known in tokens of prefill (CostOptions).
//   Use        rates are for comparing endpoints that differ by far. A policy that minimises seconds takes every difference of a noisy rate
//              for a difference of machines and piles up requests by it, hence level_rates: measured, unlevelled rates cost gsp-long
//              13 % of its throughput on three equal engines, levelled ones nothing.
//   Cost       O(1) per request, 48 bytes per endpoint; levelling O(n log n).
//   Source     own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kthena/base/time.hpp"
#include "kthena/route/signal.hpp"

namespace kthena::route::detail {

/// Tokens per second over the last samples, older ones fading.
class FadingRate {
 public:
  void add(double tokens, double seconds) noexcept {
    if (!(tokens > 0) || !(seconds > 0)) return;
    constexpr double kKeep = 1 - 1.0 / 64;
    tokens_ = tokens_ * kKeep + tokens;
    seconds_ = seconds_ * kKeep + seconds;
    ++count_;
  }
  /// kMissing before there are enough samples to go by.
  [[nodiscard]] double value() const noexcept {
    constexpr std::uint64_t kEnough = 16;
    return count_ < kEnough ? kMissing : tokens_ / seconds_;
  }
  /// From the first sample on.
  [[nodiscard]] double guess() const noexcept { return count_ == 0 ? kMissing : tokens_ / seconds_; }

 private:
  double tokens_ = 0;
  double seconds_ = 0;
  std::uint64_t count_ = 0;
};

class RateLearner {
 public:
  /// A first token came `took_ns` after the booking of a prompt with `own` uncached tokens; `ahead` stood in front of it, its own
  /// included.
  void add_first_token(double own, double ahead, Duration took_ns) noexcept {
    constexpr double kLeastTokens = 768;  // of shorter ones fixed costs are the larger part
    if (own >= kLeastTokens && ahead <= own) prefill_.add(own, to_seconds(took_ns));
  }
  /// The rest of an answer, `tokens` of them, came in `took_ns`; `beside` requests were in flight with `kv_tokens`.
  void add_answer(double tokens, Duration took_ns, double beside, double kv_tokens) noexcept {
    constexpr double kLeastTokens = 8;
    constexpr double kSequenceTokens = 2;  // CostOptions
    constexpr double kContextShare = 0.001;
    constexpr double kMostOthers = 0.5;  // beyond, what is left is more of the model than of the machine
    if (!(tokens >= kLeastTokens) || took_ns <= 0 || is_missing(prefill_.guess())) return;
    const double took_s = to_seconds(took_ns);
    const double others_s = tokens * (beside * kSequenceTokens + kv_tokens * kContextShare) / prefill_.guess();
    if (others_s <= kMostOthers * took_s) decode_.add(tokens, took_s - others_s);
  }

  [[nodiscard]] double prefill_tps() const noexcept { return prefill_.value(); }
  [[nodiscard]] double decode_tps() const noexcept { return decode_.value(); }

 private:
  FadingRate prefill_;
  FadingRate decode_;
};

/// Splits `rates` (kMissing: none) where one is more than `gap` times the next lower one, and wherever a group would span more than gap
/// squared, and gives each its group's mean. With one group all become kMissing: there is nothing to tell apart. `order` is scratch.
inline void level_rates(std::span<double> rates, double gap, std::vector<std::uint32_t>& order) {
  const double span = gap * gap;
  order.clear();
  for (std::uint32_t i = 0; i < rates.size(); ++i)
    if (!is_missing(rates[i])) order.push_back(i);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return rates[a] != rates[b] ? rates[a] < rates[b] : a < b; });
  for (std::size_t first = 0; first < order.size();) {
    std::size_t end = first + 1;
    double sum = rates[order[first]];
    while (end < order.size() && rates[order[end]] <= gap * rates[order[end - 1]] &&
           rates[order[end]] <= span * rates[order[first]])
      sum += rates[order[end++]];
    if (first == 0 && end == order.size()) {
      for (const std::uint32_t i : order) rates[i] = kMissing;
      return;
    }
    const double mean = sum / static_cast<double>(end - first);
    for (std::size_t k = first; k < end; ++k) rates[order[k]] = mean;
    first = end;
  }
}

}  // namespace kthena::route::detail
