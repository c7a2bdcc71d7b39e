// ByteHistory against what Kthena's tests pin, and against a naive model of its store with ordered lists and sets.
#include <algorithm>
#include <list>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "kthena/base/hash.hpp"
#include "kthena/prefix/compat/byte_history.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena;
using namespace kthena::prefix::compat;

namespace {

using Hashes = std::vector<std::uint64_t>;
constexpr std::uint64_t kModel = 11;
constexpr std::uint64_t kOtherModel = 12;

std::vector<WorkerId> ids(std::initializer_list<std::uint32_t> values) {
  std::vector<WorkerId> workers;
  for (const std::uint32_t value : values) workers.push_back({value});
  return workers;
}

std::vector<std::uint32_t> find(const ByteHistory& history, const Hashes& hashes, const std::vector<WorkerId>& workers,
                                std::uint64_t model = kModel, std::uint64_t tie_seed = 0) {
  std::vector<std::uint32_t> depths(workers.size(), 77);
  history.find(model, hashes, workers, tie_seed, depths);
  return depths;
}

std::string alphabet(std::size_t bytes) {
  std::string text(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + i % 26);
  return text;
}

}  // namespace

TEST_CASE("byte history: hashes of Kthena's tests", "[prefix][compat]") {
  const Hashes hashes = hash_prompt_bytes("bench-model", alphabet(8192));
  REQUIRE(hashes.size() == 128);
  CHECK(hashes[0] == 2255003460060045391ull);
  CHECK(hashes[1] == 11149546857834002314ull);
  CHECK(hashes[127] == 3713727362220958295ull);
  CHECK(hash_prompt_bytes("test-model", "Hello World") == Hashes{1993528491812861608ull});
}

TEST_CASE("byte history: how many hashes a prompt has", "[prefix][compat]") {
  CHECK(hash_prompt_bytes("m", "").empty());
  CHECK(hash_prompt_bytes("m", alphabet(192)).size() == 3);
  CHECK(hash_prompt_bytes("m", alphabet(193)).size() == 4);
  CHECK(hash_prompt_bytes("m", alphabet(320)).size() == 5);
  CHECK(hash_prompt_bytes("m", alphabet(1600)).size() == 25);
  CHECK(hash_prompt_bytes("m", alphabet(32768)).size() == 128);
  CHECK(hash_prompt_bytes("m", alphabet(100), 10, 3).size() == 3);
  CHECK(hash_prompt_bytes("m", alphabet(1), 64, 128).size() == 1);
  CHECK(hash_prompt_bytes("m", alphabet(100), 0, 3).empty());
  CHECK(hash_prompt_bytes("m", alphabet(100), 10, 0).empty());
}

TEST_CASE("byte history: what follows in a prompt or another model changes the hashes from there", "[prefix][compat]") {
  const std::string prompt = alphabet(320);
  std::string changed = prompt;
  changed[130] = '!';
  const Hashes a = hash_prompt_bytes("m", prompt);
  const Hashes b = hash_prompt_bytes("m", changed);
  for (std::size_t i = 0; i < 5; ++i) CHECK((a[i] == b[i]) == (i < 2));
  CHECK(hash_prompt_bytes("n", prompt)[0] != a[0]);
}

TEST_CASE("byte history: depths of Kthena's tests", "[prefix][compat]") {
  ByteHistory history = ByteHistory::create({}).value();
  const Hashes prompt = {1, 2, 3};
  CHECK(find(history, prompt, ids({0, 1, 2})) == std::vector<std::uint32_t>{0, 0, 0});
  history.add(kModel, {0}, prompt);
  CHECK(find(history, prompt, ids({0})) == std::vector<std::uint32_t>{3});
  history.add(kModel, {1}, Hashes{1, 2});
  history.add(kModel, {2}, Hashes{1, 4, 5});
  CHECK(find(history, prompt, ids({0, 1, 2})) == std::vector<std::uint32_t>{3, 2, 1});
  CHECK(find(history, prompt, ids({2, 1, 0, 1})) == std::vector<std::uint32_t>{1, 2, 3, 2});
  CHECK(find(history, prompt, ids({1})) == std::vector<std::uint32_t>{2});  // others are no candidates
  CHECK(find(history, prompt, {}).empty());
  CHECK(find(history, {}, ids({0})) == std::vector<std::uint32_t>{0});
  CHECK(find(history, prompt, ids({0}), kOtherModel) == std::vector<std::uint32_t>{0});
  CHECK(find(history, prompt, {WorkerId{}, WorkerId{3}, WorkerId{16384}}) == std::vector<std::uint32_t>{0, 0, 0});
  CHECK(history.size() == 8);
}

TEST_CASE("byte history: the tail is forgotten first", "[prefix][compat]") {
  ByteHistory two = ByteHistory::create({.capacity = 2}).value();
  two.add(kModel, {0}, Hashes{1, 2, 3});
  CHECK(find(two, {1, 2, 3}, ids({0})) == std::vector<std::uint32_t>{2});
  CHECK(two.evictions() == 1);
  ByteHistory three = ByteHistory::create({.capacity = 3}).value();
  three.add(kModel, {0}, Hashes{1, 2, 3, 4, 5});
  CHECK(find(three, {1, 2, 3, 4, 5}, ids({0})) == std::vector<std::uint32_t>{3});
  CHECK(three.evictions() == 2);
  CHECK(three.size() == 3);
}

TEST_CASE("byte history: one capacity for all models of an endpoint, each endpoint its own", "[prefix][compat]") {
  ByteHistory history = ByteHistory::create({.capacity = 3}).value();
  history.add(kModel, {0}, Hashes{1, 2});
  history.add(kOtherModel, {0}, Hashes{1, 2});
  history.add(kModel, {1}, Hashes{1, 2});
  CHECK(find(history, {1, 2}, ids({0, 1})) == std::vector<std::uint32_t>{1, 2});
  CHECK(find(history, {1, 2}, ids({0, 1}), kOtherModel) == std::vector<std::uint32_t>{2, 0});
  CHECK(history.evictions() == 1);
}

TEST_CASE("byte history: a later block counts without those before it", "[prefix][compat]") {
  // Kthena walks from the end and never looks at the blocks before a match; after an eviction that can be wrong.
  ByteHistory history = ByteHistory::create({.capacity = 2}).value();
  history.add(kModel, {0}, Hashes{1, 2, 3});  // keeps 1 and 2
  history.add(kModel, {0}, Hashes{2, 9});     // keeps 2 and 9, forgets 1
  CHECK(find(history, {1, 2, 3}, ids({0})) == std::vector<std::uint32_t>{2});
}

TEST_CASE("byte history: at most top_k endpoints match, the seeded hash decides which", "[prefix][compat]") {
  ByteHistory history = ByteHistory::create({.top_k = 1}).value();
  for (std::uint32_t worker = 0; worker < 8; ++worker) history.add(kModel, {worker}, Hashes{1, 2, 3});
  const std::vector<WorkerId> workers = ids({0, 1, 2, 3, 4, 5, 6, 7});
  std::set<std::ptrdiff_t> winners;
  for (std::uint64_t tie_seed = 0; tie_seed < 100; ++tie_seed) {
    const std::vector<std::uint32_t> depths = find(history, {1, 2, 3}, workers, kModel, tie_seed);
    CHECK(std::count(depths.begin(), depths.end(), 3) == 1);
    CHECK(std::count(depths.begin(), depths.end(), 0) == 7);
    std::uint32_t smallest = 0;
    for (std::uint32_t worker = 1; worker < 8; ++worker) {
      if (mix64(tie_seed ^ worker) < mix64(tie_seed ^ smallest)) smallest = worker;
    }
    CHECK(depths[smallest] == 3);
    winners.insert(smallest);
    // The order in which workers are given does not matter.
    std::vector<WorkerId> reversed(workers.rbegin(), workers.rend());
    const std::vector<std::uint32_t> backwards = find(history, {1, 2, 3}, reversed, kModel, tie_seed);
    CHECK(std::equal(depths.begin(), depths.end(), backwards.rbegin()));
  }
  CHECK(winners.size() == 8);
}

TEST_CASE("byte history: a removed endpoint is forgotten and not counted as evicted", "[prefix][compat]") {
  ByteHistory history = ByteHistory::create({}).value();
  history.add(kModel, {0}, Hashes{1, 2, 3});
  history.add(kModel, {1}, Hashes{1, 2});
  history.remove_worker({0});
  history.remove_worker({0});
  history.remove_worker({9});
  history.remove_worker({});
  CHECK(find(history, {1, 2, 3}, ids({0, 1})) == std::vector<std::uint32_t>{0, 2});
  CHECK(history.size() == 2);
  CHECK(history.evictions() == 0);
  history.add(kModel, {0}, Hashes{1});
  CHECK(find(history, {1, 2, 3}, ids({0, 1})) == std::vector<std::uint32_t>{1, 2});
}

TEST_CASE("byte history: options of 0 are all named, worker ids beyond the range are ignored", "[prefix][compat]") {
  const auto result = ByteHistory::create({.block_bytes = 0, .max_blocks = 0, .capacity = 0, .top_k = 0});
  CHECK(result.status().code() == StatusCode::kInvalidArgument);
  CHECK(result.status().message() ==
        "block_bytes: is 0, must be at least 1; max_blocks: is 0, must be at least 1; capacity: is 0, must be at least "
        "1; "
        "top_k: is 0, must be at least 1");
  ByteHistory history = ByteHistory::create({}).value();
  history.add(kModel, {16384}, Hashes{1});
  history.add(kModel, {}, Hashes{1});
  CHECK(history.size() == 0);
  history.add(kModel, {16383}, Hashes{1});
  CHECK(find(history, {1}, ids({16383})) == std::vector<std::uint32_t>{1});
}

namespace {

/// Kthena's store as it is written: a map of sets and one list per endpoint. Slow, and simple enough to be right.
class NaiveHistory {
 public:
  explicit NaiveHistory(std::size_t capacity) : capacity_(capacity) {}

  void add(std::uint64_t model, std::uint32_t worker, const Hashes& hashes) {
    std::list<Key>& recent = recent_[worker];
    for (auto hash = hashes.rbegin(); hash != hashes.rend(); ++hash) {
      const Key key{model, *hash};
      recent.remove(key);
      recent.push_front(key);
      holders_[key].insert(worker);
      if (recent.size() > capacity_) {
        holders_[recent.back()].erase(worker);
        recent.pop_back();
        ++evictions;
      }
    }
  }
  void remove_worker(std::uint32_t worker) {
    for (const Key& key : recent_[worker]) holders_[key].erase(worker);
    recent_.erase(worker);
  }
  std::vector<std::uint32_t> find(std::uint64_t model, const Hashes& hashes, const std::vector<WorkerId>& workers,
                                  std::uint64_t tie_seed, std::size_t top_k) {
    std::map<std::uint32_t, std::uint32_t> matches;
    for (std::size_t i = hashes.size(); i-- > 0;) {
      std::vector<std::uint32_t> matched_here;
      for (const std::uint32_t worker : holders_[{model, hashes[i]}]) {
        const bool candidate = std::find(workers.begin(), workers.end(), WorkerId{worker}) != workers.end();
        if (candidate && !matches.contains(worker)) matched_here.push_back(worker);
      }
      std::sort(matched_here.begin(), matched_here.end(),
                [&](std::uint32_t a, std::uint32_t b) { return mix64(tie_seed ^ a) < mix64(tie_seed ^ b); });
      for (const std::uint32_t worker : matched_here) {
        if (matches.size() < top_k) matches[worker] = static_cast<std::uint32_t>(i + 1);
      }
    }
    std::vector<std::uint32_t> depths;
    for (const WorkerId worker : workers) depths.push_back(matches.contains(worker.value) ? matches[worker.value] : 0);
    return depths;
  }
  [[nodiscard]] std::size_t size() const {
    std::size_t size = 0;
    for (const auto& [worker, recent] : recent_) size += recent.size();
    return size;
  }

  std::uint64_t evictions = 0;

 private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;
  std::size_t capacity_;
  std::map<Key, std::set<std::uint32_t>> holders_;
  std::map<std::uint32_t, std::list<Key>> recent_;
};

}  // namespace

TEST_CASE("byte history equals a naive model of Kthena's store", "[prefix][compat][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(0, 150)));
  std::mt19937_64 random(seed);
  const auto capacity = static_cast<std::uint32_t>(1 + random() % 60);
  const auto top_k = static_cast<std::uint32_t>(1 + random() % 6);
  const std::uint32_t spread = seed % 3 == 0 ? 37 : 1;  // worker ids beyond 64 too
  ByteHistory history = ByteHistory::create({.capacity = capacity, .top_k = top_k}).value();
  NaiveHistory naive(capacity);
  std::vector<Hashes> prompts;
  for (int i = 0; i < 12; ++i) {
    Hashes prompt;
    if (i > 0)
      prompt.assign(prompts.back().begin(),
                    prompts.back().begin() + static_cast<std::ptrdiff_t>(random() % (prompts.back().size() + 1)));
    while (prompt.size() < 1 + random() % 20) prompt.push_back(random() % 2 == 0 ? random() : random() % 10);
    prompts.push_back(prompt);
  }
  for (int step = 0; step < 300; ++step) {
    const auto worker = static_cast<std::uint32_t>(random() % 7) * spread;
    const std::uint64_t model = random() % 2;
    if (random() % 40 == 0) {
      history.remove_worker({worker});
      naive.remove_worker(worker);
    } else {
      const Hashes& prompt = prompts[random() % prompts.size()];
      history.add(model, {worker}, prompt);
      naive.add(model, worker, prompt);
    }
    std::vector<WorkerId> workers;
    for (std::uint32_t id = 0; id < 8; ++id) {
      if (random() % 4 != 0) workers.push_back({id * spread});
    }
    const Hashes& query = prompts[random() % prompts.size()];
    INFO("seed " << seed << " step " << step << " capacity " << capacity << " top_k " << top_k);
    REQUIRE(find(history, query, workers, model, seed) == naive.find(model, query, workers, seed, top_k));
    REQUIRE(history.size() == naive.size());
    REQUIRE(history.evictions() == naive.evictions);
  }
}

TEST_CASE("byte history: find allocates nothing", "[prefix][compat][allocation]") {
  ByteHistory history = ByteHistory::create({}).value();
  const Hashes hashes = hash_prompt_bytes("m", alphabet(8192));
  const std::vector<WorkerId> workers = ids({0, 1, 2, 70});
  for (const WorkerId worker : workers) history.add(kModel, worker, hashes);
  std::vector<std::uint32_t> depths(4);
  const std::size_t before = test::allocations();
  history.find(kModel, hashes, workers, 3, depths);
  const std::size_t after = test::allocations();
  CHECK(after == before);
  CHECK(depths[3] == 128);
}
