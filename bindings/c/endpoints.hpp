// bindings/c/endpoints.hpp
//
// Endpoints as C gives them, flat, to rows.
#pragma once

#include <string>
#include <vector>

#include "kthena/kthena.h"
#include "kthena/route/pool.hpp"

namespace kthena::c {

/// `prefix` comes before the names of members in messages. Ids and names are not checked here, PoolBuilder does that.
kthena_status read_endpoints(const kthena_pool_endpoints& given, const std::string& prefix,
                             std::vector<route::Endpoint>& endpoints, kthena_error* error);

}  // namespace kthena::c
