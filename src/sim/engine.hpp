// Engine: one simulated inference engine, scheduled step by step as vLLM V1 does: first come first served, chunked prefill within a token
// budget, head-of-line blocking (but for adapters beyond max_adapters, which those behind may pass), preemption of the last one running, prefix cache (block_cache.hpp). tests/sim/recordings_test.cpp holds it to
// what a real one did.
//
// All decoding sequences advance by one token in every step. So a step does not touch them one by one: it keeps their number and the
// sum of their contexts, and a ring of buckets, by step number, holds those that next need a block or end. A sequence costs
// O(blocks) in all, a step O(sequences that change in it).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kthena/base/engine_model.hpp"
#include "kthena/base/time.hpp"
#include "kthena/sim/engines.hpp"
#include "kthena/sim/workload.hpp"
#include "sim/adapter_slots.hpp"
#include "sim/block_cache.hpp"
#include "sim/block_chains.hpp"

namespace kthena::sim::detail {

/// What an engine knows of one request. While it decodes, `computed` and `generated` are those at `entry_step`; both grow by one a step.
struct Sequence {
  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;
  enum State : std::uint32_t { kIdle = 0, kWaiting, kPrefill, kDecode };

  State state = kIdle;
  std::uint32_t preempted = 0;  // times
  std::uint32_t chain = 0;      // first element in BlockChains::ids and in the block table
  std::uint32_t prompt = 0;
  std::uint32_t output = 0;
  std::uint32_t computed = 0;    // tokens with KV
  std::uint32_t generated = 0;   // answer tokens so far
  std::uint32_t held = 0;        // blocks
  std::uint32_t entry_step = 0;  // first step in which it decodes
  std::uint32_t order = 0;       // of admission: smaller was first
  std::uint32_t next = kNone;    // in the waiting or running list
  std::uint32_t previous = kNone;
  std::uint32_t wake_step = 0;  // next step that must look at it
  std::uint32_t wake_next = kNone;
  std::uint32_t wake_previous = kNone;
  std::uint32_t hit = 0;      // tokens found in the cache at first admission
  Time last_token_ns = 0;     // kept when it is preempted
  Time admitted_ns = kNever;  // first admission: the start of that step
  Time first_token_ns = kNever;
  Time end_ns = kNever;
};

/// Counters since the start.
struct EngineCounters {
  std::uint64_t finished = 0;
  std::uint64_t steps = 0;
  std::uint64_t preemptions = 0;
  std::uint64_t admissions = 0;
  std::uint64_t computed_tokens = 0;
  std::uint64_t hit_tokens = 0;   // of all admissions
  std::uint64_t lost_tokens = 0;  // given up by preemption
  std::uint64_t adapter_loads = 0;
  std::uint32_t peak_blocks = 0;
  Duration busy_ns = 0;
  // As an engine exposes them for scraping: sums of nanoseconds and numbers of samples.
  Duration ttft_sum_ns = 0;
  std::uint64_t ttft_count = 0;
  Duration tpot_sum_ns = 0;
  std::uint64_t tpot_count = 0;
};

class Engine {
 public:
  /// `sequences`: one per request. `table`: as long as chains.ids; where the blocks of a sequence lie. `adapter_ids`: one per request, or
  /// none. All outlive the engine.
  Engine(const EngineModel& model, const BlockChains& chains, std::span<Sequence> sequences,
         std::span<std::uint32_t> table, std::span<const std::uint32_t> adapter_ids = {});

  /// A request arrives. Its sequence must be idle, its first_token_ns etc. reset by reset().
  void enqueue(std::uint32_t request, Time now);

  [[nodiscard]] bool stepping() const noexcept { return stepping_; }
  [[nodiscard]] bool empty() const noexcept { return running_count_ + waiting_count_ == 0; }
  /// Schedules a step; it ends after the returned time. Requires !stepping() && !empty().
  Duration start_step(Time now);
  /// Applies the step. Requests that ended are in finished() until the next step ends.
  void end_step(Time now);

  [[nodiscard]] std::span<const std::uint32_t> finished() const noexcept { return finished_; }
  /// Requests whose first token came with the step that ended last.
  [[nodiscard]] std::span<const std::uint32_t> first_tokens() const noexcept { return first_tokens_; }
  [[nodiscard]] std::uint32_t running() const noexcept { return running_count_; }
  [[nodiscard]] std::uint32_t waiting() const noexcept { return waiting_count_; }
  [[nodiscard]] const EngineCounters& counters() const noexcept { return counters_; }
  /// Running and waiting requests by adapter; none when the workload has no adapters.
  [[nodiscard]] const AdapterSlots& adapters() const noexcept { return adapters_; }
  [[nodiscard]] const BlockCache& cache() const noexcept { return cache_; }
  __extension__ using Wide = __int128;
  /// Integral over time of requests in the engine up to the last change.
  [[nodiscard]] Wide request_ns() const noexcept { return request_ns_; }

  /// KV events since they were last taken out, in order: a content id that was stored, or kRemoved | id. Recorded when asked for.
  static constexpr std::uint32_t kRemoved = 0x80000000u;
  void record_kv_events() noexcept { record_ = true; }
  [[nodiscard]] std::vector<std::uint32_t>& kv_events() noexcept { return kv_events_; }

 private:
  static constexpr std::uint32_t kNone = Sequence::kNone;
  static constexpr std::uint32_t kRing = 1024;  // buckets; farther steps wait for their turn of the ring

  struct Prefill {
    std::uint32_t request;
    std::uint32_t tokens;
  };

  void schedule_decodes(Time now);
  void schedule_partial(Time now);
  void admit_waiting();
  [[nodiscard]] std::uint32_t adapter_of(std::uint32_t request) const noexcept {
    return adapter_ids_.empty() ? kNoAdapter : adapter_ids_[request];
  }
  [[nodiscard]] bool adapter_may_run(std::uint32_t request) const noexcept {
    const std::uint32_t adapter = adapter_of(request);
    return adapter == kNoAdapter || adapters_.may_run(adapter);
  }
  bool admit(std::uint32_t request);
  void compute_prefill(std::uint32_t request, std::uint32_t tokens);
  void preempt(std::uint32_t request, Time now);
  void start_decoding(std::uint32_t request);
  void stop_decoding(const Sequence& sequence) noexcept;
  void finish(std::uint32_t request, Time now);
  void take_blocks(Sequence& sequence, std::uint32_t blocks);
  void store_block(const Sequence& sequence, std::uint32_t at);
  void set_wake(std::uint32_t request) noexcept;
  void clear_wake(const Sequence& sequence) noexcept;
  void collect_wakes();
  void count_time(Time now) noexcept;
  [[nodiscard]] std::uint32_t blocks_for(std::uint32_t tokens) const noexcept {
    return (tokens + block_tokens_ - 1) / block_tokens_;
  }

  const EngineModel model_;
  const std::uint32_t block_tokens_;
  const std::uint32_t* ids_;
  Sequence* sequences_;
  std::uint32_t* table_;
  BlockCache cache_;
  std::span<const std::uint32_t> adapter_ids_;
  AdapterSlots adapters_;

  std::uint32_t step_ = 0;
  bool stepping_ = false;
  bool preempted_ = false;     // in this step
  bool head_blocked_ = false;  // of the waiting ones none could be admitted, and nothing that matters changed since
  bool record_ = false;
  std::uint32_t budget_ = 0;
  std::uint32_t loads_ = 0;  // adapters, in this step
  std::uint32_t order_ = 0;
  Time step_start_ns_ = 0;
  StepLoad load_;

  std::uint32_t running_last_ = kNone;
  std::uint32_t running_count_ = 0;
  std::uint32_t waiting_first_ = kNone;
  std::uint32_t waiting_last_ = kNone;
  std::uint32_t waiting_count_ = 0;
  std::uint32_t decoding_ = 0;
  std::int64_t context_base_ = 0;  // sum over decoding of (context at step s) - s
  std::uint32_t partial_ = kNone;  // the one whose prefill is not complete; it is the last one running

  std::vector<std::uint32_t> ring_;
  std::vector<std::uint32_t> wakes_;   // of this step, in order of admission
  std::vector<std::uint32_t> ending_;  // decodes that end with this step
  std::vector<Prefill> prefills_;
  std::vector<std::uint32_t> finished_;
  std::vector<std::uint32_t> first_tokens_;
  std::vector<std::uint32_t> kv_events_;

  EngineCounters counters_;
  Wide request_ns_ = 0;
  Time counted_until_ns_ = 0;
};

}  // namespace kthena::sim::detail
