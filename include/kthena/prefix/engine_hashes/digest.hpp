// include/kthena/prefix/engine_hashes/digest.hpp
//
// The full hash of a block where it is wider than 64 bits: 32 bytes of SHA-256 or 16 of XXH3-128.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kthena::prefix {

struct Digest {
  std::array<std::uint8_t, 32> bytes{};
  std::size_t size = 0;

  [[nodiscard]] std::span<const std::uint8_t> view() const noexcept { return std::span(bytes).first(size); }
};

}  // namespace kthena::prefix
