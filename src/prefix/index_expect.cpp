// Blocks that a worker is expected to hold, because a prompt was sent to it: guesses, until the engine says so itself.
#include <algorithm>
#include <string>

#include "prefix/index_state.hpp"

namespace kthena::prefix {

using detail::Guesses;
using detail::Place;
using detail::RunTree;
using detail::Stretch;
using detail::Worker;

Status PrefixIndex::expect(WorkerId worker, const PrefixQuery& query, std::int64_t now_ns) {
  State& state = *state_;
  if (Status status = state.check(worker, KvTier::kDevice); !status.ok()) return status;
  if (state.options.max_expected_blocks == 0) return failed_precondition("max_expected_blocks: is 0");
  if (query.seed() != state.options.seed) return invalid_argument("query: was made under another seed");
  if (query.block_tokens() != state.options.block_tokens) {
    return invalid_argument("query: has " + std::to_string(query.block_tokens()) + " tokens per block, the index " +
                            std::to_string(state.options.block_tokens));
  }
  if (query.wide() != state.options.wide_contents)
    return invalid_argument(std::string("query: is ") + (query.wide() ? "wide" : "not wide"));
  state.latest_ns = std::max(state.latest_ns, now_ns);
  state.expect(worker.value, query);
  state.tree.collect(false);
  return {};
}

std::size_t PrefixIndex::expire(std::int64_t now_ns, std::size_t max_blocks) {
  State& state = *state_;
  state.latest_ns = std::max(state.latest_ns, now_ns);
  if (state.options.expected_ttl_ns == 0) return 0;
  const std::size_t expired = state.expire(max_blocks);
  state.tree.collect(false);
  return expired;
}

void PrefixIndex::State::expect(std::uint32_t id, const PrefixQuery& query) {
  Worker& worker = workers[id];
  detail::Contents contents{query.contents(), query.uppers()};
  std::size_t room = options.max_expected_blocks;  // for blocks of this prompt
  Place parent;
  worker.guesses.begin();
  while (!contents.empty() && room != 0) {
    const Stretch stretch = tree.extend(parent, query.namespace_key(), contents.first(std::min(room, contents.size())));
    const std::uint32_t end = stretch.offset + stretch.count;
    already.clear();
    tree.hold(id, stretch.run, stretch.offset, end, already);
    // Guesses are the blocks that it did not hold, and those of the others that had been guesses.
    touched.clear();
    std::size_t fresh = 0;
    const auto touch = [this](std::uint32_t first, std::uint32_t last) {
      if (first == last) return;
      if (!touched.empty() && touched.back().last == first) {
        touched.back().last = last;
      } else {
        touched.push_back({first, last});
      }
    };
    std::uint32_t next = stretch.offset;
    for (const RunTree::Range& range : already) {
      fresh += range.first - next;
      touch(next, range.first);
      worker.guesses.for_each_in(stretch.run, range.first, range.last, touch);
      next = range.last;
    }
    fresh += end - next;
    touch(next, end);
    for (const RunTree::Range& range : touched) {
      worker.guesses.touch(stretch.run, range.first, range.last, latest_ns);
      room -= range.last - range.first;
    }
    worker.memberships += fresh;
    counts.memberships += fresh;
    counts.expected_blocks += fresh;
    tree.settle();
    parent = {stretch.run, end - 1};
    contents = contents.from(stretch.count);
  }
  while (worker.guesses.size() > options.max_expected_blocks) {
    const Guesses::Segment& oldest = worker.guesses.oldest();
    const std::size_t beyond = worker.guesses.size() - options.max_expected_blocks;
    const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(beyond, oldest.last - oldest.first));
    drop_guesses(id, count);
    counts.evicted_blocks += count;
  }
}

std::size_t PrefixIndex::State::expire(std::size_t max_blocks) {
  std::size_t expired = 0;
  const auto due = [this](const Guesses& guesses) {
    return guesses.size() != 0 &&
           static_cast<std::uint64_t>(latest_ns) - static_cast<std::uint64_t>(guesses.oldest().touched_ns) >=
               static_cast<std::uint64_t>(options.expected_ttl_ns);
  };
  // Goes round, so that one worker cannot use up the budget of every call.
  for (std::size_t left = limit; left != 0 && expired < max_blocks; --left) {
    if (expiring >= limit) expiring = 0;
    const Worker& worker = workers[expiring];
    while (worker.in_use && expired < max_blocks && due(worker.guesses)) {
      const Guesses::Segment& oldest = worker.guesses.oldest();
      const auto count =
          static_cast<std::uint32_t>(std::min<std::size_t>(max_blocks - expired, oldest.last - oldest.first));
      drop_guesses(expiring, count);
      expired += count;
    }
    ++expiring;
  }
  counts.expired_blocks += expired;
  return expired;
}

void PrefixIndex::State::drop_guesses(std::uint32_t id, std::uint32_t count) {
  Worker& worker = workers[id];
  const Guesses::Segment oldest = worker.guesses.oldest();
  worker.guesses.drop_oldest(count);
  worker.memberships -= count;
  counts.memberships -= count;
  counts.expected_blocks -= count;
  tree.release(id, oldest.run, oldest.last - count, oldest.last);
}

bool PrefixIndex::State::told(Place place) const noexcept {
  if (options.max_expected_blocks == 0) return tree.held(place);
  bool any = false;
  tree.for_each_holder(place, [&](std::uint32_t id) { any = any || !workers[id].guesses.has(place); });
  return any;
}

}  // namespace kthena::prefix
