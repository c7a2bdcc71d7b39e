// include/kthena/route/policies/session.hpp
//
// Sessions: the same Request::session goes to the same endpoint, without a table of sessions.
//
//   Use when   turns of a conversation should meet the cache of the turn before, and nobody tracks prefixes. The ring where some sessions
//              are much busier than others.
//   Cost       a hash per candidate, and for the ring two passes over a column; no state, no allocation.
//   Source     rendezvous hashing (Thaler and Ravishankar, 1998); bounded loads (Mirrokni, Thorup and Zadimoghaddam, SODA 2018; the bound of
//              smg model_gateway/src/policies/prefix_hash.rs). There is no ring of virtual nodes: rendezvous weights give each session an
//              order of all endpoints, which is even and moves 1/n of the sessions when an endpoint comes or goes.
//   Known for  routers with different Request::seed send a session to different endpoints; the ring moves a session while its endpoint is
//              busy, and its cache then stands in two places.
#pragma once

#include <array>
#include <cstdint>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

namespace detail {
/// The weight of an endpoint for a session in [0, 1): the endpoint with the highest is its home.
inline double session_weight(std::uint64_t session_key, std::uint64_t endpoint_key) noexcept {
  return static_cast<double>(static_cast<std::int64_t>(mix64(session_key ^ endpoint_key) >> 11)) * 0x1p-53;
}
inline std::uint64_t session_key(const Request& request) noexcept {
  return combine64(hash_id(request.session), request.seed);
}
}  // namespace detail

/// 100 for the session's home, 50 * weight for the others, so that failover has an order too. Without a session all abstain.
class SessionRendezvous {
 public:
  static constexpr std::string_view kName = "session-rendezvous";
  using Options = NoOptions;
  static constexpr std::array<Option<Options>, 0> kOptions = {};

  explicit SessionRendezvous(Options = {}) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const bool known = !context.request().session.empty();
    const std::uint64_t session = detail::session_key(context.request());
    const std::uint64_t* keys = context.keys().data();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = known ? detail::session_weight(session, keys[i]) : kMissing;
    const double home = column_max(out);
    for (double& weight : out) weight = weight == home ? 100 : 50 * weight;
  }
};

struct SessionRingOptions {
  /// How far above the mean load an endpoint may be and still take the session. Range [0, 1e6]. DEFAULT: 0.25.
  double spread = 0.25;
  /// The signal that is load, by its number in Signal; never sampled counts as 0. Range [0, 20], whole. DEFAULT: 5, in_flight.
  double signal = 5;
};

/// Endpoints with load <= (1 + spread) * (sum of loads + 1) / candidates are in bounds: 100 for the one of them with the highest weight, 50
/// + 25 * weight for the others, 25 * weight for those out of bounds. Without a session all abstain.
class SessionRing {
 public:
  static constexpr std::string_view kName = "session-ring";
  using Options = SessionRingOptions;
  static constexpr std::array kOptions = {Option<Options>{"spread", 0, 1e6, &Options::spread},
                                          Option<Options>{"signal", 0, detail::kLastSignal, &Options::signal}};

  explicit SessionRing(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const bool known = !context.request().session.empty();
    const std::uint64_t session = detail::session_key(context.request());
    const std::uint64_t* keys = context.keys().data();
    const double* loads = context.column(detail::signal_of(options_.signal)).data();
    double sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += detail::known_or(loads[i], 0);
    const double bound = (1 + options_.spread) * (sum + 1) / static_cast<double>(out.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double weight = known ? detail::session_weight(session, keys[i]) : kMissing;
      out[i] = detail::known_or(loads[i], 0) <= bound ? 50 + 25 * weight : 25 * weight;
    }
    const double home = column_max(out);  // somebody is not above the mean
    for (double& weight : out) weight = weight == home ? 100 : weight;
  }

 private:
  Options options_;
};

}  // namespace kthena::route
