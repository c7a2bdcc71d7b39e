// src/route/policy.cpp
//
// Policy: from a spec to kernels, and the decision over them. One variant visit per part, none per endpoint.
#include "kthena/route/policy.hpp"

#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "kthena/route/decision_run.hpp"
#include "parts.hpp"

namespace kthena::route {
namespace {

constexpr double kMaxWeight = 1e9;
constexpr double kMaxSeconds = 1e9;

template <class Parts>
void check_repeats(const Parts& parts, const std::string& path, Faults& faults) {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (!seen.insert(parts[i].name).second)
      faults.add(path + "[" + std::to_string(i) + "].name", "\"" + parts[i].name + "\" is there twice");
}

/// One tier of a match, and the next faster one that is known.
struct Tier {
  const char* name;
  std::span<const std::uint32_t> depths;
};

Status refuse(const char* field, const std::string& fault) {
  return invalid_argument(std::string("request.") + field + fault);
}

Status check_tier(const char* field, const Tier& tier, const Tier& faster, std::size_t endpoints) {
  if (tier.depths.empty()) return {};
  if (tier.depths.size() != endpoints) {
    return refuse(field, std::string(".") + tier.name + ": " + std::to_string(tier.depths.size()) + " depths for " +
                             std::to_string(endpoints) + " endpoints");
  }
  if (faster.name == nullptr) return {};
  if (faster.depths.empty()) return refuse(field, std::string(".") + tier.name + ": needs depth_blocks beside it");
  for (std::size_t i = 0; i < endpoints; ++i) {
    if (tier.depths[i] < faster.depths[i]) {
      return refuse(field, std::string(".") + tier.name + "[" + std::to_string(i) + "]: must be at least " +
                               faster.name + ", " + std::to_string(faster.depths[i]));
    }
  }
  return {};
}

Status check_match(const char* field, const PrefixMatch& match, std::size_t endpoints) {
  if (match.total_blocks > kMaxBlocks) return refuse(field, ".total_blocks: must not exceed 2147483647");
  if (match.block_tokens > kMaxBlockTokens) return refuse(field, ".block_tokens: must not exceed 65536");
  const Tier device{"depth_blocks", match.depth_blocks};
  const Tier host{"host_depth_blocks", match.host_depth_blocks};
  const Tier disk{"disk_depth_blocks", match.disk_depth_blocks};
  if (Status status = check_tier(field, device, {}, endpoints); !status.ok()) return status;
  if (Status status = check_tier(field, host, device, endpoints); !status.ok()) return status;
  return check_tier(field, disk, host.depths.empty() ? device : host, endpoints);
}

Status check_promise(const char* field, double seconds) {
  return seconds - seconds == 0 && seconds >= 0 ? Status() : refuse(field, ": must be finite and not negative");
}

constexpr const char* kNotOfAStage = "is the policy's, a stage has none";

void check_scorer(const PartSpec& part, Combine combine, const std::string& path, Faults& faults) {
  const double heaviest = combine == Combine::kProduct ? 1 : kMaxWeight;
  if (!(part.weight >= 0 && part.weight <= heaviest)) {
    faults.add(path + ".weight", combine == Combine::kProduct ? "must be a number in [0, 1] in a product"
                                                              : "must be a number in [0, 1e9]");
  } else if (combine == Combine::kTiers && part.weight != 1) {
    faults.add(path + ".weight", "tiers have no weights");
  }
  if (!(part.tolerance >= 0 && part.tolerance <= kMaxWeight)) {
    faults.add(path + ".tolerance", "must be a number in [0, 1e9]");
  } else if (combine != Combine::kTiers && part.tolerance != 0) {
    faults.add(path + ".tolerance", "is for tiers");
  }
}

void check_users(std::span<const UserScorer> users, Faults& faults) {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < users.size(); ++i) {
    const std::string path = "own scorers[" + std::to_string(i) + "]";
    if (users[i].name.empty()) faults.add(path + ".name", "must not be empty");
    if (!seen.insert(users[i].name).second) faults.add(path + ".name", "\"" + users[i].name + "\" is there twice");
    if (!users[i].score) faults.add(path + ".score", "must be a function");
  }
}

/// The scorer of the caller's own that a part names; null where there is none.
const UserScorer* find_user(std::span<const UserScorer> users, std::string_view name) {
  if (!name.starts_with(kUserPrefix)) return nullptr;
  name.remove_prefix(kUserPrefix.size());
  for (const UserScorer& user : users)
    if (user.name == name) return &user;
  return nullptr;
}

std::string user_names(std::span<const UserScorer> users) {
  std::string names;
  for (const UserScorer& user : users) names.append(", ").append(kUserPrefix).append(user.name);
  return names;
}

/// `path` is empty or ends in a dot.
Stage build_stage(const PolicySpec& spec, std::span<const UserScorer> users, const std::string& path, Faults& faults) {
  Stage stage;
  stage.combine = spec.combine;
  check_repeats(spec.filters, path + "filters", faults);
  check_repeats(spec.scorers, path + "scorers", faults);
  for (std::size_t i = 0; i < spec.filters.size(); ++i) {
    const std::string where = path + "filters[" + std::to_string(i) + "]";
    if (spec.filters[i].tolerance != 0) faults.add(where + ".tolerance", "is for scorers");
    if (auto made = make_any<AnyFilter>(spec.filters[i], where, "filter", faults))
      stage.filters.push_back(std::move(*made));
  }
  if (static_cast<std::size_t>(spec.combine) >= kCombineNames.size()) faults.add(path + "combine", "unknown");
  for (std::size_t i = 0; i < spec.scorers.size(); ++i) {
    const PartSpec& part = spec.scorers[i];
    const std::string where = path + "scorers[" + std::to_string(i) + "]";
    check_scorer(part, spec.combine, where, faults);
    if (const UserScorer* user = find_user(users, part.name)) {
      for (const OptionSpec& option : part.options)
        faults.add(where + ".options." + option.name, "a scorer of one's own takes no options");
      stage.scorers.push_back({AnyScorer(), part.weight, part.tolerance, user});
      stage.asks_users = true;
    } else if (auto made = make_any<AnyScorer>(part, where, "scorer", faults, user_names(users))) {
      stage.scorers.push_back({std::move(*made), part.weight, part.tolerance});
    }
  }
  if (spec.picker.tolerance != 0) faults.add(path + "picker.tolerance", "is for scorers");
  if (auto made = make_any<AnyPicker>(spec.picker, path + "picker", "picker", faults)) {
    stage.picker = std::move(*made);
    const bool reads_totals = std::visit([](const auto& part) { return part.kReadsTotals; }, stage.picker);
    if (reads_totals && spec.scorers.empty())
      faults.add(path + "scorers", "the picker \"" + spec.picker.name + "\" needs at least one");
  }
  return stage;
}

bool in_seconds(double value, double least) { return value >= least && value <= kMaxSeconds; }

void check_staleness(const std::vector<StaleRule>& rules, Faults& faults) {
  std::set<Signal> seen;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const StaleRule& rule = rules[i];
    const std::string path = "staleness[" + std::to_string(i) + "].";
    if (static_cast<std::size_t>(rule.signal) >= kSignalCount) {
      faults.add(path + "signal", "unknown");
    } else if (!seen.insert(rule.signal).second) {
      faults.add(path + "signal", "\"" + std::string(info(rule.signal).name) + "\" is there twice");
    }
    const bool fresh = in_seconds(rule.fresh_s, 0);
    if (!fresh) faults.add(path + "fresh_s", "must be a number in [0, 1e9]");
    if (!in_seconds(rule.stale_s, fresh ? rule.fresh_s : 0))
      faults.add(path + "stale_s", "must be a number in [fresh_s, 1e9]");
    if (static_cast<std::size_t>(rule.then) >= kStaleThenNames.size()) faults.add(path + "then", "unknown");
    if (!in_seconds(rule.tau_s, 0)) faults.add(path + "tau_s", "must be a number in [0, 1e9]");
  }
}

/// Asks the scorers of a stage some of which are the caller's own. The position of the one that failed, if one did.
std::optional<std::size_t> score_with_users(DecisionRun& run, const Stage& stage, Workspace& workspace) noexcept {
  for (std::size_t i = 0; i < stage.scorers.size(); ++i) {
    if (!ask(run, stage.scorers[i], workspace)) return i;
    combine_opinions(run, stage.combine, stage.scorers[i]);
  }
  return std::nullopt;
}

}  // namespace

Status check_request(const PoolView& view, const Request& request) {
  if (Status status = check_match("prefix", request.prefix, view.size); !status.ok()) return status;
  if (Status status = check_match("history", request.history, view.size); !status.ok()) return status;
  if (Status status = check_promise("slo_ttft_s", request.slo_ttft_s); !status.ok()) return status;
  return check_promise("slo_tpot_s", request.slo_tpot_s);
}

std::shared_ptr<const Policy::Parts> Policy::build(const PolicySpec& spec, std::span<const UserScorer> scorers,
                                                   Faults& faults) {
  auto parts = std::make_shared<Parts>();
  parts->spec = spec;
  parts->users.assign(scorers.begin(), scorers.end());
  check_users(scorers, faults);
  parts->stages.push_back(build_stage(spec, parts->users, "", faults));
  if (spec.ranked_limit < 1 || spec.ranked_limit > kMaxRanked)
    faults.add("ranked_limit", "must be in [1, " + std::to_string(kMaxRanked) + "]");
  for (std::size_t i = 0; i < spec.otherwise.size(); ++i) {
    const PolicySpec& stage = spec.otherwise[i];
    const std::string path = "otherwise[" + std::to_string(i) + "].";
    parts->stages.push_back(build_stage(stage, parts->users, path, faults));
    if (stage.ranked_limit != PolicySpec().ranked_limit) faults.add(path + "ranked_limit", kNotOfAStage);
    if (!stage.otherwise.empty()) faults.add(path + "otherwise", "a stage has no stages of its own");
    if (!stage.staleness.empty()) faults.add(path + "staleness", kNotOfAStage);
    if (stage.slow_start_s != 0) faults.add(path + "slow_start_s", kNotOfAStage);
  }
  check_staleness(spec.staleness, faults);
  if (!in_seconds(spec.slow_start_s, 0)) faults.add("slow_start_s", "must be a number in [0, 1e9]");
  if (!faults.empty()) return parts;
  for (const StaleRule& rule : spec.staleness) parts->rules.push_back(make_age_rule(rule));
  return parts;
}

Faults find_faults(const PolicySpec& spec, std::span<const UserScorer> scorers) {
  Faults faults;
  (void)Policy::build(spec, scorers, faults);
  return faults;
}

Result<Policy> Policy::create(const PolicySpec& spec, std::span<const UserScorer> scorers) {
  Faults faults;
  auto parts = build(spec, scorers, faults);
  if (!faults.empty()) return faults.status();
  return Policy(std::move(parts));
}

const PolicySpec& Policy::spec() const noexcept { return parts_->spec; }

Decision Policy::decide(const PoolView& view, const Request& request, Workspace& workspace) const {
  if (parts_->rules.empty()) {
    DecisionRun run(view, request, workspace);
    return decide_in_stages(run, view.size, workspace);
  }
  const Correction correction(parts_->rules, view, request.now_ns, workspace);
  DecisionRun run(correction.view(), request, workspace, correction.entry());
  return decide_in_stages(run, view.size, workspace);
}

Decision Policy::decide_in_stages(DecisionRun& run, std::size_t size, Workspace& workspace) const {
  for (std::size_t number = 0;; ++number) {
    const Stage& stage = parts_->stages[number];
    for (const AnyFilter& filter : stage.filters) std::visit([&](const auto& part) { run.filter(part); }, filter);
    if (parts_->spec.slow_start_s > 0) run.sit_out(parts_->spec.slow_start_s);
    if (run.start_scoring(stage.combine)) {
      if (stage.asks_users) {
        if (const auto failed = score_with_users(run, stage, workspace)) {
          Decision decision = fail(run, *failed, workspace);
          decision.stage = static_cast<std::uint32_t>(number);
          return decision;
        }
      } else {
        for (const WeightedScorer& scorer : stage.scorers) {
          std::visit([&](const auto& part) { run.ask(part); }, scorer.scorer);
          combine_opinions(run, stage.combine, scorer);
        }
      }
    } else if (number + 1 < parts_->stages.size() && size > 0) {
      run.restart();
      continue;
    }
    Decision decision =
        std::visit([&](const auto& part) { return run.finish(part, parts_->spec.ranked_limit); }, stage.picker);
    decision.stage = static_cast<std::uint32_t>(number);
    return decision;
  }
}

}  // namespace kthena::route
