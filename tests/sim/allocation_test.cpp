#include <string_view>

#include "catch.hpp"
#include "kthena/route/presets.hpp"
#include "kthena/sim.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena;

TEST_CASE("a warm simulation allocates nothing", "[sim][allocation]") {
  for (const std::string_view policy :
       {"random", "round-robin", "kthena-2025-09/least-request", "kthena-2025-09/gpu-usage",
        "kthena-2025-09/least-latency", "kthena-2025-09/least-request+kv"}) {
    INFO(policy);
    auto simulation = sim::Simulation::create(
        sim::published_scenario(sim::named_workload("gsp-long").value(), route::preset(policy).value()));
    REQUIRE(simulation.ok());
    const auto run_until = [&](std::uint64_t requests) {
      while (simulation->progress().done < requests) simulation->advance(100);
    };
    run_until(2 * 8192 + 1000);  // in the third run
    const std::size_t before = test::allocations();
    run_until(3 * 8192 - 1000);
    CHECK(test::allocations() == before);
  }
}
