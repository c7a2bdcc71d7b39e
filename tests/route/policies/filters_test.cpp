// Reasons that the filters over the set give, and what they do to a set that is narrowed already. Whom they keep: tests/vectors/route.
#include "../support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

using Kept = std::vector<std::uint8_t>;

PoolSnapshot loaded(Signal signal, const std::vector<double>& loads) {
  std::vector<Endpoint> rows;
  for (std::size_t i = 0; i < loads.size(); ++i) {
    rows.push_back(row("e" + std::to_string(100 + i)));
    if (!is_missing(loads[i])) rows.back().set(signal, loads[i]);
  }
  return pool_of(rows);
}

template <class F>
Kept after(const F& filter, const PoolSnapshot& pool, Kept keep, const Request& request = {}) {
  filter.filter(pool.view(), request, keep);
  return keep;
}

}  // namespace

TEST_CASE("the gates look at those that are left", "[route][balance]") {
  const PoolSnapshot pool = loaded(Signal::kRunning, {0, 9, 5, kMissing});
  const BalanceOptions options{0, 8, 0};
  CHECK(after(Imbalanced(options), pool, {1, 1, 1, 1}) == Kept{1, 1, 1, 1});
  CHECK(after(Imbalanced(options), pool, {0, 1, 1, 1}) == Kept{0, 0, 0, 0});
  CHECK(after(Balanced(options), pool, {1, 1, 1, 1}) == Kept{0, 0, 0, 0});
  CHECK(after(Balanced(options), pool, {0, 1, 1, 1}) == Kept{0, 1, 1, 1});
  CHECK(after(Balanced(options), pool, {0, 0, 0, 0}) == Kept{0, 0, 0, 0});
  const Kept all = {1, 1, 1, 1};
  const Kept some = {0, 1, 1, 1};
  CHECK(Balanced(options).explain(pool.view(), {}, all, {0}) == Reason{ReasonCode::loads_uneven, 0, 0, 9});
  CHECK(Imbalanced(options).explain(pool.view(), {}, some, {1}) == Reason{ReasonCode::loads_even, 0, 5, 9});
  CHECK(Imbalanced(options).explain(plain_pool(2).view(), {}, Kept{1, 1}, {1}) ==
        Reason{ReasonCode::loads_even, 0, 0, 0});
}

TEST_CASE("load-bound and least-loaded never empty a set and tell the load", "[route][load-bound]") {
  RandomStream random(5, 1);
  for (int round = 0; round < 500; ++round) {
    std::vector<double> loads(1 + random.next_below(20));
    Kept keep(loads.size());
    for (std::size_t i = 0; i < loads.size(); ++i) {
      loads[i] =
          random.next_below(6) == 0 ? kMissing : static_cast<double>(random.next_below(1000)) * random.next_double();
      keep[i] = random.next_below(4) != 0 ? 1 : 0;
    }
    keep[random.next_below(loads.size())] = 1;
    const PoolSnapshot pool = loaded(Signal::kRunning, loads);
    const LoadBoundOptions bound{0, random.next_double(), random.next_double() / 4};
    for (const Kept& left : {after(LoadBound(bound), pool, keep), after(LeastLoaded({0, 0}), pool, keep)}) {
      INFO("round " << round);
      CHECK(std::count(left.begin(), left.end(), 1) > 0);
      for (std::size_t i = 0; i < keep.size(); ++i) CHECK(left[i] <= keep[i]);
    }
  }
  const PoolSnapshot pool = loaded(Signal::kInFlight, {10, 0, 2});
  const Kept all = {1, 1, 1};
  CHECK(LoadBound({5, 1, kMissing}).explain(pool.view(), {}, all, {0}) ==
        Reason{ReasonCode::above_load_bound, 0, 10, 4});
  CHECK(LeastLoaded().explain(pool.view(), {}, all, {2}) == Reason{ReasonCode::not_least_loaded, 0, 2, 0});
}

TEST_CASE("filters by prefix and by length tell share and limit", "[route][prefix-affinity][fits]") {
  const PoolSnapshot pool = pool_of({row("a", {{Signal::kKvCapacityTokens, 900}, {Signal::kContextMinTokens, 500}}),
                                     row("b", {{Signal::kContextMaxTokens, 800}})});
  OwnedRequest request;
  request.prefix = {1, 4};
  request.prefix_total = 4;
  request.prompt_tokens = 700;
  request.output_tokens = 300;
  const Request asked = request.view();
  CHECK(PrefixThreshold().explain(pool.view(), asked, {0}) == Reason{ReasonCode::prefix_too_short, 0, 0.25, 0.5});
  CHECK(PrefixAffinity().explain(pool.view(), asked, {0}) == Reason{ReasonCode::prefix_too_short, 0, 0.25, 0.8});
  CHECK(Fits().explain(pool.view(), asked, {0}) == Reason{ReasonCode::does_not_fit, 0, 1000, 900});
  CHECK(Fits().explain(pool.view(), asked, {1}) == Reason{ReasonCode::does_not_fit, 0, 1000, 800});
  request.prompt_tokens = 400;
  CHECK(ContextLengthFilter().explain(pool.view(), request.view(), {0}) ==
        Reason{ReasonCode::does_not_fit, 0, 400, 500});
  request.prompt_tokens = 900;
  CHECK(ContextLengthFilter().explain(pool.view(), request.view(), {1}) ==
        Reason{ReasonCode::does_not_fit, 0, 900, 800});
}
