#include "sim/event_queue.hpp"

#include <algorithm>
#include <tuple>
#include <vector>

#include "catch.hpp"
#include "kthena/base/random.hpp"

using kthena::sim::detail::Event;
using kthena::sim::detail::EventQueue;

TEST_CASE("events come in order of time, equal times in order of insertion", "[sim][queue]") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    INFO("seed " << seed);
    kthena::RandomStream random(seed, 1);
    EventQueue queue;
    std::vector<std::tuple<kthena::Time, std::uint32_t, std::uint32_t>> waiting;  // time, order, subject
    std::uint32_t order = 0;
    kthena::Time now = 0;
    for (int i = 0; i < 1000; ++i) {
      if (random.next_below(5) < 3 || waiting.empty()) {
        const auto at = now + static_cast<kthena::Time>(random.next_below(20));
        const auto subject = static_cast<std::uint32_t>(random.next_below(EventQueue::kMaxSubjects));
        queue.push(at, order % 8, subject);
        waiting.emplace_back(at, order++, subject);
      } else {
        const auto next = std::min_element(waiting.begin(), waiting.end());
        REQUIRE(queue.top().at == std::get<0>(*next));
        const Event event = queue.pop();
        now = event.at;
        REQUIRE(event.at == std::get<0>(*next));
        REQUIRE(event.kind() == std::get<1>(*next) % 8);
        REQUIRE(event.subject() == std::get<2>(*next));
        waiting.erase(next);
      }
      REQUIRE(queue.size() == waiting.size());
      REQUIRE(queue.empty() == waiting.empty());
    }
  }
}
