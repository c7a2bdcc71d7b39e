// bench/fleet_matrix.cpp
//
// Runs the presets on a matrix of simulated fleets and writes one JSON document; tools/fleet_report.py makes docs/fleet-report.md of it.
//
//   usage      fleet_matrix [--out FILE] [--cells REGEX] [--policies P,P] [--seeds N] [--threads N] [--limit REQUESTS] [--list] [--knees]
//   Cells      data, see fleet_cells() and herding_cells(). Those on real traces read them from the folder that KTHENA_DATA names and are
//              listed as skipped without it.
//   Seeds      1..N for all policies alike, so that differences are paired: of the generated workload, of the places of a trace's arrivals
//              in its ticks (Mooncake: 3 s) or in their second (Azure), of ties and of who asks which router.
//   Routers    are route::Fleet with KV events; in the cells "no KV events" without. The rows of Kthena's benchmark of 2025-09 that match
//              prefixes have the stores of its two plugins.
//   Equal      equal arguments give equal bytes, whatever the threads. Progress goes to stderr.
//   --knees    prints the speeds at which policy random stops keeping up, from which the speeds of the open loops were chosen.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <regex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "kthena/route/presets.hpp"
#include "kthena/sim.hpp"
#include "support/trace_data.hpp"

namespace {

using namespace kthena;

constexpr std::string_view kPartition = "partition";
constexpr std::string_view kHistoryRow = "kthena-2025-09/least-request+prefix";
constexpr std::string_view kEventsRow = "kthena-2025-09/least-request+kv";
// Those of the presets that are not here choose by old metrics alone: kthena-2025-09/least-request (in the herding curve), gpu-usage and
// least-latency.
constexpr std::array<std::string_view, 20> kPolicies = {"random",
                                                        "round-robin",
                                                        "least-request",
                                                        "least-request+history",
                                                        "least-request+kv",
                                                        "p2c",
                                                        "kthena-default",
                                                        "kthena-helm",
                                                        kEventsRow,
                                                        kHistoryRow,
                                                        "llmd-default",
                                                        "aibrix-prefix",
                                                        "smg-least-load",
                                                        "smg-cache-aware",
                                                        "dynamo-kv",
                                                        "lmetric",
                                                        "prequal",
                                                        "preble",
                                                        "cost",
                                                        kPartition};
constexpr std::array<std::string_view, 6> kHerdingPolicies = {
    "random", "least-request", "kthena-2025-09/least-request", "llmd-default", "p2c", "cost"};

// Traces, by the names of tests/support/trace_data.hpp.
constexpr std::string_view kMooncakeConversation = "mooncake_conversation.csv";
constexpr std::string_view kMooncakeSynthetic = "mooncake_synthetic.csv";
constexpr std::string_view kAzureConversation = "azure_llm_2023_conv.csv";
constexpr std::string_view kAzureCode = "azure_llm_2023_code.csv";

struct Cell {
  std::string name;
  std::string group;  ///< what is varied
  std::string about;  ///< in words
  /// One of the two: a generated workload (its seed is set), a Poisson one, or a trace.
  sim::GeneratedSharedPrefix prompts{};
  sim::PoissonArrivals answers{};
  std::string_view trace{};
  bool poisson = false;

  std::vector<sim::EngineGroup> engines;
  sim::Client client;
  std::uint32_t routers = 1;
  std::uint32_t runs = 1;
  Duration poll_ns = kSecond;
  sim::PrefixSource source = sim::PrefixSource::kFleet;
};

// ---------------------------------------------------------------- engines

EngineModel published_engine(std::uint64_t kv_tokens) {
  EngineModel model = sim::engine_model("qwen2.5-7b@910b-fit").value();
  model.kv_capacity_tokens = kv_tokens;
  return model;
}

EngineModel a100() { return sim::engine_model("llama3-8b@a100").value(); }

EngineModel slower(EngineModel model, double times) {
  for (double EngineModel::*seconds :
       {&EngineModel::t0_s, &EngineModel::t_mem_s, &EngineModel::c_token_s, &EngineModel::c_prefill_s,
        &EngineModel::c_context_s, &EngineModel::c_sequence_s})
    model.*seconds *= times;
  return model;
}

std::vector<sim::EngineGroup> half_slower(const EngineModel& model, std::uint32_t engines, double times) {
  return {{model, engines / 2}, {slower(model, times), engines / 2}};
}

// ---------------------------------------------------------------- the matrix

std::string router_count(std::uint32_t routers) { return fmt::format("{}-router{}", routers, routers == 1 ? "" : "s"); }

/// 256 groups x 32 requests for each three engines, which a closed loop of 100 for each engine asks for.
Cell gsp_long(std::string name, std::string group, std::string about, std::uint64_t kv_tokens,
              std::uint32_t engines = 3) {
  Cell cell;
  cell.name = std::move(name);
  cell.group = std::move(group);
  cell.about = std::move(about);
  cell.engines = {{published_engine(kv_tokens), engines}};
  cell.client = {.concurrency = 100 * engines, .speed = 1};
  cell.prompts.groups = 256 * engines / 3;
  cell.runs = 3;
  return cell;
}

Cell from_trace(std::string name, std::string group, std::string about, std::string_view trace,
                std::vector<sim::EngineGroup> engines, double speed, std::uint32_t routers = 1) {
  Cell cell;
  cell.name = std::move(name);
  cell.group = std::move(group);
  cell.about = std::move(about);
  cell.trace = trace;
  cell.engines = std::move(engines);
  cell.client.speed = speed;
  cell.routers = routers;
  return cell;
}

/// Policy random stops keeping up at this speed: the lowest of seeds 1 to 5, by --knees.
struct Knee {
  std::string_view trace;
  std::string_view fleet;
  std::vector<sim::EngineGroup> engines;
  double speed;
};
const std::vector<Knee>& knees() {
  static const std::vector<Knee> all = {
      {kAzureConversation, "3", {{a100(), 3}}, 4.43},
      {kAzureCode, "3", {{a100(), 3}}, 6.80},
      {kAzureConversation, "2 + 2 half as fast", half_slower(a100(), 4, 2), 2.97},
      {kAzureConversation, "2 + 2 a third as fast", half_slower(a100(), 4, 3), 1.98},
      {kMooncakeConversation, "16", {{a100(), 16}}, 2.58},
      {kMooncakeSynthetic, "16", {{a100(), 16}}, 0.74},
  };
  return all;
}

std::vector<Cell> fleet_cells() {
  std::vector<Cell> cells;
  const auto kilo = [](std::uint64_t tokens) { return fmt::format("{}k", tokens / 1000); };

  for (const std::uint64_t tokens : {547'000, 400'000, 270'000, 200'000})
    cells.push_back(gsp_long("gsp-long/" + kilo(tokens), "KV memory", "3 engines, closed loop of 300", tokens));
  for (const std::uint64_t tokens : {547'000, 400'000, 270'000, 200'000}) {
    Cell cell = gsp_long("gsp-short/" + kilo(tokens), "KV memory",
                         "prompts of 256 + 4096 tokens, hardly anything shared", tokens);
    cell.prompts.system_tokens = 256;
    cell.prompts.question_tokens = 4096;
    cells.push_back(std::move(cell));
  }
  for (const std::uint64_t tokens : {547'000, 270'000})
    for (const double s : {0.8, 1.0, 1.2}) {
      Cell cell = gsp_long(fmt::format("zipf-{:.1f}/{}", s, kilo(tokens)), "hot groups",
                           fmt::format("gsp-long, share of group g as g^-{:.1f}", s), tokens);
      cell.prompts.zipf_s = s;
      cells.push_back(std::move(cell));
    }
  for (const std::uint32_t engines : {8u, 32u}) {
    Cell cell = gsp_long(fmt::format("gsp-long/{}-engines", engines), "engines",
                         fmt::format("as gsp-long/547k with {} engines: groups and closed loop in proportion{}",
                                     engines, engines > 8 ? ", one run" : ""),
                         547'000, engines);
    if (engines > 8) cell.runs = 1;
    cells.push_back(std::move(cell));
  }
  for (const std::uint64_t tokens : {547'000, 400'000, 270'000})
    for (const std::uint32_t routers : {4u, 8u}) {
      Cell cell = gsp_long(fmt::format("gsp-long/{}/{}", kilo(tokens), router_count(routers)), "routers",
                           fmt::format("gsp-long through {} routers", routers), tokens);
      cell.routers = routers;
      cells.push_back(std::move(cell));
    }
  // The conversations at their own times, 39 % of the knee; at the synthetic trace's own times random falls behind.
  for (const std::uint32_t routers : {1u, 4u, 8u})
    cells.push_back(from_trace("mooncake-conversation/" + router_count(routers), "traces",
                               "16 engines, the trace's own times", kMooncakeConversation, {{a100(), 16}}, 1, routers));
  for (const std::uint32_t routers : {1u, 4u, 8u})
    cells.push_back(from_trace("mooncake-synthetic/" + router_count(routers), "traces",
                               "16 engines, 0.70 times the trace's speed", kMooncakeSynthetic, {{a100(), 16}}, 0.7,
                               routers));
  for (const auto& [name, knee] : {std::pair("azure-conversation", &knees()[0]), std::pair("azure-code", &knees()[1])})
    for (const double load : {0.60, 0.85})
      for (const std::uint32_t routers : {1u, 4u}) {
        const double speed = load * knee->speed;
        cells.push_back(from_trace(fmt::format("{}/{:.0f}%/{}", name, 100 * load, router_count(routers)), "traces",
                                   fmt::format("3 engines, {:.2f} times the trace's speed", speed), knee->trace,
                                   knee->engines, speed, routers));
      }
  for (const double times : {2.0, 3.0}) {
    const std::string name = fmt::format("mixed-{:.0f}x", times);
    Cell cell =
        gsp_long(name + "/gsp-long", "mixed engines",
                 fmt::format("4 engines, two of them {:.0f} times slower, closed loop of 400", times), 547'000, 4);
    cell.engines = half_slower(published_engine(547'000), 4, times);
    cells.push_back(std::move(cell));
    const Knee& knee = knees()[times < 3 ? 2 : 3];
    const double speed = 0.85 * knee.speed;
    cells.push_back(from_trace(
        name + "/azure-conversation", "mixed engines",
        fmt::format("4 engines, two of them {:.0f} times slower, {:.2f} times the trace's speed", times, speed),
        knee.trace, knee.engines, speed));
    const std::uint32_t engines = times < 3 ? 16 : 24;
    cells.push_back(from_trace(name + "/mooncake-conversation", "mixed engines",
                               fmt::format("{} engines, half of them {:.0f} times slower", engines, times),
                               kMooncakeConversation, half_slower(a100(), engines, times), 1));
  }
  struct Adapters {
    std::uint32_t all;
    std::uint32_t loaded;
    double load_s;
  };
  for (const Adapters& a : {Adapters{32, 4, 0.1}, Adapters{32, 8, 0.5}, Adapters{64, 4, 0.5}, Adapters{64, 8, 0.1}}) {
    Cell cell = gsp_long(
        fmt::format("lora-{}/{}-loaded/{}s", a.all, a.loaded, a.load_s), "adapters",
        fmt::format("gsp-long with {} adapters; an engine holds {}, loading takes {} s", a.all, a.loaded, a.load_s),
        547'000);
    cell.prompts.adapters = a.all;
    cell.engines.front().engine.max_adapters = a.loaded;
    cell.engines.front().engine.adapter_load_s = a.load_s;
    cells.push_back(std::move(cell));
  }
  for (const std::uint64_t tokens : {547'000, 270'000}) {
    Cell cell = gsp_long("no-events/gsp-long/" + kilo(tokens), "no KV events",
                         "as gsp-long, no engine tells its blocks", tokens);
    cell.source = sim::PrefixSource::kFleetExpected;
    cells.push_back(std::move(cell));
  }
  cells.push_back(from_trace("no-events/mooncake-conversation", "no KV events",
                             "as mooncake-conversation/1-router, no engine tells its blocks", kMooncakeConversation,
                             {{a100(), 16}}, 1));
  cells.back().source = sim::PrefixSource::kFleetExpected;
  return cells;
}

/// 8 servers of 16 slots at 86 % load; lognormal service of mean 1.1 s and sigma 0.8.
std::vector<Cell> herding_cells() {
  std::vector<Cell> cells;
  for (const std::uint32_t routers : {1u, 4u, 8u})
    for (const double poll_s : {0.1, 0.3, 1.0, 3.0}) {
      Cell cell;
      cell.name = fmt::format("herding/{}/{}s", router_count(routers), poll_s);
      cell.group = "herding";
      cell.about = "8 servers of 16 slots, 86 % load";
      cell.poisson = true;
      cell.answers.requests = 12'000;
      cell.answers.prompt_tokens = 1;
      cell.answers.output_tokens = 1100;
      cell.answers.output_sigma = 0.8;
      cell.answers.rate_rps = 100;
      cell.engines = {{sim::slot_server(16, 0.001), 8}};
      cell.routers = routers;
      cell.poll_ns = static_cast<Duration>(poll_s * 1e9);
      cells.push_back(std::move(cell));
    }
  return cells;
}

// ---------------------------------------------------------------- one run

struct Job {
  std::size_t cell;
  std::string_view policy;
  std::uint64_t seed;
};

struct Outcome {
  sim::RunReport total;
  bool kept_up = true;
};

struct Arguments {
  std::string out;
  std::regex cells{""};
  std::vector<std::string_view> policies;  // none: all
  std::uint64_t seeds = 5;
  unsigned threads = 2;
  std::uint64_t limit = 0;
  bool list = false;
  bool knees = false;
};

using Traces = std::map<std::string_view, sim::Workload>;

sim::Workload workload_of(const Cell& cell, std::uint64_t seed, const Traces& traces) {
  if (cell.poisson) {
    sim::PoissonArrivals spec = cell.answers;
    spec.seed = seed;
    return sim::make_poisson(spec).value();
  }
  if (cell.trace.empty()) {
    sim::GeneratedSharedPrefix spec = cell.prompts;
    spec.rate_rps = 800.0 * spec.groups / 256;
    spec.seed = seed;
    return sim::make_generated_shared_prefix(spec).value();
  }
  sim::Workload workload = traces.at(cell.trace);
  const bool mooncake = workload.trace_block_tokens != 0;
  sim::spread_ticks(workload, mooncake ? 3 * kSecond : kSecond, seed);
  return workload;
}

route::PolicySpec policy_of(std::string_view name) {
  if (name == kPartition) name = "random";  // not asked
  return route::preset(name).value();
}

sim::Scenario scenario_of(const Cell& cell, std::string_view policy, std::uint64_t seed, const Traces& traces) {
  sim::Scenario scenario;
  scenario.workload = workload_of(cell, seed, traces);
  scenario.engine_groups = cell.engines;
  scenario.policy = policy_of(policy);
  scenario.client = cell.client;
  scenario.routers = cell.routers;
  scenario.runs = cell.runs;
  scenario.poll_interval_ns = cell.poll_ns;
  scenario.seed = seed;
  scenario.prefix_source = policy == kEventsRow || policy == kHistoryRow ? sim::PrefixSource::kKthena : cell.source;
  if (policy == kPartition) scenario.assignment = sim::Assignment::kPartition;
  return scenario;
}

bool runs_in(std::string_view policy, const Cell& cell) {
  if (cell.poisson)
    return std::find(kHerdingPolicies.begin(), kHerdingPolicies.end(), policy) != kHerdingPolicies.end();
  if (policy == kPartition) return cell.trace.empty();
  // Its store is made of KV events.
  if (policy == kEventsRow) return cell.source != sim::PrefixSource::kFleetExpected;
  return std::find(kPolicies.begin(), kPolicies.end(), policy) != kPolicies.end();
}

Outcome run(const Cell& cell, const Job& job, const Traces& traces, std::uint64_t limit) {
  sim::Scenario scenario = scenario_of(cell, job.policy, job.seed, traces);
  scenario.request_limit = limit;
  auto simulation = sim::Simulation::create(std::move(scenario));
  if (!simulation.ok()) {
    fmt::print(stderr, "{}: {}\n", cell.name, simulation.status().message());
    std::exit(1);
  }
  simulation->advance(std::numeric_limits<std::uint64_t>::max());
  Outcome outcome;
  outcome.total = simulation->report().total;
  outcome.kept_up = cell.client.concurrency > 0 || sim::keeps_up(*simulation, sim::KneeOptions{}.growth);
  return outcome;
}

// ---------------------------------------------------------------- all of them

std::vector<Outcome> run_all(const std::vector<Cell>& cells, const std::vector<Job>& jobs, const Traces& traces,
                             const Arguments& arguments) {
  std::vector<Outcome> outcomes(jobs.size());
  std::atomic<std::size_t> next{0};
  std::mutex mutex;  // of what follows, and of stderr
  std::size_t done = 0;
  const auto start = std::chrono::steady_clock::now();
  auto told = start;
  const auto work = [&] {
    for (std::size_t i = next++; i < jobs.size(); i = next++) {
      outcomes[i] = run(cells[jobs[i].cell], jobs[i], traces, arguments.limit);
      const std::lock_guard lock(mutex);
      ++done;
      const auto now = std::chrono::steady_clock::now();
      if (now - told < std::chrono::seconds(5) && done < jobs.size()) continue;
      told = now;
      fmt::print(stderr, "{} of {} simulations, {:.0f} s, {}\n", done, jobs.size(),
                 std::chrono::duration<double>(now - start).count(), cells[jobs[i].cell].name);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < arguments.threads; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  return outcomes;
}

/// null where nothing was measured.
std::string number(double value, bool any = true) { return any ? fmt::format("{}", value) : "null"; }

std::string result_json(const Job& job, const Outcome& outcome) {
  const sim::RunReport& t = outcome.total;
  const bool any = t.requests > 0;
  return fmt::format(
      R"({{"policy": "{}", "seed": {}, "requests": {}, "throughput_rps": {}, "ttft_mean_s": {}, "ttft_p50_s": {}, )"
      R"("ttft_p99_s": {}, "e2e_mean_s": {}, "e2e_p99_s": {}, "wait_mean_s": {}, "wait_p99_s": {}, "hit_ratio": {}, )"
      R"("load_max_over_mean": {}, "unroutable": {}, "preemptions": {}, "kept_up": {}}})",
      job.policy, job.seed, t.requests, number(t.throughput_rps), number(t.ttft_s.mean, any), number(t.ttft_s.p50, any),
      number(t.ttft_s.p99, any), number(t.e2e_s.mean, any), number(t.e2e_s.p99, any), number(t.wait_s.mean, any),
      number(t.wait_s.p99, any), number(t.hit_ratio, any), number(t.load_max_over_mean, any), t.unroutable,
      t.preemptions, outcome.kept_up);
}

std::string document(const std::vector<Cell>& cells, const std::vector<Job>& jobs, const std::vector<Outcome>& outcomes,
                     const std::vector<std::string>& skipped, const Arguments& arguments) {
  std::string json = fmt::format("{{\n\"format\": \"fleet-matrix/1\",\n\"seeds\": {},\n\"limit\": {},\n\"skipped\": [",
                                 arguments.seeds, arguments.limit);
  for (std::size_t i = 0; i < skipped.size(); ++i) json += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", skipped[i]);
  json += "],\n\"cells\": [";
  std::size_t j = 0;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    const Cell& cell = cells[c];
    std::uint32_t engines = 0;
    for (const sim::EngineGroup& group : cell.engines) engines += group.count;
    json += fmt::format(
        "{}\n{{\"name\": \"{}\", \"group\": \"{}\", \"about\": \"{}\", \"engines\": {}, \"routers\": {}, "
        "\"concurrency\": {}, "
        "\"speed\": {}, \"runs\": {}, \"poll_s\": {},\n\"results\": [",
        c == 0 ? "" : ",", cell.name, cell.group, cell.about, engines, cell.routers, cell.client.concurrency,
        cell.client.speed, cell.runs, to_seconds(cell.poll_ns));
    for (bool first = true; j < jobs.size() && jobs[j].cell == c; ++j, first = false)
      json += (first ? "\n" : ",\n") + result_json(jobs[j], outcomes[j]);
    json += "]}";
  }
  return json + "]\n}\n";
}

/// The lowest of the seeds.
int print_knees(const Traces& traces, const Arguments& arguments) {
  for (const Knee& knee : knees()) {
    const std::string name = fmt::format("{}, {} engines", knee.trace, knee.fleet);
    if (traces.count(knee.trace) == 0 || !std::regex_search(name, arguments.cells)) continue;
    const Cell cell = from_trace(name, "", "", knee.trace, knee.engines, 1);
    double lowest = std::numeric_limits<double>::infinity();
    for (std::uint64_t seed = 1; seed <= arguments.seeds; ++seed) {
      const sim::Knee found = sim::find_knee(scenario_of(cell, "random", seed, traces)).value();
      fmt::print("{}, seed {}: speed {:.2f}, {:.2f} requests/s, TTFT {:.2f} s there\n", name, seed, found.speed,
                 found.rate_rps, found.run.ttft_s.mean);
      lowest = std::min(lowest, found.speed);
    }
    fmt::print("{}: {:.2f}\n", name, lowest);
  }
  return 0;
}

// ---------------------------------------------------------------- the command line

std::uint64_t whole_number(std::string_view option, const std::string& text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = 0;
  const bool digits = !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
  if (digits) value = std::stoull(text);
  if (!digits || value < least || value > most) {
    fmt::print(stderr, "{}: not in {}..{}\n", option, least, most);
    std::exit(2);
  }
  return value;
}

std::vector<std::string_view> policies_of(const std::string& list) {
  std::vector<std::string_view> policies;
  std::size_t begin = 0;
  while (begin <= list.size()) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    const std::string_view name = std::string_view(list).substr(begin, end - begin);
    const auto* known = std::find(kPolicies.begin(), kPolicies.end(), name);
    const auto* herding = std::find(kHerdingPolicies.begin(), kHerdingPolicies.end(), name);
    if (known == kPolicies.end() && herding == kHerdingPolicies.end()) {
      fmt::print(stderr, "--policies: \"{}\" is none of: {}, {}\n", name, fmt::join(kPolicies, ", "),
                 kHerdingPolicies[2]);
      std::exit(2);
    }
    policies.push_back(known == kPolicies.end() ? *herding : *known);
    begin = end + 1;
  }
  return policies;
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--list") {
      arguments.list = true;
    } else if (option == "--knees") {
      arguments.knees = true;
    } else if (i + 1 < argc && option == "--out") {
      arguments.out = argv[++i];
    } else if (i + 1 < argc && option == "--cells") {
      try {
        arguments.cells = std::regex(argv[++i]);
      } catch (const std::regex_error& error) {
        fmt::print(stderr, "--cells: {}\n", error.what());
        std::exit(2);
      }
    } else if (i + 1 < argc && option == "--policies") {
      arguments.policies = policies_of(argv[++i]);
    } else if (i + 1 < argc && option == "--seeds") {
      arguments.seeds = whole_number(option, argv[++i], 1, 100);
    } else if (i + 1 < argc && option == "--threads") {
      arguments.threads = static_cast<unsigned>(whole_number(option, argv[++i], 1, 256));
    } else if (i + 1 < argc && option == "--limit") {
      arguments.limit = whole_number(option, argv[++i], 1, 999'999'999);
    } else {
      fmt::print(stderr, "fleet_matrix: {} is no option or lacks its value; see the head of bench/fleet_matrix.cpp\n",
                 option);
      std::exit(2);
    }
  }
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  Traces traces;
  for (const std::string_view name : {kMooncakeConversation, kMooncakeSynthetic, kAzureConversation, kAzureCode})
    if (const auto text = test::trace_data(std::string(name))) traces.emplace(name, sim::parse_trace(*text).value());
  if (arguments.knees) return print_knees(traces, arguments);

  std::vector<Cell> cells;
  std::vector<std::string> skipped;
  for (auto* make : {&fleet_cells, &herding_cells})
    for (Cell& cell : make()) {
      if (!std::regex_search(cell.name, arguments.cells)) continue;
      if (arguments.list) fmt::print("{}: {}\n", cell.name, cell.about);
      if (cell.trace.empty() || traces.count(cell.trace) > 0)
        cells.push_back(std::move(cell));
      else
        skipped.push_back(cell.name);
    }
  if (arguments.list) return 0;

  std::vector<std::string_view> policies = arguments.policies;
  if (policies.empty()) {
    policies.assign(kPolicies.begin(), kPolicies.end());
    policies.push_back(kHerdingPolicies[2]);
  }
  std::vector<Job> jobs;
  for (std::size_t c = 0; c < cells.size(); ++c)
    for (const std::string_view policy : policies)
      for (std::uint64_t seed = 1; seed <= arguments.seeds; ++seed)
        if (runs_in(policy, cells[c])) jobs.push_back({c, policy, seed});
  const std::vector<Outcome> outcomes = run_all(cells, jobs, traces, arguments);
  const std::string json = document(cells, jobs, outcomes, skipped, arguments);
  std::FILE* const file = arguments.out.empty() ? stdout : std::fopen(arguments.out.c_str(), "wb");
  if (file == nullptr) {
    fmt::print(stderr, "--out: cannot write {}\n", arguments.out);
    return 1;
  }
  const bool written = std::fwrite(json.data(), 1, json.size(), file) == json.size();
  return (file == stdout ? std::fflush(file) : std::fclose(file)) == 0 && written ? 0 : 1;
}
