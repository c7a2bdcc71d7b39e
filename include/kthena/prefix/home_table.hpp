// include/kthena/prefix/home_table.hpp
//
// HomeTable: which worker was sent a prompt last, by a few prefixes of it; longer than any cache holds them.
//
//   Use when   KV memory is short: an index of what is held *now* chases evictions, and a prefix that nobody holds any more is best computed
//              again where it was before, for there its next request will look for it. See docs/prefix-index.md, "Homes".
//   Prefixes   of 1, 2, 3, 4, 6, 8, 12 blocks, and four to each doubling from 64 on (16, 32, 48 in between): a home is found at the longest of
//              these that a former prompt shares, 4/5 of the shared blocks or more from 64 on, half of them or more below.
//   Cost       set and find: about 4 cache lines for each doubling of the prompt, fetched ahead; O(1) memory, no allocation.
//   Memory     16 bytes an entry. A full table forgets what was set longest ago, four entries at a time side by side.
//   Threads    one at a time; const calls may run beside each other. A value: copying it forks it.
//   Known for  being a hint: prefixes are compared by 64 bits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kthena/base/ids.hpp"
#include "kthena/base/status.hpp"
#include "kthena/prefix/query.hpp"

namespace kthena::prefix {

struct HomeTableOptions {
  /// Prefixes remembered at most, rounded up to a power of two. Range [4, 2^28]. DEFAULT: 2^18, 4 MiB.
  std::uint32_t max_entries = 1u << 18;
};

struct Home {
  WorkerId worker;                 ///< none: no prefix of the prompt is remembered
  std::uint32_t depth_blocks = 0;  ///< blocks of the prefix it is remembered by
  friend bool operator==(const Home&, const Home&) = default;
};

class HomeTable {
 public:
  /// kInvalidArgument names the option out of range.
  static Result<HomeTable> create(const HomeTableOptions& options = {});

  /// The prompt was sent to `worker`: it is the home of all its prefixes from now on. Nothing happens for an invalid worker.
  void set(const PrefixQuery& query, WorkerId worker) noexcept;
  /// The home of the longest prefix that is remembered.
  [[nodiscard]] Home find(const PrefixQuery& query) const noexcept;
  /// Forgets what was sent to `worker`. O(entries).
  void forget(WorkerId worker) noexcept;
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return buckets_.capacity() * sizeof(Bucket); }

 private:
  /// `key` 0: free.
  struct Entry {
    std::uint64_t key = 0;
    std::uint32_t worker = 0;
    std::uint32_t turn = 0;  // of the set() that wrote it
  };
  struct alignas(64) Bucket {
    std::array<Entry, 4> entries;
  };
  explicit HomeTable(std::size_t buckets) : buckets_(buckets), mask_(buckets - 1) {}

  std::vector<Bucket> buckets_;
  std::size_t mask_;
  std::uint32_t turn_ = 0;
};

}  // namespace kthena::prefix
