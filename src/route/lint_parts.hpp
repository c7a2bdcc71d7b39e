// src/route/lint_parts.hpp
//
// What lint knows of each part: what it is about, which signals it reads, how fine its opinions are. A new part needs a row here; a test
// says which one has none.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "kthena/route/policy.hpp"
#include "kthena/route/signal.hpp"

namespace kthena::route::detail {

enum class About : std::uint8_t {
  kPrefix,   ///< who holds the prompt
  kLoad,     ///< who has how much to do
  kUsage,    ///< whose KV memory is full
  kLatency,  ///< who answered fast
  kBoth,     ///< load and prefix in one
  kModel,    ///< who serves the adapter
  kOther,    ///< sessions, places, lengths, chance
};

struct PartTraits {
  std::string_view kind;
  std::string_view name;
  About about = About::kOther;
  bool fine = false;                  ///< two endpoints hardly ever get the same opinion
  bool can_empty = false;             ///< a filter that may drop everybody
  std::string_view signal_option{};   ///< the option that names a signal which it reads
  std::vector<Signal> signals{};      ///< read always
  std::string_view missing_option{};  ///< the option that says what to assume where a signal is missing
};

inline const std::vector<PartTraits>& part_traits() {
  using enum Signal;
  using enum About;
  static const std::vector<PartTraits> kTraits = {
      {"filter", "least-request", kLoad, false, true, "", {kWaiting}},
      {"filter", "lora-affinity", kModel, false, true},
      {"filter", "balanced", kLoad, false, true, "signal"},
      {"filter", "imbalanced", kLoad, false, true, "signal"},
      {"filter", "load-bound", kLoad, false, false, "signal"},
      {"filter", "least-loaded", kLoad, false, false, "signal"},
      {"filter", "prefix-threshold", kPrefix, false, true},
      {"filter", "prefix-affinity", kPrefix, false, false, "", {kUncachedTokens}},
      {"filter", "fits", kOther, false, true},
      {"filter", "context-length", kOther, false, true},
      {"scorer", "least-request", kLoad, false, false, "", {kInFlight, kRunning}, "missing_requests"},
      {"scorer", "least-request-2025-09", kLoad, false, false, "", {kRunning, kWaiting}, "missing_requests"},
      {"scorer", "least-latency", kLatency, true, false, "", {kTtft, kTpot}, "unmeasured_score"},
      {"scorer", "gpu-usage", kUsage, false, false, "", {kKvUsage}, "missing_usage"},
      {"scorer", "random", kOther, false},
      {"scorer", "prefix-cache", kPrefix},
      {"scorer", "kvcache-aware", kPrefix},
      {"scorer", "queue", kLoad, false, false, "", {kWaiting}, "missing_requests"},
      {"scorer", "running", kLoad, false, false, "", {kRunning}, "missing_requests"},
      {"scorer", "signal-range", kOther, true, false, "signal", {}, "missing"},
      {"scorer", "active-request", kLoad, false, false, "", {kInFlight}, "missing_requests"},
      {"scorer", "load-aware", kLoad, false, false, "", {kWaiting}, "missing_requests"},
      {"scorer", "token-load", kLoad, true, false, "", {kUncachedTokens}, "missing_tokens"},
      {"scorer", "outstanding-tokens", kLoad, true, false, "", {kUncachedTokens, kOutputTokens}, "missing_tokens"},
      {"scorer", "kv-utilization", kUsage, true, false, "", {kKvUsage}, "missing_usage"},
      {"scorer", "slo-headroom", kLatency, true, false, "", {kTtft, kTpot, kInFlight}},
      {"scorer", "capability", kLoad, true, false, "", {kUncachedTokens, kOutputTokens}},
      {"scorer", "prefix-ratio", kPrefix},
      {"scorer", "prefix-tiers", kPrefix},
      {"scorer", "cached-tokens", kPrefix},
      {"scorer", "lora-affinity", kModel},
      {"scorer", "session-rendezvous", kOther, true},
      {"scorer", "session-ring", kOther, false, false, "signal"},
      {"scorer", "context-length", kOther},
      {"scorer", "topology", kOther},
      {"scorer", "no-hit-lru", kOther},
      {"scorer", "lmetric", kBoth, true, false, "signal", {}, "missing_requests"},
      {"scorer", "smg-least-load", kLoad, true, false, "", {kUncachedTokens, kKvUsage, kInFlight}},
      {"scorer", "dynamo-kv", kBoth, true, false, "", {kUncachedTokens, kKvTokens, kInFlight}},
      {"scorer", "preble", kBoth, true, false, "", {kUncachedTokens, kOutputTokens}},
      {"scorer", "prequal", kLoad, true, false, "latency_signal", {kInFlight}, "missing_requests"},
      {"scorer", "cost", kBoth, true, false, "", {kUncachedTokens, kInFlight}},
      {"picker", "best-score"},
      {"picker", "round-robin"},
      {"picker", "softmax"},
      {"picker", "weighted-random"},
      {"picker", "power-of-k"},
      {"picker", "explore"},
  };
  return kTraits;
}

/// Engines say it of themselves, and a router reads it now and then.
constexpr bool is_scraped(Signal signal) noexcept { return signal <= Signal::kTpot; }
/// The router counts it itself.
constexpr bool is_booked(Signal signal) noexcept { return signal >= Signal::kInFlight && signal <= Signal::kKvTokens; }

inline About about_signal(Signal signal) noexcept {
  switch (signal) {
    case Signal::kRunning:
    case Signal::kWaiting:
      return About::kLoad;
    case Signal::kKvUsage:
      return About::kUsage;
    case Signal::kTtft:
    case Signal::kTpot:
      return About::kLatency;
    default:
      return is_booked(signal) ? About::kLoad : About::kOther;
  }
}

/// The option as given, or as it is by default.
inline double option_of(std::string_view kind, const PartSpec& part, std::string_view name) {
  for (const OptionSpec& option : part.options)
    if (option.name == name) return option.value;
  for (const PartInfo& info : list_parts())
    if (info.kind == kind && info.name == part.name)
      for (const PartInfo::OptionInfo& option : info.options)
        if (option.name == name) return option.value;
  return kMissing;
}

/// The row of a part as it is used; a signal that an option names is among its signals, and says what signal-range is about.
inline PartTraits traits_of(std::string_view kind, const PartSpec& part) {
  for (const PartTraits& row : part_traits()) {
    if (row.kind != kind || row.name != part.name) continue;
    PartTraits out = row;
    if (row.signal_option.empty()) return out;
    const auto signal = static_cast<Signal>(static_cast<int>(option_of(kind, part, row.signal_option)));
    out.signals.push_back(signal);
    if (row.name == "signal-range") out.about = about_signal(signal);
    return out;
  }
  return {kind, part.name};
}

}  // namespace kthena::route::detail
