// src/route/policy.cpp
//
// Policy: from a spec to kernels, and the decision over them. One variant visit per part, none per endpoint.
#include "kthena/route/policy.hpp"

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

}  // namespace

Status check_request(const PoolView& view, const Request& request) {
  if (Status status = check_match("prefix", request.prefix, view.size); !status.ok()) return status;
  if (Status status = check_match("history", request.history, view.size); !status.ok()) return status;
  if (Status status = check_promise("slo_ttft_s", request.slo_ttft_s); !status.ok()) return status;
  return check_promise("slo_tpot_s", request.slo_tpot_s);
}

std::shared_ptr<const Policy::Parts> Policy::build(const PolicySpec& spec, Faults& faults) {
  auto parts = std::make_shared<Parts>();
  parts->spec = spec;
  check_repeats(spec.filters, "filters", faults);
  check_repeats(spec.scorers, "scorers", faults);
  for (std::size_t i = 0; i < spec.filters.size(); ++i) {
    const std::string path = "filters[" + std::to_string(i) + "]";
    if (auto made = make_any<AnyFilter>(spec.filters[i], path, "filter", faults))
      parts->filters.push_back(std::move(*made));
  }
  for (std::size_t i = 0; i < spec.scorers.size(); ++i) {
    const PartSpec& part = spec.scorers[i];
    const std::string path = "scorers[" + std::to_string(i) + "]";
    if (!(part.weight >= 0 && part.weight <= kMaxWeight)) faults.add(path + ".weight", "must be a number in [0, 1e9]");
    if (auto made = make_any<AnyScorer>(part, path, "scorer", faults))
      parts->scorers.push_back({std::move(*made), part.weight});
  }
  if (auto made = make_any<AnyPicker>(spec.picker, "picker", "picker", faults)) {
    parts->picker = std::move(*made);
    if (std::holds_alternative<BestScore>(parts->picker) && spec.scorers.empty())
      faults.add("scorers", "the picker \"best-score\" needs at least one");
  }
  if (spec.ranked_limit < 1 || spec.ranked_limit > kMaxRanked)
    faults.add("ranked_limit", "must be in [1, " + std::to_string(kMaxRanked) + "]");
  return parts;
}

Faults find_faults(const PolicySpec& spec) {
  Faults faults;
  (void)Policy::build(spec, faults);
  return faults;
}

Result<Policy> Policy::create(const PolicySpec& spec) {
  Faults faults;
  auto parts = build(spec, faults);
  if (!faults.empty()) return faults.status();
  return Policy(std::move(parts));
}

const PolicySpec& Policy::spec() const noexcept { return parts_->spec; }

Decision Policy::decide(const PoolView& view, const Request& request, Workspace& workspace) const {
  DecisionRun run(view, request, workspace);
  for (const AnyFilter& filter : parts_->filters) std::visit([&](const auto& part) { run.filter(part); }, filter);
  if (run.start_scoring()) {
    for (const WeightedScorer& scorer : parts_->scorers)
      std::visit([&](const auto& part) { run.score(part, scorer.weight); }, scorer.scorer);
  }
  return std::visit([&](const auto& part) { return run.finish(part, parts_->spec.ranked_limit); }, parts_->picker);
}

}  // namespace kthena::route
