// include/kthena/route/policies/prefix_ratio.hpp
//
// Prefix ratio: how much of the prompt an endpoint holds, as a share, as a share by tier, or in tokens.
//
//   Use when   prompts share long prefixes, beside a load scorer. Ratio: llm-d's exact share. Tiers: engines offload to host memory or disk.
//              Tokens: prompts differ in length, so that a share says little about the work that is saved.
//   Cost       one pass over the depths; finding them is the work of `prefix`.
//   Source     llm-d-router pkg/epp/framework/plugins/scheduling/scorer/prefix; tiers: weights of ai-dynamo/dynamo lib/kv-router.
//   Known for  alone: sends a popular prefix to one endpoint for ever.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/prompt.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct PrefixRatioOptions {
  /// Which match is read: 0 = Request::history first, 1 = Request::prefix first. DEFAULT: 0.
  double match = detail::kHistoryFirst;
};

/// 100 * (depth / total); 0 for all when nothing is known about the prompt.
class PrefixRatio {
 public:
  static constexpr std::string_view kName = "prefix-ratio";
  using Options = PrefixRatioOptions;
  static constexpr std::array kOptions = {Option<Options>{"match", 0, 1, &Options::match}};

  explicit PrefixRatio(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const detail::PromptMatch prompt(context, options_.match);
    const double total = prompt.size().blocks > 0 ? prompt.size().blocks : 1;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = 100 * (prompt.device(i) / total);
  }

 private:
  Options options_;
};

struct PrefixTiersOptions {
  /// Worth of a block in each tier against one that need not be computed at all. Range [0, 1]. DEFAULT: 1, 0.75, 0.25 (Dynamo).
  double device_weight = 1;
  double host_weight = 0.75;
  double disk_weight = 0.25;
  /// As in prefix-ratio. DEFAULT: 1.
  double match = detail::kPrefixFirst;
};

/// 100 * (device_weight * device + host_weight * (host - device) + disk_weight * (disk - host)) / total.
class PrefixTiers {
 public:
  static constexpr std::string_view kName = "prefix-tiers";
  using Options = PrefixTiersOptions;
  static constexpr std::array kOptions = {Option<Options>{"device_weight", 0, 1, &Options::device_weight},
                                          Option<Options>{"host_weight", 0, 1, &Options::host_weight},
                                          Option<Options>{"disk_weight", 0, 1, &Options::disk_weight},
                                          Option<Options>{"match", 0, 1, &Options::match}};

  explicit PrefixTiers(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const detail::PromptMatch prompt(context, options_.match);
    const double total = prompt.size().blocks > 0 ? prompt.size().blocks : 1;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double device = prompt.device(i);
      const double host = prompt.host(i);
      const double disk = prompt.disk(i);
      const double worth = options_.device_weight * device + options_.host_weight * (host - device) +
                           options_.disk_weight * (disk - host);
      out[i] = 100 * worth / total;
    }
  }

 private:
  Options options_;
};

struct CachedTokensOptions {
  /// Tokens that get 100. Range [1, 1e9]. DEFAULT: 16384, the longest match of Kthena's published benchmark (128 blocks of 128).
  double full_tokens = 16384;
  /// As in prefix-ratio. DEFAULT: 1.
  double match = detail::kPrefixFirst;
};

/// 100 * min(1, depth * tokens per block / full_tokens).
class CachedTokens {
 public:
  static constexpr std::string_view kName = "cached-tokens";
  using Options = CachedTokensOptions;
  static constexpr std::array kOptions = {Option<Options>{"full_tokens", 1, 1e9, &Options::full_tokens},
                                          Option<Options>{"match", 0, 1, &Options::match}};

  explicit CachedTokens(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const detail::PromptMatch prompt(context, options_.match);
    const double block = prompt.size().block_tokens;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double share = prompt.device(i) * block / options_.full_tokens;
      out[i] = 100 * (share > 1 ? 1 : share);
    }
  }

 private:
  Options options_;
};

}  // namespace kthena::route
