// src/manifest/scenario.cpp
//
// The JSON form of a scenario.
#include "kthena/manifest/scenario.hpp"

#include <limits>
#include <optional>
#include <utility>

#include "kthena/sim/trace.hpp"
#include "route_reader.hpp"

namespace kthena::manifest {
namespace {

constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMax64 = std::numeric_limits<std::uint64_t>::max();

std::uint32_t read_u32(const Json& json, std::string_view name, const std::string& path, std::uint32_t fallback,
                       Faults& faults) {
  return static_cast<std::uint32_t>(read_unsigned(json, name, path, fallback, kMax32, faults));
}

/// Seconds as a Duration; a fault outside of [least, most].
Duration read_seconds(const Json& json, std::string_view name, const std::string& path, Duration fallback, double least,
                      double most, Faults& faults) {
  const double seconds = read_number(json, name, path, to_seconds(fallback), faults);
  if (seconds >= least && seconds <= most) return from_seconds(seconds);
  faults.add(member_path(path, name), "must be within " + Json(least).dump() + ".." + Json(most).dump() + " seconds");
  return fallback;
}

void add_status(const Status& status, const std::string& path, Faults& faults) {
  if (!status.ok()) faults.add(path, status.message());
}

// ---- workload

/// What a workload document says besides the workload itself.
struct WorkloadDocument {
  sim::Workload workload;
  bool published = false;  ///< the defaults of the benchmark hold
  bool is_trace = false;
};

void take(Result<sim::Workload> made, const std::string& path, Faults& faults, sim::Workload& out) {
  if (made.ok()) {
    out = std::move(made).value();
  } else {
    add_status(made.status(), path, faults);
  }
}

void read_named(const std::string& name, std::uint64_t seed, const std::string& path, Faults& faults,
                WorkloadDocument& out) {
  out.published = true;
  Result<sim::Workload> made = sim::named_workload(name, seed);
  if (made.ok()) {
    out.workload = std::move(made).value();
    return;
  }
  std::string_view message = made.status().message();
  if (message.starts_with("workload: ")) message.remove_prefix(10);
  faults.add(path, std::string(message));
}

void read_generated(const Json& json, const std::string& path, std::uint64_t seed, Faults& faults, sim::Workload& out) {
  sim::GeneratedSharedPrefix spec;
  if (!expect_object(json, path,
                     {"groups", "requests_per_group", "system_tokens", "question_tokens", "output_tokens", "rate_rps",
                      "seed", "zipf_s", "adapters", "adapter_zipf_s"},
                     faults))
    return;
  spec.groups = read_u32(json, "groups", path, spec.groups, faults);
  spec.requests_per_group = read_u32(json, "requests_per_group", path, spec.requests_per_group, faults);
  spec.system_tokens = read_u32(json, "system_tokens", path, spec.system_tokens, faults);
  spec.question_tokens = read_u32(json, "question_tokens", path, spec.question_tokens, faults);
  spec.output_tokens = read_u32(json, "output_tokens", path, spec.output_tokens, faults);
  spec.rate_rps = read_number(json, "rate_rps", path, spec.rate_rps, faults);
  spec.seed = read_unsigned(json, "seed", path, seed, kMax64, faults);
  spec.zipf_s = read_number(json, "zipf_s", path, spec.zipf_s, faults);
  spec.adapters = read_u32(json, "adapters", path, spec.adapters, faults);
  spec.adapter_zipf_s = read_number(json, "adapter_zipf_s", path, spec.adapter_zipf_s, faults);
  take(sim::make_generated_shared_prefix(spec), path, faults, out);
}

void read_poisson(const Json& json, const std::string& path, std::uint64_t seed, Faults& faults, sim::Workload& out) {
  sim::PoissonArrivals spec;
  if (!expect_object(json, path,
                     {"requests", "prompt_tokens", "output_tokens", "rate_rps", "seed", "output_sigma", "adapters",
                      "adapter_zipf_s"},
                     faults))
    return;
  spec.requests = read_u32(json, "requests", path, spec.requests, faults);
  spec.prompt_tokens = read_u32(json, "prompt_tokens", path, spec.prompt_tokens, faults);
  spec.output_tokens = read_u32(json, "output_tokens", path, spec.output_tokens, faults);
  spec.rate_rps = read_number(json, "rate_rps", path, spec.rate_rps, faults);
  spec.seed = read_unsigned(json, "seed", path, seed, kMax64, faults);
  spec.output_sigma = read_number(json, "output_sigma", path, spec.output_sigma, faults);
  spec.adapters = read_u32(json, "adapters", path, spec.adapters, faults);
  spec.adapter_zipf_s = read_number(json, "adapter_zipf_s", path, spec.adapter_zipf_s, faults);
  take(sim::make_poisson(spec), path, faults, out);
}

void read_trace(const Json& json, const std::string& path, std::string_view text, std::uint64_t seed, Faults& faults,
                sim::Workload& out) {
  if (!expect_object(json, path, {"format", "name", "spread_tick_s", "seed"}, faults)) return;
  std::optional<sim::TraceFormat> format;
  const std::string format_name = read_string(json, "format", path, "", faults);
  if (!format_name.empty()) {
    format = sim::find_trace_format(format_name);
    if (!format)
      faults.add(member_path(path, "format"),
                 "must be one of mooncake-csv, mooncake-jsonl, azure-csv, azure-original, not \"" + format_name + "\"");
  }
  const std::string name = read_string(json, "name", path, "", faults);
  const Duration tick = read_seconds(json, "spread_tick_s", path, 0, 0, 3600, faults);
  const std::uint64_t tick_seed = read_unsigned(json, "seed", path, seed, kMax64, faults);
  if (text.empty()) {
    faults.add(path, "the text of the trace is missing");
    return;
  }
  take(sim::parse_trace(text, format), "", faults, out);
  if (!name.empty()) out.name = name;
  sim::spread_ticks(out, tick, tick_seed);
}

WorkloadDocument read_workload(const Json& document, std::string_view trace, std::uint64_t seed, Faults& faults) {
  WorkloadDocument out;
  const std::string path = "workload";
  const Json* json = find_member(document, path);
  if (json == nullptr) {
    faults.add(path, "is needed");
    return out;
  }
  if (json->is_string()) {
    read_named(json->get<std::string>(), seed, path, faults, out);
  } else if (expect_object(*json, path, {"name", "seed", "generated_shared_prefix", "poisson", "trace"}, faults)) {
    const Json* name = find_member(*json, "name");
    const Json* generated = find_member(*json, "generated_shared_prefix");
    const Json* poisson = find_member(*json, "poisson");
    const Json* from_trace = find_member(*json, "trace");
    const int kinds = (name != nullptr) + (generated != nullptr) + (poisson != nullptr) + (from_trace != nullptr);
    if (kinds != 1) faults.add(path, "must have exactly one of name, generated_shared_prefix, poisson and trace");
    seed = read_unsigned(*json, "seed", path, seed, kMax64, faults);
    out.is_trace = from_trace != nullptr;
    if (name != nullptr)
      read_named(read_string(*json, "name", path, "", faults), seed, member_path(path, "name"), faults, out);
    if (generated != nullptr)
      read_generated(*generated, member_path(path, "generated_shared_prefix"), seed, faults, out.workload);
    if (poisson != nullptr) read_poisson(*poisson, member_path(path, "poisson"), seed, faults, out.workload);
    if (from_trace != nullptr) read_trace(*from_trace, member_path(path, "trace"), trace, seed, faults, out.workload);
  }
  if (!out.is_trace && !trace.empty()) faults.add(path, "a trace was given, but the scenario names none");
  return out;
}

// ---- engine

EngineModel named_engine(const std::string& name, const std::string& path, Faults& faults) {
  Result<EngineModel> model = sim::engine_model(name);
  if (model.ok()) return std::move(model).value();
  std::string_view message = model.status().message();
  if (message.starts_with("engine: ")) message.remove_prefix(8);
  faults.add(path, std::string(message));
  return {};
}

EngineModel read_engine(const Json& json, const std::string& path, const EngineModel& fallback, Faults& faults) {
  if (json.is_string()) return named_engine(json.get<std::string>(), path, faults);
  EngineModel model = fallback;
  if (!expect_object(
          json, path,
          {"base", "name", "t0_s", "t_mem_s", "c_token_s", "c_prefill_s", "c_context_s", "c_sequence_s", "block_tokens",
           "kv_capacity_tokens", "max_batched_tokens", "max_running", "max_adapters", "adapter_load_s"},
          faults))
    return model;
  if (find_member(json, "base") != nullptr) {
    const std::size_t before = faults.list().size();
    model = named_engine(read_string(json, "base", path, "", faults), member_path(path, "base"), faults);
    if (faults.list().size() > before) return model;
  }
  model.name = read_string(json, "name", path, model.name + "+changes", faults);
  model.t0_s = read_number(json, "t0_s", path, model.t0_s, faults);
  model.t_mem_s = read_number(json, "t_mem_s", path, model.t_mem_s, faults);
  model.c_token_s = read_number(json, "c_token_s", path, model.c_token_s, faults);
  model.c_prefill_s = read_number(json, "c_prefill_s", path, model.c_prefill_s, faults);
  model.c_context_s = read_number(json, "c_context_s", path, model.c_context_s, faults);
  model.c_sequence_s = read_number(json, "c_sequence_s", path, model.c_sequence_s, faults);
  model.block_tokens = read_u32(json, "block_tokens", path, model.block_tokens, faults);
  model.kv_capacity_tokens = read_unsigned(json, "kv_capacity_tokens", path, model.kv_capacity_tokens, kMax64, faults);
  model.max_batched_tokens = read_u32(json, "max_batched_tokens", path, model.max_batched_tokens, faults);
  model.max_running = read_u32(json, "max_running", path, model.max_running, faults);
  model.max_adapters = read_u32(json, "max_adapters", path, model.max_adapters, faults);
  model.adapter_load_s = read_number(json, "adapter_load_s", path, model.adapter_load_s, faults);
  add_status(sim::check(model), path == "engine" ? "" : path, faults);
  return model;
}

std::vector<sim::EngineGroup> read_engine_groups(const Json& json, const EngineModel& fallback, Faults& faults) {
  const std::string path = "engine_groups";
  std::vector<sim::EngineGroup> groups;
  if (!json.is_array() || json.empty()) {
    faults.add(path, "must be an array with at least one group");
    return groups;
  }
  for (std::size_t i = 0; i < json.size(); ++i) {
    const std::string at = path + "[" + std::to_string(i) + "]";
    sim::EngineGroup& group = groups.emplace_back();
    group.engine = fallback;
    if (!expect_object(json[i], at, {"engine", "count"}, faults)) continue;
    if (const Json* engine = find_member(json[i], "engine"))
      group.engine = read_engine(*engine, member_path(at, "engine"), fallback, faults);
    group.count = read_u32(json[i], "count", at, 1, faults);
  }
  return groups;
}

// ---- the rest

sim::PrefixSource read_prefix_source(const Json& document, Faults& faults) {
  const std::string name = read_string(document, "prefix_source", "", "kthena", faults);
  const std::optional<sim::PrefixSource> source = sim::find_prefix_source(name);
  if (!source) faults.add("prefix_source", "must be one of kthena, exact, fleet, fleet-expected, not \"" + name + "\"");
  return source.value_or(sim::PrefixSource::kKthena);
}

sim::Assignment read_assignment(const Json& document, Faults& faults) {
  const std::string name = read_string(document, "assignment", "", "policy", faults);
  const std::optional<sim::Assignment> assignment = sim::find_assignment(name);
  if (!assignment) faults.add("assignment", "must be one of policy, partition, not \"" + name + "\"");
  return assignment.value_or(sim::Assignment::kPolicy);
}

sim::Client read_client(const Json& json, sim::Client client, bool is_trace, Faults& faults) {
  const std::string path = "client";
  if (!expect_object(json, path, {"concurrency", "speed"}, faults)) return client;
  client.concurrency = read_u32(json, "concurrency", path, client.concurrency, faults);
  if (is_trace && client.concurrency > 0) client.speed = 0;
  client.speed = read_number(json, "speed", path, client.speed, faults);
  if (client.speed != 0 && !(client.speed >= 0.01 && client.speed <= 1e6))
    faults.add(member_path(path, "speed"), "must be 0 or within 0.01..1e6");
  return client;
}

std::uint32_t read_count(const Json& document, std::string_view name, std::uint32_t fallback, std::uint32_t most,
                         Faults& faults) {
  const std::uint64_t count = read_unsigned(document, name, "", fallback, kMax64, faults);
  if (count >= 1 && count <= most) return static_cast<std::uint32_t>(count);
  faults.add(std::string(name), "must be within 1.." + std::to_string(most));
  return fallback;
}

}  // namespace

Result<sim::Scenario> parse_scenario(std::string_view json, std::string_view trace) {
  Faults faults;
  const Json document = parse_json(json, faults);
  if (!faults.empty()) return faults.status();
  if (!expect_object(
          document, "",
          {"workload", "policy", "replicas", "engine", "client", "runs", "poll_interval_s", "kv_event_delay_s",
           "prefix_source", "seed", "request_limit", "engine_groups", "routers", "assignment", "report_waits"},
          faults))
    return faults.status();

  const std::uint64_t seed = read_unsigned(document, "seed", "", 1, kMax64, faults);
  WorkloadDocument workload = read_workload(document, trace, seed, faults);
  sim::Scenario scenario = workload.published ? sim::published_scenario({}, {}) : sim::Scenario{};
  scenario.workload = std::move(workload.workload);
  scenario.seed = seed;
  if (const Json* policy = find_member(document, "policy")) {
    scenario.policy = read_policy(*policy, "policy", faults);
  } else {
    faults.add("policy", "is needed");
  }
  if (const Json* engine = find_member(document, "engine"))
    scenario.engine = read_engine(*engine, "engine", scenario.engine, faults);
  if (const Json* groups = find_member(document, "engine_groups")) {
    if (find_member(document, "engine") != nullptr || find_member(document, "replicas") != nullptr)
      faults.add("engine_groups", "stands instead of engine and replicas");
    scenario.engine_groups = read_engine_groups(*groups, scenario.engine, faults);
  }
  if (const Json* client = find_member(document, "client"))
    scenario.client = read_client(*client, scenario.client, workload.is_trace, faults);
  scenario.replicas = read_count(document, "replicas", scenario.replicas, 4096, faults);
  scenario.routers = read_count(document, "routers", scenario.routers, 64, faults);
  scenario.runs = read_count(document, "runs", scenario.runs, 1000, faults);
  scenario.poll_interval_ns =
      read_seconds(document, "poll_interval_s", "", scenario.poll_interval_ns, 0.001, 3600, faults);
  scenario.kv_event_delay_ns =
      read_seconds(document, "kv_event_delay_s", "", scenario.kv_event_delay_ns, 0, 3600, faults);
  scenario.prefix_source = read_prefix_source(document, faults);
  scenario.assignment = read_assignment(document, faults);
  scenario.report_waits = read_bool(document, "report_waits", "", scenario.report_waits, faults);
  scenario.request_limit = read_unsigned(document, "request_limit", "", scenario.request_limit, kMax64, faults);
  if (!faults.empty()) return faults.status();
  if (Status status = sim::check(scenario); !status.ok()) return status;  // what concerns several members
  return scenario;
}

Result<std::string> simulate_document(std::string_view json, std::string_view trace) {
  Result<sim::Scenario> scenario = parse_scenario(json, trace);
  if (!scenario.ok()) return scenario.status();
  Result<sim::Simulation> simulation = sim::Simulation::create(std::move(scenario).value());
  if (!simulation.ok()) return simulation.status();
  while (!simulation->done()) simulation->advance(std::numeric_limits<std::uint64_t>::max());
  return write_report(simulation->report());
}

}  // namespace kthena::manifest
