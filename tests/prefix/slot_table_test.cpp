// SlotTable beside a standard map, with hashes that crowd together.
#include "prefix/slot_table.hpp"

#include <map>
#include <random>

#include "catch.hpp"

using kthena::prefix::detail::SlotTable;

TEST_CASE("a slot table equals a map, however its hashes crowd", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(0, 60)));
  std::mt19937_64 random(seed);
  SlotTable table;
  std::map<std::uint32_t, std::uint64_t> hashes;  // by value
  // Spread, clustered at the table's end (probes wrap around), or nearly all equal.
  const auto some_hash = [&]() -> std::uint64_t {
    switch (seed % 3) {
      case 0:
        return random();
      case 1:
        return ~(random() % 20 << 32);
      default:
        return random() % 3 << 60;
    }
  };
  for (int step = 0; step < 3000; ++step) {
    const auto value = static_cast<std::uint32_t>(random() % 400);
    const auto it = hashes.find(value);
    if (it == hashes.end()) {
      const std::uint64_t hash = some_hash();
      table.insert(hash, value);
      hashes[value] = hash;
    } else if (random() % 3 != 0) {
      table.erase(it->second, value);
      const std::uint64_t hash = it->second;
      hashes.erase(it);
      REQUIRE(table.find(hash, [&](std::uint32_t other) { return other == value; }) == SlotTable::kNone);
    }
    REQUIRE(table.empty() == hashes.empty());
    if (step % 50 != 0) continue;
    INFO("seed " << seed << " step " << step);
    for (const auto& [one, hash] : hashes) {
      const std::uint32_t wanted = one;
      REQUIRE(table.find(hash, [&](std::uint32_t other) { return other == wanted; }) == wanted);
    }
    REQUIRE(table.find(random(), [](std::uint32_t) { return false; }) == SlotTable::kNone);
  }
}
