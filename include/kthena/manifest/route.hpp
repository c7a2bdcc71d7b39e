// include/kthena/manifest/route.hpp
//
// The JSON forms of route: policy, pool, request, decision and explanation. A document that is wrong is refused with all its faults
// together, each with the path of its field; numbers are checked, unknown members are faults. What is written has a fixed order of
// members and the shortest digits that read back equal, so equal values are equal bytes.
//
//   policy     "kthena-default" or {"preset": NAME} or {"name", "filters": [PART], "scorers": [PART], "picker": PART, "ranked_limit": N}
//              PART = "least-request" or {"name", "weight", "options": {NAME: NUMBER}}
//   pool       {"endpoints": [{"id", "running": SAMPLE, ..., "models": [NAME], "waiting_models": [NAME], "place": PLACE, "sampled_ns": T}]}
//              SAMPLE = NUMBER or {"value", "sampled_ns"} or null (never sampled); sampled_ns of the endpoint holds for plain numbers
//              PLACE = {"host", "rack", "zone", "region"}, each a name
//   request    {"id", "model", "prompt_tokens", "output_tokens", "prefix": MATCH, "history": MATCH, "session", "near": PLACE, "slo_ttft_s",
//              "slo_tpot_s", "sequence", "now_ns", "seed"}
//              MATCH = {"total_blocks": N, "block_tokens": N, "depth_blocks": DEPTHS, "host_depth_blocks": DEPTHS, "disk_depth_blocks": DEPTHS}
//              DEPTHS = {ENDPOINT ID: N}; an endpoint that is not named holds nothing, or what the next faster tier does; without MATCH
//              nothing is known, without a tier nothing of that tier
//   schemas    docs/schemas/*.schema.json
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kthena/base/status.hpp"
#include "kthena/base/time.hpp"
#include "kthena/route/decision.hpp"
#include "kthena/route/explanation.hpp"
#include "kthena/route/place.hpp"
#include "kthena/route/policy.hpp"
#include "kthena/route/pool.hpp"
#include "kthena/route/request.hpp"

namespace kthena::manifest {

/// `scorers` are the caller's own, which the document may name "user:NAME".
Result<route::PolicySpec> parse_policy(std::string_view json, std::span<const route::UserScorer> scorers = {});
/// The long form, defaults left out except weights.
std::string write_policy(const route::PolicySpec& spec);

/// Endpoints in the order of the document; PoolSnapshot sorts them by id.
Result<std::vector<route::Endpoint>> parse_endpoints(std::string_view json);
/// parse_endpoints and PoolBuilder.
Result<route::PoolSnapshot> parse_pool(std::string_view json);

/// A match that owns its depths: pool order; empty: not known.
struct MatchDocument {
  std::uint32_t total_blocks = 0;
  std::uint32_t block_tokens = 0;
  std::vector<std::uint32_t> depth_blocks;
  std::vector<std::uint32_t> host_depth_blocks;
  std::vector<std::uint32_t> disk_depth_blocks;

  /// Borrows from this.
  [[nodiscard]] route::PrefixMatch view() const noexcept {
    return {depth_blocks, total_blocks, block_tokens, host_depth_blocks, disk_depth_blocks};
  }
};

/// A request that owns its text and depths.
struct RequestDocument {
  std::string id;
  std::string model;
  std::uint32_t prompt_tokens = 0;
  std::uint32_t output_tokens = 0;
  std::uint64_t sequence = 0;
  MatchDocument prefix;
  MatchDocument history;
  Time now_ns = 0;
  std::uint64_t seed = 0;
  std::string session;
  route::Place near;
  double slo_ttft_s = 0;
  double slo_tpot_s = 0;

  /// Borrows from this.
  [[nodiscard]] route::Request view() const noexcept {
    route::Request request{id, model, prompt_tokens, prefix.view(), history.view(), sequence, now_ns, seed};
    request.output_tokens = output_tokens;
    request.session = session;
    for (std::size_t level = 0; level < route::kPlaceLevels; ++level) request.near[level] = near[level];
    request.slo_ttft_s = slo_ttft_s;
    request.slo_tpot_s = slo_tpot_s;
    return request;
  }
};

/// Depths may only name endpoints of the pool.
Result<RequestDocument> parse_request(std::string_view json, const route::PoolSnapshot& pool);

/// Endpoints by id.
std::string write_decision(const route::Decision& decision, const route::PoolSnapshot& pool);
std::string write_explanation(const route::Explanation& explanation, const route::PoolSnapshot& pool);

/// {"pool", "policy", "request", "explain": false} -> the decision, or with "explain": true the explanation.
Result<std::string> decide_document(std::string_view json);

/// ["random", ...] and [{"kind", "name", "options": [...]}, ...]
std::string write_preset_names();
std::string write_parts();

}  // namespace kthena::manifest
