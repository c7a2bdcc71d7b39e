// src/route/parts.hpp
//
// What a Policy holds: its spec and the kernels made from it.
#pragma once

#include <vector>

#include "correction.hpp"
#include "kthena/route/decision_run.hpp"
#include "registry.hpp"

namespace kthena::route {

struct WeightedScorer {
  AnyScorer scorer;
  double weight = 1;
  double tolerance = 0;
};

struct Stage {
  std::vector<AnyFilter> filters;
  std::vector<WeightedScorer> scorers;
  AnyPicker picker;
  Combine combine = Combine::kSum;
};

struct Policy::Parts {
  PolicySpec spec;
  std::vector<Stage> stages;  ///< at least one
  std::vector<AgeRule> rules;
};

/// After DecisionRun::ask(): what the opinion does to the totals.
inline void combine_opinions(DecisionRun& run, Combine combine, const WeightedScorer& scorer) noexcept {
  switch (combine) {
    case Combine::kSum:
      run.add(scorer.weight);
      break;
    case Combine::kProduct:
      run.multiply(scorer.weight);
      break;
    case Combine::kTiers:
      run.narrow_tier(scorer.tolerance);
      break;
  }
}

}  // namespace kthena::route
