// fast_call.hpp
//
// Plain C methods on pybind11 types, for calls that take less time than pybind11 needs for their arguments.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>
#include <new>

namespace kthena::python {

/// The C++ object inside a pybind11 instance of `type` or a subclass; nullptr with TypeError set otherwise.
template <class T>
T* unwrap(PyObject* object, PyTypeObject* type, const char* what) {
  if (PyObject_TypeCheck(object, type)) {
    auto* instance = reinterpret_cast<pybind11::detail::instance*>(object);
    T* value = nullptr;
    if (instance->simple_layout)
      value = static_cast<T*>(instance->simple_value_holder[0]);
    else
      value = pybind11::cast<T*>(pybind11::handle(object));
    if (value != nullptr) return value;
  }
  PyErr_Format(PyExc_TypeError, "%s must be a %s, not %s", what, type->tp_name, Py_TYPE(object)->tp_name);
  return nullptr;
}

/// `self` has been checked by the method descriptor; it may still be an object whose __init__ never ran.
template <class T>
T* self_of(PyObject* self) {
  return unwrap<T>(self, Py_TYPE(self), "self");
}

// No C++ exception may pass through the interpreter.
template <auto function>
PyObject* guarded(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* names) noexcept {
  try {
    return function(self, arguments, positional, names);
  } catch (pybind11::error_already_set& failure) {
    failure.restore();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& failure) {
    PyErr_SetString(PyExc_RuntimeError, failure.what());
  }
  return nullptr;
}

/// `function(self, arguments, positional, names)` gives a new reference, or nullptr with an exception set. `doc` begins with the signature.
template <auto function>
PyMethodDef method(const char* name, const char* doc) {
  using Function = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);
  constexpr Function pointer = &guarded<function>;
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(pointer)), METH_FASTCALL | METH_KEYWORDS,
          doc};
}

/// Puts a method on a type; `definition` must live for ever.
inline void add_method(pybind11::handle type, PyMethodDef& definition) {
  auto descriptor = pybind11::reinterpret_steal<pybind11::object>(
      PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(type.ptr()), &definition));
  if (!descriptor) throw pybind11::error_already_set();
  type.attr(definition.ml_name) = descriptor;
}

}  // namespace kthena::python
