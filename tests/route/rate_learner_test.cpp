// What an endpoint computes in a second, learned; and equal machines taken as equal.
#include "route/rate_learner.hpp"

#include <limits>
#include <vector>

#include "support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::detail;
using kthena::route::test::same;

namespace {

constexpr Duration kMs = kMillisecond;

std::vector<double> levelled(std::vector<double> rates, double gap = 1.25) {
  std::vector<std::uint32_t> order;
  level_rates(rates, gap, order);
  return rates;
}

}  // namespace

TEST_CASE("a prefill rate is known after enough prompts with nothing in front", "[route][rates]") {
  RateLearner rates;
  CHECK(is_missing(rates.prefill_tps()));
  for (int i = 0; i < 15; ++i) rates.add_first_token(1000, 1000, 100 * kMs);
  CHECK(is_missing(rates.prefill_tps()));
  rates.add_first_token(1000, 1000, 100 * kMs);
  CHECK(rates.prefill_tps() == Approx(10'000));
}

TEST_CASE("first tokens that say nothing are not looked at", "[route][rates]") {
  RateLearner rates;
  for (int i = 0; i < 16; ++i) rates.add_first_token(1000, 1000, 100 * kMs);
  const double before = rates.prefill_tps();
  for (int i = 0; i < 100; ++i) {
    rates.add_first_token(255, 255, kMs);    // too short
    rates.add_first_token(1000, 1001, kMs);  // something in front
    rates.add_first_token(1000, 1000, 0);    // no time
    rates.add_first_token(1000, 1000, -5);   // a clock that went back
    rates.add_first_token(0, 0, kMs);
  }
  CHECK(rates.prefill_tps() == before);
}

TEST_CASE("a learned rate follows a machine that became another", "[route][rates]") {
  RateLearner rates;
  for (int i = 0; i < 100; ++i) rates.add_first_token(1000, 1000, 100 * kMs);
  for (int i = 0; i < 400; ++i) rates.add_first_token(1000, 1000, 10 * kMs);
  CHECK(rates.prefill_tps() > 90'000);
  for (int i = 0; i < 400; ++i) rates.add_first_token(1000, 1000, 100 * kMs);
  CHECK(rates.prefill_tps() < 11'000);
}

TEST_CASE("a decode rate leaves out what others cost, and guesses nothing where they cost most of it",
          "[route][rates]") {
  RateLearner rates;
  for (int i = 0; i < 32; ++i) rates.add_answer(100, kSecond, 0, 0);  // without a prefill rate nothing is known
  CHECK(is_missing(rates.decode_tps()));
  for (int i = 0; i < 16; ++i) rates.add_first_token(1000, 1000, 100 * kMs);
  for (int i = 0; i < 7 * 16; ++i) {
    rates.add_answer(7, kSecond, 0, 0);
    rates.add_answer(100, 0, 0, 0);
    rates.add_answer(100, -kSecond, 0, 0);
    rates.add_answer(100, kSecond, 40, 0);  // 100 * 80 tokens of 10,000 a second are 0.8 s
  }
  CHECK(is_missing(rates.decode_tps()));
  // 100 tokens beside 10 sequences with 20,000 tokens of context: each step costs 20 + 20 tokens of 10,000 a second, 0.4 s of the second.
  for (int i = 0; i < 16; ++i) rates.add_answer(100, kSecond, 10, 20'000);
  CHECK(rates.decode_tps() == Approx(100 / 0.6));
}

TEST_CASE("rates that are alike are one, and one alone is none", "[route][rates]") {
  const double none = kMissing;
  CHECK(same(levelled({}), {}));
  CHECK(same(levelled({5}), {none}));
  CHECK(same(levelled({100, 120, 110, none}), {none, none, none, none}));
  CHECK(same(levelled({100, 1000, 120, none, 1100}), {110, 1050, 110, none, 1050}));
  CHECK(same(levelled({100, 126}), {100, 126}));
  CHECK(same(levelled({100, 125}), {none, none}));
  CHECK(same(levelled({100, 124, 150, 180}),
             {(100 + 124 + 150) / 3.0, (100 + 124 + 150) / 3.0, (100 + 124 + 150) / 3.0, 180}));
  CHECK(same(levelled({100, 150}, 2), {none, none}));
}

TEST_CASE("levelling does not hang on the order of endpoints", "[route][rates][property]") {
  RandomStream random(4, 2);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> rates(1 + random.next_below(12));
    for (double& rate : rates)
      rate = random.next_below(5) == 0 ? kMissing : 100 + static_cast<double>(random.next_below(900));
    std::vector<std::size_t> from(rates.size());
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = i;
    for (std::size_t i = from.size(); i > 1; --i) std::swap(from[i - 1], from[random.next_below(i)]);
    std::vector<double> turned(rates.size());
    for (std::size_t i = 0; i < from.size(); ++i) turned[i] = rates[from[i]];
    const std::vector<double> straight = levelled(rates);
    const std::vector<double> other = levelled(turned);
    for (std::size_t i = 0; i < from.size(); ++i) {
      const bool missing = is_missing(straight[from[i]]);
      REQUIRE(is_missing(other[i]) == missing);
      if (!missing) REQUIRE(other[i] == Approx(straight[from[i]]));
    }
  }
}
