#include "kthena/sim/simulation.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "sim/state.hpp"

namespace kthena::sim {
namespace {

constexpr std::size_t kMaxLoadSamples = 1024;
constexpr Time kHorizon = Time{1} << 62;  // 146 years: nothing is simulated beyond

/// Requests that could never be admitted.
Status check_fit(const Workload& workload, std::span<const EngineModel> models) {
  const EngineModel& model = *std::min_element(
      models.begin(), models.end(),
      [](const EngineModel& a, const EngineModel& b) { return a.kv_capacity_tokens < b.kv_capacity_tokens; });
  std::uint64_t largest = 0;
  std::size_t at = 0;
  std::size_t too_large = 0;
  for (std::size_t i = 0; i < workload.size(); ++i) {
    const std::uint64_t tokens = std::uint64_t{workload.prompt_tokens[i]} + workload.output_tokens[i] - 1;
    if ((tokens + model.block_tokens - 1) / model.block_tokens > kv_blocks(model)) ++too_large;
    if (tokens > largest) {
      largest = tokens;
      at = i;
    }
  }
  if (too_large == 0) return {};
  return invalid_argument("workload: " + std::to_string(too_large) +
                          " requests do not fit into the KV memory of an engine (" +
                          std::to_string(model.kv_capacity_tokens) + " tokens), the largest, requests[" +
                          std::to_string(at) + "], needs " + std::to_string(largest));
}

/// One model per engine.
std::vector<EngineModel> models_of(const Scenario& scenario) {
  if (scenario.engine_groups.empty()) return std::vector<EngineModel>(scenario.replicas, scenario.engine);
  std::vector<EngineModel> models;
  for (const EngineGroup& group : scenario.engine_groups) models.insert(models.end(), group.count, group.engine);
  return models;
}

}  // namespace

// ---- set-up

Simulation::State::State(Scenario scenario_in, std::vector<EngineModel> models_in, detail::BlockChains chains_in)
    : scenario(std::move(scenario_in)),
      chains(std::move(chains_in)),
      models(std::move(models_in)),
      requests(static_cast<std::uint32_t>(scenario.workload.size())),
      sequences(requests),
      table(chains.ids.size()),
      pipes(models.size()),
      queues(scenario.routers) {
  engines.reserve(models.size());
  for (const EngineModel& model : models)
    engines.emplace_back(model, chains, sequences, table, scenario.workload.adapter_ids);
  for (std::uint32_t i = 0; i < scenario.engine_groups.size(); ++i)
    group_of.insert(group_of.end(), scenario.engine_groups[i].count, i);
  group_of.resize(models.size());
  for (std::uint32_t i = 0; i < requests; ++i) {
    sequences[i].chain = chains.offsets[i];
    sequences[i].prompt = scenario.workload.prompt_tokens[i];
    sequences[i].output = scenario.workload.output_tokens[i];
  }
  const std::size_t total = std::size_t{requests} * scenario.runs;
  rows.arrival_ns.assign(total, kNever);
  rows.admitted_ns.assign(total, kNever);
  rows.first_token_ns.assign(total, kNever);
  rows.end_ns.assign(total, kNever);
  rows.endpoint.assign(total, detail::Router::kNobody);
  rows.hit_tokens.assign(total, 0);
  runs.reserve(scenario.runs);
  for (Queue& q : queues) q.parked.reserve(64);
  load.at_ns.reserve(kMaxLoadSamples);
  load.running.reserve(kMaxLoadSamples * models.size());
  load.waiting.reserve(kMaxLoadSamples * models.size());
}

Result<std::unique_ptr<Simulation::State>> Simulation::State::create(Scenario scenario) {
  if (scenario.request_limit > 0) truncate(scenario.workload, scenario.request_limit);
  if (Status status = check(scenario); !status.ok()) return status;
  std::vector<EngineModel> models = models_of(scenario);
  if (Status status = check_fit(scenario.workload, models); !status.ok()) return status;
  Result<detail::BlockChains> chains = detail::make_block_chains(scenario.workload, models[0].block_tokens);
  if (!chains.ok()) return chains.status();
  auto state = std::make_unique<State>(std::move(scenario), std::move(models), std::move(chains).value());
  Result<std::vector<detail::Router>> routers =
      detail::Router::create_all(state->scenario, state->chains, state->models);
  if (!routers.ok()) return routers.status();
  state->routers = std::move(routers).value();
  state->kv_events = state->routers[0].wants_kv_events();
  state->first_tokens = state->routers[0].wants_first_tokens();
  if (state->kv_events)
    for (detail::Engine& engine : state->engines) engine.record_kv_events();
  const auto count = static_cast<std::uint32_t>(state->routers.size());
  for (std::uint32_t i = 0; i < count; ++i) state->queue.push(state->scenario.poll_interval_ns * i / count, kPoll, i);
  state->queue.push(0, kRunStart, 0);
  return state;
}

Result<Simulation> Simulation::create(Scenario scenario) {
  Result<std::unique_ptr<State>> state = State::create(std::move(scenario));
  if (!state.ok()) return state.status();
  return Simulation(std::move(state).value());
}

Simulation::Simulation(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Simulation::Simulation(Simulation&&) noexcept = default;
Simulation& Simulation::operator=(Simulation&&) noexcept = default;
Simulation::~Simulation() = default;

// ---- the loop

std::uint64_t Simulation::advance(std::uint64_t max_events) { return state_->advance(max_events); }
bool Simulation::done() const noexcept { return state_->done; }
std::uint64_t Simulation::events() const noexcept { return state_->events; }
Time Simulation::now() const noexcept { return state_->now; }
RouterView Simulation::router(std::uint32_t router) const noexcept { return state_->routers[router].known(); }
Progress Simulation::progress() const noexcept {
  const std::uint64_t total = std::uint64_t{state_->requests} * state_->scenario.runs;
  return {std::min(total, state_->run * state_->requests + state_->settled), total};
}

std::uint64_t Simulation::State::advance(std::uint64_t max_events) {
  std::uint64_t handled = 0;
  while (handled < max_events && !done) {
    const detail::Event event = queue.pop();
    now = event.at;
    ++events;
    ++handled;
    if (now > kHorizon) {
      if (!runs.empty()) runs.back().end = mark();
      done = true;
      break;
    }
    handle(event);
  }
  return handled;
}

void Simulation::State::handle(const detail::Event& event) {
  switch (event.kind()) {
    case kArrival:
      arrive();
      break;
    case kStepEnd:
      end_step(event.subject());
      break;
    case kPoll:
      poll(event.subject());
      break;
    case kKvEvents:
      apply_kv_events(event.subject());
      break;
    case kAnswer:
      answer(event.subject());
      break;
    default:
      start_run();
  }
}

Simulation::State::Mark Simulation::State::mark() const {
  Mark mark{now, events, {}};
  mark.engines.reserve(engines.size());
  for (const detail::Engine& engine : engines) mark.engines.push_back(engine.counters());
  return mark;
}

// ---- the client

void Simulation::State::start_run() {
  runs.emplace_back();
  runs.back().begin = mark();
  arrived = 0;
  sent = 0;
  settled = 0;
  expect_arrival();
}

void Simulation::State::expect_arrival() {
  if (arrived == requests) return;
  const double speed = scenario.client.speed;
  const Time offset = scenario.workload.arrival_ns[arrived];
  const Time scaled = speed == 1 ? offset : speed == 0 ? 0 : static_cast<Time>(static_cast<double>(offset) / speed);
  queue.push(std::max(now, runs.back().begin.at_ns + scaled), kArrival, arrived);
}

void Simulation::State::arrive() {
  ++arrived;
  expect_arrival();
  send_pending();
}

void Simulation::State::send_pending() {
  const std::uint32_t most = scenario.client.concurrency;
  while (sent < arrived && (most == 0 || sent - settled < most)) send(sent++);
}

void Simulation::State::send(std::uint32_t request) {
  detail::Sequence& sequence = sequences[request];
  sequence.generated = 0;
  sequence.preempted = 0;
  sequence.hit = 0;
  sequence.admitted_ns = kNever;
  rows.arrival_ns[row(request)] = now;
  if (runs.back().first_send_ns == kNever) runs.back().first_send_ns = now;
  const std::uint32_t router = router_of(row(request));
  Queue& own = queues[router];
  const Asked asked{request, own.asked++};
  if (own.parked.empty() && dispatch(router, asked)) return;
  own.parked.push_back(asked);
  ++runs.back().waited_for_poll;
}

bool Simulation::State::dispatch(std::uint32_t router, Asked asked) {
  const std::uint32_t request = asked.request;
  const std::uint32_t chosen = scenario.assignment == Assignment::kPartition
                                   ? scenario.workload.group_ids[request] % static_cast<std::uint32_t>(engines.size())
                                   : routers[router].decide(request, asked.sequence, now);
  if (chosen == detail::Router::kNobody) return false;
  routers[router].sent(chosen);
  rows.endpoint[row(request)] = chosen;
  engines[chosen].enqueue(request, now);
  if (!engines[chosen].stepping()) start_step(chosen);
  return true;
}

void Simulation::State::answer(std::uint32_t request) {
  const detail::Sequence& sequence = sequences[request];
  const std::uint64_t at = row(request);
  rows.admitted_ns[at] = sequence.admitted_ns;
  rows.first_token_ns[at] = sequence.first_token_ns;
  rows.end_ns[at] = sequence.end_ns;
  rows.hit_tokens[at] = sequence.hit;
  runs.back().last_token_ns = now;
  routers[router_of(at)].answered(request, rows.endpoint[at], now);
  settle();
}

void Simulation::State::settle() {
  if (++settled < requests) {
    send_pending();
    return;
  }
  runs.back().end = mark();
  settled = 0;
  if (++run == scenario.runs) {
    done = true;
  } else {
    queue.push(now + scenario.poll_interval_ns, kRunStart, 0);
  }
}

// ---- the engines

void Simulation::State::start_step(std::uint32_t engine) {
  queue.push(now + engines[engine].start_step(now), kStepEnd, engine);
}

// The next step starts before any answer reaches the client: what the client sends then waits for it.
void Simulation::State::end_step(std::uint32_t engine) {
  detail::Engine& e = engines[engine];
  e.end_step(now);
  if (first_tokens)
    for (const std::uint32_t request : e.first_tokens()) routers[router_of(row(request))].first_token(request, now);
  if (kv_events && !e.kv_events().empty()) {
    pipes[engine].push(e.kv_events());
    queue.push(now + scenario.kv_event_delay_ns, kKvEvents, engine);
  }
  for (const std::uint32_t request : e.finished()) queue.push(now, kAnswer, request);
  if (!e.empty()) start_step(engine);
}

void Simulation::State::apply_kv_events(std::uint32_t engine) {
  const std::span<const std::uint32_t> batch = pipes[engine].pop();
  for (detail::Router& router : routers) router.apply(engine, batch);
}

// ---- the routers' polls

void Simulation::State::poll(std::uint32_t router) {
  routers[router].poll(engines, now);
  if (router == 0) sample_load();
  const bool idle = std::all_of(engines.begin(), engines.end(), [](const detail::Engine& e) { return e.empty(); });
  if (!queues[router].parked.empty()) retry_parked(router, idle);
  if (!done) queue.push(now + scenario.poll_interval_ns, kPoll, router);
}

// First come, first served: the first that finds nobody keeps those behind it waiting.
void Simulation::State::retry_parked(std::uint32_t router, bool idle) {
  std::vector<Asked>& parked = queues[router].parked;
  std::size_t gone = 0;
  while (gone < parked.size() && dispatch(router, parked[gone])) ++gone;
  if (idle && gone == 0) {  // it will not get better than this
    given_up.swap(parked);
    for (std::size_t i = 0; i < given_up.size(); ++i) {
      ++runs.back().unroutable;
      settle();
    }
    given_up.clear();
    return;
  }
  parked.erase(parked.begin(), parked.begin() + static_cast<std::ptrdiff_t>(gone));
}

void Simulation::State::sample_load() {
  if (polls++ % load_stride != 0) return;
  if (load.at_ns.size() == kMaxLoadSamples) {  // keep every other one
    const std::size_t width = engines.size();
    for (std::size_t i = 0; i < kMaxLoadSamples / 2; ++i) {
      load.at_ns[i] = load.at_ns[2 * i];
      for (std::size_t e = 0; e < width; ++e) {
        load.running[i * width + e] = load.running[2 * i * width + e];
        load.waiting[i * width + e] = load.waiting[2 * i * width + e];
      }
    }
    load.at_ns.resize(kMaxLoadSamples / 2);
    load.running.resize(kMaxLoadSamples / 2 * width);
    load.waiting.resize(kMaxLoadSamples / 2 * width);
    load_stride *= 2;
  }
  load.at_ns.push_back(now);
  for (const detail::Engine& engine : engines) {
    load.running.push_back(engine.running());
    load.waiting.push_back(engine.waiting());
  }
}

}  // namespace kthena::sim
