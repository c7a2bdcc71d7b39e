// include/kthena/route/explanation.hpp
//
// Explanation: a decision taken apart, candidate by candidate. Made only when asked for; it allocates.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kthena/base/time.hpp"
#include "kthena/route/combine.hpp"
#include "kthena/route/decision.hpp"
#include "kthena/route/signal.hpp"

namespace kthena::route {

/// What one scorer said about one endpoint.
struct ScoreTerm {
  double score = 0;         ///< as the scorer gave it; 0 when it abstained
  double contribution = 0;  ///< sum: weight * score; product: the factor; tiers: what the total grew by
  bool abstained = false;   ///< it had no opinion: a signal is missing
};

/// A value that a rule of staleness changed.
struct CorrectedSignal {
  Signal signal = Signal::kRunning;
  double read = kMissing;  ///< kMissing: never
  double used = kMissing;  ///< kMissing: as if it had never been read
};

struct CandidateExplanation {
  EndpointIndex endpoint;
  Reason
      dropped;  ///< reason none: it is a candidate; stale_signal, slow_start: by that rule; else why a filter dropped it
  std::uint32_t dropped_by = 0;  ///< position of that filter; 0 as well when not dropped or by a rule
  double total = 0;              ///< 0 when dropped
  std::uint32_t tie_group =
      0;  ///< 1 = the highest total, 2 = the next one; who shares a total shares a group. 0 when dropped
  std::uint32_t rank = 0;            ///< 1 = chosen; 0 when dropped. Ranks go beyond Decision::ranked.
  std::span<const ScoreTerm> terms;  ///< by scorer; empty when dropped. Lives as long as a copy of the explanation.
  /// Age of its oldest sample at Request::now_ns; 0 when it has none or they are from later.
  Duration oldest_age_ns = 0;
  std::optional<Signal> oldest_signal;     ///< what that sample is of
  std::vector<CorrectedSignal> corrected;  ///< in the order of PolicySpec::staleness
};

/// A stage whose filters left nobody.
struct EarlierStage {
  struct Drop {
    EndpointIndex endpoint;
    Reason dropped;
    std::uint32_t dropped_by = 0;  ///< position of the filter
  };
  std::string name;                  ///< PolicySpec::name
  Reason reason;                     ///< all_filtered
  std::vector<std::string> filters;  ///< names, in order
  std::vector<Drop> drops;           ///< all endpoints, in pool order
};

/// The second of the ranking, where the picker takes the highest total, and what would have made it pass the chosen one.
struct RunnerUp {
  /// With this weight, the others as they are, the two would be even; `above` it or below it the runner-up is ahead. A third endpoint may
  /// then be ahead of both.
  struct Flip {
    std::uint32_t scorer = 0;
    double weight = 0;
    bool above = false;
  };
  EndpointIndex endpoint;
  std::vector<Flip> flips;  ///< by scorer, those that have such a weight in 0..1e9; none unless opinions are added
};

/// Parts are those of the stage that decided, Decision::stage.
struct Explanation {
  Decision decision;
  std::vector<EarlierStage> earlier;  ///< those before it, in order
  std::vector<std::string> filters;   ///< names, in order
  std::vector<std::string> scorers;   ///< names, in order
  std::vector<double> weights;        ///< by scorer
  Combine combine = Combine::kSum;
  std::string picker;
  RunnerUp runner_up;                            ///< its endpoint is none where there is none
  std::vector<CandidateExplanation> candidates;  ///< all endpoints, in pool order
  std::shared_ptr<const ScoreTerm[]> terms;      ///< what CandidateExplanation::terms refer to
};

}  // namespace kthena::route
