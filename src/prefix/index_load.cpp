// An index back from the bytes of its dump. The bytes may be anything: each number is checked before it is used, and nothing is
// allocated that the bytes do not pay for.
#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "prefix/dump_format.hpp"
#include "prefix/index_state.hpp"

namespace kthena::prefix {

using detail::DumpReader;
using detail::fastest;
using detail::Holding;
using detail::kNoRun;
using detail::Place;
using detail::RunId;
using detail::Worker;

namespace detail {

/// Blocks of a run that a worker holds.
struct HeldRange {
  std::uint32_t run = 0;  // its number
  std::uint32_t worker = 0;
  std::uint32_t first = 0;
  std::uint32_t last = 0;
};

/// The runs of a dump by number, and what is to be told to the tree about them once all is known.
struct LoadedRuns {
  std::vector<RunId> ids;
  std::vector<std::uint16_t> lengths;
  std::vector<std::uint16_t> needed;
  std::vector<HeldRange> held;
  struct SlowBlock {
    Place place;
    std::uint32_t worker = 0;
    std::uint32_t tier = 0;
  };
  std::vector<SlowBlock> slow;

  void need(std::uint32_t run, std::uint32_t blocks) {
    needed[run] = std::max(needed[run], static_cast<std::uint16_t>(blocks));
  }
};

}  // namespace detail

using detail::HeldRange;
using detail::LoadedRuns;

namespace {

constexpr const char* kShort = "the bytes end";

/// A name and its place; `at` is the number of the run.
bool read_place(DumpReader& in, const LoadedRuns& runs, Holding& holding, std::uint64_t& before, bool first,
                const char*& fault) {
  holding.engine_hash = in.get<std::uint64_t>();
  holding.at = in.get<std::uint32_t>();
  const auto offset = in.get<std::uint16_t>();
  fault = nullptr;
  if (!in.ok()) {
    fault = kShort;
  } else if (!first && holding.engine_hash <= before) {
    fault = "engine hashes are not in ascending order";
  } else if (holding.at >= runs.ids.size() || offset >= runs.lengths[holding.at]) {
    fault = "a place that no run has";
  }
  before = holding.engine_hash;
  holding.offset = offset & 0xFFF;
  return fault == nullptr;
}

bool read_tiers(DumpReader& in, Holding& holding, const char*& fault) {
  const auto tiers = in.get<std::uint8_t>();
  holding.parent_tag = in.get<std::uint16_t>();
  fault = !in.ok() ? kShort : tiers == 0 || tiers > 0xF ? "tiers that are none" : nullptr;
  holding.tiers = tiers & 0xF;
  return fault == nullptr;
}

}  // namespace

Result<PrefixIndex> PrefixIndex::load(std::span<const std::byte> bytes, const PrefixIndexOptions& options) {
  Result<PrefixIndex> index = create(options);
  if (!index.ok()) return index.status();
  if (Status status = index->state_->load(bytes); !status.ok()) return status;
  return index;
}

Status PrefixIndex::State::load(std::span<const std::byte> bytes) {
  if (bytes.size() < detail::kDumpMagic.size() + sizeof(std::uint64_t) ||
      std::memcmp(bytes.data(), detail::kDumpMagic.data(), detail::kDumpMagic.size()) != 0) {
    return invalid_argument("byte 0: is no dump of a prefix index");
  }
  const std::span<const std::byte> body = bytes.first(bytes.size() - sizeof(std::uint64_t));
  if (DumpReader(bytes.last(sizeof(std::uint64_t))).get<std::uint64_t>() != xxh3_64(body, 0))
    return invalid_argument("byte " + std::to_string(body.size()) + ": the checksum is another one");
  DumpReader in(body);
  (void)in.get_text(detail::kDumpMagic.size());
  if (const auto version = in.get<std::uint32_t>(); version != detail::kDumpVersion)
    return in.fault("version " + std::to_string(version) + " where " + std::to_string(detail::kDumpVersion) +
                    " is known");

  const auto block_tokens = in.get<std::uint32_t>();
  const auto flags = in.get<std::uint32_t>();
  const auto fingerprint = in.get<std::uint64_t>();
  latest_ns = static_cast<std::int64_t>(in.get<std::uint64_t>());
  expiring = in.get<std::uint32_t>();
  for (const auto counter : detail::kCounters) counts.*counter = in.get<std::uint64_t>();
  if (!in.ok()) return in.fault(kShort);
  if (flags > 7) return in.fault("flags " + std::to_string(flags));
  if (block_tokens != options.block_tokens) {
    return failed_precondition("block_tokens: is " + std::to_string(options.block_tokens) + ", in the dump " +
                               std::to_string(block_tokens));
  }
  if (fingerprint != detail::seed_fingerprint(options.seed)) return failed_precondition("seed: is another in the dump");
  if (((flags & 1) != 0) != options.shared_engine_hashes) {
    return failed_precondition(std::string("shared_engine_hashes: is ") +
                               ((flags & 1) != 0 ? "false, in the dump true" : "true, in the dump false"));
  }
  if (((flags & 2) != 0) != options.wide_contents) {
    return failed_precondition(std::string("wide_contents: is ") +
                               ((flags & 2) != 0 ? "false, in the dump true" : "true, in the dump false"));
  }

  if (((flags & 4) != 0) != options.count_copies) {
    return failed_precondition(std::string("count_copies: is ") +
                               ((flags & 4) != 0 ? "false, in the dump true" : "true, in the dump false"));
  }

  LoadedRuns runs;
  if (Status status = load_workers(in); !status.ok()) return status;
  if (Status status = load_runs(in, runs); !status.ok()) return status;

  // Names of the shared table, each of one place and used by someone.
  std::vector<Holding> all_names(in.get_count(detail::kNameBytes));
  if (!in.ok()) return in.fault("more names than bytes");
  if (!all_names.empty() && !options.shared_engine_hashes) return in.fault("names where no table is shared");
  std::vector<std::uint64_t> places;
  places.reserve(all_names.size());
  std::uint64_t before = 0;
  const char* fault = nullptr;
  for (std::size_t i = 0; i < all_names.size(); ++i) {
    Holding& name = all_names[i];
    if (!read_place(in, runs, name, before, i == 0, fault)) return in.fault(fault);
    places.push_back(detail::place_key({name.at, name.offset}));
    Holding entry = name;
    entry.at = runs.ids[name.at];
    entry.tiers = 1;
    shared.insert(workers.empty() ? 0 : workers[0].hash.hash(name.engine_hash), entry);
  }
  std::sort(places.begin(), places.end());
  if (std::adjacent_find(places.begin(), places.end()) != places.end()) return in.fault("a place with two names");
  if (!all_names.empty() && workers.empty()) return in.fault("a name that nobody uses");

  for (std::uint32_t id = 0; id < limit; ++id) {
    if (!workers[id].in_use) continue;
    if (Status status = load_worker(in, id, all_names, runs); !status.ok()) return status;
  }
  for (const Holding& name : all_names) {
    const Holding* const entry = shared.find(workers[0].hash.hash(name.engine_hash), [&name](const Holding& one) {
      return one.engine_hash == name.engine_hash;
    });
    if (entry->parent_tag == 0) return in.fault("a name that nobody uses");
  }
  for (std::size_t run = 0; run < runs.ids.size(); ++run) {
    if (runs.needed[run] != runs.lengths[run])
      return in.fault("nobody needs the last block of run " + std::to_string(run));
  }

  // A run is told about all of its holders before it may be trimmed, and parents before their children.
  std::sort(runs.held.begin(), runs.held.end(), [](const HeldRange& a, const HeldRange& b) {
    return std::tuple(a.run, a.worker, a.first) < std::tuple(b.run, b.worker, b.first);
  });
  for (std::size_t i = 0; i < runs.held.size();) {
    const std::uint32_t run = runs.held[i].run;
    tree.open(runs.ids[run]);
    for (; i < runs.held.size() && runs.held[i].run == run; ++i) {
      already.clear();
      tree.hold(runs.held[i].worker, runs.ids[run], runs.held[i].first, runs.held[i].last, already);
    }
    tree.settle();
  }
  for (const LoadedRuns::SlowBlock& block : runs.slow) tree.set_tier(block.worker, block.place, block.tier);
  if (Status status = load_orphans(in); !status.ok()) return status;
  if (options.count_copies) {
    if (Status status = load_copies(in); !status.ok()) return status;
  }
  return in.left() == 0 ? Status() : in.fault("more bytes than a dump has");
}

Status PrefixIndex::State::load_workers(DumpReader& in) {
  const std::uint32_t count = in.get_count(detail::kWorkerBytes);
  if (!in.ok()) return in.fault("more workers than bytes");
  if (count > options.max_workers) {
    return failed_precondition("max_workers: is " + std::to_string(options.max_workers) + ", in the dump there are " +
                               std::to_string(count));
  }
  for (std::uint32_t id = 0; id < count; ++id) {
    const std::string_view name = in.get_text(in.get_count(1));
    if (!in.ok()) return in.fault(kShort);
    Worker& worker = workers.emplace_back(options.seed);
    if (name.empty()) continue;
    worker.in_use = true;
    worker.name = name;
    if (!names.emplace(worker.name, id).second) return in.fault("two workers of one name");
    ++counts.workers;
  }
  if (count != 0 && !workers.back().in_use) return in.fault("the last worker is not in use");
  limit = count;
  for (std::uint32_t id = 0; id < count; ++id) {
    if (workers[id].in_use) show(id);
  }
  return {};
}

Status PrefixIndex::State::load_runs(DumpReader& in, LoadedRuns& runs) {
  const std::uint32_t count = in.get_count(detail::kRunBytes);
  if (!in.ok()) return in.fault("more runs than bytes");
  if (count != 0 && counts.workers == 0) return in.fault("runs without workers");
  struct Open {  // a run whose children may come
    std::uint32_t number;
    std::uint64_t offset = 0;  // of its last child, or namespace of the last run without a parent
    std::pair<std::uint64_t, std::uint64_t> content;  // both halves
    bool any = false;
  };
  std::vector<Open> open = {{0}};  // the first stands for what is before all runs
  std::vector<std::uint64_t> lower;
  std::vector<std::uint64_t> upper;
  runs.ids.reserve(count);
  for (std::uint32_t number = 0; number < count; ++number) {
    const auto parent = in.get<std::uint32_t>();  // its number and one
    const auto offset = in.get<std::uint16_t>();
    const auto length = in.get<std::uint16_t>();
    const std::uint64_t key = parent == 0 ? in.get<std::uint64_t>() : 0;
    if (!in.ok() || in.left() / (options.wide_contents ? 16 : 8) < length) return in.fault(kShort);
    if (length == 0 || length > detail::RunTree::kMaxLength)
      return in.fault("a run of " + std::to_string(length) + " blocks");
    while (!open.empty() && open.size() > 1 && open.back().number + 1 != parent) open.pop_back();
    if (parent != 0 && open.size() == 1) return in.fault("a run that does not come behind its parent");
    if (parent == 0 ? offset != 0 : offset == 0 || offset > runs.lengths[parent - 1])
      return in.fault("an offset that the parent does not have");
    lower.resize(length);
    upper.resize(options.wide_contents ? length : 0);
    for (std::uint64_t& content : lower) content = in.get<std::uint64_t>();
    for (std::uint64_t& content : upper) content = in.get<std::uint64_t>();
    const detail::Contents contents{lower, upper};
    const std::pair first(lower[0], upper.empty() ? 0 : upper[0]);
    const std::uint64_t place = parent == 0 ? key : offset;
    Open& above = open.back();
    if (above.any && std::pair(place, first) <= std::pair(above.offset, above.content))
      return in.fault("runs are not in order");
    above.offset = place;
    above.content = first;
    above.any = true;
    if (parent == 0) {
      runs.ids.push_back(tree.add_run(kNoRun, 0, key, contents));
    } else {
      const RunId parent_id = runs.ids[parent - 1];
      if (offset < runs.lengths[parent - 1] && tree.has_content({parent_id, offset}, contents))
        return in.fault("a run that goes on as its parent does");
      runs.ids.push_back(tree.add_run(parent_id, offset, tree.namespace_key(parent_id), contents));
      runs.need(parent - 1, offset);
    }
    runs.lengths.push_back(length);
    runs.needed.push_back(0);
    open.push_back({number});
  }
  return {};
}

Status PrefixIndex::State::load_worker(DumpReader& in, std::uint32_t id, const std::vector<Holding>& all_names,
                                       LoadedRuns& runs) {
  Worker& worker = workers[id];
  struct Block {
    std::uint32_t run;
    std::uint32_t offset;
    std::uint32_t tiers;
    bool own;
  };
  std::vector<Block> blocks;
  const std::uint32_t own = in.get_count(detail::kOwnBytes);
  if (!in.ok()) return in.fault("more blocks than bytes");
  blocks.reserve(own);
  std::uint64_t before = 0;
  const char* fault = nullptr;
  for (std::uint32_t i = 0; i < own; ++i) {
    Holding holding;
    if (!read_place(in, runs, holding, before, i == 0, fault) || !read_tiers(in, holding, fault))
      return in.fault(fault);
    blocks.push_back({holding.at, holding.offset, holding.tiers, true});
    holding.at = runs.ids[holding.at];
    worker.blocks.insert(worker.hash.hash(holding.engine_hash), holding);
    worker.slow_tiers |= (holding.tiers & ~1u) != 0;
  }
  const std::uint32_t used = in.get_count(sizeof(std::uint32_t));
  if (!in.ok()) return in.fault("more blocks than bytes");
  blocks.reserve(own + std::size_t{used});
  std::uint32_t next = 0;
  for (std::uint32_t i = 0; i < used; ++i) {
    const auto number = in.get<std::uint32_t>();
    if (number >= all_names.size() || number < next) return in.fault("names are not in ascending order");
    next = number + 1;
    const Holding& name = all_names[number];
    const std::uint64_t hashed = worker.hash.hash(name.engine_hash);
    if (worker.find(name.engine_hash, hashed) != nullptr) return in.fault("a name that the worker also has for itself");
    ++shared.find(hashed, [&name](const Holding& one) { return one.engine_hash == name.engine_hash; })->parent_tag;
    blocks.push_back({name.at, name.offset, 1, false});
  }

  // Names of one place come together; then neighbours.
  std::sort(blocks.begin(), blocks.end(),
            [](const Block& a, const Block& b) { return std::pair(a.run, a.offset) < std::pair(b.run, b.offset); });
  std::vector<HeldRange> ranges;
  for (std::size_t i = 0; i < blocks.size();) {
    const Block& block = blocks[i];
    const Place place{runs.ids[block.run], block.offset};
    std::uint32_t tiers = 0;
    std::uint32_t many = 0;
    std::uint32_t own_names = 0;
    for (; i < blocks.size() && blocks[i].run == block.run && blocks[i].offset == block.offset; ++i) {
      tiers |= blocks[i].tiers;
      own_names += blocks[i].own ? 1 : 0;
      ++many;
    }
    if (many > 1) worker.duplicates[detail::place_key(place)] = many - 1;
    if (options.shared_engine_hashes && own_names != 0)
      worker.own_places[detail::place_key(place)] = {own_names, own_names != many};
    if (fastest(tiers) != 0) runs.slow.push_back({place, id, fastest(tiers)});
    runs.need(block.run, block.offset + 1);
    ++worker.memberships;
    if (!ranges.empty() && ranges.back().run == block.run && ranges.back().last == block.offset) {
      ++ranges.back().last;
    } else {
      ranges.push_back({block.run, id, block.offset, block.offset + 1});
    }
  }

  const std::uint32_t segments = in.get_count(detail::kGuessBytes);
  if (!in.ok()) return in.fault("more guesses than bytes");
  std::int64_t after = latest_ns;
  HeldRange last_guess;
  worker.guesses.begin();
  std::vector<HeldRange> guesses;
  guesses.reserve(segments);
  for (std::uint32_t i = 0; i < segments; ++i) {
    HeldRange guess;
    guess.run = in.get<std::uint32_t>();
    guess.worker = id;
    guess.first = in.get<std::uint16_t>();
    guess.last = in.get<std::uint16_t>();
    const auto touched_ns = static_cast<std::int64_t>(in.get<std::uint64_t>());
    if (guess.run >= runs.ids.size() || guess.first >= guess.last || guess.last > runs.lengths[guess.run])
      return in.fault("guesses at places that no run has");
    if (touched_ns > after) return in.fault("guesses are not the most recent first");
    if (i != 0 && touched_ns == after && guess.run == last_guess.run && guess.first == last_guess.last)
      return in.fault("guesses that are one segment");
    const detail::RunId run = runs.ids[guess.run];
    bool twice = false;
    worker.guesses.for_each_in(run, guess.first, guess.last, [&twice](std::uint32_t, std::uint32_t) { twice = true; });
    if (twice) return in.fault("a guess that is there twice");
    worker.guesses.touch(run, guess.first, guess.last, touched_ns);
    runs.need(guess.run, guess.last);
    after = touched_ns;
    last_guess = guess;
    guesses.push_back(guess);
  }
  if (worker.guesses.size() > options.max_expected_blocks) {
    return failed_precondition("max_expected_blocks: is " + std::to_string(options.max_expected_blocks) +
                               ", in the dump a worker has " + std::to_string(worker.guesses.size()));
  }
  worker.memberships += worker.guesses.size();
  counts.expected_blocks += worker.guesses.size();
  counts.memberships += worker.memberships;

  // What is held by name and what is expected are apart, and neighbours of both kinds are one range to the tree.
  ranges.insert(ranges.end(), guesses.begin(), guesses.end());
  std::sort(ranges.begin(), ranges.end(), [](const HeldRange& a, const HeldRange& b) {
    return std::pair(a.run, a.first) < std::pair(b.run, b.first);
  });
  for (const HeldRange& range : ranges) {
    if (!runs.held.empty() && runs.held.back().worker == id && runs.held.back().run == range.run) {
      if (range.first < runs.held.back().last) return in.fault("a guess of a block that is held");
      if (range.first == runs.held.back().last) {
        runs.held.back().last = range.last;
        continue;
      }
    }
    runs.held.push_back(range);
  }
  return {};
}

Status PrefixIndex::State::load_orphans(DumpReader& in) {
  const std::uint32_t count = in.get_count(detail::kOrphanBytes);
  if (!in.ok()) return in.fault("more orphans than bytes");
  if (count > options.max_orphan_blocks) {
    return failed_precondition("max_orphan_blocks: is " + std::to_string(options.max_orphan_blocks) +
                               ", in the dump there are " + std::to_string(count));
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    detail::Orphan orphan;
    orphan.worker = in.get<std::uint32_t>();
    orphan.namespace_key = in.get<std::uint64_t>();
    orphan.engine_hash = in.get<std::uint64_t>();
    orphan.parent_hash = in.get<std::uint64_t>();
    orphan.content = in.get<std::uint64_t>();
    Holding holding;
    const char* fault = nullptr;
    if (!read_tiers(in, holding, fault)) return in.fault(fault);
    if (options.wide_contents) orphan.content_upper = in.get<std::uint64_t>();
    if (!in.ok()) return in.fault(kShort);
    if (!in_use({orphan.worker})) return in.fault("an orphan of a worker that is not in use");
    Worker& worker = workers[orphan.worker];
    const std::uint64_t hashed = worker.hash.hash(orphan.engine_hash);
    if (look_up(orphan.worker, orphan.engine_hash, hashed).known()) return in.fault("an orphan that is held");
    holding.engine_hash = orphan.engine_hash;
    holding.at = orphans.park(orphan);
    holding.offset = Holding::kWaiting;
    worker.blocks.insert(hashed, holding);
    worker.slow_tiers |= (holding.tiers & ~1u) != 0;
    ++worker.orphans;
  }
  return {};
}

Status PrefixIndex::State::load_copies(DumpReader& in) {
  for (std::uint32_t id = 0; id < limit; ++id) {
    if (!workers[id].in_use) continue;
    const std::uint32_t count = in.get_count(detail::kCopyBytes);
    if (!in.ok()) return in.fault("more copies than bytes");
    std::uint64_t before = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto hash = in.get<std::uint64_t>();
      if (i != 0 && hash <= before) return in.fault("copies are not in order");
      before = hash;
      const detail::Found found = look_up(id, hash, workers[id].hash.hash(hash));
      std::array<std::uint32_t, 4> by_tier = {};
      bool any = false;
      for (std::uint32_t tier = 0; tier < by_tier.size(); ++tier) {
        by_tier[tier] = in.get<std::uint32_t>();
        any |= by_tier[tier] != 0;
        if (by_tier[tier] != 0 && (!found.known() || (found.holding.tiers >> tier & 1) == 0))
          return in.fault("copies of a block that is not held");
        counts.copied_blocks += by_tier[tier];
      }
      if (!any) return in.fault("no copies of a block");
      workers[id].copies.emplace(hash, by_tier);
    }
  }
  return {};
}

}  // namespace kthena::prefix
