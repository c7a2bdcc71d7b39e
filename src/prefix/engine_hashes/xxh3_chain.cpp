#include "kthena/prefix/engine_hashes/xxh3_chain.hpp"

#include <array>

#include "kthena/base/block_hash.hpp"
#include "prefix/engine_hashes/hash_faults.hpp"

namespace kthena::prefix {

std::uint64_t xxh3_block_seed(std::uint64_t seed, std::string_view lora_name,
                              std::string_view cache_namespace) noexcept {
  if (!lora_name.empty()) seed += xxh3_64(std::as_bytes(std::span(lora_name)), 0);
  if (!cache_namespace.empty()) seed += xxh3_64(std::as_bytes(std::span(cache_namespace)), 1);
  return seed;
}

std::uint64_t xxh3_chain_step(std::uint64_t parent, std::uint64_t local, std::uint64_t seed) noexcept {
  const std::array<std::uint64_t, 2> link = {parent, local};
  return xxh3_64(std::as_bytes(std::span(link)), seed);
}

Status xxh3_hash_blocks(std::span<const std::uint32_t> tokens, const Xxh3ChainOptions& options,
                        std::span<std::uint64_t> local, std::span<std::uint64_t> chained) {
  detail::HashFaults faults;
  if (faults.block_tokens("block_tokens", options.block_tokens)) {
    const std::size_t blocks = tokens.size() / options.block_tokens;
    faults.output("local", local.size(), blocks);
    faults.output("chained", chained.size(), blocks);
  }
  faults.text("lora_name", options.lora_name);
  faults.text("cache_namespace", options.cache_namespace);
  if (Status status = faults.status(); !status.ok()) return status;

  const std::uint64_t block_seed = xxh3_block_seed(options.seed, options.lora_name, options.cache_namespace);
  std::optional<std::uint64_t> parent = options.parent;
  for (std::size_t row = 0; (row + 1) * options.block_tokens <= tokens.size(); ++row) {
    const std::uint64_t content =
        hash_block(tokens.subspan(row * options.block_tokens, options.block_tokens), block_seed);
    parent = parent ? xxh3_chain_step(*parent, content, options.seed) : content;
    if (!local.empty()) local[row] = content;
    if (!chained.empty()) chained[row] = *parent;
  }
  return {};
}

}  // namespace kthena::prefix
