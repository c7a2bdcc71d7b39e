// include/kthena/route/scoring.hpp
//
// What a policy part is, and what it sees: the concepts Filter, Scorer and Picker, the ScoreContext they read and the Workspace that
// holds the scratch columns. A part is a small value type with a static kName and noexcept members. A part of one's own works in a
// Pipeline; a scorer of one's own in a Policy is a UserScorer; one of the library is a header in policies/ and an entry in
// src/route/registry.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kthena/base/reason.hpp"
#include "kthena/base/status.hpp"
#include "kthena/route/decision.hpp"
#include "kthena/route/pool.hpp"
#include "kthena/route/request.hpp"

namespace kthena::route {

/// Scratch memory of decisions: grows to the largest pool seen, then nothing is allocated any more. One per thread; no decision hangs on
/// those before it. Keeps what became of scorers of the caller's own (UserScorer).
class Workspace {
 public:
  Workspace() = default;
  /// Makes room for pools of `endpoints`.
  void reserve(std::size_t endpoints);

  /// Opinions of scorers of the caller's own that were NaN or infinite, in all decisions and explanations with this workspace.
  [[nodiscard]] std::uint64_t user_abstentions() const noexcept { return user_abstentions_; }
  /// Why the last decision with such scorers was Outcome::kScorerFailed: the scorer's code, and a message that names it. Ok when it was not.
  [[nodiscard]] const Status& failure() const noexcept { return failure_; }

 private:
  friend class ScoreContext;
  friend class DecisionRun;
  friend class Correction;  // of the library: the rules of staleness
  friend class UserCall;    // of the library: asks scorers of the caller's own

  std::size_t capacity_ = 0;
  std::vector<std::uint8_t> keep_;
  std::vector<std::uint32_t> candidates_;                   // positions that passed all filters
  std::array<std::vector<double>, kSignalCount> gathered_;  // signal columns of the candidates
  std::vector<double> missing_;                             // kMissing, capacity_ times
  std::array<std::vector<std::uint32_t>, 2> depths_;        // prefix, history
  std::vector<std::uint32_t> no_depths_;                    // 0, capacity_ times
  std::vector<std::uint64_t> keys_;
  std::vector<double> score_;
  std::vector<double> total_;
  std::vector<double> scratch_;
  std::array<std::vector<double>, kSignalCount> corrected_;  // columns of corrected_view_
  PoolView corrected_view_;
  std::vector<std::uint8_t> entry_;
  std::uint64_t user_abstentions_ = 0;
  Status failure_;
};

/// [0, 1) from uniform bits, 53 of them.
constexpr double unit_interval(std::uint64_t bits) noexcept { return static_cast<double>(bits >> 11) * 0x1p-53; }

/// What scorers and pickers see: the candidates as dense columns 0..size(). When filters dropped nobody the columns are the pool's own.
class ScoreContext {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// One value per candidate; kMissing where it was never sampled.
  [[nodiscard]] std::span<const double> column(Signal signal) const noexcept;
  /// hash_id of the endpoint ids.
  [[nodiscard]] std::span<const std::uint64_t> keys() const noexcept;
  /// Depths of Request::prefix; all 0 when it is not known.
  [[nodiscard]] std::span<const std::uint32_t> prefix_depths() const noexcept { return depths(0, request_->prefix); }
  [[nodiscard]] std::uint32_t prefix_total() const noexcept { return request_->prefix.total_blocks; }
  /// Depths of Request::history, of Request::prefix where that is absent.
  [[nodiscard]] std::span<const std::uint32_t> history_depths() const noexcept { return depths(1, history()); }
  [[nodiscard]] std::uint32_t history_total() const noexcept { return history().total_blocks; }
  [[nodiscard]] const Request& request() const noexcept { return *request_; }
  /// The whole pool, by endpoint(); for what has no column here.
  [[nodiscard]] const PoolView& view() const noexcept { return *view_; }
  /// One number per candidate to write to; its contents are not specified and last for the call.
  [[nodiscard]] std::span<double> scratch() const noexcept { return {workspace_->scratch_.data(), size_}; }
  [[nodiscard]] std::uint64_t request_key() const noexcept { return request_key_; }
  /// The endpoint behind a candidate.
  [[nodiscard]] EndpointIndex endpoint(std::size_t candidate) const noexcept {
    return {all_ ? static_cast<std::uint32_t>(candidate) : workspace_->candidates_[candidate]};
  }

 private:
  friend class DecisionRun;
  [[nodiscard]] const PrefixMatch& history() const noexcept {
    return request_->history.depth_blocks.empty() ? request_->prefix : request_->history;
  }
  [[nodiscard]] std::span<const std::uint32_t> depths(std::size_t slot, const PrefixMatch& match) const noexcept;

  const PoolView* view_ = nullptr;
  const Request* request_ = nullptr;
  std::uint64_t request_key_ = 0;
  Workspace* workspace_ = nullptr;
  std::size_t size_ = 0;
  bool all_ = true;
  mutable std::uint64_t gathered_ = 0;  // bits: signals; kSignalCount + slot: depths; 63: keys
};

/// Gives the reason of a filter for an endpoint that it dropped, with its numbers. `kept` is what the filter was given.
template <class T>
concept ExplainsBySet = requires(const T& part, const PoolView& view, const Request& request,
                                 std::span<const std::uint8_t> kept, EndpointIndex endpoint) {
  { part.explain(view, request, kept, endpoint) } -> std::same_as<Reason>;
};
/// The same for a filter that looks at endpoints one by one.
template <class T>
concept ExplainsOne = requires(const T& part, const PoolView& view, const Request& request, EndpointIndex endpoint) {
  { part.explain(view, request, endpoint) } -> std::same_as<Reason>;
};

/// Drops endpoints: `filter` sets keep[i] = 0 for endpoint i of the pool and never sets 1. Filters run in the order listed over one `keep`:
/// keep[i] is 0 already where one before it, or a rule of the policy, dropped endpoint i. A filter may judge endpoints one by one, or all
/// that are still kept:
///
///   a gate       keeps all of them or none, by what they are together ("only if their loads differ by a half"). As the only filter of a
///                stage it is the condition of that stage (PolicySpec::otherwise).
///   a preference narrows and never empties the set: see narrow().
template <class T>
concept Filter = requires(const T& part, const PoolView& view, const Request& request, std::span<std::uint8_t> keep) {
  { T::kName } -> std::convertible_to<std::string_view>;
  { part.filter(view, request, keep) }
  noexcept->std::same_as<void>;
}
&&(ExplainsOne<T> || ExplainsBySet<T>);

/// For a filter that prefers: drops those kept for which `wanted(i)` is false, unless it is false for all of them.
template <class Wanted>
void narrow(std::span<std::uint8_t> keep, Wanted wanted) noexcept {
  bool any = false;
  for (std::size_t i = 0; i < keep.size() && !any; ++i) any = keep[i] != 0 && wanted(i);
  if (!any) return;
  for (std::size_t i = 0; i < keep.size(); ++i)
    if (keep[i] != 0 && !wanted(i)) keep[i] = 0;
}

/// Writes an opinion for each candidate, higher is better, by convention 0..100 so that weights compare. out.size() is context.size(), its
/// contents are not specified; every element must be written. NaN (or infinity) abstains and counts as 0: that is the lowest opinion the
/// parts of the library have, so who is not known does not win by it.
///
///   struct FreeMemory {                                                         // 100 below 80 % KV usage, else 0
///     static constexpr std::string_view kName = "free-memory";
///     void score(const ScoreContext& context, std::span<double> out) const noexcept {
///       const std::span<const double> usage = context.column(Signal::kKvUsage);  // kMissing stays NaN: abstains
///       for (std::size_t i = 0; i < out.size(); ++i) out[i] = is_missing(usage[i]) ? usage[i] : usage[i] < 0.8 ? 100 : 0;
///     }
///   };
template <class T>
concept Scorer = requires(const T& part, const ScoreContext& context, std::span<double> out) {
  { T::kName } -> std::convertible_to<std::string_view>;
  { part.score(context, out) }
  noexcept->std::same_as<void>;
};

/// Fills outcome, endpoint, ranked, reason, score and margin from the totals (one per candidate, at least one candidate). `limit` is
/// how many places `ranked` may have, 1..kMaxRanked. A picker that uses chance hangs it on context.request_key() and a constant of its own.
template <class T>
concept Picker = requires(const T& part, const ScoreContext& context, std::span<const double> totals, std::size_t limit,
                          Decision& decision) {
  { T::kName } -> std::convertible_to<std::string_view>;
  { part.pick(context, totals, limit, decision) }
  noexcept->std::same_as<void>;
};

// ---- inline definitions

inline void Workspace::reserve(std::size_t endpoints) {
  if (endpoints <= capacity_) return;
  keep_.resize(endpoints);
  candidates_.resize(endpoints);
  for (auto& column : gathered_) column.resize(endpoints);
  missing_.assign(endpoints, kMissing);
  for (auto& column : depths_) column.resize(endpoints);
  no_depths_.assign(endpoints, 0);
  keys_.resize(endpoints);
  score_.resize(endpoints);
  total_.resize(endpoints);
  scratch_.resize(endpoints);
  for (auto& column : corrected_) column.resize(endpoints);
  entry_.resize(endpoints);
  capacity_ = endpoints;
}

inline std::span<const double> ScoreContext::column(Signal signal) const noexcept {
  const auto slot = static_cast<std::size_t>(signal);
  const double* source = view_->values[slot];
  if (source == nullptr) return {workspace_->missing_.data(), size_};
  if (all_) return {source, size_};
  double* out = workspace_->gathered_[slot].data();
  if ((gathered_ & (1ull << slot)) == 0) {
    gathered_ |= 1ull << slot;
    const std::uint32_t* from = workspace_->candidates_.data();
    for (std::size_t i = 0; i < size_; ++i) out[i] = source[from[i]];
  }
  return {out, size_};
}

inline std::span<const std::uint64_t> ScoreContext::keys() const noexcept {
  if (all_) return {view_->keys, size_};
  std::uint64_t* out = workspace_->keys_.data();
  if ((gathered_ & (1ull << 63)) == 0) {
    gathered_ |= 1ull << 63;
    for (std::size_t i = 0; i < size_; ++i) out[i] = view_->keys[workspace_->candidates_[i]];
  }
  return {out, size_};
}

inline std::span<const std::uint32_t> ScoreContext::depths(std::size_t slot, const PrefixMatch& match) const noexcept {
  if (match.depth_blocks.size() != view_->size) return {workspace_->no_depths_.data(), size_};
  if (all_) return match.depth_blocks.first(size_);
  std::uint32_t* out = workspace_->depths_[slot].data();
  const std::uint64_t bit = 1ull << (kSignalCount + slot);
  if ((gathered_ & bit) == 0) {
    gathered_ |= bit;
    for (std::size_t i = 0; i < size_; ++i) out[i] = match.depth_blocks[workspace_->candidates_[i]];
  }
  return {out, size_};
}

}  // namespace kthena::route
