// include/kthena/route/policies/truncate.hpp
//
// What Kthena's plugins share: a score is computed in float64 in a stated order, then truncated towards zero as Go's int() does.
#pragma once

#include <cstdint>

namespace kthena::route {

/// Truncates |value| < 2^31 towards zero; NaN stays NaN (abstains). Written so that loops over it become vector code without SSE4.1.
inline double truncate_score(double value) noexcept {
  const double known = value == value ? value : 0;
  const double whole = static_cast<double>(static_cast<std::int32_t>(known));
  return value == value ? whole : value;
}

}  // namespace kthena::route
