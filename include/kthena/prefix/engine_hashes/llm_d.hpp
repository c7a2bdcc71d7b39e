// include/kthena/prefix/engine_hashes/llm_d.hpp
//
// The request keys of llm-d's KV-cache indexer.
//
//   Computes   FNV-1a-64 over canonical CBOR [parent, [token, ...], null or [{"Hash": text}, ...]], chained. The root
//              is that of [FNV-1a-64(seed), null, model].
//   Use when   keys are exchanged with llm-d's indexer (its Redis or Valkey index, its query API).
//   Cost       one FNV-1a, byte by byte, of 12 + 1 to 5 bytes per token, per block; one buffer per call.
//   Source     llm-d/llm-d-kv-cache, now in llm-d/llm-d-router: pkg/kvcache/kvblock/token_processor.go, extra_keys.go,
//              pkg/epp/.../preciseprefixcache/blockkeys.go, as of autumn 2026.
//   Known for  no resistance against collisions made on purpose; a parent key of 0 means a new prompt to llm-d.
//              Versions of spring 2026 wrote an offset beside each multimodal hash; that form is not covered.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "kthena/base/status.hpp"
#include "kthena/prefix/engine_hashes/multimodal.hpp"

namespace kthena::prefix {

struct LlmdHashOptions {
  std::uint32_t block_tokens = 16;  ///< blockSizeTokens, 1..65536. DEFAULT: 16.
  std::string_view seed;            ///< hashSeed; may be empty. Texts are UTF-8 (not checked) of at most 65536 bytes.
  std::string_view model;           ///< served model, or the name of the LoRA adapter if the request uses one
  std::string_view cache_salt;      ///< goes into the first block of a prompt; empty: none
  std::span<const MultimodalItem> multimodal;  ///< in the order of their offsets; none overlap
  std::optional<std::uint64_t> parent;  ///< key of the block before the first token; none: the prompt starts here
  std::uint64_t first_block = 0;        ///< number of the first block: how many are before it. 0 without a parent.
};

/// What the first block of a model is chained to. [any thread]
std::uint64_t llmd_root(std::string_view seed, std::string_view model);

/// One text block behind `parent`. [any thread]
std::uint64_t llmd_hash_block(std::uint64_t parent, std::span<const std::uint32_t> tokens);

/// Keys of all full blocks of `tokens`; `hashes` has exactly tokens.size() / block_tokens elements. All faults are
/// named and nothing is written then. [any thread]
Status llmd_hash_blocks(std::span<const std::uint32_t> tokens, const LlmdHashOptions& options,
                        std::span<std::uint64_t> hashes);

}  // namespace kthena::prefix
