// src/manifest/decision.cpp
//
// The JSON forms of a decision and its explanation, and the one-document door.
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "route_reader.hpp"

namespace kthena::manifest {
namespace {

OrderedJson reason_json(const Reason& reason) {
  return {{"code", static_cast<std::int32_t>(reason.code)},
          {"name", reason_name(reason.code)},
          {"subject", reason.subject},
          {"a", reason.a},
          {"b", reason.b}};
}

constexpr std::array<std::string_view, 3> kOutcomeNames = {"routed", "no_endpoint", "scorer_failed"};  // by Outcome

OrderedJson decision_json(const route::Decision& decision, const route::PoolSnapshot& pool) {
  OrderedJson ranked = OrderedJson::array();
  for (const EndpointIndex endpoint : decision.ranking()) ranked.push_back(pool.id(endpoint));
  const bool routed = decision.outcome == route::Outcome::kRouted;
  return {{"outcome", kOutcomeNames[static_cast<std::size_t>(decision.outcome)]},
          {"endpoint", routed ? OrderedJson(pool.id(decision.endpoint)) : OrderedJson(nullptr)},
          {"reason", reason_json(decision.reason)},
          {"score", decision.score},
          {"margin", decision.margin},
          {"candidates", decision.candidates},
          {"ranked", std::move(ranked)},
          {"stage", decision.stage}};
}

/// Who dropped an endpoint: a filter, or a rule of the policy by the name of its member.
OrderedJson dropper_json(const Reason& reason, std::uint32_t filter, const std::vector<std::string>& filters) {
  if (reason.code == ReasonCode::stale_signal) return "staleness";
  if (reason.code == ReasonCode::slow_start) return "slow_start_s";
  return filters[filter];
}

OrderedJson number_or_null(double value) {
  return route::is_missing(value) ? OrderedJson(nullptr) : OrderedJson(value);
}

OrderedJson candidate_json(const route::CandidateExplanation& candidate, const route::Explanation& explanation,
                           const route::PoolSnapshot& pool) {
  OrderedJson json = {{"endpoint", pool.id(candidate.endpoint)},
                      {"rank", candidate.rank},
                      {"total", candidate.total},
                      {"tie_group", candidate.tie_group}};
  if (candidate.dropped.code != ReasonCode::none) {
    json["dropped"] = reason_json(candidate.dropped);
    json["dropped_by"] = dropper_json(candidate.dropped, candidate.dropped_by, explanation.filters);
  } else {
    json["dropped"] = nullptr;
    json["dropped_by"] = nullptr;
  }
  json["terms"] = OrderedJson::array();
  for (std::size_t i = 0; i < candidate.terms.size(); ++i) {
    const route::ScoreTerm& term = candidate.terms[i];
    json["terms"].push_back({{"scorer", explanation.scorers[i]},
                             {"score", term.score},
                             {"weight", explanation.weights[i]},
                             {"contribution", term.contribution},
                             {"abstained", term.abstained}});
  }
  json["oldest_age_ns"] = candidate.oldest_age_ns;
  json["oldest_signal"] =
      candidate.oldest_signal ? OrderedJson(route::info(*candidate.oldest_signal).name) : OrderedJson(nullptr);
  json["corrected"] = OrderedJson::array();
  for (const route::CorrectedSignal& value : candidate.corrected) {
    json["corrected"].push_back({{"signal", route::info(value.signal).name},
                                 {"read", number_or_null(value.read)},
                                 {"used", number_or_null(value.used)}});
  }
  return json;
}

OrderedJson earlier_json(const route::EarlierStage& stage, const route::PoolSnapshot& pool) {
  OrderedJson json = {{"name", stage.name}, {"reason", reason_json(stage.reason)}, {"filters", stage.filters}};
  json["dropped"] = OrderedJson::array();
  for (const route::EarlierStage::Drop& drop : stage.drops) {
    json["dropped"].push_back({{"endpoint", pool.id(drop.endpoint)},
                               {"dropped", reason_json(drop.dropped)},
                               {"dropped_by", dropper_json(drop.dropped, drop.dropped_by, stage.filters)}});
  }
  return json;
}

OrderedJson runner_up_json(const route::Explanation& explanation, const route::PoolSnapshot& pool) {
  const route::RunnerUp& runner_up = explanation.runner_up;
  if (runner_up.endpoint == EndpointIndex{}) return nullptr;
  OrderedJson flips = OrderedJson::array();
  for (const route::RunnerUp::Flip& flip : runner_up.flips) {
    flips.push_back({{"scorer", explanation.scorers[flip.scorer]},
                     {"weight", flip.weight},
                     {"when", flip.above ? "above" : "below"}});
  }
  return {{"endpoint", pool.id(runner_up.endpoint)}, {"flips", std::move(flips)}};
}

}  // namespace

std::string write_decision(const route::Decision& decision, const route::PoolSnapshot& pool) {
  return write_json(decision_json(decision, pool));
}

std::string write_explanation(const route::Explanation& explanation, const route::PoolSnapshot& pool) {
  OrderedJson json;
  json["decision"] = decision_json(explanation.decision, pool);
  json["reason_text"] = reason_text(explanation.decision.reason.code);
  json["earlier"] = OrderedJson::array();
  for (const route::EarlierStage& stage : explanation.earlier) json["earlier"].push_back(earlier_json(stage, pool));
  json["filters"] = explanation.filters;
  json["scorers"] = explanation.scorers;
  json["weights"] = explanation.weights;
  json["combine"] = route::combine_name(explanation.combine);
  json["picker"] = explanation.picker;
  json["runner_up"] = runner_up_json(explanation, pool);
  json["candidates"] = OrderedJson::array();
  for (const route::CandidateExplanation& candidate : explanation.candidates)
    json["candidates"].push_back(candidate_json(candidate, explanation, pool));
  return write_json(json);
}

Result<std::string> decide_document(std::string_view json) {
  Faults faults;
  const Json document = parse_json(json, faults);
  if (!faults.empty()) return faults.status();
  if (!expect_object(document, "", {"pool", "policy", "request", "explain"}, faults)) return faults.status();
  for (const char* needed : {"pool", "policy"})
    if (find_member(document, needed) == nullptr) faults.add(needed, "is needed");

  route::PoolBuilder builder;
  Faults pool_faults;
  if (const Json* pool = find_member(document, "pool"))
    for (route::Endpoint& endpoint : read_endpoints(*pool, "pool", pool_faults)) builder.add(std::move(endpoint));
  append_faults(pool_faults, "", faults);
  route::PolicySpec spec;
  if (const Json* policy = find_member(document, "policy")) spec = read_policy(*policy, "policy", faults);
  const bool explain = read_bool(document, "explain", "", false, faults);

  // A pool with faults has no endpoints that depths could name: "no such endpoint" would be a fault that is not there.
  auto pool = builder.build();
  const bool known = find_member(document, "pool") != nullptr && pool.ok() && pool_faults.empty();
  RequestDocument request;
  if (const Json* given = find_member(document, "request"))
    request = read_request(*given, known ? &*pool : nullptr, "request", faults);
  if (!faults.empty()) return faults.status();

  auto policy = route::Policy::create(spec);
  if (!policy.ok()) return policy.status();
  if (explain) return write_explanation(policy->explain(pool->view(), request.view()), *pool);
  route::Workspace workspace;
  return write_decision(policy->decide(*pool, request.view(), workspace), *pool);
}

}  // namespace kthena::manifest
