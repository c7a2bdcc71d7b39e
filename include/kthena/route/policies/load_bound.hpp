// include/kthena/route/policies/load_bound.hpp
//
// Load bound and least loaded: drop endpoints that are busier than the rest. Neither empties the set.
//
//   Use when   before an affinity scorer, which then cannot pile everything on one endpoint.
//   Cost       two or three passes over one column; no state, no allocation.
//   Source     load-bound: mean + f * sigma of vllm-project/aibrix prefix_cache.go, (1 + eps) * mean of bounded-load hashing (Mirrokni, Thorup
//              and Zadimoghaddam, SODA 2018; smg prefix_hash.rs). least-loaded: join the shortest queue.
//   Known for  a tight bound destroys affinity: each point of imbalance saved costs several points of hit rate where prefixes are long.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/balance.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct LoadBoundOptions {
  /// The signal that is load, by its number in Signal. Range [0, 20], whole. DEFAULT: 0, running.
  double signal = 0;
  /// Keeps load <= mean + sigmas * standard deviation. Range [0, 1e6]. DEFAULT: none, any.
  double sigmas = kMissing;
  /// Keeps load <= (1 + spread) * (sum of loads + 1) / endpoints. Range [0, 1e6]. DEFAULT: none, any.
  double spread = kMissing;
};

/// Mean and deviation are those of all that are left and were sampled; an endpoint that was not, or is not above the mean, is kept. The
/// deviation is compared by squares, so that no root is taken.
class LoadBound {
 public:
  static constexpr std::string_view kName = "load-bound";
  using Options = LoadBoundOptions;
  static constexpr std::array kOptions = {Option<Options>{"signal", 0, detail::kLastSignal, &Options::signal},
                                          Option<Options>{"sigmas", 0, 1e6, &Options::sigmas},
                                          Option<Options>{"spread", 0, 1e6, &Options::spread}};

  explicit LoadBound(Options options = {}) : options_(options) {}

  void filter(const PoolView& view, const Request&, std::span<std::uint8_t> keep) const noexcept {
    const double* loads = column(view);
    if (loads == nullptr) return;
    const Bounds bounds = bounds_of(loads, keep);
    for (std::size_t i = 0; i < keep.size(); ++i)
      keep[i] = static_cast<std::uint8_t>(keep[i] & static_cast<std::uint8_t>(!bounds.above(loads[i])));
  }

  [[nodiscard]] Reason explain(const PoolView& view, const Request&, std::span<const std::uint8_t> kept,
                               EndpointIndex endpoint) const {
    const double* loads = column(view);
    return {ReasonCode::above_load_bound, 0, loads[endpoint.value], bounds_of(loads, kept).mean};
  }

 private:
  struct Bounds {
    double mean = 0;
    double most_square = 0;  // of the distance from the mean
    double most = 0;
    [[nodiscard]] bool above(double load) const noexcept {
      const double over = load - mean;
      return (over > 0) & ((over * over > most_square) | (load > most));
    }
  };

  [[nodiscard]] const double* column(const PoolView& view) const noexcept {
    return view.values[static_cast<std::size_t>(detail::signal_of(options_.signal))];
  }

  [[nodiscard]] Bounds bounds_of(const double* loads, std::span<const std::uint8_t> kept) const noexcept {
    double count = 0;
    double sum = 0;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      const bool counts = (kept[i] != 0) & (loads[i] == loads[i]);
      count += counts ? 1 : 0;
      sum += counts ? loads[i] : 0;
    }
    Bounds bounds;
    bounds.mean = count > 0 ? sum / count : 0;
    constexpr double kAny = std::numeric_limits<double>::infinity();
    bounds.most_square = kAny;
    if (!is_missing(options_.sigmas)) {
      double squares = 0;
      for (std::size_t i = 0; i < kept.size(); ++i) {
        const bool counts = (kept[i] != 0) & (loads[i] == loads[i]);
        const double over = counts ? loads[i] - bounds.mean : 0;
        squares += over * over;
      }
      bounds.most_square = count > 0 ? options_.sigmas * options_.sigmas * (squares / count) : 0;
    }
    bounds.most = is_missing(options_.spread) ? kAny : (1 + options_.spread) * (sum + 1) / count;
    return bounds;
  }

  Options options_;
};

struct LeastLoadedOptions {
  /// The signal that is load, by its number in Signal. Range [0, 20], whole. DEFAULT: 5, in_flight.
  double signal = 5;
  /// Loads up to this above the least are kept too. Range [0, 1e15]. DEFAULT: 0.
  double tolerance = 0;
};

/// Keeps those with the least load of all that are left; drops those never sampled, unless all are.
class LeastLoaded {
 public:
  static constexpr std::string_view kName = "least-loaded";
  using Options = LeastLoadedOptions;
  static constexpr std::array kOptions = {Option<Options>{"signal", 0, detail::kLastSignal, &Options::signal},
                                          Option<Options>{"tolerance", 0, 1e15, &Options::tolerance}};

  explicit LeastLoaded(Options options = {}) : options_(options) {}

  void filter(const PoolView& view, const Request&, std::span<std::uint8_t> keep) const noexcept {
    const ColumnRange range = detail::kept_range(view, options_.signal, keep);
    if (range.min > range.max) return;
    const double enough = range.min + options_.tolerance;
    const double* loads = view.values[static_cast<std::size_t>(detail::signal_of(options_.signal))];
    for (std::size_t i = 0; i < keep.size(); ++i)
      keep[i] = static_cast<std::uint8_t>(keep[i] & static_cast<std::uint8_t>(loads[i] <= enough));
  }

  [[nodiscard]] Reason explain(const PoolView& view, const Request&, std::span<const std::uint8_t> kept,
                               EndpointIndex endpoint) const {
    const double load = view.values[static_cast<std::size_t>(detail::signal_of(options_.signal))][endpoint.value];
    const double least = detail::kept_range(view, options_.signal, kept).min;
    return {ReasonCode::not_least_loaded, 0, is_missing(load) ? 0 : load, least};
  }

 private:
  Options options_;
};

}  // namespace kthena::route
