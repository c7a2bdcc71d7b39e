// tests/c/prefix_test.cpp
#include <array>
#include <cstring>
#include <numeric>
#include <thread>

#include "fixture.hpp"

using namespace kthena::test;

namespace {

struct Index {
  PrefixIndex handle;
  Error error;

  explicit Index(std::uint32_t block_tokens = 4, std::uint64_t seed = 11) {
    kthena_prefix_index_options options = KTHENA_INIT(kthena_prefix_index_options);
    options.block_tokens = block_tokens;
    options.seed = seed;
    kthena_prefix_index* made = nullptr;
    REQUIRE(kthena_prefix_index_create(&options, &made, &error) == KTHENA_OK);
    handle.reset(made);
  }
  kthena_prefix_index* get() { return handle.get(); }
  std::uint32_t worker(std::string_view name) {
    std::uint32_t worker = 0;
    REQUIRE(kthena_prefix_add_worker(get(), str(name), &worker, &error) == KTHENA_OK);
    return worker;
  }
  PrefixQuery query(const std::vector<std::uint32_t>& tokens, std::string_view tenant = "") {
    kthena_prefix_query* made = nullptr;
    REQUIRE(kthena_prefix_query_create(get(), KTHENA_STR("m"), {nullptr, 0}, str(tenant), &made, &error) == KTHENA_OK);
    REQUIRE(kthena_prefix_query_extend_tokens(made, tokens.data(), tokens.size(), &error) == KTHENA_OK);
    return PrefixQuery(made);
  }
  /// `worker` stores the full blocks of `tokens` under engine hashes first, first + 1, ...
  void store(std::uint32_t worker, const std::vector<std::uint32_t>& tokens, std::uint64_t first,
             std::int32_t tier = KTHENA_TIER_DEVICE) {
    std::vector<std::uint64_t> contents(tokens.size() / 4);
    REQUIRE(kthena_prefix_hash_blocks(tokens.data(), tokens.size(), 4, 11, contents.data(), nullptr) ==
            contents.size());
    std::vector<std::uint64_t> engine(contents.size());
    std::iota(engine.begin(), engine.end(), first);
    const std::uint64_t space = kthena_prefix_namespace_key(KTHENA_STR("m"), {nullptr, 0}, {nullptr, 0}, 4, 11);
    REQUIRE(kthena_prefix_store(get(), worker, space, nullptr, engine.data(), contents.data(), nullptr, engine.size(),
                                tier, &error) == KTHENA_OK);
  }
  std::vector<std::uint32_t> find(const PrefixQuery& query) {
    std::vector<std::uint32_t> depths(kthena_prefix_worker_limit(get()), 99);
    REQUIRE(kthena_prefix_find_by_worker(get(), query.get(), nullptr, 0, depths.data(), depths.size(), &error) ==
            KTHENA_OK);
    return depths;
  }
};

std::vector<std::uint32_t> tokens(std::uint32_t n) {
  std::vector<std::uint32_t> list(n);
  std::iota(list.begin(), list.end(), 100u);
  return list;
}

}  // namespace

TEST_CASE("store, find, remove, clear", "[c][prefix]") {
  Index index;
  const std::uint32_t a = index.worker("a");
  const std::uint32_t b = index.worker("b");
  CHECK(index.worker("a") == a);
  CHECK(kthena_prefix_find_worker(index.get(), str("b")) == b);
  CHECK(kthena_prefix_find_worker(index.get(), str("c")) == KTHENA_NONE);
  REQUIRE(kthena_prefix_worker_limit(index.get()) == 2);

  index.store(a, tokens(20), 1000);
  index.store(b, tokens(8), 1000, KTHENA_TIER_HOST);
  const PrefixQuery query = index.query(tokens(18));
  CHECK(kthena_prefix_query_blocks(query.get()) == 4);
  CHECK(index.find(query) == std::vector<std::uint32_t>{4, 2});
  CHECK(index.find(index.query(tokens(18), "another tenant")) == std::vector<std::uint32_t>{0, 0});

  const std::uint64_t only_b[] = {std::uint64_t{1} << b};
  std::uint32_t depths[3] = {9, 9, 9};
  REQUIRE(kthena_prefix_find_by_worker(index.get(), query.get(), only_b, 1, depths, 3, &index.error) == KTHENA_OK);
  CHECK(depths[a] == 0);
  CHECK(depths[b] == 2);
  CHECK(depths[2] == 0);
  REQUIRE(kthena_prefix_find_by_worker(index.get(), query.get(), only_b, 0, depths, 3, &index.error) == KTHENA_OK);
  CHECK(depths[b] == 0);

  const std::uint32_t order[] = {KTHENA_NONE, b, a, 77, b};
  std::uint32_t found[5] = {9, 9, 9, 9, 9};
  REQUIRE(kthena_prefix_find(index.get(), query.get(), order, 5, found, &index.error) == KTHENA_OK);
  CHECK(std::vector<std::uint32_t>(found, found + 5) == std::vector<std::uint32_t>{0, 2, 4, 0, 2});
  std::vector<std::uint32_t> many(3000, b);
  std::vector<std::uint32_t> many_depths(3000, 9);
  REQUIRE(kthena_prefix_find(index.get(), query.get(), many.data(), 3000, many_depths.data(), &index.error) ==
          KTHENA_OK);
  CHECK(many_depths == std::vector<std::uint32_t>(3000, 2));

  const std::uint64_t hole[] = {1001, 4711};
  REQUIRE(kthena_prefix_remove(index.get(), a, hole, 2, KTHENA_TIER_DEVICE, &index.error) == KTHENA_OK);
  CHECK(index.find(query) == std::vector<std::uint32_t>{1, 2});
  kthena_prefix_stats stats = KTHENA_INIT(kthena_prefix_stats);
  REQUIRE(kthena_prefix_get_stats(index.get(), &stats, &index.error) == KTHENA_OK);
  CHECK(stats.workers == 2);
  CHECK(stats.unknown_removes == 1);
  CHECK(stats.unique_blocks >= 5);
  CHECK(stats.approximate_bytes > 0);

  REQUIRE(kthena_prefix_clear(index.get(), b, &index.error) == KTHENA_OK);
  CHECK(index.find(query) == std::vector<std::uint32_t>{1, 0});
  REQUIRE(kthena_prefix_remove_worker(index.get(), a, &index.error) == KTHENA_OK);
  CHECK(kthena_prefix_find_worker(index.get(), str("a")) == KTHENA_NONE);
  CHECK(kthena_prefix_remove_worker(index.get(), a, &index.error) == KTHENA_NOT_FOUND);
}

TEST_CASE("a store continues after its parent", "[c][prefix]") {
  Index index;
  const std::uint32_t a = index.worker("a");
  const std::vector<std::uint32_t> prompt = tokens(12);
  index.store(a, {prompt.begin(), prompt.begin() + 4}, 1);
  std::uint64_t contents[2];
  REQUIRE(kthena_prefix_hash_blocks(prompt.data() + 4, 8, 4, 11, contents, nullptr) == 2);
  const std::uint64_t engine[] = {2, 3};
  const std::uint64_t parent = 1;
  const std::uint64_t space = kthena_prefix_namespace_key(KTHENA_STR("m"), {nullptr, 0}, {nullptr, 0}, 4, 11);
  REQUIRE(kthena_prefix_store(index.get(), a, space, &parent, engine, contents, nullptr, 2, KTHENA_TIER_DEVICE,
                              &index.error) == KTHENA_OK);
  CHECK(index.find(index.query(prompt)) == std::vector<std::uint32_t>{3});
}

TEST_CASE("a query from tokens equals one from contents", "[c][prefix]") {
  Index index;
  const std::uint32_t a = index.worker("a");
  index.store(a, tokens(40), 1);
  std::uint64_t contents[10];
  REQUIRE(kthena_prefix_hash_blocks(tokens(40).data(), 40, 4, 11, contents, nullptr) == 10);
  const PrefixQuery query = index.query({});
  CHECK(kthena_prefix_query_blocks(query.get()) == 0);
  REQUIRE(kthena_prefix_query_extend_contents(query.get(), contents, nullptr, 10, &index.error) == KTHENA_OK);
  CHECK(index.find(query) == std::vector<std::uint32_t>{10});
  kthena_prefix_query_clear(query.get());
  CHECK(kthena_prefix_query_blocks(query.get()) == 0);
  const std::uint32_t three[] = {100, 101, 102};
  const std::uint32_t fourth = 103;
  REQUIRE(kthena_prefix_query_extend_tokens(query.get(), three, 3, &index.error) == KTHENA_OK);
  CHECK(kthena_prefix_query_extend_contents(query.get(), contents, nullptr, 1, &index.error) ==
        KTHENA_FAILED_PRECONDITION);
  REQUIRE(kthena_prefix_query_extend_tokens(query.get(), &fourth, 1, &index.error) == KTHENA_OK);
  REQUIRE(kthena_prefix_query_extend_contents(query.get(), contents + 1, nullptr, 9, &index.error) == KTHENA_OK);
  CHECK(index.find(query) == std::vector<std::uint32_t>{10});
}

TEST_CASE("many threads find in one index", "[c][prefix][threads]") {
  Index index;
  const std::uint32_t a = index.worker("a");
  const std::uint32_t b = index.worker("b");
  index.store(a, tokens(400), 1);
  index.store(b, tokens(200), 1);
  const PrefixQuery query = index.query(tokens(300));
  const std::uint32_t order[] = {b, a};
  std::vector<std::uint32_t> wrong(4);
  std::vector<std::thread> threads;
  for (std::uint32_t& mine : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 300; ++i) {
        std::uint32_t depths[2] = {};
        const kthena_status status =
            i % 2 == 0 ? kthena_prefix_find(index.get(), query.get(), order, 2, depths, nullptr)
                       : kthena_prefix_find_by_worker(index.get(), query.get(), nullptr, 0, depths, 2, nullptr);
        const std::uint32_t expected[2] = {i % 2 == 0 ? 50u : 75u, i % 2 == 0 ? 75u : 50u};
        if (status != KTHENA_OK || std::memcmp(depths, expected, sizeof(depths)) != 0) ++mine;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<std::uint32_t>(4, 0));
}

TEST_CASE("hash_blocks: full blocks only, 16 tokens by default", "[c][prefix]") {
  std::uint64_t hashes[4] = {7, 7, 7, 7};
  const auto list = tokens(40);
  CHECK(kthena_prefix_hash_blocks(list.data(), 40, 0, 5, hashes, nullptr) == 2);
  std::uint64_t same[4] = {7, 7, 7, 7};
  CHECK(kthena_prefix_hash_blocks(list.data(), 40, 16, 5, same, nullptr) == 2);
  CHECK(std::memcmp(hashes, same, sizeof(hashes)) == 0);
  CHECK(hashes[2] == 7);
  CHECK(kthena_prefix_hash_blocks(list.data(), 15, 16, 5, same, nullptr) == 0);
  CHECK(kthena_prefix_hash_blocks(nullptr, 16, 16, 5, same, nullptr) == 0);
  CHECK(kthena_prefix_hash_blocks(list.data(), 16, 16, 5, nullptr, nullptr) == 0);
  CHECK(kthena_prefix_hash_blocks(list.data(), 16, 16, 6, same, nullptr) == 1);
  CHECK(same[0] != hashes[0]);
  CHECK(kthena_prefix_namespace_key(KTHENA_STR("m"), {nullptr, 0}, {nullptr, 0}, 0, 1) ==
        kthena_prefix_namespace_key(KTHENA_STR("m"), KTHENA_STR(""), {nullptr, 0}, 16, 1));
}

TEST_CASE("options: defaults, ranges, all faults", "[c][prefix]") {
  kthena_prefix_index* index = nullptr;
  Error error;
  REQUIRE(kthena_prefix_index_create(nullptr, &index, &error) == KTHENA_OK);
  kthena_prefix_index_free(index);
  index = nullptr;
  kthena_prefix_index_options options = KTHENA_INIT(kthena_prefix_index_options);
  options.block_tokens = 65537;
  options.max_workers = 16385;
  CHECK(kthena_prefix_index_create(&options, &index, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text().find("block_tokens") != std::string::npos);
  CHECK(error.text().find("max_workers") != std::string::npos);
  options = KTHENA_INIT(kthena_prefix_index_options);
  options.shared_engine_hashes = 2;
  CHECK(kthena_prefix_index_create(&options, &index, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "options.shared_engine_hashes: must be 0 or 1");
  options.struct_size = 3;
  CHECK(kthena_prefix_index_create(&options, &index, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text().rfind("options.struct_size: ", 0) == 0);
  CHECK(kthena_prefix_index_create(nullptr, nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(index == nullptr);
  options = KTHENA_INIT(kthena_prefix_index_options);
  options.max_workers = 1;
  REQUIRE(kthena_prefix_index_create(&options, &index, &error) == KTHENA_OK);
  const PrefixIndex owned(index);
  std::uint32_t worker = 0;
  REQUIRE(kthena_prefix_add_worker(index, str("a"), &worker, &error) == KTHENA_OK);
  CHECK(kthena_prefix_add_worker(index, str("b"), &worker, &error) == KTHENA_RESOURCE_EXHAUSTED);
  CHECK(kthena_prefix_add_worker(index, str(""), &worker, &error) == KTHENA_INVALID_ARGUMENT);
}

TEST_CASE("bad arguments are refused by name", "[c][prefix]") {
  Index index;
  const std::uint32_t a = index.worker("a");
  const PrefixQuery query = index.query(tokens(8));
  const std::uint64_t hashes[] = {1, 2};
  std::uint32_t depths[4] = {9, 9, 9, 9};
  std::uint32_t worker = 7;
  kthena_prefix_query* made = nullptr;
  Error& error = index.error;
  const auto refused = [&](kthena_status status, std::string_view message) {
    CHECK(status == KTHENA_INVALID_ARGUMENT);
    CHECK(error.text() == message);
  };
  kthena_prefix_index* null = nullptr;
  refused(kthena_prefix_add_worker(null, str("a"), &worker, &error), "index: must not be NULL");
  refused(kthena_prefix_add_worker(index.get(), str("a"), nullptr, &error), "worker: must not be NULL");
  refused(kthena_prefix_add_worker(index.get(), {nullptr, 1}, &worker, &error),
          "name: data is NULL, but size is not 0");
  refused(kthena_prefix_remove_worker(null, a, &error), "index: must not be NULL");
  refused(kthena_prefix_store(null, a, 0, nullptr, hashes, hashes, nullptr, 2, 0, &error), "index: must not be NULL");
  refused(kthena_prefix_store(index.get(), a, 0, nullptr, nullptr, hashes, nullptr, 2, 0, &error),
          "engine_hashes: must not be NULL");
  refused(kthena_prefix_store(index.get(), a, 0, nullptr, hashes, hashes, nullptr, 2, 4, &error), "tier: no tier 4");
  refused(kthena_prefix_store(index.get(), a, 0, nullptr, hashes, hashes, nullptr, 2, -1, &error), "tier: no tier -1");
  refused(kthena_prefix_remove(null, a, hashes, 2, 0, &error), "index: must not be NULL");
  refused(kthena_prefix_remove(index.get(), a, nullptr, 2, 0, &error), "engine_hashes: must not be NULL");
  refused(kthena_prefix_remove(index.get(), a, hashes, 2, 9, &error), "tier: no tier 9");
  refused(kthena_prefix_clear(null, a, &error), "index: must not be NULL");
  refused(kthena_prefix_query_create(null, str("m"), str(""), str(""), &made, &error), "index: must not be NULL");
  refused(kthena_prefix_query_create(index.get(), str("m"), str(""), str(""), nullptr, &error),
          "query: must not be NULL");
  refused(kthena_prefix_query_create(index.get(), {nullptr, 1}, str(""), str(""), &made, &error),
          "model: data is NULL, but size is not 0");
  refused(kthena_prefix_query_create(index.get(), str(""), {nullptr, 1}, str(""), &made, &error),
          "adapter: data is NULL, but size is not 0");
  refused(kthena_prefix_query_create(index.get(), str(""), str(""), {nullptr, 1}, &made, &error),
          "tenant: data is NULL, but size is not 0");
  refused(kthena_prefix_query_extend_tokens(nullptr, nullptr, 0, &error), "query: must not be NULL");
  refused(kthena_prefix_query_extend_tokens(query.get(), nullptr, 1, &error), "tokens: must not be NULL");
  refused(kthena_prefix_query_extend_contents(nullptr, nullptr, nullptr, 0, &error), "query: must not be NULL");
  refused(kthena_prefix_query_extend_contents(query.get(), nullptr, nullptr, 1, &error),
          "content_hashes: must not be NULL");
  refused(kthena_prefix_find_by_worker(null, query.get(), nullptr, 0, depths, 4, &error), "index: must not be NULL");
  refused(kthena_prefix_find_by_worker(index.get(), nullptr, nullptr, 0, depths, 4, &error), "query: must not be NULL");
  refused(kthena_prefix_find_by_worker(index.get(), query.get(), nullptr, 0, nullptr, 4, &error),
          "depths: must not be NULL");
  refused(kthena_prefix_find(null, query.get(), &a, 1, depths, &error), "index: must not be NULL");
  refused(kthena_prefix_find(index.get(), nullptr, &a, 1, depths, &error), "query: must not be NULL");
  refused(kthena_prefix_find(index.get(), query.get(), nullptr, 1, depths, &error), "workers: must not be NULL");
  refused(kthena_prefix_find(index.get(), query.get(), &a, 1, nullptr, &error), "depths: must not be NULL");
  kthena_prefix_stats stats = KTHENA_INIT(kthena_prefix_stats);
  refused(kthena_prefix_get_stats(null, &stats, &error), "index: must not be NULL");
  refused(kthena_prefix_get_stats(index.get(), nullptr, &error), "stats: must not be NULL");
  stats.struct_size = 2;
  CHECK(kthena_prefix_get_stats(index.get(), &stats, &error) == KTHENA_INVALID_ARGUMENT);

  for (const std::uint32_t unknown : {a + 1, KTHENA_NONE}) {
    CHECK(kthena_prefix_store(index.get(), unknown, 0, nullptr, hashes, hashes, nullptr, 2, 0, &error) ==
          KTHENA_NOT_FOUND);
    CHECK(kthena_prefix_remove(index.get(), unknown, hashes, 2, 0, &error) == KTHENA_NOT_FOUND);
    CHECK(kthena_prefix_clear(index.get(), unknown, &error) == KTHENA_NOT_FOUND);
    CHECK(kthena_prefix_remove_worker(index.get(), unknown, &error) == KTHENA_NOT_FOUND);
  }
  CHECK(worker == 7);
  CHECK(made == nullptr);
  for (const std::uint32_t depth : depths) CHECK(depth == 9);
  stats = KTHENA_INIT(kthena_prefix_stats);
  REQUIRE(kthena_prefix_get_stats(index.get(), &stats, &error) == KTHENA_OK);
  CHECK(stats.memberships == 0);
  CHECK(stats.workers == 1);
}
