// Fleet: a PrefixIndex and a SetOracle that are told the same things, in tokens. Labels (a worker's names for its blocks) become
// engine hashes; tokens become content hashes through the public functions only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "kthena/prefix.hpp"
#include "oracle.hpp"

namespace kthena::test {

inline constexpr std::uint32_t kBlockTokens = 2;
inline constexpr std::uint64_t kSeed = 0x5EED;

/// Blocks first .. last-1 of a prompt, stored or removed by a worker. Labels are those of the prompt's prefixes unless given.
struct Operation {
  enum Kind { kStore, kStoreKnown, kRemove, kClear, kRemoveWorker } kind = kStore;
  std::string worker;
  TokenPrefix prompt;
  std::size_t first = 0;
  std::size_t last = 0;
  KvTier tier = KvTier::kDevice;

  [[nodiscard]] std::string text() const {
    static constexpr const char* kNames[] = {"store", "store without tokens", "remove", "clear", "remove worker"};
    std::string text = std::string(kNames[kind]) + " " + worker;
    if (kind == kStore || kind == kStoreKnown || kind == kRemove) {
      text += " blocks " + std::to_string(first) + ".." + std::to_string(last) + " tier " +
              std::to_string(static_cast<int>(tier)) + " of " + prompt.space + ":";
      for (const std::uint32_t token : prompt.tokens) text += " " + std::to_string(token);
    }
    return text;
  }
};

inline TokenPrefix first_blocks(const TokenPrefix& prompt, std::size_t blocks) {
  return {prompt.space,
          {prompt.tokens.begin(), prompt.tokens.begin() + static_cast<std::ptrdiff_t>(blocks * kBlockTokens)}};
}

inline std::size_t block_count(const TokenPrefix& prompt) { return prompt.tokens.size() / kBlockTokens; }

inline prefix::Namespace space_of(const std::string& name) {
  return {.model = name, .adapter = {}, .tenant = {}, .block_tokens = kBlockTokens};
}

struct BlockContents {
  std::vector<std::uint64_t> lower;
  std::vector<std::uint64_t> upper;
};

/// If they are wide, one bit is left of the lower halves, so that most of them collide.
inline BlockContents contents_of(const TokenPrefix& prompt, std::size_t first, std::size_t last, bool wide) {
  BlockContents contents;
  for (std::size_t i = first; i < last; ++i) {
    const std::span<const std::uint32_t> block = std::span(prompt.tokens).subspan(i * kBlockTokens, kBlockTokens);
    contents.lower.push_back(prefix::hash_block(block, kSeed) & (wide ? 1 : ~std::uint64_t{0}));
    if (wide) contents.upper.push_back(prefix::hash_block_upper(block, kSeed));
  }
  return contents;
}

class Fleet {
 public:
  explicit Fleet(prefix::PrefixIndexOptions options = {}) : index_(make(options)), empty_(index_.stats()) {}

  [[nodiscard]] prefix::PrefixIndex& index() { return index_; }
  [[nodiscard]] SetOracle& oracle() { return oracle_; }
  [[nodiscard]] WorkerId worker(const std::string& name) {
    workers_.insert(name);
    return index_.add_worker(name).value();
  }

  /// The label that every worker gives to a prefix.
  Label label(const TokenPrefix& prefix) { return labels_.try_emplace(prefix, labels_.size() + 1).first->second; }

  void apply(const Operation& operation) {
    const WorkerId id = worker(operation.worker);
    switch (operation.kind) {
      case Operation::kStore: {
        std::vector<Label> labels;
        for (std::size_t i = operation.first; i < operation.last; ++i)
          labels.push_back(label(first_blocks(operation.prompt, i + 1)));
        std::optional<Label> parent;
        if (operation.first > 0) parent = label(first_blocks(operation.prompt, operation.first));
        store(operation, parent, labels);
        break;
      }
      case Operation::kStoreKnown: {
        std::vector<Label> labels;
        for (std::size_t i = operation.first; i < operation.last; ++i)
          labels.push_back(label(first_blocks(operation.prompt, i + 1)));
        REQUIRE(index_.apply(BlockStored{.worker = id, .engine_hashes = labels, .tier = operation.tier}).ok());
        for (const Label one : labels) {
          unresolved_ += !oracle_.store_known(operation.worker, one, static_cast<int>(operation.tier),
                                              index_.options().shared_engine_hashes);
        }
        break;
      }
      case Operation::kRemove: {
        std::vector<Label> labels;
        for (std::size_t i = operation.first; i < operation.last; ++i)
          labels.push_back(label(first_blocks(operation.prompt, i + 1)));
        remove(operation.worker, labels, operation.tier);
        break;
      }
      case Operation::kClear:
        REQUIRE(index_.apply(AllBlocksCleared{id}).ok());
        oracle_.clear(operation.worker);
        break;
      case Operation::kRemoveWorker:
        REQUIRE(index_.remove_worker(id).ok());
        workers_.erase(operation.worker);
        oracle_.clear(operation.worker);
        break;
    }
  }

  /// Stores with labels of the caller's choice.
  void store(const Operation& operation, std::optional<Label> parent, const std::vector<Label>& labels) {
    const BlockContents contents =
        contents_of(operation.prompt, operation.first, operation.last, index_.options().wide_contents);
    REQUIRE(index_
                .apply(BlockStored{.worker = worker(operation.worker),
                                   .namespace_key = prefix::namespace_key(space_of(operation.prompt.space), kSeed),
                                   .parent = parent,
                                   .engine_hashes = labels,
                                   .content_hashes = contents.lower,
                                   .tier = operation.tier,
                                   .content_uppers = contents.upper})
                .ok());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      oracle_.store(operation.worker, labels[i], first_blocks(operation.prompt, operation.first + i + 1),
                    first_blocks(operation.prompt, operation.first + i), static_cast<int>(operation.tier));
    }
  }
  void remove(const std::string& name, const std::vector<Label>& labels, KvTier tier) {
    REQUIRE(index_.apply(BlockRemoved{.worker = worker(name), .engine_hashes = labels, .tier = tier}).ok());
    for (const Label label : labels) oracle_.remove(name, label, static_cast<int>(tier));
  }

  [[nodiscard]] prefix::PrefixQuery query(const TokenPrefix& prompt) const {
    prefix::PrefixQuery query = index_.make_query(space_of(prompt.space));
    if (query.wide()) {
      const BlockContents contents = contents_of(prompt, 0, block_count(prompt), true);
      REQUIRE(query.extend_contents(contents.lower, contents.upper).ok());
    } else {
      query.extend_tokens(prompt.tokens);
    }
    return query;
  }

  /// Depth by worker name as the index says, by all forms of find(), which must agree; a worker that is not in use must get 0.
  [[nodiscard]] std::map<std::string, std::uint32_t> find(const TokenPrefix& prompt,
                                                          std::uint64_t candidates = ~std::uint64_t{0}) {
    const prefix::PrefixQuery prepared = query(prompt);
    std::vector<std::uint32_t> all(index_.worker_limit() + 3, 77);
    index_.find_by_worker(prepared, {}, all);
    std::vector<std::uint32_t> some(index_.worker_limit(), 77);
    index_.find_by_worker(prepared, std::span(&candidates, 1), some);
    std::vector<WorkerId> ids;
    for (std::uint32_t id = static_cast<std::uint32_t>(all.size()); id-- > 0;) ids.push_back({id});
    ids.push_back({});
    ids.push_back({0});
    std::vector<std::uint32_t> chosen(ids.size(), 77);
    index_.find(prepared, ids, chosen);

    std::map<std::string, std::uint32_t> depths;
    for (std::uint32_t id = 0; id < all.size(); ++id) {
      const std::string name(index_.worker_name({id}));
      if (name.empty()) REQUIRE(all[id] == 0);
      if (!name.empty()) depths[name] = all[id];
      if (id < some.size()) REQUIRE(some[id] == ((candidates >> id & 1) != 0 ? all[id] : 0));
      REQUIRE(chosen[all.size() - 1 - id] == all[id]);
    }
    REQUIRE(chosen[all.size()] == 0);
    REQUIRE(chosen[all.size() + 1] == all[0]);
    return depths;
  }
  [[nodiscard]] std::map<std::string, std::uint32_t> truth(const TokenPrefix& prompt) const {
    std::map<std::string, std::uint32_t> depths;
    for (const std::string& name : workers_) depths[name] = oracle_.depth(name, prompt, kBlockTokens);
    return depths;
  }

  /// Depth of each worker in each tier or a faster one, by find_tiers().
  void require_tiers_exact(const TokenPrefix& prompt) {
    const std::size_t limit = index_.worker_limit();
    std::vector<std::uint32_t> depths(prefix::PrefixIndex::kTiers * limit, 77);
    index_.find_tiers(query(prompt), {}, depths);
    for (const std::string& name : workers_) {
      for (std::size_t tier = 0; tier < prefix::PrefixIndex::kTiers; ++tier) {
        INFO(name << " tier " << tier);
        REQUIRE(depths[tier * limit + index_.find_worker(name).value] ==
                oracle_.depth(name, prompt, kBlockTokens, static_cast<int>(tier)));
      }
    }
  }

  /// The counts that follow from the oracle when no orphan was dropped and no worker has two labels for one prefix.
  void require_balanced() {
    const prefix::PrefixIndexStats stats = index_.stats();
    const auto [pairs, unique] = oracle_.distinct();
    REQUIRE(stats.orphans_dropped == 0);
    REQUIRE(stats.memberships == pairs);
    REQUIRE(stats.orphan_blocks == oracle_.waiting());
    REQUIRE(stats.unique_blocks == unique);
    REQUIRE(stats.unresolved_stores == unresolved_);
    REQUIRE(stats.workers == workers_.size());
  }
  /// When all workers are gone nothing is left, and no memory beyond that of a new index.
  void require_returns_to_base() {
    for (const std::string& name : std::set<std::string>(workers_))
      apply({.kind = Operation::kRemoveWorker, .worker = name, .prompt = {}});
    const prefix::PrefixIndexStats stats = index_.stats();
    REQUIRE(stats.workers == 0);
    REQUIRE(stats.memberships == 0);
    REQUIRE(stats.unique_blocks == 0);
    REQUIRE(stats.orphan_blocks == 0);
    REQUIRE(index_.worker_limit() == 0);
    REQUIRE(stats.approximate_bytes <=
            empty_.approximate_bytes + 16384);  // the table of names, and the list of workers
  }

 private:
  static prefix::PrefixIndex make(prefix::PrefixIndexOptions options) {
    options.block_tokens = kBlockTokens;
    options.seed = kSeed;
    return prefix::PrefixIndex::create(options).value();
  }

  prefix::PrefixIndex index_;
  prefix::PrefixIndexStats empty_;
  SetOracle oracle_;
  std::set<std::string> workers_;
  std::map<TokenPrefix, Label> labels_;
  std::uint64_t unresolved_ = 0;
};

/// Uniform in [0, n), the same with every standard library.
inline std::size_t below(std::mt19937_64& random, std::size_t n) { return static_cast<std::size_t>(random() % n); }

struct ScenarioOptions {
  std::size_t workers = 9;
  std::size_t alphabet = 3;  ///< distinct block contents
  std::size_t depth = 40;    ///< blocks of the longest prompt
  std::size_t prompts = 12;
  std::size_t operations = 150;
  std::size_t tiers = 1;
  std::size_t spaces = 1;
  bool only_tail_first = false;  ///< stores from the start of the prompt, removals from its end: no holes, no orphans
  bool removals = true;
  bool known_stores = false;  ///< some stores come without tokens
  bool wide = false;  ///< contents of 128 bits, of whose lower halves only one bit is left: most of them collide
};

struct Scenario {
  std::vector<TokenPrefix> prompts;  ///< many share prefixes
  std::vector<Operation> operations;
};

inline TokenPrefix random_prompt(std::mt19937_64& random, const ScenarioOptions& options,
                                 const std::vector<TokenPrefix>& others) {
  TokenPrefix prompt{"space" + std::to_string(below(random, options.spaces)), {}};
  if (!others.empty() && below(random, 4) != 0) {  // branches off another one
    const TokenPrefix& other = others[below(random, others.size())];
    const auto cut = static_cast<std::ptrdiff_t>(below(random, block_count(other) + 1) * kBlockTokens);
    prompt.tokens.assign(other.tokens.begin(), other.tokens.begin() + cut);
  }
  const std::size_t blocks = std::max<std::size_t>(block_count(prompt), 1 + below(random, options.depth));
  while (block_count(prompt) < blocks) {
    const auto content = static_cast<std::uint32_t>(below(random, options.alphabet));
    prompt.tokens.insert(prompt.tokens.end(), {content, 100 + content});
  }
  return prompt;
}

inline Scenario random_scenario(std::uint64_t seed, const ScenarioOptions& options) {
  std::mt19937_64 random(seed);
  Scenario scenario;
  for (std::size_t i = 0; i < options.prompts; ++i)
    scenario.prompts.push_back(random_prompt(random, options, scenario.prompts));
  for (std::size_t i = 0; i < options.operations; ++i) {
    Operation operation;
    operation.worker = "worker" + std::to_string(below(random, options.workers));
    operation.prompt = scenario.prompts[below(random, scenario.prompts.size())];
    operation.tier = static_cast<KvTier>(below(random, options.tiers));
    const std::size_t blocks = block_count(operation.prompt);
    const std::size_t dice = options.removals ? below(random, 100) : 0;
    operation.first = below(random, 2) == 0 ? 0 : below(random, blocks);
    operation.last = operation.first + below(random, blocks - operation.first + 1);
    if (dice < 55) {
      operation.kind = Operation::kStore;
      if (options.only_tail_first) operation.first = 0;
      if (options.known_stores && below(random, 3) == 0) operation.kind = Operation::kStoreKnown;
    } else if (dice < 96) {
      operation.kind = Operation::kRemove;
      if (below(random, 2) == 0) operation.last = std::min(operation.last, operation.first + 2);  // a small hole
      if (options.only_tail_first) operation.last = blocks;
    } else {
      operation.kind = dice < 98 ? Operation::kClear : Operation::kRemoveWorker;
    }
    scenario.operations.push_back(operation);
  }
  return scenario;
}

}  // namespace kthena::test
