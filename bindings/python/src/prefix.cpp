// prefix.cpp
//
// PrefixIndex and PrefixQuery. Arrays are read and filled in place; long calls let other threads run.
#include "prefix.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "buffer.hpp"
#include "errors.hpp"
#include "locking.hpp"
#include "state.hpp"
#include "text.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace kthena::python {
namespace {

/// From here on hashing, storing or finding takes 2 us or more.
constexpr std::size_t kLongBlocks = 64;
constexpr std::size_t kLongTokens = 4096;

Length length_of(std::size_t n, std::size_t limit) { return n < limit ? Length::kShort : Length::kLong; }

void acquire(Buffer& buffer, const py::object& object, const char* name, Element element,
             Access access = Access::kRead) {
  if (!buffer.acquire(object.ptr(), name, element, access)) throw py::error_already_set();
}

class Query {
 public:
  explicit Query(kthena_prefix_query* query) noexcept : query_(query) {}
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query() { kthena_prefix_query_free(query_); }

  [[nodiscard]] const kthena_prefix_query* get() const noexcept { return query_; }
  std::shared_mutex& mutex() noexcept { return mutex_; }

  void extend(const py::object& tokens) {
    Buffer buffer;
    acquire(buffer, tokens, "tokens", Element::kUint32);
    write(length_of(buffer.size(), kLongTokens), [&](kthena_error* error) {
      return kthena_prefix_query_extend_tokens(query_, buffer.as<const std::uint32_t>(), buffer.size(), error);
    });
  }

  void extend_contents(const py::object& contents) {
    Buffer buffer;
    acquire(buffer, contents, "contents", Element::kUint64);
    write(length_of(buffer.size(), kLongTokens), [&](kthena_error* error) {
      return kthena_prefix_query_extend_contents(query_, buffer.as<const std::uint64_t>(), buffer.size(), error);
    });
  }

  void clear() {
    write(Length::kShort, [&](kthena_error*) {
      kthena_prefix_query_clear(query_);
      return KTHENA_OK;
    });
  }

  std::size_t blocks() {
    std::size_t blocks = 0;
    run_locked<ReadLock>(mutex_, Length::kShort, [&] { blocks = kthena_prefix_query_blocks(query_); });
    return blocks;
  }

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

class Index {
 public:
  Index(std::uint64_t seed, std::uint32_t block_tokens, std::uint32_t max_workers, std::uint64_t max_orphan_blocks)
      : seed_(seed), block_tokens_(block_tokens) {
    kthena_prefix_index_options options{};
    options.struct_size = sizeof options;
    options.block_tokens = block_tokens;
    options.max_workers = max_workers;
    options.max_orphan_blocks = max_orphan_blocks;
    options.seed = seed;
    Error error;
    check(kthena_prefix_index_create(&options, &index_, &error), error);
  }
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;
  ~Index() { kthena_prefix_index_free(index_); }

  [[nodiscard]] std::uint32_t block_tokens() const noexcept { return block_tokens_; }
  [[nodiscard]] PrefixAccess access() noexcept { return {index_, &mutex_}; }

  std::uint32_t add_worker(std::string_view name) {
    std::uint32_t worker = KTHENA_NONE;
    write(Length::kShort,
          [&](kthena_error* error) { return kthena_prefix_add_worker(index_, borrow(name), &worker, error); });
    return worker;
  }

  py::object find_worker(std::string_view name) {
    std::uint32_t worker = KTHENA_NONE;
    read(Length::kShort, [&] { worker = kthena_prefix_find_worker(index_, borrow(name)); });
    if (worker == KTHENA_NONE) return py::none();
    return py::int_(worker);
  }

  void remove_worker(std::uint32_t worker) {
    write(Length::kLong, [&](kthena_error* error) { return kthena_prefix_remove_worker(index_, worker, error); });
  }

  std::size_t worker_limit() {
    std::size_t limit = 0;
    read(Length::kShort, [&] { limit = kthena_prefix_worker_limit(index_); });
    return limit;
  }

  std::uint64_t namespace_key(std::string_view model, std::string_view adapter, std::string_view tenant) const {
    return kthena_prefix_namespace_key(borrow(model), borrow(adapter), borrow(tenant), block_tokens_, seed_);
  }

  py::array_t<std::uint64_t> hash_blocks(const py::object& tokens) const {
    Buffer buffer;
    acquire(buffer, tokens, "tokens", Element::kUint32);
    py::array_t<std::uint64_t> hashes(static_cast<py::ssize_t>(buffer.size() / block_tokens_));
    hash_into(buffer, hashes.mutable_data());
    return hashes;
  }

  void store(std::uint32_t worker, const py::object& engine_hashes, const py::object& tokens,
             const py::object& contents, const py::object& parent, std::uint64_t namespace_key, std::int32_t tier) {
    if (tokens.is_none() == contents.is_none())
      raise_error(KTHENA_INVALID_ARGUMENT, "store: give either tokens or contents");
    Buffer engine;
    Buffer content;
    acquire(engine, engine_hashes, "engine_hashes", Element::kUint64);
    std::vector<std::uint64_t> hashed;
    const std::uint64_t* content_hashes = nullptr;
    std::size_t blocks = 0;
    if (contents.is_none()) {
      Buffer text;
      acquire(text, tokens, "tokens", Element::kUint32);
      blocks = text.size() / block_tokens_;
      if (blocks * block_tokens_ != text.size())
        raise_error(KTHENA_INVALID_ARGUMENT, "store: tokens: " + std::to_string(text.size()) +
                                                 " are no whole number of blocks of " + std::to_string(block_tokens_));
      hashed.resize(blocks);
      hash_into(text, hashed.data());
      content_hashes = hashed.data();
    } else {
      acquire(content, contents, "contents", Element::kUint64);
      blocks = content.size();
      content_hashes = content.as<const std::uint64_t>();
    }
    if (blocks != engine.size())
      raise_error(KTHENA_INVALID_ARGUMENT, "store: engine_hashes: " + std::to_string(engine.size()) + " hashes for " +
                                               std::to_string(blocks) + " blocks");
    const std::uint64_t parent_hash = parent.is_none() ? 0 : parent.cast<std::uint64_t>();
    write(length_of(blocks, kLongBlocks), [&](kthena_error* error) {
      return kthena_prefix_store(index_, worker, namespace_key, parent.is_none() ? nullptr : &parent_hash,
                                 engine.as<const std::uint64_t>(), content_hashes, blocks, tier, error);
    });
  }

  void remove(std::uint32_t worker, const py::object& engine_hashes, std::int32_t tier) {
    Buffer engine;
    acquire(engine, engine_hashes, "engine_hashes", Element::kUint64);
    write(length_of(engine.size(), kLongBlocks), [&](kthena_error* error) {
      return kthena_prefix_remove(index_, worker, engine.as<const std::uint64_t>(), engine.size(), tier, error);
    });
  }

  void clear(std::uint32_t worker) {
    write(Length::kLong, [&](kthena_error* error) { return kthena_prefix_clear(index_, worker, error); });
  }

  std::unique_ptr<Query> query(std::string_view model, std::string_view adapter, std::string_view tenant) {
    kthena_prefix_query* query = nullptr;
    Error error;
    check(kthena_prefix_query_create(index_, borrow(model), borrow(adapter), borrow(tenant), &query, &error), error);
    return std::make_unique<Query>(query);
  }

  py::object find(Query& query, const py::object& workers, const py::object& candidates, py::object out) {
    if (!workers.is_none() && !candidates.is_none())
      raise_error(KTHENA_INVALID_ARGUMENT, "find: give workers or candidates, not both");
    Buffer chosen;
    Buffer mask;
    if (!workers.is_none()) acquire(chosen, workers, "workers", Element::kUint32);
    if (!candidates.is_none()) acquire(mask, candidates, "candidates", Element::kUint64);
    const std::size_t wanted = workers.is_none() ? worker_limit() : chosen.size();
    if (out.is_none()) out = py::array_t<std::uint32_t>(static_cast<py::ssize_t>(wanted));
    Buffer depths;
    acquire(depths, out, "out", Element::kUint32, Access::kWrite);
    if (depths.size() < wanted || (!workers.is_none() && depths.size() != wanted))
      raise_error(KTHENA_INVALID_ARGUMENT,
                  "find: out has " + std::to_string(depths.size()) + " elements, needs " + std::to_string(wanted));
    Error error;
    kthena_status status = KTHENA_OK;
    // The lock of the query is inside: a query is not extended while it is looked up.
    const auto look_up = [&] {
      ReadLock lock(query.mutex());
      status = workers.is_none()
                   ? kthena_prefix_find_by_worker(index_, query.get(),
                                                  candidates.is_none() ? nullptr : mask.as<const std::uint64_t>(),
                                                  mask.size(), depths.as<std::uint32_t>(), depths.size(), &error)
                   : kthena_prefix_find(index_, query.get(), chosen.as<const std::uint32_t>(), chosen.size(),
                                        depths.as<std::uint32_t>(), &error);
    };
    read(length_of(query.blocks() + wanted, kLongBlocks), look_up);
    check(status, error);
    return out;
  }

  py::dict stats() {
    kthena_prefix_stats stats{};
    stats.struct_size = sizeof stats;
    Error error;
    kthena_status status = KTHENA_OK;
    read(Length::kShort, [&] { status = kthena_prefix_get_stats(index_, &stats, &error); });
    check(status, error);
    return py::dict("workers"_a = stats.workers, "memberships"_a = stats.memberships,
                    "unique_blocks"_a = stats.unique_blocks, "orphan_blocks"_a = stats.orphan_blocks,
                    "orphans_dropped"_a = stats.orphans_dropped, "unknown_removes"_a = stats.unknown_removes,
                    "rehashed_blocks"_a = stats.rehashed_blocks, "approximate_bytes"_a = stats.approximate_bytes);
  }

 private:
  void hash_into(const Buffer& tokens, std::uint64_t* hashes) const {
    const auto hash = [&] {
      kthena_prefix_hash_blocks(tokens.as<const std::uint32_t>(), tokens.size(), block_tokens_, seed_, hashes);
    };
    if (tokens.size() < kLongTokens) {
      hash();
    } else {
      py::gil_scoped_release release;
      hash();
    }
  }

  template <class Call>
  void write(Length length, Call&& call) {
    Error error;
    kthena_status status = KTHENA_OK;
    run_locked<WriteLock>(mutex_, length, [&] { status = call(&error); });
    check(status, error);
  }

  template <class Call>
  void read(Length length, Call&& call) {
    run_locked<ReadLock>(mutex_, length, call);
  }

  kthena_prefix_index* index_ = nullptr;
  std::uint64_t seed_;
  std::uint32_t block_tokens_;
  std::shared_mutex mutex_;
};

}  // namespace

PrefixAccess access_prefix_index(const py::object& object) {
  if (!py::isinstance<Index>(object)) throw py::type_error("index must be a PrefixIndex");
  return object.cast<Index&>().access();
}

void register_prefix(py::module_& module) {
  py::class_<Query>(module, "PrefixQuery", "A prompt prepared for lookups in the index that made it.")
      .def("extend", &Query::extend, "tokens"_a, "Appends tokens, uint32.")
      .def("extend_contents", &Query::extend_contents, "contents"_a, "Appends content hashes of whole blocks, uint64.")
      .def("clear", &Query::clear, "Forgets the prompt.")
      .def_property_readonly("blocks", &Query::blocks, "Full blocks so far.");
  py::class_<Index>(module, "PrefixIndex", "Who holds how much of a prompt.")
      .def(py::init<std::uint64_t, std::uint32_t, std::uint32_t, std::uint64_t>(), py::kw_only(), "seed"_a,
           "block_tokens"_a = 16, "max_workers"_a = 1024, "max_orphan_blocks"_a = 65536)
      .def_property_readonly("block_tokens", &Index::block_tokens, "Tokens per block.")
      .def_property_readonly("worker_limit", &Index::worker_limit, "One more than the largest worker in use.")
      .def("add_worker", &Index::add_worker, "name"_a, "A new worker or the one of that name.")
      .def("find_worker", &Index::find_worker, "name"_a, "Number of a worker, or None.")
      .def("remove_worker", &Index::remove_worker, "worker"_a, "Drops a worker and all it holds.")
      .def("namespace_key", &Index::namespace_key, py::kw_only(), "model"_a = "", "adapter"_a = "", "tenant"_a = "",
           "Key under which store() files blocks.")
      .def("hash_blocks", &Index::hash_blocks, "tokens"_a, "Content hashes of the full blocks of tokens.")
      .def("store", &Index::store, "worker"_a, py::kw_only(), "engine_hashes"_a, "tokens"_a = py::none(),
           "contents"_a = py::none(), "parent"_a = py::none(), "namespace_key"_a, "tier"_a = 0,
           "A worker stored blocks.")
      .def("remove", &Index::remove, "worker"_a, py::kw_only(), "engine_hashes"_a, "tier"_a = 0,
           "A worker dropped blocks.")
      .def("clear", &Index::clear, "worker"_a, "A worker dropped everything.")
      .def("query", &Index::query, py::kw_only(), "model"_a = "", "adapter"_a = "", "tenant"_a = "",
           "A new PrefixQuery.")
      .def("find", &Index::find, "query"_a, py::kw_only(), "workers"_a = py::none(), "candidates"_a = py::none(),
           "out"_a = py::none(), "Leading blocks held, by worker.")
      .def("stats", &Index::stats, "Counters.");
}

}  // namespace kthena::python
