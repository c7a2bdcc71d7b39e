// include/kthena/sim/published.hpp
//
// The rows of Kthena's published router benchmark, to stand beside simulated ones.
//
//   Source     volcano-sh/kthena docs/kthena/blog/2025-09-09-benchmark/index.md and its two reports of 2025-09-02; hardware and plugin
//              weights are not stated there.
#pragma once

#include <span>
#include <string_view>

#include "kthena/sim/scenario.hpp"

namespace kthena::sim {

struct PublishedRow {
  std::string_view workload;  ///< "gsp-long" or "gsp-short"
  std::string_view policy;    ///< the preset that stands for it
  double throughput_rps;
  double e2e_mean_s;
  double ttft_mean_s;
};

/// All twelve, in the order published.
std::span<const PublishedRow> published_rows() noexcept;
/// Runs of which a published row is the mean.
inline constexpr std::uint32_t kPublishedRuns = 3;
/// Null when there is none.
const PublishedRow* find_published(std::string_view workload, std::string_view policy) noexcept;

/// The row that a scenario may stand beside: all 8,192 requests of a named workload, 3 engines of qwen2.5-7b@910b-fit, a closed loop of
/// 300, polls every 2.7 s, KV events at once, prefix_source kKthena, and a policy equal to the row's preset in all but its name. Null
/// otherwise. `runs` and the seeds may differ; a workload is known by its lengths and groups, not by its name alone.
const PublishedRow* comparable_row(const Scenario& scenario);

}  // namespace kthena::sim
