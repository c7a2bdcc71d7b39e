// include/kthena/prefix/query.hpp
//
// PrefixQuery: a prompt prepared for lookups. Content hashes of its full blocks and their cumulative checkpoints are made once per
// request and extended as a conversation grows; every index and policy then reads them.
//
//   Cost     one XXH3 per block of 16 tokens and one per 16 blocks for the checkpoint: about 4 ns per block together.
//   Memory   8 bytes per block, 16 of a wide query, + 8 per 16 blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kthena/base/block_hash.hpp"
#include "kthena/base/status.hpp"

namespace kthena::prefix {

using kthena::hash_block;
using kthena::hash_block_upper;
using kthena::Namespace;
using kthena::namespace_key;

/// A prepared prompt. A value; one thread while it is extended, any thread after.
class PrefixQuery {
 public:
  /// Blocks between two checkpoints.
  static constexpr std::size_t kCheckpointBlocks = 16;

  PrefixQuery() = default;
  /// `namespace_key` from namespace_key(). `block_tokens` is clamped to 1..65536. `seed` is the one of hash_block(). `wide`: contents have
  /// 128 bits, for an index whose contents do.
  PrefixQuery(std::uint64_t namespace_key, std::uint32_t block_tokens, std::uint64_t seed, bool wide = false);

  /// Appends tokens; each block that becomes full is hashed, the rest waits for the next call. Amortised O(tokens).
  void extend_tokens(std::span<const std::uint32_t> tokens);
  /// Appends ready-made content hashes, with as many upper halves if the query is wide. kInvalidArgument for another number of those,
  /// kFailedPrecondition while a partial block of tokens waits; then nothing is appended.
  Status extend_contents(std::span<const std::uint64_t> content_hashes,
                         std::span<const std::uint64_t> content_uppers = {});
  /// Forgets the prompt, keeps namespace and memory.
  void clear() noexcept;

  [[nodiscard]] std::uint64_t namespace_key() const noexcept { return namespace_key_; }
  [[nodiscard]] std::uint32_t block_tokens() const noexcept { return block_tokens_; }
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
  /// Full blocks so far.
  [[nodiscard]] std::size_t size_blocks() const noexcept { return contents_.size(); }
  [[nodiscard]] std::span<const std::uint64_t> contents() const noexcept { return contents_; }
  /// Of a wide query, as many as contents(); else none.
  [[nodiscard]] std::span<const std::uint64_t> uppers() const noexcept { return uppers_; }
  [[nodiscard]] bool wide() const noexcept { return wide_; }
  /// checkpoints()[k] covers the namespace and contents()[0 .. 16 * (k + 1)): equal checkpoints mean equal prefixes.
  [[nodiscard]] std::span<const std::uint64_t> checkpoints() const noexcept { return checkpoints_; }

 private:
  void reserve_blocks(std::size_t more);
  void append(std::span<const std::uint32_t> block);
  void append(std::uint64_t content_hash);

  std::uint64_t namespace_key_ = 0;
  std::uint64_t seed_ = 0;
  std::uint32_t block_tokens_ = 16;
  std::uint64_t cumulative_ = 0;  // the last checkpoint; before the first one, the namespace under the seed
  bool wide_ = false;
  std::vector<std::uint64_t> contents_;
  std::vector<std::uint64_t> uppers_;
  std::vector<std::uint64_t> checkpoints_;
  std::vector<std::uint32_t> partial_;  // fewer than block_tokens_
};

}  // namespace kthena::prefix
