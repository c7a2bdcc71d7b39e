// src/prefix/worker_set.hpp
//
// WorkerSet and DepthTable: scratch on the stack for one lookup, so that lookups allocate nothing. A DepthTable is 66 KiB, of which a
// lookup touches 4 bytes and a bit per worker id below the limit it is given.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kthena/base/ids.hpp"

namespace kthena::prefix::detail {

/// Worker ids are below this in every store of this area.
inline constexpr std::uint32_t kMaxWorkers = 16384;

constexpr std::size_t words_for(std::size_t workers) noexcept { return (workers + 63) / 64; }
constexpr std::size_t word_of(std::uint32_t worker) noexcept { return worker / 64; }
constexpr std::uint64_t bit_of(std::uint32_t worker) noexcept { return std::uint64_t{1} << (worker % 64); }

/// Calls visit(worker) for each bit of `bits`, the bits of word `word`, in ascending order.
template <class Visit>
constexpr void for_each_worker(std::size_t word, std::uint64_t bits, Visit&& visit) {
  for (; bits != 0; bits &= bits - 1)
    visit(static_cast<std::uint32_t>(64 * word) + static_cast<std::uint32_t>(std::countr_zero(bits)));
}

/// A bit per worker id below a limit.
class WorkerSet {
 public:
  /// None of the workers 0 .. limit-1; limit <= kMaxWorkers.
  explicit WorkerSet(std::size_t limit) noexcept : size_(words_for(limit)) { std::fill_n(words_.begin(), size_, 0); }

  [[nodiscard]] std::span<std::uint64_t> words() noexcept { return {words_.data(), size_}; }
  [[nodiscard]] std::span<const std::uint64_t> words() const noexcept { return {words_.data(), size_}; }
  void insert(std::uint32_t worker) noexcept { words_[word_of(worker)] |= bit_of(worker); }

 private:
  std::size_t size_;
  std::array<std::uint64_t, kMaxWorkers / 64> words_;  // the first size_ are set
};

/// Depths by worker id for a caller that asks for some workers in an order of its own, perhaps one of them twice.
class DepthTable {
 public:
  /// `limit`: one more than the largest id that can have a depth, <= kMaxWorkers.
  DepthTable(std::span<const WorkerId> workers, std::size_t limit) noexcept : limit_(limit), asked_(limit) {
    reset(workers);
  }

  /// As a new one for the same workers.
  void reset(std::span<const WorkerId> workers) noexcept {
    for (const WorkerId worker : workers) {
      if (worker.value >= limit_) continue;
      asked_.insert(worker.value);
      depths_[worker.value] = 0;
    }
  }

  /// The workers asked for whose ids are below the limit.
  [[nodiscard]] WorkerSet& asked() noexcept { return asked_; }
  /// For a worker that was asked for.
  void set(std::uint32_t worker, std::uint32_t depth) noexcept { depths_[worker] = depth; }
  /// By worker id; those of workers that were asked for may be written.
  [[nodiscard]] std::uint32_t* depths() noexcept { return depths_.data(); }

  /// out[i] = depth of workers[i]; `workers` as given to the constructor.
  void write(std::span<const WorkerId> workers, std::span<std::uint32_t> out) const noexcept {
    for (std::size_t i = 0; i < std::min(workers.size(), out.size()); ++i) {
      out[i] = workers[i].value < limit_ ? depths_[workers[i].value] : 0;
    }
  }

 private:
  std::size_t limit_;
  WorkerSet asked_;
  std::array<std::uint32_t, kMaxWorkers> depths_;  // set for asked workers only
};

}  // namespace kthena::prefix::detail
