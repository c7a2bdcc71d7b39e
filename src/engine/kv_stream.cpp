#include "kthena/engine/kv_stream.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace kthena::engine {

Result<KvMessage> read_kv_message(std::span<const std::span<const std::byte>> frames) {
  if (frames.size() < 2)
    return invalid_argument("frames: " + std::to_string(frames.size()) + " where at least 2 are needed");
  const std::span<const std::byte> sequence = frames[frames.size() - 2];
  if (sequence.size() != 8) {
    return invalid_argument("frames[" + std::to_string(frames.size() - 2) + "]: " + std::to_string(sequence.size()) +
                            " bytes where a sequence number has 8");
  }
  KvMessage message;
  for (const std::byte byte : sequence) message.sequence = message.sequence << 8 | std::to_integer<std::uint64_t>(byte);
  message.payload = frames.back();
  if (frames.size() >= 3) {
    const std::span<const std::byte> topic = frames[frames.size() - 3];
    message.topic = {reinterpret_cast<const char*>(topic.data()), topic.size()};
  }
  return message;
}

bool KvSequence::restarted(std::uint64_t sequence, double timestamp_s, bool live) const noexcept {
  if (timestamp_s > 0 && last_timestamp_s_ > 0) return timestamp_s > last_timestamp_s_;
  // Without times: what a replay brought comes again live, but the live numbers themselves only grow.
  return live && last_live_ && sequence < *last_live_;
}

/// `sequence` is next or the stream goes on behind a hole.
KvVerdict KvSequence::take(std::uint64_t sequence, double timestamp_s) noexcept {
  KvVerdict verdict;
  verdict.apply = true;
  started_ = true;
  next_ = sequence + 1;
  if (timestamp_s > 0) last_timestamp_s_ = timestamp_s;
  if (open_ && next_ > wanted_) open_ = false;
  ++totals_.applied;
  return verdict;
}

KvVerdict KvSequence::open_gap(std::uint64_t sequence) noexcept {
  KvVerdict verdict;
  ++totals_.held_back;
  if (open_) {
    wanted_ = std::max(wanted_, sequence);
    return verdict;
  }
  ++totals_.gaps;
  open_ = true;
  wanted_ = sequence;
  replay_from_ = next_;
  verdict.replay = {next_, wanted_};
  return verdict;
}

/// What is missing cannot be had: forget the worker's blocks and go on behind what was held back.
KvVerdict KvSequence::give_up() noexcept {
  KvVerdict verdict;
  verdict.clear = true;
  ++totals_.lost;
  open_ = false;
  started_ = true;
  next_ = wanted_ + 1;
  return verdict;
}

KvVerdict KvSequence::live(std::uint64_t sequence, double timestamp_s) noexcept {
  const bool again = sequence < next_;
  if (again && !restarted(sequence, timestamp_s, true)) {
    last_live_ = std::max(last_live_.value_or(0), sequence);
    ++totals_.duplicates;
    return {};
  }
  bool clear = false;
  if (again) {
    ++totals_.restarts;
    clear = true;
    open_ = false;
    next_ = std::min(first_, sequence);
  }
  last_live_ = sequence;
  if (sequence == next_) {
    KvVerdict verdict = take(sequence, timestamp_s);
    verdict.clear = clear;
    return verdict;
  }
  if (can_replay_) {
    KvVerdict verdict = open_gap(sequence);
    verdict.clear = clear;
    return verdict;
  }
  ++totals_.gaps;
  ++totals_.lost;
  KvVerdict verdict = take(sequence, timestamp_s);
  verdict.clear = true;
  return verdict;
}

KvVerdict KvSequence::replayed(std::uint64_t sequence, double timestamp_s) noexcept {
  if (sequence == next_) return take(sequence, timestamp_s);
  if (sequence < next_) {
    if (!restarted(sequence, timestamp_s, false)) {
      ++totals_.duplicates;
      return {};
    }
    // The publisher that answers is another one than the one that was asked about.
    ++totals_.restarts;
    next_ = std::min(first_, sequence);
    if (open_) {
      replay_from_ = next_;
      wanted_ = sequence;  // what the other one had said is of no use any more
    }
    KvVerdict verdict;
    if (sequence == next_) {
      verdict = take(sequence, timestamp_s);
    } else {
      verdict = open_gap(sequence);
    }
    verdict.clear = true;
    return verdict;
  }
  // Batches between have left the publisher's buffer.
  ++totals_.lost;
  KvVerdict verdict = take(sequence, timestamp_s);
  verdict.clear = true;
  return verdict;
}

KvVerdict KvSequence::replay_ended() noexcept {
  if (!open_) return {};
  if (next_ == replay_from_) return give_up();
  replay_from_ = next_;
  KvVerdict verdict;
  verdict.replay = {next_, wanted_};
  return verdict;
}

KvVerdict KvSequence::replay_failed() noexcept { return open_ ? give_up() : KvVerdict{}; }

KvStream::KvStream(KvReader reader, const KvStreamOptions& options)
    : reader_(std::move(reader)), sequence_(reader_.dialect().first_sequence, options.replay), rank_(options.rank) {}

Result<KvStream> KvStream::create(const EngineProfile& profile, const KvReadOptions& read,
                                  const KvStreamOptions& options) {
  Result<KvReader> reader = KvReader::create(profile, read);
  if (!reader.ok()) return reader.status();
  return KvStream(std::move(*reader), options);
}

KvStep KvStream::follow(const KvVerdict& verdict, const WireBatch* batch, const KvSink& sink) {
  KvStep step;
  step.replay = verdict.replay;
  if (verdict.clear) {
    reader_.clear();
    step.cleared = true;
    if (sink(AllBlocksCleared{reader_.options().worker}).ok()) {
      ++step.counts.clears;
    } else {
      ++step.counts.refused;
    }
  }
  if (verdict.apply && batch != nullptr) {
    step.applied = true;
    step.counts += reader_.apply(*batch, sink);
  }
  return step;
}

Result<KvStep> KvStream::take(std::uint64_t sequence, std::span<const std::byte> payload, bool live,
                              const KvSink& sink) {
  if (sequence == kReplayEnd) return invalid_argument("sequence: 2^64-1 ends a replay and is no live batch");
  const Result<WireBatch> batch = reader_.decode(payload);
  if (!batch.ok()) {
    sequence_.count_malformed();
    return batch.status();
  }
  if (rank_ && batch->rank && *batch->rank != *rank_) {
    return invalid_argument("data_parallel_rank: " + std::to_string(*batch->rank) + " in the stream of rank " +
                            std::to_string(*rank_));
  }
  const KvVerdict verdict =
      live ? sequence_.live(sequence, batch->timestamp_s) : sequence_.replayed(sequence, batch->timestamp_s);
  return follow(verdict, &*batch, sink);
}

Result<KvStep> KvStream::feed(std::uint64_t sequence, std::span<const std::byte> payload, KvSink sink) {
  return take(sequence, payload, true, sink);
}

Result<KvStep> KvStream::feed_replay(std::uint64_t sequence, std::span<const std::byte> payload, KvSink sink) {
  if (sequence == kReplayEnd) return follow(sequence_.replay_ended(), nullptr, sink);
  return take(sequence, payload, false, sink);
}

KvStep KvStream::replay_failed(KvSink sink) { return follow(sequence_.replay_failed(), nullptr, sink); }

}  // namespace kthena::engine
