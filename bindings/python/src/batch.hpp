// batch.hpp
//
// Policy.decide_many: many decisions on one state of a pool in one call.
#pragma once

#include <pybind11/pybind11.h>

#include "policy.hpp"

namespace kthena::python {

void register_decide_many(pybind11::class_<Policy>& type);

}  // namespace kthena::python
