// include/kthena/route/explanation.hpp
//
// Explanation: a decision taken apart, candidate by candidate. Made only when asked for; it allocates.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kthena/base/time.hpp"
#include "kthena/route/decision.hpp"

namespace kthena::route {

/// What one scorer said about one endpoint.
struct ScoreTerm {
  double score = 0;         ///< as the scorer gave it; 0 when it abstained
  double contribution = 0;  ///< weight * score
  bool abstained = false;   ///< it had no opinion: a signal is missing
};

struct CandidateExplanation {
  EndpointIndex endpoint;
  Reason dropped;                ///< reason none: it is a candidate; else why a filter dropped it
  std::uint32_t dropped_by = 0;  ///< position of that filter; 0 as well when not dropped
  double total = 0;              ///< sum of contributions; 0 when dropped
  std::uint32_t rank = 0;        ///< 1 = chosen; 0 when dropped. Ranks go beyond Decision::ranked.
  std::vector<ScoreTerm> terms;  ///< by scorer; empty when dropped
  /// Age of its oldest sample at Request::now_ns; 0 when it has none or they are from later.
  Duration oldest_age_ns = 0;
};

struct Explanation {
  Decision decision;
  std::vector<std::string> filters;  ///< names, in order
  std::vector<std::string> scorers;  ///< names, in order
  std::vector<double> weights;       ///< by scorer
  std::string picker;
  std::vector<CandidateExplanation> candidates;  ///< all endpoints, in pool order
};

}  // namespace kthena::route
