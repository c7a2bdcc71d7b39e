// include/kthena/prefix/index.hpp
//
// PrefixIndex: who holds how much of this prompt? The exact prefix index over the KV blocks that engines say they hold.
//
//   Use when   engines publish KV events (or the simulator does), or, with expect(), where nobody does: then it is what routing
//              decisions made so far lead to expect.
//   Exact      depth(worker) = number of leading blocks of the query that the worker holds now, under any order of stores and
//              removals: a hole ends the depth and its healing restores it. (Where an engine uses a hash for two blocks, with a chance of
//              2^-16 per such use it is not noticed: docs/prefix-index.md, Limits.)
//   Cost       find: about six cache lines per run of blocks on the way, no allocation: 0.1 us for 272 blocks. store/remove: O(blocks).
//              Figures: docs/prefix-index.md.
//   Source     own. The structure behind it may change, this interface stays.
//   Threads    one writer at a time, and any number of threads in find*(), make_query(), options() and worker_limit() beside it: they take no
//              lock and wait for nothing. Each depth they give was true at some moment of the call. What else is const belongs to the
//              writer, or to anybody while nobody writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kthena/base/ids.hpp"
#include "kthena/base/kv_event.hpp"
#include "kthena/base/status.hpp"
#include "kthena/prefix/query.hpp"

namespace kthena::prefix {

struct PrefixIndexOptions {
  /// Tokens per block, for queries made by this index. Range 1..65536. DEFAULT: 16.
  std::uint32_t block_tokens = 16;
  /// Workers at once. Range 1..16384. DEFAULT: 1024.
  std::uint32_t max_workers = 1024;
  /// Blocks of all workers together that wait for a parent that was not stored yet. Beyond it the oldest are dropped and counted; a
  /// dropped block is unknown until it is stored again. Range 0..2^32-1. DEFAULT: 65536.
  std::size_t max_orphan_blocks = 65536;
  /// Secret seed of content hashes, namespaces and tables. Give a random one in production. DEFAULT: 0.
  std::uint64_t seed = 0;
  /// The engines mean the same block by the same hash (a chained hash under a known seed), so one table serves all workers: 16 to 20 bytes per
  /// (worker, block) instead of 28 to 36. If it is not so the answers stay right and the memory is not saved. Two things differ: a store that is
  /// repeated when its parent is gone is told by its content alone, and sweep() does a worker at a time. DEFAULT: false.
  bool shared_engine_hashes = false;
  /// A store of a block that the worker already holds in that tier, under that hash, is one more copy of it, and it is held until as many removals have
  /// come. vLLM is such an engine: two requests that compute one block at the same time make two, each stored and removed by itself. Only
  /// for events that come exactly once (KvStream sees to it). DEFAULT: false, storing twice changes nothing.
  bool count_copies = false;
  /// Contents have 128 bits: two prompts are one only if both halves of their hashes are equal block by block, not just by checkpoints of 64 bits.
  /// Events need content_uppers, queries have to be wide. 8 bytes more per distinct block, and a lookup reads twice as much. For who
  /// cannot have a chance of n^2 / 2^65 that two of n blocks are confused. DEFAULT: false.
  bool wide_contents = false;
  /// Blocks that each worker may be expected to hold (expect()); beyond it those expected longest ago go. Without events: the blocks of
  /// the engine's cache. Range 0..2^32-1. DEFAULT: 0, expect() is off.
  std::size_t max_expected_blocks = 0;
  /// How long an expected block counts after it was expected last, if nobody stores it, in nanoseconds. Without events such as 120 s, beside
  /// events such as 2 s: longer than from the decision to the engine's event. Range 0..2^63-1. DEFAULT: 0, it does not expire.
  std::int64_t expected_ttl_ns = 0;
};

struct PrefixIndexStats {
  std::uint64_t workers = 0;
  std::uint64_t memberships = 0;        ///< (worker, block) pairs held whose place is known
  std::uint64_t unique_blocks = 0;      ///< distinct blocks that some worker holds
  std::uint64_t orphan_blocks = 0;      ///< waiting for a parent
  std::uint64_t orphans_dropped = 0;    ///< ever, because of max_orphan_blocks
  std::uint64_t unknown_removes = 0;    ///< ever: removal of a block the worker did not hold
  std::uint64_t rehashed_blocks = 0;    ///< ever: an engine hash stored again under another parent or content
  std::uint64_t approximate_bytes = 0;  ///< memory in use, within 20 %
  std::uint64_t runs = 0;               ///< stretches of blocks that the tree is made of; they are never split
  std::uint64_t unswept_blocks = 0;     ///< of removed workers, still in memory
  std::uint64_t sweeps = 0;             ///< ever: removed workers that sweep() was done with
  std::uint64_t unresolved_stores = 0;  ///< ever: blocks stored without contents whose hash means nothing here
  std::uint64_t expected_blocks = 0;  ///< (worker, block) pairs that are only expected; they are among the memberships
  std::uint64_t promoted_blocks = 0;  ///< ever: expected, then stored
  std::uint64_t expired_blocks = 0;   ///< ever: expected, and gone because of expected_ttl_ns
  std::uint64_t evicted_blocks = 0;   ///< ever: expected, and gone because of max_expected_blocks
  std::uint64_t copied_blocks = 0;    ///< held more than once (count_copies): the copies beyond the first
};

/// What find_best() minimises: loads[worker] + block_cost * (blocks of the query that the worker lacks), in integers.
struct PickRule {
  /// Cost of a block that has to be computed, in the unit of the loads. DEFAULT: 1.
  std::uint32_t block_cost = 1;
  /// Equal costs go to the worker with the smallest mix64(tie_seed ^ id). DEFAULT: 0.
  std::uint64_t tie_seed = 0;
};

struct Pick {
  WorkerId worker;          ///< none: there is no candidate
  std::uint32_t depth = 0;  ///< leading blocks of the query that it holds
  std::uint64_t cost = 0;
};

class PrefixIndex {
 public:
  /// kInvalidArgument names every option out of range.
  static Result<PrefixIndex> create(const PrefixIndexOptions& options);
  PrefixIndex(PrefixIndex&&) noexcept;
  PrefixIndex& operator=(PrefixIndex&&) noexcept;
  ~PrefixIndex();

  [[nodiscard]] const PrefixIndexOptions& options() const noexcept;

  /// A new worker, or the one of that name. kResourceExhausted beyond max_workers, kInvalidArgument for an empty name.
  Result<WorkerId> add_worker(std::string_view name);
  /// None when no worker has that name.
  [[nodiscard]] WorkerId find_worker(std::string_view name) const noexcept;
  /// Empty for an id that is not in use. Valid until the worker is removed.
  [[nodiscard]] std::string_view worker_name(WorkerId worker) const noexcept;
  /// Distinct blocks that it holds in any tier, expected ones included; 0 for an id that is not in use. Not while the writer writes.
  [[nodiscard]] std::size_t held_blocks(WorkerId worker) const noexcept;
  /// Drops the worker and all it holds: no answer and no count has it any more. Costs O(its orphans); its blocks stay in memory until sweep()
  /// or, if that does not come, until add_worker() gives its id out again or the last worker goes. kNotFound if it is not in use.
  Status remove_worker(WorkerId worker);
  /// Frees what removed workers held, looking at `max_blocks` places of their tables at most. Gives what is left to do: 0 at the end.
  /// Until then stats() walks all runs, and find() tests each holder.
  std::size_t sweep(std::size_t max_blocks);
  /// One more than the largest worker id in use: the length find() fills.
  [[nodiscard]] std::size_t worker_limit() const noexcept;

  /// Applies one event. An event of n blocks is the same as n events of one block, in order.
  ///  - Storing or removing twice changes nothing the second time (but see count_copies).
  ///  - A block is held while any tier has it; a parent in any tier is a parent.
  ///  - A store whose parent this worker does not hold in this namespace waits (stats: orphan_blocks) and counts as held once the
  ///    parent arrives under that engine hash. Removing the parent of a placed block moves nothing: it makes a hole.
  ///  - An engine hash stored under another parent or content means the new block from then on (stats: rehashed_blocks). Two engine
  ///    hashes of a worker may mean one block, which is then held until both are removed.
  ///  - A store without content hashes (offloading) says of each engine hash by itself that its block is in this tier too. `parent` and
  ///    `namespace_key` are not looked at. The hash must be one that this worker holds or that waits; with shared_engine_hashes
  ///    it may be one that only other workers hold, and this worker then holds that block there. Any other is counted (stats:
  ///    unresolved_stores) and its place is not guessed.
  /// kNotFound for a worker that is not in use, kInvalidArgument for a tier that is none and when hashes and contents differ in
  /// number and there are contents, or when there are not as many content_uppers as wide_contents demands; then nothing changes.
  Status apply(const KvEvent& event);

  /// The worker gets this prompt and will soon hold its full blocks: until they are stored, evicted or expired they are guesses, and count as
  /// held, in the fastest tier, for every question. Guesses and the engine's word are apart:
  ///  - A block that the engine says it holds, in any tier, is no guess. When the engine stores a block that was one, its word alone
  ///    counts from then on (stats: promoted_blocks), so its BlockRemoved really removes it.
  ///  - A BlockRemoved means a block by the engine's hash, and a guess has none: it stays, and the removal counts as unknown.
  ///  - AllBlocksCleared and remove_worker() drop the worker's guesses.
  /// A prompt that is expected again is as fresh as a new one. Beyond max_expected_blocks the blocks go that were expected longest ago, the tail
  /// of a prompt before its head, so guesses alone never have holes. The blocks of one prompt beyond that capacity are not taken.
  /// `now_ns` is any steady clock of the caller's; a time before an earlier one counts as that one.
  /// Cost: O(runs of the prompt), and a comparison per block. kNotFound for a worker that is not in use, kFailedPrecondition where
  /// max_expected_blocks is 0, kInvalidArgument for a query under another seed, of another block size or width; then nothing
  /// changes.
  Status expect(WorkerId worker, const PrefixQuery& query, std::int64_t now_ns);
  /// Drops guesses that were expected last expected_ttl_ns or longer ago, `max_blocks` at most, and gives their number: less than
  /// `max_blocks` when none is left that is due. Until it is called they count. Cost: O(workers + segments of guesses dropped). Does
  /// nothing where expected_ttl_ns is 0.
  std::size_t expire(std::int64_t now_ns, std::size_t max_blocks);

  /// A query in `space`'s namespace with this index's seed and block size; `space.block_tokens` is not looked at. Events must carry
  /// namespace_key() of the same model, adapter, tenant, options().block_tokens and options().seed.
  [[nodiscard]] PrefixQuery make_query(const Namespace& space) const;

  /// The key of `space` in events for this index; `space.block_tokens` is not looked at.
  [[nodiscard]] std::uint64_t namespace_key(const Namespace& space) const noexcept;
  /// The content hash of a block of options().block_tokens tokens in events for this index.
  [[nodiscard]] std::uint64_t hash_block(std::span<const std::uint32_t> tokens) const noexcept;
  /// Its upper half, for wide contents.
  [[nodiscard]] std::uint64_t hash_block_upper(std::span<const std::uint32_t> tokens) const noexcept;

  /// depths[w] = leading blocks of the query that worker w holds in any tier; 0 for workers that hold none, are not in use or are
  /// masked out. All elements of `depths` are written; workers beyond them are left out, so worker_limit() elements are enough for all.
  /// `candidates` has one bit per worker (word w / 64, bit w % 64); empty: all workers; bits beyond it count as 0.
  void find_by_worker(const PrefixQuery& query, std::span<const std::uint64_t> candidates,
                      std::span<std::uint32_t> depths) const noexcept;

  /// The same for chosen workers: depths[i] belongs to workers[i] (0 for an invalid id). Both have the same length. This is the
  /// form a pool uses: workers in the order of its endpoints. Uses 66 KiB of stack.
  void find(const PrefixQuery& query, std::span<const WorkerId> workers,
            std::span<std::uint32_t> depths) const noexcept;

  /// The same for several queries, whose waits for memory overlap. `depths` is a row per query, depths.size() / queries.size() wide, as
  /// find_by_worker() writes it. No pointer is null.
  void find_batch(std::span<const PrefixQuery* const> queries, std::span<const std::uint64_t> candidates,
                  std::span<std::uint32_t> depths) const noexcept;

  /// Depths by tier: `depths` is a row per tier, depths.size() / kTiers wide. Row t says of each worker how many leading blocks of the query it
  /// holds in tier t or in a faster one, so the row of the slowest tier is what find_by_worker() says.
  void find_tiers(const PrefixQuery& query, std::span<const std::uint64_t> candidates,
                  std::span<std::uint32_t> depths) const noexcept;
  static constexpr std::size_t kTiers = 4;

  /// The candidate with the least cost under `rule`, without a column of depths in between. loads[w] belongs to worker w; workers beyond
  /// loads.size() are no candidates.
  [[nodiscard]] Pick find_best(const PrefixQuery& query, std::span<const std::uint64_t> candidates,
                               std::span<const std::uint32_t> loads, const PickRule& rule = {}) const noexcept;

  [[nodiscard]] PrefixIndexStats stats() const noexcept;

  /// All of it as bytes, the same on every machine: what load() takes. Removed workers are left out, as if sweep() were done. Equal states
  /// give equal bytes: two indexes that were told the same events in the same order, or an index and what load() made of its dump. (How
  /// prompts are cut into runs depends on that order.)
  /// It holds hashes, not tokens, and does not tell the seed; who knows the seed can test it for prompts. Size: 8 bytes per distinct block and 17
  /// per (worker, block), or 4 under a name of the shared table and 14 per name. Not while the writer writes.
  [[nodiscard]] std::vector<std::byte> dump() const;
  /// The index that was dumped: every later call does to it and answers what it does to the original, but for approximate_bytes.
  /// kFailedPrecondition names the option that differs: block_tokens, seed, shared_engine_hashes, count_copies and wide_contents must be equal, max_workers,
  /// max_orphan_blocks and max_expected_blocks large enough for what is there. kInvalidArgument "byte 17: ..." for bytes that no dump has, and
  /// as create() does. Any bytes are safe: memory stays below max_workers workers and 64 times the bytes.
  static Result<PrefixIndex> load(std::span<const std::byte> bytes, const PrefixIndexOptions& options);

  /// What a worker holds as events, for another index or another process: replayed in order into an index that had been told anything or
  /// nothing of this worker, they give equal depths in every tier and equal orphans. Begins with AllBlocksCleared; then stores, parents
  /// first, further tiers without contents, the orphans, and at last the removal of blocks that were stored only to place others
  /// behind them, under hashes made up here. Guesses are left out. Events are borrowed for the call. kNotFound for a worker that is not in use.
  Status dump_events(WorkerId worker, const std::function<void(const KvEvent&)>& sink) const;

 private:
  struct State;
  explicit PrefixIndex(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace kthena::prefix
