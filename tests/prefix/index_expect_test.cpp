// Expected blocks: guesses beside what engines say.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "fleet.hpp"
#include "guess_oracle.hpp"

using namespace kthena;
using namespace kthena::test;

namespace {

using Hashes = std::vector<std::uint64_t>;

/// One or two workers whose engine hashes are small numbers and whose blocks' contents are these times 10.
struct Guessing {
  explicit Guessing(prefix::PrefixIndexOptions options) : index(prefix::PrefixIndex::create(options).value()) {
    a = index.add_worker("a").value();
    b = index.add_worker("b").value();
  }
  static prefix::PrefixQuery query(const Hashes& hashes) {
    prefix::PrefixQuery query(7, 16, 0);
    for (const std::uint64_t hash : hashes) REQUIRE(query.extend_contents(Hashes{hash * 10}).ok());
    return query;
  }
  void expect(WorkerId worker, const Hashes& hashes, std::int64_t now_ns = 0) {
    REQUIRE(index.expect(worker, query(hashes), now_ns).ok());
  }
  void store(WorkerId worker, std::optional<std::uint64_t> parent, const Hashes& hashes,
             KvTier tier = KvTier::kDevice) {
    Hashes contents;
    for (const std::uint64_t hash : hashes) contents.push_back(hash * 10);
    REQUIRE(index.apply(BlockStored{worker, 7, parent, hashes, contents, tier}).ok());
  }
  void remove(WorkerId worker, const Hashes& hashes, KvTier tier = KvTier::kDevice) {
    REQUIRE(index.apply(BlockRemoved{worker, hashes, tier}).ok());
  }
  std::uint32_t depth(WorkerId worker, const Hashes& hashes, KvTier tier = KvTier::kExternal) const {
    std::vector<std::uint32_t> depths(prefix::PrefixIndex::kTiers * index.worker_limit());
    index.find_tiers(query(hashes), {}, depths);
    return depths[static_cast<std::size_t>(tier) * index.worker_limit() + worker.value];
  }

  prefix::PrefixIndex index;
  WorkerId a, b;
};

}  // namespace

TEST_CASE("without events the index is what prompts lead to expect, the least recent tail first to go", "[prefix]") {
  Guessing one({.max_expected_blocks = 5});
  one.expect(one.a, {1, 2, 3});
  one.expect(one.a, {1, 4});
  CHECK(one.depth(one.a, {1, 2, 3}) == 3);
  CHECK(one.depth(one.b, {1, 2, 3}) == 0);
  CHECK(one.index.stats().expected_blocks == 4);
  CHECK(one.index.stats().memberships == 4);
  one.expect(one.a, {5, 6});  // order now: 5 6 | 1 4 | 2 3
  CHECK(one.depth(one.a, {1, 2, 3}) == 2);
  CHECK(one.index.stats().evicted_blocks == 1);
  one.expect(one.a, {1});  // 1 | 5 6 | 4 | 2
  one.expect(one.a, {7});
  CHECK(one.depth(one.a, {1, 2, 3}) == 1);
  CHECK(one.depth(one.a, {1, 4}) == 2);
  // A prompt that is longer than the capacity keeps its head.
  one.expect(one.a, {11, 12, 13, 14, 15, 16, 17});
  CHECK(one.depth(one.a, {11, 12, 13, 14, 15, 16, 17}) == 5);
  CHECK(one.index.stats().expected_blocks == 5);
  CHECK(one.index.stats().evicted_blocks == 7);
  CHECK(one.index.stats().unique_blocks == 5);
}

TEST_CASE("an expected block expires after its last touch, and a clock that steps back does no harm", "[prefix]") {
  Guessing one({.max_expected_blocks = 100, .expected_ttl_ns = 10});
  one.expect(one.a, {1, 2, 3}, 100);
  one.expect(one.b, {1, 2}, 103);
  one.expect(one.a, {1, 2}, 50);  // counts as 103
  CHECK(one.index.expire(109, 100) == 0);
  CHECK(one.index.expire(110, 100) == 1);
  CHECK(one.depth(one.a, {1, 2, 3}) == 2);
  CHECK(one.index.expire(20, 100) == 0);
  CHECK(one.index.expire(113, 3) == 3);  // a budget
  CHECK(one.index.expire(113, 3) == 1);
  CHECK(one.index.stats().expired_blocks == 5);
  CHECK(one.index.stats().memberships == 0);
  CHECK(one.index.stats().runs == 0);
  one.expect(one.a, {1}, std::numeric_limits<std::int64_t>::max());
  CHECK(one.index.expire(std::numeric_limits<std::int64_t>::max(), 10) == 0);
  Guessing far({.max_expected_blocks = 100, .expected_ttl_ns = 10});
  far.expect(far.a, {1}, std::numeric_limits<std::int64_t>::min());
  CHECK(far.index.expire(std::numeric_limits<std::int64_t>::max(), 10) == 1);
  Guessing never({.max_expected_blocks = 100});
  never.expect(never.a, {1}, 0);
  CHECK(never.index.expire(std::numeric_limits<std::int64_t>::max(), 10) == 0);
}

TEST_CASE("a store makes a guess the engine's word", "[prefix]") {
  const bool shared = GENERATE(false, true);
  Guessing one({.shared_engine_hashes = shared, .max_expected_blocks = 100, .expected_ttl_ns = 10});
  one.expect(one.a, {1, 2, 3, 4}, 0);
  one.store(one.a, std::nullopt, {1, 2, 3});
  CHECK(one.index.stats().promoted_blocks == 3);
  CHECK(one.index.stats().expected_blocks == 1);
  CHECK(one.index.stats().memberships == 4);
  CHECK(one.index.expire(10, 100) == 1);
  CHECK(one.depth(one.a, {1, 2, 3, 4}) == 3);
  one.remove(one.a, {3});
  CHECK(one.depth(one.a, {1, 2, 3, 4}) == 2);
  one.remove(one.a, {1, 2});
  CHECK(one.index.stats().memberships == 0);
  CHECK(one.index.stats().unknown_removes == 0);
  CHECK(one.index.stats().runs == 0);
}

TEST_CASE("what the engine holds in any tier is no guess, and a guess is in the fastest tier", "[prefix]") {
  Guessing one({.shared_engine_hashes = GENERATE(false, true), .max_expected_blocks = 100});
  one.store(one.a, std::nullopt, {1, 2}, KvTier::kHost);
  one.expect(one.a, {1, 2, 3, 4});
  CHECK(one.index.stats().expected_blocks == 2);
  CHECK(one.depth(one.a, {1, 2, 3, 4}, KvTier::kDevice) == 0);
  CHECK(one.depth(one.a, {1, 2, 3, 4}, KvTier::kHost) == 4);
  one.store(one.a, 2, {3}, KvTier::kDisk);
  CHECK(one.depth(one.a, {1, 2, 3, 4}, KvTier::kHost) == 2);
  CHECK(one.depth(one.a, {1, 2, 3, 4}) == 4);
  one.remove(one.a, {2}, KvTier::kHost);  // a hole; the guess behind it stays
  CHECK(one.depth(one.a, {1, 2, 3, 4}) == 1);
  one.expect(one.a, {1, 2});
  CHECK(one.depth(one.a, {1, 2, 3, 4}) == 4);
}

TEST_CASE("a removal does not concern a guess; clearing and removing the worker do", "[prefix]") {
  const bool shared = GENERATE(false, true);
  Guessing one({.shared_engine_hashes = shared, .max_expected_blocks = 100});
  one.store(one.b, std::nullopt, {1, 2});
  one.expect(one.a, {1, 2, 3});
  one.remove(one.a, {1});  // b's name for it, where hashes are shared
  CHECK(one.index.stats().unknown_removes == 1);
  CHECK(one.depth(one.a, {1, 2, 3}) == 3);
  CHECK(one.depth(one.b, {1, 2, 3}) == 2);
  REQUIRE(one.index.apply(AllBlocksCleared{one.a}).ok());
  CHECK(one.depth(one.a, {1, 2, 3}) == 0);
  CHECK(one.depth(one.b, {1, 2, 3}) == 2);
  CHECK(one.index.stats().expected_blocks == 0);
  one.expect(one.a, {1, 2, 3});
  REQUIRE(one.index.remove_worker(one.a).ok());
  CHECK(one.index.stats().expected_blocks == 0);
  CHECK(one.index.stats().memberships == 2);
  CHECK(one.index.stats().unique_blocks == 2);
  CHECK(one.index.sweep(1) != 0);
  CHECK(one.index.sweep(1000) == 0);
  CHECK(one.depth(one.b, {1, 2, 3}) == 2);
  one.remove(one.b, {1, 2});
  CHECK(one.index.stats().runs == 0);
}

TEST_CASE("a guess costs no place in the shared table: what is stored after it is shared as before", "[prefix]") {
  const auto bytes = [](bool guess_first) {
    Guessing one({.shared_engine_hashes = true, .max_expected_blocks = 100000});
    for (std::uint64_t prompt = 1; prompt <= 100; ++prompt) {
      Hashes hashes;
      for (std::uint64_t i = 0; i < 64; ++i) hashes.push_back(prompt * 1000 + i);
      for (const WorkerId worker : {one.a, one.b}) {
        if (guess_first) one.expect(worker, hashes);
        one.store(worker, std::nullopt, hashes);
      }
    }
    CHECK(one.index.stats().expected_blocks == 0);
    return one.index.stats().approximate_bytes;
  };
  const auto with = static_cast<double>(bytes(true));
  const auto without = static_cast<double>(bytes(false));
  CHECK(with < 1.02 * without);
}

TEST_CASE("expect() says what is wrong with it", "[prefix]") {
  Guessing one({.max_expected_blocks = 10});
  const prefix::PrefixQuery query = Guessing::query({1, 2});
  CHECK(one.index.expect(WorkerId{7}, query, 0).code() == StatusCode::kNotFound);
  CHECK(one.index.expect(WorkerId{}, query, 0).code() == StatusCode::kNotFound);
  const Status other = one.index.expect(one.a, prefix::PrefixQuery(7, 16, 99), 0);
  CHECK(other.code() == StatusCode::kInvalidArgument);
  CHECK(other.message() == "query: was made under another seed");
  CHECK(one.index.stats().memberships == 0);
  CHECK(one.index.expect(one.a, prefix::PrefixQuery(7, 16, 0), 0).ok());  // no full block
  CHECK(one.index.stats().runs == 0);
  Guessing off({});
  const Status status = off.index.expect(off.a, query, 0);
  CHECK(status.code() == StatusCode::kFailedPrecondition);
  CHECK(status.message() == "max_expected_blocks: is 0");
  CHECK(off.index.expire(0, 1) == 0);
  const Status range =
      prefix::PrefixIndex::create({.max_expected_blocks = std::size_t{1} << 32, .expected_ttl_ns = -1}).status();
  CHECK(range.message() == "max_expected_blocks: 4294967296 is not in 0..4294967295; expected_ttl_ns: -1 is negative");
}

namespace {

/// Events, expectations and expiry in any order; depths in all tiers and all counts beside the oracles after each step.
void require_exact(std::uint64_t seed, const ScenarioOptions& options, std::size_t capacity) {
  const bool shared = GENERATE(false, true);
  CAPTURE(shared, capacity);
  const std::int64_t ttl_ns = seed % 3 == 0 ? 0 : 1 + static_cast<std::int64_t>(seed % 40);
  const Scenario scenario = random_scenario(seed, options);
  Fleet fleet({.shared_engine_hashes = shared, .max_expected_blocks = capacity, .expected_ttl_ns = ttl_ns});
  GuessOracle guesses(capacity, ttl_ns);
  std::mt19937_64 random(seed + 1);
  std::string history;
  std::set<std::string> workers;
  std::int64_t now_ns = 0;
  const auto any_prompt = [&] {
    return below(random, 2) == 0 ? scenario.prompts[below(random, scenario.prompts.size())]
                                 : random_prompt(random, options, scenario.prompts);
  };
  for (const Operation& operation : scenario.operations) {
    now_ns += static_cast<std::int64_t>(below(random, 4));
    const std::size_t dice = below(random, 8);
    INFO("seed " << seed << ", after" << history);
    if (dice < 3) {
      const TokenPrefix prompt = any_prompt();
      const std::int64_t given_ns = now_ns - static_cast<std::int64_t>(below(random, 2) * below(random, 30));
      history += "\n  expect " + operation.worker + " at " + std::to_string(given_ns) + ":";
      for (const std::uint32_t token : prompt.tokens) history += " " + std::to_string(token);
      workers.insert(operation.worker);
      REQUIRE(fleet.index().expect(fleet.worker(operation.worker), fleet.query(prompt), given_ns).ok());
      guesses.expect(operation.worker, prompt, kBlockTokens, given_ns, fleet.oracle().placed(operation.worker));
    } else if (dice == 3) {
      const std::size_t budget = 1 + below(random, 10);
      history += "\n  expire at " + std::to_string(now_ns);
      std::size_t calls = 0;
      while (fleet.index().expire(now_ns, budget) == budget) REQUIRE(++calls < 10000);
      guesses.expire(now_ns);
    } else if (dice == 4) {
      const std::size_t budget = below(random, 30);
      history += "\n  sweep " + std::to_string(budget);
      (void)fleet.index().sweep(budget);
    } else {
      history += "\n  " + operation.text();
      workers.insert(operation.worker);
      fleet.apply(operation);
      if (operation.kind == Operation::kClear || operation.kind == Operation::kRemoveWorker)
        guesses.clear(operation.worker);
      if (operation.kind == Operation::kRemoveWorker) workers.erase(operation.worker);
      guesses.promote(operation.worker, fleet.oracle().placed(operation.worker));
    }

    const TokenPrefix query = any_prompt();
    const auto depths = fleet.find(query);
    const std::size_t limit = fleet.index().worker_limit();
    std::vector<std::uint32_t> by_tier(prefix::PrefixIndex::kTiers * limit);
    fleet.index().find_tiers(fleet.query(query), {}, by_tier);
    std::size_t memberships = 0;
    std::set<TokenPrefix> all;
    REQUIRE(depths.size() == workers.size());
    for (const std::string& worker : workers) {
      std::set<TokenPrefix> held = guesses.of(worker);
      REQUIRE(depths.at(worker) == fleet.oracle().depth(worker, query, kBlockTokens, 3, &held));
      for (int tier = 0; tier < 4; ++tier) {
        REQUIRE(by_tier[static_cast<std::size_t>(tier) * limit + fleet.index().find_worker(worker).value] ==
                fleet.oracle().depth(worker, query, kBlockTokens, tier, &held));
      }
      held.merge(fleet.oracle().placed(worker));
      memberships += held.size();
      all.merge(held);
    }
    const prefix::PrefixIndexStats stats = fleet.index().stats();
    REQUIRE(stats.memberships == memberships);
    REQUIRE(stats.unique_blocks == all.size());
    REQUIRE(stats.orphan_blocks == fleet.oracle().waiting());
    REQUIRE(stats.expected_blocks == guesses.size());
    REQUIRE(stats.promoted_blocks == guesses.promoted());
    REQUIRE(stats.expired_blocks == guesses.expired());
    REQUIRE(stats.evicted_blocks == guesses.evicted());
  }
  INFO("seed " << seed << ", after all of" << history);
  fleet.require_returns_to_base();
  REQUIRE(fleet.index().stats().expected_blocks == 0);
}

}  // namespace

TEST_CASE("find and all counts equal the oracles when blocks are expected, stored, removed and expire",
          "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(11000, 11150)));
  require_exact(seed,
                {.workers = 1 + seed % 4,
                 .alphabet = 2,
                 .depth = 2 + seed % 20,
                 .prompts = 6,
                 .operations = 200,
                 .tiers = 1 + seed % 3,
                 .spaces = 1 + seed % 2,
                 .known_stores = seed % 2 == 0},
                1 + seed % 37);
}

TEST_CASE("guesses of full caches, without holes, as the simulator makes them", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(12000, 12040)));
  require_exact(seed, {.workers = 3, .alphabet = 3, .depth = 40, .operations = 200, .only_tail_first = true}, 120);
}

TEST_CASE("P11 readers beside a writer that expects, stores, expires and removes see nothing else",
          "[prefix][threads]") {
  const bool shared = GENERATE(false, true);
  Guessing one({.max_workers = 4, .shared_engine_hashes = shared, .max_expected_blocks = 200, .expected_ttl_ns = 10});
  Hashes prompt(64);
  for (std::size_t i = 0; i < prompt.size(); ++i) prompt[i] = i + 1;
  const Hashes head(prompt.begin(), prompt.begin() + 16);
  const Hashes half(prompt.begin(), prompt.begin() + 32);
  one.store(one.b, std::nullopt, prompt);  // stays
  const prefix::PrefixQuery whole = Guessing::query(prompt);
  const prefix::PrefixQuery part = Guessing::query(half);
  std::atomic<bool> over = false;
  std::vector<std::size_t> wrong(2);
  std::vector<std::thread> readers;
  for (std::size_t reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&, reader] {
      const std::vector<WorkerId> both = {one.a, one.b};
      std::vector<std::uint32_t> depths(2);
      for (std::size_t lookups = 0; !over || lookups < 100; ++lookups) {
        one.index.find(whole, both, depths);
        // What the worker is expected to hold comes and goes at once, what its engine removes block by block.
        wrong[reader] += depths[1] != 64 || (depths[0] > 16 && depths[0] != 32 && depths[0] != 64);
      }
    });
  }
  bool fine = true;
  for (std::int64_t now_ns = 0; now_ns < 200'000; now_ns += 100) {
    fine &= one.index.expect(one.a, whole, now_ns).ok();
    fine &= one.index.expect(one.a, part, now_ns + 5).ok();
    one.store(one.a, std::nullopt, head, now_ns % 300 == 0 ? KvTier::kHost : KvTier::kDevice);
    fine &= one.index.expire(now_ns + 10, 1000) == 32;
    fine &= one.index.expire(now_ns + 15, 1000) == 16;
    one.remove(one.a, head, now_ns % 300 == 0 ? KvTier::kHost : KvTier::kDevice);
    if (now_ns % 1600 == 0) std::this_thread::yield();
  }
  over = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(fine);
  CHECK(wrong == std::vector<std::size_t>{0, 0});
  CHECK(one.index.stats().memberships == 64);
}
