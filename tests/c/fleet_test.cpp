// A fleet through the C interface: endpoints, samples, events, decisions with bookings, and what bad input says.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "catch.hpp"
#include "kthena/kthena.h"

namespace {

std::string text(kthena_str s) { return {s.data, s.size}; }

struct Fixture {
  kthena_error error = KTHENA_INIT(kthena_error);
  kthena_fleet* fleet = nullptr;
  kthena_policy* policy = nullptr;
  kthena_workspace* workspace = kthena_workspace_create();
  std::uint32_t numbers[3] = {};

  explicit Fixture(const kthena_fleet_options* options = nullptr) {
    REQUIRE(kthena_fleet_create(options, &fleet, &error) == KTHENA_OK);
    REQUIRE(kthena_policy_create_preset(KTHENA_STR("cost"), &policy, &error) == KTHENA_OK);
    const std::uint64_t ids[] = {0, 1, 2, 3};
    kthena_pool_endpoints endpoints = KTHENA_INIT(kthena_pool_endpoints);
    endpoints.n = 3;
    endpoints.id_bytes = "cab";
    endpoints.id_offsets = ids;
    REQUIRE(kthena_fleet_add_endpoints(fleet, &endpoints, 0, numbers, &error) == KTHENA_OK);
  }
  ~Fixture() {
    kthena_fleet_free(fleet);
    kthena_policy_free(policy);
    kthena_workspace_free(workspace);
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  double signal(std::uint32_t endpoint, int32_t signal) {
    double value = 0;
    REQUIRE(kthena_fleet_get_signal(fleet, endpoint, signal, &value, nullptr, &error) == KTHENA_OK);
    return value;
  }
  kthena_fleet_counts counts() {
    kthena_fleet_counts counts = KTHENA_INIT(kthena_fleet_counts);
    REQUIRE(kthena_fleet_get_counts(fleet, &counts, &error) == KTHENA_OK);
    return counts;
  }
  std::string message() const { return {error.message, error.message_size}; }
};

kthena_request asked(std::int64_t now_ns, std::uint64_t sequence = 0) {
  kthena_request request = KTHENA_INIT(kthena_request);
  request.output_tokens = 100;
  request.now_ns = now_ns;
  request.sequence = sequence;
  return request;
}
kthena_prompt prompt_of(const std::vector<std::uint32_t>& tokens) {
  kthena_prompt prompt = KTHENA_INIT(kthena_prompt);
  prompt.tokens = tokens.data();
  prompt.n = tokens.size();
  prompt.model = KTHENA_STR("m");
  return prompt;
}

}  // namespace

TEST_CASE("a fleet in C: numbers, decisions, bookings, ends", "[c][fleet]") {
  Fixture f;
  CHECK(kthena_fleet_size(f.fleet) == 3);
  CHECK(text(kthena_fleet_id(f.fleet, f.numbers[0])) == "c");
  CHECK(kthena_fleet_find(f.fleet, KTHENA_STR("b")) == f.numbers[2]);
  CHECK(kthena_fleet_find(f.fleet, KTHENA_STR("x")) == KTHENA_NONE);
  CHECK(text(kthena_prefix_worker_name(kthena_fleet_index(f.fleet), f.numbers[1])) == "a");

  std::vector<std::uint32_t> tokens;
  for (std::uint32_t i = 0; i < 500; ++i) tokens.push_back(i);
  kthena_prompt prompt = prompt_of(tokens);
  kthena_request request = asked(1000);
  kthena_decision decision = KTHENA_INIT(kthena_decision);
  kthena_ticket ticket = {};
  REQUIRE(kthena_fleet_decide(f.fleet, f.policy, &request, &prompt, f.workspace, &decision, &ticket, &f.error) ==
          KTHENA_OK);
  CHECK(decision.outcome == KTHENA_ROUTED);
  CHECK(decision.ranked[0] == decision.endpoint);
  CHECK(decision.ranked[3] == KTHENA_NONE);
  CHECK(ticket.generation == 1);
  CHECK(f.signal(decision.endpoint, KTHENA_SIGNAL_IN_FLIGHT) == 1);
  CHECK(f.signal(decision.endpoint, KTHENA_SIGNAL_UNCACHED_TOKENS) == 500);
  CHECK(kthena_fleet_first_token(f.fleet, ticket, 2000) == KTHENA_TICKET_APPLIED);
  CHECK(kthena_fleet_first_token(f.fleet, ticket, 2000) == KTHENA_TICKET_REPEATED);
  CHECK(kthena_fleet_progress(f.fleet, ticket, 40, 3000) == KTHENA_TICKET_APPLIED);
  CHECK(f.signal(decision.endpoint, KTHENA_SIGNAL_OUTPUT_TOKENS) == 60);
  CHECK(kthena_fleet_finish(f.fleet, ticket, KTHENA_END_DONE, 60, 4000) == KTHENA_TICKET_APPLIED);
  CHECK(kthena_fleet_finish(f.fleet, ticket, KTHENA_END_DONE, 60, 4000) == KTHENA_TICKET_STALE);
  CHECK(kthena_fleet_finish(f.fleet, kthena_ticket{}, KTHENA_END_DONE, 60, 4000) == KTHENA_TICKET_STALE);
  CHECK(f.counts().done == 1);
  CHECK(f.counts().stale == 2);
  CHECK(f.counts().in_flight == 0);

  // What an engine says it holds is found by the next decision.
  std::vector<std::uint64_t> contents(31);
  kthena_prefix_index* index = kthena_fleet_index(f.fleet);
  REQUIRE(kthena_prefix_index_hash_blocks(index, tokens.data(), tokens.size(), contents.data(), nullptr) == 31);
  const std::uint64_t space = kthena_prefix_index_namespace_key(index, KTHENA_STR("m"), {}, {});
  REQUIRE(kthena_prefix_store(index, f.numbers[2], space, nullptr, contents.data(), contents.data(), nullptr, 31, 0,
                              &f.error) == KTHENA_OK);
  REQUIRE(kthena_fleet_decide(f.fleet, f.policy, &request, &prompt, f.workspace, &decision, &ticket, &f.error) ==
          KTHENA_OK);
  CHECK(decision.endpoint == f.numbers[2]);
  CHECK(f.signal(f.numbers[2], KTHENA_SIGNAL_UNCACHED_TOKENS) == 4);
  CHECK(f.signal(f.numbers[2], KTHENA_SIGNAL_HELD_BLOCKS) == 31);

  const kthena_ticket direct = [&] {
    kthena_ticket made = {};
    REQUIRE(kthena_fleet_book(f.fleet, f.numbers[0], &request, &prompt, &made, &f.error) == KTHENA_OK);
    return made;
  }();
  REQUIRE(kthena_fleet_restart_endpoint(f.fleet, f.numbers[0], 5000, &f.error) == KTHENA_OK);
  CHECK(kthena_fleet_first_token(f.fleet, direct, 5000) == KTHENA_TICKET_STALE);
  REQUIRE(kthena_fleet_remove_endpoint(f.fleet, f.numbers[1], 5000, &f.error) == KTHENA_OK);
  CHECK(text(kthena_fleet_id(f.fleet, f.numbers[2])) == "b");  // numbers stay
  CHECK(kthena_fleet_id(f.fleet, f.numbers[1]).size == 0);
  CHECK(kthena_fleet_expire(f.fleet, 5000 + 600'000'000'000) == 1);
}

TEST_CASE("a burst in C is spread, and cut where tickets run out", "[c][fleet]") {
  kthena_fleet_options options = KTHENA_INIT(kthena_fleet_options);
  options.max_tickets = 7;
  Fixture f(&options);
  const std::vector<std::uint32_t> tokens(64, 7);
  std::vector<kthena_request> requests;
  for (std::uint64_t i = 0; i < 9; ++i) requests.push_back(asked(1, i));
  std::vector<kthena_decision> decisions(9, kthena_decision(KTHENA_INIT(kthena_decision)));
  const kthena_prompt prompt = prompt_of(tokens);
  std::vector<const kthena_request*> asks;
  std::vector<const kthena_prompt*> prompts;
  std::vector<kthena_decision*> outs;
  std::vector<kthena_ticket> tickets(9);
  for (std::size_t i = 0; i < 9; ++i) {
    asks.push_back(&requests[i]);
    prompts.push_back(i == 0 ? &prompt : nullptr);
    outs.push_back(&decisions[i]);
  }
  std::size_t decided = 0;
  requests[4].near_to[1] = {nullptr, 3};
  CHECK(kthena_fleet_decide_batch(f.fleet, f.policy, asks.data(), prompts.data(), 9, f.workspace, outs.data(),
                                  tickets.data(), &decided, &f.error) == KTHENA_INVALID_ARGUMENT);
  CHECK(std::string(f.error.message).starts_with("requests[4].near_to[1]"));
  CHECK(f.counts().booked == 0);
  requests[4].near_to[1] = {};
  REQUIRE(kthena_fleet_decide_batch(f.fleet, f.policy, asks.data(), prompts.data(), 9, f.workspace, outs.data(),
                                    tickets.data(), &decided, &f.error) == KTHENA_OK);
  CHECK(decided == 7);
  for (const std::uint32_t number : f.numbers) CHECK(f.signal(number, KTHENA_SIGNAL_IN_FLIGHT) >= 2);
  CHECK(tickets[7].generation == 0);
}

TEST_CASE("bad input to a fleet in C names the parameter and changes nothing", "[c][fleet]") {
  Fixture f;
  kthena_fleet* none = nullptr;
  kthena_fleet_options options = KTHENA_INIT(kthena_fleet_options);
  options.estimator = 5;
  CHECK(kthena_fleet_create(&options, &none, &f.error) == KTHENA_INVALID_ARGUMENT);
  CHECK(f.message().find("options.estimator") == 0);
  options.estimator = 0;
  options.idle_limit_ns = 3;
  CHECK(kthena_fleet_create(&options, &none, &f.error) == KTHENA_INVALID_ARGUMENT);
  CHECK(f.message().find("ledger.idle_limit_ns: 3") == 0);
  kthena_prefix_index_options prefix = KTHENA_INIT(kthena_prefix_index_options);
  prefix.wide_contents = 2;
  options = KTHENA_INIT(kthena_fleet_options);
  options.prefix = &prefix;
  CHECK(kthena_fleet_create(&options, &none, &f.error) == KTHENA_INVALID_ARGUMENT);
  CHECK(f.message().find("options.prefix.wide_contents") == 0);
  CHECK(none == nullptr);

  kthena_request request = asked(1);
  kthena_decision decision = KTHENA_INIT(kthena_decision);
  kthena_ticket ticket = {};
  const std::uint32_t depths[] = {1, 2, 3};
  request.prefix_depths = depths;
  request.depth_count = 3;
  CHECK(kthena_fleet_decide(f.fleet, f.policy, &request, nullptr, f.workspace, &decision, &ticket, &f.error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(f.message().find("request.prefix_depths") == 0);
  request = asked(1);
  kthena_prompt prompt = KTHENA_INIT(kthena_prompt);
  prompt.n = 4;
  CHECK(kthena_fleet_decide(f.fleet, f.policy, &request, &prompt, f.workspace, &decision, &ticket, &f.error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(f.message().find("prompt.tokens") == 0);
  CHECK(kthena_fleet_decide(nullptr, f.policy, &request, nullptr, f.workspace, &decision, &ticket, &f.error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_fleet_book(f.fleet, 99, &request, nullptr, &ticket, &f.error) == KTHENA_NOT_FOUND);
  CHECK(kthena_fleet_restart_endpoint(f.fleet, KTHENA_NONE, 1, &f.error) == KTHENA_NOT_FOUND);
  const std::int32_t signals[] = {KTHENA_SIGNAL_RUNNING, KTHENA_SIGNAL_WAITING};
  const double values[] = {3, 1};
  CHECK(kthena_fleet_sample(f.fleet, f.numbers[0], signals, values, 2, 10, 5, &f.error) == KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_fleet_sample(f.fleet, f.numbers[0], signals, values, 2, 5, 5, &f.error) == KTHENA_OK);
  CHECK(f.signal(f.numbers[0], KTHENA_SIGNAL_IN_FLIGHT) == 4);
  CHECK(std::isnan(f.signal(f.numbers[1], KTHENA_SIGNAL_RUNNING)));
  const std::uint64_t offsets[] = {0, 1, 2};
  CHECK(kthena_fleet_set_models(f.fleet, f.numbers[0], "mm", offsets, 2, nullptr, nullptr, 0, &f.error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_fleet_set_models(f.fleet, f.numbers[0], "mn", offsets, 2, nullptr, nullptr, 0, &f.error) == KTHENA_OK);
  CHECK(f.counts().booked == 0);
  CHECK(kthena_fleet_size(nullptr) == 0);
  CHECK(kthena_fleet_index(nullptr) == nullptr);
  kthena_fleet_free(nullptr);
}
