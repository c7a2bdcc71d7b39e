#include "kthena/route/policies/gpu_usage.hpp"

#include "../support.hpp"

using namespace kthena::route;
using namespace kthena::route::test;

TEST_CASE("gpu-usage scores what is free, in per cent, truncated", "[route][gpu-usage]") {
  struct Row {
    double usage;
    double missing_usage;
    double expected;
  };
  const Row table[] = {
      {0, kMissing, 100},  {0.5, kMissing, 50},  {1, kMissing, 0},           {0.9, kMissing, 9},  // 9.999999999999998
      {0.99, kMissing, 1}, {0.7, kMissing, 30},  {0.995, kMissing, 0},       {1e-17, kMissing, 100},
      {0.001, 0, 99},      {kMissing, 0, 100},   {kMissing, 0.25, 75},       {kMissing, 1, 0},
      {0.25, 1, 75},       {0.83, kMissing, 17}, {kMissing, kMissing, kNaN},
  };
  for (const Row& entry : table) {
    INFO("usage " << entry.usage << ", where missing " << entry.missing_usage);
    const PoolSnapshot pool =
        is_missing(entry.usage) ? pool_of({row("a")}) : pool_of({row("a", {{Signal::kKvUsage, entry.usage}})});
    CHECK(same(opinions(GpuUsage({entry.missing_usage}), pool), {entry.expected}));
  }
}

TEST_CASE("gpu-usage equals Go's conversion at every thousandth", "[route][gpu-usage]") {
  std::vector<Endpoint> rows;
  for (int i = 0; i <= 1000; ++i)
    rows.push_back(row("e" + std::to_string(10000 + i), {{Signal::kKvUsage, i / 1000.0}}));
  const auto scores = opinions(GpuUsage(), pool_of(rows));
  for (int i = 0; i <= 1000; ++i) {
    INFO(i << " thousandths");
    REQUIRE(scores[static_cast<std::size_t>(i)] == static_cast<int>((1 - i / 1000.0) * 100));
  }
}
