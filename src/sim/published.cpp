#include "kthena/sim/published.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "kthena/route/presets.hpp"

namespace kthena::sim {
namespace {

constexpr std::array<PublishedRow, 12> kRows = {{
    {"gsp-long", "kthena-2025-09/least-request+kv", 32.22, 9.22, 0.57},
    {"gsp-long", "kthena-2025-09/least-request+prefix", 23.87, 12.47, 0.83},
    {"gsp-long", "random", 11.81, 25.23, 2.15},
    {"gsp-long", "kthena-2025-09/least-request", 9.86, 30.13, 12.46},
    {"gsp-long", "kthena-2025-09/gpu-usage", 9.56, 30.92, 13.14},
    {"gsp-long", "kthena-2025-09/least-latency", 9.47, 31.44, 11.07},
    {"gsp-short", "kthena-2025-09/least-request+prefix", 8.30, 35.84, 11.00},
    {"gsp-short", "random", 8.21, 36.25, 4.54},
    {"gsp-short", "kthena-2025-09/least-request+kv", 8.08, 36.67, 12.19},
    {"gsp-short", "kthena-2025-09/least-request", 7.98, 37.27, 13.88},
    {"gsp-short", "kthena-2025-09/gpu-usage", 7.77, 38.15, 15.03},
    {"gsp-short", "kthena-2025-09/least-latency", 7.09, 41.91, 15.46},
}};

/// Whether these are the requests that a named workload of any seed has, but for the moments of arrival.
bool has_shape_of(const Workload& workload, const Workload& named) {
  if (workload.name != named.name || workload.trace_block_tokens != named.trace_block_tokens ||
      workload.prompt_tokens != named.prompt_tokens || workload.output_tokens != named.output_tokens ||
      workload.segment_offsets != named.segment_offsets || workload.segment_tokens != named.segment_tokens)
    return false;
  std::vector<std::uint32_t> ids = workload.segment_ids;  // each as often, in any order
  std::vector<std::uint32_t> named_ids = named.segment_ids;
  std::sort(ids.begin(), ids.end());
  std::sort(named_ids.begin(), named_ids.end());
  return ids == named_ids;
}

bool same_parts(route::PolicySpec a, const route::PolicySpec& b) {
  a.name = b.name;
  return a == b;
}

}  // namespace

std::span<const PublishedRow> published_rows() noexcept { return kRows; }

const PublishedRow* find_published(std::string_view workload, std::string_view policy) noexcept {
  for (const PublishedRow& row : kRows)
    if (row.workload == workload && row.policy == policy) return &row;
  return nullptr;
}

const PublishedRow* comparable_row(const Scenario& scenario) {
  const Scenario measured = published_scenario({}, {});
  if (scenario.request_limit > 0 && scenario.request_limit < scenario.workload.size()) return nullptr;
  if (!scenario.engine_groups.empty() || scenario.routers != measured.routers ||
      scenario.assignment != measured.assignment || !scenario.workload.adapter_ids.empty())
    return nullptr;
  if (scenario.replicas != measured.replicas || !(scenario.engine == measured.engine) ||
      scenario.client.concurrency != measured.client.concurrency || scenario.client.speed != measured.client.speed ||
      scenario.poll_interval_ns != measured.poll_interval_ns ||
      scenario.kv_event_delay_ns != measured.kv_event_delay_ns || scenario.prefix_source != measured.prefix_source)
    return nullptr;
  for (const PublishedRow& row : kRows) {
    if (row.workload != scenario.workload.name) continue;
    if (!same_parts(scenario.policy, route::preset(row.policy).value())) continue;
    return has_shape_of(scenario.workload, named_workload(row.workload).value()) ? &row : nullptr;
  }
  return nullptr;
}

}  // namespace kthena::sim
