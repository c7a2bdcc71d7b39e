// include/kthena/sim/simulation.hpp
//
// Simulation: runs a Scenario, a number of events at a time, so that a host can show progress and stop.
//
//   Model      docs/simulator.md. Engines as vLLM V1 schedules them; the router is the library's own Policy over a PoolView.
//   Threads    one thread per simulation; simulations share nothing.
//   Equal      equal scenarios give equal reports, bit by bit, however the events are cut up.
#pragma once

#include <cstdint>
#include <memory>

#include "kthena/base/status.hpp"
#include "kthena/sim/report.hpp"
#include "kthena/sim/scenario.hpp"

namespace kthena::sim {

struct Progress {
  std::uint64_t done = 0;  ///< requests, over all runs
  std::uint64_t total = 0;
};

class Simulation {
 public:
  /// kInvalidArgument lists every fault of the scenario, a request that no engine can hold included.
  static Result<Simulation> create(Scenario scenario);
  Simulation(Simulation&&) noexcept;
  Simulation& operator=(Simulation&&) noexcept;
  ~Simulation();

  /// Handles at most `max_events` more events; stops early when all runs are over. Returns how many it handled. Allocates nothing once
  /// queues have grown.
  std::uint64_t advance(std::uint64_t max_events);
  [[nodiscard]] bool done() const noexcept;
  [[nodiscard]] Progress progress() const noexcept;
  /// Events handled so far.
  [[nodiscard]] std::uint64_t events() const noexcept;

  /// Of what happened so far; complete once done().
  [[nodiscard]] Report report() const;
  [[nodiscard]] RequestRows rows() const;

 private:
  struct State;
  explicit Simulation(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace kthena::sim
