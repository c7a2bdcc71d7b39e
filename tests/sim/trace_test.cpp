// Traces as text: what is read, and what is refused.
#include <algorithm>
#include <string>

#include "catch.hpp"
#include "kthena/sim/trace.hpp"
#include "support/trace_data.hpp"

using namespace kthena;
using sim::TraceFormat;

namespace {

const std::string kCsv = "timestamp_ms,input_tokens,output_tokens,block_ids_512\n";

std::string fault_of(const std::string& text, std::optional<TraceFormat> format = std::nullopt) {
  const auto result = sim::parse_trace(text, format);
  REQUIRE(!result.ok());
  CHECK(result.status().code() == StatusCode::kInvalidArgument);
  return result.status().message();
}

}  // namespace

TEST_CASE("Mooncake's CSV is read", "[sim][trace]") {
  const auto result =
      sim::parse_trace(kCsv + "500,1300,7,0 18446744073709551614-18446744073709551615\r\n500,512,1,0\n900,1,2,5\n");
  REQUIRE(result.status() == Status());
  const sim::Workload& w = *result;
  CHECK(w.name == "mooncake-csv");
  CHECK(w.trace_block_tokens == 512);
  CHECK(w.arrival_ns == std::vector<Time>{0, 0, 400 * kMillisecond});
  CHECK(w.prompt_tokens == std::vector<std::uint32_t>{1300, 512, 1});
  CHECK(w.output_tokens == std::vector<std::uint32_t>{7, 1, 2});
  CHECK(w.segment_offsets == std::vector<std::uint32_t>{0, 3, 4, 5});
  CHECK(w.segment_ids == std::vector<std::uint32_t>{0, 1, 2, 0, 3});
  CHECK(w.segment_tokens == std::vector<std::uint32_t>{512, 512, 276, 512, 1});
  CHECK(sim::check(w) == Status());
}

TEST_CASE("Mooncake's JSON lines give the same", "[sim][trace]") {
  const auto csv = sim::parse_trace(kCsv + "500,1300,7,0 8-9\n900,512,1,0\n");
  const auto json = sim::parse_trace(
      "{\"timestamp\": 500, \"input_length\": 1300, \"output_length\": 7, \"hash_ids\": [0, 8, 9]}\n"
      "{\"hash_ids\":[0],\"type\":\"a\\\"}b\",\"turn\":[[1],[],2.5e3],\"output_length\":1,\"input_length\":512,"
      "\"timestamp\":900}\n\n \r\n");
  REQUIRE(csv.ok());
  REQUIRE(json.status() == Status());
  CHECK(json->arrival_ns == csv->arrival_ns);
  CHECK(json->segment_ids == csv->segment_ids);
  CHECK(json->segment_tokens == csv->segment_tokens);
  CHECK(json->name == "mooncake-jsonl");
}

TEST_CASE("Azure's traces are read in both forms, with private prompts", "[sim][trace]") {
  const auto csv = sim::parse_trace("arrival_ms,input_tokens,output_tokens\n0,374,44\n4315,396,109\n");
  const auto original = sim::parse_trace(
      "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-12-31 23:59:58.6850000,374,44\n2024-01-01 00:00:03,396,109\n");
  REQUIRE(csv.ok());
  REQUIRE(original.status() == Status());
  CHECK(original->arrival_ns == csv->arrival_ns);
  CHECK(original->prompt_tokens == csv->prompt_tokens);
  CHECK(csv->segment_ids == std::vector<std::uint32_t>{0, 1});
  CHECK(csv->trace_block_tokens == 0);
}

TEST_CASE("formats are told apart by their first line", "[sim][trace]") {
  CHECK(sim::detect_trace_format(kCsv) == TraceFormat::kMooncakeCsv);
  CHECK(sim::detect_trace_format("{\"timestamp\": 1}") == TraceFormat::kMooncakeJsonl);
  CHECK(sim::detect_trace_format("arrival_ms,input_tokens,output_tokens\r\n") == TraceFormat::kAzureCsv);
  CHECK(sim::detect_trace_format("TIMESTAMP,ContextTokens,GeneratedTokens\n") == TraceFormat::kAzureOriginal);
  CHECK(sim::detect_trace_format("") == std::nullopt);
  for (const TraceFormat format :
       {TraceFormat::kMooncakeCsv, TraceFormat::kMooncakeJsonl, TraceFormat::kAzureCsv, TraceFormat::kAzureOriginal})
    CHECK(sim::find_trace_format(sim::trace_format_name(format)) == format);
  CHECK(sim::find_trace_format("csv") == std::nullopt);
}

TEST_CASE("each fault of a trace has its line", "[sim][trace]") {
  const struct {
    const char* row;
    const char* fault;
  } rows[] = {
      {"12000,34", "line 2: not 4 fields"},
      {"12000 34", "line 2: not 4 fields"},
      {"-5,10,1,0", "line 2: timestamp_ms \"-5\" is negative"},
      {"x,10,1,0", "line 2: timestamp_ms \"x\" is not a whole number"},
      {",10,1,0", "line 2: timestamp_ms \"\" is missing"},
      {"1.5,10,1,0", "line 2: timestamp_ms \"1.5\" is not a whole number"},
      {"10000000001,10,1,0", "line 2: timestamp_ms 10000000001 is above 10000000000"},
      {"0,0,1,", "line 2: input_tokens is 0"},
      {"0,10,0,0", "line 2: output_tokens is 0"},
      {"0,-10,1,0", "line 2: input_tokens \"-10\" is negative"},
      {"0,10000001,1,0", "line 2: input_tokens 10000001 is above 10000000"},
      {"0,10,1,18446744073709551616", "line 2: block id 18446744073709551616 is 2^64 or more"},
      {"0,10,1,-1", "line 2: block id \"-1\" is negative"},
      {"0,513,1,4", "line 2: 1 block ids, but 513 input tokens are 2 blocks of 512"},
      {"0,10,1,", "line 2: 0 block ids, but 10 input tokens are 1 blocks of 512"},
      {"0,10,1,9-8", "line 2: block ids run backwards"},
      {"0,10,1,0-18446744073709551615", "line 2: more block ids than a prompt can have"},
      {"0,10,1,0  1", "line 2: block id \"\" is missing"},
      {"0,10,1,0-1-2", "line 2: block id \"1-2\" is not a whole number"},
  };
  for (const auto& [row, fault] : rows) {
    INFO(row);
    CHECK(fault_of(kCsv + row + "\n") == fault);
  }
  CHECK(fault_of(kCsv + "9,10,1,0\n8,10,1,0\n") == "line 3: time 8 ms is before the request above it");
  CHECK(fault_of(kCsv) == "trace: no requests");
  CHECK(fault_of("a,b,c\n").starts_with("line 1: neither a JSON object nor one of the headers"));
  CHECK(fault_of("a,b\n1,2\n", TraceFormat::kAzureCsv).starts_with("line 1: the header of azure-csv is"));
}

TEST_CASE("each fault of a JSON line has its line", "[sim][trace]") {
  const struct {
    const char* row;
    const char* fault;
  } rows[] = {
      {"{\"timestamp\": 0, \"input_length\": 5", "line 1: the line is cut off"},
      {"{\"timestamp\": 0, \"inpu", "line 1: the line is cut off"},
      {"{\"timestamp\": 0, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": [1", "line 1: the line is cut off"},
      {"{\"timestamp\": 0, \"input_length\": 5, \"output_length\": 1}", "line 1: hash_ids is missing"},
      {"{\"timestamp\": 0, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": [1]} x",
       "line 1: something follows the object"},
      {"{\"timestamp\": 0, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": [\"a\"]}",
       "line 1: hash id \"\"a\"\" is not a whole number"},
      {"{\"timestamp\": 0, \"timestamp\": 0, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": [1]}",
       "line 1: timestamp stands twice"},
      {"{\"timestamp\": 0, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": [18446744073709551616]}",
       "line 1: hash id 18446744073709551616 is 2^64 or more"},
      {"{\"a\": {}}", "line 1: an object inside the object"},
      {"{\"a\": }", "line 1: a value is missing"},
      {"[]", "line 1: expected '{'"},
  };
  for (const auto& [row, fault] : rows) {
    INFO(row);
    CHECK(fault_of(std::string(row) + "\n", TraceFormat::kMooncakeJsonl).starts_with(fault));
  }
  const std::string deep(100'000, '[');
  CHECK(fault_of("{\"a\": " + deep + "\n").starts_with("line 1: "));
}

TEST_CASE("a last line without its newline may be cut off, and is refused", "[sim][trace]") {
  const std::string azure = "arrival_ms,input_tokens,output_tokens\n0,374,44\n4315,396,109\n";
  const std::string mooncake = kCsv + "0,600,50,7 128\n5,600,50,7 128\n";
  const std::string json =
      "{\"timestamp\": 0, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": [1]}\n"
      "{\"timestamp\": 9, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": [1]}\n";
  const std::string original = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,4808,10\n";
  for (const std::string& text : {azure, mooncake, json, original}) {
    REQUIRE(sim::parse_trace(text).status() == Status());
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    const std::size_t last = text.rfind('\n', text.size() - 2) + 1;
    for (std::size_t size = last + 1; size < text.size(); ++size) {  // wherever it is cut
      INFO(text.substr(0, size));
      CHECK(fault_of(text.substr(0, size)) ==
            "line " + std::to_string(lines) + " is not ended by a newline: it may be cut off");
    }
    // Between lines nothing shows: one request fewer is a trace, too.
    if (lines > 2) CHECK(sim::parse_trace(text.substr(0, last)).status() == Status());
  }
  CHECK(fault_of(kCsv + "0,0,1,0\n0,10,1") ==
        "line 2: input_tokens is 0; line 3 is not ended by a newline: it may be cut off");
  CHECK(fault_of(kCsv.substr(0, kCsv.size() - 1)) == "line 1 is not ended by a newline: it may be cut off");
}

TEST_CASE("an empty line is a fault, but not at the end", "[sim][trace]") {
  const std::string row = "{\"timestamp\": 0, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": [1]}\n";
  CHECK(sim::parse_trace(row + row + "\n \t\r\n\n")->size() == 2);
  CHECK(sim::parse_trace(row + row + "\n  ")->size() == 2);
  CHECK(fault_of(row + "\n" + row) == "line 2: empty line");
  CHECK(fault_of(row + " \r\n\n" + row) == "line 2: empty line; line 3: empty line");
  CHECK(sim::parse_trace(kCsv + "0,10,1,0\n\n")->size() == 1);
  CHECK(fault_of(kCsv + "\n0,10,1,0\n") == "line 2: empty line");
  CHECK(fault_of(kCsv + "\n\n") == "trace: no requests");
}

TEST_CASE("all faults of a trace are listed, the first hundred in full", "[sim][trace]") {
  std::string text = kCsv;
  for (int i = 0; i < 130; ++i) text += "0,0,0,0\n";  // two faults a line
  const std::string message = fault_of(text);
  CHECK(message.starts_with("line 2: input_tokens is 0; line 2: output_tokens is 0; line 3: "));
  CHECK(message.ends_with("line 51: output_tokens is 0; and 160 more"));
}

TEST_CASE("ticks are spread inside themselves, in order, by a seed of their own", "[sim][trace]") {
  auto make = [] {
    std::string text = kCsv;
    for (int i = 0; i < 200; ++i) text += std::to_string(i / 10 * 3000) + ",10,1," + std::to_string(i) + "\n";
    return sim::parse_trace(text).value();
  };
  const sim::Workload plain = make();
  sim::Workload spread = make();
  sim::spread_ticks(spread, 3 * kSecond, 5);
  CHECK(sim::check(spread) == Status());
  CHECK(spread.segment_ids == plain.segment_ids);
  Duration sum = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const Duration moved = spread.arrival_ns[i] - plain.arrival_ns[i];
    REQUIRE((moved >= 0 && moved < 3 * kSecond));
    sum += moved;
  }
  CHECK(to_seconds(sum) / 200 == Approx(1.5).margin(0.2));
  sim::Workload again = make();
  sim::spread_ticks(again, 3 * kSecond, 5);
  CHECK(again.arrival_ns == spread.arrival_ns);
  sim::spread_ticks(again, 0, 5);
  CHECK(again.arrival_ns == spread.arrival_ns);
}

TEST_CASE("Mooncake's conversation trace is what its readers counted", "[sim][trace][data]") {
  const auto text = test::trace_data("mooncake_conversation.csv");
  if (!text) {
    WARN(test::skipped_without("mooncake_conversation.csv"));
    return;
  }
  const auto w = sim::parse_trace(*text);
  REQUIRE(w.status() == Status());
  CHECK(w->size() == 12'031);
  const auto stats = sim::prefix_stats(*w, 512);
  REQUIRE(stats.ok());
  CHECK(stats->blocks == 288'500);
  CHECK(stats->unique_blocks == 182'790);
  CHECK(100.0 * static_cast<double>(stats->ideal_hit_tokens) / static_cast<double>(stats->prompt_tokens) ==
        Approx(37.4).margin(0.05));
  // In smaller blocks the same prefixes are found.
  CHECK(sim::prefix_stats(*w, 128)->ideal_hit_tokens == stats->ideal_hit_tokens);
  CHECK(!sim::prefix_stats(*w, 100).ok());
}

TEST_CASE("Mooncake's synthetic trace and Azure's are what their readers counted", "[sim][trace][data]") {
  const auto text = test::trace_data("mooncake_synthetic.csv");
  const auto azure = test::trace_data("azure_llm_2023_code.csv");
  if (!text || !azure) {
    WARN(test::skipped_without("mooncake_synthetic.csv and azure_llm_2023_code.csv"));
    return;
  }
  const auto w = sim::parse_trace(*text);
  REQUIRE(w.status() == Status());
  const auto stats = sim::prefix_stats(*w, 512);
  REQUIRE(stats.ok());
  CHECK(w->size() == 3'993);
  CHECK(stats->blocks == 121'877);
  CHECK(stats->unique_blocks == 43'924);
  CHECK(100.0 * static_cast<double>(stats->ideal_hit_tokens) / static_cast<double>(stats->prompt_tokens) ==
        Approx(65.1).margin(0.05));
  const auto code = sim::parse_trace(*azure);
  REQUIRE(code.status() == Status());
  CHECK(code->size() == 8'819);
}
