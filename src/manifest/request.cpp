// src/manifest/request.cpp
//
// The JSON form of a request.
#include <limits>

#include "route_reader.hpp"

namespace kthena::manifest {
namespace {

constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();

/// What the next faster tier holds.
struct Faster {
  std::string_view member;  ///< empty: nothing is faster
  std::vector<std::uint32_t> depths;
};

/// One of the objects {ID: N} of a match; whether it is there. An endpoint that is not named holds what the faster tier does.
bool read_depths(const Json& match, std::string_view member, const Faster& faster, const route::PoolSnapshot* pool,
                 const std::string& path, std::vector<std::uint32_t>& depths, Faults& faults) {
  const Json* by_id = find_member(match, member);
  if (by_id == nullptr) return false;
  const std::string where = member_path(path, member);
  if (!by_id->is_object()) {
    faults.add(where, "must be an object of endpoint ids");
    return false;
  }
  depths = faster.depths;
  for (const auto& [id, value] : by_id->items()) {
    const auto depth = static_cast<std::uint32_t>(read_unsigned(*by_id, id, where, 0, kMax32, faults));
    if (pool == nullptr) continue;
    const EndpointIndex endpoint = pool->find(id);
    if (!endpoint.valid()) {
      faults.add(member_path(where, id), "no such endpoint in the pool");
    } else if (const std::uint32_t least = faster.depths[endpoint.value]; depth >= least) {
      depths[endpoint.value] = depth;
    } else if (value.is_number_unsigned()) {
      faults.add(member_path(where, id),
                 "must be at least " + std::string(faster.member) + ", " + std::to_string(least));
    }
  }
  return true;
}

void read_match(const Json& request, std::string_view member, const route::PoolSnapshot* pool, const std::string& path,
                MatchDocument& document, Faults& faults) {
  const Json* match = find_member(request, member);
  if (match == nullptr) return;
  const std::string where = member_path(path, member);
  if (!expect_object(*match, where,
                     {"total_blocks", "block_tokens", "depth_blocks", "host_depth_blocks", "disk_depth_blocks"},
                     faults))
    return;
  document.total_blocks =
      static_cast<std::uint32_t>(read_unsigned(*match, "total_blocks", where, 0, route::kMaxBlocks, faults));
  document.block_tokens =
      static_cast<std::uint32_t>(read_unsigned(*match, "block_tokens", where, 0, route::kMaxBlockTokens, faults));
  Faster faster;
  if (pool != nullptr) faster.depths.assign(pool->size(), 0);
  document.depth_blocks = faster.depths;  // known: nobody holds any
  bool given = false;
  const auto read = [&](std::string_view tier, std::vector<std::uint32_t>& depths) {
    if (!read_depths(*match, tier, faster, pool, where, depths, faults)) return;
    faster = {tier, depths};
    given = true;
  };
  read("depth_blocks", document.depth_blocks);
  read("host_depth_blocks", document.host_depth_blocks);
  read("disk_depth_blocks", document.disk_depth_blocks);
  if (given && find_member(*match, "total_blocks") == nullptr)
    faults.add(member_path(where, "total_blocks"), "is needed beside depths");
}

double read_promise(const Json& request, std::string_view member, const std::string& path, Faults& faults) {
  const double seconds = read_number(request, member, path, 0, faults);
  if (seconds < 0) faults.add(member_path(path, member), "must not be negative");
  return seconds;
}

}  // namespace

RequestDocument read_request(const Json& json, const route::PoolSnapshot* pool, const std::string& path,
                             Faults& faults) {
  RequestDocument request;
  if (!expect_object(json, path,
                     {"id", "model", "prompt_tokens", "output_tokens", "prefix", "history", "session", "near",
                      "slo_ttft_s", "slo_tpot_s", "sequence", "now_ns", "seed"},
                     faults))
    return request;
  request.id = read_string(json, "id", path, "", faults);
  request.model = read_string(json, "model", path, "", faults);
  request.prompt_tokens = static_cast<std::uint32_t>(read_unsigned(json, "prompt_tokens", path, 0, kMax32, faults));
  request.sequence = read_unsigned(json, "sequence", path, 0, std::numeric_limits<std::uint64_t>::max(), faults);
  request.now_ns = read_integer(json, "now_ns", path, 0, faults);
  request.seed = read_unsigned(json, "seed", path, 0, std::numeric_limits<std::uint64_t>::max(), faults);
  read_match(json, "prefix", pool, path, request.prefix, faults);
  read_match(json, "history", pool, path, request.history, faults);
  request.output_tokens = static_cast<std::uint32_t>(read_unsigned(json, "output_tokens", path, 0, kMax32, faults));
  request.session = read_string(json, "session", path, "", faults);
  request.near = read_place(json, "near", path, faults);
  request.slo_ttft_s = read_promise(json, "slo_ttft_s", path, faults);
  request.slo_tpot_s = read_promise(json, "slo_tpot_s", path, faults);
  return request;
}

Result<RequestDocument> parse_request(std::string_view json, const route::PoolSnapshot& pool) {
  Faults faults;
  const Json document = parse_json(json, faults);
  if (!faults.empty()) return faults.status();
  RequestDocument request = read_request(document, &pool, "", faults);
  if (!faults.empty()) return faults.status();
  return request;
}

}  // namespace kthena::manifest
