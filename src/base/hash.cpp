#include "kthena/base/hash.hpp"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/sha256.hpp"

namespace kthena {

std::uint64_t xxh3_64(std::span<const std::byte> bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::array<std::uint8_t, 16> xxh3_128(std::span<const std::byte> bytes) noexcept {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  std::array<std::uint8_t, 16> digest;
  std::copy_n(canonical.digest, digest.size(), digest.begin());
  return digest;
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
