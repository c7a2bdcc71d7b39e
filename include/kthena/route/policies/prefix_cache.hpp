// include/kthena/route/policies/prefix_cache.hpp
//
// Prefix cache and KV-cache aware: prefer the endpoint that holds most of the prompt.
//
//   Use when   prompts share long prefixes. Together with a load scorer: alone it sends a popular prefix to one endpoint for ever.
//   Cost       one pass over the depths; finding them is the work of `prefix`.
//   Source     volcano-sh/kthena pkg/kthena-router/scheduler/plugins/{prefix_cache.go,kvcache_aware.go}:
//              score = int((depth / total) * 100), 0 for those that hold nothing.
//   Known for  treating all of a short prompt as worth as much as all of a long one.
#pragma once

#include <algorithm>
#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/truncate.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

namespace detail {
/// Everyone gets 0 when nothing is known about the prompt.
inline void score_by_depth(std::span<const std::uint32_t> depths, std::uint32_t total, std::span<double> out) noexcept {
  if (total == 0) {
    std::fill(out.begin(), out.end(), 0.0);
    return;
  }
  const double whole = total;
  // Signed, for SSE2 has no unsigned conversion.
  const auto limit = static_cast<std::int32_t>(std::min(total, 0x7FFFFFFFu));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::uint32_t held = std::min(depths[i], 0x7FFFFFFFu);
    const std::int32_t depth = std::min(static_cast<std::int32_t>(held), limit);
    out[i] = truncate_score((static_cast<double>(depth) / whole) * 100);
  }
}
}  // namespace detail

/// By the router's own memory (Request::history), by Request::prefix where there is none.
class PrefixCache {
 public:
  static constexpr std::string_view kName = "prefix-cache";
  using Options = NoOptions;
  static constexpr std::array<Option<Options>, 0> kOptions = {};

  explicit PrefixCache(Options = {}) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    detail::score_by_depth(context.history_depths(), context.history_total(), out);
  }
};

/// By what the engines say they hold (Request::prefix).
class KvCacheAware {
 public:
  static constexpr std::string_view kName = "kvcache-aware";
  using Options = NoOptions;
  static constexpr std::array<Option<Options>, 0> kOptions = {};

  explicit KvCacheAware(Options = {}) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    detail::score_by_depth(context.prefix_depths(), context.prefix_total(), out);
  }
};

}  // namespace kthena::route
