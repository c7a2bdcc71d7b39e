#include "kthena/base/hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/sha256.hpp"

namespace kthena {

std::uint64_t xxh3_64(std::span<const std::byte> bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t xxh64(std::span<const std::byte> bytes, std::uint64_t seed) noexcept {
  return XXH64(bytes.data(), bytes.size(), seed);
}

std::array<std::uint8_t, 32> sha256(std::span<const std::byte> bytes) noexcept {
  detail::Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

}  // namespace kthena
