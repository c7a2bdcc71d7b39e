// src/base/sha256.hpp
//
// SHA-256 (FIPS 180-4) over bytes that arrive in pieces. Exists because published block hashes of other systems are SHA-256; nothing
// here is meant to keep a secret. Plain C++, about 10 cycles per byte.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kthena::detail {

class Sha256 {
 public:
  void update(std::span<const std::byte> bytes) noexcept;
  /// The digest of all bytes so far. Ends this object's use.
  [[nodiscard]] std::array<std::uint8_t, 32> finish() noexcept;

 private:
  void compress(const std::byte* block) noexcept;

  std::array<std::uint32_t, 8> state_ = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                         0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};
  std::array<std::byte, 64> pending_{};
  std::uint64_t size_bytes_ = 0;
};

}  // namespace kthena::detail
