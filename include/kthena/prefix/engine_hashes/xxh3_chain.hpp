// include/kthena/prefix/engine_hashes/xxh3_chain.hpp
//
// The XXH3 chain that Dynamo and SMG share.
//
//   Computes   local[i] = XXH3-64(little-endian 4-byte token ids of block i, block seed); chained[0] = local[0],
//              chained[i] = XXH3-64(chained[i-1], local[i] as 16 little-endian bytes, seed). The block seed is the
//              seed, plus XXH3-64(lora_name, 0), plus XXH3-64(cache_namespace, 1), modulo 2^64.
//   Use when   blocks come from or go to a Dynamo router or indexer (tokens_hash is local, sequence hash is chained) or
//              SMG's kv-index.
//   Cost       two XXH3 per block, of 4 bytes per token and of 16 bytes.
//   Source     ai-dynamo/dynamo lib/kv-router/src/protocols.rs (compute_block_hash_for_seq,
//              compute_seq_hash_for_block), lib/kv-hashing/src/salt.rs; lightseekorg/smg, kv-index
//              (compute_content_hash, chain_prefix_hash).
//   Known for  being easy to collide on purpose: the seed is public. Hashes of multimodal blocks and EAGLE windows are
//              not covered.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "kthena/base/status.hpp"

namespace kthena::prefix {

struct Xxh3ChainOptions {
  std::uint32_t block_tokens = 16;   ///< tokens per block, 1..65536. DEFAULT: 16.
  std::uint64_t seed = 1337;         ///< DEFAULT: 1337, as Dynamo and SMG have it.
  std::string_view lora_name;        ///< Dynamo; at most 65536 bytes; empty: base model
  std::string_view cache_namespace;  ///< Dynamo; at most 65536 bytes; empty: shared
  std::optional<std::uint64_t>
      parent;  ///< chained hash of the block before the first token; none: the prompt starts here
};

/// The seed of local hashes. [any thread]
std::uint64_t xxh3_block_seed(std::uint64_t seed, std::string_view lora_name,
                              std::string_view cache_namespace) noexcept;

/// The chained hash of a block behind `parent`. That of a first block is its local hash. [any thread]
std::uint64_t xxh3_chain_step(std::uint64_t parent, std::uint64_t local, std::uint64_t seed = 1337) noexcept;

/// Hashes of all full blocks of `tokens`; either span may be empty, else it has exactly tokens.size() / block_tokens
/// elements. All faults are named and nothing is written then. A local hash is that of hash_block() under the block
/// seed. [any thread]
Status xxh3_hash_blocks(std::span<const std::uint32_t> tokens, const Xxh3ChainOptions& options,
                        std::span<std::uint64_t> local, std::span<std::uint64_t> chained);

}  // namespace kthena::prefix
