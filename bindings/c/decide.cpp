// bindings/c/decide.cpp
#include <algorithm>
#include <array>
#include <new>
#include <string>
#include <vector>

#include "calls.hpp"
#include "handles.hpp"
#include "kthena/manifest/route.hpp"

using namespace kthena;
using c::guarded;

static_assert(KTHENA_MAX_RANKED == route::kMaxRanked);
static_assert(KTHENA_ROUTED == static_cast<int>(route::Outcome::kRouted));
static_assert(KTHENA_NO_ENDPOINT == static_cast<int>(route::Outcome::kNoEndpoint));

namespace {

using Depths = std::array<std::vector<std::uint32_t>, 2>;

kthena_status refuse_count(const kthena_pool& pool, const kthena_request& given, kthena_error* error) {
  return c::refuse(
      error, "request.depth_count",
      std::to_string(given.depth_count) + ", but the pool has " + std::to_string(pool.snapshot.size()) + " endpoints");
}

/// The request as C++ knows it, its depths in the order of the snapshot; `depths` holds them where the caller's order is another.
kthena_status make_request(const kthena_pool& pool, const kthena_request& given, Depths& depths,
                           route::Request& request, kthena_error* error) {
  if (c::is_broken(given.id)) return c::check(given.id, "request.id", error);
  if (c::is_broken(given.model)) return c::check(given.model, "request.model", error);
  if ((given.prefix_depths != nullptr || given.history_depths != nullptr) && given.depth_count != pool.snapshot.size())
    return refuse_count(pool, given, error);
  request.id = c::view(given.id);
  request.model = c::view(given.model);
  request.prompt_tokens = given.prompt_tokens;
  request.prefix.total_blocks = given.prefix_total;
  request.history.total_blocks = given.history_total;
  if (given.prefix_depths != nullptr) request.prefix.depth_blocks = pool.order(given.prefix_depths, depths[0]);
  if (given.history_depths != nullptr) request.history.depth_blocks = pool.order(given.history_depths, depths[1]);
  request.sequence = given.sequence;
  return KTHENA_OK;
}

kthena_decision to_c(const kthena_pool& pool, const route::Decision& made) noexcept {
  kthena_decision decision;
  decision.struct_size = sizeof(decision);
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
  decision.reserved = 0;
  return decision;
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
    kthena_request copy;
    if (request->struct_size != sizeof(kthena_request)) {
      if (kthena_status status = c::read_struct(request, "request", copy, error); status != KTHENA_OK) return status;
      request = &copy;
    }
    route::Request wanted;
    if (kthena_status status = make_request(*pool, *request, workspace->depths, wanted, error); status != KTHENA_OK)
      return status;
    const route::Decision made =
        policy->policy.decide(pool->snapshot.view(), wanted, {request->now_ns, request->seed}, workspace->workspace);
    c::write_struct(decision, to_c(*pool, made));
    return KTHENA_OK;
  });
}

kthena_status kthena_explain_json(const kthena_policy* policy, const kthena_pool* pool, const kthena_request* request,
                                  char* buffer, size_t capacity, size_t* needed, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (policy == nullptr) return c::refuse_null(error, "policy");
    if (pool == nullptr) return c::refuse_null(error, "pool");
    kthena_request copy;
    if (kthena_status status = c::read_struct(request, "request", copy, error); status != KTHENA_OK) return status;
    Depths depths;
    route::Request wanted;
    if (kthena_status status = make_request(*pool, copy, depths, wanted, error); status != KTHENA_OK) return status;
    return c::write_text(buffer, capacity, needed, error, [&]() -> Result<std::string> {
      return manifest::write_explanation(
          policy->policy.explain(pool->snapshot.view(), wanted, {copy.now_ns, copy.seed}), pool->snapshot);
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
