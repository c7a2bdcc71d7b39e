// bench/fleet_bench.cpp
// BM_Route_Book/cost/N: decide_and_book, first_token and finish over N endpoints, a prepared prompt of 256 blocks in each; 8 requests in
//   flight per endpoint. Baseline: the same by hand, a map of requests and a loop over endpoints that reads a map of prefixes block by block.
// BM_Route_Pick/cost/N: 4,096 token ids in: hashing, index, homes, decision, booking and, of an older request, release. Baseline: FNV-1a of
//   each block, an unordered_map from the chained hash to the endpoints that hold it, a loop over endpoints, and a map of requests.
// BM_Route_DecideBatch/1000x64: 1,000 prepared prompts at once, decided and booked; their release is not timed. Baseline: as above.
// Prompts: 256 groups that share 192 of 256 blocks, each held by one endpoint, in part by two more. allocs_per_op counts operator new.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <unordered_map>
#include <vector>

#include "allocation_count.hpp"
#include "kthena/base/random.hpp"
#include "kthena/prefix.hpp"
#include "kthena/route.hpp"
#include "kthena/route/fleet.hpp"

namespace {

using namespace kthena;
using namespace kthena::route;

constexpr std::uint32_t kBlock = 16;
constexpr std::size_t kTokens = 4096;
constexpr std::size_t kBlocks = kTokens / kBlock;
constexpr std::size_t kShared = 192;
constexpr std::size_t kGroups = 256;

/// Prompt r belongs to group r % kGroups; 1,024 of them.
std::vector<std::vector<std::uint32_t>> make_prompts() {
  RandomStream random(11, 5);
  std::vector<std::vector<std::uint32_t>> heads(kGroups);
  for (auto& head : heads)
    for (std::size_t i = 0; i < kShared * kBlock; ++i)
      head.push_back(static_cast<std::uint32_t>(random.next_below(150'000)));
  std::vector<std::vector<std::uint32_t>> prompts;
  for (std::size_t r = 0; r < 1024; ++r) {
    prompts.push_back(heads[r % kGroups]);
    while (prompts.back().size() < kTokens)
      prompts.back().push_back(static_cast<std::uint32_t>(random.next_below(150'000)));
  }
  return prompts;
}
const std::vector<std::vector<std::uint32_t>>& prompts() {
  static const auto made = make_prompts();
  return made;
}

/// Where copy c of a group is, and how many of its blocks.
std::size_t holder(std::size_t group, std::size_t copy, std::size_t endpoints) {
  return mix64(group * 3 + copy) % endpoints;
}
std::size_t held(std::size_t copy) { return kShared >> copy; }

Policy cost_policy() {
  PolicySpec spec;
  spec.scorers = {{"cost", 1, {}}};
  return Policy::create(spec).value();
}

struct Made {
  Fleet fleet = Fleet::create([] {
                  FleetOptions options;
                  options.prefix.block_tokens = kBlock;
                  return options;
                }())
                    .value();
  Policy policy = cost_policy();
  Workspace workspace;
  std::vector<prefix::PrefixQuery> queries;

  explicit Made(std::size_t endpoints) {
    std::vector<Endpoint> rows;
    for (std::size_t i = 0; i < endpoints; ++i) {
      rows.push_back({.id = "llm/qwen-7b-" + std::to_string(mix64(i) % 1'000'000) + "-" + std::to_string(i)});
      rows.back().set(Signal::kKvCapacityTokens, 500'000);
    }
    if (!fleet.add_endpoints(rows, 0).ok()) std::abort();
    for (std::size_t r = 0; r < prompts().size(); ++r) {
      queries.push_back(fleet.make_query({.model = "m", .adapter = {}, .tenant = {}, .block_tokens = kBlock}));
      queries.back().extend_tokens(prompts()[r]);
    }
    std::vector<std::uint64_t> hashes(kBlocks);
    for (std::size_t group = 0; group < kGroups; ++group) {
      for (std::size_t copy = 0; copy < 3; ++copy) {
        for (std::size_t b = 0; b < kBlocks; ++b) hashes[b] = mix64(group * kBlocks + b);
        BlockStored stored;
        stored.worker = fleet.worker({static_cast<std::uint32_t>(holder(group, copy, endpoints))});
        stored.namespace_key = queries[group].namespace_key();
        stored.engine_hashes = std::span(hashes).first(held(copy));
        stored.content_hashes = queries[group].contents().first(held(copy));
        if (!fleet.index().apply(stored).ok()) std::abort();
      }
    }
  }
};

FleetRequest asked(const prefix::PrefixQuery* prompt, std::uint64_t sequence) {
  FleetRequest request;
  request.prompt = prompt;
  request.request.prompt_tokens = kTokens;
  request.request.output_tokens = 256;
  request.request.sequence = sequence;
  request.request.now_ns = static_cast<Time>(sequence * 1000);
  return request;
}

void book(benchmark::State& state) {
  const auto endpoints = static_cast<std::size_t>(state.range(0));
  Made made(endpoints);
  RandomStream random(3, 4);
  std::vector<Ticket> tickets(8 * endpoints);
  std::uint64_t sequence = 0;
  const auto step = [&] {
    ++sequence;
    const std::size_t r = random.next_below(made.queries.size());
    Ticket& ticket = tickets[random.next_below(tickets.size())];
    const auto now = static_cast<Time>(sequence * 1000);
    made.fleet.finish(ticket, RequestEnd::kDone, 200, now);
    ticket = made.fleet.decide_and_book(made.policy, asked(&made.queries[r], sequence), made.workspace)->ticket;
    made.fleet.first_token(ticket, now);
  };
  for (std::size_t i = 0; i < 20 * tickets.size(); ++i) step();
  const std::size_t before = allocation_count;
  for (auto _ : state) step();
  state.counters["allocs_per_op"] =
      static_cast<double>(allocation_count - before) / static_cast<double>(state.iterations());
}
BENCHMARK(book)->Name("BM_Route_Book/cost")->Arg(16)->Arg(64)->Arg(256)->Arg(1024);

void pick(benchmark::State& state) {
  const auto endpoints = static_cast<std::size_t>(state.range(0));
  Made made(endpoints);
  RandomStream random(3, 4);
  std::vector<Ticket> tickets(8 * endpoints);
  prefix::PrefixQuery query = made.queries[0];
  std::uint64_t sequence = 0;
  const auto step = [&] {
    ++sequence;
    const std::size_t r = random.next_below(prompts().size());
    Ticket& ticket = tickets[random.next_below(tickets.size())];
    made.fleet.finish(ticket, RequestEnd::kDone, 200, static_cast<Time>(sequence * 1000));
    query.clear();
    query.extend_tokens(prompts()[r]);
    ticket = made.fleet.decide_and_book(made.policy, asked(&query, sequence), made.workspace)->ticket;
  };
  for (std::size_t i = 0; i < 20 * tickets.size(); ++i) step();
  const std::size_t before = allocation_count;
  for (auto _ : state) step();
  state.counters["allocs_per_op"] =
      static_cast<double>(allocation_count - before) / static_cast<double>(state.iterations());
}
BENCHMARK(pick)->Name("BM_Route_Pick/cost")->Arg(64)->Arg(1024);

/// The plain way: chained FNV hashes of blocks, who holds each, and requests in a map.
class Plain {
 public:
  explicit Plain(std::size_t endpoints) : loads_(endpoints), queued_(endpoints), depths_(endpoints) {
    for (std::size_t group = 0; group < kGroups; ++group)
      for (std::size_t copy = 0; copy < 3; ++copy) {
        const std::vector<std::uint64_t> chain = hash(prompts()[group]);
        for (std::size_t b = 0; b < held(copy); ++b)
          holders_[chain[b]].push_back(static_cast<std::uint32_t>(holder(group, copy, endpoints)));
      }
  }
  static std::vector<std::uint64_t> hash(const std::vector<std::uint32_t>& tokens) {
    std::vector<std::uint64_t> chain;
    std::uint64_t parent = 0;
    for (std::size_t b = 0; b + kBlock <= tokens.size(); b += kBlock) {
      const auto* bytes = reinterpret_cast<const char*>(tokens.data() + b);
      parent = combine64(parent, fnv1a_64({bytes, kBlock * sizeof(std::uint32_t)}));
      chain.push_back(parent);
    }
    return chain;
  }
  std::uint64_t send(const std::vector<std::uint64_t>& chain) {
    std::fill(depths_.begin(), depths_.end(), 0);
    for (std::size_t b = 0; b < chain.size(); ++b) {
      const auto found = holders_.find(chain[b]);
      if (found == holders_.end()) break;
      for (const std::uint32_t endpoint : found->second)
        if (depths_[endpoint] == b) depths_[endpoint] = b + 1;
    }
    std::size_t best = 0;
    double least = 1e300;
    for (std::size_t i = 0; i < loads_.size(); ++i) {
      const auto fresh = static_cast<double>(kTokens - depths_[i] * kBlock);
      const double n = loads_[i];
      const double cost = 3 * queued_[i] + fresh + n * (fresh + 256 * 6.0) + 256 * n * 2;
      if (cost < least) {
        least = cost;
        best = i;
      }
    }
    loads_[best] += 1;
    const auto uncached = static_cast<double>(kTokens - depths_[best] * kBlock);
    queued_[best] += uncached;
    requests_[++next_] = {best, uncached};
    return next_;
  }
  void end(std::uint64_t id) {
    const auto found = requests_.find(id);
    if (found == requests_.end()) return;
    loads_[found->second.endpoint] -= 1;
    queued_[found->second.endpoint] -= found->second.uncached;
    requests_.erase(found);
  }

 private:
  struct Sent {
    std::size_t endpoint;
    double uncached;
  };
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> holders_;
  std::unordered_map<std::uint64_t, Sent> requests_;
  std::vector<double> loads_;
  std::vector<double> queued_;
  std::vector<std::size_t> depths_;
  std::uint64_t next_ = 0;
};

void plain(benchmark::State& state, bool with_hashing) {
  const auto endpoints = static_cast<std::size_t>(state.range(0));
  Plain plain(endpoints);
  std::vector<std::vector<std::uint64_t>> chains;
  for (const auto& prompt : prompts()) chains.push_back(Plain::hash(prompt));
  RandomStream random(3, 4);
  std::vector<std::uint64_t> ids(8 * endpoints);
  const auto step = [&] {
    const std::size_t r = random.next_below(prompts().size());
    std::uint64_t& id = ids[random.next_below(ids.size())];
    plain.end(id);
    id = plain.send(with_hashing ? Plain::hash(prompts()[r]) : chains[r]);
  };
  for (std::size_t i = 0; i < 4 * ids.size(); ++i) step();
  for (auto _ : state) step();
}
BENCHMARK_CAPTURE(plain, book, false)->Name("BM_Route_BookBaseline")->Arg(16)->Arg(64)->Arg(256)->Arg(1024);
BENCHMARK_CAPTURE(plain, pick, true)->Name("BM_Route_PickBaseline")->Arg(64)->Arg(1024);

void decide_batch(benchmark::State& state) {
  Made made(64);
  std::vector<FleetRequest> requests;
  for (std::size_t i = 0; i < 1000; ++i) requests.push_back(asked(&made.queries[i], i));
  std::vector<Routed> out(requests.size());
  std::size_t before = 0;
  std::size_t counted = 0;
  for (auto _ : state) {
    const std::size_t at = allocation_count;
    if (!made.fleet.decide_batch(made.policy, requests, out, made.workspace).ok()) std::abort();
    counted += before++ > 2 ? allocation_count - at : 0;
    state.PauseTiming();
    for (const Routed& routed : out) made.fleet.finish(routed.ticket, RequestEnd::kDone, 200, 1'000'000);
    state.ResumeTiming();
  }
  state.counters["allocs_per_op"] = static_cast<double>(counted) / static_cast<double>(state.iterations());
}
BENCHMARK(decide_batch)->Name("BM_Route_DecideBatch/1000x64")->Unit(benchmark::kMillisecond);

void plain_batch(benchmark::State& state) {
  Plain plain(64);
  std::vector<std::vector<std::uint64_t>> chains;
  for (const auto& prompt : prompts()) chains.push_back(Plain::hash(prompt));
  std::vector<std::uint64_t> ids(1000);
  for (auto _ : state) {
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = plain.send(chains[i]);
    state.PauseTiming();
    for (const std::uint64_t id : ids) plain.end(id);
    state.ResumeTiming();
  }
}
BENCHMARK(plain_batch)->Name("BM_Route_DecideBatchBaseline/1000x64")->Unit(benchmark::kMillisecond);

}  // namespace
