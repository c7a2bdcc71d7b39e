// include/kthena/route/policy.hpp
//
// Policy: a policy put together at run time from a PolicySpec, over the same kernels as Pipeline and with the same bits.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kthena/base/faults.hpp"
#include "kthena/base/status.hpp"
#include "kthena/route/combine.hpp"
#include "kthena/route/decision.hpp"
#include "kthena/route/explanation.hpp"
#include "kthena/route/pool.hpp"
#include "kthena/route/request.hpp"
#include "kthena/route/scoring.hpp"
#include "kthena/route/staleness.hpp"
#include "kthena/route/user_scorer.hpp"

namespace kthena::route {

class DecisionRun;

/// A number given to a part, by name.
struct OptionSpec {
  std::string name{};
  double value = 0;
  friend bool operator==(const OptionSpec&, const OptionSpec&) = default;
};

/// One filter, scorer or picker, by name. `weight` is for scorers: finite, 0..1e9; 0..1 in a product, 1 in tiers, which have none.
/// "user:NAME" is a scorer of the caller's own (UserScorer), which takes no options. `tolerance` is for scorers in tiers: points of opinion, finite, 0..1e9.
struct PartSpec {
  std::string name{};
  double weight = 1;
  std::vector<OptionSpec> options{};
  double tolerance = 0;
  friend bool operator==(const PartSpec&, const PartSpec&) = default;
};

struct PolicySpec {
  std::string name;               ///< for reports; may be empty
  std::vector<PartSpec> filters;  ///< run in this order
  std::vector<PartSpec> scorers;  ///< asked in this order
  PartSpec picker{"best-score", 1, {}};
  std::uint32_t ranked_limit = 5;   ///< length of Decision::ranked at most, the chosen one included; 1..kMaxRanked
  Combine combine = Combine::kSum;  ///< how opinions become a total
  /// Stages that decide, in this order, where the filters of all before left nobody; the first stage is this spec itself. A stage has
  /// filters, scorers, a picker, a name and a way to combine; the rest is the policy's and stays at its default here.
  std::vector<PolicySpec> otherwise{};
  /// What old readings are worth, one rule for a signal at most; none: as they were read.
  std::vector<StaleRule> staleness{};
  /// An endpoint that became ready (Signal::kReadyAtS) less than this ago is left out of so many requests that it stands for election in
  /// age / slow_start_s of them; nobody is left out where nobody else is left. Seconds, 0..1e9; 0: no slow start.
  double slow_start_s = 0;
  friend bool operator==(const PolicySpec&, const PolicySpec&) = default;
};

/// What a part can be given; for documentation, lint and bindings.
struct PartInfo {
  std::string_view kind;  ///< "filter", "scorer" or "picker"
  std::string_view name;
  struct OptionInfo {
    std::string_view name;
    double minimum;
    double maximum;
    double value;  ///< the default; NaN: none
  };
  std::vector<OptionInfo> options;
};

/// All parts, filters first, then scorers, then pickers, each in order of registration. [any thread]
std::vector<PartInfo> list_parts();

/// Whether a request fits a pool: depths are absent or one per endpoint, a slower tier has no less than a faster one, prompts and blocks
/// are not longer than kMaxBlocks and kMaxBlockTokens, promises are finite and not negative.
/// kInvalidArgument names the field. [any thread]
Status check_request(const PoolView& view, const Request& request);

/// All that is wrong with a spec, by path: unknown or repeated names, weights that are negative, not finite or above 1e9, unknown,
/// repeated or out-of-range options, ranked_limit out of range, no scorer for a picker that needs one, tolerances without tiers, stages
/// that have what is the policy's, rules of staleness that repeat or whose ages are out of range or order. `scorers` are the caller's own:
/// their names are given once, and each has a function. [any thread]
Faults find_faults(const PolicySpec& spec, std::span<const UserScorer> scorers = {});

/// Immutable; copies share, scorers of the caller's own too. decide and explain may run in many threads, each with its own Workspace.
class Policy {
 public:
  /// kInvalidArgument with everything that find_faults() finds.
  static Result<Policy> create(const PolicySpec& spec) { return create(spec, {}); }
  /// The same with scorers of the caller's own, which the spec names "user:" + UserScorer::name. Those that it does not name are not asked.
  static Result<Policy> create(const PolicySpec& spec, std::span<const UserScorer> scorers);

  [[nodiscard]] const PolicySpec& spec() const noexcept;

  /// `request` must pass check_request(): depths of another length count as not known. Allocates only while `workspace` is smaller than the pool.
  [[nodiscard]] Decision decide(const PoolView& view, const Request& request, Workspace& workspace) const;
  [[nodiscard]] Decision decide(const PoolSnapshot& pool, const Request& request, Workspace& workspace) const {
    return decide(pool.view(), request, workspace);
  }

  /// The same decision, taken apart. Allocates; less with a workspace that has seen a pool of that size.
  [[nodiscard]] Explanation explain(const PoolView& view, const Request& request, Workspace& workspace) const;
  [[nodiscard]] Explanation explain(const PoolView& view, const Request& request) const {
    Workspace workspace;
    return explain(view, request, workspace);
  }
  [[nodiscard]] Explanation explain(const PoolSnapshot& pool, const Request& request) const {
    return explain(pool.view(), request);
  }

 private:
  friend Faults find_faults(const PolicySpec& spec, std::span<const UserScorer> scorers);
  struct Parts;
  [[nodiscard]] Decision decide_in_stages(DecisionRun& run, std::size_t size, Workspace& workspace) const;
  static std::shared_ptr<const Parts> build(const PolicySpec& spec, std::span<const UserScorer> scorers,
                                            Faults& faults);
  explicit Policy(std::shared_ptr<const Parts> parts) noexcept : parts_(std::move(parts)) {}
  std::shared_ptr<const Parts> parts_;
};

}  // namespace kthena::route
