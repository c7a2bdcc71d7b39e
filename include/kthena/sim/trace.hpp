// include/kthena/sim/trace.hpp
//
// Request traces as text, read into a Workload. The library opens no file: the caller brings the text.
//
//   mooncake-csv    timestamp_ms,input_tokens,output_tokens,block_ids_512    ids separated by spaces, runs written a-b
//   mooncake-jsonl  {"timestamp": ms, "input_length": n, "output_length": n, "hash_ids": [...]}, one per line (Mooncake FAST'25)
//   azure-csv       arrival_ms,input_tokens,output_tokens                    no prefixes: every prompt is private
//   azure-original  TIMESTAMP,ContextTokens,GeneratedTokens                  the header of AzurePublicDataset's files
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "kthena/base/status.hpp"
#include "kthena/sim/workload.hpp"

namespace kthena::sim {

enum class TraceFormat : std::uint8_t { kMooncakeCsv, kMooncakeJsonl, kAzureCsv, kAzureOriginal };

std::string_view trace_format_name(TraceFormat format) noexcept;
std::optional<TraceFormat> find_trace_format(std::string_view name) noexcept;
/// By the first line; none when it is no known header and no JSON object.
std::optional<TraceFormat> detect_trace_format(std::string_view text) noexcept;

/// The requests of a trace; the first arrives at 0. Without `format` it is detected.
/// kInvalidArgument lists every fault with its line ("line 12: ..."), the first 100 in full: a line that is empty, is cut off or has the wrong
/// number of fields, a last line without its newline (it may be cut off inside a number; blank lines after it are fine), a number that is none, negative or absurd (tokens above kMaxTokens, times above 10^10 ms, block ids of 2^64 or
/// more), a time before the one above it, a number of block ids other than ceil(input / 512), a trace without requests.
Result<Workload> parse_trace(std::string_view text, std::optional<TraceFormat> format = std::nullopt);

}  // namespace kthena::sim
