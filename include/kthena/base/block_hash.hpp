// include/kthena/base/block_hash.hpp
//
// What names a block of tokens: its namespace and the hash of its content. Whoever asks an index (a router) and whoever feeds it (the
// decoder of an engine's events) must say the same, so both use these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kthena/base/hash.hpp"

namespace kthena {

/// What must be equal before two equal token blocks may share KV: nothing matches across namespaces.
struct Namespace {
  std::string_view model;           ///< served model name (with revision or quantisation if they matter)
  std::string_view adapter;         ///< LoRA adapter; empty: base model
  std::string_view tenant;          ///< cache salt; empty: shared
  std::uint32_t block_tokens = 16;  ///< tokens per block
};

/// The 64-bit key of a namespace under a secret seed. Different seeds give unrelated keys. [any thread]
std::uint64_t namespace_key(const Namespace& space, std::uint64_t seed) noexcept;

/// Content hash of one block of tokens under a secret seed: XXH3 over the little-endian token ids. [any thread]
inline std::uint64_t hash_block(std::span<const std::uint32_t> tokens, std::uint64_t seed) noexcept {
  return xxh3_64(std::as_bytes(tokens), seed);
}

/// The upper half of a content of 128 bits, whose lower half hash_block() is: the same under another seed, made from this one. [any thread]
inline std::uint64_t hash_block_upper(std::span<const std::uint32_t> tokens, std::uint64_t seed) noexcept {
  return hash_block(tokens, mix64(seed ^ 0xA0761D6478BD642Full));
}

}  // namespace kthena
