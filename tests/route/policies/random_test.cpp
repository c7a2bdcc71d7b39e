#include "kthena/route/policies/random.hpp"

#include "../statistics.hpp"
#include "../support.hpp"

using namespace kthena::route;
using namespace kthena::route::test;

TEST_CASE("random gives whole numbers 0 to 100, all alike", "[route][random]") {
  const PoolSnapshot pool = plain_pool(10);
  std::vector<std::uint64_t> seen(101);
  for (std::uint64_t sequence = 0; sequence < 10100; ++sequence) {
    for (const double score : opinions(Random(), pool, asking("request-7", 3, sequence))) {
      REQUIRE(score >= 0);
      REQUIRE(score <= 100);
      REQUIRE(score == static_cast<int>(score));
      ++seen[static_cast<std::size_t>(score)];
    }
  }
  CHECK(chi_square(seen) < 149.4);  // 100 degrees of freedom, 0.1 %
}

TEST_CASE("random hangs on seed, request id and sequence number alone", "[route][random]") {
  const PoolSnapshot pool = plain_pool(20);
  const auto base = opinions(Random(), pool, asking("request-7", 1));
  Request later = asking("request-7", 1);
  later.now_ns = 999;
  CHECK(base == opinions(Random(), pool, later));
  CHECK(base != opinions(Random(), pool, asking("request-7", 2)));
  CHECK(base != opinions(Random(), pool, asking("request-8", 1)));
  CHECK(base != opinions(Random(), pool, asking("request-7", 1, 1)));

  // One endpoint more changes nobody else's number.
  std::vector<Endpoint> rows = {row("pod-100")};
  for (int i = 0; i < 20; ++i) rows.push_back(row("pod-" + std::to_string(i)));
  const PoolSnapshot larger = pool_of(rows);
  const auto more = opinions(Random(), larger, asking("request-7", 1));
  for (std::uint32_t i = 0; i < pool.size(); ++i) CHECK(more[larger.find(pool.id({i})).value] == base[i]);
}

TEST_CASE("random preset spreads over three endpoints as Kthena's end-to-end test asks", "[route][random]") {
  const PoolSnapshot pool = plain_pool(3);
  const Policy policy = preset_policy("random");
  Workspace workspace;
  std::vector<std::uint64_t> hits(3);
  for (int i = 0; i < 9000; ++i) {
    const std::string id = "request-" + std::to_string(i);
    ++hits[policy.decide(pool, {id}, workspace).endpoint.value];
  }
  for (const std::uint64_t count : hits) CHECK(std::fabs(static_cast<double>(count) / 9000 - 1.0 / 3) < 0.10);
  CHECK(chi_square(hits) < 13.8);  // 2 degrees of freedom, 0.1 %
}
