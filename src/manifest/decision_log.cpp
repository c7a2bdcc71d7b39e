// src/manifest/decision_log.cpp
#include "kthena/manifest/decision_log.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "kthena/base/hash.hpp"
#include "kthena/route/presets.hpp"
#include "route_reader.hpp"

namespace kthena::manifest {
namespace {

void sort_options(route::PartSpec& part) {
  std::sort(part.options.begin(), part.options.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
}

route::PolicySpec canonical(route::PolicySpec spec) {
  spec.name.clear();
  for (route::PartSpec& part : spec.filters) sort_options(part);
  for (route::PartSpec& part : spec.scorers) sort_options(part);
  sort_options(spec.picker);
  for (route::PolicySpec& stage : spec.otherwise) stage = canonical(std::move(stage));
  return spec;
}

std::string hex(std::uint64_t value) {
  std::string text(16, '0');
  for (std::size_t i = 0; i < 16; ++i) text[15 - i] = "0123456789abcdef"[value >> 4 * i & 15];
  return text;
}

std::optional<route::Policy> find_policy(const route::LoggedPolicy& logged) {
  auto spec = logged.document.empty() ? route::preset(logged.name) : parse_policy(logged.document);
  if (!spec.ok() || policy_hash(*spec) != logged.hash) return std::nullopt;
  auto policy = route::Policy::create(*spec);
  return policy.ok() ? std::optional(std::move(*policy)) : std::nullopt;
}

template <class T>
OrderedJson or_null(const std::optional<T>& value) {
  return value ? OrderedJson(*value) : OrderedJson(nullptr);
}

OrderedJson figure_json(const route::DiffFigure& figure) {
  return {{"count", figure.count}, {"mean", figure.mean()}, {"max", figure.maximum}};
}

OrderedJson side_json(const route::DiffSide& side) {
  OrderedJson json = {{"endpoint", or_null(side.endpoint)},
                      {"reason", reason_name(side.reason.code)},
                      {"score", side.score},
                      {"margin", side.margin}};
  json["terms"] = OrderedJson::array();
  for (const route::DiffTerm& term : side.terms)
    json["terms"].push_back(
        {{"scorer", term.scorer}, {"before", or_null(term.before)}, {"after", or_null(term.after)}});
  return json;
}

std::string write_diff(const route::DiffReport& report, const route::PolicySpec& other) {
  OrderedJson policies = OrderedJson::array();
  for (const route::LoggedPolicy& policy : report.policies)
    policies.push_back({{"name", policy.name}, {"hash", hex(policy.hash)}, {"known", find_policy(policy).has_value()}});
  OrderedJson json = {
      {"log", {{"bytes", report.bytes}, {"cut_at", or_null(report.cut_at)}, {"policies", std::move(policies)}}},
      {"policy", {{"name", other.name}, {"hash", hex(policy_hash(other))}}},
      {"decisions", report.decisions},
      {"same", report.same},
      {"identical", report.identical},
      {"changed", report.changed},
      {"changed_share",
       report.decisions == 0 ? 0.0 : static_cast<double>(report.changed) / static_cast<double>(report.decisions)},
      {"margin", {{"before", figure_json(report.margin_before)}, {"after", figure_json(report.margin_after)}}},
      {"regret", figure_json(report.regret)}};
  json["endpoints"] = OrderedJson::array();
  for (const auto& row : report.endpoints)
    json["endpoints"].push_back({{"endpoint", row.id}, {"before", row.before}, {"after", row.after}});
  json["reasons"] = OrderedJson::array();
  for (const auto& row : report.reasons) {
    json["reasons"].push_back({{"code", static_cast<std::int32_t>(row.code)},
                               {"name", reason_name(row.code)},
                               {"before", row.before},
                               {"after", row.after}});
  }
  json["first"] = OrderedJson::array();
  for (const route::ChangedDecision& changed : report.first) {
    json["first"].push_back({{"number", changed.number},
                             {"request", changed.request},
                             {"now_ns", changed.now_ns},
                             {"before", side_json(changed.before)},
                             {"after", side_json(changed.after)},
                             {"regret", or_null(changed.regret)}});
  }
  return write_json(json);
}

}  // namespace

std::uint64_t policy_hash(const route::PolicySpec& spec) {
  const std::string text = write_policy(canonical(spec));
  const std::uint64_t hash = xxh3_64(std::as_bytes(std::span(text)), 0);
  return hash == 0 ? 1 : hash;
}

route::LoggedPolicy logged_policy(const route::PolicySpec& spec) {
  return {spec.name, policy_hash(spec), write_policy(spec)};
}

Result<std::string> diff_document(std::span<const std::byte> log, std::string_view json) {
  Faults faults;
  const Json document = parse_json(json, faults);
  if (!faults.empty()) return faults.status();
  if (!expect_object(document, "", {"policy", "limit"}, faults)) return faults.status();
  const Json* given = find_member(document, "policy");
  if (given == nullptr) faults.add("policy", "is needed");
  const route::PolicySpec spec = given == nullptr ? route::PolicySpec() : read_policy(*given, "policy", faults);
  route::DiffOptions options;
  options.limit = static_cast<std::size_t>(
      read_unsigned(document, "limit", "", options.limit, std::numeric_limits<std::uint32_t>::max(), faults));
  options.find_policy = find_policy;
  if (!faults.empty()) return faults.status();
  auto policy = route::Policy::create(spec);
  if (!policy.ok()) return policy.status();
  auto report = route::diff(log, *policy, options);
  if (!report.ok()) return invalid_argument("log: " + report.status().message());
  return write_diff(*report, spec);
}

}  // namespace kthena::manifest
