// bench/engine_hashes_bench.cpp
//
// Block hashes of other systems. An iteration is one prompt of 4,096 tokens in blocks of 16, with all outputs;
// items_per_second counts blocks. The ids are drawn from a vocabulary of 151,936: 3 or 5 bytes of CBOR each.
//
// Baseline: the same hash in one shot over the raw ids of each block, without chain, CBOR and keys. What is on top of it
// is the formula.
#include <benchmark/benchmark.h>

#include <span>
#include <vector>

#include "kthena/base.hpp"
#include "kthena/prefix.hpp"

namespace {

using namespace kthena;
using namespace kthena::prefix;

constexpr std::size_t kTokens = 4096;
constexpr std::size_t kBlock = 16;
constexpr std::size_t kBlocks = kTokens / kBlock;

std::vector<std::uint32_t> prompt() {
  std::vector<std::uint32_t> tokens(kTokens);
  RandomStream random(6, 0);
  for (std::uint32_t& token : tokens) token = static_cast<std::uint32_t>(random.next_below(151'936));
  return tokens;
}

struct Output {
  std::vector<std::uint8_t> digests = std::vector<std::uint8_t>(kBlocks * 32);
  std::vector<std::uint64_t> hashes = std::vector<std::uint64_t>(kBlocks);
  std::vector<std::uint64_t> more = std::vector<std::uint64_t>(kBlocks);
};

/// `hash(tokens, output)` per iteration.
template <class Hash>
void run(benchmark::State& state, Hash&& hash) {
  const std::vector<std::uint32_t> tokens = prompt();
  Output output;
  for ([[maybe_unused]] auto _ : state) {
    if (!hash(std::span<const std::uint32_t>(tokens), output)) {
      state.SkipWithError("refused");
      break;
    }
    benchmark::DoNotOptimize(output.hashes.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBlocks));
}

/// `hash(block)` over every block by itself.
template <class Hash>
void baseline(benchmark::State& state, Hash&& hash) {
  run(state, [&](std::span<const std::uint32_t> tokens, Output& output) {
    for (std::size_t i = 0; i < kBlocks; ++i)
      output.hashes[i] = hash(std::as_bytes(tokens.subspan(i * kBlock, kBlock)));
    return true;
  });
}

void vllm(benchmark::State& state, VllmHashOptions options) {
  options.seed = "0";
  const std::size_t width = options.algorithm == VllmHash::kSha256Cbor ? 32 : 16;
  run(state, [&](std::span<const std::uint32_t> tokens, Output& output) {
    return vllm_hash_blocks(tokens, options, std::span(output.digests).first(kBlocks * width), output.hashes).ok();
  });
}

}  // namespace

static void BM_Hash_BaselineSha256(benchmark::State& state) {
  baseline(state, [](std::span<const std::byte> block) { return std::uint64_t{sha256(block)[0]}; });
}
BENCHMARK(BM_Hash_BaselineSha256);

static void BM_Hash_BaselineXxh3_64(benchmark::State& state) {
  baseline(state, [](std::span<const std::byte> block) { return xxh3_64(block, 1337); });
}
BENCHMARK(BM_Hash_BaselineXxh3_64);

static void BM_Hash_BaselineXxh3_128(benchmark::State& state) {
  baseline(state, [](std::span<const std::byte> block) { return std::uint64_t{xxh3_128(block)[0]}; });
}
BENCHMARK(BM_Hash_BaselineXxh3_128);

static void BM_Hash_BaselineFnv1a(benchmark::State& state) {
  baseline(state, [](std::span<const std::byte> block) {
    return fnv1a_64({reinterpret_cast<const char*>(block.data()), block.size()});
  });
}
BENCHMARK(BM_Hash_BaselineFnv1a);

static void BM_Hash_VllmSha256Cbor(benchmark::State& state) { vllm(state, {}); }
BENCHMARK(BM_Hash_VllmSha256Cbor);

static void BM_Hash_VllmSha256CborLora(benchmark::State& state) {
  vllm(state, {.lora_name = "sql", .lora_path = "/adapters/sql", .cache_salt = "tenant-a"});
}
BENCHMARK(BM_Hash_VllmSha256CborLora);

static void BM_Hash_VllmXxhashCbor(benchmark::State& state) { vllm(state, {.algorithm = VllmHash::kXxhashCbor}); }
BENCHMARK(BM_Hash_VllmXxhashCbor);

static void BM_Hash_Sglang(benchmark::State& state) {
  run(state, [](std::span<const std::uint32_t> tokens, Output& output) {
    return sglang_hash_pages(tokens, {}, output.digests, output.hashes).ok();
  });
}
BENCHMARK(BM_Hash_Sglang);

static void BM_Hash_Xxh3Chain(benchmark::State& state) {
  run(state, [](std::span<const std::uint32_t> tokens, Output& output) {
    return xxh3_hash_blocks(tokens, {}, output.hashes, output.more).ok();
  });
}
BENCHMARK(BM_Hash_Xxh3Chain);

static void BM_Hash_LlmD(benchmark::State& state) {
  run(state, [](std::span<const std::uint32_t> tokens, Output& output) {
    return llmd_hash_blocks(tokens, {.model = "llama"}, output.hashes).ok();
  });
}
BENCHMARK(BM_Hash_LlmD);

static void BM_Hash_KthenaBlocks(benchmark::State& state) {
  run(state, [](std::span<const std::uint32_t> tokens, Output& output) {
    for (std::size_t i = 0; i < kBlocks; ++i)
      output.hashes[i] = compat::hash_block_unchained(tokens.subspan(i * kBlock, kBlock));
    return true;
  });
}
BENCHMARK(BM_Hash_KthenaBlocks);
