// The reason registry, and that the C enum made from it says the same. tools/gen_reasons.py --check does so for the other languages.
#include <set>
#include <string>
#include <string_view>

#include "catch.hpp"
#include "kthena/base/reason.hpp"
#include "kthena/reasons.h"

using namespace kthena;

namespace {

struct Row {
  std::int32_t code;
  std::string_view name;
  std::string_view text;
  std::string_view numbers;
};

constexpr Row kRegistry[] = {
#define KTHENA_REASON(code, name, text, numbers) {code, #name, text, numbers},
#include "kthena/base/reasons.def"
#undef KTHENA_REASON
};

}  // namespace

TEST_CASE("codes and names are unique, codes ascend and belong to an area, texts say something", "[base]") {
  std::set<std::string_view> names;
  std::int32_t last = -1;
  for (const Row& row : kRegistry) {
    INFO(row.code << " " << row.name);
    CHECK(row.code > last);
    last = row.code;
    CHECK((row.code == 0 || (row.code >= 100 && row.code < 800)));
    CHECK(names.insert(row.name).second);
    CHECK(row.text.size() >= 10);
    CHECK(row.text.find_first_of("\"\\|\n") == std::string_view::npos);  // goes into five languages as it is
  }
}

TEST_CASE("every code gives its name and text, others give nothing", "[base]") {
  for (const Row& row : kRegistry) {
    CHECK(reason_name(static_cast<ReasonCode>(row.code)) == row.name);
    CHECK(reason_text(static_cast<ReasonCode>(row.code)) == row.text);
    CHECK(reason_numbers(static_cast<ReasonCode>(row.code)) == row.numbers);
  }
  for (const std::int32_t code : {-1, 1, 99, 799, 2'000'000'000}) {
    CHECK(reason_name(static_cast<ReasonCode>(code)).empty());
    CHECK(reason_text(static_cast<ReasonCode>(code)).empty());
    CHECK(reason_numbers(static_cast<ReasonCode>(code)).empty());
  }
  CHECK(reason_name(ReasonCode::best_score) == "best_score");
  CHECK(Reason{}.code == ReasonCode::none);
  CHECK(Reason{} == Reason{ReasonCode::none, 0, 0, 0});
}

TEST_CASE("codes that others rely on never change", "[base]") {
  CHECK(static_cast<int>(ReasonCode::none) == 0);
  CHECK(static_cast<int>(ReasonCode::best_score) == 100);
  CHECK(static_cast<int>(ReasonCode::tie_broken) == 101);
  CHECK(static_cast<int>(ReasonCode::only_candidate) == 102);
  CHECK(static_cast<int>(ReasonCode::round_robin) == 103);
  CHECK(static_cast<int>(ReasonCode::pool_empty) == 110);
  CHECK(static_cast<int>(ReasonCode::all_filtered) == 111);
  CHECK(static_cast<int>(ReasonCode::waiting_limit) == 120);
  CHECK(static_cast<int>(ReasonCode::model_not_loaded) == 121);
  CHECK(KTHENA_REASON_NONE == 0);
  CHECK(KTHENA_REASON_BEST_SCORE == 100);
}
