// pool.hpp
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <mutex>
#include <shared_mutex>
#include <type_traits>

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

  /// Runs `call`, which must not touch Python. Where there is a GIL, it guards small pools against everything but batches: those who
  /// read need no lock, those who write hold both.
  template <class Lock, class Call>
  void run(Call&& call) {
    if (!kHasGil || size_ >= kLongEndpoints)
      run_locked<Lock>(mutex_, size_ < kLongEndpoints ? Length::kShort : Length::kLong, call);
    else if constexpr (std::is_same_v<Lock, WriteLock>)
      write_small(call);
    else
      call();
  }

  /// Runs a call that reads and may take long, whatever the size of the pool: other threads run, and those who write wait.
  template <class Call>
  void run_batch(Call&& call) {
    run_locked<ReadLock>(mutex_, Length::kLong, call);
  }

 private:
  template <class Call>
  void write_small(Call&& call) {
    WriteLock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) {
      pybind11::gil_scoped_release release;
      lock.lock();
    }
    call();
  }

  kthena_pool* pool_;
  std::size_t size_;
  pybind11::tuple ids_;
  std::shared_mutex mutex_;
};

}  // namespace kthena::python
