// HomeTable against a map of all prefixes.
#include "kthena/prefix/home_table.hpp"

#include <map>
#include <set>
#include <vector>

#include "catch.hpp"
#include "kthena/base/random.hpp"
#include "support/allocation_counter.hpp"

namespace kthena::prefix {
namespace {

PrefixQuery query_of(const std::vector<std::uint64_t>& contents, std::uint64_t space = 7) {
  PrefixQuery query(space, 16, 3);
  REQUIRE(query.extend_contents(contents).ok());
  return query;
}

/// The lengths that the header names, written down one by one.
const std::set<std::uint32_t> kLengths = {1,  2,   3,   4,   6,   8,   12,  16,  32,  48,  64, 80,
                                          96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512};

TEST_CASE("a home is found at the longest remembered prefix", "[prefix][homes]") {
  HomeTable homes = HomeTable::create({.max_entries = 1u << 14}).value();
  CHECK(homes.find(query_of({1, 2, 3})) == Home{});
  homes.set(query_of({1, 2, 3, 4, 5, 6, 7}), {4});
  CHECK(homes.find(query_of({1, 2, 3, 4, 5, 6, 7})) == Home{{4}, 6});
  CHECK(homes.find(query_of({1, 2, 3, 4, 5, 9})) == Home{{4}, 4});
  CHECK(homes.find(query_of({1, 9})) == Home{{4}, 1});
  CHECK(homes.find(query_of({2, 1})) == Home{});
  CHECK(homes.find(query_of({1, 2, 3}, 8)) == Home{});  // another namespace
  CHECK(homes.find(query_of({})) == Home{});
  homes.set(query_of({1, 2, 8}), {5});  // the shared head moves, the tail stays
  CHECK(homes.find(query_of({1, 2, 9})) == Home{{5}, 2});
  CHECK(homes.find(query_of({1, 2, 3, 4})) == Home{{4}, 4});
  homes.forget({5});
  CHECK(homes.find(query_of({1, 2, 9})) == Home{});
  CHECK(homes.find(query_of({1, 2, 3, 9})) == Home{{4}, 3});
  homes.set(query_of({7, 7}), {});
  CHECK(homes.find(query_of({7, 7})) == Home{});
}

TEST_CASE("homes agree with a map of all prefixes while there is room", "[prefix][homes]") {
  HomeTable homes = HomeTable::create().value();
  std::map<std::vector<std::uint64_t>, std::uint32_t> oracle;
  RandomStream random(1, 2);
  std::vector<std::vector<std::uint64_t>> known;
  for (int step = 0; step < 600; ++step) {
    std::vector<std::uint64_t> prompt;
    if (!known.empty() && random.next_below(3) != 0) {
      prompt = known[random.next_below(known.size())];
      prompt.resize(random.next_below(prompt.size() + 1));
    }
    for (std::uint64_t more = random.next_below(300); more > 0; --more) prompt.push_back(random.next_below(3));
    const PrefixQuery query = query_of(prompt);

    Home expected;
    for (const std::uint32_t length : kLengths) {
      if (length > prompt.size()) break;
      const auto at = oracle.find({prompt.begin(), prompt.begin() + length});
      if (at != oracle.end()) expected = {{at->second}, length};
    }
    CHECK(homes.find(query) == expected);
    const auto worker = static_cast<std::uint32_t>(random.next_below(8));
    homes.set(query, {worker});
    for (const std::uint32_t length : kLengths)
      if (length <= prompt.size()) oracle[{prompt.begin(), prompt.begin() + length}] = worker;
    if (prompt.size() < 500) known.push_back(prompt);
  }
}

TEST_CASE("a full table keeps what was set last", "[prefix][homes]") {
  HomeTable homes = HomeTable::create({.max_entries = 5}).value();  // 8 places in 2 lines
  for (std::uint64_t prompt = 0; prompt < 100; ++prompt) {
    homes.set(query_of({prompt + 10}), {static_cast<std::uint32_t>(prompt)});
    CHECK(homes.find(query_of({prompt + 10})) == Home{{static_cast<std::uint32_t>(prompt)}, 1});
  }
  int left = 0;
  for (std::uint64_t prompt = 0; prompt < 100; ++prompt)
    left += homes.find(query_of({prompt + 10})).worker.valid() ? 1 : 0;
  CHECK(left == 8);
  CHECK(homes.heap_bytes() == 128);
}

TEST_CASE("homes allocate nothing after they are made, and refuse sizes out of range", "[prefix][homes]") {
  HomeTable homes = HomeTable::create().value();
  const PrefixQuery query = query_of(std::vector<std::uint64_t>(256, 5));
  const std::size_t before = test::allocations();
  homes.set(query, {1});
  const Home found = homes.find(query);
  homes.forget({1});
  const std::size_t after = test::allocations();
  CHECK(after == before);
  CHECK(found == Home{{1}, 256});
  CHECK(HomeTable::create({.max_entries = 3}).status().code() == StatusCode::kInvalidArgument);
  CHECK(HomeTable::create({.max_entries = (1u << 28) + 1}).status().code() == StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace kthena::prefix
