// scorer.cpp
//
// A scorer is called by the library on the thread that decides, which has released the GIL and takes it again for the call. What a column
// is read from lives for the call only, so reading one makes a copy: arrays may be kept.
#include "scorer.hpp"

#include <pybind11/numpy.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "errors.hpp"
#include "text.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace kthena::python {
namespace {

thread_local std::size_t depth = 0;
thread_local std::unique_ptr<py::error_already_set> raised;

struct PythonScorer {
  std::string name;
  py::object call;
};

/// What a scorer is given.
class ScoreInput {
 public:
  ScoreInput(const kthena_score_input* input, std::size_t size) noexcept : input_(input), size_(size) {}
  void close() noexcept { input_ = nullptr; }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const kthena_score_input* get() const {
    if (input_ == nullptr) raise_error(KTHENA_FAILED_PRECONDITION, "the scorer has returned");
    return input_;
  }
  template <class T>
  [[nodiscard]] py::array_t<T> copy(const T* values) const {
    return py::array_t<T>(static_cast<py::ssize_t>(size_), values);
  }
  [[nodiscard]] kthena_request request() const {
    kthena_request request{};
    request.struct_size = sizeof(request);
    Error error;
    check(kthena_score_input_request(get(), &request, &error), error);
    return request;
  }

 private:
  const kthena_score_input* input_;
  std::size_t size_;
};

py::array_t<double> column(const ScoreInput& self, std::string_view name) {
  for (std::int32_t signal = 0; signal < KTHENA_SIGNAL_COUNT; ++signal) {
    const kthena_str known = kthena_signal_name(signal);
    if (name == std::string_view(known.data, known.size))
      return self.copy(kthena_score_input_column(self.get(), signal));
  }
  raise_error(KTHENA_NOT_FOUND, "there is no signal \"" + std::string(name) + "\"");
}

py::array_t<std::uint32_t> endpoints(const ScoreInput& self) {
  py::array_t<std::uint32_t> out(static_cast<py::ssize_t>(self.size()));
  kthena_score_input_endpoints(self.get(), out.mutable_data());
  return out;
}

template <auto kDepths>
py::array_t<std::uint32_t> depths(const ScoreInput& self) {
  return self.copy(kDepths(self.get(), nullptr));
}

template <auto kDepths>
std::uint32_t total(const ScoreInput& self) {
  std::uint32_t blocks = 0;
  kDepths(self.get(), &blocks);
  return blocks;
}

template <auto kMember>
auto member(const ScoreInput& self) {
  const kthena_request request = self.request();
  if constexpr (std::is_same_v<std::remove_cvref_t<decltype(request.*kMember)>, kthena_str>) {
    return py::str((request.*kMember).data, (request.*kMember).size);
  } else {
    return request.*kMember;
  }
}

/// Asks a scorer and writes what it says. Throws.
void ask(const PythonScorer& scorer, const kthena_score_input* input, double* out, std::size_t n) {
  auto given = std::make_shared<ScoreInput>(input, n);
  struct Close {
    ScoreInput& input;
    ~Close() { input.close(); }
  } close{*given};
  const py::object answer = scorer.call(given);
  const auto opinions = py::array_t<double, py::array::c_style | py::array::forcecast>::ensure(answer);
  if (!opinions) {
    PyErr_Clear();
    throw py::type_error("scorer \"" + scorer.name + "\" must return an array of numbers");
  }
  if (opinions.ndim() != 1 || static_cast<std::size_t>(opinions.size()) != n)
    throw py::value_error("scorer \"" + scorer.name + "\" must return " + std::to_string(n) +
                          " numbers, one for each candidate");
  std::copy_n(opinions.data(), n, out);
}

kthena_status score(void* context, const kthena_score_input* input, double* out, std::size_t n, kthena_error* error) {
  const py::gil_scoped_acquire gil;
  ++depth;
  kthena_status status = KTHENA_OK;
  try {
    try {
      ask(*static_cast<const PythonScorer*>(context), input, out, n);
    } catch (py::builtin_exception& wrong) {
      wrong.set_error();
      throw py::error_already_set();
    }
  } catch (py::error_already_set& failure) {
    status = KTHENA_UNKNOWN;
    raised = std::make_unique<py::error_already_set>(failure);
  } catch (const std::exception& failure) {
    status = KTHENA_INTERNAL;
    std::snprintf(error->message, sizeof(error->message), "%s", failure.what());
  }
  --depth;
  return status;
}

void free_scorer(void* context) {
  const py::gil_scoped_acquire gil;
  delete static_cast<PythonScorer*>(context);
}

}  // namespace

std::size_t scorer_depth() noexcept { return depth; }

bool restore_scorer_error() {
  if (raised == nullptr) return false;
  raised->restore();
  raised.reset();
  return true;
}

kthena_policy* create_with_scorers(std::string_view json, const py::dict& scorers) {
  std::vector<std::unique_ptr<PythonScorer>> contexts;
  std::vector<kthena_scorer> rows;
  for (const auto& [name, call] : scorers) {
    if (!py::isinstance<py::str>(name)) throw py::type_error("names of scorers must be str");
    if (PyCallable_Check(call.ptr()) == 0)
      throw py::type_error("scorer \"" + name.cast<std::string>() + "\" must be callable");
    contexts.push_back(std::make_unique<PythonScorer>(
        PythonScorer{name.cast<std::string>(), py::reinterpret_borrow<py::object>(call)}));
    kthena_scorer row{};
    row.struct_size = sizeof(row);
    row.name = borrow(contexts.back()->name);
    row.context = contexts.back().get();
    row.score = score;
    row.free_context = free_scorer;
    rows.push_back(row);
  }
  std::vector<const kthena_scorer*> list;
  for (const kthena_scorer& row : rows) list.push_back(&row);
  kthena_policy* policy = nullptr;
  Error error;
  check(kthena_policy_create_with(borrow(json), list.data(), list.size(), &policy, &error), error);
  for (std::unique_ptr<PythonScorer>& context : contexts) (void)context.release();  // the policy's now
  return policy;
}

void register_scorer(py::module_& module) {
  py::class_<ScoreInput, std::shared_ptr<ScoreInput>>(module, "ScoreInput",
                                                      "What a scorer may see: the candidates, by number.")
      .def("__len__", &ScoreInput::size)
      .def("column", &column, "signal"_a)
      .def_property_readonly("endpoints", &endpoints)
      .def_property_readonly("keys",
                             [](const ScoreInput& self) { return self.copy(kthena_score_input_keys(self.get())); })
      .def_property_readonly("prefix_depths", &depths<kthena_score_input_prefix_depths>)
      .def_property_readonly("prefix_total", &total<kthena_score_input_prefix_depths>)
      .def_property_readonly("history_depths", &depths<kthena_score_input_history_depths>)
      .def_property_readonly("history_total", &total<kthena_score_input_history_depths>)
      .def_property_readonly("id", &member<&kthena_request::id>)
      .def_property_readonly("model", &member<&kthena_request::model>)
      .def_property_readonly("session", &member<&kthena_request::session>)
      .def_property_readonly("prompt_tokens", &member<&kthena_request::prompt_tokens>)
      .def_property_readonly("output_tokens", &member<&kthena_request::output_tokens>)
      .def_property_readonly("sequence", &member<&kthena_request::sequence>)
      .def_property_readonly("now_ns", &member<&kthena_request::now_ns>)
      .def_property_readonly("seed", &member<&kthena_request::seed>);
}

}  // namespace kthena::python
