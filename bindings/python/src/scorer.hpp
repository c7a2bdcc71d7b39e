// scorer.hpp
//
// Scorers in Python: what a policy holds of them, and what their exceptions do.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <string_view>

#include "kthena/kthena.h"

namespace kthena::python {

/// A policy from a document and a dict of scorers by name. Throws.
kthena_policy* create_with_scorers(std::string_view json, const pybind11::dict& scorers);

/// How deep this thread is in scorers that decide: each depth has a workspace of its own.
std::size_t scorer_depth() noexcept;

/// Sets the exception that a scorer raised in the decision this thread has made, if one did. The GIL must be held.
bool restore_scorer_error();

void register_scorer(pybind11::module_& module);

}  // namespace kthena::python
