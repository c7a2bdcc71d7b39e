// buffer.hpp
//
// Arrays in, without copies: anything with the buffer protocol that has the wanted dimensions, is contiguous and of exactly the wanted
// type.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>

namespace kthena::python {

enum class Element { kFloat64, kInt64, kUint32, kUint64, kBool };
enum class Access { kRead, kWrite };

/// Holds a Py_buffer for as long as it lives.
class Buffer {
 public:
  Buffer() noexcept = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    if (held_) PyBuffer_Release(&view_);
  }

  /// False with a Python exception set: TypeError for another type, ValueError for other dimensions, gaps or memory that is read-only.
  bool acquire(PyObject* object, const char* name, Element element, Access access = Access::kRead, int dimensions = 1);

  /// Elements along the first dimension.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Elements along the second one, of an array that has two.
  [[nodiscard]] std::size_t columns() const noexcept { return static_cast<std::size_t>(view_.shape[1]); }
  template <class T>
  [[nodiscard]] T* as() const noexcept {
    return static_cast<T*>(view_.buf);
  }

 private:
  Py_buffer view_{};
  std::size_t size_ = 0;
  bool held_ = false;
};

}  // namespace kthena::python
