// What the tests of pickers that draw share: opinions as they are told, shares of many requests.
#pragma once

#include <vector>

#include "../statistics.hpp"
#include "../support.hpp"

namespace kthena::route::test {

/// Endpoints whose gpu-usage opinion is what is said.
inline PoolSnapshot pool_of_scores(const std::vector<double>& scores) {
  std::vector<Endpoint> rows;
  for (const double score : scores)
    rows.push_back(row("pod-" + std::to_string(rows.size()), {{Signal::kKvUsage, 1 - score / 100}}));
  return pool_of(rows);
}

inline Policy picking(PartSpec picker, std::uint32_t ranked_limit = 5) {
  return policy_of({"", {}, {{"gpu-usage"}}, std::move(picker), ranked_limit});
}

/// How often each endpoint is taken over seeds 0..draws.
inline std::vector<std::uint64_t> shares(const Policy& policy, const PoolSnapshot& pool, std::uint64_t draws) {
  std::vector<std::uint64_t> counts(pool.size());
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < draws; ++seed)
    ++counts[policy.decide(pool, asking("request", seed), workspace).endpoint.value];
  return counts;
}

/// Pearson's statistic against probabilities.
inline double chi_square(const std::vector<std::uint64_t>& counts, const std::vector<double>& probabilities) {
  double total = 0;
  for (const std::uint64_t count : counts) total += static_cast<double>(count);
  double sum = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double expected = total * probabilities[i];
    const double off = static_cast<double>(counts[i]) - expected;
    sum += off * off / expected;
  }
  return sum;
}

/// Equals share alike, also while the set of candidates changes from request to request: over all requests in which exactly 4 of 6 stand
/// for election, each one that does is taken in a quarter. Gives the statistic of the 6 counts against that; 5 degrees of freedom.
inline double chi_square_of_changing_sets(const Policy& policy) {
  std::vector<std::uint64_t> counts(6);
  std::vector<double> expected(6);
  Workspace workspace;
  RandomStream random(11, 3);
  constexpr int kRequests = 24000;
  for (int r = 0; r < kRequests; ++r) {
    const std::uint64_t first = random.next_below(6);
    const std::uint64_t second = (first + 1 + random.next_below(5)) % 6;
    std::vector<Endpoint> rows;
    for (std::uint64_t i = 0; i < 6; ++i) {
      if (i == first || i == second) continue;
      rows.push_back(row("pod-" + std::to_string(i), {{Signal::kKvUsage, 0.5}}));
      expected[i] += 0.25 / kRequests;
    }
    const PoolSnapshot pool = pool_of(rows);
    const Decision decision = policy.decide(pool, asking("request", static_cast<std::uint64_t>(r)), workspace);
    ++counts[static_cast<std::size_t>(pool.id(decision.endpoint).back() - '0')];
  }
  return chi_square(counts, expected);
}

/// Everybody once, the chosen one first.
inline void check_ranking(const Decision& decision, std::size_t size) {
  std::vector<bool> seen(size);
  REQUIRE(decision.ranked_count == std::min<std::size_t>(size, 16));
  REQUIRE(decision.ranked[0] == decision.endpoint);
  for (const EndpointIndex endpoint : decision.ranking()) {
    REQUIRE(!seen[endpoint.value]);
    seen[endpoint.value] = true;
  }
}

}  // namespace kthena::route::test
