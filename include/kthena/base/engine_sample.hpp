// include/kthena/base/engine_sample.hpp
//
// EngineSample: what an inference engine says about itself at one moment, in one vocabulary for all engines. `engine` reads it from a
// metrics page, the simulator makes it, routing and scaling consume it. EngineInterval: what happened between two of them.
//
// Missing is a state: a signal that an engine does not publish is kNotReported (NaN), never 0.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kthena/base/histogram.hpp"
#include "kthena/base/time.hpp"

namespace kthena {

enum class EngineSignal : std::uint8_t {
  kRunning = 0,            ///< requests in the batch
  kWaiting,                ///< requests in the queue
  kKvUsage,                ///< share of KV blocks in use, 0..1
  kKvUsedBlocks,           ///< KV blocks in use
  kKvTotalBlocks,          ///< KV blocks there are
  kKvTotalTokens,          ///< tokens that fit into the KV cache
  kBlockTokens,            ///< tokens per KV block
  kHitRate,                ///< share of prompt tokens that were cached, 0..1, over a time of the engine's choice
  kPrefixHits,             ///< ever: prompt tokens found in the engine's own cache
  kPrefixQueries,          ///< ever: prompt tokens looked up there
  kExternalPrefixHits,     ///< ever: prompt tokens fetched from a cache outside the engine
  kExternalPrefixQueries,  ///< ever: prompt tokens looked up there
  kPromptTokens,           ///< ever
  kGenerationTokens,       ///< ever
  kPreemptions,            ///< ever: running requests sent back to the queue
  kFinished,               ///< ever: requests that ended, for whatever reason
};
inline constexpr std::size_t kEngineSignalCount = 16;

enum class EngineLatency : std::uint8_t {
  kTtft = 0,  ///< from arrival to the first token
  kItl,       ///< between two output tokens of a request
  kE2e,       ///< from arrival to the end
  kQueue,     ///< from arrival into the batch
};
inline constexpr std::size_t kEngineLatencyCount = 4;

/// How readings of several ranks (or of several series of one rank) become one.
enum class Join : std::uint8_t { kSum, kMean, kMax };

struct EngineSignalInfo {
  std::string_view name;  ///< in documents and bindings
  bool counter;           ///< only grows while the engine runs
  double maximum;         ///< a larger value is a fault of the engine, counted and not used
  Join ranks;             ///< how data-parallel ranks are joined
};

inline constexpr std::array<EngineSignalInfo, kEngineSignalCount> kEngineSignals = {{
    {"running", false, 1e9, Join::kSum},
    {"waiting", false, 1e9, Join::kSum},
    {"kv_usage", false, 1, Join::kMean},
    {"kv_used_blocks", false, 1e15, Join::kSum},
    {"kv_total_blocks", false, 1e15, Join::kSum},
    {"kv_total_tokens", false, 1e15, Join::kSum},
    {"block_tokens", false, 65536, Join::kMax},
    {"hit_rate", false, 1, Join::kMean},
    {"prefix_hits", true, 1e18, Join::kSum},
    {"prefix_queries", true, 1e18, Join::kSum},
    {"external_prefix_hits", true, 1e18, Join::kSum},
    {"external_prefix_queries", true, 1e18, Join::kSum},
    {"prompt_tokens", true, 1e18, Join::kSum},
    {"generation_tokens", true, 1e18, Join::kSum},
    {"preemptions", true, 1e18, Join::kSum},
    {"finished", true, 1e18, Join::kSum},
}};

inline constexpr std::array<std::string_view, kEngineLatencyCount> kEngineLatencies = {"ttft_s", "itl_s", "e2e_s",
                                                                                       "queue_s"};

constexpr const EngineSignalInfo& info(EngineSignal signal) noexcept {
  return kEngineSignals[static_cast<std::size_t>(signal)];
}
constexpr std::string_view name(EngineLatency latency) noexcept {
  return kEngineLatencies[static_cast<std::size_t>(latency)];
}

inline constexpr double kNotReported = std::numeric_limits<double>::quiet_NaN();
constexpr bool is_reported(double value) noexcept { return value == value; }

/// What one engine, or one data-parallel rank of it, reports.
struct EngineReading {
  std::array<double, kEngineSignalCount> values = [] {
    std::array<double, kEngineSignalCount> none{};
    none.fill(kNotReported);
    return none;
  }();
  /// Seconds, since the engine started. Those it does not publish have no buckets and count 0, see `has`.
  std::array<Histogram, kEngineLatencyCount> latencies;
  /// By EngineLatency: whether it is published.
  std::array<bool, kEngineLatencyCount> has{};

  [[nodiscard]] double operator[](EngineSignal signal) const noexcept {
    return values[static_cast<std::size_t>(signal)];
  }
  double& operator[](EngineSignal signal) noexcept { return values[static_cast<std::size_t>(signal)]; }
  [[nodiscard]] std::optional<double> find(EngineSignal signal) const noexcept {
    const double value = (*this)[signal];
    return is_reported(value) ? std::optional(value) : std::nullopt;
  }
  /// Null when it is not published.
  [[nodiscard]] const Histogram* find(EngineLatency latency) const noexcept {
    const auto i = static_cast<std::size_t>(latency);
    return has[i] ? &latencies[i] : nullptr;
  }
};

/// One data-parallel rank. Engines without ranks have one, number 0.
struct EngineRank {
  std::uint32_t rank = 0;
  EngineReading reading;
};

/// Adapters by name, ascending and without repeats. One that runs and waits is in both.
struct EngineAdapters {
  bool reported = false;
  double maximum = kNotReported;  ///< adapters at once
  std::vector<std::string> running;
  std::vector<std::string> waiting;
};

struct EngineSample {
  Time sampled_ns = kNever;       ///< given by who scraped
  EngineReading engine;           ///< all ranks joined
  std::vector<EngineRank> ranks;  ///< ascending
  EngineAdapters adapters;
  std::vector<std::string> models;  ///< names of the served models, ascending, as far as series carry one
};

/// What happened between two samples of one engine. Gauges are not here: their value is the later sample's.
struct EngineInterval {
  Duration elapsed_ns = 0;
  /// Whether a counter of some rank fell in between; that rank's later values then count from zero.
  bool restarted = false;
  /// By EngineSignal: growth of counters, summed over ranks. kNotReported for gauges and where the later sample misses it.
  std::array<double, kEngineSignalCount> growth = EngineReading{}.values;
  /// By EngineLatency: what was observed in between; count 0 when nothing was. mean() and quantile() apply.
  std::array<Histogram, kEngineLatencyCount> latencies;
  /// By EngineLatency: whether the later sample publishes it.
  std::array<bool, kEngineLatencyCount> has{};

  [[nodiscard]] double operator[](EngineSignal signal) const noexcept {
    return growth[static_cast<std::size_t>(signal)];
  }
  [[nodiscard]] const Histogram& operator[](EngineLatency latency) const noexcept {
    return latencies[static_cast<std::size_t>(latency)];
  }
  /// Growth per second; kNotReported where growth is, or no time passed.
  [[nodiscard]] double rate(EngineSignal signal) const noexcept {
    return elapsed_ns > 0 ? (*this)[signal] / to_seconds(elapsed_ns) : kNotReported;
  }
};

}  // namespace kthena
