// decision.hpp
//
// Decision: a plain C type, because making one is part of every decision. It holds the answer as it came from the C interface and
// turns its fields into Python objects when they are read.
#pragma once

#include <Python.h>

#include "kthena/kthena.h"
#include "state.hpp"

namespace kthena::python {

struct Decision {
  PyObject ob_base;
  const State* state;
  PyObject* ids;  // of the pool: tuple of str
  kthena_decision value;
};

/// A Decision whose `value` is still to be written; nullptr with an exception set. `ids` is borrowed.
Decision* new_decision(const State& state, PyObject* ids) noexcept;

}  // namespace kthena::python
