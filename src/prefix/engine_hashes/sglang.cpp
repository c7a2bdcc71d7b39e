#include "kthena/prefix/engine_hashes/sglang.hpp"

#include <algorithm>
#include <bit>

#include "base/sha256.hpp"
#include "prefix/engine_hashes/hash_faults.hpp"

namespace kthena::prefix {
namespace {

static_assert(std::endian::native == std::endian::little, "token ids are hashed in place, as little-endian bytes");

constexpr std::size_t kDigest = 32;

void update(kthena::detail::Sha256& hash, std::string_view text) noexcept {
  hash.update(std::as_bytes(std::span(text)));
}

Digest finish(kthena::detail::Sha256& hash) noexcept { return {.bytes = hash.finish(), .size = kDigest}; }

/// Presence, size in 8 little-endian bytes, text.
void update_part(kthena::detail::Sha256& hash, std::string_view part) noexcept {
  if (part.empty()) return update(hash, std::string_view("\0", 1));
  update(hash, "\x01");
  const std::uint64_t size = part.size();
  hash.update(std::as_bytes(std::span(&size, 1)));
  update(hash, part);
}

Status check(std::size_t tokens, const SglangHashOptions& options, std::size_t digests, std::size_t hashes) {
  detail::HashFaults faults;
  if (faults.block_tokens("page_tokens", options.page_tokens)) {
    const std::size_t pages = tokens / options.page_tokens;
    faults.output("digests", digests, pages * kDigest);
    faults.output("hashes", hashes, pages);
  }
  faults.text("extra_key", options.extra_key);
  faults.text("cache_salt", options.cache_salt);
  if (!options.parent.empty() && options.parent.size() != kDigest)
    faults.add("parent", std::to_string(options.parent.size()) + " bytes where a digest has 32");
  return faults.status();
}

}  // namespace

Digest sglang_seed(SglangHash kind, std::string_view extra_key, std::string_view cache_salt) {
  kthena::detail::Sha256 hash;
  if (kind == SglangHash::kEvents) {
    if (cache_salt.empty()) return {};
    update(hash, std::string_view("sglang-cache-salt-v1\0", 21));
    update(hash, cache_salt);
    return finish(hash);
  }
  if (extra_key.empty() && cache_salt.empty()) return {};
  update(hash, "sglang-cache-namespace-v1");
  update_part(hash, extra_key);
  update_part(hash, cache_salt);
  return finish(hash);
}

Digest sglang_hash_page(std::span<const std::uint8_t> parent, std::span<const std::uint32_t> tokens) noexcept {
  kthena::detail::Sha256 hash;
  hash.update(std::as_bytes(parent));
  hash.update(std::as_bytes(tokens));
  return finish(hash);
}

std::uint64_t sglang_event_hash(std::span<const std::uint8_t> digest) noexcept {
  std::uint64_t hash = 0;
  for (const std::uint8_t byte : digest.first(std::min<std::size_t>(digest.size(), 8))) hash = hash << 8 | byte;
  return hash;
}

Status sglang_hash_pages(std::span<const std::uint32_t> tokens, const SglangHashOptions& options,
                         std::span<std::uint8_t> digests, std::span<std::uint64_t> hashes) {
  if (Status status = check(tokens.size(), options, digests.size(), hashes.size()); !status.ok()) return status;
  Digest parent;
  if (options.parent.empty()) {
    parent = sglang_seed(options.kind, options.extra_key, options.cache_salt);
  } else {
    parent.size = kDigest;
    std::ranges::copy(options.parent, parent.bytes.begin());
  }
  for (std::size_t row = 0; (row + 1) * options.page_tokens <= tokens.size(); ++row) {
    parent = sglang_hash_page(parent.view(), tokens.subspan(row * options.page_tokens, options.page_tokens));
    if (!digests.empty())
      std::ranges::copy(parent.view(), digests.begin() + static_cast<std::ptrdiff_t>(row * kDigest));
    if (!hashes.empty()) hashes[row] = sglang_event_hash(parent.view());
  }
  return {};
}

}  // namespace kthena::prefix
