// BM_Engine_ParseMetrics/vllm: the page of a busy vLLM, 61.7 KB and 613 lines (tests/vectors/engine/vllm_busy.txt). Baseline: lines split
//   into std::string, series in a std::map, numbers by strtod.
// BM_Engine_ParseMetrics/vllm-dp8: the same with eight data-parallel ranks' series.
// BM_Engine_Interval/vllm: what happened between two such pages.
// BM_Engine_Decode/{store,churn}: batches as vLLM 0.32 writes them, from bytes to checked events. Baseline: nlohmann's msgpack reader and a
//   walk over its tree.
// BM_Engine_Read/{store,churn}: the same and content hashes, into a sink that counts.
// BM_Engine_DecodeApply/{store,churn}: the same into a PrefixIndex. Baseline: that tree, hashes, and the same index.
//
// store: 64 prompts of 272 blocks of 16 tokens, ids below 128,256, in 4 events each. churn: a prompt in and another out per batch, its
// blocks removed one event each. An item is a block stored or removed; bytes are those of the payloads.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "kthena/base/random.hpp"
#include "kthena/engine.hpp"
#include "kthena/prefix.hpp"

using namespace kthena;
using namespace kthena::engine;

namespace {

// ---------------------------------------------------------------- metrics

std::string busy_page() {
  std::ifstream stream(std::string(KTHENA_SOURCE_DIR) + "/tests/vectors/engine/vllm_busy.txt", std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::string page_of(const std::string& name) {
  const std::string one = busy_page();
  if (name == "vllm") return one;
  std::istringstream lines(one);
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find("engine=\"0\"");
    for (char rank = '0'; rank < (at == std::string::npos ? '1' : '8'); ++rank) {
      if (at != std::string::npos) line[at + 8] = rank;
      text += line + "\n";
    }
  }
  return text;
}

void BM_Engine_ParseMetrics(benchmark::State& state, const std::string& name) {
  const std::string text = page_of(name);
  MetricsParser parser = MetricsParser::create(*find_profile("vllm")).value();
  EngineSample sample;
  for (auto _ : state) {
    if (!parser.parse(text, 1, sample).ok()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(sample);
  }
  if (sample.engine[EngineSignal::kRunning] < 143) state.SkipWithError("wrong");
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

void BM_Engine_ParseMetricsBaseline(benchmark::State& state, const std::string& name) {
  const std::string text = page_of(name);
  for (auto _ : state) {
    std::map<std::string, std::map<std::string, double>> families;  // name -> labels -> value
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line[0] == '#') continue;
      const std::size_t space = line.rfind(' ');
      const std::string series = line.substr(0, space);
      const std::size_t brace = std::min(series.find('{'), series.size());
      families[series.substr(0, brace)][series.substr(brace)] = std::strtod(line.c_str() + space + 1, nullptr);
    }
    double running = 0;
    for (const auto& [labels, value] : families["vllm:num_requests_running"]) running += value;
    benchmark::DoNotOptimize(running);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

void BM_Engine_Interval(benchmark::State& state, const std::string& name) {
  const EngineSample sample = parse_metrics(*find_profile("vllm"), page_of(name)).value();
  for (auto _ : state) benchmark::DoNotOptimize(interval(sample, sample));
}

BENCHMARK_CAPTURE(BM_Engine_ParseMetrics, vllm, "vllm");
BENCHMARK_CAPTURE(BM_Engine_ParseMetricsBaseline, vllm, "vllm");
BENCHMARK_CAPTURE(BM_Engine_ParseMetrics, vllm_dp8, "vllm-dp8");
BENCHMARK_CAPTURE(BM_Engine_ParseMetricsBaseline, vllm_dp8, "vllm-dp8");
BENCHMARK_CAPTURE(BM_Engine_Interval, vllm, "vllm");

// ---------------------------------------------------------------- KV events

constexpr std::size_t kPrompts = 64;
constexpr std::size_t kBlocks = 272;
constexpr std::uint32_t kBlockTokens = 16;

using Payload = std::vector<std::uint8_t>;

struct Batches {
  std::vector<Payload> payloads;
  std::size_t blocks = 0;
  std::size_t bytes = 0;
};

/// As vLLM 0.32 writes them: the batch an array, its events maps.
Batches batches_of(const std::string& name) {
  using nlohmann::json;
  const bool churn = name == "churn";
  RandomStream random(7, 0);
  const auto hash = [](std::size_t prompt, std::size_t block) { return random_u64(3, prompt, block); };
  std::vector<std::vector<std::uint32_t>> prompts(kPrompts);
  for (auto& prompt : prompts) {
    for (std::size_t i = 0; i < kBlocks * kBlockTokens; ++i)
      prompt.push_back(static_cast<std::uint32_t>(random.next_below(128256)));
  }
  Batches batches;
  for (std::size_t p = 0; p < kPrompts; ++p) {
    json events = json::array();
    if (churn) {
      const std::size_t old = (p + kPrompts / 2) % kPrompts;
      for (std::size_t block = kBlocks; block-- > 0;) {
        events.push_back(
            {{"type", "BlockRemoved"}, {"block_hashes", {hash(old, block)}}, {"medium", "GPU"}, {"group_idx", 0}});
        ++batches.blocks;
      }
    }
    constexpr std::size_t kPart = kBlocks / 4;
    for (std::size_t first = 0; first < kBlocks; first += kPart) {
      json event = {{"type", "BlockStored"},
                    {"block_size", kBlockTokens},
                    {"lora_id", nullptr},
                    {"medium", "GPU"},
                    {"lora_name", nullptr},
                    {"group_idx", 0},
                    {"kv_cache_spec_kind", "full_attention"}};
      event["parent_block_hash"] = first == 0 ? json() : json(hash(p, first - 1));
      for (std::size_t block = first; block < first + kPart; ++block) {
        event["block_hashes"].push_back(hash(p, block));
        event["extra_keys"].push_back(nullptr);
      }
      for (std::size_t i = first * kBlockTokens; i < (first + kPart) * kBlockTokens; ++i)
        event["token_ids"].push_back(prompts[p][i]);
      events.push_back(std::move(event));
      batches.blocks += kPart;
    }
    batches.payloads.push_back(
        json::to_msgpack(json::array({1795448383.5 + static_cast<double>(p), std::move(events), 0})));
    batches.bytes += batches.payloads.back().size();
  }
  return batches;
}

void finish(benchmark::State& state, const Batches& batches) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * batches.blocks));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * batches.bytes));
}

prefix::PrefixIndex make_index(WorkerId& worker) {
  prefix::PrefixIndex index = prefix::PrefixIndex::create({.block_tokens = kBlockTokens}).value();
  worker = index.add_worker("w").value();
  return index;
}

void BM_Engine_Decode(benchmark::State& state, const std::string& name) {
  const Batches batches = batches_of(name);
  KvReader reader = KvReader::create(*find_profile("vllm")).value();
  for (auto _ : state) {
    for (const Payload& payload : batches.payloads) {
      const Result<WireBatch> batch = reader.decode(std::as_bytes(std::span(payload)));
      if (!batch.ok()) state.SkipWithError("refused");
      benchmark::DoNotOptimize(batch->events.data());
    }
  }
  finish(state, batches);
}

void BM_Engine_DecodeBaseline(benchmark::State& state, const std::string& name) {
  const Batches batches = batches_of(name);
  for (auto _ : state) {
    for (const Payload& payload : batches.payloads) {
      std::uint64_t seen = 0;
      const nlohmann::json batch = nlohmann::json::from_msgpack(payload);
      for (const auto& event : batch[1]) {
        for (const auto& hash : event["block_hashes"]) seen += hash.get<std::uint64_t>();
        if (event["type"] == "BlockStored") {
          for (const auto& token : event["token_ids"]) seen += token.get<std::uint32_t>();
        }
      }
      benchmark::DoNotOptimize(seen);
    }
  }
  finish(state, batches);
}

void BM_Engine_Read(benchmark::State& state, const std::string& name) {
  const Batches batches = batches_of(name);
  KvReader reader = KvReader::create(*find_profile("vllm")).value();
  std::uint64_t events = 0;
  auto sink = [&](const KvEvent&) { ++events; };
  for (auto _ : state) {
    for (const Payload& payload : batches.payloads) {
      if (!reader.read(std::as_bytes(std::span(payload)), sink).ok()) state.SkipWithError("refused");
    }
  }
  benchmark::DoNotOptimize(events);
  finish(state, batches);
}

void BM_Engine_DecodeApply(benchmark::State& state, const std::string& name) {
  const Batches batches = batches_of(name);
  const bool churn = name == "churn";
  KvReadOptions options;
  std::optional<prefix::PrefixIndex> index(make_index(options.worker));
  KvReader reader = KvReader::create(*find_profile("vllm"), options).value();
  for (auto _ : state) {
    if (!churn) {  // an empty index each time; a churning one stays half full
      state.PauseTiming();
      index.emplace(make_index(options.worker));
      state.ResumeTiming();
    }
    for (const Payload& payload : batches.payloads) {
      const Result<KvCounts> counts = reader.read(std::as_bytes(std::span(payload)), *index);
      if (!counts.ok() || counts->refused != 0) state.SkipWithError("refused");
    }
  }
  if (index->stats().memberships != (churn ? kPrompts / 2 : kPrompts) * kBlocks) state.SkipWithError("wrong");
  finish(state, batches);
}

void BM_Engine_DecodeApplyBaseline(benchmark::State& state, const std::string& name) {
  const Batches batches = batches_of(name);
  WorkerId worker;
  std::optional<prefix::PrefixIndex> index(make_index(worker));
  const std::uint64_t space = namespace_key({{}, {}, {}, kBlockTokens}, 0);
  for (auto _ : state) {
    if (name != "churn") {
      state.PauseTiming();
      index.emplace(make_index(worker));
      state.ResumeTiming();
    }
    for (const Payload& payload : batches.payloads) {
      const nlohmann::json batch = nlohmann::json::from_msgpack(payload);
      for (const auto& event : batch[1]) {
        const auto hashes = event["block_hashes"].get<std::vector<std::uint64_t>>();
        if (event["type"] == "BlockRemoved") {
          (void)index->apply(BlockRemoved{worker, hashes, KvTier::kDevice});
          continue;
        }
        const auto tokens = event["token_ids"].get<std::vector<std::uint32_t>>();
        std::vector<std::uint64_t> contents;
        for (std::size_t i = 0; i < hashes.size(); ++i) {
          contents.push_back(hash_block(std::span(tokens).subspan(i * kBlockTokens, kBlockTokens), 0));
        }
        std::optional<std::uint64_t> parent;
        if (!event["parent_block_hash"].is_null()) parent = event["parent_block_hash"].get<std::uint64_t>();
        (void)index->apply(BlockStored{worker, space, parent, hashes, contents, KvTier::kDevice});
      }
    }
  }
  finish(state, batches);
}

BENCHMARK_CAPTURE(BM_Engine_Decode, store, "store");
BENCHMARK_CAPTURE(BM_Engine_Decode, churn, "churn");
BENCHMARK_CAPTURE(BM_Engine_DecodeBaseline, store, "store");
BENCHMARK_CAPTURE(BM_Engine_DecodeBaseline, churn, "churn");
BENCHMARK_CAPTURE(BM_Engine_Read, store, "store");
BENCHMARK_CAPTURE(BM_Engine_Read, churn, "churn");
BENCHMARK_CAPTURE(BM_Engine_DecodeApply, store, "store");
BENCHMARK_CAPTURE(BM_Engine_DecodeApply, churn, "churn");
BENCHMARK_CAPTURE(BM_Engine_DecodeApplyBaseline, store, "store");
BENCHMARK_CAPTURE(BM_Engine_DecodeApplyBaseline, churn, "churn");

}  // namespace
