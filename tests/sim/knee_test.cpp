// The knee against what the fleet can do by arithmetic.
#include "kthena/sim/knee.hpp"

#include <string>
#include <utility>

#include "catch.hpp"
#include "kthena/route/presets.hpp"
#include "kthena/sim.hpp"

using namespace kthena;

namespace {

/// `engines` servers of 16 slots; lognormal answers of mean 500 ms.
sim::Scenario slots(std::uint32_t engines, double rate_rps, std::string_view policy = "round-robin") {
  sim::PoissonArrivals spec;
  spec.requests = 6000;
  spec.prompt_tokens = 1;
  spec.output_tokens = 100;
  spec.output_sigma = 0.5;
  spec.rate_rps = rate_rps;
  sim::Scenario scenario;
  scenario.workload = sim::make_poisson(spec).value();
  scenario.policy = route::preset(policy).value();
  scenario.engine = sim::slot_server(16, 0.005);
  scenario.replicas = engines;
  return scenario;
}

bool keeps_up_at(sim::Scenario scenario, double speed) {
  scenario.client.speed = speed;
  auto simulation = sim::Simulation::create(std::move(scenario));
  REQUIRE(simulation.status() == Status());
  while (!simulation->done()) simulation->advance(1'000'000);
  return sim::keeps_up(*simulation, sim::KneeOptions{}.growth);
}

}  // namespace

TEST_CASE("the knee of slots is slots / service time, from below and from above", "[sim][knee]") {
  for (const std::uint32_t engines : {1u, 4u}) {
    // The mean of these very answers.
    const sim::Scenario any = slots(engines, 1);
    double tokens = 0;
    for (const std::uint32_t output : any.workload.output_tokens) tokens += output;
    const double capacity = 16 * engines / (tokens / 6000 * 0.005);
    for (const double rate : {capacity * 0.11, capacity * 3}) {
      INFO("engines " << engines << ", capacity " << capacity << ", rate " << rate);
      const sim::Scenario scenario = slots(engines, rate);
      const auto knee = sim::find_knee(scenario);
      REQUIRE(knee.status() == Status());
      CHECK(knee->outcome == sim::KneeOutcome::kFound);
      CHECK(knee->rate_rps > capacity * 0.95);
      CHECK(knee->rate_rps < capacity * 1.06);
      CHECK(knee->too_fast > knee->speed);
      CHECK(knee->too_fast <= knee->speed * 1.01);
      CHECK(knee->run.requests == 6000);
      CHECK(knee->simulations < 14);
      CHECK(keeps_up_at(scenario, knee->speed));
      CHECK(!keeps_up_at(scenario, knee->too_fast));
      CHECK(sim::find_knee(scenario)->speed == knee->speed);
    }
  }
}

TEST_CASE("a better policy has a later knee", "[sim][knee]") {
  sim::GeneratedSharedPrefix spec;
  spec.groups = 100;
  spec.requests_per_group = 16;
  spec.rate_rps = 4;
  sim::Scenario scenario;
  scenario.workload = sim::make_generated_shared_prefix(spec).value();
  scenario.engine.kv_capacity_tokens = 250'000;
  scenario.policy = route::preset("random").value();
  const sim::Knee random = sim::find_knee(scenario).value();
  scenario.policy = route::preset("kthena-2025-09/least-request+kv").value();
  const sim::Knee kv = sim::find_knee(scenario).value();
  INFO("random " << random.rate_rps << ", kv " << kv.rate_rps);
  CHECK(random.outcome == sim::KneeOutcome::kFound);
  CHECK(kv.rate_rps > 1.3 * random.rate_rps);
}

TEST_CASE("a knee may lie outside of the range, and some scenarios have none", "[sim][knee]") {
  const sim::Scenario scenario = slots(1, 10);
  const sim::Knee low = sim::find_knee(scenario, {.most = 1.5}).value();
  CHECK(low.outcome == sim::KneeOutcome::kUnlimited);
  CHECK(low.speed == 1.5);
  CHECK(low.too_fast == 0);
  const sim::Knee high = sim::find_knee(scenario, {.least = 20, .most = 30}).value();
  CHECK(high.outcome == sim::KneeOutcome::kTooSlow);
  CHECK(high.speed == 0);
  CHECK(high.rate_rps == 0);
  CHECK(high.too_fast == 20);

  sim::Scenario closed = slots(1, 10);
  closed.client = {.concurrency = 3, .speed = 0};
  closed.request_limit = 29;
  CHECK(sim::find_knee(closed, {.least = 0, .most = 1e7, .precision = 0, .growth = 0}).status().message() ==
        "least: not in 0.01..most; most: above 1e6; precision: not in 1e-6..1; growth: not above 0 and up to 1; "
        "client.concurrency: a closed loop has no knee; client.speed: 0 has no rate; workload: fewer than 30 requests");
  sim::Scenario at_once = slots(1, 10);
  for (Time& at : at_once.workload.arrival_ns) at = 0;
  CHECK(sim::find_knee(at_once).status().message() == "workload: its last requests all arrive at once");
  at_once.routers = 0;
  CHECK(sim::find_knee(at_once).status().message().find("routers: not in 1..64") != std::string::npos);
}
