#include "kthena/route/policies/best_score.hpp"

#include "../support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

/// The scores are given: an endpoint's KV usage, as it is.
struct AsGiven {
  static constexpr std::string_view kName = "as-given";
  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const auto column = context.column(Signal::kKvUsage);
    std::copy(column.begin(), column.end(), out.begin());
  }
};

Decision pick(const std::vector<double>& scores, std::size_t ranked_limit) {
  std::vector<Endpoint> rows;
  for (std::size_t i = 0; i < scores.size(); ++i)
    rows.push_back(row("e" + std::to_string(100 + i), {{Signal::kKvUsage, scores[i]}}));
  const PoolSnapshot pool = pool_of(rows);
  Workspace workspace;
  return Pipeline(Filters{}, Scorers{Weighted{AsGiven{}}}, BestScore{}, ranked_limit)
      .decide(pool.view(), {"request"}, workspace);
}

std::vector<std::uint32_t> positions(const Decision& decision) {
  std::vector<std::uint32_t> out;
  for (const EndpointIndex endpoint : decision.ranking()) out.push_back(endpoint.value);
  return out;
}

}  // namespace

TEST_CASE("best-score ranks by total", "[route][best-score]") {
  using Positions = std::vector<std::uint32_t>;
  CHECK(positions(pick({0.5, 1, 0.75}, 5)) == Positions{1, 2, 0});
  CHECK(positions(pick({0.5, 1, 0.75}, 2)) == Positions{1, 2});
  CHECK(positions(pick({0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7}, 3)) == Positions{6, 5, 4});
  CHECK(positions(pick({0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1}, 3)) == Positions{0, 1, 2});
}

TEST_CASE("best-score gives score, margin and reason", "[route][best-score]") {
  const Decision clear = pick({0.25, 1, 0.5}, 5);
  CHECK(clear.score == 1);
  CHECK(clear.margin == 0.5);
  CHECK(clear.reason == Reason{ReasonCode::best_score, 0, 1, 0.5});
  CHECK(clear.candidates == 3);

  const Decision tied = pick({0.25, 1, 1, 0.5, 1}, 5);
  CHECK(tied.margin == 0);
  CHECK(tied.reason == Reason{ReasonCode::tie_broken, 0, 1, 3});

  const Decision only = pick({0.25}, 5);
  CHECK(only.margin == 0);
  CHECK(only.reason == Reason{ReasonCode::only_candidate, 0, 0.25, 0});
}

TEST_CASE("best-score knows the margin beyond a list of one", "[route][best-score]") {
  CHECK(pick({0.25, 1, 0.5}, 1).margin == 0.5);
  CHECK(pick({1, 0.25, 0.5}, 1).margin == 0.5);
  CHECK(pick({0.25, 0.5, 1}, 1).margin == 0.5);
  CHECK(pick({0.5, 0.5, 0.5}, 1).reason == Reason{ReasonCode::tie_broken, 0, 0.5, 3});
}
