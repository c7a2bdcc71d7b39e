// buffer.cpp
#include "buffer.hpp"

#include <bit>

namespace kthena::python {
namespace {

struct ElementInfo {
  const char* name;
  const char* codes;  // of the struct module, all of `size` bytes here
  Py_ssize_t size;
};

constexpr ElementInfo kElements[] = {
    {"float64", "d", 8}, {"int64", "ql", 8}, {"uint32", "IL", 4}, {"uint64", "QL", 8}, {"bool", "?", 1}};

bool same_type(const Py_buffer& view, const ElementInfo& info) {
  if (view.itemsize != info.size || view.format == nullptr) return false;
  const char* format = view.format;
  if (*format == '@' || *format == '=' || (*format == '<' && std::endian::native == std::endian::little)) ++format;
  for (const char* code = info.codes; *code != '\0'; ++code)
    if (format[0] == *code && format[1] == '\0') return true;
  return false;
}

void wrong_type(PyObject* object, const char* name, const ElementInfo& info) {
  PyErr_Clear();
  PyObject* dtype = PyObject_GetAttrString(object, "dtype");
  if (dtype == nullptr) PyErr_Clear();
  if (dtype != nullptr)
    PyErr_Format(PyExc_TypeError, "%s must be an array of %s, not of %S", name, info.name, dtype);
  else
    PyErr_Format(PyExc_TypeError, "%s must be an array of %s, not %s", name, info.name, Py_TYPE(object)->tp_name);
  Py_XDECREF(dtype);
}

}  // namespace

bool Buffer::acquire(PyObject* object, const char* name, Element element, Access access, int dimensions) {
  const ElementInfo& info = kElements[static_cast<std::size_t>(element)];
  if (!PyObject_CheckBuffer(object)) {
    wrong_type(object, name, info);
    return false;
  }
  const int flags = PyBUF_ND | PyBUF_FORMAT | (access == Access::kWrite ? PyBUF_WRITABLE : 0);
  if (PyObject_GetBuffer(object, &view_, flags) != 0) {
    PyErr_Clear();
    PyErr_Format(PyExc_ValueError, "%s must be contiguous%s", name, access == Access::kWrite ? " and writable" : "");
    return false;
  }
  held_ = true;
  if (!same_type(view_, info)) {
    wrong_type(object, name, info);
    return false;
  }
  if (view_.ndim != dimensions) {
    PyErr_Format(PyExc_ValueError, "%s must have %s, not %d", name,
                 dimensions == 1 ? "one dimension" : "two dimensions", view_.ndim);
    return false;
  }
  size_ = static_cast<std::size_t>(view_.shape[0]);
  return true;
}

}  // namespace kthena::python
