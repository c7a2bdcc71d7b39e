#include "sim/fleet_router.hpp"

#include <string>
#include <utility>

#include "sim/block_content.hpp"

namespace kthena::sim::detail {
namespace {

std::string adapter_name(std::uint32_t adapter) { return "adapter-" + std::to_string(adapter); }

}  // namespace

FleetRouter::FleetRouter(const Scenario& scenario, const BlockChains& chains, std::span<const std::uint32_t> parents,
                         route::Fleet fleet)
    : workload_(&scenario.workload),
      chains_(&chains),
      parents_(parents),
      wants_kv_events_(scenario.prefix_source == PrefixSource::kFleet),
      fleet_(std::move(fleet)),
      query_(fleet_.make_query({.model = "model", .adapter = {}, .tenant = {}, .block_tokens = chains.block_tokens})),
      tickets_(scenario.workload.size()),
      served_(fleet_.pool().size()) {
  std::uint32_t adapters = 0;
  for (const std::uint32_t adapter : scenario.workload.adapter_ids)
    if (adapter != kNoAdapter) adapters = std::max(adapters, adapter + 1);
  for (std::uint32_t adapter = 0; adapter < adapters; ++adapter) adapter_names_.push_back(adapter_name(adapter));
}

Result<FleetRouter> FleetRouter::create(const Scenario& scenario, const BlockChains& chains,
                                        std::span<const EngineModel> models, std::span<const std::uint32_t> parents) {
  const auto engines = static_cast<std::uint32_t>(models.size());
  route::FleetOptions options;
  options.prefix.block_tokens = chains.block_tokens;
  options.prefix.max_workers = std::max(options.prefix.max_workers, engines);
  if (scenario.prefix_source == PrefixSource::kFleetExpected) {
    std::uint64_t blocks = 1;
    for (const EngineModel& model : models) blocks = std::max(blocks, kv_blocks(model));
    options.prefix.max_expected_blocks = static_cast<std::uint32_t>(blocks);
  }
  options.estimate.routers = scenario.routers;
  Result<route::Fleet> fleet = route::Fleet::create(options);
  if (!fleet.ok()) return fleet.status();
  std::vector<route::Endpoint> endpoints;
  for (std::uint32_t i = 0; i < engines; ++i) {
    route::Endpoint endpoint{.id = engine_id(i), .signals = {}, .models = {"model"}};
    endpoint.set(route::Signal::kKvCapacityTokens, static_cast<double>(models[i].kv_capacity_tokens), 0);
    endpoint.set(route::Signal::kMaxRunning, models[i].max_running, 0);
    if (models[i].max_adapters > 0) endpoint.set(route::Signal::kMaxAdapters, models[i].max_adapters, 0);
    endpoints.push_back(std::move(endpoint));
  }
  if (Status status = fleet->add_endpoints(endpoints, 0); !status.ok()) return status;
  return FleetRouter(scenario, chains, parents, std::move(fleet).value());
}

std::uint32_t FleetRouter::decide(const route::Policy& policy, std::uint32_t request, std::uint64_t sequence,
                                  std::uint64_t seed, Time now, route::Workspace& workspace) {
  const std::uint32_t full = workload_->prompt_tokens[request] / chains_->block_tokens;
  const std::uint32_t* ids = chains_->ids.data() + chains_->offsets[request];
  hashes_.clear();
  for (std::uint32_t i = 0; i < full; ++i) hashes_.push_back(content_hash(ids[i]));
  query_.clear();
  (void)query_.extend_contents(hashes_);  // cannot fail: no tokens wait in it
  route::FleetRequest asked;
  asked.prompt = &query_;
  asked.request.model = "model";
  if (!workload_->adapter_ids.empty() && workload_->adapter_ids[request] != kNoAdapter)
    asked.request.model = adapter_names_[workload_->adapter_ids[request]];
  asked.request.prompt_tokens = workload_->prompt_tokens[request];
  asked.request.sequence = sequence;
  asked.request.now_ns = now;
  asked.request.seed = seed;
  const Result<route::Routed> routed = fleet_.decide_and_book(policy, asked, workspace);
  if (!routed.ok() || routed->decision.outcome != route::Outcome::kRouted) return kNobody;
  tickets_[request] = routed->ticket;
  return routed->decision.endpoint.value;
}

void FleetRouter::answered(std::uint32_t request, Time now) {
  (void)fleet_.finish(tickets_[request], route::RequestEnd::kDone, workload_->output_tokens[request], now);
}

// Membership of names changes the pool, so it is told only when it differs.
void FleetRouter::serve(std::uint32_t engine, const AdapterSlots& adapters) {
  std::vector<std::uint32_t> loaded;
  for (std::uint32_t a = 0; a < adapters.adapters().size(); ++a)
    if (adapters.adapters()[a].loaded) loaded.push_back(a);
  if (loaded == served_[engine]) return;
  std::vector<std::string> names = {"model"};
  for (const std::uint32_t adapter : loaded) names.push_back(adapter_names_[adapter]);
  (void)fleet_.set_models(engine_id(engine), std::move(names), {});
  served_[engine] = std::move(loaded);
}

void FleetRouter::apply(std::uint32_t engine, std::span<const std::uint32_t> events) {
  apply_block_events(events, parents_, fleet_.worker({engine}), query_.namespace_key(), fleet_.index(), hashes_);
}

}  // namespace kthena::sim::detail
