// pool.hpp
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <shared_mutex>

#include "kthena/kthena.h"
#include "locking.hpp"

namespace kthena::python {

/// Owns a kthena_pool and the ids of its endpoints as Python strings, made once.
class Pool {
 public:
  /// From here on a decision takes about 2 us: 8 ns per endpoint.
  static constexpr std::size_t kLongEndpoints = 256;

  explicit Pool(kthena_pool* pool);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { kthena_pool_free(pool_); }

  [[nodiscard]] kthena_pool* get() const noexcept { return pool_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Tuple of str, by endpoint.
  [[nodiscard]] const pybind11::tuple& ids() const noexcept { return ids_; }

  /// Runs `call`, which must not touch Python. Small pools are guarded by the GIL alone, where there is one.
  template <class Lock, class Call>
  void run(Call&& call) {
    if (kHasGil && size_ < kLongEndpoints)
      call();
    else
      run_locked<Lock>(mutex_, size_ < kLongEndpoints ? Length::kShort : Length::kLong, call);
  }

 private:
  kthena_pool* pool_;
  std::size_t size_;
  pybind11::tuple ids_;
  std::shared_mutex mutex_;
};

}  // namespace kthena::python
