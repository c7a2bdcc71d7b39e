// bindings/c/decision_log.cpp
#include <cstring>
#include <string>

#include "calls.hpp"
#include "handles.hpp"
#include "kthena/manifest/decision_log.hpp"
#include "kthena/manifest/lint.hpp"
#include "requests.hpp"

using namespace kthena;
using c::guarded;

namespace {

kthena_status read_decision(const kthena_pool& pool, const kthena_decision& given, route::Decision& decision,
                            kthena_error* error) {
  const std::size_t n = pool.snapshot.size();
  const bool routed = given.outcome == KTHENA_ROUTED;
  if (!routed && given.outcome != KTHENA_NO_ENDPOINT) return c::refuse(error, "decision.outcome", "unknown");
  if (routed ? given.endpoint >= n : given.endpoint != KTHENA_NONE)
    return c::refuse(error, "decision.endpoint", "no such endpoint");
  if (given.ranked_count > KTHENA_MAX_RANKED)
    return c::refuse(error, "decision.ranked_count", "must not exceed " + std::to_string(KTHENA_MAX_RANKED));
  decision.outcome = static_cast<route::Outcome>(given.outcome);
  if (routed) decision.endpoint = pool.in_pool(given.endpoint);
  decision.reason = {static_cast<ReasonCode>(given.reason), given.reason_subject, given.reason_a, given.reason_b};
  decision.score = given.score;
  decision.margin = given.margin;
  decision.candidates = given.candidates;
  decision.ranked_count = given.ranked_count;
  for (std::uint32_t i = 0; i < given.ranked_count; ++i) {
    if (given.ranked[i] >= n) return c::refuse(error, "decision.ranked[" + std::to_string(i) + "]", "no such endpoint");
    decision.ranked[i] = pool.in_pool(given.ranked[i]);
  }
  decision.stage = given.stage;
  return KTHENA_OK;
}

}  // namespace

uint64_t kthena_policy_hash(const kthena_policy* policy) {
  uint64_t hash = 0;
  (void)guarded(nullptr, [&]() -> kthena_status {
    if (policy != nullptr) hash = manifest::policy_hash(policy->policy.spec());
    return KTHENA_OK;
  });
  return hash;
}

kthena_status kthena_decision_log_create(const kthena_policy* policy, kthena_decision_log** log, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (policy == nullptr) return c::refuse_null(error, "policy");
    if (log == nullptr) return c::refuse_null(error, "log");
    *log = new kthena_decision_log{route::DecisionLogWriter(manifest::logged_policy(policy->policy.spec())), {}, {}};
    return KTHENA_OK;
  });
}

void kthena_decision_log_free(kthena_decision_log* log) { delete log; }

kthena_status kthena_decision_log_set_policy(kthena_decision_log* log, const kthena_policy* policy,
                                             kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (log == nullptr) return c::refuse_null(error, "log");
    if (policy == nullptr) return c::refuse_null(error, "policy");
    log->writer.set_policy(manifest::logged_policy(policy->policy.spec()));
    return KTHENA_OK;
  });
}

kthena_status kthena_decision_log_restart(kthena_decision_log* log, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (log == nullptr) return c::refuse_null(error, "log");
    log->writer.restart();
    return KTHENA_OK;
  });
}

kthena_status kthena_decision_log_append(kthena_decision_log* log, const kthena_pool* pool,
                                         const kthena_request* request, const kthena_decision* decision,
                                         kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (log == nullptr) return c::refuse_null(error, "log");
    if (pool == nullptr) return c::refuse_null(error, "pool");
    kthena_request wanted = {};
    if (kthena_status status = c::read_struct(request, "request", wanted, error); status != KTHENA_OK) return status;
    kthena_decision given = {};
    if (kthena_status status = c::read_struct(decision, "decision", given, error); status != KTHENA_OK) return status;
    route::Decision made;
    if (kthena_status status = read_decision(*pool, given, made, error); status != KTHENA_OK) return status;
    return c::with_request(*pool, wanted, log->depths, error, [&](const route::Request& asked) -> kthena_status {
      const Status status = log->writer.append(pool->snapshot, asked, made, log->bytes);
      return status.ok() ? KTHENA_OK : c::fail(error, status);
    });
  });
}

kthena_status kthena_decision_log_take(kthena_decision_log* log, char* buffer, size_t capacity, size_t* needed,
                                       kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (log == nullptr) return c::refuse_null(error, "log");
    if (needed == nullptr) return c::refuse_null(error, "needed");
    if (kthena_status status = c::check_array(buffer, capacity, "buffer", error); status != KTHENA_OK) return status;
    *needed = log->bytes.size();
    if (log->bytes.size() > capacity) {
      return c::fail(
          error, KTHENA_OUT_OF_RANGE,
          "the log has " + std::to_string(log->bytes.size()) + " bytes, the buffer " + std::to_string(capacity));
    }
    if (!log->bytes.empty()) std::memcpy(buffer, log->bytes.data(), log->bytes.size());
    log->bytes.clear();
    return KTHENA_OK;
  });
}

kthena_status kthena_log_diff_json(kthena_str log, kthena_str json, char* buffer, size_t capacity, size_t* needed,
                                   kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = c::check(log, "log", error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check(json, "json", error); status != KTHENA_OK) return status;
    return c::write_text(buffer, capacity, needed, error, [&] {
      const std::string_view bytes = c::view(log);
      return manifest::diff_document({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}, c::view(json));
    });
  });
}

kthena_status kthena_lint_json(kthena_str json, char* buffer, size_t capacity, size_t* needed, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = c::check(json, "json", error); status != KTHENA_OK) return status;
    return c::write_text(buffer, capacity, needed, error, [&] { return manifest::lint_document(c::view(json)); });
  });
}
