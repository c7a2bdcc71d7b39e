// The built-in profiles, one table each. Facts of the engines' own sources, see profile.hpp; versions are named where names changed.
#include "kthena/engine/profile.hpp"

#include <array>

namespace kthena::engine {

namespace {

using enum EngineSignal;
using enum EngineLatency;

// vLLM from 0.6 on V1, up to 0.32. A rank is the label `engine`. 0.9 and 0.10 published both names of KV usage. llmd-sim differs from
// it in the fallbacks (counters without _total) and in its events.
constexpr SignalSource kVllmSignals[] = {
    {kRunning, "vllm:num_requests_running"},
    {kWaiting, "vllm:num_requests_waiting"},
    {kWaiting, "vllm:num_requests_waiting_by_reason"},
    {.signal = kKvUsage, .metric = "vllm:kv_cache_usage_perc", .series = Join::kMean},
    {.signal = kKvUsage, .metric = "vllm:gpu_cache_usage_perc", .series = Join::kMean},
    {.signal = kBlockTokens, .metric = "vllm:cache_config_info", .label = "block_size", .series = Join::kMax},
    {.signal = kKvTotalBlocks, .metric = "vllm:cache_config_info", .label = "num_gpu_blocks", .series = Join::kMax},
    {.signal = kKvTotalTokens,
     .metric = "vllm:cache_config_info",
     .label = "kv_cache_size_tokens",
     .series = Join::kMax},
    {kPrefixHits, "vllm:prefix_cache_hits_total"},
    {kPrefixHits, "vllm:prefix_cache_hits"},
    {kPrefixHits, "vllm:gpu_prefix_cache_hits_total"},
    {kPrefixHits, "vllm:gpu_prefix_cache_hits"},
    {kPrefixQueries, "vllm:prefix_cache_queries_total"},
    {kPrefixQueries, "vllm:prefix_cache_queries"},
    {kPrefixQueries, "vllm:gpu_prefix_cache_queries_total"},
    {kPrefixQueries, "vllm:gpu_prefix_cache_queries"},
    {kExternalPrefixHits, "vllm:external_prefix_cache_hits_total"},
    {kExternalPrefixHits, "vllm:external_prefix_cache_hits"},
    {kExternalPrefixQueries, "vllm:external_prefix_cache_queries_total"},
    {kExternalPrefixQueries, "vllm:external_prefix_cache_queries"},
    {kPromptTokens, "vllm:prompt_tokens_total"},
    {kGenerationTokens, "vllm:generation_tokens_total"},
    {kPreemptions, "vllm:num_preemptions_total"},
    {kFinished, "vllm:request_success_total"},
};
constexpr LatencySource kVllmLatencies[] = {
    {kTtft, "vllm:time_to_first_token_seconds"},  {kItl, "vllm:inter_token_latency_seconds"},
    {kItl, "vllm:time_per_output_token_seconds"}, {kItl, "vllm:request_time_per_output_token_seconds"},
    {kE2e, "vllm:e2e_request_latency_seconds"},   {kQueue, "vllm:request_queue_time_seconds"},
};
constexpr AdapterSource kVllmAdapters = {"vllm:lora_requests_info", "max_lora", "running_lora_adapters",
                                         "waiting_lora_adapters"};

// vLLM's V0 engine: no ranks, usage under the older name.
constexpr SignalSource kVllmV0Signals[] = {
    {kRunning, "vllm:num_requests_running"},
    {kWaiting, "vllm:num_requests_waiting"},
    {.signal = kKvUsage, .metric = "vllm:gpu_cache_usage_perc", .series = Join::kMean},
    {.signal = kBlockTokens, .metric = "vllm:cache_config_info", .label = "block_size", .series = Join::kMax},
    {.signal = kKvTotalBlocks, .metric = "vllm:cache_config_info", .label = "num_gpu_blocks", .series = Join::kMax},
    {.signal = kHitRate, .metric = "vllm:gpu_prefix_cache_hit_rate", .series = Join::kMean},
    {kPromptTokens, "vllm:prompt_tokens_total"},
    {kGenerationTokens, "vllm:generation_tokens_total"},
    {kPreemptions, "vllm:num_preemptions_total"},
    {kFinished, "vllm:request_success_total"},
};
constexpr LatencySource kVllmV0Latencies[] = {
    {kTtft, "vllm:time_to_first_token_seconds"},
    {kItl, "vllm:time_per_output_token_seconds"},
    {kE2e, "vllm:e2e_request_latency_seconds"},
    {kQueue, "vllm:request_queue_time_seconds"},
};

// SGLang: one series per tensor- and pipeline-parallel rank where all schedulers publish; they say the same, hence the largest.
// Some builds write sglang_ instead of sglang: .
constexpr SignalSource kSglangSignals[] = {
    {.signal = kRunning, .metric = "sglang:num_running_reqs", .series = Join::kMax},
    {.signal = kRunning, .metric = "sglang_num_running_reqs", .series = Join::kMax},
    {.signal = kWaiting, .metric = "sglang:num_queue_reqs", .series = Join::kMax},
    {.signal = kWaiting, .metric = "sglang_num_queue_reqs", .series = Join::kMax},
    {.signal = kKvUsage, .metric = "sglang:token_usage", .series = Join::kMax},
    {.signal = kKvUsage, .metric = "sglang_token_usage", .series = Join::kMax},
    {.signal = kBlockTokens, .metric = "sglang:cache_config_info", .label = "page_size", .series = Join::kMax},
    {.signal = kKvTotalBlocks, .metric = "sglang:cache_config_info", .label = "num_pages", .series = Join::kMax},
    {.signal = kKvTotalTokens, .metric = "sglang:max_total_num_tokens", .series = Join::kMax},
    {.signal = kHitRate, .metric = "sglang:cache_hit_rate", .series = Join::kMax},
    {kPrefixHits, "sglang:cached_tokens_total"},
    {kPrefixQueries, "sglang:prompt_tokens_total"},
    {kPromptTokens, "sglang:prompt_tokens_total"},
    {kGenerationTokens, "sglang:generation_tokens_total"},
    {kFinished, "sglang:num_requests_total"},
};
constexpr LatencySource kSglangLatencies[] = {
    {kTtft, "sglang:time_to_first_token_seconds"},  {kItl, "sglang:inter_token_latency_seconds"},
    {kItl, "sglang:time_per_output_token_seconds"}, {kE2e, "sglang:e2e_request_latency_seconds"},
    {kQueue, "sglang:queue_time_seconds"},
};

// Text Generation Inference. Token counts are histograms per request; their sums are the totals.
constexpr SignalSource kTgiSignals[] = {
    {kRunning, "tgi_batch_current_size"},
    {kWaiting, "tgi_queue_size"},
    {kPromptTokens, "tgi_request_input_length_sum"},
    {kGenerationTokens, "tgi_request_generated_tokens_sum"},
    {kFinished, "tgi_request_success"},
};
constexpr LatencySource kTgiLatencies[] = {
    {kItl, "tgi_request_mean_time_per_token_duration"},
    {kE2e, "tgi_request_duration"},
    {kQueue, "tgi_request_queue_duration"},
};

// TensorRT-LLM's own server (trtllm-serve).
constexpr SignalSource kTrtllmServeSignals[] = {
    {kRunning, "trtllm_num_requests_running"},
    {kWaiting, "trtllm_num_requests_waiting"},
    {.signal = kKvUsage, .metric = "trtllm_kv_cache_utilization", .series = Join::kMean},
    {.signal = kBlockTokens, .metric = "trtllm_kv_cache_tokens_per_block", .series = Join::kMax},
    {.signal = kKvTotalBlocks, .metric = "trtllm_kv_cache_max_blocks", .series = Join::kMax},
    {.signal = kHitRate, .metric = "trtllm_kv_cache_hit_rate", .series = Join::kMean},
    {kFinished, "trtllm_request_success_total"},
};
constexpr LatencySource kTrtllmServeLatencies[] = {
    {kTtft, "trtllm_time_to_first_token_seconds"},
    {kItl, "trtllm_time_per_output_token_seconds"},
    {kE2e, "trtllm_e2e_request_latency_seconds"},
    {kQueue, "trtllm_request_queue_time_seconds"},
};

// TensorRT-LLM behind Triton: one metric, many meanings by label.
constexpr std::string_view kTritonRequests = "nv_trt_llm_request_metrics";
constexpr std::string_view kTritonBlocks = "nv_trt_llm_kv_cache_block_metrics";
constexpr SignalSource kTritonSignals[] = {
    {.signal = kRunning, .metric = kTritonRequests, .where = "request_type", .equals = "scheduled"},
    {.signal = kWaiting, .metric = kTritonRequests, .where = "request_type", .equals = "waiting"},
    {.signal = kKvUsage,
     .metric = kTritonBlocks,
     .where = "kv_cache_block_type",
     .equals = "fraction",
     .series = Join::kMean},
    {.signal = kKvUsedBlocks, .metric = kTritonBlocks, .where = "kv_cache_block_type", .equals = "used"},
    {.signal = kKvTotalBlocks, .metric = kTritonBlocks, .where = "kv_cache_block_type", .equals = "max"},
    {.signal = kBlockTokens,
     .metric = kTritonBlocks,
     .where = "kv_cache_block_type",
     .equals = "tokens_per",
     .series = Join::kMax},
};

// llama.cpp's server with --metrics. KV usage is not in newer builds.
constexpr SignalSource kLlamaCppSignals[] = {
    {kRunning, "llamacpp:requests_processing"},
    {kWaiting, "llamacpp:requests_deferred"},
    {.signal = kKvUsage, .metric = "llamacpp:kv_cache_usage_ratio", .series = Join::kMean},
    {kPromptTokens, "llamacpp:prompt_tokens_total"},
    {kGenerationTokens, "llamacpp:tokens_predicted_total"},
};

// Kthena's runtime sidecar, which renames what engines publish.
constexpr SignalSource kKthenaSignals[] = {
    {kRunning, "kthena:num_requests_running"},
    {kWaiting, "kthena:num_requests_waiting"},
    {.signal = kKvUsage, .metric = "kthena:kv_cache_usage_perc", .series = Join::kMean},
    {kPromptTokens, "kthena:prompt_tokens_total"},
    {kGenerationTokens, "kthena:generation_tokens_total"},
};
constexpr LatencySource kKthenaLatencies[] = {
    {kTtft, "kthena:time_to_first_token_seconds"},
    {kItl, "kthena:inter_token_latency_seconds"},
    {kItl, "kthena:time_per_output_token_seconds"},
    {kE2e, "kthena:e2e_request_latency_seconds"},
};

constexpr EngineProfile kProfiles[] = {
    {.name = "vllm",
     .signals = kVllmSignals,
     .latencies = kVllmLatencies,
     .rank_label = "engine",
     .model_label = "model_name",
     .adapters = kVllmAdapters,
     .kv = {.layout = KvLayout::kVllm}},
    {.name = "vllm-v0",
     .signals = kVllmV0Signals,
     .latencies = kVllmV0Latencies,
     .model_label = "model_name",
     .adapters = kVllmAdapters,
     .kv = {.layout = KvLayout::kVllm}},
    {.name = "sglang",
     .signals = kSglangSignals,
     .latencies = kSglangLatencies,
     .rank_label = "dp_rank",
     .model_label = "model_name",
     .kv = {.layout = KvLayout::kSglang}},
    {.name = "tgi", .signals = kTgiSignals, .latencies = kTgiLatencies},
    {.name = "trtllm-serve",
     .signals = kTrtllmServeSignals,
     .latencies = kTrtllmServeLatencies,
     .model_label = "model_name"},
    {.name = "triton-trtllm", .signals = kTritonSignals, .model_label = "model"},
    {.name = "llama.cpp", .signals = kLlamaCppSignals},
    {.name = "llmd-sim",
     .signals = kVllmSignals,
     .latencies = kVllmLatencies,
     .rank_label = "engine",
     .model_label = "model_name",
     .adapters = kVllmAdapters,
     .kv = {.layout = KvLayout::kVllm, .zero_parent_is_root = true, .first_sequence = 1}},
    {.name = "kthena",
     .signals = kKthenaSignals,
     .latencies = kKthenaLatencies,
     .rank_label = "engine",
     .model_label = "model_name"},
};

}  // namespace

std::span<const EngineProfile> profiles() noexcept { return kProfiles; }

const EngineProfile* find_profile(std::string_view name) noexcept {
  for (const EngineProfile& profile : kProfiles) {
    if (profile.name == name) return &profile;
  }
  return nullptr;
}

}  // namespace kthena::engine
