// pool.cpp
#include "pool.hpp"

#include <pybind11/numpy.h>

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "buffer.hpp"
#include "request.hpp"
#include "state.hpp"
#include "text.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace kthena::python {
namespace {

/// -1 when there is none of that name.
std::int32_t signal_of(std::string_view name) noexcept {
  for (std::int32_t i = 0; i < KTHENA_SIGNAL_COUNT; ++i) {
    const kthena_str known = kthena_signal_name(i);
    if (std::string_view(known.data, known.size) == name) return i;
  }
  return -1;
}

std::int32_t find_signal(std::string_view name) {
  if (const std::int32_t signal = signal_of(name); signal >= 0) return signal;
  std::string message = "there is no signal \"" + std::string(name) + "\"; the signals are";
  for (std::int32_t i = 0; i < KTHENA_SIGNAL_COUNT; ++i)
    message.append(i == 0 ? " " : ", ").append(kthena_signal_name(i).data);
  raise_error(KTHENA_NOT_FOUND, message);
}

py::tuple signal_names() {
  py::tuple names(static_cast<std::size_t>(KTHENA_SIGNAL_COUNT));
  for (std::int32_t i = 0; i < KTHENA_SIGNAL_COUNT; ++i)
    names[static_cast<std::size_t>(i)] = py::str(kthena_signal_name(i).data);
  return names;
}

/// Lists of strings as the C interface takes them.
struct FlatStrings {
  std::string bytes;
  std::vector<std::uint64_t> offsets{0};

  void add(py::handle text, const char* what) {
    if (!PyUnicode_Check(text.ptr())) throw py::type_error(std::string(what) + " must be str");
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
    if (data == nullptr) throw py::error_already_set();
    bytes.append(data, static_cast<std::size_t>(size));
    offsets.push_back(bytes.size());
  }
};

void refuse_str(py::handle object, const char* what) {
  if (PyUnicode_Check(object.ptr()))
    throw py::type_error(std::string(what) + " must be a sequence of str, not one str");
}

/// A list of names for each endpoint, and where each list starts.
struct NameLists {
  FlatStrings names;
  std::vector<std::uint64_t> starts;

  void read(const py::object& lists, const char* what, const char* element, std::size_t endpoints) {
    if (lists.is_none()) return;
    refuse_str(lists, what);
    for (py::handle of_endpoint : lists) {
      refuse_str(of_endpoint, (std::string(what) + " of an endpoint").c_str());
      starts.push_back(names.offsets.size() - 1);
      for (py::handle name : of_endpoint) names.add(name, element);
    }
    starts.push_back(names.offsets.size() - 1);
    if (starts.size() != endpoints + 1)
      raise_error(KTHENA_INVALID_ARGUMENT, std::string(what) + ": " + std::to_string(starts.size() - 1) +
                                               " lists for " + std::to_string(endpoints) + " endpoints");
  }
  /// NULL when there are none.
  [[nodiscard]] const std::uint64_t* data() const noexcept { return starts.empty() ? nullptr : starts.data(); }
};

/// The names of places one behind the other, KTHENA_PLACE_LEVELS for each endpoint.
FlatStrings read_places(const py::object& places, std::size_t endpoints) {
  refuse_str(places, "places");
  FlatStrings flat;
  std::size_t count = 0;
  for (py::handle given : places) {
    Place place;
    if (!place.read(given.ptr(), ("places[" + std::to_string(count) + "]").c_str())) throw py::error_already_set();
    for (std::size_t level = 0; level < KTHENA_PLACE_LEVELS; ++level) {
      const kthena_str name = place.names()[level];
      if (name.size != 0) flat.bytes.append(name.data, name.size);
      flat.offsets.push_back(flat.bytes.size());
    }
    ++count;
  }
  if (count != endpoints)
    raise_error(KTHENA_INVALID_ARGUMENT,
                "places: " + std::to_string(count) + " for " + std::to_string(endpoints) + " endpoints");
  return flat;
}

std::unique_ptr<Pool> make_pool(const py::iterable& ids, const py::object& models, const py::object& waiting_models,
                                const py::object& places) {
  refuse_str(ids, "ids");
  FlatStrings id_text;
  for (py::handle id : ids) id_text.add(id, "an id");
  kthena_pool_endpoints endpoints{};
  endpoints.struct_size = sizeof(endpoints);
  endpoints.n = id_text.offsets.size() - 1;
  endpoints.id_bytes = id_text.bytes.data();
  endpoints.id_offsets = id_text.offsets.data();
  NameLists served;
  served.read(models, "models", "a model", endpoints.n);
  endpoints.model_bytes = served.names.bytes.data();
  endpoints.model_offsets = served.names.offsets.data();
  endpoints.endpoint_models = served.data();
  NameLists waiting;
  waiting.read(waiting_models, "waiting_models", "a model", endpoints.n);
  endpoints.waiting_bytes = waiting.names.bytes.data();
  endpoints.waiting_offsets = waiting.names.offsets.data();
  endpoints.endpoint_waiting = waiting.data();
  FlatStrings place_text;
  if (!places.is_none()) {
    place_text = read_places(places, endpoints.n);
    endpoints.place_bytes = place_text.bytes.data();
    endpoints.place_offsets = place_text.offsets.data();
  }
  kthena_pool* pool = nullptr;
  Error error;
  check(kthena_pool_create_from(&endpoints, &pool, &error), error);
  return std::make_unique<Pool>(pool);
}

std::unique_ptr<Pool> pool_from_json(std::string_view json) {
  kthena_pool* pool = nullptr;
  Error error;
  check(kthena_pool_create_json(borrow(json), &pool, &error), error);
  return std::make_unique<Pool>(pool);
}

/// One time for all endpoints, or one for each.
struct SampleTimes {
  std::int64_t all = 0;
  Buffer each;
  bool has_each = false;

  void read(const py::object& sampled_ns, std::size_t endpoints) {
    if (PyIndex_Check(sampled_ns.ptr()) && !PySequence_Check(sampled_ns.ptr())) {  // an int or a numpy integer
      all = read_one(sampled_ns);
      return;
    }
    if (!each.acquire(sampled_ns.ptr(), "sampled_ns", Element::kInt64)) throw py::error_already_set();
    if (each.size() != endpoints)
      raise_error(KTHENA_INVALID_ARGUMENT, "sampled_ns: " + std::to_string(each.size()) + " times for " +
                                               std::to_string(endpoints) + " endpoints");
    has_each = true;
  }

  static std::int64_t read_one(const py::object& sampled_ns) {
    py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(sampled_ns.ptr()));
    if (!number) throw py::error_already_set();
    const long long value = PyLong_AsLongLong(number.ptr());
    if (value == -1 && PyErr_Occurred() != nullptr) {
      PyErr_Clear();
      raise_error(KTHENA_INVALID_ARGUMENT, "sampled_ns must fit in 64 bits");
    }
    return value;
  }
};

using Columns = std::array<py::handle, KTHENA_SIGNAL_COUNT>;

struct Column {
  std::int32_t signal = 0;
  Buffer values;
  std::vector<double> old_values;
  std::vector<std::int64_t> old_times;
};

/// All columns or none, and all faults together.
void update_columns(Pool& pool, const py::dict& by_name, const py::object& sampled_ns) {
  Columns given{};
  for (const auto& [name, values] : by_name) {
    const std::int32_t which = signal_of(name.cast<std::string_view>());
    if (which < 0)
      throw py::type_error("update() got an unexpected keyword argument '" + name.cast<std::string>() + "'");
    given[static_cast<std::size_t>(which)] = values;
  }
  SampleTimes times;
  times.read(sampled_ns, pool.size());
  std::array<Column, KTHENA_SIGNAL_COUNT> columns;
  std::size_t count = 0;
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (!given[i]) continue;
    Column& column = columns[count++];
    column.signal = static_cast<std::int32_t>(i);
    if (!column.values.acquire(given[i].ptr(), kthena_signal_name(column.signal).data, Element::kFloat64))
      throw py::error_already_set();
  }
  const std::span<Column> used(columns.data(), count);
  const std::int64_t* each = times.has_each ? times.each.as<const std::int64_t>() : nullptr;
  const std::size_t n = pool.size();
  std::string faults;
  kthena_status worst = KTHENA_OK;
  pool.run<WriteLock>([&] {
    if (count > 1) {
      for (Column& column : used) {
        column.old_values.resize(n);
        column.old_times.resize(n);
        kthena_pool_get_signal(pool.get(), column.signal, column.old_values.data(), column.old_times.data(), n,
                               nullptr);
      }
    }
    for (const Column& column : used) {
      Error error;
      const kthena_status status = kthena_pool_set_signal(pool.get(), column.signal, column.values.as<const double>(),
                                                          column.values.size(), each, times.all, &error);
      if (status == KTHENA_OK) continue;
      worst = status;
      if (!faults.empty()) faults += "; ";
      faults += error.text();
    }
    if (worst == KTHENA_OK || count == 1) return;
    for (const Column& column : used)
      kthena_pool_set_signal(pool.get(), column.signal, column.old_values.data(), n, column.old_times.data(), 0,
                             nullptr);
  });
  if (worst != KTHENA_OK) raise_error(worst, faults);
}

py::array_t<double> signal(Pool& pool, std::string_view name) {
  const std::int32_t which = find_signal(name);
  py::array_t<double> values(static_cast<py::ssize_t>(pool.size()));
  double* data = values.mutable_data();
  Error error;
  kthena_status status = KTHENA_OK;
  pool.run<ReadLock>([&] { status = kthena_pool_get_signal(pool.get(), which, data, nullptr, pool.size(), &error); });
  check(status, error);
  return values;
}

py::array_t<std::int64_t> sampled_ns(Pool& pool, std::string_view name) {
  const std::int32_t which = find_signal(name);
  std::vector<double> values(pool.size());
  py::array_t<std::int64_t> times(static_cast<py::ssize_t>(pool.size()));
  std::int64_t* data = times.mutable_data();
  Error error;
  kthena_status status = KTHENA_OK;
  pool.run<ReadLock>(
      [&] { status = kthena_pool_get_signal(pool.get(), which, values.data(), data, pool.size(), &error); });
  check(status, error);
  return times;
}

/// One value. `endpoint` is an id or an index.
void set(Pool& pool, std::string_view name, const py::object& endpoint, double value, std::int64_t sampled_ns) {
  const std::int32_t which = find_signal(name);
  std::uint32_t index = KTHENA_NONE;
  if (PyUnicode_Check(endpoint.ptr())) {
    index = kthena_pool_find(pool.get(), borrow(endpoint.cast<std::string_view>()));
    if (index == KTHENA_NONE)
      raise_error(KTHENA_NOT_FOUND, "there is no endpoint \"" + endpoint.cast<std::string>() + "\"");
  } else {
    const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(endpoint.ptr()));
    if (!number) throw py::error_already_set();
    const std::size_t at = PyLong_AsSize_t(number.ptr());
    if (PyErr_Occurred() != nullptr) PyErr_Clear();  // negative or huge: all bits set, which is no index either
    if (at >= pool.size())
      raise_error(KTHENA_INVALID_ARGUMENT, "endpoint: no such index in a pool of " + std::to_string(pool.size()));
    index = static_cast<std::uint32_t>(at);
  }
  Error error;
  kthena_status status = KTHENA_OK;
  pool.run<WriteLock>([&] { status = kthena_pool_set_value(pool.get(), index, which, value, sampled_ns, &error); });
  check(status, error);
}

py::object find(const Pool& pool, std::string_view id) {
  const std::uint32_t endpoint = kthena_pool_find(pool.get(), borrow(id));
  if (endpoint == KTHENA_NONE) return py::none();
  return py::int_(endpoint);
}

}  // namespace

Pool::Pool(kthena_pool* pool) : pool_(pool), size_(kthena_pool_size(pool)), ids_(size_) {
  for (std::size_t i = 0; i < size_; ++i) {
    const kthena_str id = kthena_pool_id(pool, static_cast<std::uint32_t>(i));
    ids_[i] = py::str(id.data, id.size);
  }
}

void register_pool(py::module_& module, State& state) {
  py::class_<Pool> type(module, "Pool", "Endpoints and what is known about them.");
  module.def("signal_names", &signal_names, "Names of the signals, by number.");
  type.def(py::init(&make_pool), "ids"_a, "models"_a = py::none(), py::kw_only(), "waiting_models"_a = py::none(),
           "places"_a = py::none())
      .def(py::init(&pool_from_json), py::kw_only(), "json"_a)
      .def("__len__", &Pool::size)
      .def_property_readonly("ids", &Pool::ids, "Ids of the endpoints, in the order they were given.")
      .def("find", &find, "id"_a, "Index of an endpoint, or None.")
      .def("update_columns", &update_columns, "columns"_a, py::kw_only(), "sampled_ns"_a,
           "Replaces columns, by name of the signal. Arrays of float64 are read in place.")
      .def("set", &set, "name"_a, "endpoint"_a, "value"_a, py::kw_only(), "sampled_ns"_a,
           "Replaces one value, by id or index.")
      .def("signal", &signal, "name"_a, "One column; NaN where never sampled.")
      .def("sampled_ns", &sampled_ns, "name"_a, "Sample times of one column.");
  state.pool_type = reinterpret_cast<PyTypeObject*>(type.ptr());
}

}  // namespace kthena::python
