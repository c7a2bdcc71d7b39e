// Properties of PrefixIndex beside SetOracle, over hundreds of seeds. A failure prints the seed and the operations so far.
#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"
#include "fleet.hpp"

using namespace kthena;
using namespace kthena::test;

namespace {

/// Applies all operations; after each one, compares queries at random prompts, and at the end at all of them.
void require_exact(std::uint64_t seed, const ScenarioOptions& options) {
  const Scenario scenario = random_scenario(seed, options);
  const bool shared = GENERATE(false, true);
  CAPTURE(shared);
  Fleet fleet({.shared_engine_hashes = shared, .wide_contents = options.wide});
  std::mt19937_64 random(seed + 1);
  std::string history;
  const auto compare = [&](const TokenPrefix& prompt) {
    INFO("seed " << seed << ", query " << prompt.space << " of " << block_count(prompt) << " blocks, after" << history);
    const auto depths = fleet.find(prompt, random());
    REQUIRE(depths == fleet.truth(prompt));
    if (options.tiers > 1) fleet.require_tiers_exact(prompt);
  };
  for (const Operation& operation : scenario.operations) {
    history += "\n  " + operation.text();
    {
      INFO("seed " << seed << ", at" << history);
      fleet.apply(operation);
      fleet.require_balanced();
    }
    compare(scenario.prompts[below(random, scenario.prompts.size())]);
    compare(random_prompt(random, options, scenario.prompts));
  }
  for (const TokenPrefix& prompt : scenario.prompts) compare(prompt);
  INFO("seed " << seed << ", after all of" << history);
  fleet.require_returns_to_base();
}

}  // namespace

TEST_CASE("P1 find equals the oracle under any order of stores and removals", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(0, 200)));
  require_exact(seed, {.workers = 1 + seed % 9, .alphabet = 2 + seed % 3, .depth = 2 + seed % 39});
}

TEST_CASE("P1 find equals the oracle when a block lies in several tiers", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1000, 1100)));
  require_exact(seed, {.workers = 3, .alphabet = 2, .depth = 12, .prompts = 6, .tiers = 4});
}

TEST_CASE("P16 find and find_tiers equal the oracle when some stores come without tokens", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(10000, 10150)));
  require_exact(seed, {.workers = 2 + seed % 4,
                       .alphabet = 2,
                       .depth = 3 + seed % 14,
                       .prompts = 6,
                       .tiers = 1 + seed % 4,
                       .spaces = 1 + seed % 2,
                       .known_stores = true});
}

TEST_CASE("P10 contents of 128 bits stay exact when their lower halves collide", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(11000, 11150)));
  require_exact(seed, {.workers = 1 + seed % 6,
                       .alphabet = 3 + seed % 4,
                       .depth = 2 + seed % 50,
                       .tiers = 1 + seed % 2,
                       .spaces = 1 + seed % 2,
                       .known_stores = seed % 3 == 0,
                       .wide = true});
}

TEST_CASE("P1 find equals the oracle without holes, as engines evict", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(2000, 2050)));
  require_exact(seed, {.workers = 9, .alphabet = 3, .depth = 40, .only_tail_first = true});
}

TEST_CASE("P8 find equals the oracle in several namespaces with equal tokens", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(3000, 3100)));
  require_exact(seed, {.workers = 4, .alphabet = 2, .depth = 10, .prompts = 8, .spaces = 3});
}

TEST_CASE("P1 find equals the oracle when labels are reused for other blocks and blocks have two labels",
          "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(4000, 4150)));
  std::mt19937_64 random(seed);
  const bool shared = GENERATE(false, true);
  CAPTURE(shared);
  Fleet fleet({.shared_engine_hashes = shared});
  std::string history;
  const auto worker_of = [](std::size_t number) { return "worker" + std::to_string(number); };
  for (int step = 0; step < 200; ++step) {
    const std::string worker = worker_of(below(random, 3));
    (void)fleet.worker(worker);
    const std::vector<Label> held = fleet.oracle().labels(worker);
    if (below(random, 3) == 0 && !held.empty()) {
      const Label label = held[below(random, held.size())];
      history += "\n  remove " + worker + " label " + std::to_string(label);
      fleet.remove(worker, {label}, KvTier::kDevice);
    } else {
      // Behind a block that is held, so that its place is known, under any of 12 labels, one or two blocks long.
      std::optional<Label> parent;
      TokenPrefix prompt{"space", {}};
      if (!held.empty() && below(random, 3) != 0) {
        parent = held[below(random, held.size())];
        prompt = fleet.oracle().prefix(worker, *parent);
      }
      Operation operation{.worker = worker, .prompt = prompt, .first = block_count(prompt)};
      std::vector<Label> labels;
      for (std::size_t i = 0; i <= below(random, 2); ++i) {
        const auto content = static_cast<std::uint32_t>(below(random, 2));
        operation.prompt.tokens.insert(operation.prompt.tokens.end(), {content, 100 + content});
        labels.push_back(below(random, 12));
      }
      operation.last = operation.first + labels.size();
      history += "\n  " + operation.text() + ", labels";
      for (const Label label : labels) history += " " + std::to_string(label);
      if (parent) history += ", parent " + std::to_string(*parent);
      fleet.store(operation, parent, labels);
    }
    TokenPrefix query{"space", {}};
    for (int i = 0; i < 12; ++i) {
      const auto content = static_cast<std::uint32_t>(below(random, 2));
      query.tokens.insert(query.tokens.end(), {content, 100 + content});
    }
    const std::vector<Label> some = fleet.oracle().labels(worker);
    if (!some.empty() && below(random, 4) != 0) query = fleet.oracle().prefix(worker, some[below(random, some.size())]);
    INFO("seed " << seed << ", after" << history);
    REQUIRE(fleet.find(query) == fleet.truth(query));
    const auto [pairs, unique] = fleet.oracle().distinct();
    REQUIRE(fleet.index().stats().memberships == pairs);
    REQUIRE(fleet.index().stats().unique_blocks == unique);
    REQUIRE(fleet.index().stats().orphan_blocks == 0);
  }
  INFO("seed " << seed << ", after all of" << history);
  fleet.require_returns_to_base();
}

TEST_CASE("P3 events of different workers commute", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(5000, 5100)));
  const Scenario scenario =
      random_scenario(seed, {.workers = 5, .alphabet = 2, .depth = 20, .operations = 120, .tiers = 2});
  const bool shared = GENERATE(false, true);
  CAPTURE(shared);
  Fleet in_order({.shared_engine_hashes = shared});
  for (const Operation& operation : scenario.operations) in_order.apply(operation);
  // Each worker's operations in their order, the workers interleaved anew.
  std::map<std::string, std::vector<Operation>> streams;
  for (const Operation& operation : scenario.operations) streams[operation.worker].push_back(operation);
  std::vector<std::string> turns;
  for (const auto& [worker, operations] : streams) turns.insert(turns.end(), operations.size(), worker);
  std::mt19937_64 random(seed + 1);
  for (std::size_t i = turns.size(); i > 1; --i) std::swap(turns[i - 1], turns[below(random, i)]);
  std::map<std::string, std::size_t> next;
  Fleet interleaved({.shared_engine_hashes = shared});
  for (const std::string& worker : turns) interleaved.apply(streams[worker][next[worker]++]);

  INFO("seed " << seed);
  for (const TokenPrefix& prompt : scenario.prompts) {
    REQUIRE(interleaved.find(prompt) == interleaved.truth(prompt));
    for (const auto& [worker, depth] : in_order.find(prompt)) REQUIRE(interleaved.find(prompt).at(worker) == depth);
  }
  REQUIRE(interleaved.index().stats().memberships == in_order.index().stats().memberships);
  REQUIRE(interleaved.index().stats().unique_blocks == in_order.index().stats().unique_blocks);
}

TEST_CASE("P4 events applied twice change nothing the second time", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(6000, 6100)));
  const Scenario scenario =
      random_scenario(seed, {.workers = 3, .alphabet = 2, .depth = 15, .prompts = 6, .operations = 100, .tiers = 2});
  const bool shared = GENERATE(false, true);
  CAPTURE(shared);
  Fleet fleet({.shared_engine_hashes = shared});
  std::string history;
  for (const Operation& operation : scenario.operations) {
    history += "\n  " + operation.text();
    INFO("seed " << seed << ", after" << history);
    fleet.apply(operation);
    const prefix::PrefixIndexStats once = fleet.index().stats();
    fleet.apply(operation);
    const prefix::PrefixIndexStats twice = fleet.index().stats();
    REQUIRE(twice.memberships == once.memberships);
    REQUIRE(twice.unique_blocks == once.unique_blocks);
    REQUIRE(twice.orphan_blocks == once.orphan_blocks);
    REQUIRE(twice.rehashed_blocks == 0);
    REQUIRE(fleet.find(operation.prompt) == fleet.truth(operation.prompt));
  }
}

TEST_CASE("P4 a replay of the last events leads to the same state", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(7000, 7150)));
  const Scenario scenario =
      random_scenario(seed, {.workers = 3, .alphabet = 2, .depth = 15, .prompts = 6, .operations = 80, .tiers = 2});
  const bool shared = GENERATE(false, true);
  CAPTURE(shared);
  Fleet fleet({.shared_engine_hashes = shared});
  for (const Operation& operation : scenario.operations) fleet.apply(operation);
  for (std::size_t k = 1; k <= 32; k *= 2) {
    INFO("seed " << seed << ", the last " << k << " events again");
    for (std::size_t i = scenario.operations.size() - k; i < scenario.operations.size(); ++i)
      fleet.apply(scenario.operations[i]);
    fleet.require_balanced();
    for (const TokenPrefix& prompt : scenario.prompts) REQUIRE(fleet.find(prompt) == fleet.truth(prompt));
  }
}

TEST_CASE("an event of several blocks equals as many events of one block", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(9000, 9100)));
  std::mt19937_64 random(seed);
  // Any labels and parents, known or not: this property needs no oracle.
  const bool shared = GENERATE(false, true);
  const prefix::PrefixIndexOptions options{.max_orphan_blocks = 20, .shared_engine_hashes = shared};
  prefix::PrefixIndex whole = prefix::PrefixIndex::create(options).value();
  prefix::PrefixIndex single = prefix::PrefixIndex::create(options).value();
  const WorkerId worker = whole.add_worker("a").value();
  REQUIRE(single.add_worker("a").value() == worker);
  for (int step = 0; step < 300; ++step) {
    std::vector<std::uint64_t> labels;
    std::vector<std::uint64_t> contents;
    for (std::size_t i = 0; i < 1 + below(random, 5); ++i) {
      labels.push_back(below(random, 14));
      contents.push_back(below(random, 2));
    }
    std::optional<std::uint64_t> parent;
    if (below(random, 4) != 0) parent = below(random, 14);
    const std::uint64_t space = below(random, 8) == 0 ? 2 : 1;
    if (below(random, 3) == 0) {
      REQUIRE(whole.apply(BlockRemoved{worker, labels, KvTier::kDevice}).ok());
      for (const std::uint64_t& label : labels)
        REQUIRE(single.apply(BlockRemoved{worker, {&label, 1}, KvTier::kDevice}).ok());
    } else if (below(random, 6) == 0) {
      REQUIRE(whole.apply(BlockStored{worker, space, parent, labels, {}, KvTier::kDevice}).ok());
      for (const std::uint64_t& label : labels)
        REQUIRE(single.apply(BlockStored{worker, space, parent, {&label, 1}, {}, KvTier::kDevice}).ok());
    } else {
      REQUIRE(whole.apply(BlockStored{worker, space, parent, labels, contents, KvTier::kDevice}).ok());
      for (std::size_t i = 0; i < labels.size(); ++i) {
        REQUIRE(
            single.apply(BlockStored{worker, space, parent, {&labels[i], 1}, {&contents[i], 1}, KvTier::kDevice}).ok());
        parent = labels[i];
      }
    }
    INFO("seed " << seed << " step " << step);
    const prefix::PrefixIndexStats a = whole.stats();
    const prefix::PrefixIndexStats b = single.stats();
    REQUIRE(a.memberships == b.memberships);
    REQUIRE(a.unique_blocks == b.unique_blocks);
    REQUIRE(a.orphan_blocks == b.orphan_blocks);
    REQUIRE(a.orphans_dropped == b.orphans_dropped);
    REQUIRE(a.unknown_removes == b.unknown_removes);
    REQUIRE(a.rehashed_blocks == b.rehashed_blocks);
    REQUIRE(a.unresolved_stores == b.unresolved_stores);
    for (int query = 0; query < 16; ++query) {  // all prompts of four blocks over two contents
      prefix::PrefixQuery prepared(1, 16, 0);
      const std::vector<std::uint64_t> prompt = {query & 1u, query >> 1 & 1u, query >> 2 & 1u, query >> 3 & 1u};
      REQUIRE(prepared.extend_contents(prompt).ok());
      std::uint32_t depths[2] = {};
      whole.find(prepared, {}, std::span(depths, 1));
      single.find(prepared, {}, std::span(depths + 1, 1));
      REQUIRE(depths[0] == depths[1]);
    }
  }
  for (prefix::PrefixIndex* index : {&whole, &single}) {
    REQUIRE(index->apply(AllBlocksCleared{worker}).ok());
    REQUIRE(index->stats().memberships == 0);
    REQUIRE(index->stats().unique_blocks == 0);
    REQUIRE(index->stats().orphan_blocks == 0);
  }
}

TEST_CASE("P6 stores in any order end where the stores in order do", "[prefix][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(8000, 8100)));
  Scenario scenario = random_scenario(
      seed, {.workers = 3, .alphabet = 2, .depth = 20, .prompts = 6, .operations = 40, .spaces = 2, .removals = false});
  // Every worker has the whole of every prompt in the end, in pieces that come in any order.
  for (int worker = 0; worker < 3; ++worker) {
    for (const TokenPrefix& prompt : scenario.prompts) {
      for (std::size_t i = 0; i < block_count(prompt); ++i) {
        scenario.operations.push_back(
            {.worker = "worker" + std::to_string(worker), .prompt = prompt, .first = i, .last = i + 1});
      }
    }
  }
  std::mt19937_64 random(seed + 1);
  for (std::size_t i = scenario.operations.size(); i > 1; --i) {
    std::swap(scenario.operations[i - 1], scenario.operations[below(random, i)]);
  }
  const bool shared = GENERATE(false, true);
  CAPTURE(shared);
  Fleet fleet({.shared_engine_hashes = shared});
  bool any_waited = false;
  for (const Operation& operation : scenario.operations) {
    fleet.apply(operation);
    any_waited = any_waited || fleet.index().stats().orphan_blocks > 0;
    const TokenPrefix& prompt = scenario.prompts[below(random, scenario.prompts.size())];
    INFO("seed " << seed << ", at " << operation.text());
    REQUIRE(fleet.find(prompt) == fleet.truth(prompt));
  }
  INFO("seed " << seed);
  REQUIRE(any_waited);
  REQUIRE(fleet.index().stats().orphan_blocks == 0);
  for (const TokenPrefix& prompt : scenario.prompts) {
    for (const auto& [worker, depth] : fleet.find(prompt)) REQUIRE(depth == block_count(prompt));
  }
  fleet.require_returns_to_base();
}
