// LoadLedger beside plain maps that are summed anew at every question.
#include "kthena/route/load_ledger.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena;
using namespace kthena::route;

namespace {

constexpr LoadQuantity kAll[] = {LoadQuantity::kRequests,     LoadQuantity::kPrefillRequests,
                                 LoadQuantity::kPromptTokens, LoadQuantity::kUncachedTokens,
                                 LoadQuantity::kOutputTokens, LoadQuantity::kKvTokens};
constexpr LoadEstimator kEstimators[] = {LoadEstimator::kOwn, LoadEstimator::kSample, LoadEstimator::kSamplePlusLater,
                                         LoadEstimator::kMaximum};

LoadLedger make_ledger(const LoadLedgerOptions& options = {}) {
  Result<LoadLedger> ledger = LoadLedger::create(options);
  REQUIRE(ledger.ok());
  return std::move(ledger).value();
}

LedgerEndpoint add(LoadLedger& ledger, Time now_ns) {
  const Result<LedgerEndpoint> endpoint = ledger.add_endpoint(now_ns);
  REQUIRE(endpoint.ok());
  return *endpoint;
}

Ticket book(LoadLedger& ledger, LedgerEndpoint endpoint, Time now_ns, const BookedRequest& request = {100, 60, 20}) {
  const Result<Ticket> ticket = ledger.book(endpoint, request, now_ns);
  REQUIRE(ticket.ok());
  return *ticket;
}

LoadSample sample_of(Time sampled_ns, double requests) {
  LoadSample sample;
  sample.sampled_ns = sampled_ns;
  sample[LoadQuantity::kRequests] = requests;
  return sample;
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

/// The ledger in the plainest way. Endpoints are known by the order in which they were added, requests by that of
/// booking.
class Model {
 public:
  struct Request {
    int endpoint;
    long long booked, word, prompt, uncached, reserved, produced;
    bool first_token, in_sample;
  };
  struct Endpoint {
    long long started;
    long long sampled;
    bool has_sample;
    std::map<int, double> values;                                  // by quantity; those reported
    std::map<unsigned long long, std::vector<long long>> covered;  // by request, what it took when the sample came
  };

  std::map<unsigned long long, Request> requests;
  std::map<int, Endpoint> endpoints;
  long long now = std::numeric_limits<long long>::min();
  unsigned long long booked = 0, done = 0, failed = 0, expired = 0, dropped = 0, stale = 0, older = 0, behind = 0;

  void tick(long long at) {
    if (at < now) ++behind;
    if (at > now) now = at;
  }
  unsigned drop(int endpoint) {
    unsigned count = 0;
    for (auto it = requests.begin(); it != requests.end();) {
      if (it->second.endpoint == endpoint) {
        it = requests.erase(it);
        ++count;
      } else {
        ++it;
      }
    }
    dropped += count;
    return count;
  }
  unsigned expire(long long limit) {
    unsigned count = 0;
    for (auto it = requests.begin(); it != requests.end();) {
      if (now - it->second.word >= limit) {
        it = requests.erase(it);
        ++count;
      } else {
        ++it;
      }
    }
    expired += count;
    return count;
  }
  bool merge(int endpoint, long long at, const std::map<int, double>& values, long long arrival) {
    Endpoint& target = endpoints.at(endpoint);
    if (at < target.started || (target.has_sample && at <= target.sampled)) {
      ++older;
      return false;
    }
    target.has_sample = true;
    target.sampled = at;
    target.values = values;
    target.covered.clear();
    for (auto& [number, request] : requests) {
      if (request.endpoint != endpoint) continue;
      if (request.booked + arrival <= at) request.in_sample = true;
      if (!request.in_sample) continue;
      for (int quantity = 0; quantity < 6; ++quantity) target.covered[number].push_back(load(request, quantity));
    }
    return true;
  }
  [[nodiscard]] static long long load(const Request& request, int quantity) {
    const long long waiting = request.first_token ? 0 : 1;
    switch (quantity) {
      case 0:
        return 1;
      case 1:
        return waiting;
      case 2:
        return waiting * request.prompt;
      case 3:
        return waiting * request.uncached;
      case 4:
        return request.reserved > request.produced ? request.reserved - request.produced : 0;
      default:
        return request.prompt + (request.reserved > request.produced ? request.reserved : request.produced);
    }
  }
  [[nodiscard]] long long sum(int endpoint, int quantity, bool only_later) const {
    long long total = 0;
    for (const auto& [number, request] : requests)
      if (request.endpoint == endpoint && !(only_later && request.in_sample)) total += load(request, quantity);
    return total;
  }
  /// What those in the sample took then and do not take now.
  [[nodiscard]] long long given_back(int endpoint, int quantity) const {
    long long total = 0;
    for (const auto& [number, loads] : endpoints.at(endpoint).covered) {
      const auto live = requests.find(number);
      total += loads[static_cast<std::size_t>(quantity)] - (live == requests.end() ? 0 : load(live->second, quantity));
    }
    return total;
  }
  /// NaN: missing.
  [[nodiscard]] double estimate(int endpoint, int quantity, int estimator, int routers) const {
    const Endpoint& target = endpoints.at(endpoint);
    const auto sampled = target.values.find(quantity);
    const auto own = static_cast<double>(routers * sum(endpoint, quantity, false));
    if (estimator == 0) return own;
    if (sampled == target.values.end()) return estimator == 1 ? std::nan("") : own;
    if (estimator == 1) return sampled->second;
    if (estimator == 2) {
      const long long change = sum(endpoint, quantity, true) - given_back(endpoint, quantity);
      const double guess = sampled->second + static_cast<double>(routers * change);
      return guess > 0 ? guess : 0;
    }
    return own > sampled->second ? own : sampled->second;
  }
};

}  // namespace

TEST_CASE("a load ledger equals plain maps after every step", "[route][ledger][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(0, 120)));
  std::mt19937_64 random(seed);
  const auto below = [&random](std::uint64_t n) { return static_cast<long long>(random() % n); };
  LoadLedgerOptions options;
  options.max_tickets = 4 + static_cast<std::uint32_t>(below(30));
  options.max_endpoints = 5;
  options.idle_limit_ns = kMillisecond + below(3) * kMillisecond;
  options.arrival_ns = below(2) * below(300'000);
  LoadLedger ledger = make_ledger(options);
  Model model;
  std::map<int, LedgerEndpoint> handles;
  std::vector<LedgerEndpoint> dead_handles;
  std::vector<Ticket> tickets;  // all that were ever given
  int endpoints_made = 0;
  unsigned refused = 0;

  const auto some_endpoint = [&] {
    auto it = handles.begin();
    std::advance(it, below(handles.size()));
    return *it;
  };
  const auto some_ticket = [&] {  // mostly young ones, so that many are in flight
    const auto window = std::min<std::size_t>(tickets.size(), below(4) == 0 ? 400 : 24);
    return tickets[tickets.size() - 1 - static_cast<std::size_t>(below(window))];
  };

  long long clock = below(2) == 0 ? -2'000'000 : 1'000'000'000'000;
  for (int step = 0; step < 500; ++step) {
    clock += below(60'000) * below(3);
    const long long at = below(20) == 0 ? clock - below(400'000) : clock;
    const long long dice = below(100);
    INFO("seed " << seed << " step " << step << " dice " << dice);
    if (handles.empty() || (dice < 2 && handles.size() < 5)) {
      model.tick(at);
      handles[endpoints_made] = add(ledger, at);
      model.endpoints[endpoints_made++] = {model.now, 0, false, {}, {}};
    } else if (dice < 3) {
      const auto [name, handle] = some_endpoint();
      model.tick(at);
      const Result<std::uint32_t> dropped = ledger.remove_endpoint(handle, at);
      REQUIRE(dropped.ok());
      REQUIRE(*dropped == model.drop(name));
      model.endpoints.erase(name);
      handles.erase(name);
      dead_handles.push_back(handle);
    } else if (dice < 5) {
      const auto [name, handle] = some_endpoint();
      model.tick(at);
      const Result<std::uint32_t> dropped = ledger.restart_endpoint(handle, at);
      REQUIRE(dropped.ok());
      REQUIRE(*dropped == model.drop(name));
      model.endpoints[name] = {model.now, 0, false, {}, {}};
    } else if (dice < 45) {
      const auto [name, handle] = some_endpoint();
      BookedRequest request;
      request.prompt_tokens = below(3) == 0 ? kMaxTokens : below(5000);
      request.uncached_tokens = below(static_cast<std::uint64_t>(request.prompt_tokens) + 1);
      request.output_tokens = below(5) == 0 ? kMaxTokens : below(300);
      model.tick(at);
      if (model.requests.size() == options.max_tickets) model.expire(options.idle_limit_ns);
      const Result<Ticket> ticket = ledger.book(handle, request, at);
      REQUIRE(ticket.ok() == (model.requests.size() < options.max_tickets));
      if (ticket.ok()) {
        tickets.push_back(*ticket);
        REQUIRE(ticket->generation == ++model.booked);
        model.requests[model.booked] = {
            name, model.now, model.now, request.prompt_tokens, request.uncached_tokens, request.output_tokens,
            0,    false,     false};
      } else {
        ++refused;
        REQUIRE(ticket.status().code() == StatusCode::kResourceExhausted);
      }
    } else if (dice < 80 && !tickets.empty()) {
      const Ticket ticket = some_ticket();
      model.tick(at);
      const auto known = model.requests.find(ticket.generation);
      const bool live = known != model.requests.end();
      if (!live) ++model.stale;
      if (dice < 55) {
        TicketOutcome expected = TicketOutcome::kStale;
        if (live) {
          expected = known->second.first_token ? TicketOutcome::kRepeated : TicketOutcome::kApplied;
          known->second.first_token = true;
          known->second.word = model.now;
        }
        REQUIRE(ledger.first_token(ticket, at) == expected);
      } else if (dice < 65) {
        const long long produced = below(10) == 0 ? std::numeric_limits<long long>::max() : below(400) - 5;
        const long long counted = produced > kMaxTokens ? kMaxTokens : produced;
        TicketOutcome expected = TicketOutcome::kStale;
        if (live) {
          expected = TicketOutcome::kRepeated;
          known->second.word = model.now;
          if (counted > known->second.produced) {
            expected = TicketOutcome::kApplied;
            known->second.produced = counted;
            known->second.first_token = true;
          }
        }
        REQUIRE(ledger.progress(ticket, produced, at) == expected);
      } else {
        const RequestEnd end = below(3) == 0 ? RequestEnd::kFailed : RequestEnd::kDone;
        if (live) {
          model.requests.erase(known);
          ++(end == RequestEnd::kDone ? model.done : model.failed);
        }
        REQUIRE(ledger.release(ticket, end, at) == (live ? TicketOutcome::kApplied : TicketOutcome::kStale));
      }
    } else if (dice < 95) {
      const auto [name, handle] = some_endpoint();
      LoadSample sample;
      std::map<int, double> values;
      for (int quantity = 0; quantity < 6; ++quantity) {
        if (below(3) == 0) continue;
        values[quantity] = static_cast<double>(below(1000)) / 4;
        sample[kAll[quantity]] = values[quantity];
      }
      model.tick(at);
      sample.sampled_ns = model.now - below(2) * below(500'000);
      const bool taken = model.merge(name, sample.sampled_ns, values, options.arrival_ns);
      const Result<SampleOutcome> outcome = ledger.merge_sample(handle, sample, at);
      REQUIRE(outcome.ok());
      REQUIRE((*outcome == SampleOutcome::kMerged) == taken);
    } else if (dice < 98) {
      model.tick(at);
      const unsigned expected = model.expire(options.idle_limit_ns);
      REQUIRE(ledger.expire(at) == expected);
    } else {
      LoadLedger fork = ledger;  // a fork goes its own way
      for (const Ticket& ticket : tickets) fork.release(ticket, RequestEnd::kFailed, at);
      REQUIRE(fork.in_flight() == 0);
      for (const auto& [name, handle] : handles) REQUIRE(fork.own(handle) == LoadSums());
      for (const auto& [name, handle] : handles) REQUIRE(fork.later(handle) == LoadSums());
    }

    const LedgerCounts expected{model.booked,  model.done,  model.failed, model.expired,
                                model.dropped, model.stale, model.older,  model.behind};
    REQUIRE(ledger.counts() == expected);
    REQUIRE(ledger.in_flight() == model.requests.size());
    REQUIRE(ledger.now_ns() == model.now);
    const auto routers = static_cast<int>(1 + below(9));
    for (const auto& [name, handle] : handles) {
      const Model::Endpoint& endpoint = model.endpoints.at(name);
      REQUIRE(ledger.sampled_ns(handle) == (endpoint.has_sample ? endpoint.sampled : kNever));
      for (int quantity = 0; quantity < 6; ++quantity) {
        INFO("endpoint " << name << " quantity " << kLoadQuantities[static_cast<std::size_t>(quantity)]);
        REQUIRE(ledger.own(handle)[kAll[quantity]] == model.sum(name, quantity, false));
        REQUIRE(ledger.later(handle)[kAll[quantity]] == model.sum(name, quantity, true));
        for (int estimator = 0; estimator < 4; ++estimator) {
          INFO("estimator " << estimator << " routers " << routers);
          REQUIRE(same(
              ledger.estimate(handle, kAll[quantity], {kEstimators[estimator], static_cast<std::uint32_t>(routers)}),
              model.estimate(name, quantity, estimator, routers)));
        }
      }
    }
    for (const LedgerEndpoint& handle : dead_handles) REQUIRE_FALSE(ledger.has(handle));
  }
  // Every seed went through all of it.
  CHECK(model.done > 0);
  CHECK(model.failed > 0);
  CHECK(model.expired + refused > 0);
  CHECK(model.dropped > 0);
  CHECK(model.stale > 0);
  CHECK(model.older > 0);
  CHECK(model.behind > 0);
}

TEST_CASE("a ticket's place given to another request does not make the old ticket good", "[route][ledger]") {
  LoadLedger ledger = make_ledger();
  const LedgerEndpoint endpoint = add(ledger, 0);
  const Ticket first = book(ledger, endpoint, 1);
  CHECK(ledger.release(first, RequestEnd::kDone, 2) == TicketOutcome::kApplied);
  CHECK(ledger.release(first, RequestEnd::kDone, 2) == TicketOutcome::kStale);
  const Ticket second = book(ledger, endpoint, 3);
  REQUIRE(second.slot == first.slot);
  CHECK(ledger.first_token(first, 4) == TicketOutcome::kStale);
  CHECK(ledger.progress(first, 9, 4) == TicketOutcome::kStale);
  CHECK(ledger.release(first, RequestEnd::kFailed, 4) == TicketOutcome::kStale);
  CHECK(ledger.release(Ticket{}, RequestEnd::kDone, 4) == TicketOutcome::kStale);
  CHECK(ledger.release(Ticket{second.generation, second.slot + 1}, RequestEnd::kDone, 4) == TicketOutcome::kStale);
  CHECK(ledger.counts().stale == 6);
  CHECK(ledger.own(endpoint) == LoadSums{{1, 1, 100, 60, 20, 120}});
}

TEST_CASE("the life of a request, in its endpoint's sums", "[route][ledger]") {
  LoadLedger ledger = make_ledger();
  const LedgerEndpoint endpoint = add(ledger, 0);
  const Ticket ticket = book(ledger, endpoint, 1);
  CHECK(ledger.own(endpoint) == LoadSums{{1, 1, 100, 60, 20, 120}});
  CHECK(ledger.first_token(ticket, 2) == TicketOutcome::kApplied);
  CHECK(ledger.own(endpoint) == LoadSums{{1, 0, 0, 0, 20, 120}});
  CHECK(ledger.first_token(ticket, 2) == TicketOutcome::kRepeated);
  CHECK(ledger.progress(ticket, 15, 3) == TicketOutcome::kApplied);
  CHECK(ledger.own(endpoint) == LoadSums{{1, 0, 0, 0, 5, 120}});
  CHECK(ledger.progress(ticket, 15, 3) == TicketOutcome::kRepeated);
  CHECK(ledger.progress(ticket, 30, 4) == TicketOutcome::kApplied);  // more than reserved
  CHECK(ledger.own(endpoint) == LoadSums{{1, 0, 0, 0, 0, 130}});
  CHECK(ledger.release(ticket, RequestEnd::kDone, 5) == TicketOutcome::kApplied);
  CHECK(ledger.own(endpoint) == LoadSums());
}

TEST_CASE("output that comes before the first token was told of is the first token", "[route][ledger]") {
  LoadLedger ledger = make_ledger();
  const LedgerEndpoint endpoint = add(ledger, 0);
  const Ticket ticket = book(ledger, endpoint, 1);
  CHECK(ledger.progress(ticket, 0, 2) == TicketOutcome::kRepeated);
  CHECK(ledger.own(endpoint)[LoadQuantity::kPrefillRequests] == 1);
  CHECK(ledger.progress(ticket, 1, 3) == TicketOutcome::kApplied);
  CHECK(ledger.own(endpoint) == LoadSums{{1, 0, 0, 0, 19, 120}});
}

TEST_CASE("only bookings later than the sample are added to it", "[route][ledger]") {
  LoadLedger ledger = make_ledger();
  const LedgerEndpoint endpoint = add(ledger, 0);
  const EstimateRule merged{LoadEstimator::kSamplePlusLater};
  const Ticket before = book(ledger, endpoint, 10);
  book(ledger, endpoint, 20);
  book(ledger, endpoint, 21);
  book(ledger, endpoint, 30);
  CHECK(ledger.estimate(endpoint, LoadQuantity::kRequests, merged) == 4);  // no sample: own bookings
  REQUIRE(ledger.merge_sample(endpoint, sample_of(20, 7), 40).ok());       // 5 are from other routers
  CHECK(ledger.estimate(endpoint, LoadQuantity::kRequests, merged) == 7 + 2);
  CHECK(ledger.estimate(endpoint, LoadQuantity::kRequests, {LoadEstimator::kSample}) == 7);
  CHECK(ledger.estimate(endpoint, LoadQuantity::kRequests, {LoadEstimator::kOwn}) == 4);
  CHECK(ledger.estimate(endpoint, LoadQuantity::kRequests, {LoadEstimator::kMaximum}) == 7);
  CHECK(ledger.estimate(endpoint, LoadQuantity::kRequests, {LoadEstimator::kMaximum, 3}) == 12);
  CHECK(ledger.estimate(endpoint, LoadQuantity::kRequests, {LoadEstimator::kSamplePlusLater, 3}) == 7 + 3 * 2);
  // A request that the sample covers and that ends is taken off it, R times: the other routers' end as well.
  CHECK(ledger.release(before, RequestEnd::kDone, 41) == TicketOutcome::kApplied);
  CHECK(ledger.estimate(endpoint, LoadQuantity::kRequests, merged) == 7 + 2 - 1);
  CHECK(ledger.estimate(endpoint, LoadQuantity::kRequests, {LoadEstimator::kSamplePlusLater, 3}) == 7 + 3 * (2 - 1));
  // Not published: tokens are what was booked.
  CHECK(ledger.estimate(endpoint, LoadQuantity::kPromptTokens, merged) == 300);
  CHECK(std::isnan(ledger.estimate(endpoint, LoadQuantity::kPromptTokens, {LoadEstimator::kSample})));
  // Late and repeated samples change nothing.
  CHECK(*ledger.merge_sample(endpoint, sample_of(20, 1), 50) == SampleOutcome::kOlder);
  CHECK(*ledger.merge_sample(endpoint, sample_of(19, 1), 50) == SampleOutcome::kOlder);
  CHECK(ledger.counts().older_samples == 2);
  CHECK(ledger.estimate(endpoint, LoadQuantity::kRequests, merged) == 7 + 2 - 1);
  CHECK(*ledger.merge_sample(endpoint, sample_of(50, 8), 50) == SampleOutcome::kMerged);
  CHECK(ledger.estimate(endpoint, LoadQuantity::kRequests, merged) == 8);
}

TEST_CASE("what covered requests gave back is taken off the sample, and never more than it said", "[route][ledger]") {
  LoadLedger ledger = make_ledger();
  const LedgerEndpoint endpoint = add(ledger, 0);
  const auto guess = [&](LoadQuantity quantity, std::uint32_t routers = 1) {
    return ledger.estimate(endpoint, quantity, {LoadEstimator::kSamplePlusLater, routers});
  };
  const Ticket first = book(ledger, endpoint, 1);
  const Ticket second = book(ledger, endpoint, 2);
  LoadSample sample = sample_of(3, 2);
  sample[LoadQuantity::kPrefillRequests] = 2;
  sample[LoadQuantity::kKvTokens] = 150;  // written so far, less than booked
  REQUIRE(ledger.merge_sample(endpoint, sample, 3).ok());
  ledger.first_token(first, 4);
  CHECK(guess(LoadQuantity::kRequests) == 2);
  CHECK(guess(LoadQuantity::kPrefillRequests) == 1);
  ledger.release(first, RequestEnd::kDone, 5);
  CHECK(guess(LoadQuantity::kRequests) == 1);
  CHECK(guess(LoadQuantity::kKvTokens) == 30);
  CHECK(guess(LoadQuantity::kRequests, 4) == 0);
  ledger.release(second, RequestEnd::kFailed, 6);
  CHECK(guess(LoadQuantity::kRequests) == 0);
  CHECK(guess(LoadQuantity::kKvTokens) == 0);
  book(ledger, endpoint, 7);
  CHECK(guess(LoadQuantity::kRequests) == 1);
  CHECK(ledger.estimates(endpoint, {LoadEstimator::kSamplePlusLater, 1}) ==
        std::array<double, kLoadQuantityCount>{1, 1, 100, 60, 20, 30});
  REQUIRE(ledger.merge_sample(endpoint, sample_of(8, 5), 8).ok());  // the next one begins anew
  CHECK(guess(LoadQuantity::kRequests) == 5);
}

TEST_CASE("routers that see a part of the bookings each estimate the whole", "[route][ledger][property]") {
  // R routers take turns; a sample is taken at some moment and reaches all later. No request ends: an engine's count is
  // then exact.
  const auto routers = static_cast<std::uint32_t>(GENERATE(1, 2, 4, 8));
  std::mt19937_64 random(routers);
  std::vector<LoadLedger> ledgers(routers, make_ledger());
  std::vector<LedgerEndpoint> endpoints;
  for (LoadLedger& ledger : ledgers) endpoints.push_back(add(ledger, 0));
  double truth = 0;
  Time now_ns = 0;
  for (int round = 0; round < 50; ++round) {
    const LoadSample sample = sample_of(now_ns, truth);
    const auto turns = 1 + random() % 5;
    for (std::uint64_t turn = 0; turn < turns; ++turn) {
      for (std::uint32_t router = 0; router < routers; ++router) {
        book(ledgers[router], endpoints[router], ++now_ns);
        ++truth;
      }
    }
    for (std::uint32_t router = 0; router < routers; ++router) {
      const LoadLedger& ledger = ledgers[router];
      REQUIRE(ledgers[router].merge_sample(endpoints[router], sample, now_ns).ok());
      const auto ask = [&](LoadEstimator estimator, std::uint32_t scale) {
        return ledger.estimate(endpoints[router], LoadQuantity::kRequests, {estimator, scale});
      };
      CHECK(ask(LoadEstimator::kSamplePlusLater, routers) == truth);
      CHECK(ask(LoadEstimator::kOwn, routers) == truth);
      CHECK(ask(LoadEstimator::kMaximum, routers) == truth);
      CHECK(ask(LoadEstimator::kSample, routers) == truth - static_cast<double>(turns * routers));
      CHECK(ask(LoadEstimator::kSamplePlusLater, 1) == truth - static_cast<double>(turns * (routers - 1)));
    }
  }
}

TEST_CASE("bookings on their way at the time of the sample are later than it", "[route][ledger]") {
  LoadLedgerOptions options;
  options.arrival_ns = 5;
  LoadLedger ledger = make_ledger(options);
  const LedgerEndpoint endpoint = add(ledger, 0);
  book(ledger, endpoint, 10);
  book(ledger, endpoint, 15);
  book(ledger, endpoint, 16);
  REQUIRE(ledger.merge_sample(endpoint, sample_of(20, 2), 20).ok());
  CHECK(ledger.later(endpoint)[LoadQuantity::kRequests] == 1);
}

TEST_CASE("an endpoint that restarts drops its tickets and takes no sample from before", "[route][ledger]") {
  LoadLedger ledger = make_ledger();
  const LedgerEndpoint one = add(ledger, 0);
  const LedgerEndpoint two = add(ledger, 0);
  const Ticket gone = book(ledger, one, 1);
  book(ledger, one, 2);
  const Ticket kept = book(ledger, two, 3);
  REQUIRE(ledger.merge_sample(one, sample_of(2, 50), 3).ok());
  CHECK(*ledger.restart_endpoint(one, 10) == 2);
  CHECK(ledger.own(one) == LoadSums());
  CHECK(ledger.sampled_ns(one) == kNever);
  CHECK(std::isnan(ledger.estimate(one, LoadQuantity::kRequests, {LoadEstimator::kSample})));
  CHECK(ledger.release(gone, RequestEnd::kDone, 11) == TicketOutcome::kStale);
  CHECK(*ledger.merge_sample(one, sample_of(9, 50), 11) == SampleOutcome::kOlder);
  CHECK(*ledger.merge_sample(one, sample_of(10, 0), 11) == SampleOutcome::kMerged);
  CHECK(ledger.release(kept, RequestEnd::kDone, 12) == TicketOutcome::kApplied);
  CHECK(ledger.counts().dropped == 2);

  book(ledger, one, 13);
  CHECK(*ledger.remove_endpoint(one, 14) == 1);
  CHECK(ledger.remove_endpoint(one, 14).status().code() == StatusCode::kNotFound);
  CHECK(ledger.restart_endpoint(one, 14).status().code() == StatusCode::kNotFound);
  CHECK(ledger.book(one, {}, 14).status().code() == StatusCode::kNotFound);
  CHECK(ledger.merge_sample(one, sample_of(14, 1), 14).status().code() == StatusCode::kNotFound);
  CHECK(std::isnan(ledger.estimate(one, LoadQuantity::kRequests, {})));
  const LedgerEndpoint three = add(ledger, 15);  // in the place of the removed one
  REQUIRE(three.slot == one.slot);
  CHECK(ledger.has(three));
  CHECK_FALSE(ledger.has(one));
  CHECK_FALSE(ledger.has(LedgerEndpoint{}));
  CHECK(ledger.own(three) == LoadSums());
}

TEST_CASE("tickets that nobody released are expired after silence, not after age", "[route][ledger]") {
  LoadLedgerOptions options;
  options.max_tickets = 2;
  options.idle_limit_ns = kSecond;
  LoadLedger ledger = make_ledger(options);
  const LedgerEndpoint endpoint = add(ledger, 0);
  const Ticket quiet = book(ledger, endpoint, 0);
  const Ticket lively = book(ledger, endpoint, 0);
  CHECK(ledger.progress(lively, 1, kSecond / 2) == TicketOutcome::kApplied);
  CHECK(ledger.expire(kSecond - 1) == 0);
  CHECK(ledger.book(endpoint, {}, kSecond - 1).status().code() == StatusCode::kResourceExhausted);
  const Ticket next = book(ledger, endpoint, kSecond);  // expires what is due when there is no room
  CHECK(ledger.counts().expired == 1);
  CHECK(ledger.release(quiet, RequestEnd::kDone, kSecond) == TicketOutcome::kStale);
  CHECK(ledger.first_token(lively, kSecond) == TicketOutcome::kRepeated);  // a word all the same
  CHECK(ledger.expire(2 * kSecond - 1) == 0);
  CHECK(ledger.expire(2 * kSecond) == 2);
  CHECK(ledger.release(next, RequestEnd::kDone, 2 * kSecond) == TicketOutcome::kStale);
  CHECK(ledger.own(endpoint) == LoadSums());
}

TEST_CASE("time only moves forward", "[route][ledger]") {
  LoadLedger ledger = make_ledger();
  CHECK(ledger.now_ns() == kNever);
  const LedgerEndpoint endpoint = add(ledger, 100);
  book(ledger, endpoint, 50);  // booked at 100
  CHECK(ledger.now_ns() == 100);
  CHECK(ledger.counts().clock_behind == 1);
  REQUIRE(*ledger.merge_sample(endpoint, sample_of(100, 1), 60) == SampleOutcome::kMerged);
  CHECK(ledger.later(endpoint) == LoadSums());
  // From one end of time to the other.
  LoadLedger wide = make_ledger();
  const LedgerEndpoint far = add(wide, kNever);
  book(wide, far, kNever);
  constexpr Time kEnd = std::numeric_limits<Time>::max();
  REQUIRE(*wide.merge_sample(far, sample_of(kEnd, 1), kEnd) == SampleOutcome::kMerged);
  CHECK(wide.later(far) == LoadSums());
  CHECK(wide.expire(kEnd) == 1);
}

TEST_CASE("bad input to a load ledger names every field and changes nothing", "[route][ledger]") {
  LoadLedgerOptions options;
  options.max_tickets = 0;
  options.max_endpoints = (1u << 20) + 1;
  options.idle_limit_ns = 999'999;
  options.arrival_ns = -1;
  const Status status = LoadLedger::create(options).status();
  CHECK(status.code() == StatusCode::kInvalidArgument);
  for (const char* field : {"max_tickets: 0", "max_endpoints: 1048577", "idle_limit_ns: 999999", "arrival_ns: -1"})
    CHECK(status.message().find(field) != std::string::npos);

  options = {};
  options.max_endpoints = 1;
  LoadLedger ledger = make_ledger(options);
  const LedgerEndpoint endpoint = add(ledger, 0);
  CHECK(ledger.add_endpoint(5).status().code() == StatusCode::kResourceExhausted);
  const Status booking = ledger.book(endpoint, {-1, 0, kMaxTokens + 1}, 5).status();
  CHECK(booking.code() == StatusCode::kInvalidArgument);
  CHECK(booking.message().find("prompt_tokens: -1") != std::string::npos);
  CHECK(booking.message().find("output_tokens: 2147483648") != std::string::npos);
  CHECK(ledger.book(endpoint, {5, 6, 0}, 5).status().message() == "uncached_tokens: more than prompt_tokens");

  const double bad = GENERATE(-1.0, 1e16, std::numeric_limits<double>::infinity());
  LoadSample sample = sample_of(7, bad);
  sample[LoadQuantity::kKvTokens] = bad;
  const Status sampled = ledger.merge_sample(endpoint, sample, 6).status();
  CHECK(sampled.code() == StatusCode::kInvalidArgument);
  for (const char* field : {"sampled_ns: is after now_ns", "; requests: is not in", "; kv_tokens: is not in"})
    CHECK(sampled.message().find(field) != std::string::npos);
  CHECK(ledger.merge_sample(endpoint, LoadSample(), 6).status().message() == "sampled_ns: is needed");

  const std::vector<LedgerEndpoint> column(3, endpoint);
  std::vector<double> out(2, -5);
  CHECK(ledger.estimate(column, LoadQuantity::kRequests, {}, out).code() == StatusCode::kInvalidArgument);
  CHECK(out == std::vector<double>(2, -5));

  CHECK(ledger.now_ns() == 0);
  CHECK(ledger.counts() == LedgerCounts());
  CHECK(ledger.own(endpoint) == LoadSums());
  CHECK(ledger.sampled_ns(endpoint) == kNever);
}

TEST_CASE("an engine's sample as a sample of load", "[route][ledger]") {
  EngineSample engine;
  engine.sampled_ns = 9;
  engine.engine[EngineSignal::kRunning] = 3;
  const LoadSample part = to_load_sample(engine);
  CHECK(part.sampled_ns == 9);
  for (const LoadQuantity quantity : kAll) CHECK_FALSE(is_reported(part[quantity]));  // running alone is not all
  engine.engine[EngineSignal::kWaiting] = 4;
  engine.engine[EngineSignal::kKvUsage] = 0.25;
  engine.engine[EngineSignal::kKvTotalTokens] = 1000;
  CHECK(to_load_sample(engine)[LoadQuantity::kRequests] == 7);
  CHECK(to_load_sample(engine)[LoadQuantity::kKvTokens] == 250);
  engine.engine[EngineSignal::kKvUsedBlocks] = 20;
  engine.engine[EngineSignal::kBlockTokens] = 16;
  CHECK(to_load_sample(engine)[LoadQuantity::kKvTokens] == 320);
  CHECK_FALSE(is_reported(to_load_sample(engine)[LoadQuantity::kUncachedTokens]));
}

TEST_CASE("a column of estimates is its elements", "[route][ledger]") {
  LoadLedger ledger = make_ledger();
  std::vector<LedgerEndpoint> column;
  for (int i = 0; i < 5; ++i) column.push_back(add(ledger, 0));
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t n = 0; n < i; ++n) book(ledger, column[4 - i], 1);
  column.push_back(LedgerEndpoint{});
  std::vector<double> out(6, -1);
  REQUIRE(ledger.estimate(column, LoadQuantity::kOutputTokens, {LoadEstimator::kOwn, 2}, out).ok());
  CHECK(std::vector<double>(out.begin(), out.begin() + 5) == std::vector<double>{160, 120, 80, 40, 0});
  CHECK_FALSE(is_reported(out[5]));
}

TEST_CASE("a load ledger does not allocate once grown, and its memory is bounded by what was in flight",
          "[route][ledger][allocation]") {
  LoadLedger ledger = make_ledger();
  const LedgerEndpoint endpoint = add(ledger, 0);
  std::vector<Ticket> tickets(256);
  std::vector<double> out(1);
  const std::vector<LedgerEndpoint> column{endpoint};
  Time now_ns = 0;
  const auto round = [&] {
    for (Ticket& ticket : tickets) ticket = ledger.book(endpoint, {100, 50, 10}, ++now_ns).value();
    for (const Ticket& ticket : tickets) ledger.first_token(ticket, ++now_ns);
    if (!ledger.merge_sample(endpoint, sample_of(now_ns - 400, 3), now_ns).ok()) std::abort();
    if (!ledger.estimate(column, LoadQuantity::kRequests, {LoadEstimator::kSamplePlusLater}, out).ok()) std::abort();
    for (const Ticket& ticket : tickets) ledger.release(ticket, RequestEnd::kDone, ++now_ns);
    ledger.expire(now_ns);
  };
  const std::size_t cold = test::allocations();
  round();
  const std::size_t warm = test::allocations();
  CHECK(warm > cold);  // the counter counts
  const std::size_t bytes = ledger.heap_bytes();
  CHECK(bytes <= 2 * (256 * 64 + 232));
  for (int i = 0; i < 200; ++i) round();
  CHECK(test::allocations() == warm);
  CHECK(ledger.heap_bytes() == bytes);

  LoadLedger ready = make_ledger();
  ready.reserve(256, 1);
  const std::size_t before = test::allocations();
  const LedgerEndpoint place = ready.add_endpoint(0).value();
  for (Ticket& ticket : tickets) ticket = ready.book(place, {100, 50, 10}, 1).value();
  CHECK(test::allocations() == before);
}
