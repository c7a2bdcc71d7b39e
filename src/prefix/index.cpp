// PrefixIndex: its workers, the sweep after those that were removed, and its counts.
#include "kthena/prefix/index.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "kthena/base/faults.hpp"
#include "prefix/index_state.hpp"

namespace kthena::prefix {

using detail::kNoOrphan;
using detail::Worker;

Status PrefixIndex::State::check(WorkerId worker, KvTier tier) const {
  if (!in_use(worker))
    return not_found("worker: " + (worker.valid() ? std::to_string(worker.value) : "none") + " is not in use");
  if (tier > KvTier::kExternal)
    return invalid_argument("tier: " + std::to_string(static_cast<int>(tier)) + " is not a tier");
  return {};
}

void PrefixIndex::State::hide(std::uint32_t id) noexcept {
  std::uint64_t& word = alive[detail::word_of(id)];
  detail::store(word, word & ~detail::bit_of(id));
  detail::store(hidden, hidden + 1);
  detail::store(generation, generation + 1);  // last: who sees it, sees the others
}

void PrefixIndex::State::show(std::uint32_t id) noexcept {
  std::uint64_t& word = alive[detail::word_of(id)];
  detail::store(word, word | detail::bit_of(id));
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
  range("max_expected_blocks", options.max_expected_blocks, 0, std::numeric_limits<std::uint32_t>::max());
  if (options.expected_ttl_ns < 0)
    faults.add("expected_ttl_ns", std::to_string(options.expected_ttl_ns) + " is negative");
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
  if (std::erase(state.unswept, id) != 0) {
    (void)state.drop(id, std::numeric_limits<std::size_t>::max());
    state.reset(id);
    detail::store(state.hidden, state.hidden - 1);
  }
  Worker& worker = state.workers[id];
  worker.in_use = true;
  worker.name = name;
  state.names.emplace(worker.name, id);
  detail::store(state.limit, std::max<std::size_t>(state.limit, id + 1u));
  state.show(id);
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

std::size_t PrefixIndex::held_blocks(WorkerId worker) const noexcept {
  return state_->in_use(worker) ? state_->workers[worker.value].memberships : 0;
}

Status PrefixIndex::remove_worker(WorkerId worker) {
  State& state = *state_;
  if (Status status = state.check(worker, KvTier::kDevice); !status.ok()) return status;
  const std::uint32_t id = worker.value;
  Worker& gone = state.workers[id];
  state.drop_orphans(id);
  state.drop_copies(id);
  state.counts.memberships -= gone.memberships;
  state.counts.expected_blocks -= gone.guesses.size();
  state.names.erase(gone.name);
  gone.name.clear();
  gone.name.shrink_to_fit();
  gone.in_use = false;
  state.hide(id);
  if (gone.memberships != 0) {
    state.unswept.push_back(id);
  } else {
    detail::store(state.hidden, state.hidden - 1);
  }
  std::size_t limit = state.limit;
  while (limit != 0 && !state.workers[limit - 1].in_use) --limit;
  detail::store(state.limit, limit);
  if (--state.counts.workers == 0) {
    state.tree.clear();
    state.shared.clear();
    state.workers = std::vector<Worker>();
    state.unswept = {};
    detail::store(state.hidden, 0);
    state.already = {};
    state.touched = {};
  }
  return {};
}

std::size_t PrefixIndex::sweep(std::size_t max_blocks) {
  State& state = *state_;
  while (max_blocks != 0 && !state.unswept.empty()) {
    const std::uint32_t id = state.unswept.front();
    max_blocks = state.drop(id, max_blocks);
    if (max_blocks == 0) break;
    state.reset(id);
    state.unswept.erase(state.unswept.begin());
    detail::store(state.hidden, state.hidden - 1);
    ++state.counts.sweeps;
  }
  while (state.workers.size() > state.limit && state.workers.back().memberships == 0) state.workers.pop_back();
  state.tree.collect(true);
  std::size_t left = 0;
  for (const std::uint32_t id : state.unswept) left += state.workers[id].memberships;
  return left;
}

std::size_t PrefixIndex::worker_limit() const noexcept { return detail::load(state_->limit); }

Status PrefixIndex::apply(const KvEvent& event) {
  Status status = std::visit([this](const auto& one) { return state_->apply(one); }, event);
  state_->tree.collect(false);
  return status;
}

PrefixQuery PrefixIndex::make_query(const Namespace& space) const {
  return {namespace_key(space), options().block_tokens, options().seed, options().wide_contents};
}

std::uint64_t PrefixIndex::namespace_key(const Namespace& space) const noexcept {
  Namespace own = space;
  own.block_tokens = options().block_tokens;
  return kthena::namespace_key(own, options().seed);
}

std::uint64_t PrefixIndex::hash_block(std::span<const std::uint32_t> tokens) const noexcept {
  return kthena::hash_block(tokens, options().seed);
}

std::uint64_t PrefixIndex::hash_block_upper(std::span<const std::uint32_t> tokens) const noexcept {
  return kthena::hash_block_upper(tokens, options().seed);
}

PrefixIndexStats PrefixIndex::stats() const noexcept {
  const State& state = *state_;
  PrefixIndexStats stats = state.counts;
  stats.unique_blocks =
      state.unswept.empty() ? state.tree.held_blocks() : state.tree.held_blocks([&state](std::uint32_t worker) {
        return worker < state.workers.size() && state.workers[worker].in_use;
      });
  stats.orphan_blocks = state.orphans.size();
  stats.runs = state.tree.runs();
  for (const std::uint32_t id : state.unswept) stats.unswept_blocks += state.workers[id].memberships;
  std::size_t bytes = sizeof(State) + state.tree.heap_bytes() + state.orphans.heap_bytes() +
                      kthena::detail::heap_bytes(state.names) + kthena::detail::heap_bytes(state.workers) +
                      kthena::detail::heap_bytes(state.alive) + kthena::detail::heap_bytes(state.unswept) +
                      kthena::detail::heap_bytes(state.already) + kthena::detail::heap_bytes(state.touched) +
                      state.shared.heap_bytes();
  for (const Worker& worker : state.workers) {
    bytes += worker.blocks.heap_bytes() + kthena::detail::heap_bytes(worker.duplicates) +
             kthena::detail::heap_bytes(worker.copies) + kthena::detail::heap_bytes(worker.own_places) +
             worker.guesses.heap_bytes();
  }
  stats.approximate_bytes = bytes;
  return stats;
}

}  // namespace kthena::prefix
