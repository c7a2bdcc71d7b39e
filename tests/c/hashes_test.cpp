// tests/c/hashes_test.cpp
#include <string>
#include <vector>

#include "fixture.hpp"
#include "support/hash_vectors.hpp"

using namespace kthena::test;

namespace {

using Hashes = std::vector<std::uint64_t>;

/// Of an options struct with the members that start with multimodal_.
template <class Options>
void give_items(Options& options, const HashArguments& given) {
  options.multimodal_ids = given.identifier_bytes.data();
  options.multimodal_id_offsets = given.identifier_offsets.data();
  options.multimodal_offsets = given.offsets.data();
  options.multimodal_lengths = given.lengths.data();
  options.multimodal_count = given.identifiers.size();
}

/// The answer as `expect` has it, or the status.
kthena_status answer(const Json& row, Json& got, kthena_error* error) {
  const HashArguments given(row);
  const std::string formula = row.at("formula");
  const std::uint32_t* const tokens = given.tokens.data();
  const std::size_t n = given.tokens.size();
  kthena_status status = KTHENA_OK;
  if (formula == "vllm") {
    kthena_vllm_hash_options options = KTHENA_INIT(kthena_vllm_hash_options);
    options.algorithm = given.is("algorithm", "xxhash_cbor") ? KTHENA_VLLM_XXHASH_CBOR : KTHENA_VLLM_SHA256_CBOR;
    options.key_form = given.is("key_form", "plain") ? KTHENA_VLLM_KEYS_PLAIN : KTHENA_VLLM_KEYS_TAGGED;
    options.seed = str(given.text("seed"));
    options.lora_name = str(given.text("lora_name"));
    options.lora_path = str(given.text("lora_path"));
    options.cache_salt = str(given.text("cache_salt"));
    give_items(options, given);
    options.prompt_embeds = given.embeds.data();
    options.prompt_embeds_size = given.embeds.size();
    options.parent = given.parent.data();
    options.parent_size = given.parent.size();
    options.first_block = given.first_block();
    const std::size_t width = options.algorithm == KTHENA_VLLM_SHA256_CBOR ? 32 : 16;
    Bytes digests(given.blocks(given.size("block_tokens")) * width);
    Hashes hashes(given.blocks(given.size("block_tokens")));
    status = kthena_hash_vllm(tokens, n, given.size("block_tokens"), &options, digests.data(), hashes.data(), error);
    got = {{"digests", hex(digests, width)}, {"hashes", hashes}};
  } else if (formula == "sglang") {
    kthena_sglang_hash_options options = KTHENA_INIT(kthena_sglang_hash_options);
    options.kind = given.is("kind", "storage") ? KTHENA_SGLANG_STORAGE : KTHENA_SGLANG_EVENTS;
    options.extra_key = str(given.text("extra_key"));
    options.cache_salt = str(given.text("cache_salt"));
    options.parent = given.parent.data();
    options.parent_size = given.parent.size();
    Bytes digests(given.blocks(given.size("page_tokens")) * 32);
    Hashes hashes(given.blocks(given.size("page_tokens")));
    status = kthena_hash_sglang(tokens, n, given.size("page_tokens"), &options, digests.data(), hashes.data(), error);
    got = {{"digests", hex(digests, 32)}, {"hashes", hashes}};
  } else if (formula == "xxh3_chain") {
    kthena_xxh3_hash_options options = KTHENA_INIT(kthena_xxh3_hash_options);
    options.has_seed = given.options.contains("seed") ? 1 : 0;
    options.seed = given.options.value("seed", std::uint64_t{0});
    options.lora_name = str(given.text("lora_name"));
    options.cache_namespace = str(given.text("cache_namespace"));
    options.parent = given.parent_hash ? &*given.parent_hash : nullptr;
    Hashes local(given.blocks(given.size("block_tokens"))), chained(local);
    status =
        kthena_hash_xxh3_chain(tokens, n, given.size("block_tokens"), &options, local.data(), chained.data(), error);
    got = {{"local", local}, {"chained", chained}};
  } else if (formula == "llm_d") {
    kthena_llmd_hash_options options = KTHENA_INIT(kthena_llmd_hash_options);
    options.seed = str(given.text("seed"));
    options.model = str(given.text("model"));
    options.cache_salt = str(given.text("cache_salt"));
    give_items(options, given);
    options.parent = given.parent_hash ? &*given.parent_hash : nullptr;
    options.first_block = given.first_block();
    Hashes hashes(given.blocks(given.size("block_tokens")));
    status = kthena_hash_llm_d(tokens, n, given.size("block_tokens"), &options, hashes.data(), error);
    got = {{"hashes", hashes}};
  } else if (formula == "kthena_blocks") {
    const std::uint32_t size = given.size("block_tokens");
    Hashes hashes(size == 0 ? 0 : (n + size - 1) / size);
    status = kthena_hash_kthena_blocks(tokens, n, size, hashes.data(), error);
    got = {{"hashes", hashes}};
  } else {
    const std::uint32_t size = given.size("block_bytes");
    Hashes hashes((given.prompt.size() + size - 1) / size);
    status = kthena_hash_kthena_bytes(str(given.text("model")), str(given.prompt), size, hashes.data(), error);
    got = {{"hashes", hashes}};
  }
  return status;
}

const std::uint32_t kTokens[32] = {1, 2, 3};

}  // namespace

TEST_CASE("block hashes of other systems in C", "[hashes][vectors]") {
  const std::vector<Json> rows = hash_cases("expect");
  REQUIRE(rows.size() >= 130);
  for (const Json& row : rows) {
    INFO(row["formula"] << ": " << row["name"]);
    Json got;
    Error error;
    REQUIRE(answer(row, got, &error) == KTHENA_OK);
    CHECK(got == row["expect"]);
  }
}

TEST_CASE("arguments at fault of block hashes in C", "[hashes][vectors]") {
  const std::vector<Json> rows = hash_cases("faults");
  REQUIRE(rows.size() >= 25);
  for (const Json& row : rows) {
    INFO(row["formula"] << ": " << row["name"]);
    Json got;
    Error error;
    CHECK(answer(row, got, &error) == KTHENA_INVALID_ARGUMENT);
    INFO(error.text());
    CHECK(says(error.text(), row["faults"]));
  }
}

TEST_CASE("block hashes without options, without outputs", "[hashes]") {
  std::uint64_t plain[2] = {}, given[2] = {};
  kthena_vllm_hash_options vllm = KTHENA_INIT(kthena_vllm_hash_options);
  CHECK(kthena_hash_vllm(kTokens, 32, 16, nullptr, nullptr, plain, nullptr) == KTHENA_OK);
  vllm.seed = KTHENA_STR("vllm-none-hash");
  CHECK(kthena_hash_vllm(kTokens, 32, 16, &vllm, nullptr, given, nullptr) == KTHENA_OK);
  CHECK((plain[0] == given[0] && plain[1] == given[1] && plain[0] != plain[1]));

  kthena_xxh3_hash_options xxh3 = KTHENA_INIT(kthena_xxh3_hash_options);
  CHECK(kthena_hash_xxh3_chain(kTokens, 32, 16, nullptr, nullptr, plain, nullptr) == KTHENA_OK);
  xxh3.seed = 7;  // without has_seed it is not read
  CHECK(kthena_hash_xxh3_chain(kTokens, 32, 16, &xxh3, nullptr, given, nullptr) == KTHENA_OK);
  CHECK(plain[1] == given[1]);
  xxh3.has_seed = 1;
  CHECK(kthena_hash_xxh3_chain(kTokens, 32, 16, &xxh3, nullptr, given, nullptr) == KTHENA_OK);
  CHECK(plain[1] != given[1]);

  CHECK(kthena_hash_sglang(kTokens, 32, 16, nullptr, nullptr, nullptr, nullptr) == KTHENA_OK);
  CHECK(kthena_hash_llm_d(kTokens, 32, 16, nullptr, plain, nullptr) == KTHENA_OK);
  CHECK(kthena_hash_llm_d(nullptr, 0, 16, nullptr, nullptr, nullptr) == KTHENA_OK);
  CHECK(kthena_hash_kthena_blocks(kTokens, 32, 16, nullptr, nullptr) == KTHENA_OK);
  CHECK(kthena_hash_kthena_bytes(KTHENA_STR("m"), KTHENA_STR("text"), 4, nullptr, nullptr) == KTHENA_OK);
}

TEST_CASE("what the C interface refuses by itself", "[hashes]") {
  Error error;
  std::uint64_t hashes[2] = {5, 5};
  const auto refused = [&](kthena_status status, const char* start) {
    INFO(error.text());
    CHECK(status == KTHENA_INVALID_ARGUMENT);
    CHECK(error.text().rfind(start, 0) == 0);
  };
  refused(kthena_hash_vllm(nullptr, 1, 16, nullptr, nullptr, hashes, &error), "tokens");
  refused(kthena_hash_sglang(nullptr, 1, 16, nullptr, nullptr, hashes, &error), "tokens");
  refused(kthena_hash_xxh3_chain(nullptr, 1, 16, nullptr, hashes, nullptr, &error), "tokens");
  refused(kthena_hash_llm_d(nullptr, 1, 16, nullptr, hashes, &error), "tokens");
  refused(kthena_hash_kthena_blocks(nullptr, 1, 16, hashes, &error), "tokens");
  refused(kthena_hash_kthena_bytes({nullptr, 1}, KTHENA_STR("p"), 16, hashes, &error), "model");
  refused(kthena_hash_kthena_bytes(KTHENA_STR("m"), {nullptr, 1}, 16, hashes, &error), "prompt");
  refused(kthena_hash_kthena_bytes(KTHENA_STR("m"), KTHENA_STR("p"), 0, hashes, &error), "block_bytes");

  const auto vllm = [&](auto change, const char* start) {
    kthena_vllm_hash_options options = KTHENA_INIT(kthena_vllm_hash_options);
    change(options);
    refused(kthena_hash_vllm(kTokens, 32, 16, &options, nullptr, hashes, &error), start);
  };
  const std::uint64_t falling[] = {0, 4, 1};
  const std::uint32_t numbers[] = {1, 2};
  vllm([](auto& o) { o.struct_size = 3; }, "options");
  vllm([](auto& o) { o.algorithm = 2; }, "options.algorithm");
  vllm([](auto& o) { o.key_form = -1; }, "options.key_form");
  vllm([](auto& o) { o.reserved = 1; }, "options.reserved");
  vllm([](auto& o) { o.seed = {nullptr, 1}; }, "options.seed");
  vllm([](auto& o) { o.lora_name = {nullptr, 1}; }, "options.lora_name");
  vllm([](auto& o) { o.lora_path = {nullptr, 1}; }, "options.lora_path");
  vllm([](auto& o) { o.cache_salt = {nullptr, 1}; }, "options.cache_salt");
  vllm([](auto& o) { o.multimodal_count = 1; }, "options.multimodal_id_offsets");
  vllm(
      [&](auto& o) {
        o.multimodal_count = 2;
        o.multimodal_id_offsets = falling;
      },
      "options.multimodal_id_offsets[2]");
  vllm(
      [&](auto& o) {
        o.multimodal_count = 1;
        o.multimodal_id_offsets = falling;
      },
      "options.multimodal_ids");
  vllm(
      [&](auto& o) {
        o.multimodal_count = 1;
        o.multimodal_id_offsets = falling;
        o.multimodal_ids = "abcd";
      },
      "options.multimodal_offsets");
  vllm(
      [&](auto& o) {
        o.multimodal_count = 1;
        o.multimodal_id_offsets = falling;
        o.multimodal_ids = "abcd";
        o.multimodal_offsets = numbers;
      },
      "options.multimodal_lengths");
  vllm([](auto& o) { o.prompt_embeds_size = 64; }, "options.prompt_embeds");
  vllm([](auto& o) { o.parent_size = 32; }, "options.parent");

  kthena_sglang_hash_options sglang = KTHENA_INIT(kthena_sglang_hash_options);
  sglang.kind = 2;
  refused(kthena_hash_sglang(kTokens, 32, 16, &sglang, nullptr, hashes, &error), "options.kind");
  kthena_xxh3_hash_options xxh3 = KTHENA_INIT(kthena_xxh3_hash_options);
  xxh3.has_seed = 2;
  refused(kthena_hash_xxh3_chain(kTokens, 32, 16, &xxh3, hashes, nullptr, &error), "options.has_seed");
  kthena_llmd_hash_options llmd = KTHENA_INIT(kthena_llmd_hash_options);
  llmd.reserved = 1;
  refused(kthena_hash_llm_d(kTokens, 32, 16, &llmd, hashes, &error), "options.reserved");
  CHECK((hashes[0] == 5 && hashes[1] == 5));
}
