#include "prefix/guesses.hpp"

#include <utility>

namespace kthena::prefix::detail {

void Guesses::touch(RunId run, std::uint32_t first, std::uint32_t last, std::int64_t now_ns) {
  if (first == last) return;
  // One segment that is as wide only moves; all others are made anew.
  std::uint32_t before = kNone;
  std::uint32_t at = head(run);
  for (; at != kNone && nodes_[at].segment.last <= first; at = nodes_[at].next_in_run) before = at;
  if (at != kNone && nodes_[at].segment.first == first && nodes_[at].segment.last == last && at != cursor_) {
    Node& node = nodes_[at];
    node.segment.touched_ns = now_ns;
    if (cursor_ == kNone ? newest_ != at : nodes_[cursor_].older != at) {
      (node.newer == kNone ? newest_ : nodes_[node.newer].older) = node.older;
      (node.older == kNone ? oldest_ : nodes_[node.older].newer) = node.newer;
      node.newer = cursor_;
      node.older = cursor_ == kNone ? newest_ : nodes_[cursor_].older;
      (node.newer == kNone ? newest_ : nodes_[node.newer].older) = at;
      (node.older == kNone ? oldest_ : nodes_[node.older].newer) = at;
    }
    cursor_ = at;
    return;
  }
  const std::uint32_t cursor = cursor_;
  (void)erase(run, first, last);
  if (cursor != kNone && nodes_[cursor].segment.run == run && nodes_[cursor].segment.last == first &&
      nodes_[cursor].segment.touched_ns == now_ns) {
    nodes_[cursor].segment.last = last;  // the same prompt goes on
    cursor_ = cursor;
    size_ += last - first;
    return;
  }
  before = kNone;
  for (at = head(run); at != kNone && nodes_[at].segment.last <= first; at = nodes_[at].next_in_run) before = at;
  cursor_ = make({run, first, last, now_ns}, cursor, before);
  size_ += last - first;
}

std::size_t Guesses::erase(RunId run, std::uint32_t first, std::uint32_t last) {
  std::size_t erased = 0;
  std::uint32_t before = kNone;
  for (std::uint32_t at = head(run); at != kNone && nodes_[at].segment.first < last;) {
    const Segment segment = nodes_[at].segment;
    const std::uint32_t next = nodes_[at].next_in_run;
    if (segment.last <= first) {
      before = std::exchange(at, next);
      continue;
    }
    const std::uint32_t from = std::max(first, segment.first);
    const std::uint32_t to = std::min(last, segment.last);
    erased += to - from;
    if (from == segment.first && to == segment.last) {
      free_node(at, before);
    } else if (from == segment.first) {
      nodes_[at].segment.first = to;
      before = at;
    } else {
      nodes_[at].segment.last = from;
      if (to != segment.last) make({run, to, segment.last, segment.touched_ns}, at, at);
      before = at;
    }
    at = next;
  }
  size_ -= erased;
  if (size_ == 0 && erased != 0) clear();
  return erased;
}

bool Guesses::has(Place place) const noexcept {
  std::uint32_t at = head(place.run);
  while (at != kNone && nodes_[at].segment.last <= place.offset) at = nodes_[at].next_in_run;
  return at != kNone && nodes_[at].segment.first <= place.offset;
}

void Guesses::drop_oldest(std::uint32_t count) {
  const Segment segment = oldest();
  (void)erase(segment.run, segment.last - count, segment.last);
}

std::uint32_t Guesses::make(const Segment& segment, std::uint32_t newer, std::uint32_t before) {
  std::uint32_t at = free_;
  if (at == kNone) {
    at = static_cast<std::uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    free_ = nodes_[at].older;
  }
  Node& node = nodes_[at];
  node.segment = segment;
  node.newer = newer;
  node.older = newer == kNone ? newest_ : nodes_[newer].older;
  (node.newer == kNone ? newest_ : nodes_[node.newer].older) = at;
  (node.older == kNone ? oldest_ : nodes_[node.older].newer) = at;
  if (before == kNone) {
    const auto [head, alone] = heads_.try_emplace(segment.run, at);
    node.next_in_run = alone ? kNone : std::exchange(head->second, at);
  } else {
    node.next_in_run = std::exchange(nodes_[before].next_in_run, at);
  }
  return at;
}

void Guesses::free_node(std::uint32_t at, std::uint32_t before) {
  const Node node = nodes_[at];
  (node.newer == kNone ? newest_ : nodes_[node.newer].older) = node.older;
  (node.older == kNone ? oldest_ : nodes_[node.older].newer) = node.newer;
  if (before != kNone) {
    nodes_[before].next_in_run = node.next_in_run;
  } else if (node.next_in_run != kNone) {
    heads_.find(node.segment.run)->second = node.next_in_run;
  } else {
    heads_.erase(node.segment.run);
  }
  nodes_[at].older = std::exchange(free_, at);
}

}  // namespace kthena::prefix::detail
