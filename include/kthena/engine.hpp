// include/kthena/engine.hpp
//
// engine: what do engines say? Metrics pages and KV events of many kinds of engine, in the vocabulary of base. Includes base only.
#pragma once

#include "kthena/engine/kv_events.hpp"
#include "kthena/engine/kv_stream.hpp"
#include "kthena/engine/metrics.hpp"
#include "kthena/engine/profile.hpp"
