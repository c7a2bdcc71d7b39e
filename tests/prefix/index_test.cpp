// PrefixIndex, case by case. Content hashes here are small numbers: the index does not care where they come from.
#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "kthena/prefix.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena;
using namespace kthena::prefix;

namespace {

using Hashes = std::vector<std::uint64_t>;

/// An index that is told things in few words. Engine hashes are 1000 + content unless given.
class Told {
 public:
  explicit Told(PrefixIndexOptions options = {}) : index(PrefixIndex::create(options).value()) {}

  WorkerId worker(const std::string& name) { return index.add_worker(name).value(); }
  void store(const std::string& name, std::optional<std::uint64_t> parent, const Hashes& engine_hashes,
             const Hashes& contents, KvTier tier = KvTier::kDevice, std::uint64_t space = 7) {
    REQUIRE(index.apply(BlockStored{worker(name), space, parent, engine_hashes, contents, tier}).ok());
  }
  /// A whole prompt from its start.
  void hold(const std::string& name, const Hashes& contents) {
    Hashes engine_hashes;
    for (const std::uint64_t content : contents) engine_hashes.push_back(1000 + content);
    store(name, std::nullopt, engine_hashes, contents);
  }
  void remove(const std::string& name, const Hashes& engine_hashes, KvTier tier = KvTier::kDevice) {
    REQUIRE(index.apply(BlockRemoved{worker(name), engine_hashes, tier}).ok());
  }
  void clear(const std::string& name) { REQUIRE(index.apply(AllBlocksCleared{worker(name)}).ok()); }

  std::uint32_t depth(const std::string& name, const Hashes& contents, std::uint64_t space = 7) {
    PrefixQuery query(space, 16, 0);
    REQUIRE(query.extend_contents(contents).ok());
    const WorkerId ids[] = {worker(name)};
    std::uint32_t depths[] = {77};
    index.find(query, ids, depths);
    return depths[0];
  }
  PrefixIndexStats stats() const { return index.stats(); }

  PrefixIndex index;
};

bool same_state(const PrefixIndexStats& a, const PrefixIndexStats& b) {
  return a.workers == b.workers && a.memberships == b.memberships && a.unique_blocks == b.unique_blocks &&
         a.orphan_blocks == b.orphan_blocks && a.orphans_dropped == b.orphans_dropped &&
         a.unknown_removes == b.unknown_removes && a.rehashed_blocks == b.rehashed_blocks;
}

}  // namespace

// ---- defects that other indexes have (docs/prefix-index.md), with the true answers

TEST_CASE("P2 C1 a query that differs in the middle matches up to there", "[prefix]") {
  Told index;
  index.hold("a", {1, 2, 3});
  CHECK(index.depth("a", {1, 9, 3}) == 1);
  CHECK(index.depth("a", {1, 2, 3}) == 3);
}

TEST_CASE("P2 C2 a hole ends the depth and its healing restores it", "[prefix]") {
  Told index;
  index.hold("a", {1, 2, 3});
  index.remove("a", {1002});
  CHECK(index.depth("a", {1, 2, 3}) == 1);
  index.store("a", 1001, {1002}, {2});
  CHECK(index.depth("a", {1, 2, 3}) == 3);
}

TEST_CASE("P2 C3 as many holders at a depth need not be the same holders", "[prefix]") {
  Told index;
  index.hold("a", {1, 2, 3, 4});
  index.hold("b", {1, 2, 3, 4, 5, 6, 7, 8});
  index.remove("b", {1001, 1002, 1003, 1004});  // b holds 5..8 only, a holds 1..4: one holder at every depth
  CHECK(index.depth("a", {1, 2, 3, 4, 5, 6, 7, 8}) == 4);
  CHECK(index.depth("b", {1, 2, 3, 4, 5, 6, 7, 8}) == 0);
}

TEST_CASE("P2 C4 and C5 a removed block leaves nothing behind, and those behind it stay until they go", "[prefix]") {
  Told index;
  index.hold("a", {1, 2, 3});
  index.remove("a", {1001});
  CHECK(index.stats().unique_blocks == 2);
  CHECK(index.depth("a", {1, 2, 3}) == 0);
  index.remove("a", {1002, 1003});
  CHECK(index.stats().unique_blocks == 0);
  CHECK(index.stats().memberships == 0);
  index.store("a", std::nullopt, {1001}, {1});
  CHECK(index.depth("a", {1, 2, 3}) == 1);
}

TEST_CASE("P2 C6 a block behind other tokens is another block, and a partial block is none", "[prefix]") {
  Told index;
  index.store("a", std::nullopt, {1, 2}, {10, 20});  // [S, X]
  index.store("a", std::nullopt, {3, 4}, {11, 21});  // [T, Y]
  CHECK(index.depth("a", {10, 21}) == 1);            // [S, Y]

  PrefixQuery query = index.index.make_query({.model = "m", .adapter = {}, .tenant = {}});
  query.extend_tokens(std::vector<std::uint32_t>(40, 5));  // two blocks of 16 and half a block
  CHECK(query.size_blocks() == 2);
}

TEST_CASE("P2 C7 and C8 a hundred equal holders all have the full depth", "[prefix]") {
  Told index;
  for (int i = 0; i < 100; ++i) index.hold("worker" + std::to_string(i), {1, 2, 3});
  for (int i = 0; i < 100; ++i) CHECK(index.depth("worker" + std::to_string(i), {1, 2, 3}) == 3);
  CHECK(index.stats().unique_blocks == 3);
  CHECK(index.stats().memberships == 300);
}

TEST_CASE("P2 C9 blocks after a gap do not count", "[prefix]") {
  Told index;
  index.hold("a", {1});
  index.store("a", 1002, {1003}, {3});  // the middle one was never stored
  CHECK(index.depth("a", {1, 2, 3}) == 1);
}

TEST_CASE("P2 C10 blocks of one event follow one another, and a removal is one worker's", "[prefix]") {
  Told index;
  index.hold("a", {1});
  index.store("a", 1001, {1002, 1003, 1004}, {2, 3, 4});
  index.hold("b", {1, 2, 3, 4});
  CHECK(index.depth("a", {1, 2, 3, 4}) == 4);
  index.remove("b", {1002});
  CHECK(index.depth("a", {1, 2, 3, 4}) == 4);
  CHECK(index.depth("b", {1, 2, 3, 4}) == 1);
}

TEST_CASE("P2 C13 and C14 an unknown branch is no false miss, and a removed worker is gone", "[prefix]") {
  Told index;
  index.hold("a", {1, 2, 3});
  index.hold("b", {1, 2, 4});
  CHECK(index.depth("a", {1, 2, 5}) == 2);
  REQUIRE(index.index.remove_worker(index.worker("a")).ok());
  CHECK(index.depth("b", {1, 2, 4}) == 3);
  CHECK(index.stats().unique_blocks == 3);
  CHECK(index.depth("a", {1, 2, 3}) == 0);  // a new worker of that name, perhaps with the same id
}

// ---- what was decided with care

TEST_CASE("a block whose parent was held once and is not now counts when the parent is back", "[prefix]") {
  Told index;
  index.hold("a", {1, 2});
  index.remove("a", {1002});
  index.store("a", 1002, {1003}, {3});
  CHECK(index.stats().orphan_blocks == 1);
  CHECK(index.depth("a", {1, 2, 3}) == 1);
  index.store("a", 1001, {1002}, {2});
  CHECK(index.stats().orphan_blocks == 0);
  CHECK(index.depth("a", {1, 2, 3}) == 3);
}

TEST_CASE("a parent that another worker holds under the same engine hash places nothing", "[prefix]") {
  Told index;
  index.hold("b", {1, 2});
  index.store("a", 1002, {1003}, {3});
  CHECK(index.stats().orphan_blocks == 1);
  CHECK(index.depth("a", {1, 2, 3}) == 0);
}

TEST_CASE("a parent in another tier is a parent, and a block is held while any tier has it", "[prefix]") {
  Told index;
  index.store("a", std::nullopt, {1001}, {1}, KvTier::kHost);
  index.store("a", 1001, {1002}, {2}, KvTier::kDevice);
  CHECK(index.depth("a", {1, 2}) == 2);
  index.store("a", 1001, {1002}, {2}, KvTier::kDisk);
  CHECK(index.stats().memberships == 2);
  index.remove("a", {1002}, KvTier::kDevice);
  CHECK(index.depth("a", {1, 2}) == 2);
  index.remove("a", {1002}, KvTier::kHost);  // it never was there
  CHECK(index.stats().unknown_removes == 1);
  CHECK(index.depth("a", {1, 2}) == 2);
  index.remove("a", {1002}, KvTier::kDisk);
  CHECK(index.depth("a", {1, 2}) == 1);
}

TEST_CASE("an orphan that is removed before its parent comes is not there when it does", "[prefix]") {
  Told index;
  index.store("a", 1001, {1002, 1003}, {2, 3});
  CHECK(index.stats().orphan_blocks == 2);
  index.remove("a", {1002});
  CHECK(index.stats().orphan_blocks == 1);
  CHECK(index.stats().unknown_removes == 0);
  index.hold("a", {1});
  CHECK(index.depth("a", {1, 2, 3}) == 1);
  CHECK(index.stats().orphan_blocks == 1);  // 3 waits for 2
  index.store("a", 1001, {1002}, {2});
  CHECK(index.depth("a", {1, 2, 3}) == 3);
}

TEST_CASE("a tier of an orphan can go without it", "[prefix]") {
  Told index;
  index.store("a", 1001, {1002}, {2}, KvTier::kDevice);
  index.store("a", 1001, {1002}, {2}, KvTier::kHost);
  index.remove("a", {1002}, KvTier::kDevice);
  index.hold("a", {1});
  CHECK(index.depth("a", {1, 2}) == 2);
  index.remove("a", {1002}, KvTier::kHost);
  CHECK(index.depth("a", {1, 2}) == 1);
}

TEST_CASE("a clear drops blocks and orphans of that worker only", "[prefix]") {
  Told index;
  index.hold("a", {1, 2});
  index.hold("b", {1});
  index.store("a", 1003, {1004}, {4});
  index.store("b", 1003, {1004}, {4});
  index.clear("a");
  CHECK(index.depth("a", {1, 2}) == 0);
  CHECK(index.depth("b", {1, 2}) == 1);
  CHECK(index.stats().orphan_blocks == 1);
  CHECK(index.stats().memberships == 1);
  index.store("a", std::nullopt, {1003}, {3});
  CHECK(index.depth("a", {3, 4}) == 1);
}

TEST_CASE("an event whose own hashes repeat is the same as one event per block", "[prefix]") {
  Told index;
  index.store("a", std::nullopt, {1, 2, 1}, {10, 20, 30});  // 1 ends at the third block, so the first is a hole
  CHECK(index.stats().rehashed_blocks == 1);
  CHECK(index.stats().memberships == 2);
  CHECK(index.depth("a", {10, 20, 30}) == 0);
  index.store("a", std::nullopt, {5}, {10});
  CHECK(index.depth("a", {10, 20, 30}) == 3);

  Told twice;
  twice.store("a", std::nullopt, {1, 1}, {10, 10});
  CHECK(twice.stats().memberships == 1);
  CHECK(twice.depth("a", {10, 10}) == 0);
  twice.remove("a", {1});
  CHECK(twice.stats().unique_blocks == 0);
}

TEST_CASE("orphans that wait for one another, or for themselves, harm nothing", "[prefix]") {
  Told index;
  index.store("a", 1, {1}, {10});         // its own parent
  index.store("a", 3, {2}, {20});         // 2 behind 3
  index.store("a", 2, {3, 2}, {30, 20});  // 3 behind 2, and again 2 behind 3
  CHECK(index.stats().orphan_blocks == 3);
  index.store("a", std::nullopt, {1}, {10});
  CHECK(index.stats().orphan_blocks == 2);
  index.store("a", std::nullopt, {2}, {20});
  CHECK(index.stats().orphan_blocks == 0);
  CHECK(index.depth("a", {10}) == 1);
  CHECK(index.depth("a", {20, 30}) == 2);
  index.clear("a");
  CHECK(index.stats().unique_blocks == 0);
}

TEST_CASE("an engine hash stored under another parent or content means the new block", "[prefix]") {
  Told index;
  index.store("a", std::nullopt, {1, 2, 3}, {10, 20, 30});
  index.store("a", 1, {2}, {21});  // another content
  CHECK(index.stats().rehashed_blocks == 1);
  CHECK(index.depth("a", {10, 20, 30}) == 1);
  CHECK(index.depth("a", {10, 21}) == 2);
  CHECK(index.stats().memberships == 3);
  index.store("a", std::nullopt, {4}, {40});
  index.store("a", 4, {2}, {21});  // another parent
  CHECK(index.stats().rehashed_blocks == 2);
  CHECK(index.depth("a", {10, 21}) == 1);
  CHECK(index.depth("a", {40, 21}) == 2);
  index.store("a", 99, {2}, {21});  // an unknown parent: nobody knows where it is now
  CHECK(index.stats().rehashed_blocks == 3);
  CHECK(index.depth("a", {40, 21}) == 1);
  CHECK(index.stats().orphan_blocks == 1);
  index.store("a", 98, {2}, {22});  // an orphan, too, is replaced
  CHECK(index.stats().rehashed_blocks == 4);
  CHECK(index.stats().orphan_blocks == 1);
  index.store("a", 4, {99}, {50});
  CHECK(index.stats().orphan_blocks == 1);
  index.store("a", 4, {98}, {51});
  CHECK(index.depth("a", {40, 51, 22}) == 3);
}

TEST_CASE("a store that is repeated after its parent was removed changes nothing", "[prefix]") {
  Told index;
  index.hold("a", {1, 2});
  index.remove("a", {1001});
  const PrefixIndexStats before = index.stats();
  index.store("a", 1001, {1002}, {2});
  CHECK(same_state(index.stats(), before));
  index.store("a", std::nullopt, {2001}, {1});  // the parent comes back under another name
  CHECK(index.depth("a", {1, 2}) == 2);
}

TEST_CASE("a block held under two engine hashes is held until both are gone", "[prefix]") {
  Told index;
  index.store("a", std::nullopt, {1}, {10});
  index.store("a", std::nullopt, {2}, {10});
  index.store("a", std::nullopt, {3}, {10});
  CHECK(index.stats().memberships == 1);
  CHECK(index.stats().rehashed_blocks == 0);
  index.remove("a", {1});
  index.remove("a", {3});
  CHECK(index.depth("a", {10}) == 1);
  index.store("a", 2, {4}, {20});
  CHECK(index.depth("a", {10, 20}) == 2);
  index.remove("a", {2});
  CHECK(index.depth("a", {10, 20}) == 0);
}

TEST_CASE("orphans beyond the cap: the oldest are dropped and counted", "[prefix]") {
  Told index({.max_orphan_blocks = 3});
  index.store("a", 101, {1}, {10});
  index.store("a", 102, {2}, {20});
  index.store("b", 103, {3}, {30});
  index.store("a", 101, {1}, {10});  // not younger for being said again
  index.store("b", 104, {4}, {40});  // drops a's 1
  CHECK(index.stats().orphan_blocks == 3);
  CHECK(index.stats().orphans_dropped == 1);
  index.store("a", std::nullopt, {101}, {1});
  CHECK(index.depth("a", {1, 10}) == 1);
  index.store("a", std::nullopt, {102}, {2});
  CHECK(index.depth("a", {2, 20}) == 2);
  index.remove("a", {1});
  CHECK(index.stats().unknown_removes == 1);

  Told none({.max_orphan_blocks = 0});
  none.store("a", 101, {1, 2}, {10, 20});
  CHECK(none.stats().orphan_blocks == 0);
  CHECK(none.stats().orphans_dropped == 2);
  none.store("a", std::nullopt, {101}, {1});
  CHECK(none.depth("a", {1, 10}) == 1);
}

TEST_CASE("P8 a parent in another namespace is none", "[prefix]") {
  Told index;
  index.store("a", std::nullopt, {1}, {10}, KvTier::kDevice, 7);
  index.store("a", 1, {2}, {20}, KvTier::kDevice, 8);
  CHECK(index.depth("a", {10, 20}, 7) == 1);
  CHECK(index.depth("a", {10, 20}, 8) == 0);
  CHECK(index.stats().orphan_blocks == 1);
  index.store("a", std::nullopt, {1}, {10}, KvTier::kDevice, 8);  // the engine means this one
  CHECK(index.depth("a", {10, 20}, 8) == 2);
  CHECK(index.depth("a", {10}, 7) == 0);
  CHECK(index.stats().rehashed_blocks == 1);
}

TEST_CASE("P8 an orphan of one namespace is not placed behind a block of another", "[prefix]") {
  Told index;
  index.store("a", 1, {2}, {20}, KvTier::kDevice, 8);
  index.store("a", std::nullopt, {1}, {10}, KvTier::kDevice, 7);
  CHECK(index.stats().orphan_blocks == 1);
  CHECK(index.depth("a", {10, 20}, 7) == 1);
  CHECK(index.depth("a", {10, 20}, 8) == 0);
  index.store("a", std::nullopt, {1}, {10}, KvTier::kDevice, 8);
  CHECK(index.depth("a", {10, 20}, 8) == 2);
}

TEST_CASE("P8 equal tokens under another model, adapter, tenant or block size never match", "[prefix]") {
  const PrefixIndexOptions options{.seed = 99};
  Told index(options);
  const std::vector<std::uint32_t> tokens(64, 42);
  const Namespace own{.model = "m", .adapter = "lora", .tenant = "salt", .block_tokens = 16};
  const PrefixQuery query = [&] {
    PrefixQuery prepared = index.index.make_query(own);
    prepared.extend_tokens(tokens);
    return prepared;
  }();
  const Hashes engine_hashes = {1, 2, 3, 4};
  REQUIRE(index.index
              .apply(BlockStored{index.worker("a"), namespace_key(own, options.seed), std::nullopt, engine_hashes,
                                 query.contents(), KvTier::kDevice})
              .ok());
  const auto depth_in = [&](const Namespace& space) {
    PrefixQuery other = index.index.make_query(space);
    other.extend_tokens(tokens);
    std::uint32_t depth = 77;
    index.index.find_by_worker(other, {}, std::span(&depth, 1));
    return depth;
  };
  CHECK(depth_in(own) == 4);
  CHECK(depth_in({.model = "M", .adapter = "lora", .tenant = "salt"}) == 0);
  CHECK(depth_in({.model = "m", .adapter = "", .tenant = "salt"}) == 0);
  CHECK(depth_in({.model = "m", .adapter = "lora", .tenant = ""}) == 0);
  CHECK(depth_in({.model = "mlora", .adapter = "", .tenant = "salt"}) == 0);
  CHECK(depth_in({.model = "m", .adapter = "salt", .tenant = "lora"}) == 0);
  // The same content hashes with blocks of another size.
  PrefixQuery other_size(namespace_key({.model = "m", .adapter = "lora", .tenant = "salt", .block_tokens = 32}, 99), 32,
                         99);
  REQUIRE(other_size.extend_contents(query.contents()).ok());
  std::uint32_t depth = 77;
  index.index.find_by_worker(other_size, {}, std::span(&depth, 1));
  CHECK(depth == 0);
}

TEST_CASE("make_query takes the block size of the index, whatever the namespace says", "[prefix]") {
  Told index({.block_tokens = 4, .seed = 5});
  const PrefixQuery query = index.index.make_query({.model = "m", .adapter = {}, .tenant = {}, .block_tokens = 999});
  CHECK(query.block_tokens() == 4);
  CHECK(query.namespace_key() == namespace_key({.model = "m", .adapter = {}, .tenant = {}, .block_tokens = 4}, 5));
}

// ---- workers

TEST_CASE("workers have names, ids are used again, the limit follows", "[prefix]") {
  Told index({.max_workers = 3});
  CHECK(index.index.worker_limit() == 0);
  CHECK_FALSE(index.index.find_worker("a").valid());
  const WorkerId a = index.worker("a");
  const WorkerId b = index.worker("b");
  const WorkerId c = index.worker("c");
  CHECK(index.worker("b") == b);
  CHECK(index.index.find_worker("c") == c);
  CHECK(index.index.worker_name(b) == "b");
  CHECK(index.index.worker_limit() == 3);
  const auto full = index.index.add_worker("d");
  CHECK(full.status().code() == StatusCode::kResourceExhausted);
  CHECK(full.status().message() == "name: all 3 workers are in use");

  index.hold("b", {1, 2});
  REQUIRE(index.index.remove_worker(b).ok());
  CHECK(index.index.worker_name(b).empty());
  CHECK(index.index.worker_limit() == 3);
  CHECK(index.worker("d") == b);
  CHECK(index.depth("d", {1, 2}) == 0);
  CHECK(index.index.worker_name(b) == "d");
  REQUIRE(index.index.remove_worker(b).ok());
  REQUIRE(index.index.remove_worker(c).ok());
  CHECK(index.index.worker_limit() == 1);
  CHECK(index.index.worker_name(a) == "a");
  CHECK(index.stats().workers == 1);
}

TEST_CASE("more than 64 and 128 workers, a mask of any length", "[prefix]") {
  Told index;
  for (int i = 0; i < 200; ++i) index.hold("worker" + std::to_string(i), i % 2 == 0 ? Hashes{1, 2} : Hashes{1, 3});
  PrefixQuery query(7, 16, 0);
  REQUIRE(query.extend_contents(Hashes{1, 2, 3}).ok());
  std::vector<std::uint32_t> depths(200);
  index.index.find_by_worker(query, {}, depths);
  for (std::size_t i = 0; i < 200; ++i) CHECK(depths[i] == (i % 2 == 0 ? 2 : 1));
  const Hashes mask = {~std::uint64_t{0}, 1};  // workers 0..64
  index.index.find_by_worker(query, mask, depths);
  for (std::size_t i = 0; i < 200; ++i) CHECK(depths[i] == (i > 64 ? 0 : i % 2 == 0 ? 2 : 1));
  const Hashes long_mask(1000, ~std::uint64_t{0});
  index.index.find_by_worker(query, long_mask, depths);
  CHECK(std::count(depths.begin(), depths.end(), 2) == 100);
  std::vector<std::uint32_t> few(10, 77);  // fewer than the limit: the rest is not written
  index.index.find_by_worker(query, {}, few);
  CHECK(std::count(few.begin(), few.end(), 2) == 5);
}

TEST_CASE("16384 workers hold one block", "[prefix]") {
  Told index({.max_workers = 16384});
  for (std::uint32_t i = 0; i < 16384; ++i) {
    const Hashes hash = {1};
    const WorkerId id = index.index.add_worker(std::to_string(i)).value();
    REQUIRE(index.index.apply(BlockStored{id, 7, std::nullopt, hash, hash, KvTier::kDevice}).ok());
  }
  PrefixQuery query(7, 16, 0);
  REQUIRE(query.extend_contents(Hashes{1}).ok());
  std::vector<std::uint32_t> depths(16384);
  index.index.find_by_worker(query, {}, depths);
  CHECK(std::count(depths.begin(), depths.end(), 1) == 16384);
  const std::vector<WorkerId> ids = {{16383}, {16384}, {}};
  std::vector<std::uint32_t> chosen(3, 77);
  index.index.find(query, ids, chosen);
  CHECK(chosen == std::vector<std::uint32_t>{1, 0, 0});
}

// ---- bad input

TEST_CASE("options out of range are all named", "[prefix]") {
  const auto result =
      PrefixIndex::create({.block_tokens = 0, .max_workers = 16385, .max_orphan_blocks = std::size_t{1} << 32});
  REQUIRE_FALSE(result.ok());
  CHECK(result.status().code() == StatusCode::kInvalidArgument);
  CHECK(result.status().message() ==
        "block_tokens: 0 is not in 1..65536; max_workers: 16385 is not in 1..16384; "
        "max_orphan_blocks: 4294967296 is not in 0..4294967295");
  CHECK(PrefixIndex::create({.block_tokens = 65537}).status().message() == "block_tokens: 65537 is not in 1..65536");
  CHECK(PrefixIndex::create({.max_workers = 0}).status().message() == "max_workers: 0 is not in 1..16384");
  CHECK(PrefixIndex::create({.block_tokens = 65536, .max_workers = 16384}).ok());
  CHECK(PrefixIndex::create({.block_tokens = 1, .max_workers = 1, .max_orphan_blocks = 0}).ok());
}

TEST_CASE("a bad event is refused and changes nothing", "[prefix]") {
  Told index;
  index.hold("a", {1, 2, 3});
  index.store("a", 55, {56}, {6});
  const PrefixIndexStats before = index.stats();
  const WorkerId a = index.worker("a");
  const Hashes two = {1004, 1005};
  const Hashes three = {4, 5, 6};
  const auto refused = [&](const KvEvent& event, StatusCode code, const std::string& message) {
    const Status status = index.index.apply(event);
    CHECK(status.code() == code);
    CHECK(status.message() == message);
    CHECK(same_state(index.stats(), before));
    CHECK(index.stats().approximate_bytes == before.approximate_bytes);
    CHECK(index.depth("a", {1, 2, 3}) == 3);
  };
  const auto bad_tier = static_cast<KvTier>(4);
  refused(BlockStored{a, 7, 1003, two, three, KvTier::kDevice}, StatusCode::kInvalidArgument,
          "content_hashes: 3 elements where engine_hashes has 2");
  refused(BlockStored{a, 7, std::nullopt, {}, three, KvTier::kDevice}, StatusCode::kInvalidArgument,
          "content_hashes: 3 elements where engine_hashes has 0");
  refused(BlockStored{a, 7, std::nullopt, two, two, bad_tier}, StatusCode::kInvalidArgument, "tier: 4 is not a tier");
  refused(BlockRemoved{a, two, bad_tier}, StatusCode::kInvalidArgument, "tier: 4 is not a tier");
  for (const WorkerId unknown : {WorkerId{1}, WorkerId{16384}, WorkerId{}}) {
    const std::string message =
        "worker: " + (unknown.valid() ? std::to_string(unknown.value) : "none") + " is not in use";
    refused(BlockStored{unknown, 7, std::nullopt, two, two, KvTier::kDevice}, StatusCode::kNotFound, message);
    refused(BlockRemoved{unknown, two, KvTier::kDevice}, StatusCode::kNotFound, message);
    refused(AllBlocksCleared{unknown}, StatusCode::kNotFound, message);
    const Status removed = index.index.remove_worker(unknown);
    CHECK(removed.code() == StatusCode::kNotFound);
    CHECK(removed.message() == message);
    CHECK(index.index.worker_name(unknown).empty());
  }
  CHECK(index.index.add_worker("").status().message() == "name: is empty");
  CHECK(same_state(index.stats(), before));
}

TEST_CASE("a removed worker is unknown, and so is its id after the others", "[prefix]") {
  Told index;
  const WorkerId a = index.worker("a");
  (void)index.worker("b");
  REQUIRE(index.index.remove_worker(a).ok());
  CHECK(index.index.apply(AllBlocksCleared{a}).code() == StatusCode::kNotFound);
  CHECK(index.index.remove_worker(a).code() == StatusCode::kNotFound);
}

TEST_CASE("events without blocks and removals of unknown blocks are harmless", "[prefix]") {
  Told index;
  index.store("a", std::nullopt, {}, {});
  index.store("a", 5, {}, {});
  index.remove("a", {});
  CHECK(index.stats().unique_blocks == 0);
  index.remove("a", {1, 2, 3});
  CHECK(index.stats().unknown_removes == 3);
}

TEST_CASE("hashes at the ends of their range are ordinary", "[prefix]") {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  Told index;
  index.store("a", std::nullopt, {0, kMax}, {kMax, 0}, KvTier::kExternal, kMax);
  CHECK(index.depth("a", {kMax, 0}, kMax) == 2);
  CHECK(index.depth("a", {kMax, 0}, 0) == 0);
  index.remove("a", {0, kMax}, KvTier::kExternal);
  CHECK(index.stats().unique_blocks == 0);
}

// ---- what it costs

TEST_CASE("find allocates nothing", "[prefix][allocation]") {
  Told index;
  Hashes contents(300);
  for (std::size_t i = 0; i < contents.size(); ++i) contents[i] = i + 1;
  std::vector<WorkerId> ids;
  for (int i = 0; i < 150; ++i) {
    index.hold("worker" + std::to_string(i), {contents.begin(), contents.begin() + 2 * i + 1});
    ids.push_back(index.worker("worker" + std::to_string(i)));
  }
  PrefixQuery query(7, 16, 0);
  REQUIRE(query.extend_contents(contents).ok());
  const Hashes mask = {~std::uint64_t{0}, 3};
  std::vector<std::uint32_t> depths(150);
  const std::size_t before = test::allocations();
  index.index.find_by_worker(query, {}, depths);
  index.index.find_by_worker(query, mask, depths);
  index.index.find(query, ids, depths);
  const std::size_t after = test::allocations();
  CHECK(after == before);
  CHECK(depths[149] == 299);
}

TEST_CASE("the bytes reported are within a fifth of those allocated", "[prefix][allocation]") {
  for (const int workers : {1, 20, 300}) {
    const std::size_t before = test::live_bytes();
    Told index;
    std::uint64_t next = 0;
    for (int worker = 0; worker < workers; ++worker) {
      const std::string name = "worker" + std::to_string(worker);
      for (int prompt = 0; prompt < 6000 / workers; ++prompt) {
        Hashes contents(12);
        std::uint64_t content = 1'000'000 * static_cast<std::uint64_t>(worker % 7);
        for (std::uint64_t& block : contents) block = prompt % 3 == 0 ? ++content : ++next;
        index.hold(name, contents);
        index.store(name, 900'000'000 + next, {800'000'000 + next}, {next});
      }
    }
    const auto live = static_cast<double>(test::live_bytes() - before);
    const auto told = static_cast<double>(index.stats().approximate_bytes);
    INFO(workers << " workers: " << told << " told, " << live << " live");
    CHECK(told >= 0.8 * live);
    CHECK(told <= 1.2 * live);
  }
}
