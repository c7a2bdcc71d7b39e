// src/route/rate_learner.hpp
//
// RateLearner: what an endpoint computes in a second, from what a router sees of its own requests.
//
//   Prefill    u tokens stood in front of a first token, its own included, and it took t seconds: the endpoint computes at least u / t.
//              Short ones say nothing (fixed costs), waits for a step or for memory make it too low, so the rate rises fast and falls slowly.
//   Decode     an answer of k tokens took t seconds beside n others: alone a token would take t / k less what the others cost in a step,
//              which is known in tokens of prefill (CostOptions). Others that were not seen make it too low.
//   Bounds     within [1/16, 16] of the first value, for a broken clock must not make an endpoint free of cost.
//   Cost       O(1), 48 bytes per endpoint.
//   Source     own.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kthena/base/time.hpp"
#include "kthena/route/signal.hpp"

namespace kthena::route::detail {

class LearnedRate {
 public:
  /// kMissing before the first sample.
  [[nodiscard]] double value() const noexcept { return value_; }
  /// `rate` > 0 and finite, else it is not looked at.
  void add(double rate) noexcept {
    if (!(rate > 0) || !(rate - rate == 0)) return;
    if (is_missing(value_)) {
      value_ = first_ = rate;
      return;
    }
    constexpr double kRise = 0.25;
    constexpr double kFall = 0.01;
    constexpr double kBound = 16;
    value_ += (rate > value_ ? kRise : kFall) * (rate - value_);
    value_ = std::clamp(value_, first_ / kBound, first_ * kBound);
  }

 private:
  double value_ = kMissing;
  double first_ = kMissing;
};

class RateLearner {
 public:
  /// A first token came `took_ns` after the booking, with `tokens` uncached ones up to and with its own.
  void add_first_token(double tokens, Duration took_ns) noexcept {
    constexpr double kLeastTokens = 256;
    if (tokens >= kLeastTokens && took_ns > 0) prefill_.add(tokens / to_seconds(took_ns));
  }
  /// The rest of an answer, `tokens` of them, came in `took_ns`; `beside` requests were in flight with `kv_tokens`.
  void add_answer(double tokens, Duration took_ns, double beside, double kv_tokens) noexcept {
    constexpr double kLeastTokens = 8;
    constexpr double kSequenceTokens = 2;  // CostOptions
    constexpr double kContextShare = 0.001;
    constexpr double kLeastShare = 0.1;
    if (tokens < kLeastTokens || took_ns <= 0 || is_missing(prefill_.value())) return;
    const double token_s = to_seconds(took_ns) / tokens;
    const double others_s = (beside * kSequenceTokens + kv_tokens * kContextShare) / prefill_.value();
    decode_.add(1 / std::max(token_s - others_s, token_s * kLeastShare));
  }

  [[nodiscard]] double prefill_tps() const noexcept { return prefill_.value(); }
  [[nodiscard]] double decode_tps() const noexcept { return decode_.value(); }

 private:
  LearnedRate prefill_;
  LearnedRate decode_;
};

}  // namespace kthena::route::detail
