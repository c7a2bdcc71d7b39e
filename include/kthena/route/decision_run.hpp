// include/kthena/route/decision_run.hpp
//
// DecisionRun: the one order of steps of every decision - filter, compact, score, sum, pick - shared by the compile-time Pipeline and
// the run-time Policy, so that both give the same bits.
//
//   Cost       one pass per filter and scorer over dense columns, one pass to pick; no allocation once the Workspace is large enough.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "kthena/route/scoring.hpp"

namespace kthena::route {

class DecisionRun {
 public:
  /// Grows the workspace if the pool is larger than any before; that is the only allocation.
  DecisionRun(const PoolView& view, const Request& request, Workspace& workspace) : view_(view) {
    workspace.reserve(view.size);
    context_.view_ = &view;
    context_.request_ = &request;
    context_.request_key_ = kthena::route::request_key(request);
    context_.workspace_ = &workspace;
    context_.size_ = view.size;
    left_ = view.size;
  }
  DecisionRun(const DecisionRun&) = delete;
  DecisionRun& operator=(const DecisionRun&) = delete;

  /// Runs the next filter. Filters after the one that dropped the last endpoint are skipped.
  template <Filter F>
  void filter(const F& part) noexcept {
    if (left_ == 0) return;
    Workspace& workspace = *context_.workspace_;
    const std::span<std::uint8_t> keep{workspace.keep_.data(), view_.size};
    if (filters_ == 0) std::memset(keep.data(), 1, keep.size());
    part.filter(view_, *context_.request_, keep);
    std::size_t left = 0;
    for (const std::uint8_t k : keep) left += k;
    last_filter_ = filters_++;
    last_dropped_ = left_ - left;
    left_ = left;
  }

  /// Ends filtering. False when nobody is left: then only finish() may follow.
  [[nodiscard]] bool start_scoring() noexcept {
    Workspace& workspace = *context_.workspace_;
    context_.size_ = left_;
    context_.all_ = left_ == view_.size;
    if (left_ == 0) return false;
    if (!context_.all_) {
      std::uint32_t* out = workspace.candidates_.data();
      std::size_t count = 0;
      for (std::uint32_t i = 0; i < view_.size; ++i) {
        out[count] = i;  // count never passes i, so this stays in bounds
        count += workspace.keep_[i];
      }
    }
    std::memset(workspace.total_.data(), 0, left_ * sizeof(double));
    return true;
  }

  /// Adds weight * opinion of the next scorer to every total. An opinion that is not finite adds 0.
  template <Scorer S>
  void score(const S& part, double weight) noexcept {
    Workspace& workspace = *context_.workspace_;
    part.score(context_, {workspace.score_.data(), left_});
    const double* score = workspace.score_.data();
    double* total = workspace.total_.data();
    for (std::size_t i = 0; i < left_; ++i) {
      const double opinion = score[i] - score[i] == 0 ? score[i] : 0;
      total[i] += weight * opinion;
    }
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

  [[nodiscard]] const ScoreContext& context() const noexcept { return context_; }
  /// Opinions of the scorer that ran last, one per candidate.
  [[nodiscard]] std::span<const double> last_scores() const noexcept {
    return {context_.workspace_->score_.data(), left_};
  }
  [[nodiscard]] std::span<const double> totals() const noexcept { return {context_.workspace_->total_.data(), left_}; }

 private:
  const PoolView& view_;
  ScoreContext context_;
  std::size_t left_ = 0;
  std::uint32_t filters_ = 0;
  std::uint32_t last_filter_ = 0;
  std::size_t last_dropped_ = 0;
};

}  // namespace kthena::route
