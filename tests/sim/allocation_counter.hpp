// Counts the heap use of this test program (allocation_counter.cpp replaces operator new). One thread.
#pragma once

#include <cstddef>

namespace kthena::test {

/// Calls of operator new so far.
std::size_t allocations() noexcept;
/// Bytes allocated by operator new and not freed, as the allocator rounds them.
std::size_t live_bytes() noexcept;

}  // namespace kthena::test
