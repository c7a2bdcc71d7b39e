// src/prefix/reclaimer.hpp
//
// Reclaimer: memory that the writer has taken out of a structure is freed when no lookup can see it any more.
//
//   Readers  count themselves in one of 64 stripes, chosen by thread, under one of two parities; two atomic additions per lookup, on a
//            cache line that few threads share. They never wait.
//   Writer   retire() puts memory aside. collect() turns the parity, so that the counts of the old one run dry, and once more for the
//            other; when every stripe was seen empty under both since the memory was put aside, it goes. It never waits either: what is not
//            ready stays for the next call.
//   Cost     retire: a push. collect: 128 loads per batch when no lookup is under way.
//   Threads  one writer; any number of readers.
//   Source   sleepable RCU (McKenney), with counts per stripe instead of per processor.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kthena::prefix::detail {

class Reclaimer {
 public:
  /// A lookup is under way while this lives.
  class Reading {
   public:
    explicit Reading(std::atomic<std::uint32_t>& count) noexcept : count_(count) {
      count_.fetch_add(1, std::memory_order_seq_cst);
#if !defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
      std::atomic_thread_fence(std::memory_order_seq_cst);  // the addition is seen before anything is read
#endif
    }
    ~Reading() { count_.fetch_sub(1, std::memory_order_release); }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

   private:
    std::atomic<std::uint32_t>& count_;
  };
  [[nodiscard]] Reading read() const noexcept {
    return Reading(stripes_[stripe()].readers[parity_.load(std::memory_order_relaxed)]);
  }

  using Free = void (*)(void* owner, void* memory);

  Reclaimer() = default;
  Reclaimer(const Reclaimer&) = delete;
  Reclaimer& operator=(const Reclaimer&) = delete;

  /// `memory`, of `bytes`, can no longer be found by lookups that begin now. free(owner, memory) is called later; `owner` as given to
  /// collect().
  void retire(void* memory, std::size_t bytes, Free free);
  /// Those put aside to be freed by `free` are forgotten instead.
  void cancel(Free free) noexcept;
  /// Frees what nobody sees. Unless `all`, only when enough has come together to be worth a look.
  void collect(void* owner, bool all);
  /// Put aside and not yet freed.
  [[nodiscard]] std::size_t bytes() const noexcept;

 private:
  static constexpr std::size_t kStripes = 64;
  static constexpr std::size_t kWorthItems = 16;
  static constexpr std::size_t kWorthBytes = std::size_t{1} << 16;

  struct alignas(64) Stripe {
    std::atomic<std::uint32_t> readers[2] = {};
  };
  struct Retired {
    void* memory;
    Free free;
    std::size_t bytes;
  };

  [[nodiscard]] static std::size_t stripe() noexcept;
  void turn() noexcept;
  [[nodiscard]] bool empty(std::uint32_t parity) const noexcept;

  mutable std::array<Stripe, kStripes> stripes_;
  std::atomic<std::uint32_t> parity_ = 0;
  std::vector<Retired> fresh_;    // put aside since the batch that waits
  std::vector<Retired> waiting_;  // a batch
  int turns_ = 0;                 // of the parity since the batch began to wait
  std::size_t fresh_bytes_ = 0;
  std::size_t waiting_bytes_ = 0;
};

inline std::size_t Reclaimer::stripe() noexcept {
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
  const auto thread = reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
#else
  static thread_local const char here = 0;
  const auto thread = reinterpret_cast<std::uintptr_t>(&here);
#endif
  return static_cast<std::size_t>((static_cast<std::uint64_t>(thread) * 0x9E3779B97F4A7C15ull) >> 58);
}

}  // namespace kthena::prefix::detail
