// KvSequence and KvStream: gaps, replays, restarts. P5 of the index's property tests.
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"
#include "engine/msgpack_writer.hpp"
#include "engine/recorder.hpp"
#include "kthena/engine.hpp"
#include "kthena/prefix.hpp"

using namespace kthena;
using namespace kthena::engine;
using kthena::test::MsgpackWriter;
using kthena::test::Recorder;
using kthena::test::Told;

namespace {

using Hashes = std::vector<std::uint64_t>;
using Tokens = std::vector<std::uint32_t>;
using Bytes = std::vector<std::byte>;

const EngineProfile& vllm() { return *find_profile("vllm"); }

bool same(const KvVerdict& verdict, bool clear, bool apply, std::optional<ReplayRequest> replay = {}) {
  return verdict.clear == clear && verdict.apply == apply && verdict.replay == replay;
}

}  // namespace

TEST_CASE("in order, again, and with a gap", "[engine]") {
  KvSequence s;
  CHECK(s.state() == KvStreamState::kWaiting);
  CHECK(same(s.live(0, 10), false, true));
  CHECK(s.state() == KvStreamState::kLive);
  CHECK(same(s.live(1, 11), false, true));
  CHECK(same(s.live(1, 11), false, false));
  CHECK(s.totals().duplicates == 1);
  CHECK(same(s.live(4, 14), false, false, ReplayRequest{2, 4}));
  CHECK(s.state() == KvStreamState::kCatchingUp);
  CHECK(same(s.live(5, 15), false, false));
  CHECK(same(s.replayed(2, 12), false, true));
  CHECK(same(s.replayed(3, 13), false, true));
  CHECK(same(s.replayed(4, 14), false, true));
  CHECK(s.state() == KvStreamState::kCatchingUp);
  CHECK(same(s.replayed(5, 15), false, true));
  CHECK(s.state() == KvStreamState::kLive);
  CHECK(same(s.replay_ended(), false, false));
  CHECK(same(s.live(6, 16), false, true));
  CHECK(s.next() == 7);
  CHECK(s.totals() == KvStreamTotals{.applied = 7, .duplicates = 1, .held_back = 2, .gaps = 1});
}

TEST_CASE("a replay that brought a part is asked for again, one that brought nothing is given up", "[engine]") {
  KvSequence s;
  CHECK(same(s.live(0, 10), false, true));
  CHECK(same(s.live(3, 13), false, false, ReplayRequest{1, 3}));
  CHECK(same(s.live(4, 14), false, false));
  CHECK(same(s.replayed(1, 11), false, true));
  CHECK(same(s.replay_ended(), false, false, ReplayRequest{2, 4}));
  CHECK(same(s.replay_ended(), true, false));
  CHECK(s.state() == KvStreamState::kLive);
  CHECK(same(s.live(5, 15), false, true));
  CHECK(s.totals().lost == 1);
}

TEST_CASE("a replay that starts too late clears and goes on", "[engine]") {
  KvSequence s;
  CHECK(same(s.live(0, 10), false, true));
  CHECK(same(s.live(9, 19), false, false, ReplayRequest{1, 9}));
  CHECK(same(s.replayed(7, 17), true, true));
  CHECK(same(s.replayed(8, 18), false, true));
  CHECK(same(s.replayed(9, 19), false, true));
  CHECK(s.state() == KvStreamState::kLive);
  CHECK(s.totals().lost == 1);
}

TEST_CASE("no replay: a gap clears at once", "[engine]") {
  KvSequence s(0, false);
  CHECK(same(s.live(0, 10), false, true));
  CHECK(same(s.live(2, 12), true, true));
  CHECK(same(s.live(3, 13), false, true));
  KvSequence failed;
  CHECK(same(failed.live(0, 10), false, true));
  CHECK(same(failed.replay_failed(), false, false));
  CHECK(same(failed.live(2, 12), false, false, ReplayRequest{1, 2}));
  CHECK(same(failed.replay_failed(), true, false));
  CHECK(same(failed.live(3, 13), false, true));
}

TEST_CASE("the first batch seen is not the first that was sent", "[engine]") {
  KvSequence s;
  CHECK(same(s.live(2, 12), false, false, ReplayRequest{0, 2}));
  CHECK(same(s.replayed(0, 10), false, true));
  KvSequence from_one(1);
  CHECK(same(from_one.live(1, 11), false, true));
  KvSequence from_one_late(1);
  CHECK(same(from_one_late.live(2, 12), false, false, ReplayRequest{1, 2}));
}

TEST_CASE("a restart is a number seen before with a later time", "[engine]") {
  KvSequence s;
  for (std::uint64_t i = 0; i < 5; ++i) CHECK(same(s.live(i, 10 + static_cast<double>(i)), false, true));
  SECTION("from its first batch on") {
    CHECK(same(s.live(0, 20), true, true));
    CHECK(s.totals().restarts == 1);
    CHECK(same(s.live(1, 21), false, true));
  }
  SECTION("its first batches were lost") {
    CHECK(same(s.live(3, 20), true, false, ReplayRequest{0, 3}));
    CHECK(same(s.replayed(0, 18), false, true));
  }
  SECTION("its first batches were lost, and no replay") {
    KvSequence none(0, false);
    for (std::uint64_t i = 0; i < 5; ++i) CHECK(same(none.live(i, 10 + static_cast<double>(i)), false, true));
    CHECK(same(none.live(3, 20), true, true));
    CHECK(none.next() == 4);
  }
  SECTION("old batches that were kept in a queue are copies") {
    for (std::uint64_t i = 1; i < 5; ++i) CHECK(same(s.live(i, 10 + static_cast<double>(i)), false, false));
    CHECK(s.totals().duplicates == 4);
    CHECK(same(s.live(5, 15), false, true));
  }
  SECTION("while a gap is open") {
    CHECK(same(s.live(9, 19), false, false, ReplayRequest{5, 9}));
    CHECK(same(s.live(0, 20), true, true));
    CHECK(s.state() == KvStreamState::kLive);
  }
  SECTION("the one that answers the replay is the new one") {
    CHECK(same(s.live(9, 19), false, false, ReplayRequest{5, 9}));
    CHECK(same(s.replayed(0, 30), true, true));
    CHECK(same(s.replayed(1, 31), false, true));
  }
}

TEST_CASE("without times a live number that falls is a restart", "[engine]") {
  KvSequence s;
  for (std::uint64_t i = 0; i < 3; ++i) CHECK(same(s.live(i, 0), false, true));
  CHECK(same(s.live(5, 0), false, false, ReplayRequest{3, 5}));
  for (std::uint64_t i = 3; i < 8; ++i) CHECK(same(s.replayed(i, 0), false, true));
  CHECK(same(s.live(6, 0), false, false));  // the replay was faster
  CHECK(same(s.live(7, 0), false, false));
  CHECK(same(s.live(0, 0), true, true));
}

TEST_CASE("messages of the transport", "[engine]") {
  const auto bytes = [](std::initializer_list<int> values) {
    Bytes out;
    for (const int value : values) out.push_back(static_cast<std::byte>(value));
    return out;
  };
  const Bytes topic = bytes({'k', 'v'}), none, seven = bytes({0, 0, 0, 0, 0, 0, 1, 7}), end(8, std::byte{0xFF}),
              payload = bytes({1, 2});
  using Frames = std::vector<std::span<const std::byte>>;
  const auto read = [](const Frames& frames) { return read_kv_message(frames); };
  CHECK(read({topic, seven, payload})->topic == "kv");
  CHECK(read({topic, seven, payload})->sequence == 263);
  CHECK(read({topic, seven, payload})->payload.size() == 2);
  CHECK(read({seven, payload})->sequence == 263);
  CHECK(read({none, seven, payload})->topic.empty());
  CHECK(read({none, topic, seven, payload})->topic == "kv");
  CHECK(read({none, none, end, none})->sequence == kReplayEnd);
  CHECK(read({none, end, none})->sequence == kReplayEnd);
  CHECK(read({payload}).status().message() == "frames: 1 where at least 2 are needed");
  CHECK(read({topic, payload, payload}).status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("a stream tells the index", "[engine]") {
  KvReadOptions options;
  options.worker = WorkerId{4};
  options.block_tokens = 1;
  KvStream stream = KvStream::create(vllm(), options, {.replay = true, .rank = 0}).value();
  Recorder sink;
  const auto store = [](std::uint64_t hash, double time) {
    return MsgpackWriter().batch(1, time).stored(Hashes{hash}, std::nullopt, Tokens{9}, 1).bytes();
  };
  KvStep step = stream.feed(0, store(1, 10), sink).value();
  CHECK(step.applied);
  CHECK(step.counts.stored_blocks == 1);
  step = stream.feed(3, store(4, 13), sink).value();
  CHECK_FALSE(step.applied);
  CHECK(step.replay == ReplayRequest{1, 3});
  CHECK(stream.state() == KvStreamState::kCatchingUp);
  step = stream.feed_replay(2, store(3, 12), sink).value();
  CHECK(step.cleared);
  CHECK(step.applied);
  REQUIRE(sink.events.size() == 3);
  CHECK(sink.events[1].kind == Told::kCleared);
  CHECK(sink.events[1].worker == 4);
  CHECK(sink.events[2].hashes == Hashes{3});
  CHECK(stream.feed_replay(3, store(4, 13), sink)->applied);
  CHECK_FALSE(stream.feed_replay(kReplayEnd, {}, sink)->replay.has_value());

  // Refused: nothing is applied, nothing moves on.
  const std::size_t told = sink.events.size();
  CHECK_FALSE(stream.feed(4, Bytes{std::byte{0x92}}, sink).ok());
  CHECK_FALSE(stream.feed(kReplayEnd, store(5, 14), sink).ok());
  MsgpackWriter other_rank;
  other_rank.array(3).number(14).array(0).count(1);
  CHECK(stream.feed(4, other_rank.bytes(), sink).status().message() == "data_parallel_rank: 1 in the stream of rank 0");
  CHECK(sink.events.size() == told);
  CHECK(stream.next_sequence() == 4);
  CHECK(stream.totals().malformed == 1);
  CHECK(stream.feed(5, store(6, 15), sink)->replay == ReplayRequest{4, 5});
  KvStream copy = stream;
  CHECK(stream.replay_failed(sink).cleared);
  CHECK(stream.state() == KvStreamState::kLive);
  CHECK(copy.state() == KvStreamState::kCatchingUp);
}

namespace {

/// An engine that publishes what it stores and evicts: an LRU of blocks over prompts of a small alphabet.
class Publisher {
 public:
  explicit Publisher(std::uint64_t seed) : random_(seed) {}

  /// The payload of one step; its number is batches.size() - 1.
  void step(double time) {
    MsgpackWriter batch;
    std::vector<std::pair<bool, Tokens>> events;  // stored?, prefix
    Tokens prompt;
    for (std::size_t n = 1 + random_() % 6; n > 0; --n) prompt.push_back(static_cast<std::uint32_t>(random_() % 2));
    if (random_() % 40 == 0) {
      batch.batch(1, time).cleared();
      held.clear();
      batches.push_back(batch.bytes());
      return;
    }
    while (held.size() > 12) {
      auto it = held.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(random_() % held.size()));
      events.emplace_back(false, it->first);
      held.erase(it);
    }
    for (std::size_t end = 1; end <= prompt.size(); ++end) {
      const Tokens prefix(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(end));
      if (held.emplace(prefix, label(prefix)).second) events.emplace_back(true, prefix);
    }
    batch.batch(events.size(), time);
    for (const auto& [stored, prefix] : events) {
      const std::uint64_t hash = label(prefix);
      if (!stored) {
        batch.removed(Hashes{hash});
        continue;
      }
      std::optional<std::uint64_t> parent;
      if (prefix.size() > 1) parent = label(Tokens(prefix.begin(), prefix.end() - 1));
      batch.stored(Hashes{hash}, parent, Tokens{prefix.back()}, 1);
    }
    batches.push_back(batch.bytes());
  }
  void restart() {
    held.clear();
    batches.clear();
  }

  std::vector<Bytes> batches;
  std::map<Tokens, std::uint64_t> held;

 private:
  std::uint64_t label(const Tokens& prefix) {
    std::uint64_t hash = 1;
    for (const std::uint32_t token : prefix) hash = hash * 2 + token;
    return hash;
  }
  std::mt19937_64 random_;
};

struct Host {
  Host() : index(prefix::PrefixIndex::create({.block_tokens = 1}).value()) {
    options.block_tokens = 1;
    options.worker = index.add_worker("w").value();
  }
  std::uint32_t depth(const Tokens& prompt) const {
    prefix::PrefixQuery query = index.make_query({.model = {}, .adapter = {}, .tenant = {}, .block_tokens = 1});
    query.extend_tokens(prompt);
    std::uint32_t found = 0;
    index.find(query, std::span(&options.worker, 1), std::span(&found, 1));
    return found;
  }
  prefix::PrefixIndex index;
  KvReadOptions options;
};

std::uint32_t true_depth(const Publisher& publisher, const Tokens& prompt) {
  std::uint32_t depth = 0;
  while (depth < prompt.size() && publisher.held.contains(Tokens(prompt.begin(), prompt.begin() + depth + 1))) ++depth;
  return depth;
}

}  // namespace

TEST_CASE("P5 lost, repeated and replayed batches: never more than the truth, and the truth when it is quiet",
          "[engine][property]") {
  const auto seed = GENERATE(range(std::uint64_t{0}, std::uint64_t{60}));
  INFO("seed " << seed);
  std::mt19937_64 random(seed * 7919 + 1);
  Publisher publisher(seed);
  Host host;
  KvStream stream = KvStream::create(vllm(), host.options).value();
  const std::size_t buffer = 1 + random() % 30;  // batches that the publisher keeps for replays
  double time = 1000;
  const auto replay = [&](ReplayRequest request) {
    for (int rounds = 0;; ++rounds) {
      REQUIRE(rounds < 100);
      const std::size_t kept = publisher.batches.size() - std::min(buffer, publisher.batches.size());
      std::optional<ReplayRequest> again;
      std::size_t end = publisher.batches.size();
      if (random() % 5 == 0 && end > 0) end -= random() % std::min<std::size_t>(end, 2);  // the answer breaks off
      for (std::size_t i = std::max<std::size_t>(request.from, kept); i < end; ++i) {
        const KvStep step = stream.feed_replay(i, publisher.batches[i], host.index).value();
        REQUIRE(step.counts.refused == 0);
        if (step.replay) again = step.replay;
        // What the publisher still keeps brings everything; a lost part leaves a subset.
      }
      const KvStep step = stream.feed_replay(kReplayEnd, {}, host.index).value();
      if (step.replay) again = step.replay;
      if (!again) return;
      request = *again;
    }
  };
  bool lossless = true;  // nothing was lost for good since the worker was last empty
  for (int i = 0; i < 250; ++i) {
    if (random() % 100 == 0) publisher.restart();
    publisher.step(time += 1);
    if (random() % 6 == 0) continue;  // lost on the way
    const std::uint64_t number = publisher.batches.size() - 1;
    std::optional<ReplayRequest> request;
    if (random() % 8 == 0 && number > 0) {  // an old one comes again
      const std::uint64_t old = number - 1 - random() % std::min<std::uint64_t>(number, 3);
      if (old < stream.next_sequence()) request = stream.feed(old, publisher.batches[old], host.index)->replay;
    }
    const KvStep step = stream.feed(number, publisher.batches[number], host.index).value();
    if (step.replay) request = step.replay;
    if (request) {
      if (random() % 10 == 0) {
        const KvStep given_up = stream.replay_failed(host.index);
        CHECK(given_up.cleared);
      } else {
        replay(*request);
      }
    }
    lossless = stream.totals().lost == 0;
    if (stream.next_sequence() != publisher.batches.size()) continue;  // behind: says so or will see it
    for (int k = 0; k < 12; ++k) {
      Tokens prompt;
      for (std::size_t n = 1 + random() % 6; n > 0; --n) prompt.push_back(static_cast<std::uint32_t>(random() % 2));
      const std::uint32_t truth = true_depth(publisher, prompt);
      const std::uint32_t found = host.depth(prompt);
      REQUIRE(found <= truth);
      if (lossless) REQUIRE(found == truth);
    }
  }
  CHECK(stream.totals().gaps > 0);
}
