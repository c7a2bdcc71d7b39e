// src/route/registry.hpp
//
// The registry of policy parts: names to kernels. A new part is a header in include/kthena/route/policies/ and one entry in a list here.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "kthena/base/faults.hpp"
#include "kthena/route/policies/active_request.hpp"
#include "kthena/route/policies/balance.hpp"
#include "kthena/route/policies/best_score.hpp"
#include "kthena/route/policies/context_length.hpp"
#include "kthena/route/policies/cost.hpp"
#include "kthena/route/policies/dynamo_kv.hpp"
#include "kthena/route/policies/explore.hpp"
#include "kthena/route/policies/fits.hpp"
#include "kthena/route/policies/gpu_usage.hpp"
#include "kthena/route/policies/kv_utilization.hpp"
#include "kthena/route/policies/least_latency.hpp"
#include "kthena/route/policies/least_request.hpp"
#include "kthena/route/policies/lmetric.hpp"
#include "kthena/route/policies/load_aware.hpp"
#include "kthena/route/policies/load_bound.hpp"
#include "kthena/route/policies/lora_affinity.hpp"
#include "kthena/route/policies/min_max.hpp"
#include "kthena/route/policies/no_hit_lru.hpp"
#include "kthena/route/policies/power_of_k.hpp"
#include "kthena/route/policies/prefix_affinity.hpp"
#include "kthena/route/policies/prefix_cache.hpp"
#include "kthena/route/policies/prefix_ratio.hpp"
#include "kthena/route/policies/prequal.hpp"
#include "kthena/route/policies/random.hpp"
#include "kthena/route/policies/round_robin.hpp"
#include "kthena/route/policies/session.hpp"
#include "kthena/route/policies/slo_headroom.hpp"
#include "kthena/route/policies/smg_least_load.hpp"
#include "kthena/route/policies/softmax.hpp"
#include "kthena/route/policies/token_load.hpp"
#include "kthena/route/policies/topology.hpp"
#include "kthena/route/policies/weighted_random.hpp"
#include "kthena/route/policies/work_seconds.hpp"
#include "kthena/route/policy.hpp"

namespace kthena::route {

using AnyFilter = std::variant<LeastRequestFilter, LoraAffinity, Balanced, Imbalanced, LoadBound, LeastLoaded,
                               PrefixThreshold, PrefixAffinity, Fits, ContextLengthFilter>;
using AnyScorer = std::variant<LeastRequest, LeastRequest202509, LeastLatency, GpuUsage, Random, PrefixCache,
                               KvCacheAware, Queue, Running, SignalRange, ActiveRequest, LoadAware, TokenLoad,
                               OutstandingTokens, KvUtilization, SloHeadroom, Capability, PrefixRatio, PrefixTiers,
                               CachedTokens, LoraAffinityScorer, SessionRendezvous, SessionRing, ContextLength,
                               Topology, NoHitLru, LMetric, SmgLeastLoad, DynamoKv, Preble, Prequal, Cost>;
using AnyPicker = std::variant<BestScore, RoundRobin, Softmax, WeightedRandom, PowerOfK, Explore>;

namespace detail {

/// For messages: "10", "0.5", "1e+09".
std::string number_text(double value);

template <class Part>
std::optional<Part> make_part(const PartSpec& spec, const std::string& path, Faults& faults) {
  typename Part::Options options{};
  std::vector<std::string_view> seen;
  for (const OptionSpec& given : spec.options) {
    const std::string where = path + ".options." + given.name;
    bool known = false;
    for (const auto& option : Part::kOptions) {
      if constexpr (Part::kOptions.size() > 0) {
        if (option.name != given.name) continue;
        known = true;
        if (!(given.value >= option.minimum && given.value <= option.maximum)) {
          faults.add(where,
                     "must be a number in [" + number_text(option.minimum) + ", " + number_text(option.maximum) + "]");
        } else {
          options.*option.member = given.value;
        }
      }
    }
    if (!known) faults.add(where, "unknown option of \"" + std::string(Part::kName) + "\"");
    for (const std::string_view name : seen)
      if (name == given.name) faults.add(where, "given twice");
    seen.push_back(given.name);
  }
  return Part(options);
}

template <class Variant, std::size_t... I>
std::optional<Variant> make_any(const PartSpec& spec, const std::string& path, std::string_view kind, Faults& faults,
                                const std::string& more, std::index_sequence<I...>) {
  std::optional<Variant> made;
  std::string names;
  const auto attempt = [&]<class Part>(const Part*) {
    names += (names.empty() ? "" : ", ") + std::string(Part::kName);
    if (!made && spec.name == Part::kName) made = make_part<Part>(spec, path, faults);
  };
  (attempt(static_cast<const std::variant_alternative_t<I, Variant>*>(nullptr)), ...);
  if (!made)
    faults.add(path + ".name", "unknown " + std::string(kind) + " \"" + spec.name + "\"; there are: " + names + more);
  return made;
}

}  // namespace detail

/// The part of that name with its options, or faults and nothing. `kind` is a word for messages; `more` are names beside those of the
/// registry, each behind a comma.
template <class Variant>
std::optional<Variant> make_any(const PartSpec& spec, const std::string& path, std::string_view kind, Faults& faults,
                                const std::string& more = {}) {
  return detail::make_any<Variant>(spec, path, kind, faults, more,
                                   std::make_index_sequence<std::variant_size_v<Variant>>{});
}

}  // namespace kthena::route
