// The JSON forms of route: round trips, exact bytes, and hostile input.
#include "kthena/manifest/route.hpp"

#include <nlohmann/json.hpp>

#include "catch.hpp"
#include "kthena/base/random.hpp"
#include "kthena/route.hpp"

using namespace kthena;
using namespace kthena::manifest;
using Json = nlohmann::ordered_json;

namespace {

const char* const kDocument = R"({
  "pool": {"endpoints": [
    {"id": "a", "running": 3, "waiting": {"value": 1, "sampled_ns": 5}, "kv_usage": 0.5, "models": ["base", "sql"], "sampled_ns": 7},
    {"id": "b", "ttft_s": 0.2, "tpot_s": 0.01, "in_flight": 4, "kv_usage": null, "kv_capacity_tokens": 1e6, "waiting_models": ["sql"],
     "place": {"host": "h", "region": null}}]},
  "policy": {"name": "mine", "filters": ["least-request", {"name": "lora-affinity"}],
             "scorers": [{"name": "least-request", "weight": 2, "options": {"missing_requests": 0}}, "prefix-cache"],
             "picker": "best-score", "ranked_limit": 3},
  "request": {"id": "r", "model": "sql", "prompt_tokens": 100, "prefix": {"total_blocks": 7, "depth_blocks": {"a": 3}, "block_tokens": 16,
              "host_depth_blocks": {"a": 4, "b": 2}, "disk_depth_blocks": {"b": 2}}, "output_tokens": 9, "session": "s",
              "near": {"zone": "z"}, "slo_ttft_s": 0.5, "slo_tpot_s": 0,
              "history": {"total_blocks": 9, "depth_blocks": {"b": 1}}, "sequence": 3, "now_ns": 100, "seed": 1},
  "explain": true})";

/// Runs a document; whatever it is, the answer is JSON or a refusal that names a place.
bool accepted(const std::string& text) {
  const auto answer = decide_document(text);
  if (answer.ok()) {
    CHECK(Json::accept(*answer));
    return true;
  }
  CHECK(answer.status().code() == StatusCode::kInvalidArgument);
  INFO(answer.status().message());
  const std::size_t place = answer.status().message().find(": ");
  CHECK((place != std::string::npos && place > 0));
  return false;
}

bool is_valid(std::string_view kind, const route::PartSpec& part) {
  route::PolicySpec spec{"", {}, {{"random"}}};
  (kind == "filter" ? spec.filters : spec.scorers).push_back(part);
  if (kind == "picker") spec = {"", {}, {{"random"}}, part};
  if (part.name == "random") spec.scorers.pop_back();
  return route::find_faults(spec).empty();
}

/// What a policy and a stage have in common.
route::PolicySpec random_stage(RandomStream& random) {
  route::PolicySpec spec;
  spec.combine = static_cast<route::Combine>(random.next_below(3));
  if (random.next_below(2) == 0) spec.name = "policy \"" + std::to_string(random.next_below(100)) + "\"\n\xC3\xA9";
  for (const route::PartInfo& info : route::list_parts()) {
    route::PartSpec part{std::string(info.name)};
    for (const auto& option : info.options) {
      if (random.next_below(2) == 0) continue;
      const double value = option.minimum + random.next_double() * (option.maximum - option.minimum);
      part.options.push_back({std::string(option.name), value});
    }
    // The reader gives options in the order of their names.
    std::sort(part.options.begin(), part.options.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    if (!is_valid(info.kind, part)) part.options.clear();  // options that only go together
    if (!is_valid(info.kind, part)) continue;              // or that it cannot do without
    if (info.kind == "filter" && random.next_below(2) == 0) spec.filters.push_back(part);
    if (info.kind == "scorer" && random.next_below(2) == 0) {
      part.weight = random.next_below(2) == 0 ? random.next_double() * 1e9 : random.next_double() * 1e-300;
      if (spec.combine == route::Combine::kProduct) part.weight = random.next_double();
      if (spec.combine == route::Combine::kTiers) {
        part.weight = 1;
        part.tolerance = random.next_below(2) == 0 ? 0 : random.next_double() * 1e9;
      }
      spec.scorers.push_back(part);
    }
    if (info.kind == "picker" && random.next_below(2) == 0) spec.picker = part;
  }
  if (spec.scorers.empty()) spec.scorers.push_back({"random", 1, {}});
  return spec;
}

route::PolicySpec random_policy(RandomStream& random) {
  route::PolicySpec spec = random_stage(random);
  for (std::uint64_t i = random.next_below(3); i > 0; --i) spec.otherwise.push_back(random_stage(random));
  for (std::size_t s = 0; s < route::kSignalCount; ++s) {
    if (random.next_below(8) != 0) continue;
    const double fresh_s = random.next_double() * 100;
    spec.staleness.push_back({static_cast<route::Signal>(s), fresh_s, fresh_s + random.next_double() * 1e8,
                              static_cast<route::StaleThen>(random.next_below(5)),
                              random.next_below(2) == 0 ? 0 : random.next_double()});
  }
  if (random.next_below(2) == 0) spec.slow_start_s = random.next_double() * 1e9;
  spec.ranked_limit = 1 + static_cast<std::uint32_t>(random.next_below(16));
  return spec;
}

}  // namespace

TEST_CASE("a policy reads back as it was written", "[manifest][property]") {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    RandomStream random(seed, 4);
    const route::PolicySpec spec = random_policy(random);
    const std::string text = write_policy(spec);
    INFO(text);
    const auto read = parse_policy(text);
    INFO(read.status().message());
    REQUIRE(read.ok());
    REQUIRE(*read == spec);
    REQUIRE(write_policy(*read) == text);
  }
}

TEST_CASE("presets read back as they were written", "[manifest]") {
  for (const std::string_view name : route::preset_names()) {
    const route::PolicySpec spec = route::preset(name).value();
    CHECK(parse_policy(write_policy(spec)).value() == spec);
    CHECK(parse_policy(Json(name).dump()).value() == spec);
    CHECK(parse_policy(Json{{"preset", name}}.dump()).value() == spec);
  }
}

TEST_CASE("a policy is written in the long form", "[manifest]") {
  CHECK(
      write_policy(route::preset("kthena-default").value()) ==
      R"({"name":"kthena-default","filters":[{"name":"least-request"}],"scorers":[{"name":"least-request","weight":1.0,)"
      R"("options":{"missing_requests":0.0}},{"name":"least-latency","weight":1.0},{"name":"prefix-cache","weight":1.0}],)"
      R"("picker":{"name":"best-score"},"ranked_limit":5})");
}

TEST_CASE("what is left out of a policy has its default", "[manifest]") {
  const auto spec = parse_policy(R"({"scorers": ["random"]})");
  REQUIRE(spec.ok());
  CHECK(*spec == route::PolicySpec{"", {}, {{"random", 1, {}}}, {"best-score", 1, {}}, 5});
  CHECK(parse_policy(R"({"scorers": ["random"], "filters": null, "picker": null, "ranked_limit": null, "name": null})")
            .value() == *spec);
}

TEST_CASE("endpoints keep the order of the document, a pool sorts them", "[manifest]") {
  const char* const text =
      R"({"endpoints": [{"id": "b", "running": 2, "kv_usage": {"value": 0.5}, "waiting": {"value": 1, "sampled_ns": 3}, "sampled_ns": 9},
                        {"id": "a", "models": ["sql", "base"], "running": null}]})";
  const auto rows = parse_endpoints(text);
  REQUIRE(rows.ok());
  REQUIRE(rows->size() == 2);
  CHECK((*rows)[0].id == "b");
  const auto sampled = [&](route::Signal signal) {
    return (*rows)[0].signals[static_cast<std::size_t>(signal)]->sampled_ns;
  };
  CHECK(sampled(route::Signal::kRunning) == 9);
  CHECK(sampled(route::Signal::kKvUsage) == 9);
  CHECK(sampled(route::Signal::kWaiting) == 3);
  const auto pool = parse_pool(text);
  REQUIRE(pool.ok());
  CHECK(pool->id({0}) == "a");
  CHECK(!pool->sample({0}, route::Signal::kRunning));
  CHECK(pool->models({0}) == std::vector<std::string_view>{"base", "sql"});
  CHECK(parse_pool(R"({"endpoints": []})")->size() == 0);
  CHECK(parse_pool(R"({"endpoints": [{"id": "a", "running": -1}, {"id": "a"}]})").status().message() ==
        "endpoints[0].running: must not be negative; endpoints[1].id: \"a\" is also the id of endpoints[0]");
}

TEST_CASE("a request owns its depths in the order of the pool", "[manifest]") {
  const auto pool = parse_pool(R"({"endpoints": [{"id": "b"}, {"id": "a"}, {"id": "c"}]})");
  REQUIRE(pool.ok());
  const auto request = parse_request(
      R"({"id": "r", "model": "m", "prompt_tokens": 4294967295, "prefix": {"total_blocks": 9, "depth_blocks": {"c": 4, "a": 7}},
          "history": {"total_blocks": 2147483647}, "sequence": 18446744073709551615, "now_ns": -9223372036854775808,
          "seed": 18446744073709551615})",
      *pool);
  INFO(request.status().message());
  REQUIRE(request.ok());
  CHECK(request->prompt_tokens == 4294967295u);
  CHECK(request->prefix.depth_blocks == std::vector<std::uint32_t>{7, 0, 4});
  CHECK(request->history.depth_blocks == std::vector<std::uint32_t>{0, 0, 0});  // known: nobody holds any
  CHECK(request->history.total_blocks == route::kMaxBlocks);
  CHECK(request->sequence == std::numeric_limits<std::uint64_t>::max());
  CHECK(request->now_ns == std::numeric_limits<std::int64_t>::min());
  CHECK(request->seed == std::numeric_limits<std::uint64_t>::max());
  CHECK(request->view().prefix.total_blocks == 9);
  CHECK(parse_request("{}", *pool).ok());
  CHECK(parse_request(R"({"prefix": {"total_blocks": 3, "depth_blocks": {"z": 1}}})", *pool).status().message() ==
        "prefix.depth_blocks.z: no such endpoint in the pool");
  CHECK(parse_request(R"({"history": {"depth_blocks": {"a": 1}}})", *pool).status().message() ==
        "history.total_blocks: is needed beside depths");
}

TEST_CASE("a match is known when it is there", "[manifest]") {
  const auto pool = parse_pool(R"({"endpoints": [{"id": "b"}, {"id": "a"}]})");
  const auto history = [&](const char* match) {
    return parse_request(R"({"history": )" + std::string(match) + "}", *pool).value().history.depth_blocks;
  };
  CHECK(history("null").empty());
  CHECK(history("{}") == std::vector<std::uint32_t>{0, 0});
  CHECK(history(R"({"total_blocks": 4})") == std::vector<std::uint32_t>{0, 0});
  CHECK(history(R"({"total_blocks": 4, "depth_blocks": {}})") == std::vector<std::uint32_t>{0, 0});
  CHECK(history(R"({"total_blocks": 4, "depth_blocks": {"b": 3}})") == std::vector<std::uint32_t>{0, 3});
}

TEST_CASE("an endpoint has adapters that wait and a place", "[manifest]") {
  const auto rows = parse_endpoints(
      R"({"endpoints": [{"id": "b", "models": ["base"], "waiting_models": ["sql", "chat"],
                         "place": {"region": "eu", "host": "h1", "rack": ""}},
                        {"id": "a", "waiting_models": null, "place": {}}]})");
  INFO(rows.status().message());
  REQUIRE(rows.ok());
  CHECK((*rows)[0].models == std::vector<std::string>{"base"});
  CHECK((*rows)[0].waiting_models == std::vector<std::string>{"sql", "chat"});
  CHECK((*rows)[0].place == route::Place{"h1", "", "", "eu"});
  CHECK((*rows)[1].waiting_models.empty());
  CHECK((*rows)[1].place == route::Place{});
}

TEST_CASE("every signal has a member of its name", "[manifest]") {
  for (std::size_t s = 0; s < route::kSignalCount; ++s) {
    const route::SignalInfo& signal = route::kSignals[s];
    INFO(signal.name);
    const auto with = [&](double value) {
      Json row = {{"id", "a"}, {"sampled_ns", 4}};
      row[std::string(signal.name)] = value;
      return parse_pool(Json{{"endpoints", {row}}}.dump());
    };
    const auto pool = with(signal.maximum);
    REQUIRE(pool.ok());
    const auto sample = pool->sample({0}, static_cast<route::Signal>(s));
    REQUIRE(sample.has_value());
    CHECK(sample->value == signal.maximum);
    CHECK(sample->sampled_ns == 4);
    const std::string path = "endpoints[0]." + std::string(signal.name) + ": ";
    CHECK(with(signal.maximum * 1.01).status().message().find(path + "must not exceed ") == 0);
    CHECK(with(-1).status().message() == path + "must not be negative");
  }
}

TEST_CASE("a request says what is promised, where to be near to and what slower tiers hold", "[manifest]") {
  const auto pool = parse_pool(R"({"endpoints": [{"id": "b"}, {"id": "a"}, {"id": "c"}]})");
  const auto request = parse_request(
      R"({"output_tokens": 4294967295, "session": "s", "near": {"zone": "z", "rack": "r", "host": null}, "slo_ttft_s": 0.5, "slo_tpot_s": 1e-3,
          "prefix": {"total_blocks": 9, "block_tokens": 65536, "depth_blocks": {"a": 2, "b": 3},
                     "host_depth_blocks": {"a": 4, "b": null}, "disk_depth_blocks": {"c": 1, "b": 5}},
          "history": {"total_blocks": 9, "disk_depth_blocks": {"b": 9}}})",
      *pool);
  INFO(request.status().message());
  REQUIRE(request.ok());
  const route::Request view = request->view();
  CHECK(check_request(pool->view(), view).ok());
  CHECK(view.output_tokens == 4294967295u);
  CHECK(view.session == "s");
  CHECK(view.near == std::array<std::string_view, route::kPlaceLevels>{"", "r", "z", ""});
  CHECK(view.slo_ttft_s == 0.5);
  CHECK(view.slo_tpot_s == 1e-3);
  CHECK(view.prefix.block_tokens == 65536);
  CHECK(view.history.block_tokens == 0);
  using Depths = std::vector<std::uint32_t>;
  const auto depths = [](std::span<const std::uint32_t> span) { return Depths(span.begin(), span.end()); };
  CHECK(depths(view.prefix.depth_blocks) == Depths{2, 3, 0});
  CHECK(depths(view.prefix.host_depth_blocks) == Depths{4, 3, 0});
  CHECK(depths(view.prefix.disk_depth_blocks) == Depths{4, 5, 1});  // who is not named holds what the host tier has
  CHECK(depths(view.history.depth_blocks) == Depths{0, 0, 0});
  CHECK(view.history.host_depth_blocks.empty());  // nothing is known of that tier
  CHECK(depths(view.history.disk_depth_blocks) == Depths{0, 9, 0});

  const route::Request nothing = parse_request("{}", *pool).value().view();
  CHECK(nothing.output_tokens == 0);
  CHECK(nothing.prefix.host_depth_blocks.empty());
  CHECK(nothing.near == std::array<std::string_view, route::kPlaceLevels>{});
}

TEST_CASE("an explanation has a fixed form", "[manifest]") {
  const auto text = decide_document(
      R"({"explain": true, "policy": {"filters": ["least-request"], "scorers": ["gpu-usage", {"name": "least-request", "weight": 0.5}]},
      "pool": {"endpoints": [{"id": "b", "kv_usage": 0.25, "sampled_ns": 40}, {"id": "a", "waiting": 12, "sampled_ns": 10},
                             {"id": "c", "in_flight": 2, "running": 2}]},
      "request": {"id": "r", "now_ns": 100}})");
  REQUIRE(text.ok());
  CHECK(
      *text ==
      R"({"decision":{"outcome":"routed","endpoint":"b","reason":{"code":100,"name":"best_score","subject":0,"a":75.0,"b":75.0},)"
      R"("score":75.0,"margin":75.0,"candidates":2,"ranked":["b","c"],"stage":0},)"
      R"("reason_text":"the highest total score","earlier":[],)"
      R"("filters":["least-request"],"scorers":["gpu-usage","least-request"],"weights":[1.0,0.5],"combine":"sum","picker":"best-score",)"
      R"("runner_up":{"endpoint":"c","flips":[{"scorer":"gpu-usage","weight":0.0,"when":"below"}]},"candidates":[)"
      R"({"endpoint":"a","rank":0,"total":0.0,"tie_group":0,"dropped":{"code":120,"name":"waiting_limit","subject":0,"a":12.0,"b":10.0},)"
      R"("dropped_by":"least-request","terms":[],"oldest_age_ns":90,"oldest_signal":"waiting","corrected":[]},)"
      R"({"endpoint":"b","rank":1,"total":75.0,"tie_group":1,"dropped":null,"dropped_by":null,"terms":[)"
      R"({"scorer":"gpu-usage","score":75.0,"weight":1.0,"contribution":75.0,"abstained":false},)"
      R"({"scorer":"least-request","score":0.0,"weight":0.5,"contribution":0.0,"abstained":true}],)"
      R"("oldest_age_ns":60,"oldest_signal":"kv_usage","corrected":[]},)"
      R"({"endpoint":"c","rank":2,"total":0.0,"tie_group":2,"dropped":null,"dropped_by":null,"terms":[)"
      R"({"scorer":"gpu-usage","score":0.0,"weight":1.0,"contribution":0.0,"abstained":true},)"
      R"({"scorer":"least-request","score":0.0,"weight":0.5,"contribution":0.0,"abstained":false}],)"
      R"("oldest_age_ns":100,"oldest_signal":"running","corrected":[]}]})");
}

TEST_CASE("lists of what there is are documents", "[manifest]") {
  CHECK(Json::parse(write_preset_names()).size() == route::preset_names().size());
  const Json parts = Json::parse(write_parts());
  REQUIRE(parts.size() == route::list_parts().size());
  CHECK(
      parts[0].dump() ==
      R"({"kind":"filter","name":"least-request","options":[{"name":"max_waiting","minimum":-1000000000.0,"maximum":1000000000.0,"default":10.0}]})");
}

TEST_CASE("any member of any type is accepted or refused with its place", "[manifest][hostile]") {
  REQUIRE(accepted(kDocument));
  const nlohmann::json flat = nlohmann::json::parse(kDocument).flatten();
  std::vector<std::string> pointers = {""};
  for (const auto& [pointer, value] : flat.items())
    for (std::size_t end = pointer.find('/', 1);; end = pointer.find('/', end + 1)) {
      pointers.push_back(pointer.substr(0, end));
      if (end == std::string::npos) break;
    }
  const char* const values[] = {"null",       "true",    "-1",    "1.5", "1e300", "18446744073709551616",
                                "\"x\"",      "\"\"",    "[]",    "{}",  "[[]]",  "{\"x\":1}",
                                "4294967296", "-1e-300", "[null]"};
  int refused = 0;
  int count = 0;
  for (const std::string& pointer : pointers) {
    for (const char* value : values) {
      Json document = Json::parse(kDocument);
      document[Json::json_pointer(pointer)] = Json::parse(value);
      INFO(pointer << " = " << value);
      refused += accepted(document.dump()) ? 0 : 1;
      ++count;
    }
    if (pointer.empty()) continue;
    Json document = Json::parse(kDocument);
    Json& parent = document[Json::json_pointer(pointer).parent_pointer()];
    if (parent.is_object()) {
      parent.erase(Json::json_pointer(pointer).back());
      INFO(pointer << " left out");
      (void)accepted(document.dump());
    }
  }
  CHECK(refused > count / 2);
}

TEST_CASE("a document cut off anywhere is refused", "[manifest][hostile]") {
  const std::string whole = Json::parse(kDocument).dump();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size << " bytes");
    CHECK(!accepted(whole.substr(0, size)));
  }
  CHECK(accepted(whole));
}

TEST_CASE("a document with a byte changed never does harm", "[manifest][hostile]") {
  const std::string whole = Json::parse(kDocument).dump();
  RandomStream random(1, 2);
  for (int i = 0; i < 4000; ++i) {
    std::string changed = whole;
    for (std::uint64_t k = 1 + random.next_below(3); k > 0; --k)
      changed[random.next_below(changed.size())] = static_cast<char>(random.next_below(256));
    (void)accepted(changed);
  }
}

TEST_CASE("deep nesting is refused", "[manifest][hostile]") {
  const auto nested = [](std::size_t depth, const char* open, const char* close) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) text += open;
    text += "1";
    for (std::size_t i = 0; i < depth; ++i) text += close;
    return text;
  };
  for (const std::size_t depth : {40u, 1000u, 200000u}) {
    for (const auto& [open, close] : {std::pair{"[", "]"}, std::pair{"{\"a\":", "}"}, std::pair{"[{\"a\":", "}]"}}) {
      const auto whole = decide_document(nested(depth, open, close));
      REQUIRE(!whole.ok());
      CHECK(whole.status().message().find("document: is nested deeper than 32 levels") == 0);
      CHECK(!decide_document(R"({"pool": )" + nested(depth, open, close) + "}").ok());
      CHECK(!decide_document(nested(depth, open, "")).ok());
    }
  }
}

TEST_CASE("numbers beyond a double are refused", "[manifest][hostile]") {
  const auto with = [](const std::string& number) {
    return decide_document(R"({"policy": "random", "pool": {"endpoints": [{"id": "a", "running": )" + number + "}]}}");
  };
  for (const char* number :
       {"1e999", "-1e999", "1e99999999999", "NaN", "Infinity", "0x10", "01", "+1", ".5", "1.", "--1"}) {
    INFO(number);
    CHECK(!with(number).ok());
  }
  CHECK(!with(std::string(400, '9')).ok());
  CHECK(with("1" + std::string(1, '0') + "." + std::string(5000, '3')).ok());
  CHECK(with("1e-999").ok());  // 0
}

TEST_CASE("bytes that are not UTF-8 are refused, all others come back", "[manifest][hostile]") {
  const auto named = [](const std::string& id) {
    return decide_document(R"({"policy": "random", "pool": {"endpoints": [{"id": ")" + id + R"("}]}})");
  };
  CHECK(!named("\xFF").ok());
  CHECK(!named("\xC3").ok());
  CHECK(!named("\xED\xA0\x80").ok());
  CHECK(named("\xE5\x86\x99").value().find("\xE5\x86\x99") != std::string::npos);
  CHECK(named("\\u0000").value().find("\\u0000") != std::string::npos);
  // An id that came in by the typed interface may hold any bytes; the answer is JSON all the same.
  route::PoolBuilder builder;
  builder.add({"\xFF\"\n", {}, {}});
  const route::PoolSnapshot pool = builder.build().value();
  route::Workspace workspace;
  const auto policy = route::Policy::create(route::preset("random").value());
  const std::string text = write_decision(policy->decide(pool, {"r"}, workspace), pool);
  CHECK(Json::accept(text));
}
