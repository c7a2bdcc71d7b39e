// include/kthena/route/policies/lora_affinity.hpp
//
// LoRA affinity: only endpoints that serve the model or adapter the request names.
//
//   Use when   adapters are loaded on some endpoints only and loading one on demand is not wanted.
//   Cost       one binary search over the names of the pool, then a scan of each endpoint's short list.
//   Source     volcano-sh/kthena pkg/kthena-router/scheduler/plugins/lora_affinity.go.
//   Known for  comparing with the name the client used: an alias of the base model drops every endpoint.
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

}  // namespace kthena::route
