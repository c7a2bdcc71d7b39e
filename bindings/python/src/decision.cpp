// decision.cpp
#include "decision.hpp"

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>

namespace py = pybind11;

namespace kthena::python {
namespace {

const Decision& of(PyObject* self) noexcept { return *reinterpret_cast<const Decision*>(self); }

/// members[code], from type(code) the first time.
PyObject* enum_member(PyObject* members, const char* module_name, const char* type_name, std::int32_t code) {
  PyObject* key = PyLong_FromLong(code);
  if (key == nullptr) return nullptr;
  PyObject* member = PyDict_GetItemWithError(members, key);
  if (member != nullptr) {
    Py_INCREF(member);
  } else if (PyErr_Occurred() == nullptr) {
    PyObject* module = PyImport_ImportModule(module_name);
    PyObject* type = module == nullptr ? nullptr : PyObject_GetAttrString(module, type_name);
    member = type == nullptr ? nullptr : PyObject_CallOneArg(type, key);
    if (member != nullptr && PyDict_SetItem(members, key, member) != 0) Py_CLEAR(member);
    Py_XDECREF(type);
    Py_XDECREF(module);
  }
  Py_DECREF(key);
  return member;
}

PyObject* id_of(const Decision& self, std::uint32_t endpoint) {
  PyObject* id = PyTuple_GetItem(self.ids, static_cast<Py_ssize_t>(endpoint));
  Py_XINCREF(id);
  return id;
}

PyObject* get_outcome(PyObject* self, void*) {
  return enum_member(of(self).state->outcomes, "kthena.types", "Outcome", of(self).value.outcome);
}
PyObject* get_endpoint(PyObject* self, void*) {
  if (of(self).value.endpoint == KTHENA_NONE) Py_RETURN_NONE;
  return id_of(of(self), of(self).value.endpoint);
}
PyObject* get_index(PyObject* self, void*) {
  if (of(self).value.endpoint == KTHENA_NONE) Py_RETURN_NONE;
  return PyLong_FromUnsignedLong(of(self).value.endpoint);
}
/// The ranked list from position `first` on.
template <class Make>
PyObject* make_ranked(const Decision& self, std::uint32_t first, Make make) {
  const std::uint32_t end = self.value.ranked_count;
  const auto count = static_cast<Py_ssize_t>(end > first ? end - first : 0);
  PyObject* tuple = PyTuple_New(count);
  for (Py_ssize_t i = 0; tuple != nullptr && i < count; ++i) {
    PyObject* item = make(self.value.ranked[first + static_cast<std::size_t>(i)]);
    if (item == nullptr)
      Py_CLEAR(tuple);
    else
      PyTuple_SET_ITEM(tuple, i, item);
  }
  return tuple;
}
PyObject* get_ranked(PyObject* self, void*) {
  return make_ranked(of(self), 0, [self](std::uint32_t endpoint) { return id_of(of(self), endpoint); });
}
PyObject* get_failover(PyObject* self, void*) {
  return make_ranked(of(self), 1, [self](std::uint32_t endpoint) { return id_of(of(self), endpoint); });
}
PyObject* get_ranked_indices(PyObject* self, void*) {
  return make_ranked(of(self), 0, [](std::uint32_t endpoint) { return PyLong_FromUnsignedLong(endpoint); });
}
PyObject* get_reason(PyObject* self, void*) {
  return enum_member(of(self).state->reasons, "kthena.reasons", "Reason", of(self).value.reason);
}
PyObject* get_reason_subject(PyObject* self, void*) { return PyLong_FromUnsignedLong(of(self).value.reason_subject); }
PyObject* get_candidates(PyObject* self, void*) { return PyLong_FromUnsignedLong(of(self).value.candidates); }
PyObject* get_reason_a(PyObject* self, void*) { return PyFloat_FromDouble(of(self).value.reason_a); }
PyObject* get_reason_b(PyObject* self, void*) { return PyFloat_FromDouble(of(self).value.reason_b); }
PyObject* get_score(PyObject* self, void*) { return PyFloat_FromDouble(of(self).value.score); }
PyObject* get_stage(PyObject* self, void*) { return PyLong_FromUnsignedLong(of(self).value.stage); }
PyObject* get_margin(PyObject* self, void*) { return PyFloat_FromDouble(of(self).value.margin); }

PyGetSetDef kMembers[] = {
    {"outcome", get_outcome, nullptr,
     "Outcome.ROUTED, or Outcome.NO_ENDPOINT: nobody can take it and `reason` says why.", nullptr},
    {"endpoint", get_endpoint, nullptr, "Id of the chosen endpoint; None when not routed.", nullptr},
    {"index", get_index, nullptr, "Its position in the pool; None when not routed.", nullptr},
    {"ranked", get_ranked, nullptr, "Ranked list of ids: best first, the chosen one included.", nullptr},
    {"ranked_indices", get_ranked_indices, nullptr, "The same as positions in the pool.", nullptr},
    {"failover", get_failover, nullptr, "Ids to try when the chosen one fails, in this order.", nullptr},
    {"reason", get_reason, nullptr, "Why it came out like this, a Reason.", nullptr},
    {"reason_subject", get_reason_subject, nullptr, "What the reason is about, as the reason's text says.", nullptr},
    {"reason_a", get_reason_a, nullptr, "First number behind the reason.", nullptr},
    {"reason_b", get_reason_b, nullptr, "Second number behind the reason.", nullptr},
    {"score", get_score, nullptr, "Total score of the chosen endpoint, in the policy's unit.", nullptr},
    {"margin", get_margin, nullptr, "Score minus that of the runner-up, >= 0.", nullptr},
    {"candidates", get_candidates, nullptr, "Endpoints that were left after the filters.", nullptr},
    {"stage", get_stage, nullptr, "Whose parts decided: 0 the policy's own, n its n-th stage of otherwise.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

bool same_value(const kthena_decision& a, const kthena_decision& b) noexcept {
  if (a.outcome != b.outcome || a.endpoint != b.endpoint || a.reason != b.reason ||
      a.reason_subject != b.reason_subject || a.candidates != b.candidates || a.reason_a != b.reason_a ||
      a.reason_b != b.reason_b || a.score != b.score || a.margin != b.margin || a.ranked_count != b.ranked_count ||
      a.stage != b.stage)
    return false;
  for (std::uint32_t i = 0; i < a.ranked_count; ++i)
    if (a.ranked[i] != b.ranked[i]) return false;
  return true;
}

PyObject* compare(PyObject* left, PyObject* right, int operation) {
  if ((operation != Py_EQ && operation != Py_NE) || Py_TYPE(left) != Py_TYPE(right)) Py_RETURN_NOTIMPLEMENTED;
  int equal = same_value(of(left).value, of(right).value) ? 1 : 0;
  if (equal == 1) equal = PyObject_RichCompareBool(of(left).ids, of(right).ids, Py_EQ);
  if (equal < 0) return nullptr;
  return PyBool_FromLong(operation == Py_EQ ? equal : 1 - equal);
}

Py_hash_t hash(PyObject* self) {
  const auto& value = of(self).value;
  return static_cast<Py_hash_t>(kthena_random_u64(value.endpoint, value.candidates, value.ranked_count) >> 1);
}

PyObject* repr(PyObject* self) {
  PyObject* endpoint = get_endpoint(self, nullptr);
  PyObject* ranked = get_ranked(self, nullptr);
  PyObject* score = get_score(self, nullptr);
  PyObject* margin = get_margin(self, nullptr);
  const kthena_str reason = kthena_reason_name(of(self).value.reason);
  PyObject* name = PyUnicode_FromStringAndSize(reason.data, static_cast<Py_ssize_t>(reason.size));
  PyObject* text = nullptr;
  if (endpoint != nullptr && ranked != nullptr && score != nullptr && margin != nullptr && name != nullptr)
    text = PyUnicode_FromFormat("Decision(endpoint=%R, reason=%U, score=%R, margin=%R, candidates=%u, ranked=%R)",
                                endpoint, name, score, margin, of(self).value.candidates, ranked);
  Py_XDECREF(endpoint);
  Py_XDECREF(ranked);
  Py_XDECREF(score);
  Py_XDECREF(margin);
  Py_XDECREF(name);
  return text;
}

void deallocate(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  Py_DECREF(of(self).ids);
  PyObject_Free(self);
  Py_DECREF(type);
}

template <class Function>
PyType_Slot slot(int id, Function* function) {
  return {id, reinterpret_cast<void*>(function)};
}

}  // namespace

Decision* new_decision(const State& state, PyObject* ids) noexcept {
  auto* self = PyObject_New(Decision, state.decision_type);
  if (self == nullptr) return nullptr;
  self->state = &state;
  Py_INCREF(ids);
  self->ids = ids;
  self->value.struct_size = sizeof(kthena_decision);
  return self;
}

void register_decision(py::module_& module, State& state) {
  static char doc[] = "Where a request goes, where next if that fails, and why. Immutable.";
  PyType_Slot slots[] = {slot(Py_tp_dealloc, &deallocate),
                         slot(Py_tp_repr, &repr),
                         slot(Py_tp_hash, &hash),
                         slot(Py_tp_richcompare, &compare),
                         {Py_tp_getset, kMembers},
                         {Py_tp_doc, doc},
                         {0, nullptr}};
  PyType_Spec spec = {"kthena._core.Decision", sizeof(Decision), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  auto type = py::reinterpret_steal<py::object>(PyType_FromModuleAndSpec(module.ptr(), &spec, nullptr));
  if (!type) throw py::error_already_set();
  module.attr("Decision") = type;
  state.decision_type = reinterpret_cast<PyTypeObject*>(type.release().ptr());
  state.reasons = py::dict().release().ptr();
  state.outcomes = py::dict().release().ptr();
}

}  // namespace kthena::python
