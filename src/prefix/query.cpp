#include "kthena/prefix/query.hpp"

#include <algorithm>
#include <bit>

#include "kthena/base/hash.hpp"

namespace kthena::prefix {

static_assert(std::endian::native == std::endian::little, "content hashes are hashed in place, as little-endian bytes");

PrefixQuery::PrefixQuery(std::uint64_t namespace_key, std::uint32_t block_tokens, std::uint64_t seed, bool wide)
    : namespace_key_(namespace_key),
      seed_(seed),
      block_tokens_(std::clamp(block_tokens, 1u, 65536u)),
      cumulative_(combine64(namespace_key, seed)),
      wide_(wide) {}

void PrefixQuery::extend_tokens(std::span<const std::uint32_t> tokens) {
  reserve_blocks((partial_.size() + tokens.size()) / block_tokens_);
  if (!partial_.empty()) {
    const std::size_t taken = std::min(block_tokens_ - partial_.size(), tokens.size());
    partial_.insert(partial_.end(), tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(taken));
    tokens = tokens.subspan(taken);
    if (partial_.size() < block_tokens_) return;
    append(std::span<const std::uint32_t>(partial_));
    partial_.clear();
  }
  for (; tokens.size() >= block_tokens_; tokens = tokens.subspan(block_tokens_)) append(tokens.first(block_tokens_));
  partial_.assign(tokens.begin(), tokens.end());
}

void PrefixQuery::append(std::span<const std::uint32_t> block) {
  append(hash_block(block, seed_));
  if (wide_) uppers_.push_back(hash_block_upper(block, seed_));
}

Status PrefixQuery::extend_contents(std::span<const std::uint64_t> content_hashes,
                                    std::span<const std::uint64_t> content_uppers) {
  if (content_uppers.size() != (wide_ ? content_hashes.size() : 0)) {
    return invalid_argument("content_uppers: " + std::to_string(content_uppers.size()) + " elements for " +
                            std::to_string(content_hashes.size()) + " contents of a query that is " +
                            (wide_ ? "wide" : "not wide"));
  }
  if (!partial_.empty()) {
    return failed_precondition("content_hashes: " + std::to_string(partial_.size()) + " tokens of a block of " +
                               std::to_string(block_tokens_) + " wait to be completed");
  }
  reserve_blocks(content_hashes.size());
  for (const std::uint64_t content : content_hashes) append(content);
  uppers_.insert(uppers_.end(), content_uppers.begin(), content_uppers.end());
  return {};
}

void PrefixQuery::clear() noexcept {
  cumulative_ = combine64(namespace_key_, seed_);
  contents_.clear();
  uppers_.clear();
  checkpoints_.clear();
  partial_.clear();
}

void PrefixQuery::reserve_blocks(std::size_t more) {
  const std::size_t needed = contents_.size() + more;
  // Doubling, because reserve() alone would grow to just what is needed, again on every turn of a conversation.
  if (needed > contents_.capacity()) contents_.reserve(std::max(needed, 2 * contents_.capacity()));
}

void PrefixQuery::append(std::uint64_t content_hash) {
  contents_.push_back(content_hash);
  if (contents_.size() % kCheckpointBlocks != 0) return;
  // One XXH3 over the 128 bytes of the segment, keyed by the checkpoint before it.
  cumulative_ = xxh3_64(std::as_bytes(contents().last(kCheckpointBlocks)), cumulative_);
  checkpoints_.push_back(cumulative_);
}

}  // namespace kthena::prefix
