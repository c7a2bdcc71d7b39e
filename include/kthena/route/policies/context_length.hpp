// include/kthena/route/policies/context_length.hpp
//
// Context length: endpoints meant for prompts of this length, the narrowest first.
//
//   Use when   parts of the fleet are set up for short or for long prompts (context_min_tokens, context_max_tokens).
//   Cost       one pass over two columns; no state, no allocation.
//   Source     llm-d-router pkg/epp/framework/plugins/scheduling/scorer/contextlengthaware, which reads a label "min-max".
//   Known for  no look at load: all long prompts go to the narrowest endpoint that takes them; a short prompt may get no better than 50
//              where the range is wide.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/policies/prompt.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

/// width = max - min of the endpoint, length = the prompt's tokens. In range: 100 * (0.3 + 0.7 * (0.7 / (1 + width / 10000) + 0.3 * (max -
/// length) / width)), 100 when width is 0. Out of range by d tokens: 100 * 0.3 / (1 + d / 1000). 50 without a maximum; 0 when the minimum
/// (0 without one) is above it.
class ContextLength {
 public:
  static constexpr std::string_view kName = "context-length";
  using Options = NoOptions;
  static constexpr std::array<Option<Options>, 0> kOptions = {};

  explicit ContextLength(Options = {}) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const double length = detail::prompt_tokens(context.request());
    const double* minima = context.column(Signal::kContextMinTokens).data();
    const double* maxima = context.column(Signal::kContextMaxTokens).data();
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double low = detail::known_or(minima[i], 0);
      const double high = maxima[i];
      const double width = high - low;
      const double narrow = 1 / (1 + width / 10000);
      const double room = (high - length) / width;
      const double inside = width == 0 ? 1 : 0.3 + (0.7 * narrow + 0.3 * room) * (1 - 0.3);
      const double distance = length > high ? length - high : low - length;
      const double outside = 0.3 / (1 + distance / 1000);
      const double fit = (length >= low) & (length <= high) ? inside : outside;
      out[i] = high != high ? 50 : low > high ? 0 : 100 * fit;
    }
  }
};

}  // namespace kthena::route
