// The random streams of the simulator: each its own, so that none disturbs another (a policy never changes the workload).
#pragma once

#include <cstdint>

namespace kthena::sim::detail {

enum RandomStreamId : std::uint64_t {
  kShuffleStream = 1,
  kArrivalStream = 2,
  kTickStream = 3,
  kRouterStream = 4,   // which router gets a request
  kAdapterStream = 5,  // which adapter a request or a group asks for
  kLengthStream = 6,   // tokens of answers
};

}  // namespace kthena::sim::detail
