// decision_log.cpp
//
// DecisionLog and its append(), which takes the arguments of decide() and the decision that came of them; the doors of diff and lint.
#include <pybind11/pybind11.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "decision.hpp"
#include "errors.hpp"
#include "fast_call.hpp"
#include "policy.hpp"
#include "pool.hpp"
#include "request.hpp"
#include "state.hpp"
#include "text.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace kthena::python {
namespace {

/// One thread at a time.
class DecisionLog {
 public:
  explicit DecisionLog(const Policy& policy) : state_(policy.state()) {
    Error error;
    check(kthena_decision_log_create(policy.get(), &log_, &error), error);
  }
  DecisionLog(const DecisionLog&) = delete;
  DecisionLog& operator=(const DecisionLog&) = delete;
  ~DecisionLog() { kthena_decision_log_free(log_); }

  [[nodiscard]] const State& state() const noexcept { return state_; }

  kthena_status append(const Pool& pool, const kthena_request& request, const kthena_decision& decision, Error& error) {
    std::lock_guard lock(mutex_);
    return kthena_decision_log_append(log_, pool.get(), &request, &decision, &error);
  }

  void set_policy(const Policy& policy) {
    std::lock_guard lock(mutex_);
    Error error;
    check(kthena_decision_log_set_policy(log_, policy.get(), &error), error);
  }

  void restart() {
    std::lock_guard lock(mutex_);
    Error error;
    check(kthena_decision_log_restart(log_, &error), error);
  }

  py::bytes take() {
    std::string bytes;
    Error error;
    kthena_status status = KTHENA_OK;
    {
      std::lock_guard lock(mutex_);
      status = read_text(
          [&](char* buffer, size_t capacity, size_t* needed, kthena_error* fault) {
            return kthena_decision_log_take(log_, buffer, capacity, needed, fault);
          },
          bytes, error);
    }
    check(status, error);
    return py::bytes(bytes);
  }

 private:
  const State& state_;
  kthena_decision_log* log_ = nullptr;
  std::mutex mutex_;
};

PyObject* append(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* names) {
  DecisionLog* log = self_of<DecisionLog>(self);
  if (log == nullptr) return nullptr;
  if (positional != 2) {
    PyErr_SetString(PyExc_TypeError, "append() takes a pool and a decision by position, the rest by name");
    return nullptr;
  }
  const State& state = log->state();
  if (Py_TYPE(arguments[1]) != state.decision_type) {
    PyErr_Format(PyExc_TypeError, "decision must be a kthena.Decision, not %s", Py_TYPE(arguments[1])->tp_name);
    return nullptr;
  }
  const auto* decision = reinterpret_cast<const Decision*>(arguments[1]);
  // The arguments of decide(): without the decision.
  std::array<PyObject*, 1 + kRequestKeywords> asked = {arguments[0]};
  const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  if (named > static_cast<Py_ssize_t>(kRequestKeywords)) {
    PyErr_SetString(PyExc_TypeError, "append() got too many arguments");
    return nullptr;
  }
  for (Py_ssize_t i = 0; i < named; ++i) asked[static_cast<std::size_t>(i) + 1] = arguments[2 + i];
  Request request;
  if (!request.read(state, "append", asked.data(), 1, names)) return nullptr;
  Pool* pool = unwrap<Pool>(request.pool(), state.pool_type, "pool");
  if (pool == nullptr) return nullptr;
  if (decision->ids != pool->ids().ptr()) {
    PyErr_SetString(PyExc_ValueError, "the decision was made of another pool");
    return nullptr;
  }
  Error error;
  kthena_status status = KTHENA_OK;
  pool->run<ReadLock>([&] { status = log->append(*pool, request.get(), decision->value, error); });
  if (status != KTHENA_OK) {
    set_error(status, error.text());
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyMethodDef kAppend = method<&append>(
    "append",
    "append($self, pool, decision, *, id, model='', prompt_tokens=0, output_tokens=0, prefix_depths=None, "
    "prefix_total=0, prefix_block_tokens=0, prefix_host_depths=None, prefix_disk_depths=None, history_depths=None, "
    "history_total=0, history_block_tokens=0, history_host_depths=None, history_disk_depths=None, session='', "
    "near=None, slo_ttft_s=0.0, slo_tpot_s=0.0, sequence=0, now_ns=0, seed=0)\n--\n\n"
    "A decision of `Policy.decide`, and what it was made of.");

/// Text of a call that may take long: other threads run.
template <class Call>
py::str long_text(Call&& call) {
  std::string text;
  Error error;
  kthena_status status = KTHENA_OK;
  {
    py::gil_scoped_release release;
    status = read_text(call, text, error);
  }
  check(status, error);
  return py::str(text);
}

}  // namespace

void register_decision_log(py::module_& module) {
  py::class_<DecisionLog> type(module, "DecisionLog", "Decisions with all that they hung on, as bytes.");
  type.def(py::init<const Policy&>(), "policy"_a)
      .def("set_policy", &DecisionLog::set_policy, "policy"_a, "Who decides from the next decision on.")
      .def("restart", &DecisionLog::restart, "The next decision begins a log of its own.")
      .def("take", &DecisionLog::take, "The bytes since the last call, which are then forgotten.");
  add_method(type, kAppend);
  module.def(
      "policy_hash", [](const Policy& policy) { return kthena_policy_hash(policy.get()); }, "policy"_a,
      "Hash of all of a policy but its names.");
  module.def(
      "log_diff_json",
      [](std::string_view log, std::string_view document) {
        return long_text([&](char* buffer, size_t capacity, size_t* needed, kthena_error* fault) {
          return kthena_log_diff_json(borrow(log), borrow(document), buffer, capacity, needed, fault);
        });
      },
      "log"_a, "document"_a, "What another policy would have decided.");
  module.def(
      "lint_json",
      [](std::string_view document) {
        return long_text([&](char* buffer, size_t capacity, size_t* needed, kthena_error* fault) {
          return kthena_lint_json(borrow(document), buffer, capacity, needed, fault);
        });
      },
      "document"_a, "What of a policy is known to go wrong.");
}

}  // namespace kthena::python
