// include/kthena/route/policies/random.hpp
//
// Random: a uniform whole number 0..100 for each candidate, from the seed, the request and the endpoint id.
//
//   Use when   a baseline is wanted, or nothing at all is known.
//   Cost       one hash per candidate; no state, no allocation.
//   Source     volcano-sh/kthena pkg/kthena-router/scheduler/plugins/random.go.
//   Known for  load that is uneven by chance: the longest of n queues grows with log n / log log n.
#pragma once

#include <array>

#include "kthena/base/random.hpp"
#include "kthena/route/option.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

class Random {
 public:
  static constexpr std::string_view kName = "random";
  using Options = NoOptions;
  static constexpr std::array<Option<Options>, 0> kOptions = {};

  explicit Random(Options = {}) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const std::span<const std::uint64_t> keys = context.keys();
    // Another stream than the ties, else the winner among equals would be known from the score.
    const std::uint64_t stream = combine64(context.request_key(), 0x52616E646F6D);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<double>(scale_to(mix64(stream ^ keys[i]), 101));
  }
};

}  // namespace kthena::route
