// hashes.cpp
//
// Block hashes of other systems: an array of tokens in, new arrays out. Nothing is shared, so nothing is locked.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "buffer.hpp"
#include "errors.hpp"
#include "state.hpp"
#include "text.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace kthena::python {
namespace {

/// From here on other threads run meanwhile.
constexpr std::size_t kLongTokens = 256;

using Items = std::vector<std::tuple<std::string, std::uint32_t, std::uint32_t>>;
using Hashes = py::array_t<std::uint64_t>;

py::ssize_t signed_size(std::size_t n) { return static_cast<py::ssize_t>(n); }
std::size_t blocks_of(std::size_t n, std::uint32_t block) { return block == 0 ? 0 : n / block; }
std::size_t blocks_with_rest(std::size_t n, std::uint32_t block) {
  return block == 0 ? 0 : n / block + (n % block != 0 ? 1 : 0);
}

const std::uint8_t* bytes_of(std::string_view text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }

void acquire(Buffer& buffer, const py::object& tokens) {
  if (!buffer.acquire(tokens.ptr(), "tokens", Element::kUint32)) throw py::error_already_set();
}

template <class Call>
void run(std::size_t size, Call&& call) {
  Error error;
  kthena_status status = KTHENA_OK;
  if (size < kLongTokens) {
    status = call(&error);
  } else {
    py::gil_scoped_release release;
    status = call(&error);
  }
  check(status, error);
}

/// Multimodal items, flat as the C interface takes them.
struct FlatItems {
  explicit FlatItems(const Items& items) {
    for (const auto& [identifier, offset, length] : items) {
      ids += identifier;
      id_offsets.push_back(ids.size());
      offsets.push_back(offset);
      lengths.push_back(length);
    }
  }

  template <class Options>
  void give(Options& options) const {
    options.multimodal_ids = ids.data();
    options.multimodal_id_offsets = id_offsets.data();
    options.multimodal_offsets = offsets.data();
    options.multimodal_lengths = lengths.data();
    options.multimodal_count = offsets.size();
  }

  std::string ids;
  std::vector<std::uint64_t> id_offsets{0};
  std::vector<std::uint32_t> offsets, lengths;
};

py::tuple hash_vllm(const py::object& tokens, std::uint32_t block_tokens, std::int32_t algorithm, std::int32_t key_form,
                    std::string_view seed, std::string_view lora_name, std::string_view lora_path,
                    std::string_view cache_salt, const Items& multimodal, std::string_view prompt_embeds,
                    std::string_view parent, std::uint64_t first_block) {
  Buffer buffer;
  acquire(buffer, tokens);
  const FlatItems items(multimodal);
  kthena_vllm_hash_options options{};
  options.struct_size = sizeof options;
  options.algorithm = algorithm;
  options.key_form = key_form;
  options.seed = borrow(seed);
  options.lora_name = borrow(lora_name);
  options.lora_path = borrow(lora_path);
  options.cache_salt = borrow(cache_salt);
  items.give(options);
  options.prompt_embeds = bytes_of(prompt_embeds);
  options.prompt_embeds_size = prompt_embeds.size();
  options.parent = bytes_of(parent);
  options.parent_size = parent.size();
  options.first_block = first_block;
  const std::size_t blocks = blocks_of(buffer.size(), block_tokens);
  const py::ssize_t width = algorithm == KTHENA_VLLM_XXHASH_CBOR ? 16 : 32;
  py::array_t<std::uint8_t> digests({signed_size(blocks), width});
  Hashes hashes(signed_size(blocks));
  std::uint8_t* const digests_out = digests.mutable_data();
  std::uint64_t* const hashes_out = hashes.mutable_data();
  run(buffer.size(), [&](kthena_error* error) {
    return kthena_hash_vllm(buffer.as<const std::uint32_t>(), buffer.size(), block_tokens, &options, digests_out,
                            hashes_out, error);
  });
  return py::make_tuple(digests, hashes);
}

py::tuple hash_sglang(const py::object& tokens, std::uint32_t page_tokens, std::int32_t kind,
                      std::string_view extra_key, std::string_view cache_salt, std::string_view parent) {
  Buffer buffer;
  acquire(buffer, tokens);
  kthena_sglang_hash_options options{};
  options.struct_size = sizeof options;
  options.kind = kind;
  options.extra_key = borrow(extra_key);
  options.cache_salt = borrow(cache_salt);
  options.parent = bytes_of(parent);
  options.parent_size = parent.size();
  const std::size_t pages = blocks_of(buffer.size(), page_tokens);
  py::array_t<std::uint8_t> digests({signed_size(pages), py::ssize_t{32}});
  Hashes hashes(signed_size(pages));
  std::uint8_t* const digests_out = digests.mutable_data();
  std::uint64_t* const hashes_out = hashes.mutable_data();
  run(buffer.size(), [&](kthena_error* error) {
    return kthena_hash_sglang(buffer.as<const std::uint32_t>(), buffer.size(), page_tokens, &options, digests_out,
                              hashes_out, error);
  });
  return py::make_tuple(digests, hashes);
}

py::tuple hash_xxh3_chain(const py::object& tokens, std::uint32_t block_tokens, std::uint64_t seed,
                          std::string_view lora_name, std::string_view cache_namespace,
                          std::optional<std::uint64_t> parent) {
  Buffer buffer;
  acquire(buffer, tokens);
  kthena_xxh3_hash_options options{};
  options.struct_size = sizeof options;
  options.has_seed = 1;
  options.seed = seed;
  options.lora_name = borrow(lora_name);
  options.cache_namespace = borrow(cache_namespace);
  options.parent = parent ? &*parent : nullptr;
  Hashes local(signed_size(blocks_of(buffer.size(), block_tokens)));
  Hashes chained(local.size());
  std::uint64_t* const local_out = local.mutable_data();
  std::uint64_t* const chained_out = chained.mutable_data();
  run(buffer.size(), [&](kthena_error* error) {
    return kthena_hash_xxh3_chain(buffer.as<const std::uint32_t>(), buffer.size(), block_tokens, &options, local_out,
                                  chained_out, error);
  });
  return py::make_tuple(local, chained);
}

Hashes hash_llm_d(const py::object& tokens, std::uint32_t block_tokens, std::string_view seed, std::string_view model,
                  std::string_view cache_salt, const Items& multimodal, std::optional<std::uint64_t> parent,
                  std::uint64_t first_block) {
  Buffer buffer;
  acquire(buffer, tokens);
  const FlatItems items(multimodal);
  kthena_llmd_hash_options options{};
  options.struct_size = sizeof options;
  options.seed = borrow(seed);
  options.model = borrow(model);
  options.cache_salt = borrow(cache_salt);
  items.give(options);
  options.parent = parent ? &*parent : nullptr;
  options.first_block = first_block;
  Hashes hashes(signed_size(blocks_of(buffer.size(), block_tokens)));
  std::uint64_t* const out = hashes.mutable_data();
  run(buffer.size(), [&](kthena_error* error) {
    return kthena_hash_llm_d(buffer.as<const std::uint32_t>(), buffer.size(), block_tokens, &options, out, error);
  });
  return hashes;
}

Hashes hash_kthena_blocks(const py::object& tokens, std::uint32_t block_tokens) {
  Buffer buffer;
  acquire(buffer, tokens);
  Hashes hashes(signed_size(blocks_with_rest(buffer.size(), block_tokens)));
  std::uint64_t* const out = hashes.mutable_data();
  run(buffer.size(), [&](kthena_error* error) {
    return kthena_hash_kthena_blocks(buffer.as<const std::uint32_t>(), buffer.size(), block_tokens, out, error);
  });
  return hashes;
}

Hashes hash_kthena_bytes(std::string_view prompt, std::uint32_t block_bytes, std::string_view model) {
  Hashes hashes(signed_size(blocks_with_rest(prompt.size(), block_bytes)));
  std::uint64_t* const out = hashes.mutable_data();
  run(prompt.size(), [&](kthena_error* error) {
    return kthena_hash_kthena_bytes(borrow(model), borrow(prompt), block_bytes, out, error);
  });
  return hashes;
}

}  // namespace

void register_hashes(py::module_& module) {
  module.def("hash_vllm", &hash_vllm, "tokens"_a, py::kw_only(), "block_tokens"_a, "algorithm"_a, "key_form"_a,
             "seed"_a, "lora_name"_a, "lora_path"_a, "cache_salt"_a, "multimodal"_a, "prompt_embeds"_a, "parent"_a,
             "first_block"_a, "Digests and event hashes of vLLM's blocks.");
  module.def("hash_sglang", &hash_sglang, "tokens"_a, py::kw_only(), "page_tokens"_a, "kind"_a, "extra_key"_a,
             "cache_salt"_a, "parent"_a, "Digests and event hashes of SGLang's pages.");
  module.def("hash_xxh3_chain", &hash_xxh3_chain, "tokens"_a, py::kw_only(), "block_tokens"_a, "seed"_a, "lora_name"_a,
             "cache_namespace"_a, "parent"_a, "Local and chained hashes of Dynamo's and SMG's blocks.");
  module.def("hash_llm_d", &hash_llm_d, "tokens"_a, py::kw_only(), "block_tokens"_a, "seed"_a, "model"_a,
             "cache_salt"_a, "multimodal"_a, "parent"_a, "first_block"_a, "Request keys of llm-d.");
  module.def("hash_kthena_blocks", &hash_kthena_blocks, "tokens"_a, py::kw_only(), "block_tokens"_a,
             "Hashes of Kthena's kvcache-aware plugin.");
  module.def("hash_kthena_bytes", &hash_kthena_bytes, "prompt"_a, py::kw_only(), "block_bytes"_a, "model"_a,
             "Hashes of Kthena's prefix-cache plugin.");
}

}  // namespace kthena::python
