// include/kthena/manifest/scenario.hpp
//
// The JSON forms of sim: a scenario in, a report out. What holds for documents in route.hpp holds here.
//
//   scenario   {"workload": W, "policy": POLICY, "replicas": N, "engine": E, "client": {"concurrency": N, "speed": X}, "runs": K,
//               "poll_interval_s": S, "kv_event_delay_s": S, "prefix_source": "kthena" | "exact", "seed": N,
//               "request_limit": N}; workload and policy are needed
//              W = "gsp-long" | "gsp-short" or {"name": ..., "seed": N}, and the defaults are those of the published benchmark;
//                  {"generated_shared_prefix": {...}}, {"poisson": {...}} or {"trace": {"format", "name", "spread_tick_s", "seed"}},
//                  whose text comes beside the document, and the defaults are those of sim::Scenario
//              E = "llama3-8b@a100" or {"base": NAME, "t0_s": S, ...}
//   report     sim::Report member by member; null for what nothing was measured for. "published": the row of the published benchmark where
//              sim::comparable_row finds one, else null; it is a mean of 3 runs, "runs" says how many these are
//   schemas    docs/schemas/scenario.schema.json, docs/schemas/report.schema.json
#pragma once

#include <string>
#include <string_view>

#include "kthena/base/status.hpp"
#include "kthena/sim/report.hpp"
#include "kthena/sim/scenario.hpp"
#include "kthena/sim/simulation.hpp"

namespace kthena::manifest {

/// `trace`: the text of the trace, when the scenario names one; else empty. A workload without a seed of its own gets the scenario's.
/// A closed loop over a trace has speed 0 unless it says otherwise: a place that is free is filled at once.
Result<sim::Scenario> parse_scenario(std::string_view json, std::string_view trace = {});

std::string write_report(const sim::Report& report);
/// run,request,endpoint,arrival_ns,first_token_ns,end_ns,prompt_tokens,output_tokens,hit_tokens; empty where it never got that far.
std::string write_requests_csv(const sim::Simulation& simulation);

/// parse_scenario, Simulation to its end, write_report.
Result<std::string> simulate_document(std::string_view json, std::string_view trace = {});

/// [{"workload", "policy", "throughput_rps", "e2e_mean_s", "ttft_mean_s"}, ...]: the published benchmark.
std::string write_published_rows();
/// [{"name", "t0_s", ...}, ...]
std::string write_engine_models();

}  // namespace kthena::manifest
