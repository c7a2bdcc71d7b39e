// src/route/parts.hpp
//
// What a Policy holds: its spec and the kernels made from it.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "correction.hpp"
#include "kthena/route/decision_run.hpp"
#include "registry.hpp"
#include "user_call.hpp"

namespace kthena::route {

struct WeightedScorer {
  AnyScorer scorer;  ///< not looked at where `user` is set
  double weight = 1;
  double tolerance = 0;
  const UserScorer* user = nullptr;  ///< of Parts::users
};

struct Stage {
  std::vector<AnyFilter> filters;
  std::vector<WeightedScorer> scorers;
  AnyPicker picker;
  Combine combine = Combine::kSum;
  bool asks_users = false;
};

struct Policy::Parts {
  PolicySpec spec;
  std::vector<UserScorer> users;
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

/// DecisionRun::ask() for a stage that asks users. False where the scorer failed.
inline bool ask(DecisionRun& run, const WeightedScorer& scorer, Workspace& workspace) noexcept {
  if (scorer.user == nullptr) {
    std::visit([&](const auto& part) { run.ask(part); }, scorer.scorer);
    return true;
  }
  const UserCall call(*scorer.user, workspace);
  run.ask(call);
  return !call.failed();
}

/// Of a scorer that failed.
inline Decision fail(const DecisionRun& run, std::size_t scorer, const Workspace& workspace) noexcept {
  Decision decision;
  decision.outcome = Outcome::kScorerFailed;
  decision.reason = {ReasonCode::scorer_failed, static_cast<std::uint32_t>(scorer),
                     static_cast<double>(workspace.failure().code()), 0};
  decision.candidates = static_cast<std::uint32_t>(run.left());
  return decision;
}

}  // namespace kthena::route
