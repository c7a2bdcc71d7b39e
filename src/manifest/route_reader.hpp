// src/manifest/route_reader.hpp
//
// Readers of route's documents from parsed JSON; each adds its faults under `path` and gives what could be read.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "json.hpp"
#include "kthena/manifest/route.hpp"

namespace kthena::manifest {

/// Includes what Policy::create would complain of.
route::PolicySpec read_policy(const Json& json, const std::string& path, Faults& faults,
                              std::span<const route::UserScorer> scorers = {});
/// Includes what PoolBuilder would complain of.
std::vector<route::Endpoint> read_endpoints(const Json& json, const std::string& path, Faults& faults);
/// The member `name`, an object of names by level.
route::Place read_place(const Json& object, std::string_view name, const std::string& path, Faults& faults);
/// Without a pool, the one it belongs to being at fault, depths may name any endpoint and are not kept.
RequestDocument read_request(const Json& json, const route::PoolSnapshot* pool, const std::string& path,
                             Faults& faults);

}  // namespace kthena::manifest
