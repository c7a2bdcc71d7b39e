// EventQueue: what happens next. A 4-ary heap of 16-byte entries in order of time, then of insertion.
//
//   Cost       one comparison of 128 bits per level and child; a quarter of the levels of a binary heap's cache misses.
//   Limits     2^33 entries ever, 8 kinds, 2^28 subjects.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kthena/base/time.hpp"

namespace kthena::sim::detail {

struct Event {
  Time at;
  std::uint64_t rest;  // sequence:33 kind:3 subject:28

  [[nodiscard]] std::uint32_t kind() const noexcept { return static_cast<std::uint32_t>(rest >> 28 & 7); }
  [[nodiscard]] std::uint32_t subject() const noexcept { return static_cast<std::uint32_t>(rest & 0xFFFFFFF); }
};

class EventQueue {
 public:
  static constexpr std::uint32_t kMaxSubjects = 1u << 28;

  explicit EventQueue(std::size_t expected = 64) { heap_.reserve(expected); }

  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }
  [[nodiscard]] const Event& top() const noexcept { return heap_.front(); }

  /// Times are not negative.
  void push(Time at, std::uint32_t kind, std::uint32_t subject) {
    const Event event{at, sequence_++ << 31 | std::uint64_t{kind} << 28 | subject};
    std::size_t hole = heap_.size();
    heap_.push_back(event);
    while (hole > 0) {
      const std::size_t parent = (hole - 1) / 4;
      if (!before(event, heap_[parent])) break;
      heap_[hole] = heap_[parent];
      hole = parent;
    }
    heap_[hole] = event;
  }

  Event pop() noexcept {
    const Event first = heap_.front();
    const Event last = heap_.back();
    heap_.pop_back();
    const std::size_t size = heap_.size();
    if (size == 0) return first;
    std::size_t hole = 0;
    for (;;) {
      const std::size_t child = hole * 4 + 1;
      if (child >= size) break;
      std::size_t least = child;
      const std::size_t end = child + 4 < size ? child + 4 : size;
      for (std::size_t i = child + 1; i < end; ++i) least = before(heap_[i], heap_[least]) ? i : least;
      if (!before(heap_[least], last)) break;
      heap_[hole] = heap_[least];
      hole = least;
    }
    heap_[hole] = last;
    return first;
  }

 private:
  static bool before(const Event& a, const Event& b) noexcept {
    __extension__ using Wide = unsigned __int128;
    const auto key = [](const Event& e) { return static_cast<Wide>(static_cast<std::uint64_t>(e.at)) << 64 | e.rest; };
    return key(a) < key(b);
  }

  std::vector<Event> heap_;
  std::uint64_t sequence_ = 0;
};

}  // namespace kthena::sim::detail
