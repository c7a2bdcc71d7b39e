// tests/c/pool_test.cpp
#include <cmath>

#include "fixture.hpp"

using namespace kthena::test;

namespace {

kthena_status create(const std::vector<std::string>& ids, kthena_pool** pool, Error& error) {
  const Strings flat(ids);
  return kthena_pool_create(flat.bytes.data(), flat.offsets.data(), ids.size(), nullptr, nullptr, nullptr, pool,
                            &error);
}

std::vector<double> read(const Pool& pool, kthena_signal signal, std::vector<std::int64_t>* times = nullptr) {
  std::vector<double> values(kthena_pool_size(pool.get()));
  if (times != nullptr) times->resize(values.size());
  Error error;
  REQUIRE(kthena_pool_get_signal(pool.get(), signal, values.data(), times == nullptr ? nullptr : times->data(),
                                 values.size(), &error) == KTHENA_OK);
  return values;
}

}  // namespace

TEST_CASE("endpoints keep the numbers the caller gave them", "[c][pool]") {
  const std::vector<std::string> ids =
      GENERATE(std::vector<std::string>{"a", "b", "c"}, std::vector<std::string>{"c", "a", "b"},
               std::vector<std::string>{"only"}, std::vector<std::string>{});
  const Pool pool = make_pool(ids);
  REQUIRE(kthena_pool_size(pool.get()) == ids.size());
  for (std::uint32_t i = 0; i < ids.size(); ++i) {
    CHECK(view(kthena_pool_id(pool.get(), i)) == ids[i]);
    CHECK(std::string(kthena_pool_id(pool.get(), i).data) == ids[i]);
    CHECK(kthena_pool_find(pool.get(), str(ids[i])) == i);
  }
  CHECK(kthena_pool_find(pool.get(), str("nobody")) == KTHENA_NONE);
  CHECK(kthena_pool_find(pool.get(), {nullptr, 3}) == KTHENA_NONE);
  CHECK(view(kthena_pool_id(pool.get(), static_cast<std::uint32_t>(ids.size()))).empty());
  CHECK(std::string(kthena_pool_id(pool.get(), KTHENA_NONE).data).empty());
}

TEST_CASE("an empty pool needs no arrays", "[c][pool]") {
  kthena_pool* pool = nullptr;
  Error error;
  REQUIRE(kthena_pool_create(nullptr, nullptr, 0, nullptr, nullptr, nullptr, &pool, &error) == KTHENA_OK);
  const Pool owned(pool);
  CHECK(kthena_pool_set_signal(pool, KTHENA_SIGNAL_RUNNING, nullptr, 0, nullptr, 0, &error) == KTHENA_OK);
  CHECK(kthena_pool_get_signal(pool, KTHENA_SIGNAL_RUNNING, nullptr, nullptr, 0, &error) == KTHENA_OK);
}

TEST_CASE("signals go in and come back in the caller's order", "[c][pool]") {
  const bool sorted = GENERATE(true, false);
  const Pool pool =
      make_pool(sorted ? std::vector<std::string>{"a", "b", "c"} : std::vector<std::string>{"c", "a", "b"});
  std::vector<std::int64_t> times;
  for (const double value : read(pool, KTHENA_SIGNAL_WAITING, &times)) CHECK(std::isnan(value));
  CHECK(times == std::vector<std::int64_t>(3, KTHENA_NEVER));

  set(pool, KTHENA_SIGNAL_WAITING, {7, kNan, 0.5}, 1000);
  std::vector<double> values = read(pool, KTHENA_SIGNAL_WAITING, &times);
  CHECK(values[0] == 7);
  CHECK(std::isnan(values[1]));
  CHECK(values[2] == 0.5);
  CHECK(times == std::vector<std::int64_t>{1000, KTHENA_NEVER, 1000});
  for (const double value : read(pool, KTHENA_SIGNAL_RUNNING)) CHECK(std::isnan(value));

  const double later[] = {1, 2, 3};
  const std::int64_t when[] = {10, 20, 30};
  Error error;
  REQUIRE(kthena_pool_set_signal(pool.get(), KTHENA_SIGNAL_WAITING, later, 3, when, 99, &error) == KTHENA_OK);
  values = read(pool, KTHENA_SIGNAL_WAITING, &times);
  CHECK(values == std::vector<double>{1, 2, 3});
  CHECK(times == std::vector<std::int64_t>{10, 20, 30});
}

TEST_CASE("one value is set and forgotten", "[c][pool]") {
  const bool sorted = GENERATE(true, false);
  const Pool pool = make_pool(sorted ? std::vector<std::string>{"a", "b"} : std::vector<std::string>{"b", "a"});
  Error error;
  REQUIRE(kthena_pool_set_value(pool.get(), 0, KTHENA_SIGNAL_IN_FLIGHT, 3, 7, &error) == KTHENA_OK);
  std::vector<std::int64_t> times;
  std::vector<double> values = read(pool, KTHENA_SIGNAL_IN_FLIGHT, &times);
  CHECK(values[0] == 3);
  CHECK(std::isnan(values[1]));
  CHECK(times == std::vector<std::int64_t>{7, KTHENA_NEVER});
  REQUIRE(kthena_pool_set_value(pool.get(), 1, KTHENA_SIGNAL_IN_FLIGHT, 4, 8, &error) == KTHENA_OK);
  REQUIRE(kthena_pool_set_value(pool.get(), 0, KTHENA_SIGNAL_IN_FLIGHT, kNan, 9, &error) == KTHENA_OK);
  values = read(pool, KTHENA_SIGNAL_IN_FLIGHT, &times);
  CHECK(std::isnan(values[0]));
  CHECK(values[1] == 4);
  CHECK(times == std::vector<std::int64_t>{KTHENA_NEVER, 8});

  CHECK(kthena_pool_set_value(pool.get(), 1, KTHENA_SIGNAL_IN_FLIGHT, -1, 9, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text().rfind(sorted ? "in_flight[b]: " : "in_flight[a]: ", 0) == 0);
  CHECK(kthena_pool_set_value(pool.get(), 2, KTHENA_SIGNAL_IN_FLIGHT, 1, 9, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "endpoint: no endpoint 2 in a pool of 2");
  CHECK(kthena_pool_set_value(pool.get(), 0, KTHENA_SIGNAL_COUNT, 1, 9, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "signal: no signal " + std::to_string(KTHENA_SIGNAL_COUNT));
  CHECK(kthena_pool_set_value(nullptr, 0, KTHENA_SIGNAL_IN_FLIGHT, 1, 9, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(read(pool, KTHENA_SIGNAL_IN_FLIGHT)[1] == 4);
}

TEST_CASE("a bad signal names every element at fault and changes nothing", "[c][pool]") {
  const Pool pool = make_pool({"z", "m", "a"});
  set(pool, KTHENA_SIGNAL_KV_USAGE, {0.1, 0.2, 0.3}, 5);
  Error error;
  const double bad[] = {-1, 1.5, HUGE_VAL};
  CHECK(kthena_pool_set_signal(pool.get(), KTHENA_SIGNAL_KV_USAGE, bad, 3, nullptr, 6, &error) ==
        KTHENA_INVALID_ARGUMENT);
  for (const char* path : {"kv_usage[z]", "kv_usage[m]", "kv_usage[a]"})
    CHECK(error.text().find(path) != std::string::npos);

  const double good[] = {0.5, 0.5, 0.5};
  CHECK(kthena_pool_set_signal(pool.get(), KTHENA_SIGNAL_KV_USAGE, good, 2, nullptr, 6, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "n: 2, but the pool has 3 endpoints");
  CHECK(kthena_pool_set_signal(pool.get(), KTHENA_SIGNAL_KV_USAGE, nullptr, 3, nullptr, 6, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "values: must not be NULL");
  CHECK(kthena_pool_set_signal(nullptr, KTHENA_SIGNAL_KV_USAGE, good, 3, nullptr, 6, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "pool: must not be NULL");
  for (const std::int32_t signal : {-1, static_cast<std::int32_t>(KTHENA_SIGNAL_COUNT), INT32_MAX, INT32_MIN}) {
    CHECK(kthena_pool_set_signal(pool.get(), signal, good, 3, nullptr, 6, &error) == KTHENA_INVALID_ARGUMENT);
    CHECK(error.text() == "signal: no signal " + std::to_string(signal));
    double values[3];
    CHECK(kthena_pool_get_signal(pool.get(), signal, values, nullptr, 3, &error) == KTHENA_INVALID_ARGUMENT);
  }
  double values[3];
  CHECK(kthena_pool_get_signal(pool.get(), KTHENA_SIGNAL_KV_USAGE, values, nullptr, 4, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_pool_get_signal(pool.get(), KTHENA_SIGNAL_KV_USAGE, nullptr, nullptr, 3, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_pool_get_signal(nullptr, KTHENA_SIGNAL_KV_USAGE, values, nullptr, 3, &error) == KTHENA_INVALID_ARGUMENT);

  std::vector<std::int64_t> times;
  CHECK(read(pool, KTHENA_SIGNAL_KV_USAGE, &times) == std::vector<double>{0.1, 0.2, 0.3});
  CHECK(times == std::vector<std::int64_t>{5, 5, 5});
}

TEST_CASE("a pool with faults is refused with all of them", "[c][pool]") {
  kthena_pool* pool = nullptr;
  Error error;
  CHECK(create({"a", "", "a", "b", "b"}, &pool, error) == KTHENA_INVALID_ARGUMENT);
  for (const char* path : {"endpoints[1].id", "endpoints[2].id", "endpoints[4].id"})
    CHECK(error.text().find(path) != std::string::npos);
  CHECK(pool == nullptr);

  const Strings ids({"a", "b"});
  CHECK(kthena_pool_create(ids.bytes.data(), ids.offsets.data(), 2, nullptr, nullptr, nullptr, nullptr, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "pool: must not be NULL");
  CHECK(kthena_pool_create(ids.bytes.data(), nullptr, 2, nullptr, nullptr, nullptr, &pool, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "id_offsets: must not be NULL");
  CHECK(kthena_pool_create(nullptr, ids.offsets.data(), 2, nullptr, nullptr, nullptr, &pool, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "id_bytes: must not be NULL");
  CHECK(kthena_pool_create(ids.bytes.data(), ids.offsets.data(), SIZE_MAX, nullptr, nullptr, nullptr, &pool, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "n: too many endpoints");
  const std::uint64_t falling[] = {0, 2, 1};
  CHECK(kthena_pool_create(ids.bytes.data(), falling, 2, nullptr, nullptr, nullptr, &pool, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "id_offsets[2]: 1 is less than the one before, 2");
  const std::uint64_t starts[] = {0, 1, 0};
  CHECK(kthena_pool_create(ids.bytes.data(), ids.offsets.data(), 2, ids.bytes.data(), ids.offsets.data(), starts, &pool,
                           &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "endpoint_models[2]: 0 is less than the one before, 1");
  const std::uint64_t rising[] = {0, 1, 2};
  CHECK(kthena_pool_create(ids.bytes.data(), ids.offsets.data(), 2, ids.bytes.data(), nullptr, rising, &pool, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "model_offsets: must not be NULL");
  CHECK(kthena_pool_create(ids.bytes.data(), ids.offsets.data(), 2, ids.bytes.data(), falling, rising, &pool, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "model_offsets[2]: 1 is less than the one before, 2");
  CHECK(kthena_pool_create(ids.bytes.data(), ids.offsets.data(), 2, nullptr, ids.offsets.data(), rising, &pool,
                           &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "model_bytes: must not be NULL");
  CHECK(pool == nullptr);
}

TEST_CASE("signals have the names of documents", "[c][pool]") {
  CHECK(view(kthena_signal_name(KTHENA_SIGNAL_RUNNING)) == "running");
  CHECK(view(kthena_signal_name(KTHENA_SIGNAL_KV_CAPACITY_TOKENS)) == "kv_capacity_tokens");
  CHECK(view(kthena_signal_name(KTHENA_SIGNAL_READY_AT_S)) == "ready_at_s");
  for (const std::int32_t signal : {-1, static_cast<std::int32_t>(KTHENA_SIGNAL_COUNT), INT32_MAX, INT32_MIN})
    CHECK(std::string(kthena_signal_name(signal).data).empty());
}

TEST_CASE("every signal goes in and comes back, up to its limit", "[c][pool]") {
  const Pool pool = make_pool({"b", "a"});
  for (std::int32_t signal = 0; signal < KTHENA_SIGNAL_COUNT; ++signal) {
    const std::string name(view(kthena_signal_name(signal)));
    INFO(name);
    double values[] = {1, 0};
    Error error;
    REQUIRE(kthena_pool_set_signal(pool.get(), signal, values, 2, nullptr, signal, &error) == KTHENA_OK);
    std::vector<std::int64_t> times;
    CHECK(read(pool, static_cast<kthena_signal>(signal), &times) == std::vector<double>{1, 0});
    CHECK(times == std::vector<std::int64_t>{signal, signal});
    values[1] = 1e16;
    CHECK(kthena_pool_set_signal(pool.get(), signal, values, 2, nullptr, 0, &error) == KTHENA_INVALID_ARGUMENT);
    CHECK(error.text().rfind(name + "[a]: must not exceed ", 0) == 0);
  }
}

TEST_CASE("a pool of endpoints with adapters that wait and places", "[c][pool]") {
  Endpoints endpoints;
  endpoints.add("b", {"base"}, {"sql", "chat"}, {"h1", "r1", "z1", "eu"});
  endpoints.add("a", {"base", "sql"}, {}, {"", "", "z2", ""});
  const Pool pool = pool_of(endpoints);
  CHECK(view(kthena_pool_id(pool.get(), 0)) == "b");
  const Policy policy = make_policy(R"({"filters": ["lora-affinity"], "scorers": ["random"]})");
  const Workspace workspace = make_workspace();
  const auto candidates = [&](const char* model) {
    kthena_request request = KTHENA_INIT(kthena_request);
    request.model = str(model);
    kthena_decision decision = KTHENA_INIT(kthena_decision);
    REQUIRE(kthena_decide(policy.get(), pool.get(), &request, workspace.get(), &decision, nullptr) == KTHENA_OK);
    return decision.candidates;
  };
  CHECK(candidates("base") == 2);
  CHECK(candidates("sql") == 1);  // b does not have it yet
  CHECK(candidates("chat") == 0);

  kthena_pool_endpoints view = endpoints.view();
  view.endpoint_models = view.endpoint_waiting = view.place_offsets = nullptr;
  view.model_bytes = view.waiting_bytes = view.place_bytes = nullptr;
  kthena_pool* plain = nullptr;
  Error error;
  REQUIRE(kthena_pool_create_from(&view, &plain, &error) == KTHENA_OK);
  CHECK(kthena_pool_size(Pool(plain).get()) == 2);
  view = KTHENA_INIT(kthena_pool_endpoints);
  REQUIRE(kthena_pool_create_from(&view, &plain, &error) == KTHENA_OK);
  CHECK(kthena_pool_size(Pool(plain).get()) == 0);
  view = endpoints.view();
  view.struct_size = offsetof(kthena_pool_endpoints, waiting_bytes);  // an older caller: nobody waits
  REQUIRE(kthena_pool_create_from(&view, &plain, &error) == KTHENA_OK);
  CHECK(kthena_pool_size(Pool(plain).get()) == 2);
}

TEST_CASE("endpoints with faults are refused with the member or with all of them", "[c][pool]") {
  Endpoints endpoints;
  endpoints.add("b", {"base"}, {"sql", "base"}, {"h", "", "", ""});
  endpoints.add("", {}, {"chat", "chat"});
  kthena_pool* pool = nullptr;
  Error error;
  kthena_pool_endpoints view = endpoints.view();
  const auto refused = [&] {
    CHECK(kthena_pool_create_from(&view, &pool, &error) == KTHENA_INVALID_ARGUMENT);
    CHECK(pool == nullptr);
    return error.text();
  };
  CHECK(refused() ==
        "endpoints[0].waiting_models[1]: \"base\" is listed twice; endpoints[1].id: must not be empty; "
        "endpoints[1].waiting_models[1]: \"chat\" is listed twice");
  const std::uint64_t falling[] = {0, 1, 0, 0, 0, 0, 0, 0, 0};
  view = endpoints.view();
  view.endpoint_waiting = falling;
  CHECK(refused() == "endpoints.endpoint_waiting[2]: 0 is less than the one before, 1");
  view = endpoints.view();
  view.waiting_offsets = falling;
  CHECK(refused() == "endpoints.waiting_offsets[2]: 0 is less than the one before, 1");
  view = endpoints.view();
  view.waiting_offsets = nullptr;
  CHECK(refused() == "endpoints.waiting_offsets: must not be NULL");
  view = endpoints.view();
  view.waiting_bytes = nullptr;
  CHECK(refused() == "endpoints.waiting_bytes: must not be NULL");
  view = endpoints.view();
  view.place_offsets = falling;
  CHECK(refused() == "endpoints.place_offsets[2]: 0 is less than the one before, 1");
  view = endpoints.view();
  view.place_bytes = nullptr;
  CHECK(refused() == "endpoints.place_bytes: must not be NULL");
  view = endpoints.view();
  view.id_offsets = nullptr;
  CHECK(refused() == "endpoints.id_offsets: must not be NULL");
  view = endpoints.view();
  view.n = SIZE_MAX;
  CHECK(refused() == "endpoints.n: too many endpoints");
  view = endpoints.view();
  view.reserved = 1;
  CHECK(refused() == "endpoints.reserved: must be 0");
  view = endpoints.view();
  view.struct_size = 95;
  CHECK(refused().rfind("endpoints.struct_size: ", 0) == 0);
  CHECK(kthena_pool_create_from(nullptr, &pool, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "endpoints: must not be NULL");
  view = endpoints.view();
  CHECK(kthena_pool_create_from(&view, nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "pool: must not be NULL");
}

TEST_CASE("offsets may begin anywhere", "[c][pool]") {
  const std::string bytes = "####ba";
  const std::uint64_t offsets[] = {4, 5, 6};
  kthena_pool* pool = nullptr;
  Error error;
  REQUIRE(kthena_pool_create(bytes.data(), offsets, 2, nullptr, nullptr, nullptr, &pool, &error) == KTHENA_OK);
  const Pool owned(pool);
  CHECK(view(kthena_pool_id(pool, 0)) == "b");
  CHECK(view(kthena_pool_id(pool, 1)) == "a");
}

TEST_CASE("a pool from JSON is numbered as the document", "[c][pool]") {
  kthena_pool* pool = nullptr;
  Error error;
  const char* json =
      R"({"endpoints": [{"id": "z", "running": 4, "sampled_ns": 8}, {"id": "a", "running": {"value": 2, "sampled_ns": 3}}]})";
  REQUIRE(kthena_pool_create_json(str(json), &pool, &error) == KTHENA_OK);
  const Pool owned(pool);
  CHECK(view(kthena_pool_id(pool, 0)) == "z");
  std::vector<std::int64_t> times;
  CHECK(read(owned, KTHENA_SIGNAL_RUNNING, &times) == std::vector<double>{4, 2});
  CHECK(times == std::vector<std::int64_t>{8, 3});

  kthena_pool* other = nullptr;
  CHECK(kthena_pool_create_json(str(R"({"endpoints": [{"id": "a", "running": -1}, {"id": "b", "kv_usage": 2}]})"),
                                &other, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text().find("endpoints[0].running") != std::string::npos);
  CHECK(error.text().find("endpoints[1].kv_usage") != std::string::npos);
  CHECK(kthena_pool_create_json(str("{\"endpoints\": ["), &other, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_pool_create_json({nullptr, 0}, &other, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_pool_create_json({nullptr, 5}, &other, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "json: data is NULL, but size is not 0");
  CHECK(kthena_pool_create_json(str(json), nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(other == nullptr);
}
