// include/kthena/route/pipeline.hpp
//
// Pipeline: a policy put together at compile time. Same kernels and same bits as a Policy with the same parts; header-only.
//
//   Pipeline policy{Filters{LeastRequestFilter{}}, Scorers{Weighted{LeastRequest{}, 1}, Weighted{PrefixCache{}, 2}}};
//   Decision decision = policy.decide(pool.view(), request, {.now_ns = now, .seed = seed}, workspace);
#pragma once

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
  /// `failover` is the length of the ranked list, 1..kMaxRanked.
  explicit Pipeline(Filters<F...> filters, Scorers<S...> scorers = {}, P picker = P{}, std::size_t failover = 5)
      : filters_(std::move(filters)), scorers_(std::move(scorers)), picker_(std::move(picker)), failover_(failover) {}

  /// `request` must fit the pool: see check() in kthena/route/policy.hpp. Allocates only while `workspace` is smaller than the pool.
  [[nodiscard]] Decision decide(const PoolView& view, const Request& request, const Moment& moment,
                                Workspace& workspace) const {
    DecisionRun run(view, request, moment, workspace);
    std::apply([&](const F&... part) { (run.filter(part), ...); }, filters_.parts);
    if (run.start_scoring())
      std::apply([&](const Weighted<S>&... part) { (run.score(part.scorer, part.weight), ...); }, scorers_.parts);
    return run.finish(picker_, failover_);
  }

 private:
  Filters<F...> filters_;
  Scorers<S...> scorers_;
  P picker_;
  std::size_t failover_;
};

template <Filter... F, Scorer... S>
Pipeline(Filters<F...>, Scorers<S...>) -> Pipeline<Filters<F...>, Scorers<S...>, BestScore>;
template <Filter... F, Scorer... S, Picker P>
Pipeline(Filters<F...>, Scorers<S...>, P) -> Pipeline<Filters<F...>, Scorers<S...>, P>;
template <Filter... F, Scorer... S, Picker P>
Pipeline(Filters<F...>, Scorers<S...>, P, std::size_t) -> Pipeline<Filters<F...>, Scorers<S...>, P>;

}  // namespace kthena::route
