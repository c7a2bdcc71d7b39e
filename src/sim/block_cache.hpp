// BlockCache: the paged KV memory of one engine with its prefix cache, as vLLM V1 keeps it. Physical blocks have reference counts;
// those without references wait in one list, oldest first, and keep their content until they are taken.
//
//   Cost       a few loads and stores per block; everything is an array, nothing is allocated after construction.
//   Memory     16 bytes per physical block, 4 per content.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kthena::sim::detail {

class BlockCache {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;

  /// `blocks` physical blocks, all free; contents are 0..contents.
  BlockCache(std::uint32_t blocks, std::uint32_t contents) : holder_(contents, kNone), blocks_(blocks + 1) {
    for (std::uint32_t i = 0; i <= blocks; ++i)
      blocks_[i] = {i == blocks ? 0 : i + 1, i == 0 ? blocks : i - 1, 0, kNone};
    free_ = blocks;
  }

  [[nodiscard]] std::uint32_t capacity() const noexcept { return sentinel(); }
  [[nodiscard]] std::uint32_t free() const noexcept { return free_; }
  [[nodiscard]] std::uint32_t referenced() const noexcept { return capacity() - free_; }

  /// The block that holds `content`, referenced or not; kNone.
  [[nodiscard]] std::uint32_t find(std::uint32_t content) const noexcept { return holder_[content]; }
  [[nodiscard]] bool is_free(std::uint32_t block) const noexcept { return blocks_[block].references == 0; }
  [[nodiscard]] std::uint32_t content(std::uint32_t block) const noexcept { return blocks_[block].content; }

  /// One more reference.
  void reference(std::uint32_t block) noexcept {
    Block& b = blocks_[block];
    if (b.references++ == 0) {
      blocks_[b.previous].next = b.next;
      blocks_[b.next].previous = b.previous;
      --free_;
    }
  }

  /// The block that was free longest, with one reference and without content. There must be one. `evicted` gets what it held, or kNone.
  std::uint32_t take(std::uint32_t& evicted) noexcept {
    const std::uint32_t taken = blocks_[sentinel()].next;
    Block& b = blocks_[taken];
    blocks_[sentinel()].next = b.next;
    blocks_[b.next].previous = sentinel();
    evicted = b.content;
    if (evicted != kNone) holder_[evicted] = kNone;
    b.content = kNone;
    b.references = 1;
    --free_;
    return taken;
  }

  /// Lets later requests find `content` here. False, and nothing changes, when another block holds it already.
  bool store(std::uint32_t block, std::uint32_t content) noexcept {
    if (holder_[content] != kNone) return false;
    holder_[content] = block;
    blocks_[block].content = content;
    return true;
  }

  /// Nobody can find its content any more.
  void forget(std::uint32_t block) noexcept {
    Block& b = blocks_[block];
    if (b.content == kNone) return;
    holder_[b.content] = kNone;
    b.content = kNone;
  }

  /// One reference less; without any left the block goes to the young end of the free list.
  void release(std::uint32_t block) noexcept {
    Block& b = blocks_[block];
    if (--b.references != 0) return;
    Block& end = blocks_[sentinel()];
    b.previous = end.previous;
    b.next = sentinel();
    blocks_[end.previous].next = block;
    end.previous = block;
    ++free_;
  }

  /// What is wrong with the structure; empty when nothing is. For tests: O(blocks + contents).
  [[nodiscard]] std::string fault() const;

 private:
  struct Block {
    std::uint32_t next;
    std::uint32_t previous;
    std::uint32_t references;
    std::uint32_t content;
  };

  [[nodiscard]] std::uint32_t sentinel() const noexcept { return static_cast<std::uint32_t>(blocks_.size() - 1); }

  std::vector<std::uint32_t> holder_;  // content -> block
  std::vector<Block> blocks_;          // the last one is the ends of the free list
  std::uint32_t free_ = 0;
};

}  // namespace kthena::sim::detail
