// include/kthena/route/log_diff.hpp
//
// diff: what would another policy have decided? Each decision of a log, decided again from the same bytes.
//
//   Holds fixed   the pool as it was at each decision. What the other policy would have made of the fleet later on, it does not know: a log
//                 is an argument about decisions, sim is one about fleets.
//   Regret        the logged policy's total of its choice less its total of the other's: how much worse the other choice is in the
//                 eyes of the policy that was in force. Not known where that policy is not, where it would have dropped the other's choice,
//                 and where its picker reads no totals. Below 0 where its picker takes less than the best by chance.
//   Cost          a decision for each one in the log; two or three explanations for each that is another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kthena/base/reason.hpp"
#include "kthena/base/status.hpp"
#include "kthena/base/time.hpp"
#include "kthena/route/decision_log.hpp"
#include "kthena/route/policy.hpp"

namespace kthena::route {

/// Policies that a report tells of.
inline constexpr std::size_t kMaxDiffPolicies = 64;

/// Mean, maximum and count of numbers that are there for some decisions only.
struct DiffFigure {
  std::uint64_t count = 0;
  double sum = 0;
  double maximum = 0;  ///< 0 without any

  void add(double value) noexcept {
    maximum = count == 0 || value > maximum ? value : maximum;
    sum += value;
    ++count;
  }
  [[nodiscard]] double mean() const noexcept { return count == 0 ? 0 : sum / static_cast<double>(count); }
};

/// What a scorer of a policy said of the two endpoints.
struct DiffTerm {
  std::string scorer;
  std::optional<double>
      before;  ///< contribution to the total of the logged choice; none when it was dropped or nobody was chosen
  std::optional<double> after;  ///< to that of the other's choice
};

/// How one policy sees a decision that changed.
struct DiffSide {
  std::optional<std::string> endpoint;  ///< its choice; none: no endpoint
  Reason reason;
  double score = 0;
  double margin = 0;
  std::vector<DiffTerm> terms;  ///< empty where the policy is not known or asked no scorer
};

struct ChangedDecision {
  std::uint64_t number = 0;  ///< of the decision in the log, from 0
  std::string request;       ///< its id
  Time now_ns = 0;
  DiffSide before;
  DiffSide after;
  std::optional<double> regret;
};

struct DiffReport {
  std::vector<LoggedPolicy> policies;   ///< the first of the log, without repeats, kMaxDiffPolicies at most
  std::uint64_t bytes = 0;              ///< read
  std::optional<std::uint64_t> cut_at;  ///< the byte of a record that the log ends within
  std::uint64_t decisions = 0;
  std::uint64_t identical = 0;  ///< to the last bit: score, margin, ranking, reason
  std::uint64_t same = 0;       ///< the same choice, the identical ones included
  std::uint64_t changed = 0;    ///< another choice, or none where there was one, or the other way round
  DiffFigure margin_before;     ///< of the changed, where a choice was made
  DiffFigure margin_after;
  DiffFigure regret;
  struct Endpoint {
    std::string id;
    std::uint64_t before = 0;  ///< decisions for it
    std::uint64_t after = 0;
  };
  struct Reasons {
    ReasonCode code = ReasonCode::none;
    std::uint64_t before = 0;
    std::uint64_t after = 0;
  };
  std::vector<Endpoint> endpoints;     ///< by id
  std::vector<Reasons> reasons;        ///< by code, of all decisions
  std::vector<ChangedDecision> first;  ///< the first changed ones
};

struct DiffOptions {
  /// Changed decisions that are told one by one. DEFAULT: 10.
  std::size_t limit = 10;
  /// The policy of the log, for regret and contributions; nullopt: not known. DEFAULT: nobody knows.
  std::function<std::optional<Policy>(const LoggedPolicy&)> find_policy{};
};

/// kInvalidArgument "byte 17: ..." for a log that is damaged. One that is cut is decided again up to the cut. [any thread]
Result<DiffReport> diff(std::span<const std::byte> log, const Policy& other, const DiffOptions& options = {});

}  // namespace kthena::route
