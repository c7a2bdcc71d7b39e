// include/kthena/manifest/decision_log.hpp
//
// What a decision log needs of documents: the hash of a policy, and the report of route::diff as JSON.
//
//   question   {"policy": POLICY, "limit": N}            POLICY as in manifest/route.hpp; limit: changed decisions told one by one, 10
//   report     docs/schemas/log_diff.schema.json
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "kthena/base/status.hpp"
#include "kthena/route/log_diff.hpp"
#include "kthena/route/policy.hpp"

namespace kthena::manifest {

/// XXH3 of the JSON form of the spec without names and with the options of each part in order of their names: the same in every language
/// and release, and for specs that decide alike because they differ in nothing else. Never 0.
std::uint64_t policy_hash(const route::PolicySpec& spec);

/// What a log says of this policy: name, hash, JSON form.
route::LoggedPolicy logged_policy(const route::PolicySpec& spec);

/// Contributions and regret are known for policies whose JSON form is in the log, and for presets of that name and hash.
Result<std::string> diff_document(std::span<const std::byte> log, std::string_view json);

}  // namespace kthena::manifest
