// Fleet beside a plain list of live requests, and what its header promises one by one.
#include "kthena/route/fleet.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

constexpr Signal kBookingSignals[] = {Signal::kInFlight,       Signal::kPrefillRequests, Signal::kPrefillTokens,
                                      Signal::kUncachedTokens, Signal::kOutputTokens,    Signal::kKvTokens};

Fleet make_fleet(const FleetOptions& options = {}) {
  Result<Fleet> fleet = Fleet::create(options);
  INFO(fleet.status().message());
  REQUIRE(fleet.ok());
  return std::move(fleet).value();
}

Fleet fleet_of(std::initializer_list<const char*> ids, const FleetOptions& options = {}) {
  Fleet fleet = make_fleet(options);
  std::vector<Endpoint> rows;
  for (const char* id : ids) rows.push_back(row(id));
  REQUIRE(fleet.add_endpoints(rows, 0) == Status());
  return fleet;
}

Policy scored_by(const char* scorer) {
  PolicySpec spec;
  spec.scorers = {{scorer, 1, {}}};
  return policy_of(spec);
}

FleetRequest asked(std::uint32_t prompt_tokens, std::uint32_t output_tokens, Time now_ns, std::uint64_t sequence = 0) {
  FleetRequest request;
  request.request.prompt_tokens = prompt_tokens;
  request.request.output_tokens = output_tokens;
  request.request.now_ns = now_ns;
  request.request.sequence = sequence;
  return request;
}

double value(const Fleet& fleet, std::string_view id, Signal signal) {
  const std::optional<Sample> sample = fleet.pool().sample(fleet.pool().find(id), signal);
  return sample ? sample->value : kNaN;
}
bool known(const Fleet& fleet, std::string_view id, Signal signal) {
  return fleet.pool().sample(fleet.pool().find(id), signal).has_value();
}
EndpointIndex at(const Fleet& fleet, std::string_view id) { return fleet.pool().find(id); }

Ticket booked(Fleet& fleet, std::string_view id, const FleetRequest& request) {
  const Result<Ticket> ticket = fleet.book(at(fleet, id), request);
  INFO(ticket.status().message());
  REQUIRE(ticket.ok());
  return *ticket;
}

/// All that can be seen of a fleet.
std::string picture(const Fleet& fleet) {
  std::ostringstream out;
  const PoolSnapshot& pool = fleet.pool();
  for (std::uint32_t i = 0; i < pool.size(); ++i) {
    out << pool.id({i}) << " worker " << fleet.worker({i}).value << " " << fleet.index().worker_name(fleet.worker({i}));
    for (std::size_t s = 0; s < kSignalCount; ++s)
      if (const auto sample = pool.sample({i}, static_cast<Signal>(s)))
        out << ' ' << kSignals[s].name << '=' << sample->value << '@' << sample->sampled_ns;
    for (const std::string_view model : pool.models({i})) out << " [" << model << "]";
    out << '\n';
  }
  const LedgerCounts& counts = fleet.ledger().counts();
  const prefix::PrefixIndexStats stats = fleet.index().stats();
  out << fleet.ledger().in_flight() << ' ' << fleet.ledger().now_ns() << ' ' << counts.booked << ' ' << counts.done
      << ' ' << counts.failed << ' ' << counts.expired << ' ' << counts.dropped << ' ' << counts.stale << ' '
      << counts.older_samples << ' ' << counts.clock_behind << ' ' << stats.workers << ' ' << stats.memberships;
  return out.str();
}

/// A fleet in the plainest way: a list of live requests, and for each endpoint what it holds and what it said last.
struct PlainRequest {
  unsigned long long number;
  std::string endpoint;
  long long word, prompt, uncached, reserved, produced, booked;
  bool first_token, in_sample;

  [[nodiscard]] long long load(int quantity) const {
    const long long rest = reserved > produced ? reserved - produced : 0;
    const long long answer = reserved > produced ? reserved : produced;
    const long long waiting = first_token ? 0 : 1;
    const long long loads[] = {1, waiting, waiting * prompt, waiting * uncached, rest, prompt + answer};
    return loads[quantity];
  }
};
struct PlainEndpoint {
  long long started = 0;
  long long restarted = -(1ll << 60);
  bool has_sample = false;
  long long sampled = 0;
  double requests = 0;
  long long covered = 0;  // requests
  bool has_reading = false;
  long long read = 0;
  std::set<std::vector<std::uint32_t>> prefixes;  // held, each from the first token on
};

}  // namespace

TEST_CASE("the columns of a fleet equal a plain list of live requests after every step", "[route][fleet][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(0, 60)));
  std::mt19937_64 random(seed);
  const auto below = [&random](std::uint64_t n) { return static_cast<long long>(random() % n); };
  constexpr std::uint32_t kBlock = 4;
  FleetOptions options;
  options.prefix.block_tokens = kBlock;
  options.ledger.max_tickets = 6 + static_cast<std::uint32_t>(below(30));
  options.ledger.idle_limit_ns = kMillisecond + below(3) * kMillisecond;
  options.estimate.estimator = static_cast<LoadEstimator>(below(4));
  options.estimate.routers = static_cast<std::uint32_t>(1 + below(5));
  options.learn_rates = below(2) == 0;
  Fleet fleet = make_fleet(options);
  const std::vector<Policy> policies = {scored_by("cost"), scored_by("least-request"), preset_policy("random")};
  Workspace workspace;
  prefix::PrefixQuery query = fleet.make_query({.model = "m", .adapter = {}, .tenant = {}, .block_tokens = kBlock});

  std::map<std::string, PlainEndpoint> endpoints;
  std::vector<PlainRequest> live;
  std::vector<Ticket> tickets;  // ever given, by number - 1
  std::map<std::vector<std::uint32_t>, std::uint64_t> engine_hashes;
  long long now = kNever;
  double answer_mean = 256;
  unsigned expired = 0, dropped = 0, stale = 0, refused = 0;

  const auto tick = [&](long long time) { now = std::max(now, time); };
  const auto drop_of = [&](const std::string& id) {
    dropped += static_cast<unsigned>(std::erase_if(live, [&](const PlainRequest& r) { return r.endpoint == id; }));
  };
  const auto expire_due = [&] {
    const auto gone = static_cast<unsigned>(
        std::erase_if(live, [&](const PlainRequest& r) { return now - r.word >= options.ledger.idle_limit_ns; }));
    expired += gone;
    return gone;
  };
  const auto some_id = [&] {
    auto it = endpoints.begin();
    std::advance(it, below(endpoints.size()));
    return it->first;
  };
  const auto blocks_of = [&](const std::vector<std::uint32_t>& tokens, std::size_t blocks) {
    return std::vector<std::uint32_t>(tokens.begin(), tokens.begin() + static_cast<long>(blocks * kBlock));
  };
  const auto some_prompt = [&] {
    std::vector<std::uint32_t> tokens(static_cast<std::size_t>(below(30)));
    for (std::size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = static_cast<std::uint32_t>(i % kBlock == 0 ? below(2) : 0);
    return tokens;
  };
  /// What the list says of a request that was sent to `id`.
  const auto note = [&](const std::string& id, const FleetRequest& request, const std::vector<std::uint32_t>& tokens) {
    long long prompt = request.request.prompt_tokens;
    long long held = 0;
    if (request.prompt != nullptr) {
      std::size_t blocks = 0;
      while ((blocks + 1) * kBlock <= tokens.size() && endpoints[id].prefixes.count(blocks_of(tokens, blocks + 1)) > 0)
        ++blocks;
      if (prompt == 0) prompt = static_cast<long long>(tokens.size() / kBlock * kBlock);
      held = static_cast<long long>(blocks * kBlock);
    }
    const long long reserved =
        request.request.output_tokens > 0 ? request.request.output_tokens : static_cast<long long>(answer_mean);
    live.push_back({tickets.size(), id, now, prompt, std::max(prompt - held, 0ll), reserved, 0, now, false, false});
  };

  long long clock = below(2) == 0 ? -3'000'000 : 1'000'000'000'000;
  for (int step = 0; step < 300; ++step) {
    clock += below(60'000) * below(3);
    const long long time = below(20) == 0 ? clock - below(400'000) : clock;
    const long long dice = below(100);
    INFO("seed " << seed << " step " << step << " dice " << dice);
    if (endpoints.empty() || (dice < 4 && endpoints.size() < 6)) {
      std::vector<Endpoint> rows;
      for (long long n = 1 + below(3); n > 0; --n) {
        const std::string id = "pod-" + std::to_string(below(12));
        const bool twice = std::any_of(rows.begin(), rows.end(), [&](const Endpoint& r) { return r.id == id; });
        if (endpoints.count(id) > 0 || twice) continue;
        rows.push_back(row(id, {{Signal::kInFlight, 77}, {Signal::kKvTokens, 5}, {Signal::kRunning, 3}}));
      }
      tick(rows.empty() ? now : time);
      REQUIRE(fleet.add_endpoints(rows, time) == Status());
      for (const Endpoint& added : rows) endpoints[added.id].started = now;
    } else if (dice < 6) {
      const std::string id = some_id();
      tick(time);
      REQUIRE(fleet.remove_endpoint(id, time) == Status());
      drop_of(id);
      endpoints.erase(id);
    } else if (dice < 8) {
      const std::string id = some_id();
      tick(time);
      REQUIRE(fleet.restart_endpoint(id, time) == Status());
      drop_of(id);
      endpoints[id] = {};
      endpoints[id].started = endpoints[id].restarted = now;
    } else if (dice < 10) {
      REQUIRE(fleet.set_models(some_id(), {"m", "a" + std::to_string(below(3))}, {}) == Status());
    } else if (dice < 20) {
      const std::string id = some_id();
      PlainEndpoint& endpoint = endpoints[id];
      const long long read = std::max(now, time) - below(2) * below(500'000);
      const SignalValue values[] = {{Signal::kRunning, static_cast<double>(below(20))},
                                    {Signal::kWaiting, static_cast<double>(below(5))}};
      REQUIRE(fleet.sample(at(fleet, id), values, read, time) == Status());
      if (read >= endpoint.restarted && !(endpoint.has_reading && read < endpoint.read)) {
        endpoint.has_reading = true;
        endpoint.read = read;
        tick(time);
        if (read >= endpoint.started && !(endpoint.has_sample && read <= endpoint.sampled)) {
          endpoint.has_sample = true;
          endpoint.sampled = read;
          endpoint.requests = values[0].value + values[1].value;
          endpoint.covered = 0;
          for (PlainRequest& request : live) {
            if (request.endpoint != id) continue;
            if (request.booked <= read) request.in_sample = true;
            endpoint.covered += request.in_sample ? 1 : 0;
          }
        }
      }
    } else if (dice < 30) {  // an engine says what it holds
      const std::string id = some_id();
      const std::vector<std::uint32_t> tokens = some_prompt();
      std::vector<std::uint64_t> hashes, contents;
      for (std::size_t b = 1; b * kBlock <= tokens.size(); ++b) {
        const std::vector<std::uint32_t> prefix = blocks_of(tokens, b);
        endpoints[id].prefixes.insert(prefix);
        hashes.push_back(engine_hashes.emplace(prefix, engine_hashes.size() + 1).first->second);
        contents.push_back(fleet.index().hash_block({prefix.data() + (b - 1) * kBlock, kBlock}));
      }
      BlockStored stored;
      stored.worker = fleet.worker(at(fleet, id));
      stored.namespace_key = query.namespace_key();
      stored.engine_hashes = hashes;
      stored.content_hashes = contents;
      REQUIRE(fleet.index().apply(stored) == Status());
    } else if (dice < 60) {
      const std::size_t count = below(4) == 0 ? static_cast<std::size_t>(1 + below(6)) : 1;
      const bool direct = count == 1 && below(4) == 0;
      std::vector<std::vector<std::uint32_t>> tokens(count);
      std::vector<prefix::PrefixQuery> queries(count, query);
      std::vector<FleetRequest> requests(count);
      for (std::size_t i = 0; i < count; ++i) {
        tokens[i] = some_prompt();
        queries[i].extend_tokens(tokens[i]);
        requests[i] =
            asked(static_cast<std::uint32_t>(below(3) == 0 ? 0 : tokens[i].size() + static_cast<std::size_t>(below(9))),
                  static_cast<std::uint32_t>(below(3) * below(300)), time, static_cast<std::uint64_t>(step));
        if (below(4) != 0) requests[i].prompt = &queries[i];
      }
      std::vector<Routed> routed(count);
      Status status;
      std::string direct_id;
      if (direct) {
        direct_id = some_id();
        Result<Ticket> ticket = fleet.book(at(fleet, direct_id), requests[0]);
        status = ticket.status();
        if (ticket.ok()) {
          routed[0].ticket = *ticket;
          routed[0].decision.outcome = Outcome::kRouted;
          routed[0].decision.endpoint = at(fleet, direct_id);
        }
      } else {
        const Policy& policy = policies[static_cast<std::size_t>(below(3))];
        if (count == 1 && below(2) == 0) {
          Result<Routed> one = fleet.decide_and_book(policy, requests[0], workspace);
          status = one.status();
          if (one.ok()) routed[0] = *one;
        } else {
          status = fleet.decide_batch(policy, requests, routed, workspace);
        }
      }
      for (std::size_t i = 0; i < count; ++i) {
        tick(time);
        if (live.size() == options.ledger.max_tickets && expire_due() == 0) {
          ++refused;
          REQUIRE(status.code() == StatusCode::kResourceExhausted);
          for (std::size_t k = i; k < count; ++k) REQUIRE(routed[k].decision == Decision());
          break;
        }
        REQUIRE(routed[i].decision.outcome == Outcome::kRouted);
        tickets.push_back(routed[i].ticket);
        REQUIRE(routed[i].ticket.generation == tickets.size());
        note(std::string(fleet.pool().id(routed[i].decision.endpoint)), requests[i], tokens[i]);
        if (i + 1 == count) REQUIRE(status == Status());
      }
    } else if (dice < 96 && !tickets.empty()) {
      const auto window = std::min<std::size_t>(tickets.size(), below(4) == 0 ? 400 : 24);
      const std::size_t number = tickets.size() - static_cast<std::size_t>(below(window));
      const Ticket ticket = tickets[number - 1];
      const auto request =
          std::find_if(live.begin(), live.end(), [&](const PlainRequest& r) { return r.number == number; });
      const bool is_live = request != live.end();
      tick(time);
      if (!is_live) ++stale;
      TicketOutcome expected = TicketOutcome::kStale;
      if (dice < 73) {
        if (is_live) {
          expected = request->first_token ? TicketOutcome::kRepeated : TicketOutcome::kApplied;
          request->first_token = true;
          request->word = now;
        }
        REQUIRE(fleet.first_token(ticket, time) == expected);
      } else if (dice < 82) {
        const long long produced = below(400) - 5;
        if (is_live) {
          expected = TicketOutcome::kRepeated;
          request->word = now;
          if (produced > request->produced) {
            expected = TicketOutcome::kApplied;
            request->produced = produced;
            request->first_token = true;
          }
        }
        REQUIRE(fleet.progress(ticket, produced, time) == expected);
      } else {
        const RequestEnd end = below(3) == 0 ? RequestEnd::kFailed : RequestEnd::kDone;
        const long long tokens = below(300) - 20;
        if (is_live) {
          expected = TicketOutcome::kApplied;
          const long long answer = tokens >= 0 ? tokens : request->produced;
          if (end == RequestEnd::kDone && answer > 0) answer_mean += 0.01 * (static_cast<double>(answer) - answer_mean);
          live.erase(request);
        }
        REQUIRE(fleet.finish(ticket, end, tokens, time) == expected);
      }
    } else {
      tick(time);
      REQUIRE(fleet.expire(time) == expire_due());
    }

    REQUIRE(fleet.pool().size() == endpoints.size());
    REQUIRE(fleet.ledger().in_flight() == live.size());
    REQUIRE(fleet.ledger().now_ns() == now);
    REQUIRE(fleet.ledger().counts().expired == expired);
    REQUIRE(fleet.ledger().counts().dropped == dropped);
    REQUIRE(fleet.ledger().counts().stale == stale);
    std::uint32_t position = 0;
    for (const auto& [id, endpoint] : endpoints) {
      REQUIRE(fleet.pool().id({position}) == id);
      REQUIRE(fleet.index().worker_name(fleet.worker({position})) == id);
      ++position;
      for (int q = 0; q < 6; ++q) {
        INFO(id << ' ' << info(kBookingSignals[q]).name);
        long long sum = 0;
        for (const PlainRequest& request : live)
          if (request.endpoint == id) sum += request.load(q);
        if (q > 0) {  // of this router alone
          REQUIRE(value(fleet, id, kBookingSignals[q]) == static_cast<double>(sum));
          continue;
        }
        const auto routers = static_cast<long long>(options.estimate.routers);
        const auto own = static_cast<double>(routers * sum);
        const auto change = static_cast<double>(routers * (sum - endpoint.covered));
        double expected = own;
        if (options.estimate.estimator == LoadEstimator::kSample) expected = kNaN;
        if (endpoint.has_sample) {
          if (options.estimate.estimator == LoadEstimator::kSample) expected = endpoint.requests;
          if (options.estimate.estimator == LoadEstimator::kMaximum) expected = std::max(own, endpoint.requests);
          if (options.estimate.estimator == LoadEstimator::kSamplePlusLater)
            expected = std::max(endpoint.requests + change, 0.0);
        }
        REQUIRE(same({value(fleet, id, Signal::kInFlight)}, {expected}));
      }
    }
  }
  CHECK(dropped + expired + refused > 0);
  CHECK(stale > 0);
}

TEST_CASE("options of a fleet out of range are named with their paths", "[route][fleet]") {
  FleetOptions options;
  options.ledger.max_tickets = 0;
  options.ledger.idle_limit_ns = 5;
  options.prefix.block_tokens = 0;
  options.homes.max_entries = 3;
  options.estimate.routers = 65537;
  options.estimate.estimator = static_cast<LoadEstimator>(9);
  const Status status = Fleet::create(options).status();
  CHECK(status.code() == StatusCode::kInvalidArgument);
  for (const char* path : {"ledger.max_tickets: 0", "ledger.idle_limit_ns: 5", "prefix.block_tokens",
                           "homes.max_entries: 3", "estimate.routers: must", "estimate.estimator: is none"}) {
    INFO(status.message());
    CHECK(status.message().find(path) != std::string::npos);
  }
}

TEST_CASE("endpoints are added all or none, and every fault is named", "[route][fleet]") {
  FleetOptions options;
  options.ledger.max_endpoints = 4;
  options.prefix.max_workers = 5;
  Fleet fleet = fleet_of({"b", "d"}, options);
  booked(fleet, "d", asked(100, 10, 1));
  const std::string before = picture(fleet);

  const std::vector<Endpoint> bad = {row("a"), row("b"), row("c", {{Signal::kKvUsage, 2}}), row("a"), row("")};
  const Status faults = fleet.add_endpoints(bad, 5);
  CHECK(faults.code() == StatusCode::kInvalidArgument);
  for (const char* path : {"endpoints[1].id: \"b\" is in the fleet", "endpoints[2].kv_usage: must not exceed 1",
                           "endpoints[3].id: \"a\" is also", "endpoints[4].id: must not be empty"}) {
    INFO(faults.message());
    CHECK(faults.message().find(path) != std::string::npos);
  }
  CHECK(picture(fleet) == before);
  const std::vector<Endpoint> many = {row("a"), row("c"), row("e")};
  const Status full = fleet.add_endpoints(many, 5);
  CHECK(full.code() == StatusCode::kResourceExhausted);
  CHECK(full.message().find("ledger.max_endpoints") != std::string::npos);
  CHECK(picture(fleet) == before);
  CHECK(fleet.add_endpoints(std::span(many).first(2), 5) == Status());
  CHECK(fleet.pool().size() == 4);
  CHECK(value(fleet, "d", Signal::kInFlight) == 1);  // bookings follow their endpoint to its new position
  CHECK(value(fleet, "a", Signal::kInFlight) == 0);

  options.ledger.max_endpoints = 100;
  options.prefix.max_workers = 2;
  Fleet narrow = fleet_of({"a", "b"}, options);
  CHECK(narrow.add_endpoints(std::span(many).subspan(1, 1), 5).message().find("prefix.max_workers") !=
        std::string::npos);
  CHECK(narrow.remove_endpoint("a", 6) == Status());
  CHECK(narrow.add_endpoints(std::span(many).subspan(1, 1), 7) == Status());  // the place is free again
  CHECK(narrow.index().worker_name(narrow.worker(at(narrow, "c"))) == "c");
}

TEST_CASE("columns that the fleet makes are not taken from rows", "[route][fleet]") {
  Fleet fleet = make_fleet();
  const std::vector<Endpoint> rows = {
      row("a", {{Signal::kInFlight, 9}, {Signal::kHeldBlocks, 7}, {Signal::kPrefillTps, 50}})};
  REQUIRE(fleet.add_endpoints(rows, 3) == Status());
  for (const Signal signal : kBookingSignals) CHECK(value(fleet, "a", signal) == 0);
  CHECK(value(fleet, "a", Signal::kHeldBlocks) == 0);
  CHECK(value(fleet, "a", Signal::kPrefillTps) == 50);
}

TEST_CASE("bad input to a fleet names the field and changes nothing", "[route][fleet]") {
  FleetOptions options;
  options.ledger.max_tickets = 2;
  Fleet fleet = fleet_of({"a", "b"}, options);
  const Policy policy = scored_by("cost");
  Workspace workspace;
  booked(fleet, "a", asked(100, 10, 1000));
  const std::string before = picture(fleet);
  const auto unchanged = [&](const Status& status, StatusCode code, const char* text) {
    INFO(status.message());
    CHECK(status.code() == code);
    CHECK(status.message().find(text) != std::string::npos);
    CHECK(picture(fleet) == before);
  };
  const auto bad = StatusCode::kInvalidArgument;

  unchanged(fleet.remove_endpoint("c", 1), StatusCode::kNotFound, "\"c\"");
  unchanged(fleet.restart_endpoint("c", 1), StatusCode::kNotFound, "\"c\"");
  unchanged(fleet.set_models("c", {}, {}), StatusCode::kNotFound, "\"c\"");
  unchanged(fleet.set_models("b", {"x", "y", "x"}, {"y"}), bad,
            "models[2]: \"x\" is listed twice; waiting_models[0]: \"y\" is listed twice");

  const SignalValue values[] = {{Signal::kRunning, 3},         {Signal::kInFlight, 3}, {Signal::kKvUsage, 1.5},
                                {static_cast<Signal>(200), 1}, {Signal::kWaiting, -1}, {Signal::kHeldBlocks, 1},
                                {Signal::kTtft, kInfinity}};
  const Status sampled = fleet.sample({0}, values, 2000, 1000);
  unchanged(sampled, bad, "sampled_ns: is after now_ns");
  for (const char* text :
       {"values[1].signal: in_flight is made from bookings", "values[2].value: kv_usage", "values[3].signal: is none",
        "values[4].value: waiting", "values[5].signal: held_blocks", "values[6].value: ttft_s"})
    CHECK(sampled.message().find(text) != std::string::npos);
  unchanged(fleet.sample({0}, std::span(values).first(1), kNever, 1000), bad, "sampled_ns: is needed");
  unchanged(fleet.sample({2}, std::span(values).first(1), 1000, 1000), StatusCode::kNotFound, "endpoint 2");

  const std::vector<std::uint32_t> depths(3, 1);
  FleetRequest request = asked(10, 10, 2000);
  request.request.prefix = {depths, 4, 16};
  const auto decides = [&](const char* text) {
    unchanged(fleet.decide_and_book(policy, request, workspace).status(), bad, text);
    unchanged(fleet.decide(policy, request, workspace).status(), bad, text);
    unchanged(fleet.book({1}, request).status(), bad, text);
  };
  decides("request.prefix.depth_blocks: 3 depths for 2 endpoints");
  request = asked(0x80000000u, 10, 2000);
  decides("request.prompt_tokens: must not exceed 2147483647");
  request = asked(10, 0x80000000u, 2000);
  decides("request.output_tokens: must not exceed 2147483647");
  prefix::PrefixQuery other_seed(1, 16, 99);
  prefix::PrefixQuery other_block(1, 32, 0);
  prefix::PrefixQuery wide(1, 16, 0, true);
  for (const prefix::PrefixQuery* query : {&other_seed, &other_block, &wide}) {
    request = asked(10, 10, 2000);
    request.prompt = query;
    decides("prompt: is not from make_query()");
  }
  unchanged(fleet.book({7}, asked(1, 1, 2000)).status(), StatusCode::kNotFound, "endpoint 7");

  std::vector<FleetRequest> batch = {asked(1, 1, 2000), request, asked(1, 1, 2000), asked(1, 0x80000000u, 2000)};
  std::vector<Routed> out(4);
  const Status batched = fleet.decide_batch(policy, batch, out, workspace);
  unchanged(batched, bad, "requests[1].prompt: is not from");
  CHECK(batched.message().find("requests[3].request.output_tokens: must") != std::string::npos);
  unchanged(fleet.decide_batch(policy, batch, std::span(out).first(3), workspace), bad, "out: 3 elements for 4");
}

TEST_CASE("a fleet whose tickets are all in flight decides nothing, until some are due", "[route][fleet]") {
  FleetOptions options;
  options.ledger.max_tickets = 3;
  options.ledger.idle_limit_ns = kSecond;
  Fleet fleet = fleet_of({"a", "b"}, options);
  const Policy policy = scored_by("least-request");
  Workspace workspace;
  std::vector<FleetRequest> batch(5, asked(10, 10, 1));
  std::vector<Routed> out(5);
  out[4].ticket.slot = 1;
  CHECK(fleet.decide_batch(policy, batch, out, workspace).code() == StatusCode::kResourceExhausted);
  CHECK(out[2].decision.outcome == Outcome::kRouted);
  for (const std::size_t i : {3u, 4u}) {
    CHECK(out[i].decision == Decision());
    CHECK(out[i].ticket == Ticket());
  }
  CHECK(fleet.ledger().in_flight() == 3);
  CHECK(fleet.decide_and_book(policy, asked(10, 10, 2), workspace).status().code() == StatusCode::kResourceExhausted);
  CHECK(value(fleet, "a", Signal::kInFlight) + value(fleet, "b", Signal::kInFlight) == 3);
  // The three expire when room is made for the next; all columns know.
  REQUIRE(fleet.decide_and_book(policy, asked(10, 10, 1 + kSecond), workspace).ok());
  CHECK(value(fleet, "a", Signal::kInFlight) + value(fleet, "b", Signal::kInFlight) == 1);
  CHECK(fleet.ledger().counts().expired == 3);
}

TEST_CASE("a fleet without endpoints routes nothing and books nothing", "[route][fleet]") {
  Fleet fleet = make_fleet();
  const Policy policy = scored_by("cost");
  Workspace workspace;
  prefix::PrefixQuery query = fleet.make_query({});
  query.extend_tokens(std::vector<std::uint32_t>(64, 1));
  FleetRequest request = asked(64, 10, 1);
  request.prompt = &query;
  const Result<Routed> routed = fleet.decide_and_book(policy, request, workspace);
  REQUIRE(routed.ok());
  CHECK(routed->decision.outcome == Outcome::kNoEndpoint);
  CHECK(routed->ticket == Ticket());
  CHECK(fleet.ledger().counts() == LedgerCounts());
  CHECK(fleet.add_endpoints({}, 1) == Status());
  CHECK_FALSE(fleet.worker({0}).valid());
}

TEST_CASE("a decision leaves nothing behind and is the one that is booked", "[route][fleet]") {
  Fleet fleet = fleet_of({"a", "b", "c"});
  const Policy policy = scored_by("cost");
  Workspace workspace;
  for (std::uint64_t i = 0; i < 30; ++i) {
    const FleetRequest request = asked(500, 100, static_cast<Time>(i), i);
    const std::string before = picture(fleet);
    const Result<Decision> decision = fleet.decide(policy, request, workspace);
    REQUIRE(picture(fleet) == before);
    const Result<Routed> routed = fleet.decide_and_book(policy, request, workspace);
    REQUIRE(routed->decision == *decision);
    REQUIRE(fleet.ledger().info(routed->ticket)->booked_ns == static_cast<Time>(i));
  }
}

TEST_CASE("a burst is spread, and equal prefixes of it go together", "[route][fleet]") {
  const Policy policy = scored_by("cost");
  Workspace workspace;
  Fleet fleet = make_fleet();
  std::vector<Endpoint> rows;
  for (int i = 0; i < 16; ++i) rows.push_back(row("pod-" + std::to_string(i)));
  REQUIRE(fleet.add_endpoints(rows, 0) == Status());

  SECTION("1,000 unrelated requests") {
    std::vector<FleetRequest> batch;
    for (std::uint64_t i = 0; i < 1000; ++i) batch.push_back(asked(1000, 200, 5, i));
    std::vector<Routed> out(batch.size());
    REQUIRE(fleet.decide_batch(policy, batch, out, workspace) == Status());
    std::map<std::uint32_t, int> sent;
    for (const Routed& routed : out) ++sent[routed.decision.endpoint.value];
    CHECK(sent.size() == 16);
    for (const auto& [endpoint, count] : sent) {
      CHECK(count >= 62);
      CHECK(count <= 63);
    }
    // The same view for all, as without booking, is one endpoint for all but ties.
    CHECK(value(fleet, "pod-3", Signal::kInFlight) == sent[at(fleet, "pod-3").value]);
  }
  SECTION("64 groups with a prefix each, 8 requests, mixed") {
    constexpr std::size_t kGroups = 64;
    std::vector<prefix::PrefixQuery> queries;
    for (std::size_t i = 0; i < 8 * kGroups; ++i) {
      queries.push_back(fleet.make_query({}));
      std::vector<std::uint32_t> tokens(2048, static_cast<std::uint32_t>(i % kGroups + 1));
      tokens.resize(2112, static_cast<std::uint32_t>(1000 + i));
      queries.back().extend_tokens(tokens);
    }
    std::vector<FleetRequest> batch;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      batch.push_back(asked(0, 64, 5, i));
      batch.back().prompt = &queries[i];
    }
    std::vector<Routed> out(batch.size());
    REQUIRE(fleet.decide_batch(policy, batch, out, workspace) == Status());
    std::map<std::size_t, std::set<std::uint32_t>> places;
    std::map<std::uint32_t, int> sent;
    for (std::size_t i = 0; i < out.size(); ++i) {
      places[i % kGroups].insert(out[i].decision.endpoint.value);
      ++sent[out[i].decision.endpoint.value];
    }
    std::size_t homes = 0;
    for (const auto& [group, where] : places) homes += where.size();
    CHECK(homes <= kGroups * 5 / 4);  // of 8 * kGroups if they did not see each other
    for (const auto& [endpoint, count] : sent) CHECK(count <= 2 * 8 * static_cast<int>(kGroups) / 16);
    CHECK(sent.size() == 16);
  }
}

TEST_CASE("a batch is its requests one after the other", "[route][fleet]") {
  const Policy policy = scored_by("cost");
  Workspace workspace;
  Fleet one = fleet_of({"a", "b", "c", "d"});
  Fleet other = fleet_of({"a", "b", "c", "d"});
  std::vector<prefix::PrefixQuery> queries;
  for (std::uint32_t i = 0; i < 40; ++i) {
    queries.push_back(one.make_query({}));
    queries.back().extend_tokens(std::vector<std::uint32_t>(320, i % 7));
  }
  std::vector<FleetRequest> batch;
  for (std::uint64_t i = 0; i < 40; ++i) {
    batch.push_back(asked(0, 50, static_cast<Time>(i), i));
    batch.back().prompt = &queries[i];
  }
  std::vector<Routed> out(40);
  REQUIRE(one.decide_batch(policy, batch, out, workspace) == Status());
  for (std::size_t i = 0; i < 40; ++i) {
    const Result<Routed> routed = other.decide_and_book(policy, batch[i], workspace);
    CHECK(routed->decision == out[i].decision);
    CHECK(routed->ticket == out[i].ticket);
  }
  CHECK(picture(one) == picture(other));
}

TEST_CASE("what a request did not say is filled in", "[route][fleet]") {
  Fleet fleet = fleet_of({"a", "b"});
  prefix::PrefixQuery query = fleet.make_query({});
  query.extend_tokens(std::vector<std::uint32_t>(100, 3));  // 6 blocks and a rest
  FleetRequest request = asked(0, 0, 1);
  request.prompt = &query;
  const Ticket guessed = booked(fleet, "a", request);
  CHECK(fleet.ledger().info(guessed)->request.prompt_tokens == 96);
  CHECK(fleet.ledger().info(guessed)->request.output_tokens == 256);
  for (int i = 0; i < 400; ++i)
    CHECK(fleet.finish(booked(fleet, "b", asked(1, 1, 1)), RequestEnd::kDone, 40, 1) == TicketOutcome::kApplied);
  const auto mean = fleet.ledger().info(booked(fleet, "a", request))->request.output_tokens;
  CHECK(mean >= 40);
  CHECK(mean < 60);
  // A failed answer, and one of unknown length, say nothing.
  fleet.finish(booked(fleet, "b", asked(1, 1, 1)), RequestEnd::kFailed, 100'000, 1);
  fleet.finish(booked(fleet, "b", asked(1, 1, 1)), RequestEnd::kDone, -1, 1);
  CHECK(fleet.ledger().info(booked(fleet, "a", request))->request.output_tokens == mean);

  const std::vector<std::uint32_t> depths = {0, 5};  // the caller's own match counts instead
  request.request.prefix = {depths, 6, 16};
  request.request.prompt_tokens = 100;
  CHECK(fleet.ledger().info(booked(fleet, "b", request))->request.uncached_tokens == 20);
  CHECK(fleet.ledger().info(booked(fleet, "a", request))->request.uncached_tokens == 100);
  request.prompt = nullptr;
  request.request.prefix = {depths, 6, 0};  // 100 / 6 tokens a block
  CHECK(fleet.ledger().info(booked(fleet, "b", request))->request.uncached_tokens == 20);
}

TEST_CASE("a prompt that nobody holds goes home, as long as home is there", "[route][fleet]") {
  Fleet fleet = fleet_of({"a", "b", "c"});
  const Policy policy = scored_by("prefix-cache");  // history first
  Workspace workspace;
  prefix::PrefixQuery query = fleet.make_query({});
  query.extend_tokens(std::vector<std::uint32_t>(512, 3));
  FleetRequest request = asked(0, 10, 1);
  request.prompt = &query;
  for (const char* home : {"b", "c", "a"}) {  // the last one it was sent to
    booked(fleet, home, request);
    for (std::uint64_t i = 0; i < 5; ++i) {
      request.request.sequence = i;
      CHECK(fleet.pool().id(fleet.decide(policy, request, workspace)->endpoint) == home);
    }
  }
  // Whoever holds more of it than it is remembered by elsewhere is home.
  BlockStored stored;
  std::vector<std::uint64_t> hashes(query.size_blocks());
  for (std::size_t i = 0; i < hashes.size(); ++i) hashes[i] = i + 1;
  stored.worker = fleet.worker(at(fleet, "c"));
  stored.namespace_key = query.namespace_key();
  stored.engine_hashes = hashes;
  stored.content_hashes = query.contents();
  REQUIRE(fleet.index().apply(stored) == Status());
  CHECK(fleet.pool().id(fleet.decide(policy, request, workspace)->endpoint) == "c");
  CHECK(fleet.ledger().info(booked(fleet, "c", request))->request.uncached_tokens == 0);
  CHECK(value(fleet, "c", Signal::kHeldBlocks) == 32);

  REQUIRE(fleet.remove_endpoint("c", 2) == Status());
  const Decision left = *fleet.decide(policy, request, workspace);
  CHECK(left.margin == 0);  // nobody is remembered or holds it
}

TEST_CASE("prompts are expected where they were sent, where that is asked for", "[route][fleet]") {
  FleetOptions options;
  options.prefix.max_expected_blocks = 100;
  options.prefix.expected_ttl_ns = 10 * kSecond;
  Fleet fleet = fleet_of({"a", "b"}, options);
  prefix::PrefixQuery query = fleet.make_query({});
  query.extend_tokens(std::vector<std::uint32_t>(160, 3));
  FleetRequest request = asked(0, 10, kSecond);
  request.prompt = &query;
  CHECK(fleet.ledger().info(booked(fleet, "a", request))->request.uncached_tokens == 160);
  CHECK(value(fleet, "a", Signal::kHeldBlocks) == 10);
  CHECK(fleet.ledger().info(booked(fleet, "a", request))->request.uncached_tokens == 0);
  CHECK(fleet.ledger().info(booked(fleet, "b", request))->request.uncached_tokens == 160);
  fleet.expire(12 * kSecond);
  CHECK(value(fleet, "a", Signal::kHeldBlocks) == 0);
  CHECK(fleet.index().stats().expected_blocks == 0);
}

TEST_CASE("a restart takes tickets, samples, cache and rates", "[route][fleet]") {
  Fleet fleet = make_fleet();
  const std::vector<Endpoint> rows = {row("a", {{Signal::kPrefillTps, 50}, {Signal::kKvCapacityTokens, 1000}}, {"m"}),
                                      row("b")};
  REQUIRE(fleet.add_endpoints(rows, 0) == Status());
  prefix::PrefixQuery query = fleet.make_query({});
  query.extend_tokens(std::vector<std::uint32_t>(32, 3));
  const std::uint64_t hashes[] = {1, 2};
  BlockStored stored;
  stored.worker = fleet.worker({0});
  stored.namespace_key = query.namespace_key();
  stored.engine_hashes = hashes;
  stored.content_hashes = query.contents();
  REQUIRE(fleet.index().apply(stored) == Status());
  const SignalValue values[] = {{Signal::kRunning, 3}, {Signal::kWaiting, 1}, {Signal::kKvUsage, 0.5}};
  REQUIRE(fleet.sample({0}, values, 5 * kSecond, 5 * kSecond) == Status());
  CHECK(value(fleet, "a", Signal::kHeldBlocks) == 2);
  const Ticket lost = booked(fleet, "a", asked(10, 10, 6 * kSecond));
  const Ticket kept = booked(fleet, "b", asked(10, 10, 6 * kSecond));

  REQUIRE(fleet.restart_endpoint("a", 9 * kSecond) == Status());
  CHECK(fleet.finish(lost, RequestEnd::kDone, 10, 9 * kSecond) == TicketOutcome::kStale);
  CHECK(fleet.first_token(kept, 9 * kSecond) == TicketOutcome::kApplied);
  for (const Signal signal : kBookingSignals) CHECK(value(fleet, "a", signal) == 0);
  for (const Signal signal : {Signal::kRunning, Signal::kWaiting, Signal::kKvUsage})
    CHECK_FALSE(known(fleet, "a", signal));
  CHECK(value(fleet, "a", Signal::kHeldBlocks) == 0);
  CHECK(fleet.index().held_blocks(fleet.worker({0})) == 0);
  CHECK(value(fleet, "a", Signal::kReadyAtS) == 9);
  CHECK(value(fleet, "a", Signal::kPrefillTps) == 50);  // its own
  CHECK(value(fleet, "a", Signal::kKvCapacityTokens) == 1000);
  CHECK(fleet.pool().models({0}) == std::vector<std::string_view>{"m"});
  // What was read of the process before does not come back.
  REQUIRE(fleet.sample({0}, values, 8 * kSecond, 10 * kSecond) == Status());
  CHECK_FALSE(known(fleet, "a", Signal::kRunning));
  REQUIRE(fleet.sample({0}, values, 10 * kSecond, 10 * kSecond) == Status());
  CHECK(value(fleet, "a", Signal::kRunning) == 3);
}

TEST_CASE("an older sample is ignored, signal by signal, and a value can be forgotten", "[route][fleet]") {
  Fleet fleet = fleet_of({"a"});
  const SignalValue first[] = {{Signal::kRunning, 3}, {Signal::kKvUsage, 0.5}};
  const SignalValue second[] = {{Signal::kRunning, 4}, {Signal::kWaiting, 2}};
  REQUIRE(fleet.sample({0}, first, 10, 10) == Status());
  REQUIRE(fleet.sample({0}, second, 5, 11) == Status());
  CHECK(value(fleet, "a", Signal::kRunning) == 3);
  CHECK(value(fleet, "a", Signal::kWaiting) == 2);
  const SignalValue forget[] = {{Signal::kKvUsage, kMissing}};
  REQUIRE(fleet.sample({0}, forget, 12, 12) == Status());
  CHECK_FALSE(known(fleet, "a", Signal::kKvUsage));
  CHECK(value(fleet, "a", Signal::kRunning) == 3);
}

TEST_CASE("names of models are set without a change of the rest", "[route][fleet]") {
  Fleet fleet = fleet_of({"a", "b"});
  booked(fleet, "b", asked(10, 10, 1));
  REQUIRE(fleet.set_models("b", {"m", "x"}, {"y"}) == Status());
  CHECK(fleet.pool().models(at(fleet, "b")) == std::vector<std::string_view>{"m", "x"});
  CHECK(value(fleet, "b", Signal::kInFlight) == 1);
  REQUIRE(fleet.restart_endpoint("a", 2) == Status());
  CHECK(fleet.pool().models(at(fleet, "b")) == std::vector<std::string_view>{"m", "x"});
  const std::vector<Endpoint> more = {row("c")};
  REQUIRE(fleet.add_endpoints(more, 3) == Status());
  CHECK(fleet.pool().models(at(fleet, "b")) == std::vector<std::string_view>{"m", "x"});
}

TEST_CASE("the life of a request, in the columns of its endpoint", "[route][fleet]") {
  Fleet fleet = fleet_of({"a", "b"});
  const Ticket ticket = booked(fleet, "a", asked(100, 20, 1));
  const auto columns = [&](const char* id) {
    std::vector<double> out;
    for (const Signal signal : kBookingSignals) out.push_back(value(fleet, id, signal));
    return out;
  };
  CHECK(columns("a") == std::vector<double>{1, 1, 100, 100, 20, 120});
  CHECK(fleet.first_token(ticket, 2) == TicketOutcome::kApplied);
  CHECK(columns("a") == std::vector<double>{1, 0, 0, 0, 20, 120});
  CHECK(fleet.first_token(ticket, 2) == TicketOutcome::kRepeated);
  CHECK(fleet.progress(ticket, 25, 3) == TicketOutcome::kApplied);
  CHECK(columns("a") == std::vector<double>{1, 0, 0, 0, 0, 125});
  CHECK(fleet.progress(ticket, 25, 3) == TicketOutcome::kRepeated);
  CHECK(fleet.finish(ticket, RequestEnd::kDone, 30, 4) == TicketOutcome::kApplied);
  CHECK(columns("a") == std::vector<double>(6, 0));
  CHECK(fleet.finish(ticket, RequestEnd::kDone, 30, 4) == TicketOutcome::kStale);
  CHECK(fleet.progress(ticket, 30, 4) == TicketOutcome::kStale);
  CHECK(fleet.first_token(ticket, 4) == TicketOutcome::kStale);
  CHECK(fleet.ledger().counts().stale == 3);
  // Progress is a first token, and one call is one word of the clock.
  const Ticket quiet = booked(fleet, "b", asked(100, 20, 5));
  CHECK(fleet.progress(quiet, 1, 3) == TicketOutcome::kApplied);
  CHECK(columns("b") == std::vector<double>{1, 0, 0, 0, 19, 120});
  CHECK(fleet.ledger().counts().clock_behind == 1);
}

TEST_CASE("rates are learned where machines differ, of endpoints that came without", "[route][fleet]") {
  FleetOptions options;
  options.learn_rates = GENERATE(true, false);
  Fleet fleet = make_fleet(options);
  const std::vector<Endpoint> rows = {row("fast"), row("own", {{Signal::kPrefillTps, 77}}), row("slow")};
  REQUIRE(fleet.add_endpoints(rows, 0) == Status());
  Time now = 0;
  const auto serve = [&](const char* id, double tps) {
    const Ticket ticket = booked(fleet, id, asked(1000, 10, now));
    now += static_cast<Time>(1000 / tps * 1e9);
    CHECK(fleet.first_token(ticket, now) == TicketOutcome::kApplied);
    CHECK(fleet.finish(ticket, RequestEnd::kDone, 1, now) == TicketOutcome::kApplied);
  };
  for (int i = 0; i < 100; ++i) {
    serve("fast", 20'000);
    serve("own", 10'000);
    serve("slow", 2'000);
  }
  CHECK(value(fleet, "own", Signal::kPrefillTps) == 77);
  REQUIRE(known(fleet, "fast", Signal::kPrefillTps) == options.learn_rates);
  if (!options.learn_rates) return;
  CHECK(value(fleet, "fast", Signal::kPrefillTps) == Approx(20'000));
  CHECK(value(fleet, "slow", Signal::kPrefillTps) == Approx(2'000));
  REQUIRE(fleet.restart_endpoint("slow", now) == Status());
  CHECK_FALSE(known(fleet, "slow", Signal::kPrefillTps));
  // A rate that is given is not learned any more.
  const SignalValue given[] = {{Signal::kPrefillTps, 5}};
  REQUIRE(fleet.sample(at(fleet, "fast"), given, now, now) == Status());
  for (int i = 0; i < 100; ++i) serve("fast", 20'000);
  CHECK(value(fleet, "fast", Signal::kPrefillTps) == 5);
}

TEST_CASE("clocks that jump do not break a fleet", "[route][fleet]") {
  Fleet fleet = fleet_of({"a", "b"});
  constexpr Time kEnd = std::numeric_limits<Time>::max();
  const Ticket ticket = booked(fleet, "a", asked(1000, 10, kNever + 1));
  CHECK(fleet.first_token(ticket, kEnd) == TicketOutcome::kApplied);
  CHECK(fleet.finish(ticket, RequestEnd::kDone, 1000, kNever) == TicketOutcome::kApplied);
  CHECK(value(fleet, "a", Signal::kInFlight) == 0);
  REQUIRE(fleet.restart_endpoint("a", kNever) == Status());
  fleet.expire(kEnd);
}

TEST_CASE("a fleet that was moved is the same fleet", "[route][fleet]") {
  Fleet fleet = fleet_of({"a", "b"});
  booked(fleet, "a", asked(10, 10, 1));
  const std::string before = picture(fleet);
  Fleet moved = std::move(fleet);
  CHECK(picture(moved) == before);
  fleet = std::move(moved);
  CHECK(picture(fleet) == before);
}

TEST_CASE("a fleet does not allocate after warm-up", "[route][fleet][allocation]") {
  FleetOptions options;
  options.prefix.max_expected_blocks = GENERATE(std::size_t{0}, std::size_t{2000});
  Fleet fleet = make_fleet(options);
  std::vector<Endpoint> rows;
  for (int i = 0; i < 64; ++i) rows.push_back(row("pod-" + std::to_string(i)));
  REQUIRE(fleet.add_endpoints(rows, 0) == Status());
  const Policy policy = scored_by("cost");
  Workspace workspace;
  std::vector<prefix::PrefixQuery> queries;
  for (std::uint32_t i = 0; i < 64; ++i) {
    queries.push_back(fleet.make_query({}));
    queries.back().extend_tokens(std::vector<std::uint32_t>(1024, i));
  }
  std::vector<Ticket> tickets(256);
  Time now = 0;
  const auto round = [&] {
    for (std::size_t i = 0; i < tickets.size(); ++i) {
      FleetRequest request = asked(0, 0, ++now, i);
      request.prompt = &queries[i % queries.size()];
      tickets[i] = fleet.decide_and_book(policy, request, workspace)->ticket;
    }
    for (std::size_t i = 0; i < tickets.size(); ++i)
      fleet.first_token(tickets[i], now += 1000 * static_cast<Time>(i % 7));
    for (const Ticket& ticket : tickets) fleet.progress(ticket, 5, now);
    for (const Ticket& ticket : tickets) fleet.finish(ticket, RequestEnd::kDone, 20, now += 1000);
    fleet.expire(now);
  };
  const std::size_t cold = kthena::test::allocations();
  round();
  CHECK(kthena::test::allocations() > cold);  // the counter counts
  for (int i = 0; i < 20; ++i) round();
  const std::size_t warm = kthena::test::allocations();
  for (int i = 0; i < 20; ++i) round();
  CHECK(kthena::test::allocations() == warm);
}
