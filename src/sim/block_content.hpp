// What simulated blocks and engines are called outside of the simulator, and their KV events as an index takes them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kthena/base/hash.hpp"
#include "kthena/base/kv_event.hpp"
#include "kthena/prefix/index.hpp"
#include "sim/engine.hpp"

namespace kthena::sim::detail {

/// Any hash with the right equalities will do: simulated blocks have no tokens.
constexpr std::uint64_t content_hash(std::uint32_t id) noexcept { return mix64(std::uint64_t{id} + 1); }

/// Zero-padded, so that the order of ids is the order of engines.
inline std::string engine_id(std::uint32_t engine) {
  std::string digits = std::to_string(engine);
  return "engine-" + std::string(4 - std::min<std::size_t>(4, digits.size()), '0') + digits;
}

/// Events as Engine::kv_events(); `parents`: id -> the id before it in its chain, or Sequence::kNone. Neighbours of one kind go in one call.
inline void apply_block_events(std::span<const std::uint32_t> events, std::span<const std::uint32_t> parents,
                               WorkerId worker, std::uint64_t namespace_key, prefix::PrefixIndex& index,
                               std::vector<std::uint64_t>& scratch) {
  for (std::size_t i = 0; i < events.size();) {
    scratch.clear();
    if ((events[i] & Engine::kRemoved) != 0) {
      for (; i < events.size() && (events[i] & Engine::kRemoved) != 0; ++i)
        scratch.push_back(content_hash(events[i] & ~Engine::kRemoved));
      (void)index.apply(BlockRemoved{.worker = worker, .engine_hashes = scratch});
      continue;
    }
    const std::uint32_t parent = parents[events[i]];
    BlockStored stored;
    stored.worker = worker;
    stored.namespace_key = namespace_key;
    if (parent != Sequence::kNone) stored.parent = content_hash(parent);
    std::uint32_t before = parent;
    for (; i < events.size() && (events[i] & Engine::kRemoved) == 0 && parents[events[i]] == before; ++i) {
      scratch.push_back(content_hash(events[i]));
      before = events[i];
    }
    stored.engine_hashes = scratch;
    stored.content_hashes = scratch;
    (void)index.apply(stored);
  }
}

}  // namespace kthena::sim::detail
