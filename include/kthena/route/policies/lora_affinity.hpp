// include/kthena/route/policies/lora_affinity.hpp
//
// LoRA affinity: only endpoints that serve the model or adapter the request names (filter), or those first (scorer).
//
//   Use when   adapters are loaded on some endpoints only. The filter where loading one on demand is not wanted, the scorer where it is.
//   Cost       one binary search over the names of the pool, then a scan of each endpoint's short list.
//   Source     filter: volcano-sh/kthena pkg/kthena-router/scheduler/plugins/lora_affinity.go; scorer: llm-d-router
//              pkg/epp/framework/plugins/scheduling/scorer/loraaffinity.
//   Known for  comparing with the name the client used: an alias of the base model drops every endpoint (filter). Every endpoint with room
//              is as good as another, so a new adapter is loaded everywhere (scorer).
#pragma once

#include <algorithm>
#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

/// Keeps endpoints whose names contain Request::model exactly. One that says nothing about its models is dropped.
class LoraAffinity {
 public:
  static constexpr std::string_view kName = "lora-affinity";
  using Options = NoOptions;
  static constexpr std::array<Option<Options>, 0> kOptions = {};

  explicit LoraAffinity(Options = {}) {}

  void filter(const PoolView& view, const Request& request, std::span<std::uint8_t> keep) const noexcept {
    const auto name = std::lower_bound(view.model_names.begin(), view.model_names.end(), request.model);
    if (view.model_offsets == nullptr || name == view.model_names.end() || *name != request.model) {
      std::fill(keep.begin(), keep.end(), std::uint8_t{0});
      return;
    }
    const auto wanted = static_cast<std::uint32_t>(name - view.model_names.begin());
    for (std::size_t i = 0; i < keep.size(); ++i) {
      std::uint8_t serves = 0;
      for (std::uint32_t k = view.model_offsets[i]; k < view.model_offsets[i + 1]; ++k)
        serves = static_cast<std::uint8_t>(
            serves | static_cast<std::uint8_t>(view.model_ids[k] == wanted &&
                                               (view.model_waiting == nullptr || view.model_waiting[k] == 0)));
      keep[i] = static_cast<std::uint8_t>(keep[i] & serves);
    }
  }

  [[nodiscard]] Reason explain(const PoolView&, const Request&, EndpointIndex) const {
    return {ReasonCode::model_not_loaded, 0, 0, 0};
  }
};

struct LoraAffinityScorerOptions {
  /// How many of an endpoint's names are not adapters (base model, aliases). Range [0, 1000]. DEFAULT: 0.
  double base_names = 0;
};

/// 100 where Request::model is served; else 80 where models and waiting_models without base_names are fewer than max_adapters; else 60 where
/// it is waited for; else 0. An endpoint without max_adapters has no room.
class LoraAffinityScorer {
 public:
  static constexpr std::string_view kName = "lora-affinity";
  using Options = LoraAffinityScorerOptions;
  static constexpr std::array kOptions = {Option<Options>{"base_names", 0, 1000, &Options::base_names}};

  explicit LoraAffinityScorer(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const PoolView& view = context.view();
    const std::string_view model = context.request().model;
    const double* room = context.column(Signal::kMaxAdapters).data();
    const auto name = std::lower_bound(view.model_names.begin(), view.model_names.end(), model);
    const bool known = name != view.model_names.end() && *name == model;
    const auto wanted = static_cast<std::uint32_t>(name - view.model_names.begin());
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::uint32_t endpoint = context.endpoint(i).value;
      const std::uint32_t begin = view.model_offsets == nullptr ? 0 : view.model_offsets[endpoint];
      const std::uint32_t end = view.model_offsets == nullptr ? 0 : view.model_offsets[endpoint + 1];
      bool serves = false;
      bool waits = false;
      for (std::uint32_t k = begin; k < end; ++k) {
        const bool same = known && view.model_ids[k] == wanted;
        const bool loading = view.model_waiting != nullptr && view.model_waiting[k] != 0;
        serves = serves || (same && !loading);
        waits = waits || (same && loading);
      }
      const bool fits = static_cast<double>(end - begin) - options_.base_names < room[i];
      out[i] = serves ? 100 : fits ? 80 : waits ? 60 : 0;
    }
  }

 private:
  Options options_;
};

}  // namespace kthena::route
