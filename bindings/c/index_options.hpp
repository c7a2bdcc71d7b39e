// bindings/c/index_options.hpp
#pragma once

#include <string_view>

#include "kthena/kthena.h"
#include "kthena/prefix/index.hpp"

namespace kthena::c {

/// What is given; NULL gives nothing. `name` is what the caller knows the struct by.
kthena_status read_index_options(const kthena_prefix_index_options* options, std::string_view name,
                                 prefix::PrefixIndexOptions& chosen, kthena_error* error);

}  // namespace kthena::c
