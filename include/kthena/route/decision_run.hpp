// include/kthena/route/decision_run.hpp
//
// DecisionRun: the one order of steps of every decision - filter, compact, score, combine, pick - shared by the compile-time Pipeline
// and the run-time Policy, so that both give the same bits.
//
//   Cost       one pass per filter and scorer over dense columns, one pass to pick; no allocation once the Workspace is large enough.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include "kthena/route/combine.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

class DecisionRun {
 public:
  /// Grows the workspace if the pool is larger than any before; that is the only allocation. `entry`, where given, says for each endpoint
  /// whether it may be a candidate at all; at least one may.
  DecisionRun(const PoolView& view, const Request& request, Workspace& workspace, const std::uint8_t* entry = nullptr)
      : view_(view), entry_(entry) {
    workspace.reserve(view.size);
    context_.view_ = &view;
    context_.request_ = &request;
    context_.request_key_ = kthena::route::request_key(request);
    context_.workspace_ = &workspace;
    context_.size_ = view.size;
    entered_ = view.size;
    if (entry_ != nullptr) entered_ = count(entry_);
    left_ = entered_;
  }
  DecisionRun(const DecisionRun&) = delete;
  DecisionRun& operator=(const DecisionRun&) = delete;

  /// Runs the next filter. Filters after the one that dropped the last endpoint are skipped.
  template <Filter F>
  void filter(const F& part) noexcept {
    if (left_ == 0) return;
    const std::span<std::uint8_t> keep = open_keep();
    part.filter(view_, *context_.request_, keep);
    const std::size_t left = count(keep.data());
    last_filter_ = filters_++;
    last_dropped_ = left_ - left;
    left_ = left;
  }

  /// Begins anew with all endpoints, after start_scoring() said that nobody is left.
  void restart() noexcept {
    left_ = entered_;
    keep_open_ = false;
    filters_ = 0;
    last_filter_ = 0;
    last_dropped_ = 0;
    context_.gathered_ = 0;
  }

  /// After the filters: endpoints that became ready less than `ramp_s` ago (Signal::kReadyAtS) are candidates with probability age / ramp_s,
  /// by a seeded hash of request and endpoint id. Where that leaves nobody, all stay.
  void sit_out(double ramp_s) noexcept {
    const double* ready = view_.values[static_cast<std::size_t>(Signal::kReadyAtS)];
    if (left_ < 2 || ready == nullptr) return;
    const double now_s = static_cast<double>(context_.request_->now_ns) / 1e9;
    bool young = false;
    for (std::size_t i = 0; i < view_.size; ++i) young |= now_s - ready[i] < ramp_s;  // a missing one is not
    if (!young) return;
    const std::uint64_t stream = combine64(context_.request_key_, 0x536C6F7753746172);
    const auto sits_out = [&](std::size_t i) {
      const double age = now_s - ready[i];
      return age < ramp_s && !(unit_interval(mix64(stream ^ view_.keys[i])) < age / ramp_s);
    };
    const std::span<std::uint8_t> keep = open_keep();
    std::size_t out = 0;
    for (std::size_t i = 0; i < keep.size(); ++i) out += keep[i] != 0 && sits_out(i) ? 1 : 0;
    if (out == 0 || out == left_) return;
    for (std::size_t i = 0; i < keep.size(); ++i)
      if (keep[i] != 0 && sits_out(i)) keep[i] = 0;
    left_ -= out;
  }

  /// Ends filtering. False when nobody is left: then only finish() or restart() may follow.
  [[nodiscard]] bool start_scoring(Combine combine = Combine::kSum) noexcept {
    Workspace& workspace = *context_.workspace_;
    context_.size_ = left_;
    context_.all_ = left_ == view_.size;
    if (left_ == 0) return false;
    if (!context_.all_) {
      (void)open_keep();
      std::uint32_t* out = workspace.candidates_.data();
      std::size_t count = 0;
      for (std::uint32_t i = 0; i < view_.size; ++i) {
        out[count] = i;  // count never passes i, so this stays in bounds
        count += workspace.keep_[i];
      }
    }
    double* total = workspace.total_.data();
    if (combine == Combine::kProduct) {
      for (std::size_t i = 0; i < left_; ++i) total[i] = 100;
    } else {
      std::memset(total, 0, left_ * sizeof(double));
    }
    tiers_ = 0;
    return true;
  }

  /// Asks the next scorer. One of add(), multiply() and narrow_tier() must follow.
  template <Scorer S>
  void ask(const S& part) noexcept {
    part.score(context_, {context_.workspace_->score_.data(), left_});
  }
  /// sum: adds weight * opinion to every total.
  void add(double weight) noexcept {
    const double* score = context_.workspace_->score_.data();
    double* total = context_.workspace_->total_.data();
    for (std::size_t i = 0; i < left_; ++i) {
      const double opinion = score[i] - score[i] == 0 ? score[i] : 0;
      total[i] += weight * opinion;
    }
  }
  /// product: multiplies every total by 1 - weight * (1 - opinion / 100).
  void multiply(double weight) noexcept {
    const double* score = context_.workspace_->score_.data();
    double* total = context_.workspace_->total_.data();
    for (std::size_t i = 0; i < left_; ++i) total[i] *= factor(score[i], weight);
  }
  static double factor(double score, double weight) noexcept { return 1 - weight * (1 - bounded(score) / 100); }
  /// tiers: those still in that are within `tolerance` of their best opinion stay in.
  void narrow_tier(double tolerance) noexcept {
    const double* score = context_.workspace_->score_.data();
    double* total = context_.workspace_->total_.data();
    const double in = kTierStep * tiers_;
    double best = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < left_; ++i) {
      const double opinion = bounded(score[i]);
      best = total[i] >= in && opinion > best ? opinion : best;
    }
    const double enough = best - tolerance;
    for (std::size_t i = 0; i < left_; ++i) {
      const double opinion = bounded(score[i]);
      const double reached = opinion >= enough ? in + kTierStep : in + opinion;
      total[i] = total[i] >= in ? reached : total[i];
    }
    ++tiers_;
  }
  /// ask() and add().
  template <Scorer S>
  void score(const S& part, double weight) noexcept {
    ask(part);
    add(weight);
  }

  /// The decision. Picks only when start_scoring() returned true.
  template <Picker P>
  [[nodiscard]] Decision finish(const P& part, std::size_t ranked_limit) const noexcept {
    Decision decision;
    decision.candidates = static_cast<std::uint32_t>(left_);
    if (view_.size == 0) {
      decision.reason = {ReasonCode::pool_empty, 0, 0, 0};
    } else if (left_ == 0) {
      decision.reason = {ReasonCode::all_filtered, last_filter_, static_cast<double>(view_.size),
                         static_cast<double>(last_dropped_)};
    } else {
      part.pick(context_, {context_.workspace_->total_.data(), left_}, ranked_limit, decision);
    }
    return decision;
  }

  /// Endpoints that are left, after the filters so far.
  [[nodiscard]] std::size_t left() const noexcept { return left_; }
  /// By endpoint of the pool: whether it is left.
  [[nodiscard]] std::span<const std::uint8_t> kept() noexcept { return open_keep(); }

  [[nodiscard]] const ScoreContext& context() const noexcept { return context_; }
  /// Opinions of the scorer that ran last, one per candidate.
  [[nodiscard]] std::span<const double> last_scores() const noexcept {
    return {context_.workspace_->score_.data(), left_};
  }
  [[nodiscard]] std::span<const double> totals() const noexcept { return {context_.workspace_->total_.data(), left_}; }

 private:
  [[nodiscard]] std::size_t count(const std::uint8_t* keep) const noexcept {
    std::size_t left = 0;
    for (std::size_t i = 0; i < view_.size; ++i) left += keep[i];
    return left;
  }
  std::span<std::uint8_t> open_keep() noexcept {
    std::uint8_t* keep = context_.workspace_->keep_.data();
    if (!keep_open_) {
      if (entry_ == nullptr) {
        std::fill_n(keep, view_.size, std::uint8_t{1});  // of an empty pool `keep` may be null
      } else {
        std::copy_n(entry_, view_.size, keep);
      }
      keep_open_ = true;
    }
    return {keep, view_.size};
  }

  /// What product and tiers take for an opinion.
  static double bounded(double score) noexcept {
    const double floor = score > 0 ? score : 0;  // NaN and -infinity: 0
    return floor <= 100 ? floor : floor - floor == 0 ? 100 : 0;
  }

  const PoolView& view_;
  const std::uint8_t* entry_;
  ScoreContext context_;
  std::size_t entered_ = 0;
  std::size_t left_ = 0;
  bool keep_open_ = false;
  std::uint32_t filters_ = 0;
  std::uint32_t last_filter_ = 0;
  std::size_t last_dropped_ = 0;
  std::uint32_t tiers_ = 0;
};

}  // namespace kthena::route
