// request.hpp
//
// The arguments of a decision, read without pybind11: a decision takes less time than pybind11 needs for ten arguments.
#pragma once

#include <Python.h>

#include "buffer.hpp"
#include "kthena/kthena.h"
#include "state.hpp"

namespace kthena::python {

/// A kthena_request and the arrays that it borrows.
class Request {
 public:
  Request() noexcept { request_.struct_size = sizeof(kthena_request); }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  /// From the arguments of a METH_FASTCALL | METH_KEYWORDS call: the pool by position or name, the rest by name. False with a Python
  /// exception set.
  bool read(const State& state, const char* function, PyObject* const* arguments, Py_ssize_t positional,
            PyObject* names);

  [[nodiscard]] PyObject* pool() const noexcept { return pool_; }
  [[nodiscard]] const kthena_request& get() const noexcept { return request_; }

 private:
  bool read_keyword(const State& state, const char* function, PyObject* name, PyObject* value, std::size_t& expected);
  bool assign(std::size_t keyword, PyObject* value);
  bool read_depths(PyObject* value, const char* name, Buffer& buffer, const uint32_t*& depths);

  PyObject* pool_ = nullptr;
  bool has_id_ = false;
  kthena_request request_{};
  Buffer prefix_;
  Buffer history_;
};

/// An int, or what can stand for one, such as a numpy integer. False with a Python exception set.
bool read_u64(PyObject* value, const char* name, uint64_t& out);
bool read_u32(PyObject* value, const char* name, uint32_t& out);
bool read_i64(PyObject* value, const char* name, int64_t& out);

/// Names of the arguments, interned; filled once per interpreter.
void intern_keywords(State& state);

}  // namespace kthena::python
