// prefix.hpp
#pragma once

#include <pybind11/pybind11.h>

#include <shared_mutex>

#include "kthena/kthena.h"

namespace kthena::python {

/// The index inside a PrefixIndex and what guards it; live as long as the object.
struct PrefixAccess {
  kthena_prefix_index* index;
  std::shared_mutex* mutex;
};

/// Throws TypeError for another object.
PrefixAccess access_prefix_index(const pybind11::object& object);

}  // namespace kthena::python
