// include/kthena/prefix/engine_hashes/sglang.hpp
//
// SGLang's page hashes.
//
//   Computes   SHA-256(parent digest, little-endian 4-byte token ids) per page, chained. The parent of the first page
//              is nothing, or the seed of the request's namespace. Only full pages are kept, so only they are hashed
//              here.
//   Use when   a page is to be named as SGLang's KV events name it (64 bits), or looked up in a HiCache storage backend
//              (hex of the digest).
//   Cost       one SHA-256 of 32 + 4 bytes per token, per page.
//   Source     sgl-project/sglang python/sglang/srt/mem_cache/utils.py (get_hash_str, storage_namespace_seed,
//              compute_node_event_hash_values, hash_str_to_int64), as of autumn 2026.
//   Known for  events that do not tell extra keys (such as a LoRA id) apart, though storage keys do; other keys under
//              EAGLE, which hashes pairs of tokens and is not covered.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kthena/base/status.hpp"
#include "kthena/prefix/engine_hashes/digest.hpp"

namespace kthena::prefix {

enum class SglangHash : std::int32_t {
  kEvents = 0,   ///< what KV events say: cache_salt counts, extra_key does not
  kStorage = 1,  ///< what storage backends are keyed by: both count
};

struct SglangHashOptions {
  std::uint32_t page_tokens = 16;         ///< --page-size, 1..65536. DEFAULT: 16.
  SglangHash kind = SglangHash::kEvents;  ///< DEFAULT: events.
  std::string_view extra_key;             ///< of the request, UTF-8, at most 65536 bytes; empty: none
  std::string_view cache_salt;            ///< the same
  /// Digest of the page before the first token, 32 bytes; empty: the prompt starts here.
  std::span<const std::uint8_t> parent;
};

/// What the first page of a request is chained to: 32 bytes, or none (size 0). [any thread]
Digest sglang_seed(SglangHash kind, std::string_view extra_key, std::string_view cache_salt);

/// One page behind `parent`, which may be empty. [any thread]
Digest sglang_hash_page(std::span<const std::uint8_t> parent, std::span<const std::uint32_t> tokens) noexcept;

/// The form that KV events carry: the first 8 bytes, big-endian. Events write these bits as a signed
/// number.
std::uint64_t sglang_event_hash(std::span<const std::uint8_t> digest) noexcept;

/// Hashes of all full pages of `tokens`: 32 bytes per page into `digests`, the form of events into `hashes`; either may
/// be empty, else it has room for exactly tokens.size() / page_tokens pages. All faults are named and nothing is
/// written then. [any thread]
Status sglang_hash_pages(std::span<const std::uint32_t> tokens, const SglangHashOptions& options,
                         std::span<std::uint8_t> digests, std::span<std::uint64_t> hashes);

}  // namespace kthena::prefix
