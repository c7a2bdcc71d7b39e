#include "kthena/route/policies/round_robin.hpp"

#include "../support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

TEST_CASE("round-robin gives each endpoint every n-th request", "[route][round-robin]") {
  const Policy policy = preset_policy("round-robin");
  Workspace workspace;
  for (const std::size_t size : {1u, 2u, 3u, 7u, 16u, 33u}) {
    const PoolSnapshot pool = plain_pool(size);
    Request request{"request"};
    for (request.sequence = 0; request.sequence < 3 * size; ++request.sequence) {
      const Decision decision = policy.decide(pool, request, workspace);
      INFO("of " << size << ", sequence " << request.sequence);
      REQUIRE(decision.outcome == Outcome::kRouted);
      REQUIRE(decision.endpoint.value == request.sequence % size);
      REQUIRE(decision.ranked_count == std::min<std::size_t>(size, 5));
      for (std::size_t i = 0; i < decision.ranked_count; ++i)
        REQUIRE(decision.ranked[i].value == (request.sequence + i) % size);
      REQUIRE(decision.margin == 0);
      REQUIRE(decision.reason.code == (size == 1 ? ReasonCode::only_candidate : ReasonCode::round_robin));
    }
  }
}

TEST_CASE("round-robin takes turns among those that are left", "[route][round-robin]") {
  const PoolSnapshot pool = pool_of({row("a"), row("b", {{Signal::kWaiting, 99}}), row("c"), row("d")});
  const Policy policy = policy_of({"", {{"least-request"}}, {}, {"round-robin"}, 2});
  Workspace workspace;
  std::string order;
  Request request{"request"};
  for (request.sequence = 0; request.sequence < 6; ++request.sequence)
    order += pool.id(policy.decide(pool, request, workspace).endpoint);
  CHECK(order == "acdacd");
}
