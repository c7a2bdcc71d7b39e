// RunTree under forced collisions: of an edge's hash only a few bits are used, so that most edges have equal hashes.
#include "prefix/run_tree.hpp"

#include <map>
#include <random>
#include <set>
#include <vector>

#include "catch.hpp"

using namespace kthena;
using namespace kthena::prefix::detail;

namespace {

using Path = std::vector<std::uint64_t>;

/// Places of a path's blocks; holds the last one for the worker.
Place hold(RunTree& tree, std::uint32_t worker, const Path& path) {
  Place place;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const Stretch stretch = tree.extend(place, 9, {std::span(path).subspan(i, 1), {}});
    REQUIRE(stretch.count == 1);
    place = {stretch.run, stretch.offset};
    std::vector<RunTree::Range> already;
    tree.hold(worker, place.run, place.offset, place.offset + 1, already);
    tree.settle();
  }
  return place;
}

std::uint32_t depth(const RunTree& tree, std::uint32_t worker, const Path& path) {
  std::uint32_t found = 0;
  RunTree::Walker walker{9, {path, {}}, nullptr};
  tree.walk(walker, [&](const Run& run, std::uint32_t matched, RunId) {
    for_each_holder(run, [&](const Holder& holder) {
      if (holder.worker == worker) found = run.start + std::min<std::uint32_t>(holder.cutoff, matched);
    });
    return true;
  });
  REQUIRE(tree.unchanged(walker));
  return found;
}

}  // namespace

TEST_CASE("P10 edges whose hashes collide are told apart by parent, offset and content", "[prefix][property]") {
  const auto bits = static_cast<std::uint64_t>(GENERATE(0, 1, 3, 16));
  // Bits at both ends: which group, and which tag.
  const std::uint64_t mask = ((std::uint64_t{1} << bits) - 1) << 48 | ((std::uint64_t{1} << bits / 2) - 1);
  RunTree tree(1, 2, false, mask);
  std::mt19937_64 random(bits);
  std::map<Path, Place> places;
  std::set<std::pair<RunId, std::uint32_t>> taken;
  for (int i = 0; i < 1200; ++i) {
    Path path(1 + random() % 6);
    for (std::uint64_t& content : path) content = random() % 5;
    const Place place = hold(tree, 3, path);
    const auto [it, is_new] = places.try_emplace(path, place);
    REQUIRE(it->second == place);
    if (is_new) REQUIRE(taken.emplace(place.run, place.offset).second);
  }
  for (const auto& [path, place] : places) {
    REQUIRE(depth(tree, 3, path) == path.size());
    REQUIRE(depth(tree, 4, path) == 0);
    Path longer = path;
    longer.push_back(99);
    REQUIRE(depth(tree, 3, longer) == path.size());
    REQUIRE(tree.content(place) == path.back());
    REQUIRE(tree.namespace_key(place.run) == 9);
  }
  const std::size_t before = tree.runs();
  CHECK(before > 100);
  // Everything goes run by run, from anywhere.
  std::set<RunId> runs;
  for (const auto& [path, place] : places) runs.insert(place.run);
  for (RunId run = 0; run < 4 * before; ++run) {
    if (tree.in(3, run)) tree.drop(3, run);
  }
  CHECK(tree.runs() == 0);
  CHECK(tree.held_blocks() == 0);
  CHECK(tree.heap_bytes() == 0);
}

TEST_CASE("a place stays while others come and go, and trimmed tails grow again", "[prefix]") {
  RunTree tree(1, 2);
  const Path trunk = {1, 2, 3, 4};
  const Place end = hold(tree, 0, trunk);
  CHECK(tree.runs() == 1);
  const Place branch = hold(tree, 1, {1, 2, 7, 8});
  CHECK(branch.run != end.run);
  CHECK(tree.runs() == 2);
  CHECK(hold(tree, 1, trunk) == end);
  tree.release(0, end.run, 2, 4);
  tree.release(1, end.run, 2, 4);
  CHECK(tree.held_blocks() == 4);
  CHECK(depth(tree, 0, trunk) == 2);
  const Place again = hold(tree, 0, {1, 2, 5});  // grows where the tail was trimmed
  CHECK(again == Place{end.run, 2});
  CHECK(tree.runs() == 2);
  CHECK(depth(tree, 1, {1, 2, 7, 8}) == 4);
  tree.release(1, end.run, 1, 2);  // a hole before the branch
  CHECK(depth(tree, 1, {1, 2, 7, 8}) == 1);
  CHECK(tree.gap_blocks() == 2);
  std::vector<RunTree::Range> already;
  tree.hold(1, end.run, 1, 2, already);
  CHECK(already.empty());
  CHECK(depth(tree, 1, {1, 2, 7, 8}) == 4);
  CHECK(tree.gap_blocks() == 0);
}
