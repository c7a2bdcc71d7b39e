// bindings/c/policy.cpp
#include <memory>
#include <new>
#include <string>

#include "calls.hpp"
#include "handles.hpp"
#include "kthena/manifest/route.hpp"
#include "kthena/route/presets.hpp"

using namespace kthena;
using c::guarded;

namespace {

kthena_status create(const Result<route::PolicySpec>& spec, kthena_policy** policy, kthena_error* error) {
  if (!spec.ok()) return c::fail(error, spec.status());
  Result<route::Policy> made = route::Policy::create(*spec);
  if (!made.ok()) return c::fail(error, made.status());
  *policy = new kthena_policy{std::move(*made)};
  return KTHENA_OK;
}

}  // namespace

kthena_status kthena_policy_create_preset(kthena_str name, kthena_policy** policy, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (policy == nullptr) return c::refuse_null(error, "policy");
    if (kthena_status status = c::check(name, "name", error); status != KTHENA_OK) return status;
    return create(route::preset(c::view(name)), policy, error);
  });
}

kthena_status kthena_policy_create_json(kthena_str json, kthena_policy** policy, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (policy == nullptr) return c::refuse_null(error, "policy");
    if (kthena_status status = c::check(json, "json", error); status != KTHENA_OK) return status;
    return create(manifest::parse_policy(c::view(json)), policy, error);
  });
}

void kthena_policy_free(kthena_policy* policy) { delete policy; }

kthena_status kthena_policy_json(const kthena_policy* policy, char* buffer, size_t capacity, size_t* needed,
                                 kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (policy == nullptr) return c::refuse_null(error, "policy");
    return c::write_text(buffer, capacity, needed, error,
                         [&]() -> Result<std::string> { return manifest::write_policy(policy->policy.spec()); });
  });
}

kthena_status kthena_presets_json(char* buffer, size_t capacity, size_t* needed, kthena_error* error) {
  return guarded(error, [&] {
    return c::write_text(buffer, capacity, needed, error,
                         []() -> Result<std::string> { return manifest::write_preset_names(); });
  });
}

kthena_status kthena_parts_json(char* buffer, size_t capacity, size_t* needed, kthena_error* error) {
  return guarded(error, [&] {
    return c::write_text(buffer, capacity, needed, error,
                         []() -> Result<std::string> { return manifest::write_parts(); });
  });
}
