// include/kthena/sim/report.hpp
//
// Report: what happened in a simulation. Seconds are simulated seconds of a modelled engine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kthena/base/engine_model.hpp"
#include "kthena/base/time.hpp"
#include "kthena/sim/published.hpp"
#include "kthena/sim/scenario.hpp"

namespace kthena::sim {

/// Percentiles interpolate linearly between order statistics (numpy's default). Without samples all are 0, and null in JSON.
struct Distribution {
  std::uint64_t count = 0;
  double mean = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
  double max = 0;
};

/// One run, or all of them together (`Report::total`: means and percentiles over all requests, throughput the mean of the runs').
struct RunReport {
  std::uint64_t requests = 0;  ///< finished
  double duration_s = 0;       ///< first send to last token; of all runs: the sum
  double throughput_rps = 0;
  Distribution e2e_s;    ///< from the client's send to the last token
  Distribution ttft_s;   ///< from the client's send to the first token
  Distribution wait_s;   ///< from the client's send to the first admission into a batch
  Distribution tpot_s;   ///< (last - first token) / (output tokens - 1); without answers of one token
  double hit_ratio = 0;  ///< prompt tokens found at first admission / prompt tokens; null in JSON without requests
  double load_max_over_mean = 0;      ///< tokens computed per engine; null in JSON when there are none
  std::uint64_t waited_for_poll = 0;  ///< requests that found no eligible endpoint at first
  std::uint64_t unroutable = 0;       ///< requests given up: nobody was eligible although the fleet was idle
  std::uint64_t preemptions = 0;
  std::uint64_t steps = 0;   ///< of all engines
  std::uint64_t events = 0;  ///< entries popped from the event queue
};

/// One engine over the whole simulation.
struct EngineReport {
  std::string endpoint;
  std::uint32_t group = 0;     ///< in Report::engine_groups
  std::uint64_t requests = 0;  ///< finished
  std::uint64_t steps = 0;
  std::uint64_t preemptions = 0;
  std::uint64_t admissions = 0;  ///< into the batch, those after a preemption included
  std::uint64_t computed_tokens = 0;
  std::uint64_t hit_tokens = 0;   ///< of all admissions
  std::uint64_t lost_tokens = 0;  ///< computed or hit, given up by preemption
  std::uint64_t adapter_loads = 0;
  double busy_s = 0;           ///< time in steps
  double request_seconds = 0;  ///< integral over time of requests in the engine (Little's law)
  std::uint64_t capacity_blocks = 0;
  std::uint64_t peak_blocks = 0;        ///< most blocks referenced at once
  std::uint64_t referenced_blocks = 0;  ///< now; 0 when it is idle
};

/// Per request and run, in order of run and then of the workload. `endpoint` is 0xFFFFFFFF and times are kNever where it never got that far.
struct RequestRows {
  std::vector<Time> arrival_ns;   ///< when the client sent it; time of the whole simulation
  std::vector<Time> admitted_ns;  ///< first admission: the start of the step that took it into the batch
  std::vector<Time> first_token_ns;
  std::vector<Time> end_ns;
  std::vector<std::uint32_t> endpoint;
  std::vector<std::uint32_t> prompt_tokens;
  std::vector<std::uint32_t> output_tokens;
  std::vector<std::uint32_t> hit_tokens;
  std::vector<std::uint32_t> router;  ///< which one it was given to
};

/// Requests running and waiting per engine, sampled at polls and thinned to at most 1024 samples.
struct LoadSeries {
  std::vector<Time> at_ns;
  std::vector<std::uint32_t> running;  ///< sample * engines + engine
  std::vector<std::uint32_t> waiting;
};

struct Report {
  std::string workload;
  std::string policy;
  PrefixSource prefix_source = PrefixSource::kKthena;
  EngineModel engine;                      ///< that of the first engine
  std::uint32_t replicas = 0;              ///< engines, of all groups
  std::vector<EngineGroup> engine_groups;  ///< empty unless the scenario has groups
  std::uint32_t routers = 1;
  Assignment assignment = Assignment::kPolicy;
  bool with_adapters = false;  ///< the workload has some
  bool with_waits = false;     ///< Scenario::report_waits
  std::uint64_t requests = 0;  ///< of one run
  std::vector<RunReport> runs;
  RunReport total;
  std::vector<EngineReport> engines;
  std::vector<double>
      ttft_cdf_s;  ///< 101 points: the k-th is the k-percent quantile of TTFT over all runs; none without samples
  LoadSeries load;
  /// What was published for the same thing (comparable_row), a mean of kPublishedRuns runs; null when that is not so.
  const PublishedRow* published = nullptr;
};

}  // namespace kthena::sim
