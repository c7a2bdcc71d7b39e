// A router's loop with Fleet: endpoints come, requests are decided and booked, first tokens and ends are told, metrics arrive.
#include <cstdint>
#include <iostream>
#include <kthena/kthena.hpp>
#include <vector>

using namespace kthena;
using namespace kthena::route;

int main() {
  FleetOptions options;
  options.prefix.max_expected_blocks = 4096;  // no KV events here: prompts are expected where they were sent
  Fleet fleet = Fleet::create(options).value();
  const std::vector<Endpoint> endpoints = {{.id = "pod-a"}, {.id = "pod-b"}, {.id = "pod-c"}};
  if (!fleet.add_endpoints(endpoints, 0).ok()) return 1;
  const Policy policy = Policy::create(preset("cost").value()).value();
  Workspace workspace;

  Time now = kSecond;
  prefix::PrefixQuery prompt = fleet.make_query({.model = "qwen-7b", .adapter = {}, .tenant = {}});
  std::vector<Ticket> tickets;
  for (std::uint32_t turn = 0; turn < 2; ++turn) {
    for (std::uint32_t user = 0; user < 3; ++user) {
      prompt.clear();
      prompt.extend_tokens(std::vector<std::uint32_t>(2048 * (turn + 1), 100 + user));  // the tokeniser's work
      FleetRequest request{.request = {}, .prompt = &prompt};
      request.request.sequence = tickets.size();
      request.request.output_tokens = 200;
      request.request.now_ns = now;
      const Result<Routed> routed = fleet.decide_and_book(policy, request, workspace);
      if (!routed.ok() || routed->decision.outcome != Outcome::kRouted) return 1;
      tickets.push_back(routed->ticket);
      const TicketInfo booked = *fleet.ledger().info(routed->ticket);
      std::cout << "turn " << turn << " of user " << user << " to compute: " << booked.request.uncached_tokens << " of "
                << booked.request.prompt_tokens << "\n";
      // ... the request goes to fleet.pool().id(routed->decision.endpoint), the answer streams back ...
      now += 100 * kMillisecond;
      fleet.first_token(routed->ticket, now);
    }
    for (; !tickets.empty(); tickets.pop_back()) {
      now += 10 * kMillisecond;
      fleet.finish(tickets.back(), RequestEnd::kDone, 150, now);
    }
    // A scrape: only what the engine says of itself.
    const SignalValue metrics[] = {{Signal::kRunning, 0}, {Signal::kWaiting, 0}, {Signal::kKvUsage, 0.1}};
    for (std::uint32_t i = 0; i < fleet.pool().size(); ++i)
      if (!fleet.sample({i}, metrics, now, now).ok()) return 1;
    fleet.expire(now);
  }
  std::cout << fleet.ledger().counts().done << " done, " << fleet.ledger().in_flight() << " in flight\n";
}
