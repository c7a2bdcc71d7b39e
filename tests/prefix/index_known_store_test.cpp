// P16: stores without tokens, as offloading connectors send them: blocks that the worker holds, now in another tier too.
#include <cstdint>
#include <optional>
#include <vector>

#include "catch.hpp"
#include "kthena/prefix.hpp"

using namespace kthena;
using namespace kthena::prefix;

namespace {

using Hashes = std::vector<std::uint64_t>;

struct Told {
  explicit Told(bool shared) : index(PrefixIndex::create({.shared_engine_hashes = shared}).value()) {
    a = index.add_worker("a").value();
    b = index.add_worker("b").value();
  }
  /// The contents of blocks are their engine hashes times 10.
  void store(WorkerId worker, std::optional<std::uint64_t> parent, const Hashes& hashes,
             KvTier tier = KvTier::kDevice) {
    Hashes contents;
    for (const std::uint64_t hash : hashes) contents.push_back(hash * 10);
    REQUIRE(index.apply(BlockStored{worker, 7, parent, hashes, contents, tier}).ok());
  }
  void store_known(WorkerId worker, const Hashes& hashes, KvTier tier) {
    REQUIRE(index.apply(BlockStored{.worker = worker, .engine_hashes = hashes, .tier = tier}).ok());
  }
  void remove(WorkerId worker, const Hashes& hashes, KvTier tier) {
    REQUIRE(index.apply(BlockRemoved{worker, hashes, tier}).ok());
  }
  /// Depth of the prompt 1 2 3 4 in this tier or a faster one.
  std::uint32_t depth(WorkerId worker, KvTier tier = KvTier::kExternal) const {
    PrefixQuery query(7, 16, 0);
    REQUIRE(query.extend_contents(Hashes{10, 20, 30, 40}).ok());
    std::vector<std::uint32_t> depths(PrefixIndex::kTiers * index.worker_limit());
    index.find_tiers(query, {}, depths);
    return depths[static_cast<std::size_t>(tier) * index.worker_limit() + worker.value];
  }

  PrefixIndex index;
  WorkerId a, b;
};

}  // namespace

TEST_CASE("P16 a store without tokens adds a tier, and the removal of one tier keeps the other", "[prefix]") {
  Told one(GENERATE(false, true));
  one.store(one.a, std::nullopt, {1, 2, 3});
  one.store_known(one.a, {3, 1, 2}, KvTier::kHost);  // in any order
  CHECK(one.index.stats().unresolved_stores == 0);
  CHECK(one.index.stats().memberships == 3);
  one.remove(one.a, {2, 3}, KvTier::kDevice);
  CHECK(one.depth(one.a, KvTier::kDevice) == 1);
  CHECK(one.depth(one.a, KvTier::kHost) == 3);
  // The store is repeated when the parent is gone: still the same block.
  one.remove(one.a, {1}, KvTier::kDevice);
  one.remove(one.a, {1}, KvTier::kHost);
  one.store(one.a, 1, {2}, KvTier::kDisk);
  CHECK(one.index.stats().orphan_blocks == 0);
  CHECK(one.index.stats().rehashed_blocks == 0);
  one.store(one.a, std::nullopt, {1}, KvTier::kDisk);
  CHECK(one.depth(one.a, KvTier::kHost) == 0);
  CHECK(one.depth(one.a, KvTier::kDisk) == 3);
  one.remove(one.a, {2, 3}, KvTier::kHost);
  CHECK(one.depth(one.a) == 2);
  one.remove(one.a, {1, 2}, KvTier::kDisk);
  CHECK(one.index.stats().memberships == 0);
  CHECK(one.index.stats().runs == 0);
  CHECK(one.index.stats().unknown_removes == 0);
}

TEST_CASE("P16 a store without tokens of a block that waits adds a tier to it", "[prefix]") {
  Told one(GENERATE(false, true));
  one.store(one.a, 1, {2});
  one.store_known(one.a, {2}, KvTier::kHost);
  one.remove(one.a, {2}, KvTier::kDevice);
  CHECK(one.index.stats().orphan_blocks == 1);
  one.store(one.a, std::nullopt, {1});
  CHECK(one.depth(one.a, KvTier::kDevice) == 1);
  CHECK(one.depth(one.a, KvTier::kHost) == 2);
}

TEST_CASE("P16 a hash that only others hold has a place where hashes are shared, and is counted where they are not",
          "[prefix]") {
  const bool shared = GENERATE(false, true);
  const KvTier tier_of_b = GENERATE(KvTier::kDevice, KvTier::kHost);
  Told one(shared);
  one.store(one.b, std::nullopt, {1, 2, 3}, tier_of_b);
  one.store(one.a, 3, {4});  // waits for 3
  one.store_known(one.a, {1, 2, 3, 9}, KvTier::kDisk);
  CHECK(one.index.stats().unresolved_stores == (shared ? 1 : 4));
  CHECK(one.index.stats().orphan_blocks == (shared ? 0 : 1));
  CHECK(one.depth(one.a) == (shared ? 4 : 0));
  CHECK(one.depth(one.a, KvTier::kHost) == 0);
  CHECK(one.depth(one.b) == 3);
  one.remove(one.b, {1, 2, 3}, tier_of_b);
  CHECK(one.depth(one.a) == (shared ? 4 : 0));
  one.remove(one.a, {1, 2, 3}, KvTier::kDisk);
  one.remove(one.a, {4}, KvTier::kDevice);
  CHECK(one.index.stats().unknown_removes == (shared ? 0 : 3));
  CHECK(one.index.stats().memberships == 0);
  CHECK(one.index.stats().orphan_blocks == 0);
  CHECK(one.index.stats().runs == 0);
}

TEST_CASE("P16 a hash that only a removed worker held means nothing, before the sweep and after it", "[prefix]") {
  Told one(true);
  const bool swept = GENERATE(false, true);
  one.store(one.b, std::nullopt, {1, 2});
  REQUIRE(one.index.remove_worker(one.b).ok());
  if (swept) REQUIRE(one.index.sweep(1000) == 0);
  one.store_known(one.a, {1, 2}, KvTier::kHost);
  CHECK(one.index.stats().unresolved_stores == 2);
  CHECK(one.depth(one.a) == 0);
}

TEST_CASE("P16 a store without tokens does not look at its parent and namespace", "[prefix]") {
  Told one(GENERATE(false, true));
  one.store(one.a, std::nullopt, {1, 2});
  const Hashes hashes = {2};
  REQUIRE(one.index.apply(BlockStored{one.a, 999, 12345, hashes, {}, KvTier::kHost}).ok());
  CHECK(one.index.stats().memberships == 2);
  CHECK(one.index.stats().rehashed_blocks == 0);
  one.remove(one.a, {2}, KvTier::kDevice);
  CHECK(one.depth(one.a) == 2);
}
