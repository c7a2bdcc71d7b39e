// include/kthena/route/presets.hpp
//
// Presets: policies by name.
//
//   cost                                         the default: least seconds added to the fleet (policies/cost.hpp)
//   random, round-robin                          baselines
//   kthena-default                               Kthena's built-in set: least-request (filter and score), least-latency, prefix-cache
//   kthena-helm                                  the same and gpu-usage, as Kthena's chart installs it
//   kthena-2025-09/least-request                 a row of Kthena's published benchmark each: equal weights, no filter, formulas of then
//   kthena-2025-09/gpu-usage
//   kthena-2025-09/least-latency
//   kthena-2025-09/least-request+prefix
//   kthena-2025-09/least-request+kv
//   least-request                                fewest requests that this router sent and that have not ended
//   least-request+history, least-request+kv      the same and the share of the prompt sent there before, or held there
//   p2c                                          the better of two drawn by chance, by requests in flight
//   llmd-default                                 llm-d's default profile: queue 2, KV memory 2, prefix 3
//   aibrix-prefix                                AIBrix's prefix-cache
//   smg-least-load, smg-cache-aware              SMG's least_load and cache_aware
//   dynamo-kv                                    Dynamo's KV router
//   lmetric, preble, prequal                     the rules of three papers
//
// What of each peer is reproduced and what is not: docs/policies.md. Presets of peers take a signal that was never sampled for 0, as the
// peers do: an endpoint that nobody scraped looks idle. No preset looks at the models that endpoints serve; add the filter lora-affinity to
// a spec for that.
//
//   preset                    reads the signals                                reads of the request
//   cost                      in_flight, uncached_tokens, kv_tokens, kv_usage, prefix and history, prompt_tokens, output_tokens, model
//                             prefill_tps, decode_tps, held_blocks,
//                             kv_capacity_tokens
//   random                    -                                                id, sequence, seed
//   round-robin               -                                                sequence
//   kthena-default, -helm     waiting, in_flight, running, ttft_s, tpot_s,     history (prefix without it)
//                             -helm kv_usage too
//   .../least-request         running, waiting                                 -
//   .../gpu-usage             kv_usage                                         -
//   .../least-latency         ttft_s, tpot_s                                   -
//   .../least-request+prefix  running, waiting                                 history (prefix without it)
//   .../least-request+kv      running, waiting                                 prefix
//   least-request, p2c        in_flight                                        -
//   least-request+history     in_flight                                        history (prefix without it)
//   least-request+kv          in_flight                                        prefix (history without it)
//   llmd-default              waiting, kv_usage                                history (prefix without it)
//   aibrix-prefix             in_flight                                        history (prefix without it)
//   smg-least-load            uncached_tokens, kv_usage, decode_tps, in_flight -
//   smg-cache-aware           in_flight, held_blocks                           history (prefix without it)
//   dynamo-kv                 uncached_tokens, kv_tokens, in_flight            prefix with tiers (history without it), prompt_tokens
//   lmetric                   in_flight                                        prefix (history without it), prompt_tokens
//   preble                    uncached_tokens, output_tokens, prefill_tps,     prefix (history without it), prompt_tokens
//                             decode_tps, held_blocks, kv_capacity_tokens
//   prequal                   in_flight, ttft_s                                -
//
// Every scoring preset breaks ties by id, sequence and seed.
#pragma once

#include <span>
#include <string_view>

#include "kthena/base/status.hpp"
#include "kthena/route/policy.hpp"

namespace kthena::route {

/// All names, in the order of the documentation. [any thread]
std::span<const std::string_view> preset_names() noexcept;

/// kNotFound lists the names that exist. [any thread]
Result<PolicySpec> preset(std::string_view name);

}  // namespace kthena::route
