// The index on a real trace: Mooncake's conversations (FAST 2025 release), re-encoded as CSV. Skipped where the trace is not there.
#include <deque>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "kthena/base/random.hpp"
#include "kthena/prefix.hpp"
#include "support/trace_data.hpp"

using namespace kthena;
using namespace kthena::prefix;

TEST_CASE("find equals sets of block ids on Mooncake's conversations, with removals that make holes",
          "[prefix][trace]") {
  const auto csv = test::trace_data("mooncake_conversation.csv");
  if (!csv) {
    WARN(test::skipped_without("mooncake_conversation.csv"));
    return;
  }
  const std::vector<std::vector<std::uint64_t>> requests = test::mooncake_blocks(*csv, 4000);
  REQUIRE(requests.size() == 4000);
  constexpr std::uint32_t kWorkers = 8;
  PrefixIndex index = PrefixIndex::create({.block_tokens = 512, .seed = 1}).value();
  for (std::uint32_t i = 0; i < kWorkers; ++i) REQUIRE(index.add_worker(std::to_string(i)).value() == WorkerId{i});
  std::vector<std::set<std::uint64_t>> held(kWorkers);
  std::vector<std::deque<std::vector<std::uint64_t>>> stored(kWorkers);
  RandomStream random(7, 7);
  std::size_t matched_blocks = 0;
  PrefixQuery query(5, 512, 1);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const std::vector<std::uint64_t>& blocks = requests[i];
    query.clear();
    REQUIRE(query.extend_contents(blocks).ok());
    std::vector<std::uint32_t> depths(kWorkers);
    index.find_by_worker(query, {}, depths);
    for (std::uint32_t worker = 0; worker < kWorkers; ++worker) {
      std::uint32_t depth = 0;
      while (depth < blocks.size() && held[worker].contains(blocks[depth])) ++depth;
      INFO("request " << i << " worker " << worker);
      REQUIRE(depths[worker] == depth);
      matched_blocks += depth;
    }
    const auto target = static_cast<std::uint32_t>(random.next_below(kWorkers));
    REQUIRE(index.apply(BlockStored{{target}, 5, std::nullopt, blocks, blocks, KvTier::kDevice}).ok());
    held[target].insert(blocks.begin(), blocks.end());
    stored[target].push_back(blocks);
    if (stored[target].size() > 60) {  // the oldest request's blocks go, also where younger ones share them: holes
      const std::vector<std::uint64_t>& gone = stored[target].front();
      REQUIRE(index.apply(BlockRemoved{{target}, gone, KvTier::kDevice}).ok());
      for (const std::uint64_t id : gone) held[target].erase(id);
      stored[target].pop_front();
    }
  }
  CHECK(matched_blocks > 5'000);
  std::size_t pairs = 0;
  for (const auto& blocks : held) pairs += blocks.size();
  CHECK(index.stats().memberships == pairs);
  CHECK(index.stats().orphan_blocks == 0);
}
