// src/prefix/engine_hashes/cbor.hpp
//
// Writes canonical CBOR (RFC 8949, 4.2.1: shortest heads, definite lengths), as far as block hashes need it. Maps
// are written by hand: a caller with more than one key has to order them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace kthena::prefix::detail {

class CborWriter {
 public:
  /// Forgets what was written and keeps the memory.
  void clear() noexcept { size_ = 0; }
  [[nodiscard]] std::string_view text() const noexcept { return {buffer_.data(), size_}; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return std::as_bytes(std::span(text())); }

  void null() {
    reserve(1);
    buffer_[size_++] = '\xF6';
  }
  void number(std::uint64_t value) { head(0, value); }
  void signed_number(std::int64_t value) {
    if (value >= 0) {
      head(0, static_cast<std::uint64_t>(value));
    } else {
      head(1, ~static_cast<std::uint64_t>(value));
    }
  }
  void byte_string(std::span<const std::uint8_t> value) {
    head(2, value.size());
    append(value.data(), value.size());
  }
  void text_string(std::string_view value) {
    head(3, value.size());
    append(value.data(), value.size());
  }
  /// `n` items follow.
  void array(std::uint64_t n) { head(4, n); }
  /// `n` pairs follow.
  void map(std::uint64_t n) { head(5, n); }
  void numbers(std::span<const std::uint32_t> values) {
    array(values.size());
    reserve(values.size() * kLongestHead);
    char* at = buffer_.data() + size_;
    for (const std::uint32_t value : values) at = put_head(at, 0, value);
    size_ = static_cast<std::size_t>(at - buffer_.data());
  }

 private:
  static constexpr std::size_t kLongestHead = 9;

  static char* put(char* at, unsigned value) noexcept {
    *at = static_cast<char>(static_cast<unsigned char>(value));
    return at + 1;
  }

  static char* put_head(char* at, unsigned major, std::uint64_t value) noexcept {
    const unsigned kind = major << 5;
    if (value < 24) return put(at, kind | static_cast<unsigned>(value));
    int width = 0;  // of the number that follows: 2^width bytes
    while (width < 3 && value >> (8u << width) != 0) ++width;
    at = put(at, kind | (24u + static_cast<unsigned>(width)));
    for (int shift = (8 << width) - 8; shift >= 0; shift -= 8)
      at = put(at, static_cast<unsigned>(value >> shift) & 0xFF);
    return at;
  }

  void head(unsigned major, std::uint64_t value) {
    reserve(kLongestHead);
    size_ = static_cast<std::size_t>(put_head(buffer_.data() + size_, major, value) - buffer_.data());
  }

  void append(const void* data, std::size_t n) {
    reserve(n);
    if (n != 0) std::memcpy(buffer_.data() + size_, data, n);
    size_ += n;
  }

  void reserve(std::size_t more) {
    if (buffer_.size() - size_ < more) buffer_.resize(size_ + more + buffer_.size());
  }

  std::string buffer_;  // what is beyond size_ is room
  std::size_t size_ = 0;
};

}  // namespace kthena::prefix::detail
