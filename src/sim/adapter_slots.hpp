// AdapterSlots: the LoRA adapters of one engine. So many may run at once; as many stay loaded, the most recently used ones, where use is
// the last step in which a request of the adapter ran.
//
//   Cost       constant per request; O(slots) where one must be given up.
//   Source     vllm 0.32: v1/core/sched/scheduler.py (max_loras: one more adapter is skipped, later requests may go) and
//              lora/model_manager.py (LRU of GPU slots). Unlike there, an adapter of the batch is never given up, and of adapters last used
//              in the same step the one with the smaller number goes: there it is the order of a set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kthena::sim::detail {

class AdapterSlots {
 public:
  struct Adapter {
    std::uint32_t running = 0;  ///< requests in the batch
    std::uint32_t waiting = 0;  ///< requests in the queue
    std::uint32_t used_step = 0;
    bool loaded = false;
  };

  /// Adapters 0..adapters; `slots` of them at once, 0: all.
  AdapterSlots(std::size_t adapters, std::uint32_t slots) : slots_(slots), adapters_(adapters) {}

  [[nodiscard]] const std::vector<Adapter>& adapters() const noexcept { return adapters_; }
  [[nodiscard]] std::uint32_t running() const noexcept { return running_; }
  /// Whether a request of `adapter` may join the batch.
  [[nodiscard]] bool may_run(std::uint32_t adapter) const noexcept {
    return slots_ == 0 || running_ < slots_ || adapters_[adapter].running > 0;
  }

  void queued(std::uint32_t adapter) noexcept { ++adapters_[adapter].waiting; }

  /// A waiting request joins the batch. True when its adapter must be loaded.
  bool admitted(std::uint32_t adapter) {
    Adapter& a = adapters_[adapter];
    --a.waiting;
    if (a.running++ == 0) ++running_;
    if (a.loaded) return false;
    if (slots_ > 0 && loaded_.size() == slots_) {
      give_one_up(adapter);
    } else {
      loaded_.push_back(adapter);
    }
    a.loaded = true;
    return true;
  }

  /// A request leaves the batch; it ran last in `step`.
  void left(std::uint32_t adapter, std::uint32_t step) noexcept {
    Adapter& a = adapters_[adapter];
    a.used_step = step;
    if (--a.running == 0) --running_;
  }

 private:
  /// There is one that does not run, for this one may.
  void give_one_up(std::uint32_t for_adapter) noexcept {
    std::size_t oldest = loaded_.size();
    for (std::size_t i = 0; i < loaded_.size(); ++i) {
      const Adapter& a = adapters_[loaded_[i]];
      if (a.running > 0) continue;
      if (oldest == loaded_.size() || before(loaded_[i], loaded_[oldest])) oldest = i;
    }
    adapters_[loaded_[oldest]].loaded = false;
    loaded_[oldest] = for_adapter;
  }
  [[nodiscard]] bool before(std::uint32_t a, std::uint32_t b) const noexcept {
    const std::uint32_t used_a = adapters_[a].used_step;
    const std::uint32_t used_b = adapters_[b].used_step;
    return used_a != used_b ? used_a < used_b : a < b;
  }

  std::uint32_t slots_;
  std::uint32_t running_ = 0;  // different ones in the batch
  std::vector<Adapter> adapters_;
  std::vector<std::uint32_t> loaded_;
};

}  // namespace kthena::sim::detail
