// include/kthena/route/load_ledger.hpp
//
// LoadLedger: what a router sent to each endpoint and what of it has not ended yet, merged with what the endpoint says
// about itself.
//
//   Use when   a scraped number is older than the router's own last requests, that is always; docs/architecture.md,
//              "Load ledger".
//   Ticket     book() gives one per request. A ticket that was released, expired or dropped is stale: using it is an
//              outcome, counted, and changes nothing, also when its place has been given to another request.
//   Sums       integers, and exactly the sum over the tickets in flight, whatever happened before.
//   Merge      a sample covers what was booked at or before its time; estimates add to it what was booked later and take
//              off it what covered requests gave back since, so that nothing is counted twice or for too long. What
//              ended between the sample's time and merge_sample() stays in it until the next one.
//   Leaks      a ticket without a word for `idle_limit_ns` is released by expire(), and counted.
//   Time       every call that changes something takes now_ns. A now_ns before the latest one counts as the latest, and
//              is counted.
//   Cost       O(1) for book, first_token, progress and release; for merge_sample and expire O(1) per ticket that is
//              covered or released by it, and each ticket is so once; drops are O(tickets dropped).
//   Memory     64 bytes per ticket for the most that were in flight at once, 232 per endpoint, up to twice that by
//              growth; no allocation once grown or reserved.
//   Threads    one at a time; const calls may run beside each other. A value: copying it forks it.
//   Source     own. Routers that set their counts anew at each poll lose what they sent since the sample was taken;
//              this keeps it.
//   Known for  several routers: each sees its own bookings only. EstimateRule::routers scales them, which assumes that
//              all send alike.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "kthena/base/engine_sample.hpp"
#include "kthena/base/ids.hpp"
#include "kthena/base/status.hpp"
#include "kthena/base/time.hpp"

namespace kthena::route {

enum class LoadQuantity : std::uint8_t {
  kRequests = 0,     ///< requests in flight
  kPrefillRequests,  ///< of these, without a first token
  kPromptTokens,     ///< prompt tokens of requests without a first token
  kUncachedTokens,   ///< of these, not in the endpoint's cache when the request was booked
  kOutputTokens,     ///< reserved output tokens that are not produced yet
  kKvTokens,         ///< prompt plus the larger of reserved and produced output, of all in flight
};
inline constexpr std::size_t kLoadQuantityCount = 6;
inline constexpr std::array<std::string_view, kLoadQuantityCount> kLoadQuantities = {
    "requests", "prefill_requests", "prompt_tokens", "uncached_tokens", "output_tokens", "kv_tokens"};

/// A sum over tickets, by quantity; never negative.
struct LoadSums {
  std::array<std::int64_t, kLoadQuantityCount> values{};

  [[nodiscard]] std::int64_t operator[](LoadQuantity quantity) const noexcept {
    return values[static_cast<std::size_t>(quantity)];
  }
  std::int64_t& operator[](LoadQuantity quantity) noexcept { return values[static_cast<std::size_t>(quantity)]; }
  friend bool operator==(const LoadSums&, const LoadSums&) = default;
};

/// An endpoint of a ledger; not its position in a pool, which changes with the pool. Default-constructed: none.
struct LedgerEndpoint {
  std::uint32_t slot = 0xFFFFFFFFu;
  std::uint32_t generation = 0;  ///< counts the endpoints that had this slot, from 1
  friend bool operator==(const LedgerEndpoint&, const LedgerEndpoint&) = default;
};

/// A booked request. Default-constructed: none, which is stale everywhere.
struct Ticket {
  std::uint64_t generation = 0;  ///< number of the booking in its ledger, from 1; never given twice
  std::uint32_t slot = 0xFFFFFFFFu;
  friend bool operator==(const Ticket&, const Ticket&) = default;
};

/// The largest number of tokens a booking may name and progress() may report.
inline constexpr std::int64_t kMaxTokens = 0x7FFFFFFF;

/// What a request is expected to take, in tokens, each 0..kMaxTokens.
struct BookedRequest {
  std::int64_t prompt_tokens = 0;
  std::int64_t uncached_tokens = 0;  ///< of the prompt; at most prompt_tokens
  std::int64_t output_tokens = 0;    ///< reserved for the answer: the caller's guess or limit
};

/// A ticket in flight, as it stands.
struct TicketInfo {
  LedgerEndpoint endpoint;
  Time booked_ns = 0;
  BookedRequest request;
  std::int64_t produced_tokens = 0;  ///< answer tokens, as progress() was told
  bool prefilled = false;            ///< the first token came
};

enum class TicketOutcome : std::uint8_t {
  kApplied = 0,
  kRepeated,  ///< the ticket is in flight and this was known already; counts as a word from it, else nothing changed
  kStale,     ///< the ticket is not in flight (any more); counted, no ticket changed
};

enum class RequestEnd : std::uint8_t {
  kDone = 0,
  kFailed,  ///< refused, broken off, cancelled
};

/// What an endpoint says about itself at one moment. A quantity that it does not publish is kNotReported (NaN), not 0.
struct LoadSample {
  Time sampled_ns = kNever;  ///< needed; on the clock of now_ns
  std::array<double, kLoadQuantityCount> values = {kNotReported, kNotReported, kNotReported,
                                                   kNotReported, kNotReported, kNotReported};  ///< 0..1e15

  [[nodiscard]] double operator[](LoadQuantity quantity) const noexcept {
    return values[static_cast<std::size_t>(quantity)];
  }
  double& operator[](LoadQuantity quantity) noexcept { return values[static_cast<std::size_t>(quantity)]; }
};

/// Requests: running + waiting, when both are reported. KV tokens: used blocks times tokens per block, else usage times
/// total tokens; an engine counts a shared prefix once and only what is written, so this is lower than a sum of
/// bookings. Others are not reported.
[[nodiscard]] LoadSample to_load_sample(const EngineSample& sample) noexcept;

enum class SampleOutcome : std::uint8_t {
  kMerged = 0,
  kOlder,  ///< not later than the sample at hand, or from before the endpoint's (re)start; nothing changed
};

/// R is EstimateRule::routers. Without a sample of the quantity kSample is missing and the others are kOwn.
enum class LoadEstimator : std::uint8_t {
  kOwn = 0,          ///< R * bookings in flight
  kSample,           ///< the sample
  kSamplePlusLater,  ///< sample + R * (bookings in flight that are later than it - what covered ones gave back), at least 0
  kMaximum,          ///< the larger of kOwn and kSample
};

struct EstimateRule {
  LoadEstimator estimator = LoadEstimator::kOwn;
  /// Routers that send to the same endpoints, this one included. Range [1, 65536]; 0 counts as 1. DEFAULT: 1.
  std::uint32_t routers = 1;
};

struct LoadLedgerOptions {
  /// Tickets in flight at once at most. Range [1, 2^24]. DEFAULT: 2^20, 64 MiB when all are used.
  std::uint32_t max_tickets = 1u << 20;
  /// Endpoints at once at most. Range [1, 2^20]. DEFAULT: 65536.
  std::uint32_t max_endpoints = 1u << 16;
  /// A ticket without booking, first token or progress for this long is expired. Range [1 ms, 30 days]. DEFAULT: 600 s,
  /// beyond the time-outs of common gateways.
  Duration idle_limit_ns = 600 * kSecond;
  /// Time from a booking until the endpoint counts the request. Bookings younger than this at the time of a sample are
  /// later than it. Range [0, 1 h]. DEFAULT: 0.
  Duration arrival_ns = 0;
};

/// Since the ledger was made. booked = done + failed + expired + dropped + LoadLedger::in_flight(), always.
struct LedgerCounts {
  std::uint64_t booked = 0;
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::uint64_t expired = 0;
  std::uint64_t dropped = 0;        ///< with an endpoint that restarted or was removed
  std::uint64_t stale = 0;          ///< calls with a ticket that was not in flight
  std::uint64_t older_samples = 0;  ///< samples that came too late
  std::uint64_t clock_behind = 0;   ///< calls whose now_ns was before the latest
  friend bool operator==(const LedgerCounts&, const LedgerCounts&) = default;
};

class LoadLedger {
 public:
  /// kInvalidArgument with every option that is out of range.
  static Result<LoadLedger> create(const LoadLedgerOptions& options = {});

  /// Memory for so many at once, cut to the limits of the options.
  void reserve(std::uint32_t tickets, std::uint32_t endpoints);

  /// A new endpoint without load and sample. kResourceExhausted: there are max_endpoints.
  [[nodiscard]] Result<LedgerEndpoint> add_endpoint(Time now_ns);
  /// The endpoint's process began anew: its tickets and its sample are dropped, samples from before now_ns will not be
  /// taken. The handle stays good. Gives the number of tickets dropped. kNotFound: no such endpoint.
  Result<std::uint32_t> restart_endpoint(LedgerEndpoint endpoint, Time now_ns);
  /// The same, and the handle is dead from here on.
  Result<std::uint32_t> remove_endpoint(LedgerEndpoint endpoint, Time now_ns);

  /// kInvalidArgument: a number of tokens out of range. kNotFound: no such endpoint. kResourceExhausted: max_tickets
  /// are in flight, after those that were due were expired. Nothing is booked then.
  [[nodiscard]] Result<Ticket> book(LedgerEndpoint endpoint, const BookedRequest& request, Time now_ns);
  /// The prompt is computed.
  TicketOutcome first_token(Ticket ticket, Time now_ns) noexcept;
  /// So many output tokens are produced since the start; clamped to 0..kMaxTokens. More than 0 means that the first
  /// token came. kRepeated: not more than was known.
  TicketOutcome progress(Ticket ticket, std::int64_t output_tokens, Time now_ns) noexcept;
  /// kApplied or kStale.
  TicketOutcome release(Ticket ticket, RequestEnd end, Time now_ns) noexcept;
  /// Releases the tickets that were silent for idle_limit_ns or longer; gives their number.
  std::uint32_t expire(Time now_ns) noexcept;

  /// Replaces the endpoint's sample; quantities not reported in it are not known from then on. kInvalidArgument: a
  /// value out of range, no sample time, or one after now_ns. kNotFound: no such endpoint. Nothing changes then.
  Result<SampleOutcome> merge_sample(LedgerEndpoint endpoint, const LoadSample& sample, Time now_ns);

  /// Nullopt: it is not in flight (any more).
  [[nodiscard]] std::optional<TicketInfo> info(Ticket ticket) const noexcept;
  [[nodiscard]] std::uint32_t in_flight() const noexcept { return in_flight_; }
  [[nodiscard]] const LedgerCounts& counts() const noexcept { return counts_; }
  /// The latest now_ns; kNever before the first call.
  [[nodiscard]] Time now_ns() const noexcept { return now_ns_; }
  [[nodiscard]] bool has(LedgerEndpoint endpoint) const noexcept { return find(endpoint) != nullptr; }
  /// Bookings in flight; zeros when there is no such endpoint.
  [[nodiscard]] LoadSums own(LedgerEndpoint endpoint) const noexcept;
  /// Of these, later than the sample at hand; all without a sample.
  [[nodiscard]] LoadSums later(LedgerEndpoint endpoint) const noexcept;
  /// kNever without a sample, or without such an endpoint. Estimates do not judge its age.
  [[nodiscard]] Time sampled_ns(LedgerEndpoint endpoint) const noexcept;
  /// kNotReported: missing, see LoadEstimator, or no such endpoint. Exact up to 2^53.
  [[nodiscard]] double estimate(LedgerEndpoint endpoint, LoadQuantity quantity, EstimateRule rule) const noexcept;
  /// All quantities of an endpoint, by LoadQuantity.
  [[nodiscard]] std::array<double, kLoadQuantityCount> estimates(LedgerEndpoint endpoint,
                                                                 EstimateRule rule) const noexcept;
  /// The same for a column, say in the order of a pool. kInvalidArgument: the lengths differ, nothing is written.
  Status estimate(std::span<const LedgerEndpoint> endpoints, LoadQuantity quantity, EstimateRule rule,
                  std::span<double> out) const;
  /// Heap bytes held.
  [[nodiscard]] std::size_t heap_bytes() const noexcept;

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;

  struct Record {
    std::uint64_t generation = 0;  // 0: free, `endpoint_next` is the next free one
    Time booked_ns = 0;
    Time touched_ns = 0;
    std::uint32_t endpoint = kNone;
    std::uint32_t endpoint_previous = kNone;  // tickets of the endpoint in the order of booking
    std::uint32_t endpoint_next = kNone;
    std::uint32_t idle_previous = kNone;  // all tickets in the order of touched_ns
    std::uint32_t idle_next = kNone;
    std::int32_t prompt_tokens = 0;
    std::int32_t uncached_tokens = 0;
    std::int32_t reserved_tokens = 0;
    std::int32_t produced_tokens = 0;
    bool prefilled = false;
    bool covered = false;  // by the endpoint's sample
  };
  struct EndpointRecord {
    LoadSums own;
    LoadSums later;
    LoadSums covered;  // what the tickets that the sample covers took when it was merged
    LoadSample sample;
    Time started_ns = 0;
    std::uint32_t generation = 0;
    bool used = false;
    std::uint32_t first = kNone;  // or, of one that is not used, the next such
    std::uint32_t last = kNone;
    std::uint32_t first_later = kNone;  // from here to `last` none is covered
  };

  explicit LoadLedger(const LoadLedgerOptions& options) noexcept : options_(options) {}

  [[nodiscard]] static LoadSums load_of(const Record& record) noexcept;
  [[nodiscard]] static double estimate(const EndpointRecord& endpoint, LoadQuantity quantity, LoadEstimator estimator,
                                       double routers) noexcept;
  [[nodiscard]] const EndpointRecord* find(LedgerEndpoint endpoint) const noexcept;
  [[nodiscard]] EndpointRecord* find(LedgerEndpoint endpoint) noexcept;
  [[nodiscard]] Record* find(Ticket ticket) noexcept;
  void advance(Time now_ns) noexcept;
  std::uint32_t expire_due() noexcept;
  [[nodiscard]] bool is_due(std::uint32_t slot) const noexcept;
  void touch(std::uint32_t slot) noexcept;
  void append_idle(std::uint32_t slot) noexcept;
  void unlink_idle(std::uint32_t slot) noexcept;
  /// The prompt is computed and so many tokens are produced.
  void change(Record& record, std::int32_t produced_tokens) noexcept;
  void free_ticket(std::uint32_t slot) noexcept;
  std::uint32_t drop_tickets(EndpointRecord& endpoint) noexcept;

  LoadLedgerOptions options_;
  Time now_ns_ = kNever;
  std::uint32_t in_flight_ = 0;
  std::uint32_t endpoints_used_ = 0;
  std::uint32_t free_record_ = kNone;
  std::uint32_t free_endpoint_ = kNone;
  std::uint32_t idle_first_ = kNone;
  std::uint32_t idle_last_ = kNone;
  LedgerCounts counts_;
  std::vector<Record> records_;
  std::vector<EndpointRecord> endpoints_;
};

}  // namespace kthena::route
