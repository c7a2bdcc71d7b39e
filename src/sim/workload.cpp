// What all workloads share: checks, cutting, spreading, and what an endless cache could reuse.
#include "kthena/sim/workload.hpp"

#include <algorithm>
#include <string>

#include "kthena/base/random.hpp"
#include "sim/content_cursor.hpp"
#include "sim/fault_list.hpp"
#include "sim/hash_ids.hpp"
#include "sim/random_streams.hpp"

namespace kthena::sim {
namespace {

std::string place(std::size_t request, const char* field) {
  return "requests[" + std::to_string(request) + "]." + field;
}

void check_lengths(std::uint32_t tokens, std::size_t request, const char* field, detail::FaultList& faults) {
  if (tokens < 1 || tokens > kMaxTokens)
    faults.add(place(request, field), std::to_string(tokens) + " is not in 1.." + std::to_string(kMaxTokens));
}

}  // namespace

Status check(const Workload& workload) {
  const std::size_t n = workload.size();
  detail::FaultList faults;
  if (n == 0) faults.add("requests", "there is none");
  if (workload.prompt_tokens.size() != n) faults.add("prompt_tokens", "not as many as arrivals");
  if (workload.output_tokens.size() != n) faults.add("output_tokens", "not as many as arrivals");
  if (!workload.group_ids.empty() && workload.group_ids.size() != n) faults.add("group_ids", "not as many as arrivals");
  if (!workload.adapter_ids.empty() && workload.adapter_ids.size() != n)
    faults.add("adapter_ids", "not as many as arrivals");
  if (workload.segment_offsets.size() != n + 1) faults.add("segment_offsets", "not one more than arrivals");
  if (workload.segment_ids.size() != workload.segment_tokens.size())
    faults.add("segment_ids", "not as many as segment_tokens");
  if (!faults.empty()) return faults.status();
  if (workload.segment_offsets[0] != 0 || workload.segment_offsets[n] != workload.segment_ids.size())
    faults.add("segment_offsets", "does not cover segment_ids");
  for (std::size_t i = 0; i < n; ++i)
    if (workload.segment_offsets[i + 1] < workload.segment_offsets[i]) faults.add("segment_offsets", "decreases");
  if (!faults.empty()) return faults.status();

  for (std::size_t i = 0; i < n; ++i) {
    if (workload.arrival_ns[i] < (i == 0 ? 0 : workload.arrival_ns[i - 1]))
      faults.add(place(i, "arrival_ns"), i == 0 ? "negative" : "before the request above it");
    check_lengths(workload.prompt_tokens[i], i, "prompt_tokens", faults);
    check_lengths(workload.output_tokens[i], i, "output_tokens", faults);
    if (!workload.adapter_ids.empty() && workload.adapter_ids[i] >= kMaxAdapters &&
        workload.adapter_ids[i] != kNoAdapter)
      faults.add(place(i, "adapter_ids"), std::to_string(workload.adapter_ids[i]) + " is not below " +
                                              std::to_string(kMaxAdapters) + ", nor kNoAdapter");
    std::uint64_t sum = 0;
    for (std::size_t s = workload.segment_offsets[i]; s < workload.segment_offsets[i + 1]; ++s) {
      if (workload.segment_tokens[s] == 0) faults.add(place(i, "segments"), "one is empty");
      sum += workload.segment_tokens[s];
    }
    if (sum != workload.prompt_tokens[i]) faults.add(place(i, "segments"), "do not add up to prompt_tokens");
  }
  return faults.status();
}

void truncate(Workload& workload, std::size_t count) {
  if (count >= workload.size()) return;
  workload.arrival_ns.resize(count);
  workload.prompt_tokens.resize(count);
  workload.output_tokens.resize(count);
  if (!workload.group_ids.empty()) workload.group_ids.resize(count);
  if (!workload.adapter_ids.empty()) workload.adapter_ids.resize(count);
  workload.segment_offsets.resize(count + 1);
  workload.segment_ids.resize(workload.segment_offsets.back());
  workload.segment_tokens.resize(workload.segment_offsets.back());
}

void spread_ticks(Workload& workload, Duration tick_ns, std::uint64_t seed) {
  if (tick_ns <= 0) return;
  RandomStream random(seed, detail::kTickStream);
  std::size_t begin = 0;
  while (begin < workload.size()) {
    const Time tick = workload.arrival_ns[begin] / tick_ns;
    std::size_t end = begin;
    while (end < workload.size() && workload.arrival_ns[end] / tick_ns == tick) {
      const auto offset = static_cast<Duration>(random.next_below(static_cast<std::uint64_t>(tick_ns)));
      workload.arrival_ns[end++] = tick * tick_ns + offset;
    }
    const auto first = workload.arrival_ns.begin();
    std::sort(first + static_cast<std::ptrdiff_t>(begin), first + static_cast<std::ptrdiff_t>(end));
    begin = end;
  }
}

Result<PrefixStats> prefix_stats(const Workload& workload, std::uint32_t block_tokens) {
  if (Status status = check(workload); !status.ok()) return status;
  if (block_tokens == 0) return invalid_argument("block_tokens: 0 is not a block size");
  if (workload.trace_block_tokens % block_tokens != 0)
    return invalid_argument("block_tokens: " + std::to_string(block_tokens) +
                            " does not divide the trace's blocks of " + std::to_string(workload.trace_block_tokens) +
                            " tokens");
  PrefixStats stats;
  detail::HashIds seen;
  for (std::size_t i = 0; i < workload.size(); ++i) {
    detail::ContentCursor cursor(workload, i);
    std::uint64_t chain = detail::chain_start(workload, i);
    bool leading = true;
    for (std::uint32_t at = 0; at < workload.prompt_tokens[i]; at += block_tokens) {
      const std::uint32_t tokens = std::min(block_tokens, workload.prompt_tokens[i] - at);
      chain = combine64(chain, cursor.next(tokens));
      leading = !seen.insert(chain).second && leading;
      if (leading) stats.ideal_hit_tokens += tokens;
      ++stats.blocks;
    }
    stats.prompt_tokens += workload.prompt_tokens[i];
  }
  stats.unique_blocks = seen.size();
  return stats;
}

}  // namespace kthena::sim
