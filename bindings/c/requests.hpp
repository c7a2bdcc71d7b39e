// bindings/c/requests.hpp
//
// A kthena_request as C++ knows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "calls.hpp"
#include "handles.hpp"
#include "kthena/route/policy.hpp"
#include "kthena/route/request.hpp"

namespace kthena::c {

using Depths = decltype(kthena_workspace::depths);

struct MatchNames {
  std::string_view total;
  std::string_view block_tokens;
  std::string_view depths;
  std::string_view host_depths;
  std::string_view disk_depths;
};
inline constexpr MatchNames kPrefix = {"request.prefix_total", "request.prefix_block_tokens", "request.prefix_depths",
                                       "request.prefix_host_depths", "request.prefix_disk_depths"};
inline constexpr MatchNames kHistory = {"request.history_total", "request.history_block_tokens",
                                        "request.history_depths", "request.history_host_depths",
                                        "request.history_disk_depths"};

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

inline kthena_status check_tier(const Tier& tier, const Tier& faster, std::size_t n, kthena_error* error) {
  if (faster.depths == nullptr) return refuse(error, tier.name, "needs " + std::string(faster.name) + " beside it");
  for (std::size_t i = 0; i < n; ++i) {
    if (tier.depths[i] < faster.depths[i]) {
      return refuse(error, std::string(tier.name) + "[" + std::to_string(i) + "]",
                    "must be at least " + std::string(faster.name) + "[" + std::to_string(i) + "], " +
                        std::to_string(faster.depths[i]));
    }
  }
  return KTHENA_OK;
}

inline kthena_status read_slower_tiers(const kthena_pool& pool, const GivenMatch& given,
                                       std::vector<std::uint32_t>* scratch, route::PrefixMatch& match,
                                       kthena_error* error) {
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
inline kthena_status read_match(const kthena_pool& pool, const MatchNames& names, const GivenMatch& given,
                                std::size_t count, std::vector<std::uint32_t>* scratch, route::PrefixMatch& match,
                                kthena_error* error) {
  if (given.total > route::kMaxBlocks)
    return refuse(error, names.total, "must not exceed " + std::to_string(route::kMaxBlocks));
  if (given.block_tokens > route::kMaxBlockTokens)
    return refuse(error, names.block_tokens, "must not exceed " + std::to_string(route::kMaxBlockTokens));
  match.total_blocks = given.total;
  match.block_tokens = given.block_tokens;
  const bool slower = given.host.depths != nullptr || given.disk.depths != nullptr;
  if (given.device.depths == nullptr && !slower) return KTHENA_OK;
  if (count != pool.snapshot.size()) {
    return refuse(error, "request.depth_count",
                  std::to_string(count) + ", but the pool has " + std::to_string(pool.snapshot.size()) + " endpoints");
  }
  if (given.device.depths != nullptr) match.depth_blocks = pool.order(given.device.depths, scratch[0]);
  return slower ? read_slower_tiers(pool, given, scratch, match, error) : KTHENA_OK;
}

inline kthena_status check_promise(std::string_view name, double seconds, kthena_error* error) {
  if (seconds - seconds == 0 && seconds >= 0) return KTHENA_OK;
  return refuse(error, name, "must be finite and not negative");
}

/// Whether the members that are no depths can be used.
inline kthena_status check_members(const kthena_request& given, kthena_error* error) {
  if (kthena_status status = check(given.id, "request.id", error); status != KTHENA_OK) return status;
  if (kthena_status status = check(given.model, "request.model", error); status != KTHENA_OK) return status;
  if (kthena_status status = check(given.session, "request.session", error); status != KTHENA_OK) return status;
  for (std::size_t level = 0; level < KTHENA_PLACE_LEVELS; ++level)
    if (is_broken(given.near_to[level]))
      return check(given.near_to[level], "request.near_to[" + std::to_string(level) + "]", error);
  if (kthena_status status = check_promise("request.slo_ttft_s", given.slo_ttft_s, error); status != KTHENA_OK)
    return status;
  if (kthena_status status = check_promise("request.slo_tpot_s", given.slo_tpot_s, error); status != KTHENA_OK)
    return status;
  return given.reserved == 0 ? KTHENA_OK : refuse(error, "request.reserved", "must be 0");
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
  return use(route::Request{
      .id = view(given.id),
      .model = view(given.model),
      .prompt_tokens = given.prompt_tokens,
      .prefix = prefix,
      .history = history,
      .sequence = given.sequence,
      .now_ns = given.now_ns,
      .seed = given.seed,
      .output_tokens = given.output_tokens,
      .session = view(given.session),
      .near = {view(given.near_to[0]), view(given.near_to[1]), view(given.near_to[2]), view(given.near_to[3])},
      .slo_ttft_s = given.slo_ttft_s,
      .slo_tpot_s = given.slo_tpot_s});
}
static_assert(KTHENA_PLACE_LEVELS == 4);

}  // namespace kthena::c
