// bindings/c/hashes.cpp
//
// Block hashes of other systems.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "calls.hpp"
#include "kthena/prefix.hpp"

using namespace kthena;
using c::guarded;

static_assert(KTHENA_VLLM_SHA256_CBOR == static_cast<int>(prefix::VllmHash::kSha256Cbor) &&
              KTHENA_VLLM_XXHASH_CBOR == static_cast<int>(prefix::VllmHash::kXxhashCbor) &&
              KTHENA_VLLM_KEYS_TAGGED == static_cast<int>(prefix::VllmKeyForm::kTagged) &&
              KTHENA_VLLM_KEYS_PLAIN == static_cast<int>(prefix::VllmKeyForm::kPlain) &&
              KTHENA_SGLANG_EVENTS == static_cast<int>(prefix::SglangHash::kEvents) &&
              KTHENA_SGLANG_STORAGE == static_cast<int>(prefix::SglangHash::kStorage));

namespace {

constexpr std::uint32_t kMaxBlock = 65536;

constexpr std::size_t full_blocks(std::size_t n, std::uint32_t block) noexcept { return block == 0 ? 0 : n / block; }

/// An output of `size` elements that may not be wanted.
template <class T>
std::span<T> output(T* array, std::size_t size) noexcept {
  return array == nullptr ? std::span<T>() : std::span<T>(array, size);
}

kthena_status finish(const Status& status, kthena_error* error) {
  return status.ok() ? KTHENA_OK : c::fail(error, status);
}

kthena_status check_number(std::int32_t number, std::string_view parameter, kthena_error* error) {
  return number == 0 || number == 1 ? KTHENA_OK
                                    : c::refuse(error, parameter, "no such value: " + std::to_string(number));
}

kthena_status check_texts(std::initializer_list<std::pair<std::string_view, kthena_str>> texts, kthena_error* error) {
  for (const auto& [name, text] : texts)
    if (kthena_status status = c::check(text, name, error); status != KTHENA_OK) return status;
  return KTHENA_OK;
}

/// Of a struct with the members that start with multimodal_.
template <class Options>
kthena_status read_multimodal(const Options& given, std::vector<prefix::MultimodalItem>& items, kthena_error* error) {
  const std::size_t n = given.multimodal_count;
  if (kthena_status status = c::check_offsets(given.multimodal_id_offsets, n, given.multimodal_ids,
                                              "options.multimodal_id_offsets", "options.multimodal_ids", error);
      status != KTHENA_OK)
    return status;
  if (kthena_status status = c::check_array(given.multimodal_offsets, n, "options.multimodal_offsets", error);
      status != KTHENA_OK)
    return status;
  if (kthena_status status = c::check_array(given.multimodal_lengths, n, "options.multimodal_lengths", error);
      status != KTHENA_OK)
    return status;
  items.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t begin = given.multimodal_id_offsets[i];
    const std::uint64_t size = given.multimodal_id_offsets[i + 1] - begin;
    items.push_back({size == 0 ? std::string_view() : std::string_view(given.multimodal_ids + begin, size),
                     given.multimodal_offsets[i], given.multimodal_lengths[i]});
  }
  return KTHENA_OK;
}

kthena_status check_block(std::uint32_t size, std::string_view parameter, kthena_error* error) {
  return size >= 1 && size <= kMaxBlock
             ? KTHENA_OK
             : c::refuse(error, parameter, "must be in 1..65536, not " + std::to_string(size));
}

}  // namespace

kthena_status kthena_hash_vllm(const uint32_t* tokens, size_t n, uint32_t block_tokens,
                               const kthena_vllm_hash_options* options, uint8_t* digests, uint64_t* hashes,
                               kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = c::check_array(tokens, n, "tokens", error); status != KTHENA_OK) return status;
    prefix::VllmHashOptions chosen{.block_tokens = block_tokens};
    std::vector<prefix::MultimodalItem> items;
    if (options != nullptr) {
      kthena_vllm_hash_options given = {};
      if (kthena_status status = c::read_struct(options, "options", given, error); status != KTHENA_OK) return status;
      if (kthena_status status = check_number(given.algorithm, "options.algorithm", error); status != KTHENA_OK)
        return status;
      if (kthena_status status = check_number(given.key_form, "options.key_form", error); status != KTHENA_OK)
        return status;
      if (given.reserved != 0) return c::refuse(error, "options.reserved", "must be 0");
      if (kthena_status status = check_texts({{"options.seed", given.seed},
                                              {"options.lora_name", given.lora_name},
                                              {"options.lora_path", given.lora_path},
                                              {"options.cache_salt", given.cache_salt}},
                                             error);
          status != KTHENA_OK)
        return status;
      if (kthena_status status = read_multimodal(given, items, error); status != KTHENA_OK) return status;
      if (kthena_status status =
              c::check_array(given.prompt_embeds, given.prompt_embeds_size, "options.prompt_embeds", error);
          status != KTHENA_OK)
        return status;
      if (kthena_status status = c::check_array(given.parent, given.parent_size, "options.parent", error);
          status != KTHENA_OK)
        return status;
      chosen.algorithm = static_cast<prefix::VllmHash>(given.algorithm);
      chosen.key_form = static_cast<prefix::VllmKeyForm>(given.key_form);
      chosen.seed = c::view(given.seed);
      chosen.lora_name = c::view(given.lora_name);
      chosen.lora_path = c::view(given.lora_path);
      chosen.cache_salt = c::view(given.cache_salt);
      chosen.multimodal = items;
      chosen.prompt_embeds = {given.prompt_embeds, given.prompt_embeds_size};
      chosen.parent = {given.parent, given.parent_size};
      chosen.first_block = given.first_block;
    }
    const std::size_t blocks = full_blocks(n, block_tokens);
    const std::size_t width = chosen.algorithm == prefix::VllmHash::kSha256Cbor ? 32 : 16;
    return finish(
        prefix::vllm_hash_blocks({tokens, n}, chosen, output(digests, blocks * width), output(hashes, blocks)), error);
  });
}

kthena_status kthena_hash_sglang(const uint32_t* tokens, size_t n, uint32_t page_tokens,
                                 const kthena_sglang_hash_options* options, uint8_t* digests, uint64_t* hashes,
                                 kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = c::check_array(tokens, n, "tokens", error); status != KTHENA_OK) return status;
    prefix::SglangHashOptions chosen{.page_tokens = page_tokens};
    if (options != nullptr) {
      kthena_sglang_hash_options given = {};
      if (kthena_status status = c::read_struct(options, "options", given, error); status != KTHENA_OK) return status;
      if (kthena_status status = check_number(given.kind, "options.kind", error); status != KTHENA_OK) return status;
      if (kthena_status status =
              check_texts({{"options.extra_key", given.extra_key}, {"options.cache_salt", given.cache_salt}}, error);
          status != KTHENA_OK)
        return status;
      if (kthena_status status = c::check_array(given.parent, given.parent_size, "options.parent", error);
          status != KTHENA_OK)
        return status;
      chosen.kind = static_cast<prefix::SglangHash>(given.kind);
      chosen.extra_key = c::view(given.extra_key);
      chosen.cache_salt = c::view(given.cache_salt);
      chosen.parent = {given.parent, given.parent_size};
    }
    const std::size_t pages = full_blocks(n, page_tokens);
    return finish(prefix::sglang_hash_pages({tokens, n}, chosen, output(digests, pages * 32), output(hashes, pages)),
                  error);
  });
}

kthena_status kthena_hash_xxh3_chain(const uint32_t* tokens, size_t n, uint32_t block_tokens,
                                     const kthena_xxh3_hash_options* options, uint64_t* local, uint64_t* chained,
                                     kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = c::check_array(tokens, n, "tokens", error); status != KTHENA_OK) return status;
    prefix::Xxh3ChainOptions chosen{.block_tokens = block_tokens};
    if (options != nullptr) {
      kthena_xxh3_hash_options given = {};
      if (kthena_status status = c::read_struct(options, "options", given, error); status != KTHENA_OK) return status;
      if (given.has_seed > 1) return c::refuse(error, "options.has_seed", "must be 0 or 1");
      if (kthena_status status = check_texts(
              {{"options.lora_name", given.lora_name}, {"options.cache_namespace", given.cache_namespace}}, error);
          status != KTHENA_OK)
        return status;
      if (given.has_seed != 0) chosen.seed = given.seed;
      chosen.lora_name = c::view(given.lora_name);
      chosen.cache_namespace = c::view(given.cache_namespace);
      if (given.parent != nullptr) chosen.parent = *given.parent;
    }
    const std::size_t blocks = full_blocks(n, block_tokens);
    return finish(prefix::xxh3_hash_blocks({tokens, n}, chosen, output(local, blocks), output(chained, blocks)), error);
  });
}

kthena_status kthena_hash_llm_d(const uint32_t* tokens, size_t n, uint32_t block_tokens,
                                const kthena_llmd_hash_options* options, uint64_t* hashes, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = c::check_array(tokens, n, "tokens", error); status != KTHENA_OK) return status;
    prefix::LlmdHashOptions chosen{.block_tokens = block_tokens};
    std::vector<prefix::MultimodalItem> items;
    if (options != nullptr) {
      kthena_llmd_hash_options given = {};
      if (kthena_status status = c::read_struct(options, "options", given, error); status != KTHENA_OK) return status;
      if (given.reserved != 0) return c::refuse(error, "options.reserved", "must be 0");
      if (kthena_status status = check_texts(
              {{"options.seed", given.seed}, {"options.model", given.model}, {"options.cache_salt", given.cache_salt}},
              error);
          status != KTHENA_OK)
        return status;
      if (kthena_status status = read_multimodal(given, items, error); status != KTHENA_OK) return status;
      chosen.seed = c::view(given.seed);
      chosen.model = c::view(given.model);
      chosen.cache_salt = c::view(given.cache_salt);
      chosen.multimodal = items;
      if (given.parent != nullptr) chosen.parent = *given.parent;
      chosen.first_block = given.first_block;
    }
    return finish(prefix::llmd_hash_blocks({tokens, n}, chosen, output(hashes, full_blocks(n, block_tokens))), error);
  });
}

kthena_status kthena_hash_kthena_blocks(const uint32_t* tokens, size_t n, uint32_t block_tokens, uint64_t* hashes,
                                        kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = c::check_array(tokens, n, "tokens", error); status != KTHENA_OK) return status;
    if (kthena_status status = check_block(block_tokens, "block_tokens", error); status != KTHENA_OK) return status;
    if (hashes == nullptr) return KTHENA_OK;
    for (std::size_t at = 0; at < n; at += block_tokens)
      *hashes++ = prefix::compat::hash_block_unchained({tokens + at, std::min<std::size_t>(block_tokens, n - at)});
    return KTHENA_OK;
  });
}

kthena_status kthena_hash_kthena_bytes(kthena_str model, kthena_str prompt, uint32_t block_bytes, uint64_t* hashes,
                                       kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (kthena_status status = check_texts({{"model", model}, {"prompt", prompt}}, error); status != KTHENA_OK)
      return status;
    if (kthena_status status = check_block(block_bytes, "block_bytes", error); status != KTHENA_OK) return status;
    constexpr std::uint32_t kAll = std::numeric_limits<std::uint32_t>::max();
    if (hashes != nullptr)
      std::ranges::copy(prefix::compat::hash_prompt_bytes(c::view(model), c::view(prompt), block_bytes, kAll), hashes);
    return KTHENA_OK;
  });
}
