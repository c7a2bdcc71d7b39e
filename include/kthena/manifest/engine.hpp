// include/kthena/manifest/engine.hpp
//
// The JSON forms of engine: profiles, samples, intervals, batches of KV events. Written, never read: engines have formats of their own.
// Members have a fixed order, so equal values are equal bytes. What an engine does not publish is left out of `signals`, `growth` and
// `latencies`, or null.
//
//   profiles   [{"name", "signals": [NAME], "latencies": [NAME], "ranks", "adapters", "kv_events"}]
//   sample     {"sampled_ns": T or null, "signals": {NAME: NUMBER}, "latencies": {NAME: HISTOGRAM}, "ranks": [{"rank", "signals", "latencies"}],
//               "adapters": {"maximum", "running": [NAME], "waiting": [NAME]} or null, "models": [NAME]}
//              HISTOGRAM = {"bounds": [SECONDS; null: infinity], "cumulative": [COUNT], "count", "sum"}
//   interval   {"elapsed_ns", "restarted", "growth": {NAME: NUMBER}, "latencies": {NAME: HISTOGRAM and "mean", "p50", "p90", "p99"}}
//   batch      {"timestamp_s", "rank", "events": [EVENT], "unknown_events", "unknown_fields", "unknown_media"}
//              EVENT = {"kind": "stored", "tier", "group", "full_attention", "parent", "hashes", "tokens", "block_tokens", "lora_id", "lora_name",
//              "salt", "extras"} or {"kind": "removed", "tier", "group", "full_attention", "hashes"} or {"kind": "cleared"}
#pragma once

#include <span>
#include <string>

#include "kthena/base/engine_sample.hpp"
#include "kthena/engine/kv_events.hpp"
#include "kthena/engine/profile.hpp"

namespace kthena::manifest {

std::string write_profiles(std::span<const engine::EngineProfile> profiles);
std::string write_sample(const EngineSample& sample);
std::string write_interval(const EngineInterval& interval);
std::string write_kv_batch(const engine::WireBatch& batch);

}  // namespace kthena::manifest
