#include "kthena/route/policies/least_request.hpp"

#include "../support.hpp"

using namespace kthena::route;
using namespace kthena::route::test;

namespace {

struct Load {
  double first;   // in flight, or running for the formula of 2025-09
  double second;  // running, or waiting
};

PoolSnapshot fleet(Signal first, Signal second, const std::vector<Load>& loads) {
  std::vector<Endpoint> rows;
  for (std::size_t i = 0; i < loads.size(); ++i) {
    Endpoint endpoint = row("e" + std::to_string(100 + i));
    if (!is_missing(loads[i].first)) endpoint.set(first, loads[i].first);
    if (!is_missing(loads[i].second)) endpoint.set(second, loads[i].second);
    rows.push_back(std::move(endpoint));
  }
  return pool_of(rows);
}

struct Row {
  const char* what;
  std::vector<Load> loads;
  LeastRequestOptions options;
  std::vector<double> expected;
};

std::vector<std::size_t> kept(double max_waiting, const std::vector<double>& waiting) {
  std::vector<Endpoint> rows;
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    Endpoint endpoint = row("e" + std::to_string(100 + i));
    if (!is_missing(waiting[i])) endpoint.set(Signal::kWaiting, waiting[i]);
    rows.push_back(std::move(endpoint));
  }
  const PoolSnapshot pool = pool_of(rows);
  std::vector<std::uint8_t> keep(waiting.size(), 1);
  LeastRequestFilter({max_waiting}).filter(pool.view(), {}, keep);
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < keep.size(); ++i)
    if (keep[i] != 0) out.push_back(i);
  return out;
}

}  // namespace

TEST_CASE("least-request scores in flight and what of it waits", "[route][least-request]") {
  const Row table[] = {
      {"idle", {{0, 0}, {0, 0}, {0, 0}}, {}, {100, 100, 100}},
      {"one idle", {{0, 0}}, {}, {100}},
      {"one loaded", {{7, 7}}, {}, {0}},
      {"Kthena: 0 10 5", {{0, 0}, {10, 0}, {5, 0}}, {}, {100, 0, 50}},
      {"Kthena: 1 2 3", {{1, 0}, {2, 0}, {3, 0}}, {}, {66, 33, 0}},
      {"Kthena: with running", {{5, 5}, {5, 0}, {0, 0}}, {}, {99, 0, 100}},
      {"more runs than was sent", {{2, 30}, {4, 4}}, {}, {50, 0}},
      {"no weight on waiting", {{3, 0}, {4, 4}}, {0, kMissing}, {25, 0}},
      {"sent is missing", {{kMissing, 3}, {4, 4}}, {}, {kNaN, 0}},
      {"running is missing", {{400, kMissing}, {4, 4}, {2, 2}}, {}, {kNaN, 0, 50}},
      {"all missing", {{kMissing, kMissing}, {kMissing, kMissing}}, {}, {kNaN, kNaN}},
      {"missing taken for 0", {{kMissing, kMissing}, {4, 4}}, {100, 0}, {100, 0}},
      {"missing taken for 8", {{kMissing, kMissing}, {4, 4}}, {100, 8}, {0, 50}},
      {"the largest numbers", {{1e9, 0}, {1e9, 1e9}}, {1e6, kMissing}, {0, 99}},
  };
  for (const Row& entry : table) {
    INFO(entry.what);
    const auto pool = fleet(Signal::kInFlight, Signal::kRunning, entry.loads);
    CHECK(same(opinions(LeastRequest(entry.options), pool), entry.expected));
  }
}

TEST_CASE("least-request-2025-09 scores running and waiting as scraped", "[route][least-request]") {
  const Row table[] = {
      {"idle", {{0, 0}, {0, 0}}, {}, {100, 100}},
      {"one waiting weighs as a hundred running", {{100, 0}, {0, 1}, {0, 0}}, {}, {0, 0, 100}},
      {"truncated, not rounded", {{71, 0}, {100, 0}}, {}, {28, 0}},
      {"waiting is missing", {{3, kMissing}, {4, 0}}, {}, {kNaN, 0}},
      {"missing taken for 0", {{3, kMissing}, {4, 0}, {kMissing, kMissing}}, {100, 0}, {25, 0, 100}},
  };
  for (const Row& entry : table) {
    INFO(entry.what);
    const auto pool = fleet(Signal::kRunning, Signal::kWaiting, entry.loads);
    CHECK(same(opinions(LeastRequest202509(entry.options), pool), entry.expected));
  }
}

TEST_CASE("least-request finds the maximum at every place of every size", "[route][least-request]") {
  for (std::size_t size = 1; size <= 19; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      std::vector<Load> loads(size, Load{1, 1});
      loads[at] = {4, 4};
      std::vector<double> expected(size, 75);
      expected[at] = 0;
      INFO("size " << size << ", maximum at " << at);
      CHECK(same(opinions(LeastRequest(), fleet(Signal::kInFlight, Signal::kRunning, loads)), expected));
    }
  }
}

TEST_CASE("least-request drops queues of max_waiting and more", "[route][least-request]") {
  using Positions = std::vector<std::size_t>;
  CHECK(kept(10, {9, 10, 11, 9.5, 0}) == Positions{0, 3, 4});
  CHECK(kept(10, {20}).empty());
  CHECK(kept(10, {kMissing, 10}) == Positions{0});
  CHECK(kept(0, {0, 1, kMissing}).empty());
  CHECK(kept(-1, {0}).empty());
  CHECK(kept(1e9, {1e9, 999999999}) == Positions{1});
}

TEST_CASE("least-request without any waiting signal drops nobody", "[route][least-request]") {
  const PoolSnapshot pool = plain_pool(3);
  std::vector<std::uint8_t> keep = {1, 0, 1};
  LeastRequestFilter().filter(pool.view(), {}, keep);
  CHECK(keep == std::vector<std::uint8_t>{1, 0, 1});  // and never brings one back
}

TEST_CASE("least-request tells queue and limit of the dropped", "[route][least-request]") {
  const PoolSnapshot pool = pool_of({row("a", {{Signal::kWaiting, 12}}), row("b")});
  const LeastRequestFilter filter({7});
  CHECK(filter.explain(pool.view(), {}, {0}) == kthena::Reason{kthena::ReasonCode::waiting_limit, 0, 12, 7});
  CHECK(filter.explain(pool.view(), {}, {1}) == kthena::Reason{kthena::ReasonCode::waiting_limit, 0, 0, 7});
}
