#include "kthena/route/fleet.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "kthena/base/faults.hpp"
#include "rate_learner.hpp"

namespace kthena::route {
namespace {

/// Which column of the pool is which sum of the ledger.
struct BookingColumn {
  Signal signal;
  LoadQuantity quantity;
};
constexpr std::array<BookingColumn, kLoadQuantityCount> kBookings = {
    {{Signal::kInFlight, LoadQuantity::kRequests},
     {Signal::kPrefillRequests, LoadQuantity::kPrefillRequests},
     {Signal::kPrefillTokens, LoadQuantity::kPromptTokens},
     {Signal::kUncachedTokens, LoadQuantity::kUncachedTokens},
     {Signal::kOutputTokens, LoadQuantity::kOutputTokens},
     {Signal::kKvTokens, LoadQuantity::kKvTokens}}};

bool is_booking(Signal signal) noexcept {
  return std::any_of(kBookings.begin(), kBookings.end(),
                     [&](const BookingColumn& column) { return column.signal == signal; });
}

/// Faults of an options struct inside another one, each with its full path.
void add_nested(Faults& faults, const std::string& owner, const Status& status) {
  if (status.ok()) return;
  std::string_view rest = status.message();
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find("; "), rest.size());
    faults.add("", owner + "." + std::string(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 2, rest.size()));
  }
}

/// From one time to a later one; not positive where it does not fit.
Duration between(Time from, Time to) noexcept {
  return static_cast<Duration>(static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from));
}

constexpr std::size_t kLearnEvery = 64;     // first tokens, or as many as there are endpoints
constexpr double kFirstAnswerTokens = 256;  // before any answer came
constexpr double kAnswerShare = 0.01;       // of one answer in their mean

}  // namespace

struct Fleet::State {
  /// What stands beside a row of the pool.
  struct Member {
    Endpoint facts;  // as it was added, models as of now; signals are in the pool
    LedgerEndpoint ledger;
    WorkerId worker;
    detail::RateLearner rates;
    Time started_ns = kNever;      // samples from before are of another process
    bool has_prefill_tps = false;  // of its own
    bool has_decode_tps = false;
  };
  /// What stands beside a ticket, by its slot.
  struct Trip {
    Time first_token_ns = 0;
    double tokens_ahead = 0;  // uncached, its own included
  };

  FleetOptions options;
  PoolSnapshot pool;
  LoadLedger ledger;
  prefix::PrefixIndex index;
  prefix::HomeTable homes;
  std::vector<Member> members;               // in pool order
  std::vector<std::uint32_t> rows;           // by ledger slot
  std::vector<std::uint32_t> row_of_worker;  // by worker id
  std::vector<WorkerId> workers;             // by row
  std::vector<Trip> trips;
  double answer_tokens = kFirstAnswerTokens;
  std::size_t tokens_until_learn = kLearnEvery;  // first tokens
  std::vector<double> levels;                    // scratch
  std::vector<std::uint32_t> level_order;
  // Scratch of one decision.
  std::vector<std::uint32_t> held;
  std::vector<std::uint32_t> home;

  State(const FleetOptions& options_in, LoadLedger ledger_in, prefix::PrefixIndex index_in, prefix::HomeTable homes_in)
      : options(options_in), ledger(std::move(ledger_in)), index(std::move(index_in)), homes(std::move(homes_in)) {}

  // ---- membership

  /// Rows of the pool as they stand, in pool order.
  [[nodiscard]] std::vector<Endpoint> current_rows() const {
    std::vector<Endpoint> out;
    for (std::size_t i = 0; i < members.size(); ++i) {
      Endpoint row = members[i].facts;
      for (std::size_t s = 0; s < kSignalCount; ++s)
        row.signals[s] = pool.sample({static_cast<std::uint32_t>(i)}, static_cast<Signal>(s));
      out.push_back(std::move(row));
    }
    return out;
  }

  void adopt(PoolSnapshot fresh, std::vector<Member> by_id) {
    pool = std::move(fresh);
    members = std::move(by_id);
    workers.clear();
    rows.clear();
    row_of_worker.clear();
    for (std::uint32_t i = 0; i < members.size(); ++i) {
      const Member& member = members[i];
      if (rows.size() <= member.ledger.slot) rows.resize(member.ledger.slot + 1, EndpointIndex::kNone);
      rows[member.ledger.slot] = i;
      if (row_of_worker.size() <= member.worker.value)
        row_of_worker.resize(member.worker.value + 1, EndpointIndex::kNone);
      row_of_worker[member.worker.value] = i;
      workers.push_back(member.worker);
    }
    held.assign(members.size(), 0);
    home.assign(members.size(), 0);
    levels.reserve(members.size());
    level_order.reserve(members.size());
    refresh_all();
    for (std::uint32_t i = 0; i < members.size(); ++i) refresh_held(i);
  }

  void set(std::uint32_t row, Signal signal, double value, Time sampled_ns) {
    (void)pool.set_value({row}, signal, value, sampled_ns);  // in range by construction
  }

  /// The columns of bookings of one row.
  void refresh(std::uint32_t row) {
    const Time now_ns = ledger.now_ns();
    const LedgerEndpoint endpoint = members[row].ledger;
    const LoadSums own = ledger.own(endpoint);
    for (const auto& [signal, quantity] : kBookings) {
      const double value = quantity == LoadQuantity::kRequests ? ledger.estimate(endpoint, quantity, options.estimate)
                                                               : static_cast<double>(own[quantity]);
      set(row, signal, std::min(value, info(signal).maximum), now_ns);
    }
  }

  void refresh_all() {
    for (std::uint32_t row = 0; row < members.size(); ++row) refresh(row);
  }

  void refresh_held(std::uint32_t row) {
    set(row, Signal::kHeldBlocks, static_cast<double>(index.held_blocks(members[row].worker)), ledger.now_ns());
  }

  /// Levels what was learned and puts it into the columns.
  void learn() {
    tokens_until_learn = std::max<std::size_t>(members.size(), kLearnEvery);
    constexpr double kPrefillGap = 1.25;  // by how much they scatter among equal machines
    constexpr double kDecodeGap = 1.6;
    level(
        Signal::kPrefillTps, kPrefillGap, [](const Member& m) { return m.has_prefill_tps; },
        [](const Member& m) { return m.rates.prefill_tps(); });
    level(
        Signal::kDecodeTps, kDecodeGap, [](const Member& m) { return m.has_decode_tps; },
        [](const Member& m) { return m.rates.decode_tps(); });
  }
  template <class HasOwn, class Rate>
  void level(Signal signal, double gap, HasOwn has_own, Rate rate) {
    levels.clear();
    for (const Member& member : members) levels.push_back(has_own(member) ? kMissing : rate(member));
    detail::level_rates(levels, gap, level_order);
    for (std::uint32_t row = 0; row < members.size(); ++row) {
      if (has_own(members[row])) continue;
      const double value = std::min(levels[row], info(signal).maximum);
      if (!is_missing(levels[row])) {
        set(row, signal, value, ledger.now_ns());
      } else if (pool.sample({row}, signal)) {
        set(row, signal, kMissing, kNever);
      }
    }
  }

  /// The first token of the ticket in `slot` came now; `info` is of before.
  void see_first_token(std::uint32_t slot, const TicketInfo& info) {
    const std::uint32_t row = rows[info.endpoint.slot];
    Trip& trip = trips[slot];
    trip.first_token_ns = ledger.now_ns();
    members[row].rates.add_first_token(static_cast<double>(info.request.uncached_tokens), trip.tokens_ahead,
                                       between(info.booked_ns, trip.first_token_ns));
    refresh(row);
    if (options.learn_rates && --tokens_until_learn == 0) learn();
  }

  // ---- a request

  [[nodiscard]] Status check(const FleetRequest& request) const {
    if (request.prompt != nullptr && (request.prompt->seed() != index.options().seed ||
                                      request.prompt->block_tokens() != index.options().block_tokens ||
                                      request.prompt->wide() != index.options().wide_contents))
      return invalid_argument("prompt: is not from make_query() of this fleet");
    if (request.request.prompt_tokens > kMaxTokens)
      return invalid_argument("request.prompt_tokens: must not exceed 2147483647");
    if (request.request.output_tokens > kMaxTokens)
      return invalid_argument("request.output_tokens: must not exceed 2147483647");
    return check_request(pool.view(), request.request);
  }

  /// The request with what the fleet knows; borrows from `held_out` and `home_out`, as long as the pool.
  [[nodiscard]] Request complete(const FleetRequest& given, std::span<std::uint32_t> held_out,
                                 std::span<std::uint32_t> home_out) const noexcept {
    Request request = given.request;
    if (request.output_tokens == 0) request.output_tokens = static_cast<std::uint32_t>(answer_tokens);
    if (given.prompt == nullptr) return request;
    const prefix::PrefixQuery& prompt = *given.prompt;
    const auto blocks = static_cast<std::uint32_t>(std::min<std::size_t>(prompt.size_blocks(), kMaxBlocks));
    if (request.prompt_tokens == 0) {
      const std::uint64_t tokens = std::uint64_t{blocks} * prompt.block_tokens();
      request.prompt_tokens = static_cast<std::uint32_t>(std::min<std::uint64_t>(tokens, kMaxTokens));
    }
    if (request.prefix.depth_blocks.empty()) {
      index.find(prompt, workers, held_out);
      request.prefix = {held_out, blocks, prompt.block_tokens()};
    }
    if (request.history.depth_blocks.empty() && request.prefix.total_blocks == blocks) {
      // Where the prefix lives: with those that hold it; what nobody holds, with the one that was sent it last.
      const std::span<const std::uint32_t> depths = request.prefix.depth_blocks;
      const prefix::Home found = homes.find(prompt);
      const std::uint32_t row = row_of(found.worker);
      if (row != EndpointIndex::kNone && found.depth_blocks > *std::max_element(depths.begin(), depths.end())) {
        std::copy(depths.begin(), depths.end(), home_out.begin());
        home_out[row] = found.depth_blocks;
        request.history = {home_out, blocks, prompt.block_tokens()};
      }
    }
    return request;
  }

  [[nodiscard]] std::uint32_t row_of(WorkerId worker) const noexcept {
    return worker.valid() && worker.value < row_of_worker.size() ? row_of_worker[worker.value] : EndpointIndex::kNone;
  }

  /// `request` is complete.
  Result<Ticket> book(std::uint32_t row, const Request& request, const prefix::PrefixQuery* prompt) {
    const PrefixMatch& match = request.prefix;
    std::uint64_t cached = 0;
    if (match.depth_blocks.size() == pool.size() && match.total_blocks > 0) {
      const std::uint64_t block =
          match.block_tokens > 0 ? match.block_tokens : std::max(1u, request.prompt_tokens / match.total_blocks);
      cached = std::min(match.depth_blocks[row], match.total_blocks) * block;
    }
    BookedRequest booked;
    booked.prompt_tokens = request.prompt_tokens;
    booked.uncached_tokens =
        booked.prompt_tokens - std::min<std::int64_t>(booked.prompt_tokens, static_cast<std::int64_t>(cached));
    booked.output_tokens = request.output_tokens;
    const Member& member = members[row];
    const std::uint64_t expired = ledger.counts().expired;
    Result<Ticket> ticket = ledger.book(member.ledger, booked, request.now_ns);
    if (ledger.counts().expired != expired) refresh_all();  // it made room
    if (!ticket.ok()) return ticket;
    if (trips.size() <= ticket->slot) trips.resize(std::max<std::size_t>(ticket->slot + 1, trips.size() * 2));
    trips[ticket->slot] = {0, static_cast<double>(ledger.own(member.ledger)[LoadQuantity::kUncachedTokens])};
    refresh(row);
    if (prompt != nullptr) {
      homes.set(*prompt, member.worker);
      if (index.options().max_expected_blocks > 0) (void)index.expect(member.worker, *prompt, request.now_ns);
      refresh_held(row);
    }
    return ticket;
  }
};

Fleet::Fleet(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Fleet::Fleet(Fleet&&) noexcept = default;
Fleet& Fleet::operator=(Fleet&&) noexcept = default;
Fleet::~Fleet() = default;

Result<Fleet> Fleet::create(const FleetOptions& options) {
  Faults faults;
  Result<LoadLedger> ledger = LoadLedger::create(options.ledger);
  Result<prefix::PrefixIndex> index = prefix::PrefixIndex::create(options.prefix);
  Result<prefix::HomeTable> homes = prefix::HomeTable::create(options.homes);
  add_nested(faults, "ledger", ledger.status());
  add_nested(faults, "prefix", index.status());
  add_nested(faults, "homes", homes.status());
  if (options.estimate.estimator > LoadEstimator::kMaximum) faults.add("estimate.estimator", "is none");
  if (options.estimate.routers > (1u << 16)) faults.add("estimate.routers", "must not exceed 65536");
  if (!faults.empty()) return faults.status();
  return Fleet(
      std::make_unique<State>(options, std::move(ledger).value(), std::move(index).value(), std::move(homes).value()));
}

// ---- endpoints

Status Fleet::add_endpoints(std::span<const Endpoint> endpoints, Time now_ns) {
  State& s = *state_;
  PoolBuilder check;  // the new ones by themselves, for paths that name them
  for (const Endpoint& endpoint : endpoints) check.add(endpoint);
  Faults faults = check.find_faults();
  for (std::size_t i = 0; i < endpoints.size(); ++i)
    if (s.pool.find(endpoints[i].id).valid())
      faults.add("endpoints[" + std::to_string(i) + "].id", "\"" + endpoints[i].id + "\" is in the fleet");
  if (!faults.empty()) return faults.status();
  const std::size_t total = s.members.size() + endpoints.size();
  if (total > s.options.ledger.max_endpoints) return resource_exhausted("endpoints: more than ledger.max_endpoints");
  if (total > s.options.prefix.max_workers) return resource_exhausted("endpoints: more than prefix.max_workers");

  PoolBuilder builder;
  for (Endpoint& row : s.current_rows()) builder.add(std::move(row));
  for (Endpoint row : endpoints) {
    for (const BookingColumn& column : kBookings) row.signals[static_cast<std::size_t>(column.signal)].reset();
    row.signals[static_cast<std::size_t>(Signal::kHeldBlocks)].reset();
    builder.add(std::move(row));
  }
  Result<PoolSnapshot> pool = builder.build();
  if (!pool.ok()) return pool.status();

  std::vector<State::Member> members = std::move(s.members);
  for (const Endpoint& endpoint : endpoints) {
    State::Member member;
    member.facts = endpoint;
    for (auto& signal : member.facts.signals) signal.reset();
    const auto given = [&](Signal signal) { return endpoint.signals[static_cast<std::size_t>(signal)].has_value(); };
    member.has_prefill_tps = given(Signal::kPrefillTps);
    member.has_decode_tps = given(Signal::kDecodeTps);
    member.ledger = s.ledger.add_endpoint(now_ns).value();  // there is room, see above
    member.worker = s.index.add_worker(endpoint.id).value();
    members.push_back(std::move(member));
  }
  std::sort(members.begin(), members.end(),
            [](const State::Member& a, const State::Member& b) { return a.facts.id < b.facts.id; });
  s.adopt(std::move(pool).value(), std::move(members));
  return {};
}

Status Fleet::remove_endpoint(std::string_view id, Time now_ns) {
  State& s = *state_;
  const EndpointIndex at = s.pool.find(id);
  if (!at.valid()) return not_found("there is no endpoint \"" + std::string(id) + "\" in the fleet");
  std::vector<Endpoint> rows = s.current_rows();
  rows.erase(rows.begin() + at.value);
  PoolBuilder builder;
  for (Endpoint& row : rows) builder.add(std::move(row));
  Result<PoolSnapshot> pool = builder.build();
  if (!pool.ok()) return pool.status();
  const State::Member gone = s.members[at.value];
  (void)s.ledger.remove_endpoint(gone.ledger, now_ns);
  (void)s.index.remove_worker(gone.worker);
  s.homes.forget(gone.worker);
  std::vector<State::Member> members = std::move(s.members);
  members.erase(members.begin() + at.value);
  s.adopt(std::move(pool).value(), std::move(members));
  return {};
}

Status Fleet::restart_endpoint(std::string_view id, Time now_ns) {
  State& s = *state_;
  const EndpointIndex at = s.pool.find(id);
  if (!at.valid()) return not_found("there is no endpoint \"" + std::string(id) + "\" in the fleet");
  State::Member& member = s.members[at.value];
  (void)s.ledger.restart_endpoint(member.ledger, now_ns);
  (void)s.index.apply(AllBlocksCleared{.worker = member.worker});
  member.rates = {};
  member.started_ns = s.ledger.now_ns();
  for (const Signal signal : {Signal::kRunning, Signal::kWaiting, Signal::kKvUsage, Signal::kTtft, Signal::kTpot})
    if (s.pool.sample(at, signal)) s.set(at.value, signal, kMissing, kNever);
  if (s.options.learn_rates) {
    if (!member.has_prefill_tps && s.pool.sample(at, Signal::kPrefillTps))
      s.set(at.value, Signal::kPrefillTps, kMissing, kNever);
    if (!member.has_decode_tps && s.pool.sample(at, Signal::kDecodeTps))
      s.set(at.value, Signal::kDecodeTps, kMissing, kNever);
  }
  const double ready_s = to_seconds(member.started_ns);
  if (ready_s >= 0 && ready_s <= info(Signal::kReadyAtS).maximum)
    s.set(at.value, Signal::kReadyAtS, ready_s, member.started_ns);
  s.refresh_held(at.value);
  s.refresh(at.value);
  return {};
}

Status Fleet::set_models(std::string_view id, std::vector<std::string> models,
                         std::vector<std::string> waiting_models) {
  State& s = *state_;
  const EndpointIndex at = s.pool.find(id);
  if (!at.valid()) return not_found("there is no endpoint \"" + std::string(id) + "\" in the fleet");
  Endpoint named{.id = std::string(id), .signals = {}, .models = models, .waiting_models = waiting_models};
  PoolBuilder check;
  check.add(std::move(named));
  Faults faults;
  constexpr std::string_view kPath = "endpoints[0].";
  const Faults found = check.find_faults();
  for (const Fault& fault : found.list()) faults.add(fault.path.substr(kPath.size()), fault.message);
  if (!faults.empty()) return faults.status();
  std::vector<Endpoint> rows = s.current_rows();
  rows[at.value].models = models;
  rows[at.value].waiting_models = waiting_models;
  PoolBuilder builder;
  for (Endpoint& row : rows) builder.add(std::move(row));
  Result<PoolSnapshot> pool = builder.build();
  if (!pool.ok()) return pool.status();
  s.pool = std::move(pool).value();
  s.members[at.value].facts.models = std::move(models);
  s.members[at.value].facts.waiting_models = std::move(waiting_models);
  return {};
}

Status Fleet::sample(EndpointIndex endpoint, std::span<const SignalValue> values, Time sampled_ns, Time now_ns) {
  State& s = *state_;
  if (endpoint.value >= s.pool.size()) return not_found("there is no endpoint " + std::to_string(endpoint.value));
  const std::uint32_t row = endpoint.value;
  Faults faults;
  if (sampled_ns == kNever) faults.add("sampled_ns", "is needed");
  if (sampled_ns > std::max(now_ns, s.ledger.now_ns())) faults.add("sampled_ns", "is after now_ns");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string path = "values[" + std::to_string(i) + "]";
    const auto [signal, value] = values[i];
    if (static_cast<std::size_t>(signal) >= kSignalCount) {
      faults.add(path + ".signal", "is none");
    } else if (is_booking(signal)) {
      faults.add(path + ".signal", std::string(info(signal).name) + " is made from bookings");
    } else if (signal == Signal::kHeldBlocks) {
      faults.add(path + ".signal", "held_blocks is what the index holds");
    } else if (!is_missing(value) && !(value >= 0 && value <= info(signal).maximum)) {
      faults.add(path + ".value", std::string(info(signal).name) + " is out of range");
    }
  }
  if (!faults.empty()) return faults.status();

  State::Member& member = s.members[row];
  LoadSample load;
  load.sampled_ns = sampled_ns;
  double running = kMissing;
  double waiting = kMissing;
  for (const auto& [signal, value] : values) {
    const std::optional<Sample> known = s.pool.sample(endpoint, signal);
    if (sampled_ns < member.started_ns || (known && known->sampled_ns > sampled_ns)) continue;
    s.set(row, signal, value, sampled_ns);
    if (signal == Signal::kRunning) running = value;
    if (signal == Signal::kWaiting) waiting = value;
    if (signal == Signal::kPrefillTps) member.has_prefill_tps = !is_missing(value);
    if (signal == Signal::kDecodeTps) member.has_decode_tps = !is_missing(value);
  }
  if (!is_missing(running) && !is_missing(waiting)) {
    load[LoadQuantity::kRequests] = running + waiting;
    (void)s.ledger.merge_sample(member.ledger, load, now_ns);
  }
  s.refresh_held(row);
  s.refresh(row);
  return {};
}

const PoolSnapshot& Fleet::pool() const noexcept { return state_->pool; }
prefix::PrefixIndex& Fleet::index() noexcept { return state_->index; }
const prefix::PrefixIndex& Fleet::index() const noexcept { return state_->index; }
const LoadLedger& Fleet::ledger() const noexcept { return state_->ledger; }
WorkerId Fleet::worker(EndpointIndex endpoint) const noexcept {
  return endpoint.value < state_->workers.size() ? state_->workers[endpoint.value] : WorkerId{};
}
EndpointIndex Fleet::endpoint(WorkerId worker) const noexcept { return {state_->row_of(worker)}; }
prefix::PrefixQuery Fleet::make_query(const prefix::Namespace& space) const { return state_->index.make_query(space); }

// ---- decisions

Result<Decision> Fleet::decide(const Policy& policy, const FleetRequest& request, Workspace& workspace) const {
  const State& s = *state_;
  if (Status status = s.check(request); !status.ok()) return status;
  std::vector<std::uint32_t> depths(2 * s.pool.size());
  const std::span<std::uint32_t> both(depths);
  const Request complete = s.complete(request, both.first(s.pool.size()), both.subspan(s.pool.size()));
  return policy.decide(s.pool, complete, workspace);
}

Result<Routed> Fleet::decide_and_book(const Policy& policy, const FleetRequest& request, Workspace& workspace) {
  State& s = *state_;
  if (Status status = s.check(request); !status.ok()) return status;
  const Request complete = s.complete(request, s.held, s.home);
  Routed routed{policy.decide(s.pool, complete, workspace), {}};
  if (routed.decision.outcome != Outcome::kRouted) return routed;
  Result<Ticket> ticket = s.book(routed.decision.endpoint.value, complete, request.prompt);
  if (!ticket.ok()) return ticket.status();
  routed.ticket = *ticket;
  return routed;
}

Status Fleet::decide_batch(const Policy& policy, std::span<const FleetRequest> requests, std::span<Routed> out,
                           Workspace& workspace) {
  State& s = *state_;
  if (out.size() != requests.size())
    return invalid_argument("out: " + std::to_string(out.size()) + " elements for " + std::to_string(requests.size()) +
                            " requests");
  Faults faults;
  for (std::size_t i = 0; i < requests.size(); ++i)
    if (Status status = s.check(requests[i]); !status.ok())
      faults.add("", "requests[" + std::to_string(i) + "]." + status.message());
  if (!faults.empty()) return faults.status();
  std::fill(out.begin(), out.end(), Routed());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Result<Routed> routed = decide_and_book(policy, requests[i], workspace);
    if (!routed.ok()) return routed.status();
    out[i] = *routed;
  }
  return {};
}

Result<Ticket> Fleet::book(EndpointIndex endpoint, const FleetRequest& request) {
  State& s = *state_;
  if (Status status = s.check(request); !status.ok()) return status;
  if (endpoint.value >= s.pool.size()) return not_found("there is no endpoint " + std::to_string(endpoint.value));
  return s.book(endpoint.value, s.complete(request, s.held, s.home), request.prompt);
}

// ---- what became of it

TicketOutcome Fleet::first_token(Ticket ticket, Time now_ns) {
  State& s = *state_;
  const std::optional<TicketInfo> info = s.ledger.info(ticket);
  const TicketOutcome outcome = s.ledger.first_token(ticket, now_ns);
  if (outcome == TicketOutcome::kApplied) s.see_first_token(ticket.slot, *info);
  return outcome;
}

TicketOutcome Fleet::progress(Ticket ticket, std::int64_t output_tokens, Time now_ns) {
  State& s = *state_;
  const std::optional<TicketInfo> info = s.ledger.info(ticket);
  const TicketOutcome outcome = s.ledger.progress(ticket, output_tokens, now_ns);
  if (outcome != TicketOutcome::kApplied) return outcome;
  if (info->prefilled) {
    s.refresh(s.rows[info->endpoint.slot]);
  } else {
    s.see_first_token(ticket.slot, *info);
  }
  return outcome;
}

TicketOutcome Fleet::finish(Ticket ticket, RequestEnd end, std::int64_t output_tokens, Time now_ns) {
  State& s = *state_;
  const std::optional<TicketInfo> info = s.ledger.info(ticket);
  if (info) {
    const std::uint32_t row = s.rows[info->endpoint.slot];
    const std::int64_t tokens = output_tokens >= 0 ? std::min(output_tokens, kMaxTokens) : info->produced_tokens;
    if (end == RequestEnd::kDone && tokens > 0) {
      s.answer_tokens += kAnswerShare * (static_cast<double>(tokens) - s.answer_tokens);
      const LoadSums own = s.ledger.own(info->endpoint);
      if (info->prefilled)
        s.members[row].rates.add_answer(
            static_cast<double>(tokens - 1),
            between(s.trips[ticket.slot].first_token_ns, std::max(now_ns, s.ledger.now_ns())),
            static_cast<double>(own[LoadQuantity::kRequests] - 1), static_cast<double>(own[LoadQuantity::kKvTokens]));
    }
  }
  const TicketOutcome outcome = s.ledger.release(ticket, end, now_ns);
  if (info) {
    const std::uint32_t row = s.rows[info->endpoint.slot];
    s.refresh(row);
  }
  return outcome;
}

std::uint32_t Fleet::expire(Time now_ns) {
  State& s = *state_;
  const std::uint32_t expired = s.ledger.expire(now_ns);
  constexpr std::size_t kBlocks = 1u << 16;
  while (s.index.expire(now_ns, kBlocks) == kBlocks) {
  }
  (void)s.index.sweep(kBlocks);
  for (std::uint32_t row = 0; row < s.members.size(); ++row) {
    s.refresh(row);
    s.refresh_held(row);
  }
  return expired;
}

}  // namespace kthena::route
