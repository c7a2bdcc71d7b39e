// Guesses beside a list of single blocks in the order in which they were touched.
#include "prefix/guesses.hpp"

#include <algorithm>
#include <cstdint>
#include <list>
#include <random>
#include <vector>

#include "catch.hpp"

using kthena::prefix::detail::Guesses;
using kthena::prefix::detail::Place;
using kthena::prefix::detail::RunId;

namespace {

struct Block {
  RunId run;
  std::uint32_t offset;
  std::int64_t touched_ns;

  friend bool operator==(const Block&, const Block&) = default;
};

/// The most recent first.
class Model {
 public:
  void begin() { place_ = blocks_.begin(); }
  void touch(RunId run, std::uint32_t first, std::uint32_t last, std::int64_t now_ns) {
    for (std::uint32_t offset = first; offset < last; ++offset) {
      const auto known = find(run, offset);
      if (known != blocks_.end()) {
        if (known == place_) ++place_;
        blocks_.erase(known);
      }
      blocks_.insert(place_, {run, offset, now_ns});
    }
  }
  std::size_t erase(RunId run, std::uint32_t first, std::uint32_t last) {
    return blocks_.remove_if(
        [&](const Block& one) { return one.run == run && one.offset >= first && one.offset < last; });
  }
  [[nodiscard]] bool has(RunId run, std::uint32_t offset) { return find(run, offset) != blocks_.end(); }
  [[nodiscard]] std::vector<Block> all() const { return {blocks_.begin(), blocks_.end()}; }
  void drop_oldest() { blocks_.pop_back(); }

 private:
  std::list<Block>::iterator find(RunId run, std::uint32_t offset) {
    return std::find_if(blocks_.begin(), blocks_.end(),
                        [&](const Block& one) { return one.run == run && one.offset == offset; });
  }

  std::list<Block> blocks_;
  std::list<Block>::iterator place_ = blocks_.begin();
};

std::vector<Block> all_of(const Guesses& guesses) {
  std::vector<Block> blocks;
  guesses.for_each([&](const Guesses::Segment& segment) {
    for (std::uint32_t offset = segment.first; offset < segment.last; ++offset)
      blocks.push_back({segment.run, offset, segment.touched_ns});
  });
  return blocks;
}

}  // namespace

TEST_CASE("segments of guesses are a list of blocks in the order of touch", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(0, 60)));
  std::mt19937_64 random(seed);
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  Guesses guesses(seed);
  Model model;
  std::int64_t now_ns = 0;
  std::size_t largest = 0;
  for (int step = 0; step < 400; ++step) {
    INFO("seed " << seed << " step " << step);
    now_ns += below(3);
    const std::uint32_t dice = below(10);
    if (dice < 6) {  // a prompt over one to three runs, with holes
      guesses.begin();
      model.begin();
      const RunId start = below(4);
      for (RunId run = start; run <= start + below(3); ++run) {
        std::uint32_t first = below(2) * below(20);
        while (first < 20) {
          const std::uint32_t last = std::min(20u, first + 1 + below(20));
          guesses.touch(run, first, last, now_ns);
          model.touch(run, first, last, now_ns);
          first = last + below(2) * (1 + below(20));
        }
      }
    } else if (dice < 8) {
      const RunId run = below(6);
      const std::uint32_t first = below(20);
      const std::uint32_t last = first + below(21 - first);
      REQUIRE(guesses.erase(run, first, last) == model.erase(run, first, last));
    } else if (guesses.size() != 0) {
      const Guesses::Segment oldest = guesses.oldest();
      const std::uint32_t count = 1 + below(oldest.last - oldest.first);
      guesses.drop_oldest(count);
      for (std::uint32_t i = 0; i < count; ++i) model.drop_oldest();
    }
    const std::vector<Block> blocks = model.all();
    largest = std::max(largest, blocks.size());
    REQUIRE(all_of(guesses) == blocks);
    REQUIRE(guesses.size() == blocks.size());
    if (!blocks.empty()) {
      REQUIRE(guesses.oldest().run == blocks.back().run);
      REQUIRE(guesses.oldest().last == blocks.back().offset + 1);
    } else {
      REQUIRE(guesses.heap_bytes() == Guesses(seed).heap_bytes());
    }
    for (RunId run = 0; run < 6; ++run) {
      std::vector<std::uint32_t> found;
      const std::uint32_t first = below(20);
      const std::uint32_t last = first + below(21 - first);
      guesses.for_each_in(run, first, last, [&](std::uint32_t from, std::uint32_t to) {
        for (; from < to; ++from) found.push_back(from);
      });
      std::vector<std::uint32_t> expected;
      for (std::uint32_t offset = first; offset < last; ++offset) {
        if (model.has(run, offset)) expected.push_back(offset);
      }
      REQUIRE(found == expected);
      for (std::uint32_t offset = 0; offset < 21; ++offset)
        REQUIRE(guesses.has({run, offset}) == model.has(run, offset));
    }
  }
  REQUIRE(largest > 40);
}

TEST_CASE("a prompt that is expected again and again stays one segment", "[prefix]") {
  Guesses guesses(1);
  const auto segments = [&] {
    int count = 0;
    guesses.for_each([&count](const Guesses::Segment&) { ++count; });
    return count;
  };
  for (std::uint32_t length = 200; length > 0; length -= 10) {  // shorter and shorter: one more piece each time
    guesses.begin();
    guesses.touch(1, 0, length, 5);
  }
  CHECK(segments() == 20);
  guesses.begin();
  guesses.touch(1, 0, 100, 6);
  guesses.touch(1, 100, 200, 6);
  CHECK(segments() == 1);
  const std::size_t bytes = guesses.heap_bytes();
  for (int i = 0; i < 1000; ++i) {
    guesses.begin();
    guesses.touch(1, 0, 200, 7 + i);
  }
  CHECK(guesses.heap_bytes() == bytes);
  CHECK(guesses.size() == 200);
}
