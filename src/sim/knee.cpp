#include "kthena/sim/knee.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "kthena/base/faults.hpp"
#include "kthena/sim/simulation.hpp"

namespace kthena::sim {
namespace {

constexpr std::size_t kLeastRequests = 30;

std::size_t request_count(const Scenario& scenario) {
  const std::size_t all = scenario.workload.size();
  return scenario.request_limit == 0 ? all
                                     : static_cast<std::size_t>(std::min<std::uint64_t>(all, scenario.request_limit));
}

Status check_options(const Scenario& scenario, const KneeOptions& options) {
  Faults faults;
  if (!(options.least >= 0.01 && options.least <= options.most)) faults.add("least", "not in 0.01..most");
  if (!(options.most <= 1e6)) faults.add("most", "above 1e6");
  if (!(options.precision >= 1e-6 && options.precision <= 1)) faults.add("precision", "not in 1e-6..1");
  if (!(options.growth > 0 && options.growth <= 1)) faults.add("growth", "not above 0 and up to 1");
  if (scenario.client.concurrency != 0) faults.add("client.concurrency", "a closed loop has no knee");
  if (scenario.client.speed == 0) faults.add("client.speed", "0 has no rate");
  const std::size_t requests = request_count(scenario);
  if (requests < kLeastRequests)
    faults.add("workload", "fewer than " + std::to_string(kLeastRequests) + " requests");
  else if (scenario.workload.arrival_ns[requests - 1] <= scenario.workload.arrival_ns[requests / 3])
    faults.add("workload", "its last requests all arrive at once");
  if (Status status = check(scenario); !status.ok()) faults.add("", status.message());
  return faults.status();
}

/// Means over requests [begin, end).
struct Third {
  double arrival_s = 0;
  double ttft_s = 0;
};

Third mean_of(const RequestRows& rows, std::size_t begin, std::size_t end) {
  Third third;
  for (std::size_t i = begin; i < end; ++i) {
    third.arrival_s += to_seconds(rows.arrival_ns[i] - rows.arrival_ns[begin]);
    third.ttft_s += to_seconds(rows.first_token_ns[i] - rows.arrival_ns[i]);
  }
  const auto count = static_cast<double>(end - begin);
  return {to_seconds(rows.arrival_ns[begin]) + third.arrival_s / count, third.ttft_s / count};
}

}  // namespace

bool keeps_up(const Simulation& simulation, double growth) {
  const RequestRows rows = simulation.rows();
  const std::size_t end = rows.end_ns.size();
  const auto requests = static_cast<std::size_t>(simulation.report().requests);
  const std::size_t begin = end - requests;
  if (std::any_of(rows.end_ns.begin() + static_cast<std::ptrdiff_t>(begin), rows.end_ns.end(),
                  [](Time at) { return at == kNever; }))
    return false;
  const Third middle = mean_of(rows, begin + requests / 3, begin + 2 * requests / 3);
  const Third last = mean_of(rows, begin + 2 * requests / 3, end);
  return last.ttft_s - middle.ttft_s < growth * (last.arrival_s - middle.arrival_s);
}

Result<Knee> find_knee(const Scenario& scenario, const KneeOptions& options) {
  if (Status status = check_options(scenario, options); !status.ok()) return status;
  Scenario tried = scenario;
  Knee knee;
  Status fault;
  const auto try_speed = [&](double speed) {
    tried.client.speed = speed;
    Result<Simulation> simulation = Simulation::create(tried);
    if (!simulation.ok()) {
      fault = simulation.status();
      return false;
    }
    simulation->advance(std::numeric_limits<std::uint64_t>::max());
    ++knee.simulations;
    const bool good = keeps_up(*simulation, options.growth);
    if (good) {
      knee.speed = speed;
      knee.run = simulation->report().runs.back();
    } else {
      knee.too_fast = speed;
    }
    return good;
  };

  // Out from where it stands until there is one of each, then between them.
  double speed = std::clamp(scenario.client.speed, options.least, options.most);
  const bool up = try_speed(speed);
  if (!fault.ok()) return fault;
  while (up ? knee.too_fast == 0 && speed < options.most : knee.speed == 0 && speed > options.least) {
    speed = up ? std::min(speed * 2, options.most) : std::max(speed / 2, options.least);
    try_speed(speed);
  }
  while (knee.speed > 0 && knee.too_fast > knee.speed * (1 + options.precision))
    try_speed(std::sqrt(knee.speed * knee.too_fast));

  if (knee.speed == 0) knee.outcome = KneeOutcome::kTooSlow;
  if (knee.too_fast == 0) knee.outcome = KneeOutcome::kUnlimited;
  const std::size_t requests = request_count(scenario);
  const Duration span = scenario.workload.arrival_ns[requests - 1] - scenario.workload.arrival_ns[0];
  knee.rate_rps = knee.speed * static_cast<double>(requests - 1) / to_seconds(span);
  return knee;
}

}  // namespace kthena::sim
