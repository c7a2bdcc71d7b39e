// Trace formats: names and detection.
#include "kthena/sim/trace.hpp"

#include <array>
#include <string>

#include "sim/trace_builder.hpp"

namespace kthena::sim {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"mooncake-csv", "mooncake-jsonl", "azure-csv", "azure-original"};

std::string_view first_line(std::string_view text) noexcept {
  std::string_view line = detail::next_field(text, '\n');
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::string_view header_of(TraceFormat format) noexcept {
  switch (format) {
    case TraceFormat::kMooncakeCsv:
      return detail::kMooncakeHeader;
    case TraceFormat::kAzureCsv:
      return detail::kAzureHeader;
    case TraceFormat::kAzureOriginal:
      return detail::kAzureOriginalHeader;
    case TraceFormat::kMooncakeJsonl:
      break;
  }
  return {};
}

}  // namespace

std::string_view trace_format_name(TraceFormat format) noexcept { return kNames[static_cast<std::size_t>(format)]; }

std::optional<TraceFormat> find_trace_format(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<TraceFormat>(i);
  return std::nullopt;
}

std::optional<TraceFormat> detect_trace_format(std::string_view text) noexcept {
  const std::string_view line = first_line(text);
  if (line.starts_with('{')) return TraceFormat::kMooncakeJsonl;
  for (const TraceFormat format : {TraceFormat::kMooncakeCsv, TraceFormat::kAzureCsv, TraceFormat::kAzureOriginal})
    if (line == header_of(format)) return format;
  return std::nullopt;
}

Result<Workload> parse_trace(std::string_view text, std::optional<TraceFormat> format) {
  if (!format) format = detect_trace_format(text);
  if (!format)
    return invalid_argument("line 1: neither a JSON object nor one of the headers \"" +
                            std::string(detail::kMooncakeHeader) + "\", \"" + std::string(detail::kAzureHeader) +
                            "\", \"" + std::string(detail::kAzureOriginalHeader) + "\"");
  const std::string_view header = header_of(*format);
  if (!header.empty() && first_line(text) != header)
    return invalid_argument("line 1: the header of " + std::string(trace_format_name(*format)) + " is \"" +
                            std::string(header) + "\"");
  switch (*format) {
    case TraceFormat::kMooncakeCsv:
      return detail::parse_mooncake_csv(text);
    case TraceFormat::kMooncakeJsonl:
      return detail::parse_mooncake_jsonl(text);
    case TraceFormat::kAzureCsv:
      return detail::parse_azure_csv(text);
    case TraceFormat::kAzureOriginal:
      break;
  }
  return detail::parse_azure_original(text);
}

}  // namespace kthena::sim
