// The other forms of find, workers that are removed and swept, long chains and many children: beside the oracle, or beside find().
#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"
#include "fleet.hpp"
#include "kthena/base/hash.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena;
using namespace kthena::prefix;
using namespace kthena::test;

namespace {

using Hashes = std::vector<std::uint64_t>;

/// The worker with the least cost, by trying all of them.
Pick best_of(const std::vector<std::uint32_t>& depths, std::uint64_t mask, const std::vector<std::uint32_t>& loads,
             const PickRule& rule, std::size_t blocks, PrefixIndex& index) {
  Pick best;
  for (std::uint32_t id = 0; id < std::min(depths.size(), loads.size()); ++id) {
    if ((mask >> id & 1) == 0 || index.worker_name({id}).empty()) continue;
    const std::uint64_t cost = loads[id] + std::uint64_t{rule.block_cost} * (blocks - depths[id]);
    const bool better = !best.worker.valid() || cost < best.cost ||
                        (cost == best.cost && mix64(rule.tie_seed ^ id) < mix64(rule.tie_seed ^ best.worker.value));
    if (better) best = {{id}, depths[id], cost};
  }
  return best;
}

void store(PrefixIndex& index, WorkerId worker, const Hashes& contents, std::size_t first = 0) {
  std::vector<std::uint64_t> hashes;
  std::uint64_t chain = 1;
  for (const std::uint64_t content : contents) hashes.push_back(chain = combine64(chain, content));
  const BlockStored event{worker,
                          7,
                          first == 0 ? std::nullopt : std::optional(hashes[first - 1]),
                          std::span(hashes).subspan(first),
                          std::span(contents).subspan(first),
                          KvTier::kDevice};
  REQUIRE(index.apply(event).ok());
}

std::vector<std::uint32_t> depths_of(const PrefixIndex& index, const Hashes& contents, std::uint64_t seed = 0) {
  PrefixQuery query(7, 16, seed);
  REQUIRE(query.extend_contents(contents).ok());
  std::vector<std::uint32_t> depths(index.worker_limit());
  index.find_by_worker(query, {}, depths);
  return depths;
}

}  // namespace

TEST_CASE("P1 batches, tiers and the fused pick equal the oracle, and find under removed workers that are swept late",
          "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(10000, 10200)));
  const ScenarioOptions options{
      .workers = 2 + seed % 8, .alphabet = 2, .depth = 2 + seed % 39, .prompts = 8, .tiers = 1 + seed % 4};
  const Scenario scenario = random_scenario(seed, options);
  const bool shared = GENERATE(false, true);
  CAPTURE(shared);
  Fleet fleet({.shared_engine_hashes = shared});
  std::mt19937_64 random(seed + 1);
  std::string history;
  for (const Operation& operation : scenario.operations) {
    history += "\n  " + operation.text();
    INFO("seed " << seed << ", after" << history);
    fleet.apply(operation);
    if (below(random, 4) == 0) (void)fleet.index().sweep(below(random, 12));
    const PrefixIndex& index = fleet.index();
    const std::size_t limit = index.worker_limit();
    const std::uint64_t mask = below(random, 2) == 0 ? ~std::uint64_t{0} : random();
    const std::span<const std::uint64_t> candidates(&mask, mask == ~std::uint64_t{0} ? 0 : 1);

    std::vector<PrefixQuery> queries;
    std::vector<const PrefixQuery*> pointers;
    for (std::size_t i = 0; i < 11; ++i) {
      queries.push_back(fleet.query(i < 8 ? scenario.prompts[i] : random_prompt(random, options, scenario.prompts)));
    }
    for (const PrefixQuery& query : queries) pointers.push_back(&query);
    std::vector<std::uint32_t> batch(queries.size() * limit, 77);
    index.find_batch(pointers, candidates, batch);
    for (std::size_t i = 0; i < queries.size(); ++i) {
      std::vector<std::uint32_t> depths(limit, 77);
      index.find_by_worker(queries[i], candidates, depths);
      REQUIRE(std::equal(depths.begin(), depths.end(), batch.begin() + static_cast<std::ptrdiff_t>(i * limit)));

      std::vector<std::uint32_t> loads(limit + below(random, 3));
      for (std::uint32_t& load : loads) load = static_cast<std::uint32_t>(below(random, 30));
      if (!loads.empty() && below(random, 3) == 0) loads.pop_back();
      const PickRule rule{.block_cost = static_cast<std::uint32_t>(below(random, 3)), .tie_seed = random()};
      const Pick pick = index.find_best(queries[i], candidates, loads, rule);
      const Pick truth = best_of(depths, mask, loads, rule, queries[i].size_blocks(), fleet.index());
      REQUIRE(pick.worker == truth.worker);
      REQUIRE(pick.depth == truth.depth);
      REQUIRE(pick.cost == truth.cost);
    }
    const std::size_t chosen = below(random, 8);
    std::vector<std::uint32_t> by_tier(PrefixIndex::kTiers * limit, 77);
    index.find_tiers(queries[chosen], {}, by_tier);
    for (std::uint32_t id = 0; id < limit; ++id) {
      const std::string name(index.worker_name({id}));
      for (int tier = 0; tier < 4; ++tier) {
        INFO("worker " << name << " tier " << tier << " prompt " << chosen);
        REQUIRE(by_tier[static_cast<std::size_t>(tier) * limit + id] ==
                (name.empty() ? 0 : fleet.oracle().depth(name, scenario.prompts[chosen], kBlockTokens, tier)));
      }
    }
  }
  INFO("seed " << seed << ", after all of" << history);
  fleet.require_returns_to_base();
}

TEST_CASE("a worker that was removed is in no answer and no count, and its memory goes with the sweep", "[prefix]") {
  PrefixIndex index = PrefixIndex::create({}).value();
  const WorkerId a = index.add_worker("a").value();
  const WorkerId b = index.add_worker("b").value();
  const WorkerId c = index.add_worker("c").value();
  Hashes contents(5000);
  for (std::size_t i = 0; i < contents.size(); ++i) contents[i] = i + 1;
  store(index, a, contents);
  const Hashes half(contents.begin(), contents.begin() + 2500);
  store(index, b, half);
  Hashes other = half;
  other.insert(other.end(), {77, 78, 79});
  store(index, c, other);
  const std::uint64_t before = index.stats().approximate_bytes;

  REQUIRE(index.remove_worker(a).ok());
  CHECK(depths_of(index, contents) == std::vector<std::uint32_t>{0, 2500, 2500});
  CHECK(index.stats().memberships == 5003);
  CHECK(index.stats().unique_blocks == 2503);
  CHECK(index.stats().unswept_blocks == 5000);
  std::size_t left = 5000;
  std::size_t calls = 0;
  for (; left != 0; ++calls) left = index.sweep(500);
  CHECK(calls > 10);
  CHECK(index.stats().sweeps == 1);
  CHECK(index.stats().unswept_blocks == 0);
  CHECK(index.stats().unique_blocks == 2503);
  CHECK(index.stats().approximate_bytes < before - 5000 * 20);
  CHECK(depths_of(index, other) == std::vector<std::uint32_t>{0, 2500, 2503});
  CHECK(index.sweep(100) == 0);

  // Not swept, and its id used again.
  REQUIRE(index.remove_worker(c).ok());
  CHECK(index.worker_limit() == 2);
  CHECK(index.add_worker("d").value() == a);
  CHECK(index.add_worker("e").value() == c);
  CHECK(depths_of(index, other) == std::vector<std::uint32_t>{0, 2500, 0});
  CHECK(index.stats().unique_blocks == 2500);
}

TEST_CASE("chains longer than a run, appended in pieces of every length, match at every depth", "[prefix]") {
  PrefixIndex index = PrefixIndex::create({.seed = 5}).value();
  const WorkerId a = index.add_worker("a").value();
  const WorkerId b = index.add_worker("b").value();
  Hashes contents(9000);
  for (std::size_t i = 0; i < contents.size(); ++i) contents[i] = mix64(i + 1);
  std::size_t stored = 0;
  for (std::size_t piece = 1; stored < contents.size(); piece = piece % 37 + 1) {
    const std::size_t end = std::min(stored + piece, contents.size());
    store(index, a, {contents.begin(), contents.begin() + static_cast<std::ptrdiff_t>(end)}, stored);
    stored = end;
  }
  store(index, b, {contents.begin(), contents.begin() + 8191});
  for (std::size_t depth = 0; depth < contents.size(); depth += 1 + depth % 13) {
    Hashes query = contents;
    query[depth] = 1;
    const auto cut = static_cast<std::uint32_t>(depth);
    // With the index's seed checkpoints are compared, with another one all contents are.
    REQUIRE(depths_of(index, query, 5) == std::vector<std::uint32_t>{cut, std::min(cut, 8191u)});
    if (depth % 8 == 0) REQUIRE(depths_of(index, query, 6) == std::vector<std::uint32_t>{cut, std::min(cut, 8191u)});
  }
  CHECK(depths_of(index, contents, 5) == std::vector<std::uint32_t>{9000, 8191});
}

TEST_CASE("many prompts behind one prefix, stored and removed in any order, leave the prefix, then nothing",
          "[prefix]") {
  PrefixIndex index = PrefixIndex::create({}).value();
  const WorkerId a = index.add_worker("a").value();
  const WorkerId b = index.add_worker("b").value();
  const std::uint64_t empty = index.stats().approximate_bytes;
  std::mt19937_64 random(1);
  Hashes prefix(40);
  for (std::size_t i = 0; i < prefix.size(); ++i) prefix[i] = i + 1;
  std::vector<Hashes> prompts;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    Hashes prompt(prefix.begin(), prefix.begin() + static_cast<std::ptrdiff_t>(1 + below(random, 40)));
    prompt.push_back(1000 + i);
    if (i % 3 == 0) prompt.push_back(i);
    store(index, i % 2 == 0 ? a : b, prompt);
    prompts.push_back(std::move(prompt));
  }
  store(index, a, prefix);
  for (std::size_t i = 0; i < prompts.size(); i += 97) {
    CHECK(depths_of(index, prompts[i])[i % 2] == prompts[i].size());
    CHECK(depths_of(index, prompts[i])[1 - i % 2] < prompts[i].size());
  }
  for (const WorkerId worker : {a, b}) REQUIRE(index.apply(AllBlocksCleared{worker}).ok());
  CHECK(index.stats().runs == 0);
  CHECK(index.stats().unique_blocks == 0);
  CHECK(index.stats().approximate_bytes < empty + 1024);
}

TEST_CASE("a hole at the start of a shared prefix and its healing, over many children", "[prefix]") {
  PrefixIndex index = PrefixIndex::create({.shared_engine_hashes = GENERATE(false, true)}).value();
  const WorkerId a = index.add_worker("a").value();
  const WorkerId b = index.add_worker("b").value();
  std::vector<Hashes> prompts;
  for (std::uint64_t i = 0; i < 500; ++i) {
    prompts.push_back({1, 2, 3, 4, 100 + i, 5, 6});
    if (i % 5 == 0) prompts.push_back({1, 2, 3, 4, 100 + i, 5, 7, 8});
  }
  for (const Hashes& prompt : prompts) {
    store(index, a, prompt);
    store(index, b, prompt);
  }
  const std::uint64_t hole = combine64(combine64(1, 1), 2);
  for (int round = 0; round < 3; ++round) {
    REQUIRE(index.apply(BlockRemoved{a, {&hole, 1}, KvTier::kDevice}).ok());
    for (const Hashes& prompt : prompts) {
      REQUIRE(depths_of(index, prompt) == std::vector<std::uint32_t>{1, static_cast<std::uint32_t>(prompt.size())});
    }
    store(index, a, {1, 2}, 1);
    for (const Hashes& prompt : prompts) {
      const auto all = static_cast<std::uint32_t>(prompt.size());
      REQUIRE(depths_of(index, prompt) == std::vector<std::uint32_t>{all, all});
    }
  }
}

TEST_CASE("the other forms of find allocate nothing", "[prefix][allocation]") {
  PrefixIndex index = PrefixIndex::create({}).value();
  std::vector<std::uint32_t> loads;
  for (std::uint32_t i = 0; i < 150; ++i) {
    store(index, index.add_worker(std::to_string(i)).value(), {1, 2, 3 + i % 4, 4, 5});
    loads.push_back(i);
  }
  PrefixQuery query(7, 16, 0);
  REQUIRE(query.extend_contents(Hashes{1, 2, 3, 4}).ok());
  const PrefixQuery* const queries[] = {&query, &query};
  std::vector<std::uint32_t> depths(4 * 150);
  const std::size_t before = allocations();
  index.find_batch(queries, {}, std::span(depths).first(300));
  index.find_tiers(query, {}, depths);
  const Pick pick = index.find_best(query, {}, loads);
  CHECK(allocations() == before);
  CHECK(pick.worker == WorkerId{0});
  CHECK(pick.depth == 4);
}

// As long as is wanted: KTHENA_PREFIX_OPERATIONS=10000000 kthena_prefix_tests "[.long]". Each operation is followed by a query.
TEST_CASE("P1 find equals the oracle over very many random operations", "[.long]") {
  const char* const wanted = std::getenv("KTHENA_PREFIX_OPERATIONS");
  const std::uint64_t operations = wanted == nullptr ? 100'000 : std::strtoull(wanted, nullptr, 10);
  std::uint64_t done = 0;
  for (std::uint64_t seed = 1'000'000; done < operations; ++seed) {
    const ScenarioOptions options{.workers = 1 + seed % 5,
                                  .alphabet = 2 + seed % 2,
                                  .depth = 2 + seed % 17,
                                  .prompts = 6,
                                  .operations = 1000,
                                  .tiers = 1 + seed % 3};
    const Scenario scenario = random_scenario(seed, options);
    Fleet fleet({.shared_engine_hashes = seed % 2 == 1});
    std::mt19937_64 random(seed);
    for (const Operation& operation : scenario.operations) {
      fleet.apply(operation);
      ++done;
      const TokenPrefix& prompt = scenario.prompts[below(random, scenario.prompts.size())];
      if (fleet.find(prompt) == fleet.truth(prompt)) continue;
      FAIL("seed " << seed << ", after " << done << " operations in all, at " << operation.text());
    }
  }
  WARN(done << " operations");
}

TEST_CASE("one table of engine hashes serves all workers, and workers that name blocks otherwise", "[prefix]") {
  PrefixIndex index = PrefixIndex::create({.shared_engine_hashes = true}).value();
  const std::uint64_t base = index.stats().approximate_bytes;
  std::vector<WorkerId> workers;
  for (int i = 0; i < 8; ++i) workers.push_back(index.add_worker(std::to_string(i)).value());
  Hashes contents(5000);
  for (std::size_t i = 0; i < contents.size(); ++i) contents[i] = i + 1;
  for (const WorkerId worker : workers) store(index, worker, contents);
  CHECK(index.stats().memberships == 40'000);
  CHECK(index.stats().approximate_bytes < 40'000 * 6);

  // Worker 3 names block 1 again by 77, and then worker 4 does.
  const std::uint64_t again = 77;
  const std::uint64_t content = 1;
  const std::uint64_t first = combine64(1, 1);
  for (const std::size_t i : {3u, 4u}) {
    REQUIRE(index.apply(BlockStored{workers[i], 7, {}, {&again, 1}, {&content, 1}, KvTier::kHost}).ok());
    REQUIRE(index.apply(BlockRemoved{workers[i], {&first, 1}, KvTier::kDevice}).ok());
    CHECK(depths_of(index, contents)[i] == 5000);
    std::vector<std::uint32_t> by_tier(PrefixIndex::kTiers * 8);
    PrefixQuery query(7, 16, 0);
    REQUIRE(query.extend_contents(contents).ok());
    index.find_tiers(query, {}, by_tier);
    CHECK(by_tier[i] == 0);
    CHECK(by_tier[8 + i] == 5000);
    REQUIRE(index.apply(BlockRemoved{workers[i], {&first, 1}, KvTier::kDevice}).ok());
    CHECK(depths_of(index, contents)[i] == 5000);
    REQUIRE(index.apply(BlockRemoved{workers[i], {&again, 1}, KvTier::kHost}).ok());
    CHECK(depths_of(index, contents)[i] == 0);
    CHECK(depths_of(index, contents)[5] == 5000);
  }
  CHECK(index.stats().unknown_removes == 2);
  for (const WorkerId worker : workers) REQUIRE(index.remove_worker(worker).ok());
  CHECK(index.stats().unique_blocks == 0);
  CHECK(index.stats().approximate_bytes < base + 1024);
}

TEST_CASE("a block that gets another meaning inside an event leaves its tier to the name that stays", "[prefix]") {
  const bool shared = GENERATE(false, true);
  const bool at_once = GENERATE(false, true);
  PrefixIndex index = PrefixIndex::create({.shared_engine_hashes = shared}).value();
  const WorkerId worker = index.add_worker("w").value();
  const auto stored = [&](Hashes labels, Hashes contents, std::optional<std::uint64_t> parent, KvTier tier) {
    REQUIRE(index.apply(BlockStored{worker, 7, parent, labels, contents, tier}).ok());
  };
  stored({1}, {10}, {}, KvTier::kDevice);  // Z = [10]
  stored({2}, {11}, 1, KvTier::kHost);     // A = [10, 11]
  stored({3}, {11}, 1, KvTier::kDevice);   // B is another name for it
  if (at_once) {
    stored({3, 4}, {10, 11}, {}, KvTier::kDevice);  // B = [10] now, D = [10, 11]
  } else {
    stored({3}, {10}, {}, KvTier::kDevice);
    stored({4}, {11}, 3, KvTier::kDevice);
  }
  PrefixQuery query(7, 16, 0);
  REQUIRE(query.extend_contents(Hashes{10, 11}).ok());
  std::vector<std::uint32_t> depths(PrefixIndex::kTiers);
  index.find_tiers(query, {}, depths);
  CHECK(depths == std::vector<std::uint32_t>{2, 2, 2, 2});
}
