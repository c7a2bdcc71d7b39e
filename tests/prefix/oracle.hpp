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
  /// `parent`: all tokens before the block. Its place is known from when the worker holds a block there whose place is known.
  void store(const std::string& worker, Label label, const TokenPrefix& prefix, const TokenPrefix& parent, int tier) {
    std::map<Label, Block>& blocks = blocks_[worker];
    const bool behind_known = std::any_of(blocks.begin(), blocks.end(), [&parent](const auto& one) {
      return one.second.placed && one.second.prefix == parent;
    });
    Block& block = blocks[label];
    if (block.prefix != prefix) block = {};  // the name means another block from now on
    block.prefix = prefix;
    block.parent = parent;
    block.tiers.insert(tier);
    block.placed = block.placed || behind_known;
    place(blocks);
  }
  /// A store that names no tokens. `others_know`: all workers mean the same by a label. False if it means nothing.
  bool store_known(const std::string& worker, Label label, int tier, bool others_know) {
    if (const auto own = blocks_[worker].find(label); own != blocks_[worker].end()) {
      own->second.tiers.insert(tier);
      return true;
    }
    if (!others_know) return false;
    for (const auto& [other, blocks] : blocks_) {
      const auto it = blocks.find(label);
      if (it == blocks.end() || !it->second.placed) continue;
      Block block = it->second;
      block.tiers = {tier};
      blocks_[worker][label] = block;
      place(blocks_[worker]);
      return true;
    }
    return false;
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

  /// What a worker holds, if its place is known.
  [[nodiscard]] std::set<TokenPrefix> placed(const std::string& worker) const {
    std::set<TokenPrefix> placed;
    if (const auto it = blocks_.find(worker); it != blocks_.end()) {
      for (const auto& [label, block] : it->second) {
        if (block.placed) placed.insert(block.prefix);
      }
    }
    return placed;
  }

  /// Leading blocks of the prompt that the worker holds, in a tier that is not beyond `slowest`, or is expected to hold. (Behind a block that
  /// is held the place of the next is known, behind one that is only expected it need not be.)
  [[nodiscard]] std::uint32_t depth(const std::string& worker, const TokenPrefix& prompt, std::size_t block_tokens,
                                    int slowest = 3, const std::set<TokenPrefix>* expected = nullptr) const {
    std::set<TokenPrefix> held = expected == nullptr ? std::set<TokenPrefix>() : *expected;
    if (const auto it = blocks_.find(worker); it != blocks_.end()) {
      for (const auto& [label, block] : it->second) {
        if (*block.tiers.begin() <= slowest && (block.placed || expected == nullptr)) held.insert(block.prefix);
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
  /// (worker, prefix) pairs held, and prefixes that anyone holds, if their place is known.
  [[nodiscard]] std::pair<std::size_t, std::size_t> distinct() const {
    std::size_t pairs = 0;
    std::set<TokenPrefix> all;
    for (const auto& [worker, blocks] : blocks_) {
      std::set<TokenPrefix> own;
      for (const auto& [label, block] : blocks) {
        if (block.placed) own.insert(block.prefix);
      }
      pairs += own.size();
      all.merge(own);
    }
    return {pairs, all.size()};
  }
  /// (worker, label) pairs whose place is not known.
  [[nodiscard]] std::size_t waiting() const {
    std::size_t waiting = 0;
    for (const auto& [worker, blocks] : blocks_) {
      for (const auto& [label, block] : blocks) waiting += block.placed ? 0 : 1;
    }
    return waiting;
  }

 private:
  struct Block {
    TokenPrefix prefix;
    TokenPrefix parent;
    std::set<int> tiers;
    bool placed = false;
  };

  static void place(std::map<Label, Block>& blocks) {
    for (bool more = true; more;) {
      more = false;
      std::set<TokenPrefix> placed;
      for (const auto& [label, block] : blocks) {
        if (block.placed) placed.insert(block.prefix);
      }
      for (auto& [label, block] : blocks) {
        if (block.placed || (!block.parent.tokens.empty() && !placed.contains(block.parent))) continue;
        block.placed = more = true;
      }
    }
  }
  std::map<std::string, std::map<Label, Block>> blocks_;
};

}  // namespace kthena::test
