#include "kthena/sim/published.hpp"

#include <array>

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

}  // namespace

std::span<const PublishedRow> published_rows() noexcept { return kRows; }

const PublishedRow* find_published(std::string_view workload, std::string_view policy) noexcept {
  for (const PublishedRow& row : kRows)
    if (row.workload == workload && row.policy == policy) return &row;
  return nullptr;
}

}  // namespace kthena::sim
