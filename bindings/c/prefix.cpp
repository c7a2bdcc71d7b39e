// bindings/c/prefix.cpp
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calls.hpp"
#include "handles.hpp"
#include "kthena/base/kv_event.hpp"

using namespace kthena;
using c::guarded;

static_assert(KTHENA_TIER_DEVICE == static_cast<int>(KvTier::kDevice) &&
              KTHENA_TIER_HOST == static_cast<int>(KvTier::kHost) &&
              KTHENA_TIER_DISK == static_cast<int>(KvTier::kDisk) &&
              KTHENA_TIER_EXTERNAL == static_cast<int>(KvTier::kExternal));

namespace {

constexpr std::uint32_t or_default(std::uint32_t value, std::uint32_t fallback) noexcept {
  return value == 0 ? fallback : value;
}

kthena_status check_tier(int32_t tier, kthena_error* error) {
  return tier < KTHENA_TIER_DEVICE || tier > KTHENA_TIER_EXTERNAL
             ? c::refuse(error, "tier", "no tier " + std::to_string(tier))
             : KTHENA_OK;
}

kthena_status apply(kthena_prefix_index* index, const KvEvent& event, kthena_error* error) {
  const Status status = index->index.apply(event);
  return status.ok() ? KTHENA_OK : c::fail(error, status);
}

}  // namespace

kthena_status kthena_prefix_index_create(const kthena_prefix_index_options* options, kthena_prefix_index** index,
                                         kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    prefix::PrefixIndexOptions chosen;
    if (options != nullptr) {
      kthena_prefix_index_options given = {};
      if (kthena_status status = c::read_struct(options, "options", given, error); status != KTHENA_OK) return status;
      if (given.reserved != 0) return c::refuse(error, "options.reserved", "must be 0");
      chosen.block_tokens = or_default(given.block_tokens, chosen.block_tokens);
      chosen.max_workers = or_default(given.max_workers, chosen.max_workers);
      if (given.max_orphan_blocks != 0) chosen.max_orphan_blocks = given.max_orphan_blocks;
      chosen.seed = given.seed;
    }
    Result<prefix::PrefixIndex> made = prefix::PrefixIndex::create(chosen);
    if (!made.ok()) return c::fail(error, made.status());
    *index = new kthena_prefix_index{std::move(*made)};
    return KTHENA_OK;
  });
}

void kthena_prefix_index_free(kthena_prefix_index* index) { delete index; }

kthena_status kthena_prefix_add_worker(kthena_prefix_index* index, kthena_str name, uint32_t* worker,
                                       kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    if (worker == nullptr) return c::refuse_null(error, "worker");
    if (kthena_status status = c::check(name, "name", error); status != KTHENA_OK) return status;
    const Result<WorkerId> added = index->index.add_worker(c::view(name));
    if (!added.ok()) return c::fail(error, added.status());
    *worker = added->value;
    return KTHENA_OK;
  });
}

uint32_t kthena_prefix_find_worker(const kthena_prefix_index* index, kthena_str name) {
  return index == nullptr ? KTHENA_NONE : index->index.find_worker(c::view(name)).value;
}

kthena_status kthena_prefix_remove_worker(kthena_prefix_index* index, uint32_t worker, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    const Status status = index->index.remove_worker({worker});
    return status.ok() ? KTHENA_OK : c::fail(error, status);
  });
}

size_t kthena_prefix_worker_limit(const kthena_prefix_index* index) {
  return index == nullptr ? 0 : index->index.worker_limit();
}

uint64_t kthena_prefix_namespace_key(kthena_str model, kthena_str adapter, kthena_str tenant, uint32_t block_tokens,
                                     uint64_t seed) {
  const prefix::Namespace space{c::view(model), c::view(adapter), c::view(tenant),
                                or_default(block_tokens, prefix::PrefixIndexOptions{}.block_tokens)};
  return prefix::namespace_key(space, seed);
}

size_t kthena_prefix_hash_blocks(const uint32_t* tokens, size_t n, uint32_t block_tokens, uint64_t seed,
                                 uint64_t* hashes) {
  if (tokens == nullptr || hashes == nullptr) return 0;
  const std::size_t size = or_default(block_tokens, prefix::PrefixIndexOptions{}.block_tokens);
  const std::size_t blocks = n / size;
  for (std::size_t i = 0; i < blocks; ++i) hashes[i] = prefix::hash_block({tokens + i * size, size}, seed);
  return blocks;
}

kthena_status kthena_prefix_store(kthena_prefix_index* index, uint32_t worker, uint64_t namespace_key,
                                  const uint64_t* parent, const uint64_t* engine_hashes, const uint64_t* content_hashes,
                                  size_t n, int32_t tier, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    if (kthena_status status = c::check_array(engine_hashes, n, "engine_hashes", error); status != KTHENA_OK)
      return status;
    if (kthena_status status = c::check_array(content_hashes, n, "content_hashes", error); status != KTHENA_OK)
      return status;
    if (kthena_status status = check_tier(tier, error); status != KTHENA_OK) return status;
    BlockStored stored{{worker},           namespace_key,       std::nullopt,
                       {engine_hashes, n}, {content_hashes, n}, static_cast<KvTier>(tier)};
    if (parent != nullptr) stored.parent = *parent;
    return apply(index, stored, error);
  });
}

kthena_status kthena_prefix_remove(kthena_prefix_index* index, uint32_t worker, const uint64_t* engine_hashes, size_t n,
                                   int32_t tier, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    if (kthena_status status = c::check_array(engine_hashes, n, "engine_hashes", error); status != KTHENA_OK)
      return status;
    if (kthena_status status = check_tier(tier, error); status != KTHENA_OK) return status;
    return apply(index, BlockRemoved{{worker}, {engine_hashes, n}, static_cast<KvTier>(tier)}, error);
  });
}

kthena_status kthena_prefix_clear(kthena_prefix_index* index, uint32_t worker, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    return apply(index, AllBlocksCleared{{worker}}, error);
  });
}

kthena_status kthena_prefix_query_create(const kthena_prefix_index* index, kthena_str model, kthena_str adapter,
                                         kthena_str tenant, kthena_prefix_query** query, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    if (query == nullptr) return c::refuse_null(error, "query");
    if (kthena_status status = c::check(model, "model", error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check(adapter, "adapter", error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check(tenant, "tenant", error); status != KTHENA_OK) return status;
    const prefix::Namespace space{c::view(model), c::view(adapter), c::view(tenant),
                                  index->index.options().block_tokens};
    *query = new kthena_prefix_query{index->index.make_query(space)};
    return KTHENA_OK;
  });
}

void kthena_prefix_query_free(kthena_prefix_query* query) { delete query; }

kthena_status kthena_prefix_query_extend_tokens(kthena_prefix_query* query, const uint32_t* tokens, size_t n,
                                                kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (query == nullptr) return c::refuse_null(error, "query");
    if (kthena_status status = c::check_array(tokens, n, "tokens", error); status != KTHENA_OK) return status;
    query->query.extend_tokens({tokens, n});
    return KTHENA_OK;
  });
}

kthena_status kthena_prefix_query_extend_contents(kthena_prefix_query* query, const uint64_t* content_hashes, size_t n,
                                                  kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (query == nullptr) return c::refuse_null(error, "query");
    if (kthena_status status = c::check_array(content_hashes, n, "content_hashes", error); status != KTHENA_OK)
      return status;
    const Status status = query->query.extend_contents({content_hashes, n});
    return status.ok() ? KTHENA_OK : c::fail(error, status);
  });
}

void kthena_prefix_query_clear(kthena_prefix_query* query) {
  if (query != nullptr) query->query.clear();
}

size_t kthena_prefix_query_blocks(const kthena_prefix_query* query) {
  return query == nullptr ? 0 : query->query.size_blocks();
}

kthena_status kthena_prefix_find(const kthena_prefix_index* index, const kthena_prefix_query* query,
                                 const uint64_t* candidates, size_t candidate_words, uint32_t* depths, size_t n,
                                 kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    if (query == nullptr) return c::refuse_null(error, "query");
    if (n < index->index.worker_limit()) {
      return c::refuse(error, "n",
                       std::to_string(n) + ", but the worker limit is " + std::to_string(index->index.worker_limit()));
    }
    if (kthena_status status = c::check_array(depths, n, "depths", error); status != KTHENA_OK) return status;
    if (candidates == nullptr) {
      index->index.find_by_worker(query->query, {}, {depths, n});
    } else if (candidate_words != 0) {
      index->index.find_by_worker(query->query, {candidates, candidate_words}, {depths, n});
    } else {
      std::fill_n(depths, n, 0u);  // a mask without words lets nobody pass; to C++ an empty span means all
    }
    return KTHENA_OK;
  });
}

kthena_status kthena_prefix_find_for(const kthena_prefix_index* index, const kthena_prefix_query* query,
                                     const uint32_t* workers, size_t n, uint32_t* depths, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    if (query == nullptr) return c::refuse_null(error, "query");
    if (kthena_status status = c::check_array(workers, n, "workers", error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check_array(depths, n, "depths", error); status != KTHENA_OK) return status;
    constexpr std::size_t kOnStack = 1024;  // a WorkerId is another type than a number, so they are copied
    std::array<WorkerId, kOnStack> few;
    std::vector<WorkerId> many;
    if (n > kOnStack) many.resize(n);
    WorkerId* ids = n > kOnStack ? many.data() : few.data();
    for (std::size_t i = 0; i < n; ++i) ids[i] = {workers[i]};
    index->index.find(query->query, {ids, n}, {depths, n});
    return KTHENA_OK;
  });
}

kthena_status kthena_prefix_get_stats(const kthena_prefix_index* index, kthena_prefix_stats* stats,
                                      kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    if (kthena_status status = c::check_struct(stats, "stats", error); status != KTHENA_OK) return status;
    const prefix::PrefixIndexStats now = index->index.stats();
    kthena_prefix_stats written{};
    written.workers = now.workers;
    written.memberships = now.memberships;
    written.unique_blocks = now.unique_blocks;
    written.orphan_blocks = now.orphan_blocks;
    written.orphans_dropped = now.orphans_dropped;
    written.unknown_removes = now.unknown_removes;
    written.rehashed_blocks = now.rehashed_blocks;
    written.approximate_bytes = now.approximate_bytes;
    c::write_struct(stats, written);
    return KTHENA_OK;
  });
}
