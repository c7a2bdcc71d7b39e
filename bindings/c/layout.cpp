// bindings/c/layout.cpp
//
// The layout of every struct of the interface on machines with 64-bit pointers, and the rules that hold on all: nothing here can change
// without breaking programs that were built before.
#include <cstddef>
#include <type_traits>

#include "calls.hpp"
#include "kthena/base/engine_sample.hpp"
#include "kthena/route/place.hpp"
#include "kthena/route/signal.hpp"

namespace {

/// A struct that ended in padding could get a member there and keep its size; then the size would not tell whether a caller has it.
template <class T>
constexpr bool ends_in_a_member() {
  const auto& ends = kthena::c::kMemberEnds<T>;
  return ends[sizeof(ends) / sizeof(ends[0]) - 1] == sizeof(T);
}

}  // namespace

static_assert(std::is_same_v<kthena_status, std::int32_t>);
static_assert(KTHENA_SIGNAL_COUNT == kthena::route::kSignalCount);
static_assert(KTHENA_SIGNAL_RUNNING == static_cast<int>(kthena::route::Signal::kRunning));
static_assert(KTHENA_SIGNAL_WAITING == static_cast<int>(kthena::route::Signal::kWaiting));
static_assert(KTHENA_SIGNAL_KV_USAGE == static_cast<int>(kthena::route::Signal::kKvUsage));
static_assert(KTHENA_SIGNAL_TTFT_S == static_cast<int>(kthena::route::Signal::kTtft));
static_assert(KTHENA_SIGNAL_TPOT_S == static_cast<int>(kthena::route::Signal::kTpot));
static_assert(KTHENA_SIGNAL_IN_FLIGHT == static_cast<int>(kthena::route::Signal::kInFlight));
static_assert(KTHENA_SIGNAL_PREFILL_REQUESTS == static_cast<int>(kthena::route::Signal::kPrefillRequests));
static_assert(KTHENA_SIGNAL_PREFILL_TOKENS == static_cast<int>(kthena::route::Signal::kPrefillTokens));
static_assert(KTHENA_SIGNAL_UNCACHED_TOKENS == static_cast<int>(kthena::route::Signal::kUncachedTokens));
static_assert(KTHENA_SIGNAL_OUTPUT_TOKENS == static_cast<int>(kthena::route::Signal::kOutputTokens));
static_assert(KTHENA_SIGNAL_KV_TOKENS == static_cast<int>(kthena::route::Signal::kKvTokens));
static_assert(KTHENA_SIGNAL_KV_CAPACITY_TOKENS == static_cast<int>(kthena::route::Signal::kKvCapacityTokens));
static_assert(KTHENA_SIGNAL_PREFILL_TPS == static_cast<int>(kthena::route::Signal::kPrefillTps));
static_assert(KTHENA_SIGNAL_DECODE_TPS == static_cast<int>(kthena::route::Signal::kDecodeTps));
static_assert(KTHENA_SIGNAL_MAX_RUNNING == static_cast<int>(kthena::route::Signal::kMaxRunning));
static_assert(KTHENA_SIGNAL_MAX_ADAPTERS == static_cast<int>(kthena::route::Signal::kMaxAdapters));
static_assert(KTHENA_SIGNAL_CONTEXT_MIN_TOKENS == static_cast<int>(kthena::route::Signal::kContextMinTokens));
static_assert(KTHENA_SIGNAL_CONTEXT_MAX_TOKENS == static_cast<int>(kthena::route::Signal::kContextMaxTokens));
static_assert(KTHENA_SIGNAL_HELD_BLOCKS == static_cast<int>(kthena::route::Signal::kHeldBlocks));
static_assert(KTHENA_SIGNAL_COLD_TURN == static_cast<int>(kthena::route::Signal::kColdTurn));
static_assert(KTHENA_SIGNAL_READY_AT_S == static_cast<int>(kthena::route::Signal::kReadyAtS));
static_assert(KTHENA_PLACE_LEVELS == kthena::route::kPlaceLevels);
static_assert(KTHENA_PLACE_HOST == static_cast<int>(kthena::route::PlaceLevel::kHost));
static_assert(KTHENA_PLACE_RACK == static_cast<int>(kthena::route::PlaceLevel::kRack));
static_assert(KTHENA_PLACE_ZONE == static_cast<int>(kthena::route::PlaceLevel::kZone));
static_assert(KTHENA_PLACE_REGION == static_cast<int>(kthena::route::PlaceLevel::kRegion));
static_assert(KTHENA_ENGINE_RUNNING == static_cast<int>(kthena::EngineSignal::kRunning));
static_assert(KTHENA_ENGINE_WAITING == static_cast<int>(kthena::EngineSignal::kWaiting));
static_assert(KTHENA_ENGINE_KV_USAGE == static_cast<int>(kthena::EngineSignal::kKvUsage));
static_assert(KTHENA_ENGINE_KV_USED_BLOCKS == static_cast<int>(kthena::EngineSignal::kKvUsedBlocks));
static_assert(KTHENA_ENGINE_KV_TOTAL_BLOCKS == static_cast<int>(kthena::EngineSignal::kKvTotalBlocks));
static_assert(KTHENA_ENGINE_KV_TOTAL_TOKENS == static_cast<int>(kthena::EngineSignal::kKvTotalTokens));
static_assert(KTHENA_ENGINE_BLOCK_TOKENS == static_cast<int>(kthena::EngineSignal::kBlockTokens));
static_assert(KTHENA_ENGINE_HIT_RATE == static_cast<int>(kthena::EngineSignal::kHitRate));
static_assert(KTHENA_ENGINE_PREFIX_HITS == static_cast<int>(kthena::EngineSignal::kPrefixHits));
static_assert(KTHENA_ENGINE_PREFIX_QUERIES == static_cast<int>(kthena::EngineSignal::kPrefixQueries));
static_assert(KTHENA_ENGINE_EXTERNAL_PREFIX_HITS == static_cast<int>(kthena::EngineSignal::kExternalPrefixHits));
static_assert(KTHENA_ENGINE_EXTERNAL_PREFIX_QUERIES == static_cast<int>(kthena::EngineSignal::kExternalPrefixQueries));
static_assert(KTHENA_ENGINE_PROMPT_TOKENS == static_cast<int>(kthena::EngineSignal::kPromptTokens));
static_assert(KTHENA_ENGINE_GENERATION_TOKENS == static_cast<int>(kthena::EngineSignal::kGenerationTokens));
static_assert(KTHENA_ENGINE_PREEMPTIONS == static_cast<int>(kthena::EngineSignal::kPreemptions));
static_assert(KTHENA_ENGINE_FINISHED == static_cast<int>(kthena::EngineSignal::kFinished));
static_assert(KTHENA_ENGINE_SIGNAL_COUNT == kthena::kEngineSignalCount);
static_assert(KTHENA_ENGINE_TTFT_S == static_cast<int>(kthena::EngineLatency::kTtft));
static_assert(KTHENA_ENGINE_ITL_S == static_cast<int>(kthena::EngineLatency::kItl));
static_assert(KTHENA_ENGINE_E2E_S == static_cast<int>(kthena::EngineLatency::kE2e));
static_assert(KTHENA_ENGINE_QUEUE_S == static_cast<int>(kthena::EngineLatency::kQueue));
static_assert(KTHENA_ENGINE_LATENCY_COUNT == kthena::kEngineLatencyCount);

static_assert(ends_in_a_member<kthena_pool_endpoints>());
static_assert(ends_in_a_member<kthena_request>());
static_assert(ends_in_a_member<kthena_decision>());
static_assert(ends_in_a_member<kthena_scorer>());
static_assert(ends_in_a_member<kthena_prefix_index_options>());
static_assert(ends_in_a_member<kthena_prefix_stats>());
static_assert(ends_in_a_member<kthena_prefix_pick_rule>());
static_assert(ends_in_a_member<kthena_prefix_pick>());
static_assert(ends_in_a_member<kthena_prefix_event>());
static_assert(ends_in_a_member<kthena_engine_parser_options>());
static_assert(ends_in_a_member<kthena_engine_counts>());
static_assert(ends_in_a_member<kthena_engine_sample_info>());
static_assert(ends_in_a_member<kthena_histogram>());
static_assert(ends_in_a_member<kthena_kv_stream_options>());
static_assert(ends_in_a_member<kthena_kv_step>());
static_assert(ends_in_a_member<kthena_kv_stream_info>());
static_assert(ends_in_a_member<kthena_vllm_hash_options>());
static_assert(ends_in_a_member<kthena_sglang_hash_options>());
static_assert(ends_in_a_member<kthena_xxh3_hash_options>());
static_assert(ends_in_a_member<kthena_llmd_hash_options>());
static_assert(ends_in_a_member<kthena_fleet_options>());
static_assert(ends_in_a_member<kthena_prompt>());
static_assert(ends_in_a_member<kthena_fleet_counts>());

#define KTHENA_AT(type, member, offset) static_assert(offsetof(type, member) == (offset), #type "." #member " moved")
#if UINTPTR_MAX == UINT64_MAX

static_assert(sizeof(kthena_str) == 16);
KTHENA_AT(kthena_str, data, 0);
KTHENA_AT(kthena_str, size, 8);

static_assert(sizeof(kthena_error) == 4088);
KTHENA_AT(kthena_error, struct_size, 0);
KTHENA_AT(kthena_error, code, 4);
KTHENA_AT(kthena_error, message_size, 8);
KTHENA_AT(kthena_error, message, 16);

static_assert(sizeof(kthena_pool_endpoints) == 96);
KTHENA_AT(kthena_pool_endpoints, struct_size, 0);
KTHENA_AT(kthena_pool_endpoints, reserved, 4);
KTHENA_AT(kthena_pool_endpoints, n, 8);
KTHENA_AT(kthena_pool_endpoints, id_bytes, 16);
KTHENA_AT(kthena_pool_endpoints, id_offsets, 24);
KTHENA_AT(kthena_pool_endpoints, model_bytes, 32);
KTHENA_AT(kthena_pool_endpoints, model_offsets, 40);
KTHENA_AT(kthena_pool_endpoints, endpoint_models, 48);
KTHENA_AT(kthena_pool_endpoints, waiting_bytes, 56);
KTHENA_AT(kthena_pool_endpoints, waiting_offsets, 64);
KTHENA_AT(kthena_pool_endpoints, endpoint_waiting, 72);
KTHENA_AT(kthena_pool_endpoints, place_bytes, 80);
KTHENA_AT(kthena_pool_endpoints, place_offsets, 88);

static_assert(sizeof(kthena_request) == 240);
KTHENA_AT(kthena_request, struct_size, 0);
KTHENA_AT(kthena_request, prompt_tokens, 4);
KTHENA_AT(kthena_request, id, 8);
KTHENA_AT(kthena_request, model, 24);
KTHENA_AT(kthena_request, prefix_depths, 40);
KTHENA_AT(kthena_request, history_depths, 48);
KTHENA_AT(kthena_request, depth_count, 56);
KTHENA_AT(kthena_request, prefix_total, 64);
KTHENA_AT(kthena_request, history_total, 68);
KTHENA_AT(kthena_request, sequence, 72);
KTHENA_AT(kthena_request, now_ns, 80);
KTHENA_AT(kthena_request, seed, 88);
KTHENA_AT(kthena_request, output_tokens, 96);
KTHENA_AT(kthena_request, prefix_block_tokens, 100);
KTHENA_AT(kthena_request, history_block_tokens, 104);
KTHENA_AT(kthena_request, reserved, 108);
KTHENA_AT(kthena_request, prefix_host_depths, 112);
KTHENA_AT(kthena_request, prefix_disk_depths, 120);
KTHENA_AT(kthena_request, history_host_depths, 128);
KTHENA_AT(kthena_request, history_disk_depths, 136);
KTHENA_AT(kthena_request, session, 144);
KTHENA_AT(kthena_request, near_to, 160);
KTHENA_AT(kthena_request, slo_ttft_s, 224);
KTHENA_AT(kthena_request, slo_tpot_s, 232);

static_assert(sizeof(kthena_decision) == 128);
KTHENA_AT(kthena_decision, struct_size, 0);
KTHENA_AT(kthena_decision, outcome, 4);
KTHENA_AT(kthena_decision, endpoint, 8);
KTHENA_AT(kthena_decision, reason, 12);
KTHENA_AT(kthena_decision, reason_subject, 16);
KTHENA_AT(kthena_decision, candidates, 20);
KTHENA_AT(kthena_decision, reason_a, 24);
KTHENA_AT(kthena_decision, reason_b, 32);
KTHENA_AT(kthena_decision, score, 40);
KTHENA_AT(kthena_decision, margin, 48);
KTHENA_AT(kthena_decision, ranked_count, 56);
KTHENA_AT(kthena_decision, ranked, 60);
KTHENA_AT(kthena_decision, stage, 124);

static_assert(sizeof(kthena_scorer) == 48);
KTHENA_AT(kthena_scorer, struct_size, 0);
KTHENA_AT(kthena_scorer, reserved, 4);
KTHENA_AT(kthena_scorer, name, 8);
KTHENA_AT(kthena_scorer, context, 24);
KTHENA_AT(kthena_scorer, score, 32);
KTHENA_AT(kthena_scorer, free_context, 40);

static_assert(sizeof(kthena_prefix_index_options) == 56);
KTHENA_AT(kthena_prefix_index_options, struct_size, 0);
KTHENA_AT(kthena_prefix_index_options, block_tokens, 4);
KTHENA_AT(kthena_prefix_index_options, max_workers, 8);
KTHENA_AT(kthena_prefix_index_options, shared_engine_hashes, 12);
KTHENA_AT(kthena_prefix_index_options, max_orphan_blocks, 16);
KTHENA_AT(kthena_prefix_index_options, seed, 24);
KTHENA_AT(kthena_prefix_index_options, max_expected_blocks, 32);
KTHENA_AT(kthena_prefix_index_options, expected_ttl_ns, 40);
KTHENA_AT(kthena_prefix_index_options, count_copies, 48);
KTHENA_AT(kthena_prefix_index_options, wide_contents, 52);

static_assert(sizeof(kthena_prefix_stats) == 144);
KTHENA_AT(kthena_prefix_stats, struct_size, 0);
KTHENA_AT(kthena_prefix_stats, reserved, 4);
KTHENA_AT(kthena_prefix_stats, workers, 8);
KTHENA_AT(kthena_prefix_stats, memberships, 16);
KTHENA_AT(kthena_prefix_stats, unique_blocks, 24);
KTHENA_AT(kthena_prefix_stats, orphan_blocks, 32);
KTHENA_AT(kthena_prefix_stats, orphans_dropped, 40);
KTHENA_AT(kthena_prefix_stats, unknown_removes, 48);
KTHENA_AT(kthena_prefix_stats, rehashed_blocks, 56);
KTHENA_AT(kthena_prefix_stats, approximate_bytes, 64);
KTHENA_AT(kthena_prefix_stats, runs, 72);
KTHENA_AT(kthena_prefix_stats, unswept_blocks, 80);
KTHENA_AT(kthena_prefix_stats, sweeps, 88);
KTHENA_AT(kthena_prefix_stats, unresolved_stores, 96);
KTHENA_AT(kthena_prefix_stats, expected_blocks, 104);
KTHENA_AT(kthena_prefix_stats, promoted_blocks, 112);
KTHENA_AT(kthena_prefix_stats, expired_blocks, 120);
KTHENA_AT(kthena_prefix_stats, evicted_blocks, 128);
KTHENA_AT(kthena_prefix_stats, copied_blocks, 136);

static_assert(sizeof(kthena_prefix_pick_rule) == 24);
KTHENA_AT(kthena_prefix_pick_rule, struct_size, 0);
KTHENA_AT(kthena_prefix_pick_rule, has_block_cost, 4);
KTHENA_AT(kthena_prefix_pick_rule, tie_seed, 8);
KTHENA_AT(kthena_prefix_pick_rule, block_cost, 16);
KTHENA_AT(kthena_prefix_pick_rule, reserved, 20);

static_assert(sizeof(kthena_prefix_pick) == 24);
KTHENA_AT(kthena_prefix_pick, struct_size, 0);
KTHENA_AT(kthena_prefix_pick, worker, 4);
KTHENA_AT(kthena_prefix_pick, depth, 8);
KTHENA_AT(kthena_prefix_pick, reserved, 12);
KTHENA_AT(kthena_prefix_pick, cost, 16);

static_assert(sizeof(kthena_prefix_event) == 72);
KTHENA_AT(kthena_prefix_event, struct_size, 0);
KTHENA_AT(kthena_prefix_event, kind, 4);
KTHENA_AT(kthena_prefix_event, worker, 8);
KTHENA_AT(kthena_prefix_event, tier, 12);
KTHENA_AT(kthena_prefix_event, namespace_key, 16);
KTHENA_AT(kthena_prefix_event, parent, 24);
KTHENA_AT(kthena_prefix_event, has_parent, 32);
KTHENA_AT(kthena_prefix_event, reserved, 36);
KTHENA_AT(kthena_prefix_event, n, 40);
KTHENA_AT(kthena_prefix_event, engine_hashes, 48);
KTHENA_AT(kthena_prefix_event, content_hashes, 56);
KTHENA_AT(kthena_prefix_event, content_uppers, 64);

static_assert(sizeof(kthena_engine_parser_options) == 32);
KTHENA_AT(kthena_engine_parser_options, struct_size, 0);
KTHENA_AT(kthena_engine_parser_options, max_ranks, 4);
KTHENA_AT(kthena_engine_parser_options, model, 8);
KTHENA_AT(kthena_engine_parser_options, max_bytes, 24);

static_assert(sizeof(kthena_engine_counts) == 64);
KTHENA_AT(kthena_engine_counts, struct_size, 0);
KTHENA_AT(kthena_engine_counts, reserved, 4);
KTHENA_AT(kthena_engine_counts, lines, 8);
KTHENA_AT(kthena_engine_counts, used, 16);
KTHENA_AT(kthena_engine_counts, other, 24);
KTHENA_AT(kthena_engine_counts, broken, 32);
KTHENA_AT(kthena_engine_counts, unusable, 40);
KTHENA_AT(kthena_engine_counts, other_models, 48);
KTHENA_AT(kthena_engine_counts, over_limits, 56);

static_assert(sizeof(kthena_engine_sample_info) == 56);
KTHENA_AT(kthena_engine_sample_info, struct_size, 0);
KTHENA_AT(kthena_engine_sample_info, has_adapters, 4);
KTHENA_AT(kthena_engine_sample_info, sampled_ns, 8);
KTHENA_AT(kthena_engine_sample_info, adapters_maximum, 16);
KTHENA_AT(kthena_engine_sample_info, ranks, 24);
KTHENA_AT(kthena_engine_sample_info, models, 32);
KTHENA_AT(kthena_engine_sample_info, adapters_running, 40);
KTHENA_AT(kthena_engine_sample_info, adapters_waiting, 48);

static_assert(sizeof(kthena_histogram) == 40);
KTHENA_AT(kthena_histogram, struct_size, 0);
KTHENA_AT(kthena_histogram, size, 4);
KTHENA_AT(kthena_histogram, bounds, 8);
KTHENA_AT(kthena_histogram, cumulative, 16);
KTHENA_AT(kthena_histogram, count, 24);
KTHENA_AT(kthena_histogram, sum, 32);

static_assert(sizeof(kthena_kv_stream_options) == 56);
KTHENA_AT(kthena_kv_stream_options, struct_size, 0);
KTHENA_AT(kthena_kv_stream_options, worker, 4);
KTHENA_AT(kthena_kv_stream_options, model, 8);
KTHENA_AT(kthena_kv_stream_options, group, 24);
KTHENA_AT(kthena_kv_stream_options, no_replay, 28);
KTHENA_AT(kthena_kv_stream_options, has_rank, 32);
KTHENA_AT(kthena_kv_stream_options, rank, 36);
KTHENA_AT(kthena_kv_stream_options, max_bytes, 40);
KTHENA_AT(kthena_kv_stream_options, max_tracked_blocks, 48);

static_assert(sizeof(kthena_kv_step) == 120);
KTHENA_AT(kthena_kv_step, struct_size, 0);
KTHENA_AT(kthena_kv_step, outcome, 4);
KTHENA_AT(kthena_kv_step, state, 8);
KTHENA_AT(kthena_kv_step, cleared, 12);
KTHENA_AT(kthena_kv_step, wants_replay, 16);
KTHENA_AT(kthena_kv_step, reserved, 20);
KTHENA_AT(kthena_kv_step, replay_from, 24);
KTHENA_AT(kthena_kv_step, replay_to, 32);
KTHENA_AT(kthena_kv_step, stored_blocks, 40);
KTHENA_AT(kthena_kv_step, removed_blocks, 48);
KTHENA_AT(kthena_kv_step, clears, 56);
KTHENA_AT(kthena_kv_step, unknown_events, 64);
KTHENA_AT(kthena_kv_step, unknown_fields, 72);
KTHENA_AT(kthena_kv_step, unknown_media, 80);
KTHENA_AT(kthena_kv_step, other_groups, 88);
KTHENA_AT(kthena_kv_step, unmapped, 96);
KTHENA_AT(kthena_kv_step, over_limits, 104);
KTHENA_AT(kthena_kv_step, refused, 112);

static_assert(sizeof(kthena_kv_stream_info) == 80);
KTHENA_AT(kthena_kv_stream_info, struct_size, 0);
KTHENA_AT(kthena_kv_stream_info, state, 4);
KTHENA_AT(kthena_kv_stream_info, next_sequence, 8);
KTHENA_AT(kthena_kv_stream_info, applied, 16);
KTHENA_AT(kthena_kv_stream_info, duplicates, 24);
KTHENA_AT(kthena_kv_stream_info, held_back, 32);
KTHENA_AT(kthena_kv_stream_info, gaps, 40);
KTHENA_AT(kthena_kv_stream_info, lost, 48);
KTHENA_AT(kthena_kv_stream_info, restarts, 56);
KTHENA_AT(kthena_kv_stream_info, malformed, 64);
KTHENA_AT(kthena_kv_stream_info, tracked_blocks, 72);

static_assert(sizeof(kthena_vllm_hash_options) == 160);
KTHENA_AT(kthena_vllm_hash_options, struct_size, 0);
KTHENA_AT(kthena_vllm_hash_options, algorithm, 4);
KTHENA_AT(kthena_vllm_hash_options, key_form, 8);
KTHENA_AT(kthena_vllm_hash_options, reserved, 12);
KTHENA_AT(kthena_vllm_hash_options, seed, 16);
KTHENA_AT(kthena_vllm_hash_options, lora_name, 32);
KTHENA_AT(kthena_vllm_hash_options, lora_path, 48);
KTHENA_AT(kthena_vllm_hash_options, cache_salt, 64);
KTHENA_AT(kthena_vllm_hash_options, multimodal_ids, 80);
KTHENA_AT(kthena_vllm_hash_options, multimodal_id_offsets, 88);
KTHENA_AT(kthena_vllm_hash_options, multimodal_offsets, 96);
KTHENA_AT(kthena_vllm_hash_options, multimodal_lengths, 104);
KTHENA_AT(kthena_vllm_hash_options, multimodal_count, 112);
KTHENA_AT(kthena_vllm_hash_options, prompt_embeds, 120);
KTHENA_AT(kthena_vllm_hash_options, prompt_embeds_size, 128);
KTHENA_AT(kthena_vllm_hash_options, parent, 136);
KTHENA_AT(kthena_vllm_hash_options, parent_size, 144);
KTHENA_AT(kthena_vllm_hash_options, first_block, 152);

static_assert(sizeof(kthena_sglang_hash_options) == 56);
KTHENA_AT(kthena_sglang_hash_options, struct_size, 0);
KTHENA_AT(kthena_sglang_hash_options, kind, 4);
KTHENA_AT(kthena_sglang_hash_options, extra_key, 8);
KTHENA_AT(kthena_sglang_hash_options, cache_salt, 24);
KTHENA_AT(kthena_sglang_hash_options, parent, 40);
KTHENA_AT(kthena_sglang_hash_options, parent_size, 48);

static_assert(sizeof(kthena_xxh3_hash_options) == 56);
KTHENA_AT(kthena_xxh3_hash_options, struct_size, 0);
KTHENA_AT(kthena_xxh3_hash_options, has_seed, 4);
KTHENA_AT(kthena_xxh3_hash_options, seed, 8);
KTHENA_AT(kthena_xxh3_hash_options, lora_name, 16);
KTHENA_AT(kthena_xxh3_hash_options, cache_namespace, 32);
KTHENA_AT(kthena_xxh3_hash_options, parent, 48);

static_assert(sizeof(kthena_llmd_hash_options) == 112);
KTHENA_AT(kthena_llmd_hash_options, struct_size, 0);
KTHENA_AT(kthena_llmd_hash_options, reserved, 4);
KTHENA_AT(kthena_llmd_hash_options, seed, 8);
KTHENA_AT(kthena_llmd_hash_options, model, 24);
KTHENA_AT(kthena_llmd_hash_options, cache_salt, 40);
KTHENA_AT(kthena_llmd_hash_options, multimodal_ids, 56);
KTHENA_AT(kthena_llmd_hash_options, multimodal_id_offsets, 64);
KTHENA_AT(kthena_llmd_hash_options, multimodal_offsets, 72);
KTHENA_AT(kthena_llmd_hash_options, multimodal_lengths, 80);
KTHENA_AT(kthena_llmd_hash_options, multimodal_count, 88);
KTHENA_AT(kthena_llmd_hash_options, parent, 96);
KTHENA_AT(kthena_llmd_hash_options, first_block, 104);

static_assert(sizeof(kthena_fleet_options) == 56);
KTHENA_AT(kthena_fleet_options, struct_size, 0);
KTHENA_AT(kthena_fleet_options, max_tickets, 4);
KTHENA_AT(kthena_fleet_options, max_endpoints, 8);
KTHENA_AT(kthena_fleet_options, max_home_entries, 12);
KTHENA_AT(kthena_fleet_options, routers, 16);
KTHENA_AT(kthena_fleet_options, estimator, 20);
KTHENA_AT(kthena_fleet_options, fixed_rates, 24);
KTHENA_AT(kthena_fleet_options, reserved, 28);
KTHENA_AT(kthena_fleet_options, idle_limit_ns, 32);
KTHENA_AT(kthena_fleet_options, arrival_ns, 40);
KTHENA_AT(kthena_fleet_options, prefix, 48);

static_assert(sizeof(kthena_prompt) == 72);
KTHENA_AT(kthena_prompt, struct_size, 0);
KTHENA_AT(kthena_prompt, reserved, 4);
KTHENA_AT(kthena_prompt, tokens, 8);
KTHENA_AT(kthena_prompt, n, 16);
KTHENA_AT(kthena_prompt, model, 24);
KTHENA_AT(kthena_prompt, adapter, 40);
KTHENA_AT(kthena_prompt, tenant, 56);

static_assert(sizeof(kthena_fleet_counts) == 72);
KTHENA_AT(kthena_fleet_counts, struct_size, 0);
KTHENA_AT(kthena_fleet_counts, in_flight, 4);
KTHENA_AT(kthena_fleet_counts, booked, 8);
KTHENA_AT(kthena_fleet_counts, done, 16);
KTHENA_AT(kthena_fleet_counts, failed, 24);
KTHENA_AT(kthena_fleet_counts, expired, 32);
KTHENA_AT(kthena_fleet_counts, dropped, 40);
KTHENA_AT(kthena_fleet_counts, stale, 48);
KTHENA_AT(kthena_fleet_counts, older_samples, 56);
KTHENA_AT(kthena_fleet_counts, clock_behind, 64);

static_assert(sizeof(kthena_ticket) == 16);
KTHENA_AT(kthena_ticket, generation, 0);
KTHENA_AT(kthena_ticket, slot, 8);
KTHENA_AT(kthena_ticket, reserved, 12);

#endif
#undef KTHENA_AT
