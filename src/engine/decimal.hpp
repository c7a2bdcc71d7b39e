// Decimal text to double, exactly rounded: the short numbers of metrics pages without std::from_chars, which takes the rest.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <system_error>

namespace kthena::engine::detail {

/// What was read and where it ended; `end` null: no number stands there.
struct Decimal {
  double value = 0;
  const char* end = nullptr;
};

/// Reads a number of the Prometheus text format: decimal with optional sign and exponent, NaN, Inf (any case). A number beyond the range
/// of double is infinite; one too small to be told from 0 is 0.
inline Decimal read_decimal(const char* begin, const char* end) noexcept {
  // Up to 15 digits make a whole number below 2^53, and powers of ten up to 10^22 are exact, so one division rounds correctly
  // (W. D. Clinger, PLDI 1990).
  static constexpr double kPowers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  std::uint64_t digits = 0;
  std::size_t count = 0;
  const char* p = begin;
  for (; p != end && static_cast<unsigned char>(*p - '0') < 10 && count <= 15; ++p, ++count) {
    digits = digits * 10 + static_cast<unsigned char>(*p - '0');
  }
  if (count > 0 && count <= 15) {
    std::size_t fraction = 0;
    if (p != end && *p == '.') {
      for (++p; p != end && static_cast<unsigned char>(*p - '0') < 10 && count <= 15; ++p, ++count, ++fraction) {
        digits = digits * 10 + static_cast<unsigned char>(*p - '0');
      }
    }
    if (count <= 15 && (p == end || (*p != 'e' && *p != 'E'))) {
      return {fraction == 0 ? static_cast<double>(digits) : static_cast<double>(digits) / kPowers[fraction], p};
    }
  }
  p = begin;
  const bool plus = p != end && *p == '+';
  if (plus) ++p;
  if (plus && p != end && *p == '-') return {};
  double value = 0;
  const auto [stop, fault] = std::from_chars(p, end, value);
  if (fault == std::errc::invalid_argument) return {};
  if (fault == std::errc::result_out_of_range) {
    // from_chars does not say which; the exponent's sign does, or the leading zeros of a number without one.
    const std::string_view text(p, static_cast<std::size_t>(stop - p));
    const std::size_t exponent = text.find_first_of("eE");
    const bool small = exponent != std::string_view::npos ? text[exponent + 1] == '-' : text.find('.') <= 2;
    value = small ? 0 : std::numeric_limits<double>::infinity();
    if (text.front() == '-') value = -value;
  }
  return {value, stop};
}

}  // namespace kthena::engine::detail
