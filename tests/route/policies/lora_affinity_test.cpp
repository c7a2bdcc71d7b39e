#include "kthena/route/policies/lora_affinity.hpp"

#include "../support.hpp"

using namespace kthena::route;
using namespace kthena::route::test;

namespace {

std::string kept(const PoolSnapshot& pool, std::string_view model) {
  std::vector<std::uint8_t> keep(pool.size(), 1);
  Request request;
  request.model = model;
  LoraAffinity().filter(pool.view(), request, keep);
  std::string out;
  for (std::uint32_t i = 0; i < keep.size(); ++i)
    if (keep[i] != 0) out += pool.id({i});
  return out;
}

}  // namespace

TEST_CASE("lora-affinity keeps who serves exactly that name", "[route][lora-affinity]") {
  const PoolSnapshot pool = pool_of(
      {row("a", {}, {"sql", "base", "chat"}), row("b", {}, {"chat", "base"}), row("c", {}, {"base"}), row("d")});
  CHECK(kept(pool, "base") == "abc");
  CHECK(kept(pool, "chat") == "ab");
  CHECK(kept(pool, "sql") == "a");
  for (const char* name : {"", "aaa", "bas", "base2", "Base", "zzz"}) {
    INFO(name);
    CHECK(kept(pool, name).empty());
  }
  CHECK(kept(plain_pool(3), "base").empty());
  CHECK(kept(pool_of({row("a", {}, {""}), row("b", {}, {"base"})}), "") == "a");
  CHECK(kept(PoolSnapshot(), "base").empty());
}

TEST_CASE("lora-affinity never brings one back", "[route][lora-affinity]") {
  const PoolSnapshot pool = pool_of({row("a", {}, {"base"}), row("b", {}, {"base"})});
  std::vector<std::uint8_t> keep = {0, 1};
  Request request;
  request.model = "base";
  LoraAffinity().filter(pool.view(), request, keep);
  CHECK(keep == std::vector<std::uint8_t>{0, 1});
  CHECK(LoraAffinity().explain(pool.view(), request, {0}).code == kthena::ReasonCode::model_not_loaded);
}
