// src/route/correction.cpp
#include "correction.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kthena/base/math.hpp"
#include "kthena/route/column.hpp"

namespace kthena::route {
namespace {

/// The earliest time that is not older than `age`; never kNever.
Time limit_of(Time now_ns, Duration age) noexcept {
  constexpr Time kEarliest = std::numeric_limits<Time>::min() + 1;
  return now_ns < kEarliest + age ? kEarliest : now_ns - age;
}

bool fills_gaps(StaleThen then) noexcept { return then == StaleThen::kMedian || then == StaleThen::kBusy; }

bool all_fresh(const double* values, const Time* sampled, std::size_t size, Time limit, bool gaps_matter) noexcept {
  std::size_t off = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const bool known = values[i] == values[i];
    const bool old = sampled == nullptr || sampled[i] < limit;
    off += static_cast<std::size_t>(known ? old : gaps_matter);
  }
  return off == 0;
}

/// The lower middle one of the fresh values, of the known ones where none is fresh; missing without any. Reorders `scratch`.
double median_of(const double* values, const Time* sampled, std::size_t size, Time limit, double* scratch) noexcept {
  std::size_t count = 0;
  if (sampled != nullptr)
    for (std::size_t i = 0; i < size; ++i)
      if (!is_missing(values[i]) && sampled[i] >= limit) scratch[count++] = values[i];
  if (count == 0)
    for (std::size_t i = 0; i < size; ++i)
      if (!is_missing(values[i])) scratch[count++] = values[i];
  if (count == 0) return kMissing;
  double* middle = scratch + (count - 1) / 2;
  std::nth_element(scratch, middle, scratch + count);
  return *middle;
}

}  // namespace

AgeRule make_age_rule(const StaleRule& rule) {
  const double tau = rule.tau_s > 0 ? rule.tau_s : (rule.stale_s - rule.fresh_s) / 3;
  return {rule.signal, static_cast<Duration>(rule.fresh_s * 1e9), static_cast<Duration>(rule.stale_s * 1e9), tau,
          rule.then};
}

double age_s(Time sampled_ns, Time now_ns) noexcept {
  if (sampled_ns == kNever) return -1;
  if (sampled_ns >= now_ns) return 0;
  return static_cast<double>(static_cast<std::uint64_t>(now_ns) - static_cast<std::uint64_t>(sampled_ns)) / 1e9;
}

Exclusion::Exclusion(const AgeRule& rule, const PoolView& view, Time now_ns) noexcept
    : values_(view.values[static_cast<std::size_t>(rule.signal)]),
      sampled_(view.sampled[static_cast<std::size_t>(rule.signal)]),
      stale_before_(limit_of(now_ns, rule.stale_ns)) {
  if (values_ == nullptr) return;
  for (std::size_t i = 0; i < view.size && !some_usable_; ++i) some_usable_ = values_[i] == values_[i] && !old(i);
}

Correction::Correction(std::span<const AgeRule> rules, const PoolView& view, Time now_ns, Workspace& workspace)
    : view_(&view) {
  workspace.reserve(view.size);
  for (const AgeRule& rule : rules) {
    const auto slot = static_cast<std::size_t>(rule.signal);
    const double* values = view.values[slot];
    const Time* sampled = view.sampled[slot];
    const Time fresh_from = limit_of(now_ns, rule.fresh_ns);
    const Time stale_before = limit_of(now_ns, rule.stale_ns);
    if (values == nullptr || all_fresh(values, sampled, view.size, fresh_from, fills_gaps(rule.then))) continue;
    const double median = median_of(values, sampled, view.size, fresh_from, workspace.score_.data());
    if (is_missing(median)) continue;  // nobody was ever read
    const double highest = column_max({values, view.size});

    double* out = workspace.corrected_[slot].data();
    Time last_time = kNever;  // one scrape often gives many endpoints the same time: one exponential for all of them
    double weight = 1;
    for (std::size_t i = 0; i < view.size; ++i) {
      const double value = values[i];
      const Time time = sampled == nullptr ? kNever : sampled[i];
      out[i] = value;
      if (is_missing(value)) {
        if (rule.then == StaleThen::kMedian) out[i] = median;
        if (rule.then == StaleThen::kBusy) out[i] = highest;
      } else if (time >= fresh_from) {
        continue;
      } else if (time >= stale_before) {
        if (time != last_time) {
          last_time = time;
          weight = exp_fixed(-(static_cast<double>(fresh_from - time) / 1e9) / rule.tau_s);
        }
        out[i] = median + weight * (value - median);
      } else if (rule.then == StaleThen::kMedian) {
        out[i] = median;
      } else if (rule.then == StaleThen::kAbstain) {
        out[i] = kMissing;
      } else if (rule.then == StaleThen::kBusy) {
        out[i] = highest;
      }
    }
    if (rule.then == StaleThen::kExclude) exclude(rule, view, now_ns, workspace.entry_.data());
    if (view_ == &view) workspace.corrected_view_ = view;
    view_ = &workspace.corrected_view_;
    workspace.corrected_view_.values[slot] = out;
  }
  if (entry_ != nullptr && std::find(entry_, entry_ + view.size, std::uint8_t{1}) == entry_ + view.size)
    entry_ = nullptr;
}

void Correction::exclude(const AgeRule& rule, const PoolView& view, Time now_ns, std::uint8_t* entry) noexcept {
  const Exclusion exclusion(rule, view, now_ns);
  for (std::size_t i = 0; i < view.size; ++i) {
    if (!exclusion.drops(i)) continue;
    if (entry_ == nullptr) std::fill_n(entry, view.size, std::uint8_t{1});
    entry_ = entry;
    entry[i] = 0;
  }
}

}  // namespace kthena::route
