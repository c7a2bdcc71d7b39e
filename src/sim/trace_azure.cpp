// Azure LLM inference traces: lengths and times only.
#include "sim/trace_builder.hpp"

namespace kthena::sim::detail {
namespace {

/// Days from 1970-01-01 to a date of the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
std::int64_t days_from_civil(std::int64_t year, std::int64_t month, std::int64_t day) noexcept {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = year / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719'468;
}

/// "2023-11-16 18:17:03.9799600" as ns since 1970; no value when it is not of that form.
std::optional<Time> parse_timestamp(std::string_view text) noexcept {
  constexpr std::string_view kForm = "dddd-dd-dd dd:dd:dd";
  if (text.size() < kForm.size()) return std::nullopt;
  std::int64_t parts[6] = {};
  std::size_t part = 0;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    if (kForm[i] == 'd') {
      if (text[i] < '0' || text[i] > '9') return std::nullopt;
      parts[part] = parts[part] * 10 + (text[i] - '0');
    } else {
      if (text[i] != kForm[i]) return std::nullopt;
      ++part;
    }
  }
  std::int64_t fraction = 0;
  text.remove_prefix(kForm.size());
  if (!text.empty()) {
    if (text.front() != '.' || text.size() < 2 || text.size() > 10) return std::nullopt;
    for (std::size_t i = 1; i <= 9; ++i) {
      const char c = i < text.size() ? text[i] : '0';
      if (c < '0' || c > '9') return std::nullopt;
      fraction = fraction * 10 + (c - '0');
    }
  }
  const auto [year, month, day, hour, minute, second] = parts;
  if (year < 1970 || year > 2200 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
      second > 60)
    return std::nullopt;
  return ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60 * kSecond + second * kSecond + fraction;
}

template <class ParseTime>
Result<Workload> parse(std::string_view text, std::string_view name, ParseTime&& parse_time) {
  TraceBuilder builder;
  builder.for_lines(text, 1, [&](std::string_view row) {
    builder.start_row();
    if (std::count(row.begin(), row.end(), ',') != 2) {
      builder.fault("not 3 fields");
      return;
    }
    const Time at = parse_time(builder, next_field(row));
    const std::uint32_t prompt = builder.tokens(next_field(row), "input tokens");
    const std::uint32_t output = builder.tokens(next_field(row), "output tokens");
    if (builder.add(at, prompt, output)) builder.end_private_prompt();
  });
  return builder.finish(name, 0);
}

}  // namespace

Result<Workload> parse_azure_csv(std::string_view text) {
  return parse(text, "azure-csv", [](TraceBuilder& builder, std::string_view field) {
    return static_cast<Time>(builder.number(field, "time", kMaxTraceMs)) * kMillisecond;
  });
}

Result<Workload> parse_azure_original(std::string_view text) {
  return parse(text, "azure-original", [](TraceBuilder& builder, std::string_view field) {
    const std::optional<Time> at = parse_timestamp(field);
    if (!at) builder.fault("time \"" + std::string(field.substr(0, 40)) + "\" is not like 2023-11-16 18:17:03.9799600");
    return at.value_or(0);
  });
}

}  // namespace kthena::sim::detail
