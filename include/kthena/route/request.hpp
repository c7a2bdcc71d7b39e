// include/kthena/route/request.hpp
//
// Request: what a routing decision may know about the request. All views are borrowed for the call.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "kthena/base/hash.hpp"
#include "kthena/base/time.hpp"
#include "kthena/route/place.hpp"

namespace kthena::route {

/// The longest prompt, in blocks.
inline constexpr std::uint32_t kMaxBlocks = 0x7FFFFFFF;
/// The largest block, in tokens.
inline constexpr std::uint32_t kMaxBlockTokens = 65536;

/// How much of the prompt each endpoint is known to hold.
struct PrefixMatch {
  /// Leading blocks held, one per endpoint in pool order; empty: not known.
  std::span<const std::uint32_t> depth_blocks{};
  /// Full blocks of the prompt, as PrefixQuery::size_blocks(); depths above it count as it. Kthena counts a last partial block too:
  /// docs/policies.md.
  std::uint32_t total_blocks = 0;
  /// Tokens per block, at most kMaxBlockTokens; 0: prompt_tokens / total_blocks. Read by parts that count tokens.
  std::uint32_t block_tokens = 0;
  /// Leading blocks held in host memory or faster, and on disk or faster, beside depth_blocks; each one per endpoint, no less than the
  /// faster tier has; empty: not known.
  std::span<const std::uint32_t> host_depth_blocks{};
  std::span<const std::uint32_t> disk_depth_blocks{};
};

struct Request {
  /// Ties and random choices hang on it, with `sequence` and `seed`.
  std::string_view id{};
  /// Model or adapter the client asked for; read by the filter lora-affinity alone.
  std::string_view model{};
  /// Tokens of the prompt; 0: not known.
  std::uint32_t prompt_tokens = 0;
  /// From an index of what engines hold; read by kvcache-aware.
  PrefixMatch prefix{};
  /// From the router's own memory of what it sent; read by prefix-cache, which takes `prefix` without it.
  PrefixMatch history{};
  /// Count of requests so far, carried by the caller; round robin follows it, ties depend on it.
  std::uint64_t sequence = 0;
  /// Ages in explanations count from here.
  Time now_ns = 0;
  /// The router's; secret where clients must not steer ties. Not related to the seed of an index.
  std::uint64_t seed = 0;
  /// Tokens that the answer is expected or allowed to have; 0: not known.
  std::uint32_t output_tokens = 0;
  /// What is to be kept together: a conversation, a user; empty: nothing.
  std::string_view session{};
  /// Names of the place to be near to, by PlaceLevel (a peer's, a client's); empty: not known.
  std::array<std::string_view, kPlaceLevels> near{};
  /// What the client was promised, seconds; 0: nothing.
  double slo_ttft_s = 0;
  double slo_tpot_s = 0;
};

/// The key of a request for ties and random choices: requests with equal id, sequence and seed decide alike.
constexpr std::uint64_t request_key(const Request& request) noexcept {
  return combine64(combine64(hash_id(request.id), request.seed), request.sequence);
}

/// The order in which an endpoint stands among equals for a request: smaller first.
constexpr std::uint64_t tie_order(std::uint64_t request_key, std::uint64_t endpoint_key) noexcept {
  return mix64(request_key ^ endpoint_key);
}

}  // namespace kthena::route
