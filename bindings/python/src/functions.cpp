// functions.cpp
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "errors.hpp"
#include "state.hpp"
#include "text.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace kthena::python {

void register_functions(py::module_& module) {
  module.def("version", &kthena_version, "major << 16 | minor << 8 | patch of the library.");
  module.def(
      "hash_id", [](std::string_view id) { return kthena_hash_id(borrow(id)); }, "id"_a,
      "Hash of an id, as used for ties.");
  module.def(
      "reason_numbers",
      [](std::int32_t reason) {
        const kthena_str numbers = kthena_reason_numbers(reason);
        return py::str(numbers.data, numbers.size);
      },
      "reason"_a, "What reason_subject, reason_a and reason_b of a reason are.");
  module.def("random_u64", &kthena_random_u64, "seed"_a, "stream"_a, "counter"_a, "One number of a seeded stream.");
  module.def(
      "presets_json", [] { return text_of(kthena_presets_json); }, "Names of all presets.");
  module.def(
      "parts_json", [] { return text_of(kthena_parts_json); }, "All parts of policies with their options.");
  module.def(
      "decide_json",
      [](std::string_view document) {
        std::string text;
        Error error;
        kthena_status status = KTHENA_OK;
        {
          py::gil_scoped_release release;
          status = read_text(
              [&](char* buffer, size_t capacity, size_t* needed, kthena_error* fault) {
                return kthena_route_decide_json(borrow(document), buffer, capacity, needed, fault);
              },
              text, error);
        }
        check(status, error);
        return py::str(text);
      },
      "document"_a, "One document with pool, policy and request in, one decision out.");
}

}  // namespace kthena::python
