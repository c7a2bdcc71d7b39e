// tests/vectors/lint in C++; every rule has a case that triggers it and one that does not; every part has a row.
#include "kthena/manifest/lint.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "catch.hpp"
#include "kthena/route/lint.hpp"
#include "kthena/route/presets.hpp"
#include "route/lint_parts.hpp"

using namespace kthena;
using Json = nlohmann::ordered_json;

namespace {

std::vector<Json> cases_of(const char* name) {
  std::ifstream stream(std::filesystem::path(KTHENA_SOURCE_DIR) / "tests/vectors/lint" / name);
  return Json::parse(stream)["cases"].get<std::vector<Json>>();
}

Json found(const Json& document) {
  const auto answer = manifest::lint_document(document.dump());
  INFO(answer.status().message());
  REQUIRE(answer.ok());
  const Json json = Json::parse(*answer);
  Json rows = Json::array();
  std::size_t warnings = 0;
  for (const Json& finding : json["findings"]) {
    rows.push_back({finding["code"], finding["severity"], finding["path"]});
    warnings += finding["severity"] == "warning" ? 1 : 0;
    for (const char* text : {"message", "why", "advice"}) CHECK_FALSE(finding[text].get<std::string>().empty());
  }
  CHECK(json["warnings"] == warnings);
  CHECK(json["notes"] == rows.size() - warnings);
  return rows;
}

}  // namespace

TEST_CASE("lint finds what its vectors say", "[lint][vectors]") {
  for (const char* file : {"rules.json", "presets.json"}) {
    for (const Json& each : cases_of(file)) {
      INFO(each["name"].get<std::string>());
      CHECK(found(each["document"]) == each["expect"]);
    }
  }
  for (const Json& each : cases_of("errors.json")) {
    INFO(each["name"].get<std::string>());
    const auto answer = manifest::lint_document(each["document"].dump());
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.status().code() == StatusCode::kInvalidArgument);
    CHECK(answer.status().message() == each["error"].get<std::string>());
  }
}

TEST_CASE("every rule has a policy that triggers it and one that does not", "[lint][vectors]") {
  std::map<std::string, std::pair<int, int>> seen;
  for (const Json& each : cases_of("rules.json")) {
    const auto rule = each["rule"].get<std::string>();
    bool triggered = false;
    for (const Json& finding : each["expect"]) triggered = triggered || finding[0] == rule;
    ++(triggered ? seen[rule].first : seen[rule].second);
  }
  std::ifstream stream(std::filesystem::path(KTHENA_SOURCE_DIR) / "docs/lint.md");
  const std::string page{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  for (const route::LintRule& rule : route::lint_rules()) {
    INFO(rule.code);
    CHECK(seen[std::string(rule.code)].first > 0);
    CHECK(seen[std::string(rule.code)].second > 0);
    CHECK(page.find("| " + std::string(rule.code) + " |") != std::string::npos);
  }
  CHECK(seen.size() == route::lint_rules().size());
}

TEST_CASE("every part of a policy has a row in src/route/lint_parts.hpp", "[lint]") {
  for (const route::PartInfo& part : route::list_parts()) {
    INFO(part.kind << " " << part.name);
    int rows = 0;
    for (const route::detail::PartTraits& row : route::detail::part_traits()) {
      if (row.kind != part.kind || row.name != part.name) continue;
      ++rows;
      for (const std::string_view option : {row.signal_option, row.missing_option}) {
        INFO(option);
        bool known = option.empty();
        for (const auto& given : part.options) known = known || given.name == option;
        CHECK(known);
      }
    }
    CHECK(rows == 1);
  }
}

TEST_CASE("lint takes every preset, with any fleet", "[lint]") {
  for (const std::string_view name : route::preset_names()) {
    for (const char* fleet :
         {"{}", R"({"endpoints": [], "routers": 4})", R"({"endpoints": [{"id": "a"}, {"id": "b"}]})"}) {
      INFO(name << " for " << fleet);
      (void)found({{"policy", name}, {"fleet", Json::parse(fleet)}});
    }
  }
}

TEST_CASE("lint refuses what a policy refuses, and facts out of range", "[lint]") {
  const route::PolicySpec spec = route::preset("least-request").value();
  route::PolicySpec broken = spec;
  broken.ranked_limit = 0;
  CHECK(route::lint(broken).status().message() == "ranked_limit: must be in [1, 16]");
  route::FleetFacts facts;
  facts.routers = 0;
  facts.scrape_interval_s = -1;
  CHECK(route::lint(spec, facts).status().message() ==
        "scrape_interval_s: must be a number above 0, at most 1e9; routers: must be in [1, 1000000]");
}
