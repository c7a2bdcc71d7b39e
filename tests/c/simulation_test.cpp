// tests/c/simulation_test.cpp
#include <algorithm>
#include <nlohmann/json.hpp>

#include "fixture.hpp"
#include "vectors.hpp"

using namespace kthena::test;

namespace {

constexpr std::string_view kScenario =
    R"({"workload": "gsp-short", "policy": "kthena-default", "replicas": 2, "request_limit": 60, "runs": 1,
        "client": {"concurrency": 8}})";

Simulation make(std::string_view scenario, std::string_view trace = "") {
  kthena_simulation* made = nullptr;
  Error error;
  const kthena_status status = kthena_simulation_create(str(scenario), str(trace), &made, &error);
  INFO(error.text());
  REQUIRE(status == KTHENA_OK);
  return Simulation(made);
}

/// How often advance was called until the end.
int run(const Simulation& simulation, std::uint64_t max_events) {
  int calls = 0;
  for (std::uint8_t done = 0; done == 0; ++calls)
    REQUIRE(kthena_simulation_advance(simulation.get(), max_events, &done, nullptr) == KTHENA_OK);
  return calls;
}

std::string report(const Simulation& simulation) {
  return text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
    return kthena_simulation_report_json(simulation.get(), buffer, capacity, needed, nullptr);
  });
}

std::string csv(const Simulation& simulation) {
  return text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
    return kthena_simulation_requests_csv(simulation.get(), buffer, capacity, needed, nullptr);
  });
}

}  // namespace

TEST_CASE("a simulation runs to its report, however its events are cut up", "[c][simulation]") {
  const Simulation simulation = make(kScenario);
  std::uint64_t ended = 99;
  std::uint64_t total = 0;
  kthena_simulation_progress(simulation.get(), &ended, &total);
  CHECK(ended == 0);
  CHECK(total == 60);

  std::size_t needed = 42;
  Error error;
  CHECK(kthena_simulation_report_json(simulation.get(), nullptr, 0, &needed, &error) == KTHENA_FAILED_PRECONDITION);
  CHECK(error.text() == "simulation: has not come to its end");
  CHECK(kthena_simulation_requests_csv(simulation.get(), nullptr, 0, &needed, &error) == KTHENA_FAILED_PRECONDITION);
  CHECK(needed == 42);

  CHECK(run(simulation, 100) > 1);
  kthena_simulation_progress(simulation.get(), &ended, nullptr);
  CHECK(ended == 60);
  const std::string text = report(simulation);
  CHECK(nlohmann::json::parse(text)["policy"] == "kthena-default");
  const std::string rows = csv(simulation);
  CHECK(std::count(rows.begin(), rows.end(), '\n') == 61);
  CHECK(rows.rfind("run,request,endpoint,", 0) == 0);

  const Simulation again = make(kScenario);
  CHECK(run(again, UINT64_MAX) == 1);
  CHECK(report(again) == text);
  CHECK(csv(again) == rows);
  std::uint8_t done = 0;
  CHECK(kthena_simulation_advance(again.get(), 1, &done, nullptr) == KTHENA_OK);
  CHECK(done == 1);
}

TEST_CASE("a simulation of a trace that comes beside the scenario", "[c][simulation]") {
  const std::string_view scenario =
      R"({"workload": {"trace": {"format": "mooncake-jsonl"}}, "policy": "random", "replicas": 1})";
  const std::string trace = R"({"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [1, 2]})"
                            "\n"
                            R"({"timestamp": 100, "input_length": 700, "output_length": 6, "hash_ids": [1, 3]})"
                            "\n";
  const Simulation simulation = make(scenario, trace);
  run(simulation, 1000);
  const std::string rows = csv(simulation);
  CHECK(std::count(rows.begin(), rows.end(), '\n') == 3);

  kthena_simulation* broken = nullptr;
  Error error;
  CHECK(kthena_simulation_create(str(scenario), str(trace.substr(0, 100)), &broken, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text().find("line 2") != std::string::npos);
  CHECK(kthena_simulation_create(str(scenario), str(""), &broken, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(broken == nullptr);
}

TEST_CASE("a scenario with faults is refused with all of them", "[c][simulation]") {
  kthena_simulation* simulation = nullptr;
  Error error;
  CHECK(kthena_simulation_create(str(R"({"workload": "gsp-short", "policy": "nobody", "replicas": 0, "runs": -1})"),
                                 str(""), &simulation, &error) == KTHENA_INVALID_ARGUMENT);
  for (const char* path : {"policy", "replicas", "runs"}) CHECK(error.text().find(path) != std::string::npos);
  CHECK(kthena_simulation_create(str("{"), str(""), &simulation, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_simulation_create({nullptr, 1}, str(""), &simulation, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "scenario_json: data is NULL, but size is not 0");
  CHECK(kthena_simulation_create(str(kScenario), {nullptr, 1}, &simulation, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "trace: data is NULL, but size is not 0");
  CHECK(kthena_simulation_create(str(kScenario), str(""), nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "simulation: must not be NULL");
  CHECK(simulation == nullptr);

  std::uint8_t done = 7;
  std::size_t needed = 0;
  CHECK(kthena_simulation_advance(nullptr, 1, &done, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_simulation_report_json(nullptr, nullptr, 0, &needed, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_simulation_requests_csv(nullptr, nullptr, 0, &needed, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(done == 7);
  const Simulation made = make(kScenario);
  CHECK(kthena_simulation_advance(made.get(), 1, nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "done: must not be NULL");
}

TEST_CASE("vectors: the reports of simulated fleets, byte for byte, and scenarios that are refused",
          "[c][simulation][vectors]") {
  std::size_t reports = 0;
  std::size_t refused = 0;
  for (const nlohmann::ordered_json& each : cases_of("sim")) {
    INFO(each["name"]);
    const std::string scenario = each["scenario"].dump();
    const std::string trace = each.value("trace", "");
    if (each.contains("expect")) {
      ++reports;
      const Simulation simulation = make(scenario, trace);
      run(simulation, 1000);
      CHECK(report(simulation) == each["expect"].dump());
      continue;
    }
    ++refused;
    kthena_simulation* simulation = nullptr;
    Error error;
    REQUIRE(kthena_simulation_create(str(scenario), str(trace), &simulation, &error) == KTHENA_INVALID_ARGUMENT);
    std::string rest = "; " + error.text();
    for (const auto& fault : each["faults"]) {
      const std::string begin = "; " + fault.get<std::string>();
      INFO(begin << "\nin " << rest);
      REQUIRE(rest.rfind(begin, 0) == 0);
      const std::size_t next = rest.find("; ", begin.size());
      rest = next == std::string::npos ? "" : rest.substr(next);
    }
    INFO(error.text());
    CHECK(rest.empty());
  }
  CHECK(reports >= 5);
  CHECK(refused >= 10);
}
