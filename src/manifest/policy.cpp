// src/manifest/policy.cpp
//
// The JSON form of a policy.
#include <array>
#include <limits>
#include <span>

#include "kthena/route/presets.hpp"
#include "route_reader.hpp"

namespace kthena::manifest {
namespace {

route::PartSpec read_part(const Json& json, const std::string& path, Faults& faults) {
  route::PartSpec part;
  if (json.is_string()) {
    part.name = json.get<std::string>();
    return part;
  }
  if (!expect_object(json, path, {"name", "weight", "options", "tolerance"}, faults)) return part;
  part.name = read_string(json, "name", path, "", faults);
  part.weight = read_number(json, "weight", path, 1, faults);
  part.tolerance = read_number(json, "tolerance", path, 0, faults);
  if (const Json* options = find_member(json, "options")) {
    const std::string where = member_path(path, "options");
    if (!options->is_object()) {
      faults.add(where, "must be an object");
      return part;
    }
    for (const auto& [name, value] : options->items()) {
      if (value.is_number()) {
        part.options.push_back({name, value.get<double>()});
      } else {
        faults.add(member_path(where, name), "must be a number");
      }
    }
  }
  return part;
}

std::vector<route::PartSpec> read_parts(const Json& json, std::string_view member, const std::string& path,
                                        Faults& faults) {
  std::vector<route::PartSpec> parts;
  const Json* list = find_member(json, member);
  if (list == nullptr || !expect_array(*list, member_path(path, member), faults)) return parts;
  for (std::size_t i = 0; i < list->size(); ++i)
    parts.push_back(read_part((*list)[i], element_path(member_path(path, member), i), faults));
  return parts;
}

route::PolicySpec read_preset(const Json& name, const std::string& path, Faults& faults) {
  if (!name.is_string()) {
    faults.add(path, "must be the name of a preset");
    return {};
  }
  auto spec = route::preset(name.get<std::string>());
  if (spec.ok()) return std::move(spec).value();
  std::string_view message = spec.status().message();
  if (message.starts_with("policy: ")) message.remove_prefix(8);
  faults.add(path.empty() ? "policy" : path, std::string(message));
  return {};
}

OrderedJson part_json(const route::PartSpec& part, const char* kind) {
  OrderedJson json = {{"name", part.name}};
  if (kind == std::string_view("scorer")) json["weight"] = part.weight;
  if (part.tolerance != 0) json["tolerance"] = part.tolerance;
  if (!part.options.empty()) {
    json["options"] = OrderedJson::object();
    for (const route::OptionSpec& option : part.options) json["options"][option.name] = option.value;
  }
  return json;
}

/// An enumerator by its name.
template <class Enum, std::size_t N>
Enum read_name(const Json& json, std::string_view member, const std::string& path,
               const std::array<std::string_view, N>& names, Enum fallback, Faults& faults) {
  const std::string given = read_string(json, member, path, names[static_cast<std::size_t>(fallback)], faults);
  std::string known;
  for (std::size_t i = 0; i < N; ++i) {
    if (given == names[i]) return static_cast<Enum>(i);
    known += (known.empty() ? "" : ", ") + std::string(names[i]);
  }
  faults.add(member_path(path, member), "unknown \"" + given + "\"; there are: " + known);
  return fallback;
}

/// What a policy and a stage have in common.
void read_stage(const Json& json, const std::string& path, route::PolicySpec& spec, Faults& faults) {
  spec.name = read_string(json, "name", path, "", faults);
  spec.filters = read_parts(json, "filters", path, faults);
  spec.scorers = read_parts(json, "scorers", path, faults);
  if (const Json* picker = find_member(json, "picker"))
    spec.picker = read_part(*picker, member_path(path, "picker"), faults);
  spec.combine = read_name(json, "combine", path, route::kCombineNames, spec.combine, faults);
}

std::vector<route::PolicySpec> read_stages(const Json& json, const std::string& path, Faults& faults) {
  std::vector<route::PolicySpec> stages;
  const Json* list = find_member(json, "otherwise");
  const std::string where = member_path(path, "otherwise");
  if (list == nullptr || !expect_array(*list, where, faults)) return stages;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Json& given = (*list)[i];
    const std::string at = element_path(where, i);
    route::PolicySpec stage;
    if (given.is_string()) {
      stage = read_preset(given, at, faults);
    } else if (given.is_object() && given.contains("preset")) {
      (void)expect_object(given, at, {"preset"}, faults);
      stage = read_preset(given["preset"], member_path(at, "preset"), faults);
    } else if (expect_object(given, at, {"name", "filters", "scorers", "picker", "combine"}, faults)) {
      read_stage(given, at, stage, faults);
    }
    stages.push_back(std::move(stage));
  }
  return stages;
}

std::vector<route::StaleRule> read_staleness(const Json& json, const std::string& path, Faults& faults) {
  std::vector<route::StaleRule> rules;
  const Json* list = find_member(json, "staleness");
  const std::string where = member_path(path, "staleness");
  if (list == nullptr || !expect_array(*list, where, faults)) return rules;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Json& given = (*list)[i];
    const std::string at = element_path(where, i);
    if (!expect_object(given, at, {"signal", "fresh_s", "stale_s", "then", "tau_s"}, faults)) continue;
    for (const char* needed : {"signal", "fresh_s", "stale_s"})
      if (find_member(given, needed) == nullptr) faults.add(member_path(at, needed), "is needed");
    route::StaleRule rule;
    const std::string signal = read_string(given, "signal", at, route::info(rule.signal).name, faults);
    const auto known = route::find_signal(signal);
    if (!known) faults.add(member_path(at, "signal"), "unknown \"" + signal + "\"");
    rule.signal = known.value_or(rule.signal);
    rule.fresh_s = read_number(given, "fresh_s", at, 0, faults);
    rule.stale_s = read_number(given, "stale_s", at, rule.fresh_s, faults);
    rule.then = read_name(given, "then", at, route::kStaleThenNames, rule.then, faults);
    rule.tau_s = read_number(given, "tau_s", at, 0, faults);
    rules.push_back(rule);
  }
  return rules;
}

void write_stage(const route::PolicySpec& spec, OrderedJson& json) {
  json["name"] = spec.name;
  json["filters"] = OrderedJson::array();
  for (const route::PartSpec& part : spec.filters) json["filters"].push_back(part_json(part, "filter"));
  json["scorers"] = OrderedJson::array();
  for (const route::PartSpec& part : spec.scorers) json["scorers"].push_back(part_json(part, "scorer"));
  json["picker"] = part_json(spec.picker, "picker");
  if (spec.combine != route::Combine::kSum) json["combine"] = route::combine_name(spec.combine);
}

}  // namespace

route::PolicySpec read_policy(const Json& json, const std::string& path, Faults& faults,
                              std::span<const route::UserScorer> scorers) {
  if (json.is_string()) return read_preset(json, path, faults);
  if (json.is_object() && json.contains("preset")) {
    (void)expect_object(json, path, {"preset"}, faults);
    return read_preset(json["preset"], member_path(path, "preset"), faults);
  }
  route::PolicySpec spec;
  if (!expect_object(
          json, path,
          {"name", "filters", "scorers", "picker", "ranked_limit", "combine", "otherwise", "staleness", "slow_start_s"},
          faults))
    return spec;
  read_stage(json, path, spec, faults);
  spec.ranked_limit = static_cast<std::uint32_t>(
      read_unsigned(json, "ranked_limit", path, spec.ranked_limit, std::numeric_limits<std::uint32_t>::max(), faults));
  spec.otherwise = read_stages(json, path, faults);
  spec.staleness = read_staleness(json, path, faults);
  spec.slow_start_s = read_number(json, "slow_start_s", path, 0, faults);
  append_faults(route::find_faults(spec, scorers), path, faults);
  return spec;
}

Result<route::PolicySpec> parse_policy(std::string_view json, std::span<const route::UserScorer> scorers) {
  Faults faults;
  const Json document = parse_json(json, faults);
  if (!faults.empty()) return faults.status();
  route::PolicySpec spec = read_policy(document, "", faults, scorers);
  if (!faults.empty()) return faults.status();
  return spec;
}

std::string write_policy(const route::PolicySpec& spec) {
  OrderedJson json;
  write_stage(spec, json);
  json["ranked_limit"] = spec.ranked_limit;
  if (!spec.otherwise.empty()) json["otherwise"] = OrderedJson::array();
  for (const route::PolicySpec& stage : spec.otherwise) write_stage(stage, json["otherwise"].emplace_back());
  if (!spec.staleness.empty()) json["staleness"] = OrderedJson::array();
  for (const route::StaleRule& rule : spec.staleness) {
    OrderedJson row = {{"signal", route::info(rule.signal).name},
                       {"fresh_s", rule.fresh_s},
                       {"stale_s", rule.stale_s},
                       {"then", route::stale_then_name(rule.then)}};
    if (rule.tau_s != 0) row["tau_s"] = rule.tau_s;
    json["staleness"].push_back(std::move(row));
  }
  if (spec.slow_start_s != 0) json["slow_start_s"] = spec.slow_start_s;
  return write_json(json);
}

std::string write_preset_names() {
  OrderedJson json = OrderedJson::array();
  for (const std::string_view name : route::preset_names()) json.push_back(name);
  return write_json(json);
}

std::string write_parts() {
  OrderedJson json = OrderedJson::array();
  for (const route::PartInfo& part : route::list_parts()) {
    OrderedJson options = OrderedJson::array();
    for (const auto& option : part.options) {
      OrderedJson row = {{"name", option.name}, {"minimum", option.minimum}, {"maximum", option.maximum}};
      row["default"] = route::is_missing(option.value) ? OrderedJson(nullptr) : OrderedJson(option.value);
      options.push_back(std::move(row));
    }
    json.push_back({{"kind", part.kind}, {"name", part.name}, {"options", std::move(options)}});
  }
  return write_json(json);
}

}  // namespace kthena::manifest
