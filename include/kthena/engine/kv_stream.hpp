// include/kthena/engine/kv_stream.hpp
//
// KvStream: one publisher's stream of KV events (one per data-parallel rank), kept whole: every batch once and in order, gaps replayed,
// and the index never left believing what a lost batch took away.
//
//                 next in order            gap: ask for a replay
//     kWaiting ──────────────► kLive ─────────────────────────► kCatchingUp
//                                ▲   ◄────── the gap is filled ─────┘  │
//                                └── it cannot be filled: clear, go on ┘      a restart of the engine: clear, begin anew
//
//   Use when   a host subscribes to an engine. It moves frames; sockets, threads and retries are its own.
//   Cost       a few comparisons per batch beside KvReader's.
//   Rules      A batch that is malformed is not applied and its number stays open: the next one shows a gap, and if the replay is
//              malformed too, the worker is cleared. While a gap is open the index is behind; `state()` says so.
//   Restart    a number that was seen before, with a later time of the publisher, is a restarted publisher; with no later time, a copy.
//   Source     transport of vllm/distributed/kv_events.py: PUB [topic, sequence, payload], replay [start] -> batches, end marker -1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "kthena/base/status.hpp"
#include "kthena/engine/kv_events.hpp"

namespace kthena::engine {

/// The sequence number that ends a replay (-1 on the wire).
inline constexpr std::uint64_t kReplayEnd = ~std::uint64_t{0};

/// One message of the transport, taken apart. Borrowed.
struct KvMessage {
  std::string_view topic = {};
  std::uint64_t sequence = 0;  ///< kReplayEnd: the end marker of a replay
  std::span<const std::byte> payload = {};
};

/// Live messages [topic, sequence, payload] and replayed ones, with or without an empty delimiter and a topic in front. kInvalidArgument
/// for fewer than two frames, or when the one before the last is not 8 bytes long. [any thread]
Result<KvMessage> read_kv_message(std::span<const std::span<const std::byte>> frames);

/// Ask the publisher for its batches from `from` on; everything up to and with `to` is wanted.
struct ReplayRequest {
  std::uint64_t from = 0;
  std::uint64_t to = 0;

  friend bool operator==(const ReplayRequest&, const ReplayRequest&) = default;
};

enum class KvStreamState : std::uint8_t {
  kWaiting,     ///< nothing was seen yet
  kLive,        ///< everything up to next_sequence() was applied
  kCatchingUp,  ///< a gap is open and a replay was asked for
};

struct KvStreamOptions {
  /// The publisher answers replay requests. Without, a gap is at once one that cannot be filled. DEFAULT: true.
  bool replay = true;
  /// The data-parallel rank that must be in the batches; nullopt: not looked at. DEFAULT: nullopt.
  std::optional<std::uint32_t> rank = {};
};

/// Since the stream was made.
struct KvStreamTotals {
  std::uint64_t applied = 0;     ///< batches
  std::uint64_t duplicates = 0;  ///< batches that came again
  std::uint64_t held_back = 0;   ///< live batches that came while a gap was open; the replay brings them
  std::uint64_t gaps = 0;
  std::uint64_t lost = 0;  ///< gaps that could not be filled
  std::uint64_t restarts = 0;
  std::uint64_t malformed = 0;  ///< payloads that were refused

  friend bool operator==(const KvStreamTotals&, const KvStreamTotals&) = default;
};

/// What a sequence number asks for.
struct KvVerdict {
  bool clear = false;                        ///< first tell the index that the worker holds nothing
  bool apply = false;                        ///< then apply the batch
  std::optional<ReplayRequest> replay = {};  ///< then ask for this
};

/// The sequence numbers of one stream, without payloads. A value of a few words.
class KvSequence {
 public:
  explicit KvSequence(std::uint64_t first_sequence = 0, bool replay = true) noexcept
      : first_(first_sequence), next_(first_sequence), can_replay_(replay) {}

  /// A live batch. `timestamp_s` is the publisher's clock; 0: not known, then a number that falls is a restart.
  KvVerdict live(std::uint64_t sequence, double timestamp_s) noexcept;
  /// A batch of a replay.
  KvVerdict replayed(std::uint64_t sequence, double timestamp_s) noexcept;
  /// The end marker: asks again if the gap is still open and the replay brought something, else gives up.
  KvVerdict replay_ended() noexcept;
  /// No replay will come (no answer, no socket): gives up.
  KvVerdict replay_failed() noexcept;

  [[nodiscard]] KvStreamState state() const noexcept {
    return open_ ? KvStreamState::kCatchingUp : started_ ? KvStreamState::kLive : KvStreamState::kWaiting;
  }
  /// The batch that is applied next.
  [[nodiscard]] std::uint64_t next() const noexcept { return next_; }
  [[nodiscard]] const KvStreamTotals& totals() const noexcept { return totals_; }
  void count_malformed() noexcept { ++totals_.malformed; }

  friend bool operator==(const KvSequence&, const KvSequence&) = default;

 private:
  [[nodiscard]] bool restarted(std::uint64_t sequence, double timestamp_s, bool live) const noexcept;
  KvVerdict take(std::uint64_t sequence, double timestamp_s) noexcept;
  KvVerdict open_gap(std::uint64_t sequence) noexcept;
  KvVerdict give_up() noexcept;

  std::uint64_t first_;
  std::uint64_t next_;             // to be applied
  std::uint64_t wanted_ = 0;       // last number of the open gap
  std::uint64_t replay_from_ = 0;  // next_ when the replay was asked for
  std::optional<std::uint64_t> last_live_ = {};
  double last_timestamp_s_ = 0;  // of the last batch applied
  bool started_ = false;
  bool open_ = false;
  bool can_replay_;
  KvStreamTotals totals_;
};

/// What became of a message.
struct KvStep {
  bool applied = false;
  bool cleared = false;                      ///< the sink was told that the worker holds nothing, before anything else
  std::optional<ReplayRequest> replay = {};  ///< send this to the publisher now
  KvCounts counts = {};
};

/// KvSequence and KvReader together. A value: a copy goes on by itself, with a copy of its index. One thread at a time.
class KvStream {
 public:
  /// Errors of KvReader::create.
  static Result<KvStream> create(const EngineProfile& profile, const KvReadOptions& read = {},
                                 const KvStreamOptions& options = {});

  /// A live message. On an error (as of KvReader::decode; kInvalidArgument for another rank) nothing was applied.
  Result<KvStep> feed(std::uint64_t sequence, std::span<const std::byte> payload, KvSink sink);
  /// A message of a replay; kReplayEnd with any payload is the end marker.
  Result<KvStep> feed_replay(std::uint64_t sequence, std::span<const std::byte> payload, KvSink sink);
  /// No replay will come: clears the worker and goes on with what is live.
  KvStep replay_failed(KvSink sink);

  [[nodiscard]] KvStreamState state() const noexcept { return sequence_.state(); }
  [[nodiscard]] std::uint64_t next_sequence() const noexcept { return sequence_.next(); }
  [[nodiscard]] const KvStreamTotals& totals() const noexcept { return sequence_.totals(); }
  [[nodiscard]] const KvReader& reader() const noexcept { return reader_; }

 private:
  KvStream(KvReader reader, const KvStreamOptions& options);
  Result<KvStep> take(std::uint64_t sequence, std::span<const std::byte> payload, bool live, const KvSink& sink);
  KvStep follow(const KvVerdict& verdict, const WireBatch* batch, const KvSink& sink);

  KvReader reader_;
  KvSequence sequence_;
  std::optional<std::uint32_t> rank_;
};

}  // namespace kthena::engine
