// include/kthena/route/explanation.hpp
//
// Explanation: a decision taken apart, candidate by candidate. Made only when asked for; it allocates.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kthena/base/time.hpp"
#include "kthena/route/combine.hpp"
#include "kthena/route/decision.hpp"

namespace kthena::route {

/// What one scorer said about one endpoint.
struct ScoreTerm {
  double score = 0;         ///< as the scorer gave it; 0 when it abstained
  double contribution = 0;  ///< sum: weight * score; product: the factor; tiers: what the total grew by
  bool abstained = false;   ///< it had no opinion: a signal is missing
};

struct CandidateExplanation {
  EndpointIndex endpoint;
  Reason dropped;                ///< reason none: it is a candidate; else why a filter dropped it
  std::uint32_t dropped_by = 0;  ///< position of that filter; 0 as well when not dropped
  double total = 0;              ///< 0 when dropped
  std::uint32_t rank = 0;        ///< 1 = chosen; 0 when dropped. Ranks go beyond Decision::ranked.
  std::vector<ScoreTerm> terms;  ///< by scorer; empty when dropped
  /// Age of its oldest sample at Request::now_ns; 0 when it has none or they are from later.
  Duration oldest_age_ns = 0;
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

/// Parts are those of the stage that decided, Decision::stage.
struct Explanation {
  Decision decision;
  std::vector<EarlierStage> earlier;  ///< those before it, in order
  std::vector<std::string> filters;   ///< names, in order
  std::vector<std::string> scorers;   ///< names, in order
  std::vector<double> weights;        ///< by scorer
  Combine combine = Combine::kSum;
  std::string picker;
  std::vector<CandidateExplanation> candidates;  ///< all endpoints, in pool order
};

}  // namespace kthena::route
