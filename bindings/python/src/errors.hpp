// errors.hpp
//
// From a kthena_status to the Python exceptions of kthena/errors.py.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <string_view>

#include "kthena/kthena.h"

namespace kthena::python {

/// A kthena_error ready for a call. Only the head is written: clearing four kilobytes costs more than a decision.
struct Error : kthena_error {
  Error() noexcept {  // NOLINT(cppcoreguidelines-pro-type-member-init)
    struct_size = sizeof(kthena_error);
    code = KTHENA_OK;
    message_size = 0;
    message[0] = '\0';
  }
  [[nodiscard]] std::string_view text() const noexcept { return message; }
};

/// Sets the Python exception for a status. The GIL must be held.
void set_error(kthena_status status, std::string_view message);

/// set_error and throw.
[[noreturn]] void raise_error(kthena_status status, std::string_view message);

/// Throws unless the status is KTHENA_OK. The GIL must be held.
inline void check(kthena_status status, const Error& error) {
  if (status != KTHENA_OK) raise_error(status, error.text());
}

}  // namespace kthena::python
