// Simulation::State: the fleet, its routers, the client and the clock.
#pragma once

#include <cstdint>
#include <vector>

#include "kthena/base/random.hpp"
#include "kthena/sim/simulation.hpp"
#include "sim/block_chains.hpp"
#include "sim/engine.hpp"
#include "sim/event_queue.hpp"
#include "sim/kv_pipe.hpp"
#include "sim/random_streams.hpp"
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

  /// What one router was given.
  struct Asked {
    std::uint32_t request;
    std::uint64_t sequence;  // among its own
  };
  struct Queue {
    std::uint64_t asked = 0;
    std::vector<Asked> parked;  // nobody was eligible; first come first served
  };

  static Result<std::unique_ptr<State>> create(Scenario scenario);
  State(Scenario scenario_in, std::vector<EngineModel> models_in, detail::BlockChains chains_in);

  std::uint64_t advance(std::uint64_t max_events);
  void handle(const detail::Event& event);
  void start_run();
  void expect_arrival();
  void arrive();
  void send_pending();
  void send(std::uint32_t request);
  /// False when nobody is eligible.
  bool dispatch(std::uint32_t router, Asked asked);
  void apply_kv_events(std::uint32_t engine);
  void start_step(std::uint32_t engine);
  void end_step(std::uint32_t engine);
  void answer(std::uint32_t request);
  void poll(std::uint32_t router);
  void retry_parked(std::uint32_t router, bool idle);
  void sample_load();
  /// One more is answered or given up.
  void settle();
  [[nodiscard]] Mark mark() const;
  [[nodiscard]] std::uint64_t row(std::uint32_t request) const noexcept { return run * requests + request; }

  /// The router that a request goes to, by its row.
  [[nodiscard]] std::uint32_t router_of(std::uint64_t row_of) const noexcept {
    if (scenario.routers == 1) [[likely]]
      return 0;
    return static_cast<std::uint32_t>(
        scale_to(random_u64(scenario.seed, detail::kRouterStream, row_of), scenario.routers));
  }

  Scenario scenario;
  detail::BlockChains chains;
  std::vector<EngineModel> models;      // one per engine
  std::vector<std::uint32_t> group_of;  // one per engine
  std::uint32_t requests;
  std::vector<detail::Sequence> sequences;
  std::vector<std::uint32_t> table;
  std::vector<detail::Engine> engines;
  std::vector<detail::KvPipe> pipes;
  std::vector<detail::Router> routers;  // empty until create() made them
  std::vector<Queue> queues;            // one per router
  bool kv_events = false;               // some router wants them
  bool first_tokens = false;
  detail::EventQueue queue;

  Time now = 0;
  std::uint64_t events = 0;
  bool done = false;

  // The client.
  std::uint64_t run = 0;
  std::uint32_t arrived = 0;
  std::uint32_t sent = 0;
  std::uint32_t settled = 0;    // of this run: answered or given up
  std::vector<Asked> given_up;  // scratch

  std::vector<Run> runs;
  RequestRows rows;
  LoadSeries load;
  std::uint64_t polls = 0;
  std::uint64_t load_stride = 1;
};

}  // namespace kthena::sim
