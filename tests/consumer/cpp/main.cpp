// A C++ program against the installed static library.
#include <cstdio>
#include <kthena/kthena.hpp>

int main() {
  using namespace kthena;
  route::PoolBuilder builder;
  builder.add(route::Endpoint{.id = "pod-a"}.set(route::Signal::kRunning, 9).set(route::Signal::kWaiting, 5));
  builder.add(route::Endpoint{.id = "pod-b"}.set(route::Signal::kRunning, 1).set(route::Signal::kWaiting, 0));
  const auto pool = builder.build().value();
  const auto policy = route::Policy::create(route::preset("kthena-2025-09/least-request").value()).value();
  route::Workspace workspace;
  const route::Decision decision = policy.decide(pool, {.id = "req-1", .seed = 1}, workspace);
  if (decision.outcome != route::Outcome::kRouted || pool.id(decision.endpoint) != "pod-b") return 1;
  std::puts("pod-b");
  return 0;
}
