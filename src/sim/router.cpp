#include "sim/router.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "kthena/base/hash.hpp"
#include "sim/block_content.hpp"
#include "sim/content_cursor.hpp"

namespace kthena::sim::detail {
namespace {

constexpr std::uint64_t kModel = hash_id("model");
constexpr std::uint32_t kKthenaBlocks = 128;  // of a prompt, that its plugins look at
constexpr std::uint32_t kHistoryTokens = 16;  // 64 bytes of text at 4 bytes per token
constexpr std::uint64_t kHistoryStart = hash_id("history");

bool scores_by(const route::PolicySpec& policy, std::string_view scorer) {
  return std::any_of(policy.scorers.begin(), policy.scorers.end(),
                     [&](const route::PartSpec& part) { return part.name == scorer; });
}

}  // namespace

Router::Router(const Scenario& scenario, const BlockChains& chains, std::span<const EngineModel> models,
               std::shared_ptr<const Prompts> prompts, route::Policy policy)
    : workload_(&scenario.workload),
      chains_(&chains),
      models_(models),
      prompts_(std::move(prompts)),
      policy_(std::move(policy)),
      seed_(scenario.seed),
      last_(models.size()) {
  for (std::uint32_t i = 0; i < models.size(); ++i) workers_.push_back({i});
}

Result<std::vector<Router>> Router::create_all(const Scenario& scenario, const BlockChains& chains,
                                               std::span<const EngineModel> models) {
  const auto prompts = std::make_shared<const Prompts>(make_prompts(scenario, chains));
  std::vector<Router> routers;
  routers.reserve(scenario.routers);
  for (std::uint32_t i = 0; i < scenario.routers; ++i) {
    Result<Router> router = create(scenario, chains, models, prompts);
    if (!router.ok()) return router.status();
    // Their chances and ties are not each other's: the n-th requests of two routers must not go to the same engine.
    if (i > 0) router->seed_ = combine64(scenario.seed, i);
    routers.push_back(std::move(router).value());
  }
  return routers;
}

Result<Router> Router::create(const Scenario& scenario, const BlockChains& chains, std::span<const EngineModel> models,
                              std::shared_ptr<const Prompts> prompts) {
  Result<route::Policy> policy = route::Policy::create(scenario.policy);
  if (!policy.ok()) return policy.status();
  Router router(scenario, chains, models, std::move(prompts), std::move(policy).value());
  const auto engines = static_cast<std::uint32_t>(models.size());

  route::PoolBuilder builder;
  for (std::uint32_t i = 0; i < engines; ++i) builder.add({.id = engine_id(i), .signals = {}, .models = {"model"}});
  Result<route::PoolSnapshot> pool = builder.build();
  if (!pool.ok()) return pool.status();
  router.pool_ = std::make_unique<route::PoolSnapshot>(std::move(pool).value());
  router.view_ = router.pool_->view();
  for (std::size_t i = 0; i < route::kSignalCount; ++i) {
    router.columns_[i].assign(engines, i <= static_cast<std::size_t>(route::Signal::kInFlight) ? 0 : route::kMissing);
    router.view_.values[i] = router.columns_[i].data();
  }
  router.in_flight_ = router.column(route::Signal::kInFlight).data();
  for (std::size_t i = 0; i < models.size(); ++i) {
    router.column(route::Signal::kKvCapacityTokens)[i] = static_cast<double>(models[i].kv_capacity_tokens);
    router.column(route::Signal::kMaxRunning)[i] = models[i].max_running;
    if (models[i].max_adapters > 0) router.column(route::Signal::kMaxAdapters)[i] = models[i].max_adapters;
  }
  router.workspace_.reserve(engines);
  if (Status status = router.make_stores(scenario); !status.ok()) return status;
  return router;
}

// Only what some scorer reads.
Status Router::make_stores(const Scenario& scenario) {
  if (is_fleet(scenario.prefix_source)) {
    Result<FleetRouter> fleet = FleetRouter::create(scenario, *chains_, models_, prompts_->parents);
    if (!fleet.ok()) return fleet.status();
    fleet_.emplace(std::move(fleet).value());
    return {};
  }
  const bool reads_prefix = scores_by(scenario.policy, "kvcache-aware");
  const bool reads_history = scores_by(scenario.policy, "prefix-cache");
  if (!reads_prefix && !reads_history) return {};
  prefix_depths_.assign(models_.size(), 0);
  if (scenario.prefix_source == PrefixSource::kKthena) {
    if (reads_prefix) owners_.emplace();
    if (reads_history) {
      Result<prefix::compat::ByteHistory> history = prefix::compat::ByteHistory::create({});
      if (!history.ok()) return history.status();
      history_.emplace(std::move(history).value());
      history_depths_.assign(models_.size(), 0);
    }
    return {};
  }
  prefix::PrefixIndexOptions options;
  options.block_tokens = chains_->block_tokens;
  options.max_workers = std::max(options.max_workers, static_cast<std::uint32_t>(models_.size()));
  Result<prefix::PrefixIndex> index = prefix::PrefixIndex::create(options);
  if (!index.ok()) return index.status();
  index_.emplace(std::move(index).value());
  for (WorkerId& worker : workers_) {
    Result<WorkerId> added = index_->add_worker(engine_id(worker.value));
    if (!added.ok()) return added.status();
    worker = *added;
  }
  query_ = index_->make_query({.model = "model", .adapter = {}, .tenant = {}, .block_tokens = chains_->block_tokens});
  return {};
}

// Only what some scorer reads.
Router::Prompts Router::make_prompts(const Scenario& scenario, const BlockChains& chains) {
  Prompts prompts;
  const Workload& workload = scenario.workload;
  const bool reads_prefix = scores_by(scenario.policy, "kvcache-aware");
  const bool reads_history = scores_by(scenario.policy, "prefix-cache");
  if (scenario.prefix_source == PrefixSource::kFleet ||
      (scenario.prefix_source == PrefixSource::kExact && (reads_prefix || reads_history))) {
    prompts.parents.assign(chains.total, Sequence::kNone);
    for (std::size_t i = 0; i < workload.size(); ++i) {
      for (std::uint32_t k = chains.offsets[i] + 1; k < chains.offsets[i + 1]; ++k)
        prompts.parents[chains.ids[k]] = chains.ids[k - 1];
    }
  }
  if (scenario.prefix_source == PrefixSource::kKthena && reads_history) {
    prompts.history_offsets.push_back(0);
    for (std::size_t i = 0; i < workload.size(); ++i) {
      ContentCursor cursor(workload, i);
      std::uint64_t hash = kHistoryStart ^ chain_start(workload, i);
      const std::uint32_t seen = std::min(workload.prompt_tokens[i], kKthenaBlocks * kHistoryTokens);
      for (std::uint32_t at = 0; at < seen; at += kHistoryTokens) {
        hash = combine64(hash, cursor.next(std::min(kHistoryTokens, seen - at)));
        prompts.history_hashes.push_back(hash);
      }
      prompts.history_offsets.push_back(static_cast<std::uint32_t>(prompts.history_hashes.size()));
    }
  }
  return prompts;
}

std::uint32_t Router::decide(std::uint32_t request, std::uint64_t sequence, Time now) {
  if (fleet_) return fleet_->decide(policy_, request, sequence, seed_, now, workspace_);
  route::Request asked;
  asked.model = "model";
  asked.prompt_tokens = workload_->prompt_tokens[request];
  asked.sequence = sequence;
  asked.now_ns = now;
  asked.seed = seed_;
  if (wants_kv_events()) {
    const std::uint32_t block = chains_->block_tokens;
    const std::uint32_t full = asked.prompt_tokens / block;
    const std::uint32_t* ids = chains_->ids.data() + chains_->offsets[request];
    hashes_.clear();
    if (owners_) {  // its last partial block counts, though no engine ever publishes one
      const std::uint32_t total = std::min((asked.prompt_tokens + block - 1) / block, kKthenaBlocks);
      for (std::uint32_t i = 0; i < total; ++i) hashes_.push_back(content_hash(i < full ? ids[i] : chains_->total));
      owners_->find(kModel, hashes_, workers_, prefix_depths_);
      asked.prefix = {prefix_depths_, total};
    } else {
      for (std::uint32_t i = 0; i < full; ++i) hashes_.push_back(content_hash(ids[i]));
      query_.clear();
      (void)query_.extend_contents(hashes_);  // cannot fail: no tokens wait in it
      index_->find(query_, workers_, prefix_depths_);
      asked.prefix = {prefix_depths_, full};
    }
  }
  if (history_) {
    const std::uint32_t first = prompts_->history_offsets[request];
    const std::uint32_t total = prompts_->history_offsets[request + 1] - first;
    const std::span<const std::uint64_t> hashes{prompts_->history_hashes.data() + first, total};
    history_->find(kModel, hashes, workers_, combine64(seed_, sequence), history_depths_);
    asked.history = {history_depths_, total};
  }
  const route::Decision decision = policy_.decide(view_, asked, workspace_);
  return decision.outcome == route::Outcome::kRouted ? decision.endpoint.value : kNobody;
}

void Router::answered(std::uint32_t request, std::uint32_t engine, Time now) {
  if (fleet_) return fleet_->answered(request, now);
  in_flight_[engine] -= 1;
  if (!history_) return;
  const std::uint32_t first = prompts_->history_offsets[request];
  history_->add(kModel, workers_[engine],
                {prompts_->history_hashes.data() + first, prompts_->history_offsets[request + 1] - first});
}

void Router::poll(std::span<const Engine> engines, Time now) {
  ++polls_;
  const auto mean_s = [](Duration sum_ns, std::uint64_t count) {
    return count == 0 ? 0 : to_seconds(sum_ns) / static_cast<double>(count);
  };
  for (std::size_t i = 0; i < engines.size(); ++i) {
    const Engine& engine = engines[i];
    const EngineCounters& counters = engine.counters();
    LastPoll& last = last_[i];
    column(route::Signal::kRunning)[i] = engine.running();
    column(route::Signal::kWaiting)[i] = engine.waiting();
    column(route::Signal::kKvUsage)[i] =
        static_cast<double>(engine.cache().referenced()) / static_cast<double>(engine.cache().capacity());
    column(route::Signal::kTtft)[i] =
        mean_s(counters.ttft_sum_ns - last.ttft_sum_ns, counters.ttft_count - last.ttft_count);
    column(route::Signal::kTpot)[i] =
        mean_s(counters.tpot_sum_ns - last.tpot_sum_ns, counters.tpot_count - last.tpot_count);
    last = {counters.ttft_sum_ns, counters.ttft_count, counters.tpot_sum_ns, counters.tpot_count};
    if (!fleet_) continue;
    std::array<route::SignalValue, 5> values;
    for (std::size_t s = 0; s < values.size(); ++s)
      values[s] = {static_cast<route::Signal>(s), columns_[s][i]};  // running to tpot_s
    fleet_->sample(static_cast<std::uint32_t>(i), values, now);
    if (!workload_->adapter_ids.empty()) fleet_->serve(static_cast<std::uint32_t>(i), engine.adapters());
  }
}

RouterView Router::known() const noexcept {
  const auto column = [&](route::Signal signal) { return std::span(columns_[static_cast<std::size_t>(signal)]); };
  return {polls_,
          column(route::Signal::kRunning),
          column(route::Signal::kWaiting),
          column(route::Signal::kKvUsage),
          column(route::Signal::kTtft),
          column(route::Signal::kTpot),
          column(route::Signal::kInFlight),
          wants_kv_events() ? std::span(prefix_depths_) : std::span<const std::uint32_t>(),
          history_depths_};
}

void Router::apply(std::uint32_t engine, std::span<const std::uint32_t> events) {
  if (fleet_) fleet_->apply(engine, events);
  if (owners_) apply_to_owners(engine, events);
  if (index_) apply_to_index(engine, events);
}

// Neighbours of one kind go in one call.
void Router::apply_to_owners(std::uint32_t engine, std::span<const std::uint32_t> events) {
  for (std::size_t i = 0; i < events.size();) {
    const std::uint32_t kind = events[i] & Engine::kRemoved;
    hashes_.clear();
    for (; i < events.size() && (events[i] & Engine::kRemoved) == kind; ++i)
      hashes_.push_back(content_hash(events[i] & ~Engine::kRemoved));
    if (kind != 0) {
      owners_->remove(kModel, workers_[engine], hashes_);
    } else {
      owners_->store(kModel, workers_[engine], hashes_);
    }
  }
}

void Router::apply_to_index(std::uint32_t engine, std::span<const std::uint32_t> events) {
  apply_block_events(events, prompts_->parents, workers_[engine], query_.namespace_key(), *index_, hashes_);
}

}  // namespace kthena::sim::detail
