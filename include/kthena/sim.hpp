// include/kthena/sim.hpp
//
// sim: what would a fleet do with these decisions? Includes all areas below it.
//
//   auto workload = kthena::sim::named_workload("gsp-long");
//   kthena::sim::Scenario scenario{.workload = workload.value(), .policy = kthena::route::preset("random").value()};
//   auto simulation = kthena::sim::Simulation::create(scenario);
//   while (!simulation->done()) simulation->advance(100'000);
//   double rps = simulation->report().total.throughput_rps;
#pragma once

#include "kthena/sim/engines.hpp"
#include "kthena/sim/knee.hpp"
#include "kthena/sim/published.hpp"
#include "kthena/sim/report.hpp"
#include "kthena/sim/scenario.hpp"
#include "kthena/sim/simulation.hpp"
#include "kthena/sim/trace.hpp"
#include "kthena/sim/workload.hpp"
