// bindings/c/calls.hpp
//
// What every function of the C interface does at its edges: arguments in, errors out, text out, structs of callers that know another
// version. See the conventions at the head of kthena/kthena.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "kthena/base/status.hpp"
#include "kthena/kthena.h"

namespace kthena::c {

/// Writes code and message into `error`, if there is room for any, and returns the code.
kthena_status fail(kthena_error* error, kthena_status code, std::string_view message) noexcept;

inline kthena_status fail(kthena_error* error, const Status& status) noexcept {
  return fail(error, static_cast<kthena_status>(status.code()), status.message());
}

/// KTHENA_INVALID_ARGUMENT: "<parameter>: <fault>".
kthena_status refuse(kthena_error* error, std::string_view parameter, std::string_view fault);

inline kthena_status refuse_null(kthena_error* error, std::string_view parameter) {
  return refuse(error, parameter, "must not be NULL");
}

/// Runs the body of a function of the interface: nothing is thrown across it.
template <class Body>
kthena_status guarded(kthena_error* error, Body&& body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return fail(error, KTHENA_RESOURCE_EXHAUSTED, "out of memory");
  } catch (const std::length_error&) {
    return fail(error, KTHENA_RESOURCE_EXHAUSTED, "larger than memory can be");
  } catch (const std::exception& exception) {
    return fail(error, KTHENA_INTERNAL, exception.what());
  } catch (...) {
    return fail(error, KTHENA_INTERNAL, "an exception of unknown type");
  }
}

// ---- strings and arrays

constexpr bool is_broken(kthena_str text) noexcept { return text.data == nullptr && text.size != 0; }

/// Empty for a broken one.
constexpr std::string_view view(kthena_str text) noexcept {
  return text.data == nullptr ? std::string_view{} : std::string_view{text.data, text.size};
}

/// `text` is followed by a zero, or has no data at all.
constexpr kthena_str borrow(std::string_view text) noexcept {
  return text.data() == nullptr ? kthena_str{"", 0} : kthena_str{text.data(), text.size()};
}

inline kthena_status check(kthena_str text, std::string_view parameter, kthena_error* error) {
  return is_broken(text) ? refuse(error, parameter, "data is NULL, but size is not 0") : KTHENA_OK;
}

inline kthena_status check_array(const void* array, std::size_t n, std::string_view parameter, kthena_error* error) {
  return array == nullptr && n != 0 ? refuse_null(error, parameter) : KTHENA_OK;
}

/// Offsets of `n` strings in `bytes`: there, and ascending.
kthena_status check_offsets(const uint64_t* offsets, std::size_t n, const char* bytes, std::string_view name,
                            std::string_view bytes_name, kthena_error* error);

/// Text out by convention 7. `make` returns Result<std::string>.
template <class Make>
kthena_status write_text(char* buffer, std::size_t capacity, std::size_t* needed, kthena_error* error, Make&& make) {
  if (needed == nullptr) return refuse_null(error, "needed");
  if (kthena_status status = check_array(buffer, capacity, "buffer", error); status != KTHENA_OK) return status;
  const Result<std::string> text = make();
  if (!text.ok()) return fail(error, text.status());
  *needed = text->size();
  if (text->size() > capacity) {
    return fail(error, KTHENA_OUT_OF_RANGE,
                "the text has " + std::to_string(text->size()) + " bytes, the buffer " + std::to_string(capacity));
  }
  if (!text->empty()) std::memcpy(buffer, text->data(), text->size());
  return KTHENA_OK;
}

// ---- structs with struct_size

/// The sizes that a T can have had: the ends of its members. Specialised below.
template <class T>
inline constexpr std::uint32_t kMemberEnds[1] = {0};

#define KTHENA_END(type, member) static_cast<std::uint32_t>(offsetof(type, member) + sizeof(type::member))
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_request>[] = {KTHENA_END(kthena_request, struct_size),
                                                                KTHENA_END(kthena_request, prompt_tokens),
                                                                KTHENA_END(kthena_request, id),
                                                                KTHENA_END(kthena_request, model),
                                                                KTHENA_END(kthena_request, prefix_depths),
                                                                KTHENA_END(kthena_request, history_depths),
                                                                KTHENA_END(kthena_request, depth_count),
                                                                KTHENA_END(kthena_request, prefix_total),
                                                                KTHENA_END(kthena_request, history_total),
                                                                KTHENA_END(kthena_request, sequence),
                                                                KTHENA_END(kthena_request, now_ns),
                                                                KTHENA_END(kthena_request, seed),
                                                                KTHENA_END(kthena_request, output_tokens),
                                                                KTHENA_END(kthena_request, prefix_block_tokens),
                                                                KTHENA_END(kthena_request, history_block_tokens),
                                                                KTHENA_END(kthena_request, reserved),
                                                                KTHENA_END(kthena_request, prefix_host_depths),
                                                                KTHENA_END(kthena_request, prefix_disk_depths),
                                                                KTHENA_END(kthena_request, history_host_depths),
                                                                KTHENA_END(kthena_request, history_disk_depths),
                                                                KTHENA_END(kthena_request, session),
                                                                KTHENA_END(kthena_request, near_to),
                                                                KTHENA_END(kthena_request, slo_ttft_s),
                                                                KTHENA_END(kthena_request, slo_tpot_s)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_pool_endpoints>[] = {
    KTHENA_END(kthena_pool_endpoints, struct_size),
    KTHENA_END(kthena_pool_endpoints, reserved),
    KTHENA_END(kthena_pool_endpoints, n),
    KTHENA_END(kthena_pool_endpoints, id_bytes),
    KTHENA_END(kthena_pool_endpoints, id_offsets),
    KTHENA_END(kthena_pool_endpoints, model_bytes),
    KTHENA_END(kthena_pool_endpoints, model_offsets),
    KTHENA_END(kthena_pool_endpoints, endpoint_models),
    KTHENA_END(kthena_pool_endpoints, waiting_bytes),
    KTHENA_END(kthena_pool_endpoints, waiting_offsets),
    KTHENA_END(kthena_pool_endpoints, endpoint_waiting),
    KTHENA_END(kthena_pool_endpoints, place_bytes),
    KTHENA_END(kthena_pool_endpoints, place_offsets)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_scorer>[] = {
    KTHENA_END(kthena_scorer, struct_size), KTHENA_END(kthena_scorer, reserved),
    KTHENA_END(kthena_scorer, name),        KTHENA_END(kthena_scorer, context),
    KTHENA_END(kthena_scorer, score),       KTHENA_END(kthena_scorer, free_context)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_decision>[] = {
    KTHENA_END(kthena_decision, struct_size),    KTHENA_END(kthena_decision, outcome),
    KTHENA_END(kthena_decision, endpoint),       KTHENA_END(kthena_decision, reason),
    KTHENA_END(kthena_decision, reason_subject), KTHENA_END(kthena_decision, candidates),
    KTHENA_END(kthena_decision, reason_a),       KTHENA_END(kthena_decision, reason_b),
    KTHENA_END(kthena_decision, score),          KTHENA_END(kthena_decision, margin),
    KTHENA_END(kthena_decision, ranked_count),   KTHENA_END(kthena_decision, ranked),
    KTHENA_END(kthena_decision, stage)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_prefix_index_options>[] = {
    KTHENA_END(kthena_prefix_index_options, struct_size),
    KTHENA_END(kthena_prefix_index_options, block_tokens),
    KTHENA_END(kthena_prefix_index_options, max_workers),
    KTHENA_END(kthena_prefix_index_options, shared_engine_hashes),
    KTHENA_END(kthena_prefix_index_options, max_orphan_blocks),
    KTHENA_END(kthena_prefix_index_options, seed),
    KTHENA_END(kthena_prefix_index_options, max_expected_blocks),
    KTHENA_END(kthena_prefix_index_options, expected_ttl_ns),
    KTHENA_END(kthena_prefix_index_options, count_copies),
    KTHENA_END(kthena_prefix_index_options, wide_contents)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_prefix_stats>[] = {KTHENA_END(kthena_prefix_stats, struct_size),
                                                                     KTHENA_END(kthena_prefix_stats, reserved),
                                                                     KTHENA_END(kthena_prefix_stats, workers),
                                                                     KTHENA_END(kthena_prefix_stats, memberships),
                                                                     KTHENA_END(kthena_prefix_stats, unique_blocks),
                                                                     KTHENA_END(kthena_prefix_stats, orphan_blocks),
                                                                     KTHENA_END(kthena_prefix_stats, orphans_dropped),
                                                                     KTHENA_END(kthena_prefix_stats, unknown_removes),
                                                                     KTHENA_END(kthena_prefix_stats, rehashed_blocks),
                                                                     KTHENA_END(kthena_prefix_stats, approximate_bytes),
                                                                     KTHENA_END(kthena_prefix_stats, runs),
                                                                     KTHENA_END(kthena_prefix_stats, unswept_blocks),
                                                                     KTHENA_END(kthena_prefix_stats, sweeps),
                                                                     KTHENA_END(kthena_prefix_stats, unresolved_stores),
                                                                     KTHENA_END(kthena_prefix_stats, expected_blocks),
                                                                     KTHENA_END(kthena_prefix_stats, promoted_blocks),
                                                                     KTHENA_END(kthena_prefix_stats, expired_blocks),
                                                                     KTHENA_END(kthena_prefix_stats, evicted_blocks),
                                                                     KTHENA_END(kthena_prefix_stats, copied_blocks)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_prefix_pick_rule>[] = {
    KTHENA_END(kthena_prefix_pick_rule, struct_size), KTHENA_END(kthena_prefix_pick_rule, has_block_cost),
    KTHENA_END(kthena_prefix_pick_rule, tie_seed), KTHENA_END(kthena_prefix_pick_rule, block_cost),
    KTHENA_END(kthena_prefix_pick_rule, reserved)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_prefix_pick>[] = {
    KTHENA_END(kthena_prefix_pick, struct_size), KTHENA_END(kthena_prefix_pick, worker),
    KTHENA_END(kthena_prefix_pick, depth), KTHENA_END(kthena_prefix_pick, reserved),
    KTHENA_END(kthena_prefix_pick, cost)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_prefix_event>[] = {KTHENA_END(kthena_prefix_event, struct_size),
                                                                     KTHENA_END(kthena_prefix_event, kind),
                                                                     KTHENA_END(kthena_prefix_event, worker),
                                                                     KTHENA_END(kthena_prefix_event, tier),
                                                                     KTHENA_END(kthena_prefix_event, namespace_key),
                                                                     KTHENA_END(kthena_prefix_event, parent),
                                                                     KTHENA_END(kthena_prefix_event, has_parent),
                                                                     KTHENA_END(kthena_prefix_event, reserved),
                                                                     KTHENA_END(kthena_prefix_event, n),
                                                                     KTHENA_END(kthena_prefix_event, engine_hashes),
                                                                     KTHENA_END(kthena_prefix_event, content_hashes),
                                                                     KTHENA_END(kthena_prefix_event, content_uppers)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_engine_parser_options>[] = {
    KTHENA_END(kthena_engine_parser_options, struct_size), KTHENA_END(kthena_engine_parser_options, max_ranks),
    KTHENA_END(kthena_engine_parser_options, model), KTHENA_END(kthena_engine_parser_options, max_bytes)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_engine_counts>[] = {
    KTHENA_END(kthena_engine_counts, struct_size), KTHENA_END(kthena_engine_counts, reserved),
    KTHENA_END(kthena_engine_counts, lines),       KTHENA_END(kthena_engine_counts, used),
    KTHENA_END(kthena_engine_counts, other),       KTHENA_END(kthena_engine_counts, broken),
    KTHENA_END(kthena_engine_counts, unusable),    KTHENA_END(kthena_engine_counts, other_models),
    KTHENA_END(kthena_engine_counts, over_limits)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_engine_sample_info>[] = {
    KTHENA_END(kthena_engine_sample_info, struct_size),
    KTHENA_END(kthena_engine_sample_info, has_adapters),
    KTHENA_END(kthena_engine_sample_info, sampled_ns),
    KTHENA_END(kthena_engine_sample_info, adapters_maximum),
    KTHENA_END(kthena_engine_sample_info, ranks),
    KTHENA_END(kthena_engine_sample_info, models),
    KTHENA_END(kthena_engine_sample_info, adapters_running),
    KTHENA_END(kthena_engine_sample_info, adapters_waiting)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_histogram>[] = {
    KTHENA_END(kthena_histogram, struct_size), KTHENA_END(kthena_histogram, size),
    KTHENA_END(kthena_histogram, bounds),      KTHENA_END(kthena_histogram, cumulative),
    KTHENA_END(kthena_histogram, count),       KTHENA_END(kthena_histogram, sum)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_kv_stream_options>[] = {
    KTHENA_END(kthena_kv_stream_options, struct_size),
    KTHENA_END(kthena_kv_stream_options, worker),
    KTHENA_END(kthena_kv_stream_options, model),
    KTHENA_END(kthena_kv_stream_options, group),
    KTHENA_END(kthena_kv_stream_options, no_replay),
    KTHENA_END(kthena_kv_stream_options, has_rank),
    KTHENA_END(kthena_kv_stream_options, rank),
    KTHENA_END(kthena_kv_stream_options, max_bytes),
    KTHENA_END(kthena_kv_stream_options, max_tracked_blocks)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_kv_step>[] = {
    KTHENA_END(kthena_kv_step, struct_size),    KTHENA_END(kthena_kv_step, outcome),
    KTHENA_END(kthena_kv_step, state),          KTHENA_END(kthena_kv_step, cleared),
    KTHENA_END(kthena_kv_step, wants_replay),   KTHENA_END(kthena_kv_step, reserved),
    KTHENA_END(kthena_kv_step, replay_from),    KTHENA_END(kthena_kv_step, replay_to),
    KTHENA_END(kthena_kv_step, stored_blocks),  KTHENA_END(kthena_kv_step, removed_blocks),
    KTHENA_END(kthena_kv_step, clears),         KTHENA_END(kthena_kv_step, unknown_events),
    KTHENA_END(kthena_kv_step, unknown_fields), KTHENA_END(kthena_kv_step, unknown_media),
    KTHENA_END(kthena_kv_step, other_groups),   KTHENA_END(kthena_kv_step, unmapped),
    KTHENA_END(kthena_kv_step, over_limits),    KTHENA_END(kthena_kv_step, refused)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_kv_stream_info>[] = {
    KTHENA_END(kthena_kv_stream_info, struct_size),   KTHENA_END(kthena_kv_stream_info, state),
    KTHENA_END(kthena_kv_stream_info, next_sequence), KTHENA_END(kthena_kv_stream_info, applied),
    KTHENA_END(kthena_kv_stream_info, duplicates),    KTHENA_END(kthena_kv_stream_info, held_back),
    KTHENA_END(kthena_kv_stream_info, gaps),          KTHENA_END(kthena_kv_stream_info, lost),
    KTHENA_END(kthena_kv_stream_info, restarts),      KTHENA_END(kthena_kv_stream_info, malformed),
    KTHENA_END(kthena_kv_stream_info, tracked_blocks)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_vllm_hash_options>[] = {
    KTHENA_END(kthena_vllm_hash_options, struct_size),
    KTHENA_END(kthena_vllm_hash_options, algorithm),
    KTHENA_END(kthena_vllm_hash_options, key_form),
    KTHENA_END(kthena_vllm_hash_options, reserved),
    KTHENA_END(kthena_vllm_hash_options, seed),
    KTHENA_END(kthena_vllm_hash_options, lora_name),
    KTHENA_END(kthena_vllm_hash_options, lora_path),
    KTHENA_END(kthena_vllm_hash_options, cache_salt),
    KTHENA_END(kthena_vllm_hash_options, multimodal_ids),
    KTHENA_END(kthena_vllm_hash_options, multimodal_id_offsets),
    KTHENA_END(kthena_vllm_hash_options, multimodal_offsets),
    KTHENA_END(kthena_vllm_hash_options, multimodal_lengths),
    KTHENA_END(kthena_vllm_hash_options, multimodal_count),
    KTHENA_END(kthena_vllm_hash_options, prompt_embeds),
    KTHENA_END(kthena_vllm_hash_options, prompt_embeds_size),
    KTHENA_END(kthena_vllm_hash_options, parent),
    KTHENA_END(kthena_vllm_hash_options, parent_size),
    KTHENA_END(kthena_vllm_hash_options, first_block)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_sglang_hash_options>[] = {
    KTHENA_END(kthena_sglang_hash_options, struct_size), KTHENA_END(kthena_sglang_hash_options, kind),
    KTHENA_END(kthena_sglang_hash_options, extra_key),   KTHENA_END(kthena_sglang_hash_options, cache_salt),
    KTHENA_END(kthena_sglang_hash_options, parent),      KTHENA_END(kthena_sglang_hash_options, parent_size)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_xxh3_hash_options>[] = {
    KTHENA_END(kthena_xxh3_hash_options, struct_size),
    KTHENA_END(kthena_xxh3_hash_options, has_seed),
    KTHENA_END(kthena_xxh3_hash_options, seed),
    KTHENA_END(kthena_xxh3_hash_options, lora_name),
    KTHENA_END(kthena_xxh3_hash_options, cache_namespace),
    KTHENA_END(kthena_xxh3_hash_options, parent)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_llmd_hash_options>[] = {
    KTHENA_END(kthena_llmd_hash_options, struct_size),
    KTHENA_END(kthena_llmd_hash_options, reserved),
    KTHENA_END(kthena_llmd_hash_options, seed),
    KTHENA_END(kthena_llmd_hash_options, model),
    KTHENA_END(kthena_llmd_hash_options, cache_salt),
    KTHENA_END(kthena_llmd_hash_options, multimodal_ids),
    KTHENA_END(kthena_llmd_hash_options, multimodal_id_offsets),
    KTHENA_END(kthena_llmd_hash_options, multimodal_offsets),
    KTHENA_END(kthena_llmd_hash_options, multimodal_lengths),
    KTHENA_END(kthena_llmd_hash_options, multimodal_count),
    KTHENA_END(kthena_llmd_hash_options, parent),
    KTHENA_END(kthena_llmd_hash_options, first_block)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_fleet_options>[] = {
    KTHENA_END(kthena_fleet_options, struct_size),   KTHENA_END(kthena_fleet_options, max_tickets),
    KTHENA_END(kthena_fleet_options, max_endpoints), KTHENA_END(kthena_fleet_options, max_home_entries),
    KTHENA_END(kthena_fleet_options, routers),       KTHENA_END(kthena_fleet_options, estimator),
    KTHENA_END(kthena_fleet_options, fixed_rates),   KTHENA_END(kthena_fleet_options, reserved),
    KTHENA_END(kthena_fleet_options, idle_limit_ns), KTHENA_END(kthena_fleet_options, arrival_ns),
    KTHENA_END(kthena_fleet_options, prefix)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_prompt>[] = {
    KTHENA_END(kthena_prompt, struct_size), KTHENA_END(kthena_prompt, reserved), KTHENA_END(kthena_prompt, tokens),
    KTHENA_END(kthena_prompt, n),           KTHENA_END(kthena_prompt, model),    KTHENA_END(kthena_prompt, adapter),
    KTHENA_END(kthena_prompt, tenant)};
template <>
inline constexpr std::uint32_t kMemberEnds<kthena_fleet_counts>[] = {
    KTHENA_END(kthena_fleet_counts, struct_size),   KTHENA_END(kthena_fleet_counts, in_flight),
    KTHENA_END(kthena_fleet_counts, booked),        KTHENA_END(kthena_fleet_counts, done),
    KTHENA_END(kthena_fleet_counts, failed),        KTHENA_END(kthena_fleet_counts, expired),
    KTHENA_END(kthena_fleet_counts, dropped),       KTHENA_END(kthena_fleet_counts, stale),
    KTHENA_END(kthena_fleet_counts, older_samples), KTHENA_END(kthena_fleet_counts, clock_behind)};
#undef KTHENA_END

/// The largest struct_size that is believed.
inline constexpr std::uint32_t kMaxStructSize = 4096;

/// Whether a caller may know a T by this size.
template <class T>
constexpr bool is_size_of(std::uint32_t size) noexcept {
  if (size >= sizeof(T)) return size <= kMaxStructSize;
  for (const std::uint32_t end : kMemberEnds<T>)
    if (size == end) return true;
  return false;
}

kthena_status refuse_size(kthena_error* error, std::string_view parameter, std::uint32_t size);

/// For an output struct: whether write_struct() may follow.
template <class T>
kthena_status check_struct(const T* out, std::string_view parameter, kthena_error* error) {
  if (out == nullptr) return refuse_null(error, parameter);
  return is_size_of<T>(out->struct_size) ? KTHENA_OK : refuse_size(error, parameter, out->struct_size);
}

/// Writes the members that the caller knows, but struct_size.
template <class T>
void write_struct(T* out, const T& value) noexcept {
  constexpr std::size_t kFirst = sizeof(out->struct_size);
  const std::size_t known = out->struct_size < sizeof(T) ? out->struct_size : sizeof(T);
  std::memcpy(reinterpret_cast<char*>(out) + kFirst, reinterpret_cast<const char*>(&value) + kFirst, known - kFirst);
}

/// For an input struct: `copy` becomes what the caller gave, as this library knows it.
template <class T>
kthena_status read_struct(const T* in, std::string_view parameter, T& copy, kthena_error* error) {
  if (kthena_status status = check_struct(in, parameter, error); status != KTHENA_OK) return status;
  const std::size_t size = in->struct_size;
  const char* bytes = reinterpret_cast<const char*>(in);
  for (std::size_t i = sizeof(T); i < size; ++i)
    if (bytes[i] != 0) return refuse(error, parameter, "has members set that this library does not know");
  copy = {};
  std::memcpy(&copy, bytes, size < sizeof(T) ? size : sizeof(T));
  return KTHENA_OK;
}

}  // namespace kthena::c
