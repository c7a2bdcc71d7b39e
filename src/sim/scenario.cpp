#include "kthena/sim/scenario.hpp"

#include <utility>

#include "kthena/base/faults.hpp"

namespace kthena::sim {

std::string_view prefix_source_name(PrefixSource source) noexcept {
  switch (source) {
    case PrefixSource::kExact:
      return "exact";
    case PrefixSource::kFleet:
      return "fleet";
    case PrefixSource::kFleetExpected:
      return "fleet-expected";
    default:
      return "kthena";
  }
}

std::optional<PrefixSource> find_prefix_source(std::string_view name) noexcept {
  for (const PrefixSource source :
       {PrefixSource::kKthena, PrefixSource::kExact, PrefixSource::kFleet, PrefixSource::kFleetExpected})
    if (prefix_source_name(source) == name) return source;
  return std::nullopt;
}

std::string_view assignment_name(Assignment assignment) noexcept {
  return assignment == Assignment::kPartition ? "partition" : "policy";
}

std::optional<Assignment> find_assignment(std::string_view name) noexcept {
  for (const Assignment assignment : {Assignment::kPolicy, Assignment::kPartition})
    if (assignment_name(assignment) == name) return assignment;
  return std::nullopt;
}

namespace {

void check_groups(const std::vector<EngineGroup>& groups, Faults& faults) {
  std::uint64_t engines = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::string path = "engine_groups[" + std::to_string(i) + "]";
    if (groups[i].count < 1) faults.add(path + ".count", "not in 1..4096");
    if (Status status = check(groups[i].engine); !status.ok()) faults.add(path, status.message());
    if (groups[i].engine.block_tokens != groups[0].engine.block_tokens)
      faults.add(path + ".engine.block_tokens", std::to_string(groups[i].engine.block_tokens) + " is not the " +
                                                    std::to_string(groups[0].engine.block_tokens) +
                                                    " of engine_groups[0]");
    engines += groups[i].count;
  }
  if (engines > 4096) faults.add("engine_groups", std::to_string(engines) + " engines are more than 4096");
}

}  // namespace

Scenario published_scenario(Workload workload, route::PolicySpec policy) {
  Scenario scenario;
  scenario.workload = std::move(workload);
  scenario.policy = std::move(policy);
  scenario.client.concurrency = 300;
  scenario.poll_interval_ns = 2'700 * kMillisecond;
  scenario.runs = 3;
  return scenario;
}

Status check(const Scenario& scenario) {
  Faults faults;
  const auto number = [&](bool good, const char* field, const char* range) {
    if (!good) faults.add(field, std::string("not in ") + range);
  };
  const auto part = [&](const Status& status) {
    if (!status.ok()) faults.add("", status.message());
  };
  constexpr Duration kHour = 3600 * kSecond;
  const double speed = scenario.client.speed;
  if (scenario.engine_groups.empty())
    number(scenario.replicas >= 1 && scenario.replicas <= 4096, "replicas", "1..4096");
  number(scenario.routers >= 1 && scenario.routers <= 64, "routers", "1..64");
  number(scenario.runs >= 1 && scenario.runs <= 1000, "runs", "1..1000");
  number(speed == 0 || (speed >= 0.01 && speed <= 1e6), "client.speed", "0.01..1e6, nor 0");
  number(scenario.poll_interval_ns >= kMillisecond && scenario.poll_interval_ns <= kHour, "poll_interval_ns",
         "1 ms..1 h");
  number(scenario.kv_event_delay_ns >= 0 && scenario.kv_event_delay_ns <= kHour, "kv_event_delay_ns", "0..1 h");
  if (scenario.engine_groups.empty()) {
    part(check(scenario.engine));
  } else {
    check_groups(scenario.engine_groups, faults);
  }
  part(check(scenario.workload));
  part(route::Policy::create(scenario.policy).status());
  const std::uint32_t block =
      (scenario.engine_groups.empty() ? scenario.engine : scenario.engine_groups[0].engine).block_tokens;
  const std::uint32_t trace = scenario.workload.trace_block_tokens;
  if (block != 0 && trace % block != 0)
    faults.add("engine.block_tokens",
               std::to_string(block) + " does not divide the trace's blocks of " + std::to_string(trace) + " tokens");
  if (scenario.workload.size() >= 1u << 28) faults.add("workload", "more than 2^28 requests");
  if (scenario.assignment == Assignment::kPartition && scenario.workload.group_ids.empty())
    faults.add("assignment", "partition needs a workload with groups");
  return faults.status();
}

}  // namespace kthena::sim
