// decide allocates nothing once its workspace has seen a pool of that size.
#include "support.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

TEST_CASE("decide does not allocate after warm-up", "[route][allocation]") {
  RandomStream random(3, 9);
  std::vector<PoolSnapshot> pools;
  std::vector<OwnedRequest> requests;
  for (const std::size_t size : {1024u, 1u, 64u, 0u, 1000u, 17u}) {
    pools.push_back(pool_of(random_rows(random, size)));
    requests.push_back(random_request(random, size));
    requests.back().prefix.assign(size, 3);
    requests.back().prefix_total = 7;
  }
  const Pipeline pipeline(Filters{LoraAffinity{}, LeastRequestFilter{}},
                          Scorers{Weighted{LeastRequest{}}, Weighted{LeastLatency{}}, Weighted{PrefixCache{}},
                                  Weighted{KvCacheAware{}}, Weighted{Random{}}, Weighted{GpuUsage{}}});
  std::vector<Policy> policies;
  for (const std::string_view name : preset_names()) policies.push_back(preset_policy(name));
  for (const char* picker : {"softmax", "weighted-random", "power-of-k", "explore"}) {
    PolicySpec spec{"", {{"lora-affinity"}}, {{"gpu-usage", 0.5}, {"random"}}, {picker}, 16, Combine::kProduct};
    spec.otherwise = {{"", {}, {{"gpu-usage", 1, {}, 3}, {"random"}}, {picker}, 5, Combine::kTiers}};
    spec.staleness = {{Signal::kKvUsage, 1e-7, 3e-7, StaleThen::kExclude},
                      {Signal::kWaiting, 1e-7, 3e-7, StaleThen::kBusy}};
    spec.slow_start_s = 30;
    policies.push_back(policy_of(spec));
  }

  Workspace workspace;
  Decision last;
  const auto round = [&] {
    for (std::size_t i = 0; i < pools.size(); ++i) {
      const Request request = requests[i].view();
      for (const Policy& policy : policies) last = policy.decide(pools[i], request, workspace);
      last = pipeline.decide(pools[i].view(), request, workspace);
    }
  };
  const std::size_t cold = kthena::test::allocations();
  round();
  const std::size_t warm = kthena::test::allocations();
  CHECK(warm > cold);  // the counter counts
  for (int i = 0; i < 100; ++i) round();
  CHECK(kthena::test::allocations() == warm);
}

TEST_CASE("a workspace made ready does not allocate at all", "[route][allocation]") {
  const PoolSnapshot pool = plain_pool(64);
  const Policy policy = preset_policy("kthena-helm");
  Workspace workspace;
  workspace.reserve(64);
  const std::size_t before = kthena::test::allocations();
  const Decision decision = policy.decide(pool, {"request"}, workspace);
  CHECK(kthena::test::allocations() == before);
  CHECK(decision.candidates == 64);
}
