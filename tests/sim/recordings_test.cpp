// The simulated engine against real ones (tests/vectors/recordings, or the folder that KTHENA_RECORDINGS names): given
// the same requests one after the other, it finds, stores and evicts the same blocks in the same order; given them at
// once, it finds as many.
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "kthena/engine.hpp"
#include "sim/block_chains.hpp"
#include "sim/engine.hpp"
#include "support/recording.hpp"

using namespace kthena;
using nlohmann::json;
using test::Recording;
using test::Tokens;

namespace {

/// One block in one event. `removed` or stored.
struct Change {
  bool removed = false;
  std::uint64_t hash = 0;
};

struct Asked {
  std::string adapter;
  std::string salt;
  Tokens tokens;
  std::uint32_t answer = 0;  // tokens
  bool alone = false;
  std::uint64_t hits = 0;       // tokens, as the engine answered
  std::vector<Change> changes;  // between this request and the next
};

/// What one engine was asked in one phase, and what it did.
struct Phase {
  std::vector<Asked> asked;
  std::uint64_t hits = 0;
  std::uint64_t preemptions = 0;
};

/// Of the requests those that were alone, or those that were not.
Phase phase_of(const Recording& recording, const std::string& name, std::size_t engine, bool alone) {
  const engine::EngineProfile& profile = *engine::find_profile("vllm");
  auto reader = engine::KvReader::create(profile).value();
  Phase phase;
  std::string current;
  std::map<int, std::size_t> places;
  double preemptions_before = 0;
  for (const json& line : recording.lines) {
    if (line.at("kind") == "phase") current = line.at("name");
    if (!line.contains("engine") || line.at("engine") != engine) continue;
    if (line.at("kind") == "metrics" && !line.at("whole").get<bool>()) {
      const EngineSample page = engine::parse_metrics(profile, line.at("text").get<std::string>()).value();
      const double preemptions = page.engine[EngineSignal::kPreemptions];
      if (current == name) phase.preemptions += static_cast<std::uint64_t>(preemptions - preemptions_before);
      preemptions_before = preemptions;
    }
    if (current != name) continue;
    if (line.at("kind") == "request") {
      places[line.at("id")] = phase.asked.size();
      phase.asked.push_back({line.at("adapter"),
                             line.at("salt"),
                             line.at("tokens").get<Tokens>(),
                             line.at("answer_tokens"),
                             false,
                             0,
                             {}});
    } else if (line.at("kind") == "answer") {
      phase.asked[places.at(line.at("id"))].hits = line.at("cached_tokens");
      phase.asked[places.at(line.at("id"))].alone = !line.at("hits").is_null();
    } else if (line.at("kind") == "frames") {
      const test::Message message(line.at("frames"));
      const auto batch = reader.decode(engine::read_kv_message(message.spans).value().payload).value();
      for (const engine::WireEvent& event : batch.events) {
        if (event.kind == engine::WireEvent::Kind::kCleared) continue;  // the phase starts with it
        REQUIRE_FALSE(phase.asked.empty());
        for (const std::uint64_t hash : event.hashes)
          phase.asked.back().changes.push_back({event.kind == engine::WireEvent::Kind::kRemoved, hash});
      }
    }
  }
  std::erase_if(phase.asked, [&](const Asked& asked) { return asked.alone != alone; });
  for (const Asked& asked : phase.asked) phase.hits += asked.hits;
  return phase;
}

/// The prompts without tokens: a segment per block, named by adapter, salt and the block's tokens.
sim::Workload workload_of(const std::vector<Asked>& all, std::uint32_t block_tokens) {
  sim::Workload w;
  w.name = "recorded";
  std::map<std::tuple<std::string, std::string, Tokens>, std::uint32_t> names;
  for (const Asked& asked : all) {
    w.arrival_ns.push_back(0);
    w.prompt_tokens.push_back(static_cast<std::uint32_t>(asked.tokens.size()));
    w.output_tokens.push_back(asked.answer);
    for (std::size_t at = 0; at < asked.tokens.size(); at += block_tokens) {
      const std::size_t end = std::min(asked.tokens.size(), at + block_tokens);
      const auto first = asked.tokens.begin();
      Tokens block(first + static_cast<std::ptrdiff_t>(at), first + static_cast<std::ptrdiff_t>(end));
      const auto number = static_cast<std::uint32_t>(names.size());
      w.segment_ids.push_back(names.emplace(std::tuple(asked.adapter, asked.salt, block), number).first->second);
      w.segment_tokens.push_back(static_cast<std::uint32_t>(block.size()));
    }
    w.segment_offsets.push_back(static_cast<std::uint32_t>(w.segment_ids.size()));
  }
  return w;
}

/// A simulated engine of the recorded one's size, and its requests.
class Simulated {
 public:
  Simulated(const Recording& recording, const std::vector<Asked>& asked) : sequences_(asked.size()) {
    model_.name = "recorded";
    model_.t0_s = 1e-3;
    model_.block_tokens = recording.header.at("block_tokens");
    model_.kv_capacity_tokens = model_.block_tokens * recording.header.at("blocks").get<std::uint64_t>();
    model_.max_batched_tokens = recording.header.at("max_batched_tokens");
    model_.max_running = recording.header.at("max_running");
    const sim::Workload workload = workload_of(asked, model_.block_tokens);
    REQUIRE(sim::check(workload) == Status());
    chains_ = sim::detail::make_block_chains(workload, model_.block_tokens).value();
    table_.resize(chains_.ids.size());
    for (std::size_t i = 0; i < asked.size(); ++i) {
      sequences_[i].chain = chains_.offsets[i];
      sequences_[i].prompt = workload.prompt_tokens[i];
      sequences_[i].output = workload.output_tokens[i];
    }
    engine_.emplace(model_, chains_, sequences_, table_);
    engine_->record_kv_events();
  }

  /// All that has to be done to answer `request` alone. What it changed in the cache.
  std::vector<std::uint32_t> answer(std::uint32_t request) {
    engine_->enqueue(request, now_);
    while (!engine_->empty()) step();
    return std::exchange(engine_->kv_events(), {});
  }

  /// Answers all, `clients` at once. Tokens found.
  std::uint64_t answer_all(std::uint32_t clients) {
    std::uint32_t sent = 0;
    std::uint32_t answered = 0;
    while (answered < sequences_.size()) {
      while (sent < sequences_.size() && sent - answered < clients) engine_->enqueue(sent++, now_);
      answered += step();
    }
    std::uint64_t hits = 0;
    for (const auto& sequence : sequences_) hits += sequence.hit;
    return hits;
  }

  [[nodiscard]] std::uint32_t hit(std::uint32_t request) const { return sequences_[request].hit; }
  [[nodiscard]] const sim::detail::Engine& engine() const { return *engine_; }

 private:
  std::uint32_t step() {
    now_ += engine_->start_step(now_);
    engine_->end_step(now_);
    return static_cast<std::uint32_t>(engine_->finished().size());
  }

  EngineModel model_;
  sim::detail::BlockChains chains_;
  std::vector<sim::detail::Sequence> sequences_;
  std::vector<std::uint32_t> table_;
  std::optional<sim::detail::Engine> engine_;
  Time now_ = 0;
};

double percent_apart(std::uint64_t ours, std::uint64_t theirs) {
  return 100.0 * std::abs(static_cast<double>(ours) / static_cast<double>(theirs) - 1);
}

}  // namespace

TEST_CASE("one after the other: hits, stores and evictions of a real engine, event for event", "[sim][recordings]") {
  const std::vector<Recording> all = test::recordings("vllm");
  REQUIRE_FALSE(all.empty());
  for (const Recording& recording : all) {
    // Phases that start with an empty cache.
    const std::vector<std::pair<std::string, std::size_t>> phases = {
        {"sequential", 0}, {"sequential", 1}, {"copies", 0}};
    for (const auto& [name, e] : phases) {
      INFO(recording.name << ", engine " << e << ", " << name);
      const Phase phase = phase_of(recording, name, e, true);
      Simulated simulated(recording, phase.asked);
      // One of their names for one of ours.
      std::map<std::uint64_t, std::uint32_t> ours;
      std::map<std::uint32_t, std::uint64_t> theirs;
      std::size_t stores = 0;
      std::size_t evictions = 0;
      std::size_t hits = 0;
      for (std::uint32_t i = 0; i < phase.asked.size(); ++i) {
        INFO("request " << i);
        const std::vector<std::uint32_t> changes = simulated.answer(i);
        REQUIRE(simulated.hit(i) == phase.asked[i].hits);
        hits += simulated.hit(i) > 0 ? 1 : 0;
        REQUIRE(changes.size() == phase.asked[i].changes.size());
        for (std::size_t k = 0; k < changes.size(); ++k) {
          INFO("event " << k);
          const Change& change = phase.asked[i].changes[k];
          const std::uint32_t block = changes[k] & ~sim::detail::Engine::kRemoved;
          REQUIRE(((changes[k] & sim::detail::Engine::kRemoved) != 0) == change.removed);
          REQUIRE(ours.emplace(change.hash, block).first->second == block);
          REQUIRE(theirs.emplace(block, change.hash).first->second == change.hash);
          ++(change.removed ? evictions : stores);
        }
        REQUIRE(simulated.engine().cache().fault() == "");
      }
      CHECK(stores > (name == "copies" ? 30 : 60));
      CHECK(evictions >= (name == "copies" ? 1 : 30));
      CHECK(hits >= (name == "copies" ? 2 : 10));
    }
  }
}

TEST_CASE("many at once: hit tokens of a real engine within 5 %", "[sim][recordings]") {
  for (const Recording& recording : test::recordings("vllm")) {
    for (const std::string name : {"concurrency", "preemption"}) {
      for (std::size_t e = 0; e < 2; ++e) {
        const Phase phase = phase_of(recording, name, e, false);
        Simulated simulated(recording, phase.asked);
        const auto all = static_cast<std::uint32_t>(phase.asked.size());
        const std::uint64_t hits =
            simulated.answer_all(name == "preemption" ? all : recording.header.at("clients").get<std::uint32_t>());
        INFO(recording.name << ", engine " << e << ", " << name << ": " << hits << " tokens, recorded " << phase.hits
                            << "; preemptions " << simulated.engine().counters().preemptions << ", recorded "
                            << phase.preemptions);
        CHECK(phase.hits > 0);
        CHECK(percent_apart(hits, phase.hits) <= 5);
        if (name != "preemption") continue;
        CHECK(simulated.engine().counters().preemptions > 0);
        CHECK(phase.preemptions > 0);
      }
    }
  }
}
