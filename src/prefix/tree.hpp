// src/prefix/tree.hpp
//
// BlockTree: every distinct prompt prefix that somebody holds, one node per block. The first step of a path is its namespace, so nothing
// matches across namespaces. A node that nobody holds stays while it has children (a hole) and goes with the last of them.
//
// A node is found by its chain, a seeded hash over the contents from the root to it, and verified by its parent and content: the answer
// is exact, and yet the place of the next probe does not wait for the result of this one.
//
//   Cost     find a child: one probe. Memory: 56 bytes per node and 13 to 26 in the table, more beyond 128 workers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/containers.hpp"
#include "kthena/base/hash.hpp"
#include "prefix/slot_table.hpp"

namespace kthena::prefix::detail {

using NodeId = std::uint32_t;
inline constexpr NodeId kNoNode = SlotTable::kNone;

class BlockTree {
 public:
  explicit BlockTree(std::uint64_t seed) : seed_(seed) {}

  /// The chain that all paths start with, and the chain of a child.
  [[nodiscard]] std::uint64_t first_chain() const noexcept { return seed_; }
  [[nodiscard]] static std::uint64_t next_chain(std::uint64_t chain, std::uint64_t content) noexcept {
    return combine64(chain, content);
  }

  /// The child of `parent` with this content, or kNoNode; `chain` is the child's. The parent of a namespace's root is kNoNode, its
  /// content the namespace key.
  [[nodiscard]] NodeId find(NodeId parent, std::uint64_t content, std::uint64_t chain) const noexcept {
    return slots_.find(chain,
                       [&](NodeId node) { return nodes_[node].parent == parent && nodes_[node].content == content; });
  }
  /// The child, made if it is not there. The caller must add a holder or a child, or call prune().
  NodeId make(NodeId parent, std::uint64_t content);

  /// False if the worker held it already.
  bool add_holder(NodeId node, std::uint32_t worker);
  /// Frees the node, and ancestors, that nobody needs any more. False if the worker did not hold it.
  bool remove_holder(NodeId node, std::uint32_t worker);
  /// Frees the node if nobody holds it and it has no children, then its ancestors likewise.
  void prune(NodeId node);

  [[nodiscard]] std::uint64_t content(NodeId node) const noexcept { return nodes_[node].content; }
  [[nodiscard]] std::uint64_t namespace_key(NodeId node) const noexcept { return nodes_[nodes_[node].root].content; }
  /// A bit per worker; words beyond the span are 0.
  [[nodiscard]] std::span<const std::uint64_t> holders(NodeId node) const noexcept { return nodes_[node].holders; }

  /// Nodes that somebody holds.
  [[nodiscard]] std::size_t held_nodes() const noexcept { return held_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept;

 private:
  struct Node {
    std::uint64_t content = 0;
    std::uint64_t chain = 0;
    NodeId parent = kNoNode;  // of a free node: the next free one
    NodeId root = kNoNode;
    std::uint32_t children = 0;
    std::uint32_t holder_count = 0;
    kthena::detail::SmallVector<std::uint64_t, 2> holders;
  };

  NodeId allocate();

  std::uint64_t seed_;
  SlotTable slots_;
  std::vector<Node> nodes_;
  NodeId free_ = kNoNode;
  std::size_t held_ = 0;
  std::size_t holders_heap_bytes_ = 0;
};

}  // namespace kthena::prefix::detail
