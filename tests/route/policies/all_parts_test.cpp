// What holds for every part of the library, by its name and with its defaults, on random pools.
#include "../support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

struct Case {
  std::vector<Endpoint> rows;
  OwnedRequest request;
};

/// With sessions, places, tiers and promises, unlike random_request alone.
Case random_case(RandomStream& random) {
  const std::size_t count = 1 + random.next_below(23);
  Case made{random_rows(random, count), random_request(random, count)};
  const char* const names[] = {"x", "y", "z"};
  for (Endpoint& endpoint : made.rows) {
    for (std::size_t level = 0; level < kPlaceLevels; ++level)
      if (random.next_below(3) != 0) endpoint.place[level] = names[random.next_below(3)];
  }
  OwnedRequest& request = made.request;
  for (std::size_t level = 0; level < kPlaceLevels; ++level)
    if (random.next_below(2) == 0) request.near[level] = names[random.next_below(3)];
  if (random.next_below(2) == 0) request.session = "session-" + std::to_string(random.next_below(50));
  request.prompt_tokens = static_cast<std::uint32_t>(random.next_below(3) == 0 ? 0 : random.next_below(5000));
  request.output_tokens = static_cast<std::uint32_t>(random.next_below(500));
  request.prefix_block_tokens = static_cast<std::uint32_t>(random.next_below(2) * 16);
  request.slo_ttft_s = static_cast<double>(random.next_below(5));
  request.slo_tpot_s = random.next_double();
  if (!request.prefix.empty() && random.next_below(2) == 0) {
    for (auto& tier : request.prefix_tiers) {
      const auto& faster = &tier == &request.prefix_tiers[0] ? request.prefix : request.prefix_tiers[0];
      for (const std::uint32_t depth : faster)
        tier.push_back(depth + static_cast<std::uint32_t>(random.next_below(40)));
    }
  }
  return made;
}

std::vector<std::string> names_of(std::string_view kind) {
  std::vector<std::string> names;
  for (const PartInfo& part : list_parts())
    if (part.kind == kind) names.emplace_back(part.name);
  return names;
}

/// The same request for the endpoints of `pool` that are kept.
template <class T>
std::vector<T> only(const std::vector<T>& column, const std::vector<bool>& kept) {
  std::vector<T> out;
  for (std::size_t i = 0; i < column.size(); ++i)
    if (kept[i]) out.push_back(column[i]);
  return out;
}

}  // namespace

TEST_CASE("every scorer says as much of those left as of a pool of them alone", "[route][parts][property]") {
  for (const std::string& name : names_of("scorer")) {
    if (name == "cost") continue;  // asks whether anybody in the pool serves the model
    const Policy filtered = policy_of({"", {{"least-request"}}, {{name}}, {"best-score"}, 16});
    const Policy alone = policy_of({"", {}, {{name}}, {"best-score"}, 16});
    RandomStream random(11, 4);
    for (int round = 0; round < 150; ++round) {
      INFO(name << ", round " << round);
      const Case given = random_case(random);
      const PoolSnapshot pool = pool_of(given.rows);
      const Explanation told = filtered.explain(pool, given.request.view());

      std::vector<bool> kept;
      for (std::size_t i = 0; i < pool.size(); ++i) kept.push_back(told.candidates[i].rank != 0);
      std::vector<Endpoint> rows;
      for (const Endpoint& endpoint : given.rows)
        if (kept[pool.find(endpoint.id).value]) rows.push_back(endpoint);
      OwnedRequest request = given.request;
      request.prefix = only(request.prefix, kept);
      request.history = only(request.history, kept);
      for (auto& tier : request.prefix_tiers) tier = only(tier, kept);
      const PoolSnapshot smaller = pool_of(rows);
      const Explanation plain = alone.explain(smaller, request.view());

      for (std::size_t i = 0; i < smaller.size(); ++i) {
        const CandidateExplanation& candidate =
            told.candidates[pool.find(smaller.id({static_cast<std::uint32_t>(i)})).value];
        REQUIRE(candidate.terms.size() == 1);
        REQUIRE(plain.candidates[i].terms.size() == 1);
        CHECK(candidate.terms[0].score == plain.candidates[i].terms[0].score);
        CHECK(candidate.terms[0].abstained == plain.candidates[i].terms[0].abstained);
      }
    }
  }
}

TEST_CASE("opinions lie between 0 and 100", "[route][parts][property]") {
  for (const std::string& name : names_of("scorer")) {
    if (name == "cost") continue;  // seconds, below 0
    const Policy policy = policy_of({"", {}, {{name}}});
    RandomStream random(12, 4);
    for (int round = 0; round < 150; ++round) {
      INFO(name << ", round " << round);
      const Case given = random_case(random);
      for (const CandidateExplanation& candidate :
           policy.explain(pool_of(given.rows), given.request.view()).candidates) {
        REQUIRE(candidate.terms.size() == 1);
        CHECK(candidate.terms[0].score >= 0);
        CHECK(candidate.terms[0].score <= 100);
      }
    }
  }
}

TEST_CASE("a filter never brings back what one before it dropped, and judges the others as if it were not there",
          "[route][parts][property]") {
  for (const std::string& name : names_of("filter")) {
    if (name == "lora-affinity") continue;
    const Policy both = policy_of({"", {{"lora-affinity"}, {name}}, {{"random"}}, {"best-score"}, 16});
    const Policy alone = policy_of({"", {{name}}, {{"random"}}, {"best-score"}, 16});
    RandomStream random(13, 4);
    for (int round = 0; round < 150; ++round) {
      INFO(name << ", round " << round);
      Case given = random_case(random);
      given.request.model = "base";
      const PoolSnapshot pool = pool_of(given.rows);
      std::vector<bool> serves;
      for (std::uint32_t i = 0; i < pool.size(); ++i) {
        const auto models = pool.models({i});
        serves.push_back(std::find(models.begin(), models.end(), "base") != models.end());
      }
      std::vector<Endpoint> rows;
      for (const Endpoint& endpoint : given.rows)
        if (serves[pool.find(endpoint.id).value]) rows.push_back(endpoint);
      OwnedRequest request = given.request;
      request.prefix = only(request.prefix, serves);
      request.history = only(request.history, serves);
      for (auto& tier : request.prefix_tiers) tier = only(tier, serves);
      const PoolSnapshot smaller = pool_of(rows);
      Workspace workspace;
      const Decision one = both.decide(pool, given.request.view(), workspace);
      const Decision other = alone.decide(smaller, request.view(), workspace);
      REQUIRE(one.candidates == other.candidates);
      REQUIRE(one.ranked_count == other.ranked_count);
      for (std::size_t i = 0; i < one.ranked_count; ++i) CHECK(pool.id(one.ranked[i]) == smaller.id(other.ranked[i]));
    }
  }
}
