// include/kthena/base/engine_model.hpp
//
// EngineModel: how long one step of an inference engine takes and how much it can hold, as data. Used by the simulator now and by
// scaling and cost policies later.
//
//   step time = t0 + max(t_mem, c_token * tokens) + c_prefill * sum over prefills of c * (k + c / 2)
//                  + c_context * sum of decode contexts + c_sequence * sequences in the batch + adapter_load * adapters to load
//
// with c new tokens after k cached ones. Source of the form: Vidur (MLSys 2024) and the roofline of linear layers.
#pragma once

#include <cstdint>
#include <string>

namespace kthena {

struct EngineModel {
  std::string name;

  double t0_s = 0;          ///< fixed cost of a step, seconds, >= 0
  double t_mem_s = 0;       ///< time to stream the weights once, seconds, >= 0
  double c_token_s = 0;     ///< linear layers, seconds per token of the step, >= 0
  double c_prefill_s = 0;   ///< prefill attention, seconds per (token * token), >= 0
  double c_context_s = 0;   ///< decode attention, seconds per token of context read, >= 0
  double c_sequence_s = 0;  ///< per sequence in the batch, seconds, >= 0

  std::uint32_t block_tokens = 16;          ///< tokens per KV block, 1..65536
  std::uint64_t kv_capacity_tokens = 0;     ///< KV memory, tokens; at least one block
  std::uint32_t max_batched_tokens = 8192;  ///< token budget of one step, >= 1
  std::uint32_t max_running = 256;          ///< sequences at once, >= 1

  std::uint32_t max_adapters = 0;  ///< different LoRA adapters in a batch, as many stay loaded; 0: no limit
  double adapter_load_s = 0;       ///< to load an adapter that is not among those, seconds, >= 0

  friend bool operator==(const EngineModel&, const EngineModel&) = default;
};

}  // namespace kthena
