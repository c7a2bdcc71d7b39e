// include/kthena/route/policies/prefix_affinity.hpp
//
// Prefix affinity: only endpoints that hold much of the prompt. prefix-threshold drops the others, if need be all; prefix-affinity drops them
// unless nobody holds enough or those who do are too busy.
//
//   Use when   prefix-threshold: as the condition of a stage that goes by prefix. prefix-affinity: before load scorers, which then choose
//              among those that hold the prompt.
//   Cost       one pass over the depths, for prefix-affinity two more over two columns; no state, no allocation.
//   Source     prefix-threshold: lightseekorg/smg model_gateway/src/policies/cache_aware.rs (cache_threshold 0.5). prefix-affinity: llm-d-router
//              pkg/epp/framework/plugins/scheduling/filter/prefixcacheaffinity (0.80; 18 s at 15,928 tokens a second).
//   Known for  a wide gap: at 18 s, a popular prefix keeps its endpoint until it is 287,000 tokens behind.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/policies/prompt.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

namespace detail {
/// Shares of the prompt that the endpoints of a pool hold.
class PoolMatch {
 public:
  PoolMatch(const PoolView& view, const Request& request, double match) noexcept : match_(match_of(request, match)) {
    known_ = match_.depth_blocks.size() == view.size && match_.total_blocks > 0;
  }
  [[nodiscard]] double share(std::size_t endpoint) const noexcept {
    return known_ ? held_blocks(match_.depth_blocks[endpoint], match_.total_blocks) /
                        static_cast<double>(match_.total_blocks)
                  : 0;
  }

 private:
  const PrefixMatch& match_;
  bool known_ = false;
};
}  // namespace detail

struct PrefixThresholdOptions {
  /// Keeps endpoints that hold a larger share of the prompt. Range [0, 1]. DEFAULT: 0.5.
  double above = 0.5;
  /// Which match is read: 0 = Request::history first, 1 = Request::prefix first. DEFAULT: 0.
  double match = detail::kHistoryFirst;
};

/// Keeps depth / total > above.
class PrefixThreshold {
 public:
  static constexpr std::string_view kName = "prefix-threshold";
  using Options = PrefixThresholdOptions;
  static constexpr std::array kOptions = {Option<Options>{"above", 0, 1, &Options::above},
                                          Option<Options>{"match", 0, 1, &Options::match}};

  explicit PrefixThreshold(Options options = {}) : options_(options) {}

  void filter(const PoolView& view, const Request& request, std::span<std::uint8_t> keep) const noexcept {
    const detail::PoolMatch match(view, request, options_.match);
    for (std::size_t i = 0; i < keep.size(); ++i)
      keep[i] = static_cast<std::uint8_t>(keep[i] & static_cast<std::uint8_t>(match.share(i) > options_.above));
  }
  [[nodiscard]] Reason explain(const PoolView& view, const Request& request, EndpointIndex endpoint) const {
    const double share = detail::PoolMatch(view, request, options_.match).share(endpoint.value);
    return {ReasonCode::prefix_too_short, 0, share, options_.above};
  }

 private:
  Options options_;
};

struct PrefixAffinityOptions {
  /// Endpoints that hold this share of the prompt or more are sticky. Range [0, 1]. DEFAULT: 0.8.
  double share = 0.8;
  /// All are kept when the least wait among the sticky is longer by more than this than the least among the others, in seconds. Range [0,
  /// 1e6]; 0: whatever they wait. DEFAULT: 18.
  double max_gap_s = 18;
  /// Prompt tokens a second where prefill_tps was never sampled. Range [1e-3, 1e9]. DEFAULT: 15928.
  double prefill_tps = 15928;
  /// As in prefix-threshold. DEFAULT: 0.
  double match = detail::kHistoryFirst;
};

/// Keeps the sticky ones where there are any. wait = uncached_tokens / prefill_tps; when nobody's is known on either side, all are kept.
class PrefixAffinity {
 public:
  static constexpr std::string_view kName = "prefix-affinity";
  using Options = PrefixAffinityOptions;
  static constexpr std::array kOptions = {Option<Options>{"share", 0, 1, &Options::share},
                                          Option<Options>{"max_gap_s", 0, 1e6, &Options::max_gap_s},
                                          Option<Options>{"prefill_tps", 1e-3, 1e9, &Options::prefill_tps},
                                          Option<Options>{"match", 0, 1, &Options::match}};

  explicit PrefixAffinity(Options options = {}) : options_(options) {}

  void filter(const PoolView& view, const Request& request, std::span<std::uint8_t> keep) const noexcept {
    const detail::PoolMatch match(view, request, options_.match);
    const double* tokens = view.values[static_cast<std::size_t>(Signal::kUncachedTokens)];
    const double* rates = view.values[static_cast<std::size_t>(Signal::kPrefillTps)];
    std::size_t sticky = 0;
    std::size_t others = 0;
    double sticky_wait = kNever;
    double other_wait = kNever;
    for (std::size_t i = 0; i < keep.size(); ++i) {
      if (keep[i] == 0) continue;
      const double known = rates != nullptr && rates[i] > 0 ? rates[i] : options_.prefill_tps;
      const double wait = tokens != nullptr ? tokens[i] / known : kMissing;
      const bool sticks = match.share(i) >= options_.share;
      sticky += sticks ? 1 : 0;
      others += sticks ? 0 : 1;
      double& least = sticks ? sticky_wait : other_wait;
      least = wait < least ? wait : least;
    }
    if (sticky == 0 || others == 0) return;
    if (options_.max_gap_s > 0) {
      if (sticky_wait == kNever || other_wait == kNever) return;
      if (sticky_wait - other_wait > options_.max_gap_s) return;
    }
    for (std::size_t i = 0; i < keep.size(); ++i)
      keep[i] = static_cast<std::uint8_t>(keep[i] & static_cast<std::uint8_t>(match.share(i) >= options_.share));
  }
  [[nodiscard]] Reason explain(const PoolView& view, const Request& request, EndpointIndex endpoint) const {
    const double share = detail::PoolMatch(view, request, options_.match).share(endpoint.value);
    return {ReasonCode::prefix_too_short, 0, share, options_.share};
  }

 private:
  static constexpr double kNever = std::numeric_limits<double>::infinity();
  Options options_;
};

}  // namespace kthena::route
