// include/kthena/route/place.hpp
//
// Place: where an endpoint runs, or a peer that a request should be near to, as names from near to far.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kthena::route {

/// Where an endpoint runs, from near to far. Names are unique within their level; empty: not known.
enum class PlaceLevel : std::uint8_t { kHost = 0, kRack, kZone, kRegion };
inline constexpr std::size_t kPlaceLevels = 4;
inline constexpr std::array<std::string_view, kPlaceLevels> kPlaceNames = {"host", "rack", "zone", "region"};
using Place = std::array<std::string, kPlaceLevels>;  ///< by PlaceLevel

}  // namespace kthena::route
