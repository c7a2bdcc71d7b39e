// bindings/c/decide.cpp
#include <algorithm>
#include <new>
#include <string>
#include <string_view>
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

using Depths = decltype(kthena_workspace::depths);

struct MatchNames {
  std::string_view total;
  std::string_view block_tokens;
  std::string_view depths;
  std::string_view host_depths;
  std::string_view disk_depths;
};
constexpr MatchNames kPrefix = {"request.prefix_total", "request.prefix_block_tokens", "request.prefix_depths",
                                "request.prefix_host_depths", "request.prefix_disk_depths"};
constexpr MatchNames kHistory = {"request.history_total", "request.history_block_tokens", "request.history_depths",
                                 "request.history_host_depths", "request.history_disk_depths"};

/// One tier as the caller gave it.
struct Tier {
  std::string_view name;
  const std::uint32_t* depths;
};

struct GivenMatch {
  std::uint32_t total;
  std::uint32_t block_tokens;
  Tier device;
  Tier host;
  Tier disk;
};

kthena_status check_tier(const Tier& tier, const Tier& faster, std::size_t n, kthena_error* error) {
  if (faster.depths == nullptr) return c::refuse(error, tier.name, "needs " + std::string(faster.name) + " beside it");
  for (std::size_t i = 0; i < n; ++i) {
    if (tier.depths[i] < faster.depths[i]) {
      return c::refuse(error, std::string(tier.name) + "[" + std::to_string(i) + "]",
                       "must be at least " + std::string(faster.name) + "[" + std::to_string(i) + "], " +
                           std::to_string(faster.depths[i]));
    }
  }
  return KTHENA_OK;
}

kthena_status read_slower_tiers(const kthena_pool& pool, const GivenMatch& given, std::vector<std::uint32_t>* scratch,
                                route::PrefixMatch& match, kthena_error* error) {
  const std::size_t n = pool.snapshot.size();
  if (given.host.depths != nullptr) {
    if (kthena_status status = check_tier(given.host, given.device, n, error); status != KTHENA_OK) return status;
    match.host_depth_blocks = pool.order(given.host.depths, scratch[1]);
  }
  if (given.disk.depths != nullptr) {
    const Tier& faster = given.host.depths != nullptr ? given.host : given.device;
    if (kthena_status status = check_tier(given.disk, faster, n, error); status != KTHENA_OK) return status;
    match.disk_depth_blocks = pool.order(given.disk.depths, scratch[2]);
  }
  return KTHENA_OK;
}

/// One of the two matches, so that it passes check_request(); `scratch` has a place for each of its three tiers.
kthena_status read_match(const kthena_pool& pool, const MatchNames& names, const GivenMatch& given, std::size_t count,
                         std::vector<std::uint32_t>* scratch, route::PrefixMatch& match, kthena_error* error) {
  if (given.total > route::kMaxBlocks)
    return c::refuse(error, names.total, "must not exceed " + std::to_string(route::kMaxBlocks));
  if (given.block_tokens > route::kMaxBlockTokens)
    return c::refuse(error, names.block_tokens, "must not exceed " + std::to_string(route::kMaxBlockTokens));
  match.total_blocks = given.total;
  match.block_tokens = given.block_tokens;
  const bool slower = given.host.depths != nullptr || given.disk.depths != nullptr;
  if (given.device.depths == nullptr && !slower) return KTHENA_OK;
  if (count != pool.snapshot.size()) {
    return c::refuse(
        error, "request.depth_count",
        std::to_string(count) + ", but the pool has " + std::to_string(pool.snapshot.size()) + " endpoints");
  }
  if (given.device.depths != nullptr) match.depth_blocks = pool.order(given.device.depths, scratch[0]);
  return slower ? read_slower_tiers(pool, given, scratch, match, error) : KTHENA_OK;
}

kthena_status check_promise(std::string_view name, double seconds, kthena_error* error) {
  if (seconds - seconds == 0 && seconds >= 0) return KTHENA_OK;
  return c::refuse(error, name, "must be finite and not negative");
}

/// Whether the members that are no depths can be used.
kthena_status check_members(const kthena_request& given, kthena_error* error) {
  if (kthena_status status = c::check(given.id, "request.id", error); status != KTHENA_OK) return status;
  if (kthena_status status = c::check(given.model, "request.model", error); status != KTHENA_OK) return status;
  if (kthena_status status = c::check(given.session, "request.session", error); status != KTHENA_OK) return status;
  for (std::size_t level = 0; level < KTHENA_PLACE_LEVELS; ++level)
    if (c::is_broken(given.near_to[level]))
      return c::check(given.near_to[level], "request.near_to[" + std::to_string(level) + "]", error);
  if (kthena_status status = check_promise("request.slo_ttft_s", given.slo_ttft_s, error); status != KTHENA_OK)
    return status;
  if (kthena_status status = check_promise("request.slo_tpot_s", given.slo_tpot_s, error); status != KTHENA_OK)
    return status;
  return given.reserved == 0 ? KTHENA_OK : c::refuse(error, "request.reserved", "must be 0");
}

/// Gives `use` the request as C++ knows it, its depths in the order of the snapshot; `depths` holds them where the caller's order is another.
/// It is made in one piece: to clear one first costs as much as a small decision.
template <class Use>
kthena_status with_request(const kthena_pool& pool, const kthena_request& given, Depths& depths, kthena_error* error,
                           const Use& use) {
  if (kthena_status status = check_members(given, error); status != KTHENA_OK) return status;
  route::PrefixMatch prefix;
  if (kthena_status status = read_match(pool, kPrefix,
                                        {given.prefix_total,
                                         given.prefix_block_tokens,
                                         {kPrefix.depths, given.prefix_depths},
                                         {kPrefix.host_depths, given.prefix_host_depths},
                                         {kPrefix.disk_depths, given.prefix_disk_depths}},
                                        given.depth_count, depths.data(), prefix, error);
      status != KTHENA_OK)
    return status;
  route::PrefixMatch history;
  if (kthena_status status = read_match(pool, kHistory,
                                        {given.history_total,
                                         given.history_block_tokens,
                                         {kHistory.depths, given.history_depths},
                                         {kHistory.host_depths, given.history_host_depths},
                                         {kHistory.disk_depths, given.history_disk_depths}},
                                        given.depth_count, depths.data() + 3, history, error);
      status != KTHENA_OK)
    return status;
  return use(route::Request{.id = c::view(given.id),
                            .model = c::view(given.model),
                            .prompt_tokens = given.prompt_tokens,
                            .prefix = prefix,
                            .history = history,
                            .sequence = given.sequence,
                            .now_ns = given.now_ns,
                            .seed = given.seed,
                            .output_tokens = given.output_tokens,
                            .session = c::view(given.session),
                            .near = {c::view(given.near_to[0]), c::view(given.near_to[1]), c::view(given.near_to[2]),
                                     c::view(given.near_to[3])},
                            .slo_ttft_s = given.slo_ttft_s,
                            .slo_tpot_s = given.slo_tpot_s});
}
static_assert(KTHENA_PLACE_LEVELS == 4);

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
    return with_request(*pool, *given, workspace->depths, error, [&](const route::Request& wanted) {
      const route::Decision made = policy->policy.decide(pool->snapshot.view(), wanted, workspace->workspace);
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
        return manifest::write_explanation(policy->policy.explain(pool->snapshot.view(), wanted), pool->snapshot);
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
