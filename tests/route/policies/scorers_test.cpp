// Laws of the scorers that tables of cases do not show. Figures: tests/vectors/route.
#include <set>

#include "../support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

PoolSnapshot with(Signal signal, const std::vector<double>& values) {
  std::vector<Endpoint> rows;
  for (std::size_t i = 0; i < values.size(); ++i) {
    rows.push_back(row("e" + std::to_string(100 + i)));
    if (!is_missing(values[i])) rows.back().set(signal, values[i]);
  }
  return pool_of(rows);
}

}  // namespace

TEST_CASE("queue finds both ends at every place of every size", "[route][min-max]") {
  for (std::size_t size = 2; size <= 13; ++size) {
    for (std::size_t low = 0; low < size; ++low) {
      for (std::size_t high = 0; high < size; ++high) {
        if (low == high) continue;
        std::vector<double> waiting(size, 2);
        std::vector<double> expected(size, 50);
        waiting[low] = 1;
        expected[low] = 100;
        waiting[high] = 3;
        expected[high] = 0;
        CHECK(same(opinions(Queue(), with(Signal::kWaiting, waiting)), expected));
      }
    }
  }
}

TEST_CASE("no-hit-lru ranks are a permutation", "[route][no-hit-lru]") {
  RandomStream random(8, 1);
  for (int round = 0; round < 100; ++round) {
    std::vector<double> turns(2 + random.next_below(30));
    for (std::size_t i = 0; i < turns.size(); ++i)
      turns[i] = random.next_below(3) == 0 ? kMissing : static_cast<double>(i * 7919 % 1009);
    const std::vector<double> scores = opinions(NoHitLru(), with(Signal::kColdTurn, turns));
    std::set<double> distinct(scores.begin(), scores.end());
    CHECK(distinct.size() == turns.size());
    CHECK(*distinct.begin() == 0);
    CHECK(*distinct.rbegin() == 100);
    for (std::size_t i = 0; i < turns.size(); ++i) {
      for (std::size_t j = 0; j < turns.size(); ++j) {
        if (is_missing(turns[i]) && !is_missing(turns[j])) CHECK(scores[i] > scores[j]);
        if (turns[i] < turns[j]) CHECK(scores[i] > scores[j]);
      }
    }
  }
}

TEST_CASE("prequal draws the line where a sorted list has it", "[route][prequal]") {
  RandomStream random(9, 1);
  for (int round = 0; round < 300; ++round) {
    std::vector<double> counts(1 + random.next_below(40));
    for (double& count : counts) count = static_cast<double>(random.next_below(12));
    const double quantile = static_cast<double>(random.next_below(101)) / 100;
    std::vector<double> sorted = counts;
    std::sort(sorted.begin(), sorted.end());
    const auto rank = static_cast<std::size_t>(std::ceil(quantile * static_cast<double>(counts.size())));
    const std::vector<double> scores =
        opinions(Prequal({.quantile = quantile, .unmeasured = 1}), with(Signal::kInFlight, counts));
    for (std::size_t i = 0; i < counts.size(); ++i)
      CHECK(scores[i] == (rank > 0 && counts[i] <= sorted[rank - 1] ? 75 : 50 / (1 + counts[i])));
  }
}

TEST_CASE("a deeper prefix never makes an endpoint worse", "[route][prefix][property]") {
  RandomStream random(10, 1);
  for (int round = 0; round < 200; ++round) {
    const PoolSnapshot pool = pool_of({row("a", {{Signal::kInFlight, static_cast<double>(random.next_below(9))},
                                                 {Signal::kUncachedTokens, static_cast<double>(random.next_below(900))},
                                                 {Signal::kPrefillTps, 1000},
                                                 {Signal::kDecodeTps, 100}}),
                                       row("b", {{Signal::kUncachedTokens, 50},
                                                 {Signal::kInFlight, 1},
                                                 {Signal::kPrefillTps, 900},
                                                 {Signal::kDecodeTps, 90}})});
    OwnedRequest request;
    request.prompt_tokens = static_cast<std::uint32_t>(1 + random.next_below(2000));
    request.prefix_total = 10;
    request.prefix = {0, static_cast<std::uint32_t>(random.next_below(11))};
    const auto scores = [&](std::uint32_t depth) {
      request.prefix[0] = depth;
      const Request asked = request.view();
      return std::array<double, 8>{
          opinions(PrefixRatio({1}), pool, asked)[0], opinions(PrefixTiers(), pool, asked)[0],
          opinions(CachedTokens(), pool, asked)[0],   opinions(TokenLoad(), pool, asked)[0],
          opinions(LMetric(), pool, asked)[0],        opinions(DynamoKv({.credit_decay = 0.5}), pool, asked)[0],
          opinions(Capability(), pool, asked)[0],     opinions(Preble(), pool, asked)[0]};
    };
    auto before = scores(0);
    for (std::uint32_t depth = 1; depth <= 12; ++depth) {
      const auto after = scores(depth);
      for (std::size_t s = 0; s < after.size(); ++s) {
        INFO("round " << round << ", depth " << depth << ", scorer " << s);
        CHECK(after[s] >= before[s]);
      }
      before = after;
    }
  }
}

TEST_CASE("lmetric decides alike when all prompts or all batches grow by a factor", "[route][lmetric]") {
  // (1023 + 1) * 2 against (511 + 1) * 3, then tokens + 1 and batch + 1 times 4.
  const auto better = [](double tokens_a, double tokens_b, double batch_a, double batch_b) {
    const PoolSnapshot pool = with(Signal::kInFlight, {batch_a, batch_b});
    OwnedRequest request;
    request.prompt_tokens = static_cast<std::uint32_t>(tokens_a);
    request.prefix_total = static_cast<std::uint32_t>(tokens_a);
    request.prefix = {0, static_cast<std::uint32_t>(tokens_a - tokens_b)};
    const std::vector<double> scores = opinions(LMetric(), pool, request.view());
    return scores[0] > scores[1] ? 'a' : 'b';
  };
  CHECK(better(1023, 511, 1, 2) == 'b');
  CHECK(better(4095, 2047, 1, 2) == 'b');
  CHECK(better(1023, 511, 7, 11) == 'b');
  CHECK(better(1023, 511, 1, 4) == 'a');
  CHECK(better(4095, 2047, 7, 19) == 'a');
}

TEST_CASE("topology takes the nearest level that agrees", "[route][topology]") {
  RandomStream random(14, 1);
  const char* const names[] = {"", "x", "y"};
  const double worth[] = {100, 20, 5, 2};
  for (int round = 0; round < 300; ++round) {
    Endpoint endpoint = row("a");
    OwnedRequest request;
    bool known = false;
    for (std::size_t level = 0; level < kPlaceLevels; ++level) {
      endpoint.place[level] = names[random.next_below(3)];
      request.near[level] = names[random.next_below(3)];
      known = known || !request.near[level].empty();
    }
    double expected = known ? 0 : kNaN;
    for (std::size_t level = kPlaceLevels; level-- > 0;)
      if (!request.near[level].empty() && request.near[level] == endpoint.place[level]) expected = worth[level];
    CHECK(same(opinions(Topology(), pool_of({endpoint}), request.view()), {expected}));
  }
}
