// include/kthena/kthena.hpp
//
// kthena: the decisions of an LLM-inference platform as functions from a snapshot.
//
//   #include <kthena/kthena.hpp>
//   using namespace kthena;
//
//   route::PoolBuilder builder;
//   builder.add(route::Endpoint{.id = "pod-a"}.set(route::Signal::kInFlight, 3).set(route::Signal::kRunning, 3));
//   builder.add(route::Endpoint{.id = "pod-b"}.set(route::Signal::kInFlight, 1).set(route::Signal::kRunning, 1));
//   auto pool = builder.build().value();
//   auto policy = route::Policy::create(route::preset("kthena-default").value()).value();
//   route::Workspace workspace;                                             // one per thread
//   route::Decision decision = policy.decide(pool, {.id = "req-1", .model = "llama", .now_ns = 0, .seed = 1}, workspace);
//   if (decision.outcome == route::Outcome::kRouted) {
//     // pool.id(decision.endpoint) takes it, decision.failover() are next; reason_text(decision.reason.code) says why
//   }
//
// Areas: base, engine, prefix, route, sim, manifest; each has a header of its own name beside this one. docs/architecture.md is the map.
#pragma once

#include "kthena/base.hpp"
#include "kthena/engine.hpp"
#include "kthena/manifest.hpp"
#include "kthena/prefix.hpp"
#include "kthena/route.hpp"
#include "kthena/sim.hpp"
