// include/kthena/route.hpp
//
// route: where does this request go? Includes base and prefix.
#pragma once

#include "kthena/route/combine.hpp"
#include "kthena/route/decision.hpp"
#include "kthena/route/explanation.hpp"
#include "kthena/route/load_ledger.hpp"
#include "kthena/route/pipeline.hpp"
#include "kthena/route/policies/best_score.hpp"
#include "kthena/route/policies/explore.hpp"
#include "kthena/route/policies/gpu_usage.hpp"
#include "kthena/route/policies/least_latency.hpp"
#include "kthena/route/policies/least_request.hpp"
#include "kthena/route/policies/lora_affinity.hpp"
#include "kthena/route/policies/power_of_k.hpp"
#include "kthena/route/policies/prefix_cache.hpp"
#include "kthena/route/policies/random.hpp"
#include "kthena/route/policies/round_robin.hpp"
#include "kthena/route/policies/softmax.hpp"
#include "kthena/route/policies/weighted_random.hpp"
#include "kthena/route/policy.hpp"
#include "kthena/route/pool.hpp"
#include "kthena/route/presets.hpp"
#include "kthena/route/request.hpp"
#include "kthena/route/signal.hpp"
#include "kthena/route/staleness.hpp"
