#include "kthena/manifest/engine.hpp"

#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "json.hpp"

namespace kthena::manifest {
namespace {

/// Null for NaN and the infinities, which JSON does not have.
OrderedJson number(double value) { return std::isfinite(value) ? OrderedJson(value) : OrderedJson(nullptr); }

template <class T>
OrderedJson list(std::span<const T> values) {
  OrderedJson json = OrderedJson::array();
  for (const T& value : values) json.push_back(value);
  return json;
}

OrderedJson numbers(std::span<const double> values) {
  OrderedJson json = OrderedJson::array();
  for (const double value : values) json.push_back(number(value));
  return json;
}

OrderedJson signals_json(std::span<const double, kEngineSignalCount> values) {
  OrderedJson json = OrderedJson::object();
  for (std::size_t i = 0; i < kEngineSignalCount; ++i)
    if (is_reported(values[i])) json[std::string(kEngineSignals[i].name)] = values[i];
  return json;
}

OrderedJson histogram_json(const Histogram& histogram) {
  return {{"bounds", numbers(histogram.bounds)},
          {"cumulative", numbers(histogram.cumulative)},
          {"count", histogram.count},
          {"sum", number(histogram.sum)}};
}

OrderedJson latencies_json(const EngineReading& reading) {
  OrderedJson json = OrderedJson::object();
  for (std::size_t i = 0; i < kEngineLatencyCount; ++i)
    if (reading.has[i]) json[std::string(kEngineLatencies[i])] = histogram_json(reading.latencies[i]);
  return json;
}

OrderedJson adapters_json(const EngineAdapters& adapters) {
  if (!adapters.reported) return nullptr;
  return {{"maximum", number(adapters.maximum)}, {"running", adapters.running}, {"waiting", adapters.waiting}};
}

std::string_view tier_name(KvTier tier) noexcept {
  switch (tier) {
    case KvTier::kHost:
      return "host";
    case KvTier::kDisk:
      return "disk";
    case KvTier::kExternal:
      return "external";
    case KvTier::kDevice:
      break;
  }
  return "device";
}

OrderedJson event_json(const engine::WireEvent& event) {
  using Kind = engine::WireEvent::Kind;
  if (event.kind == Kind::kCleared) return {{"kind", "cleared"}};
  const bool stored = event.kind == Kind::kStored;
  OrderedJson json = {{"kind", stored ? "stored" : "removed"},
                      {"tier", tier_name(event.tier)},
                      {"group", event.group},
                      {"full_attention", event.full_attention}};
  if (stored) json["parent"] = event.parent ? OrderedJson(*event.parent) : OrderedJson(nullptr);
  json["hashes"] = list(event.hashes);
  if (!stored) return json;
  json["tokens"] = list(event.tokens);
  json["block_tokens"] = event.block_tokens;
  json["lora_id"] = event.lora_id ? OrderedJson(*event.lora_id) : OrderedJson(nullptr);
  json["lora_name"] = event.lora_name;
  json["salt"] = event.salt;
  json["extras"] = list(event.extras);
  return json;
}

}  // namespace

std::string write_profiles(std::span<const engine::EngineProfile> profiles) {
  OrderedJson json = OrderedJson::array();
  for (const engine::EngineProfile& profile : profiles) {
    std::array<bool, kEngineSignalCount> signals{};
    for (const engine::SignalSource& source : profile.signals) signals[static_cast<std::size_t>(source.signal)] = true;
    std::array<bool, kEngineLatencyCount> latencies{};
    for (const engine::LatencySource& source : profile.latencies)
      latencies[static_cast<std::size_t>(source.latency)] = true;
    OrderedJson signal_names = OrderedJson::array();
    for (std::size_t i = 0; i < kEngineSignalCount; ++i)
      if (signals[i]) signal_names.push_back(kEngineSignals[i].name);
    OrderedJson latency_names = OrderedJson::array();
    for (std::size_t i = 0; i < kEngineLatencyCount; ++i)
      if (latencies[i]) latency_names.push_back(kEngineLatencies[i]);
    json.push_back({{"name", profile.name},
                    {"signals", std::move(signal_names)},
                    {"latencies", std::move(latency_names)},
                    {"ranks", !profile.rank_label.empty()},
                    {"adapters", !profile.adapters.metric.empty()},
                    {"kv_events", profile.kv.layout != engine::KvLayout::kNone}});
  }
  return write_json(json);
}

std::string write_sample(const EngineSample& sample) {
  OrderedJson ranks = OrderedJson::array();
  for (const EngineRank& rank : sample.ranks) {
    ranks.push_back({{"rank", rank.rank},
                     {"signals", signals_json(rank.reading.values)},
                     {"latencies", latencies_json(rank.reading)}});
  }
  return write_json(
      {{"sampled_ns", sample.sampled_ns == kNever ? OrderedJson(nullptr) : OrderedJson(sample.sampled_ns)},
       {"signals", signals_json(sample.engine.values)},
       {"latencies", latencies_json(sample.engine)},
       {"ranks", std::move(ranks)},
       {"adapters", adapters_json(sample.adapters)},
       {"models", sample.models}});
}

std::string write_interval(const EngineInterval& interval) {
  OrderedJson latencies = OrderedJson::object();
  for (std::size_t i = 0; i < kEngineLatencyCount; ++i) {
    if (!interval.has[i]) continue;
    const Histogram& histogram = interval.latencies[i];
    OrderedJson json = histogram_json(histogram);
    json["mean"] = number(histogram.mean());
    json["p50"] = number(quantile(histogram, 0.5));
    json["p90"] = number(quantile(histogram, 0.9));
    json["p99"] = number(quantile(histogram, 0.99));
    latencies[std::string(kEngineLatencies[i])] = std::move(json);
  }
  return write_json({{"elapsed_ns", interval.elapsed_ns},
                     {"restarted", interval.restarted},
                     {"growth", signals_json(interval.growth)},
                     {"latencies", std::move(latencies)}});
}

std::string write_kv_batch(const engine::WireBatch& batch) {
  OrderedJson events = OrderedJson::array();
  for (const engine::WireEvent& event : batch.events) events.push_back(event_json(event));
  return write_json({{"timestamp_s", number(batch.timestamp_s)},
                     {"rank", batch.rank ? OrderedJson(*batch.rank) : OrderedJson(nullptr)},
                     {"events", std::move(events)},
                     {"unknown_events", batch.unknown_events},
                     {"unknown_fields", batch.unknown_fields},
                     {"unknown_media", batch.unknown_media}});
}

}  // namespace kthena::manifest
