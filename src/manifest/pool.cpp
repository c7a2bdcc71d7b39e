// src/manifest/pool.cpp
//
// The JSON form of a pool.
#include <array>
#include <utility>

#include "route_reader.hpp"

namespace kthena::manifest {
namespace {

constexpr auto kEndpointMembers = [] {
  constexpr std::array kOthers = {std::string_view("id"), std::string_view("models"),
                                  std::string_view("waiting_models"), std::string_view("place"),
                                  std::string_view("sampled_ns")};
  std::array<std::string_view, route::kSignalCount + kOthers.size()> members{};
  std::size_t count = 0;
  for (const route::SignalInfo& signal : route::kSignals) members[count++] = signal.name;
  for (const std::string_view other : kOthers) members[count++] = other;
  return members;
}();

void read_signal(const Json& row, route::Signal signal, const std::string& path, Time sampled_ns,
                 route::Endpoint& endpoint, Faults& faults) {
  const std::string_view name = route::info(signal).name;
  const Json* value = find_member(row, name);
  if (value == nullptr) return;
  if (value->is_number()) {
    endpoint.set(signal, value->get<double>(), sampled_ns);
    return;
  }
  const std::string where = member_path(path, name);
  if (!value->is_object()) {
    faults.add(where, "must be a number, {\"value\", \"sampled_ns\"} or null");
    return;
  }
  (void)expect_object(*value, where, {"value", "sampled_ns"}, faults);
  if (find_member(*value, "value") == nullptr) {
    faults.add(member_path(where, "value"), "is needed");
    return;
  }
  endpoint.set(signal, read_number(*value, "value", where, 0, faults),
               read_integer(*value, "sampled_ns", where, sampled_ns, faults));
}

std::vector<std::string> read_names(const Json& row, std::string_view name, const std::string& path, Faults& faults) {
  std::vector<std::string> names;
  const Json* list = find_member(row, name);
  const std::string where = member_path(path, name);
  if (list == nullptr || !expect_array(*list, where, faults)) return names;
  for (std::size_t i = 0; i < list->size(); ++i) {
    if ((*list)[i].is_string()) {
      names.push_back((*list)[i].get<std::string>());
    } else {
      faults.add(element_path(where, i), "must be a string");
    }
  }
  return names;
}

}  // namespace

route::Place read_place(const Json& object, std::string_view name, const std::string& path, Faults& faults) {
  route::Place place;
  const Json* given = find_member(object, name);
  const std::string where = member_path(path, name);
  if (given == nullptr || !expect_object(*given, where, route::kPlaceNames, faults)) return place;
  for (std::size_t level = 0; level < route::kPlaceLevels; ++level)
    place[level] = read_string(*given, route::kPlaceNames[level], where, "", faults);
  return place;
}

std::vector<route::Endpoint> read_endpoints(const Json& json, const std::string& path, Faults& faults) {
  std::vector<route::Endpoint> endpoints;
  if (!expect_object(json, path, {"endpoints"}, faults)) return endpoints;
  const Json* list = find_member(json, "endpoints");
  const std::string list_path = member_path(path, "endpoints");
  if (list == nullptr) {
    faults.add(list_path, "is needed");
    return endpoints;
  }
  if (!expect_array(*list, list_path, faults)) return endpoints;
  route::PoolBuilder builder;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Json& row = (*list)[i];
    const std::string where = element_path(list_path, i);
    route::Endpoint endpoint;
    if (!expect_object(row, where, kEndpointMembers, faults)) {
      endpoint.id = where;  // stands in, so that no second fault is reported for this row
    } else {
      endpoint.id = read_string(row, "id", where, "", faults);
      if (const Json* id = find_member(row, "id"); id != nullptr && !id->is_string()) endpoint.id = where;
      const Time sampled_ns = read_integer(row, "sampled_ns", where, 0, faults);
      for (std::size_t s = 0; s < route::kSignalCount; ++s)
        read_signal(row, static_cast<route::Signal>(s), where, sampled_ns, endpoint, faults);
      endpoint.models = read_names(row, "models", where, faults);
      endpoint.waiting_models = read_names(row, "waiting_models", where, faults);
      endpoint.place = read_place(row, "place", where, faults);
    }
    endpoints.push_back(endpoint);
    builder.add(std::move(endpoint));
  }
  append_faults(builder.find_faults(), path, faults);
  return endpoints;
}

Result<std::vector<route::Endpoint>> parse_endpoints(std::string_view json) {
  Faults faults;
  const Json document = parse_json(json, faults);
  if (!faults.empty()) return faults.status();
  std::vector<route::Endpoint> endpoints = read_endpoints(document, "", faults);
  if (!faults.empty()) return faults.status();
  return endpoints;
}

Result<route::PoolSnapshot> parse_pool(std::string_view json) {
  auto endpoints = parse_endpoints(json);
  if (!endpoints.ok()) return endpoints.status();
  route::PoolBuilder builder;
  for (route::Endpoint& endpoint : *endpoints) builder.add(std::move(endpoint));
  return builder.build();
}

}  // namespace kthena::manifest
