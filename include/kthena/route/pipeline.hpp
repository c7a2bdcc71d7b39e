// include/kthena/route/pipeline.hpp
//
// Pipeline: a policy put together at compile time from parts of the library and of one's own. Header-only: it needs no linking as long
// as the pool is a PoolView over arrays of the caller (PoolBuilder and PoolSnapshot are in the library).
//
//   Pipeline policy{Filters{LeastRequestFilter{{.max_waiting = 5}}},
//                   Scorers{Weighted{LeastRequest{}, 1}, Weighted{PrefixCache{}, 2}}};   // Filters{} for none
//   Decision decision = policy.decide(view, {.id = "request-1", .seed = 42}, workspace);
//
//   Bits       the same as a Policy with the same parts, if this code is compiled with -ffp-contract=off, as the target kthena::headers
//              makes sure of; without it a machine with fused multiply-add rounds differently.
//   Own parts  any type that meets Filter, Scorer or Picker (kthena/route/scoring.hpp). They cannot be named in a PolicySpec.
//   Explain    Policy has it; a Pipeline has not.
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
  std::tuple<Weighted<S>...> parts;
};

template <class FilterList, class ScorerList, Picker P = BestScore>
class Pipeline;

/// A value; decide is const and may run in many threads, each with its own Workspace.
template <Filter... F, Scorer... S, Picker P>
class Pipeline<Filters<F...>, Scorers<S...>, P> {
 public:
  /// `ranked_limit` is the length of Decision::ranked at most, clamped to 1..kMaxRanked.
  explicit Pipeline(Filters<F...> filters, Scorers<S...> scorers = {}, P picker = P{}, std::size_t ranked_limit = 5)
      : filters_(std::move(filters)),
        scorers_(std::move(scorers)),
        picker_(std::move(picker)),
        ranked_limit_(std::clamp<std::size_t>(ranked_limit, 1, kMaxRanked)) {}

  /// `request` must fit the pool: see check_request() in kthena/route/policy.hpp. Allocates only while `workspace` is smaller than the pool.
  [[nodiscard]] Decision decide(const PoolView& view, const Request& request, Workspace& workspace) const {
    DecisionRun run(view, request, workspace);
    std::apply([&](const F&... part) { (run.filter(part), ...); }, filters_.parts);
    if (run.start_scoring())
      std::apply([&](const Weighted<S>&... part) { (run.score(part.scorer, part.weight), ...); }, scorers_.parts);
    return run.finish(picker_, ranked_limit_);
  }

 private:
  Filters<F...> filters_;
  Scorers<S...> scorers_;
  P picker_;
  std::size_t ranked_limit_;
};

template <Filter... F, Scorer... S>
Pipeline(Filters<F...>, Scorers<S...>) -> Pipeline<Filters<F...>, Scorers<S...>, BestScore>;
template <Filter... F, Scorer... S, Picker P>
Pipeline(Filters<F...>, Scorers<S...>, P) -> Pipeline<Filters<F...>, Scorers<S...>, P>;
template <Filter... F, Scorer... S, Picker P>
Pipeline(Filters<F...>, Scorers<S...>, P, std::size_t) -> Pipeline<Filters<F...>, Scorers<S...>, P>;

}  // namespace kthena::route
