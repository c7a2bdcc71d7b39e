// src/manifest/report.cpp
//
// What simulations give, as JSON and CSV.
#include <charconv>

#include "json.hpp"
#include "kthena/manifest/scenario.hpp"
#include "kthena/sim/published.hpp"

namespace kthena::manifest {
namespace {

/// A number that nothing was measured for is null, never 0.
OrderedJson measured(bool any, double value) { return any ? OrderedJson(value) : OrderedJson(nullptr); }

OrderedJson distribution_json(const sim::Distribution& d) {
  const bool any = d.count > 0;
  return {{"count", d.count},
          {"mean", measured(any, d.mean)},
          {"p50", measured(any, d.p50)},
          {"p90", measured(any, d.p90)},
          {"p99", measured(any, d.p99)},
          {"max", measured(any, d.max)}};
}

OrderedJson run_json(const sim::RunReport& run, const sim::Report& report) {
  OrderedJson json = {{"requests", run.requests},
                      {"duration_s", run.duration_s},
                      {"throughput_rps", run.throughput_rps},
                      {"e2e_s", distribution_json(run.e2e_s)},
                      {"ttft_s", distribution_json(run.ttft_s)},
                      {"tpot_s", distribution_json(run.tpot_s)},
                      {"hit_ratio", measured(run.requests > 0, run.hit_ratio)},
                      {"load_max_over_mean", measured(run.load_max_over_mean > 0, run.load_max_over_mean)},
                      {"waited_for_poll", run.waited_for_poll},
                      {"unroutable", run.unroutable},
                      {"preemptions", run.preemptions},
                      {"steps", run.steps},
                      {"events", run.events}};
  if (report.with_waits) json["wait_s"] = distribution_json(run.wait_s);
  return json;
}

OrderedJson engine_json(const sim::EngineReport& engine, const sim::Report& report) {
  OrderedJson json = {{"endpoint", engine.endpoint},
                      {"requests", engine.requests},
                      {"steps", engine.steps},
                      {"preemptions", engine.preemptions},
                      {"admissions", engine.admissions},
                      {"computed_tokens", engine.computed_tokens},
                      {"hit_tokens", engine.hit_tokens},
                      {"lost_tokens", engine.lost_tokens},
                      {"busy_s", engine.busy_s},
                      {"request_seconds", engine.request_seconds},
                      {"capacity_blocks", engine.capacity_blocks},
                      {"peak_blocks", engine.peak_blocks},
                      {"referenced_blocks", engine.referenced_blocks}};
  if (!report.engine_groups.empty()) json["group"] = engine.group;
  if (report.with_adapters) json["adapter_loads"] = engine.adapter_loads;
  return json;
}

OrderedJson model_json(const EngineModel& model) {
  OrderedJson json = {{"name", model.name},
                      {"t0_s", model.t0_s},
                      {"t_mem_s", model.t_mem_s},
                      {"c_token_s", model.c_token_s},
                      {"c_prefill_s", model.c_prefill_s},
                      {"c_context_s", model.c_context_s},
                      {"c_sequence_s", model.c_sequence_s},
                      {"block_tokens", model.block_tokens},
                      {"kv_capacity_tokens", model.kv_capacity_tokens},
                      {"max_batched_tokens", model.max_batched_tokens},
                      {"max_running", model.max_running}};
  if (model.max_adapters != 0) json["max_adapters"] = model.max_adapters;
  if (model.adapter_load_s != 0) json["adapter_load_s"] = model.adapter_load_s;
  return json;
}

/// What only some scenarios have.
void add_fleet(const sim::Report& report, OrderedJson& json) {
  if (!report.engine_groups.empty()) {
    json["engine_groups"] = OrderedJson::array();
    for (const sim::EngineGroup& group : report.engine_groups)
      json["engine_groups"].push_back(
          {{"engine", group.engine.name}, {"engine_model", model_json(group.engine)}, {"count", group.count}});
  }
  if (report.routers != 1) json["routers"] = report.routers;
  if (report.assignment != sim::Assignment::kPolicy) json["assignment"] = sim::assignment_name(report.assignment);
}

OrderedJson published_json(const sim::PublishedRow& row) {
  return {{"throughput_rps", row.throughput_rps}, {"e2e_mean_s", row.e2e_mean_s}, {"ttft_mean_s", row.ttft_mean_s}};
}

void append_number(std::string& out, std::int64_t number) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  (void)error;  // 24 characters hold any int64
  out.append(digits, end);
}

}  // namespace

std::string write_report(const sim::Report& report) {
  OrderedJson json;
  json["workload"] = report.workload;
  json["requests"] = report.requests;
  json["policy"] = report.policy;
  json["prefix_source"] = sim::prefix_source_name(report.prefix_source);
  json["engine"] = report.engine.name;
  json["engine_model"] = model_json(report.engine);
  json["replicas"] = report.replicas;
  json["total"] = run_json(report.total, report);
  json["runs"] = OrderedJson::array();
  for (const sim::RunReport& run : report.runs) json["runs"].push_back(run_json(run, report));
  json["engines"] = OrderedJson::array();
  for (const sim::EngineReport& engine : report.engines) json["engines"].push_back(engine_json(engine, report));
  json["ttft_cdf_s"] = report.ttft_cdf_s;
  json["load"] = {{"at_ns", report.load.at_ns}, {"running", report.load.running}, {"waiting", report.load.waiting}};
  json["published"] = report.published != nullptr ? published_json(*report.published) : OrderedJson(nullptr);
  add_fleet(report, json);
  return write_json(json);
}

std::string write_requests_csv(const sim::Simulation& simulation) {
  const sim::RequestRows rows = simulation.rows();
  const sim::Report report = simulation.report();
  std::string out = "run,request,endpoint,arrival_ns,first_token_ns,end_ns,prompt_tokens,output_tokens,hit_tokens";
  if (report.with_waits) out += ",admitted_ns";
  if (report.routers != 1) out += ",router";
  out += '\n';
  const auto number = [&](std::int64_t value) {
    out += ',';
    append_number(out, value);
  };
  const auto time = [&](Time at) {
    if (at != kNever) return number(at);
    out += ',';
  };
  for (std::size_t i = 0; i < rows.arrival_ns.size(); ++i) {
    append_number(out, static_cast<std::int64_t>(i / report.requests));
    number(static_cast<std::int64_t>(i % report.requests));
    out += ',';
    if (rows.endpoint[i] < report.engines.size()) out += report.engines[rows.endpoint[i]].endpoint;
    time(rows.arrival_ns[i]);
    time(rows.first_token_ns[i]);
    time(rows.end_ns[i]);
    number(rows.prompt_tokens[i]);
    number(rows.output_tokens[i]);
    number(rows.hit_tokens[i]);
    if (report.with_waits) time(rows.admitted_ns[i]);
    if (report.routers != 1) number(rows.router[i]);
    out += '\n';
  }
  return out;
}

std::string write_published_rows() {
  OrderedJson json = OrderedJson::array();
  for (const sim::PublishedRow& row : sim::published_rows()) {
    OrderedJson entry = {{"workload", row.workload}, {"policy", row.policy}};
    entry.update(published_json(row));
    json.push_back(std::move(entry));
  }
  return write_json(json);
}

std::string write_engine_models() {
  OrderedJson json = OrderedJson::array();
  for (const std::string_view name : sim::engine_model_names())
    json.push_back(model_json(sim::engine_model(name).value()));
  return write_json(json);
}

}  // namespace kthena::manifest
