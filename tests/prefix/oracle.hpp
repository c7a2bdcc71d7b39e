// SetOracle: what an exact prefix index must answer, too simple to be wrong. It keeps whole token prefixes in ordinary sets, knows no
// hashes and shares no code with the library.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace kthena::test {

/// A namespace's name and all tokens from the start of the prompt.
struct TokenPrefix {
  std::string space;
  std::vector<std::uint32_t> tokens;

  friend auto operator<=>(const TokenPrefix&, const TokenPrefix&) = default;
};

/// A worker's own name for a block it holds.
using Label = std::uint64_t;

class SetOracle {
 public:
  void store(const std::string& worker, Label label, const TokenPrefix& prefix, int tier) {
    auto& block = blocks_[worker][label];
    if (block.prefix != prefix) block.tiers.clear();  // the name means another block from now on
    block.prefix = prefix;
    block.tiers.insert(tier);
  }
  void remove(const std::string& worker, Label label, int tier) {
    const auto it = blocks_[worker].find(label);
    if (it == blocks_[worker].end()) return;
    it->second.tiers.erase(tier);
    if (it->second.tiers.empty()) blocks_[worker].erase(it);
  }
  void clear(const std::string& worker) { blocks_[worker].clear(); }

  /// The labels a worker holds.
  [[nodiscard]] std::vector<Label> labels(const std::string& worker) const {
    std::vector<Label> labels;
    if (const auto it = blocks_.find(worker); it != blocks_.end()) {
      for (const auto& [label, block] : it->second) labels.push_back(label);
    }
    return labels;
  }
  [[nodiscard]] const TokenPrefix& prefix(const std::string& worker, Label label) const {
    return blocks_.at(worker).at(label).prefix;
  }

  /// Leading blocks of the prompt that the worker holds, in a tier that is not beyond `slowest`.
  [[nodiscard]] std::uint32_t depth(const std::string& worker, const TokenPrefix& prompt, std::size_t block_tokens,
                                    int slowest = 3) const {
    std::set<TokenPrefix> held;
    if (const auto it = blocks_.find(worker); it != blocks_.end()) {
      for (const auto& [label, block] : it->second) {
        if (*block.tiers.begin() <= slowest) held.insert(block.prefix);
      }
    }
    std::uint32_t depth = 0;
    TokenPrefix prefix{prompt.space, {}};
    while ((depth + 1) * block_tokens <= prompt.tokens.size()) {
      const auto next = prompt.tokens.begin() + static_cast<std::ptrdiff_t>(depth * block_tokens);
      prefix.tokens.insert(prefix.tokens.end(), next, next + static_cast<std::ptrdiff_t>(block_tokens));
      if (!held.contains(prefix)) break;
      ++depth;
    }
    return depth;
  }

  /// (worker, label) pairs held.
  [[nodiscard]] std::size_t size() const {
    std::size_t size = 0;
    for (const auto& [worker, blocks] : blocks_) size += blocks.size();
    return size;
  }
  /// (worker, prefix) pairs held, and prefixes that anyone holds.
  [[nodiscard]] std::pair<std::size_t, std::size_t> distinct() const {
    std::size_t pairs = 0;
    std::set<TokenPrefix> all;
    for (const auto& [worker, blocks] : blocks_) {
      std::set<TokenPrefix> own;
      for (const auto& [label, block] : blocks) own.insert(block.prefix);
      pairs += own.size();
      all.merge(own);
    }
    return {pairs, all.size()};
  }

 private:
  struct Block {
    TokenPrefix prefix;
    std::set<int> tiers;
  };
  std::map<std::string, std::map<Label, Block>> blocks_;
};

}  // namespace kthena::test
