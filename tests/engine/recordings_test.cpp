// What real vLLM engines said (tests/vectors/recordings, or the folder that KTHENA_RECORDINGS names), fed into one
// index: before every request the index's depth is what the engine then finds in its own cache, as its counters say.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "kthena/engine.hpp"
#include "kthena/prefix.hpp"
#include "support/recording.hpp"

using namespace kthena;
using namespace kthena::engine;
using nlohmann::json;
using test::CacheOracle;
using test::Message;
using test::Recording;
using test::Tokens;

namespace {

constexpr std::uint64_t kSeed = 0x5EED;

struct Asked {
  std::string adapter;
  std::string salt;
  Tokens tokens;
};

/// One recording on its way into one index.
class Replay {
 public:
  Replay(const Recording& recording, bool shared_engine_hashes)
      : recording_(recording),
        profile_(*find_profile(recording.header.at("profile").get<std::string>())),
        model_(recording.header.at("model")),
        block_(recording.header.at("block_tokens")),
        index_(prefix::PrefixIndex::create({.block_tokens = block_,
                                            .seed = kSeed,
                                            .shared_engine_hashes = shared_engine_hashes,
                                            .count_copies = true})
                   .value()) {
    for (std::size_t i = 0; i < recording.header.at("hash_seeds").size(); ++i) {
      engines_.push_back(Engine{index_.add_worker("engine-" + std::to_string(i)).value()});
      const KvReadOptions read{.worker = engines_[i].worker, .model = model_, .block_tokens = block_, .seed = kSeed};
      engines_[i].stream.emplace(KvStream::create(profile_, read).value());
      engines_[i].decoder.emplace(KvReader::create(profile_, read).value());
    }
  }

  void run() {
    for (at_ = 0; at_ < recording_.lines.size(); ++at_) {
      const json& line = recording_.lines[at_];
      INFO(recording_.name << ", line " << at_ + 2 << ", phase " << phase_);
      take(line, line.at("kind"));
    }
    for (const Engine& e : engines_) {
      CHECK(e.stream->state() == KvStreamState::kLive);
      CHECK(e.stream->totals().malformed == 0);
      CHECK(e.stream->totals().lost == 0);
      CHECK(e.stream->totals().restarts == 0);
    }
    CHECK(counts_.unknown_events + counts_.unknown_fields + counts_.unknown_media == 0);
    CHECK(counts_.other_groups + counts_.unmapped + counts_.over_limits + counts_.refused == 0);
    CHECK(index_.stats().orphan_blocks == 0);
  }

  struct Engine {
    WorkerId worker;
    std::optional<KvStream> stream = {};
    std::optional<KvReader> decoder = {};
    CacheOracle oracle = {};
    std::uint64_t next = 0;  // sequence number that the oracle waits for
    bool reset_untold = false;
    // Since the last page with all requests answered.
    double hits = 0;
    double queries = 0;
    std::optional<EngineSample> page = {};
  };

  [[nodiscard]] const std::vector<Engine>& engines() const { return engines_; }
  /// Phase -> number.
  [[nodiscard]] std::map<std::string, int>& compared() { return compared_; }
  [[nodiscard]] std::map<std::string, int>& found() { return found_; }
  [[nodiscard]] int copied() const { return copied_; }
  [[nodiscard]] std::map<std::string, double>& preemptions() { return preemptions_; }
  [[nodiscard]] int clears() const { return clears_; }
  [[nodiscard]] std::uint64_t busy_pages() const { return busy_pages_; }

 private:
  void take(const json& line, const std::string& kind) {
    if (kind == "phase") {
      phase_ = line.at("name");
      return;
    }
    Engine& e = engines_.at(line.at("engine").get<std::size_t>());
    if (kind == "request") {
      asked_[line.at("id")] = {line.at("adapter"), line.at("salt"), line.at("tokens").get<Tokens>()};
      request(e, asked_[line.at("id")]);
    } else if (kind == "answer") {
      answer(e, line);
    } else if (kind == "frames") {
      feed(e, Message(line.at("frames")), false);
    } else if (kind == "reset") {
      e.reset_untold = true;
    } else if (kind == "metrics") {
      metrics(e, line.at("text"), line.at("whole"));
    } else if (kind == "replay") {
      FAIL("a replay that the stream did not ask for");
    } else {
      REQUIRE((kind == "away" || kind == "back"));
    }
  }

  [[nodiscard]] std::uint32_t depth(const Engine& e, const Asked& asked) const {
    prefix::PrefixQuery query =
        index_.make_query({.model = model_, .adapter = asked.adapter, .tenant = asked.salt, .block_tokens = block_});
    query.extend_tokens(asked.tokens);
    std::uint32_t depth = 0;
    index_.find(query, std::span(&e.worker, 1), std::span(&depth, 1));
    return depth;
  }

  // What the index says must be what the engines hold, whoever is asked.
  void request(const Engine& asked_engine, const Asked& asked) {
    for (const Engine& e : engines_) {
      if (e.stream->state() == KvStreamState::kCatchingUp || e.reset_untold) continue;
      const CacheOracle::Depth truth = e.oracle.depth(asked.adapter, asked.salt, asked.tokens, block_);
      const std::uint32_t depth = this->depth(e, asked);
      CHECK(depth == truth.blocks);
      copied_ += truth.copied;
    }
    const auto whole = static_cast<std::uint32_t>((asked.tokens.size() - 1) / block_);
    const CacheOracle::Depth truth = asked_engine.oracle.depth(asked.adapter, asked.salt, asked.tokens, block_);
    expected_hits_ = asked_engine.reset_untold ? 0 : std::min(truth.blocks, whole) * block_;
  }

  void answer(Engine& e, const json& line) {
    const Asked& asked = asked_.at(line.at("id"));
    CHECK(line.at("prompt_tokens") == asked.tokens.size());
    e.hits += line.at("cached_tokens").get<double>();
    e.queries += line.at("prompt_tokens").get<double>();
    if (line.at("hits").is_null()) return;  // it was not alone
    CHECK(line.at("hits") == expected_hits_);
    CHECK(line.at("cached_tokens") == expected_hits_);
    CHECK(line.at("queries") == asked.tokens.size());
    ++compared_[phase_];
    found_[phase_] += expected_hits_ > 0 ? 1 : 0;
  }

  void feed(Engine& e, const Message& message, bool replayed) {
    const KvMessage read = read_kv_message(message.spans).value();
    follow(e, read);
    const auto sink = [&](const KvEvent& event) {
      Status status = index_.apply(event);
      if (std::holds_alternative<AllBlocksCleared>(event)) {
        ++clears_;
        for (const auto& [id, asked] : asked_) CHECK(depth(e, asked) == 0);
      }
      return status;
    };
    const KvStep step = (replayed ? e.stream->feed_replay(read.sequence, read.payload, sink)
                                  : e.stream->feed(read.sequence, read.payload, sink))
                            .value();
    counts_ += step.counts;
    CHECK_FALSE(step.cleared);  // by an event of the engine only
    if (!step.replay) return;
    CHECK(e.stream->state() == KvStreamState::kCatchingUp);
    // More live batches may have come before the subscriber asked.
    while (recording_.lines.at(at_ + 1).at("kind") == "frames")
      feed(e, Message(recording_.lines[++at_].at("frames")), false);
    const json& replay = recording_.lines.at(++at_);
    REQUIRE(replay.at("kind") == "replay");
    CHECK(replay.at("first") == step.replay->from);
    for (const json& frames : replay.at("answers")) feed(e, Message(frames), true);
    CHECK(e.stream->state() == KvStreamState::kLive);
  }

  // The oracle takes every batch once and in order, whichever way it came.
  void follow(Engine& e, const KvMessage& read) {
    if (read.sequence != e.next) return;
    ++e.next;
    e.reset_untold = false;
    e.oracle.apply(e.decoder->decode(read.payload).value());
  }

  void metrics(Engine& e, const std::string& text, bool busy) {
    EngineSample page = parse_metrics(profile_, text).value();
    if (busy) {
      ++busy_pages_;
      CHECK(page.engine[EngineSignal::kRunning] >= 2);
      CHECK(page.engine[EngineSignal::kKvUsage] > 0);
      CHECK(page.engine[EngineSignal::kBlockTokens] == block_);
      CHECK(page.engine[EngineSignal::kKvTotalBlocks] == recording_.header.at("blocks").get<double>() + 1);
      for (std::size_t i = 0; i < kEngineLatencyCount; ++i) CHECK(page.engine.has[i]);
      CHECK(page.adapters.reported);
      CHECK(page.adapters.maximum == 1);
      CHECK(page.models == std::vector<std::string>{model_});
      return;
    }
    CHECK(page.engine[EngineSignal::kRunning] == 0);
    CHECK(page.engine[EngineSignal::kWaiting] == 0);
    if (e.page) {
      const EngineInterval grown = interval(*e.page, page);
      CHECK_FALSE(grown.restarted);
      CHECK(grown[EngineSignal::kPrefixHits] == e.hits);
      CHECK(grown[EngineSignal::kPrefixQueries] == e.queries);
      CHECK(grown[EngineSignal::kPromptTokens] == e.queries);
      preemptions_[phase_] += grown[EngineSignal::kPreemptions];
    }
    e.hits = e.queries = 0;
    e.page = std::move(page);
  }

  const Recording& recording_;
  const EngineProfile& profile_;
  std::string model_;
  std::uint32_t block_;
  prefix::PrefixIndex index_;
  std::vector<Engine> engines_;
  std::map<int, Asked> asked_;
  std::size_t at_ = 0;
  std::string phase_;
  std::uint32_t expected_hits_ = 0;
  KvCounts counts_;
  std::map<std::string, int> compared_;
  std::map<std::string, int> found_;
  int copied_ = 0;  // comparisons that depend on copies
  std::map<std::string, double> preemptions_;
  int clears_ = 0;
  std::uint64_t busy_pages_ = 0;
};

}  // namespace

TEST_CASE("the index knows what real engines find in their caches", "[engine][recordings]") {
  const std::vector<Recording> all = test::recordings("vllm");
  std::set<std::string> runs;
  for (const Recording& recording : all) {
    runs.insert(recording.header.at("run"));
    for (const bool shared : {false, true}) {
      INFO(recording.name << (shared ? ", one table of engine hashes" : ""));
      Replay replay(recording, shared);
      replay.run();
      for (const char* phase : {"sequential", "conversation", "copies", "after_reset", "gap", "concurrency"}) {
        INFO(phase);
        CHECK(replay.compared()[phase] > 0);
        CHECK(replay.found()[phase] > 0);
      }
      CHECK(replay.clears() > 0);
      CHECK(replay.busy_pages() == 1);
      CHECK(replay.preemptions()["preemption"] > 0);
      CHECK(replay.engines()[0].stream->totals().gaps == 1);
      CHECK(replay.engines()[1].stream->totals().gaps == 0);
      // A block that vLLM holds twice is stored twice, and removed twice: docs/engine.md.
      CHECK(replay.copied() > 0);
    }
  }
  CHECK(runs == std::set<std::string>{"different-seeds", "equal-seeds"});
}

TEST_CASE("hash seeds decide whether two engines mean a block by the same hash", "[engine][recordings]") {
  for (const Recording& recording : test::recordings("vllm")) {
    INFO(recording.name);
    Replay replay(recording, false);
    replay.run();
    const auto& ours = replay.engines()[0].oracle.hashes();
    const auto& theirs = replay.engines()[1].oracle.hashes();
    const bool equal = recording.header.at("hash_seeds")[0] == recording.header.at("hash_seeds")[1];
    int common = 0;
    for (const auto& [name, hash] : ours) {
      const auto other = theirs.find(name);
      if (other == theirs.end()) continue;
      ++common;
      CHECK((other->second == hash) == equal);
    }
    CHECK(common > 20);
  }
}

TEST_CASE("llm-d-inference-sim: arrays, numbers from 1, the parent 0, other names", "[engine][recordings]") {
  std::ifstream file(std::string(KTHENA_SOURCE_DIR) + "/tests/vectors/recordings/llmd-sim-documented.jsonl");
  REQUIRE(file);
  std::vector<json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(json::parse(line));
  const json& header = lines.at(0);
  const EngineProfile& profile = *find_profile(header.at("profile").get<std::string>());
  const std::uint32_t block = header.at("block_tokens");
  const std::string model = header.at("model");
  auto index = prefix::PrefixIndex::create({.block_tokens = block, .seed = kSeed}).value();
  const WorkerId worker = index.add_worker("sim").value();
  auto stream =
      KvStream::create(profile, {.worker = worker, .model = model, .block_tokens = block, .seed = kSeed}).value();
  int depths = 0;
  int batches = 0;
  int pages = 0;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    INFO("line " << i + 1);
    const json& line = lines[i];
    if (line.at("kind") == "depth") {
      prefix::PrefixQuery query = index.make_query({.model = model, .block_tokens = block});
      query.extend_tokens(line.at("tokens").get<Tokens>());
      std::uint32_t depth = 99;
      index.find(query, std::span(&worker, 1), std::span(&depth, 1));
      CHECK(depth == line.at("blocks"));
      ++depths;
    } else if (line.at("kind") == "frames") {
      const Message message(line.at("frames"));
      const KvMessage read = read_kv_message(message.spans).value();
      const KvStep step = stream.feed(read.sequence, read.payload, index).value();
      CHECK(step.applied);
      CHECK_FALSE(step.replay);
      ++batches;
    } else {
      const EngineSample page = parse_metrics(profile, line.at("text").get<std::string>()).value();
      CHECK(page.engine[EngineSignal::kPrefixHits] == 32);
      CHECK(page.engine[EngineSignal::kPrefixQueries] == 98);
      CHECK(page.engine[EngineSignal::kRunning] == 2);
      CHECK(page.engine[EngineSignal::kKvTotalBlocks] == 1024);
      CHECK(page.engine[EngineSignal::kBlockTokens] == block);
      ++pages;
    }
  }
  CHECK(depths == 5);
  CHECK(batches == 3);
  CHECK(pages == 1);
}
