// include/kthena/prefix/engine_hashes/vllm.hpp
//
// vLLM's block hashes, for the two algorithms that do not depend on Python's pickle.
//
//   Computes   H(parent, tokens, extra keys) over canonical CBOR: [bytes, [id, ...], null or [key, ...]]; H is SHA-256
//              or XXH3-128. The parent of the first block is H(seed string). Only full blocks have a hash.
//   Use when   engines run with --prefix-caching-hash-algo sha256_cbor or xxhash_cbor and a known PYTHONHASHSEED, and
//              somebody else than the engine has to name blocks: a lookup in an external store, an index that is fed by
//              another router. Mooncake's Conductor computes the sha256_cbor form with plain keys.
//   Cost       one hash of 36 + 1 to 5 bytes per token, per block; one buffer per call.
//   Source     vLLM 0.32 vllm/v1/core/kv_cache_utils.py (hash_block_tokens, generate_block_hash_extra_keys,
//              init_none_hash), vllm/utils/hashing.py.
//   Known for  not covering vLLM's default: --prefix-caching-hash-algo sha256 (and xxhash) hashes a pickle.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kthena/base/status.hpp"
#include "kthena/prefix/engine_hashes/digest.hpp"
#include "kthena/prefix/engine_hashes/multimodal.hpp"

namespace kthena::prefix {

enum class VllmHash : std::int32_t {
  kSha256Cbor = 0,  ///< digests of 32 bytes
  kXxhashCbor = 1,  ///< digests of 16 bytes
};

/// How extra keys are written. It changed once.
enum class VllmKeyForm : std::int32_t {
  /// 0.31 and newer: ["lora", name, path], ["mm", identifier, offset], ["cache_salt", salt], ["prompt_embeds", hash].
  kTagged = 0,
  /// Up to 0.30: name, [identifier, offset], salt, hash.
  kPlain = 1,
};

/// What stands for PYTHONHASHSEED where it is not set, with sha256_cbor: 0.29 and newer. 0.26 drew random bytes.
inline constexpr std::string_view kVllmSeedWhenUnset = "vllm-none-hash";

struct VllmHashOptions {
  std::uint32_t block_tokens = 16;              ///< tokens per block, 1..65536. DEFAULT: 16.
  VllmHash algorithm = VllmHash::kSha256Cbor;   ///< DEFAULT: sha256_cbor.
  VllmKeyForm key_form = VllmKeyForm::kTagged;  ///< DEFAULT: tagged, as 0.31 and newer write them.
  /// The engines' PYTHONHASHSEED. Empty: it is not set; then sha256_cbor starts from kVllmSeedWhenUnset, and
  /// xxhash_cbor cannot be computed, because every engine draws its own.
  std::string_view seed;

  // What a request has besides tokens. Texts are UTF-8 (not checked) of at most 65536 bytes; empty: none.
  std::string_view lora_name;  ///< goes into every block
  /// As the engine was told it. Tagged keys need it beside lora_name, plain keys have no place for it.
  std::string_view lora_path;
  std::string_view cache_salt;                 ///< goes into the first block of a prompt; the chain carries it on
  std::span<const MultimodalItem> multimodal;  ///< in the order of their offsets; none overlap
  /// For each block of the call the 32 bytes of SHA-256 over its embeddings; or empty.
  std::span<const std::uint8_t> prompt_embeds;

  // Where the tokens begin, for a prompt that grows.
  std::span<const std::uint8_t> parent;  ///< digest of the block before the first token; empty: the prompt starts here
  std::uint64_t first_block = 0;         ///< number of the first block: how many are before it. 0 without a parent.
};

/// What stands in for the parent of a first block. An empty seed is hashed as such. [any thread]
Digest vllm_none_hash(VllmHash algorithm, std::string_view seed);

/// One block without extra keys behind `parent` (vllm_none_hash at the start). [any thread]
Digest vllm_hash_block(VllmHash algorithm, std::span<const std::uint8_t> parent, std::span<const std::uint32_t> tokens);

/// The form that KV events carry (VLLM_KV_EVENTS_USE_INT_BLOCK_HASHES=1, the default): the last 8 bytes, big-endian.
std::uint64_t vllm_event_hash(std::span<const std::uint8_t> digest) noexcept;

/// Hashes of all full blocks of `tokens`; what is left over at the end has none. `digests` gets 32 or 16 bytes per
/// block and `hashes` the form of events; either may be empty, else it has room for exactly tokens.size() /
/// block_tokens blocks. All faults are named and nothing is written then. [any thread]
Status vllm_hash_blocks(std::span<const std::uint32_t> tokens, const VllmHashOptions& options,
                        std::span<std::uint8_t> digests, std::span<std::uint64_t> hashes);

}  // namespace kthena::prefix
