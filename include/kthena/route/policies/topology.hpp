// include/kthena/route/policies/topology.hpp
//
// Topology: how near an endpoint is to Request::near, by the first level from host to region at which both have the same name.
//
//   Use when   a peer is fixed already (the other half of a prefill and decode pair) and KV moves between the two, or zones cost money.
//   Cost       one pass over up to four columns of hashes; no state, no allocation.
//   Source     llm-d-router pkg/epp/framework/plugins/scheduling/scorer/topologyaffinity, whose steps are fixed at 1, .2, .05, .02.
//   Known for  steps that no bandwidth was measured for: within one NVLink rack, rack should stand near host.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct TopologyOptions {
  /// What the same host, rack, zone and region get. Range [0, 100]. DEFAULT: 100, 20, 5, 2.
  double host = 100;
  double rack = 20;
  double zone = 5;
  double region = 2;
};

/// 0 when no level agrees or nobody said where the endpoint is; all abstain without Request::near.
class Topology {
 public:
  static constexpr std::string_view kName = "topology";
  using Options = TopologyOptions;
  static constexpr std::array kOptions = {
      Option<Options>{"host", 0, 100, &Options::host}, Option<Options>{"rack", 0, 100, &Options::rack},
      Option<Options>{"zone", 0, 100, &Options::zone}, Option<Options>{"region", 0, 100, &Options::region}};

  explicit Topology(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const std::array<double, kPlaceLevels> worth = {options_.host, options_.rack, options_.zone, options_.region};
    const Request& request = context.request();
    bool known = false;
    for (const std::string_view name : request.near) known = known || !name.empty();
    for (double& x : out) x = known ? 0 : kMissing;
    for (std::size_t level = kPlaceLevels; level-- > 0;) {  // the nearest level is written last
      const std::uint64_t* names = context.view().places[level];
      if (names == nullptr || request.near[level].empty()) continue;
      const std::uint64_t wanted = hash_id(request.near[level]);
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = names[context.endpoint(i).value] == wanted ? worth[level] : out[i];
    }
  }

 private:
  Options options_;
};

}  // namespace kthena::route
