// request.hpp
//
// The arguments of a decision, read without pybind11: a decision takes less time than pybind11 needs for ten arguments.
#pragma once

#include <Python.h>

#include <array>
#include <memory>

#include "buffer.hpp"
#include "kthena/kthena.h"
#include "state.hpp"

namespace kthena::python {

/// Names of a place, read from a mapping by level, and what keeps them alive.
class Place {
 public:
  Place() noexcept = default;
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { Py_XDECREF(items_); }

  /// None: not known. False with a Python exception set.
  bool read(PyObject* mapping, const char* name);
  /// By level; empty where not known.
  [[nodiscard]] const kthena_str* names() const noexcept { return names_; }

 private:
  bool read_item(PyObject* item, const char* name);

  PyObject* items_ = nullptr;
  kthena_str names_[KTHENA_PLACE_LEVELS] = {};
};

/// One without members. Copied where a request begins: compilers move 240 bytes faster than they clear them.
extern const kthena_request kNoRequest;

/// A kthena_request and the arrays that it borrows.
class Request {
 public:
  Request() noexcept = default;
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
  bool assign_more(std::size_t keyword, PyObject* value);
  bool read_depths(PyObject* value, const char* name, Buffer& buffer, const uint32_t*& depths);

  PyObject* pool_ = nullptr;
  bool has_id_ = false;
  kthena_request request_ = kNoRequest;
  Buffer prefix_;
  Buffer history_;

  /// What few requests have: to make room for it in each would cost more than to allocate it for those.
  struct More {
    std::array<Buffer, 4> tiers;
    Place near;
  };
  More& more() {
    if (more_ == nullptr) more_ = std::make_unique<More>();
    return *more_;
  }
  std::unique_ptr<More> more_;
};

/// An int, or what can stand for one, such as a numpy integer. False with a Python exception set.
bool read_u64(PyObject* value, const char* name, uint64_t& out);
bool read_u32(PyObject* value, const char* name, uint32_t& out);
bool read_i64(PyObject* value, const char* name, int64_t& out);
/// A float, or what can stand for one.
bool read_double(PyObject* value, const char* name, double& out);

/// Names of the arguments, interned; filled once per interpreter.
void intern_keywords(State& state);

}  // namespace kthena::python
