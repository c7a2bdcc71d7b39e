// tests/support/allocation_counter.hpp
//
// Counts the heap use of this test program, the library's included: CMake links allocation_counter.cpp, which replaces operator new, into
// the tests that include this. Any thread.
#pragma once

#include <cstddef>

namespace kthena::test {

/// Calls of operator new so far, refused ones included.
std::size_t allocations() noexcept;

/// Bytes allocated by operator new and not freed, as the allocator rounds them.
std::size_t live_bytes() noexcept;
/// The most that these were since the start, or since they were forgotten.
std::size_t most_live_bytes() noexcept;
void forget_most_live_bytes() noexcept;

/// The next `n` calls succeed, all after them fail. SIZE_MAX: none fails.
void fail_allocations_after(std::size_t n) noexcept;

}  // namespace kthena::test
