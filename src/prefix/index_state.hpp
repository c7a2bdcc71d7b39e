// src/prefix/index_state.hpp
//
// What a PrefixIndex is made of: workers with what they say they hold, the tree of runs, and the orphans. Its member functions lie in
//   index.cpp         workers, the sweep after those that were removed, counts
//   index_store.cpp   blocks that engines stored, and those that wait for their parent
//   index_remove.cpp  blocks that are gone
//   index_expect.cpp  blocks that a worker is expected to hold
//   index_names.cpp   what a worker means by an engine hash, and in which tiers
//   index_find.cpp    lookups
//   index_dump.cpp    all of it as bytes, and as events
//   index_load.cpp    back from the bytes
// An event of n blocks is the same as n events of one block, in order: every rule is about one block. Stretches of blocks that are plainly
// new, or plainly gone, are told to the tree at once.
#pragma once

#include <bit>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "base/containers.hpp"
#include "kthena/base/hash.hpp"
#include "kthena/prefix/index.hpp"
#include "prefix/holdings.hpp"
#include "prefix/orphans.hpp"
#include "prefix/run_tree.hpp"
#include "prefix/worker_set.hpp"

namespace kthena::prefix {
namespace detail {

class Ahead;
class DumpReader;
struct LoadedRuns;

/// A run as a dump has it.
struct DumpedRun {
  RunId run = kNoRun;
  RunId parent = kNoRun;
  std::uint32_t parent_offset = 0;
  std::uint64_t namespace_key = 0;
  Contents contents;
};

/// The fastest of a set of tiers, which is not empty.
constexpr std::uint32_t fastest(std::uint32_t tiers) noexcept {
  return static_cast<std::uint32_t>(std::countr_zero(tiers));
}

/// Blocks of a run that the tree was not told about yet: they are held, or gone.
struct Untold {
  RunId run = kNoRun;
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  bool held = false;

  [[nodiscard]] bool has(Place place) const noexcept {
    return place.run == run && first <= place.offset && place.offset < last;
  }
};

/// What a worker means by an engine hash.
struct Found {
  Holding holding;
  Holding* own = nullptr;   // in the worker's own table
  Holding* name = nullptr;  // in the shared table; its parent_tag counts the workers that hold it under this name

  [[nodiscard]] bool known() const noexcept { return own != nullptr || name != nullptr; }
};

}  // namespace detail

struct PrefixIndex::State {
  explicit State(const PrefixIndexOptions& given)
      : options(given),
        alive(detail::words_for(given.max_workers)),
        tree(given.seed, mix64(given.seed + 1), given.wide_contents),
        orphans(mix64(given.seed + 2)),
        shared(detail::Worker(given.seed).hash),
        names(0, kthena::detail::Hash{mix64(given.seed + 3)}) {}

  [[nodiscard]] bool in_use(WorkerId worker) const noexcept {
    return worker.value < limit && workers[worker.value].in_use;
  }
  [[nodiscard]] Status check(WorkerId worker, KvTier tier) const;

  Status apply(const BlockStored& event);
  Status apply(const BlockRemoved& event);
  Status apply(const AllBlocksCleared& event);

  /// Stores the blocks behind a known parent that lie in one run with the first of them. Gives their number and moves `parent` to the last.
  std::size_t store(std::uint32_t id, const BlockStored& event, std::size_t first, detail::Place& parent);
  /// The same where engine hashes are shared.
  void store_shared(std::uint32_t id, const BlockStored& event, std::size_t first, detail::Stretch stretch,
                    detail::Ahead& ahead);
  /// Stores blocks that come without contents: known ones are in one more tier.
  void store_known(const BlockStored& event);
  void remove_shared(std::uint32_t id, const BlockRemoved& event);

  /// Blocks that the worker will hold soon are guesses; those beyond the capacity go.
  void expect(std::uint32_t id, const PrefixQuery& query);
  std::size_t expire(std::size_t max_blocks);
  /// The last `count` blocks of the worker's oldest guesses go.
  void drop_guesses(std::uint32_t id, std::uint32_t count);
  [[nodiscard]] std::vector<std::byte> dump() const;
  /// Into a state that is new. After an error it is good for nothing.
  Status load(std::span<const std::byte> bytes);
  Status load_workers(detail::DumpReader& in);
  Status load_runs(detail::DumpReader& in, detail::LoadedRuns& runs);
  Status load_worker(detail::DumpReader& in, std::uint32_t id, const std::vector<detail::Holding>& all_names,
                     detail::LoadedRuns& runs);
  Status load_orphans(detail::DumpReader& in);
  Status load_copies(detail::DumpReader& in);
  /// Whether the worker, which holds the block of a name in the shared table, does so under that name.
  [[nodiscard]] bool under_shared_name(std::uint32_t id, detail::Place place) const {
    const auto own = workers[id].own_places.find(detail::place_key(place));
    return own == workers[id].own_places.end() || own->second.shared;
  }
  /// Runs in preorder, each with the number of its blocks that are needed; `needed` begins as what is needed for the blocks alone.
  [[nodiscard]] std::vector<detail::DumpedRun> runs_in_order(std::vector<std::uint32_t>& needed) const;
  void dump_events(std::uint32_t id, const std::function<void(const KvEvent&)>& sink) const;

  /// The worker holds a block, by an engine's word and not as a guess.
  [[nodiscard]] bool told(std::uint32_t id, detail::Place place) const noexcept {
    return tree.holds(id, place) && !workers[id].guesses.has(place);
  }
  /// Some worker does.
  [[nodiscard]] bool told(detail::Place place) const noexcept;

  /// What the worker means by an engine hash, whose hash is `hashed`. Blocks in `untold` count as it says.
  [[nodiscard]] detail::Found look_up(std::uint32_t id, std::uint64_t engine_hash, std::uint64_t hashed,
                                      const detail::Untold& untold = {});
  /// Where engine hashes are shared: the place that other workers mean by one, the shared table's first, else the smallest id's. kNoRun: none.
  [[nodiscard]] detail::Place place_elsewhere(std::uint64_t engine_hash, std::uint64_t hashed);
  /// Adds what was not known. The tree is told after it.
  void put(std::uint32_t id, std::uint64_t hashed, const detail::Holding& holding);
  void put_own(std::uint32_t id, std::uint64_t hashed, const detail::Holding& holding, bool also_shared);
  /// The worker stored a block that it had in `tiers` under this hash.
  void note_copy(std::uint32_t id, std::uint64_t engine_hash, std::uint32_t tiers, KvTier tier);
  /// Whether there is a copy more than one in the tier; then it is one less.
  [[nodiscard]] bool take_copy(std::uint32_t id, std::uint64_t engine_hash, KvTier tier);
  /// Forgets them: the hash is of no block any more, or of another.
  void forget_copies(std::uint32_t id, std::uint64_t engine_hash);
  void drop_copies(std::uint32_t id);
  /// Takes a name out of the tables. The tree is told after it.
  void forget(std::uint32_t id, std::uint64_t hashed, const detail::Found& found);
  /// A block that is known has these tiers now, which are not none, and this parent.
  void set_tiers(std::uint32_t id, std::uint64_t hashed, const detail::Found& found, std::uint32_t tiers,
                 std::uint32_t parent_tag);

  /// Stores one block whose parent is not known. Gives its place if it had been placed before, by the same store; else kNoRun.
  detail::Place park(std::uint32_t id, const detail::Orphan& orphan, const detail::Holding& claim);
  void place_waiting(std::uint32_t id, std::uint64_t engine_hash, detail::Place place);
  /// The worker lost a block in all tiers, or says that it is another one.
  void release(std::uint32_t id, const detail::Holding& holding);
  void hold(std::uint32_t id, detail::RunId run, std::uint32_t first, std::uint32_t last);
  /// Tiers of all engine hashes of the worker at a place: a walk over its table, for those rare places that have several.
  [[nodiscard]] std::uint32_t tiers_at(std::uint32_t id, detail::Place place) const;
  /// The worker is about to hold a place in these tiers: lookups never see it in a faster one.
  void foretell_tier(std::uint32_t id, detail::Place place, std::uint32_t tiers);
  /// A holding of the worker at this place now has these tiers.
  void note_tier(std::uint32_t id, detail::Place place, std::uint32_t tiers);
  /// Drops what the worker holds, `budget` places of its table at most. Gives what is left of the budget.
  std::size_t drop(std::uint32_t id, std::size_t budget);
  /// The worker is as a new one.
  void reset(std::uint32_t id);
  void drop_orphans(std::uint32_t id);

  /// No lookup that begins now has the worker in its answer, whatever is in the tree; and those under way begin again.
  void hide(std::uint32_t id) noexcept;
  /// The tree has what the worker holds.
  void show(std::uint32_t id) noexcept;

  /// The bit of each worker below `size` that is a candidate and in use. `words` has one word per 64 workers below `size`.
  void select(std::span<const std::uint64_t> candidates, std::size_t size,
              std::span<std::uint64_t> words) const noexcept;
  /// Calls reset() and walks down the query with `visit`, again and again until what it saw belongs together.
  template <class Reset, class Visit>
  void walk(const PrefixQuery& query, Reset&& reset, Visit&& visit) const noexcept;
  /// A walker at the start of a query.
  [[nodiscard]] detail::RunTree::Walker walker(const PrefixQuery& query) const noexcept;
  /// Checkpoints that the tree's can be compared with, or null.
  [[nodiscard]] const std::uint64_t* checkpoints(const PrefixQuery& query) const noexcept {
    return query.seed() == options.seed ? query.checkpoints().data() : nullptr;
  }

  PrefixIndexOptions options;
  // What lookups load: seldom written.
  alignas(64) std::size_t limit = 0;  // one more than the largest id in use
  std::uint64_t generation = 0;       // counts workers that were hidden
  std::uint32_t hidden = 0;           // workers in the tree that no answer may have
  std::vector<std::uint64_t> alive;   // a bit per worker that answers may have, for max_workers
  alignas(64) detail::RunTree tree;
  detail::Orphans orphans;
  detail::HoldingTable shared;                  // by engine hash; empty unless engine hashes are shared
  std::vector<detail::Worker> workers;          // by id
  std::vector<std::uint32_t> unswept;           // workers that were removed and still have a table, oldest first
  std::vector<detail::RunTree::Range> already;  // scratch of hold() and expect()
  std::vector<detail::RunTree::Range> touched;  // scratch of expect()
  std::int64_t latest_ns = std::numeric_limits<std::int64_t>::min();  // of the times given
  std::uint32_t expiring = 0;                                         // the worker that expire() looks at next
  kthena::detail::HashMap<std::string, std::uint32_t> names;
  PrefixIndexStats counts;  // workers, memberships, expected blocks and those that only grow
};

}  // namespace kthena::prefix
