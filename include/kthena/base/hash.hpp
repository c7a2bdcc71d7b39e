// include/kthena/base/hash.hpp
//
// Hashing. mix64, fnv1a_64 and hash_id are inline and the same in every language; the rest is compiled (XXH3, XXH64,
// SHA-256).
//
//   mix64, hash_id             ties, seeds, ids. Not for adversaries unless the seed is secret.
//   xxh3_64                    content of token blocks (seeded).
//   fnv1a_64, xxh3_128,        compatibility with hashes that other systems publish.
//   xxh64, sha256
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace kthena {

/// A bijection of 64 bits in which every input bit moves every output bit. Source: the finaliser of SplitMix64 (Steele, Lea, Flood,
/// OOPSLA 2014; constants of David Stafford's variant 13).
constexpr std::uint64_t mix64(std::uint64_t x) noexcept {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9ull;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBull;
  x ^= x >> 31;
  return x;
}

/// Order-sensitive combination of a running hash with one more value.
constexpr std::uint64_t combine64(std::uint64_t hash, std::uint64_t value) noexcept {
  return mix64(hash * 0x9E3779B97F4A7C15ull + value);
}

/// FNV-1a of 64 bits. Source: draft-eastlake-fnv.
constexpr std::uint64_t fnv1a_64(std::string_view bytes) noexcept {
  std::uint64_t hash = 0xCBF29CE484222325ull;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return hash;
}

/// Hash of an id (endpoint, request, model name): FNV-1a over its bytes, then mix64.
constexpr std::uint64_t hash_id(std::string_view id) noexcept { return mix64(fnv1a_64(id)); }

/// XXH3 of 64 bits with a seed. [any thread]
std::uint64_t xxh3_64(std::span<const std::byte> bytes, std::uint64_t seed) noexcept;
/// XXH3 of 128 bits, seed 0, in its canonical form: big-endian, high half first. [any thread]
std::array<std::uint8_t, 16> xxh3_128(std::span<const std::byte> bytes) noexcept;
/// XXH64, as Kthena's prefix-cache plugin uses it. [any thread]
std::uint64_t xxh64(std::span<const std::byte> bytes, std::uint64_t seed) noexcept;
/// SHA-256 (FIPS 180-4). For compatibility with published block hashes only: about 100 times the cost of XXH3. [any thread]
std::array<std::uint8_t, 32> sha256(std::span<const std::byte> bytes) noexcept;

}  // namespace kthena
