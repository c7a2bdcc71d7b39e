// include/kthena/engine/profile.hpp
//
// EngineProfile: how one kind of engine names what it publishes, as a row of data. Metric names with fallbacks, how series are joined,
// which labels hold what, and the dialect of its KV events.
//
//   Use when   reading metrics (metrics.hpp) or KV events (kv_events.hpp). The caller declares the engine; nothing here is guessed.
//   Own ones   a profile is plain data: copy a row, change a name, pass it on.
//   Source     the engines' own metric lists: vllm v1/metrics/loggers.py and engine/metrics.py, sglang srt/metrics/collector.py, TGI's
//              reference/metrics.md, TensorRT-LLM serve's and Triton backend's pages, llama.cpp's server, Kthena runtime's standard.py.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kthena/base/engine_sample.hpp"

namespace kthena::engine {

/// Where a signal stands. Sources of one signal are tried in order; the first that a page has is used for all its series.
struct SignalSource {
  EngineSignal signal;
  std::string_view metric;       ///< name of the sample line, with _total and the like
  std::string_view label = {};   ///< the number is this label's value (an info metric); empty: it is the sample's value
  std::string_view where = {};   ///< only series whose label of this name ...
  std::string_view equals = {};  ///< ... has this value; `where` empty: all
  /// How several series of one rank become one (by finish reason, by tensor-parallel rank, ...).
  Join series = Join::kSum;
};

/// Where a latency histogram stands; the same rule of precedence.
struct LatencySource {
  EngineLatency latency;
  std::string_view metric;  ///< without _bucket, _sum and _count
  double unit_s = 1;        ///< seconds per unit of its bounds and sum, > 0
};

/// A gauge whose labels list adapters and whose value is a time. Labels that once were true stay on the page: the largest value counts,
/// among equals the last.
struct AdapterSource {
  std::string_view metric = {};   ///< empty: not published
  std::string_view maximum = {};  ///< label names
  std::string_view running = {};
  std::string_view waiting = {};
};

/// How an engine lays out its KV events.
enum class KvLayout : std::uint8_t {
  kNone,    ///< does not publish them in this form
  kVllm,    ///< [7] of an array is lora_name
  kSglang,  ///< [7] of an array is metadata or component types
};

struct KvDialect {
  KvLayout layout = KvLayout::kNone;
  bool zero_parent_is_root = false;  ///< 0 instead of nil names the start of a prompt
  std::uint64_t first_sequence = 0;  ///< of a publisher that has just started
};

struct EngineProfile {
  std::string_view name;
  std::span<const SignalSource> signals;
  std::span<const LatencySource> latencies;
  std::string_view rank_label = {};   ///< data-parallel rank; a series without it belongs to rank 0
  std::string_view model_label = {};  ///< served model; a series without it belongs to every model
  AdapterSource adapters = {};
  KvDialect kv = {};
};

/// The built-in profiles: vllm, vllm-v0, sglang, tgi, trtllm-serve, triton-trtllm, llama.cpp, llmd-sim, kthena. [any thread]
std::span<const EngineProfile> profiles() noexcept;
/// Null when there is none of that name. [any thread]
const EngineProfile* find_profile(std::string_view name) noexcept;

}  // namespace kthena::engine
