// policy.cpp
//
// Policy and its hot methods. decide() and explain_json() are plain C methods put on the pybind11 type: see request.hpp.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "batch.hpp"
#include "decision.hpp"
#include "errors.hpp"
#include "fast_call.hpp"
#include "policy.hpp"
#include "pool.hpp"
#include "request.hpp"
#include "scorer.hpp"
#include "state.hpp"
#include "text.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace kthena::python {
namespace {

PyObject* decide(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* names) {
  Policy* policy = self_of<Policy>(self);
  if (policy == nullptr) return nullptr;
  const State& state = policy->state();
  Request request;
  if (!request.read(state, "decide", arguments, positional, names)) return nullptr;
  Pool* pool = unwrap<Pool>(request.pool(), state.pool_type, "pool");
  if (pool == nullptr) return nullptr;
  Decision* decision = new_decision(state, pool->ids().ptr());
  if (decision == nullptr) return nullptr;
  Error error;
  kthena_status status = KTHENA_OK;
  const auto make = [&] {
    status = kthena_decide(policy->get(), pool->get(), &request.get(), workspace(), &decision->value, &error);
  };
  if (policy->asks_scorers()) {
    pool->run_batch([&] {
      const std::uint64_t before = kthena_workspace_abstentions(workspace());
      make();
      policy->add_abstentions(kthena_workspace_abstentions(workspace()) - before);
    });
  } else {
    pool->run<ReadLock>(make);
  }
  if (status != KTHENA_OK) {
    Py_DECREF(reinterpret_cast<PyObject*>(decision));
    if (!restore_scorer_error()) set_error(status, error.text());
    return nullptr;
  }
  return reinterpret_cast<PyObject*>(decision);
}

PyObject* explain_json(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* names) {
  Policy* policy = self_of<Policy>(self);
  if (policy == nullptr) return nullptr;
  Request request;
  if (!request.read(policy->state(), "explain_json", arguments, positional, names)) return nullptr;
  Pool* pool = unwrap<Pool>(request.pool(), policy->state().pool_type, "pool");
  if (pool == nullptr) return nullptr;
  std::string text;
  Error error;
  kthena_status status = KTHENA_OK;
  const auto make = [&] {
    status = read_text(
        [&](char* buffer, size_t capacity, size_t* needed, kthena_error* fault) {
          return kthena_explain_json(policy->get(), pool->get(), &request.get(), buffer, capacity, needed, fault);
        },
        text, error);
  };
  if (policy->asks_scorers()) {
    pool->run_batch(make);
  } else {
    pool->run<ReadLock>(make);
  }
  if (status != KTHENA_OK) {
    if (!restore_scorer_error()) set_error(status, error.text());
    return nullptr;
  }
  return PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
}

#define KTHENA_REQUEST_SIGNATURE                                                                              \
  "($self, pool, *, id, model='', prompt_tokens=0, output_tokens=0, prefix_depths=None, prefix_total=0, "     \
  "prefix_block_tokens=0, prefix_host_depths=None, prefix_disk_depths=None, history_depths=None, "            \
  "history_total=0, history_block_tokens=0, history_host_depths=None, history_disk_depths=None, session='', " \
  "near=None, slo_ttft_s=0.0, slo_tpot_s=0.0, sequence=0, now_ns=0, seed=0)\n--\n\n"

PyMethodDef kMethods[] = {
    method<&decide>("decide", "decide" KTHENA_REQUEST_SIGNATURE "Where the request goes."),
    method<&explain_json>("explain_json",
                          "explain_json" KTHENA_REQUEST_SIGNATURE "The same decision taken apart, as JSON."),
};

template <class Create>
std::unique_ptr<Policy> make_policy(Create create, std::string_view text, const State& state) {
  kthena_policy* policy = nullptr;
  Error error;
  check(create(borrow(text), &policy, &error), error);
  return std::make_unique<Policy>(policy, state);
}

}  // namespace

kthena_workspace* workspace() {
  struct Owner {
    kthena_workspace* workspace = kthena_workspace_create();
    std::vector<kthena_workspace*> inner;  // by depth, from 1 on
    ~Owner() {
      kthena_workspace_free(workspace);
      for (kthena_workspace* one : inner) kthena_workspace_free(one);
    }
  };
  thread_local Owner owner;
  const std::size_t depth = scorer_depth();
  if (depth == 0) return owner.workspace;
  while (owner.inner.size() < depth) owner.inner.push_back(kthena_workspace_create());
  return owner.inner[depth - 1];
}

void register_policy(py::module_& module, State& state) {
  intern_keywords(state);
  register_scorer(module);
  py::class_<Policy> type(module, "Policy", "A routing policy. Immutable.");
  type.def(py::init(
               [&state](std::string_view preset) { return make_policy(kthena_policy_create_preset, preset, state); }),
           "preset"_a)
      .def(py::init([&state](std::string_view json, const std::optional<py::dict>& scorers) {
             if (!scorers || scorers->empty()) return make_policy(kthena_policy_create_json, json, state);
             return std::make_unique<Policy>(create_with_scorers(json, *scorers), state, true);
           }),
           py::kw_only(), "json"_a, "scorers"_a = py::none())
      .def_property_readonly("abstentions", &Policy::abstentions,
                             "Opinions of its own scorers that were NaN or infinite, in decisions so far.")
      .def("to_json", [](const Policy& self) {
        return text_of([&](char* buffer, size_t capacity, size_t* needed, kthena_error* error) {
          return kthena_policy_json(self.get(), buffer, capacity, needed, error);
        });
      });
  register_decide_many(type);
  state.policy_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  for (PyMethodDef& definition : kMethods) add_method(type, definition);
}

}  // namespace kthena::python
