#include "prefix/reclaimer.hpp"

#include <algorithm>
#include <utility>

namespace kthena::prefix::detail {

void Reclaimer::retire(void* memory, std::size_t bytes, Free free) {
  fresh_.push_back({memory, free, bytes});
  fresh_bytes_ += bytes;
}

void Reclaimer::cancel(Free free) noexcept {
  for (std::vector<Retired>* const list : {&fresh_, &waiting_}) {
    for (Retired& one : *list) {
      if (one.free == free) one.free = nullptr;
    }
  }
}

void Reclaimer::turn() noexcept {
  parity_.fetch_xor(1, std::memory_order_seq_cst);
#if !defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
  ++turns_;
}

bool Reclaimer::empty(std::uint32_t parity) const noexcept {
  return std::all_of(stripes_.begin(), stripes_.end(),
                     [parity](const Stripe& stripe) { return stripe.readers[parity].load() == 0; });
}

void Reclaimer::collect(void* owner, bool all) {
  if (!all && fresh_.size() < kWorthItems && fresh_bytes_ < kWorthBytes) return;
  while (!waiting_.empty() || !fresh_.empty()) {
    if (waiting_.empty()) {
      std::swap(waiting_, fresh_);
      waiting_bytes_ = std::exchange(fresh_bytes_, 0);
      turns_ = 0;
      turn();
    }
    for (; turns_ <= 2; turn()) {
      if (!empty(1 - parity_.load(std::memory_order_relaxed))) return;
      if (turns_ == 2) break;
    }
    for (const Retired& one : waiting_) {
      if (one.free != nullptr) one.free(owner, one.memory);
    }
    waiting_.clear();
    waiting_bytes_ = 0;
  }
  if (all) {
    fresh_ = std::vector<Retired>();
    waiting_ = std::vector<Retired>();
  }
}

std::size_t Reclaimer::bytes() const noexcept {
  return fresh_bytes_ + waiting_bytes_ + (fresh_.capacity() + waiting_.capacity()) * sizeof(Retired);
}

}  // namespace kthena::prefix::detail
