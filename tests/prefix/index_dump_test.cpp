// P15: a dump is the index. What load() makes of it does what the original does under every later event; hostile bytes do no harm; what
// dump_events() says can be replayed.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "catch.hpp"
#include "kthena/prefix.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena;
using namespace kthena::prefix;

namespace {

using Hashes = std::vector<std::uint64_t>;
using Bytes = std::vector<std::byte>;

constexpr std::uint32_t kWorkers = 4;

PrefixIndexOptions options_of(bool shared, bool wide = false) {
  return {.max_workers = 8,
          .max_orphan_blocks = 12,
          .seed = 0x5EED,
          .shared_engine_hashes = shared,
          .count_copies = wide,  // both, to have fewer kinds
          .wide_contents = wide,
          .max_expected_blocks = 9,
          .expected_ttl_ns = 40};
}

/// Contents as an index takes them: where they are wide, all that differs is in the upper halves.
struct Halves {
  Halves(const PrefixIndex& index, const Hashes& contents)
      : lower(index.options().wide_contents ? Hashes(contents.size(), 7) : contents),
        upper(index.options().wide_contents ? contents : Hashes()) {}
  Hashes lower;
  Hashes upper;
};

/// One random call, the same for each index that is given the same `seed`: all kinds of events, with any labels of 16 and any parents, known
/// or not.
void act(std::uint64_t seed, PrefixIndex& index) {
  std::mt19937_64 random(seed);
  const auto below = [&random](std::uint64_t n) { return random() % n; };
  const std::string name = "worker" + std::to_string(below(kWorkers));
  const WorkerId worker = index.add_worker(name).value();
  const auto tier = static_cast<KvTier>(below(3) == 0 ? below(4) : 0);
  Hashes labels;
  Hashes contents;
  for (std::uint64_t i = 0; i < 1 + below(6); ++i) {
    // Mostly a label that all workers give to a prefix, so that sharing pays.
    contents.push_back(below(2));
    labels.push_back(below(16));
  }
  std::optional<std::uint64_t> parent;
  if (below(3) != 0) parent = below(16);
  if (below(3) == 0) {
    std::uint64_t label = 100 + parent.value_or(0);
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = label = 2 * label + contents[i];
  }
  const std::uint64_t space = below(6) == 0 ? 2 : 1;
  const std::uint64_t dice = below(100);
  if (dice < 45) {
    const Halves halves(index, contents);
    REQUIRE(index.apply(BlockStored{worker, space, parent, labels, halves.lower, tier, halves.upper}).ok());
  } else if (dice < 53) {
    REQUIRE(index.apply(BlockStored{worker, space, parent, labels, {}, tier}).ok());
  } else if (dice < 75) {
    REQUIRE(index.apply(BlockRemoved{worker, labels, tier}).ok());
  } else if (dice < 78) {
    REQUIRE(index.apply(AllBlocksCleared{worker}).ok());
  } else if (dice < 81) {
    REQUIRE(index.remove_worker(worker).ok());
    (void)index.sweep(1u << 20);
  } else if (dice < 94) {
    PrefixQuery query(space, 16, 0x5EED, index.options().wide_contents);
    const Halves halves(index, contents);
    REQUIRE(query.extend_contents(halves.lower, halves.upper).ok());
    REQUIRE(index.expect(worker, query, static_cast<std::int64_t>(below(400))).ok());
  } else {
    (void)index.expire(static_cast<std::int64_t>(below(400)), 1 + below(5));
  }
}

/// Depths in all tiers of all prompts of six blocks over two contents, in both namespaces.
std::vector<std::uint32_t> answers(const PrefixIndex& index) {
  std::vector<std::uint32_t> all;
  const std::size_t limit = index.worker_limit();
  std::vector<std::uint32_t> depths(PrefixIndex::kTiers * limit);
  for (std::uint64_t prompt = 0; prompt < 128; ++prompt) {
    PrefixQuery query(1 + prompt / 64, 16, 0x5EED, index.options().wide_contents);
    Hashes contents;
    for (std::uint64_t i = 0; i < 6; ++i) contents.push_back(prompt >> i & 1);
    const Halves halves(index, contents);
    REQUIRE(query.extend_contents(halves.lower, halves.upper).ok());
    index.find_tiers(query, {}, depths);
    all.insert(all.end(), depths.begin(), depths.end());
  }
  return all;
}

void require_same(const PrefixIndexStats& a, const PrefixIndexStats& b) {
  REQUIRE(a.workers == b.workers);
  REQUIRE(a.memberships == b.memberships);
  REQUIRE(a.unique_blocks == b.unique_blocks);
  REQUIRE(a.orphan_blocks == b.orphan_blocks);
  REQUIRE(a.orphans_dropped == b.orphans_dropped);
  REQUIRE(a.unknown_removes == b.unknown_removes);
  REQUIRE(a.rehashed_blocks == b.rehashed_blocks);
  REQUIRE(a.runs == b.runs);
  REQUIRE(a.unswept_blocks == b.unswept_blocks);
  REQUIRE(a.sweeps == b.sweeps);
  REQUIRE(a.unresolved_stores == b.unresolved_stores);
  REQUIRE(a.expected_blocks == b.expected_blocks);
  REQUIRE(a.promoted_blocks == b.promoted_blocks);
  REQUIRE(a.expired_blocks == b.expired_blocks);
  REQUIRE(a.evicted_blocks == b.evicted_blocks);
  REQUIRE(a.copied_blocks == b.copied_blocks);
}

PrefixIndex random_index(std::uint64_t seed, bool shared, int steps, bool wide = false) {
  PrefixIndex index = PrefixIndex::create(options_of(shared, wide)).value();
  std::mt19937_64 random(seed);
  for (int step = 0; step < steps; ++step) act(random(), index);
  return index;
}

/// With the checksum that the bytes should have.
void sign(Bytes& bytes) {
  const std::uint64_t sum = xxh3_64(std::span(bytes).first(bytes.size() - 8), 0);
  for (std::size_t i = 0; i < 8; ++i) bytes[bytes.size() - 8 + i] = static_cast<std::byte>(sum >> 8 * i);
}

std::string hex(const Bytes& bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", std::to_integer<unsigned>(byte));
    text += digits;
  }
  return text;
}

}  // namespace

TEST_CASE("P15 what load() makes of a dump does what the original does, event by event", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(0, 60)));
  const bool shared = GENERATE(false, true);
  const bool wide = seed % 3 == 0;
  std::mt19937_64 random(seed);
  PrefixIndex original = PrefixIndex::create(options_of(shared, wide)).value();
  std::vector<PrefixIndex> copies;
  std::uint64_t waited = 0;
  std::uint64_t guessed = 0;
  for (int step = 0; step < 300; ++step) {
    INFO("seed " << seed << ", shared " << shared << ", step " << step);
    if (step % 60 == 0) {
      const Bytes dump = original.dump();
      waited += original.stats().orphan_blocks;
      guessed += original.stats().expected_blocks;
      Result<PrefixIndex> loaded = PrefixIndex::load(dump, options_of(shared, wide));
      INFO(loaded.status().message());
      REQUIRE(loaded.ok());
      copies.push_back(std::move(*loaded));
      REQUIRE(copies.back().dump() == dump);
    }
    const std::uint64_t what = random();
    act(what, original);
    const std::vector<std::uint32_t> truth = answers(original);
    const Bytes dump = original.dump();
    for (PrefixIndex& copy : copies) {
      act(what, copy);
      require_same(copy.stats(), original.stats());
      REQUIRE(answers(copy) == truth);
      REQUIRE(copy.dump() == dump);
    }
  }
  CHECK(waited > 0);
  CHECK(guessed > 0);
  for (std::uint32_t i = 0; i < kWorkers; ++i) {
    const std::string name = "worker" + std::to_string(i);
    for (PrefixIndex& copy : copies) {
      if (const WorkerId worker = copy.find_worker(name); worker.valid()) REQUIRE(copy.remove_worker(worker).ok());
    }
  }
  for (const PrefixIndex& copy : copies) {
    REQUIRE(copy.stats().memberships == 0);
    REQUIRE(copy.stats().unique_blocks == 0);
    REQUIRE(copy.stats().runs == 0);
    REQUIRE(copy.stats().orphan_blocks == 0);
  }
}

TEST_CASE("a dump leaves removed workers out as if they were swept", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(100, 160)));
  const bool shared = GENERATE(false, true);
  const bool wide = seed % 3 == 0;
  PrefixIndex index = random_index(seed, shared, 120, wide);
  const WorkerId worker = index.add_worker("worker0").value();
  REQUIRE(index.remove_worker(worker).ok());
  const Bytes before = index.dump();
  (void)index.sweep(2);
  CHECK(index.dump() == before);
  REQUIRE(index.sweep(1u << 20) == 0);
  CHECK(index.dump() == before);
  CHECK(PrefixIndex::load(before, options_of(shared, wide))->dump() == before);
}

TEST_CASE("long runs, many workers and many namespaces come back", "[prefix]") {
  const bool shared = GENERATE(false, true);
  const PrefixIndexOptions options{.max_workers = 300, .shared_engine_hashes = shared};
  PrefixIndex index = PrefixIndex::create(options).value();
  Hashes hashes(9000);
  for (std::size_t i = 0; i < hashes.size(); ++i) hashes[i] = i + 1;
  for (std::uint32_t i = 0; i < 300; ++i) {
    const WorkerId worker = index.add_worker("w" + std::to_string(i)).value();
    const std::size_t length = i < 3 ? 9000 : 16 * i;
    const auto some = std::span(hashes).first(length);
    REQUIRE(index.apply(BlockStored{worker, i < 3 ? 0 : i % 7, std::nullopt, some, some, KvTier::kDevice}).ok());
    if (i % 5 == 0) REQUIRE(index.apply(BlockRemoved{worker, some.subspan(7, 3), KvTier::kDevice}).ok());
  }
  for (std::uint32_t i = 20; i < 40; ++i) REQUIRE(index.remove_worker({i}).ok());
  const Bytes dump = index.dump();
  const PrefixIndex copy = PrefixIndex::load(dump, options).value();
  CHECK(copy.dump() == dump);
  CHECK(copy.stats().memberships == index.stats().memberships);
  CHECK(copy.stats().unique_blocks == index.stats().unique_blocks);
  std::vector<std::uint32_t> depths(300);
  std::vector<std::uint32_t> copied(300);
  for (std::uint64_t space = 0; space < 7; ++space) {
    PrefixQuery query(space, 16, 0);
    REQUIRE(query.extend_contents(hashes).ok());
    index.find_by_worker(query, {}, depths);
    copy.find_by_worker(query, {}, copied);
    CHECK(copied == depths);
  }
  CHECK(*std::max_element(depths.begin(), depths.end()) > 4000);
}

TEST_CASE("the bytes of a dump are these", "[prefix]") {
  PrefixIndex index = PrefixIndex::create({.block_tokens = 4, .max_expected_blocks = 8}).value();
  const WorkerId a = index.add_worker("a").value();
  const WorkerId b = index.add_worker("bc").value();
  const Hashes hashes = {0x11, 0x12};
  const Hashes contents = {0xC1, 0xC2};
  REQUIRE(index.apply(BlockStored{a, 7, std::nullopt, hashes, contents, KvTier::kHost}).ok());
  REQUIRE(
      index.apply(BlockStored{b, 7, 0x99, std::span(hashes).first(1), std::span(contents).first(1), KvTier::kDevice})
          .ok());
  PrefixQuery query(7, 4, 0);
  REQUIRE(query.extend_contents(contents).ok());
  REQUIRE(index.expect(b, query, 5).ok());
  const Bytes dump = index.dump();
  // Behind the fingerprint of the seed; the tags of the parents of blocks 0x12 and, waiting, 0x11 are not looked at.
  const std::string text = hex(dump);
  CHECK(text.substr(0, 40) ==
        "6b7468656e6150580100000004000000"
        "00000000");
  std::string rest = text.substr(56);
  const std::string counters(8 * 16, '0');
  const std::string expected =
      "0500000000000000"
      "00000000" +
      counters +
      "02000000"
      "01000000"
      "61"
      "02000000"
      "6263"
      "01000000"
      "00000000"
      "0000"
      "0200"
      "0700000000000000"
      "c100000000000000"
      "c200000000000000"
      "00000000"
      "02000000"
      "1100000000000000"
      "00000000"
      "0000"
      "02"
      "0000"
      "1200000000000000"
      "00000000"
      "0100"
      "02"
      "TTTT"
      "00000000"
      "00000000"
      "00000000"
      "00000000"
      "01000000"
      "00000000"
      "0000"
      "0200"
      "0500000000000000"
      "01000000"
      "01000000"
      "0700000000000000"
      "1100000000000000"
      "9900000000000000"
      "c100000000000000"
      "01"
      "TTTT";
  REQUIRE(rest.size() == expected.size() + 16);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] != 'T') REQUIRE(rest.substr(0, i + 1).back() == expected[i]);
  }
}

TEST_CASE("load() names the option that differs", "[prefix]") {
  PrefixIndexOptions options = options_of(true);
  PrefixIndex index = PrefixIndex::create(options).value();
  const WorkerId a = index.add_worker("a").value();
  REQUIRE(index.add_worker("b").ok());
  const Hashes hashes = {1, 2, 3};
  REQUIRE(index.apply(BlockStored{a, 1, 99, hashes, hashes, KvTier::kDevice}).ok());
  PrefixQuery query(1, 16, options.seed);
  REQUIRE(query.extend_contents(hashes).ok());
  REQUIRE(index.expect(a, query, 0).ok());
  const Bytes dump = index.dump();
  const auto refused = [&dump](const PrefixIndexOptions& other, const std::string& message) {
    const Status status = PrefixIndex::load(dump, other).status();
    CHECK(status.code() == StatusCode::kFailedPrecondition);
    CHECK(status.message() == message);
  };
  PrefixIndexOptions other = options;
  other.block_tokens = 32;
  refused(other, "block_tokens: is 32, in the dump 16");
  other = options;
  other.seed ^= 1;
  refused(other, "seed: is another in the dump");
  other = options;
  other.shared_engine_hashes = false;
  refused(other, "shared_engine_hashes: is false, in the dump true");
  other = options;
  other.count_copies = true;
  refused(other, "count_copies: is true, in the dump false");
  other = options;
  other.wide_contents = true;
  refused(other, "wide_contents: is true, in the dump false");
  other = options;
  other.max_workers = 1;
  refused(other, "max_workers: is 1, in the dump there are 2");
  other = options;
  other.max_orphan_blocks = 2;
  refused(other, "max_orphan_blocks: is 2, in the dump there are 3");
  other = options;
  other.max_expected_blocks = 2;
  refused(other, "max_expected_blocks: is 2, in the dump a worker has 3");
  other = options;
  other.block_tokens = 0;
  CHECK(PrefixIndex::load(dump, other).status().code() == StatusCode::kInvalidArgument);
  other = options;
  other.max_workers = 100;
  other.expected_ttl_ns = 7;
  CHECK(PrefixIndex::load(dump, other).ok());
}

TEST_CASE("a dump that is cut or altered anywhere is refused", "[prefix][hostile]") {
  const bool shared = GENERATE(false, true);
  const Bytes dump = random_index(7, shared, 200).dump();
  REQUIRE(dump.size() > 500);
  for (std::size_t size = 0; size < dump.size(); ++size) {
    const Status status = PrefixIndex::load(std::span(dump).first(size), options_of(shared)).status();
    REQUIRE(status.code() == StatusCode::kInvalidArgument);
    REQUIRE(status.message().rfind("byte ", 0) == 0);
  }
  for (std::size_t at = 0; at < dump.size(); ++at) {
    Bytes altered = dump;
    altered[at] ^= std::byte{1};
    REQUIRE(PrefixIndex::load(altered, options_of(shared)).status().code() == StatusCode::kInvalidArgument);
  }
}

TEST_CASE("bytes with a right checksum are refused, or are the dump of what they make", "[prefix][hostile]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(200, 230)));
  const bool shared = GENERATE(false, true);
  const Bytes dump = random_index(seed, shared, 150).dump();
  std::mt19937_64 random(seed);
  int accepted = 0;
  int refused = 0;
  for (int attempt = 0; attempt < 600; ++attempt) {
    Bytes altered = dump;
    for (std::uint64_t i = 0; i < 1 + random() % 3; ++i) {
      std::byte& byte = altered[36 + random() % (altered.size() - 36)];
      byte = random() % 2 == 0 ? static_cast<std::byte>(random()) : static_cast<std::byte>(random() % 4);
    }
    if (random() % 4 == 0) altered.resize(altered.size() - random() % (altered.size() - 44));
    if (random() % 4 == 0) altered.insert(altered.end(), random() % 40, std::byte{1});
    sign(altered);
    INFO("seed " << seed << ", attempt " << attempt << ", shared " << shared);
    const std::size_t before = test::live_bytes();
    test::forget_most_live_bytes();
    Result<PrefixIndex> loaded = PrefixIndex::load(altered, options_of(shared));
    REQUIRE(test::most_live_bytes() - before < 100000 + 64 * altered.size());
    if (!loaded.ok()) {
      ++refused;
      REQUIRE((loaded.status().code() == StatusCode::kInvalidArgument ||
               loaded.status().code() == StatusCode::kFailedPrecondition));
      continue;
    }
    ++accepted;
    REQUIRE(loaded->dump() == altered);
    for (int i = 0; i < 20; ++i) act(random(), *loaded);
    (void)answers(*loaded);
    REQUIRE(PrefixIndex::load(loaded->dump(), options_of(shared)).ok());
    for (std::uint32_t id = 0; loaded->stats().workers != 0; ++id) {
      if (!loaded->worker_name({id}).empty()) REQUIRE(loaded->remove_worker({id}).ok());
    }
    REQUIRE(loaded->stats().memberships == 0);
    REQUIRE(loaded->stats().orphan_blocks == 0);
    REQUIRE(loaded->stats().expected_blocks == 0);
  }
  CHECK(accepted > 10);
  CHECK(refused > 100);
}

TEST_CASE("faults of a dump are named with their place", "[prefix][hostile]") {
  PrefixIndex index = PrefixIndex::create(options_of(true)).value();
  const WorkerId a = index.add_worker("a").value();
  const WorkerId b = index.add_worker("b").value();
  const Hashes name = {1};
  const Hashes contents = {10, 20};
  REQUIRE(index.apply(BlockStored{a, 1, std::nullopt, name, std::span(contents).first(1), KvTier::kDevice}).ok());
  REQUIRE(index.apply(BlockStored{b, 1, std::nullopt, name, std::span(contents).last(1), KvTier::kDevice}).ok());
  const Bytes dump = index.dump();
  REQUIRE(PrefixIndex::load(dump, options_of(true)).ok());
  const auto fault = [](Bytes bytes) {
    sign(bytes);
    const Status status = PrefixIndex::load(bytes, options_of(true)).status();
    CHECK(status.code() == StatusCode::kInvalidArgument);
    return status.message();
  };
  // From the end: the checksum, the number of orphans, then of b's guesses, and of the names it shares.
  const std::size_t end = dump.size();
  Bytes altered = dump;
  altered[end - 20] = std::byte{1};
  altered.insert(altered.begin() + static_cast<std::ptrdiff_t>(end - 16), 4, std::byte{0});
  CHECK(fault(altered) == "byte " + std::to_string(end - 12) + ": a name that the worker also has for itself");
  altered = dump;
  altered[end - 12] = std::byte{1};
  CHECK(fault(altered) == "byte " + std::to_string(end - 12) + ": more orphans than bytes");
  altered = dump;
  altered.insert(altered.end(), 3, std::byte{0});
  CHECK(fault(altered) == "byte " + std::to_string(end - 8) + ": more bytes than a dump has");
  altered = dump;
  altered[8] = std::byte{2};
  CHECK(fault(altered) == "byte 12: version 2 where 1 is known");
  altered = dump;
  altered[0] = std::byte{'K'};
  CHECK(fault(altered) == "byte 0: is no dump of a prefix index");
  CHECK(PrefixIndex::load({}, options_of(true)).status().message() == "byte 0: is no dump of a prefix index");
  altered = dump;
  altered[end - 1] ^= std::byte{1};
  CHECK(PrefixIndex::load(altered, options_of(true)).status().message() ==
        "byte " + std::to_string(end - 8) + ": the checksum is another one");
}

TEST_CASE("a dump that claims more than it has allocates nothing for it", "[prefix][hostile]") {
  // Counts of 2^32 - 1 at each place where one may stand.
  const bool shared = GENERATE(false, true);
  const Bytes dump = random_index(11, shared, 150).dump();
  for (std::size_t at = 36; at + 12 <= dump.size(); ++at) {
    Bytes altered = dump;
    std::fill_n(altered.begin() + static_cast<std::ptrdiff_t>(at), 4, std::byte{0xFF});
    sign(altered);
    const std::size_t before = test::live_bytes();
    test::forget_most_live_bytes();
    (void)PrefixIndex::load(altered, options_of(shared)).ok();
    REQUIRE(test::most_live_bytes() - before < 100000 + 64 * dump.size());
  }
}

TEST_CASE("P15 the events of each worker, replayed, give equal depths, tiers and orphans", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(300, 380)));
  const bool shared = GENERATE(false, true);
  PrefixIndexOptions options = options_of(shared);
  options.max_orphan_blocks = 1000;
  options.expected_ttl_ns = 1;  // guesses are no part of this
  PrefixIndex original = PrefixIndex::create(options).value();
  std::mt19937_64 random(seed);
  for (int step = 0; step < 150; ++step) act(random(), original);
  (void)original.expire(1000, 1000);
  PrefixIndex replayed = PrefixIndex::create(options).value();
  for (std::uint32_t id = 0; id < original.worker_limit(); ++id) {
    const std::string_view name = original.worker_name({id});
    const WorkerId worker = replayed.add_worker(name.empty() ? "unused" : name).value();
    const Hashes stale = {1, 2, 3};  // goes with the first event
    REQUIRE(replayed.apply(BlockStored{worker, 1, std::nullopt, stale, stale, KvTier::kDevice}).ok());
  }
  // Ids come out the same, so events fit as they are.
  for (std::uint32_t id = 0; id < original.worker_limit(); ++id) {
    if (original.worker_name({id}).empty()) continue;
    REQUIRE(original.dump_events({id}, [&](const KvEvent& event) { REQUIRE(replayed.apply(event).ok()); }).ok());
  }
  if (const WorkerId unused = replayed.find_worker("unused"); unused.valid()) {
    REQUIRE(replayed.remove_worker(unused).ok());
    REQUIRE(replayed.sweep(1u << 20) == 0);
  }
  INFO("seed " << seed << ", shared " << shared);
  REQUIRE(answers(replayed) == answers(original));
  REQUIRE(replayed.stats().memberships == original.stats().memberships);
  REQUIRE(replayed.stats().unique_blocks == original.stats().unique_blocks);
  REQUIRE(replayed.stats().orphan_blocks == original.stats().orphan_blocks);
  REQUIRE(replayed.stats().orphans_dropped == 0);
  REQUIRE(replayed.stats().unresolved_stores == 0);
  REQUIRE(replayed.stats().unknown_removes == 0);

  // And every name means the same: blocks go one by one, and orphans get their parents.
  for (int step = 0; step < 300; ++step) {
    const WorkerId worker{static_cast<std::uint32_t>(random() % original.worker_limit())};
    if (original.worker_name(worker).empty()) continue;
    const std::uint64_t label = random() % 16;
    const auto tier = static_cast<KvTier>(random() % 4);
    const std::uint64_t content = random() % 2;
    const bool root = random() % 4 == 0;
    for (PrefixIndex* index : {&original, &replayed}) {
      if (root) {
        REQUIRE(index->apply(BlockStored{worker, 1, std::nullopt, {&label, 1}, {&content, 1}, tier}).ok());
      } else {
        REQUIRE(index->apply(BlockRemoved{worker, {&label, 1}, tier}).ok());
      }
    }
    INFO("step " << step);
    REQUIRE(answers(replayed) == answers(original));
    REQUIRE(replayed.stats().memberships == original.stats().memberships);
    REQUIRE(replayed.stats().orphan_blocks == original.stats().orphan_blocks);
  }
  const Status status = original.dump_events({99}, [](const KvEvent&) { FAIL("an event of no worker"); });
  CHECK(status.code() == StatusCode::kNotFound);
}
