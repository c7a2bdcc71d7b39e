// include/kthena/base/kv_event.hpp
//
// KV events: what an engine says about the blocks in its KV cache, in one vocabulary for all engines. `engine` decodes wire bytes into
// these, the simulator makes them, a prefix index consumes them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "kthena/base/ids.hpp"

namespace kthena {

/// Where a block lies. Order is from fast to slow.
enum class KvTier : std::uint8_t { kDevice = 0, kHost = 1, kDisk = 2, kExternal = 3 };

/// Engine hashes name blocks inside one worker (an opaque number from the engine). Content hashes name the tokens of one block alone,
/// made by the reader with hash_block (kthena/base/block_hash.hpp). All spans are borrowed for the call.
struct BlockStored {
  WorkerId worker;
  std::uint64_t namespace_key =
      0;  ///< model, adapter, tenant and block size: namespace_key() of kthena/base/block_hash.hpp
  std::optional<std::uint64_t>
      parent;  ///< engine hash of the block before the first; none: the first block starts a prompt
  std::span<const std::uint64_t> engine_hashes;  ///< n blocks that follow one another
  /// n, same order; none: blocks the worker already holds, now in this tier too (an index counts those that it does not know)
  std::span<const std::uint64_t> content_hashes;
  KvTier tier = KvTier::kDevice;
  /// For an index of wide contents: n upper halves, made with hash_block_upper(). Else none.
  std::span<const std::uint64_t> content_uppers = {};
};

struct BlockRemoved {
  WorkerId worker;
  std::span<const std::uint64_t> engine_hashes;  ///< any order, unknown ones are counted and skipped
  KvTier tier = KvTier::kDevice;
};

/// The worker dropped everything, in every tier.
struct AllBlocksCleared {
  WorkerId worker;
};

using KvEvent = std::variant<BlockStored, BlockRemoved, AllBlocksCleared>;

}  // namespace kthena
