// src/route/registry.cpp
//
// What the registry says of itself: list_parts().
#include "registry.hpp"

#include <cstdio>

namespace kthena::route {
namespace detail {

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

namespace {

template <class Variant, std::size_t... I>
void describe(std::string_view kind, std::vector<PartInfo>& out, std::index_sequence<I...>) {
  const auto one = [&]<class Part>(const Part*) {
    PartInfo part{kind, Part::kName, {}};
    [[maybe_unused]] const typename Part::Options defaults{};
    if constexpr (Part::kOptions.size() > 0) {
      for (const auto& option : Part::kOptions)
        part.options.push_back({option.name, option.minimum, option.maximum, defaults.*option.member});
    }
    out.push_back(std::move(part));
  };
  (one(static_cast<const std::variant_alternative_t<I, Variant>*>(nullptr)), ...);
}

template <class Variant>
void describe(std::string_view kind, std::vector<PartInfo>& out) {
  describe<Variant>(kind, out, std::make_index_sequence<std::variant_size_v<Variant>>{});
}

}  // namespace
}  // namespace detail

std::vector<PartInfo> list_parts() {
  std::vector<PartInfo> parts;
  detail::describe<AnyFilter>("filter", parts);
  detail::describe<AnyScorer>("scorer", parts);
  detail::describe<AnyPicker>("picker", parts);
  return parts;
}

}  // namespace kthena::route
