// src/route/pool.cpp
//
// PoolBuilder checks and sorts; PoolSnapshot keeps the columns and the view onto them.
#include "kthena/route/pool.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <numeric>
#include <set>
#include <utility>

namespace kthena::route {
namespace {

/// Empty when `value` may stand in a column of `signal`.
std::string fault_of(Signal signal, double value) {
  if (!(value - value == 0)) return "must be a finite number";
  if (value < 0) return "must not be negative";
  if (value > info(signal).maximum) {
    if (signal == Signal::kKvUsage) return "must not exceed 1: it is a share, not per cent";
    char text[48];
    std::snprintf(text, sizeof text, "must not exceed %g", info(signal).maximum);
    std::string message = text;  // 1e+09 is written 1e9
    if (const std::size_t at = message.find("e+"); at != std::string::npos)
      message.erase(at + 1, message[at + 2] == '0' ? 2 : 1);
    return message;
  }
  return {};
}

}  // namespace

PoolSnapshot::PoolSnapshot() { rebind(); }
PoolSnapshot::~PoolSnapshot() = default;

PoolSnapshot::PoolSnapshot(const PoolSnapshot& other)
    : ids_(other.ids_),
      keys_(other.keys_),
      values_(other.values_),
      sampled_(other.sampled_),
      model_names_(other.model_names_),
      model_offsets_(other.model_offsets_),
      model_ids_(other.model_ids_),
      model_waiting_(other.model_waiting_),
      places_(other.places_) {
  rebind();
}

PoolSnapshot::PoolSnapshot(PoolSnapshot&& other) noexcept
    : ids_(std::move(other.ids_)),
      keys_(std::move(other.keys_)),
      values_(std::move(other.values_)),
      sampled_(std::move(other.sampled_)),
      model_names_(std::move(other.model_names_)),
      model_name_views_(std::move(other.model_name_views_)),
      model_offsets_(std::move(other.model_offsets_)),
      model_ids_(std::move(other.model_ids_)),
      model_waiting_(std::move(other.model_waiting_)),
      places_(std::move(other.places_)),
      view_(other.view_) {
  other.ids_.clear();
  other.view_ = {};
}

PoolSnapshot& PoolSnapshot::operator=(const PoolSnapshot& other) {
  if (this != &other) *this = PoolSnapshot(other);
  return *this;
}

PoolSnapshot& PoolSnapshot::operator=(PoolSnapshot&& other) noexcept {
  if (this == &other) return *this;
  ids_ = std::move(other.ids_);
  keys_ = std::move(other.keys_);
  values_ = std::move(other.values_);
  sampled_ = std::move(other.sampled_);
  model_names_ = std::move(other.model_names_);
  model_name_views_ = std::move(other.model_name_views_);
  model_offsets_ = std::move(other.model_offsets_);
  model_ids_ = std::move(other.model_ids_);
  model_waiting_ = std::move(other.model_waiting_);
  places_ = std::move(other.places_);
  view_ = other.view_;  // vectors keep their memory when moved, so the pointers stay right
  other.ids_.clear();
  other.view_ = {};
  return *this;
}

void PoolSnapshot::rebind() {
  view_ = {};
  view_.size = ids_.size();
  view_.keys = keys_.data();
  for (std::size_t s = 0; s < kSignalCount; ++s) {
    view_.values[s] = values_[s].empty() ? nullptr : values_[s].data();
    view_.sampled[s] = sampled_[s].empty() ? nullptr : sampled_[s].data();
  }
  model_name_views_.assign(model_names_.begin(), model_names_.end());
  view_.model_names = model_name_views_;
  view_.model_offsets = model_offsets_.empty() ? nullptr : model_offsets_.data();
  view_.model_ids = model_ids_.data();
  view_.model_waiting = model_waiting_.empty() ? nullptr : model_waiting_.data();
  for (std::size_t level = 0; level < kPlaceLevels; ++level)
    view_.places[level] = places_[level].empty() ? nullptr : places_[level].data();
}

EndpointIndex PoolSnapshot::find(std::string_view id) const noexcept {
  const auto at = std::lower_bound(ids_.begin(), ids_.end(), id);
  if (at == ids_.end() || *at != id) return {};
  return {static_cast<std::uint32_t>(at - ids_.begin())};
}

std::optional<Sample> PoolSnapshot::sample(EndpointIndex endpoint, Signal signal) const noexcept {
  const auto slot = static_cast<std::size_t>(signal);
  if (endpoint.value >= size() || values_[slot].empty() || is_missing(values_[slot][endpoint.value]))
    return std::nullopt;
  return Sample{values_[slot][endpoint.value], sampled_[slot][endpoint.value]};
}

std::vector<std::string_view> PoolSnapshot::models(EndpointIndex endpoint) const {
  std::vector<std::string_view> names;
  if (endpoint.value >= size() || model_offsets_.empty()) return names;
  for (std::uint32_t k = model_offsets_[endpoint.value]; k < model_offsets_[endpoint.value + 1]; ++k)
    if (model_waiting_.empty() || model_waiting_[k] == 0) names.push_back(model_name_views_[model_ids_[k]]);
  return names;
}

Status PoolSnapshot::set_signal(Signal signal, std::span<const double> values, Time sampled_ns) {
  const std::vector<Time> times(values.size(), sampled_ns);
  return set_signal(signal, values, times);
}

Status PoolSnapshot::set_signal(Signal signal, std::span<const double> values, std::span<const Time> sampled_ns) {
  const std::string name(info(signal).name);
  if (values.size() != size() || sampled_ns.size() != size()) {
    return invalid_argument(name + ": " + std::to_string(size()) + " endpoints, but " + std::to_string(values.size()) +
                            " values and " + std::to_string(sampled_ns.size()) + " sample times");
  }
  Faults faults;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (is_missing(values[i])) continue;
    if (std::string fault = fault_of(signal, values[i]); !fault.empty())
      faults.add(name + "[" + ids_[i] + "]", std::move(fault));
  }
  if (!faults.empty()) return faults.status();

  // Both new columns stand before either old one goes: running out of memory changes nothing.
  std::vector<double> column(values.begin(), values.end());
  std::vector<Time> times(sampled_ns.begin(), sampled_ns.end());
  for (std::size_t i = 0; i < column.size(); ++i)
    if (is_missing(column[i])) times[i] = kNever;
  set_column(signal, std::move(column), std::move(times));
  return {};
}

void PoolSnapshot::set_column(Signal signal, std::vector<double> values, std::vector<Time> sampled_ns) noexcept {
  const auto slot = static_cast<std::size_t>(signal);
  values_[slot] = std::move(values);
  sampled_[slot] = std::move(sampled_ns);
  view_.values[slot] = values_[slot].empty() ? nullptr : values_[slot].data();
  view_.sampled[slot] = sampled_[slot].empty() ? nullptr : sampled_[slot].data();
}

Status PoolSnapshot::set_value(EndpointIndex endpoint, Signal signal, double value, Time sampled_ns) {
  const std::string_view name = info(signal).name;
  if (endpoint.value >= size()) {
    return invalid_argument(std::string(name) + ": there is no endpoint " + std::to_string(endpoint.value) +
                            " in a pool of " + std::to_string(size()));
  }
  if (!is_missing(value)) {
    if (const std::string fault = fault_of(signal, value); !fault.empty())
      return invalid_argument(std::string(name) + "[" + ids_[endpoint.value] + "]: " + fault);
  }
  const auto slot = static_cast<std::size_t>(signal);
  if (values_[slot].empty()) {
    std::vector<double> column(size(), kMissing);
    set_column(signal, std::move(column), std::vector<Time>(size(), kNever));
  }
  values_[slot][endpoint.value] = value;
  sampled_[slot][endpoint.value] = is_missing(value) ? kNever : sampled_ns;
  return {};
}

PoolBuilder& PoolBuilder::add(Endpoint endpoint) {
  rows_.push_back(std::move(endpoint));
  return *this;
}

Faults PoolBuilder::find_faults() const {
  Faults faults;
  std::map<std::string_view, std::size_t> seen;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Endpoint& row = rows_[i];
    const std::string path = "endpoints[" + std::to_string(i) + "]";
    if (row.id.empty()) faults.add(path + ".id", "must not be empty");
    if (const auto [at, fresh] = seen.emplace(row.id, i); !fresh && !row.id.empty())
      faults.add(path + ".id", "\"" + row.id + "\" is also the id of endpoints[" + std::to_string(at->second) + "]");
    for (std::size_t s = 0; s < kSignalCount; ++s) {
      if (!row.signals[s]) continue;
      if (std::string fault = fault_of(static_cast<Signal>(s), row.signals[s]->value); !fault.empty())
        faults.add(path + "." + std::string(kSignals[s].name), std::move(fault));
    }
    std::set<std::string_view> names;
    for (std::size_t m = 0; m < row.models.size(); ++m)
      if (!names.insert(row.models[m]).second)
        faults.add(path + ".models[" + std::to_string(m) + "]", "\"" + row.models[m] + "\" is listed twice");
    for (std::size_t m = 0; m < row.waiting_models.size(); ++m)
      if (!names.insert(row.waiting_models[m]).second)
        faults.add(path + ".waiting_models[" + std::to_string(m) + "]",
                   "\"" + row.waiting_models[m] + "\" is listed twice");
  }
  if (rows_.size() >= EndpointIndex::kNone) faults.add("endpoints", "too many");
  return faults;
}

Result<PoolSnapshot> PoolBuilder::build() const {
  if (const Faults faults = find_faults(); !faults.empty()) return faults.status();

  std::vector<std::uint32_t> order(rows_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return rows_[a].id < rows_[b].id; });

  PoolSnapshot pool;
  pool.ids_.reserve(order.size());
  pool.keys_.reserve(order.size());
  for (const std::uint32_t at : order) {
    pool.ids_.push_back(rows_[at].id);
    pool.keys_.push_back(hash_id(rows_[at].id));
  }
  for (std::size_t s = 0; s < kSignalCount; ++s) {
    const bool reported =
        std::any_of(rows_.begin(), rows_.end(), [s](const Endpoint& row) { return row.signals[s].has_value(); });
    if (!reported) continue;
    for (const std::uint32_t at : order) {
      const std::optional<Sample>& sample = rows_[at].signals[s];
      pool.values_[s].push_back(sample ? sample->value : kMissing);
      pool.sampled_[s].push_back(sample ? sample->sampled_ns : kNever);
    }
  }
  std::set<std::string_view> names;
  bool any_waits = false;
  for (const Endpoint& row : rows_) {
    names.insert(row.models.begin(), row.models.end());
    names.insert(row.waiting_models.begin(), row.waiting_models.end());
    any_waits = any_waits || !row.waiting_models.empty();
  }
  pool.model_names_.assign(names.begin(), names.end());
  if (!names.empty()) {
    pool.model_offsets_.push_back(0);
    std::vector<std::pair<std::uint32_t, std::uint8_t>> ids;
    for (const std::uint32_t at : order) {
      ids.clear();
      const auto add = [&](const std::vector<std::string>& models, std::uint8_t waits) {
        for (const std::string& model : models) {
          const auto name = std::lower_bound(pool.model_names_.begin(), pool.model_names_.end(), model);
          ids.emplace_back(static_cast<std::uint32_t>(name - pool.model_names_.begin()), waits);
        }
      };
      add(rows_[at].models, 0);
      add(rows_[at].waiting_models, 1);
      std::sort(ids.begin(), ids.end());
      for (const auto& [id, waits] : ids) {
        pool.model_ids_.push_back(id);
        if (any_waits) pool.model_waiting_.push_back(waits);
      }
      pool.model_offsets_.push_back(static_cast<std::uint32_t>(pool.model_ids_.size()));
    }
  }
  for (std::size_t level = 0; level < kPlaceLevels; ++level) {
    const bool known =
        std::any_of(rows_.begin(), rows_.end(), [level](const Endpoint& row) { return !row.place[level].empty(); });
    if (!known) continue;
    for (const std::uint32_t at : order) {
      const std::string& name = rows_[at].place[level];
      pool.places_[level].push_back(name.empty() ? 0 : hash_id(name));
    }
  }
  pool.rebind();
  return pool;
}

}  // namespace kthena::route
