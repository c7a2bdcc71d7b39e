// include/kthena/sim/engines.hpp
//
// Engine models by name, and the time of one step. Constants with their sources are in src/sim/engines.cpp and docs/simulator.md.
//
//   qwen2.5-7b@910b-fit   three constants fitted to Kthena's published benchmark: for its rows, not for hardware
//   llama3-8b@a100        from Vidur's kernel profiles and a roofline for attention: for long prompts
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

#include "kthena/base/engine_model.hpp"
#include "kthena/base/status.hpp"

namespace kthena::sim {

std::span<const std::string_view> engine_model_names() noexcept;
/// kNotFound lists the names that exist.
Result<EngineModel> engine_model(std::string_view name);
/// kInvalidArgument names every field out of range ("engine.block_tokens").
Status check(const EngineModel& model);

/// A server with slots and nothing else, for queueing: every step lasts `step_s`, so an answer of n tokens takes n steps; memory and token
/// budget never run out.
EngineModel slot_server(std::uint32_t slots, double step_s);

/// Blocks that the KV memory holds.
constexpr std::uint64_t kv_blocks(const EngineModel& model) noexcept {
  return model.block_tokens == 0 ? 0 : model.kv_capacity_tokens / model.block_tokens;
}

/// What one step works on.
struct StepLoad {
  std::uint64_t tokens = 0;          ///< new tokens of all sequences
  std::uint64_t prefill_pairs2 = 0;  ///< sum over prefills of c * (2k + c): twice the (token * token) pairs
  std::uint64_t context_tokens = 0;  ///< sum over decoding sequences of their tokens, the new one included
  std::uint64_t sequences = 0;
};

/// Seconds of one step, in this order of operations.
constexpr double step_seconds(const EngineModel& model, const StepLoad& load) noexcept {
  double seconds = model.t0_s + std::max(model.t_mem_s, model.c_token_s * static_cast<double>(load.tokens));
  seconds += model.c_prefill_s * (static_cast<double>(load.prefill_pairs2) * 0.5);
  seconds += model.c_context_s * static_cast<double>(load.context_tokens);
  seconds += model.c_sequence_s * static_cast<double>(load.sequences);
  return seconds;
}

}  // namespace kthena::sim
