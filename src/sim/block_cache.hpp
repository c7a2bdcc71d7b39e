// BlockCache: the paged KV memory of one engine with its prefix cache, as vLLM V1 keeps it. Physical blocks have
// reference counts; those without references wait in one list and keep their content until they are taken. Given back,
// a block with content goes to the end of the list and one without to its front. Several blocks may hold one content:
// whoever computed it again keeps his own copy.
//
//   Cost       a few loads and stores per block; everything is an array, nothing is allocated after construction.
//   Memory     24 bytes per physical block, 4 per content.
//   Source     vllm/v1/core/block_pool.py of 0.32: get_new_blocks, cache_full_blocks, free_blocks, BlockHashToBlockMap.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kthena::sim::detail {

class BlockCache {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;

  /// `blocks` physical blocks, all free; contents are 0..contents.
  BlockCache(std::uint32_t blocks, std::uint32_t contents)
      : holder_(contents, kNone), blocks_(blocks + 1), ring_(blocks) {
    for (std::uint32_t i = 0; i <= blocks; ++i)
      blocks_[i] = {i == blocks ? 0 : i + 1, i == 0 ? blocks : i - 1, 0, kNone};
    for (std::uint32_t i = 0; i < blocks; ++i) ring_[i] = {i, i};
    free_ = blocks;
  }

  [[nodiscard]] std::uint32_t capacity() const noexcept { return sentinel(); }
  [[nodiscard]] std::uint32_t free() const noexcept { return free_; }
  [[nodiscard]] std::uint32_t referenced() const noexcept { return capacity() - free_; }

  /// The block that has held `content` longest, referenced or not; kNone.
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

  /// The first block of the free list, with one reference and without content. There must be one. `evicted` gets what
  /// it held, or kNone; others may hold that still.
  std::uint32_t take(std::uint32_t& evicted) noexcept {
    const std::uint32_t taken = blocks_[sentinel()].next;
    Block& b = blocks_[taken];
    blocks_[sentinel()].next = b.next;
    blocks_[b.next].previous = sentinel();
    evicted = b.content;
    if (evicted != kNone) {
      if (copies_ == 0 || ring_[taken].next == taken) {
        holder_[evicted] = kNone;
      } else {
        drop_copy(taken, evicted);
      }
    }
    b.content = kNone;
    b.references = 1;
    --free_;
    return taken;
  }

  /// Lets later requests find `content` here, once those that held it before are gone. The block must be without
  /// content.
  void store(std::uint32_t block, std::uint32_t content) noexcept {
    Block& b = blocks_[block];
    b.content = content;
    if (holder_[content] == kNone) {
      holder_[content] = block;
      return;
    }
    const std::uint32_t oldest = holder_[content];  // the youngest is before it
    ring_[block] = {oldest, ring_[oldest].previous};
    ring_[ring_[oldest].previous].next = block;
    ring_[oldest].previous = block;
    ++copies_;
  }

  /// One reference less; without any left the block goes to the end of the free list, or to its front if it holds
  /// nothing.
  void release(std::uint32_t block) noexcept {
    Block& b = blocks_[block];
    if (--b.references != 0) return;
    Block& ends = blocks_[sentinel()];
    if (b.content != kNone) {
      b.previous = ends.previous;
      b.next = sentinel();
      blocks_[ends.previous].next = block;
      ends.previous = block;
    } else {
      b.previous = sentinel();
      b.next = ends.next;
      blocks_[ends.next].previous = block;
      ends.next = block;
    }
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
  struct Copy {
    std::uint32_t next;
    std::uint32_t previous;
  };

  void drop_copy(std::uint32_t block, std::uint32_t content) noexcept {
    const Copy copy = ring_[block];
    ring_[copy.previous].next = copy.next;
    ring_[copy.next].previous = copy.previous;
    ring_[block] = {block, block};
    if (holder_[content] == block) holder_[content] = copy.next;
    --copies_;
  }

  [[nodiscard]] std::uint32_t sentinel() const noexcept { return static_cast<std::uint32_t>(blocks_.size() - 1); }

  std::vector<std::uint32_t> holder_;  // content -> oldest block
  std::vector<Block> blocks_;          // the last one is the ends of the free list
  std::vector<Copy> ring_;             // by block: who else holds its content; itself when nobody does
  std::uint32_t copies_ = 0;           // beyond the first of each content
  std::uint32_t free_ = 0;
};

}  // namespace kthena::sim::detail
