// include/kthena/route/policies/token_load.hpp
//
// Token load: how many prompt tokens an endpoint would still have to compute, this request's included.
//
//   Use when   prompts differ in length, so that requests are no unit of work.
//   Cost       one or two passes over one or two columns and the depths; no state, no allocation.
//   Source     llm-d-router pkg/epp/framework/plugins/scheduling/scorer/tokenload (token-load); sums of LoadLedger (outstanding-tokens).
//   Known for  token-load: a scale of 4 Mi tokens, on which usual loads differ by less than a point; outstanding-tokens: scaling by the
//              busiest candidate.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/policies/prompt.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct TokenLoadOptions {
  /// Tokens at which an endpoint gets 0. Range [1, 1e15]. DEFAULT: 4194304.
  double full_tokens = 4194304;
  /// Which match says what is cached: 0 = Request::history first, 1 = Request::prefix first. DEFAULT: 1.
  double match = detail::kPrefixFirst;
  /// Tokens in flight assumed where nothing was counted. Range [0, 1e15]. DEFAULT: none, the endpoint abstains.
  double missing_tokens = kMissing;
};

/// 100 * (1 - min(1, (uncached_tokens + those of this request) / full_tokens)).
class TokenLoad {
 public:
  static constexpr std::string_view kName = "token-load";
  using Options = TokenLoadOptions;
  static constexpr std::array kOptions = {Option<Options>{"full_tokens", 1, 1e15, &Options::full_tokens},
                                          Option<Options>{"match", 0, 1, &Options::match},
                                          Option<Options>{"missing_tokens", 0, 1e15, &Options::missing_tokens}};

  explicit TokenLoad(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const detail::PromptMatch prompt(context, options_.match);
    const double* booked = context.column(Signal::kUncachedTokens).data();
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double tokens = detail::known_or(booked[i], options_.missing_tokens) + prompt.uncached_tokens(i);
      const double share = tokens / options_.full_tokens;
      out[i] = 100 * (1 - (share > 1 ? 1 : share));
    }
  }

 private:
  Options options_;
};

struct OutstandingTokensOptions {
  /// What a token of an answer weighs against one of a prompt. Range [0, 1e6]. DEFAULT: 1.
  double output_weight = 1;
  /// Tokens assumed where nothing was counted. Range [0, 1e15]. DEFAULT: none, the endpoint abstains.
  double missing_tokens = kMissing;
};

/// load = uncached_tokens + output_weight * output_tokens of what was sent and has not ended; 100 * (max - load) / max, all 100 when max is 0.
class OutstandingTokens {
 public:
  static constexpr std::string_view kName = "outstanding-tokens";
  using Options = OutstandingTokensOptions;
  static constexpr std::array kOptions = {Option<Options>{"output_weight", 0, 1e6, &Options::output_weight},
                                          Option<Options>{"missing_tokens", 0, 1e15, &Options::missing_tokens}};

  explicit OutstandingTokens(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const double* prompts = context.column(Signal::kUncachedTokens).data();
    const double* answers = context.column(Signal::kOutputTokens).data();
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = detail::known_or(prompts[i], options_.missing_tokens) +
               options_.output_weight * detail::known_or(answers[i], options_.missing_tokens);
    }
    detail::score_below_most(out);
  }

 private:
  Options options_;
};

}  // namespace kthena::route
