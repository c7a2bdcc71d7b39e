// tests/c/decision_log_test.cpp
#include <fstream>
#include <nlohmann/json.hpp>

#include "fixture.hpp"
#include "vectors.hpp"

using namespace kthena::test;
using Json = nlohmann::ordered_json;

namespace {

DecisionLog make_log(const Policy& policy) {
  kthena_decision_log* log = nullptr;
  Error error;
  const kthena_status status = kthena_decision_log_create(policy.get(), &log, &error);
  INFO(error.text());
  REQUIRE(status == KTHENA_OK);
  return DecisionLog(log);
}

std::string take(const DecisionLog& log) {
  std::size_t needed = 0;
  const kthena_status status = kthena_decision_log_take(log.get(), nullptr, 0, &needed, nullptr);
  CHECK(status == (needed == 0 ? KTHENA_OK : KTHENA_OUT_OF_RANGE));
  std::string bytes(needed, '\0');
  REQUIRE(kthena_decision_log_take(log.get(), bytes.data(), bytes.size(), &needed, nullptr) == KTHENA_OK);
  CHECK(needed == bytes.size());
  return bytes;
}

Json diff(const std::string& log, const std::string& question) {
  return Json::parse(text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
    return kthena_log_diff_json(str(log), str(question), buffer, capacity, needed, nullptr);
  }));
}

struct Asked {
  Pool pool;
  Policy policy = make_policy(R"({"scorers": ["kv-utilization"]})");
  Workspace workspace = make_workspace();
  kthena_request request = KTHENA_INIT(kthena_request);
  kthena_decision decision = KTHENA_INIT(kthena_decision);

  explicit Asked(const std::vector<std::string>& ids) : pool(make_pool(ids)) {
    std::vector<double> usage;
    std::vector<double> in_flight;
    for (const std::string& id : ids) {
      usage.push_back((id[0] - 'a') / 10.0);
      in_flight.push_back('z' - id[0]);
    }
    set(pool, KTHENA_SIGNAL_KV_USAGE, usage, 5);
    set(pool, KTHENA_SIGNAL_IN_FLIGHT, in_flight, 5);
    request.id = KTHENA_STR("request-1");
    REQUIRE(kthena_decide(policy.get(), pool.get(), &request, workspace.get(), &decision, nullptr) == KTHENA_OK);
  }
};

}  // namespace

TEST_CASE("a log written through C is decided again", "[c][log]") {
  // In whatever order endpoints are given, the log is the same.
  std::string bytes;
  for (const auto& ids : {std::vector<std::string>{"a", "b", "c"}, std::vector<std::string>{"c", "a", "b"}}) {
    Asked asked(ids);
    const DecisionLog log = make_log(asked.policy);
    const std::vector<std::uint32_t> depths = {1, 1, 1};
    asked.request.prefix_depths = depths.data();
    asked.request.depth_count = 3;
    asked.request.prefix_total = 4;
    REQUIRE(kthena_decision_log_append(log.get(), asked.pool.get(), &asked.request, &asked.decision, nullptr) ==
            KTHENA_OK);
    std::size_t needed = 0;
    CHECK(kthena_decision_log_take(log.get(), nullptr, 0, &needed, nullptr) == KTHENA_OUT_OF_RANGE);
    const std::string written = take(log);
    CHECK(written.size() == needed);
    CHECK(take(log).empty());
    CHECK((bytes.empty() || bytes == written));
    bytes = written;
  }
  const Json same = diff(bytes, R"({"policy": {"scorers": ["kv-utilization"]}})");
  CHECK(same["identical"] == 1);
  CHECK(same["log"]["policies"][0]["hash"] == same["policy"]["hash"]);
  const Json other = diff(bytes, R"({"policy": "least-request"})");
  CHECK(other["changed"] == 1);
  CHECK(other["first"][0]["before"]["endpoint"] == "a");
  CHECK(other["first"][0]["after"]["endpoint"] == "c");
  CHECK(other["first"][0]["regret"] == 20);
  CHECK(other["first"][0]["before"]["terms"][0] ==
        Json({{"scorer", "kv-utilization"}, {"before", 100}, {"after", 80}}));
}

TEST_CASE("bad arguments of the log name themselves", "[c][log]") {
  Asked asked({"a", "b"});
  const DecisionLog log = make_log(asked.policy);
  const auto refused = [&](const std::string& message) {
    Error error;
    CHECK(kthena_decision_log_append(log.get(), asked.pool.get(), &asked.request, &asked.decision, &error) ==
          KTHENA_INVALID_ARGUMENT);
    CHECK(error.text() == message);
  };
  const kthena_decision made = asked.decision;
  asked.decision.endpoint = 2;
  refused("decision.endpoint: no such endpoint");
  asked.decision = made;
  asked.decision.ranked_count = 17;
  refused("decision.ranked_count: must not exceed 16");
  asked.decision = made;
  asked.decision.ranked[1] = 9;
  refused("decision.ranked[1]: no such endpoint");
  asked.decision = made;
  asked.decision.outcome = 5;
  refused("decision.outcome: unknown");
  asked.decision = made;
  asked.decision.reason = 99;
  refused("decision.reason: unknown");
  asked.decision = made;
  asked.request.slo_ttft_s = -1;
  refused("request.slo_ttft_s: must be finite and not negative");
  CHECK(take(log).empty());
  Error error;
  CHECK(kthena_decision_log_create(nullptr, nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "policy: must not be NULL");
  std::size_t needed = 0;
  CHECK(kthena_log_diff_json(KTHENA_STR("no log"), KTHENA_STR(R"({"policy": "random"})"), nullptr, 0, &needed,
                             &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "log: byte 0: no decision log begins like this");
  CHECK(kthena_log_diff_json(KTHENA_STR(""), KTHENA_STR("{}"), nullptr, 0, &needed, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "policy: is needed");
}

TEST_CASE("the hash of a policy is of what it does", "[c][log]") {
  const auto hash = [](const char* json) { return kthena_policy_hash(make_policy(json).get()); };
  CHECK(kthena_policy_hash(nullptr) == 0);
  CHECK(hash(R"({"scorers": ["random"]})") ==
        hash(R"({"name": "other", "scorers": [{"name": "random", "weight": 1}]})"));
  CHECK(hash(R"({"scorers": ["random"]})") != hash(R"({"scorers": [{"name": "random", "weight": 2}]})"));
  // Never changes: logs hold it.
  CHECK(hash(R"({"scorers": ["random"]})") == 0x51328DA9180C0D8B);
}

TEST_CASE("lint through C finds what its vectors say", "[c][lint][vectors]") {
  const auto cases = cases_of("lint");
  CHECK(cases.size() > 80);
  for (const Json& each : cases) {
    INFO(each["name"].get<std::string>());
    const std::string question = each["document"].dump();
    if (each.contains("error")) {
      Error error;
      std::size_t needed = 0;
      CHECK(kthena_lint_json(str(question), nullptr, 0, &needed, &error) == KTHENA_INVALID_ARGUMENT);
      CHECK(error.text() == each["error"].get<std::string>());
      continue;
    }
    const Json answer = Json::parse(text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
      return kthena_lint_json(str(question), buffer, capacity, needed, nullptr);
    }));
    Json found = Json::array();
    for (const Json& finding : answer["findings"])
      found.push_back({finding["code"], finding["severity"], finding["path"]});
    CHECK(found == each["expect"]);
  }
}
