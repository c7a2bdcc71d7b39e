// prefix.hpp
//
// The classes behind PrefixIndex and PrefixQuery, and what takes a lock of which.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <shared_mutex>

#include "errors.hpp"
#include "kthena/kthena.h"
#include "locking.hpp"
#include "state.hpp"

namespace kthena::python {

/// From here on storing takes 2 us or more.
inline constexpr std::size_t kLongBlocks = 64;
/// And a lookup: it costs about 0.1 us a run of blocks, and 1 ns a worker.
inline constexpr std::size_t kLongFind = 4096;

inline Length length_of(std::size_t n, std::size_t limit) { return n < limit ? Length::kShort : Length::kLong; }

/// Its lock: one thread extends it, any number look it up.
class Query {
 public:
  explicit Query(kthena_prefix_query* query) noexcept : query_(query) {}
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query() { kthena_prefix_query_free(query_); }

  [[nodiscard]] const kthena_prefix_query* get() const noexcept { return query_; }
  std::shared_mutex& mutex() noexcept { return mutex_; }

  void extend(const pybind11::object& tokens);
  void extend_contents(const pybind11::object& contents, const pybind11::object& uppers);
  void clear();
  std::size_t blocks();

 private:
  template <class Call>
  void write(Length length, Call&& call) {
    Error error;
    kthena_status status = KTHENA_OK;
    run_locked<WriteLock>(mutex_, length, [&] { status = call(&error); });
    check(status, error);
  }

  kthena_prefix_query* query_;
  std::shared_mutex mutex_;
};

/// Its lock is taken by the writer, and shared by what reads at rest. Lookups run beside the writer and take none.
class Index {
 public:
  Index(kthena_prefix_index* index, std::uint32_t block_tokens, bool wide_contents, const State& state) noexcept
      : index_(index), block_tokens_(block_tokens), wide_contents_(wide_contents), state_(state) {}
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;
  ~Index() { kthena_prefix_index_free(index_); }

  [[nodiscard]] const kthena_prefix_index* get() const noexcept { return index_; }
  [[nodiscard]] kthena_prefix_index* get() noexcept { return index_; }
  std::shared_mutex& mutex() noexcept { return mutex_; }
  [[nodiscard]] bool wide_contents() const noexcept { return wide_contents_; }
  [[nodiscard]] std::uint32_t block_tokens() const noexcept { return block_tokens_; }
  [[nodiscard]] const State& state() const noexcept { return state_; }
  [[nodiscard]] std::size_t worker_limit() const noexcept { return kthena_prefix_worker_limit(index_); }

  template <class Call>
  void write(Length length, Call&& call) {
    Error error;
    kthena_status status = KTHENA_OK;
    run_locked<WriteLock>(mutex_, length, [&] { status = call(&error); });
    check(status, error);
  }
  template <class Call>
  void read_at_rest(Length length, Call&& call) {
    Error error;
    kthena_status status = KTHENA_OK;
    run_locked<ReadLock>(mutex_, length, [&] { status = call(&error); });
    check(status, error);
  }

 private:
  kthena_prefix_index* index_;
  std::uint32_t block_tokens_;
  bool wide_contents_;
  const State& state_;
  std::shared_mutex mutex_;
};

/// Puts find, find_batch, find_tiers and find_best on the type.
void register_find(pybind11::class_<Index>& type, State& state);

/// The index inside a PrefixIndex and what guards it; live as long as the object.
struct PrefixAccess {
  kthena_prefix_index* index;
  std::shared_mutex* mutex;
};

/// Throws TypeError for another object.
PrefixAccess access_prefix_index(const pybind11::object& object);

}  // namespace kthena::python
