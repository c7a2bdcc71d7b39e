// Two endpoints, one request, one decision with its reason.
#include <iostream>
#include <kthena/kthena.hpp>
using namespace kthena::route;

int main() {
  PoolBuilder builder;
  builder.add(Endpoint{.id = "pod-a"}.set(Signal::kRunning, 7).set(Signal::kInFlight, 9));
  builder.add(Endpoint{.id = "pod-b"}.set(Signal::kRunning, 2).set(Signal::kInFlight, 2));
  PoolSnapshot pool = builder.build().value();
  Policy policy = Policy::create(preset("kthena-default").value()).value();
  Workspace workspace;
  Decision decision = policy.decide(pool, {.id = "request-1", .model = "llama", .seed = 42}, workspace);
  std::cout << pool.id(decision.endpoint) << ": " << kthena::reason_text(decision.reason.code) << "\n";
}
