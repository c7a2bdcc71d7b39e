// bindings/c/simulation.cpp
#include <cstdint>
#include <string>
#include <utility>

#include "calls.hpp"
#include "handles.hpp"
#include "kthena/manifest/scenario.hpp"

using namespace kthena;
using c::guarded;

namespace {

/// Text about a simulation that is over.
template <class Write>
kthena_status write_result(const kthena_simulation* simulation, char* buffer, std::size_t capacity, std::size_t* needed,
                           kthena_error* error, Write&& write) {
  return guarded(error, [&]() -> kthena_status {
    if (simulation == nullptr) return c::refuse_null(error, "simulation");
    if (!simulation->simulation.done())
      return c::fail(error, KTHENA_FAILED_PRECONDITION, "simulation: has not come to its end");
    return c::write_text(buffer, capacity, needed, error,
                         [&]() -> Result<std::string> { return write(simulation->simulation); });
  });
}

}  // namespace

kthena_status kthena_simulation_create(kthena_str scenario_json, kthena_str trace, kthena_simulation** simulation,
                                       kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (simulation == nullptr) return c::refuse_null(error, "simulation");
    if (kthena_status status = c::check(scenario_json, "scenario_json", error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check(trace, "trace", error); status != KTHENA_OK) return status;
    Result<sim::Scenario> scenario = manifest::parse_scenario(c::view(scenario_json), c::view(trace));
    if (!scenario.ok()) return c::fail(error, scenario.status());
    Result<sim::Simulation> made = sim::Simulation::create(std::move(*scenario));
    if (!made.ok()) return c::fail(error, made.status());
    *simulation = new kthena_simulation{std::move(*made)};
    return KTHENA_OK;
  });
}

void kthena_simulation_free(kthena_simulation* simulation) { delete simulation; }

kthena_status kthena_simulation_advance(kthena_simulation* simulation, uint64_t max_events, uint8_t* done,
                                        kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (simulation == nullptr) return c::refuse_null(error, "simulation");
    if (done == nullptr) return c::refuse_null(error, "done");
    simulation->simulation.advance(max_events);
    *done = simulation->simulation.done() ? 1 : 0;
    return KTHENA_OK;
  });
}

void kthena_simulation_progress(const kthena_simulation* simulation, uint64_t* ended, uint64_t* total) {
  const sim::Progress progress = simulation == nullptr ? sim::Progress{} : simulation->simulation.progress();
  if (ended != nullptr) *ended = progress.done;
  if (total != nullptr) *total = progress.total;
}

kthena_status kthena_simulation_report_json(const kthena_simulation* simulation, char* buffer, size_t capacity,
                                            size_t* needed, kthena_error* error) {
  return write_result(simulation, buffer, capacity, needed, error,
                      [](const sim::Simulation& ended) { return manifest::write_report(ended.report()); });
}

kthena_status kthena_simulation_requests_csv(const kthena_simulation* simulation, char* buffer, size_t capacity,
                                             size_t* needed, kthena_error* error) {
  return write_result(simulation, buffer, capacity, needed, error,
                      [](const sim::Simulation& ended) { return manifest::write_requests_csv(ended); });
}
