// prefix_find.cpp
//
// Lookups in a PrefixIndex. They run beside the writer and take no lock of the index, only those of their queries. find() and find_best() are
// plain C methods: through pybind11 their arguments would take several times as long as the lookup.
#include <pybind11/numpy.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "buffer.hpp"
#include "fast_call.hpp"
#include "prefix.hpp"
#include "request.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace kthena::python {
namespace {

/// numpy's flags: one piece in C order, aligned; and writable.
constexpr int kPlain = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
constexpr int kPlainWritable = kPlain | py::detail::npy_api::NPY_ARRAY_WRITEABLE_;

/// Numbers of 32 bits. numpy's own arrays of the usual kind are read without their buffer protocol, which takes longer than a lookup; their
/// memory stays as it is while the caller holds them.
class Numbers {
 public:
  bool acquire(const State& state, PyObject* object, const char* name, Access access) {
    if (kHasGil && state.array_type != nullptr && Py_TYPE(object) == state.array_type) {
      const auto* array = py::detail::array_proxy(object);
      const int wanted = access == Access::kWrite ? kPlainWritable : kPlain;
      if (array->nd == 1 && array->descr == state.uint32_dtype && (array->flags & wanted) == wanted) {
        data_ = reinterpret_cast<std::uint32_t*>(array->data);
        size_ = static_cast<std::size_t>(array->dimensions[0]);
        return true;
      }
    }
    if (!buffer_.acquire(object, name, Element::kUint32, access)) return false;
    data_ = buffer_.as<std::uint32_t>();
    size_ = buffer_.size();
    return true;
  }
  [[nodiscard]] std::uint32_t* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::uint32_t* data_ = nullptr;
  std::size_t size_ = 0;
  Buffer buffer_;
};

/// A candidate mask: None, words of 64 bits, or an array of bool by worker.
class Mask {
 public:
  bool acquire(PyObject* object) {
    if (object == nullptr || object == Py_None) return true;
    static constexpr std::uint64_t kNobody = 0;
    words_ = &kNobody;
    if (is_bool(object)) {
      Buffer bits;
      if (!bits.acquire(object, "candidates", Element::kBool)) return false;
      packed_.resize((bits.size() + 63) / 64);
      const auto* bit = bits.as<const unsigned char>();
      for (std::size_t i = 0; i < bits.size(); ++i)
        if (bit[i] != 0) packed_[i / 64] |= std::uint64_t{1} << (i % 64);
      if (!packed_.empty()) words_ = packed_.data();
      size_ = packed_.size();
      return true;
    }
    if (!buffer_.acquire(object, "candidates", Element::kUint64)) return false;
    if (buffer_.size() != 0) words_ = buffer_.as<const std::uint64_t>();
    size_ = buffer_.size();
    return true;
  }
  [[nodiscard]] const std::uint64_t* words() const noexcept { return words_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  static bool is_bool(PyObject* object) {
    if (!PyObject_CheckBuffer(object)) return false;
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_FORMAT | PyBUF_STRIDES) != 0) {
      PyErr_Clear();
      return false;
    }
    const bool found = view.format != nullptr && view.format[0] == '?' && view.format[1] == '\0';
    PyBuffer_Release(&view);
    return found;
  }

  const std::uint64_t* words_ = nullptr;
  std::size_t size_ = 0;
  std::vector<std::uint64_t> packed_;
  Buffer buffer_;
};

/// Runs a lookup, which must not touch Python, under the lock of its query. The lock may be given back without the GIL: nobody waits for it
/// while holding the GIL.
template <class Call>
kthena_status look_up(Query& query, std::size_t numbers, Call&& call) {
  ReadLock lock(query.mutex(), std::try_to_lock);
  if (lock.owns_lock() && kthena_prefix_query_blocks(query.get()) + numbers < kLongFind) return call();
  py::gil_scoped_release release;
  if (!lock.owns_lock()) lock.lock();
  const kthena_status status = call();
  lock.unlock();
  return status;
}

void load_numpy(const State& state) {
  if (state.array_type != nullptr) return;
  auto& numpy = py::detail::npy_api::get();
  state.uint32_dtype = numpy.PyArray_DescrFromType_(py::detail::npy_api::NPY_UINT32_);
  state.array_type = numpy.PyArray_Type_;
}

/// A list or tuple as an array; anything else as it is.
py::object array_of(PyObject* values, const char* name) {
  if (!PyList_Check(values) && !PyTuple_Check(values)) return py::reinterpret_borrow<py::object>(values);
  return py::module_::import("kthena.arrays")
      .attr("from_list")(py::handle(values), py::module_::import("numpy").attr("uint32"), name);
}

constexpr const char* kFindNames[kFindArguments] = {"query", "workers", "candidates", "out"};
constexpr const char* kBestNames[kBestArguments] = {"query", "loads", "candidates", "block_cost", "tie_seed"};

/// Puts the arguments of a call into `values`, in the order of `texts`: the first `needed` by position or name, the rest by name. Borrowed;
/// nullptr for None and for what is not given. False with TypeError set.
template <std::size_t count>
bool read_arguments(const char* function, const char* const (&texts)[count], PyObject* const (&interned)[count],
                    std::size_t needed, PyObject* const* arguments, Py_ssize_t positional, PyObject* names,
                    PyObject* (&values)[count]) {
  if (static_cast<std::size_t>(positional) > needed) {
    PyErr_Format(PyExc_TypeError, "%s() takes %zu arguments by position and the rest by name", function, needed);
    return false;
  }
  for (Py_ssize_t i = 0; i < positional; ++i) values[i] = arguments[i];
  const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  for (Py_ssize_t i = 0; i < named; ++i) {
    PyObject* name = PyTuple_GET_ITEM(names, i);
    std::size_t at = 0;
    // Names in a call are interned.
    while (at < count && interned[at] != name) ++at;
    if (at == count) {
      at = 0;
      while (at < count && PyUnicode_CompareWithASCIIString(name, texts[at]) != 0) ++at;
    }
    if (at == count || at < static_cast<std::size_t>(positional)) {
      PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function, name);
      return false;
    }
    PyObject* value = arguments[positional + i];
    values[at] = value == Py_None && at >= needed ? nullptr : value;
  }
  for (std::size_t i = 0; i < needed; ++i) {
    if (values[i] != nullptr) continue;
    PyErr_Format(PyExc_TypeError, "%s() missing required argument: '%s'", function, texts[i]);
    return false;
  }
  return true;
}

PyObject* find(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* names) {
  Index* index = self_of<Index>(self);
  if (index == nullptr) return nullptr;
  const State& state = index->state();
  PyObject* values[kFindArguments] = {};
  if (!read_arguments("find", kFindNames, state.find_names, 1, arguments, positional, names, values)) return nullptr;
  Query* query = unwrap<Query>(values[kQuery], state.prefix_query_type, "query");
  if (query == nullptr) return nullptr;
  load_numpy(state);
  if (values[kWorkers] != nullptr && values[kCandidates] != nullptr) {
    set_error(KTHENA_INVALID_ARGUMENT, "find: give workers or candidates, not both");
    return nullptr;
  }
  py::object converted;
  Numbers workers;
  Mask mask;
  const bool chosen = values[kWorkers] != nullptr;
  if (chosen) {
    converted = array_of(values[kWorkers], "workers");
    if (!workers.acquire(state, converted.ptr(), "workers", Access::kRead)) return nullptr;
  } else if (!mask.acquire(values[kCandidates])) {
    return nullptr;
  }
  py::object out;
  if (values[kOut] != nullptr)
    out = py::reinterpret_borrow<py::object>(values[kOut]);
  else
    out = py::array_t<std::uint32_t>(static_cast<py::ssize_t>(chosen ? workers.size() : index->worker_limit()));
  Numbers depths;
  if (!depths.acquire(state, out.ptr(), "out", Access::kWrite)) return nullptr;
  if (chosen && depths.size() != workers.size()) {
    set_error(KTHENA_INVALID_ARGUMENT,
              "find: out has " + std::to_string(depths.size()) + " elements, needs " + std::to_string(workers.size()));
    return nullptr;
  }
  Error error;
  const kthena_status status = look_up(*query, depths.size(), [&] {
    return chosen
               ? kthena_prefix_find(index->get(), query->get(), workers.data(), workers.size(), depths.data(), &error)
               : kthena_prefix_find_by_worker(index->get(), query->get(), mask.words(), mask.size(), depths.data(),
                                              depths.size(), &error);
  });
  if (status != KTHENA_OK) {
    set_error(status, error.text());
    return nullptr;
  }
  return out.release().ptr();
}

/// Rows of depths: `out`, or a new array of one column per worker.
class Rows {
 public:
  Rows(const Index& index, std::size_t rows, py::object out) : out_(std::move(out)) {
    if (out_.is_none())
      out_ =
          py::array_t<std::uint32_t>({static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(index.worker_limit())});
    if (!buffer_.acquire(out_.ptr(), "out", Element::kUint32, Access::kWrite, 2)) throw py::error_already_set();
    if (buffer_.size() != rows)
      raise_error(KTHENA_INVALID_ARGUMENT,
                  "out has " + std::to_string(buffer_.size()) + " rows, needs " + std::to_string(rows));
  }
  [[nodiscard]] const py::object& object() const noexcept { return out_; }
  [[nodiscard]] std::uint32_t* data() const noexcept { return buffer_.as<std::uint32_t>(); }
  [[nodiscard]] std::size_t columns() const noexcept { return buffer_.columns(); }

 private:
  py::object out_;
  Buffer buffer_;
};

py::object find_tiers(const Index& self, Query& query, const py::object& candidates, py::object out) {
  Mask mask;
  if (!mask.acquire(candidates.ptr())) throw py::error_already_set();
  const Rows rows(self, KTHENA_TIER_COUNT, std::move(out));
  Error error;
  const kthena_status status = look_up(query, KTHENA_TIER_COUNT * rows.columns(), [&] {
    return kthena_prefix_find_tiers(self.get(), query.get(), mask.words(), mask.size(), rows.data(), rows.columns(),
                                    &error);
  });
  check(status, error);
  return rows.object();
}

py::object find_batch(const Index& self, const py::iterable& queries, const py::object& candidates, py::object out) {
  std::vector<py::object> owners;
  std::vector<Query*> list;
  for (const py::handle item : queries) {
    Query* query = unwrap<Query>(item.ptr(), self.state().prefix_query_type, "each query");
    if (query == nullptr) throw py::error_already_set();
    owners.push_back(py::reinterpret_borrow<py::object>(item));
    list.push_back(query);
  }
  Mask mask;
  if (!mask.acquire(candidates.ptr())) throw py::error_already_set();
  const Rows rows(self, list.size(), std::move(out));
  std::vector<const kthena_prefix_query*> handles;
  for (const Query* query : list) handles.push_back(query->get());
  // A query that is there twice is locked once.
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  Error error;
  kthena_status status = KTHENA_OK;
  {
    py::gil_scoped_release release;
    std::vector<ReadLock> locks;
    locks.reserve(list.size());
    for (Query* query : list) locks.emplace_back(query->mutex());
    status = kthena_prefix_find_batch(self.get(), handles.data(), handles.size(), mask.words(), mask.size(),
                                      rows.data(), rows.columns(), &error);
  }
  check(status, error);
  return rows.object();
}

/// A PrefixPick, which is a tuple: made as its _make() does.
PyObject* new_pick(const State& state, const kthena_prefix_pick& pick) {
  if (state.pick_type == nullptr) {
    // Kept for as long as the interpreter lives.
    state.pick_type = py::object(py::module_::import("kthena.types").attr("PrefixPick")).release().ptr();
  }
  const py::tuple members = py::make_tuple(pick.worker, pick.depth, pick.cost);
  const py::tuple arguments = py::make_tuple(members);
  return PyTuple_Type.tp_new(reinterpret_cast<PyTypeObject*>(state.pick_type), arguments.ptr(), nullptr);
}

PyObject* find_best(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* names) {
  Index* index = self_of<Index>(self);
  if (index == nullptr) return nullptr;
  const State& state = index->state();
  PyObject* values[kBestArguments] = {};
  if (!read_arguments("find_best", kBestNames, state.best_names, 2, arguments, positional, names, values))
    return nullptr;
  Query* query = unwrap<Query>(values[kBestQuery], state.prefix_query_type, "query");
  if (query == nullptr) return nullptr;
  load_numpy(state);
  const py::object converted = array_of(values[kLoads], "loads");
  Numbers loads;
  Mask mask;
  if (!loads.acquire(state, converted.ptr(), "loads", Access::kRead) || !mask.acquire(values[kBestCandidates]))
    return nullptr;
  kthena_prefix_pick_rule rule{};
  rule.struct_size = sizeof rule;
  if (values[kBlockCost] != nullptr) {
    rule.has_block_cost = 1;
    if (!read_u32(values[kBlockCost], "block_cost", rule.block_cost)) return nullptr;
  }
  if (values[kTieSeed] != nullptr && !read_u64(values[kTieSeed], "tie_seed", rule.tie_seed)) return nullptr;
  kthena_prefix_pick pick{};
  pick.struct_size = sizeof pick;
  Error error;
  const kthena_status status = look_up(*query, loads.size(), [&] {
    return kthena_prefix_find_best(index->get(), query->get(), mask.words(), mask.size(), loads.data(), loads.size(),
                                   &rule, &pick, &error);
  });
  if (status != KTHENA_OK) {
    set_error(status, error.text());
    return nullptr;
  }
  if (pick.worker == KTHENA_NONE) Py_RETURN_NONE;
  return new_pick(state, pick);
}

PyMethodDef kFind = method<&find>(
    "find",
    "find($self, query, *, workers=None, candidates=None, out=None)\n--\n\n"
    "Leading blocks of the query that workers hold, in any tier: an array of uint32.\n\n"
    "With `workers` (array of uint32, or a list), element i belongs to `workers[i]`; `NO_WORKER` gives 0. Without,\n"
    "element w belongs to worker w; then `candidates` may leave out workers (their depth is 0): an array of bool by\n"
    "worker, or of uint64 with bit w % 64 of word w // 64. `out`, an array of uint32, is filled and given back: with\n"
    "`workers` of their length, else of any, and workers beyond it are left out. Without it there is a new array.\n\n"
    "Any thread, also while another one writes.");

PyMethodDef kFindBest = method<&find_best>(
    "find_best",
    "find_best($self, query, loads, *, candidates=None, block_cost=1, tie_seed=0)\n--\n\n"
    "The worker with the least `load + block_cost * blocks of the query that it lacks`, as a `PrefixPick`; None: no\n"
    "candidate.\n\n"
    "`loads`, an array of uint32 or a list: `loads[w]` belongs to worker w; workers beyond them are no candidates.\n"
    "`candidates` as in `find`. Equal costs fall by a hash of `tie_seed` and the worker's number.\n\n"
    "Any thread, also while another one writes.");

}  // namespace

void register_find(py::class_<Index>& type, State& state) {
  for (std::size_t i = 0; i < kFindArguments; ++i) state.find_names[i] = PyUnicode_InternFromString(kFindNames[i]);
  for (std::size_t i = 0; i < kBestArguments; ++i) state.best_names[i] = PyUnicode_InternFromString(kBestNames[i]);
  add_method(type, kFind);
  add_method(type, kFindBest);
  type.def("find_batch", &find_batch, "queries"_a, py::kw_only(), "candidates"_a = py::none(), "out"_a = py::none(),
           "`find` for several queries, whose waits for memory overlap: an array of uint32 with a row per query and a "
           "column per worker. `out`: such an array to fill; workers beyond its columns are left out. Other threads "
           "run meanwhile.")
      .def("find_tiers", &find_tiers, "query"_a, py::kw_only(), "candidates"_a = py::none(), "out"_a = py::none(),
           "Depths by tier: an array of uint32 with a row per tier and a column per worker. Row t: leading blocks held "
           "in tier t or a faster one; the last row is what `find` says. `out`: such an array to fill.");
}

}  // namespace kthena::python
