// BlockChains: every prompt of a workload as a chain of KV blocks of one size, named by dense numbers that are equal exactly where the
// whole prefix is equal, so that an engine's cache is an array.
#pragma once

#include <cstdint>
#include <vector>

#include "kthena/base/status.hpp"
#include "kthena/sim/workload.hpp"

namespace kthena::sim::detail {

/// Chain of request i: ids[offsets[i] .. offsets[i + 1]): one id per block it can ever fill or touch, ceil((prompt + output - 1) / B).
/// Its first prompt / B ids are shared names; the rest (the block that holds the end of the prompt, and answers) belong to it alone.
/// Shared ids are below `shared`; names come from 64-bit hashes of the chain, which for 10^6 blocks collide with odds below 10^-7.
struct BlockChains {
  std::uint32_t block_tokens = 0;
  std::uint32_t shared = 0;  ///< ids of full prompt blocks: 0..shared
  std::uint32_t total = 0;   ///< all ids
  std::vector<std::uint32_t> offsets{0};
  std::vector<std::uint32_t> ids;
};

/// kResourceExhausted beyond 2^31 blocks.
Result<BlockChains> make_block_chains(const Workload& workload, std::uint32_t block_tokens);

}  // namespace kthena::sim::detail
