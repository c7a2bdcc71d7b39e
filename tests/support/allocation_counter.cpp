#include "support/allocation_counter.hpp"

#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {
std::atomic<std::size_t> calls{0};
std::atomic<std::size_t> live{0};
std::atomic<std::size_t> most{0};
std::atomic<std::size_t> allowed{SIZE_MAX};
}  // namespace

namespace kthena::test {
std::size_t allocations() noexcept { return calls; }
std::size_t live_bytes() noexcept { return live; }
std::size_t most_live_bytes() noexcept { return most; }
void forget_most_live_bytes() noexcept { most = live.load(); }
void fail_allocations_after(std::size_t n) noexcept { allowed = n; }
}  // namespace kthena::test

// libkthena.so has no operator new of its own, so it uses these. The array forms of the standard library call them, those of
// AddressSanitizer do not, so they are here as well.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++calls;
  if (allowed != SIZE_MAX) {
    if (allowed == 0) return nullptr;
    --allowed;
  }
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) return nullptr;
  const std::size_t now = live += malloc_usable_size(memory);
  for (std::size_t before = most; before < now && !most.compare_exchange_weak(before, now);) {
  }
  return memory;
}
void* operator new(std::size_t size) {
  void* const memory = operator new(size, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept {
  if (memory == nullptr) return;
  live -= malloc_usable_size(memory);
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { operator delete(memory); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  ++calls;
  if (allowed != SIZE_MAX && allowed-- == 0) {
    allowed = 0;
    throw std::bad_alloc();
  }
  const auto line = static_cast<std::size_t>(alignment);
  void* const memory = std::aligned_alloc(line, (size + line - 1) / line * line);
  if (memory == nullptr) throw std::bad_alloc();
  live += malloc_usable_size(memory);
  return memory;
}
void operator delete(void* memory, std::align_val_t) noexcept { operator delete(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { operator delete(memory); }
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete[](void* memory) noexcept { operator delete(memory); }
void operator delete[](void* memory, std::size_t) noexcept { operator delete(memory); }
