// include/kthena/route/policies/fits.hpp
//
// Fits: drop endpoints that cannot take a request of this length at all (fits), or are not meant for it (context-length).
//
//   Use when   the fleet is mixed: some endpoints have less KV memory or a shorter context window, or are set aside for long prompts.
//   Cost       one pass over one or two columns; no state, no allocation.
//   Source     limits of the engines; context-length: llm-d-router pkg/epp/framework/plugins/scheduling/scorer/contextlengthaware with
//              enableFiltering, which counts the prompt alone.
//   Known for  fits trusts Request::output_tokens: a client that asks for the longest answer fits nowhere but on the largest endpoint.
#pragma once

#include <array>
#include <cstdint>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/policies/prompt.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

namespace detail {
/// Drops those for which tokens > limit; one without the signal has none.
inline void drop_above(const PoolView& view, Signal signal, double tokens, std::span<std::uint8_t> keep) noexcept {
  const double* limits = view.values[static_cast<std::size_t>(signal)];
  if (limits == nullptr) return;
  for (std::size_t i = 0; i < keep.size(); ++i)
    keep[i] = static_cast<std::uint8_t>(keep[i] & static_cast<std::uint8_t>(!(tokens > limits[i])));
}
/// The limit that was missed; 0 where there is none.
inline double limit_of(const PoolView& view, Signal signal, EndpointIndex endpoint) noexcept {
  const double* limits = view.values[static_cast<std::size_t>(signal)];
  return limits == nullptr ? 0 : known_or(limits[endpoint.value], 0);
}
}  // namespace detail

/// Keeps prompt + output_tokens <= kv_capacity_tokens and <= context_max_tokens.
class Fits {
 public:
  static constexpr std::string_view kName = "fits";
  using Options = NoOptions;
  static constexpr std::array<Option<Options>, 0> kOptions = {};

  explicit Fits(Options = {}) {}

  void filter(const PoolView& view, const Request& request, std::span<std::uint8_t> keep) const noexcept {
    detail::drop_above(view, Signal::kKvCapacityTokens, tokens(request), keep);
    detail::drop_above(view, Signal::kContextMaxTokens, tokens(request), keep);
  }
  [[nodiscard]] Reason explain(const PoolView& view, const Request& request, EndpointIndex endpoint) const {
    const double capacity = detail::limit_of(view, Signal::kKvCapacityTokens, endpoint);
    const double context = detail::limit_of(view, Signal::kContextMaxTokens, endpoint);
    const bool by_capacity = capacity > 0 && tokens(request) > capacity;
    return {ReasonCode::does_not_fit, 0, tokens(request), by_capacity ? capacity : context};
  }

 private:
  static double tokens(const Request& request) noexcept {
    return detail::prompt_tokens(request) + static_cast<double>(request.output_tokens);
  }
};

/// Keeps context_min_tokens <= prompt <= context_max_tokens; a limit that was never sampled is none.
class ContextLengthFilter {
 public:
  static constexpr std::string_view kName = "context-length";
  using Options = NoOptions;
  static constexpr std::array<Option<Options>, 0> kOptions = {};

  explicit ContextLengthFilter(Options = {}) {}

  void filter(const PoolView& view, const Request& request, std::span<std::uint8_t> keep) const noexcept {
    const double tokens = detail::prompt_tokens(request);
    detail::drop_above(view, Signal::kContextMaxTokens, tokens, keep);
    const double* minima = view.values[static_cast<std::size_t>(Signal::kContextMinTokens)];
    if (minima == nullptr) return;
    for (std::size_t i = 0; i < keep.size(); ++i)
      keep[i] = static_cast<std::uint8_t>(keep[i] & static_cast<std::uint8_t>(!(tokens < minima[i])));
  }
  [[nodiscard]] Reason explain(const PoolView& view, const Request& request, EndpointIndex endpoint) const {
    const double tokens = detail::prompt_tokens(request);
    const double least = detail::limit_of(view, Signal::kContextMinTokens, endpoint);
    const double most = detail::limit_of(view, Signal::kContextMaxTokens, endpoint);
    return {ReasonCode::does_not_fit, 0, tokens, tokens < least ? least : most};
  }
};

}  // namespace kthena::route
