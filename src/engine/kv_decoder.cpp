#include "engine/kv_decoder.hpp"

#include <string>

#include "kthena/base/hash.hpp"

namespace kthena::engine::detail {

namespace {

constexpr std::size_t kDepth = KvReader::kMaxDepth;
constexpr std::uint64_t kMostBlockTokens = 65536;

/// Names of media as engines and connectors use them. False: unknown, taken for external.
bool tier_of(std::string_view medium, KvTier& tier) noexcept {
  static constexpr struct {
    std::string_view name;
    KvTier tier;
  } kMedia[] = {
      {"GPU", KvTier::kDevice},        {"DEVICE", KvTier::kDevice},    {"CPU", KvTier::kHost},
      {"CPU_PINNED", KvTier::kHost},   {"CPU_TIER1", KvTier::kHost},   {"CPU_TIER2", KvTier::kDisk},
      {"DISK", KvTier::kDisk},         {"NVME", KvTier::kDisk},        {"STORAGE", KvTier::kDisk},
      {"EXTERNAL", KvTier::kExternal}, {"NETWORK", KvTier::kExternal}, {"REMOTE", KvTier::kExternal},
      {"SHARED", KvTier::kExternal},
  };
  for (const auto& row : kMedia) {
    if (row.name.size() != medium.size()) continue;
    bool same = true;  // some engines write them in lower case
    for (std::size_t i = 0; i < medium.size() && same; ++i) {
      const char c = medium[i] >= 'a' && medium[i] <= 'z' ? static_cast<char>(medium[i] - 32) : medium[i];
      same = c == row.name[i];
    }
    if (same) {
      tier = row.tier;
      return true;
    }
  }
  tier = KvTier::kExternal;
  return false;
}

/// Kinds whose blocks hold all of the prefix.
bool is_full_attention(std::string_view kind) noexcept {
  return kind == "full_attention" || kind == "mla_attention" || kind == "sink_full_attention" ||
         kind.starts_with("full");
}

}  // namespace

bool KvDecoder::known_tag(std::string_view tag, WireEvent::Kind& kind) noexcept {
  if (tag == "BlockStored") {
    kind = WireEvent::Kind::kStored;
  } else if (tag == "BlockRemoved") {
    kind = WireEvent::Kind::kRemoved;
  } else if (tag == "AllBlocksCleared") {
    kind = WireEvent::Kind::kCleared;
  } else {
    return false;
  }
  return true;
}

KvDecoder::Field KvDecoder::field_named(std::string_view name) noexcept {
  switch (name.size()) {
    case 4:
      if (name == "type") return Field::kType;
      break;
    case 6:
      if (name == "medium") return Field::kMedium;
      break;
    case 7:
      if (name == "lora_id") return Field::kLoraId;
      break;
    case 8:
      if (name == "locality") return Field::kLocality;
      if (name == "metadata") return Field::kMetadata;
      break;
    case 9:
      if (name == "token_ids") return Field::kTokens;
      if (name == "lora_name") return Field::kLoraName;
      if (name == "group_idx") return Field::kGroup;
      if (name == "ownership") return Field::kIgnored;
      break;
    case 10:
      if (name == "block_size") return Field::kBlockSize;
      if (name == "extra_keys") return Field::kExtraKeys;
      if (name == "session_id") return Field::kIgnored;
      break;
    case 12:
      if (name == "block_hashes") return Field::kHashes;
      break;
    case 15:
      if (name == "component_types") return Field::kIgnored;
      break;
    case 17:
      if (name == "parent_block_hash") return Field::kParent;
      break;
    case 18:
      if (name == "kv_cache_spec_kind") return Field::kSpecKind;
      break;
    case 28:
      if (name == "kv_cache_spec_sliding_window") return Field::kSlidingWindow;
      break;
    default:
      break;
  }
  return Field::kUnknown;
}

/// The layouts of arrays, position 0 being the tag. Fields were only ever added at the end; SGLang's differ from [7] on.
KvDecoder::Field KvDecoder::field_at(WireEvent::Kind kind, std::size_t position) const noexcept {
  static constexpr Field kStored[] = {Field::kType,      Field::kHashes,  Field::kParent,   Field::kTokens,
                                      Field::kBlockSize, Field::kLoraId,  Field::kMedium,   Field::kLoraName,
                                      Field::kExtraKeys, Field::kGroup,   Field::kSpecKind, Field::kSlidingWindow,
                                      Field::kLocality,  Field::kIgnored, Field::kIgnored};
  static constexpr Field kRemoved[] = {Field::kType,  Field::kHashes,   Field::kMedium,
                                       Field::kGroup, Field::kLocality, Field::kIgnored};
  if (dialect_.layout == KvLayout::kSglang && position >= (kind == WireEvent::Kind::kStored ? 7u : 3u)) {
    return kind == WireEvent::Kind::kStored && position <= 8 ? Field::kMetadata : Field::kUnknown;
  }
  if (kind == WireEvent::Kind::kStored && position < std::size(kStored)) return kStored[position];
  if (kind == WireEvent::Kind::kRemoved && position < std::size(kRemoved)) return kRemoved[position];
  return Field::kUnknown;
}

Result<WireBatch> KvDecoder::decode(std::span<const std::byte> payload) {
  payload_ = payload.data();
  events_.clear();
  ranges_.clear();
  hashes_.clear();
  tokens_.clear();
  WireBatch batch;
  Msgpack in(payload);
  if (read_batch(in, batch) && in.left() > 0) in.fail("bytes follow the batch");
  if (in.fault() != nullptr) return invalid_argument("byte " + std::to_string(in.offset()) + ": " + in.fault());
  for (std::size_t i = 0; i < events_.size(); ++i) {
    const Ranges& ranges = ranges_[i];
    events_[i].hashes = std::span(hashes_).subspan(ranges.hashes.first, ranges.hashes.size);
    events_[i].tokens = std::span(tokens_).subspan(ranges.tokens.first, ranges.tokens.size);
    events_[i].extras = std::span(hashes_).subspan(ranges.extras.first, ranges.extras.size);
  }
  batch.events = events_;
  return batch;
}

bool KvDecoder::read_batch(Msgpack& in, WireBatch& batch) {
  std::size_t size = 0;
  if (in.is_map()) {
    if (!in.read_map(size)) return false;
    bool has_events = false;
    for (std::size_t i = 0; i < size; ++i) {
      std::string_view key;
      if (!in.read_text(key)) return false;
      if (key == "ts") {
        if (!in.take_nil() && !in.read_number(batch.timestamp_s)) return false;
      } else if (key == "events") {
        if (has_events) return in.fail("events are given twice");
        has_events = true;
        if (!read_events(in, batch)) return false;
      } else if (key == "data_parallel_rank" || key == "attn_dp_rank") {
        if (!read_rank(in, batch)) return false;
      } else {
        if (key != "type") ++batch.unknown_fields;
        if (!in.skip<kDepth>()) return false;
      }
    }
    return has_events || in.fail("the batch has no events");
  }
  if (!in.read_array(size)) return false;
  std::size_t position = 0;
  if (position < size && in.is_text()) {  // a tag in front
    std::string_view tag;
    if (!in.read_text(tag)) return false;
    ++position;
  }
  if (size - position < 2) return in.fail("a batch needs a time and events");
  if (!in.take_nil() && !in.read_number(batch.timestamp_s)) return false;
  if (!read_events(in, batch)) return false;
  position += 2;
  if (position < size && !read_rank(in, batch)) return false;
  for (++position; position < size; ++position) {
    ++batch.unknown_fields;
    if (!in.skip<kDepth>()) return false;
  }
  return true;
}

bool KvDecoder::read_rank(Msgpack& in, WireBatch& batch) {
  if (in.take_nil()) return true;
  std::uint64_t rank = 0;
  if (!in.read_count(0xFFFFFFFEull, rank)) return false;
  batch.rank = static_cast<std::uint32_t>(rank);
  return true;
}

bool KvDecoder::read_events(Msgpack& in, WireBatch& batch) {
  std::size_t size = 0;
  if (!in.read_array(size)) return false;
  for (std::size_t i = 0; i < size; ++i) {
    if (!read_event(in, batch)) return false;
  }
  return true;
}

bool KvDecoder::read_event(Msgpack& in, WireBatch& batch) {
  return in.is_map() ? read_map_event(in, batch) : read_array_event(in, batch);
}

bool KvDecoder::read_array_event(Msgpack& in, WireBatch& batch) {
  std::size_t size = 0;
  if (!in.read_array(size)) return false;
  if (size == 0) return in.fail("an event without a tag");
  std::string_view tag;
  if (!in.read_text(tag)) return false;
  Draft draft;
  const bool known = known_tag(tag, draft.event.kind);
  if (!known) ++batch.unknown_events;
  for (std::size_t i = 1; i < size; ++i) {
    if (!(known ? read_field(in, field_at(draft.event.kind, i), draft, batch) : in.skip<kDepth>())) return false;
  }
  return !known || finish_event(in, draft, batch);
}

bool KvDecoder::read_map_event(Msgpack& in, WireBatch& batch) {
  std::size_t size = 0;
  if (!in.read_map(size)) return false;
  // The type says how to read the rest. It comes first, but need not.
  const std::size_t fields = in.offset();
  std::string_view tag;
  bool tagged = false;
  for (std::size_t i = 0; i < size && !tagged; ++i) {
    std::string_view key;
    if (!in.read_text(key)) return false;
    tagged = key == "type";
    if (!(tagged ? in.read_text(tag) : in.skip<kDepth>())) return false;
  }
  if (!tagged) return in.fail("an event without a type");
  in.seek(fields);
  Draft draft;
  const bool known = known_tag(tag, draft.event.kind);
  if (!known) ++batch.unknown_events;
  for (std::size_t i = 0; i < size; ++i) {
    std::string_view key;
    if (!in.read_text(key)) return false;
    if (!(known ? read_field(in, field_named(key), draft, batch) : in.skip<kDepth>())) return false;
  }
  return !known || finish_event(in, draft, batch);
}

bool KvDecoder::read_field(Msgpack& in, Field field, Draft& draft, WireBatch& batch) {
  WireEvent& event = draft.event;
  const bool stored = event.kind == WireEvent::Kind::kStored;
  switch (field) {
    case Field::kHashes: {
      std::size_t size = 0;
      if (draft.has_hashes) return in.fail("block_hashes are given twice");
      if (!in.read_array(size)) return false;
      draft.has_hashes = true;
      draft.ranges.hashes = {hashes_.size(), size};
      hashes_.resize(hashes_.size() + size);
      std::uint64_t* const out = hashes_.data() + draft.ranges.hashes.first;
      for (std::size_t i = 0; i < size; ++i) {
        if (!read_hash(in, out[i])) return false;
      }
      return true;
    }
    case Field::kTokens: {
      std::size_t size = 0;
      if (!stored) break;
      if (in.take_nil()) return true;
      if (draft.ranges.tokens.size != 0) return in.fail("token_ids are given twice");
      if (!in.read_array(size)) return false;
      draft.ranges.tokens = {tokens_.size(), size};
      tokens_.resize(tokens_.size() + size);
      return in.read_tokens(size, tokens_.data() + draft.ranges.tokens.first);
    }
    case Field::kParent: {
      event.parent.reset();
      if (in.take_nil()) return true;
      std::uint64_t parent = 0;
      if (!read_hash(in, parent)) return false;
      if (parent != 0 || !dialect_.zero_parent_is_root) event.parent = parent;
      return true;
    }
    case Field::kBlockSize: {
      std::uint64_t size = 0;
      if (!in.read_count(kMostBlockTokens, size)) return false;
      event.block_tokens = static_cast<std::uint32_t>(size);
      draft.has_block_size = true;
      return true;
    }
    case Field::kLoraId: {
      if (in.take_nil()) return true;
      std::uint64_t bits = 0;
      bool negative = false;
      if (!in.read_integer(bits, negative)) return false;
      event.lora_id = static_cast<std::int64_t>(bits);
      return true;
    }
    case Field::kMedium:
      return in.take_nil() || in.read_text(draft.medium);
    case Field::kLoraName:
      return in.take_nil() || in.read_text(event.lora_name);
    case Field::kExtraKeys:
      if (in.take_nil()) return true;
      if (const std::size_t blocks = draft.ranges.hashes.size; draft.has_hashes && in.take_nils(blocks)) return true;
      if (!in.is_array()) return in.fail("extra_keys are no array");
      draft.extra_keys = in.offset();  // read in the end: the adapter's name and the hashes must be known
      return in.skip<kDepth>();
    case Field::kGroup: {
      if (in.take_nil()) return true;
      std::uint64_t group = 0;
      if (!in.read_count(0xFFFFFFFFull, group)) return false;
      event.group = static_cast<std::uint32_t>(group);
      return true;
    }
    case Field::kSpecKind: {
      if (in.take_nil()) return true;
      std::string_view kind;
      if (!in.read_text(kind)) return false;
      event.full_attention = event.full_attention && is_full_attention(kind);
      return true;
    }
    case Field::kSlidingWindow: {
      if (in.take_nil()) return true;
      std::uint64_t window = 0;
      if (!in.read_count(~std::uint64_t{0} >> 1, window)) return false;
      if (window > 0) event.full_attention = false;
      return true;
    }
    case Field::kLocality: {
      if (in.take_nil()) return true;
      std::string_view locality;
      if (!in.read_text(locality)) return false;
      draft.remote = locality == "REMOTE";
      return true;
    }
    case Field::kMetadata:
      return read_metadata(in, draft);
    case Field::kUnknown:
      ++batch.unknown_fields;
      break;
    case Field::kIgnored:
    case Field::kType:
      break;
  }
  return in.skip<kDepth>();
}

/// An integer of either sign, or bytes of which the last eight count, big end first.
bool KvDecoder::read_hash(Msgpack& in, std::uint64_t& hash) {
  if (!in.is_bytes()) {
    bool negative = false;
    return in.read_integer(hash, negative);
  }
  std::span<const std::uint8_t> bytes;
  if (!in.read_bytes(bytes)) return false;
  if (bytes.size() != 8 && bytes.size() != 16 && bytes.size() != 32)
    return in.fail("a hash that is not 8, 16 or 32 bytes long");
  hash = 0;
  for (const std::uint8_t byte : bytes.last(8)) hash = hash << 8 | byte;
  return true;
}

/// SGLang's extension: a map that may name the cache salt, in newer versions; lists of component types and other things are passed over.
bool KvDecoder::read_metadata(Msgpack& in, Draft& draft) {
  if (!in.is_map()) return in.skip<kDepth>();
  std::size_t size = 0;
  if (!in.read_map(size)) return false;
  for (std::size_t i = 0; i < size; ++i) {
    bool salt = false;
    if (in.is_text()) {
      std::string_view key;
      if (!in.read_text(key)) return false;
      salt = key == "cache_salt";
    } else if (!in.skip<kDepth>()) {
      return false;
    }
    if (!(salt && in.is_text() ? in.read_text(draft.event.salt) : in.skip<kDepth>())) return false;
  }
  return true;
}

/// One entry per block: nil or a tuple of the adapter's name, then of what else the block's KV depends on, and in the first block of a
/// prompt the cache salt, the last text. Whatever is neither adapter nor salt goes into the block's content.
bool KvDecoder::read_extra_keys(Msgpack& in, Draft& draft) {
  in.seek(draft.extra_keys);
  WireEvent& event = draft.event;
  const std::size_t blocks = draft.ranges.hashes.size;
  std::size_t size = 0;
  if (!in.read_array(size)) return false;
  if (size != blocks) return in.fail("not one entry of extra_keys for each block");
  draft.ranges.extras = {hashes_.size(), 0};
  for (std::size_t i = 0; i < size; ++i) {
    std::uint64_t extra = 0;
    if (!in.take_nil()) {
      std::size_t keys = 0;
      if (!in.read_array(keys)) return false;
      std::size_t salt = 0;  // place of the text that may be it
      for (std::size_t k = 0; k < keys; ++k) {
        const std::size_t from = in.offset();
        std::string_view text;
        const bool is_text = in.is_text();
        if (!(is_text ? in.read_text(text) : in.skip<kDepth>())) return false;
        if (k == 0 && is_text && !event.lora_name.empty() && text == event.lora_name) continue;
        const auto mix = [&](std::size_t begin, std::size_t end) {
          extra = combine64(extra, xxh3_64({payload_ + begin, end - begin}, 0));
        };
        if (is_text && i == 0 && !event.parent) {
          if (salt != 0) mix(salt, from);
          event.salt = text;
          salt = from;
        } else {
          if (salt != 0) {
            mix(salt, from);
            salt = 0;
            event.salt = {};
          }
          mix(from, in.offset());
        }
      }
    }
    if (extra != 0 && draft.ranges.extras.size == 0) {
      draft.ranges.extras.size = blocks;
      hashes_.resize(hashes_.size() + blocks, 0);
    }
    if (extra != 0) hashes_[draft.ranges.extras.first + i] = extra;
  }
  return true;
}

bool KvDecoder::finish_event(Msgpack& in, Draft& draft, WireBatch& batch) {
  WireEvent& event = draft.event;
  const bool stored = event.kind == WireEvent::Kind::kStored;
  if (event.kind != WireEvent::Kind::kCleared && !draft.has_hashes) return in.fail("an event without block_hashes");
  if (stored) {
    if (!draft.has_block_size) return in.fail("a BlockStored without block_size");
    const std::size_t tokens = draft.ranges.tokens.size;
    if (tokens != 0 && event.block_tokens == 0) return in.fail("a block_size of 0");
    if (tokens != 0 && tokens != draft.ranges.hashes.size * event.block_tokens) {
      return in.fail("not block_size token_ids for each of block_hashes");
    }
    if (draft.extra_keys != 0) {
      const std::size_t end = in.offset();
      if (!read_extra_keys(in, draft)) return false;
      in.seek(end);
    }
  }
  if (!draft.medium.empty() && !tier_of(draft.medium, event.tier)) ++batch.unknown_media;
  if (draft.remote) event.tier = KvTier::kExternal;
  events_.push_back(event);
  ranges_.push_back(draft.ranges);
  return true;
}

}  // namespace kthena::engine::detail
