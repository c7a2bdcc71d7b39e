// Ties fall evenly, whatever they hang on. The inputs are fixed, so a passing bound passes for ever; bounds are those of 0.1 %.
#include "statistics.hpp"
#include "support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

/// Everyone ties: a policy whose only scorer has no weight.
Policy all_tied() { return policy_of({"", {}, {{"gpu-usage", 0}}}); }

}  // namespace

TEST_CASE("two of eight tied share alike", "[route][ties]") {
  std::vector<Endpoint> rows;
  for (int i = 0; i < 8; ++i)
    rows.push_back(row("e" + std::to_string(i), {{Signal::kKvUsage, i == 2 || i == 6 ? 0.1 : 0.5}}));
  const PoolSnapshot pool = pool_of(rows);
  const Policy policy = policy_of({"", {}, {{"gpu-usage"}}});
  Workspace workspace;
  constexpr int kDraws = 40000;
  int second = 0;
  for (int i = 0; i < kDraws; ++i) {
    const Decision decision = policy.decide(pool, {"request-" + std::to_string(i)}, workspace);
    REQUIRE(decision.reason == Reason{ReasonCode::tie_broken, 0, 90, 2});
    REQUIRE((decision.endpoint.value == 2 || decision.endpoint.value == 6));
    second += decision.endpoint.value == 6 ? 1 : 0;
  }
  CHECK(std::abs(second - kDraws / 2) < 3.3 * std::sqrt(kDraws) / 2);
}

TEST_CASE("all of eight tied share alike over ids, seeds and sequence numbers", "[route][ties]") {
  const PoolSnapshot pool = plain_pool(8);
  const Policy policy = all_tied();
  Workspace workspace;
  std::vector<std::uint64_t> by_id(8), by_seed(8), by_sequence(8), second(8), pairs(64);
  std::uint32_t last = 0;
  for (std::uint64_t i = 0; i < 40000; ++i) {
    const std::string id = "request-" + std::to_string(i);
    ++by_id[policy.decide(pool, {id}, workspace).endpoint.value];
    ++by_seed[policy.decide(pool, {.id = "request", .seed = i}, workspace).endpoint.value];
    Request request{"request"};
    request.sequence = i;
    const Decision decision = policy.decide(pool, request, workspace);
    ++by_sequence[decision.endpoint.value];
    ++second[decision.ranked[1].value];
    ++pairs[last * 8 + decision.endpoint.value];  // one request says nothing of the next
    last = decision.endpoint.value;
  }
  for (const auto* counts : {&by_id, &by_seed, &by_sequence, &second}) CHECK(chi_square(*counts) < 24.3);  // 7 degrees
  CHECK(chi_square(pairs) < 103.4);                                                                        // 63 degrees
}

TEST_CASE("a tied endpoint that goes leaves the order of the others", "[route][ties]") {
  const PoolSnapshot pool = plain_pool(8);
  const Policy policy = policy_of({"", {}, {{"gpu-usage", 0}}, {"best-score"}, 8});
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Decision before = policy.decide(pool, {.id = "request", .seed = seed}, workspace);
    std::vector<Endpoint> rows;
    std::vector<std::string> expected;
    for (std::size_t i = 1; i < 8; ++i) expected.emplace_back(pool.id(before.ranked[i]));
    for (const std::string& id : expected) rows.push_back(row(id));
    const PoolSnapshot rest = pool_of(rows);
    const Decision after = policy.decide(rest, {.id = "request", .seed = seed}, workspace);
    for (std::size_t i = 0; i < expected.size(); ++i) REQUIRE(rest.id(after.ranked[i]) == expected[i]);
  }
}

TEST_CASE("a random score says nothing of the tie order", "[route][ties]") {
  const PoolSnapshot pool = plain_pool(2);
  std::vector<std::uint64_t> counts(4);
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    const auto scores = opinions(Random(), pool, asking("request", seed));
    if (scores[0] == scores[1]) continue;
    const std::uint64_t key = request_key(asking("request", seed));
    const bool first_by_tie = tie_order(key, pool.view().keys[0]) < tie_order(key, pool.view().keys[1]);
    ++counts[(scores[0] > scores[1] ? 2u : 0u) + (first_by_tie ? 1u : 0u)];
  }
  CHECK(chi_square(counts) < 16.3);  // 3 degrees of freedom
}
