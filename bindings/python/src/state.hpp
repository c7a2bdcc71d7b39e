// state.hpp
//
// What one interpreter needs beside its pybind11 types. Made when the module is initialised and never freed: objects that point to it
// may be the last to go when an interpreter ends.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

namespace kthena::python {

/// Arguments of decide() and explain_json() that are given by name: the usual ones, then those that few calls give.
enum RequestKeyword : std::size_t {
  kId,
  kModel,
  kPromptTokens,
  kPrefixDepths,
  kPrefixTotal,
  kHistoryDepths,
  kHistoryTotal,
  kSequence,
  kNowNs,
  kSeed,
  kUsualKeywords,
  kOutputTokens = kUsualKeywords,
  kPrefixBlockTokens,
  kPrefixHostDepths,
  kPrefixDiskDepths,
  kHistoryBlockTokens,
  kHistoryHostDepths,
  kHistoryDiskDepths,
  kSession,
  kNear,
  kSloTtft,
  kSloTpot,
  kRequestKeywords
};

/// Arguments of PrefixIndex.find() and find_best(), those that may be given by position first.
enum FindArgument : std::size_t { kQuery, kWorkers, kCandidates, kOut, kFindArguments };
enum BestArgument : std::size_t { kBestQuery, kLoads, kBestCandidates, kBlockCost, kTieSeed, kBestArguments };

/// Arguments of Fleet.decide() and book() behind the first.
enum FleetArgument : std::size_t {
  kFleetTokens,
  kFleetId,
  kFleetNowNs,
  kFleetModel,
  kFleetAdapter,
  kFleetTenant,
  kFleetPromptTokens,
  kFleetOutputTokens,
  kFleetSession,
  kFleetNear,
  kFleetSloTtft,
  kFleetSloTpot,
  kFleetSequence,
  kFleetSeed,
  kFleetArguments
};

struct State {
  PyTypeObject* pool_type = nullptr;
  PyTypeObject* policy_type = nullptr;
  PyTypeObject* decision_type = nullptr;
  PyTypeObject* prefix_index_type = nullptr;
  PyTypeObject* prefix_query_type = nullptr;
  PyObject* keywords[kRequestKeywords] = {};    // interned
  PyObject* find_names[kFindArguments] = {};    // interned
  PyObject* best_names[kBestArguments] = {};    // interned
  PyObject* fleet_names[kFleetArguments] = {};  // interned
  mutable PyObject* pick_type = nullptr;        // kthena.types.PrefixPick, once the first pick was made
  mutable PyTypeObject* array_type = nullptr;   // numpy's, once the first array came
  mutable PyObject* uint32_dtype = nullptr;     // the one that arrays share
  PyObject* reasons = nullptr;                  // dict: code -> kthena.reasons.Reason
  PyObject* outcomes = nullptr;                 // dict: code -> kthena.types.Outcome
};

/// Fills pool_type, or what the others are for; each is in the file of that name.
void register_pool(pybind11::module_& module, State& state);
void register_policy(pybind11::module_& module, State& state);
void register_decision(pybind11::module_& module, State& state);
void register_decision_log(pybind11::module_& module);
void register_prefix(pybind11::module_& module, State& state);
void register_fleet(pybind11::module_& module, State& state);
void register_engine(pybind11::module_& module);
void register_simulation(pybind11::module_& module);
void register_functions(pybind11::module_& module);
void register_hashes(pybind11::module_& module);

}  // namespace kthena::python
