// module.cpp
//
// kthena._core: the C interface as Python objects. kthena/*.py puts types and documentation on top.
#include <pybind11/pybind11.h>

#include "state.hpp"

namespace py = pybind11;

PYBIND11_MODULE(_core, module, py::mod_gil_not_used(), py::multiple_interpreters::per_interpreter_gil()) {
  using namespace kthena::python;
  module.doc() = "The C interface of kthena as Python objects; use the package kthena instead.";
  auto* state = new State;  // for as long as the interpreter lives: state.hpp
  register_functions(module);
  register_hashes(module);
  register_pool(module, *state);
  register_decision(module, *state);
  register_policy(module, *state);
  register_decision_log(module);
  register_prefix(module, *state);
  register_fleet(module, *state);
  register_engine(module);
  register_simulation(module);
}
