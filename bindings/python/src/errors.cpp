// errors.cpp
#include "errors.hpp"

namespace py = pybind11;

namespace kthena::python {

void set_error(kthena_status status, std::string_view message) {
  try {
    py::object make = py::module_::import("kthena.errors").attr("error_for");
    py::object error = make(status, py::reinterpret_steal<py::str>(PyUnicode_DecodeUTF8(
                                        message.data(), static_cast<Py_ssize_t>(message.size()), "replace")));
    PyErr_SetObject(py::type::handle_of(error).ptr(), error.ptr());
  } catch (py::error_already_set& failure) {
    failure.restore();
  }
}

void raise_error(kthena_status status, std::string_view message) {
  set_error(status, message);
  throw py::error_already_set();
}

}  // namespace kthena::python
