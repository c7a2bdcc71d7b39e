#include "kthena/prefix/compat/unchained_owners.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/sha256.hpp"
#include "prefix/compat/owner_table.hpp"
#include "prefix/worker_set.hpp"

namespace kthena::prefix::compat {

using detail::kPrefetchDistance;
using detail::OwnerTable;
using prefix::detail::kMaxWorkers;

std::uint64_t hash_block_unchained(std::span<const std::uint32_t> tokens) noexcept {
  if (tokens.empty()) return 0;
  kthena::detail::Sha256 sha;
  std::array<std::byte, 64> chunk;
  while (!tokens.empty()) {
    const std::size_t taken = std::min<std::size_t>(tokens.size(), chunk.size() / 4);
    for (std::size_t i = 0; i < taken; ++i) {
      for (std::size_t byte = 0; byte < 4; ++byte)
        chunk[4 * i + byte] = static_cast<std::byte>(tokens[i] >> (24 - 8 * byte));
    }
    sha.update(std::span(chunk).first(4 * taken));
    tokens = tokens.subspan(taken);
  }
  const std::array<std::uint8_t, 32> digest = sha.finish();
  std::uint64_t hash = 0;
  for (std::size_t i = 0; i < 8; ++i) hash = hash << 8 | digest[i];
  return hash & 0x7FFFFFFFFFFFFFFFull;
}

std::vector<std::uint64_t> hash_prompt_unchained(std::span<const std::uint32_t> tokens, std::uint32_t block_tokens,
                                                 std::uint32_t max_blocks) {
  std::vector<std::uint64_t> hashes;
  if (block_tokens == 0) return hashes;
  while (!tokens.empty() && hashes.size() < max_blocks) {
    const std::span<const std::uint32_t> block = tokens.first(std::min<std::size_t>(block_tokens, tokens.size()));
    hashes.push_back(hash_block_unchained(block));
    tokens = tokens.subspan(block.size());
  }
  return hashes;
}

struct UnchainedOwners::State {
  OwnerTable table;
};

UnchainedOwners::UnchainedOwners() : state_(std::make_unique<State>()) {}
UnchainedOwners::UnchainedOwners(UnchainedOwners&&) noexcept = default;
UnchainedOwners& UnchainedOwners::operator=(UnchainedOwners&&) noexcept = default;
UnchainedOwners::~UnchainedOwners() = default;

void UnchainedOwners::store(std::uint64_t model_key, WorkerId worker, std::span<const std::uint64_t> hashes) {
  if (worker.value >= kMaxWorkers) return;
  OwnerTable& table = state_->table;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    if (i + kPrefetchDistance < hashes.size()) table.prefetch({model_key, hashes[i + kPrefetchDistance]});
    table.add_owner(table.make({model_key, hashes[i]}), worker.value);
  }
}

void UnchainedOwners::remove(std::uint64_t model_key, WorkerId worker, std::span<const std::uint64_t> hashes) {
  OwnerTable& table = state_->table;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    if (i + kPrefetchDistance < hashes.size()) table.prefetch({model_key, hashes[i + kPrefetchDistance]});
    const std::uint32_t entry = table.find({model_key, hashes[i]});
    if (entry != OwnerTable::kNone) table.remove_owner(entry, worker.value);
  }
}

void UnchainedOwners::remove_worker(WorkerId worker) {
  OwnerTable& table = state_->table;
  for (std::uint32_t entry = 0; entry < table.entry_limit(); ++entry) table.remove_owner(entry, worker.value);
}

void UnchainedOwners::find(std::uint64_t model_key, std::span<const std::uint64_t> hashes,
                           std::span<const WorkerId> workers, std::span<std::uint32_t> depths) const noexcept {
  const OwnerTable& table = state_->table;
  prefix::detail::DepthTable found(workers, table.worker_limit());
  const std::span<std::uint64_t> active = found.asked().words();
  const auto emit = [&found](std::size_t word, std::uint64_t bits, std::size_t depth) {
    prefix::detail::for_each_worker(
        word, bits, [&](std::uint32_t worker) { found.set(worker, static_cast<std::uint32_t>(depth)); });
  };
  for (std::size_t i = 0; i < std::min(kPrefetchDistance, hashes.size()); ++i) table.prefetch({model_key, hashes[i]});
  std::size_t depth = 0;
  for (std::uint64_t any = 1; any != 0 && depth < hashes.size(); ++depth) {
    if (depth + kPrefetchDistance < hashes.size()) table.prefetch({model_key, hashes[depth + kPrefetchDistance]});
    const std::uint32_t entry = table.find({model_key, hashes[depth]});
    if (entry == OwnerTable::kNone) break;
    const std::span<const std::uint64_t> owners = table.owners(entry);
    any = 0;
    for (std::size_t word = 0; word < active.size(); ++word) {
      if (const std::uint64_t lost = active[word] & ~owners[word]; lost != 0) emit(word, lost, depth);
      active[word] &= owners[word];
      any |= active[word];
    }
  }
  for (std::size_t word = 0; word < active.size(); ++word) {
    if (active[word] != 0) emit(word, active[word], depth);
  }
  found.write(workers, depths);
}

std::uint64_t UnchainedOwners::size() const noexcept { return state_->table.pairs(); }

}  // namespace kthena::prefix::compat
