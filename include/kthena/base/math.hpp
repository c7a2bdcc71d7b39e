// include/kthena/base/math.hpp
//
// exp and log with a fixed order of operations, so that scores and simulated times have the same bits on every machine and in every
// language. Plain IEEE doubles, no fused operations (targets are built with -ffp-contract=off), no libm.
// Error against the true value: below 1 unit in the last place over the whole range; the worst seen is 0.83 (tests/base/math_test.cpp).
#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>
#include <limits>

namespace kthena {

/// Natural logarithm. log of 0 is -infinity, of a negative number or NaN it is NaN.
constexpr double log_fixed(double x) noexcept {
  if (!(x > 0)) return x == 0 ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  if (x > std::numeric_limits<double>::max()) return x;
  int exponent = 0;
  if (x < std::numeric_limits<double>::min()) {  // subnormal
    x *= 0x1p54;
    exponent = -54;
  }
  auto bits = std::bit_cast<std::uint64_t>(x);
  exponent += static_cast<int>(bits >> 52) - 1023;
  bits = (bits & 0x000FFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
  double m = std::bit_cast<double>(bits);  // [1, 2)
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  // log m = 2 atanh s, s = (m-1)/(m+1), |s| <= 0.1716. With f = m-1 the leading terms are f - f*f/2 exactly enough:
  // log m = f - (f*f/2 - s * (f*f/2 + r)), r = the tail of the series (the arrangement of fdlibm's e_log.c).
  const double f = m - 1;
  const double s = f / (2 + f);
  const double z = s * s;
  double tail = 2.0 / 21;  // what the next term would add is below 1e-19
  for (const double odd : {19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0}) tail = tail * z + 2.0 / odd;
  tail *= z;
  const double half = 0.5 * f * f;
  constexpr double kLn2High = 6.93147180369123816490e-01;
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  const double k = exponent;
  return k * kLn2High - ((half - (s * (half + tail) + k * kLn2Low)) - f);
}

/// e to the power of x. Overflow gives +infinity, underflow goes to 0 through the subnormals, NaN stays NaN.
constexpr double exp_fixed(double x) noexcept {
  if (x != x) return x;
  if (x > 709.782712893384) return std::numeric_limits<double>::infinity();
  if (x < -745.1332191019411) return 0;
  const double scaled = x * 1.44269504088896338700e+00;
  const int k = static_cast<int>(scaled + (scaled < 0 ? -0.5 : 0.5));
  const double kd = k;
  const double high = x - kd * 6.93147180369123816490e-01;
  const double low = kd * 1.90821492927058770002e-10;
  const double r = high - low;  // |r| <= ln2/2
  // Taylor's series to r^13 by Horner; the first two terms are added last.
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  const double correction = (high - r) - low;  // what r lost in rounding
  double y = 1 + (r + (r * r * p + correction * (1 + r)));
  const auto scale = [](double value, int by) {
    return value * std::bit_cast<double>(static_cast<std::uint64_t>(by + 1023) << 52);
  };
  if (k > 1023) return scale(scale(y, 1023), k - 1023);
  if (k < -1022) return scale(scale(y, -969), k + 969);
  return scale(y, k);
}

}  // namespace kthena
