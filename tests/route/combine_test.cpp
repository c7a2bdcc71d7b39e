// Opinions made one total: product and tiers against the plain reading of their definition, in Policy and in Pipeline.
#include "support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

/// Says what it is told, by position.
struct Says {
  static constexpr std::string_view kName = "says";
  std::vector<double> scores;
  void score(const ScoreContext&, std::span<double> out) const noexcept {
    std::copy_n(scores.begin(), out.size(), out.begin());
  }
};

double bounded(double score) { return std::isfinite(score) ? std::clamp(score, 0.0, 100.0) : 0; }

/// A full order by tiers, the slow way: the group that is still in is narrowed tier by tier.
std::vector<double> tiers_by_hand(const std::vector<std::vector<double>>& said, const std::vector<double>& tolerances) {
  std::vector<double> totals(said[0].size());
  std::vector<std::size_t> in(totals.size());
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = i;
  for (std::size_t t = 0; t < said.size(); ++t) {
    double best = 0;
    for (const std::size_t i : in) best = std::max(best, bounded(said[t][i]));
    std::vector<std::size_t> on;
    for (const std::size_t i : in) {
      const double opinion = bounded(said[t][i]);
      totals[i] = 1000 * static_cast<double>(t) + opinion;
      if (opinion >= best - tolerances[t]) on.push_back(i);
    }
    in = on;
  }
  for (const std::size_t i : in) totals[i] = 1000 * static_cast<double>(said.size());
  return totals;
}

}  // namespace

TEST_CASE("tiers let those near the best go on", "[route][combine]") {
  const PoolSnapshot pool = plain_pool(5);
  const Pipeline policy(Filters{}, Tiers{Tier{Says{{90, 95, 100, 20, kNaN}}, 5}, Tier{Says{{0, 70, 60, 100, 100}}}},
                        BestScore{}, 16);
  Workspace workspace;
  const Decision decision = policy.decide(pool.view(), {"request"}, workspace);
  CHECK(decision.reason.code == ReasonCode::best_score);
  CHECK(decision.score == 2000);
  CHECK(decision.margin == 940);  // the other of the second tier stopped at 1060
  const std::vector<std::uint32_t> expected = {1, 2, 0, 3, 4};
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(decision.ranked[i].value == expected[i]);
}

TEST_CASE("who passes all tiers shares alike", "[route][combine]") {
  const PoolSnapshot pool = plain_pool(3);
  const Pipeline policy(Filters{}, Tiers{Tier{Says{{90, 95, 10}}, 10}});
  Workspace workspace;
  std::array<int, 3> taken{};
  for (std::uint64_t seed = 0; seed < 1000; ++seed)
    ++taken[policy.decide(pool.view(), asking("request", seed), workspace).endpoint.value];
  CHECK(taken[2] == 0);
  CHECK(std::abs(taken[0] - taken[1]) < 110);  // 3.4 sigma
}

TEST_CASE("tiers and products are what they say, for any opinions", "[route][combine][property]") {
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    RandomStream random(seed, 41);
    const PoolSnapshot pool = plain_pool(1 + random.next_below(20));
    const double odd[] = {kNaN, kInfinity, -kInfinity, -5, 105, 0, 100};
    std::vector<std::vector<double>> said(3, std::vector<double>(pool.size()));
    for (auto& scores : said)
      for (double& score : scores)
        score = random.next_below(6) == 0   ? odd[random.next_below(7)]
                : random.next_below(2) == 0 ? 100 * random.next_double()
                                            : static_cast<double>(random.next_below(5) * 25);
    std::vector<double> numbers;
    for (int i = 0; i < 3; ++i) numbers.push_back(random.next_below(3) == 0 ? 0 : random.next_double());
    INFO("seed " << seed);

    const Pipeline tiers(Filters{}, Tiers{Tier{Says{said[0]}, 30 * numbers[0]}, Tier{Says{said[1]}, 30 * numbers[1]},
                                          Tier{Says{said[2]}, 30 * numbers[2]}});
    const auto by_hand = tiers_by_hand(said, {30 * numbers[0], 30 * numbers[1], 30 * numbers[2]});
    const Decision by_tiers = tiers.decide(pool.view(), asking("request", seed), workspace);
    REQUIRE(by_tiers.score == *std::max_element(by_hand.begin(), by_hand.end()));
    for (std::size_t i = 0; i + 1 < by_tiers.ranked_count; ++i)
      REQUIRE(by_hand[by_tiers.ranked[i].value] >= by_hand[by_tiers.ranked[i + 1].value]);
    for (std::size_t i = 0; i < pool.size(); ++i) {  // nobody better is left out of the list
      const auto listed = by_tiers.ranking();
      if (std::find(listed.begin(), listed.end(), EndpointIndex{static_cast<std::uint32_t>(i)}) == listed.end())
        REQUIRE(by_hand[i] <= by_hand[listed.back().value]);
    }

    const Pipeline product(Filters{}, Factors{Weighted{Says{said[0]}, numbers[0]}, Weighted{Says{said[1]}, numbers[1]},
                                              Weighted{Says{said[2]}, numbers[2]}});
    const Decision by_product = product.decide(pool.view(), asking("request", seed), workspace);
    const auto total = [&](std::size_t i) {
      double result = 100;
      for (std::size_t s = 0; s < 3; ++s) result *= 1 - numbers[s] * (1 - bounded(said[s][i]) / 100);
      return result;
    };
    REQUIRE(by_product.score == total(by_product.endpoint.value));
    for (std::size_t i = 0; i < pool.size(); ++i) REQUIRE(total(i) <= by_product.score);
    REQUIRE(by_product.score >= 0);
    REQUIRE(by_product.score <= 100);
  }
}

TEST_CASE("Pipeline and Policy combine to the same bits", "[route][combine][property]") {
  const Pipeline product(
      Filters{LeastRequestFilter{}},
      Factors{Weighted{LeastRequest({100, 0}), 0.9}, Weighted{GpuUsage{}, 0.3}, Weighted{Random{}, 0.1}}, Softmax({7}),
      16);
  const Pipeline tiers(Filters{LeastRequestFilter{}},
                       Tiers{Tier{LeastRequest({100, 0}), 20}, Tier{PrefixCache{}, 0.5}, Tier{GpuUsage{}}},
                       PowerOfK({3}));
  PolicySpec spec{"",
                  {{"least-request"}},
                  {{"least-request", 0.9, {{"missing_requests", 0}}}, {"gpu-usage", 0.3}, {"random", 0.1}},
                  {"softmax", 1, {{"temperature", 7}}},
                  16,
                  Combine::kProduct};
  const Policy product_policy = policy_of(spec);
  spec = {"",
          {{"least-request"}},
          {{"least-request", 1, {{"missing_requests", 0}}, 20}, {"prefix-cache", 1, {}, 0.5}, {"gpu-usage"}},
          {"power-of-k", 1, {{"k", 3}}},
          5,
          Combine::kTiers};
  const Policy tiers_policy = policy_of(spec);
  Workspace one;
  Workspace other;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    RandomStream random(seed, 78);
    const PoolSnapshot pool = pool_of(random_rows(random, random.next_below(40)));
    const OwnedRequest request = random_request(random, pool.size());
    INFO("seed " << seed);
    REQUIRE(product.decide(pool.view(), request.view(), one) == product_policy.decide(pool, request.view(), other));
    REQUIRE(tiers.decide(pool.view(), request.view(), one) == tiers_policy.decide(pool, request.view(), other));
    const Explanation told = tiers_policy.explain(pool.view(), request.view());
    REQUIRE(told.decision == tiers_policy.decide(pool, request.view(), other));
    for (const CandidateExplanation& candidate : told.candidates) {
      double total = 0;
      for (const ScoreTerm& term : candidate.terms) total += term.contribution;
      if (candidate.rank > 0) REQUIRE(candidate.total == total);
    }
  }
}
