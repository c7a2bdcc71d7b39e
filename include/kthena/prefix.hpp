// include/kthena/prefix.hpp
//
// prefix: who holds how much of this prompt? Includes base only.
#pragma once

#include "kthena/prefix/compat/byte_history.hpp"
#include "kthena/prefix/compat/unchained_owners.hpp"
#include "kthena/prefix/engine_hashes/llm_d.hpp"
#include "kthena/prefix/engine_hashes/sglang.hpp"
#include "kthena/prefix/engine_hashes/vllm.hpp"
#include "kthena/prefix/engine_hashes/xxh3_chain.hpp"
#include "kthena/prefix/home_table.hpp"
#include "kthena/prefix/index.hpp"
#include "kthena/prefix/query.hpp"
