// include/kthena/base.hpp
//
// base: the vocabulary that all areas share. Includes nothing but the standard library.
#pragma once

#include "kthena/base/block_hash.hpp"
#include "kthena/base/engine_model.hpp"
#include "kthena/base/engine_sample.hpp"
#include "kthena/base/faults.hpp"
#include "kthena/base/hash.hpp"
#include "kthena/base/histogram.hpp"
#include "kthena/base/ids.hpp"
#include "kthena/base/kv_event.hpp"
#include "kthena/base/math.hpp"
#include "kthena/base/random.hpp"
#include "kthena/base/reason.hpp"
#include "kthena/base/status.hpp"
#include "kthena/base/time.hpp"
