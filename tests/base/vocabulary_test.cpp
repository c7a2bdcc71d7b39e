// Status, Result, Faults, Index, time: the words that all areas share.
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "catch.hpp"
#include "kthena/base.hpp"

using namespace kthena;

TEST_CASE("status codes are numbered as gRPC's", "[base]") {
  CHECK(static_cast<int>(StatusCode::kOk) == 0);
  CHECK(static_cast<int>(StatusCode::kCancelled) == 1);
  CHECK(static_cast<int>(StatusCode::kUnknown) == 2);
  CHECK(static_cast<int>(StatusCode::kInvalidArgument) == 3);
  CHECK(static_cast<int>(StatusCode::kDeadlineExceeded) == 4);
  CHECK(static_cast<int>(StatusCode::kNotFound) == 5);
  CHECK(static_cast<int>(StatusCode::kAlreadyExists) == 6);
  CHECK(static_cast<int>(StatusCode::kPermissionDenied) == 7);
  CHECK(static_cast<int>(StatusCode::kResourceExhausted) == 8);
  CHECK(static_cast<int>(StatusCode::kFailedPrecondition) == 9);
  CHECK(static_cast<int>(StatusCode::kAborted) == 10);
  CHECK(static_cast<int>(StatusCode::kOutOfRange) == 11);
  CHECK(static_cast<int>(StatusCode::kUnimplemented) == 12);
  CHECK(static_cast<int>(StatusCode::kInternal) == 13);
  CHECK(static_cast<int>(StatusCode::kUnavailable) == 14);
  CHECK(static_cast<int>(StatusCode::kDataLoss) == 15);
  CHECK(static_cast<int>(StatusCode::kUnauthenticated) == 16);
}

TEST_CASE("a status is ok without a message, or a code with one", "[base]") {
  const Status ok;
  CHECK(ok.ok());
  CHECK(ok.message().empty());
  CHECK(ok == Status());
  const Status bad = invalid_argument("weight: is -1");
  CHECK_FALSE(bad.ok());
  CHECK(bad.code() == StatusCode::kInvalidArgument);
  CHECK(bad.message() == "weight: is -1");
  CHECK_FALSE(bad == invalid_argument("weight: is -2"));
  CHECK(not_found("x").code() == StatusCode::kNotFound);
  CHECK(out_of_range("x").code() == StatusCode::kOutOfRange);
  CHECK(failed_precondition("x").code() == StatusCode::kFailedPrecondition);
  CHECK(resource_exhausted("x").code() == StatusCode::kResourceExhausted);
}

TEST_CASE("a result holds a value or says why not, also for a type that only moves", "[base]") {
  Result<std::unique_ptr<int>> good = std::make_unique<int>(5);
  REQUIRE(good.ok());
  CHECK(good.status().ok());
  CHECK(**good == 5);
  const std::unique_ptr<int> taken = std::move(good).value();
  CHECK(*taken == 5);
  const Result<std::string> bad = not_found("name: no such worker");
  CHECK_FALSE(bad.ok());
  CHECK(bad.status().message() == "name: no such worker");
  Result<std::string> text = std::string("abc");
  text->push_back('d');
  *text += "e";
  CHECK(text.value() == "abcde");
}

TEST_CASE("faults of one input are listed together, in order, each with its path", "[base]") {
  Faults faults;
  CHECK(faults.empty());
  CHECK(faults.status().ok());
  faults.add("endpoints[3].kv_usage", "is NaN");
  faults.add("", "two endpoints have the id 'a'");
  faults.add("weights.random", "is -1");
  CHECK_FALSE(faults.empty());
  REQUIRE(faults.list().size() == 3);
  CHECK(faults.list()[0].path == "endpoints[3].kv_usage");
  CHECK(faults.status() ==
        invalid_argument("endpoints[3].kv_usage: is NaN; two endpoints have the id 'a'; weights.random: is -1"));
}

TEST_CASE("indices of different arrays are different types, the default is none", "[base]") {
  static_assert(!std::is_convertible_v<EndpointIndex, WorkerId>);
  static_assert(!std::is_constructible_v<WorkerId, EndpointIndex>);
  static_assert(sizeof(WorkerId) == 4);
  CHECK_FALSE(WorkerId().valid());
  CHECK(WorkerId().value == 0xFFFFFFFFu);
  CHECK(WorkerId{0}.valid());
  CHECK(WorkerId{1} < WorkerId{2});
  CHECK(WorkerId{2} < WorkerId());
  CHECK(WorkerId{3} == WorkerId{3});
}

TEST_CASE("seconds and nanoseconds, rounded half away from zero", "[base]") {
  CHECK(from_seconds(1.5) == 1'500'000'000);
  CHECK(from_seconds(-1.5) == -1'500'000'000);
  CHECK(from_seconds(0) == 0);
  CHECK(from_seconds(0.4e-9) == 0);
  CHECK(from_seconds(0.5e-9) == 1);
  CHECK(from_seconds(-0.5e-9) == -1);
  CHECK(from_seconds(0.001) == kMillisecond);
  CHECK(from_seconds(9.2e9) == 9'200'000'000 * kSecond);
  CHECK(to_seconds(kSecond) == 1);
  CHECK(to_seconds(kMillisecond) == 0.001);
  CHECK(to_seconds(-250 * kMicrosecond) == -0.00025);
  for (const Duration duration : {Duration{1}, Duration{999'999'999}, 86'400 * kSecond + 1, 365 * 86'400 * kSecond}) {
    // A double holds a nanosecond for 104 days (2 to the 53 ns); beyond that the nearest it has.
    CHECK(std::abs(from_seconds(to_seconds(duration)) - duration) <= duration / (Duration{1} << 52));
  }
  CHECK(kNever == std::numeric_limits<Time>::min());
  CHECK(kSecond == 1000 * kMillisecond);
  CHECK(kMillisecond == 1000 * kMicrosecond);
}

TEST_CASE("engine models compare by value and start without cost", "[base]") {
  const EngineModel model;
  CHECK(model == EngineModel{});
  CHECK(model.t0_s == 0);
  CHECK_FALSE(model == EngineModel{.name = "other"});
}
