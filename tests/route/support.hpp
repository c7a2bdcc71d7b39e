// What the tests of route share: pools in few words, random pools and requests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "kthena/base/random.hpp"
#include "kthena/route.hpp"
#include "kthena/route/decision_run.hpp"

namespace kthena::route::test {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Given {
  Signal signal;
  double value;
};

inline Endpoint row(std::string id, std::initializer_list<Given> signals = {}, std::vector<std::string> models = {}) {
  Endpoint endpoint{std::move(id), {}, std::move(models)};
  for (const Given& given : signals) endpoint.set(given.signal, given.value);
  return endpoint;
}

inline PoolSnapshot pool_of(const std::vector<Endpoint>& rows) {
  PoolBuilder builder;
  for (const Endpoint& endpoint : rows) builder.add(endpoint);
  auto pool = builder.build();
  INFO(pool.status().message());
  REQUIRE(pool.ok());
  return std::move(pool).value();
}

/// `count` endpoints that differ in name only.
inline PoolSnapshot plain_pool(std::size_t count) {
  std::vector<Endpoint> rows;
  for (std::size_t i = 0; i < count; ++i) rows.push_back(row("pod-" + std::to_string(i)));
  return pool_of(rows);
}

inline Request asking(std::string_view id, std::uint64_t seed = 0, std::uint64_t sequence = 0) {
  Request request;
  request.id = id;
  request.seed = seed;
  request.sequence = sequence;
  return request;
}

/// What one scorer says of each endpoint, in pool order; NaN abstains.
template <Scorer S>
std::vector<double> opinions(const S& scorer, const PoolSnapshot& pool, const Request& request = {}) {
  Workspace workspace;
  DecisionRun run(pool.view(), request, workspace);
  if (!run.start_scoring()) return {};
  run.score(scorer, 1);
  const auto scores = run.last_scores();
  return {scores.begin(), scores.end()};
}

/// Equal, where NaN equals NaN.
inline bool same(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

inline Policy policy_of(const PolicySpec& spec) {
  auto policy = Policy::create(spec);
  INFO(policy.status().message());
  REQUIRE(policy.ok());
  return *policy;
}
inline Policy preset_policy(std::string_view name) {
  auto spec = preset(name);
  REQUIRE(spec.ok());
  return policy_of(*spec);
}

/// A request that owns what it points to.
struct OwnedRequest {
  std::string id;
  std::string model;
  std::vector<std::uint32_t> prefix;
  std::vector<std::uint32_t> history;
  std::uint32_t prefix_total = 0;
  std::uint32_t history_total = 0;
  std::uint64_t sequence = 0;
  Time now_ns = 0;
  std::uint64_t seed = 0;
  std::uint32_t prompt_tokens = 0;
  std::uint32_t output_tokens = 0;
  std::uint32_t prefix_block_tokens = 0;
  std::uint32_t history_block_tokens = 0;
  std::array<std::vector<std::uint32_t>, 2> prefix_tiers{};  ///< host, disk
  std::array<std::vector<std::uint32_t>, 2> history_tiers{};
  std::string session{};
  Place near{};
  double slo_ttft_s = 0;
  double slo_tpot_s = 0;

  [[nodiscard]] Request view() const {
    Request request{id,
                    model,
                    prompt_tokens,
                    {prefix, prefix_total, prefix_block_tokens, prefix_tiers[0], prefix_tiers[1]},
                    {history, history_total, history_block_tokens, history_tiers[0], history_tiers[1]},
                    sequence,
                    now_ns,
                    seed,
                    output_tokens,
                    session,
                    {},
                    slo_ttft_s,
                    slo_tpot_s};
    for (std::size_t level = 0; level < kPlaceLevels; ++level) request.near[level] = near[level];
    return request;
  }
};

/// Few distinct values, so that ties are common; some endpoints lack some signals, some signals nobody has.
inline std::vector<Endpoint> random_rows(RandomStream& random, std::size_t count) {
  const char* const names[] = {"base", "sql", "chat", "vision"};
  std::array<bool, kSignalCount> reported{};
  for (bool& flag : reported) flag = random.next_below(6) != 0;
  const bool models = random.next_below(4) != 0;
  const std::uint64_t complete = random.next_below(2);
  std::vector<Endpoint> rows;
  for (std::size_t i = 0; i < count; ++i) {
    Endpoint endpoint = row("ns-" + std::to_string(random.next_below(3)) + "/pod-" + std::to_string(i));
    for (std::size_t s = 0; s < kSignalCount; ++s) {
      if (!reported[s] || (complete == 0 && random.next_below(5) == 0)) continue;
      const auto signal = static_cast<Signal>(s);
      double value = static_cast<double>(random.next_below(signal == Signal::kWaiting ? 14 : 9));
      if (signal == Signal::kKvUsage) value = static_cast<double>(random.next_below(11)) / 10;
      if (signal == Signal::kTtft || signal == Signal::kTpot) value *= random.next_double();
      endpoint.set(signal, value, static_cast<Time>(random.next_below(1000)));
    }
    for (const char* name : names)
      if (models && random.next_below(2) == 0) endpoint.models.emplace_back(name);
    rows.push_back(std::move(endpoint));
  }
  for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random.next_below(i)]);
  return rows;
}

inline OwnedRequest random_request(RandomStream& random, std::size_t endpoints) {
  const char* const names[] = {"base", "sql", "chat", "vision", "", "unknown"};
  OwnedRequest request;
  request.id = "request-" + std::to_string(random.next_below(1000));
  request.model = names[random.next_below(6)];
  request.sequence = random.next_below(4) == 0 ? random.next_u64() : random.next_below(100);
  request.now_ns = static_cast<Time>(random.next_below(5000));
  request.seed = random.next_u64();
  const auto fill = [&](std::vector<std::uint32_t>& depths, std::uint32_t& total) {
    const std::uint64_t kind = random.next_below(4);
    if (kind == 0) return;
    total = static_cast<std::uint32_t>(random.next_below(130));
    if (kind == 1) return;
    for (std::size_t i = 0; i < endpoints; ++i)
      depths.push_back(static_cast<std::uint32_t>(random.next_below(3) == 0 ? random.next_below(140) : 0));
  };
  fill(request.prefix, request.prefix_total);
  fill(request.history, request.history_total);
  return request;
}

}  // namespace kthena::route::test
