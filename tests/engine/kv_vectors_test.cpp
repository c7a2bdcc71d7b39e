// Golden batches of tests/vectors/engine/kv_batches.json, which tools/gen_engine_vectors.py makes, and what becomes of them when they
// are cut or altered.
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"
#include "engine/recorder.hpp"
#include "kthena/engine.hpp"
#include "kthena/prefix.hpp"

using namespace kthena;
using namespace kthena::engine;
using nlohmann::json;

namespace {

using Bytes = std::vector<std::byte>;

Bytes from_hex(const std::string& hex) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

const json& cases() {
  static const json document = [] {
    std::ifstream stream(std::string(KTHENA_SOURCE_DIR) + "/tests/vectors/engine/kv_batches.json");
    REQUIRE(stream);
    return json::parse(stream);
  }();
  return document["cases"];
}

KvReader reader_for(const json& test) {
  const EngineProfile* profile = find_profile(test["profile"].get<std::string>());
  REQUIRE(profile != nullptr);
  return KvReader::create(*profile).value();
}

KvTier tier_named(const std::string& name) {
  if (name == "host") return KvTier::kHost;
  if (name == "disk") return KvTier::kDisk;
  if (name == "external") return KvTier::kExternal;
  REQUIRE(name == "device");
  return KvTier::kDevice;
}

template <class T>
std::vector<T> list(std::span<const T> span) {
  return {span.begin(), span.end()};
}

void check_event(const WireEvent& event, const json& want) {
  const std::string kind = want["kind"];
  REQUIRE(event.kind == (kind == "stored"    ? WireEvent::Kind::kStored
                         : kind == "removed" ? WireEvent::Kind::kRemoved
                                             : WireEvent::Kind::kCleared));
  CHECK(event.tier == tier_named(want.value("tier", "device")));
  CHECK(event.group == want.value("group", 0u));
  CHECK(event.full_attention == want.value("full", true));
  CHECK(event.lora_name == want.value("lora_name", ""));
  CHECK(event.salt == want.value("salt", ""));
  CHECK(event.lora_id.has_value() == want.contains("lora_id"));
  if (event.lora_id) CHECK(*event.lora_id == want.value("lora_id", std::int64_t{-1}));
  if (kind == "cleared") return;
  CHECK(list(event.hashes) == want["hashes"].get<std::vector<std::uint64_t>>());
  if (kind == "removed") return;
  CHECK(list(event.tokens) == want["tokens"].get<std::vector<std::uint32_t>>());
  CHECK(event.block_tokens == want["block_tokens"]);
  CHECK(event.parent.has_value() == !want["parent"].is_null());
  if (event.parent) CHECK(*event.parent == want["parent"]);
  std::vector<bool> extras;
  for (const std::uint64_t extra : event.extras) extras.push_back(extra != 0);
  CHECK(extras == want.value("extras", std::vector<bool>{}));
}

}  // namespace

TEST_CASE("golden batches", "[engine][vectors]") {
  std::size_t seen = 0;
  for (const json& test : cases()) {
    INFO(test["name"].get<std::string>());
    ++seen;
    const Bytes bytes = from_hex(test["hex"]);
    KvReader reader = reader_for(test);
    const Result<WireBatch> batch = reader.decode(bytes);
    if (test.contains("error")) {
      REQUIRE_FALSE(batch.ok());
      CHECK(batch.status().code() == StatusCode::kInvalidArgument);
      CHECK(batch.status().message().starts_with("byte "));
      CHECK(batch.status().message().find(test["error"].get<std::string>()) != std::string::npos);
      continue;
    }
    INFO(batch.status().message());
    REQUIRE(batch.ok());
    REQUIRE(batch->events.size() == test["events"].size());
    for (std::size_t i = 0; i < batch->events.size(); ++i) check_event(batch->events[i], test["events"][i]);
    if (test.contains("timestamp")) CHECK(batch->timestamp_s == test["timestamp"].get<double>());
    CHECK(batch->rank.has_value() == test.contains("rank"));
    if (batch->rank) CHECK(*batch->rank == test["rank"]);
    CHECK(batch->unknown_events == test.value("unknown_events", 0u));
    CHECK(batch->unknown_fields == test.value("unknown_fields", 0u));
    CHECK(batch->unknown_media == test.value("unknown_media", 0u));
  }
  CHECK(seen >= 140);
}

TEST_CASE("a batch cut anywhere is refused whole", "[engine][property]") {
  for (const json& test : cases()) {
    if (test.contains("error")) continue;
    INFO(test["name"].get<std::string>());
    const Bytes bytes = from_hex(test["hex"]);
    KvReader reader = reader_for(test);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      INFO("cut at " << size);
      // Its own allocation of exactly that size: a read beyond it is seen by the sanitizers.
      const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      test::Recorder sink;
      const Result<KvCounts> counts = reader.read(cut, sink);
      REQUIRE_FALSE(counts.ok());
      REQUIRE(sink.events.empty());
    }
  }
}

TEST_CASE("an altered batch is read or refused, and an index hears nothing of a refused one", "[engine][property]") {
  std::mt19937_64 random(4);
  std::size_t refused = 0;
  for (const json& test : cases()) {
    INFO(test["name"].get<std::string>());
    const Bytes bytes = from_hex(test["hex"]);
    if (bytes.empty()) continue;
    auto index = prefix::PrefixIndex::create({.block_tokens = 2}).value();
    KvReadOptions options;
    options.worker = index.add_worker("w").value();
    options.block_tokens = 2;
    KvReader reader = KvReader::create(*find_profile(test["profile"].get<std::string>()), options).value();
    for (int round = 0; round < 300; ++round) {
      Bytes altered = bytes;
      for (std::uint64_t changes = 1 + random() % 4; changes > 0; --changes) {
        altered[random() % altered.size()] = static_cast<std::byte>(random());
      }
      const prefix::PrefixIndexStats before = index.stats();
      const std::size_t tracked = reader.tracked_blocks();
      const Result<KvCounts> counts = reader.read(altered, index);
      if (counts.ok()) continue;
      ++refused;
      const prefix::PrefixIndexStats after = index.stats();
      REQUIRE(after.memberships == before.memberships);
      REQUIRE(after.unique_blocks == before.unique_blocks);
      REQUIRE(after.orphan_blocks == before.orphan_blocks);
      REQUIRE(after.unknown_removes == before.unknown_removes);
      REQUIRE(reader.tracked_blocks() == tracked);
    }
  }
  CHECK(refused > 5000);
}
