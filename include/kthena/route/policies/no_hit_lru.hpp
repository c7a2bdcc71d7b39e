// include/kthena/route/policies/no_hit_lru.hpp
//
// No hit, least recently used: a request that nobody has anything of goes where such a request has not gone for the longest time.
//
//   Use when   beside a prefix scorer: cold prompts should spread over the caches of the fleet, not follow the load to one.
//   Cost       a sort of one column for a cold request; no state (the caller keeps cold_turn), no allocation.
//   Source     llm-d-router pkg/epp/framework/plugins/scheduling/scorer/nohitlru, whose ranks count endpoints outside the candidates too;
//              here only candidates count.
//   Known for  no look at load; several routers with memories of their own begin with the same endpoint.
#pragma once

#include <algorithm>
#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/policies/prompt.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct NoHitLruOptions {
  /// Which match says that somebody has something: 0 = Request::history first, 1 = Request::prefix first. DEFAULT: 0.
  double match = detail::kHistoryFirst;
};

/// 50 for all when any candidate holds a block. Else 100 * (1 - rank / (candidates - 1)), where those without cold_turn come first, in the
/// order of their ids, then the others from the oldest turn to the newest (equal turns share a rank); 100 when there is one candidate.
class NoHitLru {
 public:
  static constexpr std::string_view kName = "no-hit-lru";
  using Options = NoHitLruOptions;
  static constexpr std::array kOptions = {Option<Options>{"match", 0, 1, &Options::match}};

  explicit NoHitLru(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const detail::PromptMatch prompt(context, options_.match);
    double most = 0;
    for (std::size_t i = 0; i < out.size(); ++i) most = std::max(most, prompt.device(i));
    if (most > 0) {
      std::fill(out.begin(), out.end(), 50.0);
      return;
    }
    const double* turns = context.column(Signal::kColdTurn).data();
    const std::span<double> sorted = context.scratch();
    std::size_t used = 0;
    for (std::size_t i = 0; i < out.size(); ++i)
      if (!is_missing(turns[i])) sorted[used++] = turns[i];
    std::sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(used));
    const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(used);
    const std::size_t unused = out.size() - used;
    const double last = out.size() > 1 ? static_cast<double>(out.size() - 1) : 1;
    std::size_t next = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::size_t rank =
          is_missing(turns[i])
              ? next++
              : unused + static_cast<std::size_t>(std::lower_bound(sorted.begin(), end, turns[i]) - sorted.begin());
      out[i] = 100 * (1 - static_cast<double>(rank) / last);
    }
  }

 private:
  Options options_;
};

}  // namespace kthena::route
