// src/route/correction.hpp
//
// The rules of staleness at work: the pool as a decision sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kthena/base/time.hpp"
#include "kthena/route/pool.hpp"
#include "kthena/route/scoring.hpp"
#include "kthena/route/staleness.hpp"

namespace kthena::route {

/// A StaleRule with its ages in nanoseconds.
struct AgeRule {
  Signal signal;
  Duration fresh_ns;
  Duration stale_ns;
  double tau_s;
  StaleThen then;
};

AgeRule make_age_rule(const StaleRule& rule);

/// Age of a sample; -1 where its time is not known.
double age_s(Time sampled_ns, Time now_ns) noexcept;

/// Whether a rule with StaleThen::kExclude drops endpoint i for this signal.
class Exclusion {
 public:
  Exclusion(const AgeRule& rule, const PoolView& view, Time now_ns) noexcept;
  [[nodiscard]] bool drops(std::size_t endpoint) const noexcept {
    return some_usable_ && values_[endpoint] == values_[endpoint] && old(endpoint);
  }

 private:
  [[nodiscard]] bool old(std::size_t endpoint) const noexcept {
    return sampled_ == nullptr || sampled_[endpoint] < stale_before_;
  }
  const double* values_;
  const Time* sampled_;
  Time stale_before_;
  bool some_usable_ = false;  // somebody has a reading that is not stale
};

class Correction {
 public:
  /// One pass over the sample times of each rule; more where not all are fresh. Columns live in the workspace until the next correction.
  Correction(std::span<const AgeRule> rules, const PoolView& view, Time now_ns, Workspace& workspace);

  /// The pool's own view when nothing was corrected.
  [[nodiscard]] const PoolView& view() const noexcept { return *view_; }
  /// By endpoint: 0 for those that a rule excludes; null: nobody.
  [[nodiscard]] const std::uint8_t* entry() const noexcept { return entry_; }

 private:
  void exclude(const AgeRule& rule, const PoolView& view, Time now_ns, std::uint8_t* entry) noexcept;

  const PoolView* view_;
  const std::uint8_t* entry_ = nullptr;
};

}  // namespace kthena::route
