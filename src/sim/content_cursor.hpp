// Reads a prompt's segments in pieces of a given length and names the content of each piece.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kthena/base/hash.hpp"
#include "kthena/sim/workload.hpp"

namespace kthena::sim::detail {

/// Where the name of a prefix begins: prompts for different adapters share nothing.
inline std::uint64_t chain_start(const Workload& workload, std::size_t request) noexcept {
  if (workload.adapter_ids.empty() || workload.adapter_ids[request] == kNoAdapter) return 0;
  return combine64(hash_id("adapter"), workload.adapter_ids[request]);
}

/// Two pieces have equal keys when they cover equal stretches of equal segments.
class ContentCursor {
 public:
  ContentCursor(const Workload& workload, std::size_t request) noexcept
      : workload_(workload), segment_(workload.segment_offsets[request]), end_(workload.segment_offsets[request + 1]) {}

  /// The key of the next `tokens` tokens; the prompt must have as many left.
  std::uint64_t next(std::uint32_t tokens) noexcept {
    std::uint64_t key = 0;
    while (tokens > 0 && segment_ < end_) {
      const std::uint32_t left = workload_.segment_tokens[segment_] - offset_;
      const std::uint32_t taken = std::min(left, tokens);
      const std::uint64_t place = std::uint64_t{workload_.segment_ids[segment_]} << 32 | offset_;
      key = combine64(combine64(key, place), taken);
      tokens -= taken;
      offset_ += taken;
      if (taken == left) {
        ++segment_;
        offset_ = 0;
      }
    }
    return key;
  }

 private:
  const Workload& workload_;
  std::size_t segment_;
  std::size_t end_;
  std::uint32_t offset_ = 0;
};

}  // namespace kthena::sim::detail
