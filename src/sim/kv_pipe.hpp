// KvPipe: KV events of one engine on their way to the router, batch by batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kthena::sim::detail {

class KvPipe {
 public:
  /// Appends a batch and empties `events`.
  void push(std::vector<std::uint32_t>& events) {
    if (first_event_ > 4096 && first_event_ * 2 > events_.size()) compact();
    events_.insert(events_.end(), events.begin(), events.end());
    sizes_.push_back(static_cast<std::uint32_t>(events.size()));
    events.clear();
  }

  /// The oldest batch, valid until the next push. There must be one.
  std::span<const std::uint32_t> pop() noexcept {
    const std::uint32_t size = sizes_[first_size_++];
    const std::span<const std::uint32_t> batch{events_.data() + first_event_, size};
    first_event_ += size;
    return batch;
  }

 private:
  void compact() {
    events_.erase(events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(first_event_));
    sizes_.erase(sizes_.begin(), sizes_.begin() + static_cast<std::ptrdiff_t>(first_size_));
    first_event_ = 0;
    first_size_ = 0;
  }

  std::vector<std::uint32_t> events_;
  std::vector<std::uint32_t> sizes_;
  std::size_t first_event_ = 0;
  std::size_t first_size_ = 0;
};

}  // namespace kthena::sim::detail
