// src/manifest/request.cpp
//
// The JSON form of a request.
#include <limits>

#include "route_reader.hpp"

namespace kthena::manifest {
namespace {

constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();

void read_match(const Json& request, std::string_view member, const route::PoolSnapshot* pool, const std::string& path,
                std::uint32_t& total, std::vector<std::uint32_t>& depths, Faults& faults) {
  const Json* match = find_member(request, member);
  if (match == nullptr) return;
  const std::string where = member_path(path, member);
  if (!expect_object(*match, where, {"total_blocks", "depth_blocks"}, faults)) return;
  total = static_cast<std::uint32_t>(read_unsigned(*match, "total_blocks", where, 0, route::kMaxBlocks, faults));
  const Json* by_id = find_member(*match, "depth_blocks");
  if (pool != nullptr) depths.assign(pool->size(), 0);
  if (by_id == nullptr) return;
  const std::string depths_path = member_path(where, "depth_blocks");
  if (!by_id->is_object()) {
    faults.add(depths_path, "must be an object of endpoint ids");
    return;
  }
  if (find_member(*match, "total_blocks") == nullptr)
    faults.add(member_path(where, "total_blocks"), "is needed beside depths");
  for (const auto& [id, value] : by_id->items()) {
    const auto depth = static_cast<std::uint32_t>(read_unsigned(*by_id, id, depths_path, 0, kMax32, faults));
    if (pool == nullptr) continue;
    if (const EndpointIndex endpoint = pool->find(id); endpoint.valid()) {
      depths[endpoint.value] = depth;
    } else {
      faults.add(member_path(depths_path, id), "no such endpoint in the pool");
    }
  }
}

}  // namespace

RequestDocument read_request(const Json& json, const route::PoolSnapshot* pool, const std::string& path,
                             Faults& faults) {
  RequestDocument request;
  if (!expect_object(json, path, {"id", "model", "prompt_tokens", "prefix", "history", "sequence", "now_ns", "seed"},
                     faults))
    return request;
  request.id = read_string(json, "id", path, "", faults);
  request.model = read_string(json, "model", path, "", faults);
  request.prompt_tokens = static_cast<std::uint32_t>(read_unsigned(json, "prompt_tokens", path, 0, kMax32, faults));
  request.sequence = read_unsigned(json, "sequence", path, 0, std::numeric_limits<std::uint64_t>::max(), faults);
  request.now_ns = read_integer(json, "now_ns", path, 0, faults);
  request.seed = read_unsigned(json, "seed", path, 0, std::numeric_limits<std::uint64_t>::max(), faults);
  read_match(json, "prefix", pool, path, request.prefix_total, request.prefix_depths, faults);
  read_match(json, "history", pool, path, request.history_total, request.history_depths, faults);
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
