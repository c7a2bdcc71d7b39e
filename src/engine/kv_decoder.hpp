// A whole batch of KV events, from bytes to WireEvents. Everything is checked before anything is handed out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/msgpack.hpp"
#include "kthena/base/status.hpp"
#include "kthena/engine/kv_events.hpp"

namespace kthena::engine::detail {

class KvDecoder {
 public:
  explicit KvDecoder(const KvDialect& dialect) noexcept : dialect_(dialect) {}

  /// The batch borrows this decoder's memory and the payload.
  Result<WireBatch> decode(std::span<const std::byte> payload);

 private:
  struct Range {
    std::size_t first = 0;
    std::size_t size = 0;
  };
  /// Where an event's arrays lie, until all have been read and nothing moves any more.
  struct Ranges {
    Range hashes, tokens, extras;
  };
  /// The event that is being read.
  struct Draft {
    WireEvent event;
    Ranges ranges;
    std::string_view medium;
    bool remote = false;
    bool has_hashes = false;
    bool has_block_size = false;
    std::size_t extra_keys = 0;  // place of the value in the payload; 0: none
  };
  enum class Field : std::uint8_t {
    kIgnored,
    kUnknown,
    kType,
    kHashes,
    kParent,
    kTokens,
    kBlockSize,
    kLoraId,
    kMedium,
    kLoraName,
    kExtraKeys,
    kGroup,
    kSpecKind,
    kSlidingWindow,
    kLocality,
    kMetadata,
  };

  bool read_batch(Msgpack& in, WireBatch& batch);
  bool read_rank(Msgpack& in, WireBatch& batch);
  bool read_events(Msgpack& in, WireBatch& batch);
  bool read_event(Msgpack& in, WireBatch& batch);
  bool read_array_event(Msgpack& in, WireBatch& batch);
  bool read_map_event(Msgpack& in, WireBatch& batch);
  bool read_field(Msgpack& in, Field field, Draft& draft, WireBatch& batch);
  bool read_hash(Msgpack& in, std::uint64_t& hash);
  bool read_extra_keys(Msgpack& in, Draft& draft);
  bool read_metadata(Msgpack& in, Draft& draft);
  bool finish_event(Msgpack& in, Draft& draft, WireBatch& batch);
  static bool known_tag(std::string_view tag, WireEvent::Kind& kind) noexcept;
  static Field field_named(std::string_view name) noexcept;
  [[nodiscard]] Field field_at(WireEvent::Kind kind, std::size_t position) const noexcept;

  KvDialect dialect_;
  const std::byte* payload_ = nullptr;
  std::vector<WireEvent> events_;
  std::vector<Ranges> ranges_;
  std::vector<std::uint64_t> hashes_;  // hashes and extras
  std::vector<std::uint32_t> tokens_;
};

}  // namespace kthena::engine::detail
