// include/kthena/route/policies/truncate.hpp
//
// What Kthena's plugins share: a score is computed in float64 in a stated order, then truncated towards zero as Go's int() does. All of
// them are at least 0.
#pragma once

namespace kthena::route {

/// Truncates a value in [0, 2^51); NaN stays NaN (abstains). Adding 2^52 rounds to a whole number, which is then at most 1 too large:
/// three operations without a branch or a libm call, so that loops over it become vector code on every machine.
inline double truncate_score(double value) noexcept {
  constexpr double kTwo52 = 4503599627370496.0;
  const double rounded = (value + kTwo52) - kTwo52;
  return rounded - (rounded > value ? 1.0 : 0.0);
}

}  // namespace kthena::route
