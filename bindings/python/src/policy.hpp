// policy.hpp
#pragma once

#include <atomic>
#include <cstdint>

#include "kthena/kthena.h"
#include "state.hpp"

namespace kthena::python {

/// Owns a kthena_policy.
class Policy {
 public:
  Policy(kthena_policy* policy, const State& state, bool asks_scorers = false) noexcept
      : policy_(policy), state_(state), asks_scorers_(asks_scorers) {}
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;
  ~Policy() { kthena_policy_free(policy_); }

  [[nodiscard]] const kthena_policy* get() const noexcept { return policy_; }
  [[nodiscard]] const State& state() const noexcept { return state_; }
  /// Scorers in Python: decisions call them, so they may take long.
  [[nodiscard]] bool asks_scorers() const noexcept { return asks_scorers_; }
  /// Opinions of them that were NaN or infinite, in decisions so far.
  [[nodiscard]] std::uint64_t abstentions() const noexcept { return abstentions_.load(std::memory_order_relaxed); }
  void add_abstentions(std::uint64_t count) const noexcept { abstentions_.fetch_add(count, std::memory_order_relaxed); }

 private:
  kthena_policy* policy_;
  const State& state_;
  bool asks_scorers_;
  mutable std::atomic<std::uint64_t> abstentions_ = 0;
};

/// Scratch memory of this thread; another one inside of a scorer.
kthena_workspace* workspace();

}  // namespace kthena::python
