// bench/ledger_bench.cpp
//
// LoadLedger beside a plain baseline in the same run.
//
//   BM_Route_LedgerRequest/<in flight>/<endpoints>   one request's whole life at a steady number in flight: book, first
//                                                    token, release of a random older one. Baseline: a
//                                                    std::unordered_map from id to request.
//   BM_Route_LedgerEstimate/<endpoints>              a column of "sample plus later bookings" for a pool, 16 requests
//                                                    in flight each, half of them later than the sample. Baseline: the
//                                                    same map, counted anew.
//   BM_Route_LedgerMerge/<endpoints>                 a sample for every endpoint after 8 bookings each, these and the
//                                                    releases included; items are samples. Baseline: none, the map has
//                                                    nothing to do.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <unordered_map>
#include <vector>

#include "kthena/base.hpp"
#include "kthena/route/load_ledger.hpp"

namespace {

using namespace kthena;
using namespace kthena::route;

constexpr BookedRequest kRequest{4096, 1024, 256};

struct Fleet {
  LoadLedger ledger = LoadLedger::create().value();
  std::vector<LedgerEndpoint> endpoints;

  explicit Fleet(std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) endpoints.push_back(ledger.add_endpoint(0).value());
  }
};

void BM_Route_LedgerRequest(benchmark::State& state) {
  const auto in_flight = static_cast<std::size_t>(state.range(0));
  Fleet fleet(static_cast<std::size_t>(state.range(1)));
  RandomStream random(1, 2);
  std::vector<Ticket> tickets(in_flight);
  Time now_ns = 0;
  const auto book = [&] {
    return fleet.ledger.book(fleet.endpoints[random.next_below(fleet.endpoints.size())], kRequest, ++now_ns).value();
  };
  for (Ticket& ticket : tickets) ticket = book();
  for (auto _ : state) {
    Ticket& ticket = tickets[random.next_below(in_flight)];
    fleet.ledger.release(ticket, RequestEnd::kDone, now_ns);
    ticket = book();
    fleet.ledger.first_token(ticket, now_ns);
  }
  if (fleet.ledger.in_flight() != in_flight) std::abort();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Route_LedgerRequest)->Args({1024, 64})->Args({16384, 64})->Args({16384, 1024});

struct PlainRequest {
  std::size_t endpoint;
  Time booked_ns;
  std::int64_t prompt_tokens;
  std::int64_t uncached_tokens;
  std::int64_t output_tokens;
  bool first_token;
};
using PlainLedger = std::unordered_map<std::uint64_t, PlainRequest>;

void BM_Route_LedgerRequest_Baseline(benchmark::State& state) {
  const auto in_flight = static_cast<std::size_t>(state.range(0));
  const auto endpoints = static_cast<std::uint64_t>(state.range(1));
  RandomStream random(1, 2);
  PlainLedger ledger;
  std::vector<std::uint64_t> ids(in_flight);
  std::uint64_t next = 0;
  Time now_ns = 0;
  const auto book = [&] {
    ledger.emplace(++next, PlainRequest{random.next_below(endpoints), ++now_ns, kRequest.prompt_tokens,
                                        kRequest.uncached_tokens, kRequest.output_tokens, false});
    return next;
  };
  for (std::uint64_t& id : ids) id = book();
  for (auto _ : state) {
    std::uint64_t& id = ids[random.next_below(in_flight)];
    ledger.erase(id);
    id = book();
    ledger.find(id)->second.first_token = true;
  }
  if (ledger.size() != in_flight) std::abort();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Route_LedgerRequest_Baseline)->Args({1024, 64})->Args({16384, 64})->Args({16384, 1024});

void BM_Route_LedgerEstimate(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  Fleet fleet(size);
  for (Time now_ns = 1; now_ns <= 16; ++now_ns)
    for (const LedgerEndpoint endpoint : fleet.endpoints)
      if (!fleet.ledger.book(endpoint, kRequest, now_ns).ok()) std::abort();
  LoadSample sample;
  sample.sampled_ns = 8;
  sample[LoadQuantity::kRequests] = 20;
  for (const LedgerEndpoint endpoint : fleet.endpoints)
    if (!fleet.ledger.merge_sample(endpoint, sample, 16).ok()) std::abort();
  std::vector<double> out(size);
  const EstimateRule rule{LoadEstimator::kSamplePlusLater, 4};
  for (auto _ : state) {
    if (!fleet.ledger.estimate(fleet.endpoints, LoadQuantity::kRequests, rule, out).ok()) std::abort();
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  if (out.back() != 20 + 4 * 8) std::abort();
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Route_LedgerEstimate)->Arg(16)->Arg(64)->Arg(256)->Arg(1024);

void BM_Route_LedgerEstimate_Baseline(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  PlainLedger ledger;
  std::uint64_t next = 0;
  for (Time now_ns = 1; now_ns <= 16; ++now_ns)
    for (std::size_t i = 0; i < size; ++i) ledger.emplace(++next, PlainRequest{i, now_ns, 4096, 1024, 256, false});
  std::vector<double> out(size);
  for (auto _ : state) {
    out.assign(size, 20);
    for (const auto& [id, request] : ledger)
      if (request.booked_ns > 8) out[request.endpoint] += 4;
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  if (out.back() != 20 + 4 * 8) std::abort();
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Route_LedgerEstimate_Baseline)->Arg(16)->Arg(64)->Arg(256)->Arg(1024);

void BM_Route_LedgerMerge(benchmark::State& state) {
  Fleet fleet(static_cast<std::size_t>(state.range(0)));
  std::vector<Ticket> tickets(fleet.endpoints.size() * 8);
  LoadSample sample;
  sample[LoadQuantity::kRequests] = 8;
  Time now_ns = 0;
  for (auto _ : state) {
    ++now_ns;
    for (std::size_t i = 0; i < tickets.size(); ++i)
      tickets[i] = fleet.ledger.book(fleet.endpoints[i / 8], kRequest, now_ns).value();
    sample.sampled_ns = now_ns;
    for (const LedgerEndpoint endpoint : fleet.endpoints)
      if (!fleet.ledger.merge_sample(endpoint, sample, now_ns).ok()) std::abort();
    for (const Ticket ticket : tickets) fleet.ledger.release(ticket, RequestEnd::kDone, now_ns);
  }
  if (fleet.ledger.in_flight() != 0) std::abort();
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Route_LedgerMerge)->Arg(64)->Arg(1024);

}  // namespace
