// LoRA adapters in an engine: who may run, what is loaded, what is shared. Whole runs are compared with a naive fleet in
// reference_test.cpp.
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "kthena/manifest/scenario.hpp"
#include "kthena/route/presets.hpp"
#include "kthena/sim.hpp"

using namespace kthena;

namespace {

constexpr std::uint32_t kBase = sim::kNoAdapter;

struct Asked {
  Time at;
  std::uint32_t adapter;
  std::uint32_t output_tokens;
};

/// One engine with steps of 10 ms; all prompts are the same 100 tokens.
sim::Simulation run(const std::vector<Asked>& requests, std::uint32_t max_adapters, double load_s) {
  sim::Scenario scenario;
  sim::Workload& w = scenario.workload;
  w.name = "by hand";
  for (const Asked& asked : requests) {
    w.arrival_ns.push_back(asked.at);
    w.adapter_ids.push_back(asked.adapter);
    w.prompt_tokens.push_back(100);
    w.output_tokens.push_back(asked.output_tokens);
    w.segment_ids.push_back(1);
    w.segment_tokens.push_back(100);
    w.segment_offsets.push_back(static_cast<std::uint32_t>(w.segment_ids.size()));
  }
  scenario.policy = route::preset("random").value();
  scenario.replicas = 1;
  scenario.engine = sim::slot_server(8, 0.010);
  scenario.engine.block_tokens = 10;
  scenario.engine.kv_capacity_tokens = 100'000;
  scenario.engine.max_adapters = max_adapters;
  scenario.engine.adapter_load_s = load_s;
  auto simulation = sim::Simulation::create(scenario);
  REQUIRE(simulation.status() == Status());
  while (!simulation->done()) simulation->advance(1000);
  return std::move(simulation).value();
}

std::vector<Time> admitted_ms(const sim::Simulation& simulation) {
  std::vector<Time> out;
  for (const Time at : simulation.rows().admitted_ns) out.push_back(at / kMillisecond);
  return out;
}

using Times = std::vector<Time>;

}  // namespace

TEST_CASE("an adapter beyond the limit waits, and those behind it pass", "[sim][adapters]") {
  const std::vector<Asked> requests = {
      {0, 0, 10}, {kMillisecond, 1, 1}, {kMillisecond, 0, 1}, {kMillisecond, kBase, 1}, {kMillisecond, 2, 1}};
  CHECK(admitted_ms(run(requests, 0, 0)) == Times{0, 10, 10, 10, 10});
  CHECK(admitted_ms(run(requests, 3, 0)) == Times{0, 10, 10, 10, 10});
  CHECK(admitted_ms(run(requests, 2, 0)) == Times{0, 10, 10, 10, 20});
  // Adapter 0 runs in ten steps; then 1, then 2, in the order they came.
  CHECK(admitted_ms(run(requests, 1, 0)) == Times{0, 100, 10, 10, 110});
}

TEST_CASE("an adapter is loaded unless it is among those used last", "[sim][adapters]") {
  std::vector<Asked> requests;
  for (const std::uint32_t adapter : {0u, 1u, 0u, 2u, 0u, 1u})
    requests.push_back({static_cast<Time>(requests.size()) * kSecond, adapter, 1});
  const auto took_ms = [&](std::uint32_t max_adapters) {
    const sim::RequestRows rows = run(requests, max_adapters, 0.5).rows();
    Times out;
    for (std::size_t i = 0; i < requests.size(); ++i)
      out.push_back((rows.end_ns[i] - rows.arrival_ns[i]) / kMillisecond);
    return out;
  };
  CHECK(took_ms(0) == Times{510, 510, 10, 510, 10, 10});
  CHECK(took_ms(3) == Times{510, 510, 10, 510, 10, 10});
  CHECK(took_ms(2) == Times{510, 510, 10, 510, 10, 510});  // 2 takes the place of 1, then 1 that of 2
  CHECK(took_ms(1) == Times{510, 510, 510, 510, 510, 510});
  CHECK(run(requests, 2, 0.5).report().engines[0].adapter_loads == 4);
}

TEST_CASE("blocks of different adapters never match", "[sim][adapters]") {
  const std::vector<Asked> requests = {{0, 0, 1},           {kSecond, 0, 1},         {2 * kSecond, 1, 1},
                                       {3 * kSecond, 1, 1}, {4 * kSecond, kBase, 1}, {5 * kSecond, kBase, 1}};
  CHECK(run(requests, 0, 0).rows().hit_tokens == std::vector<std::uint32_t>{0, 90, 0, 90, 0, 90});
}

TEST_CASE("adapters in documents", "[sim][adapters]") {
  const auto report = manifest::simulate_document(R"({
    "workload": {"poisson": {"requests": 50, "prompt_tokens": 100, "output_tokens": 10, "rate_rps": 5, "adapters": 6, "adapter_zipf_s": 1}},
    "policy": "random", "engine": {"max_adapters": 2, "adapter_load_s": 0.25}})");
  REQUIRE(report.status() == Status());
  CHECK(report->find(R"("max_running":256,"max_adapters":2,"adapter_load_s":0.25})") != std::string::npos);
  CHECK(report->find(R"("adapter_loads":)") != std::string::npos);
  const auto refused = manifest::parse_scenario(R"({"workload": {"poisson": {"adapters": 65537, "adapter_zipf_s": -1}},
    "policy": "random", "engine": {"max_adapters": 65537, "adapter_load_s": 101}})");
  CHECK(refused.status().message() ==
        "workload.poisson: adapters: 65537 is not in 0..65536; adapter_zipf_s: -1.000000 is not in 0..10; "
        "engine.max_adapters: not in 0..65536; engine.adapter_load_s: not in 0..100.000000");
}
