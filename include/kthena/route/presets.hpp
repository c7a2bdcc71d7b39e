// include/kthena/route/presets.hpp
//
// Presets: policies by name.
//
//   random, round-robin                          baselines
//   kthena-default                               Kthena's built-in set: least-request (filter and score), least-latency, prefix-cache
//   kthena-helm                                  the same and gpu-usage, as Kthena's chart installs it
//   kthena-2025-09/<row>                         the rows of Kthena's published benchmark: equal weights, no filter, formulas of then
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
