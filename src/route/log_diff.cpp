// src/route/log_diff.cpp
#include "kthena/route/log_diff.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace kthena::route {
namespace {

struct Counts {
  std::uint64_t before = 0;
  std::uint64_t after = 0;
};

const CandidateExplanation* find_candidate(const Explanation& explanation, EndpointIndex endpoint) {
  if (!endpoint.valid()) return nullptr;
  const CandidateExplanation& candidate = explanation.candidates[endpoint.value];
  return candidate.dropped.code == ReasonCode::none && candidate.rank != 0 ? &candidate : nullptr;
}

std::vector<DiffTerm> terms_of(const Explanation& explanation, EndpointIndex before, EndpointIndex after) {
  const CandidateExplanation* one = find_candidate(explanation, before);
  const CandidateExplanation* other = find_candidate(explanation, after);
  std::vector<DiffTerm> terms;
  for (std::size_t s = 0; s < explanation.scorers.size(); ++s) {
    DiffTerm term{explanation.scorers[s], {}, {}};
    if (one != nullptr && s < one->terms.size()) term.before = one->terms[s].contribution;
    if (other != nullptr && s < other->terms.size()) term.after = other->terms[s].contribution;
    terms.push_back(std::move(term));
  }
  return terms;
}

class Comparison {
 public:
  Comparison(const Policy& other, const DiffOptions& options) : other_(other), options_(options) {}

  void take_head() { logged_.reset(); }

  void take_policy(const LoggedPolicy& policy) {
    logged_ = options_.find_policy ? options_.find_policy(policy) : std::nullopt;
    if (report_.policies.size() >= kMaxDiffPolicies) return;
    if (std::find(report_.policies.begin(), report_.policies.end(), policy) == report_.policies.end())
      report_.policies.push_back(policy);
  }

  void take_pool(std::span<const std::string> ids) {
    counts_.clear();
    for (const std::string& id : ids) counts_.push_back(&endpoints_[id]);
  }

  void take_decision(const DecisionLogReader& log) {
    const Decision& before = log.decision();
    const Decision after = other_.decide(log.view(), log.request(), workspace_);
    if (before.endpoint.valid()) ++counts_[before.endpoint.value]->before;
    if (after.endpoint.valid()) ++counts_[after.endpoint.value]->after;
    ++reasons_[before.reason.code].before;
    ++reasons_[after.reason.code].after;
    if (before.endpoint == after.endpoint) {
      ++report_.same;
      if (before == after) ++report_.identical;
    } else {
      take_changed(log, after);
    }
    ++report_.decisions;
  }

  DiffReport finish(std::uint64_t bytes, std::optional<std::uint64_t> cut_at) {
    report_.bytes = bytes;
    report_.cut_at = cut_at;
    for (const auto& [id, counts] : endpoints_) report_.endpoints.push_back({id, counts.before, counts.after});
    for (const auto& [code, counts] : reasons_) report_.reasons.push_back({code, counts.before, counts.after});
    return std::move(report_);
  }

 private:
  void take_changed(const DecisionLogReader& log, const Decision& after) {
    const Decision& before = log.decision();
    ++report_.changed;
    if (before.endpoint.valid()) report_.margin_before.add(before.margin);
    if (after.endpoint.valid()) report_.margin_after.add(after.margin);
    const bool told = report_.first.size() < options_.limit;
    std::optional<Explanation> seen_before;
    if (logged_) seen_before = logged_->explain(log.view(), log.request());
    const std::optional<double> regret = seen_before ? regret_of(*seen_before, before, after) : std::nullopt;
    if (regret) report_.regret.add(*regret);
    if (!told) return;
    const auto side = [&](const Decision& decision) {
      DiffSide out;
      if (decision.endpoint.valid()) out.endpoint = log.ids()[decision.endpoint.value];
      out.reason = decision.reason;
      out.score = decision.score;
      out.margin = decision.margin;
      return out;
    };
    ChangedDecision changed{
        report_.decisions, std::string(log.request().id), log.request().now_ns, side(before), side(after), regret};
    if (seen_before) changed.before.terms = terms_of(*seen_before, before.endpoint, after.endpoint);
    changed.after.terms = terms_of(other_.explain(log.view(), log.request()), before.endpoint, after.endpoint);
    report_.first.push_back(std::move(changed));
  }

  /// Nothing where the policy that is known did not make this decision.
  static std::optional<double> regret_of(const Explanation& seen, const Decision& before, const Decision& after) {
    if (seen.scorers.empty() || seen.picker == "round-robin" || !(seen.decision == before)) return std::nullopt;
    const CandidateExplanation* one = find_candidate(seen, before.endpoint);
    const CandidateExplanation* other = find_candidate(seen, after.endpoint);
    if (one == nullptr || other == nullptr) return std::nullopt;
    return one->total - other->total;
  }

  const Policy& other_;
  const DiffOptions& options_;
  std::optional<Policy> logged_;
  Workspace workspace_;
  std::map<std::string, Counts> endpoints_;
  std::map<ReasonCode, Counts> reasons_;
  std::vector<Counts*> counts_;  // by position in the pool
  DiffReport report_;
};

}  // namespace

Result<DiffReport> diff(std::span<const std::byte> log, const Policy& other, const DiffOptions& options) {
  DecisionLogReader reader;
  Comparison comparison(other, options);
  if (log.empty()) return invalid_argument("byte 0: the log is empty");
  while (!log.empty()) {
    const auto step = reader.next(log);
    if (!step.ok()) return step.status();
    if (step->record == LogRecord::kCut) break;
    if (step->record == LogRecord::kHead) comparison.take_head();
    if (step->record == LogRecord::kPolicy) comparison.take_policy(reader.policy());
    if (step->record == LogRecord::kPool) comparison.take_pool(reader.ids());
    if (step->record == LogRecord::kDecision) comparison.take_decision(reader);
    log = log.subspan(step->size);
  }
  return comparison.finish(reader.offset(), log.empty() ? std::nullopt : std::optional(reader.offset()));
}

}  // namespace kthena::route
