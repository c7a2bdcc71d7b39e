#include "kthena/engine/kv_events.hpp"

#include <vector>

#include "base/containers.hpp"
#include "engine/block_gatherer.hpp"
#include "engine/kv_decoder.hpp"
#include "kthena/base/block_hash.hpp"
#include "kthena/base/faults.hpp"
#include "kthena/base/hash.hpp"

namespace kthena::engine {

namespace {

/// The hash of part `part` (not the last) of an engine block that is split.
std::uint64_t part_hash(std::uint64_t engine_hash, std::size_t part) noexcept {
  return combine64(engine_hash, part + 1);
}

std::uint8_t bit(KvTier tier) noexcept { return static_cast<std::uint8_t>(1u << static_cast<unsigned>(tier)); }

struct SaltedBlock {
  std::uint64_t namespace_key = 0;
  std::uint8_t tiers = 0;
};

}  // namespace

KvCounts& KvCounts::operator+=(const KvCounts& more) noexcept {
  stored_blocks += more.stored_blocks;
  removed_blocks += more.removed_blocks;
  clears += more.clears;
  unknown_events += more.unknown_events;
  unknown_fields += more.unknown_fields;
  unknown_media += more.unknown_media;
  other_groups += more.other_groups;
  unmapped += more.unmapped;
  over_limits += more.over_limits;
  refused += more.refused;
  return *this;
}

struct KvReader::State {
  State(const KvDialect& given, const KvReadOptions& from)
      : dialect(given),
        options(from),
        decoder(given),
        salted(0, kthena::detail::Hash{mix64(from.seed + 5)}),
        plain_namespace(key({}, {})) {}
  // A copy needs what is kept between batches, and no scratch memory.
  State(const State& other)
      : dialect(other.dialect),
        options(other.options),
        decoder(other.dialect),
        salted(other.salted),
        gatherer(other.gatherer),
        split_parts(other.split_parts),
        plain_namespace(other.plain_namespace) {}

  [[nodiscard]] std::uint64_t key(std::string_view adapter, std::string_view salt) const noexcept {
    return namespace_key({options.model, adapter, salt, options.block_tokens}, options.seed);
  }
  [[nodiscard]] std::uint64_t namespace_of(const WireEvent& event, bool& inherited);
  void emit(const KvSink& sink, KvEvent event, KvCounts& counts) const;
  void store(const WireEvent& event, const KvSink& sink, KvCounts& counts);
  void store_known(const WireEvent& event, const KvSink& sink, KvCounts& counts);
  void store_whole(const WireEvent& event, std::uint64_t space, const KvSink& sink, KvCounts& counts);
  void store_split(const WireEvent& event, std::uint64_t space, const KvSink& sink, KvCounts& counts);
  void store_gathered(const WireEvent& event, std::uint64_t space, const KvSink& sink, KvCounts& counts);
  void remove(const WireEvent& event, const KvSink& sink, KvCounts& counts);
  /// Appends the content of one index block; `extra`: what else it depends on, 0: nothing.
  void add_content(std::span<const std::uint32_t> tokens, std::uint64_t extra);
  void clear() noexcept {
    salted.clear();
    gatherer.reset();
    split_parts = 1;
  }

  KvDialect dialect;
  KvReadOptions options;
  detail::KvDecoder decoder;
  kthena::detail::HashMap<std::uint64_t, SaltedBlock>
      salted;  // by engine hash: blocks whose namespace their event need not name
  std::optional<detail::BlockGatherer> gatherer;
  std::uint32_t split_parts = 1;  // index blocks per engine block
  std::uint64_t plain_namespace;
  std::vector<std::uint64_t> hashes;    // scratch
  std::vector<std::uint64_t> contents;  // scratch
  std::vector<std::uint64_t> uppers;    // scratch, of wide contents
  std::string scratch;
};

/// A parent's, where it is known; else of what the event names. `inherited`: its children have to be told.
std::uint64_t KvReader::State::namespace_of(const WireEvent& event, bool& inherited) {
  if (event.parent && !salted.empty()) {
    const auto it = salted.find(*event.parent);
    if (it != salted.end()) {
      inherited = true;
      return it->second.namespace_key;
    }
  }
  inherited = !event.salt.empty();
  std::string_view name = event.lora_name;
  if (name.empty() && event.lora_id && *event.lora_id != 0) {
    scratch = "lora_id:" + std::to_string(*event.lora_id);
    name = scratch;
  }
  return name.empty() && event.salt.empty() ? plain_namespace : key(name, event.salt);
}

void KvReader::State::emit(const KvSink& sink, KvEvent event, KvCounts& counts) const {
  std::visit([this](auto& e) { e.worker = options.worker; }, event);
  if (!sink(event).ok()) {
    ++counts.refused;
    return;
  }
  if (const auto* stored = std::get_if<BlockStored>(&event); stored != nullptr)
    counts.stored_blocks += stored->engine_hashes.size();
  if (const auto* removed = std::get_if<BlockRemoved>(&event); removed != nullptr)
    counts.removed_blocks += removed->engine_hashes.size();
  if (std::holds_alternative<AllBlocksCleared>(event)) ++counts.clears;
}

void KvReader::State::store(const WireEvent& event, const KvSink& sink, KvCounts& counts) {
  if (event.hashes.empty()) return;
  if (event.tokens.empty()) {
    store_known(event, sink, counts);
    return;
  }
  bool inherited = false;
  const std::uint64_t space = namespace_of(event, inherited);
  if (inherited) {
    if (salted.size() + event.hashes.size() > options.max_tracked_blocks) {
      counts.over_limits += event.hashes.size();
      return;
    }
    for (const std::uint64_t hash : event.hashes) {
      SaltedBlock& block = salted[hash];
      block.namespace_key = space;
      block.tiers |= bit(event.tier);
    }
  }
  const std::uint32_t engine = event.block_tokens;
  const std::uint32_t index = options.block_tokens;
  if (engine == index && !gatherer) {
    store_whole(event, space, sink, counts);
  } else if (engine > index && engine % index == 0 && (split_parts == 1 || split_parts == engine / index) &&
             !gatherer) {
    split_parts = engine / index;
    store_split(event, space, sink, counts);
  } else if (engine < index && index % engine == 0 && split_parts == 1 &&
             (!gatherer || gatherer->part_tokens() == engine)) {
    if (!gatherer) gatherer.emplace(index / engine, engine, options.seed, options.wide_contents);
    store_gathered(event, space, sink, counts);
  } else {
    counts.unmapped += event.hashes.size();
  }
}

/// Without tokens: blocks that are held elsewhere already are now in this tier too.
void KvReader::State::store_known(const WireEvent& event, const KvSink& sink, KvCounts& counts) {
  bool inherited = false;
  const std::uint64_t space = namespace_of(event, inherited);
  hashes.clear();
  for (const std::uint64_t hash : event.hashes) {
    if (const auto it = salted.find(hash); it != salted.end()) it->second.tiers |= bit(event.tier);
    if (gatherer) {
      const detail::BlockGatherer::Block block{hash, std::nullopt, {}, 0, space, event.tier};
      if (!gatherer->store(block, [&](const KvEvent& e) { emit(sink, e, counts); })) ++counts.unmapped;
      continue;
    }
    for (std::size_t part = 0; part + 1 < split_parts; ++part) hashes.push_back(part_hash(hash, part));
    hashes.push_back(hash);
  }
  if (!hashes.empty()) emit(sink, BlockStored{{}, space, event.parent, hashes, {}, event.tier}, counts);
}

void KvReader::State::add_content(std::span<const std::uint32_t> tokens, std::uint64_t extra) {
  const std::uint64_t content = hash_block(tokens, options.seed);
  contents.push_back(extra == 0 ? content : combine64(content, extra));
  if (!options.wide_contents) return;
  const std::uint64_t upper = hash_block_upper(tokens, options.seed);
  uppers.push_back(extra == 0 ? upper : combine64(upper, extra));
}

void KvReader::State::store_whole(const WireEvent& event, std::uint64_t space, const KvSink& sink, KvCounts& counts) {
  contents.clear();
  uppers.clear();
  for (std::size_t i = 0; i < event.hashes.size(); ++i) {
    add_content(event.tokens.subspan(i * event.block_tokens, event.block_tokens),
                event.extras.empty() ? 0 : event.extras[i]);
  }
  emit(sink, BlockStored{{}, space, event.parent, event.hashes, contents, event.tier, uppers}, counts);
}

void KvReader::State::store_split(const WireEvent& event, std::uint64_t space, const KvSink& sink, KvCounts& counts) {
  hashes.clear();
  contents.clear();
  uppers.clear();
  for (std::size_t i = 0; i < event.hashes.size(); ++i) {
    for (std::size_t part = 0; part < split_parts; ++part) {
      hashes.push_back(part + 1 < split_parts ? part_hash(event.hashes[i], part) : event.hashes[i]);
      const std::size_t first = i * event.block_tokens + part * options.block_tokens;
      add_content(event.tokens.subspan(first, options.block_tokens), event.extras.empty() ? 0 : event.extras[i]);
    }
  }
  emit(sink, BlockStored{{}, space, event.parent, hashes, contents, event.tier, uppers}, counts);
}

void KvReader::State::store_gathered(const WireEvent& event, std::uint64_t space, const KvSink& sink,
                                     KvCounts& counts) {
  std::optional<std::uint64_t> parent = event.parent;
  for (std::size_t i = 0; i < event.hashes.size(); ++i) {
    if (gatherer->size() >= options.max_tracked_blocks) {
      counts.over_limits += event.hashes.size() - i;
      return;
    }
    const detail::BlockGatherer::Block block{event.hashes[i],
                                             parent,
                                             event.tokens.subspan(i * event.block_tokens, event.block_tokens),
                                             event.extras.empty() ? 0 : event.extras[i],
                                             space,
                                             event.tier};
    if (!gatherer->store(block, [&](const KvEvent& e) { emit(sink, e, counts); })) ++counts.unmapped;
    parent = event.hashes[i];
  }
}

void KvReader::State::remove(const WireEvent& event, const KvSink& sink, KvCounts& counts) {
  if (event.hashes.empty()) return;
  if (!salted.empty()) {
    for (const std::uint64_t hash : event.hashes) {
      const auto it = salted.find(hash);
      if (it == salted.end()) continue;
      it->second.tiers &= static_cast<std::uint8_t>(~bit(event.tier));
      if (it->second.tiers == 0) salted.erase(it);
    }
  }
  if (gatherer) {
    for (const std::uint64_t hash : event.hashes)
      gatherer->remove(hash, event.tier, [&](const KvEvent& e) { emit(sink, e, counts); });
    return;
  }
  if (split_parts == 1) {
    emit(sink, BlockRemoved{{}, event.hashes, event.tier}, counts);
    return;
  }
  hashes.clear();
  for (const std::uint64_t hash : event.hashes) {
    hashes.push_back(hash);
    for (std::size_t part = 0; part + 1 < split_parts; ++part) hashes.push_back(part_hash(hash, part));
  }
  emit(sink, BlockRemoved{{}, hashes, event.tier}, counts);
}

KvReader::KvReader(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
KvReader::KvReader(const KvReader& other) : state_(std::make_unique<State>(*other.state_)) {}
KvReader::KvReader(KvReader&&) noexcept = default;
KvReader& KvReader::operator=(const KvReader& other) {
  if (this != &other) state_ = std::make_unique<State>(*other.state_);
  return *this;
}
KvReader& KvReader::operator=(KvReader&&) noexcept = default;
KvReader::~KvReader() = default;

Result<KvReader> KvReader::create(const EngineProfile& profile, const KvReadOptions& options) {
  if (profile.kv.layout == KvLayout::kNone) {
    return failed_precondition("profile: " + std::string(profile.name) + " publishes no KV events in msgpack");
  }
  Faults faults;
  if (options.block_tokens < 1 || options.block_tokens > 65536) {
    faults.add("block_tokens", std::to_string(options.block_tokens) + " is not in 1..65536");
  }
  if (options.max_bytes < 1 || options.max_bytes > std::size_t{1} << 31) {
    faults.add("max_bytes", std::to_string(options.max_bytes) + " is not in 1..2147483648");
  }
  if (!faults.empty()) return faults.status();
  return KvReader(std::make_unique<State>(profile.kv, options));
}

Result<WireBatch> KvReader::decode(std::span<const std::byte> payload) {
  if (payload.size() > state_->options.max_bytes) {
    return resource_exhausted("payload: " + std::to_string(payload.size()) + " bytes where max_bytes is " +
                              std::to_string(state_->options.max_bytes));
  }
  return state_->decoder.decode(payload);
}

KvCounts KvReader::apply(const WireBatch& batch, KvSink sink) {
  State& state = *state_;
  KvCounts counts;
  counts.unknown_events = batch.unknown_events;
  counts.unknown_fields = batch.unknown_fields;
  counts.unknown_media = batch.unknown_media;
  for (const WireEvent& event : batch.events) {
    if (event.kind == WireEvent::Kind::kCleared) {
      state.clear();
      state.emit(sink, AllBlocksCleared{}, counts);
    } else if (event.group != state.options.group || !event.full_attention) {
      ++counts.other_groups;
    } else if (event.kind == WireEvent::Kind::kStored) {
      state.store(event, sink, counts);
    } else {
      state.remove(event, sink, counts);
    }
  }
  return counts;
}

Result<KvCounts> KvReader::read(std::span<const std::byte> payload, KvSink sink) {
  const Result<WireBatch> batch = decode(payload);
  if (!batch.ok()) return batch.status();
  return apply(*batch, sink);
}

void KvReader::clear() noexcept { state_->clear(); }
const KvReadOptions& KvReader::options() const noexcept { return state_->options; }
const KvDialect& KvReader::dialect() const noexcept { return state_->dialect; }
std::size_t KvReader::tracked_blocks() const noexcept {
  return state_->salted.size() + (state_->gatherer ? state_->gatherer->size() : 0);
}

Result<KvCounts> decode_kv_events(const EngineProfile& profile, std::span<const std::byte> payload,
                                  const KvReadOptions& options, KvSink sink) {
  Result<KvReader> reader = KvReader::create(profile, options);
  if (!reader.ok()) return reader.status();
  return reader->read(payload, sink);
}

}  // namespace kthena::engine
