// locking.hpp
//
// Handles that one thread may change while others read. Python code is not asked to lock: calls that release the GIL take the lock of
// the handle, and nobody waits for such a lock while holding the GIL, so the two cannot block each other.
#pragma once

#include <pybind11/pybind11.h>

#include <mutex>
#include <shared_mutex>

namespace kthena::python {

#ifdef Py_GIL_DISABLED
inline constexpr bool kHasGil = false;
#else
inline constexpr bool kHasGil = true;
#endif

using ReadLock = std::shared_lock<std::shared_mutex>;
using WriteLock = std::unique_lock<std::shared_mutex>;

/// What a call is expected to take: above about 2 us it pays to let other threads run.
enum class Length { kShort, kLong };

/// Runs `call`, which must not touch Python, under the lock.
template <class Lock, class Mutex, class Call>
void run_locked(Mutex& mutex, Length length, Call&& call) {
  if (length == Length::kShort) {
    Lock lock(mutex, std::try_to_lock);
    if (lock.owns_lock()) {
      call();
      return;
    }
  }
  pybind11::gil_scoped_release release;
  Lock lock(mutex);
  call();
}

}  // namespace kthena::python
