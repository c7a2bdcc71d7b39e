// A policy put together at compile time, with parts of one's own.
#include "kthena/route/pipeline.hpp"

#include "support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

/// A scorer of one's own: tokens per second that an endpoint gave lately, as a share of the best. No opinion where TPOT is unknown.
struct Throughput {
  static constexpr std::string_view kName = "throughput";
  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const auto tpot = context.column(Signal::kTpot);
    double best = kInfinity;
    for (const double seconds : tpot) best = seconds < best ? seconds : best;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = 100 * best / tpot[i];  // NaN where tpot is missing
  }
};

/// A filter of one's own: a zone is the part of the id before the slash.
struct SameZone {
  static constexpr std::string_view kName = "same-zone";
  const PoolSnapshot* pool;
  std::string_view zone;
  void filter(const PoolView&, const Request&, std::span<std::uint8_t> keep) const noexcept {
    for (std::uint32_t i = 0; i < keep.size(); ++i)
      if (!pool->id({i}).starts_with(zone)) keep[i] = 0;
  }
  [[nodiscard]] Reason explain(const PoolView&, const Request&, EndpointIndex) const {
    return {ReasonCode::none, 0, 0, 0};
  }
};

/// Says what it is told, by position.
struct Says {
  static constexpr std::string_view kName = "says";
  std::vector<double> scores;
  void score(const ScoreContext&, std::span<double> out) const noexcept {
    std::copy_n(scores.begin(), out.size(), out.begin());
  }
};

static_assert(Scorer<Throughput> && Filter<SameZone> && Scorer<Says>);
static_assert(!Scorer<SameZone> && !Filter<Throughput> && !Picker<Throughput>);

}  // namespace

TEST_CASE("parts of one's own decide beside the library's", "[route][pipeline]") {
  const PoolSnapshot pool = pool_of({row("east/a", {{Signal::kTpot, 0.02}, {Signal::kKvUsage, 0.9}}),
                                     row("east/b", {{Signal::kTpot, 0.04}, {Signal::kKvUsage, 0.1}}),
                                     row("west/c", {{Signal::kTpot, 0.01}, {Signal::kKvUsage, 0.0}}),
                                     row("east/d", {{Signal::kKvUsage, 0.5}})});
  const Pipeline policy{Filters{SameZone{&pool, "east/"}},
                        Scorers{Weighted{Throughput{}, 1}, Weighted{GpuUsage{}, 0.5}}};
  Workspace workspace;
  const Decision decision = policy.decide(pool.view(), {"request"}, workspace);
  CHECK(pool.id(decision.endpoint) == "east/a");  // 100 + 4.5 against 50 + 45 and 0 + 25
  CHECK(decision.score == 104.5);
  CHECK(decision.margin == 9.5);
  CHECK(decision.candidates == 3);
  CHECK(pool.id(decision.ranked[2]) == "east/d");
}

TEST_CASE("an opinion that is not finite is none", "[route][pipeline]") {
  const PoolSnapshot pool = plain_pool(5);
  const Pipeline policy{
      Filters{}, Scorers{Weighted{Says{{kNaN, kInfinity, -kInfinity, 1, -1}}, 2}, Weighted{GpuUsage({0.5}), 0.1}}};
  Workspace workspace;
  const Decision decision = policy.decide(pool.view(), {"request"}, workspace);
  CHECK(decision.endpoint.value == 3);
  CHECK(decision.score == 2.0 + 0.1 * 50);
  CHECK(decision.ranked[4].value == 4);
  CHECK(decision.margin == 2);
  CHECK(std::isfinite(decision.score));
}

TEST_CASE("a scorer that has no opinion of anyone changes nothing", "[route][pipeline]") {
  const PoolSnapshot pool = plain_pool(4);
  const Pipeline silent{Filters{}, Scorers{Weighted{Says{{kNaN, kNaN, kNaN, kNaN}}, 1e9}, Weighted{Random{}}}};
  const Pipeline alone{Filters{}, Scorers{Weighted{Random{}}}};
  Workspace workspace;
  for (std::uint64_t seed = 0; seed < 50; ++seed)
    CHECK(silent.decide(pool.view(), {.id = "request", .seed = seed}, workspace) ==
          alone.decide(pool.view(), {.id = "request", .seed = seed}, workspace));
}

TEST_CASE("a view over a host's own arrays decides as a snapshot does", "[route][pipeline]") {
  const PoolSnapshot pool =
      pool_of({row("a", {{Signal::kKvUsage, 0.5}}), row("b"), row("c", {{Signal::kKvUsage, 0.2}})});
  const std::uint64_t keys[] = {hash_id("a"), hash_id("b"), hash_id("c")};
  const double usage[] = {0.5, kMissing, 0.2};
  PoolView view;
  view.size = 3;
  view.keys = keys;
  view.values[static_cast<std::size_t>(Signal::kKvUsage)] = usage;
  const Policy policy = preset_policy("kthena-helm");
  Workspace workspace;
  CHECK(policy.decide(view, {.id = "request", .seed = 7}, workspace) ==
        policy.decide(pool, {.id = "request", .seed = 7}, workspace));
  CHECK(policy.explain(view, {.id = "request", .now_ns = 5, .seed = 7}).candidates[0].oldest_age_ns == 0);
}

TEST_CASE("a pipeline's ranked list has 1 to 16 places", "[route][pipeline]") {
  const PoolSnapshot pool = plain_pool(20);
  Workspace workspace;
  for (const auto& [asked, given] : {std::pair{0u, 1u}, {1u, 1u}, {16u, 16u}, {17u, 16u}, {4000000000u, 16u}}) {
    const Pipeline policy(Filters{}, Scorers{Weighted{Random{}}}, BestScore{}, asked);
    INFO(asked);
    CHECK(policy.decide(pool.view(), asking("request"), workspace).ranked_count == given);
  }
}

TEST_CASE("depths of another length count as not known", "[route][pipeline]") {
  const PoolSnapshot pool = plain_pool(4);
  const std::vector<std::uint32_t> depths = {9, 9, 9, 9, 9};
  for (const std::size_t length : {1u, 3u, 5u}) {
    Request request = asking("request");
    request.prefix = {{depths.data(), length}, 9};
    INFO(length << " depths for 4 endpoints");
    CHECK(!check_request(pool.view(), request).ok());
    CHECK(same(opinions(KvCacheAware(), pool, request), {0, 0, 0, 0}));
  }
}
