#include "kthena/route/policy.hpp"

#include <set>

#include "support.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

std::string refusal(const PolicySpec& spec) {
  const auto policy = Policy::create(spec);
  REQUIRE(!policy.ok());
  CHECK(policy.status().code() == StatusCode::kInvalidArgument);
  return policy.status().message();
}

PolicySpec scored(PartSpec scorer) { return {"", {}, {std::move(scorer)}}; }

}  // namespace

TEST_CASE("a policy lists all faults together, each with its path", "[route][policy]") {
  PolicySpec spec;
  spec.filters = {{"nobody"}, {"least-request", 1, {{"max_waiting", kNaN}}}};
  spec.scorers = {{"random", -1}, {"gpu-usage", 1, {{"missing_usage", 2}, {"x", 1}}}, {"random"}};
  spec.picker = {"best-score", 1, {{"y", 0}}};
  spec.ranked_limit = 17;
  const std::string message = refusal(spec);
  INFO(message);
  for (const char* fault :
       {"filters[0].name: unknown filter \"nobody\"",
        "filters[1].options.max_waiting: must be a number in [-1e+09, 1e+09]",
        "scorers[0].weight: must be a number in [0, 1e9]",
        "scorers[1].options.missing_usage: must be a number in [0, 1]",
        "scorers[1].options.x: unknown option of \"gpu-usage\"", "scorers[2].name: \"random\" is there twice",
        "picker.options.y: unknown option of \"best-score\"", "ranked_limit: must be in [1, 16]"}) {
    INFO(fault);
    CHECK(message.find(fault) != std::string::npos);
  }
}

TEST_CASE("weights are finite, not negative and at most 1e9", "[route][policy]") {
  for (const double weight : {0.0, 5e-324, 0.1, 1.0, 1e9}) CHECK(Policy::create(scored({"random", weight})).ok());
  for (const double weight : {-1.0, -5e-324, 1.0000001e9, kNaN, kInfinity, -kInfinity}) {
    INFO(weight);
    CHECK(refusal(scored({"random", weight})).find("scorers[0].weight: ") == 0);
  }
}

TEST_CASE("options are known, in range and given once", "[route][policy]") {
  const auto share = [](double value) { return scored({"least-latency", 1, {{"ttft_share", value}}}); };
  for (const double value : {0.0, 0.5, 1.0}) CHECK(Policy::create(share(value)).ok());  // as Kthena's tests accept
  for (const double value : {-0.1, 1.1, kInfinity, -kInfinity, kNaN}) {
    INFO(value);
    CHECK(refusal(share(value)) == "scorers[0].options.ttft_share: must be a number in [0, 1]");
  }
  CHECK(refusal(scored({"least-latency", 1, {{"ttft_share", 0.5}, {"ttft_share", 0.6}}})) ==
        "scorers[0].options.ttft_share: given twice");
  CHECK(refusal(scored({"least-latency", 1, {{"share", 0.5}}})) ==
        "scorers[0].options.share: unknown option of \"least-latency\"");
  CHECK(refusal(scored({"random", 1, {{"seed", 1}}})) == "scorers[0].options.seed: unknown option of \"random\"");
}

TEST_CASE("names are those of their kind", "[route][policy]") {
  CHECK(refusal(scored({"best-score"})).find("scorers[0].name: unknown scorer \"best-score\"; there are: ") == 0);
  CHECK(refusal(scored({""})).find("scorers[0].name: unknown scorer \"\"") == 0);
  CHECK(refusal({"", {{"random"}}, {{"random"}}}).find("filters[0].name: unknown filter \"random\"") == 0);
  CHECK(refusal({"", {}, {{"random"}}, {"random"}}).find("picker.name: unknown picker \"random\"") == 0);
  CHECK(refusal({"", {}, {}}).find("scorers: the picker \"best-score\" needs at least one") == 0);
  CHECK(Policy::create({"", {}, {}, {"round-robin"}}).ok());
  CHECK(Policy::create({"", {{"least-request"}}, {{"least-request"}}}).ok());  // a filter and a scorer may share a name
}

TEST_CASE("the ranked list has 1 to 16 places", "[route][policy]") {
  for (const std::uint32_t places : {1u, 5u, 16u})
    CHECK(Policy::create({"", {}, {{"random"}}, {"best-score"}, places}).ok());
  for (const std::uint32_t places : {0u, 17u, 0xFFFFFFFFu})
    CHECK(refusal({"", {}, {{"random"}}, {"best-score"}, places}) == "ranked_limit: must be in [1, 16]");
}

TEST_CASE("a policy gives its spec back and copies share it", "[route][policy]") {
  const PolicySpec spec{"mine", {{"least-request", 1, {{"max_waiting", 3}}}}, {{"random", 2}}, {"best-score"}, 7};
  const Policy policy = policy_of(spec);
  const Policy copy = policy;  // NOLINT(performance-unnecessary-copy-initialization): the copy is what is tested
  CHECK(copy.spec() == spec);
  CHECK(&copy.spec() == &policy.spec());
}

TEST_CASE("find_faults and create agree", "[route][policy]") {
  CHECK(find_faults({"", {}, {{"random"}}}).empty());
  const PolicySpec bad{"", {{"x"}}, {{"y"}}, {"z"}, 0};
  CHECK(find_faults(bad).list().size() == 4);
  CHECK(find_faults(bad).status().message() == refusal(bad));
}

TEST_CASE("every part that is listed can be had, with every option at both ends", "[route][policy]") {
  std::set<std::string> names;
  std::set<std::string_view> kinds;
  for (const PartInfo& part : list_parts()) {
    INFO(part.kind << " " << part.name);
    CHECK(names.insert(std::string(part.kind) + " " + std::string(part.name)).second);
    kinds.insert(part.kind);
    const auto with = [&](std::vector<OptionSpec> options) {
      PolicySpec spec{"", {}, {{"random"}}};
      const PartSpec made{std::string(part.name), 1, std::move(options)};
      if (part.kind == "filter") spec.filters = {made};
      if (part.kind == "scorer") spec.scorers = {made};
      if (part.kind == "picker") spec.picker = made;
      return Policy::create(spec);
    };
    CHECK(with({}).ok());
    for (const auto& option : part.options) {
      INFO(option.name);
      CHECK(option.minimum < option.maximum);
      CHECK((is_missing(option.value) || (option.value >= option.minimum && option.value <= option.maximum)));
      CHECK(with({{std::string(option.name), option.minimum}}).ok());
      CHECK(with({{std::string(option.name), option.maximum}}).ok());
      CHECK(!with({{std::string(option.name), std::nextafter(option.minimum, -kInfinity)}}).ok());
      CHECK(!with({{std::string(option.name), std::nextafter(option.maximum, kInfinity)}}).ok());
    }
  }
  CHECK(names.size() >= 15);
  CHECK(kinds == std::set<std::string_view>{"filter", "scorer", "picker"});
}

TEST_CASE("no endpoint is an answer with its numbers", "[route][policy]") {
  const Policy policy = policy_of({"", {{"least-request"}, {"lora-affinity"}}, {{"random"}}});
  Workspace workspace;
  const Decision empty = policy.decide(PoolSnapshot(), {"request"}, workspace);
  CHECK(empty.outcome == Outcome::kNoEndpoint);
  CHECK(!empty.endpoint.valid());
  CHECK(empty.ranked_count == 0);
  CHECK(empty.reason == Reason{ReasonCode::pool_empty, 0, 0, 0});

  const PoolSnapshot pool = pool_of({row("a", {{Signal::kWaiting, 50}}, {"sql"}),
                                     row("b", {{Signal::kWaiting, 0}}, {"base"}), row("c", {}, {"base"})});
  Request request{"request", "sql"};
  const Decision filtered = policy.decide(pool, request, workspace);
  CHECK(filtered.outcome == Outcome::kNoEndpoint);
  CHECK(filtered.candidates == 0);
  CHECK(filtered.reason == Reason{ReasonCode::all_filtered, 1, 3, 2});
}

TEST_CASE("a workspace serves pools of any size in any order", "[route][policy]") {
  const Policy policy = preset_policy("kthena-helm");
  RandomStream random(5, 1);
  Workspace shared;
  for (const std::size_t size : {3u, 100u, 1u, 0u, 64u, 7u, 100u, 2u}) {
    const PoolSnapshot pool = pool_of(random_rows(random, size));
    const OwnedRequest request = random_request(random, size);
    Workspace fresh;
    CHECK(policy.decide(pool, request.view(), shared) == policy.decide(pool, request.view(), fresh));
  }
}
