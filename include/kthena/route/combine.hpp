// include/kthena/route/combine.hpp
//
// How the opinions of several scorers become one total.
//
//   sum       total = the sum of weight * opinion. An abstention adds 0. Good prices pay for bad loads.
//   product   total = 100 * the product of 1 - weight * (1 - opinion / 100), weights 0..1: whoever is bad in one thing is bad. A weight of 1
//             lets a scorer veto, one of 0 silences it.
//   tiers     one scorer after the other: those within its tolerance of the tier's best opinion go on to the next tier. total = 1000 * tiers
//             passed + the opinion in the tier where it stopped; who passed all tiers stands at 1000 * tiers, all alike. So the ranked list
//             holds those that came further first, among those that stopped in one tier the better opinion first. Sums of a whole number
//             and an opinion: exact for whole opinions, rounded once for others, which never changes an order.
//   Opinions  in product and tiers count as 0 below 0 and as 100 above 100; an abstention is 0, the lowest opinion there is.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace kthena::route {

enum class Combine : std::uint8_t { kSum = 0, kProduct, kTiers };

/// In documents and bindings, by Combine.
inline constexpr std::array<std::string_view, 3> kCombineNames = {"sum", "product", "tiers"};

constexpr std::string_view combine_name(Combine combine) noexcept {
  return kCombineNames[static_cast<std::size_t>(combine)];
}

/// What one tier is worth in a total.
inline constexpr double kTierStep = 1000;

}  // namespace kthena::route
