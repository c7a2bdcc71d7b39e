// include/kthena/route/pipeline.hpp
//
// Pipeline: a policy put together at compile time from parts of the library and of one's own. Header-only: it needs no linking as long
// as the pool is a PoolView over arrays of the caller (PoolBuilder and PoolSnapshot are in the library).
//
//   Pipeline policy{Filters{LeastRequestFilter{{.max_waiting = 5}}},
//                   Scorers{Weighted{LeastRequest{}, 1}, Weighted{PrefixCache{}, 2}}};   // Filters{} for none
//   Decision decision = policy.decide(view, {.id = "request-1", .seed = 42}, workspace);
//
// In place of Scorers{...}, which adds: Factors{Weighted{...}, ...}, which multiplies, or Tiers{Tier{LeastRequest{}, 5}, Tier{PrefixCache{}}},
// which asks one after the other (kthena/route/combine.hpp).
//
//   Bits       the same as a Policy with the same parts, if this code is compiled with -ffp-contract=off, as the target kthena::headers
//              makes sure of; without it a machine with fused multiply-add rounds differently.
//   Own parts  any type that meets Filter, Scorer or Picker (kthena/route/scoring.hpp). They cannot be named in a PolicySpec.
//   Not here   explanations, stages, staleness and slow start: Policy has them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

#include "kthena/route/decision_run.hpp"
#include "kthena/route/policies/best_score.hpp"

namespace kthena::route {

/// A scorer with its weight: finite, >= 0.
template <Scorer S>
struct Weighted {
  S scorer;
  double weight = 1;
};
template <Scorer S>
Weighted(S, double) -> Weighted<S>;
template <Scorer S>
Weighted(S) -> Weighted<S>;

/// A scorer with its tolerance: finite, >= 0.
template <Scorer S>
struct Tier {
  S scorer;
  double tolerance = 0;
};
template <Scorer S>
Tier(S, double) -> Tier<S>;
template <Scorer S>
Tier(S) -> Tier<S>;

template <Filter... F>
struct Filters {
  Filters() requires(sizeof...(F) == 0) = default;
  explicit Filters(F... filters) requires(sizeof...(F) > 0) : parts(std::move(filters)...) {}
  std::tuple<F...> parts;
};

template <Scorer... S>
struct Scorers {
  Scorers() requires(sizeof...(S) == 0) = default;
  explicit Scorers(Weighted<S>... scorers) requires(sizeof...(S) > 0) : parts(std::move(scorers)...) {}
  static constexpr Combine kCombine = Combine::kSum;
  void ask(DecisionRun& run) const noexcept {
    std::apply([&](const Weighted<S>&... part) { (run.score(part.scorer, part.weight), ...); }, parts);
  }
  std::tuple<Weighted<S>...> parts;
};

/// Weights are 0..1.
template <Scorer... S>
struct Factors {
  explicit Factors(Weighted<S>... scorers) : parts(std::move(scorers)...) {}
  static constexpr Combine kCombine = Combine::kProduct;
  void ask(DecisionRun& run) const noexcept {
    std::apply([&](const Weighted<S>&... part) { ((run.ask(part.scorer), run.multiply(part.weight)), ...); }, parts);
  }
  std::tuple<Weighted<S>...> parts;
};

template <Scorer... S>
struct Tiers {
  explicit Tiers(Tier<S>... scorers) : parts(std::move(scorers)...) {}
  static constexpr Combine kCombine = Combine::kTiers;
  void ask(DecisionRun& run) const noexcept {
    std::apply([&](const Tier<S>&... part) { ((run.ask(part.scorer), run.narrow_tier(part.tolerance)), ...); }, parts);
  }
  std::tuple<Tier<S>...> parts;
};

template <class FilterList, class ScorerList, Picker P = BestScore>
class Pipeline;

/// A value; decide is const and may run in many threads, each with its own Workspace.
template <Filter... F, class ScorerList, Picker P>
class Pipeline<Filters<F...>, ScorerList, P> {
 public:
  /// `ranked_limit` is the length of Decision::ranked at most, clamped to 1..kMaxRanked.
  explicit Pipeline(Filters<F...> filters, ScorerList scorers = {}, P picker = P{}, std::size_t ranked_limit = 5)
      : filters_(std::move(filters)),
        scorers_(std::move(scorers)),
        picker_(std::move(picker)),
        ranked_limit_(std::clamp<std::size_t>(ranked_limit, 1, kMaxRanked)) {}

  /// `request` must fit the pool: see check_request() in kthena/route/policy.hpp. Allocates only while `workspace` is smaller than the pool.
  [[nodiscard]] Decision decide(const PoolView& view, const Request& request, Workspace& workspace) const {
    DecisionRun run(view, request, workspace);
    std::apply([&](const F&... part) { (run.filter(part), ...); }, filters_.parts);
    if (run.start_scoring(ScorerList::kCombine)) scorers_.ask(run);
    return run.finish(picker_, ranked_limit_);
  }

 private:
  Filters<F...> filters_;
  ScorerList scorers_;
  P picker_;
  std::size_t ranked_limit_;
};

template <Filter... F, class ScorerList>
Pipeline(Filters<F...>, ScorerList) -> Pipeline<Filters<F...>, ScorerList, BestScore>;
template <Filter... F, class ScorerList, Picker P>
Pipeline(Filters<F...>, ScorerList, P) -> Pipeline<Filters<F...>, ScorerList, P>;
template <Filter... F, class ScorerList, Picker P>
Pipeline(Filters<F...>, ScorerList, P, std::size_t) -> Pipeline<Filters<F...>, ScorerList, P>;

}  // namespace kthena::route
