// Scorers of the caller's own in a Policy: equal to those of the library where they say the same, and failing so that nothing changes.
#include <atomic>
#include <stdexcept>
#include <thread>

#include "kthena/manifest/route.hpp"
#include "kthena/route/fleet.hpp"
#include "support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

/// gpu-usage, by its formula.
UserScorer by_usage(std::string name = "usage") {
  return {std::move(name), [](const ScoreInput& input, std::span<double> out) {
            const std::span<const double> usage = input.column(Signal::kKvUsage);
            for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::trunc((1 - usage[i]) * 100);
            return Status();
          }};
}

/// prefix-ratio of history, by its formula.
UserScorer by_history() {
  return {"history", [](const ScoreInput& input, std::span<double> out) {
            const double total = input.history_total();
            for (std::size_t i = 0; i < out.size(); ++i)
              out[i] = total > 0 ? 100 * std::min<double>(input.history_depths()[i], total) / total : 0;
            return Status();
          }};
}

UserScorer failing(std::string name = "broken") {
  return {std::move(name), [](const ScoreInput&, std::span<double>) { return failed_precondition("not warm yet"); }};
}

PolicySpec spec_of(std::vector<PartSpec> scorers, Combine combine = Combine::kSum) {
  PolicySpec spec;
  spec.scorers = std::move(scorers);
  spec.combine = combine;
  spec.filters = {{"least-request"}};
  return spec;
}

Policy make(const PolicySpec& spec, const std::vector<UserScorer>& scorers) {
  auto policy = Policy::create(spec, scorers);
  INFO(policy.status().message());
  REQUIRE(policy.ok());
  return std::move(policy).value();
}

/// Some full, some never sampled.
PoolSnapshot random_pool(std::uint64_t seed) {
  RandomStream random(seed, 7);
  std::vector<Endpoint> rows;
  const std::size_t count = 1 + random.next_below(20);
  for (std::size_t i = 0; i < count; ++i) {
    Endpoint endpoint = row("pod-" + std::to_string(i));
    if (random.next_below(5) != 0) endpoint.set(Signal::kKvUsage, static_cast<double>(random.next_below(11)) / 10);
    endpoint.set(Signal::kWaiting, static_cast<double>(random.next_below(13)));
    rows.push_back(std::move(endpoint));
  }
  return pool_of(rows);
}

}  // namespace

TEST_CASE("a scorer of one's own equal to one of the library decides alike, in every way to combine", "[route][user]") {
  const Combine combine = GENERATE(Combine::kSum, Combine::kProduct, Combine::kTiers);
  const double weight = combine == Combine::kTiers ? 1 : 0.75;
  PartSpec built_in{"gpu-usage", weight, {}};
  PartSpec own{"user:usage", weight, {}};
  PartSpec ratio{"prefix-ratio", weight, {}};
  PartSpec own_ratio{"user:history", weight, {}};
  if (combine == Combine::kTiers) built_in.tolerance = own.tolerance = 15;
  const Policy expected = make(spec_of({{"random", weight, {}}, built_in, ratio}, combine), {});
  const Policy policy = make(spec_of({{"random", weight, {}}, own, own_ratio}, combine), {by_history(), by_usage()});
  Workspace workspace;
  std::uint64_t abstentions = 0;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const PoolSnapshot pool = random_pool(seed);
    RandomStream random(seed, 8);
    std::vector<std::uint32_t> depths(pool.size());
    for (std::uint32_t& depth : depths) depth = static_cast<std::uint32_t>(random.next_below(9));
    Request request = asking("request", seed);
    request.history = {.depth_blocks = depths, .total_blocks = 8};
    INFO("seed " << seed);
    const Decision decision = policy.decide(pool, request, workspace);
    REQUIRE(decision == expected.decide(pool, request, workspace));
    const std::uint64_t counted = workspace.user_abstentions() - abstentions;
    abstentions = workspace.user_abstentions();
    const Explanation explained = policy.explain(pool.view(), request, workspace);
    abstentions = workspace.user_abstentions();
    REQUIRE(explained.decision == decision);
    const Explanation plain = expected.explain(pool, request);
    std::uint64_t told = 0;
    for (std::size_t i = 0; i < pool.size(); ++i) {
      const CandidateExplanation& candidate = explained.candidates[i];
      REQUIRE(candidate.terms.size() == plain.candidates[i].terms.size());
      REQUIRE(candidate.total == plain.candidates[i].total);
      for (std::size_t s = 0; s < candidate.terms.size(); ++s) {
        REQUIRE(candidate.terms[s].score == plain.candidates[i].terms[s].score);
        REQUIRE(candidate.terms[s].abstained == plain.candidates[i].terms[s].abstained);
        told += candidate.terms[s].abstained ? 1 : 0;
      }
    }
    REQUIRE(counted == told);
    if (decision.outcome == Outcome::kRouted)
      REQUIRE(explained.scorers == std::vector<std::string>{"random", "user:usage", "user:history"});
  }
  CHECK(abstentions > 0);
}

TEST_CASE("a scorer of one's own sees the candidates and who they are", "[route][user]") {
  const PoolSnapshot pool = pool_of({row("a", {{Signal::kWaiting, 20}, {Signal::kKvUsage, 0.1}}),
                                     row("b", {{Signal::kKvUsage, 0.2}}), row("c", {{Signal::kKvUsage, 0.3}})});
  bool asked = false;
  const UserScorer look = {"look", [&](const ScoreInput& input, std::span<double> out) {
                             asked = true;
                             CHECK(input.size() == 2);
                             CHECK(out.size() == 2);
                             CHECK(input.column(Signal::kKvUsage)[0] == 0.2);
                             CHECK(is_missing(input.column(Signal::kTtft)[1]));
                             CHECK(input.keys()[1] == hash_id("c"));
                             CHECK(input.endpoint(0).value == 1);
                             CHECK(input.prefix_total() == 4);
                             CHECK(input.prefix_depths()[1] == 3);
                             CHECK(input.history_depths()[0] == 2);
                             CHECK(input.request().model == "llama");
                             out[1] = 40;  // the other one is not written
                             return Status();
                           }};
  const std::vector<std::uint32_t> depths = {1, 2, 3};
  Request request = asking("request");
  request.model = "llama";
  request.prefix = {.depth_blocks = depths, .total_blocks = 4};
  Workspace workspace;
  const Decision decision = make(spec_of({{"user:look"}}), {look}).decide(pool, request, workspace);
  CHECK(asked);
  CHECK(decision.endpoint.value == 2);
  CHECK(decision.score == 40);
  CHECK(workspace.user_abstentions() == 1);
}

TEST_CASE("NaN and infinity abstain and are counted", "[route][user]") {
  const PoolSnapshot pool = plain_pool(4);
  const UserScorer odd = {"odd", [](const ScoreInput&, std::span<double> out) {
                            out[0] = kNaN;
                            out[1] = kInfinity;
                            out[2] = -kInfinity;
                            out[3] = 1;
                            return Status();
                          }};
  Workspace workspace;
  const Policy policy = make(spec_of({{"user:odd"}}), {odd});
  for (std::uint64_t i = 1; i < 4; ++i) {
    CHECK(policy.decide(pool, asking("request", i), workspace).endpoint.value == 3);
    CHECK(workspace.user_abstentions() == 3 * i);
  }
  (void)make(spec_of({{"gpu-usage"}}), {}).decide(pool, asking("request"), workspace);
  CHECK(workspace.user_abstentions() == 9);  // those of the library are not counted
}

TEST_CASE("a scorer that fails fails the decision", "[route][user]") {
  const PoolSnapshot pool = plain_pool(3);
  Workspace workspace;
  const Policy policy = make(spec_of({{"gpu-usage"}, {"user:broken"}}), {failing()});
  const Decision decision = policy.decide(pool, asking("request"), workspace);
  CHECK(decision.outcome == Outcome::kScorerFailed);
  CHECK_FALSE(decision.endpoint.valid());
  CHECK(decision.ranked_count == 0);
  CHECK(decision.candidates == 3);
  CHECK(decision.reason == Reason{ReasonCode::scorer_failed, 1, 9, 0});
  CHECK(workspace.failure() == failed_precondition("scorer \"user:broken\": not warm yet"));
  const Explanation explained = policy.explain(pool.view(), asking("request"), workspace);
  CHECK(explained.decision == decision);
  for (const CandidateExplanation& candidate : explained.candidates) CHECK(candidate.terms.empty());
  const std::string document = manifest::write_explanation(explained, pool);
  CHECK(document.find("\"scorer_failed\"") != std::string::npos);

  const UserScorer throws = {"throws",
                             [](const ScoreInput&, std::span<double>) -> Status { throw std::runtime_error("oh"); }};
  const UserScorer throws_a_number = {"number", [](const ScoreInput&, std::span<double>) -> Status { throw 7; }};
  for (const UserScorer& scorer : {throws, throws_a_number}) {
    const Policy other = make(spec_of({{"user:" + scorer.name}}), {scorer});
    CHECK(other.decide(pool, asking("request"), workspace).outcome == Outcome::kScorerFailed);
    CHECK(workspace.failure().code() == StatusCode::kUnknown);
    CHECK(workspace.failure().message().find("user:" + scorer.name) != std::string::npos);
  }
  CHECK(make(spec_of({{"user:usage"}}), {by_usage()}).decide(pool, asking("request"), workspace).outcome ==
        Outcome::kRouted);
  CHECK(workspace.failure().ok());
}

TEST_CASE("a later stage with a scorer of one's own says which stage failed", "[route][user]") {
  PolicySpec spec = spec_of({{"user:usage"}});
  spec.filters = {{"prefix-threshold"}};
  spec.otherwise.push_back(spec_of({{"random"}, {"user:broken"}}));
  const Policy policy = make(spec, {by_usage(), failing()});
  Workspace workspace;
  const Decision decision = policy.decide(plain_pool(2), asking("request"), workspace);
  CHECK(decision.outcome == Outcome::kScorerFailed);
  CHECK(decision.stage == 1);
  CHECK(decision.reason.subject == 1);
}

TEST_CASE("a fleet books nothing when a scorer fails", "[route][user][fleet]") {
  Fleet fleet = std::move(Fleet::create({})).value();
  REQUIRE(fleet.add_endpoints(std::vector<Endpoint>{row("a"), row("b")}, 1).ok());
  const Policy policy = make(spec_of({{"user:broken"}}), {failing()});
  const LedgerCounts before = fleet.ledger().counts();
  Workspace workspace;
  FleetRequest request;
  request.request.id = "request";
  const Result<Routed> routed = fleet.decide_and_book(policy, request, workspace);
  REQUIRE(routed.ok());
  CHECK(routed->decision.outcome == Outcome::kScorerFailed);
  CHECK(routed->ticket == Ticket());
  CHECK(fleet.ledger().counts() == before);
  CHECK(fleet.ledger().in_flight() == 0);
}

TEST_CASE("many threads decide with one policy", "[route][user]") {
  std::atomic<int> calls = 0;
  UserScorer counting = by_usage();
  counting.score = [&calls, score = counting.score](const ScoreInput& input, std::span<double> out) {
    ++calls;
    return score(input, out);
  };
  const Policy policy = make(spec_of({{"user:usage"}}), {counting});
  const Policy expected = make(spec_of({{"gpu-usage"}}), {});
  std::vector<PoolSnapshot> pools;
  for (std::uint64_t seed = 0; seed < 20; ++seed) pools.push_back(random_pool(seed));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      Workspace workspace;
      for (std::uint64_t i = 0; i < 2000; ++i) {
        const Request request = asking("request", i, t);
        if (policy.decide(pools[i % 20], request, workspace) != expected.decide(pools[i % 20], request, workspace))
          ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(calls > 0);
}

TEST_CASE("what is wrong with scorers of one's own is told with the rest", "[route][user]") {
  const auto message = [](const PolicySpec& spec, const std::vector<UserScorer>& scorers) {
    return std::string(Policy::create(spec, scorers).status().message());
  };
  const std::string unknown = message(spec_of({{"user:usag"}}), {by_usage(), failing()});
  CHECK(unknown.find("scorers[0].name: unknown scorer \"user:usag\"; there are: least-request") != std::string::npos);
  CHECK(unknown.find(", user:usage, user:broken") != std::string::npos);
  CHECK(message(spec_of({{"usage"}}), {by_usage()}).find("unknown scorer \"usage\"") != std::string::npos);
  CHECK(message(spec_of({{"gpu-usage"}}), {by_usage(), by_usage(), {}}) ==
        "own scorers[1].name: \"usage\" is there twice; own scorers[2].name: must not be empty; own scorers[2].score: "
        "must be a function");
  CHECK(message(spec_of({{"user:usage", 1, {{"x", 1}}}}), {by_usage()}) ==
        "scorers[0].options.x: a scorer of one's own takes no options");
  CHECK(message(spec_of({{"user:usage", -1, {}}}), {by_usage()}) == "scorers[0].weight: must be a number in [0, 1e9]");
  // One may be called as a part of the library is.
  CHECK(message(spec_of({{"user:random"}, {"random"}}), {by_usage("random")}).empty());
  CHECK_FALSE(Policy::create(spec_of({{"user:usage"}})).ok());
  CHECK(manifest::parse_policy(R"({"scorers": ["user:usage"]})", std::vector<UserScorer>{by_usage()}).ok());
  CHECK_FALSE(manifest::parse_policy(R"({"scorers": ["user:usage"]})").ok());
}
