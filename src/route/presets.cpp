// src/route/presets.cpp
//
// Presets as data. Sources: volcano-sh/kthena pkg/kthena-router/scheduler/plugins/conf (built-in set), charts/kthena/charts/networking
// (chart), docs/kthena/blog/2025-09-09-benchmark (published rows; its weights are not stated, equal ones are assumed).
#include "kthena/route/presets.hpp"

#include <array>
#include <string>

namespace kthena::route {
namespace {

// A Go router reads 0 where nothing was scraped.
PartSpec least_request() { return {"least-request", 1, {{"missing_requests", 0}}}; }
PartSpec least_request_2025_09() { return {"least-request-2025-09", 1, {{"missing_requests", 0}}}; }
PartSpec gpu_usage() { return {"gpu-usage", 1, {{"missing_usage", 0}}}; }
PartSpec part(std::string_view name) { return {std::string(name), 1, {}}; }

PolicySpec make(std::string_view name, std::vector<PartSpec> filters, std::vector<PartSpec> scorers,
                PartSpec picker = part("best-score")) {
  return {std::string(name), std::move(filters), std::move(scorers), std::move(picker), 5};
}

constexpr std::array<std::string_view, 9> kNames = {
    "random",
    "round-robin",
    "kthena-default",
    "kthena-helm",
    "kthena-2025-09/least-request",
    "kthena-2025-09/gpu-usage",
    "kthena-2025-09/least-latency",
    "kthena-2025-09/least-request+prefix",
    "kthena-2025-09/least-request+kv",
};

}  // namespace

std::span<const std::string_view> preset_names() noexcept { return kNames; }

Result<PolicySpec> preset(std::string_view name) {
  if (name == "random") return make(name, {}, {part("random")});
  if (name == "round-robin") return make(name, {}, {}, part("round-robin"));
  if (name == "kthena-default")
    return make(name, {part("least-request")}, {least_request(), part("least-latency"), part("prefix-cache")});
  if (name == "kthena-helm")
    return make(name, {part("least-request")},
                {least_request(), part("least-latency"), part("prefix-cache"), gpu_usage()});
  if (name == "kthena-2025-09/least-request") return make(name, {}, {least_request_2025_09()});
  if (name == "kthena-2025-09/gpu-usage") return make(name, {}, {gpu_usage()});
  if (name == "kthena-2025-09/least-latency") return make(name, {}, {part("least-latency")});
  if (name == "kthena-2025-09/least-request+prefix")
    return make(name, {}, {least_request_2025_09(), part("prefix-cache")});
  if (name == "kthena-2025-09/least-request+kv")
    return make(name, {}, {least_request_2025_09(), part("kvcache-aware")});
  std::string names;
  for (const std::string_view known : kNames) names += (names.empty() ? "" : ", ") + std::string(known);
  return not_found("policy: there is no preset \"" + std::string(name) + "\"; there are: " + names);
}

}  // namespace kthena::route
