#include "kthena/route/policies/explore.hpp"

#include "by_chance.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

TEST_CASE("explore sends its share anywhere and the rest to the best", "[route][explore]") {
  const PoolSnapshot pool = pool_of_scores({90, 80, 70, 60});
  const Policy policy = picking({"explore", 1, {{"epsilon", 0.2}}});
  CHECK(chi_square(shares(policy, pool, 40000), {0.85, 0.05, 0.05, 0.05}) < 16.3);  // 3 degrees of freedom
  Workspace workspace;
  int explored = 0;
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    const Decision decision = policy.decide(pool, asking("request", seed), workspace);
    check_ranking(decision, 4);
    if (decision.reason.code == ReasonCode::explored) {
      ++explored;
      REQUIRE(decision.reason == Reason{ReasonCode::explored, 0, decision.score, 4});
      REQUIRE(decision.margin == 0);
    } else {
      REQUIRE(decision.reason == Reason{ReasonCode::best_score, 0, 90, 10});
    }
  }
  CHECK(std::abs(explored - 4000) < 187);  // 3.3 sigma
}

TEST_CASE("explore always and never", "[route][explore]") {
  const PoolSnapshot pool = pool_of_scores({90, 80, 70, 60});
  CHECK(chi_square(shares(picking({"explore", 1, {{"epsilon", 1}}}), pool, 40000)) < 16.3);
  CHECK(shares(picking({"explore", 1, {{"epsilon", 0}}}), pool, 1000)[0] == 1000);
}

TEST_CASE("explore: equals share alike", "[route][explore][ties]") {
  for (const double epsilon : {0.0, 0.3, 1.0}) {
    const Policy policy = picking({"explore", 1, {{"epsilon", epsilon}}});
    CHECK(chi_square(shares(policy, pool_of_scores(std::vector<double>(8, 40)), 40000)) < 24.3);
    CHECK(chi_square_of_changing_sets(policy) < 20.5);
  }
}
