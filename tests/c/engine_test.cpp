// tests/c/engine_test.cpp
//
// What engines say, through the C interface: the vectors of tests/vectors/engine, intervals, streams into an index, every edge.
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>

#include "fixture.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena::test;
using Json = nlohmann::json;

namespace {

std::string read_file(const std::string& name) {
  std::ifstream stream(std::string(KTHENA_SOURCE_DIR) + "/tests/vectors/engine/" + name, std::ios::binary);
  REQUIRE(stream);
  return {std::istreambuf_iterator<char>(stream), {}};
}

EngineParser make_parser(std::string_view profile, std::string_view model = "") {
  kthena_engine_parser_options options = KTHENA_INIT(kthena_engine_parser_options);
  options.model = str(model);
  kthena_engine_parser* parser = nullptr;
  Error error;
  const kthena_status status = kthena_engine_parser_create(str(profile), &options, &parser, &error);
  INFO(error.text());
  REQUIRE(status == KTHENA_OK);
  return EngineParser(parser);
}

EngineSample parse(const EngineParser& parser, std::string_view text, std::int64_t sampled_ns) {
  EngineSample sample(kthena_engine_sample_create());
  Error error;
  const kthena_status status = kthena_engine_parse(parser.get(), str(text), sampled_ns, sample.get(), nullptr, &error);
  INFO(error.text());
  REQUIRE(status == KTHENA_OK);
  return sample;
}

std::vector<double> values_of(const EngineSample& sample, std::uint32_t rank) {
  std::vector<double> values(KTHENA_ENGINE_SIGNAL_COUNT);
  REQUIRE(kthena_engine_sample_values(sample.get(), rank, values.data(), values.size(), nullptr) == KTHENA_OK);
  return values;
}

/// In the order of kthena_engine_signal.
constexpr const char* kSignals[] = {"running",
                                    "waiting",
                                    "kv_usage",
                                    "kv_used_blocks",
                                    "kv_total_blocks",
                                    "kv_total_tokens",
                                    "block_tokens",
                                    "hit_rate",
                                    "prefix_hits",
                                    "prefix_queries",
                                    "external_prefix_hits",
                                    "external_prefix_queries",
                                    "prompt_tokens",
                                    "generation_tokens",
                                    "preemptions",
                                    "finished"};
constexpr const char* kLatencies[] = {"ttft_s", "itl_s", "e2e_s", "queue_s"};

/// Every signal, or those that `want` names.
void check_values(const std::vector<double>& values, const Json& want, bool all) {
  for (std::size_t i = 0; i < KTHENA_ENGINE_SIGNAL_COUNT; ++i) {
    INFO(kSignals[i]);
    if (want.contains(kSignals[i])) {
      CHECK(values[i] == want[kSignals[i]].get<double>());
    } else if (all) {
      CHECK(std::isnan(values[i]));
    }
  }
}

void check_histogram(const kthena_histogram& histogram, const Json& want) {
  REQUIRE(histogram.size == want["bounds"].size());
  for (std::uint32_t i = 0; i < histogram.size; ++i) {
    const Json& bound = want["bounds"][i];
    CHECK(histogram.bounds[i] == (bound.is_null() ? std::numeric_limits<double>::infinity() : bound.get<double>()));
    CHECK(histogram.cumulative[i] == want["cumulative"][i].get<double>());
  }
  CHECK(histogram.count == want["count"].get<double>());
  CHECK((want["sum"].is_null() ? std::isnan(histogram.sum) : histogram.sum == want["sum"].get<double>()));
}

std::vector<std::string> names_of(const EngineSample& sample, std::int32_t kind, std::uint64_t n) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < n; ++i) names.emplace_back(view(kthena_engine_sample_name(sample.get(), kind, i)));
  CHECK(view(kthena_engine_sample_name(sample.get(), kind, n)).empty());
  return names;
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

using Tokens = std::vector<std::uint32_t>;

Tokens count_from(std::uint32_t first, std::size_t n) {
  Tokens tokens(n);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

/// vLLM's array form of one event.
Json stored(const std::vector<std::uint64_t>& hashes, const Tokens& tokens, const Json& parent = nullptr) {
  return Json::array({"BlockStored", hashes, parent, tokens, 4, nullptr, "GPU", nullptr});
}
Json removed(const std::vector<std::uint64_t>& hashes) { return Json::array({"BlockRemoved", hashes, "GPU"}); }

std::string batch(double timestamp_s, const std::vector<Json>& events, const Json& rank = 0) {
  const std::vector<std::uint8_t> bytes = Json::to_msgpack(Json::array({timestamp_s, events, rank}));
  return {bytes.begin(), bytes.end()};
}

struct Fed {
  PrefixIndex index;
  KvStream stream;
  kthena_kv_step step = KTHENA_INIT(kthena_kv_step);
  Error error;

  explicit Fed(kthena_kv_stream_options options = KTHENA_INIT(kthena_kv_stream_options)) {
    kthena_prefix_index_options shape = KTHENA_INIT(kthena_prefix_index_options);
    shape.block_tokens = 4;
    shape.seed = 11;
    kthena_prefix_index* made_index = nullptr;
    REQUIRE(kthena_prefix_index_create(&shape, &made_index, &error) == KTHENA_OK);
    index.reset(made_index);
    REQUIRE(kthena_prefix_add_worker(made_index, str("pod-a"), &options.worker, &error) == KTHENA_OK);
    options.model = str("m");
    kthena_kv_stream* made = nullptr;
    REQUIRE(kthena_kv_stream_create(str("vllm"), &options, &made, &error) == KTHENA_OK);
    stream.reset(made);
  }
  kthena_status feed(std::uint64_t sequence, const std::string& payload) {
    return kthena_kv_stream_feed(stream.get(), sequence, str(payload), index.get(), &step, &error);
  }
  kthena_status feed_replay(std::uint64_t sequence, const std::string& payload) {
    return kthena_kv_stream_feed_replay(stream.get(), sequence, str(payload), index.get(), &step, &error);
  }
  kthena_kv_stream_info info() const {
    kthena_kv_stream_info info = KTHENA_INIT(kthena_kv_stream_info);
    REQUIRE(kthena_kv_stream_get_info(stream.get(), &info, nullptr) == KTHENA_OK);
    return info;
  }
  std::uint32_t depth(const Tokens& tokens, std::string_view model = "m") {
    kthena_prefix_query* made = nullptr;
    REQUIRE(kthena_prefix_query_create(index.get(), str(model), str(""), str(""), &made, &error) == KTHENA_OK);
    const PrefixQuery query(made);
    REQUIRE(kthena_prefix_query_extend_tokens(made, tokens.data(), tokens.size(), &error) == KTHENA_OK);
    std::uint32_t depth = 99;
    REQUIRE(kthena_prefix_find_by_worker(index.get(), made, nullptr, 0, &depth, 1, &error) == KTHENA_OK);
    return depth;
  }
};

}  // namespace

TEST_CASE("engine vectors: pages", "[c][engine][vectors]") {
  const Json document = Json::parse(read_file("metrics.json"));
  REQUIRE(document["cases"].size() >= 30);
  for (const Json& each : document["cases"]) {
    INFO(each["name"]);
    const std::string text = each.contains("file") ? read_file(each["file"]) : each["text"].get<std::string>();
    const Json& want = each["expect"];
    const EngineParser parser = make_parser(each["profile"].get<std::string>(), each["model"].get<std::string>());
    EngineSample sample(kthena_engine_sample_create());
    kthena_engine_counts counts = KTHENA_INIT(kthena_engine_counts);
    REQUIRE(kthena_engine_parse(parser.get(), str(text), 12345, sample.get(), &counts, nullptr) == KTHENA_OK);

    kthena_engine_sample_info info = KTHENA_INIT(kthena_engine_sample_info);
    REQUIRE(kthena_engine_sample_get_info(sample.get(), &info, nullptr) == KTHENA_OK);
    CHECK(info.sampled_ns == 12345);
    check_values(values_of(sample, KTHENA_NONE), want["signals"], true);
    std::vector<std::uint32_t> ranks(info.ranks);
    CHECK(kthena_engine_sample_ranks(sample.get(), ranks.data(), ranks.size()) == info.ranks);
    if (want.contains("ranks")) {
      REQUIRE(ranks.size() == want["ranks"].size());
      for (const std::uint32_t rank : ranks) {
        INFO("rank " << rank);
        check_values(values_of(sample, rank), want["ranks"][std::to_string(rank)], false);
      }
    }
    for (std::int32_t i = 0; i < KTHENA_ENGINE_LATENCY_COUNT; ++i) {
      INFO(kLatencies[i]);
      kthena_histogram histogram = KTHENA_INIT(kthena_histogram);
      REQUIRE(kthena_engine_sample_histogram(sample.get(), KTHENA_NONE, i, &histogram, nullptr) == KTHENA_OK);
      if (want.contains("latencies") && want["latencies"].contains(kLatencies[i])) {
        check_histogram(histogram, want["latencies"][kLatencies[i]]);
      } else {
        CHECK(histogram.size == 0);
        CHECK(histogram.count == 0);
      }
    }
    CHECK(info.has_adapters == (want.contains("adapters") ? 1 : 0));
    const Json none = Json::array();
    const Json adapters = want.value("adapters", Json{{"running", none}, {"waiting", none}});
    CHECK(names_of(sample, KTHENA_ENGINE_ADAPTER_RUNNING, info.adapters_running) == adapters["running"]);
    CHECK(names_of(sample, KTHENA_ENGINE_ADAPTER_WAITING, info.adapters_waiting) == adapters["waiting"]);
    if (info.has_adapters != 0) CHECK(info.adapters_maximum == adapters["maximum"].get<double>());
    CHECK(names_of(sample, KTHENA_ENGINE_MODEL, info.models) == want.value("models", none));

    const Json expected = want.value("counts", Json::object());
    CHECK(counts.broken == expected.value("broken", 0u));
    CHECK(counts.unusable == expected.value("unusable", 0u));
    CHECK(counts.other_models == expected.value("other_models", 0u));
    if (expected.contains("used")) CHECK(counts.used == expected["used"]);
    if (expected.contains("other")) CHECK(counts.other == expected["other"]);
    CHECK(counts.lines == counts.used + counts.other + counts.broken + counts.unusable + counts.other_models);

    const Json written = Json::parse(text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
      return kthena_engine_sample_json(sample.get(), buffer, capacity, needed, nullptr);
    }));
    CHECK(written["sampled_ns"] == 12345);
    CHECK(written["signals"] == want["signals"]);
    CHECK(written["latencies"] == want.value("latencies", Json::object()));
    CHECK(written["adapters"] == want.value("adapters", Json()));
    CHECK(written["models"] == want.value("models", none));
    CHECK(written["ranks"].size() == ranks.size());
  }
}

TEST_CASE("engine vectors: batches of KV events", "[c][engine][vectors]") {
  const Json document = Json::parse(read_file("kv_batches.json"));
  REQUIRE(document["cases"].size() >= 140);
  for (const Json& each : document["cases"]) {
    INFO(each["name"]);
    const std::string profile = each["profile"];
    const std::string payload = from_hex(each["hex"]);
    const auto write = [&](char* buffer, std::size_t capacity, std::size_t* needed, kthena_error* error = nullptr) {
      return kthena_kv_batch_json(str(profile), str(payload), buffer, capacity, needed, error);
    };
    Fed fed;
    kthena_kv_stream* made = nullptr;
    REQUIRE(kthena_kv_stream_create(str(profile), nullptr, &made, &fed.error) == KTHENA_OK);
    fed.stream.reset(made);
    const std::uint64_t next = fed.info().next_sequence;
    if (each.contains("error")) {
      std::size_t needed = 0;
      Error error;
      REQUIRE(write(nullptr, 0, &needed, &error) == KTHENA_INVALID_ARGUMENT);
      CHECK(error.text().find(each["error"].get<std::string>()) != std::string::npos);
      CHECK(fed.feed(next, payload) == KTHENA_INVALID_ARGUMENT);
      CHECK(fed.error.text() == error.text());
      CHECK(fed.info().malformed == 1);
      CHECK(fed.info().state == KTHENA_KV_WAITING);
      continue;
    }
    const Json found = Json::parse(text_of(write));
    REQUIRE(found["events"].size() == each["events"].size());
    for (std::size_t i = 0; i < found["events"].size(); ++i) {
      const Json& event = found["events"][i];
      const Json& want = each["events"][i];
      CHECK(event["kind"] == want["kind"]);
      if (want["kind"] == "cleared") continue;
      CHECK(event["hashes"] == want["hashes"]);
      CHECK(event["tier"] == want.value("tier", "device"));
      CHECK(event["group"] == want.value("group", 0u));
      CHECK(event["full_attention"] == want.value("full", true));
      if (want["kind"] == "removed") continue;
      CHECK(event["parent"] == want["parent"]);
      CHECK(event["tokens"] == want["tokens"]);
      CHECK(event["block_tokens"] == want["block_tokens"]);
      CHECK(event["lora_id"] == want.value("lora_id", Json()));
      CHECK(event["lora_name"] == want.value("lora_name", ""));
      CHECK(event["salt"] == want.value("salt", ""));
      std::vector<bool> extras;
      for (const Json& extra : event["extras"]) extras.push_back(extra != 0);
      CHECK(extras == want.value("extras", std::vector<bool>{}));
    }
    if (each.contains("timestamp")) CHECK(found["timestamp_s"] == each["timestamp"]);
    CHECK(found["rank"] == each.value("rank", Json()));
    for (const char* count : {"unknown_events", "unknown_fields", "unknown_media"})
      CHECK(found[count] == each.value(count, 0u));

    REQUIRE(fed.feed(next, payload) == KTHENA_OK);
    CHECK(fed.step.outcome == KTHENA_KV_APPLIED);
    CHECK(fed.step.unknown_events == each.value("unknown_events", 0u));
    CHECK(fed.step.unknown_fields == each.value("unknown_fields", 0u));
    CHECK(fed.step.unknown_media == each.value("unknown_media", 0u));
  }
}

TEST_CASE("profiles by name", "[c][engine]") {
  const Json profiles = Json::parse(text_of([](char* buffer, std::size_t capacity, std::size_t* needed) {
    return kthena_engine_profiles_json(buffer, capacity, needed, nullptr);
  }));
  REQUIRE(profiles.size() == 9);
  CHECK(profiles[0]["name"] == "vllm");
  CHECK(profiles[0]["kv_events"] == true);
  CHECK(profiles[0]["ranks"] == true);
  CHECK(profiles[0]["latencies"] == Json{"ttft_s", "itl_s", "e2e_s", "queue_s"});
  for (const Json& profile : profiles) {
    INFO(profile);
    Error error;
    kthena_engine_parser* parser = nullptr;
    const std::string name = profile["name"];
    CHECK(kthena_engine_parser_create(str(name), nullptr, &parser, &error) == KTHENA_OK);
    kthena_engine_parser_free(parser);
    kthena_kv_stream* stream = nullptr;
    CHECK(kthena_kv_stream_create(str(name), nullptr, &stream, &error) ==
          (profile["kv_events"] == true ? KTHENA_OK : KTHENA_FAILED_PRECONDITION));
    kthena_kv_stream_free(stream);
  }
  Error error;
  kthena_engine_parser* parser = nullptr;
  CHECK(kthena_engine_parser_create(str("VLLM"), nullptr, &parser, &error) == KTHENA_NOT_FOUND);
  CHECK(error.text().rfind("profile: none is called 'VLLM'; there are vllm, vllm-v0, ", 0) == 0);
  CHECK(parser == nullptr);
}

TEST_CASE("an interval: growth, means, quantiles", "[c][engine]") {
  const EngineParser parser = make_parser("vllm");
  const auto page = [](int finished, int fast, int slow, double sum) {
    return "vllm:num_requests_waiting{engine=\"0\"} 3\nvllm:request_success_total{engine=\"0\"} " +
           std::to_string(finished) + "\nvllm:time_to_first_token_seconds_bucket{engine=\"0\",le=\"0.1\"} " +
           std::to_string(fast) + "\nvllm:time_to_first_token_seconds_bucket{engine=\"0\",le=\"0.5\"} " +
           std::to_string(fast + slow) + "\nvllm:time_to_first_token_seconds_bucket{engine=\"0\",le=\"+Inf\"} " +
           std::to_string(fast + slow) + "\nvllm:time_to_first_token_seconds_sum{engine=\"0\"} " + std::to_string(sum) +
           "\nvllm:time_to_first_token_seconds_count{engine=\"0\"} " + std::to_string(fast + slow) + "\n";
  };
  const EngineSample before = parse(parser, page(100, 90, 10, 12), 1'000'000'000);
  const EngineSample now = parse(parser, page(110, 95, 15, 14), 3'000'000'000);
  Error error;
  kthena_engine_interval* made = nullptr;
  REQUIRE(kthena_engine_interval_create(before.get(), now.get(), &made, &error) == KTHENA_OK);
  EngineInterval interval(made);
  double growth[KTHENA_ENGINE_SIGNAL_COUNT + 2];
  std::int64_t elapsed_ns = 0;
  std::uint8_t restarted = 9;
  REQUIRE(kthena_engine_interval_values(made, growth, KTHENA_ENGINE_SIGNAL_COUNT + 2, &elapsed_ns, &restarted,
                                        &error) == KTHENA_OK);
  CHECK(growth[KTHENA_ENGINE_FINISHED] == 10);
  CHECK(std::isnan(growth[KTHENA_ENGINE_WAITING]));
  CHECK(std::isnan(growth[KTHENA_ENGINE_SIGNAL_COUNT + 1]));
  CHECK(elapsed_ns == 2'000'000'000);
  CHECK(restarted == 0);
  kthena_histogram ttft = KTHENA_INIT(kthena_histogram);
  REQUIRE(kthena_engine_interval_histogram(made, KTHENA_ENGINE_TTFT_S, &ttft, &error) == KTHENA_OK);
  CHECK(ttft.count == 10);
  CHECK(ttft.sum / ttft.count == Approx(0.2));
  CHECK(kthena_histogram_quantile(&ttft, 0.5) == Approx(0.1));
  CHECK(kthena_histogram_quantile(&ttft, 0.9) == Approx(0.1 + 0.4 * 0.8));
  CHECK(std::isnan(kthena_histogram_quantile(&ttft, 1.5)));
  ttft.bounds = nullptr;
  CHECK(std::isnan(kthena_histogram_quantile(&ttft, 0.5)));
  const Json json = Json::parse(text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
    return kthena_engine_interval_json(made, buffer, capacity, needed, nullptr);
  }));
  CHECK(json["growth"] == Json{{"finished", 10}});
  CHECK(json["latencies"]["ttft_s"]["count"] == 10);
  CHECK(json["latencies"]["ttft_s"]["p50"].get<double>() == Approx(0.1));

  REQUIRE(kthena_engine_interval_create(now.get(), before.get(), &made, &error) == KTHENA_OK);
  interval.reset(made);
  REQUIRE(kthena_engine_interval_values(made, growth, 16, nullptr, &restarted, &error) == KTHENA_OK);
  CHECK(restarted == 1);
  CHECK(growth[KTHENA_ENGINE_FINISHED] == 100);
  REQUIRE(kthena_engine_interval_create(nullptr, now.get(), &made, &error) == KTHENA_OK);
  interval.reset(made);
  REQUIRE(kthena_engine_interval_values(made, growth, 16, &elapsed_ns, &restarted, &error) == KTHENA_OK);
  CHECK(growth[KTHENA_ENGINE_FINISHED] == 110);
  CHECK(elapsed_ns == 0);
  CHECK(restarted == 0);
}

TEST_CASE("a page that is none leaves the sample as it was; pages after the first allocate nothing", "[c][engine]") {
  const EngineParser parser = make_parser("vllm");
  const std::string text = read_file("vllm_busy.txt");
  const EngineSample sample = parse(parser, text, 1);
  kthena_engine_counts counts = KTHENA_INIT(kthena_engine_counts);
  counts.used = 77;
  Error error;
  CHECK(kthena_engine_parse(parser.get(), str("<html>"), 2, sample.get(), &counts, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(counts.used == 77);
  CHECK(values_of(sample, KTHENA_NONE)[KTHENA_ENGINE_RUNNING] == 143);
  const std::size_t before = allocations();
  const kthena_status status = kthena_engine_parse(parser.get(), str(text), 2, sample.get(), &counts, &error);
  CHECK(allocations() == before);
  REQUIRE(status == KTHENA_OK);
  CHECK(counts.broken == 0);

  double one = 0;
  CHECK(kthena_engine_sample_values(sample.get(), 3, &one, 1, &error) == KTHENA_NOT_FOUND);
  CHECK(error.text() == "rank: the sample has no rank 3");
  CHECK(kthena_engine_sample_values(sample.get(), KTHENA_NONE, nullptr, 1, &error) == KTHENA_INVALID_ARGUMENT);
  kthena_histogram histogram = KTHENA_INIT(kthena_histogram);
  CHECK(kthena_engine_sample_histogram(sample.get(), KTHENA_NONE, 4, &histogram, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "latency: no latency 4");
  CHECK(kthena_engine_parse(parser.get(), {nullptr, 4}, 2, sample.get(), nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  counts.struct_size = 6;
  CHECK(kthena_engine_parse(parser.get(), str(text), 2, sample.get(), &counts, &error) == KTHENA_INVALID_ARGUMENT);

  const EngineSample empty(kthena_engine_sample_create());
  kthena_engine_sample_info info = KTHENA_INIT(kthena_engine_sample_info);
  REQUIRE(kthena_engine_sample_get_info(empty.get(), &info, &error) == KTHENA_OK);
  CHECK(info.sampled_ns == KTHENA_NEVER);
  CHECK(info.ranks == 0);
}

TEST_CASE("options of a parser out of range", "[c][engine]") {
  kthena_engine_parser_options options = KTHENA_INIT(kthena_engine_parser_options);
  options.max_ranks = 65537;
  options.max_bytes = std::uint64_t{1} << 40;
  kthena_engine_parser* parser = nullptr;
  Error error;
  CHECK(kthena_engine_parser_create(str("vllm"), &options, &parser, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text().find("max_ranks") != std::string::npos);
  CHECK(error.text().find("max_bytes") != std::string::npos);
  options = KTHENA_INIT(kthena_engine_parser_options);
  options.max_bytes = 10;
  REQUIRE(kthena_engine_parser_create(str("vllm"), &options, &parser, &error) == KTHENA_OK);
  const EngineParser owned(parser);
  const EngineSample sample(kthena_engine_sample_create());
  CHECK(kthena_engine_parse(parser, str("vllm:num_requests_running 1\n"), 0, sample.get(), nullptr, &error) ==
        KTHENA_RESOURCE_EXHAUSTED);
}

TEST_CASE("a stream into an index: in order, again, behind a gap, replayed", "[c][engine]") {
  Fed fed;
  CHECK(fed.info().state == KTHENA_KV_WAITING);
  REQUIRE(fed.feed(0, batch(10, {stored({1, 2}, count_from(100, 8))})) == KTHENA_OK);
  CHECK(fed.step.outcome == KTHENA_KV_APPLIED);
  CHECK(fed.step.state == KTHENA_KV_LIVE);
  CHECK(fed.step.stored_blocks == 2);
  CHECK(fed.step.refused == 0);
  CHECK(fed.depth(count_from(100, 12)) == 2);
  CHECK(fed.depth(count_from(100, 12), "another model") == 0);

  REQUIRE(fed.feed(0, batch(10, {stored({1, 2}, count_from(100, 8))})) == KTHENA_OK);
  CHECK(fed.step.outcome == KTHENA_KV_DUPLICATE);
  CHECK(fed.step.stored_blocks == 0);

  const std::string second = batch(11, {stored({3}, count_from(108, 4), 2)});
  const std::string third = batch(12, {removed({2})});
  REQUIRE(fed.feed(2, third) == KTHENA_OK);
  CHECK(fed.step.outcome == KTHENA_KV_HELD_BACK);
  CHECK(fed.step.state == KTHENA_KV_CATCHING_UP);
  REQUIRE(fed.step.wants_replay == 1);
  CHECK(fed.step.replay_from == 1);
  CHECK(fed.step.replay_to == 2);
  REQUIRE(fed.feed_replay(1, second) == KTHENA_OK);
  CHECK(fed.depth(count_from(100, 12)) == 3);
  REQUIRE(fed.feed_replay(2, third) == KTHENA_OK);
  CHECK(fed.step.removed_blocks == 1);
  CHECK(fed.step.state == KTHENA_KV_LIVE);
  CHECK(fed.depth(count_from(100, 12)) == 1);
  REQUIRE(fed.feed_replay(KTHENA_KV_REPLAY_END, "") == KTHENA_OK);
  CHECK(fed.step.outcome == KTHENA_KV_ENDED);
  CHECK(fed.step.wants_replay == 0);

  REQUIRE(fed.feed(5, batch(15, {})) == KTHENA_OK);
  CHECK(fed.step.wants_replay == 1);
  REQUIRE(kthena_kv_stream_replay_failed(fed.stream.get(), fed.index.get(), &fed.step, &fed.error) == KTHENA_OK);
  CHECK(fed.step.outcome == KTHENA_KV_ENDED);
  CHECK(fed.step.cleared == 1);
  CHECK(fed.step.clears == 1);
  CHECK(fed.depth(count_from(100, 12)) == 0);
  const kthena_kv_stream_info info = fed.info();
  CHECK(info.next_sequence == 6);
  CHECK(info.applied == 3);
  CHECK(info.duplicates == 1);
  CHECK(info.held_back == 2);
  CHECK(info.gaps == 2);
  CHECK(info.lost == 1);
  CHECK(info.malformed == 0);

  REQUIRE(fed.feed(6, batch(16, {stored({9}, count_from(7, 4))})) == KTHENA_OK);
  REQUIRE(fed.feed(0, batch(20, {stored({5}, count_from(100, 4))})) == KTHENA_OK);
  CHECK(fed.step.cleared == 1);
  CHECK(fed.step.outcome == KTHENA_KV_APPLIED);
  CHECK(fed.info().restarts == 1);
  CHECK(fed.depth(count_from(7, 4)) == 0);
  CHECK(fed.depth(count_from(100, 4)) == 1);
}

TEST_CASE("a stream refuses what is no batch, and the index hears nothing of it", "[c][engine]") {
  kthena_kv_stream_options options = KTHENA_INIT(kthena_kv_stream_options);
  options.has_rank = 1;
  options.rank = 3;
  options.no_replay = 1;
  options.max_bytes = 200;
  Fed fed(options);
  const std::string whole = batch(1, {stored({1}, count_from(0, 4))}, 3);
  REQUIRE(whole.size() < 200);
  fed.step.stored_blocks = 55;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    REQUIRE(kthena_kv_stream_feed(fed.stream.get(), 0, {cut.data(), cut.size()}, fed.index.get(), &fed.step,
                                  &fed.error) == KTHENA_INVALID_ARGUMENT);
  }
  CHECK(fed.step.stored_blocks == 55);
  CHECK(fed.info().malformed == whole.size());
  CHECK(fed.depth(count_from(0, 4)) == 0);
  CHECK(fed.feed(0, batch(1, {}, 2)) == KTHENA_INVALID_ARGUMENT);
  CHECK(fed.error.text() == "data_parallel_rank: 2 in the stream of rank 3");
  CHECK(fed.feed(0, std::string(201, 'x')) == KTHENA_RESOURCE_EXHAUSTED);
  CHECK(fed.feed(KTHENA_KV_REPLAY_END, whole) == KTHENA_INVALID_ARGUMENT);
  REQUIRE(fed.feed(0, whole) == KTHENA_OK);
  CHECK(fed.depth(count_from(0, 4)) == 1);
  REQUIRE(fed.feed(2, batch(3, {}, 3)) == KTHENA_OK);
  CHECK(fed.step.wants_replay == 0);
  CHECK(fed.step.cleared == 1);

  CHECK(kthena_kv_stream_feed(nullptr, 3, str(whole), fed.index.get(), &fed.step, &fed.error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_kv_stream_feed(fed.stream.get(), 3, str(whole), nullptr, &fed.step, &fed.error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_kv_stream_feed(fed.stream.get(), 3, {nullptr, 3}, fed.index.get(), &fed.step, &fed.error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_kv_stream_feed(fed.stream.get(), 3, str(whole), fed.index.get(), nullptr, &fed.error) ==
        KTHENA_INVALID_ARGUMENT);
  fed.step.struct_size = 30;
  CHECK(fed.feed(3, whole) == KTHENA_INVALID_ARGUMENT);
  CHECK(fed.info().next_sequence == 3);

  kthena_kv_stream* made = nullptr;
  options.has_rank = 2;
  CHECK(kthena_kv_stream_create(str("vllm"), &options, &made, &fed.error) == KTHENA_INVALID_ARGUMENT);
  CHECK(fed.error.text() == "options.has_rank: must be 0 or 1");
  CHECK(kthena_kv_stream_create(str("tgi"), nullptr, &made, &fed.error) == KTHENA_FAILED_PRECONDITION);
}

TEST_CASE("a stream keeps to the blocks of the index that it was fed with first", "[c][engine]") {
  Fed fed;
  REQUIRE(fed.feed(0, batch(1, {stored({1}, count_from(0, 4))})) == KTHENA_OK);
  Fed other;
  kthena_prefix_index* eight = nullptr;
  kthena_prefix_index_options shape = KTHENA_INIT(kthena_prefix_index_options);
  shape.block_tokens = 8;
  shape.seed = 11;
  REQUIRE(kthena_prefix_index_create(&shape, &eight, &fed.error) == KTHENA_OK);
  const PrefixIndex owned(eight);
  const std::string payload = batch(2, {stored({2}, count_from(4, 4), 1)});
  CHECK(kthena_kv_stream_feed(fed.stream.get(), 1, str(payload), eight, &fed.step, &fed.error) ==
        KTHENA_INVALID_ARGUMENT);
  CHECK(fed.error.text() == "index: has another block size, seed or width of contents than the one that was fed first");
  REQUIRE(kthena_kv_stream_feed(fed.stream.get(), 1, str(payload), other.index.get(), &fed.step, &fed.error) ==
          KTHENA_OK);
  CHECK(fed.step.outcome == KTHENA_KV_APPLIED);
}

TEST_CASE("the sequence number of a message", "[c][engine]") {
  std::uint64_t sequence = 7;
  Error error;
  REQUIRE(kthena_kv_message_sequence(str(std::string_view("\0\0\0\0\0\0\1\2", 8)), &sequence, &error) == KTHENA_OK);
  CHECK(sequence == 258);
  REQUIRE(kthena_kv_message_sequence(str("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), &sequence, &error) == KTHENA_OK);
  CHECK(sequence == KTHENA_KV_REPLAY_END);
  sequence = 7;
  CHECK(kthena_kv_message_sequence(str("1234567"), &sequence, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "frame: 7 bytes where a sequence number has 8");
  CHECK(sequence == 7);
}

TEST_CASE("feeding allocates nothing once everything has grown", "[c][engine]") {
  Fed fed;
  std::vector<std::uint64_t> hashes(64);
  std::iota(hashes.begin(), hashes.end(), 1);
  const std::string store = batch(1, {stored(hashes, count_from(0, 256))});
  const std::string remove = batch(1, {removed(hashes)});
  for (std::uint64_t i = 0; i < 8; ++i) REQUIRE(fed.feed(i, i % 2 == 0 ? store : remove) == KTHENA_OK);
  const std::string again = batch(1, {stored({1, 2}, count_from(0, 8))});
  REQUIRE(fed.feed(8, store) == KTHENA_OK);
  REQUIRE(fed.feed(9, again) == KTHENA_OK);
  // What the index holds already is stored again: the decoder, the stream and the C layer do their work, the index has nothing to add.
  const std::size_t before = allocations();
  bool fine = true;
  for (std::uint64_t i = 10; i < 20; ++i) fine = fine && fed.feed(i, i % 2 == 0 ? store : again) == KTHENA_OK;
  CHECK(allocations() == before);
  CHECK(fine);
}
