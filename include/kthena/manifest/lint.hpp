// include/kthena/manifest/lint.hpp
//
// The JSON form of lint.
//
//   question   {"policy": POLICY, "fleet": FLEET}        FLEET = the pool document with "scrape_interval_s": N and "routers": N beside
//              "endpoints", all of them optional
//   answer     {"findings": [{"code", "severity", "path", "message", "why", "advice"}], "warnings": N, "notes": N}
//   schemas    docs/schemas/fleet.schema.json, lint.schema.json
#pragma once

#include <string>
#include <string_view>

#include "kthena/base/status.hpp"

namespace kthena::manifest {

Result<std::string> lint_document(std::string_view json);

}  // namespace kthena::manifest
