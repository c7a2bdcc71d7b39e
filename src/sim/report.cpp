// The report of a simulation, from its rows and counters.
#include <algorithm>
#include <span>
#include <utility>

#include "sim/state.hpp"

namespace kthena::sim {
namespace {

/// The q-quantile of sorted values, linear between order statistics.
double quantile(std::span<const double> sorted, double q) {
  if (sorted.empty()) return 0;
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  if (below + 1 >= sorted.size()) return sorted.back();
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
}

/// Sorts `values`.
Distribution distribution(std::vector<double>& values) {
  Distribution d;
  d.count = values.size();
  if (values.empty()) return d;
  std::sort(values.begin(), values.end());
  double sum = 0;
  for (const double value : values) sum += value;
  d.mean = sum / static_cast<double>(values.size());
  d.p50 = quantile(values, 0.5);
  d.p90 = quantile(values, 0.9);
  d.p99 = quantile(values, 0.99);
  d.max = values.back();
  return d;
}

struct Samples {
  std::vector<double> e2e;
  std::vector<double> ttft;
  std::vector<double> wait;
  std::vector<double> tpot;
  std::uint64_t hit_tokens = 0;
  std::uint64_t prompt_tokens = 0;

  void add(const Workload& workload, const RequestRows& rows, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      if (rows.end_ns[i] == kNever) continue;
      const std::size_t request = i % workload.size();
      e2e.push_back(to_seconds(rows.end_ns[i] - rows.arrival_ns[i]));
      ttft.push_back(to_seconds(rows.first_token_ns[i] - rows.arrival_ns[i]));
      wait.push_back(to_seconds(rows.admitted_ns[i] - rows.arrival_ns[i]));
      const std::uint32_t output = workload.output_tokens[request];
      if (output > 1)
        tpot.push_back(to_seconds(rows.end_ns[i] - rows.first_token_ns[i]) / static_cast<double>(output - 1));
      hit_tokens += rows.hit_tokens[i];
      prompt_tokens += workload.prompt_tokens[request];
    }
  }

  void describe(RunReport& report) {
    report.requests = e2e.size();
    report.e2e_s = distribution(e2e);
    report.ttft_s = distribution(ttft);
    report.wait_s = distribution(wait);
    report.tpot_s = distribution(tpot);
    report.hit_ratio = prompt_tokens == 0 ? 0 : static_cast<double>(hit_tokens) / static_cast<double>(prompt_tokens);
  }
};

void describe_engines(std::span<const detail::EngineCounters> begin, std::span<const detail::EngineCounters> end,
                      RunReport& report) {
  std::uint64_t most = 0;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < end.size(); ++i) {
    const std::uint64_t tokens = end[i].computed_tokens - begin[i].computed_tokens;
    most = std::max(most, tokens);
    sum += tokens;
    report.steps += end[i].steps - begin[i].steps;
    report.preemptions += end[i].preemptions - begin[i].preemptions;
  }
  if (sum > 0)
    report.load_max_over_mean = static_cast<double>(most) * static_cast<double>(end.size()) / static_cast<double>(sum);
}

}  // namespace

Report Simulation::report() const {
  const State& s = *state_;
  Report report;
  report.workload = s.scenario.workload.name;
  report.policy = s.scenario.policy.name;
  report.prefix_source = s.scenario.prefix_source;
  report.engine = s.models[0];
  report.replicas = static_cast<std::uint32_t>(s.models.size());
  report.engine_groups = s.scenario.engine_groups;
  report.routers = s.scenario.routers;
  report.assignment = s.scenario.assignment;
  report.with_adapters = !s.scenario.workload.adapter_ids.empty();
  report.with_waits = s.scenario.report_waits;
  report.requests = s.requests;
  report.load = s.load;
  report.published = comparable_row(s.scenario);

  const State::Mark now = s.mark();
  Samples all;
  for (std::size_t r = 0; r < s.runs.size(); ++r) {
    const State::Run& run = s.runs[r];
    const State::Mark& end = run.end.engines.empty() ? now : run.end;
    RunReport& row = report.runs.emplace_back();
    Samples samples;
    samples.add(s.scenario.workload, s.rows, r * s.requests, (r + 1) * s.requests);
    samples.describe(row);
    all.add(s.scenario.workload, s.rows, r * s.requests, (r + 1) * s.requests);
    if (run.last_token_ns != kNever) row.duration_s = to_seconds(run.last_token_ns - run.first_send_ns);
    if (row.duration_s > 0) row.throughput_rps = static_cast<double>(row.requests) / row.duration_s;
    describe_engines(run.begin.engines, end.engines, row);
    row.waited_for_poll = run.waited_for_poll;
    row.unroutable = run.unroutable;
    row.events = end.events - run.begin.events;

    RunReport& total = report.total;
    total.duration_s += row.duration_s;
    total.throughput_rps += row.throughput_rps;
    total.waited_for_poll += row.waited_for_poll;
    total.unroutable += row.unroutable;
  }
  all.describe(report.total);
  for (int k = 0; k <= 100 && !all.ttft.empty(); ++k) report.ttft_cdf_s.push_back(quantile(all.ttft, k / 100.0));
  report.total.events = s.events;
  if (!report.runs.empty()) {
    report.total.throughput_rps /= static_cast<double>(report.runs.size());
    const std::vector<detail::EngineCounters> zero(s.engines.size());
    describe_engines(zero, now.engines, report.total);
  }

  for (std::size_t i = 0; i < s.engines.size(); ++i) {
    const detail::EngineCounters& counters = now.engines[i];
    EngineReport& row = report.engines.emplace_back();
    row.endpoint = s.routers[0].endpoint_id(i);
    row.group = s.group_of[i];
    row.requests = counters.finished;
    row.steps = counters.steps;
    row.preemptions = counters.preemptions;
    row.admissions = counters.admissions;
    row.computed_tokens = counters.computed_tokens;
    row.hit_tokens = counters.hit_tokens;
    row.lost_tokens = counters.lost_tokens;
    row.adapter_loads = counters.adapter_loads;
    row.busy_s = to_seconds(counters.busy_ns);
    row.request_seconds = static_cast<double>(s.engines[i].request_ns()) / 1e9;
    row.capacity_blocks = s.engines[i].cache().capacity();
    row.peak_blocks = counters.peak_blocks;
    row.referenced_blocks = s.engines[i].cache().referenced();
  }
  return report;
}

RequestRows Simulation::rows() const {
  const State& s = *state_;
  RequestRows rows = s.rows;
  for (std::uint32_t run = 0; run < s.scenario.runs; ++run) {
    const Workload& w = s.scenario.workload;
    rows.prompt_tokens.insert(rows.prompt_tokens.end(), w.prompt_tokens.begin(), w.prompt_tokens.end());
    for (std::uint32_t i = 0; i < s.requests; ++i)
      rows.router.push_back(s.router_of(std::uint64_t{run} * s.requests + i));
    rows.output_tokens.insert(rows.output_tokens.end(), w.output_tokens.begin(), w.output_tokens.end());
  }
  return rows;
}

}  // namespace kthena::sim
