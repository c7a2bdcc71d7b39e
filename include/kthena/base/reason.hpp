// include/kthena/base/reason.hpp
//
// Reason: why a decision came out as it did. Codes come from reasons.def, one registry for all areas and languages.
#pragma once

#include <cstdint>
#include <string_view>

namespace kthena {

enum class ReasonCode : std::int32_t {
#define KTHENA_REASON(code, name, text, numbers) name = code,
#include "kthena/base/reasons.def"
#undef KTHENA_REASON
};

/// A code, what it is about (an index whose meaning the code states; 0 if none) and the two numbers behind it.
struct Reason {
  ReasonCode code = ReasonCode::none;
  std::uint32_t subject = 0;
  double a = 0;
  double b = 0;

  friend bool operator==(const Reason&, const Reason&) = default;
};

/// The name as in reasons.def ("best_score"); empty for a code that is not in the registry.
constexpr std::string_view reason_name(ReasonCode code) noexcept {
  switch (code) {
#define KTHENA_REASON(code, name, text, numbers) \
  case ReasonCode::name:                         \
    return #name;
#include "kthena/base/reasons.def"
#undef KTHENA_REASON
  }
  return {};
}

/// One sentence for people; empty for a code that is not in the registry.
constexpr std::string_view reason_text(ReasonCode code) noexcept {
  switch (code) {
#define KTHENA_REASON(code, name, text, numbers) \
  case ReasonCode::name:                         \
    return text;
#include "kthena/base/reasons.def"
#undef KTHENA_REASON
  }
  return {};
}

/// What subject, a and b of a Reason with this code are ("a = score"); empty where it has none.
constexpr std::string_view reason_numbers(ReasonCode code) noexcept {
  switch (code) {
#define KTHENA_REASON(code, name, text, numbers) \
  case ReasonCode::name:                         \
    return numbers;
#include "kthena/base/reasons.def"
#undef KTHENA_REASON
  }
  return {};
}

}  // namespace kthena
