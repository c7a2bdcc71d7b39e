// bindings/c/layout.cpp
//
// The layout of every struct of the interface on machines with 64-bit pointers, and the rules that hold on all: nothing here can change
// without breaking programs that were built before.
#include <cstddef>
#include <type_traits>

#include "calls.hpp"
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

static_assert(ends_in_a_member<kthena_request>());
static_assert(ends_in_a_member<kthena_decision>());
static_assert(ends_in_a_member<kthena_prefix_index_options>());
static_assert(ends_in_a_member<kthena_prefix_stats>());

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

static_assert(sizeof(kthena_request) == 96);
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
KTHENA_AT(kthena_decision, reserved, 124);

static_assert(sizeof(kthena_prefix_index_options) == 32);
KTHENA_AT(kthena_prefix_index_options, struct_size, 0);
KTHENA_AT(kthena_prefix_index_options, block_tokens, 4);
KTHENA_AT(kthena_prefix_index_options, max_workers, 8);
KTHENA_AT(kthena_prefix_index_options, reserved, 12);
KTHENA_AT(kthena_prefix_index_options, max_orphan_blocks, 16);
KTHENA_AT(kthena_prefix_index_options, seed, 24);

static_assert(sizeof(kthena_prefix_stats) == 72);
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

#endif
#undef KTHENA_AT
