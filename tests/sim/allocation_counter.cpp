#include "sim/allocation_counter.hpp"

#include <malloc.h>

#include <cstdlib>
#include <new>

namespace {
std::size_t calls = 0;
std::size_t live = 0;
}  // namespace

namespace kthena::test {
std::size_t allocations() noexcept { return calls; }
std::size_t live_bytes() noexcept { return live; }
}  // namespace kthena::test

// The array forms call these; the aligned forms do not, and keep their own pairs: nothing here is over-aligned.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) return nullptr;
  ++calls;
  live += malloc_usable_size(memory);
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
