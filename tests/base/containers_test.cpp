// The container aliases, with whichever library they stand for.
#include <string>
#include <string_view>

#include "base/containers.hpp"
#include "catch.hpp"

using namespace kthena::detail;

TEST_CASE("a map of strings is searched by a view, under a seed", "[base]") {
  HashMap<std::string, int> map(0, Hash{42});
  map.emplace("one", 1);
  map.emplace("two", 2);
  const std::string_view key = std::string_view("xtwo").substr(1);
  REQUIRE(map.find(key) != map.end());
  CHECK(map.find(key)->second == 2);
  CHECK(map.find(std::string_view("three")) == map.end());
  CHECK(map.hash_function().seed == 42);
  CHECK(Hash{1}(std::string_view("one")) != Hash{2}(std::string_view("one")));
  CHECK(Hash{1}(std::string_view("one")) == Hash{1}(std::string("one")));
}

TEST_CASE("integers that differ in their upper bits only do not share a bucket", "[base]") {
  HashMap<std::uint64_t, int> map(0, Hash{7});
  HashSet<std::uint32_t> low_bits;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    map[i << 54] = static_cast<int>(i);
    low_bits.insert(static_cast<std::uint32_t>(Hash{7}(i << 54) & 1023));
  }
  CHECK(map.size() == 1000);
  CHECK(low_bits.size() > 550);  // 1,000 balls in 1,024 bins fill 638 on average
}

TEST_CASE("ordered maps are in order, small vectors are vectors", "[base]") {
  OrderedMap<std::string, int> map;
  map["b"] = 2;
  map["a"] = 1;
  CHECK(map.begin()->first == "a");
  CHECK(map.find(std::string_view("b"))->second == 2);
  SmallVector<std::uint64_t, 2> vector;
  for (std::uint64_t i = 0; i < 10; ++i) vector.push_back(i);
  CHECK(vector.size() == 10);
  CHECK(vector[9] == 9);
}

TEST_CASE("heap_bytes grows with what a container holds", "[base]") {
  HashMap<std::uint64_t, std::uint64_t> map;
  CHECK(heap_bytes(map) == 0);
  for (std::uint64_t i = 0; i < 1000; ++i) map[i] = i;
  CHECK(heap_bytes(map) >= 16'000);
  CHECK(heap_bytes(map) <= 50'000);
  SmallVector<std::uint64_t, 2> vector;
  CHECK(heap_bytes(vector) == 0);
  vector.resize(100);
  CHECK(heap_bytes(vector) >= 800);
}
