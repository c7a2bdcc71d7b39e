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
  // The router's own bookings too (LoadLedger), in tokens or requests.
  kPrefillRequests,  ///< of those in flight, without a first token
  kPrefillTokens,    ///< their prompt tokens
  kUncachedTokens,   ///< of these, not in the endpoint's cache when they were sent
  kOutputTokens,     ///< reserved for answers and not produced yet
  kKvTokens,         ///< prompts and answers of all in flight
  // What the endpoint can do: facts, or learned.
  kKvCapacityTokens,  ///< tokens its KV memory holds
  kPrefillTps,        ///< prompt tokens it computes in a second when it does nothing else
  kDecodeTps,         ///< answer tokens it makes in a second with a usual batch
  kMaxRunning,        ///< requests its batch holds at most
  kMaxAdapters,       ///< adapters (LoRA) that may run at once
  kContextMinTokens,  ///< shortest and longest request that it is meant for
  kContextMaxTokens,
  // What the router remembers.
  kHeldBlocks,  ///< blocks that it holds by the router's prefix index
  kColdTurn,    ///< Request::sequence of the last request without a hit that was sent there
  kReadyAtS,    ///< when it became ready, in seconds on the clock of Request::now_ns
};

inline constexpr std::size_t kSignalCount = 21;

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
    {"prefill_requests", 1e9},
    {"prefill_tokens", 1e15},
    {"uncached_tokens", 1e15},
    {"output_tokens", 1e15},
    {"kv_tokens", 1e15},
    {"kv_capacity_tokens", 1e15},
    {"prefill_tps", 1e9},
    {"decode_tps", 1e9},
    {"max_running", 1e9},
    {"max_adapters", 1e9},
    {"context_min_tokens", 1e9},
    {"context_max_tokens", 1e9},
    {"held_blocks", 1e15},
    {"cold_turn", 9e15},
    {"ready_at_s", 1e10},
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
