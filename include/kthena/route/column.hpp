// include/kthena/route/column.hpp
//
// Reductions over a column of doubles in which NaN means missing. Four chains each, because a minimum or maximum has a latency of four
// cycles and compilers keep floating-point reductions in order.
#pragma once

#include <cstddef>
#include <limits>
#include <span>

namespace kthena::route {

/// min > max: every element is missing.
struct ColumnRange {
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();
};

inline double column_max(std::span<const double> column) noexcept {
  constexpr double kLowest = -std::numeric_limits<double>::infinity();
  double lane[4] = {kLowest, kLowest, kLowest, kLowest};
  std::size_t i = 0;
  for (; i + 4 <= column.size(); i += 4)
    for (std::size_t k = 0; k < 4; ++k) lane[k] = column[i + k] > lane[k] ? column[i + k] : lane[k];
  for (; i < column.size(); ++i) lane[0] = column[i] > lane[0] ? column[i] : lane[0];
  for (std::size_t k = 1; k < 4; ++k) lane[0] = lane[k] > lane[0] ? lane[k] : lane[0];
  return lane[0];
}

/// Infinity when every element is missing.
inline double column_min(std::span<const double> column) noexcept {
  constexpr double kHighest = std::numeric_limits<double>::infinity();
  double lane[4] = {kHighest, kHighest, kHighest, kHighest};
  std::size_t i = 0;
  for (; i + 4 <= column.size(); i += 4)
    for (std::size_t k = 0; k < 4; ++k) lane[k] = column[i + k] < lane[k] ? column[i + k] : lane[k];
  for (; i < column.size(); ++i) lane[0] = column[i] < lane[0] ? column[i] : lane[0];
  for (std::size_t k = 1; k < 4; ++k) lane[0] = lane[k] < lane[0] ? lane[k] : lane[0];
  return lane[0];
}

inline ColumnRange column_range(std::span<const double> column) noexcept {
  ColumnRange lane[4];
  std::size_t i = 0;
  for (; i + 4 <= column.size(); i += 4) {
    for (std::size_t k = 0; k < 4; ++k) {
      lane[k].min = column[i + k] < lane[k].min ? column[i + k] : lane[k].min;
      lane[k].max = column[i + k] > lane[k].max ? column[i + k] : lane[k].max;
    }
  }
  for (; i < column.size(); ++i) {
    lane[0].min = column[i] < lane[0].min ? column[i] : lane[0].min;
    lane[0].max = column[i] > lane[0].max ? column[i] : lane[0].max;
  }
  for (std::size_t k = 1; k < 4; ++k) {
    lane[0].min = lane[k].min < lane[0].min ? lane[k].min : lane[0].min;
    lane[0].max = lane[k].max > lane[0].max ? lane[k].max : lane[0].max;
  }
  return lane[0];
}

}  // namespace kthena::route
