// tests/c/policy_test.cpp
#include <nlohmann/json.hpp>

#include "fixture.hpp"

using namespace kthena::test;

namespace {

std::string json_of(const Policy& policy) {
  return text_of([&](char* buffer, std::size_t capacity, std::size_t* needed) {
    return kthena_policy_json(policy.get(), buffer, capacity, needed, nullptr);
  });
}

}  // namespace

TEST_CASE("every preset is made by name and comes back from its JSON", "[c][policy]") {
  const auto names = nlohmann::json::parse(text_of([](char* buffer, std::size_t capacity, std::size_t* needed) {
    return kthena_presets_json(buffer, capacity, needed, nullptr);
  }));
  REQUIRE(names.size() >= 9);
  for (const std::string name : names) {
    INFO(name);
    kthena_policy* made = nullptr;
    Error error;
    REQUIRE(kthena_policy_create_preset(str(name), &made, &error) == KTHENA_OK);
    const Policy policy(made);
    const std::string json = json_of(policy);
    CHECK(json_of(make_policy(json)) == json);
    CHECK(json_of(make_policy("\"" + name + "\"")) == json);
  }
}

TEST_CASE("parts are listed with kind and options", "[c][policy]") {
  const auto parts = nlohmann::json::parse(text_of([](char* buffer, std::size_t capacity, std::size_t* needed) {
    return kthena_parts_json(buffer, capacity, needed, nullptr);
  }));
  bool found = false;
  for (const auto& part : parts) found = found || (part["kind"] == "scorer" && part["name"] == "least-request");
  CHECK(found);
}

TEST_CASE("a policy with faults is refused with all of them", "[c][policy]") {
  kthena_policy* policy = nullptr;
  Error error;
  CHECK(kthena_policy_create_json(str(R"({"scorers": [{"name": "gpu-usage", "weight": -1}], "ranked_limit": 99})"),
                                  &policy, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text().find("scorers[0].weight") != std::string::npos);
  CHECK(error.text().find("ranked_limit") != std::string::npos);
  CHECK(kthena_policy_create_json(str("{"), &policy, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(kthena_policy_create_json({nullptr, 1}, &policy, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "json: data is NULL, but size is not 0");
  CHECK(kthena_policy_create_json(str("\"random\""), nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "policy: must not be NULL");
  CHECK(kthena_policy_create_preset(str(""), &policy, &error) == KTHENA_NOT_FOUND);
  CHECK(kthena_policy_create_preset({nullptr, 1}, &policy, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "name: data is NULL, but size is not 0");
  CHECK(kthena_policy_create_preset(str("random"), nullptr, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(policy == nullptr);
  std::size_t needed = 0;
  CHECK(kthena_policy_json(nullptr, nullptr, 0, &needed, &error) == KTHENA_INVALID_ARGUMENT);
  CHECK(error.text() == "policy: must not be NULL");
}
