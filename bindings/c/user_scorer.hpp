// bindings/c/user_scorer.hpp
//
// Decisions of policies with scorers of the caller's own.
#pragma once

#include "handles.hpp"

namespace kthena::c {

/// While it lives, scorers that this thread asks see the endpoints by the caller's numbers in `pool`.
class Asking {
 public:
  explicit Asking(const kthena_pool& pool) noexcept;
  ~Asking();
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

 private:
  const kthena_pool* before_;
};

}  // namespace kthena::c
