#include "sim/block_cache.hpp"

namespace kthena::sim::detail {

std::string BlockCache::fault() const {
  std::uint32_t listed = 0;
  for (std::uint32_t at = blocks_[sentinel()].next; at != sentinel(); at = blocks_[at].next) {
    if (blocks_[blocks_[at].next].previous != at) return "free list is broken at block " + std::to_string(at);
    if (blocks_[at].references != 0) return "block " + std::to_string(at) + " is free and referenced";
    if (++listed > capacity()) return "free list has a cycle";
  }
  if (listed != free_) return "free count " + std::to_string(free_) + ", listed " + std::to_string(listed);
  std::uint32_t unreferenced = 0;
  std::uint32_t holding = 0;
  for (std::uint32_t i = 0; i < capacity(); ++i) {
    const Block& b = blocks_[i];
    unreferenced += b.references == 0 ? 1 : 0;
    if (b.content == kNone) continue;
    ++holding;
  }
  if (unreferenced != free_)
    return "free count " + std::to_string(free_) + ", unreferenced " + std::to_string(unreferenced);
  std::uint32_t held = 0;
  for (std::uint32_t content = 0; content < holder_.size(); ++content) {
    std::uint32_t block = holder_[content];
    for (std::uint32_t copy = 0; block != kNone; block = ring_[block].next) {
      if (copy++ > 0 && block == holder_[content]) break;
      const std::string name = "content " + std::to_string(content) + ", block " + std::to_string(block);
      if (blocks_[block].content != content) return name + ": it holds another";
      if (ring_[ring_[block].next].previous != block) return name + ": the ring of copies is broken";
      if (++held > holding) return name + ": the ring of copies does not close";
    }
  }
  if (held != holding)
    return std::to_string(held) + " blocks are found, " + std::to_string(holding) + " hold something";
  return {};
}

}  // namespace kthena::sim::detail
