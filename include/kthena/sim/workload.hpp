// include/kthena/sim/workload.hpp
//
// Workload: what clients ask for, as a struct of arrays. A prompt is a list of segments, stretches of tokens that other prompts may
// share: equal ids at equal places after equal prefixes mean equal tokens. No token is ever made up.
//
//   Use when   a scenario needs requests: the generated-shared-prefix benchmark here, real traces in trace.hpp.
//   Cost       O(requests + segments) to make; 28 to 36 bytes per request and 12 per segment.
//   Source     sglang bench_serving.py `generated-shared-prefix` (its shuffle and Poisson pacing; joiners between system prompt and
//              question are left out); Mooncake FAST'25 traces for prompts as block ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kthena/base/status.hpp"
#include "kthena/base/time.hpp"

namespace kthena::sim {

/// Longest prompt and longest answer that a workload may hold, tokens.
inline constexpr std::uint32_t kMaxTokens = 10'000'000;
/// An adapter id of a request for the base model.
inline constexpr std::uint32_t kNoAdapter = 0xFFFFFFFFu;
/// Different adapters that a workload may have.
inline constexpr std::uint32_t kMaxAdapters = 65'536;

struct Workload {
  std::string name;

  // One element per request, in the order of arrival.
  std::vector<Time> arrival_ns;              ///< not decreasing; 0 is the start of a run
  std::vector<std::uint32_t> prompt_tokens;  ///< 1..kMaxTokens
  std::vector<std::uint32_t> output_tokens;  ///< 1..kMaxTokens

  // Prompts. Segments of request i: [segment_offsets[i], segment_offsets[i + 1]); their tokens add up to its prompt_tokens.
  std::vector<std::uint32_t> segment_offsets{0};
  std::vector<std::uint32_t> segment_ids;
  std::vector<std::uint32_t> segment_tokens;

  /// Tokens of the blocks a trace names its prompts in; 0: none. An engine's block size must divide it.
  std::uint32_t trace_block_tokens = 0;

  // Optional: empty, or one element per request.
  std::vector<std::uint32_t> group_ids;    ///< which system prompt; read by Assignment::kPartition alone
  std::vector<std::uint32_t> adapter_ids;  ///< LoRA adapter, 0..kMaxAdapters, or kNoAdapter

  [[nodiscard]] std::size_t size() const noexcept { return arrival_ns.size(); }
};

/// All faults, each with its place ("requests[3].prompt_tokens"), at most 100 of them.
Status check(const Workload& workload);

/// The generated-shared-prefix benchmark: `groups` system prompts, each asked `requests_per_group` different questions, all shuffled.
struct GeneratedSharedPrefix {
  std::uint32_t groups = 256;             ///< >= 1
  std::uint32_t requests_per_group = 32;  ///< >= 1
  std::uint32_t system_tokens = 4096;     ///< >= 0
  std::uint32_t question_tokens = 256;    ///< >= 1
  std::uint32_t output_tokens = 128;      ///< >= 1
  /// Mean rate at which the client makes requests (exponential gaps). 0: all at once. Range [0, 1e9]. DEFAULT: 800.
  double rate_rps = 800;
  std::uint64_t seed = 1;
  /// How unlike the groups are: group g (counted from 0) has its share (g + 1)^-s of the groups * requests_per_group requests, rounded by
  /// largest remainders. 0: all alike. Range [0, 10]. DEFAULT: 0.
  double zipf_s = 0;
  /// LoRA adapters; each group asks for one, drawn with odds (a + 1)^-adapter_zipf_s. 0: none. Range 0..kMaxAdapters. DEFAULT: 0.
  std::uint32_t adapters = 0;
  double adapter_zipf_s = 0;  ///< [0, 10]
};

/// kInvalidArgument names every field out of range. At most 2^26 requests.
Result<Workload> make_generated_shared_prefix(const GeneratedSharedPrefix& spec);

/// "gsp-long" (256 x 32, 4096/256/128) and "gsp-short" (256 x 32, 256/4096/128): the two published benchmarks of Kthena.
std::span<const std::string_view> workload_names() noexcept;
/// kNotFound lists the names that exist.
Result<Workload> named_workload(std::string_view name, std::uint64_t seed = 1);

/// Requests that do not share anything, at the times of a Poisson process. For queueing laws and for load tests.
struct PoissonArrivals {
  std::uint32_t requests = 1000;
  std::uint32_t prompt_tokens = 1000;
  std::uint32_t output_tokens = 100;
  double rate_rps = 1;  ///< > 0
  std::uint64_t seed = 1;
  /// Answers are lognormal with mean output_tokens and this standard deviation of their logarithm, rounded, at least 1 token. 0: all
  /// have output_tokens. Range [0, 4]. DEFAULT: 0.
  double output_sigma = 0;
  /// LoRA adapters, drawn for each request with odds (a + 1)^-adapter_zipf_s. 0: none. Range 0..kMaxAdapters. DEFAULT: 0.
  std::uint32_t adapters = 0;
  double adapter_zipf_s = 0;  ///< [0, 10]
};
Result<Workload> make_poisson(const PoissonArrivals& spec);

/// Keeps the first `count` requests.
void truncate(Workload& workload, std::size_t count);

/// Moves every arrival to a random place inside its tick [k * tick, (k + 1) * tick), keeping the order. Mooncake's traces have ticks
/// of 3 s. Nothing changes for tick_ns <= 0.
void spread_ticks(Workload& workload, Duration tick_ns, std::uint64_t seed);

/// What a cache that never forgets could reuse, counted in blocks of `block_tokens`; a last partial block counts where its segment is
/// the same.
struct PrefixStats {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t blocks = 0;            ///< full or partial blocks of all prompts
  std::uint64_t unique_blocks = 0;     ///< different ones (by their whole prefix)
  std::uint64_t ideal_hit_tokens = 0;  ///< tokens of leading blocks seen in an earlier request
};
/// kInvalidArgument when block_tokens is 0 or does not divide the trace's blocks.
Result<PrefixStats> prefix_stats(const Workload& workload, std::uint32_t block_tokens);

}  // namespace kthena::sim
