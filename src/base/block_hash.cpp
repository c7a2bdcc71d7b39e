#include "kthena/base/block_hash.hpp"

#include <bit>

namespace kthena {

static_assert(std::endian::native == std::endian::little, "token ids are hashed in place, as little-endian bytes");

std::uint64_t namespace_key(const Namespace& space, std::uint64_t seed) noexcept {
  // Each field is hashed alone, so that moving bytes from one field to the next gives another key.
  std::uint64_t key = mix64(seed + 0x9E3779B97F4A7C15ull);
  for (const std::string_view field : {space.model, space.adapter, space.tenant}) {
    key = combine64(key, xxh3_64(std::as_bytes(std::span(field)), seed));
  }
  return combine64(key, space.block_tokens);
}

}  // namespace kthena
