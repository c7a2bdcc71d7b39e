// bindings/c/fleet.cpp
#include "kthena/route/fleet.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "calls.hpp"
#include "endpoints.hpp"
#include "handles.hpp"
#include "index_options.hpp"
#include "requests.hpp"
#include "user_scorer.hpp"

using namespace kthena;
using c::guarded;

static_assert(KTHENA_ESTIMATE_OWN == static_cast<int>(route::LoadEstimator::kOwn) + 1 &&
              KTHENA_ESTIMATE_SAMPLE == static_cast<int>(route::LoadEstimator::kSample) + 1 &&
              KTHENA_ESTIMATE_SAMPLE_PLUS_LATER == static_cast<int>(route::LoadEstimator::kSamplePlusLater) + 1 &&
              KTHENA_ESTIMATE_MAXIMUM == static_cast<int>(route::LoadEstimator::kMaximum) + 1);
static_assert(KTHENA_TICKET_APPLIED == static_cast<int>(route::TicketOutcome::kApplied) &&
              KTHENA_TICKET_REPEATED == static_cast<int>(route::TicketOutcome::kRepeated) &&
              KTHENA_TICKET_STALE == static_cast<int>(route::TicketOutcome::kStale));
static_assert(KTHENA_END_DONE == static_cast<int>(route::RequestEnd::kDone));

namespace {

kthena_status read_options(const kthena_fleet_options* options, route::FleetOptions& chosen, kthena_error* error) {
  if (options == nullptr) return KTHENA_OK;
  kthena_fleet_options given = {};
  if (kthena_status status = c::read_struct(options, "options", given, error); status != KTHENA_OK) return status;
  if (given.estimator < 0 || given.estimator > KTHENA_ESTIMATE_MAXIMUM)
    return c::refuse(error, "options.estimator", "no estimator " + std::to_string(given.estimator));
  if (given.fixed_rates > 1) return c::refuse(error, "options.fixed_rates", "must be 0 or 1");
  if (given.reserved != 0) return c::refuse(error, "options.reserved", "must be 0");
  const auto put = [](auto value, auto& place) {
    if (value != 0) place = value;
  };
  put(given.max_tickets, chosen.ledger.max_tickets);
  put(given.max_endpoints, chosen.ledger.max_endpoints);
  put(given.max_home_entries, chosen.homes.max_entries);
  put(given.routers, chosen.estimate.routers);
  put(given.idle_limit_ns, chosen.ledger.idle_limit_ns);
  chosen.ledger.arrival_ns = given.arrival_ns;
  if (given.estimator != KTHENA_ESTIMATE_DEFAULT)
    chosen.estimate.estimator = static_cast<route::LoadEstimator>(given.estimator - 1);
  chosen.learn_rates = given.fixed_rates == 0;
  return given.prefix == nullptr ? KTHENA_OK
                                 : c::read_index_options(given.prefix, "options.prefix", chosen.prefix, error);
}

/// `at` becomes the position of the endpoint in the pool.
kthena_status find(const kthena_fleet* fleet, uint32_t endpoint, EndpointIndex& at, kthena_error* error) {
  if (fleet == nullptr) return c::refuse_null(error, "fleet");
  at = fleet->fleet.endpoint({endpoint});
  return at.valid() ? KTHENA_OK : c::fail(error, KTHENA_NOT_FOUND, "endpoint: there is no " + std::to_string(endpoint));
}

kthena_status read_request(const kthena_request* request, const std::string& name, route::Request& wanted,
                           kthena_error* error) {
  kthena_request copy = {};
  const kthena_request* given = request;
  if (request == nullptr || request->struct_size != sizeof(kthena_request)) {
    if (kthena_status status = c::read_struct(request, name, copy, error); status != KTHENA_OK) return status;
    given = &copy;
  }
  if (kthena_status status = c::check_members(*given, error); status != KTHENA_OK) {
    if (error == nullptr || name == "request") return status;
    const std::string message(error->message);  // names its member as "request.member"
    return c::fail(error, status, name + message.substr(std::string_view("request").size()));
  }
  if (given->prefix_depths != nullptr || given->history_depths != nullptr || given->prefix_host_depths != nullptr ||
      given->prefix_disk_depths != nullptr || given->history_host_depths != nullptr ||
      given->history_disk_depths != nullptr)
    return c::refuse(error, name + ".prefix_depths", "a fleet finds depths itself");
  wanted.id = c::view(given->id);
  wanted.model = c::view(given->model);
  wanted.prompt_tokens = given->prompt_tokens;
  wanted.sequence = given->sequence;
  wanted.now_ns = given->now_ns;
  wanted.seed = given->seed;
  wanted.output_tokens = given->output_tokens;
  wanted.session = c::view(given->session);
  for (std::size_t level = 0; level < KTHENA_PLACE_LEVELS; ++level) wanted.near[level] = c::view(given->near_to[level]);
  wanted.slo_ttft_s = given->slo_ttft_s;
  wanted.slo_tpot_s = given->slo_tpot_s;
  return KTHENA_OK;
}

/// Puts the prompt into `query` and the request. Its memory is kept as long as prompts are of one namespace.
kthena_status read_prompt(const kthena_fleet& fleet, const kthena_prompt* prompt, const std::string& name,
                          prefix::PrefixQuery& query, route::FleetRequest& request, kthena_error* error) {
  if (prompt == nullptr) return KTHENA_OK;
  kthena_prompt given = {};
  if (kthena_status status = c::read_struct(prompt, name, given, error); status != KTHENA_OK) return status;
  if (given.reserved != 0) return c::refuse(error, name + ".reserved", "must be 0");
  if (kthena_status status = c::check_array(given.tokens, given.n, name + ".tokens", error); status != KTHENA_OK)
    return status;
  if (given.n > static_cast<std::size_t>(route::kMaxTokens)) return c::refuse(error, name + ".n", "too many tokens");
  if (kthena_status status = c::check(given.model, name + ".model", error); status != KTHENA_OK) return status;
  if (kthena_status status = c::check(given.adapter, name + ".adapter", error); status != KTHENA_OK) return status;
  if (kthena_status status = c::check(given.tenant, name + ".tenant", error); status != KTHENA_OK) return status;
  const prefix::Namespace space{
      .model = c::view(given.model), .adapter = c::view(given.adapter), .tenant = c::view(given.tenant)};
  const prefix::PrefixIndexOptions& options = fleet.fleet.index().options();
  if (query.namespace_key() != fleet.fleet.index().namespace_key(space) ||
      query.block_tokens() != options.block_tokens || query.seed() != options.seed ||
      query.wide() != options.wide_contents)
    query = fleet.fleet.make_query(space);
  query.clear();
  query.extend_tokens({given.tokens, given.n});
  request.prompt = &query;
  if (request.request.prompt_tokens == 0) request.request.prompt_tokens = static_cast<std::uint32_t>(given.n);
  return KTHENA_OK;
}

/// The whole of one request; query i and request i of the scratch.
kthena_status read(kthena_fleet& fleet, std::size_t i, const kthena_request* request, const std::string& request_name,
                   const kthena_prompt* prompt, const std::string& prompt_name, kthena_error* error) {
  fleet.requests[i] = {};
  if (kthena_status status = read_request(request, request_name, fleet.requests[i].request, error); status != KTHENA_OK)
    return status;
  return read_prompt(fleet, prompt, prompt_name, fleet.queries[i], fleet.requests[i], error);
}

void make_room(kthena_fleet& fleet, std::size_t n) {
  if (fleet.queries.size() < n) fleet.queries.resize(n);
  if (fleet.requests.size() < n) fleet.requests.resize(n);
  if (fleet.routed.size() < n) fleet.routed.resize(n);
}

void write_decision(const route::Fleet& fleet, const route::Decision& made, kthena_decision* decision) {
  kthena_decision whole = {};
  whole.outcome = static_cast<std::int32_t>(made.outcome);
  whole.endpoint = fleet.worker(made.endpoint).value;
  whole.reason = static_cast<std::int32_t>(made.reason.code);
  whole.reason_subject = made.reason.subject;
  whole.candidates = made.candidates;
  whole.reason_a = made.reason.a;
  whole.reason_b = made.reason.b;
  whole.score = made.score;
  whole.margin = made.margin;
  whole.ranked_count = made.ranked_count;
  for (std::size_t i = 0; i < route::kMaxRanked; ++i) whole.ranked[i] = KTHENA_NONE;
  for (std::size_t i = 0; i < made.ranked_count; ++i) whole.ranked[i] = fleet.worker(made.ranked[i]).value;
  whole.stage = made.stage;
  c::write_struct(decision, whole);
}

kthena_ticket to_c(const route::Ticket& ticket) noexcept {
  return ticket.generation == 0 ? kthena_ticket{} : kthena_ticket{ticket.generation, ticket.slot, 0};
}
route::Ticket from_c(const kthena_ticket& ticket) noexcept { return {ticket.generation, ticket.slot}; }

kthena_status read_names(const char* bytes, const uint64_t* offsets, std::size_t n, const char* name,
                         std::vector<std::string>& names, kthena_error* error) {
  if (n == 0) return KTHENA_OK;
  const std::string prefix = name;
  if (kthena_status status = c::check_offsets(offsets, n, bytes, prefix + "_offsets", prefix + "_bytes", error);
      status != KTHENA_OK)
    return status;
  for (std::size_t i = 0; i < n; ++i)
    names.emplace_back(offsets[i + 1] == offsets[i] ? "" : bytes + offsets[i], offsets[i + 1] - offsets[i]);
  return KTHENA_OK;
}

}  // namespace

kthena_status kthena_fleet_create(const kthena_fleet_options* options, kthena_fleet** fleet, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (fleet == nullptr) return c::refuse_null(error, "fleet");
    route::FleetOptions chosen;
    if (kthena_status status = read_options(options, chosen, error); status != KTHENA_OK) return status;
    Result<route::Fleet> made = route::Fleet::create(chosen);
    if (!made.ok()) return c::fail(error, made.status());
    *fleet = new kthena_fleet(std::move(*made));
    return KTHENA_OK;
  });
}

void kthena_fleet_free(kthena_fleet* fleet) { delete fleet; }

kthena_status kthena_fleet_add_endpoints(kthena_fleet* fleet, const kthena_pool_endpoints* endpoints, int64_t now_ns,
                                         uint32_t* numbers, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (fleet == nullptr) return c::refuse_null(error, "fleet");
    kthena_pool_endpoints given = {};
    if (kthena_status status = c::read_struct(endpoints, "endpoints", given, error); status != KTHENA_OK) return status;
    std::vector<route::Endpoint> rows;
    if (kthena_status status = c::read_endpoints(given, "endpoints.", rows, error); status != KTHENA_OK) return status;
    if (const Status status = fleet->fleet.add_endpoints(rows, now_ns); !status.ok()) return c::fail(error, status);
    for (std::size_t i = 0; i < rows.size() && numbers != nullptr; ++i)
      numbers[i] = fleet->fleet.worker(fleet->fleet.pool().find(rows[i].id)).value;
    return KTHENA_OK;
  });
}

kthena_status kthena_fleet_remove_endpoint(kthena_fleet* fleet, uint32_t endpoint, int64_t now_ns,
                                           kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    EndpointIndex at;
    if (kthena_status status = find(fleet, endpoint, at, error); status != KTHENA_OK) return status;
    const std::string id(fleet->fleet.pool().id(at));
    const Status status = fleet->fleet.remove_endpoint(id, now_ns);
    return status.ok() ? KTHENA_OK : c::fail(error, status);
  });
}

kthena_status kthena_fleet_restart_endpoint(kthena_fleet* fleet, uint32_t endpoint, int64_t now_ns,
                                            kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    EndpointIndex at;
    if (kthena_status status = find(fleet, endpoint, at, error); status != KTHENA_OK) return status;
    const Status status = fleet->fleet.restart_endpoint(fleet->fleet.pool().id(at), now_ns);
    return status.ok() ? KTHENA_OK : c::fail(error, status);
  });
}

kthena_status kthena_fleet_set_models(kthena_fleet* fleet, uint32_t endpoint, const char* model_bytes,
                                      const uint64_t* model_offsets, size_t models, const char* waiting_bytes,
                                      const uint64_t* waiting_offsets, size_t waiting, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    EndpointIndex at;
    if (kthena_status status = find(fleet, endpoint, at, error); status != KTHENA_OK) return status;
    std::vector<std::string> served;
    std::vector<std::string> awaited;
    if (kthena_status status = read_names(model_bytes, model_offsets, models, "model", served, error);
        status != KTHENA_OK)
      return status;
    if (kthena_status status = read_names(waiting_bytes, waiting_offsets, waiting, "waiting", awaited, error);
        status != KTHENA_OK)
      return status;
    const std::string id(fleet->fleet.pool().id(at));
    const Status status = fleet->fleet.set_models(id, std::move(served), std::move(awaited));
    return status.ok() ? KTHENA_OK : c::fail(error, status);
  });
}

kthena_status kthena_fleet_sample(kthena_fleet* fleet, uint32_t endpoint, const int32_t* signals, const double* values,
                                  size_t n, int64_t sampled_ns, int64_t now_ns, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    EndpointIndex at;
    if (kthena_status status = find(fleet, endpoint, at, error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check_array(signals, n, "signals", error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check_array(values, n, "values", error); status != KTHENA_OK) return status;
    std::vector<route::SignalValue> given(n);
    for (std::size_t i = 0; i < n; ++i) {
      if (signals[i] < 0 || signals[i] >= KTHENA_SIGNAL_COUNT)
        return c::refuse(error, "signals[" + std::to_string(i) + "]", "no signal " + std::to_string(signals[i]));
      given[i] = {static_cast<route::Signal>(signals[i]), values[i]};
    }
    const Status status = fleet->fleet.sample(at, given, sampled_ns, now_ns);
    return status.ok() ? KTHENA_OK : c::fail(error, status);
  });
}

size_t kthena_fleet_size(const kthena_fleet* fleet) { return fleet == nullptr ? 0 : fleet->fleet.pool().size(); }

uint32_t kthena_fleet_find(const kthena_fleet* fleet, kthena_str id) {
  if (fleet == nullptr) return KTHENA_NONE;
  return fleet->fleet.worker(fleet->fleet.pool().find(c::view(id))).value;
}

kthena_str kthena_fleet_id(const kthena_fleet* fleet, uint32_t endpoint) {
  if (fleet == nullptr) return c::borrow({});
  return c::borrow(fleet->fleet.pool().id(fleet->fleet.endpoint({endpoint})));
}

kthena_status kthena_fleet_get_signal(const kthena_fleet* fleet, uint32_t endpoint, int32_t signal, double* value,
                                      int64_t* sampled_ns, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    EndpointIndex at;
    if (kthena_status status = find(fleet, endpoint, at, error); status != KTHENA_OK) return status;
    if (signal < 0 || signal >= KTHENA_SIGNAL_COUNT)
      return c::refuse(error, "signal", "no signal " + std::to_string(signal));
    if (value == nullptr) return c::refuse_null(error, "value");
    const std::optional<route::Sample> sample = fleet->fleet.pool().sample(at, static_cast<route::Signal>(signal));
    *value = sample ? sample->value : route::kMissing;
    if (sampled_ns != nullptr) *sampled_ns = sample ? sample->sampled_ns : kNever;
    return KTHENA_OK;
  });
}

kthena_prefix_index* kthena_fleet_index(kthena_fleet* fleet) { return fleet == nullptr ? nullptr : &fleet->index; }

kthena_status kthena_fleet_decide(kthena_fleet* fleet, const kthena_policy* policy, const kthena_request* request,
                                  const kthena_prompt* prompt, kthena_workspace* workspace, kthena_decision* decision,
                                  kthena_ticket* ticket, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (fleet == nullptr) return c::refuse_null(error, "fleet");
    if (policy == nullptr) return c::refuse_null(error, "policy");
    if (workspace == nullptr) return c::refuse_null(error, "workspace");
    if (ticket == nullptr) return c::refuse_null(error, "ticket");
    if (kthena_status status = c::check_struct(decision, "decision", error); status != KTHENA_OK) return status;
    make_room(*fleet, 1);
    if (kthena_status status = read(*fleet, 0, request, "request", prompt, "prompt", error); status != KTHENA_OK)
      return status;
    const c::Asking asking(*fleet);
    const Result<route::Routed> routed =
        fleet->fleet.decide_and_book(policy->policy, fleet->requests[0], workspace->workspace);
    if (!routed.ok()) return c::fail(error, routed.status());
    if (routed->decision.outcome == route::Outcome::kScorerFailed)
      return c::fail(error, workspace->workspace.failure());
    write_decision(fleet->fleet, routed->decision, decision);
    *ticket = to_c(routed->ticket);
    return KTHENA_OK;
  });
}

kthena_status kthena_fleet_decide_batch(kthena_fleet* fleet, const kthena_policy* policy,
                                        const kthena_request* const* requests, const kthena_prompt* const* prompts,
                                        size_t n, kthena_workspace* workspace, kthena_decision* const* decisions,
                                        kthena_ticket* tickets, size_t* decided, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (fleet == nullptr) return c::refuse_null(error, "fleet");
    if (policy == nullptr) return c::refuse_null(error, "policy");
    if (workspace == nullptr) return c::refuse_null(error, "workspace");
    if (decided == nullptr) return c::refuse_null(error, "decided");
    if (kthena_status status = c::check_array(requests, n, "requests", error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check_array(decisions, n, "decisions", error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check_array(tickets, n, "tickets", error); status != KTHENA_OK) return status;
    make_room(*fleet, n);
    for (std::size_t i = 0; i < n; ++i) {
      const std::string at = "[" + std::to_string(i) + "]";
      if (kthena_status status = c::check_struct(decisions[i], "decisions" + at, error); status != KTHENA_OK)
        return status;
      if (kthena_status status = read(*fleet, i, requests[i], "requests" + at,
                                      prompts == nullptr ? nullptr : prompts[i], "prompts" + at, error);
          status != KTHENA_OK)
        return status;
    }
    const std::span<route::Routed> routed = std::span(fleet->routed).first(n);
    const c::Asking asking(*fleet);
    const Status status =
        fleet->fleet.decide_batch(policy->policy, std::span(fleet->requests).first(n), routed, workspace->workspace);
    if (!status.ok() && status.code() != StatusCode::kResourceExhausted) return c::fail(error, status);
    std::size_t made = 0;
    for (; made < n && routed[made].decision.reason.code != ReasonCode{}; ++made) {
      write_decision(fleet->fleet, routed[made].decision, decisions[made]);
      tickets[made] = to_c(routed[made].ticket);
    }
    *decided = made;
    return KTHENA_OK;
  });
}

kthena_status kthena_fleet_book(kthena_fleet* fleet, uint32_t endpoint, const kthena_request* request,
                                const kthena_prompt* prompt, kthena_ticket* ticket, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    EndpointIndex at;
    if (kthena_status status = find(fleet, endpoint, at, error); status != KTHENA_OK) return status;
    if (ticket == nullptr) return c::refuse_null(error, "ticket");
    make_room(*fleet, 1);
    if (kthena_status status = read(*fleet, 0, request, "request", prompt, "prompt", error); status != KTHENA_OK)
      return status;
    const Result<route::Ticket> booked = fleet->fleet.book(at, fleet->requests[0]);
    if (!booked.ok()) return c::fail(error, booked.status());
    *ticket = to_c(*booked);
    return KTHENA_OK;
  });
}

int32_t kthena_fleet_first_token(kthena_fleet* fleet, kthena_ticket ticket, int64_t now_ns) {
  if (fleet == nullptr) return KTHENA_TICKET_STALE;
  return static_cast<int32_t>(fleet->fleet.first_token(from_c(ticket), now_ns));
}

int32_t kthena_fleet_progress(kthena_fleet* fleet, kthena_ticket ticket, int64_t output_tokens, int64_t now_ns) {
  if (fleet == nullptr) return KTHENA_TICKET_STALE;
  return static_cast<int32_t>(fleet->fleet.progress(from_c(ticket), output_tokens, now_ns));
}

int32_t kthena_fleet_finish(kthena_fleet* fleet, kthena_ticket ticket, int32_t end, int64_t output_tokens,
                            int64_t now_ns) {
  if (fleet == nullptr) return KTHENA_TICKET_STALE;
  const route::RequestEnd ended = end == KTHENA_END_DONE ? route::RequestEnd::kDone : route::RequestEnd::kFailed;
  return static_cast<int32_t>(fleet->fleet.finish(from_c(ticket), ended, output_tokens, now_ns));
}

uint32_t kthena_fleet_expire(kthena_fleet* fleet, int64_t now_ns) {
  return fleet == nullptr ? 0 : fleet->fleet.expire(now_ns);
}

kthena_status kthena_fleet_get_counts(const kthena_fleet* fleet, kthena_fleet_counts* counts, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (fleet == nullptr) return c::refuse_null(error, "fleet");
    if (kthena_status status = c::check_struct(counts, "counts", error); status != KTHENA_OK) return status;
    const route::LedgerCounts& from = fleet->fleet.ledger().counts();
    kthena_fleet_counts whole = {};
    whole.in_flight = fleet->fleet.ledger().in_flight();
    whole.booked = from.booked;
    whole.done = from.done;
    whole.failed = from.failed;
    whole.expired = from.expired;
    whole.dropped = from.dropped;
    whole.stale = from.stale;
    whole.older_samples = from.older_samples;
    whole.clock_behind = from.clock_behind;
    c::write_struct(counts, whole);
    return KTHENA_OK;
  });
}
