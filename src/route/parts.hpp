// src/route/parts.hpp
//
// What a Policy holds: its spec and the kernels made from it.
#pragma once

#include <vector>

#include "registry.hpp"

namespace kthena::route {

struct WeightedScorer {
  AnyScorer scorer;
  double weight = 1;
};

struct Policy::Parts {
  PolicySpec spec;
  std::vector<AnyFilter> filters;
  std::vector<WeightedScorer> scorers;
  AnyPicker picker;
};

}  // namespace kthena::route
