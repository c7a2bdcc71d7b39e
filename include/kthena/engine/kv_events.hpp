// include/kthena/engine/kv_events.hpp
//
// KV events: the msgpack batches that engines publish about their KV caches -> base KvEvents for a prefix index.
//
//   KvReader            one publisher's batches. decode() checks all of a batch, apply() hands it on; read() does both.
//   decode_kv_events    one batch, once.
//
//   Use when   a host has a batch's bytes. For whole streams with sequence numbers, gaps and restarts: kv_stream.hpp.
//   Accepts    batch as array or map (tagged or not), events as array or map, every field layout of vLLM from 2025-04 to 2026-11 and of
//              SGLang (by the profile's declaration, never by guess), hashes as integers or as 8, 16 or 32 bytes.
//   Cost       one pass over the bytes and one XXH3 per block. No allocation once the reader has grown.
//   Memory     decoding: at most kBytesPerByte bytes per byte of payload. Between batches: what Tracked blocks below need.
//   Bad input  a batch is applied whole or not at all: kInvalidArgument names the place. Unknown fields, events and media are counted.
//   Source     vllm/distributed/kv_events.py and its history, sglang srt/disaggregation/kv_events.py; recorded bytes of vLLM 0.32.
//   Known for  an engine's block size that is no multiple or divisor of the index's: such events are counted and dropped.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "kthena/base/ids.hpp"
#include "kthena/base/kv_event.hpp"
#include "kthena/base/status.hpp"
#include "kthena/engine/profile.hpp"

namespace kthena::engine {

/// One event as its engine wrote it. Borrowed: valid until the reader decodes again, and while the payload lives.
struct WireEvent {
  enum class Kind : std::uint8_t { kStored, kRemoved, kCleared };

  Kind kind = Kind::kStored;
  KvTier tier = KvTier::kDevice;
  bool full_attention = true;  ///< false: the engine says it is a sliding-window, state-space or other partial group
  std::uint32_t group = 0;     ///< KV cache group of a hybrid model
  std::uint32_t block_tokens = 0;              ///< stored: tokens per block, 1..65536; 0 only without tokens
  std::optional<std::uint64_t> parent = {};    ///< stored: engine hash of the block before; none: start of a prompt
  std::span<const std::uint64_t> hashes = {};  ///< engine hashes, low 64 bits
  std::span<const std::uint32_t> tokens = {};  ///< stored: block_tokens for each hash, or empty: not told
  std::optional<std::int64_t> lora_id = {};
  std::string_view lora_name = {};
  std::string_view salt = {};  ///< cache salt; engines name it with the first block of a prompt only
  std::span<const std::uint64_t> extras =
      {};  ///< by block, hash of what else its KV depends on (images, ...); 0: nothing. Or empty
};

struct WireBatch {
  double timestamp_s = 0;                  ///< the publisher's clock; 0 when it does not say
  std::optional<std::uint32_t> rank = {};  ///< data-parallel rank
  std::span<const WireEvent> events = {};
  std::uint64_t unknown_events = 0;
  std::uint64_t unknown_fields = 0;
  std::uint64_t unknown_media = 0;  ///< taken for external
};

/// What became of a batch.
struct KvCounts {
  std::uint64_t stored_blocks = 0;  ///< index blocks handed to the sink
  std::uint64_t removed_blocks = 0;
  std::uint64_t clears = 0;
  std::uint64_t unknown_events = 0;
  std::uint64_t unknown_fields = 0;
  std::uint64_t unknown_media = 0;
  std::uint64_t other_groups = 0;  ///< events of KV cache groups that are not indexed
  std::uint64_t unmapped =
      0;  ///< engine blocks that fit no index block: size, unknown parent, another parent, no tokens
  std::uint64_t over_limits = 0;  ///< engine blocks dropped because of max_tracked_blocks
  std::uint64_t refused = 0;      ///< events that the sink refused; the others were applied

  KvCounts& operator+=(const KvCounts& more) noexcept;
  friend bool operator==(const KvCounts&, const KvCounts&) = default;
};

/// Who takes the events: a reference to a callable `void or Status(const KvEvent&)`, or to an object with `apply(const KvEvent&)`, such as
/// a prefix::PrefixIndex. It must outlive the call it is given to.
class KvSink {
 public:
  template <class T>
  // NOLINTNEXTLINE(bugprone-forwarding-reference-overload): clang-tidy 14 does not see the requires clause
  requires(!std::same_as<std::remove_cvref_t<T>, KvSink>) KvSink(T&& target)
  noexcept
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(target)))),
        call_([](void* object, const KvEvent& event) {
          auto& to = *static_cast<std::remove_reference_t<T>*>(object);
          if constexpr (requires { to.apply(event); }) {
            return call([&] { return to.apply(event); });
          } else {
            return call([&] { return to(event); });
          }
        }) {}

  Status operator()(const KvEvent& event) const { return call_(object_, event); }

 private:
  template <class F>
  static Status call(F&& f) {
    if constexpr (std::is_void_v<decltype(f())>) {
      f();
      return {};
    } else {
      return f();
    }
  }

  void* object_;
  Status (*call_)(void*, const KvEvent&);
};

struct KvReadOptions {
  /// Goes into every event.
  WorkerId worker = {};
  /// Served model, for the namespace. An event's adapter and salt are added to it. DEFAULT: empty.
  std::string model = {};
  /// Tokens per block of the index. Range 1..65536. DEFAULT: 16.
  std::uint32_t block_tokens = 16;
  /// Secret seed of the index's content hashes and namespaces. DEFAULT: 0.
  std::uint64_t seed = 0;
  /// The index's contents have 128 bits: stores carry content_uppers. DEFAULT: false.
  bool wide_contents = false;
  /// The KV cache group that is indexed, if it is a full-attention one. DEFAULT: 0.
  std::uint32_t group = 0;
  /// Longest payload, bytes. Range 1..2^31. DEFAULT: 16 MiB.
  std::size_t max_bytes = std::size_t{1} << 24;
  /// Tracked blocks: those of salted prompts (about 40 bytes each), whose later blocks do not name the salt again, and, where an index
  /// block is made of several engine blocks, all (about 80 bytes and their tokens). Beyond it blocks are dropped. DEFAULT: 4194304.
  std::size_t max_tracked_blocks = std::size_t{1} << 22;
};

/// A value: a copy goes on by itself. One thread at a time.
///
/// Namespaces: {model, adapter, salt, block_tokens of the index}. An adapter without a name is "lora_id:<n>". A block with a parent
/// belongs to its parent's namespace.
/// Sizes: an engine block that is a multiple of an index block is split (the last part keeps its hash, the others get hashes of their
/// own); several engine blocks that make up an index block are gathered, and it is held while all of them are, in the slowest tier.
/// Stores without tokens (offloading) name blocks that the worker already holds elsewhere: they reach the sink with no contents.
class KvReader {
 public:
  /// Bound of memory while decoding, per byte of payload.
  static constexpr std::size_t kBytesPerByte = 48;
  /// Values inside values inside a batch; deeper ones are refused.
  static constexpr std::size_t kMaxDepth = 32;

  /// kInvalidArgument names each option out of range; kFailedPrecondition when the engine publishes no such events.
  static Result<KvReader> create(const EngineProfile& profile, const KvReadOptions& options = {});
  KvReader(const KvReader& other);
  KvReader(KvReader&&) noexcept;
  KvReader& operator=(const KvReader& other);
  KvReader& operator=(KvReader&&) noexcept;
  ~KvReader();

  /// Checks a whole batch. Borrowed, see WireEvent. kInvalidArgument "byte 17: ..." for bytes that are no batch, kResourceExhausted for
  /// more than max_bytes.
  Result<WireBatch> decode(std::span<const std::byte> payload);
  /// Hands a decoded batch on. It cannot fail; what the sink refuses is counted.
  KvCounts apply(const WireBatch& batch, KvSink sink);
  /// Both.
  Result<KvCounts> read(std::span<const std::byte> payload, KvSink sink);
  /// Forgets tracked blocks, as after AllBlocksCleared.
  void clear() noexcept;

  [[nodiscard]] const KvReadOptions& options() const noexcept;
  [[nodiscard]] const KvDialect& dialect() const noexcept;
  [[nodiscard]] std::size_t tracked_blocks() const noexcept;

 private:
  struct State;
  explicit KvReader(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

/// One batch, once: create, read. [any thread]
Result<KvCounts> decode_kv_events(const EngineProfile& profile, std::span<const std::byte> payload,
                                  const KvReadOptions& options, KvSink sink);

}  // namespace kthena::engine
