// src/prefix/engine_hashes/multimodal_window.hpp
//
// Which multimodal items a block overlaps, for blocks that are asked for in order. Items are sorted and
// apart (HashFaults::multimodal).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kthena/prefix/engine_hashes/multimodal.hpp"

namespace kthena::prefix::detail {

class MultimodalWindow {
 public:
  explicit MultimodalWindow(std::span<const MultimodalItem> items) noexcept : items_(items) {}

  /// The items of which a token lies in [begin, end). `begin` never goes back.
  std::span<const MultimodalItem> overlap(std::uint64_t begin, std::uint64_t end) noexcept {
    while (first_ < items_.size() && std::uint64_t{items_[first_].offset} + items_[first_].length <= begin) ++first_;
    std::size_t last = first_;
    while (last < items_.size() && items_[last].offset < end) ++last;
    return items_.subspan(first_, last - first_);
  }

 private:
  std::span<const MultimodalItem> items_;
  std::size_t first_ = 0;
};

}  // namespace kthena::prefix::detail
