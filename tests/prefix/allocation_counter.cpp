#include "allocation_counter.hpp"

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

// The aligned forms call none of these and keep their own pairs; nothing here is over-aligned.
void* operator new(std::size_t size) {
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  ++calls;
  live += malloc_usable_size(memory);
  return memory;
}
void operator delete(void* memory) noexcept {
  if (memory == nullptr) return;
  live -= malloc_usable_size(memory);
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
