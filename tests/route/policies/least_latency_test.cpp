#include "kthena/route/policies/least_latency.hpp"

#include "../support.hpp"

using namespace kthena::route;
using namespace kthena::route::test;

namespace {

struct Latency {
  double ttft;
  double tpot;
};

PoolSnapshot fleet(const std::vector<Latency>& latencies) {
  std::vector<Endpoint> rows;
  for (std::size_t i = 0; i < latencies.size(); ++i) {
    Endpoint endpoint = row("e" + std::to_string(100 + i));
    if (!is_missing(latencies[i].ttft)) endpoint.set(Signal::kTtft, latencies[i].ttft);
    if (!is_missing(latencies[i].tpot)) endpoint.set(Signal::kTpot, latencies[i].tpot);
    rows.push_back(std::move(endpoint));
  }
  return pool_of(rows);
}

}  // namespace

TEST_CASE("least-latency scales TTFT and TPOT over the measured", "[route][least-latency]") {
  struct Row {
    const char* what;
    std::vector<Latency> latencies;
    LeastLatencyOptions options;
    std::vector<double> expected;
  };
  const Row table[] = {
      {"one", {{0.2, 0.03}}, {}, {100}},
      {"identical", {{0.2, 0.03}, {0.2, 0.03}}, {}, {100, 100}},
      {"Kthena: TPOT only", {{100, 10}, {1, 20}}, {0, 50}, {100, 0}},
      {"Kthena: TTFT only", {{100, 10}, {1, 20}}, {1, 50}, {0, 100}},
      {"Kthena: both", {{100, 10}, {1, 20}}, {0.5, 50}, {50, 50}},
      {"Kthena: the unmeasured", {{10, 20}, {0, 5}, {30, 40}, {5, 0}}, {}, {100, 50, 0, 50}},
      {"never sampled", {{10, 20}, {kMissing, 5}, {30, 40}, {5, kMissing}}, {}, {100, 50, 0, 50}},
      {"after 2026-09", {{10, 20}, {0, 0}, {30, 40}}, {0.5, 100}, {100, 100, 0}},
      {"nobody is measured", {{0, 0}, {kMissing, kMissing}}, {}, {50, 50}},
      {"truncated: a third", {{1, 1}, {3, 3}, {4, 4}}, {}, {100, 33, 0}},
      {"1 % apart", {{1.01, 0.0101}, {1, 0.01}}, {}, {0, 100}},
      {"tiny numbers", {{1e-300, 1e-300}, {2e-300, 2e-300}}, {}, {100, 0}},
      {"an unmeasured score is truncated", {{0, 0}, {1, 1}}, {0.5, 12.75}, {12, 100}},
  };
  for (const Row& entry : table) {
    INFO(entry.what);
    CHECK(same(opinions(LeastLatency(entry.options), fleet(entry.latencies)), entry.expected));
  }
  CHECK(opinions(LeastLatency(), fleet({})).empty());
}

TEST_CASE("least-latency finds the range at every place of every size", "[route][least-latency]") {
  for (std::size_t size = 2; size <= 13; ++size) {
    for (std::size_t low = 0; low < size; ++low) {
      const std::size_t high = (low + size / 2) % size;
      if (low == high) continue;
      std::vector<Latency> latencies(size, Latency{3, 0.3});
      latencies[low] = {1, 0.1};
      latencies[high] = {5, 0.5};
      const auto scores = opinions(LeastLatency({1, 50}), fleet(latencies));
      INFO("size " << size << ", lowest at " << low << ", highest at " << high);
      for (std::size_t i = 0; i < size; ++i) CHECK(scores[i] == (i == low ? 100 : i == high ? 0 : 50));
    }
  }
}
