// request.cpp
#include "request.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "errors.hpp"

namespace kthena::python {
namespace {

constexpr const char* kNames[kRequestKeywords] = {"id",
                                                  "model",
                                                  "prompt_tokens",
                                                  "prefix_depths",
                                                  "prefix_total",
                                                  "history_depths",
                                                  "history_total",
                                                  "sequence",
                                                  "now_ns",
                                                  "seed",
                                                  "output_tokens",
                                                  "prefix_block_tokens",
                                                  "prefix_host_depths",
                                                  "prefix_disk_depths",
                                                  "history_block_tokens",
                                                  "history_host_depths",
                                                  "history_disk_depths",
                                                  "session",
                                                  "near",
                                                  "slo_ttft_s",
                                                  "slo_tpot_s"};

constexpr const char* kLevels[KTHENA_PLACE_LEVELS] = {"host", "rack", "zone", "region"};

bool read_str(PyObject* value, const char* name, kthena_str& out) {
  if (!PyUnicode_Check(value)) {
    PyErr_Format(PyExc_TypeError, "%s must be str, not %s", name, Py_TYPE(value)->tp_name);
    return false;
  }
  Py_ssize_t size = 0;
  out.data = PyUnicode_AsUTF8AndSize(value, &size);
  out.size = static_cast<size_t>(size);
  return out.data != nullptr;
}

/// New reference.
PyObject* as_int(PyObject* value, const char* name) {
  PyObject* number = PyNumber_Index(value);
  if (number == nullptr) PyErr_Format(PyExc_TypeError, "%s must be int, not %s", name, Py_TYPE(value)->tp_name);
  return number;
}

bool refuse_range(const char* name, const char* range) {
  PyErr_Clear();
  PyObject* message = PyUnicode_FromFormat("%s must be in %s", name, range);
  if (message == nullptr) return false;
  if (const char* text = PyUnicode_AsUTF8(message)) set_error(KTHENA_INVALID_ARGUMENT, text);
  Py_DECREF(message);
  return false;
}

}  // namespace

const kthena_request kNoRequest = KTHENA_INIT(kthena_request);

bool read_u64(PyObject* value, const char* name, uint64_t& out) {
  PyObject* number = as_int(value, name);
  if (number == nullptr) return false;
  out = PyLong_AsUnsignedLongLong(number);
  Py_DECREF(number);
  return !(out == std::numeric_limits<uint64_t>::max() && PyErr_Occurred() != nullptr) ||
         refuse_range(name, "0 .. 2^64 - 1");
}

bool read_u32(PyObject* value, const char* name, uint32_t& out) {
  uint64_t wide = 0;
  if (!read_u64(value, name, wide)) return false;
  if (wide > std::numeric_limits<uint32_t>::max()) return refuse_range(name, "0 .. 2^32 - 1");
  out = static_cast<uint32_t>(wide);
  return true;
}

bool read_i64(PyObject* value, const char* name, int64_t& out) {
  PyObject* number = as_int(value, name);
  if (number == nullptr) return false;
  out = PyLong_AsLongLong(number);
  Py_DECREF(number);
  return !(out == -1 && PyErr_Occurred() != nullptr) || refuse_range(name, "-2^63 .. 2^63 - 1");
}

bool read_double(PyObject* value, const char* name, double& out) {
  out = PyFloat_AsDouble(value);
  if (out != -1 || PyErr_Occurred() == nullptr) return true;
  if (PyErr_ExceptionMatches(PyExc_TypeError))
    PyErr_Format(PyExc_TypeError, "%s must be float, not %s", name, Py_TYPE(value)->tp_name);
  return false;
}

bool Place::read(PyObject* mapping, const char* name) {
  if (mapping == Py_None) return true;
  items_ = PyMapping_Items(mapping);
  if (items_ == nullptr) {
    if (PyErr_ExceptionMatches(PyExc_AttributeError))
      PyErr_Format(PyExc_TypeError, "%s must be a mapping of names by level, not %s", name, Py_TYPE(mapping)->tp_name);
    return false;
  }
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items_); ++i)
    if (!read_item(PyList_GET_ITEM(items_, i), name)) return false;
  return true;
}

bool Place::read_item(PyObject* item, const char* name) {
  if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
    PyErr_Format(PyExc_TypeError, "%s must be a mapping of names by level", name);
    return false;
  }
  PyObject* level = PyTuple_GET_ITEM(item, 0);
  PyObject* value = PyTuple_GET_ITEM(item, 1);
  for (std::size_t i = 0; PyUnicode_Check(level) && i < KTHENA_PLACE_LEVELS; ++i)
    if (PyUnicode_CompareWithASCIIString(level, kLevels[i]) == 0)
      return value == Py_None || read_str(value, name, names_[i]);
  PyObject* message =
      PyUnicode_FromFormat("%s: there is no level %R; the levels are host, rack, zone, region", name, level);
  if (message == nullptr) return false;
  if (const char* text = PyUnicode_AsUTF8(message)) set_error(KTHENA_INVALID_ARGUMENT, text);
  Py_DECREF(message);
  return false;
}

void intern_keywords(State& state) {
  for (std::size_t i = 0; i < kRequestKeywords; ++i) state.keywords[i] = PyUnicode_InternFromString(kNames[i]);
}

bool Request::read_depths(PyObject* value, const char* name, Buffer& buffer, const uint32_t*& depths) {
  if (value == Py_None) return true;
  if (!buffer.acquire(value, name, Element::kUint32)) return false;
  if (request_.depth_count != 0 && request_.depth_count != buffer.size()) {
    set_error(KTHENA_INVALID_ARGUMENT, "arrays of depths must have one element for each endpoint");
    return false;
  }
  request_.depth_count = buffer.size();
  depths = buffer.as<const uint32_t>();
  return true;
}

bool Request::assign(std::size_t keyword, PyObject* value) {
  switch (keyword) {
    case kId:
      has_id_ = true;
      return read_str(value, kNames[kId], request_.id);
    case kModel:
      return read_str(value, kNames[kModel], request_.model);
    case kPromptTokens:
      return read_u32(value, kNames[kPromptTokens], request_.prompt_tokens);
    case kPrefixDepths:
      return read_depths(value, kNames[kPrefixDepths], prefix_, request_.prefix_depths);
    case kPrefixTotal:
      return read_u32(value, kNames[kPrefixTotal], request_.prefix_total);
    case kHistoryDepths:
      return read_depths(value, kNames[kHistoryDepths], history_, request_.history_depths);
    case kHistoryTotal:
      return read_u32(value, kNames[kHistoryTotal], request_.history_total);
    case kSequence:
      return read_u64(value, kNames[kSequence], request_.sequence);
    case kNowNs:
      return read_i64(value, kNames[kNowNs], request_.now_ns);
    case kSeed:
      return read_u64(value, kNames[kSeed], request_.seed);
    default:
      return assign_more(keyword, value);
  }
}

bool Request::assign_more(std::size_t keyword, PyObject* value) {
  const char* name = kNames[keyword];
  switch (keyword) {
    case kOutputTokens:
      return read_u32(value, name, request_.output_tokens);
    case kPrefixBlockTokens:
      return read_u32(value, name, request_.prefix_block_tokens);
    case kPrefixHostDepths:
      return read_depths(value, name, more().tiers[0], request_.prefix_host_depths);
    case kPrefixDiskDepths:
      return read_depths(value, name, more().tiers[1], request_.prefix_disk_depths);
    case kHistoryBlockTokens:
      return read_u32(value, name, request_.history_block_tokens);
    case kHistoryHostDepths:
      return read_depths(value, name, more().tiers[2], request_.history_host_depths);
    case kHistoryDiskDepths:
      return read_depths(value, name, more().tiers[3], request_.history_disk_depths);
    case kSession:
      return read_str(value, name, request_.session);
    case kNear:
      if (!more().near.read(value, name)) return false;
      std::copy_n(more().near.names(), KTHENA_PLACE_LEVELS, request_.near_to);
      return true;
    case kSloTtft:
      return read_double(value, name, request_.slo_ttft_s);
    default:
      return read_double(value, name, request_.slo_tpot_s);
  }
}

bool Request::read_keyword(const State& state, const char* function, PyObject* name, PyObject* value,
                           std::size_t& expected) {
  // Names in a call are interned, and mostly in the order of the signature.
  for (std::size_t i = 0; i < kUsualKeywords; ++i) {
    const std::size_t keyword = (expected + i) % kUsualKeywords;
    if (state.keywords[keyword] == name) {
      expected = keyword + 1;
      return assign(keyword, value);
    }
  }
  for (std::size_t keyword = kUsualKeywords; keyword < kRequestKeywords; ++keyword)
    if (state.keywords[keyword] == name) return assign_more(keyword, value);
  for (std::size_t keyword = 0; keyword < kRequestKeywords; ++keyword)
    if (PyUnicode_CompareWithASCIIString(name, kNames[keyword]) == 0) return assign(keyword, value);
  if (pool_ == nullptr && PyUnicode_CompareWithASCIIString(name, "pool") == 0) {
    pool_ = value;
    return true;
  }
  PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function, name);
  return false;
}

bool Request::read(const State& state, const char* function, PyObject* const* arguments, Py_ssize_t positional,
                   PyObject* names) {
  if (positional > 1) {
    PyErr_Format(PyExc_TypeError, "%s() takes the pool by position and the rest by name", function);
    return false;
  }
  if (positional == 1) pool_ = arguments[0];
  const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  std::size_t expected = 0;
  for (Py_ssize_t i = 0; i < named; ++i)
    if (!read_keyword(state, function, PyTuple_GET_ITEM(names, i), arguments[positional + i], expected)) return false;
  if (pool_ == nullptr || !has_id_) {
    PyErr_Format(PyExc_TypeError, "%s() missing required argument: '%s'", function, pool_ == nullptr ? "pool" : "id");
    return false;
  }
  return true;
}

}  // namespace kthena::python
