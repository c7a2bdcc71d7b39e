// src/route/explain.cpp
//
// Policy::explain: the same steps as decide, with what each part said kept.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "kthena/route/decision_run.hpp"
#include "parts.hpp"

namespace kthena::route {
namespace {

/// Age and name of the oldest sample of each endpoint.
void tell_ages(const PoolView& view, Time now_ns, std::vector<CandidateExplanation>& candidates) {
  std::vector<Time> oldest(view.size, std::numeric_limits<Time>::max());
  for (std::size_t slot = 0; slot < kSignalCount; ++slot) {
    const Time* sampled = view.sampled[slot];
    for (std::size_t i = 0; sampled != nullptr && i < view.size; ++i) {
      if (sampled[i] == kNever || sampled[i] >= oldest[i]) continue;
      oldest[i] = sampled[i];
      candidates[i].oldest_signal = static_cast<Signal>(slot);
    }
  }
  for (std::size_t i = 0; i < view.size; ++i) {
    if (oldest[i] >= now_ns) continue;
    // Unsigned, for the difference of two times may exceed a Duration.
    const std::uint64_t age = static_cast<std::uint64_t>(now_ns) - static_cast<std::uint64_t>(oldest[i]);
    candidates[i].oldest_age_ns =
        static_cast<Duration>(std::min<std::uint64_t>(age, std::numeric_limits<Duration>::max()));
  }
}

/// What the rules of staleness changed.
void tell_corrections(std::span<const StaleRule> rules, const PoolView& view, const PoolView& seen,
                      std::vector<CandidateExplanation>& candidates) {
  for (const StaleRule& rule : rules) {
    const auto slot = static_cast<std::size_t>(rule.signal);
    const double* read = view.values[slot];
    const double* used = seen.values[slot];
    if (read == used) continue;
    for (std::size_t i = 0; i < view.size; ++i)
      if (read[i] != used[i] && !(is_missing(read[i]) && is_missing(used[i])))
        candidates[i].corrected.push_back({rule.signal, read[i], used[i]});
  }
}

/// Endpoints that a rule excludes, by the first rule that does.
void tell_excluded(std::span<const StaleRule> rules, const PoolView& view, const std::uint8_t* entry, Time now_ns,
                   std::vector<CandidateExplanation>& candidates) {
  if (entry == nullptr) return;
  for (const StaleRule& rule : rules) {
    if (rule.then != StaleThen::kExclude) continue;
    const auto slot = static_cast<std::size_t>(rule.signal);
    const Exclusion exclusion(make_age_rule(rule), view, now_ns);
    for (std::size_t i = 0; i < view.size; ++i) {
      if (candidates[i].dropped.code != ReasonCode::none || !exclusion.drops(i)) continue;
      const Time sampled = view.sampled[slot] == nullptr ? kNever : view.sampled[slot][i];
      candidates[i].dropped = {ReasonCode::stale_signal, static_cast<std::uint32_t>(slot), age_s(sampled, now_ns),
                               rule.stale_s};
    }
  }
}

template <class Variant>
std::string name_of(const Variant& part) {
  return std::visit([](const auto& p) { return std::string(p.kName); }, part);
}

template <Filter F>
Reason why_dropped(const F& part, const PoolView& view, const Request& request, std::span<const std::uint8_t> kept,
                   EndpointIndex endpoint) {
  if constexpr (ExplainsBySet<F>) {
    return part.explain(view, request, kept, endpoint);
  } else {
    return part.explain(view, request, endpoint);
  }
}

/// Runs the filters of a stage and slow start; each endpoint that is dropped gets its reason.
void run_filters(const Stage& stage, double slow_start_s, const PoolView& view, const Request& request,
                 DecisionRun& run, std::vector<CandidateExplanation>& candidates) {
  const std::span<const std::uint8_t> entry = run.kept();
  std::vector<std::uint8_t> before(entry.begin(), entry.end());
  for (std::size_t f = 0; f < stage.filters.size() && run.left() > 0; ++f) {
    std::visit(
        [&](const auto& part) {
          run.filter(part);
          const std::span<const std::uint8_t> kept = run.kept();
          for (std::size_t i = 0; i < view.size; ++i) {
            if (before[i] == kept[i]) continue;
            candidates[i].dropped = why_dropped(part, view, request, before, candidates[i].endpoint);
            candidates[i].dropped_by = static_cast<std::uint32_t>(f);
          }
          before.assign(kept.begin(), kept.end());
        },
        stage.filters[f]);
  }
  if (!(slow_start_s > 0) || run.left() == 0) return;
  run.sit_out(slow_start_s);
  const std::span<const std::uint8_t> kept = run.kept();
  for (std::size_t i = 0; i < view.size; ++i) {
    if (before[i] == kept[i]) continue;
    const double age =
        static_cast<double>(request.now_ns) / 1e9 - view.values[static_cast<std::size_t>(Signal::kReadyAtS)][i];
    candidates[i].dropped = {ReasonCode::slow_start, 0, age, slow_start_s};
  }
}

/// Moves what the filters said out of the candidates, which the next stage begins with.
EarlierStage take_earlier(const Stage& stage, const PolicySpec& spec, const Reason& reason,
                          std::vector<CandidateExplanation>& candidates) {
  EarlierStage out;
  out.name = spec.name;
  out.reason = reason;
  for (const AnyFilter& filter : stage.filters) out.filters.push_back(name_of(filter));
  for (CandidateExplanation& candidate : candidates) {
    out.drops.push_back({candidate.endpoint, candidate.dropped, candidate.dropped_by});
    if (candidate.dropped.code == ReasonCode::stale_signal) continue;
    candidate.dropped = {};
    candidate.dropped_by = 0;
  }
  return out;
}

std::string name_of(const WeightedScorer& scorer) {
  return scorer.user == nullptr ? name_of(scorer.scorer) : std::string(kUserPrefix) + scorer.user->name;
}

/// Asks the scorers of a stage and keeps what they say. The position of the one that failed, if one did.
std::optional<std::size_t> run_scorers(const Stage& stage, DecisionRun& run, Workspace& workspace, Explanation& out) {
  const std::size_t scorers = stage.scorers.size();
  const std::span<const double> totals = run.totals();
  const std::shared_ptr<ScoreTerm[]> terms = std::make_shared<ScoreTerm[]>(scorers * totals.size());
  std::vector<double> before;
  for (std::size_t s = 0; s < scorers; ++s) {
    const WeightedScorer& scorer = stage.scorers[s];
    if (stage.combine == Combine::kTiers) before.assign(totals.begin(), totals.end());
    if (!ask(run, scorer, workspace)) return s;
    combine_opinions(run, stage.combine, scorer);
    for (std::size_t i = 0; i < totals.size(); ++i) {
      const double score = run.last_scores()[i];
      ScoreTerm& term = terms[i * scorers + s];
      term.abstained = !(score - score == 0);
      term.score = term.abstained ? 0 : score;
      term.contribution = stage.combine == Combine::kSum       ? scorer.weight * term.score
                          : stage.combine == Combine::kProduct ? DecisionRun::factor(score, scorer.weight)
                                                               : totals[i] - before[i];
    }
  }
  for (std::size_t i = 0; i < totals.size(); ++i)
    out.candidates[run.context().endpoint(i).value].terms = {&terms[i * scorers], scorers};
  out.terms = terms;
  return std::nullopt;
}

/// Totals, ties and ranks. The ranked list comes first, as the picker made it; the rest by total and tie.
void tell_ranks(const DecisionRun& run, const Decision& decision, std::vector<CandidateExplanation>& candidates) {
  const std::span<const double> totals = run.totals();
  const std::span<const std::uint64_t> keys = run.context().keys();
  const std::uint64_t request_key = run.context().request_key();
  std::vector<RankedPlace> order;
  order.reserve(totals.size());
  for (std::uint32_t i = 0; i < totals.size(); ++i) order.push_back({totals[i], tie_order(request_key, keys[i]), i});
  std::sort(order.begin(), order.end(), [](const RankedPlace& a, const RankedPlace& b) { return a.before(b); });

  std::uint32_t rank = 0;
  for (const EndpointIndex endpoint : decision.ranking()) candidates[endpoint.value].rank = ++rank;
  std::uint32_t group = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    CandidateExplanation& candidate = candidates[run.context().endpoint(order[i].candidate).value];
    if (i == 0 || order[i].total != order[i - 1].total) ++group;
    candidate.total = order[i].total;
    candidate.tie_group = group;
    if (candidate.rank == 0) candidate.rank = ++rank;
  }
}

RunnerUp find_runner_up(const Explanation& out) {
  RunnerUp runner_up;
  const ReasonCode code = out.decision.reason.code;
  if (code != ReasonCode::best_score && code != ReasonCode::tie_broken && code != ReasonCode::best_of_sample)
    return runner_up;
  const auto second = std::find_if(out.candidates.begin(), out.candidates.end(),
                                   [](const CandidateExplanation& candidate) { return candidate.rank == 2; });
  if (second == out.candidates.end()) return runner_up;
  runner_up.endpoint = second->endpoint;
  if (out.combine != Combine::kSum) return runner_up;
  const CandidateExplanation& first = out.candidates[out.decision.endpoint.value];
  for (std::size_t s = 0; s < out.weights.size(); ++s) {
    const double ahead = first.terms[s].score - second->terms[s].score;
    if (ahead == 0) continue;
    const double weight = out.weights[s] - (first.total - second->total) / ahead;
    if (weight >= 0 && weight <= 1e9) runner_up.flips.push_back({static_cast<std::uint32_t>(s), weight, ahead < 0});
  }
  return runner_up;
}

}  // namespace

Explanation Policy::explain(const PoolView& view, const Request& request, Workspace& workspace) const {
  Explanation out;
  out.candidates.resize(view.size);
  for (std::size_t i = 0; i < view.size; ++i) out.candidates[i].endpoint = {static_cast<std::uint32_t>(i)};
  tell_ages(view, request.now_ns, out.candidates);

  const Correction correction(parts_->rules, view, request.now_ns, workspace);
  const PoolView& seen = correction.view();
  tell_corrections(parts_->spec.staleness, view, seen, out.candidates);
  tell_excluded(parts_->spec.staleness, view, correction.entry(), request.now_ns, out.candidates);
  DecisionRun run(seen, request, workspace, correction.entry());
  std::size_t number = 0;
  bool scoring = false;
  for (;; ++number) {
    const Stage& stage = parts_->stages[number];
    run_filters(stage, parts_->spec.slow_start_s, seen, request, run, out.candidates);
    scoring = run.start_scoring(stage.combine);
    if (scoring || view.size == 0 || number + 1 == parts_->stages.size()) break;
    const PolicySpec& spec = number == 0 ? parts_->spec : parts_->spec.otherwise[number - 1];
    const Reason reason = run.finish(BestScore{}, 1).reason;
    out.earlier.push_back(take_earlier(stage, spec, reason, out.candidates));
    run.restart();
  }

  const Stage& stage = parts_->stages[number];
  out.combine = stage.combine;
  for (const AnyFilter& filter : stage.filters) out.filters.push_back(name_of(filter));
  for (const WeightedScorer& scorer : stage.scorers) {
    out.scorers.push_back(name_of(scorer));
    out.weights.push_back(scorer.weight);
  }
  out.picker = name_of(stage.picker);
  std::optional<std::size_t> failed;
  if (scoring) failed = run_scorers(stage, run, workspace, out);
  out.decision =
      failed ? fail(run, *failed, workspace)
             : std::visit([&](const auto& part) { return run.finish(part, parts_->spec.ranked_limit); }, stage.picker);
  out.decision.stage = static_cast<std::uint32_t>(number);
  if (!scoring || failed) return out;

  tell_ranks(run, out.decision, out.candidates);
  out.runner_up = find_runner_up(out);
  return out;
}

}  // namespace kthena::route
