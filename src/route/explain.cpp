// src/route/explain.cpp
//
// Policy::explain: the same steps as decide, with what each part said kept.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "kthena/route/decision_run.hpp"
#include "parts.hpp"

namespace kthena::route {
namespace {

/// Age of the oldest sample of an endpoint; 0 when it has none or all are from the future.
Duration oldest_age(const PoolView& view, std::size_t endpoint, Time now_ns) {
  Time oldest = std::numeric_limits<Time>::max();
  for (const Time* sampled : view.sampled)
    if (sampled != nullptr && sampled[endpoint] != kNever) oldest = std::min(oldest, sampled[endpoint]);
  if (oldest >= now_ns) return 0;
  // Unsigned, for the difference of two times may exceed a Duration.
  const std::uint64_t age = static_cast<std::uint64_t>(now_ns) - static_cast<std::uint64_t>(oldest);
  return static_cast<Duration>(std::min<std::uint64_t>(age, std::numeric_limits<Duration>::max()));
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

/// Runs the filters of a stage; each endpoint that one drops gets its reason.
void run_filters(const Stage& stage, const PoolView& view, const Request& request, DecisionRun& run,
                 std::vector<CandidateExplanation>& candidates) {
  std::vector<std::uint8_t> before(view.size, 1);
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
    candidate.dropped = {};
    candidate.dropped_by = 0;
  }
  return out;
}

/// Asks the scorers of a stage and keeps what they say.
void run_scorers(const Stage& stage, DecisionRun& run, std::vector<CandidateExplanation>& candidates) {
  std::vector<double> before(run.left());
  for (const WeightedScorer& scorer : stage.scorers) {
    const std::span<const double> totals = run.totals();
    before.assign(totals.begin(), totals.end());
    std::visit([&](const auto& part) { run.ask(part); }, scorer.scorer);
    combine_opinions(run, stage.combine, scorer);
    for (std::size_t i = 0; i < totals.size(); ++i) {
      const double score = run.last_scores()[i];
      ScoreTerm term;
      term.abstained = !(score - score == 0);
      term.score = term.abstained ? 0 : score;
      term.contribution = stage.combine == Combine::kSum       ? scorer.weight * term.score
                          : stage.combine == Combine::kProduct ? DecisionRun::factor(score, scorer.weight)
                                                               : totals[i] - before[i];
      candidates[run.context().endpoint(i).value].terms.push_back(term);
    }
  }
}

/// The ranked list first, as the picker made it; the rest by total and tie.
void rank(const DecisionRun& run, const Decision& decision, std::vector<CandidateExplanation>& candidates) {
  const std::span<const double> totals = run.totals();
  std::vector<std::uint32_t> rest;
  std::uint32_t rank = 0;
  for (const EndpointIndex endpoint : decision.ranking()) candidates[endpoint.value].rank = ++rank;
  for (std::uint32_t i = 0; i < totals.size(); ++i)
    if (candidates[run.context().endpoint(i).value].rank == 0) rest.push_back(i);
  const std::span<const std::uint64_t> keys = run.context().keys();
  const std::uint64_t request_key = run.context().request_key();
  std::sort(rest.begin(), rest.end(), [&](std::uint32_t a, std::uint32_t b) {
    if (totals[a] != totals[b]) return totals[a] > totals[b];
    const std::uint64_t tie_a = tie_order(request_key, keys[a]);
    const std::uint64_t tie_b = tie_order(request_key, keys[b]);
    return tie_a != tie_b ? tie_a < tie_b : a < b;
  });
  for (const std::uint32_t i : rest) candidates[run.context().endpoint(i).value].rank = ++rank;
}

}  // namespace

Explanation Policy::explain(const PoolView& view, const Request& request) const {
  Explanation out;
  out.candidates.resize(view.size);
  for (std::size_t i = 0; i < view.size; ++i) {
    out.candidates[i].endpoint = {static_cast<std::uint32_t>(i)};
    out.candidates[i].oldest_age_ns = oldest_age(view, i, request.now_ns);
  }

  Workspace workspace;
  DecisionRun run(view, request, workspace);
  std::size_t number = 0;
  bool scoring = false;
  for (;; ++number) {
    const Stage& stage = parts_->stages[number];
    run_filters(stage, view, request, run, out.candidates);
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
    out.scorers.push_back(name_of(scorer.scorer));
    out.weights.push_back(scorer.weight);
  }
  out.picker = name_of(stage.picker);
  if (scoring) run_scorers(stage, run, out.candidates);
  out.decision = std::visit([&](const auto& part) { return run.finish(part, parts_->spec.ranked_limit); }, stage.picker);
  out.decision.stage = static_cast<std::uint32_t>(number);
  if (!scoring) return out;

  const std::span<const double> totals = run.totals();
  for (std::size_t i = 0; i < totals.size(); ++i) out.candidates[run.context().endpoint(i).value].total = totals[i];
  rank(run, out.decision, out.candidates);
  return out;
}

}  // namespace kthena::route
