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
#include <span>

#include "kthena/base/status.hpp"
#include "kthena/sim/report.hpp"
#include "kthena/sim/scenario.hpp"

namespace kthena::sim {

struct Progress {
  std::uint64_t done = 0;  ///< requests, over all runs
  std::uint64_t total = 0;
};

/// What a router of a simulation knows at a moment, one element per engine in the order of Report::engines. For tests and for hosts
/// that draw; the spans hold until the next advance().
struct RouterView {
  std::uint64_t polls = 0;  ///< times that the metrics were read; 0: all that follows is 0
  // As read by the last poll.
  std::span<const double> running{};   ///< requests in the batch
  std::span<const double> waiting{};   ///< requests in the queue
  std::span<const double> kv_usage{};  ///< referenced blocks / blocks
  std::span<const double> ttft_s{};    ///< mean over the first tokens since the poll before; 0 without one
  std::span<const double> tpot_s{};    ///< mean over the later tokens since the poll before; 0 without one
  // Its own count, as of now.
  std::span<const double> in_flight{};
  // For the request that it decided on last, blocks that each engine was taken to hold; empty when no scorer reads it.
  std::span<const std::uint32_t> prefix_depths{};   ///< Request::prefix
  std::span<const std::uint32_t> history_depths{};  ///< Request::history
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
  /// The simulated time of the last event.
  [[nodiscard]] Time now() const noexcept;
  /// `router` is below Scenario::routers.
  [[nodiscard]] RouterView router(std::uint32_t router = 0) const noexcept;

  /// Of what happened so far; complete once done().
  [[nodiscard]] Report report() const;
  [[nodiscard]] RequestRows rows() const;

 private:
  struct State;
  explicit Simulation(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace kthena::sim
