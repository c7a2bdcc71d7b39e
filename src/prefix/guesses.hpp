// src/prefix/guesses.hpp
//
// Guesses: the blocks that one worker is expected to hold, in the order in which they were expected last. Neighbours in a run that were
// expected together are one segment, so a prompt that is expected again costs a step per run and not one per block.
//
//   Order    most recent first; inside a prompt the head before the tail, so that what goes first is always a tail.
//   Cost     each operation O(segments of the run that it touches): one or two, unless prompts part inside the run.
//   Memory   40 bytes per segment and about 12 per run; nothing when empty.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/containers.hpp"
#include "prefix/run_tree.hpp"

namespace kthena::prefix::detail {

class Guesses {
 public:
  /// Blocks first .. last-1 of a run, expected at the same time.
  struct Segment {
    RunId run = kNoRun;
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::int64_t touched_ns = 0;
  };

  explicit Guesses(std::uint64_t seed) : heads_(0, kthena::detail::Hash{seed}) {}

  /// A prompt begins: what touch() is given next is the most recent of all.
  void begin() noexcept { cursor_ = kNone; }
  /// Blocks first .. last-1 of a run are expected, and come right behind those touched since begin(), which they follow in the prompt.
  void touch(RunId run, std::uint32_t first, std::uint32_t last, std::int64_t now_ns);
  /// Blocks first .. last-1 of a run are no guesses any more. Gives how many of them were. Not between begin() and touch().
  std::size_t erase(RunId run, std::uint32_t first, std::uint32_t last);

  [[nodiscard]] std::size_t size() const noexcept { return size_; }  ///< blocks
  [[nodiscard]] bool has(Place place) const noexcept;
  /// Calls visit(first, last) for the guesses among blocks first .. last-1 of a run, in ascending order.
  template <class Visit>
  void for_each_in(RunId run, std::uint32_t first, std::uint32_t last, Visit&& visit) const {
    for (std::uint32_t at = head(run); at != kNone && nodes_[at].segment.first < last; at = nodes_[at].next_in_run) {
      const Segment& segment = nodes_[at].segment;
      if (segment.last > first) visit(std::max(first, segment.first), std::min(last, segment.last));
    }
  }
  /// Calls visit(segment), the most recent first.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::uint32_t at = newest_; at != kNone; at = nodes_[at].older) visit(nodes_[at].segment);
  }
  /// The segment that goes first, from its end. There is one.
  [[nodiscard]] const Segment& oldest() const noexcept { return nodes_[oldest_].segment; }
  /// Its last `count` blocks go.
  void drop_oldest(std::uint32_t count);

  void clear() { *this = Guesses(heads_.hash_function().seed); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return kthena::detail::heap_bytes(nodes_) + kthena::detail::heap_bytes(heads_);
  }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;

  struct Node {
    Segment segment;
    std::uint32_t newer = kNone;
    std::uint32_t older = kNone;        // of a free node: the next free one
    std::uint32_t next_in_run = kNone;  // by place
  };

  [[nodiscard]] std::uint32_t head(RunId run) const noexcept {
    if (size_ == 0) return kNone;
    const auto it = heads_.find(run);
    return it == heads_.end() ? kNone : it->second;
  }
  /// A new node behind `newer` in time (kNone: before all), and behind `before` in the run (kNone: before all).
  std::uint32_t make(const Segment& segment, std::uint32_t newer, std::uint32_t before);
  void free_node(std::uint32_t at, std::uint32_t before);

  std::vector<Node> nodes_;
  kthena::detail::HashMap<RunId, std::uint32_t> heads_;  // the first segment of each run
  std::uint32_t newest_ = kNone;
  std::uint32_t oldest_ = kNone;
  std::uint32_t free_ = kNone;
  std::uint32_t cursor_ = kNone;  // touched last since begin()
  std::size_t size_ = 0;
};

}  // namespace kthena::prefix::detail
