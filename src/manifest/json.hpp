// src/manifest/json.hpp
//
// Reading JSON documents so that every fault is found and named by its path. Writing is nlohmann's ordered_json.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "kthena/base/faults.hpp"

namespace kthena::manifest {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

/// Parses a document. Adds a fault and gives null for text that is not JSON, members that repeat, more than 32 levels, numbers beyond
/// a double.
Json parse_json(std::string_view text, Faults& faults);

/// "a.b" or "b" when `path` is empty.
std::string member_path(const std::string& path, std::string_view name);
std::string element_path(const std::string& path, std::size_t position);

/// False and a fault when `value` is not an object; a fault for every member that is not in `known`.
bool expect_object(const Json& value, const std::string& path, std::span<const std::string_view> known, Faults& faults);
inline bool expect_object(const Json& value, const std::string& path, std::initializer_list<std::string_view> known,
                          Faults& faults) {
  return expect_object(value, path, std::span(known.begin(), known.size()), faults);
}
/// False and a fault when `value` is not an array.
bool expect_array(const Json& value, const std::string& path, Faults& faults);

/// The member, or null when it is absent or null.
const Json* find_member(const Json& object, std::string_view name);

/// The member's value; `fallback` when it is absent; `fallback` and a fault when it has another type or is out of range.
double read_number(const Json& object, std::string_view name, const std::string& path, double fallback, Faults& faults);
std::uint64_t read_unsigned(const Json& object, std::string_view name, const std::string& path, std::uint64_t fallback,
                            std::uint64_t maximum, Faults& faults);
std::int64_t read_integer(const Json& object, std::string_view name, const std::string& path, std::int64_t fallback,
                          Faults& faults);
std::string read_string(const Json& object, std::string_view name, const std::string& path, std::string_view fallback,
                        Faults& faults);
bool read_bool(const Json& object, std::string_view name, const std::string& path, bool fallback, Faults& faults);

/// Appends faults of a typed value under a path of the document.
void append_faults(const Faults& found, const std::string& path, Faults& faults);

/// Compact text; bytes that are not UTF-8 become U+FFFD.
std::string write_json(const OrderedJson& json);

}  // namespace kthena::manifest
