// bindings/c/prefix.cpp
#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "calls.hpp"
#include "handles.hpp"
#include "index_options.hpp"
#include "kthena/base/kv_event.hpp"

using namespace kthena;
using c::guarded;

static_assert(KTHENA_TIER_DEVICE == static_cast<int>(KvTier::kDevice) &&
              KTHENA_TIER_HOST == static_cast<int>(KvTier::kHost) &&
              KTHENA_TIER_DISK == static_cast<int>(KvTier::kDisk) &&
              KTHENA_TIER_EXTERNAL == static_cast<int>(KvTier::kExternal) &&
              KTHENA_TIER_COUNT == prefix::PrefixIndex::kTiers);

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

/// A candidate mask. To C++ an empty span means all; here a mask without words lets nobody pass.
class Candidates {
 public:
  Candidates(const uint64_t* words, std::size_t size) noexcept : words_(words), size_(size) {}
  [[nodiscard]] std::span<const std::uint64_t> span() const noexcept {
    if (words_ == nullptr) return {};
    if (size_ == 0) return {&kNobody, 1};
    return {words_, size_};
  }

 private:
  static constexpr std::uint64_t kNobody = 0;
  const uint64_t* words_;
  std::size_t size_;
};

/// rows * n elements at `depths`: there, and no more than memory can hold.
kthena_status check_rows(const uint32_t* depths, std::size_t rows, std::size_t n, kthena_error* error) {
  if (n != 0 && rows > SIZE_MAX / sizeof(uint32_t) / n)
    return c::refuse(error, "n", "rows are longer than memory can be");
  return c::check_array(depths, rows * n, "depths", error);
}

kthena_status check_find(const kthena_prefix_index* index, const kthena_prefix_query* query, kthena_error* error) {
  if (index == nullptr) return c::refuse_null(error, "index");
  return query == nullptr ? c::refuse_null(error, "query") : KTHENA_OK;
}

}  // namespace

kthena_status c::read_index_options(const kthena_prefix_index_options* options, std::string_view name,
                                    prefix::PrefixIndexOptions& chosen, kthena_error* error) {
  if (options == nullptr) return KTHENA_OK;
  kthena_prefix_index_options given = {};
  if (kthena_status status = c::read_struct(options, name, given, error); status != KTHENA_OK) return status;
  if (given.shared_engine_hashes > 1)
    return c::refuse(error, std::string(name) + ".shared_engine_hashes", "must be 0 or 1");
  if (given.count_copies > 1) return c::refuse(error, std::string(name) + ".count_copies", "must be 0 or 1");
  if (given.wide_contents > 1) return c::refuse(error, std::string(name) + ".wide_contents", "must be 0 or 1");
  chosen.block_tokens = or_default(given.block_tokens, chosen.block_tokens);
  chosen.max_workers = or_default(given.max_workers, chosen.max_workers);
  if (given.max_orphan_blocks != 0) chosen.max_orphan_blocks = given.max_orphan_blocks;
  chosen.seed = given.seed;
  chosen.shared_engine_hashes = given.shared_engine_hashes == 1;
  chosen.max_expected_blocks = given.max_expected_blocks;
  chosen.expected_ttl_ns = given.expected_ttl_ns;
  chosen.count_copies = given.count_copies == 1;
  chosen.wide_contents = given.wide_contents == 1;
  return KTHENA_OK;
}

kthena_status kthena_prefix_index_create(const kthena_prefix_index_options* options, kthena_prefix_index** index,
                                         kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    prefix::PrefixIndexOptions chosen;
    if (kthena_status status = c::read_index_options(options, "options", chosen, error); status != KTHENA_OK)
      return status;
    Result<prefix::PrefixIndex> made = prefix::PrefixIndex::create(chosen);
    if (!made.ok()) return c::fail(error, made.status());
    *index = new kthena_prefix_index{std::move(*made)};
    return KTHENA_OK;
  });
}

kthena_status kthena_prefix_index_get_options(const kthena_prefix_index* index, kthena_prefix_index_options* options,
                                              kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    if (kthena_status status = c::check_struct(options, "options", error); status != KTHENA_OK) return status;
    const prefix::PrefixIndexOptions& chosen = index->index.options();
    kthena_prefix_index_options written{};
    written.block_tokens = chosen.block_tokens;
    written.max_workers = chosen.max_workers;
    written.shared_engine_hashes = chosen.shared_engine_hashes ? 1 : 0;
    written.max_orphan_blocks = chosen.max_orphan_blocks;
    written.seed = chosen.seed;
    written.max_expected_blocks = chosen.max_expected_blocks;
    written.expected_ttl_ns = chosen.expected_ttl_ns;
    written.count_copies = chosen.count_copies ? 1 : 0;
    written.wide_contents = chosen.wide_contents ? 1 : 0;
    c::write_struct(options, written);
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

kthena_str kthena_prefix_worker_name(const kthena_prefix_index* index, uint32_t worker) {
  return index == nullptr ? kthena_str{"", 0} : c::borrow(index->index.worker_name({worker}));
}

kthena_status kthena_prefix_sweep(kthena_prefix_index* index, uint64_t max_blocks, uint64_t* left,
                                  kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    const std::size_t now_left = index->index.sweep(max_blocks);
    if (left != nullptr) *left = now_left;
    return KTHENA_OK;
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
                                 uint64_t* hashes, uint64_t* uppers) {
  if (tokens == nullptr || (hashes == nullptr && uppers == nullptr)) return 0;
  const std::size_t size = or_default(block_tokens, prefix::PrefixIndexOptions{}.block_tokens);
  const std::size_t blocks = n / size;
  for (std::size_t i = 0; i < blocks; ++i) {
    const std::span<const std::uint32_t> block{tokens + i * size, size};
    if (hashes != nullptr) hashes[i] = prefix::hash_block(block, seed);
    if (uppers != nullptr) uppers[i] = prefix::hash_block_upper(block, seed);
  }
  return blocks;
}

uint64_t kthena_prefix_index_namespace_key(const kthena_prefix_index* index, kthena_str model, kthena_str adapter,
                                           kthena_str tenant) {
  if (index == nullptr) return 0;
  return index->index.namespace_key({c::view(model), c::view(adapter), c::view(tenant)});
}

size_t kthena_prefix_index_hash_blocks(const kthena_prefix_index* index, const uint32_t* tokens, size_t n,
                                       uint64_t* hashes, uint64_t* uppers) {
  if (index == nullptr) return 0;
  const prefix::PrefixIndexOptions& options = index->index.options();
  return kthena_prefix_hash_blocks(tokens, n, options.block_tokens, options.seed, hashes, uppers);
}

kthena_status kthena_prefix_store(kthena_prefix_index* index, uint32_t worker, uint64_t namespace_key,
                                  const uint64_t* parent, const uint64_t* engine_hashes, const uint64_t* content_hashes,
                                  const uint64_t* content_uppers, size_t n, int32_t tier, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    if (kthena_status status = c::check_array(engine_hashes, n, "engine_hashes", error); status != KTHENA_OK)
      return status;
    if (kthena_status status = check_tier(tier, error); status != KTHENA_OK) return status;
    BlockStored stored{{worker}, namespace_key, std::nullopt, {engine_hashes, n}, {}, static_cast<KvTier>(tier)};
    if (content_hashes != nullptr) stored.content_hashes = {content_hashes, n};
    if (content_uppers != nullptr) stored.content_uppers = {content_uppers, n};
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

kthena_status kthena_prefix_query_extend_contents(kthena_prefix_query* query, const uint64_t* content_hashes,
                                                  const uint64_t* content_uppers, size_t n, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (query == nullptr) return c::refuse_null(error, "query");
    if (kthena_status status = c::check_array(content_hashes, n, "content_hashes", error); status != KTHENA_OK)
      return status;
    const std::span<const std::uint64_t> uppers{content_uppers, content_uppers == nullptr ? 0 : n};
    const Status status = query->query.extend_contents({content_hashes, n}, uppers);
    return status.ok() ? KTHENA_OK : c::fail(error, status);
  });
}

void kthena_prefix_query_clear(kthena_prefix_query* query) {
  if (query != nullptr) query->query.clear();
}

size_t kthena_prefix_query_blocks(const kthena_prefix_query* query) {
  return query == nullptr ? 0 : query->query.size_blocks();
}

kthena_status kthena_prefix_expect(kthena_prefix_index* index, uint32_t worker, const kthena_prefix_query* query,
                                   int64_t now_ns, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = check_find(index, query, error); status != KTHENA_OK) return status;
    const Status status = index->index.expect({worker}, query->query, now_ns);
    return status.ok() ? KTHENA_OK : c::fail(error, status);
  });
}

kthena_status kthena_prefix_expire(kthena_prefix_index* index, int64_t now_ns, uint64_t max_blocks, uint64_t* expired,
                                   kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    const std::size_t gone = index->index.expire(now_ns, max_blocks);
    if (expired != nullptr) *expired = gone;
    return KTHENA_OK;
  });
}

kthena_status kthena_prefix_find(const kthena_prefix_index* index, const kthena_prefix_query* query,
                                 const uint32_t* workers, size_t n, uint32_t* depths, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = check_find(index, query, error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check_array(workers, n, "workers", error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check_array(depths, n, "depths", error); status != KTHENA_OK) return status;
    // A WorkerId is another type than a number, so they are copied: to where nothing was set before, which would cost more.
    constexpr std::size_t kOnStack = 1024;
    alignas(WorkerId) std::byte few[kOnStack * sizeof(WorkerId)];
    std::vector<WorkerId> many;
    if (n > kOnStack) many.resize(n);
    WorkerId* ids = n > kOnStack ? many.data() : reinterpret_cast<WorkerId*>(few);
    for (std::size_t i = 0; i < n; ++i) std::construct_at(ids + i, WorkerId{workers[i]});
    index->index.find(query->query, {ids, n}, {depths, n});
    return KTHENA_OK;
  });
}

kthena_status kthena_prefix_find_by_worker(const kthena_prefix_index* index, const kthena_prefix_query* query,
                                           const uint64_t* candidates, size_t candidate_words, uint32_t* depths,
                                           size_t n, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = check_find(index, query, error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check_array(depths, n, "depths", error); status != KTHENA_OK) return status;
    index->index.find_by_worker(query->query, Candidates(candidates, candidate_words).span(), {depths, n});
    return KTHENA_OK;
  });
}

kthena_status kthena_prefix_find_batch(const kthena_prefix_index* index, const kthena_prefix_query* const* queries,
                                       size_t query_count, const uint64_t* candidates, size_t candidate_words,
                                       uint32_t* depths, size_t n, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    if (kthena_status status = c::check_array(queries, query_count, "queries", error); status != KTHENA_OK)
      return status;
    for (std::size_t i = 0; i < query_count; ++i)
      if (queries[i] == nullptr) return c::refuse_null(error, "queries[" + std::to_string(i) + "]");
    if (kthena_status status = check_rows(depths, query_count, n, error); status != KTHENA_OK) return status;
    // A handle is another type than a query, so the pointers are copied, as many at a time as are walked together.
    constexpr std::size_t kAtOnce = 64;
    std::array<const prefix::PrefixQuery*, kAtOnce> some;
    const Candidates mask(candidates, candidate_words);
    for (std::size_t begin = 0; begin < query_count; begin += kAtOnce) {
      const std::size_t size = std::min(kAtOnce, query_count - begin);
      for (std::size_t i = 0; i < size; ++i) some[i] = &queries[begin + i]->query;
      index->index.find_batch({some.data(), size}, mask.span(), {depths + begin * n, size * n});
    }
    return KTHENA_OK;
  });
}

kthena_status kthena_prefix_find_tiers(const kthena_prefix_index* index, const kthena_prefix_query* query,
                                       const uint64_t* candidates, size_t candidate_words, uint32_t* depths, size_t n,
                                       kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = check_find(index, query, error); status != KTHENA_OK) return status;
    if (kthena_status status = check_rows(depths, KTHENA_TIER_COUNT, n, error); status != KTHENA_OK) return status;
    index->index.find_tiers(query->query, Candidates(candidates, candidate_words).span(),
                            {depths, KTHENA_TIER_COUNT * n});
    return KTHENA_OK;
  });
}

kthena_status kthena_prefix_find_best(const kthena_prefix_index* index, const kthena_prefix_query* query,
                                      const uint64_t* candidates, size_t candidate_words, const uint32_t* loads,
                                      size_t n, const kthena_prefix_pick_rule* rule, kthena_prefix_pick* pick,
                                      kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = check_find(index, query, error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check_array(loads, n, "loads", error); status != KTHENA_OK) return status;
    prefix::PickRule chosen;
    if (rule != nullptr) {
      kthena_prefix_pick_rule given = {};
      if (kthena_status status = c::read_struct(rule, "rule", given, error); status != KTHENA_OK) return status;
      if (given.has_block_cost > 1) return c::refuse(error, "rule.has_block_cost", "must be 0 or 1");
      if (given.has_block_cost == 0 && given.block_cost != 0)
        return c::refuse(error, "rule.block_cost", "is set without has_block_cost");
      if (given.reserved != 0) return c::refuse(error, "rule.reserved", "must be 0");
      if (given.has_block_cost == 1) chosen.block_cost = given.block_cost;
      chosen.tie_seed = given.tie_seed;
    }
    if (kthena_status status = c::check_struct(pick, "pick", error); status != KTHENA_OK) return status;
    const prefix::Pick best =
        index->index.find_best(query->query, Candidates(candidates, candidate_words).span(), {loads, n}, chosen);
    kthena_prefix_pick written{};
    written.worker = best.worker.value;
    written.depth = best.depth;
    written.cost = best.cost;
    c::write_struct(pick, written);
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
    written.runs = now.runs;
    written.unswept_blocks = now.unswept_blocks;
    written.sweeps = now.sweeps;
    written.unresolved_stores = now.unresolved_stores;
    written.expected_blocks = now.expected_blocks;
    written.promoted_blocks = now.promoted_blocks;
    written.expired_blocks = now.expired_blocks;
    written.evicted_blocks = now.evicted_blocks;
    written.copied_blocks = now.copied_blocks;
    c::write_struct(stats, written);
    return KTHENA_OK;
  });
}

kthena_status kthena_prefix_index_dump(const kthena_prefix_index* index, char* buffer, size_t capacity, size_t* needed,
                                       kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    if (needed == nullptr) return c::refuse_null(error, "needed");
    if (kthena_status status = c::check_array(buffer, capacity, "buffer", error); status != KTHENA_OK) return status;
    const std::vector<std::byte> bytes = index->index.dump();
    *needed = bytes.size();
    if (bytes.size() > capacity) {
      return c::fail(error, KTHENA_OUT_OF_RANGE,
                     "the dump has " + std::to_string(bytes.size()) + " bytes, the buffer " + std::to_string(capacity));
    }
    std::memcpy(buffer, bytes.data(), bytes.size());
    return KTHENA_OK;
  });
}

kthena_status kthena_prefix_index_load(kthena_str dump, const kthena_prefix_index_options* options,
                                       kthena_prefix_index** index, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    if (kthena_status status = c::check(dump, "dump", error); status != KTHENA_OK) return status;
    prefix::PrefixIndexOptions chosen;
    if (kthena_status status = c::read_index_options(options, "options", chosen, error); status != KTHENA_OK)
      return status;
    Result<prefix::PrefixIndex> made =
        prefix::PrefixIndex::load(std::as_bytes(std::span(dump.data, dump.size)), chosen);
    if (!made.ok()) return c::fail(error, made.status());
    *index = new kthena_prefix_index{std::move(*made)};
    return KTHENA_OK;
  });
}

kthena_status kthena_prefix_events_create(const kthena_prefix_index* index, uint32_t worker,
                                          kthena_prefix_events** events, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (index == nullptr) return c::refuse_null(error, "index");
    if (events == nullptr) return c::refuse_null(error, "events");
    auto made = std::make_unique<kthena_prefix_events>();
    const Status status = index->index.dump_events({worker}, [&](const KvEvent& event) { made->add(event); });
    if (!status.ok()) return c::fail(error, status);
    *events = made.release();
    return KTHENA_OK;
  });
}

void kthena_prefix_events_free(kthena_prefix_events* events) { delete events; }

size_t kthena_prefix_events_count(const kthena_prefix_events* events) {
  return events == nullptr ? 0 : events->events.size();
}

kthena_status kthena_prefix_events_get(const kthena_prefix_events* events, size_t position, kthena_prefix_event* event,
                                       kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (events == nullptr) return c::refuse_null(error, "events");
    if (kthena_status status = c::check_struct(event, "event", error); status != KTHENA_OK) return status;
    if (position >= events->events.size()) {
      return c::fail(
          error, KTHENA_OUT_OF_RANGE,
          "position: " + std::to_string(position) + ", but there are " + std::to_string(events->events.size()));
    }
    c::write_struct(event, events->get(position));
    return KTHENA_OK;
  });
}

void kthena_prefix_events::add(const KvEvent& event) {
  kthena_prefix_event flat{};
  const auto append = [&](std::span<const std::uint64_t> list) {
    hashes.insert(hashes.end(), list.begin(), list.end());
  };
  starts.push_back(hashes.size());
  bool has_contents = false;
  bool has_uppers = false;
  if (const auto* stored = std::get_if<BlockStored>(&event)) {
    flat.kind = KTHENA_EVENT_STORED;
    flat.worker = stored->worker.value;
    flat.tier = static_cast<int32_t>(stored->tier);
    flat.namespace_key = stored->namespace_key;
    flat.parent = stored->parent.value_or(0);
    flat.has_parent = stored->parent.has_value() ? 1 : 0;
    flat.n = stored->engine_hashes.size();
    append(stored->engine_hashes);
    append(stored->content_hashes);
    append(stored->content_uppers);
    has_contents = !stored->content_hashes.empty();
    has_uppers = !stored->content_uppers.empty();
  } else if (const auto* removed = std::get_if<BlockRemoved>(&event)) {
    flat.kind = KTHENA_EVENT_REMOVED;
    flat.worker = removed->worker.value;
    flat.tier = static_cast<int32_t>(removed->tier);
    flat.n = removed->engine_hashes.size();
    append(removed->engine_hashes);
  } else {
    flat.kind = KTHENA_EVENT_CLEARED;
    flat.worker = std::get<AllBlocksCleared>(event).worker.value;
  }
  with_contents.push_back(has_contents);
  with_uppers.push_back(has_uppers);
  events.push_back(flat);
}

kthena_prefix_event kthena_prefix_events::get(std::size_t position) const {
  kthena_prefix_event event = events[position];
  const std::uint64_t* begin = hashes.data() + starts[position];
  if (event.n != 0) event.engine_hashes = begin;
  if (with_contents[position]) event.content_hashes = begin + event.n;
  if (with_uppers[position]) event.content_uppers = begin + 2 * event.n;
  return event;
}
