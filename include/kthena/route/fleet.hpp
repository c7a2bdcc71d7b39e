// include/kthena/route/fleet.hpp
//
// Fleet: what one router knows of its endpoints and of what it sent them, and decisions that are booked as they are made.
//
//   Use when   a router wants one value to keep: it holds the pool, the LoadLedger, the PrefixIndex, the HomeTable and the learned rates and
//              keeps the pool's columns in step with them. Who has those elsewhere decides with Policy over a PoolView.
//   Bookings   decide_and_book() makes in_flight, uncached_tokens, kv_tokens ... right for the next decision, so a burst does not see one
//              view. Where a sample of running and waiting was given, FleetOptions::estimate says how both are put together.
//   Rates      without a prefill_tps of the endpoint's own, one is learned from the time to first token of what was sent there.
//   Cost       a booking or its end: O(1), about ten columns' elements; membership changes: O(n log n).
//   Threads    one at a time; const calls may run beside each other. Events for index() come from the same thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kthena/base/ids.hpp"
#include "kthena/base/status.hpp"
#include "kthena/base/time.hpp"
#include "kthena/prefix/home_table.hpp"
#include "kthena/prefix/index.hpp"
#include "kthena/route/load_ledger.hpp"
#include "kthena/route/policy.hpp"
#include "kthena/route/pool.hpp"
#include "kthena/route/request.hpp"

namespace kthena::route {

struct FleetOptions {
  LoadLedgerOptions ledger{};
  /// Over the engines' KV events, see index(). With max_expected_blocks > 0 each booked prompt is expected where it was sent: for fleets
  /// without events, or to bridge the time until they come.
  prefix::PrefixIndexOptions prefix{};
  prefix::HomeTableOptions homes{};
  /// How in_flight is made; `routers` is how many send to these endpoints, this one included. The other columns of bookings are this
  /// router's own sums: what others sent and did not say is taken as spread evenly, so that it changes no comparison. DEFAULT: kSamplePlusLater,
  /// which is kOwn times routers without a sample.
  EstimateRule estimate{LoadEstimator::kSamplePlusLater, 1};
  /// Learn prefill_tps and decode_tps of endpoints that came without. DEFAULT: true.
  bool learn_rates = true;
};

/// A request and its prepared prompt.
struct FleetRequest {
  /// prefix, history and prompt_tokens (its full blocks) are filled in from `prompt` where they are not given; output_tokens 0 becomes the
  /// fading mean of the answers so far.
  Request request{};
  /// From make_query() of this fleet; null: nothing is known of the prompt but request.prompt_tokens.
  const prefix::PrefixQuery* prompt = nullptr;
};

/// A decision and, when it was routed, its booking.
struct Routed {
  Decision decision;
  Ticket ticket;
};

/// One signal of an endpoint as it was sampled.
struct SignalValue {
  Signal signal = Signal::kRunning;
  double value = 0;  ///< kMissing forgets it
};

class Fleet {
 public:
  /// kInvalidArgument names every option out of range.
  static Result<Fleet> create(const FleetOptions& options = {});
  Fleet(Fleet&&) noexcept;
  Fleet& operator=(Fleet&&) noexcept;
  ~Fleet();

  // ---- endpoints

  /// Adds them all or none. kInvalidArgument with every fault, kResourceExhausted beyond the limits of ledger and index. Columns of bookings
  /// in `signals` and held_blocks are not read: they start at 0. Pool positions change.
  Status add_endpoints(std::span<const Endpoint> endpoints, Time now_ns);
  /// Its tickets are dropped. kNotFound: no such endpoint. Pool positions change.
  Status remove_endpoint(std::string_view id, Time now_ns);
  /// Its process began anew: its tickets, samples, cache and learned rates are gone, ready_at_s is now. kNotFound: no such endpoint.
  Status restart_endpoint(std::string_view id, Time now_ns);
  /// What it serves and what waits there. kInvalidArgument for repeats, kNotFound: no such endpoint.
  Status set_models(std::string_view id, std::vector<std::string> models, std::vector<std::string> waiting_models);
  /// What it said at `sampled_ns`. With both running and waiting it is a LoadSample for the ledger too. kInvalidArgument for values out of
  /// range and for columns that are made here, of bookings and held_blocks; then nothing changes. A value older than the one at hand or than
  /// the last restart is ignored.
  Status sample(EndpointIndex endpoint, std::span<const SignalValue> values, Time sampled_ns, Time now_ns);

  /// In the order of ids; positions hold until the next change of membership.
  [[nodiscard]] const PoolSnapshot& pool() const noexcept;
  /// For KV events. The worker of an endpoint has its id as name; do not add or remove workers.
  [[nodiscard]] prefix::PrefixIndex& index() noexcept;
  [[nodiscard]] const prefix::PrefixIndex& index() const noexcept;
  [[nodiscard]] WorkerId worker(EndpointIndex endpoint) const noexcept;
  /// The other way round; none for a worker that is no endpoint's.
  [[nodiscard]] EndpointIndex endpoint(WorkerId worker) const noexcept;
  [[nodiscard]] const LoadLedger& ledger() const noexcept;
  [[nodiscard]] prefix::PrefixQuery make_query(const prefix::Namespace& space) const;

  // ---- decisions

  /// A decision that leaves nothing behind; allocates scratch for depths. kInvalidArgument as check_request(), or for a prompt that is not from make_query().
  [[nodiscard]] Result<Decision> decide(const Policy& policy, const FleetRequest& request, Workspace& workspace) const;
  /// The same, booked at Request::now_ns when it is routed. On an error nothing is booked. kResourceExhausted: max_tickets are in flight.
  [[nodiscard]] Result<Routed> decide_and_book(const Policy& policy, const FleetRequest& request, Workspace& workspace);
  /// One after the other, each seeing the bookings of those before it: equal prefixes of a burst find the home that the first of them got.
  /// `out` has as many elements. All are checked first: on kInvalidArgument ("requests[3]....") none is booked. kResourceExhausted: those
  /// from `out[i]` on with an outcome kNoEndpoint and no reason were not decided.
  [[nodiscard]] Status decide_batch(const Policy& policy, std::span<const FleetRequest> requests, std::span<Routed> out,
                                    Workspace& workspace);
  /// Books a request that was sent to `endpoint` whatever a decision said, a failover say. kNotFound: no such endpoint.
  [[nodiscard]] Result<Ticket> book(EndpointIndex endpoint, const FleetRequest& request);

  // ---- what became of it

  TicketOutcome first_token(Ticket ticket, Time now_ns);
  /// So many answer tokens since the start.
  TicketOutcome progress(Ticket ticket, std::int64_t output_tokens, Time now_ns);
  /// `output_tokens`: of the whole answer; negative: not known.
  TicketOutcome finish(Ticket ticket, RequestEnd end, std::int64_t output_tokens, Time now_ns);
  /// Releases tickets that were silent for ledger.idle_limit_ns, and expected blocks that are due; gives the number of tickets. Call it every
  /// few seconds.
  std::uint32_t expire(Time now_ns);

 private:
  struct State;
  explicit Fleet(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace kthena::route
