// Filters that judge the set, and stages that decide where the filters of those before left nobody.
#include "support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

/// Keeps all that are kept when there are at least so many of them, else nobody: a gate.
struct AtLeast {
  static constexpr std::string_view kName = "at-least";
  std::size_t count = 1;
  void filter(const PoolView&, const Request&, std::span<std::uint8_t> keep) const noexcept {
    const auto kept = static_cast<std::size_t>(std::count(keep.begin(), keep.end(), std::uint8_t{1}));
    if (kept < count) std::fill(keep.begin(), keep.end(), std::uint8_t{0});
  }
  [[nodiscard]] Reason explain(const PoolView&, const Request&, std::span<const std::uint8_t> kept,
                               EndpointIndex) const {
    return {ReasonCode::none, 0, static_cast<double>(std::count(kept.begin(), kept.end(), std::uint8_t{1})),
            static_cast<double>(count)};
  }
};

/// Prefers endpoints that report no queue.
struct PreferIdle {
  static constexpr std::string_view kName = "prefer-idle";
  void filter(const PoolView& view, const Request&, std::span<std::uint8_t> keep) const noexcept {
    const double* waiting = view.values[static_cast<std::size_t>(Signal::kWaiting)];
    narrow(keep, [waiting](std::size_t i) { return waiting != nullptr && waiting[i] == 0; });
  }
  [[nodiscard]] Reason explain(const PoolView&, const Request&, EndpointIndex) const { return {}; }
};

static_assert(Filter<AtLeast> && ExplainsBySet<AtLeast> && !ExplainsOne<AtLeast>);
static_assert(Filter<PreferIdle>);

PoolSnapshot queues(std::initializer_list<double> waiting) {
  std::vector<Endpoint> rows;
  for (const double w : waiting)
    rows.push_back(row("pod-" + std::to_string(rows.size()), {{Signal::kWaiting, w}, {Signal::kKvUsage, 0.01 * w}}));
  return pool_of(rows);
}

PolicySpec three_stages() {
  PolicySpec spec{"adapter", {{"lora-affinity"}}, {{"random"}}};
  spec.otherwise = {{"short", {{"least-request", 1, {{"max_waiting", 4}}}}, {{"gpu-usage"}}},
                    {"any", {}, {{"least-request-2025-09"}}}};
  return spec;
}

}  // namespace

TEST_CASE("a filter sees what those before it left", "[route][stages]") {
  const PoolSnapshot pool = queues({0, 3, 12, 20});
  Workspace workspace;
  const Scorers scorers{Weighted{Random{}}};
  const auto left = [&](const auto& filters) {
    return Pipeline(filters, scorers).decide(pool.view(), {"request"}, workspace).candidates;
  };
  CHECK(left(Filters{LeastRequestFilter{}, AtLeast{2}}) == 2);
  CHECK(left(Filters{LeastRequestFilter{}, AtLeast{3}}) == 0);
  CHECK(left(Filters{AtLeast{3}, LeastRequestFilter{}}) == 2);
}

TEST_CASE("a filter that narrows never empties the set", "[route][stages]") {
  Workspace workspace;
  const Pipeline policy(Filters{LeastRequestFilter{}, PreferIdle{}}, Scorers{Weighted{Random{}}});
  const auto candidates = [&](const PoolSnapshot& pool) {
    return policy.decide(pool.view(), {"request"}, workspace).candidates;
  };
  CHECK(candidates(queues({0, 3, 0, 20})) == 2);
  CHECK(candidates(queues({1, 3, 2, 20})) == 3);
  CHECK(candidates(queues({11, 12})) == 0);  // the filter before it did
  CHECK(candidates(plain_pool(3)) == 3);
}

TEST_CASE("the first stage with somebody left decides", "[route][stages]") {
  const Policy policy = policy_of(three_stages());
  Workspace workspace;
  std::vector<Endpoint> rows;
  for (const double w : {1.0, 2.0, 9.0})
    rows.push_back(row("pod-" + std::to_string(rows.size()), {{Signal::kWaiting, w}, {Signal::kRunning, 1}}));
  rows[2].models = {"sql"};
  const PoolSnapshot pool = pool_of(rows);
  const Decision by_adapter = policy.decide(pool, {.id = "r", .model = "sql"}, workspace);
  CHECK(by_adapter.stage == 0);
  CHECK(by_adapter.endpoint.value == 2);
  CHECK(by_adapter.reason.code == ReasonCode::only_candidate);
  const Decision by_queue = policy.decide(pool, {.id = "r", .model = "chat"}, workspace);
  CHECK(by_queue.stage == 1);
  CHECK(by_queue.candidates == 2);

  const PoolSnapshot full = queues({5, 6, 7});
  const Explanation told = policy.explain(full, {.id = "r", .model = "chat"});
  CHECK(told.decision.stage == 2);
  CHECK(told.decision.candidates == 3);
  CHECK(told.scorers == std::vector<std::string>{"least-request-2025-09"});
  REQUIRE(told.earlier.size() == 2);
  CHECK(told.earlier[0].name == "adapter");
  CHECK(told.earlier[0].reason == Reason{ReasonCode::all_filtered, 0, 3, 3});
  CHECK(told.earlier[1].name == "short");
  CHECK(told.earlier[1].filters == std::vector<std::string>{"least-request"});
  REQUIRE(told.earlier[1].drops.size() == 3);
  CHECK(told.earlier[1].drops[1].dropped == Reason{ReasonCode::waiting_limit, 0, 6, 4});
  for (const CandidateExplanation& candidate : told.candidates) CHECK(candidate.dropped == Reason{});
}

TEST_CASE("nobody in any stage is the last one's reason", "[route][stages]") {
  PolicySpec spec = three_stages();
  spec.otherwise.pop_back();
  Workspace workspace;
  const Policy policy = policy_of(spec);
  const Decision none = policy.decide(queues({5, 6}), {.id = "r", .model = "chat"}, workspace);
  CHECK(none.outcome == Outcome::kNoEndpoint);
  CHECK(none.stage == 1);
  CHECK(none.reason == Reason{ReasonCode::all_filtered, 0, 2, 2});
  const Decision empty = policy.decide(pool_of({}), {.id = "r"}, workspace);
  CHECK(empty.stage == 0);
  CHECK(empty.reason.code == ReasonCode::pool_empty);
}

TEST_CASE("stages decide as policies of their own would", "[route][stages][property]") {
  PolicySpec whole = three_stages();
  std::vector<Policy> alone;
  alone.push_back(policy_of({"", whole.filters, whole.scorers}));
  for (const PolicySpec& stage : whole.otherwise) alone.push_back(policy_of(stage));
  const Policy policy = policy_of(whole);
  Workspace workspace;
  std::array<int, 3> seen{};
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    RandomStream random(seed, 79);
    const PoolSnapshot pool = pool_of(random_rows(random, 1 + random.next_below(6)));
    const OwnedRequest request = random_request(random, pool.size());
    Decision expected;
    for (std::uint32_t stage = 0; stage < 3 && expected.outcome == Outcome::kNoEndpoint; ++stage) {
      expected = alone[stage].decide(pool, request.view(), workspace);
      expected.stage = stage;
    }
    const Decision decision = policy.decide(pool, request.view(), workspace);
    INFO("seed " << seed);
    REQUIRE(decision == expected);
    REQUIRE(policy.explain(pool, request.view()).decision == decision);
    ++seen[decision.stage];
  }
  for (const int count : seen) CHECK(count > 100);
}

TEST_CASE("stages have no stages, limits or rules of their own", "[route][stages]") {
  PolicySpec spec{"", {}, {{"random"}}};
  PolicySpec stage = spec;
  stage.ranked_limit = 3;
  stage.otherwise = {spec};
  stage.staleness = {{Signal::kWaiting, 1, 2}};
  stage.slow_start_s = 5;
  spec.otherwise = {spec, stage};
  const Faults faults = find_faults(spec);
  REQUIRE(faults.list().size() == 4);
  CHECK(faults.list()[0].path == "otherwise[1].ranked_limit");
  CHECK(faults.list()[1].path == "otherwise[1].otherwise");
  CHECK(faults.list()[2].path == "otherwise[1].staleness");
  CHECK(faults.list()[3].path == "otherwise[1].slow_start_s");
}
