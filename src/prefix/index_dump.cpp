// All of an index as bytes, and what a worker holds as events.
#include <algorithm>
#include <array>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "prefix/dump_format.hpp"
#include "prefix/index_state.hpp"

namespace kthena::prefix {

using detail::DumpedRun;
using detail::fastest;
using detail::Guesses;
using detail::Holding;
using detail::kNoOrphan;
using detail::kNoRun;
using detail::Orphan;
using detail::OrphanId;
using detail::Place;
using detail::RunId;
using detail::Worker;

namespace {

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

/// The blocks of a table that have their place, by engine hash.
std::vector<Holding> placed_in(const detail::HoldingTable& table) {
  std::vector<Holding> placed;
  detail::HoldingTable::Cursor all;
  (void)table.visit(all, kAll, [&placed](const Holding& holding) {
    if (holding.placed()) placed.push_back(holding);
  });
  std::sort(placed.begin(), placed.end(),
            [](const Holding& a, const Holding& b) { return a.engine_hash < b.engine_hash; });
  return placed;
}

/// Segments that follow one another in a run and in time are one.
std::vector<Guesses::Segment> segments_of(const Guesses& guesses) {
  std::vector<Guesses::Segment> segments;
  guesses.for_each([&segments](const Guesses::Segment& one) {
    if (!segments.empty()) {
      Guesses::Segment& last = segments.back();
      if (last.run == one.run && last.last == one.first && last.touched_ns == one.touched_ns) {
        last.last = one.last;
        return;
      }
    }
    segments.push_back(one);
  });
  return segments;
}

/// A block of which so much of its run is needed.
void need(std::vector<std::uint32_t>& needed, RunId run, std::uint32_t blocks) {
  if (needed.size() <= run) needed.resize(run + std::size_t{1});
  needed[run] = std::max(needed[run], blocks);
}

}  // namespace

std::vector<std::byte> PrefixIndex::dump() const { return state_->dump(); }

Status PrefixIndex::dump_events(WorkerId worker, const std::function<void(const KvEvent&)>& sink) const {
  if (Status status = state_->check(worker, KvTier::kDevice); !status.ok()) return status;
  state_->dump_events(worker.value, sink);
  return {};
}

std::vector<DumpedRun> PrefixIndex::State::runs_in_order(std::vector<std::uint32_t>& needed) const {
  std::vector<DumpedRun> all;
  std::size_t ids = needed.size();
  tree.for_each_run([&](RunId run, RunId parent, std::uint32_t offset, std::uint64_t key, detail::Contents contents) {
    all.push_back({run, parent, offset, key, contents});
    ids = std::max(ids, run + std::size_t{1});
  });
  needed.resize(ids);
  std::sort(all.begin(), all.end(), [](const DumpedRun& a, const DumpedRun& b) {
    const auto key = [](const DumpedRun& one) {
      return std::tuple(one.parent, one.parent == kNoRun ? one.namespace_key : one.parent_offset, one.contents.lower[0],
                        one.contents.upper.empty() ? 0 : one.contents.upper[0]);
    };
    return key(a) < key(b);
  });
  const auto children_of = [&all](RunId parent) {
    return std::equal_range(all.begin(), all.end(), DumpedRun{.parent = parent},
                            [](const DumpedRun& a, const DumpedRun& b) { return a.parent < b.parent; });
  };
  std::vector<DumpedRun> order;
  order.reserve(all.size());
  std::vector<DumpedRun> open;
  const auto open_children = [&](RunId parent) {
    const auto [first, last] = children_of(parent);
    for (auto it = last; it != first;) open.push_back(*--it);
  };
  for (open_children(kNoRun); !open.empty();) {
    order.push_back(open.back());
    open.pop_back();
    open_children(order.back().run);
  }
  for (std::size_t i = order.size(); i-- > 0;) {  // children before their parents
    const DumpedRun& run = order[i];
    if (needed[run.run] != 0 && run.parent != kNoRun)
      needed[run.parent] = std::max(needed[run.parent], run.parent_offset);
  }
  std::erase_if(order, [&needed](const DumpedRun& run) { return needed[run.run] == 0; });
  for (DumpedRun& run : order) run.contents = run.contents.first(needed[run.run]);
  return order;
}

std::vector<std::byte> PrefixIndex::State::dump() const {
  // What workers in use hold, by the names of the shared table that one of them uses.
  std::vector<Holding> all_names;
  std::vector<std::vector<std::uint32_t>> used(limit);
  for (const Holding& name : placed_in(shared)) {
    bool any = false;
    tree.for_each_holder(name.place(), [&](std::uint32_t id) {
      if (!workers[id].in_use || workers[id].guesses.has(name.place()) || !under_shared_name(id, name.place())) return;
      used[id].push_back(static_cast<std::uint32_t>(all_names.size()));
      any = true;
    });
    if (any) all_names.push_back(name);
  }
  std::vector<std::vector<Holding>> own(limit);
  std::vector<std::vector<Guesses::Segment>> guesses(limit);
  std::vector<std::uint32_t> needed;
  std::size_t bytes = 256 + orphans.size() * detail::kOrphanBytes + all_names.size() * detail::kNameBytes;
  for (const Holding& name : all_names) need(needed, name.at, name.offset + 1u);
  for (std::size_t id = 0; id < limit; ++id) {
    const Worker& worker = workers[id];
    bytes += 16 + worker.name.size();
    if (!worker.in_use) continue;
    own[id] = placed_in(worker.blocks);
    guesses[id] = segments_of(worker.guesses);
    for (const Holding& holding : own[id]) need(needed, holding.at, holding.offset + 1u);
    for (const Guesses::Segment& segment : guesses[id]) need(needed, segment.run, segment.last);
    bytes += own[id].size() * detail::kOwnBytes + used[id].size() * 4 + guesses[id].size() * detail::kGuessBytes;
  }
  const std::vector<DumpedRun> runs = runs_in_order(needed);
  std::vector<std::uint32_t> number(needed.size());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    number[runs[i].run] = static_cast<std::uint32_t>(i);
    bytes += detail::kRunBytes + (options.wide_contents ? 16 : 8) * runs[i].contents.size();
  }

  detail::DumpWriter out;
  out.reserve(bytes);
  out.put_text(detail::kDumpMagic);
  out.put(detail::kDumpVersion);
  out.put(options.block_tokens);
  out.put(std::uint32_t{options.shared_engine_hashes} | std::uint32_t{options.wide_contents} << 1 |
          std::uint32_t{options.count_copies} << 2);
  out.put(detail::seed_fingerprint(options.seed));
  out.put(static_cast<std::uint64_t>(latest_ns));
  out.put(expiring);
  PrefixIndexStats as_if_swept = counts;
  as_if_swept.sweeps += unswept.size();
  for (const auto counter : detail::kCounters) out.put(as_if_swept.*counter);

  out.put_count(limit);
  for (std::size_t id = 0; id < limit; ++id) {
    out.put_count(workers[id].name.size());
    out.put_text(workers[id].name);
  }
  out.put_count(runs.size());
  for (const DumpedRun& run : runs) {
    out.put(run.parent == kNoRun ? 0 : number[run.parent] + 1);
    out.put(static_cast<std::uint16_t>(run.parent_offset));
    out.put(static_cast<std::uint16_t>(run.contents.size()));
    if (run.parent == kNoRun) out.put(run.namespace_key);
    for (const std::uint64_t content : run.contents.lower) out.put(content);
    for (const std::uint64_t content : run.contents.upper) out.put(content);
  }
  const auto put_place = [&](const Holding& holding) {
    out.put(holding.engine_hash);
    out.put(number[holding.at]);
    out.put(static_cast<std::uint16_t>(holding.offset));
  };
  const auto put_tiers = [&](const Holding& holding) {
    out.put(static_cast<std::uint8_t>(holding.tiers));
    out.put(static_cast<std::uint16_t>(holding.parent_tag));
  };
  out.put_count(all_names.size());
  for (const Holding& name : all_names) put_place(name);
  for (std::size_t id = 0; id < limit; ++id) {
    if (!workers[id].in_use) continue;
    out.put_count(own[id].size());
    for (const Holding& holding : own[id]) {
      put_place(holding);
      put_tiers(holding);
    }
    out.put_count(used[id].size());
    for (const std::uint32_t name : used[id]) out.put(name);
    out.put_count(guesses[id].size());
    for (const Guesses::Segment& segment : guesses[id]) {
      out.put(number[segment.run]);
      out.put(static_cast<std::uint16_t>(segment.first));
      out.put(static_cast<std::uint16_t>(segment.last));
      out.put(static_cast<std::uint64_t>(segment.touched_ns));
    }
  }
  out.put_count(orphans.size());
  for (OrphanId waiting = orphans.oldest(); waiting != kNoOrphan; waiting = orphans.next_oldest(waiting)) {
    const Orphan& orphan = orphans[waiting];
    const Worker& worker = workers[orphan.worker];
    out.put(orphan.worker);
    out.put(orphan.namespace_key);
    out.put(orphan.engine_hash);
    out.put(orphan.parent_hash);
    out.put(orphan.content);
    put_tiers(*worker.find(orphan.engine_hash));
    if (options.wide_contents) out.put(orphan.content_upper);
  }
  for (std::size_t id = 0; options.count_copies && id < limit; ++id) {
    if (!workers[id].in_use) continue;
    std::vector<std::pair<std::uint64_t, std::array<std::uint32_t, 4>>> copies(workers[id].copies.begin(),
                                                                               workers[id].copies.end());
    std::sort(copies.begin(), copies.end());
    out.put_count(copies.size());
    for (const auto& [hash, by_tier] : copies) {
      out.put(hash);
      for (const std::uint32_t in_tier : by_tier) out.put(in_tier);
    }
  }
  return out.finish();
}

void PrefixIndex::State::dump_events(std::uint32_t id, const std::function<void(const KvEvent&)>& sink) const {
  const Worker& worker = workers[id];
  const WorkerId self{id};
  std::vector<Holding> held = placed_in(worker.blocks);
  for (const Holding& name : placed_in(shared)) {
    if (!told(id, name.place()) || !under_shared_name(id, name.place())) continue;
    held.push_back(name);
    held.back().tiers = 1;
  }
  std::vector<std::uint32_t> needed;
  for (const Holding& holding : held) need(needed, holding.at, holding.offset + 1u);
  const std::vector<DumpedRun> runs = runs_in_order(needed);
  std::vector<std::uint32_t> number(needed.size());
  for (std::size_t i = 0; i < runs.size(); ++i) number[runs[i].run] = static_cast<std::uint32_t>(i);
  std::sort(held.begin(), held.end(), [&number](const Holding& a, const Holding& b) {
    return std::tuple(number[a.at], a.offset, a.engine_hash) < std::tuple(number[b.at], b.offset, b.engine_hash);
  });

  // Hashes that must not be made up: those that mean something, or are waited for.
  kthena::detail::HashSet<std::uint64_t> taken(0, kthena::detail::Hash{mix64(options.seed + 8)});
  for (const Holding& holding : held) taken.insert(holding.engine_hash);
  for (OrphanId waiting = orphans.oldest(); waiting != kNoOrphan; waiting = orphans.next_oldest(waiting)) {
    if (orphans[waiting].worker != id) continue;
    taken.insert(orphans[waiting].engine_hash);
    taken.insert(orphans[waiting].parent_hash);
  }
  std::vector<std::uint64_t> made_up;
  const auto make_up = [&](std::uint64_t like) {
    std::uint64_t hash = mix64(like + 1);
    while (!taken.insert(hash).second) hash = mix64(hash + 1);
    made_up.push_back(hash);
    return hash;
  };

  sink(AllBlocksCleared{self});
  std::vector<std::vector<std::uint64_t>> hashes(runs.size());  // of each block, the first name of those it has
  std::size_t at = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const DumpedRun& run = runs[i];
    std::optional<std::uint64_t> before;
    if (run.parent != kNoRun) before = hashes[number[run.parent]][run.parent_offset - 1];
    std::vector<std::uint64_t>& block_names = hashes[i];
    std::vector<std::uint32_t> tiers;
    std::vector<Holding> second_names;
    for (std::uint32_t offset = 0; offset < run.contents.size(); ++offset) {
      const auto is_here = [&] { return at < held.size() && held[at].at == run.run && held[at].offset == offset; };
      if (is_here()) {
        block_names.push_back(held[at].engine_hash);
        tiers.push_back(fastest(held[at].tiers));
        ++at;
      } else {
        const std::uint64_t last = block_names.empty() ? before.value_or(run.namespace_key) : block_names.back();
        block_names.push_back(make_up(combine64(last, run.contents.lower[offset])));
        tiers.push_back(0);
      }
      for (; is_here(); ++at) second_names.push_back(held[at]);
    }
    const auto store = [&](std::span<const std::uint64_t> stored, std::uint32_t offset, std::uint32_t tier) {
      const detail::Contents contents = run.contents.subspan(offset, stored.size());
      sink(BlockStored{self, run.namespace_key, offset == 0 ? before : std::optional(block_names[offset - 1]), stored,
                       contents.lower, static_cast<KvTier>(tier), contents.upper});
    };
    for (std::uint32_t first = 0; first < block_names.size();) {
      std::uint32_t last = first + 1;
      while (last < block_names.size() && tiers[last] == tiers[first]) ++last;
      store(std::span(block_names).subspan(first, last - first), first, tiers[first]);
      first = last;
    }
    for (const Holding& name : second_names) store({&name.engine_hash, 1}, name.offset, fastest(name.tiers));
  }
  for (OrphanId waiting = orphans.oldest(); waiting != kNoOrphan; waiting = orphans.next_oldest(waiting)) {
    const Orphan& orphan = orphans[waiting];
    if (orphan.worker != id) continue;
    held.push_back(*worker.find(orphan.engine_hash));
    sink(BlockStored{self,
                     orphan.namespace_key,
                     orphan.parent_hash,
                     {&orphan.engine_hash, 1},
                     {&orphan.content, 1},
                     static_cast<KvTier>(fastest(held.back().tiers)),
                     {&orphan.content_upper, options.wide_contents ? std::size_t{1} : 0}});
  }
  for (std::uint32_t tier = 1; tier < kTiers; ++tier) {
    std::vector<std::uint64_t> also;
    for (const Holding& holding : held) {
      if ((holding.tiers >> tier & 1) != 0 && fastest(holding.tiers) != tier) also.push_back(holding.engine_hash);
    }
    if (!also.empty()) sink(BlockStored{.worker = self, .engine_hashes = also, .tier = static_cast<KvTier>(tier)});
  }
  if (!made_up.empty()) sink(BlockRemoved{self, made_up, KvTier::kDevice});
}

}  // namespace kthena::prefix
