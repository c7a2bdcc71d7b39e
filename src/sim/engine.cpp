#include "sim/engine.hpp"

#include <algorithm>

namespace kthena::sim::detail {
namespace {

/// One more than the largest adapter.
std::size_t adapter_count(std::span<const std::uint32_t> ids) {
  std::size_t count = 0;
  for (const std::uint32_t id : ids)
    if (id != kNoAdapter) count = std::max(count, std::size_t{id} + 1);
  return count;
}

}  // namespace

Engine::Engine(const EngineModel& model, const BlockChains& chains, std::span<Sequence> sequences,
               std::span<std::uint32_t> table, std::span<const std::uint32_t> adapter_ids)
    : model_(model),
      block_tokens_(model.block_tokens),
      ids_(chains.ids.data()),
      sequences_(sequences.data()),
      table_(table.data()),
      cache_(static_cast<std::uint32_t>(kv_blocks(model)), chains.total),
      adapter_ids_(adapter_ids),
      adapters_(adapter_count(adapter_ids), model.max_adapters),
      ring_(kRing, kNone) {
  const std::size_t most = std::min<std::size_t>(model.max_running, sequences.size());
  wakes_.reserve(most);
  ending_.reserve(most);
  prefills_.reserve(most);
  finished_.reserve(most);
}

void Engine::count_time(Time now) noexcept {
  request_ns_ += static_cast<Wide>(running_count_ + waiting_count_) * (now - counted_until_ns_);
  counted_until_ns_ = now;
}

void Engine::enqueue(std::uint32_t request, Time now) {
  count_time(now);
  Sequence& s = sequences_[request];
  s.state = Sequence::kWaiting;
  s.last_token_ns = now;
  s.previous = waiting_last_;
  s.next = kNone;
  (waiting_last_ == kNone ? waiting_first_ : sequences_[waiting_last_].next) = request;
  waiting_last_ = request;
  if (waiting_count_++ == 0) head_blocked_ = false;
  if (const std::uint32_t adapter = adapter_of(request); adapter != kNoAdapter) adapters_.queued(adapter);
  if (!adapter_ids_.empty()) head_blocked_ = false;  // it may pass those whose adapters may not run
}

// ---- one step

Duration Engine::start_step(Time now) {
  ++step_;
  stepping_ = true;
  preempted_ = false;
  step_start_ns_ = now;
  load_ = {};
  loads_ = 0;
  ending_.clear();
  prefills_.clear();
  if (ring_[step_ % kRing] != kNone) schedule_decodes(now);
  budget_ = model_.max_batched_tokens - decoding_;  // >= 0: one is admitted only while there is budget left for it
  if (partial_ != kNone) schedule_partial(now);
  if (waiting_count_ > 0 && !preempted_ && !head_blocked_) admit_waiting();

  load_.tokens += decoding_;
  load_.sequences = decoding_ + prefills_.size();
  load_.context_tokens = static_cast<std::uint64_t>(context_base_ + static_cast<std::int64_t>(decoding_) * step_);
  counters_.peak_blocks = std::max(counters_.peak_blocks, cache_.referenced());
  const double seconds = step_seconds(model_, load_) + model_.adapter_load_s * static_cast<double>(loads_);
  return from_seconds(std::min(seconds, 1e5));
}

void Engine::end_step(Time now) {
  stepping_ = false;
  const Duration took = now - step_start_ns_;
  counters_.steps += 1;
  counters_.busy_ns += took;
  counters_.computed_tokens += load_.tokens;
  counters_.tpot_sum_ns += took * decoding_;
  counters_.tpot_count += decoding_;
  finished_.clear();
  first_tokens_.clear();
  if (!ending_.empty() || !prefills_.empty()) count_time(now);
  for (const std::uint32_t request : ending_) {
    stop_decoding(sequences_[request]);
    finish(request, now);
  }
  for (const Prefill& prefill : prefills_) {
    Sequence& s = sequences_[prefill.request];
    const std::uint32_t target = s.prompt + s.generated;
    s.computed += prefill.tokens;
    if (s.computed < target) continue;
    if (partial_ == prefill.request) partial_ = kNone;
    if (s.generated++ == 0) {
      s.first_token_ns = now;
      first_tokens_.push_back(prefill.request);
      counters_.ttft_sum_ns += now - s.last_token_ns;
      ++counters_.ttft_count;
    } else {
      counters_.tpot_sum_ns += now - s.last_token_ns;
      ++counters_.tpot_count;
    }
    if (s.generated == s.output) {
      finish(prefill.request, now);
    } else {
      start_decoding(prefill.request);
    }
  }
}

// Those that need a block in this step get one, first come first served; blocks that it fills can be found from now on; those that end
// with it are noted.
void Engine::schedule_decodes(Time now) {
  collect_wakes();
  for (const std::uint32_t request : wakes_) {
    Sequence& s = sequences_[request];
    if (s.state != Sequence::kDecode) continue;  // preempted for one before it
    const std::uint32_t computed = s.computed + (step_ - s.entry_step);
    if (computed == s.held * block_tokens_) {
      while (cache_.free() == 0) {
        const std::uint32_t last = running_last_;
        preempt(last, now);
        if (last == request) break;
      }
      if (s.state != Sequence::kDecode) continue;
      take_blocks(s, 1);
    }
    if (computed + 1 == s.held * block_tokens_) store_block(s, s.held - 1);
    if (step_ == s.entry_step + (s.output - s.generated) - 1) {
      ending_.push_back(request);
    } else {
      set_wake(request);
    }
  }
}

void Engine::schedule_partial(Time now) {
  const std::uint32_t request = partial_;
  const Sequence& s = sequences_[request];
  const std::uint32_t tokens = std::min(budget_, s.prompt + s.generated - s.computed);
  const std::uint32_t blocks = blocks_for(s.computed + tokens);
  if (blocks > s.held && blocks - s.held > cache_.free()) {
    preempt(request, now);  // it is the last one
    return;
  }
  compute_prefill(request, tokens);
}

// Those whose adapter may not run are passed; the first that does not fit ends it.
void Engine::admit_waiting() {
  std::uint32_t next = waiting_first_;
  while (next != kNone && budget_ > 0 && running_count_ < model_.max_running) {
    const std::uint32_t request = next;
    next = sequences_[request].next;
    if (!adapter_may_run(request)) continue;
    if (!admit(request)) {
      head_blocked_ = true;
      return;
    }
  }
  if (next == kNone) head_blocked_ = true;  // all that still wait were passed
}

bool Engine::admit(std::uint32_t request) {
  Sequence& s = sequences_[request];
  const std::uint32_t target = s.prompt + s.generated;
  const std::uint32_t* ids = ids_ + s.chain;
  std::uint32_t* table = table_ + s.chain;
  const std::uint32_t limit = (target - 1) / block_tokens_;
  std::uint32_t hit = 0;
  std::uint32_t hit_free = 0;
  for (; hit < limit; ++hit) {
    const std::uint32_t block = cache_.find(ids[hit]);
    if (block == BlockCache::kNone) break;
    table[hit] = block;
    hit_free += cache_.is_free(block) ? 1 : 0;
  }
  const std::uint32_t hit_tokens = hit * block_tokens_;
  if (blocks_for(target) - hit + hit_free > cache_.free())
    return false;  // the whole prompt must fit, also if it is cut

  (s.previous == kNone ? waiting_first_ : sequences_[s.previous].next) = s.next;
  (s.next == kNone ? waiting_last_ : sequences_[s.next].previous) = s.previous;
  --waiting_count_;
  if (const std::uint32_t adapter = adapter_of(request); adapter != kNoAdapter && adapters_.admitted(adapter)) {
    ++loads_;
    ++counters_.adapter_loads;
  }
  s.next = kNone;
  s.previous = running_last_;
  if (running_last_ != kNone) sequences_[running_last_].next = request;
  running_last_ = request;
  ++running_count_;
  s.state = Sequence::kPrefill;
  s.order = order_++;

  for (std::uint32_t i = 0; i < hit; ++i) cache_.reference(table[i]);
  s.held = hit;
  s.computed = hit_tokens;
  if (s.preempted == 0) {
    s.hit = hit_tokens;
    s.admitted_ns = step_start_ns_;
  }
  ++counters_.admissions;
  counters_.hit_tokens += hit_tokens;
  partial_ = request;
  compute_prefill(request, std::min(budget_, target - hit_tokens));
  return true;
}

// Blocks for the next `tokens` of a prefill. Full blocks can be found from now on, by requests of this very step too.
void Engine::compute_prefill(std::uint32_t request, std::uint32_t tokens) {
  Sequence& s = sequences_[request];
  const std::uint32_t after = s.computed + tokens;
  const std::uint32_t blocks = blocks_for(after);
  if (blocks > s.held) take_blocks(s, blocks - s.held);
  for (std::uint32_t i = s.computed / block_tokens_; i < after / block_tokens_; ++i) store_block(s, i);
  prefills_.push_back({request, tokens});
  load_.tokens += tokens;
  load_.prefill_pairs2 += std::uint64_t{tokens} * (2 * std::uint64_t{s.computed} + tokens);
  budget_ -= tokens;
  head_blocked_ = false;
}

void Engine::take_blocks(Sequence& sequence, std::uint32_t blocks) {
  std::uint32_t* out = table_ + sequence.chain + sequence.held;
  for (std::uint32_t i = 0; i < blocks; ++i) {
    std::uint32_t evicted = BlockCache::kNone;
    out[i] = cache_.take(evicted);
    if (record_ && evicted != BlockCache::kNone) kv_events_.push_back(kRemoved | evicted);
  }
  sequence.held += blocks;
}

void Engine::store_block(const Sequence& sequence, std::uint32_t at) {
  const std::uint32_t id = ids_[sequence.chain + at];
  cache_.store(table_[sequence.chain + at], id);
  if (record_) kv_events_.push_back(id);
}

// ---- leaving

// Gives back everything; what it computed stays in the cache, its answer too, so that it may find it again.
void Engine::preempt(std::uint32_t request, Time now) {
  Sequence& s = sequences_[request];
  if (s.state == Sequence::kDecode) {
    if (s.wake_step != step_) clear_wake(s);
    stop_decoding(s);
    const std::uint32_t decoded = step_ - s.entry_step;
    s.computed += decoded;
    s.generated += decoded;
    s.last_token_ns = now;
  } else {
    partial_ = kNone;
  }
  for (std::uint32_t i = s.held; i > 0; --i) cache_.release(table_[s.chain + i - 1]);

  running_last_ = s.previous;
  if (running_last_ != kNone) sequences_[running_last_].next = kNone;
  --running_count_;
  s.previous = kNone;
  s.next = waiting_first_;
  (waiting_first_ == kNone ? waiting_last_ : sequences_[waiting_first_].previous) = request;
  waiting_first_ = request;
  ++waiting_count_;

  if (const std::uint32_t adapter = adapter_of(request); adapter != kNoAdapter) {
    adapters_.left(adapter, step_ - 1);
    adapters_.queued(adapter);
  }
  ++counters_.preemptions;
  counters_.lost_tokens += s.computed;
  s.state = Sequence::kWaiting;
  s.computed = 0;
  s.held = 0;
  ++s.preempted;
  preempted_ = true;
  head_blocked_ = false;
}

void Engine::finish(std::uint32_t request, Time now) {
  Sequence& s = sequences_[request];
  for (std::uint32_t i = s.held; i > 0; --i) cache_.release(table_[s.chain + i - 1]);

  (s.next == kNone ? running_last_ : sequences_[s.next].previous) = s.previous;
  if (s.previous != kNone) sequences_[s.previous].next = s.next;
  --running_count_;
  if (const std::uint32_t adapter = adapter_of(request); adapter != kNoAdapter) adapters_.left(adapter, step_);
  s.state = Sequence::kIdle;
  s.generated = s.output;
  s.end_ns = now;
  ++counters_.finished;
  finished_.push_back(request);
  head_blocked_ = false;
}

// ---- decoding

void Engine::start_decoding(std::uint32_t request) {
  Sequence& s = sequences_[request];
  s.state = Sequence::kDecode;
  s.entry_step = step_ + 1;
  ++decoding_;
  context_base_ += std::int64_t{s.computed} + 1 - s.entry_step;
  set_wake(request);
}

void Engine::stop_decoding(const Sequence& sequence) noexcept {
  --decoding_;
  context_base_ -= std::int64_t{sequence.computed} + 1 - sequence.entry_step;
}

// The next step that must look at a decoding sequence: where it fills its last block, where it needs one more, or where it ends.
void Engine::set_wake(std::uint32_t request) noexcept {
  Sequence& s = sequences_[request];
  const std::uint32_t last = s.entry_step + (s.output - s.generated) - 1;
  const std::uint32_t needs = s.entry_step + (s.held * block_tokens_ - s.computed);
  s.wake_step = std::min(last, needs - 1 > step_ ? needs - 1 : needs);
  std::uint32_t& bucket = ring_[s.wake_step % kRing];
  s.wake_previous = kNone;
  s.wake_next = bucket;
  if (bucket != kNone) sequences_[bucket].wake_previous = request;
  bucket = request;
}

void Engine::clear_wake(const Sequence& s) noexcept {
  (s.wake_previous == kNone ? ring_[s.wake_step % kRing] : sequences_[s.wake_previous].wake_next) = s.wake_next;
  if (s.wake_next != kNone) sequences_[s.wake_next].wake_previous = s.wake_previous;
}

// Moves the sequences of this step from the ring to wakes_, in order of admission.
void Engine::collect_wakes() {
  wakes_.clear();
  for (std::uint32_t at = ring_[step_ % kRing]; at != kNone;) {
    const Sequence& s = sequences_[at];
    const std::uint32_t next = s.wake_next;
    if (s.wake_step == step_) {
      clear_wake(s);
      wakes_.push_back(at);
    }
    at = next;
  }
  if (wakes_.size() < 2) return;
  std::reverse(wakes_.begin(), wakes_.end());  // a bucket is a stack: now they are in order, or almost
  for (std::size_t i = 1; i < wakes_.size(); ++i) {
    const std::uint32_t request = wakes_[i];
    const std::uint32_t order = sequences_[request].order;
    std::size_t at = i;
    for (; at > 0 && sequences_[wakes_[at - 1]].order > order; --at) wakes_[at] = wakes_[at - 1];
    wakes_[at] = request;
  }
}

}  // namespace kthena::sim::detail
