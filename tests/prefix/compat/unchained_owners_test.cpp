// UnchainedOwners against what Kthena's tests pin, and against plain sets.
#include <map>
#include <random>
#include <set>
#include <vector>

#include "catch.hpp"
#include "kthena/prefix/compat/unchained_owners.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena;
using namespace kthena::prefix::compat;

namespace {

using Hashes = std::vector<std::uint64_t>;
using Tokens = std::vector<std::uint32_t>;
constexpr std::uint64_t kModel = 11;

std::vector<WorkerId> ids(std::initializer_list<std::uint32_t> values) {
  std::vector<WorkerId> workers;
  for (const std::uint32_t value : values) workers.push_back({value});
  return workers;
}

std::vector<std::uint32_t> find(const UnchainedOwners& owners, const Hashes& hashes,
                                const std::vector<WorkerId>& workers, std::uint64_t model = kModel) {
  std::vector<std::uint32_t> depths(workers.size(), 77);
  owners.find(model, hashes, workers, depths);
  return depths;
}

Tokens counting(std::uint32_t n) {
  Tokens tokens(n);
  for (std::uint32_t i = 0; i < n; ++i) tokens[i] = i;
  return tokens;
}

}  // namespace

TEST_CASE("unchained owners: hashes of Kthena's tests", "[prefix][compat]") {
  CHECK(hash_block_unchained(Tokens{1}) == 3748984630417570165ull);
  CHECK(hash_block_unchained(Tokens{1, 2, 3}) == 8866284349863400844ull);
  CHECK(hash_block_unchained(Tokens{0}) == 6863311662677045211ull);
  CHECK(hash_block_unchained(Tokens{0xFFFFFFFFu}) == 3284552513154947520ull);
  CHECK(hash_block_unchained(counting(16)) == 6473494984593326032ull);
  CHECK(hash_block_unchained({}) == 0);
  CHECK(hash_block_unchained(Tokens{3, 2, 1}) != hash_block_unchained(Tokens{1, 2, 3}));
  for (std::uint32_t i = 0; i < 200; ++i) CHECK(hash_block_unchained(counting(i)) >> 63 == 0);
}

TEST_CASE("unchained owners: how a prompt is cut", "[prefix][compat]") {
  const Tokens tokens = counting(40);
  const Hashes hashes = hash_prompt_unchained(tokens, 16);
  REQUIRE(hashes.size() == 3);
  CHECK(hashes[0] == hash_block_unchained(std::span(tokens).subspan(0, 16)));
  CHECK(hashes[1] == hash_block_unchained(std::span(tokens).subspan(16, 16)));
  CHECK(hashes[2] == hash_block_unchained(std::span(tokens).subspan(32, 8)));  // the partial block counts
  CHECK(hash_prompt_unchained(counting(32), 16).size() == 2);
  CHECK(hash_prompt_unchained(tokens, 1).size() == 40);
  CHECK(hash_prompt_unchained(tokens, 100) == Hashes{hash_block_unchained(tokens)});
  CHECK(hash_prompt_unchained(counting(4096)).size() == 128);
  CHECK(hash_prompt_unchained(tokens, 16, 2).size() == 2);
  CHECK(hash_prompt_unchained({}, 16).empty());
  CHECK(hash_prompt_unchained(tokens, 0).empty());
}

TEST_CASE("unchained owners: walks of Kthena's tests", "[prefix][compat]") {
  UnchainedOwners owners;
  const Hashes prompt = {1, 2, 3, 4, 5};
  // Blocks 1..5 are owned by {p1-4}, {p1-3}, {p1,p2}, {p1}, {p1}: 5, 3, 2, 1 of 5.
  owners.store(kModel, {1}, prompt);
  owners.store(kModel, {2}, Hashes{1, 2, 3});
  owners.store(kModel, {3}, Hashes{1, 2});
  owners.store(kModel, {4}, Hashes{1});
  CHECK(find(owners, prompt, ids({1, 2, 3, 4})) == std::vector<std::uint32_t>{5, 3, 2, 1});
  CHECK(find(owners, prompt, ids({4, 1, 1, 0})) == std::vector<std::uint32_t>{1, 5, 5, 0});
  CHECK(find(owners, Hashes{9, 1, 2}, ids({1, 2})) == std::vector<std::uint32_t>{0, 0});  // nobody owns block 0
  CHECK(find(owners, {}, ids({1})) == std::vector<std::uint32_t>{0});
  CHECK(find(owners, prompt, ids({1}), 99) == std::vector<std::uint32_t>{0});
  CHECK(find(owners, prompt, {WorkerId{}, WorkerId{16384}}) == std::vector<std::uint32_t>{0, 0});

  UnchainedOwners gap;
  gap.store(kModel, {1}, Hashes{1, 3});
  gap.store(kModel, {2}, Hashes{1, 3});
  gap.store(kModel, {3}, Hashes{2});
  CHECK(find(gap, {1, 2, 3}, ids({1, 2, 3})) == std::vector<std::uint32_t>{1, 1, 0});  // and block 3 does not resume
}

TEST_CASE("unchained owners: a block cached behind other tokens counts", "[prefix][compat]") {
  UnchainedOwners owners;
  owners.store(kModel, {0}, Hashes{10, 20});                                 // [S, X]
  owners.store(kModel, {0}, Hashes{11, 21});                                 // [T, Y]
  CHECK(find(owners, {10, 21}, ids({0})) == std::vector<std::uint32_t>{2});  // the truth is 1
}

TEST_CASE("unchained owners: one removal ends what two stores said", "[prefix][compat]") {
  UnchainedOwners owners;
  owners.store(kModel, {0}, Hashes{1, 2});
  owners.store(kModel, {0}, Hashes{1, 2});
  CHECK(owners.size() == 2);
  owners.remove(kModel, {0}, Hashes{2, 77});
  owners.remove(99, {0}, Hashes{1});
  CHECK(find(owners, {1, 2}, ids({0})) == std::vector<std::uint32_t>{1});
  CHECK(owners.size() == 1);
  owners.store(kModel, {16384}, Hashes{1});
  owners.store(kModel, {}, Hashes{1});
  owners.remove(kModel, {}, Hashes{1});
  owners.remove_worker({});
  CHECK(owners.size() == 1);
  owners.remove_worker({0});
  CHECK(owners.size() == 0);
}

TEST_CASE("unchained owners equal plain sets", "[prefix][compat][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(0, 100)));
  std::mt19937_64 random(seed);
  UnchainedOwners owners;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::set<std::uint32_t>> sets;
  const std::uint32_t spread = seed % 2 == 0 ? 1 : 41;
  const auto some_hashes = [&] {
    Hashes hashes(random() % 12);
    for (std::uint64_t& hash : hashes) hash = random() % 40;
    return hashes;
  };
  for (int step = 0; step < 400; ++step) {
    const auto worker = static_cast<std::uint32_t>(random() % 6) * spread;
    const std::uint64_t model = random() % 2;
    const Hashes hashes = some_hashes();
    const std::uint64_t dice = random() % 20;
    if (dice < 12) {
      owners.store(model, {worker}, hashes);
      for (const std::uint64_t hash : hashes) sets[{model, hash}].insert(worker);
    } else if (dice < 19) {
      owners.remove(model, {worker}, hashes);
      for (const std::uint64_t hash : hashes) sets[{model, hash}].erase(worker);
    } else {
      owners.remove_worker({worker});
      for (auto& [key, set] : sets) set.erase(worker);
    }
    std::vector<WorkerId> workers;
    std::vector<std::uint32_t> expected;
    const Hashes query = some_hashes();
    for (std::uint32_t id = 0; id < 7; ++id) {
      workers.push_back({id * spread});
      std::uint32_t depth = 0;
      while (depth < query.size() && sets[{model, query[depth]}].contains(id * spread)) ++depth;
      expected.push_back(depth);
    }
    std::size_t size = 0;
    for (const auto& [key, set] : sets) size += set.size();
    INFO("seed " << seed << " step " << step);
    REQUIRE(find(owners, query, workers, model) == expected);
    REQUIRE(owners.size() == size);
  }
}

TEST_CASE("unchained owners: find allocates nothing", "[prefix][compat][allocation]") {
  UnchainedOwners owners;
  const Hashes hashes = hash_prompt_unchained(counting(2048));
  const std::vector<WorkerId> workers = ids({0, 1, 2, 700});
  for (const WorkerId worker : workers) owners.store(kModel, worker, hashes);
  std::vector<std::uint32_t> depths(4);
  const std::size_t before = test::allocations();
  owners.find(kModel, hashes, workers, depths);
  const std::size_t after = test::allocations();
  CHECK(after == before);
  CHECK(depths[3] == 128);
}
