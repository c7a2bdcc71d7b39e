// src/route/presets.cpp
//
// Presets as data. Sources of the Kthena ones: volcano-sh/kthena pkg/kthena-router/scheduler/plugins/conf (built-in set),
// charts/kthena/charts/networking (chart), docs/kthena/blog/2025-09-09-benchmark (published rows; its weights are not stated, equal ones
// are assumed). Those of the others are at the heads of their parts in include/kthena/route/policies/; docs/policies.md says what of
// each is reproduced.
#include "kthena/route/presets.hpp"

#include <array>
#include <string>

namespace kthena::route {
namespace {

// A Go router reads 0 where nothing was scraped.
PartSpec least_request() { return {"least-request", 1, {{"missing_requests", 0}}}; }
PartSpec least_request_2025_09() { return {"least-request-2025-09", 1, {{"missing_requests", 0}}}; }
PartSpec gpu_usage() { return {"gpu-usage", 1, {{"missing_usage", 0}}}; }
PartSpec part(std::string_view name, std::vector<OptionSpec> options = {}, double weight = 1) {
  return {std::string(name), weight, std::move(options)};
}
// A router's own count: what it never sent is nothing.
PartSpec in_flight() { return part("active-request", {{"missing_requests", 0}}); }
double number_of(Signal signal) { return static_cast<double>(signal); }

PolicySpec make(std::string_view name, std::vector<PartSpec> filters, std::vector<PartSpec> scorers,
                PartSpec picker = part("best-score")) {
  return {std::string(name), std::move(filters), std::move(scorers), std::move(picker), 5};
}

PolicySpec stage(std::vector<PartSpec> filters, std::vector<PartSpec> scorers, Combine combine = Combine::kSum) {
  PolicySpec spec;
  spec.filters = std::move(filters);
  spec.scorers = std::move(scorers);
  spec.combine = combine;
  return spec;
}

PolicySpec llmd_default(std::string_view name) {
  return make(name, {},
              {part("queue", {{"missing_requests", 0}}, 2), part("kv-utilization", {{"missing_usage", 0}}, 2),
               part("prefix-ratio", {}, 3)});
}

// Uneven loads: the least loaded. Else the longest match among those within a standard deviation of the mean, then the fewest requests;
// the least loaded where nobody within it has a match.
PolicySpec aibrix_prefix(std::string_view name) {
  const double signal = number_of(Signal::kInFlight);
  PolicySpec spec = make(name, {part("imbalanced", {{"gap", 8}, {"signal", signal}})}, {in_flight()});
  spec.otherwise.push_back(
      stage({part("load-bound", {{"sigmas", 1}, {"signal", signal}}), part("prefix-threshold", {{"above", 0}})},
            {part("prefix-cache"), in_flight()}, Combine::kTiers));
  spec.otherwise.push_back(stage({}, {in_flight()}));
  return spec;
}

// Uneven loads: the least loaded. Else the longest match where it is above one half; else the smallest cache.
PolicySpec smg_cache_aware(std::string_view name) {
  PolicySpec spec =
      make(name, {part("imbalanced", {{"gap", 32}, {"ratio", 1.1}, {"signal", number_of(Signal::kInFlight)}})},
           {in_flight()});
  spec.otherwise.push_back(stage({part("prefix-threshold")}, {part("prefix-ratio"), in_flight()}, Combine::kTiers));
  spec.otherwise.push_back(
      stage({}, {part("signal-range", {{"missing", 0}, {"signal", number_of(Signal::kHeldBlocks)}})}));
  return spec;
}

constexpr std::array<std::string_view, 22> kNames = {
    "cost",
    "random",
    "round-robin",
    "kthena-default",
    "kthena-helm",
    "kthena-2025-09/least-request",
    "kthena-2025-09/gpu-usage",
    "kthena-2025-09/least-latency",
    "kthena-2025-09/least-request+prefix",
    "kthena-2025-09/least-request+kv",
    "least-request",
    "least-request+history",
    "least-request+kv",
    "p2c",
    "llmd-default",
    "aibrix-prefix",
    "smg-least-load",
    "smg-cache-aware",
    "dynamo-kv",
    "lmetric",
    "preble",
    "prequal",
};

}  // namespace

std::span<const std::string_view> preset_names() noexcept { return kNames; }

Result<PolicySpec> preset(std::string_view name) {
  if (name == "cost") return make(name, {}, {part("cost")});
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
  if (name == "least-request") return make(name, {}, {in_flight()});
  if (name == "least-request+history") return make(name, {}, {in_flight(), part("prefix-ratio")});
  if (name == "least-request+kv") return make(name, {}, {in_flight(), part("prefix-ratio", {{"match", 1}})});
  if (name == "p2c") return make(name, {}, {in_flight()}, part("power-of-k"));
  if (name == "llmd-default") return llmd_default(name);
  if (name == "aibrix-prefix") return aibrix_prefix(name);
  if (name == "smg-least-load") return make(name, {}, {part("smg-least-load")});
  if (name == "smg-cache-aware") return smg_cache_aware(name);
  if (name == "dynamo-kv") return make(name, {}, {part("dynamo-kv")});
  if (name == "lmetric") return make(name, {}, {part("lmetric", {{"missing_requests", 0}})});
  if (name == "preble") return make(name, {}, {part("preble")});
  if (name == "prequal") return make(name, {}, {part("prequal", {{"missing_requests", 0}})});
  std::string names;
  for (const std::string_view known : kNames) names += (names.empty() ? "" : ", ") + std::string(known);
  return not_found("policy: there is no preset \"" + std::string(name) + "\"; there are: " + names);
}

}  // namespace kthena::route
