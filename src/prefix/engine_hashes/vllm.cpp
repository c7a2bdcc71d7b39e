#include "kthena/prefix/engine_hashes/vllm.hpp"

#include <algorithm>

#include "kthena/base/hash.hpp"
#include "prefix/engine_hashes/cbor.hpp"
#include "prefix/engine_hashes/hash_faults.hpp"
#include "prefix/engine_hashes/multimodal_window.hpp"

namespace kthena::prefix {
namespace {

using detail::CborWriter;

constexpr std::size_t kEmbedsDigest = 32;

constexpr std::size_t digest_size(VllmHash algorithm) noexcept { return algorithm == VllmHash::kSha256Cbor ? 32 : 16; }

Digest digest_of(VllmHash algorithm, const CborWriter& value) noexcept {
  Digest digest{.size = digest_size(algorithm)};
  if (algorithm == VllmHash::kSha256Cbor) {
    digest.bytes = sha256(value.bytes());
  } else {
    std::ranges::copy(xxh3_128(value.bytes()), digest.bytes.begin());
  }
  return digest;
}

/// Writes the extra keys of one block.
class ExtraKeys {
 public:
  explicit ExtraKeys(const VllmHashOptions& options) noexcept
      : options_(options), tagged_(options.key_form == VllmKeyForm::kTagged), window_(options.multimodal) {}

  /// `block` counts from the start of the prompt, `row` from that of the call.
  void write(CborWriter& out, std::uint64_t block, std::size_t row) {
    const std::uint64_t begin = block * options_.block_tokens;
    const std::span<const MultimodalItem> items = window_.overlap(begin, begin + options_.block_tokens);
    const bool lora = !options_.lora_name.empty();
    const bool salt = block == 0 && !options_.cache_salt.empty();
    const bool embeds = !options_.prompt_embeds.empty();
    const std::size_t keys = std::size_t{lora} + items.size() + std::size_t{salt} + std::size_t{embeds};
    if (keys == 0) return out.null();
    out.array(keys);
    if (lora) {
      tag(out, "lora", 3);
      out.text_string(options_.lora_name);
      if (tagged_) out.text_string(options_.lora_path);
    }
    for (const MultimodalItem& item : items) {
      if (tagged_) {
        tag(out, "mm", 3);
      } else {
        out.array(2);
      }
      out.text_string(item.identifier);
      out.signed_number(std::int64_t{item.offset} - static_cast<std::int64_t>(begin));
    }
    if (salt) {
      tag(out, "cache_salt", 2);
      out.text_string(options_.cache_salt);
    }
    if (embeds) {
      tag(out, "prompt_embeds", 2);
      out.byte_string(options_.prompt_embeds.subspan(row * kEmbedsDigest, kEmbedsDigest));
    }
  }

 private:
  void tag(CborWriter& out, std::string_view name, std::uint64_t parts) const {
    if (!tagged_) return;
    out.array(parts);
    out.text_string(name);
  }

  const VllmHashOptions& options_;
  bool tagged_;
  detail::MultimodalWindow window_;
};

Status check(std::size_t tokens, const VllmHashOptions& options, std::size_t digests, std::size_t hashes) {
  detail::HashFaults faults;
  if (faults.block_tokens("block_tokens", options.block_tokens)) {
    const std::size_t blocks = tokens / options.block_tokens;
    faults.output("digests", digests, blocks * digest_size(options.algorithm));
    faults.output("hashes", hashes, blocks);
    if (!options.prompt_embeds.empty() && options.prompt_embeds.size() != blocks * kEmbedsDigest)
      faults.add("prompt_embeds", std::to_string(options.prompt_embeds.size()) + " bytes where " +
                                      std::to_string(blocks) + " blocks need 32 each");
  }
  faults.text("seed", options.seed);
  faults.text("lora_name", options.lora_name);
  faults.text("lora_path", options.lora_path);
  faults.text("cache_salt", options.cache_salt);
  faults.multimodal(options.multimodal);
  faults.start(!options.parent.empty(), options.first_block);
  if (!options.parent.empty() && options.parent.size() != digest_size(options.algorithm))
    faults.add("parent", std::to_string(options.parent.size()) + " bytes where a digest has " +
                             std::to_string(digest_size(options.algorithm)));
  if (options.parent.empty() && options.seed.empty() && options.algorithm == VllmHash::kXxhashCbor)
    faults.add("seed", "needed: without PYTHONHASHSEED each engine draws one of its own for xxhash_cbor");
  if (options.lora_name.empty() && !options.lora_path.empty()) faults.add("lora_name", "needed beside lora_path");
  if (options.key_form == VllmKeyForm::kTagged && !options.lora_name.empty() && options.lora_path.empty())
    faults.add("lora_path", "needed beside lora_name in tagged keys");
  return faults.status();
}

}  // namespace

Digest vllm_none_hash(VllmHash algorithm, std::string_view seed) {
  CborWriter value;
  value.text_string(seed);
  return digest_of(algorithm, value);
}

Digest vllm_hash_block(VllmHash algorithm, std::span<const std::uint8_t> parent,
                       std::span<const std::uint32_t> tokens) {
  CborWriter value;
  value.array(3);
  value.byte_string(parent);
  value.numbers(tokens);
  value.null();
  return digest_of(algorithm, value);
}

std::uint64_t vllm_event_hash(std::span<const std::uint8_t> digest) noexcept {
  std::uint64_t hash = 0;
  for (const std::uint8_t byte : digest) hash = hash << 8 | byte;
  return hash;
}

Status vllm_hash_blocks(std::span<const std::uint32_t> tokens, const VllmHashOptions& options,
                        std::span<std::uint8_t> digests, std::span<std::uint64_t> hashes) {
  if (Status status = check(tokens.size(), options, digests.size(), hashes.size()); !status.ok()) return status;
  const std::size_t width = digest_size(options.algorithm);
  Digest parent;
  if (options.parent.empty()) {
    parent = vllm_none_hash(options.algorithm, options.seed.empty() ? kVllmSeedWhenUnset : options.seed);
  } else {
    parent.size = width;
    std::ranges::copy(options.parent, parent.bytes.begin());
  }
  ExtraKeys keys(options);
  CborWriter value;
  for (std::size_t row = 0; (row + 1) * options.block_tokens <= tokens.size(); ++row) {
    value.clear();
    value.array(3);
    value.byte_string(parent.view());
    value.numbers(tokens.subspan(row * options.block_tokens, options.block_tokens));
    keys.write(value, options.first_block + row, row);
    parent = digest_of(options.algorithm, value);
    if (!digests.empty()) std::ranges::copy(parent.view(), digests.begin() + static_cast<std::ptrdiff_t>(row * width));
    if (!hashes.empty()) hashes[row] = vllm_event_hash(parent.view());
  }
  return {};
}

}  // namespace kthena::prefix
