#include "kthena/route/policies/weighted_random.hpp"

#include "by_chance.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

TEST_CASE("weighted random draws in proportion to the total", "[route][weighted-random]") {
  const PoolSnapshot pool = pool_of_scores({50, 0, 25, 100, 25});
  const auto counts = shares(picking({"weighted-random"}), pool, 40000);
  CHECK(counts[1] == 0);
  CHECK(chi_square({counts[0], counts[2], counts[3], counts[4]}, {0.25, 0.125, 0.5, 0.125}) < 16.3);  // 3 degrees
  Workspace workspace;
  const Decision decision = picking({"weighted-random"}).decide(pool, {"request"}, workspace);
  check_ranking(decision, 5);
  CHECK(decision.reason == Reason{ReasonCode::weighted_drawn, 0, decision.score, decision.score / 200});
}

TEST_CASE("weighted random: no total above 0 is as likely as any other", "[route][weighted-random][ties]") {
  const PoolSnapshot pool = pool_of_scores(std::vector<double>(8, 0));
  CHECK(chi_square(shares(picking({"weighted-random"}), pool, 40000)) < 24.3);  // 7 degrees of freedom
  Workspace workspace;
  CHECK(picking({"weighted-random"}).decide(pool, {"request"}, workspace).reason ==
        Reason{ReasonCode::weighted_drawn, 0, 0, 0.125});
}

TEST_CASE("weighted random: equals share alike", "[route][weighted-random][ties]") {
  CHECK(chi_square(shares(picking({"weighted-random"}), pool_of_scores(std::vector<double>(8, 40)), 40000)) < 24.3);
  CHECK(chi_square_of_changing_sets(picking({"weighted-random"})) < 20.5);
}
