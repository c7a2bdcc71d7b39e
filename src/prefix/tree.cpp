#include "prefix/tree.hpp"

#include <utility>

#include "prefix/worker_set.hpp"

namespace kthena::prefix::detail {

NodeId BlockTree::make(NodeId parent, std::uint64_t content) {
  const std::uint64_t chain = next_chain(parent == kNoNode ? first_chain() : nodes_[parent].chain, content);
  const NodeId found = find(parent, content, chain);
  if (found != kNoNode) return found;
  const NodeId node = allocate();
  slots_.insert(chain, node);
  nodes_[node].content = content;
  nodes_[node].chain = chain;
  nodes_[node].parent = parent;
  nodes_[node].root = parent == kNoNode ? node : nodes_[parent].root;
  if (parent != kNoNode) ++nodes_[parent].children;
  return node;
}

NodeId BlockTree::allocate() {
  if (free_ == kNoNode) {
    nodes_.emplace_back();
    return static_cast<NodeId>(nodes_.size() - 1);
  }
  const NodeId node = free_;
  free_ = nodes_[node].parent;
  return node;
}

bool BlockTree::add_holder(NodeId id, std::uint32_t worker) {
  Node& node = nodes_[id];
  if (node.holders.size() <= word_of(worker)) {
    holders_heap_bytes_ -= kthena::detail::heap_bytes(node.holders);
    node.holders.resize(word_of(worker) + 1);
    holders_heap_bytes_ += kthena::detail::heap_bytes(node.holders);
  }
  std::uint64_t& word = node.holders[word_of(worker)];
  if ((word & bit_of(worker)) != 0) return false;
  word |= bit_of(worker);
  if (node.holder_count++ == 0) ++held_;
  return true;
}

bool BlockTree::remove_holder(NodeId id, std::uint32_t worker) {
  Node& node = nodes_[id];
  if (node.holders.size() <= word_of(worker) || (node.holders[word_of(worker)] & bit_of(worker)) == 0) return false;
  node.holders[word_of(worker)] &= ~bit_of(worker);
  if (--node.holder_count == 0) {
    --held_;
    prune(id);
  }
  return true;
}

void BlockTree::prune(NodeId id) {
  while (id != kNoNode && nodes_[id].holder_count == 0 && nodes_[id].children == 0) {
    const NodeId parent = nodes_[id].parent;
    slots_.erase(nodes_[id].chain, id);
    holders_heap_bytes_ -= kthena::detail::heap_bytes(nodes_[id].holders);
    nodes_[id].holders.clear();
    nodes_[id].holders.shrink_to_fit();
    nodes_[id].parent = std::exchange(free_, id);
    if (parent != kNoNode) --nodes_[parent].children;
    id = parent;
  }
  if (slots_.empty()) *this = BlockTree(seed_);  // an empty tree keeps no memory
}

std::size_t BlockTree::heap_bytes() const noexcept {
  return slots_.heap_bytes() + kthena::detail::heap_bytes(nodes_) + holders_heap_bytes_;
}

}  // namespace kthena::prefix::detail
