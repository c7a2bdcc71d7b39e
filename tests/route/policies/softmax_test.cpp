#include "kthena/route/policies/softmax.hpp"

#include "by_chance.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

TEST_CASE("softmax draws with its probabilities", "[route][softmax]") {
  const std::vector<double> scores = {90, 80, 70, 60, 0};
  const PoolSnapshot pool = pool_of_scores(scores);
  std::vector<double> probabilities;
  double sum = 0;
  for (const double score : scores) probabilities.push_back(std::exp((score - 90) / 20));
  for (const double p : probabilities) sum += p;
  for (double& p : probabilities) p /= sum;
  const Policy policy = picking({"softmax", 1, {{"temperature", 20}}});
  CHECK(chi_square(shares(policy, pool, 40000), probabilities) < 18.5);  // 4 degrees of freedom

  Workspace workspace;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Decision decision = policy.decide(pool, asking("request", seed), workspace);
    check_ranking(decision, 5);
    CHECK(decision.reason.code == ReasonCode::softmax_drawn);
    CHECK(decision.reason.a == decision.score);
    CHECK(std::abs(decision.reason.b - probabilities[decision.endpoint.value]) < 1e-15);
    CHECK(decision.margin == 0);
    for (std::size_t i = 1; i + 1 < 5; ++i) CHECK(decision.ranked[i].value < decision.ranked[i + 1].value);
  }
}

TEST_CASE("softmax of 0 points is the best score", "[route][softmax]") {
  const PoolSnapshot pool = pool_of_scores({50, 90, 90, 10});
  const Policy cold = picking({"softmax", 1, {{"temperature", 0}}});
  const Policy best = picking({"best-score"});
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < 200; ++seed)
    CHECK(cold.decide(pool, asking("request", seed), workspace) ==
          best.decide(pool, asking("request", seed), workspace));
}

TEST_CASE("softmax: equals share alike", "[route][softmax][ties]") {
  CHECK(chi_square(shares(picking({"softmax"}), pool_of_scores(std::vector<double>(8, 40)), 40000)) < 24.3);
  CHECK(chi_square_of_changing_sets(picking({"softmax"})) < 20.5);
}

TEST_CASE("softmax: totals of any size", "[route][softmax]") {
  for (const double weight : {1e-300, 1.0, 1e9}) {
    const Policy policy = policy_of({"", {}, {{"gpu-usage", weight}}, {"softmax", 1, {{"temperature", 1e-9}}}});
    Workspace workspace;
    const Decision decision = policy.decide(pool_of_scores({10, 90, 50}), {"request"}, workspace);
    CHECK(decision.outcome == Outcome::kRouted);
    if (weight == 1.0) CHECK(decision.endpoint.value == 1);
  }
}
