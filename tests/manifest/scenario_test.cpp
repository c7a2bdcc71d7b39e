// Scenarios as documents: the vectors, defaults, the CSV.
#include "kthena/manifest/scenario.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "catch.hpp"

using namespace kthena;
using Json = nlohmann::ordered_json;

namespace {

const std::string kVectors = KTHENA_SOURCE_DIR "/tests/vectors/sim/";

Json read(const std::string& name) {
  std::ifstream file(kVectors + name);
  REQUIRE(file);
  return Json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
}

std::string fault_of(const std::string& json, const std::string& trace = {}) {
  const auto result = manifest::parse_scenario(json, trace);
  REQUIRE(!result.ok());
  return result.status().message();
}

}  // namespace

TEST_CASE("reports of simulated fleets are the stored bytes", "[manifest][sim][vectors]") {
  const Json file = read("reports.json");
  REQUIRE(file["cases"].size() >= 5);
  for (const Json& c : file["cases"]) {
    INFO(c["name"].get<std::string>());
    const auto report = manifest::simulate_document(c["scenario"].dump(), c.value("trace", ""));
    REQUIRE(report.status() == Status());
    CHECK(*report == c["expect"].dump());
  }
}

TEST_CASE("scenarios with faults are refused with all of them", "[manifest][sim][vectors]") {
  const Json file = read("refused.json");
  REQUIRE(file["cases"].size() >= 10);
  for (const Json& c : file["cases"]) {
    INFO(c["name"].get<std::string>());
    const auto report = manifest::simulate_document(c["scenario"].dump(), c.value("trace", ""));
    REQUIRE(!report.ok());
    CHECK(report.status().code() == StatusCode::kInvalidArgument);
    std::string rest = report.status().message();
    for (std::size_t i = 0; i < c["faults"].size(); ++i) {
      const auto fault = c["faults"][i].get<std::string>();
      INFO(rest);
      REQUIRE(rest.starts_with(fault));
      const std::size_t next = rest.find("; ", fault.size());
      REQUIRE((next == std::string::npos) == (i + 1 == c["faults"].size()));
      rest = next == std::string::npos ? "" : rest.substr(next + 2);
    }
  }
}

TEST_CASE("store the reports again", "[.][write-sim-vectors]") {
  Json file = read("reports.json");
  for (Json& c : file["cases"]) {
    const auto report = manifest::simulate_document(c["scenario"].dump(), c.value("trace", ""));
    REQUIRE(report.status() == Status());
    c["expect"] = Json::parse(*report);
  }
  std::ofstream out(kVectors + "reports.json");
  out << "{\"source\":" << file["source"].dump() << ",\n\"cases\":[\n";
  for (std::size_t i = 0; i < file["cases"].size(); ++i)
    out << file["cases"][i].dump() << (i + 1 < file["cases"].size() ? ",\n" : "\n]}\n");
}

TEST_CASE("a scenario's defaults depend on what is replayed", "[manifest][sim]") {
  const auto named = manifest::parse_scenario(R"({"workload": "gsp-short", "policy": "random", "seed": 7})");
  REQUIRE(named.status() == Status());
  CHECK(named->workload.name == "gsp-short");
  CHECK(named->workload.size() == 8192);
  CHECK(named->client.concurrency == 300);
  CHECK(named->client.speed == 1);
  CHECK(named->poll_interval_ns == 2700 * kMillisecond);
  CHECK(named->runs == 3);
  CHECK(named->replicas == 3);
  CHECK(named->policy.name == "random");
  CHECK(named->seed == 7);
  CHECK(named->workload.arrival_ns == sim::named_workload("gsp-short", 7)->arrival_ns);
  CHECK(named->workload.arrival_ns != sim::named_workload("gsp-short", 1)->arrival_ns);

  const std::string trace = "arrival_ms,input_tokens,output_tokens\n0,10,10\n5,10,10\n";
  const auto open =
      manifest::parse_scenario(R"({"workload": {"trace": {"name": "azure"}}, "policy": "random"})", trace);
  REQUIRE(open.status() == Status());
  CHECK(open->workload.name == "azure");
  CHECK(open->client.concurrency == 0);
  CHECK(open->client.speed == 1);
  CHECK(open->poll_interval_ns == kSecond);
  CHECK(open->runs == 1);
  const auto closed = manifest::parse_scenario(
      R"({"workload": {"trace": {}}, "policy": "random", "client": {"concurrency": 4}, "engine": {"base": "llama3-8b@a100", "t0_s": 1}})",
      trace);
  REQUIRE(closed.status() == Status());
  CHECK(closed->client.speed == 0);
  CHECK(closed->engine.t0_s == 1);
  CHECK(closed->engine.t_mem_s == sim::engine_model("llama3-8b@a100")->t_mem_s);
  CHECK(closed->engine.name == "llama3-8b@a100+changes");
}

TEST_CASE("faults of scenario and trace are listed together", "[manifest][sim]") {
  const std::string message = fault_of(R"({"workload": {"trace": {}}, "policy": "best", "runs": 0, "extra": 1})",
                                       "arrival_ms,input_tokens,output_tokens\n0,10\n1,1,-1\n");
  CHECK(message.starts_with(
      "extra: unknown member; line 2: not 3 fields; line 3: output tokens \"-1\" is negative; policy: there is "
      "no preset \"best\""));
  CHECK(message.ends_with("; runs: must be within 1..1000"));
  CHECK(fault_of("{").starts_with("document"));
  CHECK(fault_of(R"({"workload": {"trace": {}}, "policy": "random"})") ==
        "workload.trace: the text of the trace is missing");
  CHECK(fault_of(R"({"workload": "gsp-long", "policy": "random"})", "x") ==
        "workload: a trace was given, but the scenario names none");
}

TEST_CASE("what nothing was measured for is null, not 0", "[manifest][sim]") {
  const auto report = manifest::simulate_document(
      R"({"workload": {"poisson": {"requests": 3}}, "policy": {"filters": [{"name": "least-request", "options": {"max_waiting": 0}}],
          "scorers": ["random"]}})");
  REQUIRE(report.status() == Status());
  const Json json = Json::parse(*report);
  for (const Json& run : {json["total"], json["runs"][0]}) {
    CHECK(run["requests"] == 0);
    CHECK(run["unroutable"] == 3);
    CHECK(run["throughput_rps"] == 0);
    CHECK(run["hit_ratio"].is_null());
    CHECK(run["load_max_over_mean"].is_null());
    for (const char* times : {"e2e_s", "ttft_s", "tpot_s"}) {
      CHECK(run[times]["count"] == 0);
      for (const char* number : {"mean", "p50", "p90", "p99", "max"}) CHECK(run[times][number].is_null());
    }
  }
  CHECK(json["ttft_cdf_s"].empty());
  // A ratio that is 0 stays 0; answers of one token have no time per output token.
  const auto one = manifest::simulate_document(
      R"({"workload": {"poisson": {"requests": 3, "output_tokens": 1}}, "policy": "random"})");
  REQUIRE(one.status() == Status());
  const Json total = Json::parse(*one)["total"];
  CHECK(total["hit_ratio"] == 0.0);
  CHECK(total["load_max_over_mean"] >= 1);
  CHECK(total["ttft_s"]["mean"] > 0);
  CHECK(total["tpot_s"]["mean"].is_null());
}

TEST_CASE("published numbers stand beside the same benchmark only", "[manifest][sim]") {
  const auto published = [](const std::string& members) {
    const auto report = manifest::simulate_document(R"({"workload": "gsp-short", "runs": 1, )" + members + "}");
    REQUIRE(report.status() == Status());
    return Json::parse(*report)["published"];
  };
  CHECK(published(R"("policy": "random")")["throughput_rps"] == 8.21);
  CHECK(published(R"("policy": {"name": "mine", "scorers": ["random"]})")["throughput_rps"] == 8.21);
  CHECK(published(R"("policy": {"name": "random", "scorers": ["least-request"]})").is_null());
  CHECK(published(R"("policy": "random", "prefix_source": "exact")").is_null());
  CHECK(published(R"("policy": "random", "client": {"concurrency": 100})").is_null());
  CHECK(published(R"("policy": "random", "engine": {"name": "qwen2.5-7b@910b-fit", "t0_s": 0.01})").is_null());
  CHECK(published(R"("policy": "random", "request_limit": 8000)").is_null());
}

TEST_CASE("requests as CSV have a line each", "[manifest][sim]") {
  const auto scenario = manifest::parse_scenario(
      R"({"workload": {"generated_shared_prefix": {"groups": 2, "requests_per_group": 3, "rate_rps": 0}}, "policy": "round-robin",
          "runs": 2})");
  REQUIRE(scenario.status() == Status());
  auto simulation = sim::Simulation::create(*scenario);
  REQUIRE(simulation.ok());
  std::string csv = manifest::write_requests_csv(*simulation);
  CHECK(csv.find("\n0,0,,,,,4352,128,0\n") != std::string::npos);
  while (!simulation->done()) simulation->advance(1000);
  csv = manifest::write_requests_csv(*simulation);
  CHECK(
      csv.starts_with("run,request,endpoint,arrival_ns,first_token_ns,end_ns,prompt_tokens,output_tokens,hit_tokens\n0,"
                      "0,engine-0000,0,"));
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 13);
  CHECK(csv.find("\n1,5,engine-0002,") != std::string::npos);
  CHECK(csv.find(",,") == std::string::npos);
}

TEST_CASE("published rows and engine models are written for tables", "[manifest][sim]") {
  const Json rows = Json::parse(manifest::write_published_rows());
  REQUIRE(rows.size() == 12);
  CHECK(rows[0]["policy"] == "kthena-2025-09/least-request+kv");
  CHECK(rows[0]["throughput_rps"] == 32.22);
  const Json models = Json::parse(manifest::write_engine_models());
  REQUIRE(models.size() == 2);
  CHECK(models[0]["kv_capacity_tokens"] == 547'000);
}
