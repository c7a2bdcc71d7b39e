// tests/c/vectors_test.cpp
//
// tests/vectors/route through the C interface: by the typed calls, every member, and by the JSON door, every byte.
#include "vectors.hpp"

#include "fixture.hpp"

using namespace kthena::test;
using Json = nlohmann::ordered_json;

namespace {

constexpr const char* kLevels[KTHENA_PLACE_LEVELS] = {"host", "rack", "zone", "region"};

/// A member; what is null counts as absent.
template <class T>
T member(const Json& json, const char* name, T otherwise) {
  return json.contains(name) && !json[name].is_null() ? json[name].get<T>() : otherwise;
}

std::array<std::string, KTHENA_PLACE_LEVELS> read_place(const Json& json, const char* name) {
  std::array<std::string, KTHENA_PLACE_LEVELS> place;
  const Json given = member(json, name, Json::object());
  for (std::size_t level = 0; level < place.size(); ++level)
    place[level] = member(given, kLevels[level], std::string());
  return place;
}

/// The pool by the typed calls.
Pool build_pool(const Json& json) {
  Endpoints endpoints;
  for (const Json& endpoint : json["endpoints"]) {
    endpoints.add(endpoint["id"].get<std::string>(), endpoint.value("models", std::vector<std::string>{}),
                  endpoint.value("waiting_models", std::vector<std::string>{}), read_place(endpoint, "place"));
  }
  Pool pool = pool_of(endpoints);
  for (std::int32_t signal = 0; signal < KTHENA_SIGNAL_COUNT; ++signal) {
    std::vector<double> values;
    std::vector<std::int64_t> times;
    for (const Json& endpoint : json["endpoints"]) {
      const auto member = endpoint.find(std::string(view(kthena_signal_name(signal))));
      const bool plain = member != endpoint.end() && member->is_number();
      const bool sampled = member != endpoint.end() && member->is_object();
      values.push_back(plain ? member->get<double>() : sampled ? (*member)["value"].get<double>() : kNan);
      const std::int64_t whole = endpoint.value("sampled_ns", std::int64_t{0});
      times.push_back(sampled ? member->value("sampled_ns", whole) : whole);
    }
    Error error;
    const kthena_status status =
        kthena_pool_set_signal(pool.get(), signal, values.data(), values.size(), times.data(), 0, &error);
    INFO(error.text());
    REQUIRE(status == KTHENA_OK);
  }
  return pool;
}

struct Request {
  std::string id;
  std::string model;
  std::string session;
  std::array<std::string, KTHENA_PLACE_LEVELS> near;
  std::array<std::vector<std::uint32_t>, 3> prefix;  ///< device, host, disk
  std::array<std::vector<std::uint32_t>, 3> history;
  kthena_request view = KTHENA_INIT(kthena_request);

  Request(const Json& json, const Json& pool)
      : id(json.value("id", "")),
        model(json.value("model", "")),
        session(member(json, "session", std::string())),
        near(read_place(json, "near")) {
    view.id = str(id);
    view.model = str(model);
    view.prompt_tokens = json.value("prompt_tokens", 0u);
    view.sequence = json.value("sequence", std::uint64_t{0});
    view.now_ns = json.value("now_ns", std::int64_t{0});
    view.seed = json.value("seed", std::uint64_t{0});
    view.output_tokens = member(json, "output_tokens", 0u);
    view.session = str(session);
    for (std::size_t level = 0; level < near.size(); ++level) view.near_to[level] = str(near[level]);
    view.slo_ttft_s = member(json, "slo_ttft_s", 0.0);
    view.slo_tpot_s = member(json, "slo_tpot_s", 0.0);
    if (json.contains("prefix")) {
      read(json["prefix"], pool, prefix);
      view.prefix_total = json["prefix"].value("total_blocks", 0u);
      view.prefix_block_tokens = json["prefix"].value("block_tokens", 0u);
      view.prefix_depths = data(prefix[0]);
      view.prefix_host_depths = data(prefix[1]);
      view.prefix_disk_depths = data(prefix[2]);
    }
    if (json.contains("history")) {
      read(json["history"], pool, history);
      view.history_total = json["history"].value("total_blocks", 0u);
      view.history_block_tokens = json["history"].value("block_tokens", 0u);
      view.history_depths = data(history[0]);
      view.history_host_depths = data(history[1]);
      view.history_disk_depths = data(history[2]);
    }
    view.depth_count = pool["endpoints"].size();
  }

 private:
  static const std::uint32_t* data(const std::vector<std::uint32_t>& depths) {
    return depths.empty() ? nullptr : depths.data();
  }

  /// Who is not named holds nothing on the device, and in a slower tier what the faster one has.
  static void read(const Json& match, const Json& pool, std::array<std::vector<std::uint32_t>, 3>& tiers) {
    constexpr const char* kTiers[] = {"depth_blocks", "host_depth_blocks", "disk_depth_blocks"};
    std::vector<std::uint32_t> faster(pool["endpoints"].size(), 0);
    tiers[0] = faster;
    for (std::size_t t = 0; t < 3; ++t) {
      if (!match.contains(kTiers[t])) continue;
      for (std::size_t i = 0; i < faster.size(); ++i)
        faster[i] = match[kTiers[t]].value(pool["endpoints"][i]["id"].get<std::string>(), faster[i]);
      tiers[t] = faster;
    }
  }
};

std::string decide_document(const Json& document) {
  const std::string text = document.dump();
  return text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
    return kthena_route_decide_json(str(text), buffer, capacity, needed, nullptr);
  });
}

}  // namespace

TEST_CASE("vectors: the same decisions by typed calls and by JSON", "[c][vectors]") {
  const std::vector<Json> cases = cases_of("route");
  REQUIRE(cases.size() >= 60);
  const Workspace workspace = make_workspace();
  for (const Json& each : cases) {
    INFO(each["name"]);
    const Json& expect = each["expect"];
    const Pool pool = build_pool(each["pool"]);
    const Policy policy = make_policy(each["policy"].dump());
    const Json& request_json = each.contains("request") ? each["request"] : Json::object();
    const Request request(request_json, each["pool"]);
    kthena_decision decision = KTHENA_INIT(kthena_decision);
    Error error;
    REQUIRE(kthena_decide(policy.get(), pool.get(), &request.view, workspace.get(), &decision, &error) == KTHENA_OK);

    const auto id = [&](std::uint32_t endpoint) { return view(kthena_pool_id(pool.get(), endpoint)); };
    CHECK((decision.outcome == KTHENA_ROUTED ? "routed" : "no_endpoint") == expect["outcome"]);
    if (expect["endpoint"].is_null()) {
      CHECK(decision.endpoint == KTHENA_NONE);
    } else {
      CHECK(id(decision.endpoint) == expect["endpoint"].get<std::string>());
    }
    CHECK(decision.reason == expect["reason"]["code"].get<std::int32_t>());
    CHECK(view(kthena_reason_name(decision.reason)) == expect["reason"]["name"].get<std::string>());
    CHECK(decision.reason_subject == expect["reason"]["subject"].get<std::uint32_t>());
    CHECK(decision.reason_a == expect["reason"]["a"].get<double>());
    CHECK(decision.reason_b == expect["reason"]["b"].get<double>());
    CHECK(decision.score == expect["score"].get<double>());
    CHECK(decision.margin == expect["margin"].get<double>());
    CHECK(decision.candidates == expect["candidates"].get<std::uint32_t>());
    CHECK(decision.stage == expect["stage"].get<std::uint32_t>());
    std::vector<std::string> ranked;
    for (std::uint32_t i = 0; i < decision.ranked_count; ++i) ranked.emplace_back(id(decision.ranked[i]));
    CHECK(ranked == expect["ranked"].get<std::vector<std::string>>());

    Json document = {{"pool", each["pool"]}, {"policy", each["policy"]}, {"request", request_json}};
    CHECK(decide_document(document) == expect.dump());
    document["explain"] = true;
    const std::string explanation = text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
      return kthena_explain_json(policy.get(), pool.get(), &request.view, buffer, capacity, needed, nullptr);
    });
    CHECK(decide_document(document) == explanation);
    CHECK(Json::parse(explanation)["decision"].dump() == expect.dump());
  }
}

TEST_CASE("vectors: documents that are refused", "[c][vectors]") {
  for (const Json& each : cases_of("route_errors")) {
    INFO(each["name"]);
    const std::string text = each.contains("text") ? each["text"].get<std::string>() : each["document"].dump();
    std::size_t needed = 0;
    Error error;
    REQUIRE(each["status"] == "invalid_argument");
    REQUIRE(kthena_route_decide_json(str(text), nullptr, 0, &needed, &error) == KTHENA_INVALID_ARGUMENT);
    const std::string message = "; " + error.text();
    std::size_t at = 0;
    for (const std::string fault : each["faults"]) {
      INFO(fault << "\nin " << error.text());
      at = message.find("; " + fault, at);
      REQUIRE(at != std::string::npos);
      at += fault.size();
    }
  }
}
