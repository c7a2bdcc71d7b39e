// The paged cache against a list and a map; and real traces through it, against published hit rates.
#include <algorithm>
#include <list>
#include <map>
#include <vector>

#include "catch.hpp"
#include "kthena/base/random.hpp"
#include "kthena/sim/trace.hpp"
#include "sim/block_cache.hpp"
#include "support/trace_data.hpp"

using namespace kthena;
using sim::detail::BlockCache;

TEST_CASE("blocks are taken in the order in which they were given back", "[sim][cache]") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    INFO("seed " << seed);
    RandomStream random(seed, 1);
    const auto blocks = static_cast<std::uint32_t>(1 + random.next_below(12));
    constexpr std::uint32_t kContents = 20;
    BlockCache cache(blocks, kContents);
    std::list<std::uint32_t> free;
    std::map<std::uint32_t, int> references;
    std::map<std::uint32_t, std::vector<std::uint32_t>> holders;  // of a content, oldest first
    for (std::uint32_t b = 0; b < blocks; ++b) free.push_back(b);
    for (int i = 0; i < 2000; ++i) {
      const auto content = static_cast<std::uint32_t>(random.next_below(kContents));
      const auto block = static_cast<std::uint32_t>(random.next_below(blocks));
      const std::uint64_t what = random.next_below(4);
      if (what == 0 && !free.empty()) {
        std::uint32_t evicted = 0;
        const std::uint32_t taken = cache.take(evicted);
        REQUIRE(taken == free.front());
        free.pop_front();
        std::uint32_t held = BlockCache::kNone;
        for (auto& [c, all] : holders)
          if (std::erase(all, taken) > 0) held = c;
        REQUIRE(evicted == held);
        references[taken] = 1;
      } else if (what == 1 && references[block] > 0) {
        const bool empty = cache.content(block) == BlockCache::kNone;
        cache.release(block);
        if (--references[block] == 0) free.insert(empty ? free.begin() : free.end(), block);
      } else if (what == 2) {
        cache.reference(block);
        if (references[block]++ == 0) free.remove(block);
      } else if (what == 3 && references[block] > 0 && cache.content(block) == BlockCache::kNone) {
        cache.store(block, content);
        holders[content].push_back(block);
      }
      REQUIRE(cache.free() == free.size());
      REQUIRE(cache.referenced() == blocks - free.size());
      for (std::uint32_t c = 0; c < kContents; ++c)
        REQUIRE(cache.find(c) == (holders[c].empty() ? BlockCache::kNone : holders[c].front()));
      REQUIRE(cache.fault() == "");
    }
  }
}

namespace {

enum class Release { kHeadFirst, kTailFirst };

/// One request after the other through a cache of `capacity` blocks of the trace: tokens found, in percent.
double replay_percent(const sim::Workload& w, std::uint32_t capacity, Release order) {
  BlockCache cache(capacity, 1 + *std::max_element(w.segment_ids.begin(), w.segment_ids.end()));
  std::uint64_t hit_tokens = 0;
  std::uint64_t prompt_tokens = 0;
  std::vector<std::uint32_t> held;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const std::uint32_t* ids = w.segment_ids.data() + w.segment_offsets[i];
    const std::uint32_t blocks = w.segment_offsets[i + 1] - w.segment_offsets[i];
    held.clear();
    bool leading = true;
    for (std::uint32_t k = 0; k < std::min(blocks, capacity); ++k) {
      std::uint32_t block = cache.find(ids[k]);
      leading = leading && block != BlockCache::kNone;
      if (leading) {
        cache.reference(block);
        hit_tokens += std::min<std::uint64_t>(512, w.prompt_tokens[i] - 512ull * k);
      } else {
        std::uint32_t evicted = 0;
        block = cache.take(evicted);
        if (cache.find(ids[k]) == BlockCache::kNone) cache.store(block, ids[k]);
      }
      held.push_back(block);
    }
    if (order == Release::kTailFirst) std::reverse(held.begin(), held.end());
    for (const std::uint32_t block : held) cache.release(block);
    prompt_tokens += w.prompt_tokens[i];
  }
  return 100.0 * static_cast<double>(hit_tokens) / static_cast<double>(prompt_tokens);
}

}  // namespace

TEST_CASE("LRU hit rates of Mooncake's traces are the known ones", "[sim][cache][data]") {
  const auto conversation = test::trace_data("mooncake_conversation.csv");
  const auto synthetic = test::trace_data("mooncake_synthetic.csv");
  if (!conversation || !synthetic) {
    WARN(test::skipped_without("mooncake_conversation.csv and mooncake_synthetic.csv"));
    return;
  }
  const std::uint32_t capacity[] = {880, 1'760, 3'520, 7'040, 15'000, 30'000, 50'000, 300'000};
  // Head first: the table of the trace study, which touches blocks in order. Tail first, as engines do: an OrderedDict in Python.
  const double head_first[2][8] = {{4.4, 5.2, 7.6, 16.3, 26.0, 33.2, 36.2, 37.4},
                                   {7.7, 13.3, 21.6, 35.0, 52.7, 63.6, 65.1, 65.1}};
  const double tail_first[2][5] = {{4.46, 5.31, 7.70, 16.33, 26.03}, {7.94, 13.48, 21.68, 35.13, 52.79}};
  for (int trace = 0; trace < 2; ++trace) {
    const auto w = sim::parse_trace(trace == 0 ? *conversation : *synthetic);
    REQUIRE(w.status() == Status());
    for (int c = 0; c < 8; ++c) {
      INFO("trace " << trace << ", " << capacity[c] << " blocks");
      CHECK(replay_percent(*w, capacity[c], Release::kHeadFirst) == Approx(head_first[trace][c]).margin(0.051));
      if (c < 5)
        CHECK(replay_percent(*w, capacity[c], Release::kTailFirst) == Approx(tail_first[trace][c]).margin(0.006));
    }
  }
}
