// All of tests/vectors/route through the typed interface and through the JSON door; all of tests/vectors/route_errors.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "kthena/manifest/route.hpp"
#include "support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;
using Json = nlohmann::ordered_json;

namespace {

struct Vector {
  std::string file;
  Json json;
};

std::vector<Vector> load(const char* directory) {
  namespace fs = std::filesystem;
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(fs::path(KTHENA_SOURCE_DIR) / "tests" / "vectors" / directory))
    if (entry.path().extension() == ".json") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Vector> out;
  for (const fs::path& path : paths) {
    std::ifstream stream(path);
    const Json document = Json::parse(stream);
    for (const Json& json : document.at("cases")) out.push_back({path.filename().string(), json});
  }
  return out;
}

Json document_of(const Json& vector) {
  return {{"pool", vector.at("pool")}, {"policy", vector.at("policy")}, {"request", vector.at("request")}};
}

/// A member; what is null counts as absent.
template <class T>
T member(const Json& json, const char* name, T otherwise) {
  return json.contains(name) && !json.at(name).is_null() ? json.at(name).get<T>() : otherwise;
}

Place build_place(const Json& json, const char* name) {
  Place place;
  const Json given = member(json, name, Json::object());
  for (std::size_t level = 0; level < kPlaceLevels; ++level)
    place[level] = member(given, std::string(kPlaceNames[level]).c_str(), std::string());
  return place;
}

/// The pool by PoolBuilder, without manifest.
PoolSnapshot build_pool(const Json& json) {
  std::vector<Endpoint> rows;
  for (const Json& given : json.at("endpoints")) {
    Endpoint endpoint = row(given.at("id"));
    const Time sampled = given.value("sampled_ns", Time{0});
    for (std::size_t s = 0; s < kSignalCount; ++s) {
      const auto at = given.find(std::string(kSignals[s].name));
      if (at == given.end() || at->is_null()) continue;
      const bool whole = at->is_object();
      endpoint.set(static_cast<Signal>(s), whole ? at->at("value").get<double>() : at->get<double>(),
                   whole ? at->value("sampled_ns", sampled) : sampled);
    }
    if (given.contains("models")) endpoint.models = given.at("models").get<std::vector<std::string>>();
    if (given.contains("waiting_models"))
      endpoint.waiting_models = given.at("waiting_models").get<std::vector<std::string>>();
    endpoint.place = build_place(given, "place");
    rows.push_back(std::move(endpoint));
  }
  return pool_of(rows);
}

PartSpec build_part(const Json& json) {
  if (json.is_string()) return {json.get<std::string>()};
  PartSpec part{json.at("name"), json.value("weight", 1.0)};
  part.tolerance = json.value("tolerance", 0.0);
  if (json.contains("options"))
    for (const auto& [name, value] : json.at("options").items()) part.options.push_back({name, value.get<double>()});
  return part;
}

template <class Enum, std::size_t N>
Enum build_enum(const Json& json, const char* name, const std::array<std::string_view, N>& names) {
  const auto given = member(json, name, std::string(names[0]));
  return static_cast<Enum>(std::find(names.begin(), names.end(), given) - names.begin());
}

PolicySpec build_spec(const Json& json) {
  if (json.is_string()) return preset(json.get<std::string>()).value();
  if (json.contains("preset")) return preset(json.at("preset").get<std::string>()).value();
  PolicySpec spec;
  for (const Json& part : json.value("filters", Json::array())) spec.filters.push_back(build_part(part));
  for (const Json& part : json.value("scorers", Json::array())) spec.scorers.push_back(build_part(part));
  if (json.contains("picker")) spec.picker = build_part(json.at("picker"));
  spec.ranked_limit = json.value("ranked_limit", 5u);
  spec.combine = build_enum<Combine>(json, "combine", kCombineNames);
  for (const Json& stage : member(json, "otherwise", Json::array())) spec.otherwise.push_back(build_spec(stage));
  for (const Json& rule : member(json, "staleness", Json::array())) {
    spec.staleness.push_back({find_signal(rule.at("signal").get<std::string>()).value(), rule.at("fresh_s"),
                              rule.at("stale_s"), build_enum<StaleThen>(rule, "then", kStaleThenNames),
                              rule.value("tau_s", 0.0)});
  }
  spec.slow_start_s = json.value("slow_start_s", 0.0);
  return spec;
}

Policy build_policy(const Json& json) { return policy_of(build_spec(json)); }

OwnedRequest build_request(const Json& json, const PoolSnapshot& pool) {
  OwnedRequest request;
  request.id = json.value("id", "");
  request.model = json.value("model", "");
  request.sequence = json.value("sequence", std::uint64_t{0});
  request.now_ns = json.value("now_ns", Time{0});
  request.seed = json.value("seed", std::uint64_t{0});
  request.prompt_tokens = member(json, "prompt_tokens", 0u);
  request.output_tokens = member(json, "output_tokens", 0u);
  request.session = member(json, "session", std::string());
  request.near = build_place(json, "near");
  request.slo_ttft_s = member(json, "slo_ttft_s", 0.0);
  request.slo_tpot_s = member(json, "slo_tpot_s", 0.0);
  const auto fill = [&](const char* name, std::vector<std::uint32_t>& depths, auto& tiers, std::uint32_t& total,
                        std::uint32_t& block_tokens) {
    if (!json.contains(name)) return;
    const Json& match = json.at(name);
    total = match.value("total_blocks", 0u);
    block_tokens = match.value("block_tokens", 0u);
    const auto read = [&](const char* tier, std::vector<std::uint32_t>& held) {
      const Json given = match.value(tier, Json::object());
      for (const auto& [id, depth] : given.items()) depth.get_to(held[pool.find(id).value]);
    };
    depths.assign(pool.size(), 0);
    read("depth_blocks", depths);
    if (match.contains("host_depth_blocks")) read("host_depth_blocks", tiers[0] = depths);
    if (match.contains("disk_depth_blocks"))
      read("disk_depth_blocks", tiers[1] = match.contains("host_depth_blocks") ? tiers[0] : depths);
  };
  fill("prefix", request.prefix, request.prefix_tiers, request.prefix_total, request.prefix_block_tokens);
  fill("history", request.history, request.history_tiers, request.history_total, request.history_block_tokens);
  return request;
}

/// Faults of a message. What one quotes or lists after "; " does not begin with a path.
std::size_t count_faults(std::string_view message) {
  std::size_t count = 1;
  for (std::size_t at = message.find("; "); at != std::string_view::npos; at = message.find("; ", at + 2)) {
    for (const std::string_view root : {"document", "pool", "policy", "request", "explain", "extra"}) {
      const std::string_view rest = message.substr(at + 2);
      if (rest.starts_with(root) && rest.size() > root.size() &&
          std::string_view(".[:").find(rest[root.size()]) != std::string_view::npos)
        ++count;
    }
  }
  return count;
}

}  // namespace

TEST_CASE("the vectors hold through the typed interface", "[route][vectors]") {
  const auto vectors = load("route");
  REQUIRE(vectors.size() >= 80);
  Workspace workspace;
  for (const Vector& vector : vectors) {
    INFO(vector.file << ": " << vector.json.at("name").get<std::string>());
    const PoolSnapshot pool = build_pool(vector.json.at("pool"));
    const Policy policy = build_policy(vector.json.at("policy"));
    const OwnedRequest request = build_request(vector.json.at("request"), pool);
    REQUIRE(check_request(pool.view(), request.view()).ok());
    const Decision decision = policy.decide(pool, request.view(), workspace);
    CHECK(manifest::write_decision(decision, pool) == vector.json.at("expect").dump());

    if (!vector.json.contains("scores")) continue;
    const Explanation told = policy.explain(pool.view(), request.view());
    for (const auto& [id, facts] : vector.json.at("scores").items()) {
      const CandidateExplanation& candidate = told.candidates.at(pool.find(id).value);
      for (const auto& [scorer, fact] : facts.items()) {
        const auto at = std::find(told.scorers.begin(), told.scorers.end(), scorer) - told.scorers.begin();
        INFO(scorer << " of " << id);
        const ScoreTerm& term = candidate.terms[static_cast<std::size_t>(at)];
        CHECK(term.abstained == fact.is_null());
        if (!fact.is_null()) CHECK(term.score == fact.get<double>());
      }
    }
  }
}

TEST_CASE("the vectors hold through the JSON door", "[route][vectors]") {
  for (const Vector& vector : load("route")) {
    INFO(vector.file << ": " << vector.json.at("name").get<std::string>());
    Json document = document_of(vector.json);
    const auto decision = manifest::decide_document(document.dump());
    INFO(decision.status().message());
    REQUIRE(decision.ok());
    CHECK(*decision == vector.json.at("expect").dump());

    document["explain"] = true;
    const auto explanation = manifest::decide_document(document.dump());
    REQUIRE(explanation.ok());
    CHECK(Json::parse(*explanation).at("decision").dump() == *decision);

    Json& rows = document["pool"]["endpoints"];
    std::reverse(rows.begin(), rows.end());
    CHECK(manifest::decide_document(document.dump()).value() == *explanation);
  }
}

TEST_CASE("expectations stand in the files as the bytes of the writer", "[route][vectors]") {
  namespace fs = std::filesystem;
  const std::string label = "\"expect\": ";
  for (const auto& entry : fs::directory_iterator(fs::path(KTHENA_SOURCE_DIR) / "tests" / "vectors" / "route")) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream stream(entry.path());
    std::stringstream text;
    text << stream.rdbuf();
    const std::string bytes = text.str();
    std::vector<std::string> found;
    for (std::size_t at = bytes.find(label); at != std::string::npos; at = bytes.find(label, at)) {
      at += label.size();
      found.push_back(bytes.substr(at, bytes.find('\n', at) - at));
    }
    const Json cases = Json::parse(bytes).at("cases");
    INFO(entry.path().filename());
    REQUIRE(found.size() == cases.size());
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == cases[i].at("expect").dump());
  }
}

TEST_CASE("the documents at fault are refused with all of their faults", "[route][vectors]") {
  const auto vectors = load("route_errors");
  REQUIRE(vectors.size() >= 60);
  for (const Vector& vector : vectors) {
    INFO(vector.file << ": " << vector.json.at("name").get<std::string>());
    const auto decision = manifest::decide_document(
        vector.json.contains("text") ? vector.json.at("text").get<std::string>() : vector.json.at("document").dump());
    REQUIRE(!decision.ok());
    CHECK(vector.json.at("status") == "invalid_argument");
    CHECK(decision.status().code() == StatusCode::kInvalidArgument);
    const std::string message = decision.status().message();
    INFO(message);
    const auto faults = vector.json.at("faults").get<std::vector<std::string>>();
    std::size_t at = 0;
    for (std::size_t i = 0; i < faults.size(); ++i) {
      if (i > 0) {
        at = message.find("; " + faults[i], at);
        REQUIRE(at != std::string::npos);
        at += 2;
      }
      CHECK(message.compare(at, faults[i].size(), faults[i]) == 0);
    }
    CHECK(count_faults(message) == faults.size());
  }
}

TEST_CASE("names of vectors are unique", "[route][vectors]") {
  for (const char* directory : {"route", "route_errors"}) {
    std::set<std::string> names;
    for (const Vector& vector : load(directory)) {
      INFO(vector.json.at("name").get<std::string>());
      CHECK(names.insert(vector.json.at("name")).second);
    }
  }
}
