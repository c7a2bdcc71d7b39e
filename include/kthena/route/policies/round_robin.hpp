// include/kthena/route/policies/round_robin.hpp
//
// Round robin: candidates in turn, in the order of their ids, by the request's sequence number. Scores are not looked at.
//
//   Use when   requests are alike and endpoints are alike; as a baseline.
//   Cost       O(1) beyond the filters.
//   Source     the textbook; the caller carries the counter (Request::sequence), so the decision stays a function of its arguments.
//   Known for  skipping unevenly while the set of candidates changes from request to request.
#pragma once

#include <algorithm>
#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

class RoundRobin {
 public:
  static constexpr std::string_view kName = "round-robin";
  static constexpr bool kReadsTotals = false;
  using Options = NoOptions;
  static constexpr std::array<Option<Options>, 0> kOptions = {};

  explicit RoundRobin(Options = {}) {}

  void pick(const ScoreContext& context, std::span<const double> totals, std::size_t limit,
            Decision& decision) const noexcept {
    const std::size_t n = totals.size();
    const std::uint64_t sequence = context.request().sequence;
    const auto first = static_cast<std::size_t>(sequence % n);
    const std::size_t count = std::min(limit, n);
    for (std::size_t i = 0; i < count; ++i) decision.ranked[i] = context.endpoint((first + i) % n);
    decision.outcome = Outcome::kRouted;
    decision.ranked_count = static_cast<std::uint32_t>(count);
    decision.endpoint = decision.ranked[0];
    decision.score = totals[first];
    decision.reason = n == 1
                          ? Reason{ReasonCode::only_candidate, 0, decision.score, 0}
                          : Reason{ReasonCode::round_robin, 0, static_cast<double>(sequence), static_cast<double>(n)};
  }
};

}  // namespace kthena::route
