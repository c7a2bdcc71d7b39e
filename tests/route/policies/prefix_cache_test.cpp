#include "kthena/route/policies/prefix_cache.hpp"

#include "../support.hpp"

using namespace kthena::route;
using namespace kthena::route::test;

using Depths = std::vector<std::uint32_t>;

namespace {

std::vector<double> by_history(const Depths& depths, std::uint32_t total) {
  const PoolSnapshot pool = plain_pool(depths.size());
  Request request;
  request.history = {depths, total};
  return opinions(PrefixCache(), pool, request);
}

}  // namespace

TEST_CASE("prefix-cache scores depth over total", "[route][prefix-cache]") {
  CHECK(same(by_history({7, 0, 13}, 13), {53, 0, 100}));        // Kthena: 7 of 13
  CHECK(same(by_history({3, 2, 1}, 3), {100, 66, 33}));         // Kthena: pods that hold 3, 2 and 1 of 3
  CHECK(same(by_history({5, 3, 2, 1}, 5), {100, 60, 40, 20}));  // Kthena: owners ever fewer
  CHECK(same(by_history({29, 57, 58}, 100), {28, 56, 57}));     // truncated, not rounded
  CHECK(same(by_history({9, 0}, 0), {0, 0}));                   // an empty prompt
  CHECK(same(by_history({10, 11, 0xFFFFFFFF}, 10), {100, 100, 100}));
  CHECK(same(by_history({kMaxBlocks, kMaxBlocks / 2, 1}, kMaxBlocks), {100, 49, 0}));
}

TEST_CASE("prefix-cache equals Go's conversion at every depth of every total", "[route][prefix-cache]") {
  for (std::uint32_t total = 1; total <= 128; ++total) {
    Depths depths;
    std::vector<double> expected;
    for (std::uint32_t depth = 0; depth <= total; ++depth) {
      depths.push_back(depth);
      expected.push_back(static_cast<int>((static_cast<double>(depth) / total) * 100));
    }
    const PoolSnapshot pool = plain_pool(depths.size());
    Request request;
    request.history = {depths, total};
    INFO("total " << total);
    REQUIRE(same(opinions(PrefixCache(), pool, request), expected));
  }
}

TEST_CASE("prefix-cache reads the history and kvcache-aware the engines' word", "[route][prefix-cache]") {
  const PoolSnapshot pool = plain_pool(2);
  const Depths prefix = {1, 4};
  const Depths history = {6, 3};
  Request request;
  CHECK(same(opinions(PrefixCache(), pool, request), {0, 0}));
  CHECK(same(opinions(KvCacheAware(), pool, request), {0, 0}));
  request.prefix = {prefix, 4};
  CHECK(same(opinions(PrefixCache(), pool, request), {25, 100}));
  CHECK(same(opinions(KvCacheAware(), pool, request), {25, 100}));
  request.history = {history, 6};
  CHECK(same(opinions(PrefixCache(), pool, request), {100, 50}));
  CHECK(same(opinions(KvCacheAware(), pool, request), {25, 100}));
  const Depths nobody = {0, 0};
  request.history = {nobody, 6};  // a prompt of six blocks that nobody was sent before
  CHECK(same(opinions(PrefixCache(), pool, request), {0, 0}));
  request.history = {{}, 6};  // without depths nothing is known, whatever the length
  CHECK(same(opinions(PrefixCache(), pool, request), {25, 100}));
  request.prefix = {};
  CHECK(same(opinions(KvCacheAware(), pool, request), {0, 0}));
}
