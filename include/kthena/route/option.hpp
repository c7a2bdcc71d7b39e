// include/kthena/route/option.hpp
//
// Option: one number that a policy part can be given, as a row that the registry, the documentation and the bindings read.
#pragma once

#include <string_view>

namespace kthena::route {

/// `Options` is a plain struct of doubles with defaults in place. Bounds are inclusive.
template <class Options>
struct Option {
  std::string_view name;
  double minimum;
  double maximum;
  double Options::*member;
};

/// For parts that take none.
struct NoOptions {};

}  // namespace kthena::route
