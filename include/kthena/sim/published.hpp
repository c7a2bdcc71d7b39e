// include/kthena/sim/published.hpp
//
// The rows of Kthena's published router benchmark, to stand beside simulated ones.
//
//   Source     volcano-sh/kthena docs/kthena/blog/2025-09-09-benchmark/index.md and its two reports of 2025-09-02; hardware and plugin
//              weights are not stated there.
#pragma once

#include <span>
#include <string_view>

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
/// Null when there is none.
const PublishedRow* find_published(std::string_view workload, std::string_view policy) noexcept;

}  // namespace kthena::sim
