// Counts the calls of operator new in this test program, the library's among them. Any thread.
#pragma once

#include <cstddef>

namespace kthena::test {
std::size_t allocations() noexcept;
/// The next `n` calls succeed, all after them fail. SIZE_MAX: none fails.
void fail_allocations_after(std::size_t n) noexcept;
}  // namespace kthena::test
