// TraceBuilder: collects the requests of a trace and all its faults, line by line.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "kthena/base/status.hpp"
#include "kthena/sim/workload.hpp"
#include "sim/fault_list.hpp"
#include "sim/hash_ids.hpp"

namespace kthena::sim::detail {

inline constexpr std::uint32_t kTraceBlockTokens = 512;
inline constexpr std::uint64_t kMaxTraceMs = 10'000'000'000;  // 115 days

/// The text between two commas, and what follows.
inline std::string_view next_field(std::string_view& rest, char separator = ',') noexcept {
  const std::size_t end = rest.find(separator);
  const std::string_view field = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return field;
}

class TraceBuilder {
 public:
  /// Calls `line(text)` for every line but the first `skip`. Blank lines at the end are none; one before it is a fault, and so is a last
  /// line without its newline: what is left of a number that was cut off is a number, too.
  template <class Line>
  void for_lines(std::string_view text, std::size_t skip, Line&& line) {
    constexpr std::string_view kBlank = " \t\r\n";
    const std::size_t end = text.find_last_not_of(kBlank) + 1;  // 0: all is blank
    const bool ended = end == 0 || text.find('\n', end) != std::string_view::npos;
    text = text.substr(0, end);
    for (line_ = 1; !text.empty(); ++line_) {
      std::string_view row = next_field(text, '\n');
      if (text.empty() && !ended) {
        faults_.add("line " + std::to_string(line_) + " is not ended by a newline", "it may be cut off");
        return;
      }
      if (!row.empty() && row.back() == '\r') row.remove_suffix(1);
      if (line_ <= skip) continue;
      if (row.find_first_not_of(kBlank) == std::string_view::npos) {
        fault("empty line");
      } else {
        line(row);
      }
    }
  }

  void fault(std::string message) {
    faults_.add("line " + std::to_string(line_), std::move(message));
    bad_ = true;
  }

  /// Faults of the current row are over or begin.
  void start_row() noexcept { bad_ = false; }
  [[nodiscard]] bool bad_row() const noexcept { return bad_; }

  /// A whole number 0..most; 0 and a fault when it is none.
  std::uint64_t number(std::string_view text, const char* name, std::uint64_t most) {
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc::result_out_of_range && stop == end) {
      fault(std::string(name) + " " + shorten(text) + " is 2^64 or more");
    } else if (error != std::errc() || stop != end) {
      fault(std::string(name) + " \"" + shorten(text) + "\" is " +
            (text.empty()          ? "missing"
             : text.front() == '-' ? "negative"
                                   : "not a whole number"));
    } else if (value > most) {
      fault(std::string(name) + " " + std::to_string(value) + " is above " + std::to_string(most));
    } else {
      return value;
    }
    return 0;
  }

  std::uint32_t tokens(std::string_view text, const char* name) {
    const bool before = bad_;
    bad_ = false;
    const auto value = static_cast<std::uint32_t>(number(text, name, kMaxTokens));
    if (!bad_ && value == 0) fault(std::string(name) + " is 0");
    bad_ = bad_ || before;
    return value;
  }

  /// Adds a request without its prompt, if the row is good so far; time must not go back.
  bool add(Time at_ns, std::uint32_t prompt, std::uint32_t output) {
    if (bad_) return false;
    if (any_ && at_ns < last_ns_) {
      fault("time " + std::to_string(at_ns / kMillisecond) + " ms is before the request above it");
      return false;
    }
    if (!any_) first_ns_ = at_ns;
    any_ = true;
    last_ns_ = at_ns;
    workload_.arrival_ns.push_back(at_ns - first_ns_);
    workload_.prompt_tokens.push_back(prompt);
    workload_.output_tokens.push_back(output);
    return true;
  }

  /// The next segment of the request just added.
  void add_block(std::uint64_t id, std::uint32_t tokens) {
    workload_.segment_ids.push_back(ids_.insert(id).first);
    workload_.segment_tokens.push_back(tokens);
  }
  void end_prompt() { workload_.segment_offsets.push_back(static_cast<std::uint32_t>(workload_.segment_ids.size())); }
  /// A prompt that nobody shares.
  void end_private_prompt() {
    workload_.segment_ids.push_back(static_cast<std::uint32_t>(workload_.segment_ids.size()));
    workload_.segment_tokens.push_back(workload_.prompt_tokens.back());
    end_prompt();
  }

  Result<Workload> finish(std::string_view name, std::uint32_t block_tokens) {
    if (faults_.empty() && !any_) faults_.add("trace", "no requests");
    if (!faults_.empty()) return faults_.status();
    workload_.name = name;
    workload_.trace_block_tokens = block_tokens;
    return std::move(workload_);
  }

 private:
  static std::string shorten(std::string_view text) {
    return text.size() <= 40 ? std::string(text) : std::string(text.substr(0, 40)) + "...";
  }

  Workload workload_;
  FaultList faults_;
  HashIds ids_;
  std::size_t line_ = 0;
  bool bad_ = false;
  bool any_ = false;
  Time first_ns_ = 0;
  Time last_ns_ = 0;
};

Result<Workload> parse_mooncake_csv(std::string_view text);
Result<Workload> parse_mooncake_jsonl(std::string_view text);
Result<Workload> parse_azure_csv(std::string_view text);
Result<Workload> parse_azure_original(std::string_view text);

inline constexpr std::string_view kMooncakeHeader = "timestamp_ms,input_tokens,output_tokens,block_ids_512";
inline constexpr std::string_view kAzureHeader = "arrival_ms,input_tokens,output_tokens";
inline constexpr std::string_view kAzureOriginalHeader = "TIMESTAMP,ContextTokens,GeneratedTokens";

}  // namespace kthena::sim::detail
