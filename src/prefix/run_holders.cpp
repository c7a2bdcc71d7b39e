// Who holds the blocks of a RunTree: reach, gaps and tiers. The order of the stores is what run_tree.hpp promises to lookups.
#include <utility>

#include "prefix/run_tree.hpp"

namespace kthena::prefix::detail {

namespace {

constexpr std::uint16_t narrow(std::uint32_t value) noexcept { return static_cast<std::uint16_t>(value); }

}  // namespace

// ---- holders

Holder* RunTree::holder(Run& run, std::uint32_t worker) noexcept {
  if (HolderList* const list = run.list()) return list->find(worker);
  for (std::uintptr_t i = 0; i < run.holders; ++i) {
    if (run.few[i].worker == worker && !run.few[i].vacant()) return run.few + i;
  }
  return nullptr;
}

void RunTree::set_list(Run& run, HolderList* list) {
  HolderList* const old = run.list();
  store(run.holders, reinterpret_cast<std::uintptr_t>(list));
  array_bytes_ += list->bytes();
  if (old == nullptr) return;
  array_bytes_ -= old->bytes();
  HolderList::retire(old, reclaimer_);
}

void RunTree::add_holder(Run& run, Holder holder) {
  run.max_cutoff = std::max(run.max_cutoff, holder.cutoff);
  if (HolderList* const list = run.list()) {
    HolderList* const now = list->insert(holder);
    if (now != list) set_list(run, now);
    return;
  }
  const auto used = static_cast<std::uint32_t>(run.holders);
  Holder* const slot = std::find_if(run.few, run.few + used, [](const Holder& one) { return one.vacant(); });
  if (slot != run.few + Run::kInlineHolders) {
    store(*slot, holder);
    if (slot == run.few + used) store(run.holders, used + 1);
    return;
  }
  HolderList* const list = HolderList::make(Run::kInlineHolders + Run::kInlineHolders / 2 + 1);
  std::copy_n(run.few, Run::kInlineHolders, list->slots());
  list->slots()[Run::kInlineHolders] = holder;
  list->count = Run::kInlineHolders + 1;
  std::sort(list->slots(), list->slots() + list->count,
            [](const Holder& a, const Holder& b) { return a.worker < b.worker; });
  set_list(run, list);
}

void RunTree::remove_holder(Run& run, Holder* holder) {
  HolderList* const list = run.list();
  if (list == nullptr) {
    store(*holder, holder->emptied());
    auto used = static_cast<std::uint32_t>(run.holders);
    while (used != 0 && run.few[used - 1].vacant()) --used;
    store(run.holders, used);
    return;
  }
  list->erase(holder);
  if (list->live() <= Run::kInlineHolders - 2) {
    note_change(run);  // a lookup may have begun with these slots when they were in use before
    std::uint32_t used = 0;
    for (std::uint32_t i = 0; i < list->count; ++i) {
      if (!list->slots()[i].vacant()) store(run.few[used++], list->slots()[i]);
    }
    for (std::uint32_t i = used; i < Run::kInlineHolders; ++i) store(run.few[i], Holder());
    store(run.holders, used);
    array_bytes_ -= list->bytes();
    HolderList::retire(list, reclaimer_);
  } else if (list->vacant > list->live()) {
    set_list(run, list->compacted());
  }
}

void RunTree::set_cutoff(Holder& holder, std::uint32_t cutoff) noexcept {
  store(holder, {holder.worker, narrow(cutoff), holder.children});
}

void RunTree::add_children(RunId parent, std::uint32_t worker, std::uint32_t more) noexcept {
  Holder& above = *holder(at(parent), worker);
  store(above, {above.worker, above.cutoff, above.children + more});
}

/// A holder's cutoff was `from` and is less now.
void RunTree::cut(Run& run, std::uint32_t from) noexcept {
  if (from < run.max_cutoff) return;
  run.max_cutoff = 0;
  detail::for_each_holder(run, [&run](const Holder& one) { run.max_cutoff = std::max(run.max_cutoff, one.cutoff); });
}

bool RunTree::reaches_start(const Run& run, std::uint32_t worker) const noexcept {
  if (run.parent == kNoRun) return true;
  const Holder* const above = holder(at(run.parent), worker);
  return above != nullptr && above->cutoff >= run.parent_offset;
}

bool RunTree::holds(std::uint32_t worker, Place place) const noexcept {
  const Run& run = at(place.run);
  if (place.offset < run.max_cutoff) {
    const Holder* const known = holder(run, worker);
    if (known != nullptr && place.offset < known->cutoff) return true;
  }
  if (!run.has_gaps || gaps_of(worker) == 0) return false;
  const Gaps& gaps = gaps_.find(place.run)->second;
  return std::any_of(gaps.begin(), gaps.end(), [&](const Gap& gap) {
    return gap.worker == worker && gap.first <= place.offset && place.offset < gap.last;
  });
}

bool RunTree::held(Place place) const noexcept {
  const Run& run = at(place.run);
  if (place.offset < run.max_cutoff) return true;
  if (!run.has_gaps) return false;
  const Gaps& gaps = gaps_.find(place.run)->second;
  return std::any_of(gaps.begin(), gaps.end(),
                     [&](const Gap& gap) { return gap.first <= place.offset && place.offset < gap.last; });
}

bool RunTree::in(std::uint32_t worker, RunId id) const noexcept {
  if (id >= run_limit()) return false;
  const Run& run = at(id);
  if (run.length == 0) return false;
  if (holder(run, worker) != nullptr) return true;
  if (!run.has_gaps) return false;
  const Gaps& gaps = gaps_.find(id)->second;
  return std::any_of(gaps.begin(), gaps.end(), [worker](const Gap& gap) { return gap.worker == worker; });
}

void RunTree::hold(std::uint32_t worker, RunId id, std::uint32_t first, std::uint32_t last,
                   std::vector<Range>& already) {
  Run& run = at(id);
  const Holder* const known = holder(run, worker);
  const std::uint32_t cutoff = known == nullptr ? 0 : known->cutoff;
  // What it held before: blocks that it reaches, and those in gaps. (Both are rare: two engine hashes for one block.)
  if (first < cutoff) already.push_back({first, std::min(last, cutoff)});
  if (run.has_gaps && gaps_of(worker) != 0) {
    for (const Gap& gap : gaps_.find(id)->second) {
      if (gap.worker == worker && gap.first < last && gap.last > first) {
        already.push_back({std::max<std::uint32_t>(first, gap.first), std::min<std::uint32_t>(last, gap.last)});
      }
    }
  }
  if (first <= cutoff && (cutoff != 0 || reaches_start(run, worker))) {
    if (last > cutoff) reach(id, worker, last);
  } else {
    add_gap(id, worker, first, last);
    settle(id);
  }
}

void RunTree::reach(RunId id, std::uint32_t worker, std::uint32_t cutoff) {
  struct Step {
    RunId run;
    std::uint32_t above;   // the step that led here
    std::uint32_t before;  // cutoff
    std::uint32_t after;
    std::uint32_t children;  // that are reached by further steps
  };
  kthena::detail::SmallVector<Step, 8> steps;
  {
    const Holder* const known = holder(at(id), worker);
    steps.push_back({id, 0, known == nullptr ? 0u : known->cutoff, cutoff, 0});
  }
  // What is reached is found from the top; lookups see it from the bottom, the holder at the top last.
  for (std::uint32_t i = 0; i < steps.size() && gaps_of(worker) != 0; ++i) {
    Step step = steps[i];
    Run& run = at(step.run);
    if (run.has_gaps) {
      // Gaps that the reach comes to, or covers, are none any more.
      Gaps& gaps = gaps_.find(step.run)->second;
      for (std::size_t gap = 0; gap < gaps.size();) {
        if (gaps[gap].worker == worker && gaps[gap].first <= step.after) {
          step.after = std::max<std::uint32_t>(step.after, gaps[gap].last);
          gaps.erase(gaps.begin() + static_cast<std::ptrdiff_t>(gap));
          --gaps_of_[worker];
        } else {
          ++gap;
        }
      }
      keep_gaps(step.run, gaps);
    }
    if (gaps_of(worker) != 0 && run.deepest_child > step.before) {
      for (RunId child = run.first_child; child != kNoRun; child = at(child).next_sibling) {
        const Run& below = at(child);
        if (!below.has_gaps || below.parent_offset <= step.before || below.parent_offset > step.after) continue;
        const std::uint32_t end = take_gap(child, worker, 0);
        if (end == 0) continue;
        steps.push_back({child, i, 0, end, 0});
        ++step.children;
      }
    }
    steps[i] = step;
  }
  if (steps.size() != 1 || steps[0].after != cutoff) note_change(at(id));
  for (std::size_t i = steps.size(); i-- > 0;) {
    const Step& step = steps[i];
    Run& run = at(step.run);
    Holder* const known = holder(run, worker);
    if (known == nullptr) {
      add_holder(run, {narrow(worker), narrow(step.after), step.children});
      if (i == 0 && run.parent != kNoRun) add_children(run.parent, worker, 1);
    } else {
      store(*known, {known->worker, narrow(step.after), known->children + step.children});
      run.max_cutoff = std::max(run.max_cutoff, narrow(step.after));
    }
    settle(step.run);
  }
}

void RunTree::release(std::uint32_t worker, RunId id, std::uint32_t first, std::uint32_t last) {
  Run& run = at(id);
  Holder* const known = holder(run, worker);
  const std::uint32_t cutoff = known == nullptr ? 0 : known->cutoff;
  if (last > cutoff) {
    remove_gap(id, worker, first, last);
  } else {
    const std::uint32_t reached_children = known->children;
    if (last < cutoff) add_gap(id, worker, last, cutoff);
    if (first != 0) {
      set_cutoff(*known, first);
    } else {
      remove_holder(run, known);
      if (run.parent != kNoRun && holder(at(run.parent), worker) != nullptr)
        add_children(run.parent, worker, ~std::uint32_t{0});
    }
    cut(run, cutoff);
    if (reached_children != 0) {
      note_change(run);  // who saw the holder as it was must not see the children as they will be
      unreach_children(id, worker, first, reached_children);
    }
  }
  forget_tiers(id, worker, first, last);
  settle(id);
}

void RunTree::unreach_children(RunId id, std::uint32_t worker, std::uint32_t cutoff, std::uint32_t reached_children) {
  struct Step {
    RunId run;
    std::uint32_t cutoff;
    std::uint32_t reached_children;
  };
  kthena::detail::SmallVector<Step, 8> steps = {{id, cutoff, reached_children}};
  while (!steps.empty()) {
    const Step step = steps.back();
    steps.pop_back();
    std::uint32_t left = step.reached_children;
    for (RunId child = at(step.run).first_child; child != kNoRun && left != 0; child = at(child).next_sibling) {
      Run& run = at(child);
      Holder* const known = holder(run, worker);
      if (known == nullptr) continue;
      --left;
      if (run.parent_offset <= step.cutoff) continue;
      const std::uint32_t before = known->cutoff;
      const std::uint32_t reached_below = known->children;
      remove_holder(run, known);
      if (reached_below != 0) {
        note_change(run);
        steps.push_back({child, 0, reached_below});
      }
      cut(run, before);
      add_gap(child, worker, 0, before);
      settle(child);
      if (holder(at(step.run), worker) != nullptr) add_children(step.run, worker, ~std::uint32_t{0});
    }
  }
}

void RunTree::drop(std::uint32_t worker, RunId id) {
  Run& run = at(id);
  note_change(run);
  forget_tiers(id, worker, 0, run.length);
  if (Holder* const known = holder(run, worker); known != nullptr) {
    const std::uint32_t before = known->cutoff;
    remove_holder(run, known);
    cut(run, before);
  }
  if (run.has_gaps) {
    Gaps& gaps = gaps_.find(id)->second;
    const auto erased = std::erase_if(gaps, [worker](const Gap& gap) { return gap.worker == worker; });
    if (erased != 0) gaps_of_[worker] -= static_cast<std::uint32_t>(erased);
    keep_gaps(id, gaps);
  }
  settle(id);
}

// ---- gaps

void RunTree::add_gap(RunId id, std::uint32_t worker, std::uint32_t first, std::uint32_t last) {
  if (gaps_of_.size() <= worker) gaps_of_.resize(worker + 1);
  Gaps& gaps = gaps_[id];
  at(id).has_gaps = true;
  auto it = std::find_if(gaps.begin(), gaps.end(), [&](const Gap& gap) {
    return gap.worker > worker || (gap.worker == worker && gap.last >= first);
  });
  const auto begin = it;
  for (; it != gaps.end() && it->worker == worker && it->first <= last; ++it) {
    first = std::min<std::uint32_t>(first, it->first);
    last = std::max<std::uint32_t>(last, it->last);
    --gaps_of_[worker];
  }
  gaps.insert(gaps.erase(begin, it), Gap{narrow(worker), narrow(first), narrow(last)});
  ++gaps_of_[worker];
}

void RunTree::remove_gap(RunId id, std::uint32_t worker, std::uint32_t first, std::uint32_t last) {
  Gaps& gaps = gaps_.find(id)->second;
  const auto it =
      std::find_if(gaps.begin(), gaps.end(), [&](const Gap& gap) { return gap.worker == worker && gap.last >= last; });
  const Gap gap = *it;
  if (gap.first == first && gap.last == last) {
    gaps.erase(it);
    --gaps_of_[worker];
  } else if (gap.first == first) {
    it->first = narrow(last);
  } else {
    it->last = narrow(first);
    if (gap.last != last) {
      gaps.insert(it + 1, Gap{gap.worker, narrow(last), gap.last});
      ++gaps_of_[worker];
    }
  }
  keep_gaps(id, gaps);
}

std::uint32_t RunTree::take_gap(RunId id, std::uint32_t worker, std::uint32_t first) {
  Gaps& gaps = gaps_.find(id)->second;
  const auto it = std::find_if(gaps.begin(), gaps.end(),
                               [&](const Gap& gap) { return gap.worker == worker && gap.first == first; });
  if (it == gaps.end()) return first;
  const std::uint32_t last = it->last;
  gaps.erase(it);
  --gaps_of_[worker];
  keep_gaps(id, gaps);
  return last;
}

void RunTree::keep_gaps(RunId id, Gaps& gaps) {
  if (!gaps.empty()) return;
  gaps_.erase(id);
  at(id).has_gaps = false;
}

// ---- tiers

RunTree::SlowRef* RunTree::slow_list(RunId id) noexcept {
  return slow_.find(slow_.upper().hash(id), [id](const SlowRef& ref) { return ref.list->owner == id; });
}

// A lookup reads the holders of a run and then the tiers; a change of tiers is counted before it, for those that read the holders before, and
// after it, for those that read the tiers before.
void RunTree::set_tier(std::uint32_t worker, Place place, std::uint32_t tier) {
  if (tier == 0) return forget_tiers(place.run, worker, place.offset, place.offset + 1);
  if (slow_of_.size() <= worker) slow_of_.resize(worker + 1);
  Run& run = at(place.run);
  const Slow slow{narrow(place.offset), narrow(worker), tier};
  SlowRef* const ref = run.has_slow ? slow_list(place.run) : nullptr;
  Slow* const known = ref == nullptr ? nullptr : ref->list->find(slow.key());
  if (known != nullptr && known->tier == tier) return;
  note_change(run);
  if (known != nullptr) {
    store(*known, slow);
  } else if (ref == nullptr) {
    run.has_slow = true;
    SlowList* const list = SlowList::make(8);
    list->owner = place.run;
    (void)list->insert(slow);
    slow_.insert(slow_.upper().hash(place.run), {list});
    ++slow_of_[worker];
  } else {
    SlowList* const old = ref->list;
    SlowList* const now = old->insert(slow);
    if (now != old) {
      store(*ref, {now});
      SlowList::retire(old, reclaimer_);
    }
    ++slow_of_[worker];
  }
  note_change(run);
}

void RunTree::forget_tiers(RunId id, std::uint32_t worker, std::uint32_t first, std::uint32_t last) {
  Run& run = at(id);
  if (slow_of(worker) == 0 || !run.has_slow) return;
  SlowRef* const ref = slow_list(id);
  SlowList* const list = ref->list;
  const std::uint32_t end = Slow{narrow(last), narrow(worker), 0}.key();
  Slow* slow = list->lower_bound(Slow{narrow(first), narrow(worker), 0}.key());
  bool noted = false;
  for (; slow != list->slots() + list->count && slow->key() < end; ++slow) {
    if (slow->vacant()) continue;
    if (!std::exchange(noted, true)) note_change(run);
    list->erase(slow);
    --slow_of_[worker];
  }
  if (list->live() == 0) {
    run.has_slow = false;
    slow_.erase(slow_.upper().hash(id), ref);
    SlowList::retire(list, reclaimer_);
  } else if (list->vacant > list->live() + 8) {
    store(*ref, {list->compacted()});
    SlowList::retire(list, reclaimer_);
  }
  if (noted) note_change(run);
}

}  // namespace kthena::prefix::detail
