#include "allocation_counter.hpp"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {
std::atomic<std::size_t> calls{0};
std::atomic<std::size_t> allowed{SIZE_MAX};
}  // namespace

namespace kthena::test {
std::size_t allocations() noexcept { return calls; }
void fail_allocations_after(std::size_t n) noexcept { allowed = n; }
}  // namespace kthena::test

// libkthena.so has no operator new of its own, so it uses this one. The array and aligned forms keep their own pairs.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++calls;
  if (allowed != SIZE_MAX) {
    if (allowed == 0) return nullptr;
    --allowed;
  }
  return std::malloc(size == 0 ? 1 : size);
}
void* operator new(std::size_t size) {
  void* const memory = operator new(size, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
