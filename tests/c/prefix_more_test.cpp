// tests/c/prefix_more_test.cpp
//
// What the prefix index does beside store, remove and find: picks, tiers, batches, sweeps, expectations, dumps, and finds beside a writer.
#include <atomic>
#include <cstddef>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fixture.hpp"

using namespace kthena::test;

namespace {

using Depths = std::vector<std::uint32_t>;

constexpr std::uint64_t kSeed = 11;

kthena_prefix_index_options options_of_test() {
  kthena_prefix_index_options options = KTHENA_INIT(kthena_prefix_index_options);
  options.block_tokens = 4;
  options.seed = kSeed;
  return options;
}

PrefixIndex make_index(const kthena_prefix_index_options& options) {
  kthena_prefix_index* made = nullptr;
  Error error;
  const kthena_status status = kthena_prefix_index_create(&options, &made, &error);
  INFO(error.text());
  REQUIRE(status == KTHENA_OK);
  return PrefixIndex(made);
}

std::uint32_t add(const PrefixIndex& index, std::string_view name) {
  std::uint32_t worker = KTHENA_NONE;
  REQUIRE(kthena_prefix_add_worker(index.get(), str(name), &worker, nullptr) == KTHENA_OK);
  return worker;
}

/// Blocks of four tokens: block i of prompt p.
std::vector<std::uint64_t> contents(const PrefixIndex& index, std::uint32_t prompt, std::uint32_t blocks) {
  std::vector<std::uint32_t> tokens(std::size_t{4} * blocks);
  std::iota(tokens.begin(), tokens.end(), prompt * 100'000);
  std::vector<std::uint64_t> hashes(blocks);
  REQUIRE(kthena_prefix_index_hash_blocks(index.get(), tokens.data(), tokens.size(), hashes.data(), nullptr) == blocks);
  return hashes;
}

PrefixQuery query_of(const PrefixIndex& index, std::uint32_t prompt, std::uint32_t blocks) {
  kthena_prefix_query* made = nullptr;
  REQUIRE(kthena_prefix_query_create(index.get(), str("m"), str(""), str(""), &made, nullptr) == KTHENA_OK);
  const auto hashes = contents(index, prompt, blocks);
  REQUIRE(kthena_prefix_query_extend_contents(made, hashes.data(), nullptr, hashes.size(), nullptr) == KTHENA_OK);
  return PrefixQuery(made);
}

std::vector<std::uint64_t> names(std::uint32_t prompt, std::uint32_t blocks) {
  std::vector<std::uint64_t> list(blocks);
  std::iota(list.begin(), list.end(), std::uint64_t{prompt} * 1000 + 1);
  return list;
}

kthena_status store(const PrefixIndex& index, std::uint32_t worker, std::uint32_t prompt, std::uint32_t blocks,
                    std::int32_t tier = KTHENA_TIER_DEVICE) {
  const std::uint64_t key = kthena_prefix_index_namespace_key(index.get(), str("m"), str(""), str(""));
  return kthena_prefix_store(index.get(), worker, key, nullptr, names(prompt, blocks).data(),
                             contents(index, prompt, blocks).data(), nullptr, blocks, tier, nullptr);
}

Depths find(const PrefixIndex& index, const PrefixQuery& query) {
  Depths depths(kthena_prefix_worker_limit(index.get()), 99);
  REQUIRE(kthena_prefix_find_by_worker(index.get(), query.get(), nullptr, 0, depths.data(), depths.size(), nullptr) ==
          KTHENA_OK);
  return depths;
}

kthena_prefix_stats stats_of(const PrefixIndex& index) {
  kthena_prefix_stats stats = KTHENA_INIT(kthena_prefix_stats);
  REQUIRE(kthena_prefix_get_stats(index.get(), &stats, nullptr) == KTHENA_OK);
  return stats;
}

std::string dump_of(const PrefixIndex& index) {
  return text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
    return kthena_prefix_index_dump(index.get(), buffer, capacity, needed, nullptr);
  });
}

}  // namespace

TEST_CASE("workers beyond the depths are left out", "[c][prefix]") {
  const PrefixIndex index = make_index(options_of_test());
  const std::uint32_t a = add(index, "a");
  const std::uint32_t b = add(index, "b");
  REQUIRE(store(index, a, 1, 3) == KTHENA_OK);
  REQUIRE(store(index, b, 1, 3) == KTHENA_OK);
  std::uint32_t depths[2] = {9, 9};
  const PrefixQuery query = query_of(index, 1, 3);
  REQUIRE(kthena_prefix_find_by_worker(index.get(), query.get(), nullptr, 0, depths, 1, nullptr) == KTHENA_OK);
  CHECK(depths[0] == 3);
  CHECK(depths[1] == 9);
  CHECK(kthena_prefix_find_by_worker(index.get(), query.get(), nullptr, 0, nullptr, 0, nullptr) == KTHENA_OK);
}

TEST_CASE("find_best weighs loads against missing blocks", "[c][prefix]") {
  const PrefixIndex index = make_index(options_of_test());
  const std::uint32_t a = add(index, "a");
  const std::uint32_t b = add(index, "b");
  REQUIRE(store(index, a, 1, 8) == KTHENA_OK);
  REQUIRE(store(index, b, 1, 2) == KTHENA_OK);
  const PrefixQuery query = query_of(index, 1, 8);
  const std::uint32_t loads[] = {5, 0};
  kthena_prefix_pick pick = KTHENA_INIT(kthena_prefix_pick);
  const auto best = [&](const kthena_prefix_pick_rule* rule, const std::uint64_t* mask, std::size_t words) {
    pick = KTHENA_INIT(kthena_prefix_pick);
    Error error;
    const kthena_status status =
        kthena_prefix_find_best(index.get(), query.get(), mask, words, loads, 2, rule, &pick, &error);
    INFO(error.text());
    REQUIRE(status == KTHENA_OK);
  };
  // a: 5 + 0 missing blocks, b: 0 + 6.
  best(nullptr, nullptr, 0);
  CHECK(pick.worker == a);
  CHECK(pick.depth == 8);
  CHECK(pick.cost == 5);
  kthena_prefix_pick_rule rule = KTHENA_INIT(kthena_prefix_pick_rule);
  best(&rule, nullptr, 0);
  CHECK(pick.worker == a);
  rule.has_block_cost = 1;
  best(&rule, nullptr, 0);
  CHECK(pick.worker == b);
  CHECK(pick.depth == 2);
  CHECK(pick.cost == 0);
  rule.block_cost = 100;
  best(&rule, nullptr, 0);
  CHECK(pick.worker == a);
  const std::uint64_t only_b = std::uint64_t{1} << b;
  best(&rule, &only_b, 1);
  CHECK(pick.worker == b);
  CHECK(pick.cost == 600);
  best(&rule, &only_b, 0);
  CHECK(pick.worker == KTHENA_NONE);

  Error error;
  const auto refused = [&](const char* message) {
    pick = KTHENA_INIT(kthena_prefix_pick);
    pick.worker = 7;
    CHECK(kthena_prefix_find_best(index.get(), query.get(), nullptr, 0, loads, 2, &rule, &pick, &error) ==
          KTHENA_INVALID_ARGUMENT);
    CHECK(error.text() == message);
    CHECK(pick.worker == 7);
    rule = KTHENA_INIT(kthena_prefix_pick_rule);
  };
  rule.has_block_cost = 0;
  refused("rule.block_cost: is set without has_block_cost");
  rule.has_block_cost = 2;
  refused("rule.has_block_cost: must be 0 or 1");
  rule.reserved = 1;
  refused("rule.reserved: must be 0");
  rule.struct_size = 3;
  refused("rule.struct_size: 3 is no size this struct has; begin with KTHENA_INIT");
}

TEST_CASE("equal costs fall by the tie seed, to each at some seed", "[c][prefix]") {
  const PrefixIndex index = make_index(options_of_test());
  add(index, "a");
  add(index, "b");
  const PrefixQuery query = query_of(index, 1, 4);
  const std::uint32_t loads[] = {3, 3};
  std::uint32_t chosen[2] = {0, 0};
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    kthena_prefix_pick_rule rule = KTHENA_INIT(kthena_prefix_pick_rule);
    rule.tie_seed = seed;
    kthena_prefix_pick pick = KTHENA_INIT(kthena_prefix_pick);
    REQUIRE(kthena_prefix_find_best(index.get(), query.get(), nullptr, 0, loads, 2, &rule, &pick, nullptr) ==
            KTHENA_OK);
    REQUIRE(pick.worker < 2);
    CHECK(pick.cost == 7);
    ++chosen[pick.worker];
  }
  CHECK(chosen[0] > 0);
  CHECK(chosen[1] > 0);
}

TEST_CASE("find_tiers: a row per tier", "[c][prefix]") {
  const PrefixIndex index = make_index(options_of_test());
  const std::uint32_t a = add(index, "a");
  add(index, "b");
  REQUIRE(store(index, a, 1, 2) == KTHENA_OK);
  REQUIRE(store(index, a, 1, 3, KTHENA_TIER_DISK) == KTHENA_OK);
  const PrefixQuery query = query_of(index, 1, 4);
  Depths rows(std::size_t{KTHENA_TIER_COUNT} * 2, 9);
  REQUIRE(kthena_prefix_find_tiers(index.get(), query.get(), nullptr, 0, rows.data(), 2, nullptr) == KTHENA_OK);
  CHECK(rows == Depths{2, 0, 2, 0, 3, 0, 3, 0});
  const std::uint64_t nobody = 0;
  REQUIRE(kthena_prefix_find_tiers(index.get(), query.get(), &nobody, 0, rows.data(), 2, nullptr) == KTHENA_OK);
  CHECK(rows == Depths(8, 0));
}

TEST_CASE("find_batch: a row per query, also of more queries than are walked at once", "[c][prefix]") {
  const PrefixIndex index = make_index(options_of_test());
  const std::uint32_t a = add(index, "a");
  const std::uint32_t b = add(index, "b");
  std::vector<PrefixQuery> owned;
  std::vector<const kthena_prefix_query*> queries;
  Depths expected;
  for (std::uint32_t i = 0; i < 150; ++i) {
    REQUIRE(store(index, a, i, 1 + i % 5) == KTHENA_OK);
    if (i % 2 == 0) REQUIRE(store(index, b, i, 1) == KTHENA_OK);
    owned.push_back(query_of(index, i, 5));
    queries.push_back(owned.back().get());
    expected.insert(expected.end(), {1 + i % 5, i % 2 == 0 ? 1u : 0u});
  }
  Depths rows(expected.size(), 99);
  REQUIRE(kthena_prefix_find_batch(index.get(), queries.data(), queries.size(), nullptr, 0, rows.data(), 2, nullptr) ==
          KTHENA_OK);
  CHECK(rows == expected);
  REQUIRE(kthena_prefix_find_batch(index.get(), nullptr, 0, nullptr, 0, nullptr, 2, nullptr) == KTHENA_OK);

  Error error;
  queries[149] = nullptr;
  rows.assign(rows.size(), 99);
  CHECK(kthena_prefix_find_batch(index.get(), queries.data(), queries.size(), nullptr, 0, rows.data(), 2, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "queries[149]: must not be NULL");
  CHECK(kthena_prefix_find_batch(index.get(), queries.data(), 2, nullptr, 0, rows.data(), SIZE_MAX / 4, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "n: rows are longer than memory can be");
  CHECK(rows == Depths(rows.size(), 99));
}

TEST_CASE("removed workers are swept in steps", "[c][prefix]") {
  const PrefixIndex index = make_index(options_of_test());
  const std::uint32_t a = add(index, "a");
  const std::uint32_t b = add(index, "b");
  CHECK(view(kthena_prefix_worker_name(index.get(), b)) == "b");
  REQUIRE(store(index, a, 1, 300) == KTHENA_OK);
  REQUIRE(store(index, b, 1, 3) == KTHENA_OK);
  REQUIRE(kthena_prefix_remove_worker(index.get(), a, nullptr) == KTHENA_OK);
  CHECK(view(kthena_prefix_worker_name(index.get(), a)).empty());
  CHECK(find(index, query_of(index, 1, 300)) == Depths{0, 3});
  CHECK(stats_of(index).unswept_blocks == 300);
  std::uint64_t left = 77;
  int steps = 0;
  do {
    REQUIRE(kthena_prefix_sweep(index.get(), 64, &left, nullptr) == KTHENA_OK);
  } while (left != 0 && ++steps < 1000);
  CHECK(left == 0);
  CHECK(steps > 1);
  const kthena_prefix_stats stats = stats_of(index);
  CHECK(stats.unswept_blocks == 0);
  CHECK(stats.sweeps == 1);
  CHECK(stats.memberships == 3);
  CHECK(stats.runs == 1);
  CHECK(kthena_prefix_sweep(index.get(), 64, nullptr, nullptr) == KTHENA_OK);
}

TEST_CASE("a store without contents", "[c][prefix]") {
  const PrefixIndex index = make_index(options_of_test());
  const std::uint32_t a = add(index, "a");
  REQUIRE(store(index, a, 1, 3) == KTHENA_OK);
  std::vector<std::uint64_t> known = names(1, 3);
  known.push_back(4711);
  REQUIRE(kthena_prefix_store(index.get(), a, 0, nullptr, known.data(), nullptr, nullptr, 4, KTHENA_TIER_HOST,
                              nullptr) == KTHENA_OK);
  CHECK(stats_of(index).unresolved_stores == 1);
  REQUIRE(kthena_prefix_remove(index.get(), a, known.data(), 3, KTHENA_TIER_DEVICE, nullptr) == KTHENA_OK);
  const PrefixQuery query = query_of(index, 1, 3);
  CHECK(find(index, query) == Depths{3});
  REQUIRE(kthena_prefix_remove(index.get(), a, known.data(), 3, KTHENA_TIER_HOST, nullptr) == KTHENA_OK);
  CHECK(find(index, query) == Depths{0});
}

TEST_CASE("with shared engine hashes another worker's block is known", "[c][prefix]") {
  for (const std::uint32_t shared : {0u, 1u}) {
    kthena_prefix_index_options options = options_of_test();
    options.shared_engine_hashes = shared;
    const PrefixIndex index = make_index(options);
    const std::uint32_t a = add(index, "a");
    const std::uint32_t b = add(index, "b");
    REQUIRE(store(index, a, 1, 2) == KTHENA_OK);
    REQUIRE(kthena_prefix_store(index.get(), b, 0, nullptr, names(1, 2).data(), nullptr, nullptr, 2, KTHENA_TIER_HOST,
                                nullptr) == KTHENA_OK);
    CHECK(find(index, query_of(index, 1, 2)) == Depths{2, shared == 1 ? 2u : 0u});
    CHECK(stats_of(index).unresolved_stores == (shared == 1 ? 0u : 2u));
  }
}

TEST_CASE("expected blocks count until they are stored, evicted or expired", "[c][prefix]") {
  kthena_prefix_index_options options = options_of_test();
  options.max_expected_blocks = 6;
  options.expected_ttl_ns = 100;
  const PrefixIndex index = make_index(options);
  const std::uint32_t a = add(index, "a");
  const PrefixQuery one = query_of(index, 1, 4);
  const PrefixQuery two = query_of(index, 2, 4);
  REQUIRE(kthena_prefix_expect(index.get(), a, one.get(), 1000, nullptr) == KTHENA_OK);
  CHECK(find(index, one) == Depths{4});
  CHECK(stats_of(index).expected_blocks == 4);
  REQUIRE(store(index, a, 1, 1) == KTHENA_OK);
  CHECK(stats_of(index).promoted_blocks == 1);
  REQUIRE(kthena_prefix_expect(index.get(), a, two.get(), 1050, nullptr) == KTHENA_OK);
  CHECK(stats_of(index).evicted_blocks == 1);
  CHECK(find(index, one) == Depths{3});
  std::uint64_t expired = 77;
  REQUIRE(kthena_prefix_expire(index.get(), 1099, 1000, &expired, nullptr) == KTHENA_OK);
  CHECK(expired == 0);
  REQUIRE(kthena_prefix_expire(index.get(), 1100, 1000, &expired, nullptr) == KTHENA_OK);
  CHECK(expired == 2);
  CHECK(find(index, one) == Depths{1});
  CHECK(find(index, two) == Depths{4});
  REQUIRE(kthena_prefix_expire(index.get(), 2000, 3, nullptr, nullptr) == KTHENA_OK);
  CHECK(stats_of(index).expired_blocks == 5);
  CHECK(kthena_prefix_expect(index.get(), 5, one.get(), 1, nullptr) == KTHENA_NOT_FOUND);

  const PrefixIndex plain = make_index(options_of_test());
  const std::uint32_t w = add(plain, "w");
  CHECK(kthena_prefix_expect(plain.get(), w, one.get(), 1, nullptr) == KTHENA_FAILED_PRECONDITION);
  options.seed = kSeed + 1;
  const PrefixIndex other = make_index(options);
  const std::uint32_t x = add(other, "x");
  CHECK(kthena_prefix_expect(other.get(), x, one.get(), 1, nullptr) == KTHENA_INVALID_ARGUMENT);
}

TEST_CASE("an index is dumped and loaded", "[c][prefix]") {
  kthena_prefix_index_options options = options_of_test();
  options.max_expected_blocks = 100;
  const PrefixIndex index = make_index(options);
  const std::uint32_t a = add(index, "a");
  const std::uint32_t b = add(index, "b");
  REQUIRE(store(index, a, 1, 40) == KTHENA_OK);
  REQUIRE(store(index, b, 1, 20, KTHENA_TIER_HOST) == KTHENA_OK);
  REQUIRE(kthena_prefix_expect(index.get(), b, query_of(index, 1, 30).get(), 5, nullptr) == KTHENA_OK);
  const std::string bytes = dump_of(index);
  kthena_prefix_index* made = nullptr;
  Error error;
  REQUIRE(kthena_prefix_index_load(str(bytes), &options, &made, &error) == KTHENA_OK);
  const PrefixIndex loaded(made);
  CHECK(find(loaded, query_of(index, 1, 50)) == Depths{40, 30});
  CHECK(dump_of(loaded) == bytes);

  made = nullptr;
  CHECK(kthena_prefix_index_load(str(bytes), nullptr, &made, &error) == KTHENA_FAILED_PRECONDITION);
  CHECK(error.text().find("block_tokens") != std::string::npos);
  CHECK(kthena_prefix_index_load(str(std::string_view(bytes).substr(0, 40)), &options, &made, &error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(error.text().rfind("byte ", 0) == 0);
  CHECK(kthena_prefix_index_load({nullptr, 0}, &options, &made, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_prefix_index_load({nullptr, 1}, &options, &made, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "dump: data is NULL, but size is not 0");
  CHECK(kthena_prefix_index_load(str(bytes), &options, nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(made == nullptr);
  std::size_t needed = 0;
  CHECK(kthena_prefix_index_dump(nullptr, nullptr, 0, &needed, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "index: must not be NULL");
  CHECK(kthena_prefix_index_dump(index.get(), nullptr, 0, nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "needed: must not be NULL");
  CHECK(kthena_prefix_index_dump(index.get(), nullptr, 1, &needed, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "buffer: must not be NULL");
}

TEST_CASE("a worker as events, replayed into another index", "[c][prefix]") {
  const PrefixIndex index = make_index(options_of_test());
  const std::uint32_t a = add(index, "a");
  REQUIRE(store(index, a, 1, 5) == KTHENA_OK);
  REQUIRE(store(index, a, 1, 2, KTHENA_TIER_DISK) == KTHENA_OK);
  const std::uint64_t second = 1002;
  REQUIRE(kthena_prefix_remove(index.get(), a, &second, 1, KTHENA_TIER_DEVICE, nullptr) == KTHENA_OK);
  REQUIRE(kthena_prefix_remove(index.get(), a, &second, 1, KTHENA_TIER_DISK, nullptr) == KTHENA_OK);
  kthena_prefix_events* made = nullptr;
  Error error;
  CHECK(kthena_prefix_events_create(index.get(), 5, &made, &error) == KTHENA_NOT_FOUND);
  CHECK(made == nullptr);
  REQUIRE(kthena_prefix_events_create(index.get(), a, &made, &error) == KTHENA_OK);
  const PrefixEvents events(made);
  const std::size_t count = kthena_prefix_events_count(made);
  REQUIRE(count >= 3);

  const PrefixIndex other = make_index(options_of_test());
  add(other, "somebody");
  const std::uint32_t copy = add(other, "a");
  REQUIRE(store(other, copy, 9, 4) == KTHENA_OK);
  bool without_contents = false;
  bool removed = false;
  for (std::size_t i = 0; i < count; ++i) {
    kthena_prefix_event event = KTHENA_INIT(kthena_prefix_event);
    REQUIRE(kthena_prefix_events_get(made, i, &event, &error) == KTHENA_OK);
    CHECK(event.worker == a);
    CHECK((i == 0) == (event.kind == KTHENA_EVENT_CLEARED));
    kthena_status status = KTHENA_OK;
    if (event.kind == KTHENA_EVENT_CLEARED) {
      CHECK(event.n == 0);
      status = kthena_prefix_clear(other.get(), copy, &error);
    } else if (event.kind == KTHENA_EVENT_REMOVED) {
      removed = true;
      status = kthena_prefix_remove(other.get(), copy, event.engine_hashes, event.n, event.tier, &error);
    } else {
      without_contents = without_contents || event.content_hashes == nullptr;
      status =
          kthena_prefix_store(other.get(), copy, event.namespace_key, event.has_parent == 1 ? &event.parent : nullptr,
                              event.engine_hashes, event.content_hashes, nullptr, event.n, event.tier, &error);
    }
    INFO(error.text());
    REQUIRE(status == KTHENA_OK);
  }
  CHECK(without_contents);
  CHECK(removed);
  CHECK(find(other, query_of(index, 9, 4)) == Depths{0, 0});
  CHECK(find(other, query_of(index, 1, 5)) == Depths{0, 1});
  // The hole heals under the engine's own names.
  const std::uint64_t key = kthena_prefix_index_namespace_key(other.get(), str("m"), str(""), str(""));
  const std::uint64_t parent = 1001;
  const auto blocks = contents(index, 1, 2);
  REQUIRE(kthena_prefix_store(other.get(), copy, key, &parent, &second, &blocks[1], nullptr, 1, KTHENA_TIER_DEVICE,
                              nullptr) == KTHENA_OK);
  CHECK(find(other, query_of(index, 1, 5)) == Depths{0, 5});

  kthena_prefix_event event = KTHENA_INIT(kthena_prefix_event);
  CHECK(kthena_prefix_events_get(made, count, &event, &error) == KTHENA_OUT_OF_RANGE);
  CHECK(kthena_prefix_events_get(nullptr, 0, &event, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "events: must not be NULL");
  CHECK(kthena_prefix_events_get(made, 0, nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "event: must not be NULL");
  CHECK(kthena_prefix_events_create(nullptr, a, &made, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "index: must not be NULL");
  CHECK(kthena_prefix_events_create(index.get(), a, nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "events: must not be NULL");
}

TEST_CASE("the options of an index, and structs of an older caller", "[c][prefix]") {
  kthena_prefix_index_options given = options_of_test();
  given.shared_engine_hashes = 1;
  given.max_expected_blocks = 50;
  given.expected_ttl_ns = 7;
  const PrefixIndex index = make_index(given);
  kthena_prefix_index_options read = KTHENA_INIT(kthena_prefix_index_options);
  REQUIRE(kthena_prefix_index_get_options(index.get(), &read, nullptr) == KTHENA_OK);
  CHECK(read.block_tokens == 4);
  CHECK(read.max_workers == 1024);
  CHECK(read.shared_engine_hashes == 1);
  CHECK(read.max_orphan_blocks == 65536);
  CHECK(read.seed == kSeed);
  CHECK(read.max_expected_blocks == 50);
  CHECK(read.expected_ttl_ns == 7);
  Error error;
  CHECK(kthena_prefix_index_get_options(nullptr, &read, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_prefix_index_get_options(index.get(), nullptr, &error) == KTHENA_INVALID_ARGUMENT);

  // Up to the seed: what a caller of the first version knows.
  given.struct_size = offsetof(kthena_prefix_index_options, seed) + sizeof(given.seed);
  kthena_prefix_index_options short_read = given;
  const PrefixIndex old = make_index(given);
  REQUIRE(kthena_prefix_index_get_options(old.get(), &read, nullptr) == KTHENA_OK);
  CHECK(read.seed == kSeed);
  CHECK(read.max_expected_blocks == 0);
  short_read.max_expected_blocks = 99;
  REQUIRE(kthena_prefix_index_get_options(index.get(), &short_read, nullptr) == KTHENA_OK);
  CHECK(short_read.max_expected_blocks == 99);
  kthena_prefix_stats stats = KTHENA_INIT(kthena_prefix_stats);
  stats.struct_size = offsetof(kthena_prefix_stats, approximate_bytes) + sizeof(stats.approximate_bytes);
  stats.runs = 99;
  add(index, "a");
  REQUIRE(kthena_prefix_get_stats(index.get(), &stats, nullptr) == KTHENA_OK);
  CHECK(stats.workers == 1);
  CHECK(stats.runs == 99);

  kthena_prefix_index* made = nullptr;
  given = options_of_test();
  given.expected_ttl_ns = -1;
  given.max_expected_blocks = std::uint64_t{1} << 32;
  given.max_orphan_blocks = std::uint64_t{1} << 32;
  CHECK(kthena_prefix_index_create(&given, &made, &error) == KTHENA_INVALID_ARGUMENT);
  for (const char* name : {"expected_ttl_ns", "max_expected_blocks", "max_orphan_blocks"})
    CHECK(error.text().find(name) != std::string::npos);
}

TEST_CASE("further arguments that are refused by name", "[c][prefix]") {
  const PrefixIndex index = make_index(options_of_test());
  const std::uint32_t a = add(index, "a");
  const PrefixQuery query = query_of(index, 1, 1);
  std::uint32_t depths[8] = {};
  kthena_prefix_pick pick = KTHENA_INIT(kthena_prefix_pick);
  Error error;
  const auto refused = [&](kthena_status status, std::string_view message) {
    CHECK(status == KTHENA_INVALID_ARGUMENT);
    CHECK(error.text() == message);
  };
  refused(kthena_prefix_sweep(nullptr, 1, nullptr, &error), "index: must not be NULL");
  refused(kthena_prefix_expect(nullptr, a, query.get(), 0, &error), "index: must not be NULL");
  refused(kthena_prefix_expect(index.get(), a, nullptr, 0, &error), "query: must not be NULL");
  refused(kthena_prefix_expire(nullptr, 0, 1, nullptr, &error), "index: must not be NULL");
  refused(kthena_prefix_find_batch(nullptr, nullptr, 0, nullptr, 0, depths, 1, &error), "index: must not be NULL");
  refused(kthena_prefix_find_batch(index.get(), nullptr, 1, nullptr, 0, depths, 1, &error),
          "queries: must not be NULL");
  refused(kthena_prefix_find_tiers(nullptr, query.get(), nullptr, 0, depths, 1, &error), "index: must not be NULL");
  refused(kthena_prefix_find_tiers(index.get(), nullptr, nullptr, 0, depths, 1, &error), "query: must not be NULL");
  refused(kthena_prefix_find_tiers(index.get(), query.get(), nullptr, 0, nullptr, 1, &error),
          "depths: must not be NULL");
  refused(kthena_prefix_find_best(nullptr, query.get(), nullptr, 0, depths, 1, nullptr, &pick, &error),
          "index: must not be NULL");
  refused(kthena_prefix_find_best(index.get(), nullptr, nullptr, 0, depths, 1, nullptr, &pick, &error),
          "query: must not be NULL");
  refused(kthena_prefix_find_best(index.get(), query.get(), nullptr, 0, nullptr, 1, nullptr, &pick, &error),
          "loads: must not be NULL");
  refused(kthena_prefix_find_best(index.get(), query.get(), nullptr, 0, depths, 1, nullptr, nullptr, &error),
          "pick: must not be NULL");
}

TEST_CASE("threads find while one stores, removes, adds and sweeps", "[c][prefix][threads]") {
  const PrefixIndex index = make_index(options_of_test());
  constexpr std::uint32_t kBlocks = 200;
  const std::uint32_t steady = add(index, "steady");
  const std::uint32_t busy = add(index, "busy");
  REQUIRE(store(index, steady, 1, kBlocks) == KTHENA_OK);
  const PrefixQuery query = query_of(index, 1, kBlocks);
  const std::uint32_t order[] = {busy, steady};
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> finds{0};
  std::vector<std::uint64_t> wrong(3);
  std::vector<std::thread> readers;
  for (std::uint64_t& mine : wrong) {
    readers.emplace_back([&] {
      const kthena_prefix_query* queries[] = {query.get(), query.get()};
      const std::uint32_t loads[] = {5, 5 + kBlocks + 1};
      while (!done.load(std::memory_order_relaxed)) {
        Depths rows(kthena_prefix_worker_limit(index.get()) * KTHENA_TIER_COUNT, 999);
        const std::size_t n = rows.size() / KTHENA_TIER_COUNT;
        std::uint32_t pair[2] = {999, 999};
        kthena_prefix_pick pick = KTHENA_INIT(kthena_prefix_pick);
        const bool ok =
            kthena_prefix_find(index.get(), query.get(), order, 2, pair, nullptr) == KTHENA_OK && pair[0] <= kBlocks &&
            pair[1] == kBlocks &&
            kthena_prefix_find_by_worker(index.get(), query.get(), nullptr, 0, rows.data(), n, nullptr) == KTHENA_OK &&
            rows[steady] == kBlocks && rows[busy] <= kBlocks &&
            kthena_prefix_find_batch(index.get(), queries, 2, nullptr, 0, rows.data(), n, nullptr) == KTHENA_OK &&
            rows[n + steady] == kBlocks &&
            kthena_prefix_find_tiers(index.get(), query.get(), nullptr, 0, rows.data(), n, nullptr) == KTHENA_OK &&
            rows[steady] == kBlocks && rows[n + steady] == kBlocks &&
            // Whatever the busy one holds, its load is larger than all blocks that the steady one could lack.
            kthena_prefix_find_best(index.get(), query.get(), nullptr, 0, loads, 2, nullptr, &pick, nullptr) ==
                KTHENA_OK &&
            pick.worker == steady && pick.depth == kBlocks;
        if (!ok) ++mine;
        finds.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  std::uint64_t failed = 0;
  for (std::uint32_t round = 0; round < 300 || finds.load() < 30; ++round) {
    if (store(index, busy, 1, 1 + round % kBlocks) != KTHENA_OK) ++failed;
    const std::uint64_t name = 1001 + round % 7;
    if (kthena_prefix_remove(index.get(), busy, &name, 1, KTHENA_TIER_DEVICE, nullptr) != KTHENA_OK) ++failed;
    std::uint32_t guest = KTHENA_NONE;
    if (kthena_prefix_add_worker(index.get(), str("guest"), &guest, nullptr) != KTHENA_OK) ++failed;
    if (store(index, guest, 1 + round % 2, 20) != KTHENA_OK) ++failed;
    if (kthena_prefix_remove_worker(index.get(), guest, nullptr) != KTHENA_OK) ++failed;
    if (round % 3 == 0 && kthena_prefix_sweep(index.get(), 1000, nullptr, nullptr) != KTHENA_OK) ++failed;
    if (round % 50 == 49 && kthena_prefix_clear(index.get(), busy, nullptr) != KTHENA_OK) ++failed;
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(failed == 0);
  CHECK(wrong == std::vector<std::uint64_t>(3, 0));
}

TEST_CASE("contents of 128 bits and copies", "[c][prefix]") {
  kthena_prefix_index_options options = options_of_test();
  options.wide_contents = 1;
  options.count_copies = 1;
  const PrefixIndex index = make_index(options);
  const std::uint32_t a = add(index, "a");
  const std::uint64_t key = kthena_prefix_index_namespace_key(index.get(), str("m"), str(""), str(""));
  std::vector<std::uint32_t> tokens(12);
  std::iota(tokens.begin(), tokens.end(), 1u);
  std::vector<std::uint64_t> lower(3);
  std::vector<std::uint64_t> upper(3);
  REQUIRE(kthena_prefix_index_hash_blocks(index.get(), tokens.data(), 12, lower.data(), upper.data()) == 3);
  std::vector<std::uint64_t> alone(3);
  REQUIRE(kthena_prefix_hash_blocks(tokens.data(), 12, 4, kSeed, nullptr, alone.data()) == 3);
  CHECK(alone == upper);
  CHECK(lower != upper);
  CHECK(kthena_prefix_hash_blocks(tokens.data(), 12, 4, kSeed, nullptr, nullptr) == 0);
  Error error;
  const auto engine = names(1, 3);
  const auto store_wide = [&](const std::uint64_t* uppers) {
    return kthena_prefix_store(index.get(), a, key, nullptr, engine.data(), lower.data(), uppers, 3, KTHENA_TIER_DEVICE,
                               &error);
  };
  CHECK(store_wide(nullptr) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text().rfind("content_uppers: ", 0) == 0);
  REQUIRE(store_wide(upper.data()) == KTHENA_OK);
  REQUIRE(store_wide(upper.data()) == KTHENA_OK);
  CHECK(stats_of(index).copied_blocks == 3);

  kthena_prefix_query* made = nullptr;
  REQUIRE(kthena_prefix_query_create(index.get(), str("m"), str(""), str(""), &made, &error) == KTHENA_OK);
  const PrefixQuery query(made);
  CHECK(kthena_prefix_query_extend_contents(made, lower.data(), nullptr, 3, &error) == KTHENA_INVALID_ARGUMENT);
  REQUIRE(kthena_prefix_query_extend_contents(made, lower.data(), upper.data(), 3, &error) == KTHENA_OK);
  CHECK(find(index, query) == Depths{3});
  // Equal lower halves alone are another prompt.
  std::swap(upper[1], upper[2]);
  kthena_prefix_query_clear(made);
  REQUIRE(kthena_prefix_query_extend_contents(made, lower.data(), upper.data(), 3, &error) == KTHENA_OK);
  CHECK(find(index, query) == Depths{1});
  std::swap(upper[1], upper[2]);
  kthena_prefix_query_clear(made);
  REQUIRE(kthena_prefix_query_extend_tokens(made, tokens.data(), 12, &error) == KTHENA_OK);
  CHECK(find(index, query) == Depths{3});

  kthena_prefix_events* events = nullptr;
  REQUIRE(kthena_prefix_events_create(index.get(), a, &events, &error) == KTHENA_OK);
  const PrefixEvents owned(events);
  kthena_prefix_event event = KTHENA_INIT(kthena_prefix_event);
  REQUIRE(kthena_prefix_events_get(events, 1, &event, &error) == KTHENA_OK);
  REQUIRE(event.content_uppers != nullptr);
  CHECK(std::vector<std::uint64_t>(event.content_uppers, event.content_uppers + event.n) == upper);
  for (const std::uint32_t depth : {3u, 0u}) {
    REQUIRE(kthena_prefix_remove(index.get(), a, engine.data(), 3, KTHENA_TIER_DEVICE, &error) == KTHENA_OK);
    CHECK(find(index, query) == Depths{depth});
  }
  kthena_prefix_index_options read = KTHENA_INIT(kthena_prefix_index_options);
  REQUIRE(kthena_prefix_index_get_options(index.get(), &read, &error) == KTHENA_OK);
  CHECK(read.count_copies == 1);
  CHECK(read.wide_contents == 1);
  kthena_prefix_index* none = nullptr;
  options.count_copies = 2;
  CHECK(kthena_prefix_index_create(&options, &none, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "options.count_copies: must be 0 or 1");
  options.count_copies = 1;
  options.wide_contents = 2;
  CHECK(kthena_prefix_index_create(&options, &none, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "options.wide_contents: must be 0 or 1");
}
