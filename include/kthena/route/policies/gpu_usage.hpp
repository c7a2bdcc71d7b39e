// include/kthena/route/policies/gpu_usage.hpp
//
// GPU usage: prefer the endpoint with the most free KV memory.
//
//   Use when   KV memory, not compute, is what runs out.
//   Cost       one pass over one column; no state, no allocation.
//   Source     volcano-sh/kthena pkg/kthena-router/scheduler/plugins/gpu.go: score = int((1 - usage) * 100).
//   Known for  herding on the scrape interval, and for taking a cold cache for an idle engine.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/truncate.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct GpuUsageOptions {
  /// Usage assumed where it was never sampled. Range [0, 1]. DEFAULT: none, the endpoint abstains.
  double missing_usage = kMissing;
};

class GpuUsage {
 public:
  static constexpr std::string_view kName = "gpu-usage";
  using Options = GpuUsageOptions;
  static constexpr std::array kOptions = {Option<Options>{"missing_usage", 0, 1, &Options::missing_usage}};

  explicit GpuUsage(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const double* usage = context.column(Signal::kKvUsage).data();
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double used = usage[i] == usage[i] ? usage[i] : options_.missing_usage;
      out[i] = truncate_score((1 - used) * 100);
    }
  }

 private:
  Options options_;
};

}  // namespace kthena::route
