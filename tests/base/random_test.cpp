// Counter-based random numbers: facts, uniformity, independence of streams.
#include <bit>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include "catch.hpp"
#include "kthena/base/random.hpp"

using namespace kthena;

namespace {

/// Chi-square of counts against a flat distribution, in standard deviations above its mean (Wilson and Hilferty's approximation).
double chi_square_sigmas(const std::vector<std::uint64_t>& counts) {
  double total = 0;
  for (const std::uint64_t count : counts) total += static_cast<double>(count);
  const double expected = total / static_cast<double>(counts.size());
  double sum = 0;
  for (const std::uint64_t count : counts) sum += std::pow(static_cast<double>(count) - expected, 2) / expected;
  const double freedom = static_cast<double>(counts.size() - 1);
  return (std::cbrt(sum / freedom) - (1 - 2 / (9 * freedom))) / std::sqrt(2 / (9 * freedom));
}

}  // namespace

TEST_CASE("random_u64 is the same in every language", "[base]") {
  // Facts, computed by a Python model of the definition.
  CHECK(random_u64(0, 0, 0) == 0x568A9B0B1A2C05ECull);
  CHECK(random_u64(0, 0, 1) == 0x44E5B8B147EF718Bull);
  CHECK(random_u64(0, 1, 0) == 0xA26AB114DB1F32CCull);
  CHECK(random_u64(1, 0, 0) == 0x6EC85F1F8547BC0Cull);
  CHECK(random_u64(42, 7, 1'000'000) == 0x65E3F63268D01D90ull);
  CHECK(random_u64(~0ull, ~0ull, ~0ull) == 0xDD48DE5B91A3FA85ull);
}

TEST_CASE("a stream reads what random_u64 says, and a copy is a fork", "[base]") {
  RandomStream stream(5, 6);
  for (std::uint64_t i = 0; i < 100; ++i) CHECK(stream.next_u64() == random_u64(5, 6, i));
  RandomStream fork = stream;
  CHECK(fork.next_u64() == stream.next_u64());
  (void)stream.next_u64();
  CHECK(fork.next_u64() == random_u64(5, 6, 101));
}

TEST_CASE("scale_to covers the range and nothing else", "[base]") {
  CHECK(scale_to(~0ull, 0) == 0);
  CHECK(scale_to(0, 10) == 0);
  CHECK(scale_to(~0ull, 10) == 9);
  CHECK(scale_to(~0ull, ~0ull) == ~0ull - 1);
  CHECK(scale_to(1ull << 63, 10) == 5);
  CHECK(scale_to((1ull << 63) - 1, 10) == 4);
  RandomStream stream(1, 1);
  CHECK(stream.next_below(0) == 0);
  CHECK(stream.next_below(1) == 0);
  for (int i = 0; i < 1000; ++i) CHECK(stream.next_below(7) < 7);
}

TEST_CASE("numbers are uniform in every byte, for neighbouring seeds and streams", "[base]") {
  for (const std::uint64_t seed : {0ull, 1ull, 2ull, 1ull << 63}) {
    for (const std::uint64_t stream : {0ull, 1ull, 1000ull}) {
      std::vector<std::vector<std::uint64_t>> counts(8, std::vector<std::uint64_t>(256));
      for (std::uint64_t i = 0; i < 100'000; ++i) {
        const std::uint64_t value = random_u64(seed, stream, i);
        for (std::size_t byte = 0; byte < 8; ++byte) ++counts[byte][value >> (8 * byte) & 255];
      }
      for (const auto& byte : counts) CHECK(std::fabs(chi_square_sigmas(byte)) < 4.5);
    }
  }
}

TEST_CASE("next_below is uniform for ranges that do not divide 2 to the 64", "[base]") {
  for (const std::uint64_t n : {3ull, 10ull, 100ull, 1009ull}) {
    std::vector<std::uint64_t> counts(n);
    RandomStream stream(n, 3);
    for (int i = 0; i < 300'000; ++i) ++counts[stream.next_below(n)];
    INFO("n " << n);
    CHECK(std::fabs(chi_square_sigmas(counts)) < 4.5);
  }
}

TEST_CASE("streams do not resemble one another", "[base]") {
  // Pairs of numbers at the same place of two streams, and at neighbouring places of one, fall evenly into 64 x 64 cells; bits agree
  // half the time.
  struct Pairing {
    const char* what;
    std::uint64_t (*first)(std::uint64_t);
    std::uint64_t (*second)(std::uint64_t);
  };
  const Pairing pairings[] = {
      {"streams 0 and 1", [](std::uint64_t i) { return random_u64(9, 0, i); },
       [](std::uint64_t i) { return random_u64(9, 1, i); }},
      {"seeds 0 and 1", [](std::uint64_t i) { return random_u64(0, 4, i); },
       [](std::uint64_t i) { return random_u64(1, 4, i); }},
      {"neighbours", [](std::uint64_t i) { return random_u64(9, 0, 2 * i); },
       [](std::uint64_t i) { return random_u64(9, 0, 2 * i + 1); }},
      {"stream i and i + 1", [](std::uint64_t i) { return random_u64(9, i, 0); },
       [](std::uint64_t i) { return random_u64(9, i + 1, 0); }},
      {"seed i and stream i", [](std::uint64_t i) { return random_u64(i, 9, 0); },
       [](std::uint64_t i) { return random_u64(9, i, 0); }},
      {"counter and stream", [](std::uint64_t i) { return random_u64(9, 1, i); },
       [](std::uint64_t i) { return random_u64(9, i, 1); }},
  };
  constexpr int kPairs = 400'000;
  for (const Pairing& pairing : pairings) {
    std::vector<std::uint64_t> high(4096);
    std::vector<std::uint64_t> low(4096);
    std::int64_t agreeing_bits = 0;
    for (std::uint64_t i = 0; i < kPairs; ++i) {
      const std::uint64_t a = pairing.first(i);
      const std::uint64_t b = pairing.second(i);
      ++high[(a >> 58) << 6 | b >> 58];
      ++low[(a & 63) << 6 | (b & 63)];
      agreeing_bits += 64 - std::popcount(a ^ b);
    }
    INFO(pairing.what);
    CHECK(std::fabs(chi_square_sigmas(high)) < 4.5);
    CHECK(std::fabs(chi_square_sigmas(low)) < 4.5);
    CHECK(std::fabs(static_cast<double>(agreeing_bits) - 32.0 * kPairs) < 4.5 * std::sqrt(16.0 * kPairs));
  }
}

TEST_CASE("no number repeats early", "[base]") {
  std::set<std::uint64_t> seen;
  for (std::uint64_t stream = 0; stream < 100; ++stream) {
    for (std::uint64_t i = 0; i < 1000; ++i) seen.insert(random_u64(1, stream, i));
  }
  CHECK(seen.size() == 100'000);
}

TEST_CASE("next_double and next_exponential have the stated distributions", "[base]") {
  RandomStream stream(3, 4);
  constexpr int kDraws = 400'000;
  std::vector<std::uint64_t> doubles(100);
  std::vector<std::uint64_t> exponentials(100);
  double sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = stream.next_double();
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    ++doubles[static_cast<std::size_t>(u * 100)];
    const double x = stream.next_exponential(2.5);
    REQUIRE(x >= 0);
    REQUIRE(std::isfinite(x));
    sum += x;
    ++exponentials[static_cast<std::size_t>((1 - std::exp(-x / 2.5)) *
                                            100)];  // its own distribution function makes it flat
  }
  CHECK(std::fabs(chi_square_sigmas(doubles)) < 4.5);
  CHECK(std::fabs(chi_square_sigmas(exponentials)) < 4.5);
  CHECK(std::fabs(sum / kDraws - 2.5) < 4.5 * 2.5 / std::sqrt(kDraws));
  // The largest draw there is: 53 zero bits less one unit.
  CHECK(-log_fixed(1 - (1 - 0x1p-53)) < 37);
}
