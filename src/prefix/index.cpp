// The plain implementation behind PrefixIndex: a tree with one node per block, walked block by block.
//
// An event of n blocks is the same as n events of one block, in order: every rule below is about one block.
#include "kthena/prefix/index.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/containers.hpp"
#include "kthena/base/faults.hpp"
#include "kthena/base/hash.hpp"
#include "prefix/holdings.hpp"
#include "prefix/orphans.hpp"
#include "prefix/tree.hpp"
#include "prefix/worker_set.hpp"

namespace kthena::prefix {

using detail::Holding;
using detail::kNoNode;
using detail::kNoOrphan;
using detail::NodeId;
using detail::Orphan;
using detail::OrphanId;
using detail::Worker;

struct PrefixIndex::State {
  explicit State(const PrefixIndexOptions& given)
      : options(given),
        tree(mix64(given.seed + 1)),
        orphans(mix64(given.seed + 2)),
        names(0, kthena::detail::Hash{mix64(given.seed + 3)}) {}

  [[nodiscard]] bool in_use(WorkerId worker) const noexcept {
    return worker.value < workers.size() && workers[worker.value].in_use;
  }
  [[nodiscard]] Status check(WorkerId worker, KvTier tier) const;

  Status apply(const BlockStored& event);
  Status apply(const BlockRemoved& event);
  Status apply(const AllBlocksCleared& event);

  /// Where the worker's block with this engine hash lies, if it is placed in this namespace; else kNoNode.
  [[nodiscard]] NodeId placed_node(const Worker& worker, std::uint64_t engine_hash,
                                   std::uint64_t namespace_key) const noexcept;
  /// Stores one block below a known node. Gives its node.
  NodeId place(std::uint32_t id, NodeId parent, std::uint64_t engine_hash, std::uint64_t content, const Holding& claim);
  /// Stores one block whose parent is not known. Gives its node if it had been placed before, by the same claim; else kNoNode.
  NodeId park(std::uint32_t id, const Orphan& orphan, const Holding& claim);
  void place_waiting(std::uint32_t id, std::uint64_t engine_hash, NodeId node);
  /// The worker lost the block in all tiers, or says that it is another one.
  void release(std::uint32_t id, const Holding& holding);
  void hold(std::uint32_t id, NodeId node);
  void clear(std::uint32_t id);

  /// Walks the query for the workers in `active` and calls emit(word, bits, depth) for those whose match ends at a depth > 0.
  template <class Emit>
  void walk(const PrefixQuery& query, std::span<std::uint64_t> active, Emit&& emit) const noexcept;

  PrefixIndexOptions options;
  detail::BlockTree tree;
  detail::Orphans orphans;
  std::vector<Worker> workers;  // by id; the last one is in use
  kthena::detail::HashMap<std::string, std::uint32_t> names;
  PrefixIndexStats counts;  // workers, memberships and those that only grow
};

Status PrefixIndex::State::check(WorkerId worker, KvTier tier) const {
  if (!in_use(worker))
    return not_found("worker: " + (worker.valid() ? std::to_string(worker.value) : "none") + " is not in use");
  if (tier > KvTier::kExternal)
    return invalid_argument("tier: " + std::to_string(static_cast<int>(tier)) + " is not a tier");
  return {};
}

Status PrefixIndex::State::apply(const BlockStored& event) {
  if (Status status = check(event.worker, event.tier); !status.ok()) return status;
  if (event.engine_hashes.size() != event.content_hashes.size()) {
    return invalid_argument("content_hashes: " + std::to_string(event.content_hashes.size()) +
                            " elements where engine_hashes has " + std::to_string(event.engine_hashes.size()));
  }
  if (event.engine_hashes.empty()) return {};

  const std::uint32_t id = event.worker.value;
  Holding claim{.parent_hash = event.parent.value_or(0),
                .tiers = detail::tier_bit(event.tier),
                .has_parent = event.parent.has_value()};
  NodeId parent = event.parent ? placed_node(workers[id], *event.parent, event.namespace_key)
                               : tree.make(kNoNode, event.namespace_key);
  for (std::size_t i = 0; i < event.engine_hashes.size(); ++i) {
    const std::uint64_t hash = event.engine_hashes[i];
    parent = parent != kNoNode
                 ? place(id, parent, hash, event.content_hashes[i], claim)
                 : park(id, {event.namespace_key, hash, claim.parent_hash, event.content_hashes[i], id}, claim);
    claim.parent_hash = hash;
    claim.has_parent = true;
  }
  return {};
}

NodeId PrefixIndex::State::placed_node(const Worker& worker, std::uint64_t engine_hash,
                                       std::uint64_t namespace_key) const noexcept {
  const auto it = worker.blocks.find(engine_hash);
  if (it == worker.blocks.end() || !it->second.placed) return kNoNode;
  return tree.namespace_key(it->second.at) == namespace_key ? it->second.at : kNoNode;
}

NodeId PrefixIndex::State::place(std::uint32_t id, NodeId parent, std::uint64_t engine_hash, std::uint64_t content,
                                 const Holding& claim) {
  const NodeId node = tree.make(parent, content);
  Holding& holding = workers[id].blocks.try_emplace(engine_hash).first->second;
  const Holding before = std::exchange(holding, claim);
  holding.at = node;
  holding.placed = true;
  if (before.placed && before.at == node) {
    holding.tiers |= before.tiers;
    return node;
  }
  hold(id, node);  // before the release, which may free nodes above it
  if (before.tiers != 0) {
    ++counts.rehashed_blocks;
    release(id, before);
  }
  place_waiting(id, engine_hash, node);
  return node;
}

NodeId PrefixIndex::State::park(std::uint32_t id, const Orphan& orphan, const Holding& claim) {
  auto& blocks = workers[id].blocks;
  if (const auto it = blocks.find(orphan.engine_hash); it != blocks.end()) {
    Holding& holding = it->second;
    const bool same_content = holding.placed ? tree.content(holding.at) == orphan.content &&
                                                   tree.namespace_key(holding.at) == orphan.namespace_key
                                             : orphans[holding.at].content == orphan.content &&
                                                   orphans[holding.at].namespace_key == orphan.namespace_key;
    if (same_content && holding.has_parent && holding.parent_hash == orphan.parent_hash) {
      holding.tiers |= claim.tiers;
      return holding.placed ? holding.at : kNoNode;
    }
    const Holding before = holding;
    blocks.erase(it);
    ++counts.rehashed_blocks;
    release(id, before);
  }
  if (options.max_orphan_blocks == 0) {
    ++counts.orphans_dropped;
    return kNoNode;
  }
  if (orphans.size() == options.max_orphan_blocks) {
    const OrphanId oldest = orphans.oldest();
    workers[orphans[oldest].worker].blocks.erase(orphans[oldest].engine_hash);
    orphans.erase(oldest);
    ++counts.orphans_dropped;
  }
  Holding& holding = blocks[orphan.engine_hash];
  holding = claim;
  holding.at = orphans.park(orphan);
  return kNoNode;
}

void PrefixIndex::State::place_waiting(std::uint32_t id, std::uint64_t engine_hash, NodeId node) {
  if (orphans.size() == 0) return;
  std::vector<std::pair<std::uint64_t, NodeId>> parents = {{engine_hash, node}};
  while (!parents.empty()) {
    const auto [parent_hash, parent] = parents.back();
    parents.pop_back();
    OrphanId waiting = orphans.first_waiting(id, parent_hash);
    while (waiting != kNoOrphan) {
      const OrphanId next = orphans.next_waiting(waiting);
      const Orphan orphan = orphans[waiting];
      if (orphan.namespace_key == tree.namespace_key(parent)) {
        orphans.erase(waiting);
        const NodeId child = tree.make(parent, orphan.content);
        Holding& holding = workers[id].blocks.find(orphan.engine_hash)->second;
        holding.at = child;
        holding.placed = true;
        hold(id, child);
        parents.emplace_back(orphan.engine_hash, child);
      }
      waiting = next;
    }
  }
}

void PrefixIndex::State::hold(std::uint32_t id, NodeId node) {
  if (tree.add_holder(node, id)) {
    ++counts.memberships;
  } else {
    ++workers[id].duplicates[node];
  }
}

void PrefixIndex::State::release(std::uint32_t id, const Holding& holding) {
  if (!holding.placed) {
    orphans.erase(holding.at);
    return;
  }
  auto& duplicates = workers[id].duplicates;
  if (const auto it = duplicates.find(holding.at); it != duplicates.end()) {
    if (--it->second == 0) duplicates.erase(it);
    return;
  }
  --counts.memberships;
  tree.remove_holder(holding.at, id);
}

Status PrefixIndex::State::apply(const BlockRemoved& event) {
  if (Status status = check(event.worker, event.tier); !status.ok()) return status;
  auto& blocks = workers[event.worker.value].blocks;
  const std::uint8_t tier = detail::tier_bit(event.tier);
  for (const std::uint64_t hash : event.engine_hashes) {
    const auto it = blocks.find(hash);
    if (it == blocks.end() || (it->second.tiers & tier) == 0) {
      ++counts.unknown_removes;
      continue;
    }
    it->second.tiers &= static_cast<std::uint8_t>(~tier);
    if (it->second.tiers != 0) continue;
    const Holding holding = it->second;
    blocks.erase(it);
    release(event.worker.value, holding);
  }
  return {};
}

Status PrefixIndex::State::apply(const AllBlocksCleared& event) {
  if (Status status = check(event.worker, KvTier::kDevice); !status.ok()) return status;
  clear(event.worker.value);
  return {};
}

void PrefixIndex::State::clear(std::uint32_t id) {
  Worker& worker = workers[id];
  for (const auto& [hash, holding] : std::exchange(worker.blocks, Worker(options.seed).blocks)) release(id, holding);
}

template <class Emit>
void PrefixIndex::State::walk(const PrefixQuery& query, std::span<std::uint64_t> active, Emit&& emit) const noexcept {
  std::uint32_t depth = 0;
  std::uint64_t chain = tree.next_chain(tree.first_chain(), query.namespace_key());
  NodeId node = tree.find(kNoNode, query.namespace_key(), chain);
  if (node == kNoNode) return;
  for (const std::uint64_t content : query.contents()) {
    chain = tree.next_chain(chain, content);
    node = tree.find(node, content, chain);
    if (node == kNoNode) break;
    const std::span<const std::uint64_t> holders = tree.holders(node);
    std::uint64_t any = 0;
    for (std::size_t word = 0; word < active.size(); ++word) {
      const std::uint64_t held = word < holders.size() ? holders[word] : 0;
      const std::uint64_t lost = active[word] & ~held;
      if (lost != 0 && depth != 0) emit(word, lost, depth);
      active[word] &= held;
      any |= active[word];
    }
    if (any == 0) return;
    ++depth;
  }
  if (depth == 0) return;
  for (std::size_t word = 0; word < active.size(); ++word) {
    if (active[word] != 0) emit(word, active[word], depth);
  }
}

Result<PrefixIndex> PrefixIndex::create(const PrefixIndexOptions& options) {
  Faults faults;
  const auto range = [&faults](const char* path, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
    if (value >= low && value <= high) return;
    faults.add(path, std::to_string(value) + " is not in " + std::to_string(low) + ".." + std::to_string(high));
  };
  range("block_tokens", options.block_tokens, 1, 65536);
  range("max_workers", options.max_workers, 1, detail::kMaxWorkers);
  range("max_orphan_blocks", options.max_orphan_blocks, 0, kNoOrphan);
  if (!faults.empty()) return faults.status();
  return PrefixIndex(std::make_unique<State>(options));
}

PrefixIndex::PrefixIndex(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
PrefixIndex::PrefixIndex(PrefixIndex&&) noexcept = default;
PrefixIndex& PrefixIndex::operator=(PrefixIndex&&) noexcept = default;
PrefixIndex::~PrefixIndex() = default;

const PrefixIndexOptions& PrefixIndex::options() const noexcept { return state_->options; }

Result<WorkerId> PrefixIndex::add_worker(std::string_view name) {
  if (name.empty()) return invalid_argument("name: is empty");
  State& state = *state_;
  if (const WorkerId known = find_worker(name); known.valid()) return known;
  if (state.counts.workers == state.options.max_workers) {
    return resource_exhausted("name: all " + std::to_string(state.options.max_workers) + " workers are in use");
  }
  const auto unused =
      std::find_if(state.workers.begin(), state.workers.end(), [](const Worker& worker) { return !worker.in_use; });
  const auto id = static_cast<std::uint32_t>(unused - state.workers.begin());
  if (unused == state.workers.end()) state.workers.emplace_back(state.options.seed);
  Worker& worker = state.workers[id];
  worker.in_use = true;
  worker.name = name;
  state.names.emplace(worker.name, id);
  ++state.counts.workers;
  return WorkerId{id};
}

WorkerId PrefixIndex::find_worker(std::string_view name) const noexcept {
  const auto it = state_->names.find(name);
  return it == state_->names.end() ? WorkerId{} : WorkerId{it->second};
}

std::string_view PrefixIndex::worker_name(WorkerId worker) const noexcept {
  return state_->in_use(worker) ? std::string_view(state_->workers[worker.value].name) : std::string_view();
}

Status PrefixIndex::remove_worker(WorkerId worker) {
  State& state = *state_;
  if (Status status = state.check(worker, KvTier::kDevice); !status.ok()) return status;
  state.clear(worker.value);
  state.names.erase(state.workers[worker.value].name);
  state.workers[worker.value] = Worker(state.options.seed);
  while (!state.workers.empty() && !state.workers.back().in_use) state.workers.pop_back();
  --state.counts.workers;
  return {};
}

std::size_t PrefixIndex::worker_limit() const noexcept { return state_->workers.size(); }

Status PrefixIndex::apply(const KvEvent& event) {
  return std::visit([this](const auto& one) { return state_->apply(one); }, event);
}

PrefixQuery PrefixIndex::make_query(const Namespace& space) const {
  Namespace own = space;
  own.block_tokens = options().block_tokens;
  return {namespace_key(own, options().seed), options().block_tokens, options().seed};
}

void PrefixIndex::find(const PrefixQuery& query, std::span<const std::uint64_t> candidates,
                       std::span<std::uint32_t> depths) const noexcept {
  std::fill(depths.begin(), depths.end(), 0);
  detail::WorkerSet active(std::min(worker_limit(), depths.size()));
  const std::span<std::uint64_t> words = active.words();
  for (std::size_t word = 0; word < words.size(); ++word) {
    words[word] = candidates.empty() ? ~std::uint64_t{0} : word < candidates.size() ? candidates[word] : 0;
  }
  state_->walk(query, words, [depths](std::size_t word, std::uint64_t bits, std::uint32_t depth) {
    detail::for_each_worker(word, bits, [&](std::uint32_t worker) {
      if (worker < depths.size()) depths[worker] = depth;
    });
  });
}

void PrefixIndex::find_for(const PrefixQuery& query, std::span<const WorkerId> workers,
                           std::span<std::uint32_t> depths) const noexcept {
  detail::DepthTable table(workers, worker_limit());
  state_->walk(query, table.asked().words(), [&table](std::size_t word, std::uint64_t bits, std::uint32_t depth) {
    detail::for_each_worker(word, bits, [&](std::uint32_t worker) { table.set(worker, depth); });
  });
  table.write(workers, depths);
}

PrefixIndexStats PrefixIndex::stats() const noexcept {
  const State& state = *state_;
  PrefixIndexStats stats = state.counts;
  stats.unique_blocks = state.tree.held_nodes();
  stats.orphan_blocks = state.orphans.size();
  std::size_t bytes = sizeof(State) + state.tree.heap_bytes() + state.orphans.heap_bytes() +
                      kthena::detail::heap_bytes(state.names) + kthena::detail::heap_bytes(state.workers);
  for (const Worker& worker : state.workers) {
    bytes += kthena::detail::heap_bytes(worker.blocks) + kthena::detail::heap_bytes(worker.duplicates);
  }
  stats.approximate_bytes = bytes;
  return stats;
}

}  // namespace kthena::prefix
