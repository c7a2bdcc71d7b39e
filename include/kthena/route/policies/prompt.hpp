// include/kthena/route/policies/prompt.hpp
//
// What parts that count tokens read of a request: how long the prompt is, how much of it each candidate holds and in which tier.
//
//   match         the option `match` of a part says which one it reads first: 0 = Request::history, 1 = Request::prefix; the other one where
//                 that is absent.
//   block size    PrefixMatch::block_tokens; prompt_tokens / total_blocks where that is 0; 1 where both are.
//   prompt        Request::prompt_tokens; total_blocks * block size where that is 0.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kthena/route/scoring.hpp"

namespace kthena::route::detail {

/// Values of the option `match`.
inline constexpr double kHistoryFirst = 0;
inline constexpr double kPrefixFirst = 1;

inline const PrefixMatch& match_of(const Request& request, double match) noexcept {
  const PrefixMatch& first = match == kHistoryFirst ? request.history : request.prefix;
  const PrefixMatch& other = match == kHistoryFirst ? request.prefix : request.history;
  return first.depth_blocks.empty() ? other : first;
}

struct PromptSize {
  double blocks = 0;
  double block_tokens = 1;
  double tokens = 0;
};

inline PromptSize prompt_size(const Request& request, const PrefixMatch& match) noexcept {
  PromptSize size;
  size.blocks = match.total_blocks;
  if (match.block_tokens > 0) {
    size.block_tokens = match.block_tokens;
  } else if (request.prompt_tokens > 0 && match.total_blocks > 0) {
    size.block_tokens = static_cast<double>(request.prompt_tokens) / size.blocks;
  }
  size.tokens = request.prompt_tokens > 0 ? request.prompt_tokens : size.blocks * size.block_tokens;
  return size;
}

/// Tokens of the prompt.
inline double prompt_tokens(const Request& request) noexcept {
  return prompt_size(request, match_of(request, kPrefixFirst)).tokens;
}

/// min(depth, total). Signed, for SSE2 has no unsigned conversion.
inline double held_blocks(std::uint32_t depth, std::uint32_t total) noexcept {
  const auto limit = static_cast<std::int32_t>(std::min(total, 0x7FFFFFFFu));
  return static_cast<double>(std::min(static_cast<std::int32_t>(std::min(depth, 0x7FFFFFFFu)), limit));
}

/// The match of a request as the candidates of a context see it.
class PromptMatch {
 public:
  PromptMatch(const ScoreContext& context, double match) noexcept
      : match_(match_of(context.request(), match)), size_(prompt_size(context.request(), match_)), context_(context) {
    // Request::history falls back to Request::prefix by itself.
    depths_ = &match_ == &context.request().prefix ? context.prefix_depths().data() : context.history_depths().data();
    const std::size_t pool = context.view().size;
    device_ = match_.depth_blocks.size() == pool;
    host_ = device_ && match_.host_depth_blocks.size() == pool;
    disk_ = device_ && match_.disk_depth_blocks.size() == pool;
  }

  [[nodiscard]] const PromptSize& size() const noexcept { return size_; }
  /// Leading blocks on the device.
  [[nodiscard]] double device(std::size_t candidate) const noexcept {
    return held_blocks(depths_[candidate], match_.total_blocks);
  }
  /// Leading blocks in host memory or faster; as on the device where that is not known.
  [[nodiscard]] double host(std::size_t candidate) const noexcept {
    return host_ ? tier(match_.host_depth_blocks, candidate) : device(candidate);
  }
  /// Leading blocks on disk or faster.
  [[nodiscard]] double disk(std::size_t candidate) const noexcept {
    return disk_ ? tier(match_.disk_depth_blocks, candidate) : host(candidate);
  }
  /// Tokens that the candidate would have to compute.
  [[nodiscard]] double uncached_tokens(std::size_t candidate) const noexcept {
    const double rest = size_.tokens - device(candidate) * size_.block_tokens;
    return rest > 0 ? rest : 0;
  }

 private:
  [[nodiscard]] double tier(std::span<const std::uint32_t> depths, std::size_t candidate) const noexcept {
    return held_blocks(depths[context_.endpoint(candidate).value], match_.total_blocks);
  }

  const PrefixMatch& match_;
  PromptSize size_;
  const ScoreContext& context_;
  const std::uint32_t* depths_ = nullptr;
  bool device_ = false;
  bool host_ = false;
  bool disk_ = false;
};

}  // namespace kthena::route::detail
