// TagTable beside a standard map, with hashes that are spread, that crowd, and that are equal.
#include "prefix/tag_table.hpp"

#include <map>
#include <random>

#include "catch.hpp"
#include "kthena/base/hash.hpp"

using namespace kthena;
using namespace kthena::prefix::detail;

namespace {

struct Entry {
  std::uint32_t key;
  std::uint32_t value;
};

/// Hashes of keys: of seeds that are 1 mod 4 they share their upper bits, of 2 mod 4 there are three, of 3 mod 4 only tags differ.
std::uint64_t hash_of(std::uint64_t seed, std::uint32_t key) {
  const std::uint64_t spread = mix64(key + 1 + seed);
  switch (seed % 4) {
    case 1:
      return (spread & 0x000F'FFFF'FFFF'FFFFull) | 0xABC0'0000'0000'0000ull;
    case 2:
      return (spread % 3) << 62 | (spread % 3);
    case 3:
      return spread & 0xFF;
    default:
      return spread;
  }
}

struct UpperHash {
  std::uint64_t seed = 0;
  std::uint32_t operator()(const Entry& entry) const {
    return static_cast<std::uint32_t>(hash_of(seed, entry.key) >> 32);
  }
};

using Table = TagTable<Entry, UpperHash>;

const Entry* find(const Table& table, std::uint64_t seed, std::uint32_t key) {
  return table.find(hash_of(seed, key), [key](const Entry& entry) { return entry.key == key; });
}

}  // namespace

TEST_CASE("a tag table equals a map, however its hashes crowd", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(0, 40)));
  std::mt19937_64 random(seed);
  Table table(UpperHash{seed});
  std::map<std::uint32_t, std::uint32_t> truth;
  const std::uint32_t keys = seed % 4 >= 2 ? 700 : 30'000;  // equal hashes are compared one by one
  std::uint32_t growing = 3;
  for (int step = 0; step < 40'000; ++step) {
    if (step % 10'000 == 9'999) growing = 4 - growing;  // 3 of 4 steps add, then 1 of 4
    const auto key = static_cast<std::uint32_t>(random() % keys);
    const std::uint64_t hash = hash_of(seed, key);
    if (random() % 4 < growing) {
      const auto value = static_cast<std::uint32_t>(random());
      const auto [slot, is_new] =
          table.find_or_insert(hash, Entry{key, value}, [key](const Entry& entry) { return entry.key == key; });
      const auto [it, added] = truth.try_emplace(key, value);
      REQUIRE(is_new == added);
      REQUIRE(slot->value == it->second);
    } else if (const Entry* const entry = find(table, seed, key); entry != nullptr) {
      REQUIRE(truth.erase(key) == 1);
      table.erase(hash, entry);
      REQUIRE(find(table, seed, key) == nullptr);
    } else {
      REQUIRE_FALSE(truth.contains(key));
    }
    REQUIRE(table.size() == truth.size());
    if (step % 5'000 != 0) continue;
    for (const auto& [one, value] : truth) {
      const Entry* const entry = find(table, seed, one);
      REQUIRE(entry != nullptr);
      REQUIRE(entry->value == value);
    }
    std::size_t visited = 0;
    Table::Cursor cursor;
    while (table.visit(cursor, 100, [&](const Entry& entry) {
      ++visited;
      REQUIRE(truth.at(entry.key) == entry.value);
    }) == 100) {
    }
    REQUIRE(visited == truth.size());
  }
  for (const auto& [key, value] : truth) table.erase(hash_of(seed, key), find(table, seed, key));
  CHECK(table.size() == 0);
  CHECK(table.heap_bytes() < 16'384);  // the shards themselves
  table.clear();
  CHECK(table.heap_bytes() == 0);
}

TEST_CASE("a tag table stays at its load and grows in pieces", "[prefix]") {
  Table table(UpperHash{0});
  std::size_t bytes = 0;
  std::size_t largest_step = 0;
  for (std::uint32_t key = 0; key < 300'000; ++key) {
    table.insert(hash_of(0, key), {key, key});
    const std::size_t now = key % 64 == 0 ? table.heap_bytes() : bytes;
    largest_step = std::max(largest_step, now - std::min(now, bytes));
    bytes = now;
    if (key > 50'000 && key % 64 == 0) {
      const double load = key * (sizeof(Entry) + 16.0 / 15) / static_cast<double>(now);
      REQUIRE(load > 0.55);
    }
  }
  CHECK(largest_step < 200'000);
}
