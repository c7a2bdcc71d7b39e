// bindings/c/pool.cpp
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "calls.hpp"
#include "endpoints.hpp"
#include "handles.hpp"
#include "kthena/manifest/route.hpp"

using namespace kthena;
using c::guarded;

namespace {

std::string name_at(const char* bytes, const uint64_t* offsets, std::size_t position) {
  const std::uint64_t size = offsets[position + 1] - offsets[position];
  return size == 0 ? std::string() : std::string(bytes + offsets[position], size);
}

/// The pool of these endpoints, numbered as they stand.
Result<std::unique_ptr<kthena_pool>> make_pool(std::vector<route::Endpoint> endpoints) {
  std::vector<std::string> ids;
  ids.reserve(endpoints.size());
  route::PoolBuilder builder;
  for (route::Endpoint& endpoint : endpoints) {
    ids.push_back(endpoint.id);
    builder.add(std::move(endpoint));
  }
  Result<route::PoolSnapshot> snapshot = builder.build();
  if (!snapshot.ok()) return snapshot.status();
  auto pool = std::make_unique<kthena_pool>();
  pool->snapshot = std::move(*snapshot);
  if (!std::is_sorted(ids.begin(), ids.end())) {
    pool->to_pool.reserve(ids.size());
    pool->to_caller.resize(ids.size());
    for (const std::string& id : ids) {
      const EndpointIndex at = pool->snapshot.find(id);
      pool->to_caller[at.value] = static_cast<std::uint32_t>(pool->to_pool.size());
      pool->to_pool.push_back(at.value);
    }
  }
  return pool;
}

kthena_status check_signal(int32_t signal, kthena_error* error) {
  if (signal >= 0 && signal < KTHENA_SIGNAL_COUNT) return KTHENA_OK;
  return c::refuse(error, "signal", "no signal " + std::to_string(signal));
}

kthena_status check_column(const kthena_pool* pool, int32_t signal, const double* values, std::size_t n,
                           kthena_error* error) {
  if (pool == nullptr) return c::refuse_null(error, "pool");
  if (kthena_status status = check_signal(signal, error); status != KTHENA_OK) return status;
  if (n != pool->snapshot.size()) {
    return c::refuse(error, "n",
                     std::to_string(n) + ", but the pool has " + std::to_string(pool->snapshot.size()) + " endpoints");
  }
  return c::check_array(values, n, "values", error);
}

/// Lists of names of each endpoint, appended to the member `of` of the endpoints.
kthena_status read_names(const char* bytes, const uint64_t* offsets, const uint64_t* starts, const std::string& prefix,
                         const char* bytes_name, const char* offsets_name, const char* starts_name,
                         std::vector<std::string> route::Endpoint::*of, std::vector<route::Endpoint>& endpoints,
                         kthena_error* error) {
  const std::size_t n = endpoints.size();
  if (starts == nullptr || n == 0) return KTHENA_OK;
  // They count names, so they are checked like offsets into an array that is always there.
  if (kthena_status status = c::check_offsets(starts, n, "", prefix + starts_name, "", error); status != KTHENA_OK)
    return status;
  if (kthena_status status =
          c::check_offsets(offsets, starts[n], bytes, prefix + offsets_name, prefix + bytes_name, error);
      status != KTHENA_OK)
    return status;
  for (std::size_t i = 0; i < n; ++i)
    for (std::uint64_t m = starts[i]; m < starts[i + 1]; ++m)
      (endpoints[i].*of).emplace_back(name_at(bytes, offsets, m));
  return KTHENA_OK;
}

/// `prefix` comes before the names of members in messages.
kthena_status create(const kthena_pool_endpoints& given, const std::string& prefix, kthena_pool** pool,
                     kthena_error* error) {
  if (pool == nullptr) return c::refuse_null(error, "pool");
  std::vector<route::Endpoint> endpoints;
  if (kthena_status status = c::read_endpoints(given, prefix, endpoints, error); status != KTHENA_OK) return status;
  Result<std::unique_ptr<kthena_pool>> made = make_pool(std::move(endpoints));
  if (!made.ok()) return c::fail(error, made.status());
  *pool = made->release();
  return KTHENA_OK;
}

}  // namespace

kthena_status c::read_endpoints(const kthena_pool_endpoints& given, const std::string& prefix,
                                std::vector<route::Endpoint>& endpoints, kthena_error* error) {
  if (given.reserved != 0) return c::refuse(error, prefix + "reserved", "must be 0");
  const std::size_t n = given.n;
  if (n >= KTHENA_NONE) return c::refuse(error, prefix + "n", "too many endpoints");
  if (kthena_status status =
          c::check_offsets(given.id_offsets, n, given.id_bytes, prefix + "id_offsets", prefix + "id_bytes", error);
      status != KTHENA_OK)
    return status;
  endpoints.resize(n);
  for (std::size_t i = 0; i < n; ++i) endpoints[i].id = name_at(given.id_bytes, given.id_offsets, i);
  if (kthena_status status =
          read_names(given.model_bytes, given.model_offsets, given.endpoint_models, prefix, "model_bytes",
                     "model_offsets", "endpoint_models", &route::Endpoint::models, endpoints, error);
      status != KTHENA_OK)
    return status;
  if (kthena_status status =
          read_names(given.waiting_bytes, given.waiting_offsets, given.endpoint_waiting, prefix, "waiting_bytes",
                     "waiting_offsets", "endpoint_waiting", &route::Endpoint::waiting_models, endpoints, error);
      status != KTHENA_OK)
    return status;
  if (given.place_offsets != nullptr) {
    if (kthena_status status = c::check_offsets(given.place_offsets, n * route::kPlaceLevels, given.place_bytes,
                                                prefix + "place_offsets", prefix + "place_bytes", error);
        status != KTHENA_OK)
      return status;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t level = 0; level < route::kPlaceLevels; ++level)
        endpoints[i].place[level] = name_at(given.place_bytes, given.place_offsets, i * route::kPlaceLevels + level);
  }
  return KTHENA_OK;
}

kthena_str kthena_signal_name(int32_t signal) {
  if (signal < 0 || signal >= KTHENA_SIGNAL_COUNT) return c::borrow({});
  return c::borrow(route::info(static_cast<route::Signal>(signal)).name);
}

kthena_status kthena_pool_create(const char* id_bytes, const uint64_t* id_offsets, size_t n, const char* model_bytes,
                                 const uint64_t* model_offsets, const uint64_t* endpoint_models, kthena_pool** pool,
                                 kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    kthena_pool_endpoints endpoints = {};
    endpoints.n = n;
    endpoints.id_bytes = id_bytes;
    endpoints.id_offsets = id_offsets;
    endpoints.model_bytes = model_bytes;
    endpoints.model_offsets = model_offsets;
    endpoints.endpoint_models = endpoint_models;
    return create(endpoints, "", pool, error);
  });
}

kthena_status kthena_pool_create_from(const kthena_pool_endpoints* endpoints, kthena_pool** pool, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    kthena_pool_endpoints copy;
    if (kthena_status status = c::read_struct(endpoints, "endpoints", copy, error); status != KTHENA_OK) return status;
    return create(copy, "endpoints.", pool, error);
  });
}

kthena_status kthena_pool_create_json(kthena_str json, kthena_pool** pool, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (pool == nullptr) return c::refuse_null(error, "pool");
    if (kthena_status status = c::check(json, "json", error); status != KTHENA_OK) return status;
    Result<std::vector<route::Endpoint>> endpoints = manifest::parse_endpoints(c::view(json));
    if (!endpoints.ok()) return c::fail(error, endpoints.status());
    Result<std::unique_ptr<kthena_pool>> made = make_pool(std::move(*endpoints));
    if (!made.ok()) return c::fail(error, made.status());
    *pool = made->release();
    return KTHENA_OK;
  });
}

void kthena_pool_free(kthena_pool* pool) { delete pool; }

size_t kthena_pool_size(const kthena_pool* pool) { return pool == nullptr ? 0 : pool->snapshot.size(); }

kthena_str kthena_pool_id(const kthena_pool* pool, uint32_t endpoint) {
  if (endpoint >= kthena_pool_size(pool)) return c::borrow({});
  return c::borrow(pool->snapshot.id(pool->in_pool(endpoint)));
}

uint32_t kthena_pool_find(const kthena_pool* pool, kthena_str id) {
  return pool == nullptr ? KTHENA_NONE : pool->for_caller(pool->snapshot.find(c::view(id)));
}

kthena_status kthena_pool_set_signal(kthena_pool* pool, int32_t signal, const double* values, size_t n,
                                     const int64_t* sampled_ns, int64_t all_sampled_ns, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = check_column(pool, signal, values, n, error); status != KTHENA_OK) return status;
    std::vector<double> value_column;
    std::vector<Time> time_column;
    const auto which = static_cast<route::Signal>(signal);
    const std::span<const double> ordered = pool->order(values, value_column);
    const Status status = sampled_ns == nullptr
                              ? pool->snapshot.set_signal(which, ordered, Time{all_sampled_ns})
                              : pool->snapshot.set_signal(which, ordered, pool->order(sampled_ns, time_column));
    return status.ok() ? KTHENA_OK : c::fail(error, status);
  });
}

kthena_status kthena_pool_set_value(kthena_pool* pool, uint32_t endpoint, int32_t signal, double value,
                                    int64_t sampled_ns, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (pool == nullptr) return c::refuse_null(error, "pool");
    if (kthena_status status = check_signal(signal, error); status != KTHENA_OK) return status;
    if (endpoint >= pool->snapshot.size()) {
      return c::refuse(
          error, "endpoint",
          "no endpoint " + std::to_string(endpoint) + " in a pool of " + std::to_string(pool->snapshot.size()));
    }
    const Status status =
        pool->snapshot.set_value(pool->in_pool(endpoint), static_cast<route::Signal>(signal), value, sampled_ns);
    return status.ok() ? KTHENA_OK : c::fail(error, status);
  });
}

kthena_status kthena_pool_get_signal(const kthena_pool* pool, int32_t signal, double* values, int64_t* sampled_ns,
                                     size_t n, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = check_column(pool, signal, values, n, error); status != KTHENA_OK) return status;
    for (std::size_t i = 0; i < n; ++i) {
      const EndpointIndex at = pool->in_pool(static_cast<std::uint32_t>(i));
      const auto sample = pool->snapshot.sample(at, static_cast<route::Signal>(signal));
      values[i] = sample ? sample->value : route::kMissing;
      if (sampled_ns != nullptr) sampled_ns[i] = sample ? sample->sampled_ns : kNever;
    }
    return KTHENA_OK;
  });
}
