// KvReader: namespaces, block sizes, tiers, limits, memory.
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "engine/msgpack_writer.hpp"
#include "engine/recorder.hpp"
#include "kthena/engine.hpp"
#include "kthena/prefix.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena;
using namespace kthena::engine;
using kthena::test::MsgpackWriter;
using kthena::test::Recorder;
using kthena::test::Told;

namespace {

using Hashes = std::vector<std::uint64_t>;
using Tokens = std::vector<std::uint32_t>;

const EngineProfile& vllm() { return *find_profile("vllm"); }

KvReadOptions options_of(std::uint32_t block_tokens) {
  KvReadOptions options;
  options.worker = WorkerId{3};
  options.model = "m";
  options.block_tokens = block_tokens;
  options.seed = 77;
  return options;
}

std::uint64_t space_of(std::uint32_t block_tokens, std::string_view adapter = {}, std::string_view salt = {}) {
  return namespace_key({"m", adapter, salt, block_tokens}, 77);
}

std::uint64_t content(const Tokens& tokens) { return hash_block(tokens, 77); }

std::vector<Told> read(KvReader& reader, const MsgpackWriter& batch, KvCounts* counts = nullptr) {
  Recorder sink;
  const Result<KvCounts> result = reader.read(batch.bytes(), sink);
  INFO(result.status().message());
  REQUIRE(result.ok());
  if (counts != nullptr) *counts = *result;
  return sink.events;
}

}  // namespace

TEST_CASE("blocks as large as the index's go through one to one", "[engine]") {
  KvReader reader = KvReader::create(vllm(), options_of(2)).value();
  KvCounts counts;
  const auto events = read(reader,
                           MsgpackWriter()
                               .batch(3)
                               .removed(Hashes{5})
                               .stored(Hashes{11, 12}, std::nullopt, Tokens{1, 2, 3, 4}, 2, "CPU", {}, "lora")
                               .cleared(),
                           &counts);
  REQUIRE(events.size() == 3);
  CHECK(events[0] == Told{Told::kRemoved, 3, 0, {}, {5}, {}, KvTier::kDevice});
  CHECK(events[1] ==
        Told{Told::kStored, 3, space_of(2, "lora"), {}, {11, 12}, {content({1, 2}), content({3, 4})}, KvTier::kHost});
  CHECK(events[2].kind == Told::kCleared);
  CHECK(counts == KvCounts{.stored_blocks = 2, .removed_blocks = 1, .clears = 1});
}

TEST_CASE("an adapter without a name is named by its number", "[engine]") {
  KvReader reader = KvReader::create(vllm(), options_of(1)).value();
  const auto events = read(reader, MsgpackWriter()
                                       .batch(1)
                                       .array(6)
                                       .text("BlockStored")
                                       .array(1)
                                       .count(1)
                                       .nil()
                                       .array(1)
                                       .count(9)
                                       .count(1)
                                       .count(4));
  REQUIRE(events.size() == 1);
  CHECK(events[0].space == space_of(1, "lora_id:4"));
}

TEST_CASE("P8 a salt is named once and holds for all that hangs below", "[engine]") {
  KvReader reader = KvReader::create(vllm(), options_of(1)).value();
  const std::uint64_t salted = space_of(1, {}, "s");
  CHECK(
      read(reader, MsgpackWriter().batch(1).stored(Hashes{1, 2}, std::nullopt, Tokens{7, 8}, 1, "GPU", "s"))[0].space ==
      salted);
  CHECK(read(reader, MsgpackWriter().batch(1).stored(Hashes{3}, 2, Tokens{9}, 1))[0].space == salted);
  CHECK(read(reader, MsgpackWriter().batch(1).stored(Hashes{4}, 3, Tokens{9}, 1))[0].space == salted);
  CHECK(read(reader, MsgpackWriter().batch(1).stored(Hashes{100}, std::nullopt, Tokens{7}, 1))[0].space == space_of(1));
  CHECK(reader.tracked_blocks() == 4);

  SECTION("a block in two tiers is forgotten with the last") {
    read(reader, MsgpackWriter().batch(1).stored(Hashes{4}, std::nullopt, Tokens{}, 1, "CPU"));
    read(reader, MsgpackWriter().batch(1).removed(Hashes{4}));
    CHECK(read(reader, MsgpackWriter().batch(1).stored(Hashes{5}, 4, Tokens{9}, 1))[0].space == salted);
    read(reader, MsgpackWriter().batch(1).removed(Hashes{4}, "CPU"));
    CHECK(reader.tracked_blocks() == 4);
  }
  SECTION("cleared") {
    read(reader, MsgpackWriter().batch(1).cleared());
    CHECK(reader.tracked_blocks() == 0);
    CHECK(read(reader, MsgpackWriter().batch(1).stored(Hashes{5}, 4, Tokens{9}, 1))[0].space == space_of(1));
  }
  SECTION("a copy goes on by itself") {
    KvReader copy = reader;
    reader.clear();
    CHECK(copy.tracked_blocks() == 4);
    CHECK(read(copy, MsgpackWriter().batch(1).stored(Hashes{5}, 4, Tokens{9}, 1))[0].space == salted);
    CHECK(reader.tracked_blocks() == 0);
  }
}

TEST_CASE("beyond max_tracked_blocks salted blocks are dropped, not misplaced", "[engine]") {
  KvReadOptions options = options_of(1);
  options.max_tracked_blocks = 3;
  KvReader reader = KvReader::create(vllm(), options).value();
  KvCounts counts;
  CHECK(read(reader, MsgpackWriter().batch(1).stored(Hashes{1, 2}, std::nullopt, Tokens{7, 8}, 1, "GPU", "s"), &counts)
            .size() == 1);
  CHECK(read(reader, MsgpackWriter().batch(1).stored(Hashes{3, 4}, 2, Tokens{7, 8}, 1), &counts).empty());
  CHECK(counts.over_limits == 2);
  CHECK(reader.tracked_blocks() == 2);
}

TEST_CASE("what else a block depends on is in its content", "[engine]") {
  KvReader reader = KvReader::create(vllm(), options_of(1)).value();
  const auto image = [&](std::string_view name) {
    return read(reader, MsgpackWriter()
                            .batch(1)
                            .array(9)
                            .text("BlockStored")
                            .array(1)
                            .count(1)
                            .nil()
                            .array(1)
                            .count(9)
                            .count(1)
                            .nil()
                            .text("GPU")
                            .nil()
                            .array(1)
                            .array(1)
                            .array(2)
                            .text(name)
                            .count(0))[0];
  };
  const Told one = image("image-1");
  const Told two = image("image-2");
  CHECK(one.space == space_of(1));
  CHECK(one.contents != two.contents);
  CHECK(one.contents != Hashes{content({9})});
  CHECK(one.contents == image("image-1").contents);
}

TEST_CASE("events of other groups are counted", "[engine]") {
  const MsgpackWriter batch = MsgpackWriter()
                                  .batch(2)
                                  .array(4)
                                  .text("BlockRemoved")
                                  .array(1)
                                  .count(1)
                                  .nil()
                                  .count(1)
                                  .array(4)
                                  .text("BlockRemoved")
                                  .array(1)
                                  .count(2)
                                  .nil()
                                  .count(0);
  KvCounts counts;
  KvReader reader = KvReader::create(vllm(), options_of(1)).value();
  CHECK(read(reader, batch, &counts)[0].hashes == Hashes{2});
  CHECK(counts.other_groups == 1);
  KvReadOptions options = options_of(1);
  options.group = 1;
  reader = KvReader::create(vllm(), options).value();
  CHECK(read(reader, batch, &counts)[0].hashes == Hashes{1});
  CHECK(counts.other_groups == 1);
}

TEST_CASE("P9 an engine block that holds several index blocks is split", "[engine]") {
  KvReader reader = KvReader::create(vllm(), options_of(2)).value();
  auto events =
      read(reader,
           MsgpackWriter().batch(2).stored(Hashes{21, 22}, 20, Tokens{1, 2, 3, 4, 5, 6, 7, 8}, 4).removed(Hashes{21}));
  REQUIRE(events.size() == 2);
  REQUIRE(events[0].hashes.size() == 4);
  CHECK(events[0].parent == 20);
  CHECK(events[0].hashes[1] == 21);
  CHECK(events[0].hashes[3] == 22);
  CHECK(std::set<std::uint64_t>(events[0].hashes.begin(), events[0].hashes.end()).size() == 4);
  CHECK(events[0].contents == Hashes{content({1, 2}), content({3, 4}), content({5, 6}), content({7, 8})});
  CHECK(std::set<std::uint64_t>(events[1].hashes.begin(), events[1].hashes.end()) ==
        std::set<std::uint64_t>{events[0].hashes[0], 21});

  const bool wide = GENERATE(false, true);
  auto index = prefix::PrefixIndex::create({.block_tokens = 2, .seed = 77, .wide_contents = wide}).value();
  KvReadOptions options = options_of(2);
  options.worker = index.add_worker("w").value();
  options.wide_contents = wide;
  reader = KvReader::create(vllm(), options).value();
  const auto depth = [&] {
    prefix::PrefixQuery query = index.make_query({.model = "m", .adapter = {}, .tenant = {}, .block_tokens = 2});
    query.extend_tokens(Tokens{1, 2, 3, 4, 5, 6, 7, 8});
    std::uint32_t found = 0;
    index.find(query, std::span(&options.worker, 1), std::span(&found, 1));
    return found;
  };
  REQUIRE(reader.read(MsgpackWriter().batch(1).stored(Hashes{21}, std::nullopt, Tokens{1, 2, 3, 4}, 4).bytes(), index)
              .ok());
  CHECK(depth() == 2);
  REQUIRE(reader.read(MsgpackWriter().batch(1).stored(Hashes{22}, 21, Tokens{5, 6, 7, 8}, 4).bytes(), index).ok());
  CHECK(depth() == 4);
  REQUIRE(reader.read(MsgpackWriter().batch(1).removed(Hashes{21}).bytes(), index).ok());
  CHECK(depth() == 0);
  REQUIRE(reader.read(MsgpackWriter().batch(1).stored(Hashes{21}, std::nullopt, Tokens{1, 2, 3, 4}, 4).bytes(), index)
              .ok());
  CHECK(depth() == 4);
}

TEST_CASE("block sizes that do not fit are counted", "[engine]") {
  KvReader reader = KvReader::create(vllm(), options_of(4)).value();
  KvCounts counts;
  CHECK(read(reader, MsgpackWriter().batch(1).stored(Hashes{1}, std::nullopt, Tokens{1, 2, 3, 4, 5, 6}, 6), &counts)
            .empty());
  CHECK(counts.unmapped == 1);
  CHECK(read(reader, MsgpackWriter().batch(1).stored(Hashes{1}, std::nullopt, Tokens{1, 2, 3}, 3), &counts).empty());
  CHECK(counts.unmapped == 1);
  CHECK(read(reader, MsgpackWriter().batch(1).stored(Hashes{1}, std::nullopt, Tokens{1, 2}, 2), &counts).empty());
  CHECK(counts.unmapped == 0);
  // One engine has one block size.
  CHECK(read(reader, MsgpackWriter().batch(1).stored(Hashes{2}, std::nullopt, Tokens{1, 2, 3, 4}, 4), &counts).empty());
  CHECK(counts.unmapped == 1);
}

// An engine that holds prefixes of prompts in small blocks, told to a reader with larger blocks; beside it a set of the token prefixes
// that it holds whole. Labels are numbers of prefixes.
TEST_CASE("P9 several engine blocks that make up an index block: as a set of prefixes says", "[engine][property]") {
  const std::uint32_t part_tokens = GENERATE(1u, 2u);
  const std::uint32_t parts = GENERATE(2u, 3u, 4u);
  const std::uint32_t seed = GENERATE(range(0u, 12u));
  const std::uint32_t block_tokens = part_tokens * parts;
  INFO("seed " << seed << ", " << parts << " parts of " << part_tokens);
  std::mt19937_64 random(seed);
  const bool wide = seed % 2 == 1;
  auto index = prefix::PrefixIndex::create({.block_tokens = block_tokens, .seed = 77, .wide_contents = wide}).value();
  KvReadOptions options = options_of(block_tokens);
  options.worker = index.add_worker("w").value();
  options.wide_contents = wide;
  KvReader reader = KvReader::create(vllm(), options).value();

  std::map<Tokens, std::uint64_t> labels;
  std::map<Tokens, unsigned> held;  // prefix -> tiers
  const auto label = [&](const Tokens& prefix) { return labels.emplace(prefix, labels.size() + 1000).first->second; };
  const auto random_prompt = [&] {
    Tokens prompt;
    const std::size_t blocks = 1 + random() % (3 * parts);
    for (std::size_t i = 0; i < blocks * part_tokens; ++i) prompt.push_back(static_cast<std::uint32_t>(random() % 2));
    return prompt;
  };
  const auto depth_of = [&](const Tokens& prompt) {
    std::uint32_t depth = 0;
    for (std::size_t end = part_tokens; end <= prompt.size(); end += part_tokens) {
      const auto it = held.find(Tokens(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(end)));
      if (it == held.end()) break;
      if (end % block_tokens == 0) ++depth;
    }
    return depth;
  };
  const char* const media[] = {"GPU", "CPU"};
  for (int step = 0; step < 150; ++step) {
    const Tokens prompt = random_prompt();
    const unsigned tier = random() % 4 == 0 ? 1 : 0;
    if (!held.empty() && random() % 6 == 0) {  // P16: without tokens, one block that is held and one that is not
      auto it = held.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(random() % held.size()));
      it->second |= 1u << tier;
      const auto counts = reader.read(
          MsgpackWriter().batch(1).stored(Hashes{7, label(it->first)}, std::nullopt, Tokens{}, 0, media[tier]).bytes(),
          index);
      REQUIRE(counts.ok());
      REQUIRE(counts->unmapped == 1);
      REQUIRE(counts->refused == 0);
    } else if (random() % 5 != 0) {
      // Store from the first block on that is not held, below one that is, as engines do.
      std::size_t begin = 0;
      while (begin < prompt.size() &&
             held.contains(Tokens(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(begin + part_tokens)))) {
        begin += part_tokens;
      }
      if (random() % 3 == 0) begin = 0;  // tells some again
      if (begin == prompt.size()) continue;
      Hashes hashes;
      for (std::size_t end = begin + part_tokens; end <= prompt.size(); end += part_tokens) {
        const Tokens prefix(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(end));
        hashes.push_back(label(prefix));
        held[prefix] |= 1u << tier;
      }
      std::optional<std::uint64_t> parent;
      if (begin != 0) parent = label(Tokens(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(begin)));
      const Tokens tokens(prompt.begin() + static_cast<std::ptrdiff_t>(begin), prompt.end());
      const auto counts =
          reader.read(MsgpackWriter().batch(1).stored(hashes, parent, tokens, part_tokens, media[tier]).bytes(), index);
      REQUIRE(counts.ok());
      REQUIRE(counts->unmapped == 0);
      REQUIRE(counts->refused == 0);
    } else if (!held.empty()) {
      auto it = held.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(random() % held.size()));
      const std::uint64_t hash = label(it->first);
      it->second &= ~(1u << tier);
      if (it->second == 0) held.erase(it);
      REQUIRE(reader.read(MsgpackWriter().batch(1).removed(Hashes{hash}, media[tier]).bytes(), index).ok());
    }
    for (int i = 0; i < 10; ++i) {
      const Tokens query_tokens = random_prompt();
      prefix::PrefixQuery query =
          index.make_query({.model = "m", .adapter = {}, .tenant = {}, .block_tokens = block_tokens});
      query.extend_tokens(query_tokens);
      std::uint32_t depth = 99;
      index.find(query, std::span(&options.worker, 1), std::span(&depth, 1));
      REQUIRE(depth == depth_of(query_tokens));
    }
  }
  // Everything goes: nothing is kept.
  for (const auto& [prefix, tiers] : held) {
    for (unsigned tier = 0; tier < 2; ++tier) {
      if ((tiers >> tier & 1) != 0) {
        REQUIRE(reader.read(MsgpackWriter().batch(1).removed(Hashes{label(prefix)}, media[tier]).bytes(), index).ok());
      }
    }
  }
  CHECK(reader.tracked_blocks() == 0);
  CHECK(index.stats().memberships == 0);
}

TEST_CASE("P16 stores without tokens reach an index, whole and split: the removal of one tier keeps the other",
          "[engine]") {
  const std::uint32_t block_tokens = GENERATE(4u, 2u);  // of the index; the engine's blocks have 4
  auto index = prefix::PrefixIndex::create({.block_tokens = block_tokens, .seed = 77}).value();
  KvReadOptions options = options_of(block_tokens);
  options.worker = index.add_worker("w").value();
  KvReader reader = KvReader::create(vllm(), options).value();
  prefix::PrefixQuery query =
      index.make_query({.model = "m", .adapter = {}, .tenant = {}, .block_tokens = block_tokens});
  query.extend_tokens(Tokens{1, 2, 3, 4, 5, 6, 7, 8});
  const auto depth = [&] {
    std::uint32_t found = 99;
    index.find(query, std::span(&options.worker, 1), std::span(&found, 1));
    return found;
  };
  const auto read = [&](const MsgpackWriter& batch) {
    const Result<KvCounts> counts = reader.read(batch.bytes(), index);
    REQUIRE(counts.ok());
    REQUIRE(counts->refused == 0);
    REQUIRE(counts->unmapped == 0);
  };
  read(MsgpackWriter()
           .batch(2)
           .stored(Hashes{1, 2}, std::nullopt, Tokens{1, 2, 3, 4, 5, 6, 7, 8}, 4)
           .stored(Hashes{2, 1, 3}, std::nullopt, Tokens{}, 0, "CPU"));
  CHECK(index.stats().unresolved_stores == 4 / block_tokens);  // 3 was never stored
  read(MsgpackWriter().batch(1).removed(Hashes{1, 2}, "GPU"));
  CHECK(depth() == 8 / block_tokens);
  read(MsgpackWriter().batch(1).removed(Hashes{1, 2}, "CPU"));
  CHECK(depth() == 0);
  CHECK(index.stats().memberships == 0);
  CHECK(index.stats().unknown_removes == 0);
}

TEST_CASE("a gathered block that does not fit is counted", "[engine]") {
  KvReader reader = KvReader::create(vllm(), options_of(2)).value();
  KvCounts counts;
  read(reader, MsgpackWriter().batch(1).stored(Hashes{1}, 999, Tokens{5}, 1), &counts);
  CHECK(counts.unmapped == 1);
  read(reader, MsgpackWriter().batch(1).stored(Hashes{1, 2}, std::nullopt, Tokens{5, 6}, 1), &counts);
  CHECK(counts.stored_blocks == 1);
  // The same hash under another parent.
  read(reader, MsgpackWriter().batch(1).stored(Hashes{1}, 2, Tokens{5}, 1), &counts);
  CHECK(counts.unmapped == 1);
  // Without tokens: held in one more tier.
  read(reader, MsgpackWriter().batch(1).stored(Hashes{1, 2}, std::nullopt, Tokens{}, 1, "CPU"), &counts);
  CHECK(counts.unmapped == 0);
  auto events = read(reader, MsgpackWriter().batch(1).removed(Hashes{2}), &counts);
  REQUIRE(events.size() == 2);
  CHECK(events[0].tier == KvTier::kHost);  // first held there, then no more here: never unknown in between
  CHECK(events[1].kind == Told::kRemoved);
  CHECK(events[1].tier == KvTier::kDevice);
  KvReadOptions options = options_of(2);
  options.max_tracked_blocks = 2;
  reader = KvReader::create(vllm(), options).value();
  read(reader, MsgpackWriter().batch(1).stored(Hashes{1, 2, 3}, std::nullopt, Tokens{5, 6, 7}, 1), &counts);
  CHECK(counts.over_limits == 1);
}

TEST_CASE("a sink may refuse; the rest is applied", "[engine]") {
  KvReader reader = KvReader::create(vllm(), options_of(1)).value();
  int calls = 0;
  auto sink = [&](const KvEvent& event) {
    ++calls;
    return std::holds_alternative<BlockRemoved>(event) ? not_found("worker") : Status();
  };
  const MsgpackWriter batch = MsgpackWriter().batch(2).removed(Hashes{1}).stored(Hashes{2}, std::nullopt, Tokens{1}, 1);
  const Result<KvCounts> counts = reader.read(batch.bytes(), sink);
  REQUIRE(counts.ok());
  CHECK(calls == 2);
  CHECK(counts->refused == 1);
  CHECK(counts->stored_blocks == 1);
  CHECK(counts->removed_blocks == 0);
}

TEST_CASE("options and engines that cannot be", "[engine]") {
  CHECK(KvReader::create(*find_profile("tgi")).status().code() == StatusCode::kFailedPrecondition);
  KvReadOptions options;
  options.block_tokens = 0;
  options.max_bytes = 0;
  const Status status = KvReader::create(vllm(), options).status();
  CHECK(status.code() == StatusCode::kInvalidArgument);
  CHECK(status.message() == "block_tokens: 0 is not in 1..65536; max_bytes: 0 is not in 1..2147483648");
  options = {};
  options.max_bytes = 10;
  CHECK(KvReader::create(vllm(), options)->decode(MsgpackWriter().batch(1).cleared().bytes()).status().code() ==
        StatusCode::kResourceExhausted);
  Recorder sink;
  CHECK(decode_kv_events(vllm(), MsgpackWriter().batch(1).cleared().bytes(), {}, sink)->clears == 1);
}

TEST_CASE("a grown reader allocates nothing", "[engine]") {
  KvReader reader = KvReader::create(vllm(), options_of(16)).value();
  Hashes hashes;
  Tokens tokens;
  for (std::uint32_t i = 0; i < 64; ++i) hashes.push_back(i + 1000);
  for (std::uint32_t i = 0; i < 64 * 16; ++i) tokens.push_back(i * 37);
  const MsgpackWriter batch = MsgpackWriter().batch(2).stored(hashes, 7, tokens, 16).removed(hashes);
  std::uint64_t blocks = 0;
  auto sink = [&](const KvEvent& event) {
    if (const auto* stored = std::get_if<BlockStored>(&event)) blocks += stored->engine_hashes.size();
  };
  for (const auto& size : {16u, 8u}) {
    KvReader one = KvReader::create(vllm(), options_of(size)).value();
    REQUIRE(one.read(batch.bytes(), sink).ok());
    const std::size_t before = test::allocations();
    for (int i = 0; i < 10; ++i) REQUIRE(one.read(batch.bytes(), sink).ok());
    CHECK(test::allocations() == before);
  }
  CHECK(blocks == 11 * 64 + 11 * 128);
}

TEST_CASE("memory while decoding is bounded by the payload", "[engine]") {
  // Every kind of element at its shortest, and claims that the payload does not keep.
  std::vector<std::vector<std::byte>> payloads;
  MsgpackWriter empty_removes;
  empty_removes.batch(5000);
  for (int i = 0; i < 5000; ++i) empty_removes.array(2).text("BlockRemoved").array(0);
  payloads.push_back(empty_removes.bytes());
  MsgpackWriter many_hashes;
  many_hashes.batch(1).array(2).text("BlockRemoved").array(60000);
  for (int i = 0; i < 60000; ++i) many_hashes.count(1);
  payloads.push_back(many_hashes.bytes());
  std::vector<std::byte> cut = many_hashes.bytes();
  cut.resize(cut.size() - 1);
  payloads.push_back(cut);
  for (const auto& payload : payloads) {
    KvReader reader = KvReader::create(vllm()).value();
    const std::size_t before = test::live_bytes();
    (void)reader.decode(payload);
    CHECK(test::live_bytes() - before <= KvReader::kBytesPerByte * payload.size());
  }
}
