#include "sim/block_chains.hpp"

#include "sim/content_cursor.hpp"
#include "sim/hash_ids.hpp"

namespace kthena::sim::detail {

Result<BlockChains> make_block_chains(const Workload& workload, std::uint32_t block_tokens) {
  constexpr std::uint64_t kMaxBlocks = 1ull << 31;
  const std::size_t n = workload.size();
  BlockChains chains;
  chains.block_tokens = block_tokens;
  chains.offsets.reserve(n + 1);
  std::uint64_t blocks = 0;
  std::uint64_t prompt_blocks = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t tokens = std::uint64_t{workload.prompt_tokens[i]} + workload.output_tokens[i] - 1;
    blocks += (tokens + block_tokens - 1) / block_tokens;
    prompt_blocks += workload.prompt_tokens[i] / block_tokens;
    if (blocks > kMaxBlocks) return resource_exhausted("workload: more than 2^31 KV blocks; use larger blocks");
    chains.offsets.push_back(static_cast<std::uint32_t>(blocks));
  }
  chains.ids.resize(blocks);

  HashIds names(prompt_blocks);
  for (std::size_t i = 0; i < n; ++i) {
    ContentCursor cursor(workload, i);
    std::uint64_t chain = chain_start(workload, i);
    std::uint32_t* id = chains.ids.data() + chains.offsets[i];
    for (std::uint32_t full = workload.prompt_tokens[i] / block_tokens; full > 0; --full) {
      chain = combine64(chain, cursor.next(block_tokens));
      *id++ = names.insert(chain).first;
    }
  }
  chains.shared = names.size();
  chains.total = chains.shared;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t first = chains.offsets[i] + workload.prompt_tokens[i] / block_tokens;
    for (std::uint32_t at = first; at < chains.offsets[i + 1]; ++at) chains.ids[at] = chains.total++;
  }
  return chains;
}

}  // namespace kthena::sim::detail
