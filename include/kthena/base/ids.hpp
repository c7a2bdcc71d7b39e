// include/kthena/base/ids.hpp
//
// Strong indices: a position in one kind of array, which the compiler keeps apart from positions in others.
#pragma once

#include <compare>
#include <cstdint>

namespace kthena {

/// A 32-bit position in an array of `Tag`s. Default-constructed: none.
template <class Tag>
struct Index {
  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;

  std::uint32_t value = kNone;

  [[nodiscard]] constexpr bool valid() const noexcept { return value != kNone; }
  friend constexpr auto operator<=>(const Index&, const Index&) = default;
};

/// Position of an endpoint (an engine that can take requests) in a PoolSnapshot, that is in the order of endpoint ids.
using EndpointIndex = Index<struct EndpointTag>;
/// A worker (one engine replica, or one data-parallel rank of it) as a prefix index knows it.
using WorkerId = Index<struct WorkerTag>;

}  // namespace kthena
