// include/kthena/manifest/route.hpp
//
// The JSON forms of route: policy, pool, request, decision and explanation. A document that is wrong is refused with all its faults
// together, each with the path of its field; numbers are checked, unknown members are faults. What is written has a fixed order of
// members and the shortest digits that read back equal, so equal values are equal bytes.
//
//   policy     "kthena-default" or {"preset": NAME} or {"name", "filters": [PART], "scorers": [PART], "picker": PART, "ranked_limit": N}
//              PART = "least-request" or {"name", "weight", "options": {NAME: NUMBER}}
//   pool       {"endpoints": [{"id", "running": SAMPLE, ..., "models": [NAME], "sampled_ns": T}]}
//              SAMPLE = NUMBER or {"value", "sampled_ns"} or null (never sampled); sampled_ns of the endpoint holds for plain numbers
//   request    {"id", "model", "prompt_tokens", "prefix": MATCH, "history": MATCH, "sequence", "now_ns", "seed"}
//              MATCH = {"total_blocks": N, "depth_blocks": {ENDPOINT ID: N}}; endpoints that are not named hold
//              nothing; without MATCH nothing is known
//   schemas    docs/schemas/*.schema.json
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kthena/base/status.hpp"
#include "kthena/base/time.hpp"
#include "kthena/route/decision.hpp"
#include "kthena/route/explanation.hpp"
#include "kthena/route/policy.hpp"
#include "kthena/route/pool.hpp"
#include "kthena/route/request.hpp"

namespace kthena::manifest {

Result<route::PolicySpec> parse_policy(std::string_view json);
/// The long form, defaults left out except weights.
std::string write_policy(const route::PolicySpec& spec);

/// Endpoints in the order of the document; PoolSnapshot sorts them by id.
Result<std::vector<route::Endpoint>> parse_endpoints(std::string_view json);
/// parse_endpoints and PoolBuilder.
Result<route::PoolSnapshot> parse_pool(std::string_view json);

/// A request that owns its text and depths.
struct RequestDocument {
  std::string id;
  std::string model;
  std::uint32_t prompt_tokens = 0;
  std::uint64_t sequence = 0;
  std::uint32_t prefix_total = 0;
  std::uint32_t history_total = 0;
  std::vector<std::uint32_t> prefix_depths;   ///< pool order; empty: not known
  std::vector<std::uint32_t> history_depths;  ///< pool order; empty: not known
  Time now_ns = 0;
  std::uint64_t seed = 0;

  /// Borrows from this.
  [[nodiscard]] route::Request view() const noexcept {
    return {id,       model,  prompt_tokens, {prefix_depths, prefix_total}, {history_depths, history_total},
            sequence, now_ns, seed};
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
