// A bounded reader of msgpack (https://github.com/msgpack/msgpack/blob/master/spec.md). Nothing recurses, nothing is allocated; a
// claimed length is believed only as far as bytes are left, for every element takes at least one.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace kthena::engine::detail {

class Msgpack {
 public:
  explicit Msgpack(std::span<const std::byte> bytes) noexcept
      : begin_(reinterpret_cast<const std::uint8_t*>(bytes.data())), at_(begin_), end_(begin_ + bytes.size()) {}

  [[nodiscard]] std::size_t offset() const noexcept { return static_cast<std::size_t>(at_ - begin_); }
  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  void seek(std::size_t offset) noexcept { at_ = begin_ + offset; }

  /// The first failure; null while all is well. After one, every read gives false.
  [[nodiscard]] const char* fault() const noexcept { return fault_; }
  bool fail(const char* what) noexcept {
    if (fault_ == nullptr) fault_ = what;
    return false;
  }

  /// The first byte of the next value; 0xC1, which msgpack never uses, at the end.
  [[nodiscard]] std::uint8_t peek() const noexcept { return at_ != end_ ? *at_ : 0xC1; }
  [[nodiscard]] bool is_nil() const noexcept { return peek() == 0xC0; }
  [[nodiscard]] bool is_array() const noexcept { return (peek() & 0xF0) == 0x90 || peek() == 0xDC || peek() == 0xDD; }
  [[nodiscard]] bool is_map() const noexcept { return (peek() & 0xF0) == 0x80 || peek() == 0xDE || peek() == 0xDF; }
  [[nodiscard]] bool is_text() const noexcept { return (peek() & 0xE0) == 0xA0 || (peek() >= 0xD9 && peek() <= 0xDB); }
  [[nodiscard]] bool is_bytes() const noexcept { return peek() >= 0xC4 && peek() <= 0xC6; }

  /// Consumes a nil if there is one.
  bool take_nil() noexcept {
    if (!is_nil()) return false;
    ++at_;
    return true;
  }

  bool read_array(std::size_t& size) noexcept {
    if (!head(0x90, 0xF0, 0xDC, "an array was expected", size)) return false;
    return size <= left() || fail("an array longer than the rest of the batch");
  }
  bool read_map(std::size_t& size) noexcept {
    if (!head(0x80, 0xF0, 0xDE, "a map was expected", size)) return false;
    return size <= left() / 2 || fail("a map longer than the rest of the batch");
  }
  bool read_text(std::string_view& out) noexcept {
    std::size_t size = 0;
    if (peek() == 0xD9) {
      ++at_;
      std::uint64_t value = 0;
      if (!big_endian(1, value)) return false;
      size = value;
    } else if (!head(0xA0, 0xE0, 0xDA, "a text was expected", size)) {
      return false;
    }
    if (size > left()) return fail("a text longer than the rest of the batch");
    out = {reinterpret_cast<const char*>(at_), size};
    at_ += size;
    return true;
  }
  bool read_bytes(std::span<const std::uint8_t>& out) noexcept {
    if (!is_bytes()) return fail("bytes were expected");
    std::uint64_t size = 0;
    const std::size_t width = std::size_t{1} << (*at_ - 0xC4);
    ++at_;
    if (!big_endian(width, size)) return false;
    if (size > left()) return fail("bytes longer than the rest of the batch");
    out = {at_, static_cast<std::size_t>(size)};
    at_ += size;
    return true;
  }

  /// An integer of any width as 64 bits in two's complement; `negative` tells how to read them.
  bool read_integer(std::uint64_t& out, bool& negative) noexcept {
    const std::uint8_t first = peek();
    negative = false;
    if (first < 0x80) {
      if (at_ == end_) return fail("the batch ends early");
      out = first;
      ++at_;
      return true;
    }
    if (first >= 0xE0) {
      out = static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int8_t>(first)));
      negative = true;
      ++at_;
      return true;
    }
    if (first < 0xCC || first > 0xD3) return fail(at_ == end_ ? "the batch ends early" : "an integer was expected");
    ++at_;
    const unsigned width = 1u << ((first - 0xCC) & 3);
    if (!big_endian(width, out)) return false;
    if (first >= 0xD0) {
      const unsigned shift = 64 - 8 * width;
      // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): the width is never 0, so the shift never 64
      out = static_cast<std::uint64_t>(static_cast<std::int64_t>(out << shift) >> shift);
      negative = static_cast<std::int64_t>(out) < 0;
    }
    return true;
  }
  /// A number that is not negative and at most `most`.
  bool read_count(std::uint64_t most, std::uint64_t& out) noexcept {
    bool negative = false;
    if (!read_integer(out, negative)) return false;
    return (!negative && out <= most) || fail("a number out of range");
  }
  /// Consumes an array of `count` nils; where there is none, nothing.
  bool take_nils(std::size_t count) noexcept {
    const std::uint8_t* const before = at_;
    std::size_t size = 0;
    if (is_array() && head(0x90, 0xF0, 0xDC, "", size) && size == count && size <= left()) {
      std::size_t i = 0;
      while (i < size && at_[i] == 0xC0) ++i;
      if (i == size) {
        at_ += size;
        return true;
      }
    }
    at_ = before;
    return false;
  }
  /// `size` integers of an array whose head was read, each in 0..2^32-1.
  bool read_tokens(std::size_t size, std::uint32_t* out) noexcept {
    const std::uint8_t* p = at_;
    std::size_t i = 0;
    // While eight bytes are left no read can pass the end. Widths follow no pattern that could be learned, hence no branch on them.
    for (; i < size && end_ - p >= 8; ++i) {
      const std::uint64_t word = load_big_endian(p);
      const auto first = static_cast<unsigned>(word >> 56);
      const unsigned wide = first - 0xCC;  // 0, 1, 2: one, two, four bytes follow
      if (first >= 0x80 && wide > 2) break;
      const bool fixed = first < 0x80;
      const unsigned width = 1u << (wide & 3);
      const std::uint64_t value = fixed ? first : (word << 8) >> (64 - 8 * width);
      out[i] = static_cast<std::uint32_t>(value);
      p += fixed ? 1 : 1 + width;
    }
    at_ = p;
    for (; i < size; ++i) {
      std::uint64_t value = 0;
      if (!read_count(0xFFFFFFFFull, value)) return false;
      out[i] = static_cast<std::uint32_t>(value);
    }
    return true;
  }
  /// A float of either width, or an integer.
  bool read_number(double& out) noexcept {
    const std::uint8_t first = peek();
    if (first == 0xCA || first == 0xCB) {
      ++at_;
      std::uint64_t bits = 0;
      if (!big_endian(first == 0xCA ? 4 : 8, bits)) return false;
      out = first == 0xCA ? static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)))
                          : std::bit_cast<double>(bits);
      return true;
    }
    bool negative = false;
    std::uint64_t bits = 0;
    if (!read_integer(bits, negative)) return false;
    out = negative ? static_cast<double>(static_cast<std::int64_t>(bits)) : static_cast<double>(bits);
    return true;
  }

  /// Passes over one value of any type, containers up to kMaxDepth deep.
  template <std::size_t kMaxDepth>
  bool skip() noexcept {
    std::array<std::size_t, kMaxDepth> open;  // elements still to come at each depth
    std::size_t depth = 0;
    std::size_t now = 1;
    for (;;) {
      while (now == 0) {
        if (depth == 0) return true;
        now = open[--depth];
      }
      --now;
      const std::uint8_t first = peek();
      std::size_t inside = 0;
      if (is_array() || is_map()) {
        const bool map = is_map();
        if (!(map ? read_map(inside) : read_array(inside))) return false;
        if (map) inside *= 2;
        if (inside == 0) continue;
        if (depth == kMaxDepth) return fail("values nested too deeply");
        open[depth++] = now;
        now = inside;
        continue;
      }
      if (is_text()) {
        std::string_view text;
        if (!read_text(text)) return false;
        continue;
      }
      if (is_bytes()) {
        std::span<const std::uint8_t> bytes;
        if (!read_bytes(bytes)) return false;
        continue;
      }
      if (first == 0xC0 || first == 0xC2 || first == 0xC3) {
        ++at_;
        continue;
      }
      if ((first >= 0xC7 && first <= 0xC9) || (first >= 0xD4 && first <= 0xD8)) {  // ext: a type byte and data
        ++at_;
        std::uint64_t size = 0;
        if (first >= 0xD4) {
          size = std::uint64_t{1} << (first - 0xD4);
        } else if (!big_endian(std::size_t{1} << (first - 0xC7), size)) {
          return false;
        }
        if (size + 1 > left()) return fail("bytes longer than the rest of the batch");
        at_ += size + 1;
        continue;
      }
      double number = 0;
      if (!read_number(number)) return false;
    }
  }

 private:
  /// Head of a text or container: in the low bits of the first byte, or 16 or 32 bits wide behind `wide` or `wide` + 1.
  bool head(std::uint8_t fixed, std::uint8_t mask, std::uint8_t wide, const char* what, std::size_t& size) noexcept {
    const std::uint8_t first = peek();
    if ((first & mask) == fixed) {
      size = first & static_cast<std::uint8_t>(~mask);
      ++at_;
      return true;
    }
    if (first != wide && first != wide + 1) return fail(at_ == end_ ? "the batch ends early" : what);
    ++at_;
    std::uint64_t value = 0;
    if (!big_endian(first == wide ? 2 : 4, value)) return false;
    size = static_cast<std::size_t>(value);
    return true;
  }
  bool big_endian(std::size_t width, std::uint64_t& out) noexcept {
    if (left() < width) return fail("the batch ends early");
    if (left() >= 8) {
      out = load_big_endian(at_) >> (64 - 8 * width);
    } else {
      out = 0;
      for (std::size_t i = 0; i < width; ++i) out = out << 8 | at_[i];
    }
    at_ += width;
    return true;
  }
  static std::uint64_t load_big_endian(const std::uint8_t* p) noexcept {
    static_assert(std::endian::native == std::endian::little);
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    return __builtin_bswap64(word);
  }

  const std::uint8_t* begin_;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  const char* fault_ = nullptr;
};

}  // namespace kthena::engine::detail
