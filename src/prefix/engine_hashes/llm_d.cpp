#include "kthena/prefix/engine_hashes/llm_d.hpp"

#include "kthena/base/hash.hpp"
#include "prefix/engine_hashes/cbor.hpp"
#include "prefix/engine_hashes/hash_faults.hpp"
#include "prefix/engine_hashes/multimodal_window.hpp"

namespace kthena::prefix {
namespace {

using detail::CborWriter;

void write_extra(CborWriter& out, std::span<const MultimodalItem> items, std::string_view salt) {
  if (items.empty() && salt.empty()) return out.null();
  const auto entry = [&out](std::string_view hash) {
    out.map(1);
    out.text_string("Hash");
    out.text_string(hash);
  };
  out.array(items.size() + (salt.empty() ? 0 : 1));
  for (const MultimodalItem& item : items) entry(item.identifier);
  if (!salt.empty()) entry(salt);
}

}  // namespace

std::uint64_t llmd_root(std::string_view seed, std::string_view model) {
  CborWriter value;
  value.array(3);
  value.number(fnv1a_64(seed));
  value.null();  // Go writes a slice that is nil as null
  value.text_string(model);
  return fnv1a_64(value.text());
}

std::uint64_t llmd_hash_block(std::uint64_t parent, std::span<const std::uint32_t> tokens) {
  CborWriter value;
  value.array(3);
  value.number(parent);
  value.numbers(tokens);
  value.null();
  return fnv1a_64(value.text());
}

Status llmd_hash_blocks(std::span<const std::uint32_t> tokens, const LlmdHashOptions& options,
                        std::span<std::uint64_t> hashes) {
  detail::HashFaults faults;
  if (faults.block_tokens("block_tokens", options.block_tokens))
    faults.output("hashes", hashes.size(), tokens.size() / options.block_tokens);
  faults.text("seed", options.seed);
  faults.text("model", options.model);
  faults.text("cache_salt", options.cache_salt);
  faults.multimodal(options.multimodal);
  faults.start(options.parent.has_value(), options.first_block);
  if (Status status = faults.status(); !status.ok()) return status;

  std::uint64_t parent = options.parent ? *options.parent : llmd_root(options.seed, options.model);
  detail::MultimodalWindow window(options.multimodal);
  CborWriter value;
  for (std::size_t row = 0; row < hashes.size(); ++row) {
    const std::uint64_t block = options.first_block + row;
    const std::uint64_t begin = block * options.block_tokens;
    value.clear();
    value.array(3);
    value.number(parent);
    value.numbers(tokens.subspan(row * options.block_tokens, options.block_tokens));
    write_extra(value, window.overlap(begin, begin + options.block_tokens),
                block == 0 ? options.cache_salt : std::string_view());
    parent = fnv1a_64(value.text());
    hashes[row] = parent;
  }
  return {};
}

}  // namespace kthena::prefix
