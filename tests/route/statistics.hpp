// Counting tests.
#pragma once

#include <cstdint>
#include <vector>

namespace kthena::route::test {

/// Pearson's statistic of counts against equal shares.
inline double chi_square(const std::vector<std::uint64_t>& counts) {
  double total = 0;
  for (const std::uint64_t count : counts) total += static_cast<double>(count);
  const double expected = total / static_cast<double>(counts.size());
  double sum = 0;
  for (const std::uint64_t count : counts) {
    const double off = static_cast<double>(count) - expected;
    sum += off * off / expected;
  }
  return sum;
}

}  // namespace kthena::route::test
