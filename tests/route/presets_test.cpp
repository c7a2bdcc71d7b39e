#include "kthena/route/presets.hpp"

#include "support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

TEST_CASE("every preset builds and has its own name", "[route][presets]") {
  const std::vector<std::string_view> names(preset_names().begin(), preset_names().end());
  CHECK(names == std::vector<std::string_view>{"cost",
                                               "random",
                                               "round-robin",
                                               "kthena-default",
                                               "kthena-helm",
                                               "kthena-2025-09/least-request",
                                               "kthena-2025-09/gpu-usage",
                                               "kthena-2025-09/least-latency",
                                               "kthena-2025-09/least-request+prefix",
                                               "kthena-2025-09/least-request+kv",
                                               "least-request",
                                               "least-request+history",
                                               "least-request+kv",
                                               "p2c",
                                               "llmd-default",
                                               "aibrix-prefix",
                                               "smg-least-load",
                                               "smg-cache-aware",
                                               "dynamo-kv",
                                               "lmetric",
                                               "preble",
                                               "prequal"});
  for (const std::string_view name : names) {
    INFO(name);
    const auto spec = preset(name);
    REQUIRE(spec.ok());
    CHECK(spec->name == name);
    CHECK(spec->ranked_limit == 5);  // topN of Kthena
    CHECK(Policy::create(*spec).ok());
  }
}

TEST_CASE("every preset decides for a fleet of which nothing is known", "[route][presets]") {
  const PoolSnapshot pool = plain_pool(7);
  for (const std::string_view name : preset_names()) {
    INFO(name);
    Workspace workspace;
    const Decision decision = preset_policy(name).decide(pool, asking("request"), workspace);
    CHECK(decision.outcome == Outcome::kRouted);
    CHECK(decision.ranked_count == 5);
  }
}

TEST_CASE("presets hold the parts of what they stand for", "[route][presets]") {
  const auto parts = [](std::string_view name) {
    const PolicySpec spec = preset(name).value();
    std::string text;
    for (const PartSpec& part : spec.filters) text += part.name + " ";
    text += "|";
    for (const PartSpec& part : spec.scorers) {
      CHECK(part.weight == 1);
      text += " " + part.name;
    }
    return text + " | " + spec.picker.name;
  };
  CHECK(parts("kthena-default") == "least-request | least-request least-latency prefix-cache | best-score");
  CHECK(parts("kthena-helm") == "least-request | least-request least-latency prefix-cache gpu-usage | best-score");
  CHECK(parts("kthena-2025-09/least-request") == "| least-request-2025-09 | best-score");
  CHECK(parts("kthena-2025-09/gpu-usage") == "| gpu-usage | best-score");
  CHECK(parts("kthena-2025-09/least-latency") == "| least-latency | best-score");
  CHECK(parts("kthena-2025-09/least-request+prefix") == "| least-request-2025-09 prefix-cache | best-score");
  CHECK(parts("kthena-2025-09/least-request+kv") == "| least-request-2025-09 kvcache-aware | best-score");
  CHECK(parts("least-request") == "| active-request | best-score");
  CHECK(parts("p2c") == "| active-request | power-of-k");
  CHECK(parts("aibrix-prefix") == "imbalanced | active-request | best-score");
  CHECK(parts("smg-cache-aware") == "imbalanced | active-request | best-score");
  CHECK(preset("aibrix-prefix")->otherwise.size() == 2);
  CHECK(preset("smg-cache-aware")->otherwise.size() == 2);
  CHECK(parts("random") == "| random | best-score");
  CHECK(parts("round-robin") == "| | round-robin");
}

TEST_CASE("an unknown preset is refused with the names that exist", "[route][presets]") {
  const auto spec = preset("cheapest");
  REQUIRE(!spec.ok());
  CHECK(spec.status().code() == StatusCode::kNotFound);
  for (const std::string_view name : preset_names())
    CHECK(spec.status().message().find(std::string(name)) != std::string::npos);
  CHECK(!preset("").ok());
  CHECK(!preset("Random").ok());
}
