// tests/c/decide_test.cpp
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "fixture.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena::test;

namespace {

const std::vector<std::string> kSorted = {"a", "b", "c", "d"};
const std::vector<std::string> kMixed = {"c", "a", "d", "b"};

/// Values by id ("a" first) in the order of `ids`.
template <class T>
std::vector<T> in_order(const std::vector<std::string>& ids, const std::vector<T>& by_id) {
  std::vector<T> out;
  for (const std::string& id : ids) out.push_back(by_id[static_cast<std::size_t>(id[0] - 'a')]);
  return out;
}

struct Case {
  Pool pool;
  Policy policy;
  Workspace workspace = make_workspace();
  kthena_request request = KTHENA_INIT(kthena_request);
  kthena_decision decision = KTHENA_INIT(kthena_decision);
  Error error;

  kthena_status decide() {
    return kthena_decide(policy.get(), pool.get(), &request, workspace.get(), &decision, &error);
  }
  [[nodiscard]] std::string id(std::uint32_t endpoint) const {
    return std::string(view(kthena_pool_id(pool.get(), endpoint)));
  }
  [[nodiscard]] std::string explain() const {
    return text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
      return kthena_explain_json(policy.get(), pool.get(), &request, buffer, capacity, needed, nullptr);
    });
  }
};

Case small(const std::vector<std::string>& ids) {
  Case made;
  made.pool = make_pool(ids, in_order<std::vector<std::string>>(ids, {{"m"}, {"m", "lora"}, {"m"}, {"other"}}));
  set(made.pool, KTHENA_SIGNAL_RUNNING, in_order<double>(ids, {4, 3, 2, 1}));
  set(made.pool, KTHENA_SIGNAL_WAITING, in_order<double>(ids, {0, 0, 0, 0}));
  set(made.pool, KTHENA_SIGNAL_KV_USAGE, in_order<double>(ids, {0.9, 0.5, 0.2, 0.1}));
  made.policy = make_policy(
      R"({"filters": ["lora-affinity"], "scorers": [{"name": "gpu-usage", "weight": 1}, {"name": "prefix-cache",
                               "weight": 2}], "ranked_limit": 3})");
  made.request.id = KTHENA_STR("request-1");
  made.request.model = KTHENA_STR("m");
  made.request.seed = 7;
  return made;
}

}  // namespace

TEST_CASE("a decision in the caller's numbers, whatever the order", "[c][decide]") {
  Case sorted = small(kSorted);
  Case mixed = small(kMixed);
  const std::vector<std::uint32_t> by_id = {9, 1, 0, 10};
  const auto sorted_depths = in_order(kSorted, by_id);
  const auto mixed_depths = in_order(kMixed, by_id);
  sorted.request.prefix_depths = sorted_depths.data();
  mixed.request.prefix_depths = mixed_depths.data();
  for (Case* each : {&sorted, &mixed}) {
    each->request.depth_count = 4;
    each->request.prefix_total = 10;
    REQUIRE(each->decide() == KTHENA_OK);
    CHECK(each->decision.outcome == KTHENA_ROUTED);
    CHECK(each->decision.candidates == 3);
    CHECK(each->id(each->decision.endpoint) == "a");
    CHECK(each->decision.ranked_count == 3);
    CHECK(each->decision.ranked[0] == each->decision.endpoint);
    for (std::size_t i = 3; i < KTHENA_MAX_RANKED; ++i) CHECK(each->decision.ranked[i] == KTHENA_NONE);
    CHECK(each->decision.reason == KTHENA_REASON_BEST_SCORE);
    CHECK(each->decision.stage == 0);
  }
  for (std::uint32_t i = 0; i < 3; ++i)
    CHECK(sorted.id(sorted.decision.ranked[i]) == mixed.id(mixed.decision.ranked[i]));
  CHECK(sorted.decision.score == mixed.decision.score);
  CHECK(sorted.decision.margin == mixed.decision.margin);
  CHECK(sorted.explain() == mixed.explain());
  CHECK(nlohmann::json::parse(sorted.explain())["decision"]["endpoint"] == "a");

  // The router's own memory is a column of its own.
  const std::vector<std::uint32_t> memory = {0, 10, 0, 0};
  const auto sorted_memory = in_order(kSorted, memory);
  const auto mixed_memory = in_order(kMixed, memory);
  sorted.request.history_depths = sorted_memory.data();
  mixed.request.history_depths = mixed_memory.data();
  for (Case* each : {&sorted, &mixed}) {
    each->request.history_total = 10;
    REQUIRE(each->decide() == KTHENA_OK);
    CHECK(each->id(each->decision.endpoint) == "b");
  }
  CHECK(sorted.explain() == mixed.explain());
}

TEST_CASE("no endpoint is an outcome and not an error", "[c][decide]") {
  Case each = small(kMixed);
  each.request.model = KTHENA_STR("nobody serves this");
  REQUIRE(each.decide() == KTHENA_OK);
  CHECK(each.decision.outcome == KTHENA_NO_ENDPOINT);
  CHECK(each.decision.endpoint == KTHENA_NONE);
  CHECK(each.decision.reason == KTHENA_REASON_ALL_FILTERED);
  CHECK(each.decision.reason_a == 4);
  CHECK(each.decision.ranked_count == 0);
  for (const std::uint32_t ranked : each.decision.ranked) CHECK(ranked == KTHENA_NONE);

  each.pool = make_pool({});
  REQUIRE(each.decide() == KTHENA_OK);
  CHECK(each.decision.reason == KTHENA_REASON_POOL_EMPTY);
}

TEST_CASE("a broken request is refused by name and the decision stays", "[c][decide]") {
  Case each = small(GENERATE(kSorted, kMixed));
  each.decision.endpoint = 42;
  const std::uint32_t depths[] = {1, 2, 3, 4, 5};
  std::string expected;
  SECTION("depths for another number of endpoints") {
    each.request.prefix_depths = depths;
    each.request.depth_count = GENERATE(0u, 3u, 5u);
    expected = "request.depth_count: " + std::to_string(each.request.depth_count) + ", but the pool has 4 endpoints";
  }
  SECTION("memory for another number of endpoints") {
    each.request.history_depths = depths;
    each.request.depth_count = SIZE_MAX;
    expected = "request.depth_count: 18446744073709551615, but the pool has 4 endpoints";
  }
  SECTION("more blocks than a prompt can have") {
    each.request.prefix_total = 0x80000000u;
    expected = "request.prefix_total: must not exceed 2147483647";
  }
  SECTION("an id that is not there") {
    each.request.id = {nullptr, 3};
    expected = "request.id: data is NULL, but size is not 0";
  }
  SECTION("a model that is not there") {
    each.request.model = {nullptr, 3};
    expected = "request.model: data is NULL, but size is not 0";
  }
  SECTION("a session that is not there") {
    each.request.session = {nullptr, 3};
    expected = "request.session: data is NULL, but size is not 0";
  }
  SECTION("a place that is not there") {
    each.request.near_to[KTHENA_PLACE_ZONE] = {nullptr, 3};
    expected = "request.near_to[2]: data is NULL, but size is not 0";
  }
  SECTION("blocks of too many tokens") {
    each.request.prefix_block_tokens = 65537;
    expected = "request.prefix_block_tokens: must not exceed 65536";
  }
  SECTION("blocks of too many tokens in the memory") {
    each.request.history_block_tokens = UINT32_MAX;
    expected = "request.history_block_tokens: must not exceed 65536";
  }
  SECTION("a promise that is no time") {
    each.request.slo_ttft_s = GENERATE(-1e-300, kNan, std::numeric_limits<double>::infinity());
    expected = "request.slo_ttft_s: must be finite and not negative";
  }
  SECTION("another promise that is no time") {
    each.request.slo_tpot_s = GENERATE(-1.0, kNan, -std::numeric_limits<double>::infinity());
    expected = "request.slo_tpot_s: must be finite and not negative";
  }
  SECTION("what is reserved") {
    each.request.reserved = 1;
    expected = "request.reserved: must be 0";
  }
  SECTION("a tier for another number of endpoints") {
    each.request.prefix_host_depths = depths;
    each.request.depth_count = 5;
    expected = "request.depth_count: 5, but the pool has 4 endpoints";
  }
  SECTION("a tier alone") {
    each.request.prefix_host_depths = depths;
    each.request.depth_count = 4;
    expected = "request.prefix_host_depths: needs request.prefix_depths beside it";
  }
  SECTION("another tier alone") {
    each.request.history_disk_depths = depths;
    each.request.depth_count = 4;
    expected = "request.history_disk_depths: needs request.history_depths beside it";
  }
  const std::uint32_t less[] = {1, 2, 3, 3, 5};
  SECTION("host memory that holds less than the device") {
    each.request.prefix_depths = depths;
    each.request.prefix_host_depths = less;
    each.request.depth_count = 4;
    expected = "request.prefix_host_depths[3]: must be at least request.prefix_depths[3], 4";
  }
  SECTION("a disk that holds less than host memory") {
    each.request.history_depths = less;
    each.request.history_host_depths = depths;
    each.request.history_disk_depths = less;
    each.request.depth_count = 4;
    expected = "request.history_disk_depths[3]: must be at least request.history_host_depths[3], 4";
  }
  SECTION("a disk that holds less than the device") {
    each.request.history_depths = depths;
    each.request.history_disk_depths = less;
    each.request.depth_count = 4;
    expected = "request.history_disk_depths[3]: must be at least request.history_depths[3], 4";
  }
  CHECK(each.decide() == KTHENA_INVALID_ARGUMENT);
  CHECK(each.error.text() == expected);
  CHECK(each.decision.endpoint == 42);
  std::size_t needed = 42;
  CHECK(kthena_explain_json(each.policy.get(), each.pool.get(), &each.request, nullptr, 0, &needed, &each.error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(needed == 42);
}

TEST_CASE("a prompt shorter than a block has depths that are all 0", "[c][decide]") {
  Case each = small(GENERATE(kSorted, kMixed));
  REQUIRE(each.decide() == KTHENA_OK);
  const kthena_decision without = each.decision;
  const std::uint32_t depths[] = {0, 0, 0, 0};
  each.request.prefix_depths = each.request.history_depths = depths;
  each.request.depth_count = 4;
  REQUIRE(each.decide() == KTHENA_OK);
  CHECK(std::memcmp(&each.decision, &without, sizeof(without)) == 0);
}

TEST_CASE("what no part reads changes no decision", "[c][decide]") {
  Case each = small(GENERATE(kSorted, kMixed));
  const std::uint32_t depths[] = {0, 1, 2, 3};
  each.request.prefix_depths = depths;
  each.request.depth_count = 4;
  each.request.prefix_total = 3;
  REQUIRE(each.decide() == KTHENA_OK);
  const kthena_decision without = each.decision;
  const std::string told = each.explain();
  const std::uint32_t more[] = {1, 1, 2, 9};
  each.request.output_tokens = 100;
  each.request.prefix_block_tokens = each.request.history_block_tokens = 65536;
  each.request.prefix_host_depths = depths;
  each.request.prefix_disk_depths = more;
  each.request.session = KTHENA_STR("conversation");
  for (kthena_str& name : each.request.near_to) name = KTHENA_STR("here");
  each.request.slo_ttft_s = 0.5;
  each.request.slo_tpot_s = 1e300;
  REQUIRE(each.decide() == KTHENA_OK);
  CHECK(std::memcmp(&each.decision, &without, sizeof(without)) == 0);
  CHECK(each.explain() == told);
}

TEST_CASE("depth_count does not matter without depths", "[c][decide]") {
  Case each = small(kSorted);
  each.request.depth_count = 77;
  CHECK(each.decide() == KTHENA_OK);
}

TEST_CASE("NULL is refused by name", "[c][decide]") {
  Case each = small(kSorted);
  const kthena_policy* policy = each.policy.get();
  const kthena_pool* pool = each.pool.get();
  kthena_workspace* workspace = each.workspace.get();
  Error& error = each.error;
  CHECK(kthena_decide(nullptr, pool, &each.request, workspace, &each.decision, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "policy: must not be NULL");
  CHECK(kthena_decide(policy, nullptr, &each.request, workspace, &each.decision, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "pool: must not be NULL");
  CHECK(kthena_decide(policy, pool, nullptr, workspace, &each.decision, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "request: must not be NULL");
  CHECK(kthena_decide(policy, pool, &each.request, nullptr, &each.decision, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "workspace: must not be NULL");
  CHECK(kthena_decide(policy, pool, &each.request, workspace, nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "decision: must not be NULL");
  CHECK(kthena_decide(policy, pool, &each.request, workspace, nullptr, nullptr) == KTHENA_INVALID_ARGUMENT);
  std::size_t needed = 0;
  CHECK(kthena_explain_json(nullptr, pool, &each.request, nullptr, 0, &needed, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_explain_json(policy, nullptr, &each.request, nullptr, 0, &needed, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_explain_json(policy, pool, nullptr, nullptr, 0, &needed, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "request: must not be NULL");
  CHECK(kthena_explain_json(policy, pool, &each.request, nullptr, 0, nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_route_decide_json({nullptr, 1}, nullptr, 0, &needed, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_route_decide_json(str("{}"), nullptr, 0, nullptr, &error) == KTHENA_INVALID_ARGUMENT);
}

TEST_CASE("a decision allocates nothing once its workspace has grown", "[c][decide]") {
  const std::vector<std::string> ids = GENERATE(kSorted, kMixed);
  Case each = small(ids);
  const std::uint32_t depths[] = {1, 2, 3, 4};
  each.request.prefix_depths = each.request.history_depths = depths;
  each.request.depth_count = 4;
  each.request.prefix_total = each.request.history_total = 4;
  each.request.prefix_host_depths = each.request.prefix_disk_depths = depths;
  each.request.history_host_depths = each.request.history_disk_depths = depths;
  REQUIRE(each.decide() == KTHENA_OK);
  each.request.struct_size = GENERATE(static_cast<std::uint32_t>(sizeof(kthena_request)), 88u);
  const std::size_t before = allocations();
  for (int i = 0; i < 100; ++i) {
    each.request.sequence = static_cast<std::uint64_t>(i);
    if (each.decide() != KTHENA_OK) FAIL();
  }
  CHECK(allocations() == before);
}

TEST_CASE("one workspace serves pools of any size and order", "[c][decide]") {
  Case each = small(kMixed);
  const std::uint32_t depths[8] = {};
  each.request.prefix_total = 1;
  for (const std::size_t n : {1u, 8u, 2u, 8u, 0u, 5u}) {
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < n; ++i) ids.push_back("pod-" + std::to_string((i * 5) % 8));
    each.pool = make_pool(ids, std::vector<std::vector<std::string>>(n, {"m"}));
    each.request.prefix_depths = depths;
    each.request.depth_count = n;
    REQUIRE(each.decide() == KTHENA_OK);
    CHECK(each.decision.candidates == n);
  }
}

TEST_CASE("many threads decide on one pool and policy", "[c][decide][threads]") {
  Case each = small(kMixed);
  const std::uint32_t depths[] = {1, 9, 3, 4};
  each.request.prefix_depths = depths;
  each.request.depth_count = 4;
  each.request.prefix_total = 10;
  constexpr std::size_t kRequests = 500;
  std::vector<std::vector<std::uint32_t>> chosen(4);
  std::vector<std::thread> threads;
  for (auto& mine : chosen) {
    threads.emplace_back([&each, &mine] {
      const Workspace workspace = make_workspace();
      kthena_request request = each.request;
      kthena_decision decision = KTHENA_INIT(kthena_decision);
      for (std::size_t i = 0; i < kRequests; ++i) {
        request.sequence = i;
        const kthena_status status =
            kthena_decide(each.policy.get(), each.pool.get(), &request, workspace.get(), &decision, nullptr);
        mine.push_back(status == KTHENA_OK ? decision.endpoint : KTHENA_NONE);
        if (i % 50 == 0) {
          std::size_t needed = 0;
          if (kthena_explain_json(each.policy.get(), each.pool.get(), &request, nullptr, 0, &needed, nullptr) !=
              KTHENA_OUT_OF_RANGE)
            mine.push_back(KTHENA_NONE);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& mine : chosen) {
    CHECK(mine.size() == kRequests);
    CHECK(mine == chosen[0]);
    for (const std::uint32_t endpoint : mine)
      if (endpoint == KTHENA_NONE) FAIL("a decision failed");
  }
}
