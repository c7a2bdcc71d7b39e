// policy.hpp
#pragma once

#include "kthena/kthena.h"
#include "state.hpp"

namespace kthena::python {

/// Owns a kthena_policy.
class Policy {
 public:
  Policy(kthena_policy* policy, const State& state) noexcept : policy_(policy), state_(state) {}
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;
  ~Policy() { kthena_policy_free(policy_); }

  [[nodiscard]] const kthena_policy* get() const noexcept { return policy_; }
  [[nodiscard]] const State& state() const noexcept { return state_; }

 private:
  kthena_policy* policy_;
  const State& state_;
};

/// Scratch memory of this thread.
kthena_workspace* workspace();

}  // namespace kthena::python
