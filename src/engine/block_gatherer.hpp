// Several engine blocks that make up one block of the index: which of them are held, and so which index blocks.
//
// An index block is known by the engine hash of its last engine block. It is held while all its engine blocks are, in any tier, and lies
// in the slowest of their tiers. Engine blocks form a tree, for prompts may part inside an index block.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/containers.hpp"
#include "kthena/base/block_hash.hpp"
#include "kthena/base/hash.hpp"
#include "kthena/base/kv_event.hpp"

namespace kthena::engine::detail {

class BlockGatherer {
 public:
  struct Block {
    std::uint64_t hash;
    std::optional<std::uint64_t> parent;
    std::span<const std::uint32_t> tokens;  ///< empty: not told
    std::uint64_t extra;
    std::uint64_t namespace_key;
    KvTier tier;
  };

  /// `parts` engine blocks of `part_tokens` tokens for each index block; contents are hashed under `seed`, with upper halves if `wide`.
  BlockGatherer(std::uint32_t parts, std::uint32_t part_tokens, std::uint64_t seed, bool wide)
      : parts_(parts),
        part_tokens_(part_tokens),
        seed_(seed),
        wide_(wide),
        places_(0, kthena::detail::Hash{mix64(seed + 4)}) {}

  [[nodiscard]] std::uint32_t part_tokens() const noexcept { return part_tokens_; }
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }

  void clear() noexcept {
    places_.clear();
    nodes_.clear();
    tokens_.clear();
    free_ = kNone;
  }

  /// False when the block fits nowhere: its parent is not known, or it was told before under another parent, or without tokens.
  template <class Emit>
  bool store(const Block& block, Emit&& emit) {
    std::uint32_t id = find(block.hash);
    if (id == kNone) {
      std::uint32_t parent = kNone;
      std::uint32_t position = 0;
      if (block.tokens.empty()) return false;
      if (block.parent) {
        parent = find(*block.parent);
        if (parent == kNone) return false;
        position = (nodes_[parent].position + 1) % parts_;
      }
      id = make(block, position);
      if (position != 0) link(id, parent);
    } else if (!block.tokens.empty() && (nodes_[id].parent_hash != block.parent.value_or(0) ||
                                         nodes_[id].has_parent != block.parent.has_value())) {
      return false;
    }
    nodes_[id].tiers |= bit(block.tier);
    review(id, emit);
    return true;
  }

  template <class Emit>
  void remove(std::uint64_t hash, KvTier tier, Emit&& emit) {
    const std::uint32_t id = find(hash);
    if (id == kNone) return;
    nodes_[id].tiers &= static_cast<std::uint8_t>(~bit(tier));
    review(id, emit);
    // What holds nothing stays while blocks further on in the same index block hang below it.
    for (std::uint32_t at = id; at != kNone && nodes_[at].tiers == 0 && nodes_[at].child == kNone;) {
      const std::uint32_t above = nodes_[at].position != 0 ? nodes_[at].parent : kNone;
      if (above != kNone) unlink(at, above);
      places_.erase(nodes_[at].hash);
      nodes_[at].parent = free_;
      free_ = at;
      at = above;
    }
  }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;
  static constexpr std::uint8_t kNotHeld = 0xFF;

  struct Node {
    std::uint64_t hash = 0;
    std::uint64_t parent_hash = 0;
    std::uint64_t extra = 0;
    std::uint64_t namespace_key = 0;
    std::uint32_t parent = kNone;  // inside the index block; of a free node: the next free one
    std::uint32_t child = kNone;
    std::uint32_t next = kNone;    // the next child of the same parent
    std::uint32_t position = 0;    // in its index block
    std::uint8_t tiers = 0;        // in which the engine holds it
    std::uint8_t told = kNotHeld;  // last of an index block: the tier that the sink was told
    bool has_parent = false;
  };

  static std::uint8_t bit(KvTier tier) noexcept { return static_cast<std::uint8_t>(1u << static_cast<unsigned>(tier)); }
  [[nodiscard]] std::uint32_t find(std::uint64_t hash) const noexcept {
    const auto it = places_.find(hash);
    return it != places_.end() ? it->second : kNone;
  }

  std::uint32_t make(const Block& block, std::uint32_t position) {
    std::uint32_t id = free_;
    if (id != kNone) {
      free_ = nodes_[id].parent;
    } else {
      id = static_cast<std::uint32_t>(nodes_.size());
      nodes_.emplace_back();
      tokens_.resize(tokens_.size() + part_tokens_);
    }
    Node& node = nodes_[id];
    node = {};
    node.hash = block.hash;
    node.parent_hash = block.parent.value_or(0);
    node.has_parent = block.parent.has_value();
    node.extra = block.extra;
    node.namespace_key = block.namespace_key;
    node.position = position;
    std::copy(block.tokens.begin(), block.tokens.end(),
              tokens_.begin() + static_cast<std::ptrdiff_t>(std::size_t{id} * part_tokens_));
    places_.emplace(block.hash, id);
    return id;
  }
  void link(std::uint32_t id, std::uint32_t parent) noexcept {
    nodes_[id].parent = parent;
    nodes_[id].next = nodes_[parent].child;
    nodes_[parent].child = id;
  }
  void unlink(std::uint32_t id, std::uint32_t parent) noexcept {
    std::uint32_t* at = &nodes_[parent].child;
    while (*at != id) at = &nodes_[*at].next;
    *at = nodes_[id].next;
  }

  /// Tells the sink what changed for the index blocks that contain this engine block.
  template <class Emit>
  void review(std::uint32_t id, Emit&& emit) {
    // Depth first without a stack: down to the first child, else on to the next, else up.
    std::uint32_t at = id;
    for (;;) {
      if (nodes_[at].position == parts_ - 1) review_last(at, emit);
      if (nodes_[at].child != kNone) {
        at = nodes_[at].child;
        continue;
      }
      while (at != id && nodes_[at].next == kNone) at = nodes_[at].parent;
      if (at == id) return;
      at = nodes_[at].next;
    }
  }

  template <class Emit>
  void review_last(std::uint32_t id, Emit&& emit) {
    std::uint8_t held = 0;
    std::uint32_t first = id;
    for (std::uint32_t at = id;; at = nodes_[at].parent) {
      if (nodes_[at].tiers == 0) {
        held = kNotHeld;
        break;
      }
      held = std::max(held, static_cast<std::uint8_t>(std::countr_zero(nodes_[at].tiers)));
      first = at;
      if (nodes_[at].position == 0) break;
    }
    Node& last = nodes_[id];
    if (held == last.told) return;
    const std::uint8_t before = last.told;
    last.told = held;
    if (held != kNotHeld) {
      chain_.clear();
      for (std::uint32_t at = id;; at = nodes_[at].parent) {
        chain_.push_back(at);
        if (at == first) break;
      }
      block_.clear();
      for (auto at = chain_.rbegin(); at != chain_.rend(); ++at) {
        const auto from = tokens_.begin() + static_cast<std::ptrdiff_t>(std::size_t{*at} * part_tokens_);
        block_.insert(block_.end(), from, from + part_tokens_);
      }
      std::uint64_t content = hash_block(block_, seed_);
      std::uint64_t upper = wide_ ? hash_block_upper(block_, seed_) : 0;
      for (auto at = chain_.rbegin(); at != chain_.rend(); ++at) {
        if (nodes_[*at].extra == 0) continue;
        content = combine64(content, nodes_[*at].extra + nodes_[*at].position);
        upper = combine64(upper, nodes_[*at].extra + nodes_[*at].position);
      }
      const Node& head = nodes_[first];
      const std::uint64_t hash = last.hash;
      emit(KvEvent(BlockStored{{},
                               last.namespace_key,
                               head.has_parent ? std::optional(head.parent_hash) : std::nullopt,
                               std::span(&hash, 1),
                               std::span(&content, 1),
                               static_cast<KvTier>(held),
                               std::span(&upper, wide_ ? 1 : 0)}));
    }
    if (before != kNotHeld) {
      const std::uint64_t hash = last.hash;
      emit(KvEvent(BlockRemoved{{}, std::span(&hash, 1), static_cast<KvTier>(before)}));
    }
  }

  std::uint32_t parts_;
  std::uint32_t part_tokens_;
  std::uint64_t seed_;
  bool wide_;
  kthena::detail::HashMap<std::uint64_t, std::uint32_t> places_;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> tokens_;  // part_tokens_ for each node
  std::uint32_t free_ = kNone;
  std::vector<std::uint32_t> chain_;  // scratch
  std::vector<std::uint32_t> block_;  // scratch
};

}  // namespace kthena::engine::detail
