// include/kthena/route/lint.hpp
//
// lint: what of a policy is known to go wrong, before it does. A spec that is valid can still be a bad one.
//
//   Rules      docs/lint.md: each with where it is known from, and what to do
//   Fleet      what is known about it sharpens the rules; without it, what is usual is assumed, or the rule is silent
//   Not a      measurement: sim says what a policy costs on a workload
//   proof
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kthena/base/status.hpp"
#include "kthena/route/policy.hpp"
#include "kthena/route/pool.hpp"

namespace kthena::route {

/// What lint may know of the fleet that the policy is for.
struct FleetFacts {
  /// Its endpoints, with signals as they are read; null: not known. Borrowed for the call.
  const PoolSnapshot* pool = nullptr;
  /// Seconds between two readings of an engine's metrics. Range (0, 1e9]. DEFAULT: not known, 1 is assumed.
  std::optional<double> scrape_interval_s{};
  /// Routers that decide at the same time. Range [1, 1e6]. DEFAULT: 1.
  std::uint32_t routers = 1;
};

enum class LintSeverity : std::uint8_t {
  kNote = 0,  ///< right for some fleets: know that you do it
  kWarning,   ///< wrong for nearly all
};

/// In documents and bindings, by LintSeverity.
inline constexpr std::string_view kLintSeverityNames[] = {"note", "warning"};

/// What a rule says wherever it applies.
struct LintRule {
  std::string_view code;    ///< "affinity-alone"
  std::string_view why;     ///< what goes wrong, and where that is known from
  std::string_view advice;  ///< what to do
};

struct LintFinding {
  std::string_view code;
  LintSeverity severity = LintSeverity::kWarning;
  std::string path;     ///< of the member of the spec: "otherwise[0].scorers[1].weight"
  std::string message;  ///< what was found, with its names and numbers
  std::string_view why;
  std::string_view advice;
};

/// All rules, in the order of the documentation. [any thread]
std::span<const LintRule> lint_rules() noexcept;

/// Findings in the order of the spec, stage by stage, then those about the whole policy. kInvalidArgument for a spec that Policy::create
/// refuses and for facts out of range. [any thread]
Result<std::vector<LintFinding>> lint(const PolicySpec& spec, const FleetFacts& fleet = {});

}  // namespace kthena::route
