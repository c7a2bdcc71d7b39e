// Engine models by name. Every number says where it comes from.
#include "kthena/sim/engines.hpp"

#include <array>
#include <string>

#include "kthena/base/faults.hpp"

namespace kthena::sim {
namespace {

constexpr std::array<std::string_view, 2> kNames = {"qwen2.5-7b@910b-fit", "llama3-8b@a100"};

// DeepSeek-R1-Distill-Qwen-7B on the (unstated) accelerator of Kthena's benchmark of 2025-09. The seconds, the capacity and the poll
// interval of 2.7 s are one fit to the twelve published rows (a random search over both tables, frozen since), hence "fit": they say
// nothing about an Ascend 910B, which block size 128 suggests. The time to stream the weights is inside t0, attention of prefills
// inside c_token. Block size, token budget and batch size are the published vLLM flags.
EngineModel qwen_fit() {
  EngineModel model;
  model.name = "qwen2.5-7b@910b-fit";
  model.t0_s = 16.6e-3;
  model.c_token_s = 69.5e-6;
  model.c_context_s = 59.6e-9;
  model.c_sequence_s = 0.166e-3;
  model.block_tokens = 128;
  model.kv_capacity_tokens = 547'000;
  model.max_batched_tokens = 65'536;
  model.max_running = 256;
  return model;
}

// Llama-3-8B on one A100-80 SXM (312 bf16 TFLOPS, 2.04 TB/s), tensor parallel 1.
EngineModel llama_a100() {
  EngineModel model;
  model.name = "llama3-8b@a100";
  // Vidur's profile (data/profiling/compute/a100/meta-llama/Meta-Llama-3-8B/mlp.csv), linear layers x 32: 9.7 ms for one token, the
  // slope between 512 and 4096 tokens is 66.8 us.
  model.t_mem_s = 9.7e-3;
  model.c_token_s = 66.8e-6;
  // What that profile leaves out: lm_head, 128256 x 4096 bf16 weights = 1.05 GB at 70 % of 2.04 TB/s, 0.7 ms; and 2 ms for
  // the CPU's part of a step, an assumption (together 12.4 ms per token alone).
  model.t0_s = 2.7e-3;
  // Attention of prefills: 4 * 32 layers * 32 heads * 128 = 524288 FLOP per pair of tokens at the 62 % of peak that the linear layers
  // reach in Vidur's profile.
  model.c_prefill_s = 524'288.0 / (0.62 * 312e12);
  // Attention of decodes: 2 * 32 layers * 8 KV heads * 128 * 2 B = 131072 B per token of context at 70 % of 2.04 TB/s.
  model.c_context_s = 131'072.0 / (0.7 * 2.04e12);
  // Not in any profile we have; what there is, is in t0.
  model.c_sequence_s = 0;
  // vLLM's default is 16. Mooncake's traces name blocks of 512 tokens, so that 16, 128 and 512 find the same prefixes up to the
  // prompt's end; 128 wastes 64 tokens of a prompt of 12,000 on average and makes chains of 94 blocks, not 750.
  model.block_tokens = 128;
  // 80 GB * 0.9 - 16.1 GB of weights, 131072 B per token: 0.43 to 0.45 M tokens, depending on activations.
  model.kv_capacity_tokens = 450'000;
  model.max_batched_tokens = 2048;  // vLLM's default on this card
  model.max_running = 256;          // vLLM's default
  return model;
}

}  // namespace

std::span<const std::string_view> engine_model_names() noexcept { return kNames; }

Result<EngineModel> engine_model(std::string_view name) {
  if (name == kNames[0]) return qwen_fit();
  if (name == kNames[1]) return llama_a100();
  std::string known;
  for (const std::string_view candidate : kNames) known += (known.empty() ? "" : ", ") + std::string(candidate);
  return not_found("engine: \"" + std::string(name) + "\" is none of " + known);
}

EngineModel slot_server(std::uint32_t slots, double step_s) {
  EngineModel model;
  model.name = "slots";
  model.t0_s = step_s;
  model.block_tokens = 65'536;
  model.kv_capacity_tokens = std::uint64_t{65'536} << 14;
  model.max_batched_tokens = 1u << 30;
  model.max_running = slots;
  return model;
}

Status check(const EngineModel& model) {
  Faults faults;
  const auto seconds = [&](double value, double most, const char* field) {
    if (!(value >= 0 && value <= most)) faults.add(std::string("engine.") + field, "not in 0.." + std::to_string(most));
  };
  seconds(model.t0_s, 100, "t0_s");
  seconds(model.t_mem_s, 100, "t_mem_s");
  seconds(model.c_token_s, 1, "c_token_s");
  seconds(model.c_prefill_s, 1, "c_prefill_s");
  seconds(model.c_context_s, 1, "c_context_s");
  seconds(model.c_sequence_s, 1, "c_sequence_s");
  if (model.block_tokens < 1 || model.block_tokens > 65'536) faults.add("engine.block_tokens", "not in 1..65536");
  if (model.block_tokens >= 1 && (kv_blocks(model) < 1 || kv_blocks(model) >= 1u << 31))
    faults.add("engine.kv_capacity_tokens", "not in 1..2^31 blocks");
  if (model.max_batched_tokens < 1 || model.max_batched_tokens > 1u << 30)
    faults.add("engine.max_batched_tokens", "not in 1..2^30");
  if (model.max_running < 1 || model.max_running > 1u << 20) faults.add("engine.max_running", "not in 1..2^20");
  if (model.max_adapters > 65'536) faults.add("engine.max_adapters", "not in 0..65536");
  seconds(model.adapter_load_s, 100, "adapter_load_s");
  return faults.status();
}

}  // namespace kthena::sim
