// include/kthena/route/policies/balance.hpp
//
// Balance gates: keep everybody or nobody, by whether the loads of all that are left differ much. As the only filter of a stage they say when
// that stage decides.
//
//   Use when   affinity should rule while loads are even, and load alone when they are not.
//   Cost       one pass over one column; no state, no allocation.
//   Source     vllm-project/aibrix pkg/plugins/gateway/algorithms/prefix_cache.go (gap above 8), lightseekorg/smg
//              model_gateway/src/policies/cache_aware.rs (gap above 32 and 1.1 times).
//   Known for  flapping: at the edge every other request goes by load, and every such one warms another cache.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct BalanceOptions {
  /// The signal that is load, by its number in Signal. Range [0, 20], whole. DEFAULT: 0, running.
  double signal = 0;
  /// Loads are uneven when max - min is above this ... Range [0, 1e15]. DEFAULT: 0.
  double gap = 0;
  /// ... and max above ratio * min. Range [0, 1e6]. DEFAULT: 0.
  double ratio = 0;
};

namespace detail {
/// Over those kept whose load was sampled.
inline ColumnRange kept_range(const PoolView& view, double signal, std::span<const std::uint8_t> kept) noexcept {
  ColumnRange range;
  const double* loads = view.values[static_cast<std::size_t>(signal_of(signal))];
  if (loads == nullptr) return range;
  if (std::memchr(kept.data(), 0, kept.size()) == nullptr) return column_range({loads, kept.size()});
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const double load = kept[i] != 0 ? loads[i] : kMissing;
    range.min = load < range.min ? load : range.min;
    range.max = load > range.max ? load : range.max;
  }
  return range;
}
inline bool is_uneven(const ColumnRange& range, const BalanceOptions& options) noexcept {
  return range.max - range.min > options.gap && range.max > options.ratio * range.min;
}
}  // namespace detail

/// Keeps all while loads are even; they are when nobody's was sampled.
class Balanced {
 public:
  static constexpr std::string_view kName = "balanced";
  using Options = BalanceOptions;
  static constexpr std::array kOptions = {Option<Options>{"signal", 0, detail::kLastSignal, &Options::signal},
                                          Option<Options>{"gap", 0, 1e15, &Options::gap},
                                          Option<Options>{"ratio", 0, 1e6, &Options::ratio}};

  explicit Balanced(Options options = {}) : options_(options) {}

  void filter(const PoolView& view, const Request&, std::span<std::uint8_t> keep) const noexcept {
    if (detail::is_uneven(detail::kept_range(view, options_.signal, keep), options_))
      std::fill(keep.begin(), keep.end(), std::uint8_t{0});
  }
  [[nodiscard]] Reason explain(const PoolView& view, const Request&, std::span<const std::uint8_t> kept,
                               EndpointIndex) const {
    const ColumnRange range = detail::kept_range(view, options_.signal, kept);
    return {ReasonCode::loads_uneven, 0, range.min, range.max};
  }

 private:
  Options options_;
};

/// Keeps all while loads are uneven.
class Imbalanced {
 public:
  static constexpr std::string_view kName = "imbalanced";
  using Options = BalanceOptions;
  static constexpr std::array kOptions = Balanced::kOptions;

  explicit Imbalanced(Options options = {}) : options_(options) {}

  void filter(const PoolView& view, const Request&, std::span<std::uint8_t> keep) const noexcept {
    if (!detail::is_uneven(detail::kept_range(view, options_.signal, keep), options_))
      std::fill(keep.begin(), keep.end(), std::uint8_t{0});
  }
  [[nodiscard]] Reason explain(const PoolView& view, const Request&, std::span<const std::uint8_t> kept,
                               EndpointIndex) const {
    const ColumnRange range = detail::kept_range(view, options_.signal, kept);
    const bool known = range.max >= range.min;
    return {ReasonCode::loads_even, 0, known ? range.min : 0, known ? range.max : 0};
  }

 private:
  Options options_;
};

}  // namespace kthena::route
