// tests/c/prefix_vectors_test.cpp
//
// tests/vectors/prefix, step by step, through the C interface.
#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "fixture.hpp"
#include "vectors.hpp"

using namespace kthena::test;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::uint32_t kNotInUse = 4711;

struct Run {
  PrefixIndex index;
  std::uint32_t block_tokens = 1;
  bool wide = false;
  std::map<std::string, std::uint32_t> numbers;
  std::set<std::string> in_use;
  Error error;
  Json answer;

  std::uint32_t worker(const Json& step) const {
    const auto it = numbers.find(step["worker"].get<std::string>());
    return it == numbers.end() ? kNotInUse : it->second;
  }
  static std::int32_t tier(const Json& step) {
    static const std::vector<std::string> kNames = {"device", "host", "disk", "external"};
    const auto it = std::find(kNames.begin(), kNames.end(), step.value("tier", "device"));
    return it == kNames.end() ? 9 : static_cast<std::int32_t>(it - kNames.begin());
  }
  static kthena_str member(const Json& step, const char* name) {
    return step.contains(name) ? str(step[name].get_ref<const std::string&>()) : kthena_str{nullptr, 0};
  }
  PrefixQuery query(const Json& step) {
    kthena_prefix_query* made = nullptr;
    REQUIRE(kthena_prefix_query_create(index.get(), member(step, "model"), member(step, "adapter"),
                                       member(step, "tenant"), &made, nullptr) == KTHENA_OK);
    const auto tokens = step["tokens"].get<std::vector<std::uint32_t>>();
    REQUIRE(kthena_prefix_query_extend_tokens(made, tokens.data(), tokens.size(), nullptr) == KTHENA_OK);
    return PrefixQuery(made);
  }
  std::vector<std::uint64_t> mask(const Json& step) const {
    std::vector<std::uint64_t> words;
    if (!step.contains("among")) return words;
    words.resize(kthena_prefix_worker_limit(index.get()) / 64 + 1);
    for (const std::string name : step["among"])
      words[numbers.at(name) / 64] |= std::uint64_t{1} << (numbers.at(name) % 64);
    return words;
  }

  kthena_status store(const Json& step) {
    const auto names = step["names"].get<std::vector<std::uint64_t>>();
    std::vector<std::uint64_t> contents(names.size() + 1);
    std::vector<std::uint64_t> uppers(names.size() + 1);
    const bool has_tokens = step.contains("tokens");
    if (has_tokens) {
      const auto tokens = step["tokens"].get<std::vector<std::uint32_t>>();
      REQUIRE(tokens.size() / block_tokens == names.size());
      kthena_prefix_index_hash_blocks(index.get(), tokens.data(), tokens.size(), contents.data(), uppers.data());
    }
    const std::uint64_t parent = step.value("parent", std::uint64_t{0});
    const std::uint64_t key = kthena_prefix_index_namespace_key(index.get(), member(step, "model"),
                                                                member(step, "adapter"), member(step, "tenant"));
    return kthena_prefix_store(index.get(), worker(step), key, step.contains("parent") ? &parent : nullptr,
                               names.data(), has_tokens ? contents.data() : nullptr,
                               has_tokens && wide ? uppers.data() : nullptr, names.size(), tier(step), &error);
  }
  kthena_status find(const Json& step) {
    const PrefixQuery prompt = query(step);
    const auto words = mask(step);
    const std::uint64_t* mask = words.empty() ? nullptr : words.data();
    const std::size_t n = kthena_prefix_worker_limit(index.get());
    std::vector<std::uint32_t> depths(n, 99);
    REQUIRE(kthena_prefix_find_by_worker(index.get(), prompt.get(), mask, words.size(), depths.data(), n, &error) ==
            KTHENA_OK);
    std::vector<std::uint32_t> row(n, 99);
    const kthena_prefix_query* queries[] = {prompt.get()};
    REQUIRE(kthena_prefix_find_batch(index.get(), queries, 1, mask, words.size(), row.data(), n, &error) == KTHENA_OK);
    CHECK(row == depths);
    answer = Json::object();
    for (const std::string& name : in_use) {
      answer[name] = depths[numbers.at(name)];
      std::uint32_t chosen = 99;
      REQUIRE(kthena_prefix_find(index.get(), prompt.get(), &numbers.at(name), 1, &chosen, &error) == KTHENA_OK);
      if (mask == nullptr) CHECK(chosen == depths[numbers.at(name)]);
    }
    return KTHENA_OK;
  }
  kthena_status find_tiers(const Json& step) {
    const std::size_t n = kthena_prefix_worker_limit(index.get());
    std::vector<std::uint32_t> rows(KTHENA_TIER_COUNT * n, 99);
    REQUIRE(kthena_prefix_find_tiers(index.get(), query(step).get(), nullptr, 0, rows.data(), n, &error) == KTHENA_OK);
    answer = Json::object();
    for (const std::string& name : in_use)
      for (std::size_t t = 0; t < KTHENA_TIER_COUNT; ++t) answer[name].push_back(rows[t * n + numbers.at(name)]);
    return KTHENA_OK;
  }
  kthena_status find_best(const Json& step) {
    const auto words = mask(step);
    std::vector<std::uint32_t> loads(kthena_prefix_worker_limit(index.get()));
    for (const auto& [name, load] : step["loads"].items()) loads[numbers.at(name)] = load;
    kthena_prefix_pick_rule rule = KTHENA_INIT(kthena_prefix_pick_rule);
    rule.has_block_cost = step.contains("block_cost") ? 1 : 0;
    rule.block_cost = step.value("block_cost", 0u);
    rule.tie_seed = step.value("tie_seed", std::uint64_t{0});
    kthena_prefix_pick pick = KTHENA_INIT(kthena_prefix_pick);
    REQUIRE(kthena_prefix_find_best(index.get(), query(step).get(), words.empty() ? nullptr : words.data(),
                                    words.size(), loads.data(), loads.size(), &rule, &pick, &error) == KTHENA_OK);
    answer = Json();
    if (pick.worker == KTHENA_NONE) return KTHENA_OK;
    answer["worker"] = view(kthena_prefix_worker_name(index.get(), pick.worker));
    answer["depth"] = pick.depth;
    answer["cost"] = pick.cost;
    return KTHENA_OK;
  }
  kthena_status stats(const Json& step) {
    kthena_prefix_stats now = KTHENA_INIT(kthena_prefix_stats);
    REQUIRE(kthena_prefix_get_stats(index.get(), &now, &error) == KTHENA_OK);
    const std::map<std::string, std::uint64_t> counts = {
        {"workers", now.workers},
        {"memberships", now.memberships},
        {"unique_blocks", now.unique_blocks},
        {"orphan_blocks", now.orphan_blocks},
        {"orphans_dropped", now.orphans_dropped},
        {"unknown_removes", now.unknown_removes},
        {"rehashed_blocks", now.rehashed_blocks},
        {"unswept_blocks", now.unswept_blocks},
        {"sweeps", now.sweeps},
        {"unresolved_stores", now.unresolved_stores},
        {"expected_blocks", now.expected_blocks},
        {"promoted_blocks", now.promoted_blocks},
        {"expired_blocks", now.expired_blocks},
        {"evicted_blocks", now.evicted_blocks},
        {"copied_blocks", now.copied_blocks},
    };
    answer = Json::object();
    for (const std::string name : step["of"]) answer[name] = counts.at(name);
    return KTHENA_OK;
  }

  /// What it says is in `answer`, null where it says nothing.
  kthena_status take(const Json& step) {
    const std::string what = step["do"];
    answer = Json();
    if (what == "add_worker") {
      const std::string name = step["worker"];
      std::uint32_t number = KTHENA_NONE;
      const kthena_status status = kthena_prefix_add_worker(index.get(), str(name), &number, &error);
      if (status != KTHENA_OK) return status;
      numbers[name] = number;
      in_use.insert(name);
      return status;
    }
    if (what == "remove_worker") {
      const kthena_status status = kthena_prefix_remove_worker(index.get(), worker(step), &error);
      if (status == KTHENA_OK) in_use.erase(step["worker"].get<std::string>());
      return status;
    }
    if (what == "sweep") {
      std::uint64_t left = 1;
      while (left != 0) REQUIRE(kthena_prefix_sweep(index.get(), 7, &left, &error) == KTHENA_OK);
      return KTHENA_OK;
    }
    if (what == "store") return store(step);
    if (what == "remove") {
      const auto names = step["names"].get<std::vector<std::uint64_t>>();
      return kthena_prefix_remove(index.get(), worker(step), names.data(), names.size(), tier(step), &error);
    }
    if (what == "clear") return kthena_prefix_clear(index.get(), worker(step), &error);
    if (what == "expect")
      return kthena_prefix_expect(index.get(), worker(step), query(step).get(), step["now_ns"], &error);
    if (what == "expire") {
      std::uint64_t expired = 0;
      REQUIRE(kthena_prefix_expire(index.get(), step["now_ns"], step.value("max_blocks", UINT64_MAX / 2), &expired,
                                   &error) == KTHENA_OK);
      answer = expired;
      return KTHENA_OK;
    }
    if (what == "find") return find(step);
    if (what == "find_tiers") return find_tiers(step);
    if (what == "find_best") return find_best(step);
    REQUIRE(what == "stats");
    return stats(step);
  }
};

void check_refused(kthena_status status, const Error& error, const Json& refused) {
  const std::map<std::string, kthena_status> codes = {
      {"invalid_argument", KTHENA_INVALID_ARGUMENT},
      {"not_found", KTHENA_NOT_FOUND},
      {"resource_exhausted", KTHENA_RESOURCE_EXHAUSTED},
      {"failed_precondition", KTHENA_FAILED_PRECONDITION},
  };
  INFO(error.text());
  CHECK(status == codes.at(refused["status"]));
  CHECK(error.text().rfind(refused["field"].get<std::string>() + ": ", 0) == 0);
}

}  // namespace

TEST_CASE("vectors of the prefix index", "[c][prefix][vectors]") {
  const std::vector<Json> cases = cases_of("prefix");
  REQUIRE(cases.size() >= 60);
  for (const Json& each : cases) {
    INFO(each["name"]);
    const Json given = each.value("options", Json::object());
    kthena_prefix_index_options options = KTHENA_INIT(kthena_prefix_index_options);
    options.seed = 5;
    options.block_tokens = given.value("block_tokens", 1u);
    options.max_workers = given.value("max_workers", 0u);
    options.max_orphan_blocks = given.value("max_orphan_blocks", std::uint64_t{0});
    options.max_expected_blocks = given.value("max_expected_blocks", std::uint64_t{0});
    options.expected_ttl_ns = given.value("expected_ttl_ns", std::int64_t{0});
    options.shared_engine_hashes = given.value("shared_engine_hashes", false) ? 1 : 0;
    options.count_copies = given.value("count_copies", false) ? 1 : 0;
    options.wide_contents = given.value("wide_contents", false) ? 1 : 0;
    Run run;
    run.block_tokens = options.block_tokens;
    run.wide = options.wide_contents == 1;
    kthena_prefix_index* made = nullptr;
    const kthena_status created = kthena_prefix_index_create(&options, &made, &run.error);
    if (each.contains("refused")) {
      check_refused(created, run.error, each["refused"]);
      continue;
    }
    REQUIRE(created == KTHENA_OK);
    run.index.reset(made);
    for (const Json& step : each["steps"]) {
      INFO(step.dump());
      const kthena_status status = run.take(step);
      if (step.contains("refused")) {
        check_refused(status, run.error, step["refused"]);
      } else {
        REQUIRE(status == KTHENA_OK);
        CHECK(run.answer.dump() == step.value("expect", Json()).dump());
      }
    }
  }
}
