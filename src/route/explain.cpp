// src/route/explain.cpp
//
// Policy::explain: the same steps as decide, with what each part said kept.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
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

}  // namespace

Explanation Policy::explain(const PoolView& view, const Request& request) const {
  Explanation out;
  out.candidates.resize(view.size);
  for (std::size_t i = 0; i < view.size; ++i) {
    out.candidates[i].endpoint = {static_cast<std::uint32_t>(i)};
    out.candidates[i].oldest_age_ns = oldest_age(view, i, request.now_ns);
  }

  // Each filter alone says whom it drops; the first one that drops an endpoint is named.
  std::vector<std::uint8_t> keep(view.size);
  for (std::size_t f = 0; f < parts_->filters.size(); ++f) {
    out.filters.push_back(name_of(parts_->filters[f]));
    std::visit(
        [&](const auto& part) {
          std::fill(keep.begin(), keep.end(), std::uint8_t{1});
          part.filter(view, request, keep);
          for (std::size_t i = 0; i < view.size; ++i) {
            CandidateExplanation& candidate = out.candidates[i];
            if (keep[i] != 0 || candidate.dropped.code != ReasonCode::none) continue;
            candidate.dropped = part.explain(view, request, candidate.endpoint);
            candidate.dropped_by = static_cast<std::uint32_t>(f);
          }
        },
        parts_->filters[f]);
  }

  Workspace workspace;
  DecisionRun run(view, request, workspace);
  for (const AnyFilter& filter : parts_->filters) std::visit([&](const auto& part) { run.filter(part); }, filter);
  const bool scoring = run.start_scoring();
  for (const WeightedScorer& scorer : parts_->scorers) {
    out.scorers.push_back(name_of(scorer.scorer));
    out.weights.push_back(scorer.weight);
    if (!scoring) continue;
    std::visit([&](const auto& part) { run.score(part, scorer.weight); }, scorer.scorer);
    for (std::size_t i = 0; i < run.last_scores().size(); ++i) {
      const double score = run.last_scores()[i];
      const bool abstained = !(score - score == 0);
      const double opinion = abstained ? 0 : score;
      out.candidates[run.context().endpoint(i).value].terms.push_back({opinion, scorer.weight * opinion, abstained});
    }
  }
  out.picker = name_of(parts_->picker);
  out.decision =
      std::visit([&](const auto& part) { return run.finish(part, parts_->spec.ranked_limit); }, parts_->picker);
  if (!scoring) return out;

  const std::span<const double> totals = run.totals();
  for (std::size_t i = 0; i < totals.size(); ++i) out.candidates[run.context().endpoint(i).value].total = totals[i];

  // Ranks: the ranked list first, as the picker made it; the rest by total and tie.
  std::vector<std::uint32_t> rest;
  std::uint32_t rank = 0;
  for (const EndpointIndex endpoint : out.decision.ranking()) out.candidates[endpoint.value].rank = ++rank;
  for (std::uint32_t i = 0; i < totals.size(); ++i)
    if (out.candidates[run.context().endpoint(i).value].rank == 0) rest.push_back(i);
  const std::span<const std::uint64_t> keys = run.context().keys();
  const std::uint64_t request_key = run.context().request_key();
  std::sort(rest.begin(), rest.end(), [&](std::uint32_t a, std::uint32_t b) {
    if (totals[a] != totals[b]) return totals[a] > totals[b];
    const std::uint64_t tie_a = tie_order(request_key, keys[a]);
    const std::uint64_t tie_b = tie_order(request_key, keys[b]);
    return tie_a != tie_b ? tie_a < tie_b : a < b;
  });
  for (const std::uint32_t i : rest) out.candidates[run.context().endpoint(i).value].rank = ++rank;
  return out;
}

}  // namespace kthena::route
