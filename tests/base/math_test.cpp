// exp_fixed and log_fixed against the C library in long double, over many random and all awkward arguments.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "catch.hpp"
#include "kthena/base/math.hpp"
#include "kthena/base/random.hpp"

using namespace kthena;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// |got - truth| in units in the last place of a double near the truth (of a subnormal: of the smallest).
double ulps(double got, long double truth) {
  const int exponent = std::max(std::ilogb(truth), std::numeric_limits<double>::min_exponent - 1);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - truth) / std::ldexp(1.0L, exponent - 52));
}

/// What a reference adds where long double is no wider than double.
constexpr double kReferenceUlps = std::numeric_limits<long double>::digits > 60 ? 0.001 : 1;
constexpr double kMaxUlps = 1 + kReferenceUlps;

double random_in(RandomStream& random, double low, double high) { return low + (high - low) * random.next_double(); }

}  // namespace

TEST_CASE("exp_fixed is within the stated error over its whole range", "[base]") {
  RandomStream random(1, 1);
  double worst = 0;
  double at = 0;
  const auto check = [&](double x) {
    const double error = ulps(exp_fixed(x), std::exp(static_cast<long double>(x)));
    if (error > worst) {
      worst = error;
      at = x;
    }
  };
  for (int i = 0; i < 400'000; ++i) {
    check(random_in(random, -745.1, 709.78));
    check(random_in(random, -40, 40));
    check(random_in(random, -1, 1));
    check(random_in(random, -745.1, -707));  // results that are subnormal
    check(std::ldexp(random_in(random, -1, 1), -static_cast<int>(random.next_below(60))));
    // Next to the places where the number of halvings changes.
    check((static_cast<double>(random.next_below(2000)) - 1000.5) * 0.6931471805599453 *
          random_in(random, 1 - 1e-15, 1 + 1e-15));
  }
  INFO("worst " << worst << " ulp at " << at);
  CHECK(worst <= kMaxUlps);
}

TEST_CASE("exp_fixed at the edges", "[base]") {
  CHECK(exp_fixed(0) == 1);
  CHECK(exp_fixed(-0.0) == 1);
  CHECK(exp_fixed(1) == std::exp(1.0));
  CHECK(exp_fixed(kInfinity) == kInfinity);
  CHECK(exp_fixed(-kInfinity) == 0);
  CHECK(exp_fixed(kNan) != exp_fixed(kNan));
  CHECK(exp_fixed(709.782712893384) < kInfinity);
  CHECK(ulps(exp_fixed(709.782712893384), std::exp(static_cast<long double>(709.782712893384))) <= kMaxUlps);
  CHECK(exp_fixed(std::nextafter(709.782712893384, 710)) == kInfinity);
  CHECK(exp_fixed(1e308) == kInfinity);
  CHECK(exp_fixed(-745.13321910194) == std::numeric_limits<double>::denorm_min());
  CHECK(exp_fixed(-745.2) == 0);
  CHECK(exp_fixed(-1e308) == 0);
  CHECK(exp_fixed(std::numeric_limits<double>::denorm_min()) == 1);
  for (double x = -745; x < 709; x += 0.5) CHECK(exp_fixed(x) <= exp_fixed(x + 0.5));
  static_assert(exp_fixed(0) == 1);
}

TEST_CASE("log_fixed is within the stated error over its whole range", "[base]") {
  RandomStream random(1, 2);
  double worst = 0;
  double at = 0;
  const auto check = [&](double x) {
    const double error = ulps(log_fixed(x), std::log(static_cast<long double>(x)));
    if (error > worst) {
      worst = error;
      at = x;
    }
  };
  for (int i = 0; i < 400'000; ++i) {
    check(
        std::bit_cast<double>(random.next_below(0x7FF0000000000000ull - 1) + 1));  // every positive number, by its bits
    check(std::bit_cast<double>(random.next_below(0x0010000000000000ull - 1) + 1));  // subnormal
    check(random_in(random, 0.5, 2));
    const double near_one = random_in(random, 1 - 1e-3, 1 + 1e-3);
    if (near_one != 1) check(near_one);
    check(1 - random.next_double());
    check(std::ldexp(1.4142135623730951, static_cast<int>(random.next_below(100)) - 50) *
          random_in(random, 1 - 1e-15, 1 + 1e-15));
  }
  for (int i = 1; i <= 1000; ++i) {
    double up = 1;
    double down = 1;
    for (int step = 0; step < i % 50 + 1; ++step) {
      up = std::nextafter(up, 2);
      down = std::nextafter(down, 0);
    }
    check(up);
    check(down);
    check(i + 1);
  }
  INFO("worst " << worst << " ulp at " << at);
  CHECK(worst <= kMaxUlps);
}

TEST_CASE("log_fixed at the edges", "[base]") {
  CHECK(log_fixed(1) == 0);
  CHECK(log_fixed(0) == -kInfinity);
  CHECK(log_fixed(-0.0) == -kInfinity);
  CHECK(log_fixed(-1) != log_fixed(-1));
  CHECK(log_fixed(-kInfinity) != log_fixed(-kInfinity));
  CHECK(log_fixed(kNan) != log_fixed(kNan));
  CHECK(log_fixed(kInfinity) == kInfinity);
  CHECK(log_fixed(2) == std::log(2.0));
  CHECK(log_fixed(std::numeric_limits<double>::max()) == std::log(std::numeric_limits<double>::max()));
  CHECK(ulps(log_fixed(std::numeric_limits<double>::denorm_min()), std::log(0x1p-1074L)) <= kMaxUlps);
  CHECK(ulps(log_fixed(std::numeric_limits<double>::min()), std::log(0x1p-1022L)) <= kMaxUlps);
  static_assert(log_fixed(1) == 0);
}

TEST_CASE("exp_fixed and log_fixed have these bits everywhere", "[base]") {
  // Facts: a compiler that contracts or reorders gives others.
  CHECK(std::bit_cast<std::uint64_t>(exp_fixed(0.1)) == 0x3FF1AEC7B35A00D4ull);
  CHECK(std::bit_cast<std::uint64_t>(exp_fixed(-12.345)) == 0x3ED240572F47CB82ull);
  CHECK(std::bit_cast<std::uint64_t>(exp_fixed(-740.5)) == 51ull);
  CHECK(std::bit_cast<std::uint64_t>(log_fixed(0.1)) == 0xC0026BB1BBB55515ull);
  CHECK(std::bit_cast<std::uint64_t>(log_fixed(3)) == 0x3FF193EA7AAD030Aull);
  CHECK(std::bit_cast<std::uint64_t>(log_fixed(1e-310)) == 0xC0864E69394D9508ull);
}
