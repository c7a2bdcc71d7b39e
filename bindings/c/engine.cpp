// bindings/c/engine.cpp
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "calls.hpp"
#include "handles.hpp"
#include "kthena/engine/kv_events.hpp"
#include "kthena/manifest/engine.hpp"

using namespace kthena;
using c::guarded;

static_assert(KTHENA_ENGINE_MODEL == 0 && KTHENA_ENGINE_ADAPTER_RUNNING == 1 && KTHENA_ENGINE_ADAPTER_WAITING == 2);
static_assert(KTHENA_KV_WAITING == static_cast<int>(engine::KvStreamState::kWaiting) &&
              KTHENA_KV_LIVE == static_cast<int>(engine::KvStreamState::kLive) &&
              KTHENA_KV_CATCHING_UP == static_cast<int>(engine::KvStreamState::kCatchingUp));
static_assert(KTHENA_KV_REPLAY_END == engine::kReplayEnd);

namespace {

/// Null with `status` set when there is no profile of that name.
const engine::EngineProfile* find_profile(kthena_str name, kthena_status& status, kthena_error* error) {
  if (status = c::check(name, "profile", error); status != KTHENA_OK) return nullptr;
  const engine::EngineProfile* const profile = engine::find_profile(c::view(name));
  if (profile == nullptr) {
    std::string message = "profile: none is called '" + std::string(c::view(name)) + "'; there are";
    for (const engine::EngineProfile& each : engine::profiles()) {
      message += &each == engine::profiles().data() ? " " : ", ";
      message += each.name;
    }
    status = c::fail(error, KTHENA_NOT_FOUND, message);
  }
  return profile;
}

/// Of one rank, or of all when it is KTHENA_NONE. Null when there is no such rank.
const EngineReading* find_reading(const EngineSample& sample, std::uint32_t rank) noexcept {
  if (rank == KTHENA_NONE) return &sample.engine;
  const auto it = std::lower_bound(sample.ranks.begin(), sample.ranks.end(), rank,
                                   [](const EngineRank& each, std::uint32_t number) { return each.rank < number; });
  return it != sample.ranks.end() && it->rank == rank ? &it->reading : nullptr;
}

kthena_status refuse_rank(std::uint32_t rank, kthena_error* error) {
  return c::fail(error, KTHENA_NOT_FOUND, "rank: the sample has no rank " + std::to_string(rank));
}

kthena_status check_latency(std::int32_t latency, kthena_error* error) {
  if (latency >= 0 && latency < KTHENA_ENGINE_LATENCY_COUNT) return KTHENA_OK;
  return c::refuse(error, "latency", "no latency " + std::to_string(latency));
}

void write_values(const std::array<double, kEngineSignalCount>& from, double* values, std::size_t n) noexcept {
  const std::size_t known = std::min(n, from.size());
  std::copy_n(from.begin(), known, values);
  std::fill_n(values + known, n - known, kNotReported);
}

void write_histogram(const Histogram& from, kthena_histogram* histogram) noexcept {
  kthena_histogram written{};
  written.size = static_cast<std::uint32_t>(from.bounds.size());
  written.bounds = from.bounds.data();
  written.cumulative = from.cumulative.data();
  written.count = from.count;
  written.sum = from.sum;
  c::write_struct(histogram, written);
}

std::span<const std::byte> bytes_of(kthena_str text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data), text.data == nullptr ? 0 : text.size};
}

/// The stream reads blocks of the index's size under its seed, from the first index on.
kthena_status bind(kthena_kv_stream& stream, const prefix::PrefixIndex& index, kthena_error* error) {
  const engine::KvReadOptions& mine = stream.stream.reader().options();
  const prefix::PrefixIndexOptions& its = index.options();
  if (mine.block_tokens == its.block_tokens && mine.seed == its.seed && mine.wide_contents == its.wide_contents)
    return KTHENA_OK;
  if (stream.stream.state() != engine::KvStreamState::kWaiting)
    return c::refuse(error, "index",
                     "has another block size, seed or width of contents than the one that was fed first");
  engine::KvReadOptions read = mine;
  read.block_tokens = its.block_tokens;
  read.seed = its.seed;
  read.wide_contents = its.wide_contents;
  Result<engine::KvStream> made = engine::KvStream::create(*stream.profile, read, stream.options);
  if (!made.ok()) return c::fail(error, made.status());
  stream.stream = std::move(*made);
  return KTHENA_OK;
}

/// Runs one step of a stream and writes what happened. `run` gives Result<KvStep>.
template <class Run>
kthena_status take_step(kthena_kv_stream* stream, kthena_prefix_index* index, kthena_kv_step* step, kthena_error* error,
                        Run&& run) {
  if (stream == nullptr) return c::refuse_null(error, "stream");
  if (index == nullptr) return c::refuse_null(error, "index");
  if (kthena_status status = c::check_struct(step, "step", error); status != KTHENA_OK) return status;
  if (kthena_status status = bind(*stream, index->index, error); status != KTHENA_OK) return status;
  const engine::KvStreamTotals before = stream->stream.totals();
  const Result<engine::KvStep> done = run(stream->stream);
  if (!done.ok()) return c::fail(error, done.status());
  const engine::KvStreamTotals& after = stream->stream.totals();
  kthena_kv_step written{};
  written.outcome = done->applied                           ? KTHENA_KV_APPLIED
                    : after.duplicates != before.duplicates ? KTHENA_KV_DUPLICATE
                    : after.held_back != before.held_back   ? KTHENA_KV_HELD_BACK
                                                            : KTHENA_KV_ENDED;
  written.state = static_cast<std::int32_t>(stream->stream.state());
  written.cleared = done->cleared ? 1 : 0;
  if (done->replay) {
    written.wants_replay = 1;
    written.replay_from = done->replay->from;
    written.replay_to = done->replay->to;
  }
  const engine::KvCounts& counts = done->counts;
  written.stored_blocks = counts.stored_blocks;
  written.removed_blocks = counts.removed_blocks;
  written.clears = counts.clears;
  written.unknown_events = counts.unknown_events;
  written.unknown_fields = counts.unknown_fields;
  written.unknown_media = counts.unknown_media;
  written.other_groups = counts.other_groups;
  written.unmapped = counts.unmapped;
  written.over_limits = counts.over_limits;
  written.refused = counts.refused;
  c::write_struct(step, written);
  return KTHENA_OK;
}

}  // namespace

kthena_status kthena_engine_profiles_json(char* buffer, size_t capacity, size_t* needed, kthena_error* error) {
  return guarded(error, [&] {
    return c::write_text(buffer, capacity, needed, error,
                         []() -> Result<std::string> { return manifest::write_profiles(engine::profiles()); });
  });
}

// ---- metrics

kthena_status kthena_engine_parser_create(kthena_str profile, const kthena_engine_parser_options* options,
                                          kthena_engine_parser** parser, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (parser == nullptr) return c::refuse_null(error, "parser");
    kthena_status status = KTHENA_OK;
    const engine::EngineProfile* const row = find_profile(profile, status, error);
    if (row == nullptr) return status;
    engine::MetricsOptions chosen;
    if (options != nullptr) {
      kthena_engine_parser_options given = {};
      if (status = c::read_struct(options, "options", given, error); status != KTHENA_OK) return status;
      if (status = c::check(given.model, "options.model", error); status != KTHENA_OK) return status;
      chosen.model = c::view(given.model);
      if (given.max_ranks != 0) chosen.max_ranks = given.max_ranks;
      if (given.max_bytes != 0) chosen.max_bytes = given.max_bytes;
    }
    Result<engine::MetricsParser> made = engine::MetricsParser::create(*row, chosen);
    if (!made.ok()) return c::fail(error, made.status());
    *parser = new kthena_engine_parser{std::move(*made)};
    return KTHENA_OK;
  });
}

void kthena_engine_parser_free(kthena_engine_parser* parser) { delete parser; }

kthena_engine_sample* kthena_engine_sample_create(void) { return new (std::nothrow) kthena_engine_sample; }

void kthena_engine_sample_free(kthena_engine_sample* sample) { delete sample; }

kthena_status kthena_engine_parse(kthena_engine_parser* parser, kthena_str text, int64_t sampled_ns,
                                  kthena_engine_sample* sample, kthena_engine_counts* counts, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (parser == nullptr) return c::refuse_null(error, "parser");
    if (sample == nullptr) return c::refuse_null(error, "sample");
    if (kthena_status status = c::check(text, "text", error); status != KTHENA_OK) return status;
    if (counts != nullptr) {
      if (kthena_status status = c::check_struct(counts, "counts", error); status != KTHENA_OK) return status;
    }
    if (const Status status = parser->parser.parse(c::view(text), sampled_ns, sample->sample); !status.ok())
      return c::fail(error, status);
    if (counts == nullptr) return KTHENA_OK;
    const engine::MetricsCounts& found = parser->parser.counts();
    kthena_engine_counts written{};
    written.lines = found.lines;
    written.used = found.used;
    written.other = found.other;
    written.broken = found.broken;
    written.unusable = found.unusable;
    written.other_models = found.other_models;
    written.over_limits = found.over_limits;
    c::write_struct(counts, written);
    return KTHENA_OK;
  });
}

kthena_status kthena_engine_sample_get_info(const kthena_engine_sample* sample, kthena_engine_sample_info* info,
                                            kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (sample == nullptr) return c::refuse_null(error, "sample");
    if (kthena_status status = c::check_struct(info, "info", error); status != KTHENA_OK) return status;
    const EngineSample& from = sample->sample;
    kthena_engine_sample_info written{};
    written.has_adapters = from.adapters.reported ? 1 : 0;
    written.sampled_ns = from.sampled_ns;
    written.adapters_maximum = from.adapters.maximum;
    written.ranks = from.ranks.size();
    written.models = from.models.size();
    written.adapters_running = from.adapters.running.size();
    written.adapters_waiting = from.adapters.waiting.size();
    c::write_struct(info, written);
    return KTHENA_OK;
  });
}

size_t kthena_engine_sample_ranks(const kthena_engine_sample* sample, uint32_t* ranks, size_t n) {
  if (sample == nullptr) return 0;
  const std::vector<EngineRank>& all = sample->sample.ranks;
  for (std::size_t i = 0; ranks != nullptr && i < std::min(n, all.size()); ++i) ranks[i] = all[i].rank;
  return all.size();
}

kthena_status kthena_engine_sample_values(const kthena_engine_sample* sample, uint32_t rank, double* values, size_t n,
                                          kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (sample == nullptr) return c::refuse_null(error, "sample");
    if (kthena_status status = c::check_array(values, n, "values", error); status != KTHENA_OK) return status;
    const EngineReading* const reading = find_reading(sample->sample, rank);
    if (reading == nullptr) return refuse_rank(rank, error);
    write_values(reading->values, values, n);
    return KTHENA_OK;
  });
}

kthena_str kthena_engine_sample_name(const kthena_engine_sample* sample, int32_t kind, size_t i) {
  if (sample == nullptr) return c::borrow({});
  const EngineSample& from = sample->sample;
  const std::vector<std::string>* const names = kind == KTHENA_ENGINE_MODEL             ? &from.models
                                                : kind == KTHENA_ENGINE_ADAPTER_RUNNING ? &from.adapters.running
                                                : kind == KTHENA_ENGINE_ADAPTER_WAITING ? &from.adapters.waiting
                                                                                        : nullptr;
  return names == nullptr || i >= names->size() ? c::borrow({}) : c::borrow((*names)[i]);
}

double kthena_histogram_quantile(const kthena_histogram* histogram, double q) {
  kthena_histogram given = {};
  if (c::read_struct(histogram, {}, given, nullptr) != KTHENA_OK) return kNotReported;
  if (given.size != 0 && (given.bounds == nullptr || given.cumulative == nullptr)) return kNotReported;
  return quantile({given.bounds, given.size}, {given.cumulative, given.size}, given.count, q);
}

kthena_status kthena_engine_sample_histogram(const kthena_engine_sample* sample, uint32_t rank, int32_t latency,
                                             kthena_histogram* histogram, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (sample == nullptr) return c::refuse_null(error, "sample");
    if (kthena_status status = check_latency(latency, error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check_struct(histogram, "histogram", error); status != KTHENA_OK) return status;
    const EngineReading* const reading = find_reading(sample->sample, rank);
    if (reading == nullptr) return refuse_rank(rank, error);
    write_histogram(reading->latencies[static_cast<std::size_t>(latency)], histogram);
    return KTHENA_OK;
  });
}

kthena_status kthena_engine_sample_json(const kthena_engine_sample* sample, char* buffer, size_t capacity,
                                        size_t* needed, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (sample == nullptr) return c::refuse_null(error, "sample");
    return c::write_text(buffer, capacity, needed, error,
                         [&]() -> Result<std::string> { return manifest::write_sample(sample->sample); });
  });
}

kthena_status kthena_engine_interval_create(const kthena_engine_sample* before, const kthena_engine_sample* now,
                                            kthena_engine_interval** interval, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (now == nullptr) return c::refuse_null(error, "now");
    if (interval == nullptr) return c::refuse_null(error, "interval");
    const EngineSample nothing;
    *interval = new kthena_engine_interval{engine::interval(before == nullptr ? nothing : before->sample, now->sample)};
    return KTHENA_OK;
  });
}

void kthena_engine_interval_free(kthena_engine_interval* interval) { delete interval; }

kthena_status kthena_engine_interval_values(const kthena_engine_interval* interval, double* values, size_t n,
                                            int64_t* elapsed_ns, uint8_t* restarted, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (interval == nullptr) return c::refuse_null(error, "interval");
    if (kthena_status status = c::check_array(values, n, "values", error); status != KTHENA_OK) return status;
    write_values(interval->interval.growth, values, n);
    if (elapsed_ns != nullptr) *elapsed_ns = interval->interval.elapsed_ns;
    if (restarted != nullptr) *restarted = interval->interval.restarted ? 1 : 0;
    return KTHENA_OK;
  });
}

kthena_status kthena_engine_interval_histogram(const kthena_engine_interval* interval, int32_t latency,
                                               kthena_histogram* histogram, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (interval == nullptr) return c::refuse_null(error, "interval");
    if (kthena_status status = check_latency(latency, error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check_struct(histogram, "histogram", error); status != KTHENA_OK) return status;
    write_histogram(interval->interval.latencies[static_cast<std::size_t>(latency)], histogram);
    return KTHENA_OK;
  });
}

kthena_status kthena_engine_interval_json(const kthena_engine_interval* interval, char* buffer, size_t capacity,
                                          size_t* needed, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (interval == nullptr) return c::refuse_null(error, "interval");
    return c::write_text(buffer, capacity, needed, error,
                         [&]() -> Result<std::string> { return manifest::write_interval(interval->interval); });
  });
}

// ---- KV events

kthena_status kthena_kv_batch_json(kthena_str profile, kthena_str payload, char* buffer, size_t capacity,
                                   size_t* needed, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    kthena_status status = KTHENA_OK;
    const engine::EngineProfile* const row = find_profile(profile, status, error);
    if (row == nullptr) return status;
    if (status = c::check(payload, "payload", error); status != KTHENA_OK) return status;
    return c::write_text(buffer, capacity, needed, error, [&]() -> Result<std::string> {
      Result<engine::KvReader> reader = engine::KvReader::create(*row);
      if (!reader.ok()) return reader.status();
      const Result<engine::WireBatch> batch = reader->decode(bytes_of(payload));
      if (!batch.ok()) return batch.status();
      return manifest::write_kv_batch(*batch);
    });
  });
}

kthena_status kthena_kv_stream_create(kthena_str profile, const kthena_kv_stream_options* options,
                                      kthena_kv_stream** stream, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (stream == nullptr) return c::refuse_null(error, "stream");
    kthena_status status = KTHENA_OK;
    const engine::EngineProfile* const row = find_profile(profile, status, error);
    if (row == nullptr) return status;
    engine::KvReadOptions read{.worker = {0}};
    engine::KvStreamOptions chosen;
    if (options != nullptr) {
      kthena_kv_stream_options given = {};
      if (status = c::read_struct(options, "options", given, error); status != KTHENA_OK) return status;
      if (status = c::check(given.model, "options.model", error); status != KTHENA_OK) return status;
      if (given.no_replay > 1) return c::refuse(error, "options.no_replay", "must be 0 or 1");
      if (given.has_rank > 1) return c::refuse(error, "options.has_rank", "must be 0 or 1");
      read.worker = {given.worker};
      read.model = c::view(given.model);
      read.group = given.group;
      if (given.max_bytes != 0) read.max_bytes = given.max_bytes;
      if (given.max_tracked_blocks != 0) read.max_tracked_blocks = given.max_tracked_blocks;
      chosen.replay = given.no_replay == 0;
      if (given.has_rank != 0) chosen.rank = given.rank;
    }
    Result<engine::KvStream> made = engine::KvStream::create(*row, read, chosen);
    if (!made.ok()) return c::fail(error, made.status());
    *stream = new kthena_kv_stream{row, chosen, std::move(*made)};
    return KTHENA_OK;
  });
}

void kthena_kv_stream_free(kthena_kv_stream* stream) { delete stream; }

kthena_status kthena_kv_message_sequence(kthena_str frame, uint64_t* sequence, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (sequence == nullptr) return c::refuse_null(error, "sequence");
    if (kthena_status status = c::check(frame, "frame", error); status != KTHENA_OK) return status;
    if (frame.size != sizeof(std::uint64_t))
      return c::refuse(error, "frame", std::to_string(frame.size) + " bytes where a sequence number has 8");
    const std::span<const std::byte> frames[] = {bytes_of(frame), {}};
    const Result<engine::KvMessage> message = engine::read_kv_message(frames);
    if (!message.ok()) return c::fail(error, message.status());
    *sequence = message->sequence;
    return KTHENA_OK;
  });
}

kthena_status kthena_kv_stream_feed(kthena_kv_stream* stream, uint64_t sequence, kthena_str payload,
                                    kthena_prefix_index* index, kthena_kv_step* step, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = c::check(payload, "payload", error); status != KTHENA_OK) return status;
    return take_step(stream, index, step, error,
                     [&](engine::KvStream& to) { return to.feed(sequence, bytes_of(payload), index->index); });
  });
}

kthena_status kthena_kv_stream_feed_replay(kthena_kv_stream* stream, uint64_t sequence, kthena_str payload,
                                           kthena_prefix_index* index, kthena_kv_step* step, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = c::check(payload, "payload", error); status != KTHENA_OK) return status;
    return take_step(stream, index, step, error,
                     [&](engine::KvStream& to) { return to.feed_replay(sequence, bytes_of(payload), index->index); });
  });
}

kthena_status kthena_kv_stream_replay_failed(kthena_kv_stream* stream, kthena_prefix_index* index, kthena_kv_step* step,
                                             kthena_error* error) {
  return guarded(error, [&] {
    return take_step(stream, index, step, error,
                     [&](engine::KvStream& to) -> Result<engine::KvStep> { return to.replay_failed(index->index); });
  });
}

kthena_status kthena_kv_stream_get_info(const kthena_kv_stream* stream, kthena_kv_stream_info* info,
                                        kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (stream == nullptr) return c::refuse_null(error, "stream");
    if (kthena_status status = c::check_struct(info, "info", error); status != KTHENA_OK) return status;
    const engine::KvStreamTotals& totals = stream->stream.totals();
    kthena_kv_stream_info written{};
    written.state = static_cast<std::int32_t>(stream->stream.state());
    written.next_sequence = stream->stream.next_sequence();
    written.applied = totals.applied;
    written.duplicates = totals.duplicates;
    written.held_back = totals.held_back;
    written.gaps = totals.gaps;
    written.lost = totals.lost;
    written.restarts = totals.restarts;
    written.malformed = totals.malformed;
    written.tracked_blocks = stream->stream.reader().tracked_blocks();
    c::write_struct(info, written);
    return KTHENA_OK;
  });
}
