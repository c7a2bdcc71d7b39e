// The decision log: what is written is read back bit for bit; what is cut or damaged is told by the byte.
#include "kthena/route/decision_log.hpp"

#include <bit>
#include <cmath>

#include "logged_fleet.hpp"
#include "support/allocation_counter.hpp"

using namespace kthena;
using namespace kthena::route;
using namespace kthena::route::test;

namespace {

using Bytes = std::vector<std::byte>;

bool same_bits(double one, double other) {
  return std::bit_cast<std::uint64_t>(one) == std::bit_cast<std::uint64_t>(other);
}

/// A word where two views differ; empty when they are one.
std::string difference(const PoolView& a, const PoolView& b) {
  if (a.size != b.size) return "size";
  for (std::size_t i = 0; i < a.size; ++i)
    if (a.keys[i] != b.keys[i]) return "keys";
  for (std::size_t s = 0; s < kSignalCount; ++s) {
    if ((a.values[s] == nullptr) != (b.values[s] == nullptr) || (a.sampled[s] == nullptr) != (b.sampled[s] == nullptr))
      return "columns";
    for (std::size_t i = 0; a.values[s] != nullptr && i < a.size; ++i) {
      if (!same_bits(a.values[s][i], b.values[s][i])) return std::string(kSignals[s].name);
      if (a.sampled[s] != nullptr && a.sampled[s][i] != b.sampled[s][i]) return std::string(kSignals[s].name) + " time";
    }
  }
  if ((a.model_offsets == nullptr) != (b.model_offsets == nullptr)) return "models";
  if ((a.model_waiting == nullptr) != (b.model_waiting == nullptr)) return "waiting";
  if (!std::equal(a.model_names.begin(), a.model_names.end(), b.model_names.begin(), b.model_names.end()))
    return "names";
  if (a.model_offsets != nullptr) {
    for (std::size_t i = 0; i <= a.size; ++i)
      if (a.model_offsets[i] != b.model_offsets[i]) return "offsets";
    for (std::size_t k = 0; k < a.model_offsets[a.size]; ++k) {
      if (a.model_ids[k] != b.model_ids[k]) return "model ids";
      if (a.model_waiting != nullptr && a.model_waiting[k] != b.model_waiting[k]) return "waits";
    }
  }
  for (std::size_t level = 0; level < kPlaceLevels; ++level) {
    if (a.size > 0 && (a.places[level] == nullptr) != (b.places[level] == nullptr)) return "places";
    for (std::size_t i = 0; a.places[level] != nullptr && i < a.size; ++i)
      if (a.places[level][i] != b.places[level][i]) return "place";
  }
  return "";
}

bool same_match(const PrefixMatch& a, const PrefixMatch& b) {
  const auto same = [](auto one, auto other) { return std::equal(one.begin(), one.end(), other.begin(), other.end()); };
  return a.total_blocks == b.total_blocks && a.block_tokens == b.block_tokens && same(a.depth_blocks, b.depth_blocks) &&
         same(a.host_depth_blocks, b.host_depth_blocks) && same(a.disk_depth_blocks, b.disk_depth_blocks);
}

bool same_request(const Request& a, const Request& b) {
  return a.id == b.id && a.model == b.model && a.prompt_tokens == b.prompt_tokens &&
         a.output_tokens == b.output_tokens && a.sequence == b.sequence && a.now_ns == b.now_ns && a.seed == b.seed &&
         a.session == b.session && a.near == b.near && same_bits(a.slo_ttft_s, b.slo_ttft_s) &&
         same_bits(a.slo_tpot_s, b.slo_tpot_s) && same_match(a.prefix, b.prefix) && same_match(a.history, b.history);
}

/// The reader after the next decision of the log.
void read_decision(DecisionLogReader& reader, std::span<const std::byte> log) {
  for (;;) {
    const auto step = reader.next(log.subspan(reader.offset()));
    INFO(step.status().message());
    REQUIRE(step.ok());
    REQUIRE(step->record != LogRecord::kCut);
    if (step->record == LogRecord::kDecision) return;
  }
}

/// What reading to the end comes to.
struct Reading {
  std::size_t decisions = 0;
  std::uint64_t offset = 0;
  std::string refused;
};

Reading read_all(std::span<const std::byte> log) {
  DecisionLogReader reader;
  Reading out;
  while (reader.offset() < log.size()) {
    const auto step = reader.next(log.subspan(reader.offset()));
    if (!step.ok()) {
      out.refused = step.status().message();
      CHECK(step.status().code() == StatusCode::kInvalidArgument);
      break;
    }
    if (step->record == LogRecord::kCut) break;
    out.decisions += step->record == LogRecord::kDecision ? 1 : 0;
  }
  out.offset = reader.offset();
  return out;
}

Bytes small_log(std::size_t decisions, std::vector<std::size_t>* ends = nullptr) {
  LoggedFleet fleet(5, 6);
  const Policy policy = preset_policy("kthena-default");
  DecisionLogWriter writer({"kthena-default", 7, "\"kthena-default\""});
  Workspace workspace;
  Bytes log;
  for (std::size_t i = 0; i < decisions; ++i) {
    const Request request = fleet.next();
    REQUIRE(writer.append(fleet.pool(), request, policy.decide(fleet.pool(), request, workspace), log).ok());
    if (ends != nullptr) ends->push_back(log.size());
  }
  return log;
}

}  // namespace

TEST_CASE("a log reads back bit for bit", "[route][log][property]") {
  const auto seed = GENERATE(range(0, 60));
  INFO("seed " << seed);
  LoggedFleet fleet(static_cast<std::uint64_t>(seed));
  const auto names = preset_names();
  DecisionLogWriter writer;
  DecisionLogReader reader;
  Workspace workspace;
  Bytes log;
  for (int i = 0; i < 60; ++i) {
    INFO("decision " << i);
    const std::string_view name = names[fleet.random().next_below(names.size())];
    const Policy policy = preset_policy(name);
    const LoggedPolicy logged{std::string(name), fleet.random().next_below(3), "{}"};
    writer.set_policy(logged);
    if (fleet.random().next_below(10) == 0) writer.restart();
    const Request request = fleet.next();
    const Decision decision = policy.decide(fleet.pool(), request, workspace);
    REQUIRE(writer.append(fleet.pool(), request, decision, log).ok());
    read_decision(reader, log);
    REQUIRE(reader.offset() == log.size());
    REQUIRE(reader.policy() == logged);
    REQUIRE(std::equal(reader.ids().begin(), reader.ids().end(), fleet.pool().ids().begin(), fleet.pool().ids().end()));
    REQUIRE(difference(reader.view(), fleet.pool().view()) == "");
    REQUIRE(same_request(reader.request(), request));
    REQUIRE(reader.decision() == decision);
    REQUIRE(policy.decide(reader.view(), reader.request(), workspace) == decision);
  }
}

TEST_CASE("the bytes are those of docs/decision-log.md", "[route][log]") {
  const PoolSnapshot pool = pool_of({row("a", {{Signal::kRunning, 1}}), row("b")});
  Request request = asking("r", 5, 1);
  request.now_ns = 10;
  Decision decision;
  decision.outcome = route::Outcome::kRouted;
  decision.endpoint = {0};
  decision.reason = {ReasonCode::best_score, 0, 50, 50};
  decision.score = decision.margin = 50;
  decision.candidates = decision.ranked_count = 2;
  decision.ranked[0] = {0};
  decision.ranked[1] = {1};
  PoolSnapshot timed = pool;
  REQUIRE(timed.set_value({0}, Signal::kRunning, 1, 0).ok());
  DecisionLogWriter writer({"p", 7, ""});
  Bytes log;
  REQUIRE(writer.append(timed, request, decision, log).ok());
  const std::string expected =
      "6b7468656e61444c 01000000"                                          // head
      " 01 0b 0700000000000000 0170 00 xxxxxxxx"                           // policy
      " 02 06 02 00 0161 0162 xxxxxxxx"                                    // pool
      " 03 1f 14 01 00 35 01 00 02 01 00 13"                               // now, columns: running
      " 01 00 0172 0500000000000000 00 00 4f 64 64 64 02 00 01 xxxxxxxx";  // request, decision
  std::string found;
  for (const std::byte byte : log) {
    found += "0123456789abcdef"[static_cast<unsigned>(byte) >> 4];
    found += "0123456789abcdef"[static_cast<unsigned>(byte) & 15];
  }
  std::string wanted;
  for (const char c : expected)
    if (c != ' ') wanted += c == 'x' && wanted.size() < found.size() ? found[wanted.size()] : c;
  CHECK(found == wanted);
}

TEST_CASE("extreme numbers keep their bits", "[route][log]") {
  PoolSnapshot pool = pool_of({row("a"), row("b")});
  DecisionLogWriter writer;
  DecisionLogReader reader;
  Bytes log;
  const double odd[] = {0.0, -0.0, 5e-324, 0.1, 4503599627370495.0, 1e15 - 0.125, kNaN, 123.0};
  for (const double value : odd) {
    const double column[] = {std::signbit(value) ? 0 : value, 1};
    REQUIRE(pool.set_signal(Signal::kColdTurn, column, std::numeric_limits<Time>::max()).ok());
    Request request;
    request.now_ns = std::numeric_limits<Time>::min();
    request.sequence = ~std::uint64_t{0};
    Decision decision;
    decision.reason = {ReasonCode::all_filtered, 4294967295u, -kInfinity, value};
    decision.score = -1e308;
    decision.margin = kInfinity;
    REQUIRE(writer.append(pool, request, decision, log).ok());
    read_decision(reader, log);
    CHECK(difference(reader.view(), pool.view()) == "");
    CHECK(same_request(reader.request(), request));
    CHECK(same_bits(reader.decision().reason.b, value));
    CHECK(same_bits(reader.decision().reason.a, -kInfinity));
    CHECK(reader.decision().score == -1e308);
    CHECK(reader.decision().margin == kInfinity);
    CHECK(reader.decision().reason.subject == 4294967295u);
  }
}

TEST_CASE("a log that is cut reads up to the cut", "[route][log]") {
  std::vector<std::size_t> ends;
  const Bytes log = small_log(30, &ends);
  for (std::size_t size = 0; size <= log.size(); ++size) {
    // Memory of exactly that size, so that a read beyond it is seen.
    const Bytes cut(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(size));
    const Reading read = read_all(cut);
    INFO("cut at " << size);
    REQUIRE(read.refused.empty());
    const auto whole = std::upper_bound(ends.begin(), ends.end(), size) - ends.begin();
    REQUIRE(read.decisions == static_cast<std::size_t>(whole));
    REQUIRE(read.offset <= size);
  }
}

TEST_CASE("a bit that is not as it was is seen", "[route][log]") {
  const Bytes log = small_log(12);
  const Reading whole = read_all(log);
  REQUIRE(whole.decisions == 12);
  for (std::size_t at = 0; at < log.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes damaged = log;
      damaged[at] ^= static_cast<std::byte>(1 << bit);
      const Reading read = read_all(damaged);
      INFO("byte " << at << ", bit " << bit);
      // A size that has grown beyond the end looks like a cut; everything else is refused, with the byte of the record or in it.
      REQUIRE(read.offset <= at);
      REQUIRE((read.refused.empty() ? read.offset < log.size() : read.refused.starts_with("byte ")));
    }
  }
}

TEST_CASE("records that are missing or in another order are seen", "[route][log]") {
  std::vector<std::size_t> ends;
  const Bytes log = small_log(3, &ends);
  Bytes gap(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(ends[0]));
  gap.insert(gap.end(), log.begin() + static_cast<std::ptrdiff_t>(ends[1]), log.end());
  const Reading read = read_all(gap);
  CHECK(read.decisions == 1);
  CHECK(read.refused == "byte " + std::to_string(ends[0]) +
                            ": the record is damaged, or one before it is missing: its check is another");
}

TEST_CASE("logs one behind the other are one log", "[route][log]") {
  Bytes log = small_log(5);
  const Bytes second = small_log(7);
  log.insert(log.end(), second.begin(), second.end());
  CHECK(read_all(log).decisions == 12);
}

TEST_CASE("what a log cannot hold is refused and nothing is appended", "[route][log]") {
  const PoolSnapshot pool = pool_of({row("a", {{Signal::kRunning, 1}}), row("b")});
  DecisionLogWriter writer;
  DecisionLogWriter untouched;
  Bytes log;
  const auto refused = [&](const Status& status, const std::string& message) {
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(status.message() == message);
    CHECK(log.empty());
  };
  PoolView view = pool.view();
  const double bad[] = {1, -1};
  view.values[static_cast<std::size_t>(Signal::kRunning)] = bad;
  refused(writer.append(view, pool.ids(), {}, {}, log), "view.running[1]: must be in range, or missing");
  refused(writer.append(pool.view(), {}, {}, {}, log), "ids: 0 for 2 endpoints");
  const std::vector<std::string> swapped = {"b", "a"};
  refused(writer.append(pool.view(), swapped, {}, {}, log), "ids[0]: is not that of view.keys");
  Request request;
  request.slo_ttft_s = -1;
  refused(writer.append(pool, request, {}, log), "request.slo_ttft_s: must be finite and not negative");
  const std::string text(kMaxLogText + 1, 'x');
  request = {};
  request.id = text;
  refused(writer.append(pool, request, {}, log), "request: more than 1048576 bytes of text");
  Decision decision;
  decision.outcome = Outcome::kRouted;
  decision.endpoint = {2};
  refused(writer.append(pool, {}, decision, log), "decision.endpoint: no such endpoint");
  decision.endpoint = {1};
  decision.ranked_count = 17;
  refused(writer.append(pool, {}, decision, log), "decision.ranked_count: must not exceed 16");
  decision.ranked_count = 1;
  refused(writer.append(pool, {}, decision, log), "decision.ranked[0]: no such endpoint");
  decision.ranked[0] = {1};
  decision.reason.code = static_cast<ReasonCode>(-5);
  refused(writer.append(pool, {}, decision, log), "decision.reason: unknown");

  // Refusals leave no trace: both go on alike.
  decision.reason.code = ReasonCode::best_score;
  Bytes other;
  REQUIRE(writer.append(pool, {}, decision, log).ok());
  REQUIRE(untouched.append(pool, {}, decision, other).ok());
  CHECK(log == other);
}

TEST_CASE("a writer does not allocate once it and the buffer have grown", "[route][log][allocation]") {
  RandomStream random(1, 2);
  PoolSnapshot pool = pool_of(random_rows(random, 64));
  const Policy policy = preset_policy("kthena-default");
  DecisionLogWriter writer({"kthena-default", 1, ""});
  Workspace workspace;
  Bytes log;
  Request request;
  request.id = "request";
  request.model = "model";
  const auto round = [&] {
    log.clear();
    for (std::uint32_t i = 0; i < 64; ++i) {
      (void)pool.set_value({i}, Signal::kInFlight, i, static_cast<Time>(i));
      (void)pool.set_value({i}, Signal::kRunning, i % 7, static_cast<Time>(i));
      request.sequence = i;
      (void)writer.append(pool, request, policy.decide(pool, request, workspace), log);
    }
  };
  for (int i = 0; i < 3; ++i) round();
  const std::size_t warm = kthena::test::allocations();
  for (int i = 0; i < 20; ++i) round();
  CHECK(kthena::test::allocations() == warm);
}
