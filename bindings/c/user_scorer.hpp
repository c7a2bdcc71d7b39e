// bindings/c/user_scorer.hpp
//
// Decisions of policies with scorers of the caller's own.
#pragma once

#include "handles.hpp"

namespace kthena::c {

/// What a decision is made of: one of the two.
struct Asked {
  const kthena_pool* pool = nullptr;
  const kthena_fleet* fleet = nullptr;
};

/// While it lives, scorers that this thread asks see the endpoints by the caller's numbers.
class Asking {
 public:
  explicit Asking(const kthena_pool& pool) noexcept : Asking(Asked{&pool, nullptr}) {}
  explicit Asking(const kthena_fleet& fleet) noexcept : Asking(Asked{nullptr, &fleet}) {}
  ~Asking();
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

 private:
  explicit Asking(Asked asked) noexcept;
  Asked before_;
};

}  // namespace kthena::c
