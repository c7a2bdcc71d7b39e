// BlockTree under forced collisions: contents are chosen so that different blocks have the same chain.
#include "prefix/tree.hpp"

#include <vector>

#include "catch.hpp"

using namespace kthena;
using namespace kthena::prefix::detail;

namespace {

/// The content that, behind `chain`, has the chain that `other_content` has behind `other_chain`.
std::uint64_t colliding(std::uint64_t chain, std::uint64_t other_chain, std::uint64_t other_content) {
  constexpr std::uint64_t kMultiplier =
      0x9E3779B97F4A7C15ull;  // of combine64, which is mix64(chain * multiplier + content)
  return other_chain * kMultiplier + other_content - chain * kMultiplier;
}

}  // namespace

TEST_CASE("blocks with equal chains are told apart by parent and content", "[prefix]") {
  BlockTree tree(42);
  std::vector<NodeId> roots;
  std::vector<std::uint64_t> chains;
  for (std::uint64_t space = 0; space < 200; ++space) {
    roots.push_back(tree.make(kNoNode, space));
    chains.push_back(BlockTree::next_chain(tree.first_chain(), space));
  }
  // 200 children, one below each root, all with the same chain.
  const std::uint64_t shared = BlockTree::next_chain(chains[0], 7);
  std::vector<NodeId> children;
  std::vector<std::uint64_t> contents;
  for (std::size_t i = 0; i < roots.size(); ++i) {
    contents.push_back(colliding(chains[i], chains[0], 7));
    REQUIRE(BlockTree::next_chain(chains[i], contents[i]) == shared);
    children.push_back(tree.make(roots[i], contents[i]));
    REQUIRE(tree.add_holder(children[i], static_cast<std::uint32_t>(i)));
  }
  CHECK(tree.held_nodes() == 200);
  for (std::size_t i = 0; i < roots.size(); ++i) {
    CHECK(tree.find(roots[i], contents[i], shared) == children[i]);
    CHECK(tree.find(roots[i], contents[(i + 1) % 200], shared) == kNoNode);
    CHECK(tree.find(roots[(i + 1) % 200], contents[i], shared) == kNoNode);
    CHECK(tree.namespace_key(children[i]) == i);
  }
  // Half of them go, in an order that makes the table move the others about.
  for (std::size_t i = 0; i < roots.size(); i += 2) {
    const std::size_t gone = (i * 77) % 200;
    REQUIRE(tree.remove_holder(children[gone], static_cast<std::uint32_t>(gone)));
  }
  for (std::size_t i = 0; i < roots.size(); ++i) {
    CHECK(tree.find(roots[i], contents[i], shared) == (i % 2 == 0 ? kNoNode : children[i]));
    CHECK(tree.find(kNoNode, i, chains[i]) == (i % 2 == 0 ? kNoNode : roots[i]));
  }
  for (std::size_t i = 1; i < roots.size(); i += 2) {
    REQUIRE(tree.remove_holder(children[i], static_cast<std::uint32_t>(i)));
  }
  CHECK(tree.heap_bytes() == 0);
}

TEST_CASE("a node nobody holds stays while it has children, and its number is used again", "[prefix]") {
  BlockTree tree(1);
  const NodeId root = tree.make(kNoNode, 5);
  const NodeId first = tree.make(root, 10);
  const NodeId second = tree.make(first, 20);
  CHECK(tree.make(first, 20) == second);
  CHECK(tree.add_holder(second, 3));
  CHECK_FALSE(tree.add_holder(second, 3));
  CHECK(tree.add_holder(first, 200));
  CHECK_FALSE(tree.remove_holder(first, 3));
  CHECK_FALSE(tree.remove_holder(second, 200));
  CHECK(tree.remove_holder(first, 200));
  CHECK(tree.content(first) == 10);
  CHECK(tree.held_nodes() == 1);
  const NodeId other = tree.make(first, 21);
  CHECK(tree.add_holder(other, 0));
  CHECK(tree.remove_holder(second, 3));
  const NodeId again = tree.make(first, 22);
  CHECK(again == second);
  CHECK(tree.holders(again).empty());
  tree.prune(again);
  CHECK(tree.remove_holder(other, 0));
  CHECK(tree.held_nodes() == 0);
  CHECK(tree.heap_bytes() == 0);
}
