// A compile-time pipeline over the caller's own arrays: headers only, nothing of kthena is linked.
#include <array>
#include <cstdint>
#include <cstdio>
#include <kthena/route/pipeline.hpp>
#include <kthena/route/policies/least_request.hpp>

int main() {
  using namespace kthena::route;
  const std::array<std::uint64_t, 2> keys = {kthena::hash_id("pod-a"), kthena::hash_id("pod-b")};
  const std::array<double, 2> running = {9, 1}, waiting = {5, 0}, in_flight = {14, 1};
  PoolView pool;
  pool.size = keys.size();
  pool.keys = keys.data();
  pool.values[static_cast<std::size_t>(Signal::kRunning)] = running.data();
  pool.values[static_cast<std::size_t>(Signal::kWaiting)] = waiting.data();
  pool.values[static_cast<std::size_t>(Signal::kInFlight)] = in_flight.data();
  const Pipeline policy{Filters{LeastRequestFilter{}}, Scorers{Weighted{LeastRequest{}, 1}}};
  Workspace workspace;
  const Decision decision = policy.decide(pool, {.id = "req-1", .seed = 1}, workspace);
  if (decision.outcome != Outcome::kRouted || decision.endpoint.value != 1) return 1;
  std::puts("pod-b");
  return 0;
}
