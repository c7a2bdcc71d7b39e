// include/kthena/route/staleness.hpp
//
// StaleRule: what a reading is worth when it has become old.
//
//   age          Request::now_ns - the time of the sample, 0 for one from later; not known where the time is not: then it is stale
//   fresh        age <= fresh_s: as it was read
//   aged         between the two: median + exp(-(age - fresh_s) / tau_s) * (value - median)
//   stale        age > stale_s: by `then`
//   median       of the fresh values in the pool, without any of all known ones; of an even number the lower middle one
//   never read   stays missing, unless `then` is median or busy
//
// The decision sees corrected columns: filters, scorers and pickers know nothing of it. Ages are compared in whole nanoseconds.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "kthena/route/signal.hpp"

namespace kthena::route {

enum class StaleThen : std::uint8_t {
  kKeep = 0,  ///< as it was read
  kMedian,    ///< the median
  kAbstain,   ///< missing, as if it had never been read
  /// The endpoint is no candidate. Excludes nobody where every reading in the pool is stale, or where all rules together left nobody: a
  /// pool whose readings have all stopped stays routable, and does not herd to the one endpoint that was never read.
  kExclude,
  kBusy,  ///< the highest known value in the pool
};

/// In documents and bindings, by StaleThen.
inline constexpr std::array<std::string_view, 5> kStaleThenNames = {"keep", "median", "abstain", "exclude", "busy"};

constexpr std::string_view stale_then_name(StaleThen then) noexcept {
  return kStaleThenNames[static_cast<std::size_t>(then)];
}

struct StaleRule {
  Signal signal = Signal::kRunning;
  double fresh_s = 0;  ///< 0..1e9
  double stale_s = 0;  ///< fresh_s..1e9
  StaleThen then = StaleThen::kKeep;
  double tau_s = 0;  ///< 0..1e9; 0: (stale_s - fresh_s) / 3
  friend bool operator==(const StaleRule&, const StaleRule&) = default;
};

}  // namespace kthena::route
