// text.hpp
//
// Text out of the C interface and into it.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "errors.hpp"

namespace kthena::python {

inline kthena_str borrow(std::string_view text) noexcept { return {text.data(), text.size()}; }

/// `call(buffer, capacity, needed, error)` follows the needed-size protocol of kthena.h. Touches no Python.
template <class Call>
kthena_status read_text(Call&& call, std::string& text, Error& error) {
  std::size_t needed = 0;
  text.resize(4096);
  kthena_status status = call(text.data(), text.size(), &needed, &error);
  while (status == KTHENA_OUT_OF_RANGE && needed > text.size()) {
    text.resize(needed);
    status = call(text.data(), text.size(), &needed, &error);
  }
  text.resize(status == KTHENA_OK ? needed : 0);
  return status;
}

/// read_text for calls that are short.
template <class Call>
pybind11::str text_of(Call&& call) {
  std::string text;
  Error error;
  check(read_text(call, text, error), error);
  return pybind11::str(text);
}

}  // namespace kthena::python
