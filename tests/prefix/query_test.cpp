// PrefixQuery, namespace_key and hash_block.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "kthena/base/hash.hpp"
#include "kthena/prefix/query.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena;
using namespace kthena::prefix;

namespace {

std::vector<std::uint32_t> some_tokens(std::size_t n, std::uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::vector<std::uint32_t> tokens(n);
  for (std::uint32_t& token : tokens) token = static_cast<std::uint32_t>(random() % 150'000);
  return tokens;
}

std::vector<std::uint64_t> copy(std::span<const std::uint64_t> values) { return {values.begin(), values.end()}; }

}  // namespace

TEST_CASE("hash_block is XXH3 over little-endian token ids", "[prefix]") {
  const std::vector<std::uint32_t> tokens = {1, 0x01020304, 0xFFFFFFFF};
  const unsigned char bytes[] = {1, 0, 0, 0, 4, 3, 2, 1, 255, 255, 255, 255};
  CHECK(hash_block(tokens, 9) == xxh3_64(std::as_bytes(std::span(bytes)), 9));
  CHECK(hash_block(tokens, 9) != hash_block(tokens, 10));
  // A fact, so that the hash cannot change unseen: 16 tokens 0..15, seed 0.
  std::vector<std::uint32_t> block(16);
  for (std::uint32_t i = 0; i < 16; ++i) block[i] = i;
  CHECK(hash_block(block, 0) == 0x79C2079C74A8EE4Dull);
}

TEST_CASE("tokens may come in any pieces", "[prefix]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(0, 50)));
  std::mt19937_64 random(seed);
  const auto block_tokens = static_cast<std::uint32_t>(1 + random() % 20);
  const std::vector<std::uint32_t> tokens = some_tokens(random() % 2000, seed);
  PrefixQuery whole(5, block_tokens, 6);
  whole.extend_tokens(tokens);
  PrefixQuery pieces(5, block_tokens, 6);
  for (std::span<const std::uint32_t> rest = tokens; !rest.empty();) {
    const std::size_t taken = std::min<std::size_t>(random() % 60, rest.size());
    pieces.extend_tokens(rest.first(taken));
    rest = rest.subspan(taken);
  }
  INFO("seed " << seed);
  REQUIRE(copy(pieces.contents()) == copy(whole.contents()));
  REQUIRE(copy(pieces.checkpoints()) == copy(whole.checkpoints()));
  REQUIRE(whole.size_blocks() == tokens.size() / block_tokens);
  REQUIRE(whole.checkpoints().size() == whole.size_blocks() / 16);
  for (std::size_t i = 0; i < whole.size_blocks(); ++i) {
    REQUIRE(whole.contents()[i] == hash_block(std::span(tokens).subspan(i * block_tokens, block_tokens), 6));
  }
}

TEST_CASE("ready-made contents give the same query as tokens", "[prefix]") {
  PrefixQuery tokens(5, 16, 6);
  tokens.extend_tokens(some_tokens(16 * 100));
  PrefixQuery contents(5, 16, 6);
  REQUIRE(contents.extend_contents(tokens.contents().first(37)).ok());
  REQUIRE(contents.extend_contents(tokens.contents().subspan(37)).ok());
  CHECK(copy(contents.contents()) == copy(tokens.contents()));
  CHECK(copy(contents.checkpoints()) == copy(tokens.checkpoints()));
}

TEST_CASE("contents are refused while a partial block waits, and nothing changes", "[prefix]") {
  PrefixQuery query(5, 16, 6);
  query.extend_tokens(some_tokens(20));
  const std::vector<std::uint64_t> more = {1, 2};
  const Status status = query.extend_contents(more);
  CHECK(status.code() == StatusCode::kFailedPrecondition);
  CHECK(status.message() == "content_hashes: 4 tokens of a block of 16 wait to be completed");
  CHECK(query.size_blocks() == 1);
  query.extend_tokens(some_tokens(12));
  CHECK(query.size_blocks() == 2);
  CHECK(query.extend_contents(more).ok());
  CHECK(query.size_blocks() == 4);
}

TEST_CASE("a checkpoint covers the namespace, the seed and every block before it", "[prefix]") {
  const std::vector<std::uint32_t> tokens = some_tokens(16 * 48);
  const auto checkpoints = [&](std::uint64_t space, std::uint64_t seed, std::size_t changed) {
    std::vector<std::uint32_t> changed_tokens = tokens;
    if (changed < tokens.size()) changed_tokens[changed] ^= 1;
    PrefixQuery query(space, 16, seed);
    query.extend_tokens(changed_tokens);
    return copy(query.checkpoints());
  };
  const std::vector<std::uint64_t> base = checkpoints(5, 6, tokens.size());
  REQUIRE(base.size() == 3);
  for (const auto& [space, seed] : {std::pair{4, 6}, std::pair{5, 7}}) {
    const auto other = checkpoints(static_cast<std::uint64_t>(space), static_cast<std::uint64_t>(seed), tokens.size());
    for (std::size_t k = 0; k < 3; ++k) CHECK(other[k] != base[k]);
  }
  for (const std::size_t block : {0u, 15u, 16u, 31u, 32u, 47u}) {
    const auto other = checkpoints(5, 6, 16 * block + 3);
    for (std::size_t k = 0; k < 3; ++k) CHECK((other[k] == base[k]) == (k < block / 16));
  }
}

TEST_CASE("checkpoints of different prefixes differ", "[prefix]") {
  // 200 prompts over two contents: equal checkpoints if and only if equal prefixes.
  std::mt19937_64 random(3);
  std::map<std::uint64_t, std::vector<std::uint64_t>> prefixes;
  std::set<std::vector<std::uint64_t>> distinct;
  for (int i = 0; i < 200; ++i) {
    PrefixQuery query(1, 16, 0);
    std::vector<std::uint64_t> contents(64);
    for (std::uint64_t& content : contents) content = random() % 16 == 0 ? 2 : 1;
    REQUIRE(query.extend_contents(contents).ok());
    for (std::size_t k = 0; k < 4; ++k) {
      const std::vector<std::uint64_t> prefix(contents.begin(),
                                              contents.begin() + static_cast<std::ptrdiff_t>(16 * (k + 1)));
      distinct.insert(prefix);
      const auto [it, fresh] = prefixes.try_emplace(query.checkpoints()[k], prefix);
      REQUIRE(it->second == prefix);
    }
  }
  CHECK(prefixes.size() == distinct.size());
}

TEST_CASE("clear forgets the prompt and keeps namespace and memory", "[prefix]") {
  PrefixQuery query(5, 16, 6);
  query.extend_tokens(some_tokens(16 * 40 + 7));
  const std::vector<std::uint64_t> contents = copy(query.contents());
  const std::vector<std::uint64_t> checkpoints = copy(query.checkpoints());
  query.clear();
  CHECK(query.size_blocks() == 0);
  CHECK(query.checkpoints().empty());
  CHECK(query.namespace_key() == 5);
  const std::vector<std::uint32_t> tokens = some_tokens(16 * 40 + 7);
  const std::size_t before = test::allocations();
  query.extend_tokens(tokens);
  const std::size_t after = test::allocations();
  CHECK(after == before);
  CHECK(copy(query.contents()) == contents);
  CHECK(copy(query.checkpoints()) == checkpoints);
}

TEST_CASE("a query grows by few allocations however it is extended", "[prefix][allocation]") {
  PrefixQuery query(5, 16, 6);
  const std::vector<std::uint32_t> turn = some_tokens(40);
  const std::size_t before = test::allocations();
  for (int i = 0; i < 4000; ++i) query.extend_tokens(turn);
  CHECK(query.size_blocks() == 10'000);
  CHECK(test::allocations() - before < 60);
}

TEST_CASE("a default query and a clamped one are usable", "[prefix]") {
  PrefixQuery query;
  query.extend_tokens(some_tokens(33));
  CHECK(query.size_blocks() == 2);
  CHECK(query.block_tokens() == 16);
  query.extend_tokens({});
  CHECK(query.size_blocks() == 2);
  PrefixQuery one(1, 0, 0);
  one.extend_tokens(some_tokens(3));
  CHECK(one.block_tokens() == 1);
  CHECK(one.size_blocks() == 3);
  CHECK(PrefixQuery(1, 4'000'000'000, 0).block_tokens() == 65536);
}

TEST_CASE("namespace keys differ with every field, its place and the seed", "[prefix]") {
  std::set<std::uint64_t> keys;
  std::size_t made = 0;
  for (const std::uint64_t seed : {0ull, 1ull, 0xFFFFFFFFFFFFFFFFull}) {
    for (const char* model : {"", "a", "ab", "b"}) {
      for (const char* adapter : {"", "a", "ab", "b"}) {
        for (const char* tenant : {"", "a", "ab", "b"}) {
          for (const std::uint32_t block_tokens : {1u, 16u, 32u}) {
            keys.insert(namespace_key({model, adapter, tenant, block_tokens}, seed));
            ++made;
          }
        }
      }
    }
  }
  CHECK(keys.size() == made);
  // A fact, so that the key cannot change unseen.
  CHECK(namespace_key({"m", "", "", 16}, 0) == 0x7EF8AE80C08BB278ull);
}
