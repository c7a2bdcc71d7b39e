// Old readings and new endpoints: the rules against their plain reading, and what they must never do.
#include "statistics.hpp"
#include "support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

constexpr Time kNow = 1'000'000'000'000;

Request asking_now(std::uint64_t seed, Time now_ns = kNow) {
  Request request = asking("request", seed);
  request.now_ns = now_ns;
  return request;
}

/// Random readings of kv_usage: some never read, some of a time that is not known, some from later.
std::vector<Endpoint> random_ages(RandomStream& random, std::size_t count) {
  std::vector<Endpoint> rows;
  for (std::size_t i = 0; i < count; ++i) {
    Endpoint endpoint = row("pod-" + std::to_string(i));
    const std::uint64_t kind = random.next_below(10);
    const auto age = static_cast<Time>(random.next_below(kind < 6 ? 12 : 40)) * kSecond / 2;
    const Time sampled = kind == 9 ? kNever : kind == 8 ? kNow + age : kNow - age;
    if (random.next_below(8) != 0) endpoint.set(Signal::kKvUsage, random.next_double(), sampled);
    rows.push_back(std::move(endpoint));
  }
  return rows;
}

/// The column as the rule says, endpoint by endpoint.
std::vector<double> corrected_by_hand(const StaleRule& rule, const PoolView& view) {
  const auto slot = static_cast<std::size_t>(rule.signal);
  const double* values = view.values[slot];
  std::vector<double> fresh, known, out(view.size, kMissing);
  if (values == nullptr) return out;
  const auto age = [&](std::size_t i) {
    const Time sampled = view.sampled[slot][i];
    return sampled == kNever ? kInfinity : static_cast<double>(kNow - sampled) / 1e9;
  };
  for (std::size_t i = 0; i < view.size; ++i) {
    if (is_missing(values[i])) continue;
    known.push_back(values[i]);
    if (age(i) <= rule.fresh_s) fresh.push_back(values[i]);
  }
  if (known.empty()) return out;
  if (fresh.empty()) fresh = known;
  std::sort(fresh.begin(), fresh.end());
  const double median = fresh[(fresh.size() - 1) / 2];
  const double highest = *std::max_element(known.begin(), known.end());
  const double tau = rule.tau_s > 0 ? rule.tau_s : (rule.stale_s - rule.fresh_s) / 3;
  for (std::size_t i = 0; i < view.size; ++i) {
    const bool missing = is_missing(values[i]);
    if (!missing && age(i) <= rule.fresh_s) {
      out[i] = values[i];
    } else if (!missing && age(i) <= rule.stale_s) {
      out[i] = median + std::exp(-(age(i) - rule.fresh_s) / tau) * (values[i] - median);
    } else if (rule.then == StaleThen::kMedian) {
      out[i] = median;
    } else if (rule.then == StaleThen::kBusy) {
      out[i] = highest;
    } else if (rule.then != StaleThen::kAbstain) {
      out[i] = values[i];
    }
  }
  return out;
}

PolicySpec with_rule(const StaleRule& rule) {
  PolicySpec spec{"", {}, {{"gpu-usage"}}, {"best-score"}, 16};
  spec.staleness = {rule};
  return spec;
}

}  // namespace

TEST_CASE("a decision sees the columns that the rules make", "[route][staleness][property]") {
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    RandomStream random(seed, 17);
    const PoolSnapshot pool = pool_of(random_ages(random, random.next_below(30)));
    const double fresh_s = static_cast<double>(random.next_below(4));
    const StaleRule rule{Signal::kKvUsage, fresh_s, fresh_s + static_cast<double>(random.next_below(8)),
                         static_cast<StaleThen>(random.next_below(5)), random.next_below(2) == 0 ? 0.0 : 2.5};
    const Policy policy = policy_of(with_rule(rule));
    const Explanation told = policy.explain(pool.view(), asking_now(seed));
    INFO("seed " << seed);
    REQUIRE(told.decision == policy.decide(pool, asking_now(seed), workspace));
    const auto expected = corrected_by_hand(rule, pool.view());
    for (std::size_t i = 0; i < pool.size(); ++i) {
      const auto& corrected = told.candidates[i].corrected;
      const double* column = pool.view().values[static_cast<std::size_t>(Signal::kKvUsage)];
      const double read = column == nullptr ? kMissing : column[i];
      REQUIRE(corrected.size() <= 1);
      const double used = corrected.empty() ? read : corrected[0].used;
      if (!corrected.empty()) REQUIRE(same({corrected[0].read}, {read}));
      REQUIRE(is_missing(used) == is_missing(expected[i]));
      if (!is_missing(used)) REQUIRE(std::abs(used - expected[i]) < 1e-12);
    }
  }
}

TEST_CASE("a pool whose readings are all stale stays routable, and nobody is preferred for having none",
          "[route][staleness][property]") {
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    RandomStream random(seed, 18);
    auto rows = random_ages(random, 1 + random.next_below(20));
    std::size_t known = 0;
    for (Endpoint& endpoint : rows) {
      auto& sample = endpoint.signals[static_cast<std::size_t>(Signal::kKvUsage)];
      if (!sample) continue;
      ++known;
      if (sample->sampled_ns != kNever)
        sample->sampled_ns = kNow - static_cast<Time>(11 + random.next_below(99)) * kSecond;
    }
    const PoolSnapshot pool = pool_of(rows);
    INFO("seed " << seed);
    for (int then = 0; then < 5; ++then) {
      const Policy policy = policy_of(with_rule({Signal::kKvUsage, 2, 10, static_cast<StaleThen>(then)}));
      const Decision decision = policy.decide(pool, asking_now(seed), workspace);
      REQUIRE(decision.outcome == Outcome::kRouted);
      REQUIRE(decision.candidates == pool.size());
    }
  }
}

TEST_CASE("who is excluded is named with its signal and age", "[route][staleness]") {
  std::vector<Endpoint> rows = {row("a"), row("b"), row("c"), row("d")};
  rows[0].set(Signal::kWaiting, 1, kNow - kSecond);
  rows[1].set(Signal::kWaiting, 1, kNow - 15 * kSecond).set(Signal::kRunning, 1, kNow);
  rows[2].set(Signal::kWaiting, 1, kNever).set(Signal::kRunning, 1, kNow - 30 * kSecond);
  rows[3].set(Signal::kRunning, 1, kNow - 30 * kSecond);
  const PoolSnapshot pool = pool_of(rows);
  PolicySpec spec{"", {{"lora-affinity"}}, {{"random"}}};
  spec.staleness = {{Signal::kRunning, 5, 20, StaleThen::kExclude}, {Signal::kWaiting, 5, 10, StaleThen::kExclude}};
  spec.otherwise = {{"", {}, {{"random"}}}};
  const Explanation told = policy_of(spec).explain(pool.view(), asking_now(1));
  CHECK(told.decision.stage == 1);
  CHECK(told.decision.candidates == 1);
  CHECK(pool.id(told.decision.endpoint) == "a");
  CHECK(told.candidates[0].dropped == Reason{});
  const auto waiting = static_cast<std::uint32_t>(Signal::kWaiting);
  const auto running = static_cast<std::uint32_t>(Signal::kRunning);
  CHECK(told.candidates[1].dropped == Reason{ReasonCode::stale_signal, waiting, 15, 10});
  CHECK(told.candidates[2].dropped == Reason{ReasonCode::stale_signal, running, 30, 20});
  CHECK(told.candidates[3].dropped == Reason{ReasonCode::stale_signal, running, 30, 20});
  REQUIRE(told.earlier.size() == 1);
  CHECK(told.earlier[0].drops[0].dropped.code == ReasonCode::model_not_loaded);
  CHECK(told.earlier[0].drops[1].dropped == told.candidates[1].dropped);
  CHECK(told.candidates[3].oldest_signal == Signal::kRunning);
}

TEST_CASE("fresh readings decide as if there were no rule", "[route][staleness][property]") {
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    RandomStream random(seed, 19);
    const PoolSnapshot pool = pool_of(random_rows(random, random.next_below(30)));
    OwnedRequest request = random_request(random, pool.size());
    request.now_ns = 1000;
    PolicySpec spec = preset("kthena-helm").value();
    const Decision without = policy_of(spec).decide(pool, request.view(), workspace);
    for (std::size_t s = 0; s < kSignalCount; ++s)
      spec.staleness.push_back({static_cast<Signal>(s), 1e-6, 2e-6, StaleThen::kAbstain});  // 1000 ns
    INFO("seed " << seed);
    REQUIRE(policy_of(spec).decide(pool, request.view(), workspace) == without);
  }
}

TEST_CASE("a new endpoint stands for election in age / ramp of the requests", "[route][slow-start]") {
  std::vector<Endpoint> rows = {row("old", {{Signal::kInFlight, 9}, {Signal::kRunning, 9}}),
                                row("new", {{Signal::kInFlight, 0}, {Signal::kRunning, 0}, {Signal::kReadyAtS, 1000}}),
                                row("other", {{Signal::kInFlight, 8}, {Signal::kRunning, 8}})};
  const PoolSnapshot pool = pool_of(rows);
  PolicySpec spec{"", {}, {{"least-request"}}};
  spec.slow_start_s = 30;
  const Policy policy = policy_of(spec);
  Workspace workspace;
  const EndpointIndex newcomer = pool.find("new");
  for (const int age_s : {0, 3, 10, 15, 29, 30, 100}) {
    std::uint64_t taken = 0;
    constexpr std::uint64_t kDraws = 20000;
    for (std::uint64_t seed = 0; seed < kDraws; ++seed)
      taken += policy.decide(pool, asking_now(seed, (1000 + age_s) * kSecond), workspace).endpoint == newcomer ? 1 : 0;
    const double share = std::min(1.0, age_s / 30.0);
    INFO("age " << age_s << " s");
    CHECK(std::abs(static_cast<double>(taken) - share * kDraws) <= 3.3 * std::sqrt(share * (1 - share) * kDraws));
  }
  const Explanation told = policy.explain(pool.view(), asking_now(1, 1000 * kSecond));
  CHECK(told.candidates[newcomer.value].dropped == Reason{ReasonCode::slow_start, 0, 0, 30});
  CHECK(told.decision.candidates == 2);
}

TEST_CASE("slow start never leaves a request without an endpoint", "[route][slow-start][property]") {
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    RandomStream random(seed, 20);
    std::vector<Endpoint> rows;
    const std::size_t size = 1 + random.next_below(6);
    for (std::size_t i = 0; i < size; ++i) {
      rows.push_back(row("pod-" + std::to_string(i), {{Signal::kWaiting, static_cast<double>(random.next_below(14))}}));
      if (random.next_below(3) != 0) rows[i].set(Signal::kReadyAtS, 960 + 60 * random.next_double());
    }
    const PoolSnapshot pool = pool_of(rows);
    PolicySpec spec{"", {{"least-request"}}, {{"random"}}, {"best-score"}, 16};
    const Decision without = policy_of(spec).decide(pool, asking_now(seed), workspace);
    spec.slow_start_s = 30;
    const Policy policy = policy_of(spec);
    const Decision decision = policy.decide(pool, asking_now(seed), workspace);
    INFO("seed " << seed);
    REQUIRE(decision.outcome == without.outcome);
    REQUIRE(decision.candidates <= without.candidates);
    const Explanation told = policy.explain(pool.view(), asking_now(seed));
    REQUIRE(told.decision == decision);
    // The others keep their order.
    std::vector<std::uint32_t> expected;
    for (const EndpointIndex endpoint : without.ranking())
      if (told.candidates[endpoint.value].rank > 0) expected.push_back(endpoint.value);
    REQUIRE(expected.size() == decision.ranked_count);
    for (std::size_t i = 0; i < expected.size(); ++i) REQUIRE(decision.ranked[i].value == expected[i]);
  }
}

// One endpoint of eight becomes ready at 0. 40 requests a second of 2 s each; the router's own bookings are its load.
TEST_CASE("a new endpoint has its fair share within the ramp and never twice as much", "[route][slow-start]") {
  constexpr std::size_t kEndpoints = 8;
  constexpr int kRate = 40;
  constexpr int kLife = 2 * kRate;  // in requests
  for (const char* scorer : {"least-request", "random"}) {
    PolicySpec spec{"", {}, {{scorer}}};
    spec.slow_start_s = 20;
    const Policy policy = policy_of(spec);
    std::vector<Endpoint> rows;
    for (std::size_t i = 0; i < kEndpoints; ++i) {
      const double load = i == 0 ? 0 : kLife / 7.0;
      rows.push_back(row("pod-" + std::to_string(i), {{Signal::kInFlight, load}, {Signal::kRunning, load}}));
    }
    rows[0].set(Signal::kReadyAtS, 1000);
    PoolSnapshot pool = pool_of(rows);
    Workspace workspace;
    std::vector<double> load(kEndpoints, 0);
    std::vector<std::uint32_t> ends;
    for (int i = 0; i < kLife; ++i) ends.push_back(static_cast<std::uint32_t>(1 + i % 7));
    for (const std::uint32_t e : ends) ++load[e];
    std::vector<int> taken;  // by second
    for (int r = 0; r < 40 * kRate; ++r) {
      --load[ends[static_cast<std::size_t>(r)]];
      REQUIRE(pool.set_signal(Signal::kInFlight, load, kNow).ok());
      REQUIRE(pool.set_signal(Signal::kRunning, load, kNow).ok());
      const Request request = asking_now(static_cast<std::uint64_t>(r), 1000 * kSecond + r * (kSecond / kRate));
      const Decision decision = policy.decide(pool, request, workspace);
      ends.push_back(decision.endpoint.value);
      ++load[decision.endpoint.value];
      if (r % kRate == 0) taken.push_back(0);
      taken.back() += decision.endpoint.value == 0 ? 1 : 0;
    }
    INFO(scorer);
    const auto share = [&](int from, int to) {  // of fair share
      int sum = 0;
      for (int s = from; s < to; ++s) sum += taken[static_cast<std::size_t>(s)];
      return sum * static_cast<double>(kEndpoints) / (kRate * (to - from));
    };
    for (int s = 0; s + 5 <= 40; ++s) CHECK(share(s, s + 5) < 2);
    CHECK(share(20, 30) > 0.5);
    CHECK(share(20, 30) < 1.5);
    CHECK(share(0, 5) < 0.75);
  }
}
