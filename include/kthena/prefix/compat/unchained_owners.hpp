// include/kthena/prefix/compat/unchained_owners.hpp
//
// UnchainedOwners: Kthena's kvcache-aware store. Which endpoints hold a block of given tokens, wherever in a prompt it stood.
//
//   Use when   Kthena's kvcache-aware plugin is to be reproduced; for new work use PrefixIndex.
//   Cost       hash: one SHA-256 per block (about 0.4 us for 16 tokens); find: one probe per block; add/remove: one probe.
//   Source     volcano-sh/kthena pkg/kthena-router/scheduler/plugins/kvcache_aware.go, python/kthena/runtime/kv_cache_manager.py.
//   Known for  counting a block that was cached behind other tokens as a hit (the hash is not chained); counting the last partial
//              block, which engines never publish, so that such a prompt can never score 100.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kthena/base/ids.hpp"
#include "kthena/base/status.hpp"

namespace kthena::prefix::compat {

/// First 8 bytes, big-endian, of SHA-256 over the big-endian 4-byte token ids, top bit cleared. Empty: 0. [any thread]
std::uint64_t hash_block_unchained(std::span<const std::uint32_t> tokens) noexcept;

/// Hashes of consecutive blocks; the last partial block counts; at most max_blocks. [any thread]
std::vector<std::uint64_t> hash_prompt_unchained(std::span<const std::uint32_t> tokens, std::uint32_t block_tokens = 16,
                                                 std::uint32_t max_blocks = 128);

/// One writer; find is const.
class UnchainedOwners {
 public:
  UnchainedOwners();
  UnchainedOwners(UnchainedOwners&&) noexcept;
  UnchainedOwners& operator=(UnchainedOwners&&) noexcept;
  ~UnchainedOwners();

  /// Idempotent. `model_key` keeps models apart (hash_id of the model name). Workers 0..16383; others are ignored.
  void store(std::uint64_t model_key, WorkerId worker, std::span<const std::uint64_t> hashes);
  void remove(std::uint64_t model_key, WorkerId worker, std::span<const std::uint64_t> hashes);
  /// Forgets an endpoint.
  void remove_worker(WorkerId worker);

  /// depths[i] = leading blocks of `hashes` that workers[i] owns.
  void find(std::uint64_t model_key, std::span<const std::uint64_t> hashes, std::span<const WorkerId> workers,
            std::span<std::uint32_t> depths) const noexcept;

  /// (worker, hash) pairs.
  [[nodiscard]] std::uint64_t size() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kthena::prefix::compat
