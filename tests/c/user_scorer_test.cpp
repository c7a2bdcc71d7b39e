// tests/c/user_scorer_test.cpp
#include <algorithm>
#include <cmath>
#include <cstring>
#include <thread>

#include <nlohmann/json.hpp>

#include "fixture.hpp"

using namespace kthena::test;

namespace {

struct Counts {
  int freed = 0;
  std::vector<std::uint32_t> endpoints{};
};

kthena_status usage(void*, const kthena_score_input* input, double* out, size_t n, kthena_error*) {
  const double* column = kthena_score_input_column(input, KTHENA_SIGNAL_KV_USAGE);
  for (size_t i = 0; i < n; ++i) out[i] = std::trunc((1 - column[i]) * 100);
  return KTHENA_OK;
}

kthena_status look(void* context, const kthena_score_input* input, double*, size_t n, kthena_error* error) {
  auto& counts = *static_cast<Counts*>(context);
  counts.endpoints.resize(n);
  kthena_score_input_endpoints(input, counts.endpoints.data());
  kthena_request request = KTHENA_INIT(kthena_request);
  if (kthena_status status = kthena_score_input_request(input, &request, error); status != KTHENA_OK) return status;
  uint32_t total = 0;
  const bool fine = view(request.id) == "r" && view(request.model) == "llama" && request.seed == 7 &&
                    request.prefix_depths == nullptr && kthena_score_input_column(input, -1) == nullptr &&
                    kthena_score_input_column(input, KTHENA_SIGNAL_COUNT) == nullptr &&
                    kthena_score_input_keys(input)[0] == kthena_hash_id(str("a")) &&
                    kthena_score_input_prefix_depths(input, &total)[0] == 3 && total == 4 &&
                    kthena_score_input_history_depths(input, nullptr)[1] == 1;
  return fine ? KTHENA_OK : KTHENA_INTERNAL;  // nobody gets an opinion: all abstain
}

kthena_status broken(void*, const kthena_score_input*, double* out, size_t n, kthena_error* error) {
  std::fill_n(out, n, 1.0);
  std::strcpy(error->message, "not warm yet");
  return KTHENA_UNAVAILABLE;
}

kthena_status odd(void*, const kthena_score_input*, double*, size_t, kthena_error* error) {
  std::memset(error->message, 'x', sizeof(error->message));
  return 99;
}

void count_free(void* context) { ++static_cast<Counts*>(context)->freed; }

kthena_scorer scorer(std::string_view name, decltype(kthena_scorer::score) score, Counts* counts = nullptr) {
  kthena_scorer made = KTHENA_INIT(kthena_scorer);
  made.name = str(name);
  made.score = score;
  made.context = counts;
  made.free_context = counts == nullptr ? nullptr : count_free;
  return made;
}

Policy with(std::string_view json, const kthena_scorer& one) {
  const kthena_scorer* list[] = {&one};
  kthena_policy* policy = nullptr;
  Error error;
  const kthena_status status = kthena_policy_create_with(str(json), list, 1, &policy, &error);
  INFO(error.text());
  REQUIRE(status == KTHENA_OK);
  return Policy(policy);
}

kthena_request asking(std::string_view id = "r") {
  kthena_request request = KTHENA_INIT(kthena_request);
  request.id = str(id);
  request.model = str("llama");
  request.seed = 7;
  return request;
}

Pool three() {
  Pool pool = make_pool({"b", "c", "a"});
  const double values[] = {0.5, 0.25, kNan};
  REQUIRE(kthena_pool_set_signal(pool.get(), KTHENA_SIGNAL_KV_USAGE, values, 3, nullptr, 0, nullptr) == KTHENA_OK);
  return pool;
}

}  // namespace

TEST_CASE("a scorer of one's own decides as the one of the library does", "[c][user]") {
  const Pool pool = three();
  const Policy own = with(R"({"scorers": ["user:usage", "random"]})", scorer("usage", usage));
  const Policy built_in = make_policy(R"({"scorers": ["gpu-usage", "random"]})");
  const Workspace workspace(kthena_workspace_create());
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    kthena_request request = asking();
    request.seed = seed;
    kthena_decision expected = KTHENA_INIT(kthena_decision), decision = KTHENA_INIT(kthena_decision);
    REQUIRE(kthena_decide(built_in.get(), pool.get(), &request, workspace.get(), &expected, nullptr) == KTHENA_OK);
    REQUIRE(kthena_decide(own.get(), pool.get(), &request, workspace.get(), &decision, nullptr) == KTHENA_OK);
    REQUIRE(std::memcmp(&decision, &expected, sizeof(decision)) == 0);
  }
  CHECK(kthena_workspace_abstentions(workspace.get()) == 100);
  CHECK(kthena_workspace_abstentions(nullptr) == 0);
  const kthena_request request = asking();
  const auto json = nlohmann::json::parse(text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
    return kthena_explain_json(own.get(), pool.get(), &request, buffer, capacity, needed, nullptr);
  }));
  CHECK(json.dump().find("user:usage") != std::string::npos);
}

TEST_CASE("a scorer sees endpoints as the caller numbers them, and the request", "[c][user]") {
  const Pool pool = three();
  Counts counts;
  {
    const Policy policy = with(R"({"scorers": ["user:look"]})", scorer("look", look, &counts));
    const Workspace workspace(kthena_workspace_create());
    kthena_request request = asking();
    const std::uint32_t depths[] = {1, 2, 3};  // of b, c, a
    request.prefix_depths = depths;
    request.depth_count = 3;
    request.prefix_total = 4;
    kthena_decision decision = KTHENA_INIT(kthena_decision);
    Error error;
    const kthena_status status = kthena_decide(policy.get(), pool.get(), &request, workspace.get(), &decision, &error);
    INFO(error.text());
    REQUIRE(status == KTHENA_OK);
    CHECK(counts.endpoints == std::vector<std::uint32_t>{2, 0, 1});
    CHECK(kthena_workspace_abstentions(workspace.get()) == 3);
    CHECK(counts.freed == 0);
  }
  CHECK(counts.freed == 1);
}

TEST_CASE("a scorer that fails is a status that names it, and nothing is written", "[c][user]") {
  const Pool pool = three();
  const Policy policy = with(R"({"scorers": ["user:broken"]})", scorer("broken", broken));
  const Workspace workspace(kthena_workspace_create());
  const kthena_request request = asking();
  kthena_decision decision = KTHENA_INIT(kthena_decision);
  decision.endpoint = 77;
  Error error;
  CHECK(kthena_decide(policy.get(), pool.get(), &request, workspace.get(), &decision, &error) == KTHENA_UNAVAILABLE);
  CHECK(error.text() == "scorer \"user:broken\": not warm yet");
  CHECK(decision.endpoint == 77);
  CHECK(kthena_decide(policy.get(), pool.get(), &request, workspace.get(), &decision, nullptr) == KTHENA_UNAVAILABLE);
  char buffer[4096];
  std::size_t needed = 77;
  Error other;
  CHECK(kthena_explain_json(policy.get(), pool.get(), &request, buffer, sizeof(buffer), &needed, &other) ==
        KTHENA_UNAVAILABLE);
  CHECK(other.text() == error.text());
  CHECK(needed == 77);

  const Policy strange = with(R"({"scorers": ["user:odd"]})", scorer("odd", odd));
  CHECK(kthena_decide(strange.get(), pool.get(), &request, workspace.get(), &decision, &error) == KTHENA_UNKNOWN);
  CHECK(error.text().rfind("scorer \"user:odd\": xxx", 0) == 0);
  CHECK(kthena_workspace_abstentions(workspace.get()) == 0);
}

TEST_CASE("scorers that are wrong are refused and stay the caller's", "[c][user]") {
  Counts counts;
  const kthena_scorer good = scorer("usage", usage, &counts);
  kthena_policy* policy = nullptr;
  Error error;
  const auto refused = [&](std::string_view json, const std::vector<const kthena_scorer*>& list) {
    CHECK(kthena_policy_create_with(str(json), list.data(), list.size(), &policy, &error) == KTHENA_INVALID_ARGUMENT);
    CHECK(policy == nullptr);
    return error.text();
  };
  const std::string json = R"({"scorers": ["user:usage"]})";
  CHECK(refused(R"({"scorers": ["user:use"]})", {&good}).find("random, ") != std::string::npos);
  CHECK(error.text().find("user:usage") != std::string::npos);
  CHECK(refused(json, {&good, &good}).find("own scorers[1].name: \"usage\" is there twice") != std::string::npos);
  CHECK(refused(json, {nullptr}) == "scorers[0]: must not be NULL");
  kthena_scorer bad = good;
  bad.struct_size = 7;
  CHECK(refused(json, {&good, &bad}).rfind("scorers[1].struct_size: 7", 0) == 0);
  bad = scorer("usage", nullptr);
  CHECK(refused(json, {&bad}) == "scorers[0].score: must not be NULL");
  bad = scorer("", usage);
  CHECK(refused(json, {&good, &bad}).find("must not be empty") != std::string::npos);
  bad = good;
  bad.reserved = 1;
  CHECK(refused(json, {&bad}) == "scorers[0].reserved: must be 0");
  bad = good;
  bad.name = {nullptr, 1};
  CHECK(refused(json, {&bad}) == "scorers[0].name: data is NULL, but size is not 0");
  CHECK(kthena_policy_create_with(str(json), nullptr, 1, &policy, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_policy_create_with(str(json), nullptr, 0, nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(counts.freed == 0);
  REQUIRE(kthena_policy_create_with(str("\"random\""), nullptr, 0, &policy, &error) == KTHENA_OK);
  kthena_policy_free(policy);
}

TEST_CASE("two threads decide with one policy", "[c][user]") {
  const Pool pool = three();
  const Policy policy = with(R"({"scorers": ["user:usage"]})", scorer("usage", usage));
  std::vector<int> routed(2);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      const Workspace workspace(kthena_workspace_create());
      const kthena_request request = asking();
      kthena_decision decision = KTHENA_INIT(kthena_decision);
      for (int i = 0; i < 1000; ++i)
        if (kthena_decide(policy.get(), pool.get(), &request, workspace.get(), &decision, nullptr) == KTHENA_OK &&
            decision.endpoint == 1)
          ++routed[t];
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(routed == std::vector<int>{1000, 1000});
}

TEST_CASE("a fleet books nothing when a scorer fails, and numbers endpoints as it does", "[c][user][fleet]") {
  kthena_fleet* made = nullptr;
  REQUIRE(kthena_fleet_create(nullptr, &made, nullptr) == KTHENA_OK);
  const std::unique_ptr<kthena_fleet, void (*)(kthena_fleet*)> fleet(made, kthena_fleet_free);
  Endpoints endpoints;
  for (const char* id : {"b", "c", "a"}) endpoints.add(id);
  const kthena_pool_endpoints given = endpoints.view();
  std::vector<std::uint32_t> numbers(3);
  REQUIRE(kthena_fleet_add_endpoints(fleet.get(), &given, 0, numbers.data(), nullptr) == KTHENA_OK);
  const Workspace workspace(kthena_workspace_create());
  kthena_request request = asking();
  kthena_decision decision = KTHENA_INIT(kthena_decision);
  kthena_ticket ticket{};
  Error error;
  const Policy policy = with(R"({"scorers": ["user:broken"]})", scorer("broken", broken));
  CHECK(kthena_fleet_decide(fleet.get(), policy.get(), &request, nullptr, workspace.get(), &decision, &ticket,
                            &error) == KTHENA_UNAVAILABLE);
  CHECK(error.text() == "scorer \"user:broken\": not warm yet");
  const kthena_request* requests[] = {&request};
  kthena_decision* decisions[] = {&decision};
  std::size_t decided = 0;
  REQUIRE(kthena_fleet_decide_batch(fleet.get(), policy.get(), requests, nullptr, 1, workspace.get(), decisions,
                                    &ticket, &decided, &error) == KTHENA_OK);
  CHECK(decided == 1);
  CHECK(decision.outcome == KTHENA_SCORER_FAILED);
  kthena_fleet_counts counts = KTHENA_INIT(kthena_fleet_counts);
  REQUIRE(kthena_fleet_get_counts(fleet.get(), &counts, nullptr) == KTHENA_OK);
  CHECK(counts.booked == 0);

  Counts seen;
  const auto only_look = [](void* context, const kthena_score_input* input, double*, size_t n, kthena_error*) {
    auto& into = static_cast<Counts*>(context)->endpoints;
    into.resize(n);
    kthena_score_input_endpoints(input, into.data());
    return static_cast<kthena_status>(KTHENA_OK);
  };
  const Policy looking = with(R"({"scorers": ["user:look"]})", scorer("look", only_look, &seen));
  REQUIRE(kthena_fleet_decide(fleet.get(), looking.get(), &request, nullptr, workspace.get(), &decision, &ticket,
                              nullptr) == KTHENA_OK);
  CHECK(seen.endpoints == std::vector<std::uint32_t>{numbers[2], numbers[0], numbers[1]});
}
