// src/prefix/field.hpp
//
// Fields that the writer changes while lookups read them: plain members, accessed here as atomics. A load acquires and a store releases, so
// whoever sees a value sees what was written before it; on x86 both are plain moves.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

namespace kthena::prefix::detail {

template <class T>
[[nodiscard]] inline T load(const T& field) noexcept {
  static_assert(std::atomic_ref<T>::is_always_lock_free);
  return std::atomic_ref<T>(const_cast<T&>(field)).load(std::memory_order_acquire);
}

template <class T>
inline void store(T& field, std::type_identity_t<T> value) noexcept {
  std::atomic_ref<T>(field).store(value, std::memory_order_release);
}

/// The same without order, for the elements of an array whose length or version says which of them count.
template <class T>
[[nodiscard]] inline T load_relaxed(const T& field) noexcept {
  return std::atomic_ref<T>(const_cast<T&>(field)).load(std::memory_order_relaxed);
}

template <class T>
inline void store_relaxed(T& field, std::type_identity_t<T> value) noexcept {
  std::atomic_ref<T>(field).store(value, std::memory_order_relaxed);
}

}  // namespace kthena::prefix::detail
