// tests/c/edges_test.cpp
//
// What holds for all functions: versions, errors, struct_size, text out, nothing thrown.
#include <cmath>
#include <cstring>

#include "fixture.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena::test;

TEST_CASE("version and reasons", "[c]") {
  CHECK(kthena_version() == (KTHENA_VERSION_MAJOR << 16 | KTHENA_VERSION_MINOR << 8 | KTHENA_VERSION_PATCH));
  CHECK(view(kthena_reason_name(KTHENA_REASON_TIE_BROKEN)) == "tie_broken");
  CHECK(view(kthena_reason_text(KTHENA_REASON_POOL_EMPTY)) == "the pool has no endpoints");
  CHECK(view(kthena_reason_numbers(KTHENA_REASON_BEST_SCORE)) == "a = score, b = margin over the runner-up");
  CHECK(view(kthena_reason_numbers(KTHENA_REASON_POOL_EMPTY)).empty());
  CHECK(view(kthena_reason_name(-1)).empty());
  CHECK(view(kthena_reason_text(99)).empty());
  CHECK(std::string(kthena_reason_text(99).data).empty());
  CHECK(std::string(kthena_reason_name(KTHENA_REASON_TIE_BROKEN).data) == "tie_broken");
}

TEST_CASE("hash and random numbers are those of every language", "[c]") {
  CHECK(kthena_hash_id(str("")) == kthena_hash_id({nullptr, 0}));
  CHECK(kthena_hash_id(str("a")) != kthena_hash_id(str("b")));
  CHECK(kthena_hash_id({nullptr, 7}) == kthena_hash_id(str("")));
  CHECK(kthena_random_u64(1, 2, 3) == kthena_random_u64(1, 2, 3));
  CHECK(kthena_random_u64(1, 2, 3) != kthena_random_u64(1, 2, 4));
}

TEST_CASE("NULL handles are free to free and read as empty", "[c]") {
  kthena_pool_free(nullptr);
  kthena_policy_free(nullptr);
  kthena_workspace_free(nullptr);
  kthena_prefix_index_free(nullptr);
  kthena_prefix_query_free(nullptr);
  kthena_prefix_query_clear(nullptr);
  kthena_prefix_events_free(nullptr);
  kthena_engine_parser_free(nullptr);
  kthena_engine_sample_free(nullptr);
  kthena_engine_interval_free(nullptr);
  kthena_kv_stream_free(nullptr);
  kthena_simulation_free(nullptr);
  std::uint64_t ended = 7;
  kthena_simulation_progress(nullptr, &ended, nullptr);
  CHECK(ended == 0);
  CHECK(kthena_pool_size(nullptr) == 0);
  CHECK(kthena_pool_find(nullptr, str("a")) == KTHENA_NONE);
  CHECK(view(kthena_pool_id(nullptr, 0)).empty());
  CHECK(kthena_prefix_find_worker(nullptr, str("a")) == KTHENA_NONE);
  CHECK(kthena_prefix_worker_limit(nullptr) == 0);
  CHECK(view(kthena_prefix_worker_name(nullptr, 0)).empty());
  CHECK(kthena_prefix_index_namespace_key(nullptr, str("m"), str(""), str("")) == 0);
  CHECK(kthena_prefix_index_hash_blocks(nullptr, nullptr, 0, nullptr, nullptr) == 0);
  CHECK(kthena_prefix_events_count(nullptr) == 0);
  CHECK(kthena_prefix_query_blocks(nullptr) == 0);
  CHECK(kthena_engine_sample_ranks(nullptr, nullptr, 0) == 0);
  CHECK(view(kthena_engine_sample_name(nullptr, KTHENA_ENGINE_MODEL, 0)).empty());
  CHECK(std::isnan(kthena_histogram_quantile(nullptr, 0.5)));
}

TEST_CASE("an error is written on failure only", "[c]") {
  Error error;
  error.code = 77;
  kthena_policy* policy = nullptr;
  REQUIRE(kthena_policy_create_preset(str("random"), &policy, &error) == KTHENA_OK);
  kthena_policy_free(policy);
  CHECK(error.code == 77);
  CHECK(kthena_policy_create_preset(str("nope"), &policy, &error) == KTHENA_NOT_FOUND);
  CHECK(error.code == KTHENA_NOT_FOUND);
  CHECK(error.message_size == std::strlen(error.message));
  CHECK(error.text().find("nope") != std::string::npos);
  CHECK(kthena_policy_create_preset(str("nope"), &policy, nullptr) == KTHENA_NOT_FOUND);
}

TEST_CASE("an error too small for text is left alone", "[c]") {
  Error error;
  kthena_policy* policy = nullptr;
  for (const std::uint32_t size : {0u, 4u, 8u, 15u, 16u}) {
    error.struct_size = size;
    error.code = 77;
    CHECK(kthena_policy_create_preset(str("nope"), &policy, &error) == KTHENA_NOT_FOUND);
    CHECK(error.code == 77);
  }
}

TEST_CASE("a message is cut at a character and its whole size is told", "[c]") {
  // The text repeats a name of 2-, 3- and 4-byte characters; wherever the buffer ends, what is there is a start of it and whole.
  std::string name;
  for (int i = 0; i < 700; ++i) name += "\u00e9\u4e16\U0001F600";
  const std::string json = "{\"endpoints\": [{\"id\": \"" + name + "\"}, {\"id\": \"" + name + "\"}]}";
  Error whole;
  kthena_pool* pool = nullptr;
  REQUIRE(kthena_pool_create_json(str(json), &pool, &whole) == KTHENA_INVALID_ARGUMENT);
  REQUIRE(whole.message_size > sizeof(whole.message));
  CHECK(std::strlen(whole.message) >= sizeof(whole.message) - 4);
  CHECK(std::strlen(whole.message) < sizeof(whole.message));
  const std::string start = whole.text();
  for (std::uint32_t room = 1; room < 120; ++room) {
    Error error;
    std::memset(error.message, '#', sizeof(error.message));
    error.struct_size = static_cast<std::uint32_t>(offsetof(kthena_error, message)) + room;
    REQUIRE(kthena_pool_create_json(str(json), &pool, &error) == KTHENA_INVALID_ARGUMENT);
    const std::size_t size = std::strlen(error.message);
    INFO("room " << room);
    REQUIRE(size < room);
    REQUIRE(size + 4 >= room);
    REQUIRE(start.compare(0, size, error.message) == 0);
    REQUIRE((static_cast<unsigned char>(start[size]) & 0xC0) != 0x80);  // the next byte begins a character
    REQUIRE(error.message[room] == '#');
    REQUIRE(error.message_size == whole.message_size);
  }
}

TEST_CASE("text out: size first, then text; a small buffer stays as it was", "[c]") {
  std::size_t needed = 0;
  Error error;
  REQUIRE(kthena_presets_json(nullptr, 0, &needed, &error) == KTHENA_OUT_OF_RANGE);
  CHECK(error.code == KTHENA_OUT_OF_RANGE);
  REQUIRE(needed > 10);
  std::string buffer(needed, '#');
  std::size_t again = 0;
  REQUIRE(kthena_presets_json(buffer.data(), needed - 1, &again, &error) == KTHENA_OUT_OF_RANGE);
  CHECK(again == needed);
  CHECK(buffer == std::string(needed, '#'));
  REQUIRE(kthena_presets_json(buffer.data(), needed, &again, &error) == KTHENA_OK);
  CHECK(buffer.front() == '[');
  CHECK(buffer.back() == ']');
  CHECK(kthena_presets_json(buffer.data(), needed, nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "needed: must not be NULL");
  CHECK(kthena_presets_json(nullptr, 10, &needed, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "buffer: must not be NULL");
}

namespace {

/// A request or decision with room behind it, as a newer caller would have.
template <class T>
struct Longer {
  T known = KTHENA_INIT(T);
  unsigned char more[64] = {};
};

}  // namespace

TEST_CASE("struct_size: older, newer and broken callers", "[c]") {
  const Pool pool = make_pool({"a", "b"});
  set(pool, KTHENA_SIGNAL_KV_USAGE, {0.5, 0.1});
  const Policy policy = make_policy(R"({"scorers": ["gpu-usage"]})");
  const Workspace workspace = make_workspace();
  Longer<kthena_request> request;
  Longer<kthena_decision> decision;
  Error error;
  const auto decide = [&] {
    return kthena_decide(policy.get(), pool.get(), &request.known, workspace.get(), &decision.known, &error);
  };
  const std::uint32_t depths[] = {1, 2};

  SECTION("an older request: members it does not have count as 0") {
    request.known.depth_count = 99;  // garbage as far as this caller is concerned
    request.known.prefix_depths = depths;
    request.known.struct_size = offsetof(kthena_request, prefix_depths);
    REQUIRE(decide() == KTHENA_OK);
    CHECK(decision.known.endpoint == 1);
    request.known.struct_size = sizeof(std::uint32_t);
    REQUIRE(decide() == KTHENA_OK);
  }
  SECTION("an older decision: what it does not have is not written") {
    std::memset(&decision.known.ranked_count, 0x55, sizeof(decision.known) - offsetof(kthena_decision, ranked_count));
    decision.known.struct_size = offsetof(kthena_decision, ranked_count);
    REQUIRE(decide() == KTHENA_OK);
    CHECK(decision.known.endpoint == 1);
    CHECK(decision.known.margin == 40);
    CHECK(decision.known.ranked_count == 0x55555555);
    CHECK(decision.known.struct_size == offsetof(kthena_decision, ranked_count));
  }
  SECTION("a newer request: 0 beyond what is known") {
    request.known.struct_size = sizeof(request);
    REQUIRE(decide() == KTHENA_OK);
    request.more[40] = 1;
    CHECK(decide() == KTHENA_INVALID_ARGUMENT);
    CHECK(error.text() == "request: has members set that this library does not know");
  }
  SECTION("a newer decision: what is not known stays as it was") {
    std::memset(decision.more, 0x55, sizeof(decision.more));
    decision.known.struct_size = sizeof(decision);
    REQUIRE(decide() == KTHENA_OK);
    CHECK(decision.known.endpoint == 1);
    CHECK(decision.known.struct_size == sizeof(decision));
    for (const unsigned char byte : decision.more) CHECK(byte == 0x55);
  }
  SECTION("sizes that no version has") {
    for (const std::uint32_t size : {0u, 1u, 3u, 5u, 41u, 95u, 4097u, 0xFFFFFFFFu}) {
      INFO(size);
      request.known.struct_size = size;
      CHECK(decide() == KTHENA_INVALID_ARGUMENT);
      CHECK(error.text().rfind("request.struct_size: ", 0) == 0);
      request.known.struct_size = sizeof(kthena_request);
      decision.known.struct_size = size;
      decision.known.endpoint = 42;
      CHECK(decide() == KTHENA_INVALID_ARGUMENT);
      CHECK(error.text().rfind("decision.struct_size: ", 0) == 0);
      CHECK(decision.known.endpoint == 42);
      decision.known.struct_size = sizeof(kthena_decision);
    }
  }
}

namespace {

/// Calls `call` with memory that ends after 0, 1, 2, ... allocations until it succeeds.
template <class Call>
void until_memory_suffices(const Call& call) {
  for (std::size_t n = 0;; ++n) {
    INFO("allocation " << n);
    Error error;
    fail_allocations_after(n);
    const kthena_status status = call(&error);
    fail_allocations_after(SIZE_MAX);
    if (status == KTHENA_OK) return;
    REQUIRE(status == KTHENA_RESOURCE_EXHAUSTED);
    REQUIRE(error.text() == "out of memory");
    REQUIRE(n < 10000);
  }
}

}  // namespace

TEST_CASE("a decision survives that memory runs out at any place", "[c]") {
  const Strings ids({"b", "a", "a-longer-id-than-fits-in-place"});
  kthena_pool* pool = nullptr;
  until_memory_suffices([&](Error* error) {
    return kthena_pool_create(ids.bytes.data(), ids.offsets.data(), 3, nullptr, nullptr, nullptr, &pool, error);
  });
  const Pool owned_pool(pool);
  CHECK(kthena_pool_size(pool) == 3);

  kthena_policy* policy = nullptr;
  until_memory_suffices(
      [&](Error* error) { return kthena_policy_create_preset(KTHENA_STR("kthena-helm"), &policy, error); });
  const Policy owned_policy(policy);

  const std::uint32_t depths[] = {1, 2, 3};
  kthena_request request = KTHENA_INIT(kthena_request);
  request.prefix_depths = request.history_depths = depths;
  request.depth_count = 3;
  request.prefix_total = request.history_total = 3;
  kthena_decision decision = KTHENA_INIT(kthena_decision);
  const Workspace workspace = make_workspace();
  until_memory_suffices(
      [&](Error* error) { return kthena_decide(policy, pool, &request, workspace.get(), &decision, error); });
  CHECK(decision.candidates == 3);

  fail_allocations_after(0);
  kthena_workspace* const none = kthena_workspace_create();
  fail_allocations_after(SIZE_MAX);
  CHECK(none == nullptr);
}
