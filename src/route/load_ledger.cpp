#include "kthena/route/load_ledger.hpp"

#include <algorithm>
#include <string>

#include "kthena/base/faults.hpp"

namespace kthena::route {
namespace {

constexpr std::uint32_t kMostTickets = 1u << 24;
constexpr std::uint32_t kMostEndpoints = 1u << 20;
constexpr std::uint32_t kMostRouters = 1u << 16;
constexpr Duration kMostIdle = 30 * 86'400 * kSecond;
constexpr Duration kMostArrival = 3'600 * kSecond;
constexpr double kMostSampled = 1e15;

/// From one time to a later one, also where the difference does not fit into a Duration.
std::uint64_t elapsed(Time from, Time to) noexcept {
  return static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
}

void add(LoadSums& sum, const LoadSums& load) noexcept {
  for (std::size_t i = 0; i < kLoadQuantityCount; ++i) sum.values[i] += load.values[i];
}

void subtract(LoadSums& sum, const LoadSums& load) noexcept {
  for (std::size_t i = 0; i < kLoadQuantityCount; ++i) sum.values[i] -= load.values[i];
}

template <class T>
void check_range(Faults& faults, const char* path, T value, T minimum, T maximum) {
  if (value < minimum || value > maximum)
    faults.add(path,
               std::to_string(value) + " is not in [" + std::to_string(minimum) + ", " + std::to_string(maximum) + "]");
}

Faults find_faults(const LoadLedgerOptions& options) {
  Faults faults;
  check_range(faults, "max_tickets", options.max_tickets, 1u, kMostTickets);
  check_range(faults, "max_endpoints", options.max_endpoints, 1u, kMostEndpoints);
  check_range(faults, "idle_limit_ns", options.idle_limit_ns, kMillisecond, kMostIdle);
  check_range(faults, "arrival_ns", options.arrival_ns, Duration{0}, kMostArrival);
  return faults;
}

bool is_tokens(std::int64_t tokens) noexcept { return tokens >= 0 && tokens <= kMaxTokens; }

bool is_good(const BookedRequest& request) noexcept {
  return is_tokens(request.prompt_tokens) && is_tokens(request.uncached_tokens) && is_tokens(request.output_tokens) &&
         request.uncached_tokens <= request.prompt_tokens;
}

Faults find_faults(const BookedRequest& request) {
  Faults faults;
  check_range(faults, "prompt_tokens", request.prompt_tokens, std::int64_t{0}, kMaxTokens);
  check_range(faults, "uncached_tokens", request.uncached_tokens, std::int64_t{0}, kMaxTokens);
  check_range(faults, "output_tokens", request.output_tokens, std::int64_t{0}, kMaxTokens);
  if (is_tokens(request.prompt_tokens) && is_tokens(request.uncached_tokens) &&
      request.uncached_tokens > request.prompt_tokens)
    faults.add("uncached_tokens", "more than prompt_tokens");
  return faults;
}

Faults find_faults(const LoadSample& sample, Time now_ns) {
  Faults faults;
  if (sample.sampled_ns == kNever) {
    faults.add("sampled_ns", "is needed");
  } else if (sample.sampled_ns > now_ns) {
    faults.add("sampled_ns", "is after now_ns");
  }
  for (std::size_t i = 0; i < kLoadQuantityCount; ++i) {
    const double value = sample.values[i];
    if (is_reported(value) && !(value >= 0 && value <= kMostSampled))
      faults.add(std::string(kLoadQuantities[i]), "is not in [0, 1e15]");
  }
  return faults;
}

double routers_of(EstimateRule rule) noexcept {
  return static_cast<double>(std::clamp(rule.routers, 1u, kMostRouters));
}

Status no_endpoint() { return not_found("no such endpoint in this ledger"); }

}  // namespace

LoadSample to_load_sample(const EngineSample& sample) noexcept {
  LoadSample load;
  load.sampled_ns = sample.sampled_ns;
  const EngineReading& engine = sample.engine;
  // A signal that is not reported is NaN, and so is what it is part of.
  load[LoadQuantity::kRequests] = engine[EngineSignal::kRunning] + engine[EngineSignal::kWaiting];
  const double blocks = engine[EngineSignal::kKvUsedBlocks] * engine[EngineSignal::kBlockTokens];
  load[LoadQuantity::kKvTokens] =
      is_reported(blocks) ? blocks : engine[EngineSignal::kKvUsage] * engine[EngineSignal::kKvTotalTokens];
  return load;
}

Result<LoadLedger> LoadLedger::create(const LoadLedgerOptions& options) {
  if (const Faults faults = find_faults(options); !faults.empty()) return faults.status();
  return LoadLedger(options);
}

void LoadLedger::reserve(std::uint32_t tickets, std::uint32_t endpoints) {
  records_.reserve(std::min(tickets, options_.max_tickets));
  endpoints_.reserve(std::min(endpoints, options_.max_endpoints));
}

Result<LedgerEndpoint> LoadLedger::add_endpoint(Time now_ns) {
  if (endpoints_used_ == options_.max_endpoints) return resource_exhausted("max_endpoints are in the ledger");
  std::uint32_t slot = free_endpoint_;
  if (slot == kNone) {
    slot = static_cast<std::uint32_t>(endpoints_.size());
    endpoints_.emplace_back();
  } else {
    free_endpoint_ = endpoints_[slot].first;
  }
  advance(now_ns);
  ++endpoints_used_;
  const std::uint32_t generation = endpoints_[slot].generation + 1;
  endpoints_[slot] = EndpointRecord();
  endpoints_[slot].generation = generation;
  endpoints_[slot].started_ns = now_ns_;
  endpoints_[slot].used = true;
  return LedgerEndpoint{slot, generation};
}

Result<std::uint32_t> LoadLedger::restart_endpoint(LedgerEndpoint endpoint, Time now_ns) {
  EndpointRecord* const found = find(endpoint);
  if (found == nullptr) return no_endpoint();
  advance(now_ns);
  found->sample = LoadSample();
  found->covered = LoadSums();
  found->started_ns = now_ns_;
  return drop_tickets(*found);
}

Result<std::uint32_t> LoadLedger::remove_endpoint(LedgerEndpoint endpoint, Time now_ns) {
  EndpointRecord* const found = find(endpoint);
  if (found == nullptr) return no_endpoint();
  advance(now_ns);
  const std::uint32_t dropped = drop_tickets(*found);
  --endpoints_used_;
  found->used = false;
  // A handle whose generation came round again would be good for another endpoint: the slot is given up before.
  if (found->generation != 0xFFFFFFFFu) {
    found->first = free_endpoint_;
    free_endpoint_ = endpoint.slot;
  }
  return dropped;
}

Result<Ticket> LoadLedger::book(LedgerEndpoint endpoint, const BookedRequest& request, Time now_ns) {
  if (!is_good(request)) return find_faults(request).status();
  EndpointRecord* const target = find(endpoint);
  if (target == nullptr) return no_endpoint();
  advance(now_ns);
  if (in_flight_ == options_.max_tickets && expire_due() == 0) return resource_exhausted("max_tickets are in flight");
  std::uint32_t slot = free_record_;
  if (slot == kNone) {
    slot = static_cast<std::uint32_t>(records_.size());
    records_.emplace_back();
  } else {
    free_record_ = records_[slot].endpoint_next;
  }

  Record& record = records_[slot];
  record = Record();
  record.generation = ++counts_.booked;
  record.booked_ns = now_ns_;
  record.touched_ns = now_ns_;
  record.endpoint = endpoint.slot;
  record.prompt_tokens = static_cast<std::int32_t>(request.prompt_tokens);
  record.uncached_tokens = static_cast<std::int32_t>(request.uncached_tokens);
  record.reserved_tokens = static_cast<std::int32_t>(request.output_tokens);

  record.endpoint_previous = target->last;
  (target->last == kNone ? target->first : records_[target->last].endpoint_next) = slot;
  target->last = slot;
  if (target->first_later == kNone) target->first_later = slot;
  append_idle(slot);

  const LoadSums load = load_of(record);
  add(target->own, load);
  add(target->later, load);
  ++in_flight_;
  return Ticket{record.generation, slot};
}

TicketOutcome LoadLedger::first_token(Ticket ticket, Time now_ns) noexcept {
  advance(now_ns);
  Record* const record = find(ticket);
  if (record == nullptr) return TicketOutcome::kStale;
  touch(ticket.slot);
  if (record->prefilled) return TicketOutcome::kRepeated;
  change(*record, record->produced_tokens);
  return TicketOutcome::kApplied;
}

TicketOutcome LoadLedger::progress(Ticket ticket, std::int64_t output_tokens, Time now_ns) noexcept {
  advance(now_ns);
  Record* const record = find(ticket);
  if (record == nullptr) return TicketOutcome::kStale;
  touch(ticket.slot);
  const auto produced = static_cast<std::int32_t>(std::clamp(output_tokens, std::int64_t{0}, kMaxTokens));
  if (produced <= record->produced_tokens) return TicketOutcome::kRepeated;
  change(*record, produced);
  return TicketOutcome::kApplied;
}

TicketOutcome LoadLedger::release(Ticket ticket, RequestEnd end, Time now_ns) noexcept {
  advance(now_ns);
  if (find(ticket) == nullptr) return TicketOutcome::kStale;
  free_ticket(ticket.slot);
  ++(end == RequestEnd::kDone ? counts_.done : counts_.failed);
  return TicketOutcome::kApplied;
}

std::uint32_t LoadLedger::expire(Time now_ns) noexcept {
  advance(now_ns);
  return expire_due();
}

std::uint32_t LoadLedger::expire_due() noexcept {
  std::uint32_t expired = 0;
  for (; idle_first_ != kNone && is_due(idle_first_); ++expired) free_ticket(idle_first_);
  counts_.expired += expired;
  return expired;
}

Result<SampleOutcome> LoadLedger::merge_sample(LedgerEndpoint endpoint, const LoadSample& sample, Time now_ns) {
  if (const Faults faults = find_faults(sample, std::max(now_ns, now_ns_)); !faults.empty()) return faults.status();
  EndpointRecord* const target = find(endpoint);
  if (target == nullptr) return no_endpoint();
  advance(now_ns);
  if (sample.sampled_ns <= target->sample.sampled_ns || sample.sampled_ns < target->started_ns) {
    ++counts_.older_samples;
    return SampleOutcome::kOlder;
  }
  target->sample = sample;
  const auto arrival = static_cast<std::uint64_t>(options_.arrival_ns);
  while (target->first_later != kNone) {
    Record& record = records_[target->first_later];
    if (record.booked_ns > sample.sampled_ns || elapsed(record.booked_ns, sample.sampled_ns) < arrival) break;
    record.covered = true;
    subtract(target->later, load_of(record));
    target->first_later = record.endpoint_next;
  }
  target->covered = target->own;
  subtract(target->covered, target->later);
  return SampleOutcome::kMerged;
}

std::optional<TicketInfo> LoadLedger::info(Ticket ticket) const noexcept {
  if (ticket.generation == 0 || ticket.slot >= records_.size()) return std::nullopt;
  const Record& record = records_[ticket.slot];
  if (record.generation != ticket.generation) return std::nullopt;
  return TicketInfo{{record.endpoint, endpoints_[record.endpoint].generation},
                    record.booked_ns,
                    {record.prompt_tokens, record.uncached_tokens, record.reserved_tokens},
                    record.produced_tokens,
                    record.prefilled};
}

LoadSums LoadLedger::own(LedgerEndpoint endpoint) const noexcept {
  const EndpointRecord* const found = find(endpoint);
  return found == nullptr ? LoadSums() : found->own;
}

LoadSums LoadLedger::later(LedgerEndpoint endpoint) const noexcept {
  const EndpointRecord* const found = find(endpoint);
  return found == nullptr ? LoadSums() : found->later;
}

Time LoadLedger::sampled_ns(LedgerEndpoint endpoint) const noexcept {
  const EndpointRecord* const found = find(endpoint);
  return found == nullptr ? kNever : found->sample.sampled_ns;
}

double LoadLedger::estimate(LedgerEndpoint endpoint, LoadQuantity quantity, EstimateRule rule) const noexcept {
  const EndpointRecord* const found = find(endpoint);
  return found == nullptr ? kNotReported : estimate(*found, quantity, rule.estimator, routers_of(rule));
}

std::array<double, kLoadQuantityCount> LoadLedger::estimates(LedgerEndpoint endpoint,
                                                             EstimateRule rule) const noexcept {
  std::array<double, kLoadQuantityCount> out;
  const EndpointRecord* const found = find(endpoint);
  const double routers = routers_of(rule);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = found == nullptr ? kNotReported : estimate(*found, static_cast<LoadQuantity>(i), rule.estimator, routers);
  return out;
}

double LoadLedger::estimate(const EndpointRecord& endpoint, LoadQuantity quantity, LoadEstimator estimator,
                            double routers) noexcept {
  const std::int64_t now = endpoint.own[quantity];
  const double own = routers * static_cast<double>(now);
  const double sampled = endpoint.sample[quantity];
  if (estimator == LoadEstimator::kSample) return sampled;
  if (estimator == LoadEstimator::kOwn || !is_reported(sampled)) return own;
  if (estimator == LoadEstimator::kMaximum) return std::max(own, sampled);
  // Later ones less what covered ones gave back: own = later + covered now.
  return std::max(sampled + routers * static_cast<double>(now - endpoint.covered[quantity]), 0.0);
}

Status LoadLedger::estimate(std::span<const LedgerEndpoint> endpoints, LoadQuantity quantity, EstimateRule rule,
                            std::span<double> out) const {
  if (endpoints.size() != out.size())
    return invalid_argument("out: " + std::to_string(out.size()) + " elements for " + std::to_string(endpoints.size()) +
                            " endpoints");
  for (std::size_t i = 0; i < endpoints.size(); ++i) out[i] = estimate(endpoints[i], quantity, rule);
  return {};
}

std::size_t LoadLedger::heap_bytes() const noexcept {
  return records_.capacity() * sizeof(Record) + endpoints_.capacity() * sizeof(EndpointRecord);
}

LoadSums LoadLedger::load_of(const Record& record) noexcept {
  static_assert(sizeof(Record) == 64 && sizeof(EndpointRecord) == 232, "the head of the header says so");
  LoadSums load;
  load[LoadQuantity::kRequests] = 1;
  if (!record.prefilled) {
    load[LoadQuantity::kPrefillRequests] = 1;
    load[LoadQuantity::kPromptTokens] = record.prompt_tokens;
    load[LoadQuantity::kUncachedTokens] = record.uncached_tokens;
  }
  load[LoadQuantity::kOutputTokens] = std::max(record.reserved_tokens - record.produced_tokens, 0);
  load[LoadQuantity::kKvTokens] =
      std::int64_t{record.prompt_tokens} + std::max(record.reserved_tokens, record.produced_tokens);
  return load;
}

const LoadLedger::EndpointRecord* LoadLedger::find(LedgerEndpoint endpoint) const noexcept {
  if (endpoint.slot >= endpoints_.size()) return nullptr;
  const EndpointRecord& found = endpoints_[endpoint.slot];
  return found.used && found.generation == endpoint.generation ? &found : nullptr;
}

LoadLedger::EndpointRecord* LoadLedger::find(LedgerEndpoint endpoint) noexcept {
  return const_cast<EndpointRecord*>(static_cast<const LoadLedger*>(this)->find(endpoint));
}

LoadLedger::Record* LoadLedger::find(Ticket ticket) noexcept {
  if (ticket.generation != 0 && ticket.slot < records_.size() && records_[ticket.slot].generation == ticket.generation)
    return &records_[ticket.slot];
  ++counts_.stale;
  return nullptr;
}

void LoadLedger::advance(Time now_ns) noexcept {
  if (now_ns < now_ns_) {
    ++counts_.clock_behind;
  } else {
    now_ns_ = now_ns;
  }
}

bool LoadLedger::is_due(std::uint32_t slot) const noexcept {
  return elapsed(records_[slot].touched_ns, now_ns_) >= static_cast<std::uint64_t>(options_.idle_limit_ns);
}

void LoadLedger::touch(std::uint32_t slot) noexcept {
  records_[slot].touched_ns = now_ns_;
  if (idle_last_ == slot) return;
  unlink_idle(slot);
  append_idle(slot);
}

void LoadLedger::append_idle(std::uint32_t slot) noexcept {
  records_[slot].idle_previous = idle_last_;
  records_[slot].idle_next = kNone;
  (idle_last_ == kNone ? idle_first_ : records_[idle_last_].idle_next) = slot;
  idle_last_ = slot;
}

void LoadLedger::unlink_idle(std::uint32_t slot) noexcept {
  const Record& record = records_[slot];
  (record.idle_previous == kNone ? idle_first_ : records_[record.idle_previous].idle_next) = record.idle_next;
  (record.idle_next == kNone ? idle_last_ : records_[record.idle_next].idle_previous) = record.idle_previous;
}

void LoadLedger::change(Record& record, std::int32_t produced_tokens) noexcept {
  EndpointRecord& endpoint = endpoints_[record.endpoint];
  const LoadSums before = load_of(record);
  record.prefilled = true;
  record.produced_tokens = produced_tokens;
  const LoadSums after = load_of(record);
  subtract(endpoint.own, before);
  add(endpoint.own, after);
  if (record.covered) return;
  subtract(endpoint.later, before);
  add(endpoint.later, after);
}

void LoadLedger::free_ticket(std::uint32_t slot) noexcept {
  Record& record = records_[slot];
  EndpointRecord& endpoint = endpoints_[record.endpoint];
  const LoadSums load = load_of(record);
  subtract(endpoint.own, load);
  if (!record.covered) subtract(endpoint.later, load);
  if (endpoint.first_later == slot) endpoint.first_later = record.endpoint_next;
  const std::uint32_t previous = record.endpoint_previous;
  const std::uint32_t next = record.endpoint_next;
  (previous == kNone ? endpoint.first : records_[previous].endpoint_next) = next;
  (next == kNone ? endpoint.last : records_[next].endpoint_previous) = previous;
  unlink_idle(slot);
  record.generation = 0;
  record.endpoint_next = free_record_;
  free_record_ = slot;
  --in_flight_;
}

std::uint32_t LoadLedger::drop_tickets(EndpointRecord& endpoint) noexcept {
  std::uint32_t dropped = 0;
  for (; endpoint.first != kNone; ++dropped) free_ticket(endpoint.first);
  counts_.dropped += dropped;
  return dropped;
}

}  // namespace kthena::route
