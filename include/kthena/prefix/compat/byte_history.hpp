// include/kthena/prefix/compat/byte_history.hpp
//
// ByteHistory: Kthena's prefix-cache store. Remembers which endpoint was sent which 64-byte prompt blocks, never what engines hold.
//
//   Use when   Kthena's prefix-cache plugin is to be reproduced; for new work use PrefixIndex.
//   Cost       hash: one XXH64 per block (about 40 ns); find: one probe per block until top_k matched; add: O(blocks).
//   Source     volcano-sh/kthena pkg/kthena-router/scheduler/plugins/{prefix_cache.go,cache/prefix_store.go}.
//   Known for  seeing only the first 8 KiB of a prompt; giving 0 to all holders beyond top_k; never learning of evictions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kthena/base/ids.hpp"
#include "kthena/base/status.hpp"

namespace kthena::prefix::compat {

struct ByteHistoryOptions {
  std::uint32_t block_bytes = 64;   ///< bytes of prompt text per block, >= 1. DEFAULT: 64.
  std::uint32_t max_blocks = 128;   ///< blocks of a prompt that count, >= 1. DEFAULT: 128.
  std::uint32_t capacity = 50'000;  ///< hashes remembered per endpoint, all models together, >= 1. DEFAULT: 50000.
  std::uint32_t top_k = 5;          ///< endpoints that may match, >= 1. DEFAULT: 5.
};

/// h[-1] = XXH64(model), h[i] = XXH64(decimal(h[i-1]) + bytes of block i); the last partial block counts; at most max_blocks.
/// `block_bytes` and `max_blocks` as in the options; 0 gives no hashes. [any thread]
std::vector<std::uint64_t> hash_prompt_bytes(std::string_view model, std::string_view prompt,
                                             std::uint32_t block_bytes = 64, std::uint32_t max_blocks = 128);

/// One writer; find is const.
class ByteHistory {
 public:
  static Result<ByteHistory> create(const ByteHistoryOptions& options);
  ByteHistory(ByteHistory&&) noexcept;
  ByteHistory& operator=(ByteHistory&&) noexcept;
  ~ByteHistory();

  /// Remembers that `worker` was sent a prompt with these hashes (head first). Blocks are added tail first, so that the tail is
  /// forgotten first when `capacity` is reached. `model_key` keeps models apart (hash_id of the model name). Workers 0..16383; others
  /// are ignored.
  void add(std::uint64_t model_key, WorkerId worker, std::span<const std::uint64_t> hashes);

  /// Forgets an endpoint.
  void remove_worker(WorkerId worker);

  /// depths[i] = longest remembered prefix of workers[i], in blocks. Walks from the last hash to the first and stops once top_k of
  /// the given workers matched; where more match at one block than places are left, the smaller mix64(tie_seed ^ worker) wins.
  void find(std::uint64_t model_key, std::span<const std::uint64_t> hashes, std::span<const WorkerId> workers,
            std::uint64_t tie_seed, std::span<std::uint32_t> depths) const noexcept;

  /// Hashes forgotten because of `capacity`, ever.
  [[nodiscard]] std::uint64_t evictions() const noexcept;
  /// (worker, hash) pairs remembered.
  [[nodiscard]] std::uint64_t size() const noexcept;

 private:
  struct State;
  explicit ByteHistory(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace kthena::prefix::compat
