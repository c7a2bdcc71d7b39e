// One sample line of the Prometheus text format, taken apart without copying.
//
//   name [ '{' label '=' '"' value '"' ... '}' ] value [timestamp] [ '#' exemplar ]
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "engine/decimal.hpp"

namespace kthena::engine::detail {

inline bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }
inline const char* skip_blanks(const char* p, const char* end) noexcept {
  while (p != end && is_blank(*p)) ++p;
  return p;
}

/// Letters, digits, '_' and ':'; digits not first.
inline bool is_name_start(char c) noexcept {
  return static_cast<unsigned char>((c | 0x20) - 'a') < 26 || c == '_' || c == ':';
}
inline bool is_name(char c) noexcept { return is_name_start(c) || static_cast<unsigned char>(c - '0') < 10; }

/// The end of a metric name: the first '{', blank or control character. Eight bytes at a time.
inline const char* find_name_end(const char* p, const char* end) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101ull;
  constexpr std::uint64_t kHigh = 0x8080808080808080ull;
  while (end - p >= 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    const std::uint64_t brace = word ^ (kOnes * '{');
    // A byte is zero / below 0x21. Exact up to and including the first hit, which is all that is used; bytes above 0x7F never hit.
    const std::uint64_t hits = (((brace - kOnes) & ~brace) | ((word - kOnes * 0x21) & ~word)) & kHigh;
    if (hits != 0) return p + std::countr_zero(hits) / 8;
    p += 8;
  }
  while (p != end && *p != '{' && static_cast<unsigned char>(*p) > 0x20) ++p;
  return p;
}

struct Label {
  std::string_view name;
  std::string_view raw;  ///< between the quotes
  bool escaped = false;  ///< raw holds backslashes
};

/// Replaces the escapes of a label value; they were checked when the line was read.
inline void unescape(std::string_view raw, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\') {
      out += raw[i];
      continue;
    }
    ++i;
    out += raw[i] == 'n' ? '\n' : raw[i];
  }
}

/// The labels of a line. A page's info metrics have a few dozen; beyond kLabels they are read but not kept.
class Labels {
 public:
  static constexpr std::size_t kLabels = 96;

  [[nodiscard]] const Label* find(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < size_; ++i) {
      if (labels_[i].name == name) return &labels_[i];
    }
    return nullptr;
  }

  /// `p` is behind '{'. Gives the place behind '}', null when the labels are broken.
  const char* read(const char* p, const char* end) noexcept {
    size_ = 0;
    for (;;) {
      p = skip_blanks(p, end);
      if (p == end) return nullptr;
      if (*p == '}') return p + 1;
      const char* const name = p;
      // The same labels in the same order as on the line before, mostly.
      const std::string_view last = size_ < known_ ? labels_[size_].name : std::string_view();
      if (!last.empty() && static_cast<std::size_t>(end - p) > last.size() &&
          std::memcmp(p, last.data(), last.size()) == 0 && p[last.size()] == '=') {
        p += last.size();
      } else {
        if (!is_name_start(*p)) return nullptr;
        while (p != end && is_name(*p)) ++p;
      }
      const std::string_view label(name, static_cast<std::size_t>(p - name));
      p = skip_blanks(p, end);
      if (p == end || *p != '=') return nullptr;
      p = skip_blanks(p + 1, end);
      if (p == end || *p != '"') return nullptr;
      const char* const value = ++p;
      bool escaped = false;
      for (; p != end && *p != '"'; ++p) {
        if (*p != '\\') continue;
        escaped = true;
        ++p;
        if (p == end || (*p != '\\' && *p != '"' && *p != 'n')) return nullptr;
      }
      if (p == end) return nullptr;
      if (size_ < kLabels) {
        labels_[size_++] = {label, {value, static_cast<std::size_t>(p - value)}, escaped};
        if (size_ > known_) known_ = size_;
      }
      p = skip_blanks(p + 1, end);
      if (p == end) return nullptr;
      if (*p == ',') {
        ++p;
      } else if (*p != '}') {
        return nullptr;
      }
    }
  }
  void clear() noexcept { size_ = 0; }
  /// Call before another text: nothing of the last one may be looked at any more.
  void forget() noexcept { size_ = known_ = 0; }

 private:
  std::array<Label, kLabels> labels_;
  std::size_t size_ = 0;
  std::size_t known_ = 0;  // labels_[0, known_) point into the current text
};

/// Reads what follows the labels. False when it is broken.
inline bool read_value(const char* p, const char* end, double& value) noexcept {
  p = skip_blanks(p, end);
  const Decimal number = read_decimal(p, end);
  if (number.end == nullptr) return false;
  value = number.value;
  p = number.end;
  if (p == end) return true;
  if (!is_blank(*p)) return false;
  p = skip_blanks(p, end);
  if (p == end || *p == '#') return true;
  const Decimal timestamp = read_decimal(p, end);
  if (timestamp.end == nullptr) return false;
  p = skip_blanks(timestamp.end, end);
  return p == end || *p == '#';
}

}  // namespace kthena::engine::detail
