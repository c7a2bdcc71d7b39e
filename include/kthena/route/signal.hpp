// include/kthena/route/signal.hpp
//
// Signal: what is known about an endpoint as a number. Every value has a sample time; "never sampled" is a state of its own, not 0.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace kthena::route {

enum class Signal : std::uint8_t {
  kRunning = 0,  ///< requests in the engine's batch, as scraped
  kWaiting,      ///< requests in the engine's queue, as scraped
  kKvUsage,      ///< share of KV blocks in use, 0..1, as scraped
  kTtft,         ///< mean time to first token since the scrape before, seconds; 0: none finished
  kTpot,         ///< mean time per output token since the scrape before, seconds; 0: none finished
  kInFlight,     ///< requests this router sent and that have not ended
};

inline constexpr std::size_t kSignalCount = 6;

struct SignalInfo {
  std::string_view name;  ///< in documents and bindings
  double maximum;         ///< inclusive; the minimum is 0
};

inline constexpr std::array<SignalInfo, kSignalCount> kSignals = {{
    {"running", 1e9},
    {"waiting", 1e9},
    {"kv_usage", 1},
    {"ttft_s", 1e9},
    {"tpot_s", 1e9},
    {"in_flight", 1e9},
}};

/// The missing value inside a column; NaN never enters by the builder.
inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr bool is_missing(double value) noexcept { return value != value; }

constexpr const SignalInfo& info(Signal signal) noexcept { return kSignals[static_cast<std::size_t>(signal)]; }

constexpr std::optional<Signal> find_signal(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kSignalCount; ++i)
    if (kSignals[i].name == name) return static_cast<Signal>(i);
  return std::nullopt;
}

}  // namespace kthena::route
