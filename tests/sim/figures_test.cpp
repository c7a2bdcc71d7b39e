// The figures of docs/simulator.md that claim nothing: hidden, for they are tables to read. kthena_sim_tests "[figures]"
#include <cstdio>
#include <string>

#include "catch.hpp"
#include "kthena/route/presets.hpp"
#include "kthena/sim.hpp"
#include "sim/seeds.hpp"
#include "support/trace_data.hpp"

using namespace kthena;

namespace {

constexpr std::string_view kLeastRequest = "kthena-2025-09/least-request";
constexpr std::string_view kKv = "kthena-2025-09/least-request+kv";

std::string cell(const char* format, double value) {
  char text[40];
  std::snprintf(text, sizeof text, format, value);
  return std::string(" | ") + text;
}

}  // namespace

TEST_CASE("figures: age of metrics, gsp-long", "[.][figures]") {
  std::string rps = "least request: req/s";
  std::string ttft = "least request: TTFT s";
  for (const double age_s : {0.02, 0.1, 0.25, 0.5, 1.0, 2.0, 2.7, 3.0}) {
    const seeds::Mean mean = seeds::mean_of([&](std::uint64_t seed) {
      sim::Scenario scenario = seeds::published("gsp-long", kLeastRequest, seed);
      scenario.poll_interval_ns = from_seconds(age_s);
      return scenario;
    });
    rps += cell("%.1f", mean.rps);
    ttft += cell("%.1f", mean.ttft_s);
  }
  const seeds::Mean random =
      seeds::mean_of([](std::uint64_t seed) { return seeds::published("gsp-long", "random", seed); });
  WARN(rps << "\n" << ttft << "\nrandom, at any age:" << cell("%.1f", random.rps) << cell("%.1f", random.ttft_s));
}

TEST_CASE("figures: KV memory, gsp-long", "[.][figures]") {
  std::string table;
  for (const std::string_view policy : {kKv, std::string_view("random")}) {
    table += std::string(policy) + ": req/s";
    for (const std::uint64_t tokens : {273'500, 410'250, 547'000, 820'500, 1'094'000}) {
      const seeds::Mean mean = seeds::mean_of([&](std::uint64_t seed) {
        sim::Scenario scenario = seeds::published("gsp-long", policy, seed);
        scenario.engine.kv_capacity_tokens = tokens;
        return scenario;
      });
      table += cell("%.1f", mean.rps);
    }
    table += "\n";
  }
  WARN(table);
}

TEST_CASE("figures: block size, Mooncake's conversation trace", "[.][figures][data]") {
  const auto text = test::trace_data("mooncake_conversation.csv");
  if (!text) {
    WARN(test::skipped_without("mooncake_conversation.csv"));
    return;
  }
  std::string table = "block, hit %, TTFT s\n";
  for (const std::uint32_t block : {32u, 128u, 512u}) {
    const seeds::Mean mean = seeds::mean_of([&](std::uint64_t seed) {
      sim::Scenario scenario;
      scenario.workload = sim::parse_trace(*text).value();
      sim::spread_ticks(scenario.workload, 3 * kSecond, seed);
      scenario.replicas = 8;
      scenario.engine = sim::engine_model("llama3-8b@a100").value();
      scenario.engine.block_tokens = block;
      scenario.policy = route::preset(kKv).value();
      scenario.prefix_source =
          sim::PrefixSource::kExact;  // Kthena's 128 blocks would be another prompt length for each size
      scenario.seed = seed;
      return scenario;
    });
    table += std::to_string(block) + cell("%.1f", 100 * mean.hit_ratio) + cell("%.2f", mean.ttft_s) + "\n";
  }
  WARN(table);
}
