// include/kthena/route/user_scorer.hpp
//
// UserScorer: a scorer of the caller's own in a policy put together at run time, under the name "user:NAME".
//
//   Use when   an opinion hangs on what only the host knows, or is tried out before it becomes a part. In C++ a Pipeline takes any type that
//              meets Scorer, without the indirect call and without failures.
//   Cost       an indirect call per decision and one pass over the opinions; policies without one pay nothing.
//   Known for  being as slow as the host's language: docs/composition.md says how slow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "kthena/base/status.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

/// In a PartSpec and in explanations, before UserScorer::name: no part of the library, now or later, has such a name.
inline constexpr std::string_view kUserPrefix = "user:";

/// What a scorer may see: the candidates as dense columns 0..size(). All of it is borrowed for the call.
class ScoreInput {
 public:
  explicit ScoreInput(const ScoreContext& context) noexcept : context_(context) {}
  [[nodiscard]] std::size_t size() const noexcept { return context_.size(); }
  /// One value per candidate; kMissing where it was never sampled, or where a rule of staleness says so.
  [[nodiscard]] std::span<const double> column(Signal signal) const noexcept { return context_.column(signal); }
  /// hash_id of the endpoint ids.
  [[nodiscard]] std::span<const std::uint64_t> keys() const noexcept { return context_.keys(); }
  /// Depths of Request::prefix; all 0 when it is not known.
  [[nodiscard]] std::span<const std::uint32_t> prefix_depths() const noexcept { return context_.prefix_depths(); }
  [[nodiscard]] std::uint32_t prefix_total() const noexcept { return context_.prefix_total(); }
  /// Depths of Request::history, of Request::prefix where that is absent.
  [[nodiscard]] std::span<const std::uint32_t> history_depths() const noexcept { return context_.history_depths(); }
  [[nodiscard]] std::uint32_t history_total() const noexcept { return context_.history_total(); }
  [[nodiscard]] const Request& request() const noexcept { return context_.request(); }
  /// The endpoint of the pool behind a candidate.
  [[nodiscard]] EndpointIndex endpoint(std::size_t candidate) const noexcept { return context_.endpoint(candidate); }

 private:
  const ScoreContext& context_;
};

/// Copies share what `score` holds by reference or pointer.
struct UserScorer {
  std::string name;  ///< not empty, unique; a PartSpec names it "user:" + name
  /// Writes an opinion for each candidate, higher is better, by convention 0..100. NaN or infinity abstains, and so does what is not
  /// written; abstentions are counted (Workspace::user_abstentions). A status that is not ok, or an exception, fails the decision:
  /// Outcome::kScorerFailed. It is called on every thread that decides, at once where several do, and must not use their workspaces.
  std::function<Status(const ScoreInput& input, std::span<double> out)> score;
};

}  // namespace kthena::route
