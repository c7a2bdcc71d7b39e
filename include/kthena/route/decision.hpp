// include/kthena/route/decision.hpp
//
// Decision: where a request goes, where next if that fails, and why.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kthena/base/ids.hpp"
#include "kthena/base/reason.hpp"

namespace kthena::route {

enum class Outcome : std::int32_t {
  kRouted = 0,        ///< `endpoint` and `ranked` are set
  kNoEndpoint = 1,    ///< nobody can take it; `reason` says why
  kScorerFailed = 2,  ///< a scorer of the caller's own failed; Workspace::failure() says why
};

/// The longest ranked list.
inline constexpr std::size_t kMaxRanked = 16;

struct Decision {
  Outcome outcome = Outcome::kNoEndpoint;
  EndpointIndex endpoint;          ///< the chosen one; none when not routed
  Reason reason;                   ///< the picker's, or pool_empty, all_filtered, scorer_failed
  double score = 0;                ///< total of the chosen one, in the policy's unit
  double margin = 0;               ///< score minus that of the runner-up, >= 0; 0 in a tie or without a runner-up
  std::uint32_t candidates = 0;    ///< endpoints left after the filters
  std::uint32_t ranked_count = 0;  ///< elements of `ranked` in use
  std::array<EndpointIndex, kMaxRanked> ranked{};  ///< best first, the chosen one included
  std::uint32_t stage =
      0;  ///< whose parts decided: 0 the policy's own, n its n-th PolicySpec::otherwise; the last one when not routed

  /// Best first: the chosen one, then those to try when it fails.
  [[nodiscard]] std::span<const EndpointIndex> ranking() const noexcept { return {ranked.data(), ranked_count}; }
  /// Those to try when the chosen one fails, in this order.
  [[nodiscard]] std::span<const EndpointIndex> failover() const noexcept {
    return ranking().subspan(ranked_count > 0 ? 1 : 0);
  }
  friend bool operator==(const Decision&, const Decision&) = default;
};

}  // namespace kthena::route
