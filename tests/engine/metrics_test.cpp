// Metrics pages of tests/vectors/engine/metrics.json, numbers, limits, memory, intervals.
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "engine/decimal.hpp"
#include "kthena/engine.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena;
using namespace kthena::engine;
using nlohmann::json;

namespace {

std::string read_file(const std::string& name) {
  std::ifstream stream(std::string(KTHENA_SOURCE_DIR) + "/tests/vectors/engine/" + name, std::ios::binary);
  REQUIRE(stream);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

const EngineProfile& vllm() { return *find_profile("vllm"); }

EngineSample parse(std::string_view text, const EngineProfile& profile = vllm(), Time sampled_ns = 0) {
  Result<EngineSample> sample = parse_metrics(profile, text, sampled_ns);
  INFO(sample.status().message());
  REQUIRE(sample.ok());
  return std::move(*sample);
}

/// Every signal: those named have that value, all others are missing.
void check_signals(const EngineReading& reading, const json& want, bool all) {
  std::set<std::string> known;
  for (std::size_t i = 0; i < kEngineSignalCount; ++i) {
    const std::string name(kEngineSignals[i].name);
    INFO(name);
    known.insert(name);
    if (want.contains(name)) {
      CHECK(reading.values[i] == want[name].get<double>());
    } else if (all) {
      CHECK(std::isnan(reading.values[i]));
    }
  }
  for (const auto& [name, value] : want.items()) CHECK(known.contains(name));
}

void check_histogram(const Histogram& histogram, const json& want) {
  REQUIRE(histogram.bounds.size() == want["bounds"].size());
  REQUIRE(histogram.cumulative.size() == want["bounds"].size());
  for (std::size_t i = 0; i < histogram.bounds.size(); ++i) {
    CHECK(histogram.bounds[i] ==
          (want["bounds"][i].is_null() ? std::numeric_limits<double>::infinity() : want["bounds"][i].get<double>()));
    CHECK(histogram.cumulative[i] == want["cumulative"][i].get<double>());
  }
  CHECK(histogram.count == want["count"].get<double>());
  if (want["sum"].is_null()) {
    CHECK(std::isnan(histogram.sum));
  } else {
    CHECK(histogram.sum == want["sum"].get<double>());
  }
}

bool same_reading(const EngineReading& a, const EngineReading& b) {
  for (std::size_t i = 0; i < kEngineSignalCount; ++i) {
    if (a.values[i] != b.values[i] && (is_reported(a.values[i]) || is_reported(b.values[i]))) return false;
  }
  for (std::size_t i = 0; i < kEngineLatencyCount; ++i) {
    const Histogram& x = a.latencies[i];
    const Histogram& y = b.latencies[i];
    if (x.bounds != y.bounds || x.cumulative != y.cumulative || x.count != y.count) return false;
    if (x.sum != y.sum && (x.sum == x.sum || y.sum == y.sum)) return false;
  }
  return a.has == b.has;
}

}  // namespace

TEST_CASE("golden pages", "[engine][vectors]") {
  const json document = json::parse(read_file("metrics.json"));
  for (const json& test : document["cases"]) {
    INFO(test["name"].get<std::string>());
    const std::string text = test.contains("file") ? read_file(test["file"]) : test["text"].get<std::string>();
    const EngineProfile* profile = find_profile(test["profile"].get<std::string>());
    REQUIRE(profile != nullptr);
    MetricsOptions options;
    options.model = test["model"];
    MetricsParser parser = MetricsParser::create(*profile, options).value();
    EngineSample sample;
    const Status status = parser.parse(text, 12345, sample);
    INFO(status.message());
    REQUIRE(status.ok());
    const json& want = test["expect"];
    CHECK(sample.sampled_ns == 12345);
    check_signals(sample.engine, want["signals"], true);
    if (want.contains("ranks")) {
      REQUIRE(sample.ranks.size() == want["ranks"].size());
      for (std::size_t i = 0; i < sample.ranks.size(); ++i) {
        if (i > 0) CHECK(sample.ranks[i - 1].rank < sample.ranks[i].rank);
        check_signals(sample.ranks[i].reading, want["ranks"][std::to_string(sample.ranks[i].rank)], false);
      }
    }
    for (std::size_t i = 0; i < kEngineLatencyCount; ++i) {
      const std::string name(kEngineLatencies[i]);
      INFO(name);
      const bool expected = want.contains("latencies") && want["latencies"].contains(name);
      REQUIRE(sample.engine.has[i] == expected);
      if (expected) check_histogram(sample.engine.latencies[i], want["latencies"][name]);
    }
    CHECK(sample.adapters.reported == want.contains("adapters"));
    if (want.contains("adapters")) {
      CHECK(sample.adapters.maximum == want["adapters"]["maximum"].get<double>());
      CHECK(sample.adapters.running == want["adapters"]["running"].get<std::vector<std::string>>());
      CHECK(sample.adapters.waiting == want["adapters"]["waiting"].get<std::vector<std::string>>());
    }
    CHECK(sample.models == want.value("models", std::vector<std::string>{}));
    const MetricsCounts& counts = parser.counts();
    const json expected = want.value("counts", json::object());
    CHECK(counts.broken == expected.value("broken", std::uint64_t{0}));
    CHECK(counts.unusable == expected.value("unusable", std::uint64_t{0}));
    CHECK(counts.other_models == expected.value("other_models", std::uint64_t{0}));
    CHECK(counts.over_limits == 0);
    if (expected.contains("used")) CHECK(counts.used == expected["used"]);
    if (expected.contains("other")) CHECK(counts.other == expected["other"]);
    CHECK(counts.lines == counts.used + counts.other + counts.broken + counts.unusable + counts.other_models);

    // Whatever was read before leaves no trace.
    EngineSample again;
    REQUIRE(parser.parse(read_file("vllm_busy.txt"), 1, again).ok());
    REQUIRE(parser.parse(text, 12345, again).ok());
    CHECK(same_reading(again.engine, sample.engine));
    CHECK(again.ranks.size() == sample.ranks.size());
    CHECK(again.models == sample.models);
    CHECK(again.adapters.running == sample.adapters.running);
  }
}

TEST_CASE("numbers are those of strtod", "[engine][property]") {
  std::mt19937_64 random(9);
  const auto same = [](const std::string& text) {
    INFO(text);
    const engine::detail::Decimal number = engine::detail::read_decimal(text.data(), text.data() + text.size());
    REQUIRE(number.end == text.data() + text.size());
    REQUIRE(number.value == std::strtod(text.c_str(), nullptr));
  };
  for (int i = 0; i < 200000; ++i) {
    std::string text = std::to_string(random() >> (random() % 64));
    if (random() % 2 != 0) {
      text.insert(random() % (text.size() + 1), 1, '.');
      if (text == ".") continue;
    }
    if (random() % 3 == 0)
      text += (random() % 2 != 0 ? "e" : "E") + std::to_string(static_cast<int>(random() % 60) - 30);
    if (random() % 4 == 0) text.insert(0, 1, random() % 2 != 0 ? '-' : '+');
    same(text);
  }
  char text[64];
  for (int i = 0; i < 200000; ++i) {  // doubles in their shortest form
    const double value = std::ldexp(static_cast<double>(random() >> 11), static_cast<int>(random() % 120) - 80);
    const auto written = std::to_chars(text, text + sizeof text, value);
    same(std::string(text, written.ptr));
  }
}

TEST_CASE("a text that is no page is refused and changes nothing", "[engine]") {
  MetricsParser parser = MetricsParser::create(vllm()).value();
  EngineSample sample;
  REQUIRE(parser.parse("vllm:num_requests_running 3\n", 5, sample).ok());
  for (const char* text : {"", "\n\n", "<html>\n<body>\n", "{\"error\": \"not found\"}", "\x01\x02\x03"}) {
    const Status status = parser.parse(text, 6, sample);
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(sample.sampled_ns == 5);
    CHECK(sample.engine[EngineSignal::kRunning] == 3);
    CHECK(parser.counts().used == 1);
  }
  MetricsOptions options;
  options.max_bytes = 10;
  CHECK(parse_metrics(vllm(), "vllm:num_requests_running 3", 0, options).status().code() ==
        StatusCode::kResourceExhausted);
}

TEST_CASE("options and profiles that cannot be", "[engine]") {
  MetricsOptions options;
  options.max_bytes = 0;
  options.max_ranks = 0;
  CHECK(MetricsParser::create(vllm(), options).status().message() ==
        "max_bytes: 0 is not in 1..2147483648; max_ranks: 0 is not in 1..65536");
  const SignalSource signals[] = {{EngineSignal::kRunning, ""}, {static_cast<EngineSignal>(99), "x"}};
  const LatencySource latencies[] = {{EngineLatency::kTtft, "", 0}};
  EngineProfile profile;
  profile.signals = signals;
  profile.latencies = latencies;
  CHECK(MetricsParser::create(profile).status().message() ==
        "signals[0].metric: is empty; signals[1].signal: 99 is not a signal; latencies[0].metric: is empty; "
        "latencies[0].unit_s: is "
        "not a positive number");
}

TEST_CASE("a profile of one's own", "[engine]") {
  const SignalSource signals[] = {{EngineSignal::kRunning, "mine_running"}};
  const LatencySource latencies[] = {{EngineLatency::kTtft, "mine_ttft_ms", 0.001}};
  EngineProfile profile;
  profile.signals = signals;
  profile.latencies = latencies;
  const EngineSample sample = parse(
      "mine_running 3\nmine_ttft_ms_bucket{le=\"250\"} 1\nmine_ttft_ms_bucket{le=\"+Inf\"} 2\nmine_ttft_ms_sum 500\n",
      profile);
  CHECK(sample.engine[EngineSignal::kRunning] == 3);
  const Histogram* ttft = sample.engine.find(EngineLatency::kTtft);
  REQUIRE(ttft != nullptr);
  CHECK(ttft->bounds[0] == 0.25);
  CHECK(ttft->sum == 0.5);
}

TEST_CASE("profiles have names of their own and are found", "[engine]") {
  std::set<std::string_view> names;
  for (const EngineProfile& profile : profiles()) {
    CHECK(names.insert(profile.name).second);
    CHECK(find_profile(profile.name) == &profile);
    CHECK(MetricsParser::create(profile).ok());
  }
  CHECK(names == std::set<std::string_view>{"vllm", "vllm-v0", "sglang", "tgi", "trtllm-serve", "triton-trtllm",
                                            "llama.cpp", "llmd-sim", "kthena"});
  CHECK(find_profile("VLLM") == nullptr);
}

TEST_CASE("limits of ranks, buckets and models", "[engine]") {
  std::string text;
  for (int i = 0; i < 10; ++i) text += "vllm:num_requests_running{engine=\"" + std::to_string(i) + "\"} 1\n";
  for (int i = 0; i < 300; ++i)
    text += "vllm:time_to_first_token_seconds_bucket{engine=\"0\",le=\"" + std::to_string(i) + "\"} 1\n";
  for (int i = 0; i < 300; ++i)
    text += "vllm:num_requests_waiting{engine=\"0\",model_name=\"" + std::to_string(i) + "\"} 1\n";
  MetricsOptions options;
  options.max_ranks = 4;
  MetricsParser parser = MetricsParser::create(vllm(), options).value();
  EngineSample sample;
  REQUIRE(parser.parse(text, 0, sample).ok());
  CHECK(sample.ranks.size() == 4);
  CHECK(sample.engine[EngineSignal::kRunning] == 4);
  CHECK(sample.engine.find(EngineLatency::kTtft)->bounds.size() == MetricsParser::kMaxBuckets);
  CHECK(sample.models.size() == 256);
  CHECK(parser.counts().over_limits == 6 + 44 + 44);
}

TEST_CASE("a page cut or altered anywhere never fails worse than by a count", "[engine][property]") {
  const std::string busy = read_file("vllm_busy.txt");
  MetricsParser parser = MetricsParser::create(vllm()).value();
  EngineSample sample;
  for (std::size_t size = 1; size < busy.size(); size += 97) {
    const std::vector<char> cut(busy.begin(), busy.begin() + static_cast<std::ptrdiff_t>(size));  // no byte behind it
    REQUIRE(parser.parse({cut.data(), cut.size()}, 0, sample).ok());
    REQUIRE(parser.counts().broken <= 1);
  }
  std::mt19937_64 random(2);
  for (int round = 0; round < 300; ++round) {
    std::string altered = busy;
    for (int i = 0; i < 200; ++i) altered[random() % altered.size()] = static_cast<char>(random());
    REQUIRE(parser.parse(altered, 0, sample).ok());
    const MetricsCounts& counts = parser.counts();
    REQUIRE(counts.lines >= counts.used + counts.other + counts.broken + counts.unusable);
    for (const double value : sample.engine.values) REQUIRE((std::isnan(value) || (value >= 0 && value <= 1e20)));
    for (const Histogram& histogram : sample.engine.latencies) {
      REQUIRE(std::is_sorted(histogram.bounds.begin(), histogram.bounds.end()));
      REQUIRE(std::is_sorted(histogram.cumulative.begin(), histogram.cumulative.end()));
    }
  }
}

TEST_CASE("a grown parser and sample allocate nothing", "[engine]") {
  std::string text = read_file("vllm_busy.txt");
  text += "vllm:num_requests_running{engine=\"1\",model_name=\"second\"} 5\n";  // two ranks, two models
  MetricsParser parser = MetricsParser::create(vllm()).value();
  EngineSample sample;
  for (int i = 0; i < 2; ++i) REQUIRE(parser.parse(text, 0, sample).ok());
  const std::size_t before = test::allocations();
  for (int i = 0; i < 5; ++i) REQUIRE(parser.parse(text, 0, sample).ok());
  CHECK(test::allocations() == before);
  CHECK(sample.ranks.size() == 2);
}

TEST_CASE("between two scrapes", "[engine]") {
  const auto page = [](double prompt, const std::string& ttft, double sum, double count) {
    std::string text = "vllm:num_requests_running 1\nvllm:prompt_tokens_total " + std::to_string(prompt) + "\n";
    std::istringstream counts(ttft);
    for (const char* le : {"0.1", "0.5", "1.0", "+Inf"}) {
      std::string value;
      counts >> value;
      text += std::string("vllm:time_to_first_token_seconds_bucket{le=\"") + le + "\"} " + value + "\n";
    }
    return text + "vllm:time_to_first_token_seconds_sum " + std::to_string(sum) +
           "\nvllm:time_to_first_token_seconds_count " + std::to_string(count) + "\n";
  };
  const EngineSample first = parse(page(100, "1 5 8 10", 6, 10), vllm(), 1 * kSecond);
  SECTION("growth") {
    const EngineInterval between = interval(first, parse(page(350, "1 9 14 20", 15, 20), vllm(), 11 * kSecond));
    CHECK_FALSE(between.restarted);
    CHECK(between.elapsed_ns == 10 * kSecond);
    CHECK(between[EngineSignal::kPromptTokens] == 250);
    CHECK(between.rate(EngineSignal::kPromptTokens) == 25);
    CHECK(std::isnan(between[EngineSignal::kRunning]));
    CHECK(std::isnan(between[EngineSignal::kGenerationTokens]));
    const Histogram& ttft = between[EngineLatency::kTtft];
    CHECK(ttft.cumulative == std::vector<double>{0, 4, 6, 10});
    CHECK(ttft.mean() == 0.9);
    CHECK(quantile(ttft, 0.2) == Approx(0.1 + 0.4 * 0.5));
    CHECK(quantile(ttft, 0.5) == Approx(0.75));
    CHECK(quantile(ttft, 0.99) == 1.0);
    CHECK_FALSE(between.has[static_cast<std::size_t>(EngineLatency::kE2e)]);
  }
  SECTION("nothing happened") {
    const EngineInterval between = interval(first, first);
    CHECK(between[EngineSignal::kPromptTokens] == 0);
    CHECK(std::isnan(between.rate(EngineSignal::kPromptTokens)));
    CHECK(between[EngineLatency::kTtft].count == 0);
    CHECK(std::isnan(between[EngineLatency::kTtft].mean()));
    CHECK(std::isnan(quantile(between[EngineLatency::kTtft], 0.5)));
  }
  SECTION("a counter fell") {
    const EngineInterval between = interval(first, parse(page(40, "1 9 14 20", 15, 20)));
    CHECK(between.restarted);
    CHECK(between[EngineSignal::kPromptTokens] == 40);
    CHECK(between[EngineLatency::kTtft].count == 10);
  }
  SECTION("the count fell") {
    const EngineInterval between = interval(first, parse(page(100, "1 2 3 4", 7, 4)));
    CHECK(between.restarted);
    CHECK(between[EngineLatency::kTtft].cumulative == std::vector<double>{1, 2, 3, 4});
    CHECK(between[EngineLatency::kTtft].sum == 7);
  }
  SECTION("the sum fell though the count did not") {
    CHECK(interval(first, parse(page(100, "1 9 14 20", 5, 20)))[EngineLatency::kTtft].count == 20);
  }
  SECTION("a bucket fell though count and sum did not") {
    CHECK(interval(first, parse(page(100, "0 9 14 20", 7, 20)))[EngineLatency::kTtft].count == 20);
  }
  SECTION("other bounds") {
    EngineSample other = first;
    other.ranks[0].reading.latencies[0].bounds[0] = 0.2;
    CHECK(interval(first, other).restarted);
    CHECK(interval(first, other)[EngineLatency::kTtft].count == 10);
  }
  SECTION("what was not there before counts from zero") {
    const EngineInterval between = interval(EngineSample{}, first);
    CHECK_FALSE(between.restarted);
    CHECK(between.elapsed_ns == 0);
    CHECK(between[EngineSignal::kPromptTokens] == 100);
    CHECK(between[EngineLatency::kTtft].count == 10);
  }
}

TEST_CASE("a rank that restarts does not hide behind the others", "[engine]") {
  const auto page = [](int a, int b) {
    return "vllm:prompt_tokens_total{engine=\"0\"} " + std::to_string(a) + "\nvllm:prompt_tokens_total{engine=\"1\"} " +
           std::to_string(b) + "\n";
  };
  // The sum grows from 300 to 520, but rank 1 has counted 20 since its restart.
  const EngineInterval between = interval(parse(page(100, 200)), parse(page(500, 20)));
  CHECK(between.restarted);
  CHECK(between[EngineSignal::kPromptTokens] == 420);
  // A rank that is gone adds nothing, one that is new all.
  CHECK(interval(parse(page(100, 200)),
                 parse("vllm:prompt_tokens_total{engine=\"1\"} 205\nvllm:prompt_tokens_total{engine=\"2\"} 3\n"))
            [EngineSignal::kPromptTokens] == 8);
}

TEST_CASE("quantiles at the edges", "[engine]") {
  Histogram histogram{{1, 2, 4, std::numeric_limits<double>::infinity()}, {2, 2, 6, 8}, 8, 20};
  CHECK(quantile(histogram, 0) == 0);
  CHECK(quantile(histogram, 0.125) == 0.5);
  CHECK(quantile(histogram, 0.25) == 1);
  CHECK(quantile(histogram, 0.5) == 3);
  CHECK(quantile(histogram, 0.75) == 4);
  CHECK(quantile(histogram, 1) == 4);
  CHECK(std::isnan(quantile(histogram, -0.1)));
  CHECK(std::isnan(quantile(histogram, 1.1)));
  CHECK(std::isnan(quantile(histogram, std::nan(""))));
  CHECK(std::isnan(quantile(Histogram{{std::numeric_limits<double>::infinity()}, {8}, 8, 20}, 0.5)));
  CHECK(std::isnan(quantile(Histogram{}, 0.5)));
  CHECK(quantile(Histogram{{0, 1}, {4, 8}, 8, 2}, 0.25) == 0);
  CHECK(quantile(Histogram{{-1, 1}, {4, 8}, 8, 2}, 0.75) == 0);
}
