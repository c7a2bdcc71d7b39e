#include "kthena/route/pool.hpp"

#include "support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

std::string refusal(const std::vector<Endpoint>& rows) {
  PoolBuilder builder;
  for (const Endpoint& endpoint : rows) builder.add(endpoint);
  const auto pool = builder.build();
  REQUIRE(!pool.ok());
  CHECK(pool.status().code() == StatusCode::kInvalidArgument);
  return pool.status().message();
}

/// Everything a snapshot says, as text.
std::string told(const PoolSnapshot& pool) {
  std::string text;
  for (std::uint32_t i = 0; i < pool.size(); ++i) {
    text += pool.id({i});
    CHECK(pool.view().keys[i] == hash_id(pool.id({i})));
    for (std::size_t s = 0; s < kSignalCount; ++s) {
      const auto sample = pool.sample({i}, static_cast<Signal>(s));
      if (sample) {
        text += " " + std::to_string(sample->value) + "@" + std::to_string(sample->sampled_ns);
      } else if (s <= static_cast<std::size_t>(Signal::kInFlight)) {  // of the others only what is there
        text += " -";
      }
      const double* column = pool.view().values[s];
      CHECK((column != nullptr && !is_missing(column[i])) == sample.has_value());
      if (sample) CHECK(column[i] == sample->value);
    }
    for (const std::string_view model : pool.models({i})) text += " " + std::string(model);
    text += "\n";
  }
  return text;
}

PoolSnapshot three() {
  Endpoint a = row("a", {}, {"sql", "base"});
  a.set(Signal::kRunning, 3, 17).set(Signal::kKvUsage, 0.5, 18);
  Endpoint b = row("b", {}, {"base"});
  b.set(Signal::kRunning, 0, 19);
  return pool_of({row("c"), b, a});
}

}  // namespace

TEST_CASE("a pool is sorted by the bytes of its ids", "[route][pool]") {
  const PoolSnapshot pool = pool_of({row("pod-9"), row("\xC3\xA9"), row("pod-10"), row("Pod"), row("z")});
  const std::vector<std::string> expected = {"Pod", "pod-10", "pod-9", "z", "\xC3\xA9"};
  CHECK(std::vector<std::string>(pool.ids().begin(), pool.ids().end()) == expected);
  for (std::uint32_t i = 0; i < pool.size(); ++i) CHECK(pool.find(expected[i]) == EndpointIndex{i});
  CHECK(!pool.find("pod").valid());
  CHECK(!pool.find("").valid());
}

TEST_CASE("a pool keeps values, sample times and models, and what is missing", "[route][pool]") {
  const PoolSnapshot pool = three();
  CHECK(told(pool) ==
        "a 3.000000@17 - 0.500000@18 - - - base sql\n"
        "b 0.000000@19 - - - - - base\n"
        "c - - - - - -\n");
  CHECK(pool.view().values[static_cast<std::size_t>(Signal::kWaiting)] == nullptr);
  CHECK(!pool.sample({3}, Signal::kRunning));
  CHECK(!pool.sample({}, Signal::kRunning));
  CHECK(pool.models({3}).empty());
  CHECK(told(PoolSnapshot()).empty());
  CHECK(told(pool_of({})).empty());
}

TEST_CASE("the limits of signals are inclusive", "[route][pool]") {
  for (std::size_t s = 0; s < kSignalCount; ++s) {
    const auto signal = static_cast<Signal>(s);
    INFO(info(signal).name);
    CHECK(find_signal(info(signal).name) == signal);
    CHECK(pool_of({row("a", {{signal, info(signal).maximum}}), row("b", {{signal, 0}})}).size() == 2);
    const double above = std::nextafter(info(signal).maximum, kInfinity);
    CHECK(refusal({row("a", {{signal, above}})}).find("endpoints[0]." + std::string(info(signal).name) + ": ") == 0);
  }
  CHECK(!find_signal("kv"));
}

TEST_CASE("a builder lists all faults together", "[route][pool]") {
  Endpoint bad = row("b", {{Signal::kRunning, -1}, {Signal::kKvUsage, 83}, {Signal::kTtft, kInfinity}});
  CHECK(refusal({row("a"), bad, row(""), row("a", {{Signal::kTpot, kNaN}}), row("c", {}, {"base", "sql", "base"}),
                 row("a", {{Signal::kInFlight, -kInfinity}})}) ==
        "endpoints[1].running: must not be negative; "
        "endpoints[1].kv_usage: must not exceed 1: it is a share, not per cent; "
        "endpoints[1].ttft_s: must be a finite number; "
        "endpoints[2].id: must not be empty; "
        "endpoints[3].id: \"a\" is also the id of endpoints[0]; "
        "endpoints[3].tpot_s: must be a finite number; "
        "endpoints[4].models[2]: \"base\" is listed twice; "
        "endpoints[5].id: \"a\" is also the id of endpoints[0]; "
        "endpoints[5].in_flight: must be a finite number");
}

TEST_CASE("set_signal replaces one column", "[route][pool]") {
  PoolSnapshot pool = three();
  const std::vector<double> running = {7, kMissing, 9};
  REQUIRE(pool.set_signal(Signal::kRunning, running, 100).ok());
  const std::vector<double> waiting = {1, 2, kMissing};
  const std::vector<Time> times = {1, 2, 3};
  REQUIRE(pool.set_signal(Signal::kWaiting, waiting, times).ok());
  CHECK(told(pool) ==
        "a 7.000000@100 1.000000@1 0.500000@18 - - - base sql\n"
        "b - 2.000000@2 - - - - base\n"
        "c 9.000000@100 - - - - -\n");
  CHECK(pool.view().sampled[static_cast<std::size_t>(Signal::kWaiting)][2] == kNever);
  PoolSnapshot nobody;
  CHECK(nobody.set_signal(Signal::kRunning, std::vector<double>{}, 5).ok());
}

TEST_CASE("set_signal changes nothing on a fault and names every element", "[route][pool]") {
  PoolSnapshot pool = three();
  const std::string before = told(pool);
  const auto refuse = [&](Signal signal, const std::vector<double>& values) {
    const Status status = pool.set_signal(signal, values, 5);
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(told(pool) == before);
    return status.message();
  };
  CHECK(refuse(Signal::kRunning, {-1, 5, kInfinity}) ==
        "running[a]: must not be negative; running[c]: must be a finite number");
  CHECK(refuse(Signal::kKvUsage, {0.5, 1.5, 0.5}) == "kv_usage[b]: must not exceed 1: it is a share, not per cent");
  CHECK(refuse(Signal::kWaiting, {1, 2}).find("waiting: 3 endpoints, but 2 values") == 0);
  CHECK(refuse(Signal::kWaiting, {1, 2, 3, 4}).find("waiting: 3 endpoints, but 4 values") == 0);
  const std::vector<double> values = {1, 2, 3};
  const std::vector<Time> times = {1};
  CHECK(!pool.set_signal(Signal::kRunning, values, times).ok());
  CHECK(told(pool) == before);
}

TEST_CASE("set_value sets or forgets one value", "[route][pool]") {
  PoolSnapshot pool = three();
  const PoolSnapshot before = pool;
  REQUIRE(pool.set_value({2}, Signal::kInFlight, 5, 60).ok());  // a column that nobody had
  REQUIRE(pool.set_value({0}, Signal::kRunning, kMissing, 61).ok());
  REQUIRE(pool.set_value({1}, Signal::kRunning, 8, 62).ok());
  CHECK(told(pool) ==
        "a - - 0.500000@18 - - - base sql\n"
        "b 8.000000@62 - - - - - base\n"
        "c - - - - - 5.000000@60\n");
  const std::string now = told(pool);
  CHECK(pool.set_value({0}, Signal::kKvUsage, 1.5, 1).message() ==
        "kv_usage[a]: must not exceed 1: it is a share, not per cent");
  CHECK(pool.set_value({1}, Signal::kWaiting, kInfinity, 1).message() == "waiting[b]: must be a finite number");
  CHECK(pool.set_value({1}, Signal::kWaiting, -1, 1).code() == StatusCode::kInvalidArgument);
  CHECK(pool.set_value({3}, Signal::kRunning, 1, 1).message().find("running: there is no endpoint 3") == 0);
  CHECK(pool.set_value({}, Signal::kRunning, 1, 1).code() == StatusCode::kInvalidArgument);
  CHECK(told(pool) == now);
  CHECK(told(before) == told(three()));
}

TEST_CASE("copies and moved snapshots stand on their own", "[route][pool]") {
  auto original = std::make_unique<PoolSnapshot>(three());
  const std::string before = told(*original);
  PoolSnapshot copy(*original);
  PoolSnapshot assigned = plain_pool(5);
  assigned = *original;
  const std::vector<double> values = {9, 9, 9};
  REQUIRE(original->set_signal(Signal::kRunning, values, 1).ok());
  PoolSnapshot moved(std::move(*original));
  original.reset();
  CHECK(told(copy) == before);
  CHECK(told(assigned) == before);
  CHECK(told(moved) != before);
  CHECK(copy.view().model_names[0] == "base");
  PoolSnapshot target = plain_pool(2);
  target = std::move(copy);
  CHECK(told(target) == before);
  CHECK(copy.size() == 0);  // NOLINT(bugprone-use-after-move): a moved-from snapshot is an empty one
  CHECK(copy.view().size == 0);
  target = *&target;
  CHECK(told(target) == before);
}

TEST_CASE("check refuses depths that do not fit the pool", "[route][pool]") {
  const PoolSnapshot pool = plain_pool(3);
  const std::vector<std::uint32_t> depths = {1, 2, 3, 4};
  const auto fits = [&](std::size_t prefix, std::size_t history) {
    Request request;
    request.prefix = {{depths.data(), prefix}, 4};
    request.history = {{depths.data(), history}, 4};
    return check_request(pool.view(), request);
  };
  CHECK(fits(0, 0).ok());
  CHECK(fits(3, 0).ok());
  CHECK(fits(0, 3).ok());
  CHECK(fits(2, 0).message() == "request.prefix.depth_blocks: 2 depths for 3 endpoints");
  CHECK(fits(3, 4).message() == "request.history.depth_blocks: 4 depths for 3 endpoints");
  Request longest;
  longest.prefix.total_blocks = kMaxBlocks;
  CHECK(check_request(pool.view(), longest).ok());
  longest.history.total_blocks = kMaxBlocks + 1;
  CHECK(check_request(pool.view(), longest).message().find("request.history.total_blocks: ") == 0);
}

TEST_CASE("check refuses tiers, blocks and promises that cannot be", "[route][pool]") {
  const PoolSnapshot pool = plain_pool(3);
  const std::vector<std::uint32_t> device = {1, 0, 3};
  const std::vector<std::uint32_t> host = {1, 2, 9};
  const std::vector<std::uint32_t> disk = {4, 2, 9};
  const auto fault = [&](const PrefixMatch& prefix, const PrefixMatch& history) {
    Request request;
    request.prefix = prefix;
    request.history = history;
    return check_request(pool.view(), request).message();
  };
  CHECK(fault({device, 9, kMaxBlockTokens, host, disk}, {device, 9, 0, {}, disk}).empty());
  CHECK(fault({device, 9, 0, device, device}, {device, 9, 0, host, {}}).empty());
  CHECK(fault({device, 9, kMaxBlockTokens + 1}, {}) == "request.prefix.block_tokens: must not exceed 65536");
  CHECK(fault({device, 9, 16, std::span(host).first(2)}, {}) ==
        "request.prefix.host_depth_blocks: 2 depths for 3 endpoints");
  CHECK(fault({}, {device, 9, 16, {}, std::span(disk).first(1)}) ==
        "request.history.disk_depth_blocks: 1 depths for 3 endpoints");
  CHECK(fault({{}, 9, 16, host}, {}) == "request.prefix.host_depth_blocks: needs depth_blocks beside it");
  CHECK(fault({{}, 9, 16, {}, disk}, {}) == "request.prefix.disk_depth_blocks: needs depth_blocks beside it");
  CHECK(fault({}, {host, 9, 16, device}) == "request.history.host_depth_blocks[1]: must be at least depth_blocks, 2");
  CHECK(fault({device, 9, 16, disk, host}, {}) ==
        "request.prefix.disk_depth_blocks[0]: must be at least host_depth_blocks, 4");
  CHECK(fault({host, 9, 16, {}, device}, {}) ==
        "request.prefix.disk_depth_blocks[1]: must be at least depth_blocks, 2");

  for (const double bad : {-1e-300, kInfinity, -kInfinity, kNaN}) {
    Request request;
    request.slo_ttft_s = bad;
    CHECK(check_request(pool.view(), request).message() == "request.slo_ttft_s: must be finite and not negative");
    request = {};
    request.slo_tpot_s = bad;
    CHECK(check_request(pool.view(), request).message() == "request.slo_tpot_s: must be finite and not negative");
  }
  Request promised;
  promised.slo_ttft_s = 1e300;
  promised.slo_tpot_s = -0.0;
  CHECK(check_request(pool.view(), promised).ok());
}
