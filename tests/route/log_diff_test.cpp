// diff: the same policy decides the same, another one is counted, told and priced as two policies asked by hand.
#include "kthena/route/log_diff.hpp"

#include <map>

#include "logged_fleet.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

using Bytes = std::vector<std::byte>;

Bytes log_of(const Policy& policy, std::uint64_t seed, int decisions) {
  LoggedFleet fleet(seed);
  DecisionLogWriter writer({policy.spec().name, 1, ""});
  Workspace workspace;
  Bytes log;
  for (int i = 0; i < decisions; ++i) {
    const Request request = fleet.next();
    REQUIRE(writer.append(fleet.pool(), request, policy.decide(fleet.pool(), request, workspace), log).ok());
  }
  return log;
}

DiffReport compare(const Bytes& log, const Policy& other, const DiffOptions& options = {}) {
  auto report = diff(log, other, options);
  INFO(report.status().message());
  REQUIRE(report.ok());
  return std::move(report).value();
}

}  // namespace

TEST_CASE("every preset reproduces its log to the last bit", "[route][log]") {
  for (const std::string_view name : preset_names()) {
    INFO(name);
    const Policy policy = preset_policy(name);
    const Bytes log = log_of(policy, 11, 400);
    const DiffReport report = compare(log, policy);
    CHECK(report.decisions == 400);
    CHECK(report.identical == 400);
    CHECK(report.changed == 0);
    CHECK(report.first.empty());
    CHECK(report.bytes == log.size());
    CHECK_FALSE(report.cut_at.has_value());
    for (const auto& row : report.endpoints) CHECK(row.before == row.after);
    for (const auto& row : report.reasons) CHECK(row.before == row.after);
  }
}

TEST_CASE("diff counts what two policies decide by hand", "[route][log][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(0, 40)));
  INFO("seed " << seed);
  const auto names = preset_names();
  RandomStream random(seed, 1);
  const Policy one = preset_policy(names[random.next_below(names.size())]);
  const Policy other = preset_policy(names[random.next_below(names.size())]);
  INFO(one.spec().name << " against " << other.spec().name);
  const Bytes log = log_of(one, seed, 100);

  DiffOptions options;
  options.limit = 1000;
  options.find_policy = [&](const LoggedPolicy& logged) {
    REQUIRE(logged.name == one.spec().name);
    return std::optional(one);
  };
  const DiffReport report = compare(log, other, options);

  LoggedFleet fleet(seed);
  Workspace workspace;
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> counts;
  std::uint64_t changed = 0;
  double regret = 0;
  std::uint64_t regrets = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Request request = fleet.next();
    const PoolSnapshot& pool = fleet.pool();
    const Decision before = one.decide(pool, request, workspace);
    const Decision after = other.decide(pool, request, workspace);
    for (const std::string& id : pool.ids()) counts[id];
    if (before.endpoint.valid()) ++counts[std::string(pool.id(before.endpoint))].first;
    if (after.endpoint.valid()) ++counts[std::string(pool.id(after.endpoint))].second;
    if (before.endpoint == after.endpoint) continue;
    REQUIRE(report.first.size() > changed);
    const ChangedDecision& told = report.first[changed++];
    REQUIRE(told.number == i);
    REQUIRE(told.request == request.id);
    REQUIRE(told.before.endpoint.value_or("") == pool.id(before.endpoint));
    REQUIRE(told.after.endpoint.value_or("") == pool.id(after.endpoint));
    const Explanation seen = one.explain(pool, request);
    const bool both = before.endpoint.valid() && after.endpoint.valid() && !seen.scorers.empty() &&
                      seen.candidates[after.endpoint.value].dropped.code == ReasonCode::none &&
                      seen.picker != "round-robin";
    REQUIRE(told.regret.has_value() == both);
    if (both) {
      const double expected =
          seen.candidates[before.endpoint.value].total - seen.candidates[after.endpoint.value].total;
      REQUIRE(*told.regret == expected);
      if (seen.picker == "best-score") REQUIRE(expected >= 0);
      regret += expected;
      ++regrets;
      for (std::size_t s = 0; s < seen.scorers.size(); ++s) {
        REQUIRE(told.before.terms[s].scorer == seen.scorers[s]);
        REQUIRE(told.before.terms[s].after == seen.candidates[after.endpoint.value].terms[s].contribution);
      }
    }
  }
  CHECK(report.changed == changed);
  CHECK(report.same == 100 - changed);
  CHECK(report.regret.count == regrets);
  CHECK(report.regret.sum == regret);
  REQUIRE(report.endpoints.size() == counts.size());
  for (const auto& row : report.endpoints) CHECK(counts[row.id] == std::pair(row.before, row.after));
}

TEST_CASE("diff of a log that is cut, damaged or none", "[route][log]") {
  const Policy policy = preset_policy("least-request");
  Bytes log = log_of(policy, 3, 20);
  const std::uint64_t whole = log.size();
  log.pop_back();
  const DiffReport report = compare(log, policy);
  CHECK(report.decisions == 19);
  CHECK(report.cut_at == report.bytes);
  CHECK(report.bytes < whole);
  log[whole / 2] ^= std::byte{1};
  const auto damaged = diff(log, policy);
  REQUIRE_FALSE(damaged.ok());
  CHECK(damaged.status().message().starts_with("byte "));
  CHECK(diff({}, policy).status().message() == "byte 0: the log is empty");
}
