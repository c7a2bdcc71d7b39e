// Mooncake traces: prompts as chains of 512-token blocks, as CSV with runs of ids and as the original JSON lines.
#include <algorithm>
#include <utility>
#include <vector>

#include "sim/trace_builder.hpp"

namespace kthena::sim::detail {
namespace {

/// A run of consecutive block ids.
struct Run {
  std::uint64_t first;
  std::uint64_t last;
};

void add_row(TraceBuilder& builder, std::uint64_t at_ms, std::uint32_t input, std::uint32_t output,
             const std::vector<Run>& runs) {
  if (builder.bad_row()) return;
  std::uint64_t blocks = 0;
  for (const Run& run : runs) {
    const std::uint64_t more = run.last - run.first;
    if (more >= kMaxTokens || blocks > kMaxTokens) {
      builder.fault("more block ids than a prompt can have");
      return;
    }
    blocks += more + 1;
  }
  const std::uint32_t expected = (input + kTraceBlockTokens - 1) / kTraceBlockTokens;
  if (blocks != expected) {
    builder.fault(std::to_string(blocks) + " block ids, but " + std::to_string(input) + " input tokens are " +
                  std::to_string(expected) + " blocks of " + std::to_string(kTraceBlockTokens));
    return;
  }
  if (!builder.add(static_cast<Time>(at_ms) * kMillisecond, input, output)) return;
  std::uint32_t left = input;
  for (const Run& run : runs) {
    for (std::uint64_t i = 0; i <= run.last - run.first; ++i) {
      const std::uint32_t tokens = std::min(left, kTraceBlockTokens);
      builder.add_block(run.first + i, tokens);
      left -= tokens;
    }
  }
  builder.end_prompt();
}

/// What is needed of JSON for one flat object of whole numbers and lists of them; other values are stepped over.
class ObjectReader {
 public:
  ObjectReader(TraceBuilder& builder, std::string_view text) : builder_(builder), rest_(text) {}

  void read(std::uint64_t& at_ms, std::uint32_t& input, std::uint32_t& output, std::vector<Run>& runs) {
    bool seen[4] = {};
    if (!expect('{')) return;
    if (!skip('}')) {
      do {
        std::string_view name;
        if (!read_string(name) || !expect(':')) return;
        const std::size_t field = static_cast<std::size_t>(std::find(kFields, kFields + 4, name) - kFields);
        if (field < 4 && std::exchange(seen[field], true)) builder_.fault(std::string(name) + " stands twice");
        if (field == 0) at_ms = builder_.number(word(), "timestamp", kMaxTraceMs);
        if (field == 1) input = builder_.tokens(word(), "input_length");
        if (field == 2) output = builder_.tokens(word(), "output_length");
        if (field == 3 && !read_ids(runs)) return;
        if (field == 4 && !step_over()) return;
      } while (skip(','));
      if (!expect('}')) return;
    }
    if (!at_end()) builder_.fault("something follows the object");
    for (std::size_t i = 0; i < 4; ++i)
      if (!seen[i]) builder_.fault(std::string(kFields[i]) + " is missing");
  }

 private:
  static constexpr std::string_view kFields[4] = {"timestamp", "input_length", "output_length", "hash_ids"};

  void skip_space() noexcept {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }
  bool at_end() noexcept {
    skip_space();
    return rest_.empty();
  }
  bool skip(char c) noexcept {
    skip_space();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool expect(char c) {
    if (skip(c)) return true;
    builder_.fault(rest_.empty() ? "the line is cut off" : std::string("expected '") + c + "'");
    return false;
  }
  bool read_string(std::string_view& out) {
    if (!expect('"')) return false;
    std::size_t end = 0;
    while (end < rest_.size() && rest_[end] != '"') end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) {
      builder_.fault("the line is cut off");
      return false;
    }
    out = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return true;
  }
  /// Up to the next comma, bracket or space.
  std::string_view word() noexcept {
    skip_space();
    const std::size_t end = std::min(rest_.find_first_of(",]} \t"), rest_.size());
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return text;
  }
  bool read_ids(std::vector<Run>& runs) {
    if (!expect('[')) return false;
    if (skip(']')) return true;
    do {
      const std::uint64_t id = builder_.number(word(), "hash id", ~std::uint64_t{0});
      runs.push_back({id, id});
    } while (skip(','));
    return expect(']');
  }
  bool step_over(int depth = 0) {
    skip_space();
    std::string_view ignored;
    if (!rest_.empty() && rest_.front() == '"') return read_string(ignored);
    if (!rest_.empty() && rest_.front() == '[' && depth < 16) {
      skip('[');
      if (skip(']')) return true;
      do {
        if (!step_over(depth + 1)) return false;
      } while (skip(','));
      return expect(']');
    }
    if (!rest_.empty() && rest_.front() == '{') {
      builder_.fault("an object inside the object");
      return false;
    }
    if (word().empty()) {
      builder_.fault(rest_.empty() ? "the line is cut off" : "a value is missing");
      return false;
    }
    return true;
  }

  TraceBuilder& builder_;
  std::string_view rest_;
};

}  // namespace

Result<Workload> parse_mooncake_csv(std::string_view text) {
  TraceBuilder builder;
  std::vector<Run> runs;
  builder.for_lines(text, 1, [&](std::string_view row) {
    builder.start_row();
    if (std::count(row.begin(), row.end(), ',') != 3) {
      builder.fault("not 4 fields");
      return;
    }
    const std::uint64_t at_ms = builder.number(next_field(row), "timestamp_ms", kMaxTraceMs);
    const std::uint32_t input = builder.tokens(next_field(row), "input_tokens");
    const std::uint32_t output = builder.tokens(next_field(row), "output_tokens");
    runs.clear();
    while (!row.empty()) {
      std::string_view range = next_field(row, ' ');
      const bool is_range = range.find('-') != std::string_view::npos && range.front() != '-';
      const std::string_view first_text = is_range ? next_field(range, '-') : range;
      const std::uint64_t first = builder.number(first_text, "block id", ~std::uint64_t{0});
      const std::uint64_t last = is_range ? builder.number(range, "block id", ~std::uint64_t{0}) : first;
      if (!builder.bad_row() && last < first) builder.fault("block ids run backwards");
      runs.push_back({first, last});
    }
    add_row(builder, at_ms, input, output, runs);
  });
  return builder.finish("mooncake-csv", kTraceBlockTokens);
}

Result<Workload> parse_mooncake_jsonl(std::string_view text) {
  TraceBuilder builder;
  std::vector<Run> runs;
  builder.for_lines(text, 0, [&](std::string_view row) {
    builder.start_row();
    std::uint64_t at_ms = 0;
    std::uint32_t input = 0;
    std::uint32_t output = 0;
    runs.clear();
    ObjectReader(builder, row).read(at_ms, input, output, runs);
    add_row(builder, at_ms, input, output, runs);
  });
  return builder.finish("mooncake-jsonl", kTraceBlockTokens);
}

}  // namespace kthena::sim::detail
