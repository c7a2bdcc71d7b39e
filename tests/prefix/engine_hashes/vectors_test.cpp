// The vectors of tests/vectors/engine_hashes, and what they cannot say: one block at a time, outputs left out, rooms
// of a wrong size.
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "kthena/base/hash.hpp"
#include "kthena/prefix.hpp"
#include "support/hash_vectors.hpp"

using namespace kthena;
using namespace kthena::prefix;
using namespace kthena::test;

namespace {

using Tokens = std::vector<std::uint32_t>;
using Hashes = std::vector<std::uint64_t>;

/// The arguments of a case with its items.
struct Given : HashArguments {
  explicit Given(const Json& row) : HashArguments(row) {
    for (std::size_t i = 0; i < identifiers.size(); ++i) items.push_back({identifiers[i], offsets[i], lengths[i]});
  }
  std::vector<MultimodalItem> items;
};

VllmHashOptions vllm_options(const Given& given) {
  return {.block_tokens = given.size("block_tokens"),
          .algorithm = given.is("algorithm", "xxhash_cbor") ? VllmHash::kXxhashCbor : VllmHash::kSha256Cbor,
          .key_form = given.is("key_form", "plain") ? VllmKeyForm::kPlain : VllmKeyForm::kTagged,
          .seed = given.text("seed"),
          .lora_name = given.text("lora_name"),
          .lora_path = given.text("lora_path"),
          .cache_salt = given.text("cache_salt"),
          .multimodal = given.items,
          .prompt_embeds = given.embeds,
          .parent = given.parent,
          .first_block = given.first_block()};
}

SglangHashOptions sglang_options(const Given& given) {
  return {.page_tokens = given.size("page_tokens"),
          .kind = given.is("kind", "storage") ? SglangHash::kStorage : SglangHash::kEvents,
          .extra_key = given.text("extra_key"),
          .cache_salt = given.text("cache_salt"),
          .parent = given.parent};
}

Xxh3ChainOptions xxh3_options(const Given& given) {
  return {.block_tokens = given.size("block_tokens"),
          .seed = given.options.value("seed", std::uint64_t{1337}),
          .lora_name = given.text("lora_name"),
          .cache_namespace = given.text("cache_namespace"),
          .parent = given.parent_hash};
}

LlmdHashOptions llmd_options(const Given& given) {
  return {.block_tokens = given.size("block_tokens"),
          .seed = given.text("seed"),
          .model = given.text("model"),
          .cache_salt = given.text("cache_salt"),
          .multimodal = given.items,
          .parent = given.parent_hash,
          .first_block = given.first_block()};
}

std::size_t width_of(const VllmHashOptions& options) { return options.algorithm == VllmHash::kSha256Cbor ? 32 : 16; }

/// The whole answer as `expect` has it, or the fault.
Status answer(const Json& row, Json& got) {
  const Given given(row);
  const std::string formula = row.at("formula");
  Status status;
  if (formula == "vllm") {
    const VllmHashOptions options = vllm_options(given);
    Bytes digests(given.blocks(options.block_tokens) * width_of(options));
    Hashes hashes(given.blocks(options.block_tokens));
    status = vllm_hash_blocks(given.tokens, options, digests, hashes);
    got = {{"digests", hex(digests, width_of(options))}, {"hashes", hashes}};
  } else if (formula == "sglang") {
    const SglangHashOptions options = sglang_options(given);
    Bytes digests(given.blocks(options.page_tokens) * 32);
    Hashes hashes(given.blocks(options.page_tokens));
    status = sglang_hash_pages(given.tokens, options, digests, hashes);
    got = {{"digests", hex(digests, 32)}, {"hashes", hashes}};
  } else if (formula == "xxh3_chain") {
    const Xxh3ChainOptions options = xxh3_options(given);
    Hashes local(given.blocks(options.block_tokens)), chained(local);
    status = xxh3_hash_blocks(given.tokens, options, local, chained);
    got = {{"local", local}, {"chained", chained}};
  } else if (formula == "llm_d") {
    const LlmdHashOptions options = llmd_options(given);
    Hashes hashes(given.blocks(options.block_tokens));
    status = llmd_hash_blocks(given.tokens, options, hashes);
    got = {{"hashes", hashes}};
  } else if (formula == "kthena_blocks") {
    got = {{"hashes", compat::hash_prompt_unchained(given.tokens, given.options["block_tokens"], UINT32_MAX)}};
  } else {
    got = {{"hashes",
            compat::hash_prompt_bytes(given.text("model"), given.prompt, given.options["block_bytes"], UINT32_MAX)}};
  }
  return status;
}

}  // namespace

TEST_CASE("block hashes of other systems", "[engine-hashes][vectors]") {
  const std::vector<Json> rows = hash_cases("expect");
  REQUIRE(rows.size() >= 130);
  std::map<std::string, int> of_formula;
  for (const Json& row : rows) {
    INFO(row["formula"] << ": " << row["name"]);
    Json got;
    REQUIRE(answer(row, got).ok());
    CHECK(got == row["expect"]);
    ++of_formula[row["formula"]];
  }
  CHECK(of_formula.size() == 6);
}

TEST_CASE("arguments at fault of block hashes", "[engine-hashes][vectors]") {
  int refused = 0;
  for (const Json& row : hash_cases("faults")) {
    if (row["formula"] == "kthena_blocks") continue;  // has no errors in C++; the C interface has
    INFO(row["formula"] << ": " << row["name"]);
    Json got;
    const Status status = answer(row, got);
    CHECK(status.code() == StatusCode::kInvalidArgument);
    INFO(status.message());
    CHECK(says(status.message(), row["faults"]));
    ++refused;
  }
  CHECK(refused >= 24);
}

TEST_CASE("a prompt hashed block by block and in two halves gives the same", "[engine-hashes]") {
  std::map<std::string, int> of_formula;
  for (const Json& row : hash_cases("expect")) {
    if (!row.contains("tokens") || row["tokens"].size() < 32) continue;
    INFO(row["formula"] << ": " << row["name"]);
    Given given(row);
    const Json& expect = row["expect"];
    const std::uint32_t size = given.options.value(row["formula"] == "sglang" ? "page_tokens" : "block_tokens", 0u);
    const std::size_t blocks = given.blocks(size);
    const std::size_t head = blocks / 2;
    const std::span<const std::uint32_t> rest = std::span(given.tokens).subspan(head * size);
    if (head == 0 || given.options.contains("parent")) continue;
    ++of_formula[row["formula"]];
    if (row["formula"] == "vllm") {
      VllmHashOptions options = vllm_options(given);
      const Bytes parent = unhex(expect["digests"][head - 1]);
      options.parent = parent;
      options.first_block = head;
      if (!options.prompt_embeds.empty()) options.prompt_embeds = options.prompt_embeds.subspan(head * 32);
      Bytes digests((blocks - head) * width_of(options));
      REQUIRE(vllm_hash_blocks(rest, options, digests, {}).ok());
      CHECK(hex(digests, width_of(options)).back() == expect["digests"].back());
      const bool plain_text = options.lora_name.empty() && options.cache_salt.empty() && options.multimodal.empty() &&
                              options.prompt_embeds.empty();
      if (!plain_text) continue;
      Digest at = vllm_none_hash(options.algorithm, options.seed.empty() ? kVllmSeedWhenUnset : options.seed);
      for (std::size_t i = 0; i < blocks; ++i) {
        at = vllm_hash_block(options.algorithm, at.view(), std::span(given.tokens).subspan(i * size, size));
        REQUIRE(hex(at.view(), 32).front() == expect["digests"][i]);
        REQUIRE(vllm_event_hash(at.view()) == expect["hashes"][i]);
      }
    } else if (row["formula"] == "sglang") {
      const SglangHashOptions options = sglang_options(given);
      Digest at = sglang_seed(options.kind, options.extra_key, options.cache_salt);
      for (std::size_t i = 0; i < blocks; ++i) {
        at = sglang_hash_page(at.view(), std::span(given.tokens).subspan(i * size, size));
        REQUIRE(hex(at.view(), 32).front() == expect["digests"][i]);
        REQUIRE(sglang_event_hash(at.view()) == expect["hashes"][i]);
      }
    } else if (row["formula"] == "xxh3_chain") {
      const Xxh3ChainOptions options = xxh3_options(given);
      for (std::size_t i = 1; i < blocks; ++i)
        REQUIRE(xxh3_chain_step(expect["chained"][i - 1], expect["local"][i], options.seed) == expect["chained"][i]);
    } else if (row["formula"] == "llm_d") {
      LlmdHashOptions options = llmd_options(given);
      options.parent = expect["hashes"][head - 1].get<std::uint64_t>();
      options.first_block = head;
      Hashes hashes(blocks - head);
      REQUIRE(llmd_hash_blocks(rest, options, hashes).ok());
      CHECK(hashes.back() == expect["hashes"].back());
      if (!options.cache_salt.empty() || !options.multimodal.empty()) continue;
      std::uint64_t at = llmd_root(options.seed, options.model);
      for (std::size_t i = 0; i < blocks; ++i) {
        at = llmd_hash_block(at, std::span(given.tokens).subspan(i * size, size));
        REQUIRE(at == expect["hashes"][i]);
      }
    }
  }
  CHECK(of_formula["vllm"] >= 30);
  CHECK(of_formula["sglang"] >= 10);
  CHECK(of_formula["xxh3_chain"] >= 6);
  CHECK(of_formula["llm_d"] >= 6);
}

TEST_CASE("outputs are left out, or fit exactly", "[engine-hashes]") {
  const Tokens tokens(50, 7);
  const VllmHashOptions vllm{.seed = "0"};
  Bytes digests(96);
  Hashes hashes(3), more(3);
  CHECK(vllm_hash_blocks(tokens, vllm, {}, {}).ok());
  CHECK(vllm_hash_blocks(tokens, vllm, digests, {}).ok());
  CHECK(vllm_hash_blocks(tokens, vllm, {}, hashes).ok());
  CHECK(vllm_event_hash(std::span(digests).last(32)) == hashes[2]);
  CHECK(sglang_hash_pages(tokens, {}, digests, {}).ok());
  CHECK(sglang_hash_pages(tokens, {}, {}, hashes).ok());
  CHECK(sglang_event_hash(std::span(digests).last(32)) == hashes[2]);
  CHECK(xxh3_hash_blocks(tokens, {}, hashes, {}).ok());
  CHECK(xxh3_hash_blocks(tokens, {}, {}, more).ok());
  CHECK(hashes[0] == more[0]);
  CHECK(hashes[0] == hash_block(std::span(tokens).first(16), 1337));

  const Hashes before = hashes;
  Bytes few(95);
  Hashes four(4);
  for (const Status& status : {vllm_hash_blocks(tokens, vllm, few, four), sglang_hash_pages(tokens, {}, few, four)}) {
    CHECK(status.message() == "digests: room for 95 where 96 are made; hashes: room for 4 where 3 are made");
  }
  CHECK(xxh3_hash_blocks(tokens, {}, four, four).message() ==
        "local: room for 4 where 3 are made; chained: room for 4 where 3 are made");
  CHECK(llmd_hash_blocks(tokens, {}, four).message() == "hashes: room for 4 where 3 are made");
  CHECK(vllm_hash_blocks(tokens, vllm, few, hashes).code() == StatusCode::kInvalidArgument);
  CHECK(hashes == before);
}

TEST_CASE("hashes that other systems publish", "[engine-hashes]") {
  // ai-dynamo/dynamo lib/kv-router/src/protocols.rs, test_router_event_new
  CHECK(xxh3_64(std::as_bytes(std::span("test data", 9)), 1337) == 13226331709069118873ull);
  // xxHash's own sanity check: XXH3_128bits of nothing
  CHECK(hex(xxh3_128({}), 16).front() == "99aa06d3014798d86001c324468d497f");
  // draft-eastlake-fnv: the empty text, "a", "foobar"
  CHECK(fnv1a_64("") == 0xcbf29ce484222325);
  CHECK(fnv1a_64("a") == 0xaf63dc4c8601ec8c);
  CHECK(fnv1a_64("foobar") == 0x85944171f73967e8);
  // mooncake-conductor/tests/fixtures/hash_golden_vectors.json, seed_root_vectors
  CHECK(hex(vllm_none_hash(VllmHash::kSha256Cbor, "0").view(), 32).front() ==
        "4e1195df020de59e0d65a33a4279f1183e7ae4e5d980e309f8b55adff2e61c3e");
  CHECK(hex(vllm_none_hash(VllmHash::kSha256Cbor, "00").view(), 32).front() ==
        "8d912e4e62b3cc377b1d1c7a14ef61dffbdaa0990237035c05401c29414c4172");
}
