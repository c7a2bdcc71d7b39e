// Copies of blocks, as vLLM makes them: beside a multiset of (worker, prefix, tier).
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "catch.hpp"
#include "kthena/base/hash.hpp"
#include "kthena/prefix.hpp"

using namespace kthena;
using prefix::PrefixIndex;
using prefix::PrefixQuery;

namespace {

constexpr std::uint32_t kWorkers = 3;

std::uint64_t label(const std::string& prefix) { return xxh3_64(std::as_bytes(std::span(prefix)), 3); }

}  // namespace

TEST_CASE("a block of which there are copies is held until the last one is removed", "[prefix][property]") {
  const std::uint64_t seed = static_cast<std::uint64_t>(GENERATE(range(0, 60)));
  const bool shared = GENERATE(false, true);
  CAPTURE(seed, shared);
  std::mt19937_64 random(seed);
  const auto any = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const prefix::PrefixIndexOptions options{.max_workers = 4, .shared_engine_hashes = shared, .count_copies = true};
  PrefixIndex index = PrefixIndex::create(options).value();
  for (std::uint32_t i = 0; i < kWorkers; ++i) REQUIRE(index.add_worker(std::to_string(i)).value().value == i);
  std::map<std::tuple<std::uint32_t, std::string, int>, int> held;  // copies
  const auto copies_of = [&](std::uint32_t worker, const std::string& prefix) {
    int copies = 0;
    for (int tier = 0; tier < 4; ++tier) {
      if (const auto it = held.find({worker, prefix, tier}); it != held.end()) copies += it->second;
    }
    return copies;
  };
  for (int step = 0; step < 200; ++step) {
    const auto worker = static_cast<std::uint32_t>(any(kWorkers));
    std::string prompt;
    for (int i = 0; i < 6; ++i) prompt += static_cast<char>('a' + any(2));
    const int tier = any(4) == 0 ? 1 : 0;
    const std::size_t first = any(6);
    const std::size_t last = first + 1 + any(6 - first);
    std::vector<std::uint64_t> labels;
    std::vector<std::uint64_t> contents;
    for (std::size_t i = first; i < last; ++i) {
      labels.push_back(label(prompt.substr(0, i + 1)));
      contents.push_back(static_cast<std::uint64_t>(prompt[i]));
    }
    const std::size_t what = any(20);
    if (what < 10 && (first == 0 || copies_of(worker, prompt.substr(0, first)) != 0)) {
      BlockStored stored{{worker}, 9, std::nullopt, labels, contents, static_cast<KvTier>(tier)};
      if (first != 0) stored.parent = label(prompt.substr(0, first));
      REQUIRE(index.apply(stored).ok());
      for (std::size_t i = first; i < last; ++i) ++held[{worker, prompt.substr(0, i + 1), tier}];
    } else if (what < 18) {
      REQUIRE(index.apply(BlockRemoved{{worker}, labels, static_cast<KvTier>(tier)}).ok());
      for (std::size_t i = first; i < last; ++i) {
        int& copies = held[{worker, prompt.substr(0, i + 1), tier}];
        copies -= copies != 0;
      }
    } else if (what == 18) {
      index = PrefixIndex::load(index.dump(), options).value();
    } else {
      if (any(2) == 0) {
        REQUIRE(index.apply(AllBlocksCleared{{worker}}).ok());
      } else {
        REQUIRE(index.remove_worker({worker}).ok());
        REQUIRE(index.add_worker(std::to_string(worker)).value().value == worker);
      }
      std::erase_if(held, [worker](const auto& one) { return std::get<0>(one.first) == worker; });
    }
    std::uint64_t beyond = 0;
    for (const auto& [key, copies] : held) beyond += static_cast<std::uint64_t>(copies > 1 ? copies - 1 : 0);
    REQUIRE(index.stats().copied_blocks == beyond);
    PrefixQuery query(9, 16, 0);
    std::vector<std::uint64_t> all(prompt.begin(), prompt.end());
    REQUIRE(query.extend_contents(all).ok());
    std::vector<std::uint32_t> depths(kWorkers);
    index.find_by_worker(query, {}, depths);
    for (std::uint32_t one = 0; one < kWorkers; ++one) {
      std::uint32_t depth = 0;
      while (depth < prompt.size() && copies_of(one, prompt.substr(0, depth + 1)) != 0) ++depth;
      REQUIRE(depths[one] == depth);
    }
  }
  for (std::uint32_t i = 0; i < kWorkers; ++i) REQUIRE(index.remove_worker({i}).ok());
  CHECK(index.stats().copied_blocks == 0);
  CHECK(index.stats().unique_blocks == 0);
}

TEST_CASE("without count_copies a block that is stored twice goes with its first removal", "[prefix]") {
  const bool counts = GENERATE(false, true);
  PrefixIndex index = PrefixIndex::create({.count_copies = counts}).value();
  const WorkerId worker = index.add_worker("w").value();
  const std::vector<std::uint64_t> hashes = {1, 2};
  for (int i = 0; i < 2; ++i)
    REQUIRE(index.apply(BlockStored{worker, 9, std::nullopt, hashes, hashes, KvTier::kDevice}).ok());
  CHECK(index.stats().memberships == 2);
  CHECK(index.stats().copied_blocks == (counts ? 2 : 0));
  REQUIRE(index.apply(BlockRemoved{worker, hashes, KvTier::kDevice}).ok());
  CHECK(index.stats().memberships == (counts ? 2 : 0));
  REQUIRE(index.apply(BlockRemoved{worker, hashes, KvTier::kDevice}).ok());
  CHECK(index.stats().memberships == 0);
  CHECK(index.stats().unknown_removes == (counts ? 0 : 2));
}
