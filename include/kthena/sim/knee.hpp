// include/kthena/sim/knee.hpp
//
// find_knee: how many requests a second can this fleet take under this policy? The highest Client::speed of an open loop at which it
// keeps up.
//
//   Keeps up   all requests of the last run are answered, and TTFT grows by less than `growth` seconds per second of arrivals, from the
//              middle third of the requests to the last. A fleet that is given r times what it can do falls behind by r - 1 seconds per
//              second, whatever its service times. (A ratio of the two means would not tell: they are as 5 to 3 in any overload.)
//   Assumes    that a fleet which keeps up at one speed does so at lower ones; that the workload lasts many times its TTFT; and that
//              it asks for as much in its last third as in its middle one.
//   Cost       about log2(knee / speed) + log2(1 / precision) simulations. Equal arguments give equal bits.
#pragma once

#include <cstdint>

#include "kthena/base/status.hpp"
#include "kthena/sim/report.hpp"
#include "kthena/sim/scenario.hpp"

namespace kthena::sim {

class Simulation;

struct KneeOptions {
  double least = 0.01;      ///< no lower speed is tried; [0.01, most]
  double most = 1e6;        ///< no higher one; at most 1e6
  double precision = 0.01;  ///< how far the knee is below a speed that is too high, relative; [1e-6, 1]
  double growth = 0.01;     ///< seconds of TTFT per second of arrivals that pass for keeping up; (0, 1]
};

enum class KneeOutcome : std::uint8_t {
  kFound = 0,
  kTooSlow = 1,   ///< falls behind even at `least`: speed is 0
  kUnlimited = 2  ///< keeps up even at `most`: too_fast is 0
};

struct Knee {
  KneeOutcome outcome = KneeOutcome::kFound;
  double speed = 0;     ///< the highest that was seen to keep up
  double too_fast = 0;  ///< the lowest that was seen to fall behind
  double rate_rps = 0;  ///< arrivals per second at `speed`
  RunReport run;        ///< the last run at `speed`
  std::uint32_t simulations = 0;
};

/// Whether a simulation that is done kept up in its last run.
bool keeps_up(const Simulation& simulation, double growth);

/// Starts from the scenario's client.speed. kInvalidArgument lists every fault of the scenario and of the options: a closed loop, a
/// speed of 0, fewer than 30 requests, requests that all arrive at once.
Result<Knee> find_knee(const Scenario& scenario, const KneeOptions& options = {});

}  // namespace kthena::sim
