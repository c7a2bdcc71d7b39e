// Any bytes as the dump of a prefix index: refused, or the dump of the index that they make, which then takes any events.
//
// The checksum and the fingerprint of the seed are put right first, or no input would get far. First byte: whether the engine hashes are
// shared. Last 16 bytes: what happens to the index afterwards.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <vector>

#include "kthena/base/hash.hpp"
#include "kthena/prefix.hpp"

using namespace kthena;
using namespace kthena::prefix;

namespace {

void require(bool held) {
  if (!held) std::abort();
}

/// Depths of the prompt 1 2 3 4 5 6 in namespace 7.
std::vector<std::uint32_t> depths_of(const PrefixIndex& index) {
  PrefixQuery query(7, 16, 0);
  require(query.extend_contents(std::array<std::uint64_t, 6>{1, 2, 3, 4, 5, 6}).ok());
  std::vector<std::uint32_t> depths(PrefixIndex::kTiers * index.worker_limit());
  index.find_tiers(query, {}, depths);
  return depths;
}

void act(PrefixIndex& index, std::uint8_t what) {
  const WorkerId worker{what % 4u};
  const std::array<std::uint64_t, 3> blocks = {1 + what / 4 % 4u, 2 + what / 4 % 4u, 3 + what / 4 % 4u};
  const auto tier = static_cast<KvTier>(what / 16 % 2);
  switch (what / 32) {
    case 0:
    case 1:
      (void)index.apply(BlockStored{worker, 7, std::nullopt, blocks, blocks, tier});
      break;
    case 2:
      (void)index.apply(BlockStored{worker, 7, blocks[0] - 1, blocks, blocks, tier});
      break;
    case 3:
      (void)index.apply(BlockStored{worker, 7, std::nullopt, blocks, {}, tier});
      break;
    case 4:
      (void)index.apply(BlockRemoved{worker, blocks, tier});
      break;
    case 5:
      (void)index.expire(what, 2);
      break;
    case 6: {
      PrefixQuery query(7, 16, 0);
      require(query.extend_contents(blocks).ok());
      (void)index.expect(worker, query, what);
      break;
    }
    default:
      if (what % 2 == 0) {
        (void)index.remove_worker(worker);
      } else {
        (void)index.apply(AllBlocksCleared{worker});
      }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kActions = 16;
  if (size < 1 + kActions) return 0;
  const PrefixIndexOptions options{.max_workers = 64,
                                   .max_orphan_blocks = 64,
                                   .shared_engine_hashes = data[0] % 2 != 0,
                                   .max_expected_blocks = 64,
                                   .expected_ttl_ns = 10};
  const auto* const begin = reinterpret_cast<const std::byte*>(data);
  // Memory of exactly that size, so that a read beyond it is seen.
  std::vector<std::byte> dump(begin + 1, begin + (size - kActions));
  (void)PrefixIndex::load(dump, options).ok();
  if (dump.size() >= 36) {
    const std::vector<std::byte> model = PrefixIndex::create(options)->dump();
    std::copy_n(model.begin() + 20, 8, dump.begin() + 20);
    const std::uint64_t sum = xxh3_64(std::span(dump).first(dump.size() - 8), 0);
    for (std::size_t i = 0; i < 8; ++i) dump[dump.size() - 8 + i] = static_cast<std::byte>(sum >> 8 * i);
  }
  Result<PrefixIndex> index = PrefixIndex::load(dump, options);
  if (!index.ok()) return 0;
  require(index->dump() == dump);

  PrefixIndex copy = PrefixIndex::load(dump, options).value();
  for (std::size_t i = size - kActions; i < size; ++i) {
    act(*index, data[i]);
    act(copy, data[i]);
  }
  (void)index->sweep(1u << 20);
  (void)copy.sweep(1u << 20);
  require(index->dump() == copy.dump());
  require(depths_of(*index) == depths_of(copy));
  for (std::uint32_t id = 0; id < 64; ++id) {
    (void)index->dump_events({id}, [](const KvEvent&) {});
    (void)index->remove_worker({id});
  }
  require(index->stats().memberships == 0 && index->stats().orphan_blocks == 0 && index->stats().runs == 0);
  return 0;
}
