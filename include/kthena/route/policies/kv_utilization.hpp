// include/kthena/route/policies/kv_utilization.hpp
//
// KV utilization: the share of KV memory that is free, not truncated.
//
//   Use when   KV memory, not compute, is what runs out; with queue and prefix-ratio beside it.
//   Cost       one pass over one column; no state, no allocation.
//   Source     llm-d-router pkg/epp/framework/plugins/scheduling/scorer/kvcacheutilization. Kthena's gpu-usage truncates the same.
//   Known for  taking a cold cache for an idle engine, hence working against cached prefixes; herding on the scrape interval.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct KvUtilizationOptions {
  /// Usage assumed where it was never sampled. Range [0, 1]. DEFAULT: none, the endpoint abstains.
  double missing_usage = kMissing;
};

/// (1 - kv_usage) * 100.
class KvUtilization {
 public:
  static constexpr std::string_view kName = "kv-utilization";
  using Options = KvUtilizationOptions;
  static constexpr std::array kOptions = {Option<Options>{"missing_usage", 0, 1, &Options::missing_usage}};

  explicit KvUtilization(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const double* usage = context.column(Signal::kKvUsage).data();
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = (1 - detail::known_or(usage[i], options_.missing_usage)) * 100;
  }

 private:
  Options options_;
};

}  // namespace kthena::route
