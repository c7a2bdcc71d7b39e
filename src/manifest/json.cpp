// src/manifest/json.cpp
#include "json.hpp"

#include <limits>
#include <set>
#include <utility>
#include <vector>

namespace kthena::manifest {
namespace {

constexpr int kMaxDepth = 32;

std::string type_of(const Json& value) {
  if (value.is_number()) return "a number";
  if (value.is_null()) return "null";
  return (value.is_structured() ? "an " : "a ") + std::string(value.type_name());
}

void wrong_type(const Json& value, const std::string& path, const char* wanted, Faults& faults) {
  faults.add(path, std::string("must be ") + wanted + ", not " + type_of(value));
}

}  // namespace

Json parse_json(std::string_view text, Faults& faults) {
  std::vector<std::set<std::string>> members;
  bool too_deep = false;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxDepth) {
      if (!too_deep) faults.add("document", "is nested deeper than " + std::to_string(kMaxDepth) + " levels");
      too_deep = true;
      return false;
    }
    if (event == Json::parse_event_t::object_start) members.emplace_back();
    if (event == Json::parse_event_t::object_end && !members.empty()) members.pop_back();
    if (event == Json::parse_event_t::key && !members.empty()) {
      auto name = parsed.get<std::string>();
      if (!members.back().insert(name).second) faults.add("document", "member \"" + name + "\" is there twice");
    }
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), watch);
  } catch (const Json::exception& error) {
    // nlohmann's text is "[json.exception...] parse error at line L, column C: ..."; its number in brackets is of no use here.
    std::string_view what = error.what();
    if (const auto end = what.find("] "); end != std::string_view::npos) what.remove_prefix(end + 2);
    faults.add("document", std::string(what));
    return nullptr;
  }
}

std::string member_path(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

std::string element_path(const std::string& path, std::size_t position) {
  return path + "[" + std::to_string(position) + "]";
}

bool expect_object(const Json& value, const std::string& path, std::span<const std::string_view> known,
                   Faults& faults) {
  if (!value.is_object()) {
    wrong_type(value, path.empty() ? "document" : path, "an object", faults);
    return false;
  }
  for (const auto& [name, member] : value.items()) {
    bool found = false;
    for (const std::string_view allowed : known) found = found || allowed == name;
    if (!found) faults.add(member_path(path, name), "unknown member");
  }
  return true;
}

bool expect_array(const Json& value, const std::string& path, Faults& faults) {
  if (value.is_array()) return true;
  wrong_type(value, path, "an array", faults);
  return false;
}

const Json* find_member(const Json& object, std::string_view name) {
  const auto at = object.find(name);
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

double read_number(const Json& object, std::string_view name, const std::string& path, double fallback,
                   Faults& faults) {
  const Json* value = find_member(object, name);
  if (value == nullptr) return fallback;
  if (value->is_number()) return value->get<double>();
  wrong_type(*value, member_path(path, name), "a number", faults);
  return fallback;
}

std::uint64_t read_unsigned(const Json& object, std::string_view name, const std::string& path, std::uint64_t fallback,
                            std::uint64_t maximum, Faults& faults) {
  const Json* value = find_member(object, name);
  if (value == nullptr) return fallback;
  if (value->is_number_unsigned() && value->get<std::uint64_t>() <= maximum) return value->get<std::uint64_t>();
  faults.add(member_path(path, name), "must be a whole number in [0, " + std::to_string(maximum) + "]");
  return fallback;
}

std::int64_t read_integer(const Json& object, std::string_view name, const std::string& path, std::int64_t fallback,
                          Faults& faults) {
  const Json* value = find_member(object, name);
  if (value == nullptr) return fallback;
  const bool fits =
      value->is_number_integer() &&
      !(value->is_number_unsigned() &&
        value->get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  if (fits) return value->get<std::int64_t>();
  faults.add(member_path(path, name), "must be a whole number of 64 bits");
  return fallback;
}

std::string read_string(const Json& object, std::string_view name, const std::string& path, std::string_view fallback,
                        Faults& faults) {
  const Json* value = find_member(object, name);
  if (value == nullptr) return std::string(fallback);
  if (value->is_string()) return value->get<std::string>();
  wrong_type(*value, member_path(path, name), "a string", faults);
  return std::string(fallback);
}

bool read_bool(const Json& object, std::string_view name, const std::string& path, bool fallback, Faults& faults) {
  const Json* value = find_member(object, name);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  wrong_type(*value, member_path(path, name), "true or false", faults);
  return fallback;
}

void append_faults(const Faults& found, const std::string& path, Faults& faults) {
  for (const Fault& fault : found.list()) faults.add(member_path(path, fault.path), fault.message);
}

std::string write_json(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace kthena::manifest
