// Properties of decisions over thousands of random pools.
#include "plain_router.hpp"
#include "support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

constexpr std::uint64_t kRounds = 3000;

struct Round {
  RandomStream random;
  std::vector<Endpoint> rows;
  PoolSnapshot pool;
  OwnedRequest request;

  explicit Round(std::uint64_t seed, std::size_t largest = 40) : random(seed, 77) {
    rows = random_rows(random, random.next_below(largest + 1));
    pool = pool_of(rows);
    request = random_request(random, pool.size());
  }
};

PolicySpec random_spec(RandomStream& random) {
  PolicySpec spec;
  for (const char* name : {"least-request", "lora-affinity"})
    if (random.next_below(4) == 0) spec.filters.push_back({name});
  for (const char* name : {"least-request", "least-request-2025-09", "least-latency", "gpu-usage", "random",
                           "prefix-cache", "kvcache-aware"})
    if (random.next_below(3) == 0) spec.scorers.push_back({name, static_cast<double>(random.next_below(8)) / 4});
  if (spec.scorers.empty() || random.next_below(8) == 0) spec.picker = {"round-robin"};
  spec.ranked_limit = 1 + static_cast<std::uint32_t>(random.next_below(kMaxRanked));
  return spec;
}

}  // namespace

TEST_CASE("Pipeline and Policy give the same bits", "[route][property]") {
  const Pipeline built_in(Filters{LeastRequestFilter{}},
                          Scorers{Weighted{LeastRequest({100, 0})}, Weighted{LeastLatency{}}, Weighted{PrefixCache{}}});
  const Pipeline kv(Filters{}, Scorers{Weighted{LeastRequest202509({100, 0})}, Weighted{KvCacheAware{}}});
  const Pipeline everything(Filters{LoraAffinity{}, LeastRequestFilter({5})},
                            Scorers{Weighted{LeastRequest({3, kMissing}), 0.7}, Weighted{LeastRequest202509{}, 0.1},
                                    Weighted{LeastLatency({0.3, 100}), 1e9}, Weighted{GpuUsage{}, 0.3},
                                    Weighted{Random{}, 0.01}, Weighted{PrefixCache{}, 2}, Weighted{KvCacheAware{}, 0}},
                            BestScore{}, 16);
  const Pipeline turns(Filters{LeastRequestFilter{}}, Scorers{}, RoundRobin{});

  const Policy built_in_policy = preset_policy("kthena-default");
  const Policy kv_policy = preset_policy("kthena-2025-09/least-request+kv");
  const Policy everything_policy = policy_of({"",
                                              {{"lora-affinity"}, {"least-request", 1, {{"max_waiting", 5}}}},
                                              {{"least-request", 0.7, {{"waiting_weight", 3}}},
                                               {"least-request-2025-09", 0.1},
                                               {"least-latency", 1e9, {{"ttft_share", 0.3}, {"unmeasured_score", 100}}},
                                               {"gpu-usage", 0.3},
                                               {"random", 0.01},
                                               {"prefix-cache", 2},
                                               {"kvcache-aware", 0}},
                                              {"best-score"},
                                              16});
  const Policy turns_policy = policy_of({"", {{"least-request"}}, {}, {"round-robin"}});

  Workspace one;
  Workspace other;
  for (std::uint64_t seed = 0; seed < kRounds; ++seed) {
    const Round round(seed);
    const Request request = round.request.view();
    const PoolView& view = round.pool.view();
    INFO("seed " << seed);
    REQUIRE(built_in.decide(view, request, one) == built_in_policy.decide(view, request, other));
    REQUIRE(kv.decide(view, request, one) == kv_policy.decide(view, request, other));
    REQUIRE(everything.decide(view, request, one) == everything_policy.decide(view, request, other));
    REQUIRE(turns.decide(view, request, one) == turns_policy.decide(view, request, other));
  }
}

TEST_CASE("Kthena's sets decide as a plain router does", "[route][property]") {
  const Policy policies[] = {preset_policy("kthena-default"), preset_policy("kthena-helm")};
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < kRounds; ++seed) {
    const Round round(seed);
    const Request request = round.request.view();
    const PrefixMatch& match = request.history.depth_blocks.empty() ? request.prefix : request.history;
    std::vector<plain::Pod> pods;
    for (std::uint32_t i = 0; i < round.pool.size(); ++i) {
      const auto value = [&](Signal signal) {
        const auto sample = round.pool.sample({i}, signal);
        return sample ? sample->value : 0;
      };
      pods.push_back({std::string(round.pool.id({i})), value(Signal::kRunning), value(Signal::kWaiting),
                      value(Signal::kKvUsage), value(Signal::kTtft), value(Signal::kTpot), value(Signal::kInFlight),
                      match.depth_blocks.empty() ? 0 : static_cast<int>(match.depth_blocks[i])});
    }
    const std::uint64_t key = request_key(request);
    const auto before = [key](const plain::Pod& a, const plain::Pod& b) {
      return tie_order(key, hash_id(a.name)) < tie_order(key, hash_id(b.name));
    };
    for (const bool with_gpu : {false, true}) {
      INFO("seed " << seed << ", with gpu-usage: " << with_gpu);
      const Decision decision = policies[with_gpu ? 1 : 0].decide(round.pool, request, workspace);
      const auto expected = plain::schedule(pods, static_cast<int>(match.total_blocks), with_gpu, before);
      REQUIRE(decision.ranked_count == expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i)
        REQUIRE(round.pool.id(decision.ranked[i]) == expected[i].first->name);
      if (!expected.empty()) REQUIRE(decision.score == expected[0].second);
      if (expected.size() > 1) REQUIRE(decision.margin == expected[0].second - expected[1].second);
    }
  }
}

TEST_CASE("the order of rows changes nothing", "[route][property]") {
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < kRounds; ++seed) {
    Round round(seed);
    const Policy policy = policy_of(random_spec(round.random));
    const Decision decision = policy.decide(round.pool, round.request.view(), workspace);
    for (std::size_t i = round.rows.size(); i > 1; --i)
      std::swap(round.rows[i - 1], round.rows[round.random.next_below(i)]);
    for (Endpoint& endpoint : round.rows) std::reverse(endpoint.models.begin(), endpoint.models.end());
    const PoolSnapshot shuffled = pool_of(round.rows);
    INFO("seed " << seed);
    REQUIRE(policy.decide(shuffled, round.request.view(), workspace) == decision);
  }
}

TEST_CASE("endpoints that filters drop change nothing for the others", "[route][property]") {
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < kRounds; ++seed) {
    Round round(seed);
    PolicySpec spec = random_spec(round.random);
    spec.picker = {"best-score"};
    if (spec.scorers.empty()) spec.scorers = {{"gpu-usage"}};
    const Policy policy = policy_of(spec);
    const Explanation explanation = policy.explain(round.pool.view(), round.request.view());

    std::vector<Endpoint> left;
    for (const Endpoint& endpoint : round.rows)
      if (explanation.candidates[round.pool.find(endpoint.id).value].rank > 0) left.push_back(endpoint);
    if (left.empty()) continue;
    const PoolSnapshot smaller = pool_of(left);
    OwnedRequest request = round.request;
    const auto shrink = [&](std::vector<std::uint32_t>& depths) {
      if (depths.empty()) return;
      std::vector<std::uint32_t> out;
      for (const std::string& id : smaller.ids()) out.push_back(depths[round.pool.find(id).value]);
      depths = std::move(out);
    };
    shrink(request.prefix);
    shrink(request.history);
    const Decision decision = policy.decide(smaller, request.view(), workspace);
    INFO("seed " << seed);
    REQUIRE(decision.ranked_count == explanation.decision.ranked_count);
    for (std::size_t i = 0; i < decision.ranked_count; ++i)
      REQUIRE(smaller.id(decision.ranked[i]) == round.pool.id(explanation.decision.ranked[i]));
    REQUIRE(decision.score == explanation.decision.score);
    REQUIRE(decision.margin == explanation.decision.margin);
    REQUIRE(decision.reason == explanation.decision.reason);
  }
}

TEST_CASE("the ranked list is the beginning of the full ranking", "[route][property]") {
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < kRounds / 10; ++seed) {
    Round round(seed, 60);
    PolicySpec spec = random_spec(round.random);
    spec.picker = {"best-score"};
    if (spec.scorers.empty()) spec.scorers = {{"gpu-usage"}};
    const Explanation explanation = policy_of(spec).explain(round.pool.view(), round.request.view());
    std::vector<std::uint32_t> ranking;
    for (const CandidateExplanation& candidate : explanation.candidates)
      if (candidate.dropped.code == ReasonCode::none) ranking.push_back(candidate.endpoint.value);
    const std::uint64_t key = request_key(round.request.view());
    const auto tie = [&](std::uint32_t i) { return tie_order(key, hash_id(round.pool.id({i}))); };
    std::sort(ranking.begin(), ranking.end(), [&](std::uint32_t a, std::uint32_t b) {
      const double of_a = explanation.candidates[a].total;
      const double of_b = explanation.candidates[b].total;
      return of_a != of_b ? of_a > of_b : tie(a) < tie(b);
    });
    for (std::uint32_t i = 0; i < ranking.size(); ++i) {
      INFO("seed " << seed << ", place " << i + 1);
      REQUIRE(explanation.candidates[ranking[i]].rank == i + 1);
    }
    for (spec.ranked_limit = 1; spec.ranked_limit <= kMaxRanked; ++spec.ranked_limit) {
      const Decision decision = policy_of(spec).decide(round.pool, round.request.view(), workspace);
      INFO("seed " << seed << ", ranked limit " << spec.ranked_limit);
      REQUIRE(decision.ranked_count == std::min<std::size_t>(spec.ranked_limit, ranking.size()));
      for (std::size_t i = 0; i < decision.ranked_count; ++i) REQUIRE(decision.ranked[i].value == ranking[i]);
      if (ranking.size() > 1)
        REQUIRE(decision.margin == explanation.candidates[ranking[0]].total - explanation.candidates[ranking[1]].total);
    }
  }
}

TEST_CASE("an explanation agrees with the decision and with itself", "[route][property]") {
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < kRounds; ++seed) {
    Round round(seed);
    const PolicySpec spec = random_spec(round.random);
    const Policy policy = policy_of(spec);
    const Request request = round.request.view();
    const Explanation told = policy.explain(round.pool.view(), request);
    INFO("seed " << seed);
    REQUIRE(told.decision == policy.decide(round.pool, request, workspace));
    REQUIRE(told.candidates.size() == round.pool.size());
    REQUIRE(told.picker == spec.picker.name);
    REQUIRE(told.filters.size() == spec.filters.size());
    REQUIRE(told.scorers.size() == spec.scorers.size());
    for (std::size_t s = 0; s < spec.scorers.size(); ++s) {
      REQUIRE(told.scorers[s] == spec.scorers[s].name);
      REQUIRE(told.weights[s] == spec.scorers[s].weight);
    }

    std::vector<std::uint32_t> ranks;
    double tied = 0;
    for (std::uint32_t i = 0; i < told.candidates.size(); ++i) {
      const CandidateExplanation& candidate = told.candidates[i];
      REQUIRE(candidate.endpoint == EndpointIndex{i});
      const auto waiting = round.pool.sample({i}, Signal::kWaiting);
      const auto models = round.pool.models({i});
      const bool serves = std::find(models.begin(), models.end(), request.model) != models.end();
      // Who drops it, worked out by hand, in the order of the filters.
      const char* by = nullptr;
      for (const PartSpec& filter : spec.filters) {
        if (by == nullptr && filter.name == "least-request" && waiting && waiting->value >= 10) by = "least-request";
        if (by == nullptr && filter.name == "lora-affinity" && !serves) by = "lora-affinity";
      }
      if (by != nullptr) {
        REQUIRE(told.filters.at(candidate.dropped_by) == by);
        REQUIRE(candidate.dropped == (std::string_view(by) == "least-request"
                                          ? Reason{ReasonCode::waiting_limit, 0, waiting->value, 10}
                                          : Reason{ReasonCode::model_not_loaded, 0, 0, 0}));
        REQUIRE(candidate.rank == 0);
        REQUIRE(candidate.total == 0);
        REQUIRE(candidate.terms.empty());
        continue;
      }
      REQUIRE(candidate.dropped == Reason{});
      REQUIRE(candidate.terms.size() == spec.scorers.size());
      double total = 0;
      for (std::size_t s = 0; s < candidate.terms.size(); ++s) {
        const ScoreTerm& term = candidate.terms[s];
        REQUIRE(term.contribution == spec.scorers[s].weight * term.score);
        if (term.abstained) REQUIRE(term.score == 0);
        total += term.contribution;
      }
      REQUIRE(candidate.total == total);
      ranks.push_back(candidate.rank);
      tied += candidate.total == told.decision.score ? 1 : 0;
      if (candidate.rank == 1) REQUIRE(told.decision.endpoint == candidate.endpoint);
      if (candidate.rank <= told.decision.ranked_count)
        REQUIRE(told.decision.ranked[candidate.rank - 1] == candidate.endpoint);
    }
    REQUIRE(ranks.size() == told.decision.candidates);
    std::sort(ranks.begin(), ranks.end());
    for (std::uint32_t i = 0; i < ranks.size(); ++i) REQUIRE(ranks[i] == i + 1);
    if (told.decision.reason.code == ReasonCode::tie_broken) REQUIRE(told.decision.reason.b == tied);
  }
}

TEST_CASE("an explanation tells the age of the oldest signal", "[route][explain]") {
  Endpoint a = row("a");
  a.set(Signal::kRunning, 1, 100).set(Signal::kWaiting, 1, 40).set(Signal::kKvUsage, 0.5, 5000);
  Endpoint b = row("b");
  b.set(Signal::kRunning, 1, 2000);  // from the future
  Endpoint c = row("c");
  c.set(Signal::kRunning, 1, std::numeric_limits<Time>::min() + 1);
  const PoolSnapshot pool = pool_of({a, b, c, row("d")});
  const Policy policy = preset_policy("random");
  const auto age = [&](std::uint32_t i, Time now_ns) {
    return policy.explain(pool.view(), {.id = "request", .now_ns = now_ns, .seed = 0}).candidates[i].oldest_age_ns;
  };
  CHECK(age(0, 1000) == 960);
  CHECK(age(1, 1000) == 0);
  CHECK(age(2, std::numeric_limits<Time>::max()) == std::numeric_limits<Duration>::max());
  CHECK(age(3, 1000) == 0);
}
