// Simulation::State: the fleet, the client and the clock.
#pragma once

#include <cstdint>
#include <vector>

#include "kthena/sim/simulation.hpp"
#include "sim/block_chains.hpp"
#include "sim/engine.hpp"
#include "sim/event_queue.hpp"
#include "sim/kv_pipe.hpp"
#include "sim/router.hpp"

namespace kthena::sim {

struct Simulation::State {
  enum EventKind : std::uint32_t { kArrival, kStepEnd, kPoll, kKvEvents, kAnswer, kRunStart };

  /// Where the counters stood when a run began or ended.
  struct Mark {
    Time at_ns = 0;
    std::uint64_t events = 0;
    std::vector<detail::EngineCounters> engines;
  };
  struct Run {
    Mark begin;
    Mark end;
    Time first_send_ns = kNever;
    Time last_token_ns = kNever;
    std::uint64_t waited_for_poll = 0;
    std::uint64_t unroutable = 0;
  };

  static Result<std::unique_ptr<State>> create(Scenario scenario);
  State(Scenario scenario_in, detail::BlockChains chains_in);

  std::uint64_t advance(std::uint64_t max_events);
  void handle(const detail::Event& event);
  void start_run();
  void expect_arrival();
  void arrive();
  void send_pending();
  void send(std::uint32_t request);
  /// False when nobody is eligible.
  bool dispatch(std::uint32_t request);
  void start_step(std::uint32_t engine);
  void end_step(std::uint32_t engine);
  void answer(std::uint32_t request);
  void poll();
  void retry_parked(bool idle);
  void sample_load();
  /// One more is answered or given up.
  void settle();
  [[nodiscard]] Mark mark() const;
  [[nodiscard]] std::uint64_t row(std::uint32_t request) const noexcept { return run * requests + request; }

  Scenario scenario;
  detail::BlockChains chains;
  std::uint32_t requests;
  std::vector<detail::Sequence> sequences;
  std::vector<std::uint32_t> table;
  std::vector<detail::Engine> engines;
  std::vector<detail::KvPipe> pipes;
  std::vector<detail::Router> router;  // one; empty until create() made it
  bool kv_events = false;
  detail::EventQueue queue;

  Time now = 0;
  std::uint64_t events = 0;
  bool done = false;

  // The client.
  std::uint64_t run = 0;
  std::uint32_t arrived = 0;
  std::uint32_t sent = 0;
  std::uint32_t settled = 0;            // of this run: answered or given up
  std::vector<std::uint32_t> parked;    // nobody was eligible; first come first served
  std::vector<std::uint32_t> given_up;  // scratch

  std::vector<Run> runs;
  RequestRows rows;
  LoadSeries load;
  std::uint64_t polls = 0;
  std::uint64_t load_stride = 1;
};

}  // namespace kthena::sim
