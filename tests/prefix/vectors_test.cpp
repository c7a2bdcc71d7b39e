// tests/prefix/vectors_test.cpp
//
// tests/vectors/prefix, step by step.
#include "c/vectors.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "kthena/prefix/index.hpp"

using namespace kthena;
using namespace kthena::prefix;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::uint32_t kNotInUse = 4711;

class Run {
 public:
  explicit Run(PrefixIndex index) : index_(std::move(index)) {}

  /// Null for a step without an answer.
  Result<Json> take(const Json& step) {
    const std::string what = step["do"];
    if (what == "add_worker") {
      const Result<WorkerId> added = index_.add_worker(step["worker"].get<std::string>());
      if (!added.ok()) return added.status();
      numbers_[step["worker"]] = *added;
      in_use_.insert(step["worker"].get<std::string>());
      return Json();
    }
    if (what == "remove_worker") {
      const Status status = index_.remove_worker(worker(step));
      if (status.ok()) in_use_.erase(step["worker"].get<std::string>());
      return answer(status);
    }
    if (what == "sweep") {
      while (index_.sweep(7) != 0) continue;
      return Json();
    }
    if (what == "store") return store(step);
    if (what == "remove") return answer(index_.apply(BlockRemoved{worker(step), names(step), tier(step)}));
    if (what == "clear") return answer(index_.apply(AllBlocksCleared{worker(step)}));
    if (what == "expect") return answer(index_.expect(worker(step), query(step), step["now_ns"].get<std::int64_t>()));
    if (what == "expire")
      return Json(index_.expire(step["now_ns"].get<std::int64_t>(), step.value("max_blocks", SIZE_MAX / 2)));
    if (what == "find") return find(step);
    if (what == "find_tiers") return find_tiers(step);
    if (what == "find_best") return find_best(step);
    REQUIRE(what == "stats");
    return stats(step);
  }

 private:
  static Result<Json> answer(const Status& status) {
    if (!status.ok()) return status;
    return Json();
  }
  [[nodiscard]] WorkerId worker(const Json& step) const {
    const auto it = numbers_.find(step["worker"].get<std::string>());
    return it == numbers_.end() ? WorkerId{kNotInUse} : it->second;
  }
  static KvTier tier(const Json& step) {
    static const std::vector<std::string> kNames = {"device", "host", "disk", "external"};
    const auto it = std::find(kNames.begin(), kNames.end(), step.value("tier", "device"));
    return static_cast<KvTier>(it == kNames.end() ? 9 : it - kNames.begin());
  }
  const std::vector<std::uint64_t>& names(const Json& step) {
    return names_ = step["names"].get<std::vector<std::uint64_t>>();
  }
  /// Views into the step, which lives longer.
  static Namespace space(const Json& step) {
    Namespace space;
    const auto member = [&](const char* name) -> std::string_view {
      return step.contains(name) ? std::string_view(step[name].get_ref<const std::string&>()) : std::string_view();
    };
    space.model = member("model");
    space.adapter = member("adapter");
    space.tenant = member("tenant");
    return space;
  }
  PrefixQuery query(const Json& step) {
    PrefixQuery query = index_.make_query(space(step));
    query.extend_tokens(step["tokens"].get<std::vector<std::uint32_t>>());
    return query;
  }
  [[nodiscard]] std::vector<std::uint64_t> mask(const Json& step) const {
    std::vector<std::uint64_t> words;
    if (!step.contains("among")) return words;
    words.resize(index_.worker_limit() / 64 + 1);
    for (const std::string name : step["among"]) {
      const std::uint32_t number = numbers_.at(name).value;
      words[number / 64] |= std::uint64_t{1} << (number % 64);
    }
    return words;
  }

  Result<Json> store(const Json& step) {
    BlockStored stored{worker(step), index_.namespace_key(space(step)), std::nullopt, names(step), {}, tier(step)};
    if (step.contains("parent")) stored.parent = step["parent"].get<std::uint64_t>();
    std::vector<std::uint64_t> contents;
    std::vector<std::uint64_t> uppers;
    if (step.contains("tokens")) {
      const auto tokens = step["tokens"].get<std::vector<std::uint32_t>>();
      const std::size_t size = index_.options().block_tokens;
      for (std::size_t i = 0; i + size <= tokens.size(); i += size) {
        contents.push_back(index_.hash_block({&tokens[i], size}));
        if (index_.options().wide_contents) uppers.push_back(index_.hash_block_upper({&tokens[i], size}));
      }
      stored.content_hashes = contents;
      stored.content_uppers = uppers;
    }
    return answer(index_.apply(stored));
  }
  Json find(const Json& step) {
    const PrefixQuery prompt = query(step);
    const std::vector<std::uint64_t> words = mask(step);
    std::vector<std::uint32_t> depths(index_.worker_limit(), 99);
    index_.find_by_worker(prompt, words, depths);
    std::vector<std::uint32_t> rows(2 * depths.size(), 99);
    const PrefixQuery* queries[] = {&prompt, &prompt};
    index_.find_batch(queries, words, rows);
    Json found = Json::object();
    for (const std::string& name : in_use_) {
      const std::size_t number = numbers_.at(name).value;
      found[name] = depths[number];
      CHECK(rows[number] == depths[number]);
      CHECK(rows[depths.size() + number] == depths[number]);
      std::uint32_t chosen = 99;
      index_.find(prompt, {&numbers_.at(name), 1}, {&chosen, 1});
      if (words.empty()) CHECK(chosen == depths[number]);
    }
    return found;
  }
  Json find_tiers(const Json& step) {
    const std::size_t n = index_.worker_limit();
    std::vector<std::uint32_t> rows(PrefixIndex::kTiers * n, 99);
    index_.find_tiers(query(step), {}, rows);
    Json found = Json::object();
    for (const std::string& name : in_use_)
      for (std::size_t t = 0; t < PrefixIndex::kTiers; ++t)
        found[name].push_back(rows[t * n + numbers_.at(name).value]);
    return found;
  }
  Json find_best(const Json& step) {
    std::vector<std::uint32_t> loads(index_.worker_limit());
    for (const auto& [name, load] : step["loads"].items()) loads[numbers_.at(name).value] = load;
    const PickRule rule{step.value("block_cost", 1u), step.value("tie_seed", std::uint64_t{0})};
    const Pick pick = index_.find_best(query(step), mask(step), loads, rule);
    if (!pick.worker.valid()) return {};
    return {{"worker", index_.worker_name(pick.worker)}, {"depth", pick.depth}, {"cost", pick.cost}};
  }
  Json stats(const Json& step) {
    const PrefixIndexStats now = index_.stats();
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
    Json found = Json::object();
    for (const std::string name : step["of"]) found[name] = counts.at(name);
    return found;
  }

  PrefixIndex index_;
  std::map<std::string, WorkerId> numbers_;
  std::set<std::string> in_use_;
  std::vector<std::uint64_t> names_;
};

std::string_view name_of(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument:
      return "invalid_argument";
    case StatusCode::kNotFound:
      return "not_found";
    case StatusCode::kResourceExhausted:
      return "resource_exhausted";
    case StatusCode::kFailedPrecondition:
      return "failed_precondition";
    default:
      return "another";
  }
}

void check_refused(const Status& status, const Json& refused) {
  INFO(status.message());
  REQUIRE(!status.ok());
  CHECK(name_of(status.code()) == refused["status"].get<std::string>());
  CHECK(status.message().substr(0, refused["field"].get<std::string>().size()) == refused["field"].get<std::string>());
}

}  // namespace

TEST_CASE("vectors of the prefix index", "[prefix][vectors]") {
  const std::vector<Json> cases = test::cases_of("prefix");
  REQUIRE(cases.size() >= 60);
  for (const Json& each : cases) {
    INFO(each["name"]);
    const Json given = each.value("options", Json::object());
    PrefixIndexOptions options;
    options.seed = 5;
    options.block_tokens = given.value("block_tokens", 1u);
    options.max_workers = given.value("max_workers", options.max_workers);
    options.max_orphan_blocks = given.value("max_orphan_blocks", options.max_orphan_blocks);
    options.max_expected_blocks = given.value("max_expected_blocks", options.max_expected_blocks);
    options.expected_ttl_ns = given.value("expected_ttl_ns", options.expected_ttl_ns);
    options.shared_engine_hashes = given.value("shared_engine_hashes", false);
    options.count_copies = given.value("count_copies", false);
    options.wide_contents = given.value("wide_contents", false);
    Result<PrefixIndex> index = PrefixIndex::create(options);
    if (each.contains("refused")) {
      check_refused(index.status(), each["refused"]);
      continue;
    }
    REQUIRE(index.ok());
    Run run(std::move(*index));
    for (const Json& step : each["steps"]) {
      INFO(step.dump());
      const Result<Json> answer = run.take(step);
      if (step.contains("refused")) {
        check_refused(answer.status(), step["refused"]);
      } else {
        REQUIRE(answer.ok());
        CHECK(answer->dump() == step.value("expect", Json()).dump());
      }
    }
  }
}
