// include/kthena/route/policies/power_of_k.hpp
//
// Power of k choices: the best total among k endpoints drawn by chance; the other drawn ones, then the rest by total behind it.
//
//   Use when   readings are old or several routers decide at once: nobody herds to the one best endpoint.
//   Cost       a hash for each candidate, one pass over the totals.
//   Source     Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 1996; sgl-model-gateway policy power_of_two (k = 2).
//   Known for  passing over a full prefix match in all but k / n of the requests.
#pragma once

#include <algorithm>
#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/ranking.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct PowerOfKOptions {
  /// Candidates drawn; a fraction is cut off. Range [2, 16]. DEFAULT: 2.
  double k = 2;
};

/// Draws the k candidates with the smallest seeded hashes of request and endpoint id: each k of them are as likely, and a candidate that was
/// not drawn and goes changes nothing. margin is that over the second of the sample.
class PowerOfK {
 public:
  static constexpr std::string_view kName = "power-of-k";
  static constexpr bool kReadsTotals = true;
  using Options = PowerOfKOptions;
  static constexpr std::array kOptions = {Option<Options>{"k", 2, kMaxRanked, &Options::k}};

  explicit PowerOfK(Options options = {}) : options_(options) {}

  void pick(const ScoreContext& context, std::span<const double> totals, std::size_t limit,
            Decision& decision) const noexcept {
    const std::size_t n = totals.size();
    const std::size_t k = std::min(static_cast<std::size_t>(options_.k), n);
    const std::uint64_t* keys = context.keys().data();
    const std::uint64_t stream = combine64(context.request_key(), 0x506F7765724F664B);

    struct Draw {
      std::uint64_t order = 0;
      std::uint32_t candidate = 0;
    };
    std::array<Draw, kMaxRanked> drawn;
    std::size_t count = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const Draw draw{mix64(stream ^ keys[i]), static_cast<std::uint32_t>(i)};
      if (count == k && draw.order >= drawn[count - 1].order) continue;
      if (count < k) ++count;
      std::size_t at = count - 1;
      for (; at > 0 && draw.order < drawn[at - 1].order; --at) drawn[at] = drawn[at - 1];
      drawn[at] = draw;
    }

    std::array<RankedPlace, kMaxRanked> sample;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t candidate = drawn[i].candidate;
      sample[i] = {totals[candidate], tie_order(context.request_key(), keys[candidate]), candidate};
    }
    std::sort(sample.begin(), sample.begin() + static_cast<std::ptrdiff_t>(count),
              [](const RankedPlace& a, const RankedPlace& b) { return a.before(b); });
    std::array<std::uint32_t, kMaxRanked> first{};
    for (std::size_t i = 0; i < count; ++i) first[i] = sample[i].candidate;
    rank_behind(context, totals, limit, {first.data(), count}, decision);
    if (n == 1) {
      decision.reason = {ReasonCode::only_candidate, 0, decision.score, 0};
      return;
    }
    decision.margin = sample[0].total - sample[1].total;
    decision.reason = {ReasonCode::best_of_sample, 0, decision.score, static_cast<double>(count)};
  }

 private:
  Options options_;
};

}  // namespace kthena::route
