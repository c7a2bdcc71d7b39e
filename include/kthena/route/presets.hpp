// include/kthena/route/presets.hpp
//
// Presets: policies by name.
//
//   random, round-robin                          baselines
//   kthena-default                               Kthena's built-in set: least-request (filter and score), least-latency, prefix-cache
//   kthena-helm                                  the same and gpu-usage, as Kthena's chart installs it
//   kthena-2025-09/least-request                 a row of Kthena's published benchmark each: equal weights, no filter, formulas of then
//   kthena-2025-09/gpu-usage
//   kthena-2025-09/least-latency
//   kthena-2025-09/least-request+prefix
//   kthena-2025-09/least-request+kv
//
// The presets of Kthena take a signal that was never sampled for 0, as Kthena does: an endpoint that nobody scraped looks idle. No preset
// looks at the models that endpoints serve; add the filter lora-affinity to a spec for that.
//
//   preset                    reads the signals                                reads of the request
//   random                    -                                                id, sequence, seed
//   round-robin               -                                                sequence
//   kthena-default, -helm     waiting, in_flight, running, ttft_s, tpot_s,     history (prefix without it)
//                             -helm kv_usage too
//   .../least-request         running, waiting                                 -
//   .../gpu-usage             kv_usage                                         -
//   .../least-latency         ttft_s, tpot_s                                   -
//   .../least-request+prefix  running, waiting                                 history (prefix without it)
//   .../least-request+kv      running, waiting                                 prefix
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
