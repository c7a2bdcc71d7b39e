#include "kthena/route/policies/power_of_k.hpp"

#include "by_chance.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

TEST_CASE("power of k takes the best of k", "[route][power-of-k]") {
  // The best is taken whenever it is drawn, the j-th when it is drawn and none before it: binomial(n - j, k - 1) / binomial(n, k).
  const PoolSnapshot pool = pool_of_scores({90, 80, 70, 60, 50});
  const auto of_two = shares(picking({"power-of-k"}), pool, 40000);
  CHECK(of_two[4] == 0);
  CHECK(chi_square({of_two[0], of_two[1], of_two[2], of_two[3]}, {0.4, 0.3, 0.2, 0.1}) < 16.3);  // 3 degrees of freedom
  const auto of_three = shares(picking({"power-of-k", 1, {{"k", 3}}}), pool, 40000);
  CHECK(of_three[3] + of_three[4] == 0);
  CHECK(chi_square({of_three[0], of_three[1], of_three[2]}, {0.6, 0.3, 0.1}) < 13.8);  // 2 degrees of freedom
}

TEST_CASE("power of k ranks its sample first", "[route][power-of-k]") {
  const PoolSnapshot pool = pool_of_scores({90, 80, 70, 60, 50, 40});
  const Policy policy = picking({"power-of-k", 1, {{"k", 3}}}, 16);
  Workspace workspace;
  std::vector<std::uint64_t> pairs(36);
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    const Decision decision = policy.decide(pool, asking("request", seed), workspace);
    check_ranking(decision, 6);
    for (const std::size_t i : {0u, 1u, 3u, 4u}) REQUIRE(decision.ranked[i].value < decision.ranked[i + 1].value);
    REQUIRE(decision.reason == Reason{ReasonCode::best_of_sample, 0, decision.score, 3});
    REQUIRE(decision.margin == 10.0 * (decision.ranked[1].value - decision.ranked[0].value));
    for (const std::size_t i : {0u, 1u, 2u})
      for (const std::size_t j : {0u, 1u, 2u})
        if (i < j) ++pairs[decision.ranked[i].value * 6 + decision.ranked[j].value];
  }
  std::vector<std::uint64_t> drawn;
  for (std::size_t i = 0; i < 6; ++i)
    for (std::size_t j = i + 1; j < 6; ++j) drawn.push_back(pairs[i * 6 + j]);
  CHECK(chi_square(drawn) < 36.1);  // 14 degrees of freedom: each pair as often
}

TEST_CASE("power of as many as there are is the best score", "[route][power-of-k]") {
  const PoolSnapshot pool = pool_of_scores({50, 90, 90, 10});
  const Policy all = picking({"power-of-k", 1, {{"k", 16}}});
  const Policy best = picking({"best-score"});
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Decision a = all.decide(pool, asking("request", seed), workspace);
    const Decision b = best.decide(pool, asking("request", seed), workspace);
    CHECK(a.ranked == b.ranked);
    CHECK(a.margin == b.margin);
    CHECK(a.reason == Reason{ReasonCode::best_of_sample, 0, 90, 4});
  }
}

TEST_CASE("a candidate that was not drawn and goes changes nothing", "[route][power-of-k]") {
  const PoolSnapshot pool = pool_of_scores({90, 80, 70, 60, 50, 40});
  const Policy policy = picking({"power-of-k"}, 16);
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Decision before = policy.decide(pool, asking("request", seed), workspace);
    const std::string_view gone = pool.id(before.ranked[2 + seed % 4]);
    std::vector<Endpoint> rows;
    for (std::size_t i = 0; i < 6; ++i)
      if (pool.ids()[i] != gone) rows.push_back(row(pool.ids()[i], {{Signal::kKvUsage, pool.view().values[2][i]}}));
    const PoolSnapshot rest = pool_of(rows);
    const Decision after = policy.decide(rest, asking("request", seed), workspace);
    CHECK(rest.id(after.endpoint) == pool.id(before.endpoint));
    CHECK(rest.id(after.ranked[1]) == pool.id(before.ranked[1]));
  }
}

TEST_CASE("power of k: equals share alike", "[route][power-of-k][ties]") {
  CHECK(chi_square(shares(picking({"power-of-k"}), pool_of_scores(std::vector<double>(8, 40)), 40000)) < 24.3);
  CHECK(chi_square_of_changing_sets(picking({"power-of-k"})) < 20.5);
}
