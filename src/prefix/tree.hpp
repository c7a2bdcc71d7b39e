// src/prefix/tree.hpp
//
// BlockTree: every distinct prompt prefix that somebody holds, one node per block, found by (parent, content hash). The first step of
// a path is its namespace, so nothing matches across namespaces. A node that nobody holds stays while it has children (a hole) and
// goes with the last of them.
//
//   Cost     find a child: one probe. Memory: 48 bytes per node and 29 to 58 in the table, more beyond 128 workers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/containers.hpp"

namespace kthena::prefix::detail {

using NodeId = std::uint32_t;
inline constexpr NodeId kNoNode = 0xFFFFFFFFu;

class BlockTree {
 public:
  explicit BlockTree(std::uint64_t seed);

  /// The child of `parent` with this content, or kNoNode. The parent of a namespace's root is kNoNode, its content the namespace key.
  [[nodiscard]] NodeId find(NodeId parent, std::uint64_t content) const noexcept {
    const auto it = children_.find(Edge{content, parent});
    return it == children_.end() ? kNoNode : it->second;
  }
  /// The same, made if it is not there. The caller must add a holder or a child, or call prune().
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
  using Holders = kthena::detail::SmallVector<std::uint64_t, 2>;
  struct Node {
    std::uint64_t content = 0;
    NodeId parent = kNoNode;  // of a free node: the next free one
    NodeId root = kNoNode;
    std::uint32_t children = 0;
    std::uint32_t holder_count = 0;
    Holders holders;
  };
  struct Edge {
    std::uint64_t content;
    NodeId parent;
    friend bool operator==(const Edge&, const Edge&) = default;
  };
  struct EdgeHash {
    std::uint64_t seed = 0;
    std::size_t operator()(const Edge& edge) const noexcept {
      return static_cast<std::size_t>(combine64(mix64(edge.content ^ seed), edge.parent));
    }
  };

  NodeId allocate();

  kthena::detail::HashMap<Edge, NodeId, EdgeHash> children_;
  std::vector<Node> nodes_;
  NodeId free_ = kNoNode;
  std::size_t held_ = 0;
  std::size_t holders_heap_bytes_ = 0;
};

}  // namespace kthena::prefix::detail
