// bindings/c/decide.cpp
#include <algorithm>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "calls.hpp"
#include "handles.hpp"
#include "kthena/manifest/route.hpp"
#include "requests.hpp"
#include "user_scorer.hpp"

using namespace kthena;
using c::Depths;
using c::guarded;
using c::with_request;

static_assert(KTHENA_MAX_RANKED == route::kMaxRanked);
static_assert(KTHENA_ROUTED == static_cast<int>(route::Outcome::kRouted));
static_assert(KTHENA_SCORER_FAILED == static_cast<int>(route::Outcome::kScorerFailed));
static_assert(KTHENA_NO_ENDPOINT == static_cast<int>(route::Outcome::kNoEndpoint));

namespace {

/// Fills all but struct_size.
void write_decision(const kthena_pool& pool, const route::Decision& made, kthena_decision& decision) noexcept {
  decision.outcome = static_cast<std::int32_t>(made.outcome);
  decision.endpoint = pool.for_caller(made.endpoint);
  decision.reason = static_cast<std::int32_t>(made.reason.code);
  decision.reason_subject = made.reason.subject;
  decision.candidates = made.candidates;
  decision.reason_a = made.reason.a;
  decision.reason_b = made.reason.b;
  decision.score = made.score;
  decision.margin = made.margin;
  decision.ranked_count = made.ranked_count;
  for (std::size_t i = 0; i < route::kMaxRanked; ++i) decision.ranked[i] = made.ranked[i].value;
  if (!pool.sorted())
    for (std::uint32_t i = 0; i < made.ranked_count; ++i) decision.ranked[i] = pool.to_caller[made.ranked[i].value];
  decision.stage = made.stage;
}

/// Apart, because it is not the usual case.
[[gnu::noinline]] route::Decision decide_asking(const kthena_policy& policy, const kthena_pool& pool,
                                                const route::Request& request, route::Workspace& workspace) {
  const c::Asking asking(pool);
  return policy.policy.decide(pool.snapshot.view(), request, workspace);
}

}  // namespace

kthena_workspace* kthena_workspace_create(void) { return new (std::nothrow) kthena_workspace; }

void kthena_workspace_free(kthena_workspace* workspace) { delete workspace; }

kthena_status kthena_decide(const kthena_policy* policy, const kthena_pool* pool, const kthena_request* request,
                            kthena_workspace* workspace, kthena_decision* decision, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (policy == nullptr) return c::refuse_null(error, "policy");
    if (pool == nullptr) return c::refuse_null(error, "pool");
    if (request == nullptr) return c::refuse_null(error, "request");
    if (workspace == nullptr) return c::refuse_null(error, "workspace");
    if (kthena_status status = c::check_struct(decision, "decision", error); status != KTHENA_OK) return status;
    const kthena_request* given = request;
    kthena_request copy;
    if (request->struct_size != sizeof(kthena_request)) {
      if (kthena_status status = c::read_struct(request, "request", copy, error); status != KTHENA_OK) return status;
      given = &copy;
    }
    return with_request(*pool, *given, workspace->depths, error, [&](const route::Request& wanted) -> kthena_status {
      const route::Decision made = policy->asks_users
                                       ? decide_asking(*policy, *pool, wanted, workspace->workspace)
                                       : policy->policy.decide(pool->snapshot.view(), wanted, workspace->workspace);
      if (made.outcome == route::Outcome::kScorerFailed) return c::fail(error, workspace->workspace.failure());
      if (decision->struct_size >= sizeof(kthena_decision)) {
        write_decision(*pool, made, *decision);
      } else {
        kthena_decision whole;
        write_decision(*pool, made, whole);
        c::write_struct(decision, whole);
      }
      return KTHENA_OK;
    });
  });
}

kthena_status kthena_explain_json(const kthena_policy* policy, const kthena_pool* pool, const kthena_request* request,
                                  char* buffer, size_t capacity, size_t* needed, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (policy == nullptr) return c::refuse_null(error, "policy");
    if (pool == nullptr) return c::refuse_null(error, "pool");
    kthena_request copy = {};
    if (kthena_status status = c::read_struct(request, "request", copy, error); status != KTHENA_OK) return status;
    Depths depths;
    return with_request(*pool, copy, depths, error, [&](const route::Request& wanted) {
      return c::write_text(buffer, capacity, needed, error, [&]() -> Result<std::string> {
        const c::Asking asking(*pool);
        route::Workspace workspace;
        const route::Explanation made = policy->policy.explain(pool->snapshot.view(), wanted, workspace);
        if (made.decision.outcome == route::Outcome::kScorerFailed) return workspace.failure();
        return manifest::write_explanation(made, pool->snapshot);
      });
    });
  });
}

kthena_status kthena_route_decide_json(kthena_str json, char* buffer, size_t capacity, size_t* needed,
                                       kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = c::check(json, "json", error); status != KTHENA_OK) return status;
    return c::write_text(buffer, capacity, needed, error, [&] { return manifest::decide_document(c::view(json)); });
  });
}
