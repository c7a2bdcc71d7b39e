// prefix.cpp
//
// PrefixIndex and PrefixQuery: all but lookups. Arrays are read and filled in place; long calls let other threads run.
#include "prefix.hpp"

#include <pybind11/numpy.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "buffer.hpp"
#include "text.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace kthena::python {
namespace {

constexpr std::size_t kLongTokens = 4096;

void acquire(Buffer& buffer, const py::object& object, const char* name, Element element) {
  if (!buffer.acquire(object.ptr(), name, element)) throw py::error_already_set();
}

std::unique_ptr<Index> make_index(const State& state, std::uint64_t seed, std::uint32_t block_tokens,
                                  std::uint32_t max_workers, std::uint64_t max_orphan_blocks, bool shared_engine_hashes,
                                  std::uint64_t max_expected_blocks, std::int64_t expected_ttl_ns, bool count_copies,
                                  bool wide_contents, const py::object& dump) {
  kthena_prefix_index_options options{};
  options.struct_size = sizeof options;
  options.block_tokens = block_tokens;
  options.max_workers = max_workers;
  options.shared_engine_hashes = shared_engine_hashes ? 1 : 0;
  options.max_orphan_blocks = max_orphan_blocks;
  options.seed = seed;
  options.max_expected_blocks = max_expected_blocks;
  options.expected_ttl_ns = expected_ttl_ns;
  options.count_copies = count_copies ? 1 : 0;
  options.wide_contents = wide_contents ? 1 : 0;
  kthena_prefix_index* index = nullptr;
  Error error;
  kthena_status status = KTHENA_OK;
  if (dump.is_none()) {
    status = kthena_prefix_index_create(&options, &index, &error);
  } else {
    const auto bytes = dump.cast<py::buffer>().request();
    if (bytes.itemsize != 1 || bytes.ndim != 1 || bytes.strides[0] != 1) throw py::type_error("dump must be bytes");
    const kthena_str text{static_cast<const char*>(bytes.ptr), static_cast<std::size_t>(bytes.size)};
    py::gil_scoped_release release;
    status = kthena_prefix_index_load(text, &options, &index, &error);
  }
  check(status, error);
  return std::make_unique<Index>(index, block_tokens, wide_contents, state);
}

std::unique_ptr<Query> make_query(const Index& index, std::string_view model, std::string_view adapter,
                                  std::string_view tenant) {
  kthena_prefix_query* query = nullptr;
  Error error;
  check(kthena_prefix_query_create(index.get(), borrow(model), borrow(adapter), borrow(tenant), &query, &error), error);
  return std::make_unique<Query>(query);
}

py::dict options_of(const Index& self) {
  kthena_prefix_index_options options{};
  options.struct_size = sizeof options;
  Error error;
  check(kthena_prefix_index_get_options(self.get(), &options, &error), error);
  return py::dict("block_tokens"_a = options.block_tokens, "max_workers"_a = options.max_workers,
                  "max_orphan_blocks"_a = options.max_orphan_blocks, "seed"_a = options.seed,
                  "shared_engine_hashes"_a = options.shared_engine_hashes == 1,
                  "max_expected_blocks"_a = options.max_expected_blocks, "expected_ttl_ns"_a = options.expected_ttl_ns,
                  "count_copies"_a = options.count_copies == 1, "wide_contents"_a = options.wide_contents == 1);
}

std::uint32_t add_worker(Index& self, std::string_view name) {
  std::uint32_t worker = KTHENA_NONE;
  self.write(Length::kShort,
             [&](kthena_error* error) { return kthena_prefix_add_worker(self.get(), borrow(name), &worker, error); });
  return worker;
}

py::object find_worker(Index& self, std::string_view name) {
  std::uint32_t worker = KTHENA_NONE;
  self.read_at_rest(Length::kShort, [&](kthena_error*) {
    worker = kthena_prefix_find_worker(self.get(), borrow(name));
    return KTHENA_OK;
  });
  if (worker == KTHENA_NONE) return py::none();
  return py::int_(worker);
}

py::object worker_name(Index& self, std::uint32_t worker) {
  std::string name;
  self.read_at_rest(Length::kShort, [&](kthena_error*) {
    const kthena_str found = kthena_prefix_worker_name(self.get(), worker);
    name.assign(found.data, found.size);
    return KTHENA_OK;
  });
  if (name.empty()) return py::none();
  return py::str(name);
}

void remove_worker(Index& self, std::uint32_t worker) {
  self.write(Length::kShort,
             [&](kthena_error* error) { return kthena_prefix_remove_worker(self.get(), worker, error); });
}

std::uint64_t sweep(Index& self, std::uint64_t max_blocks) {
  std::uint64_t left = 0;
  self.write(length_of(max_blocks, kLongBlocks),
             [&](kthena_error* error) { return kthena_prefix_sweep(self.get(), max_blocks, &left, error); });
  return left;
}

std::uint64_t namespace_key(const Index& self, std::string_view model, std::string_view adapter,
                            std::string_view tenant) {
  return kthena_prefix_index_namespace_key(self.get(), borrow(model), borrow(adapter), borrow(tenant));
}

void hash_into(const Index& self, const Buffer& tokens, std::uint64_t* hashes, std::uint64_t* uppers) {
  const auto hash = [&] {
    kthena_prefix_index_hash_blocks(self.get(), tokens.as<const std::uint32_t>(), tokens.size(), hashes, uppers);
  };
  if (tokens.size() < kLongTokens) {
    hash();
  } else {
    py::gil_scoped_release release;
    hash();
  }
}

py::array_t<std::uint64_t> hash_blocks(const Index& self, const py::object& tokens) {
  Buffer buffer;
  acquire(buffer, tokens, "tokens", Element::kUint32);
  py::array_t<std::uint64_t> hashes(static_cast<py::ssize_t>(buffer.size() / self.block_tokens()));
  hash_into(self, buffer, hashes.mutable_data(), nullptr);
  return hashes;
}

py::array_t<std::uint64_t> hash_blocks_upper(const Index& self, const py::object& tokens) {
  Buffer buffer;
  acquire(buffer, tokens, "tokens", Element::kUint32);
  py::array_t<std::uint64_t> uppers(static_cast<py::ssize_t>(buffer.size() / self.block_tokens()));
  hash_into(self, buffer, nullptr, uppers.mutable_data());
  return uppers;
}

void store(Index& self, std::uint32_t worker, const py::object& engine_hashes, const py::object& tokens,
           const py::object& contents, const py::object& uppers, const py::object& parent, std::uint64_t namespace_key,
           std::int32_t tier) {
  if (!tokens.is_none() && !contents.is_none())
    raise_error(KTHENA_INVALID_ARGUMENT, "store: give tokens or contents, not both");
  if (!uppers.is_none() && contents.is_none())
    raise_error(KTHENA_INVALID_ARGUMENT, "store: uppers are upper halves of contents");
  Buffer engine;
  Buffer content;
  Buffer upper;
  acquire(engine, engine_hashes, "engine_hashes", Element::kUint64);
  std::vector<std::uint64_t> hashed;
  const std::uint64_t* content_hashes = nullptr;
  const std::uint64_t* content_uppers = nullptr;
  std::size_t blocks = engine.size();
  if (!tokens.is_none()) {
    Buffer text;
    acquire(text, tokens, "tokens", Element::kUint32);
    blocks = text.size() / self.block_tokens();
    if (blocks * self.block_tokens() != text.size())
      raise_error(KTHENA_INVALID_ARGUMENT, "store: tokens: " + std::to_string(text.size()) +
                                               " are no whole number of blocks of " +
                                               std::to_string(self.block_tokens()));
    hashed.resize(2 * blocks);
    hash_into(self, text, hashed.data(), self.wide_contents() ? hashed.data() + blocks : nullptr);
    content_hashes = hashed.data();
    if (self.wide_contents()) content_uppers = hashed.data() + blocks;
  } else if (!contents.is_none()) {
    acquire(content, contents, "contents", Element::kUint64);
    blocks = content.size();
    content_hashes = content.as<const std::uint64_t>();
    if (!uppers.is_none()) {
      acquire(upper, uppers, "uppers", Element::kUint64);
      if (upper.size() != blocks)
        raise_error(KTHENA_INVALID_ARGUMENT,
                    "store: uppers: " + std::to_string(upper.size()) + " for " + std::to_string(blocks) + " contents");
      content_uppers = upper.as<const std::uint64_t>();
    }
  }
  if (blocks != engine.size())
    raise_error(KTHENA_INVALID_ARGUMENT, "store: engine_hashes: " + std::to_string(engine.size()) + " hashes for " +
                                             std::to_string(blocks) + " blocks");
  const std::uint64_t parent_hash = parent.is_none() ? 0 : parent.cast<std::uint64_t>();
  self.write(length_of(blocks, kLongBlocks), [&](kthena_error* error) {
    return kthena_prefix_store(self.get(), worker, namespace_key, parent.is_none() ? nullptr : &parent_hash,
                               engine.as<const std::uint64_t>(), content_hashes, content_uppers, blocks, tier, error);
  });
}

void remove(Index& self, std::uint32_t worker, const py::object& engine_hashes, std::int32_t tier) {
  Buffer engine;
  acquire(engine, engine_hashes, "engine_hashes", Element::kUint64);
  self.write(length_of(engine.size(), kLongBlocks), [&](kthena_error* error) {
    return kthena_prefix_remove(self.get(), worker, engine.as<const std::uint64_t>(), engine.size(), tier, error);
  });
}

void clear(Index& self, std::uint32_t worker) {
  self.write(Length::kLong, [&](kthena_error* error) { return kthena_prefix_clear(self.get(), worker, error); });
}

/// The writer waits for the query's lock inside of its own: nobody takes them the other way round.
void expect(Index& self, std::uint32_t worker, Query& query, std::int64_t now_ns) {
  self.write(length_of(query.blocks(), kLongBlocks), [&](kthena_error* error) {
    ReadLock lock(query.mutex());
    return kthena_prefix_expect(self.get(), worker, query.get(), now_ns, error);
  });
}

std::uint64_t expire(Index& self, std::int64_t now_ns, std::uint64_t max_blocks) {
  std::uint64_t expired = 0;
  self.write(Length::kLong, [&](kthena_error* error) {
    return kthena_prefix_expire(self.get(), now_ns, max_blocks, &expired, error);
  });
  return expired;
}

py::dict stats_of(Index& self) {
  kthena_prefix_stats stats{};
  stats.struct_size = sizeof stats;
  self.read_at_rest(Length::kShort,
                    [&](kthena_error* error) { return kthena_prefix_get_stats(self.get(), &stats, error); });
  py::dict found("workers"_a = stats.workers, "memberships"_a = stats.memberships,
                 "unique_blocks"_a = stats.unique_blocks, "orphan_blocks"_a = stats.orphan_blocks,
                 "orphans_dropped"_a = stats.orphans_dropped, "unknown_removes"_a = stats.unknown_removes,
                 "rehashed_blocks"_a = stats.rehashed_blocks, "approximate_bytes"_a = stats.approximate_bytes);
  found["runs"] = stats.runs;
  found["unswept_blocks"] = stats.unswept_blocks;
  found["sweeps"] = stats.sweeps;
  found["unresolved_stores"] = stats.unresolved_stores;
  found["expected_blocks"] = stats.expected_blocks;
  found["promoted_blocks"] = stats.promoted_blocks;
  found["expired_blocks"] = stats.expired_blocks;
  found["evicted_blocks"] = stats.evicted_blocks;
  found["copied_blocks"] = stats.copied_blocks;
  return found;
}

py::bytes dump(Index& self) {
  std::string bytes;
  self.read_at_rest(Length::kLong, [&](kthena_error* error) {
    kthena_prefix_stats stats{};
    stats.struct_size = sizeof stats;
    if (kthena_status status = kthena_prefix_get_stats(self.get(), &stats, error); status != KTHENA_OK) return status;
    // About what it takes, so that one call is enough.
    std::size_t needed =
        4096 + 64 * stats.workers + 12 * stats.unique_blocks + 24 * stats.memberships + 64 * stats.orphan_blocks;
    kthena_status status = KTHENA_OUT_OF_RANGE;
    while (status == KTHENA_OUT_OF_RANGE) {
      bytes.resize(needed);
      status = kthena_prefix_index_dump(self.get(), bytes.data(), bytes.size(), &needed, error);
    }
    if (status == KTHENA_OK) bytes.resize(needed);
    return status;
  });
  return py::bytes(bytes);
}

py::object hashes_or_none(const std::uint64_t* hashes, std::size_t n, bool is_none) {
  if (is_none) return py::none();
  return py::array_t<std::uint64_t>(static_cast<py::ssize_t>(n), hashes);
}

py::list dump_events(Index& self, std::uint32_t worker) {
  kthena_prefix_events* made = nullptr;
  self.read_at_rest(Length::kLong,
                    [&](kthena_error* error) { return kthena_prefix_events_create(self.get(), worker, &made, error); });
  const std::unique_ptr<kthena_prefix_events, void (*)(kthena_prefix_events*)> events(made, &kthena_prefix_events_free);
  py::list list;
  for (std::size_t i = 0; i < kthena_prefix_events_count(made); ++i) {
    kthena_prefix_event event{};
    event.struct_size = sizeof event;
    Error error;
    check(kthena_prefix_events_get(made, i, &event, &error), error);
    const py::object parent = event.has_parent == 1 ? py::object(py::int_(event.parent)) : py::object(py::none());
    list.append(py::make_tuple(event.kind, event.worker, hashes_or_none(event.engine_hashes, event.n, false),
                               hashes_or_none(event.content_hashes, event.n, event.content_hashes == nullptr),
                               hashes_or_none(event.content_uppers, event.n, event.content_uppers == nullptr), parent,
                               event.namespace_key, event.tier));
  }
  return list;
}

}  // namespace

void Query::extend(const py::object& tokens) {
  Buffer buffer;
  acquire(buffer, tokens, "tokens", Element::kUint32);
  write(length_of(buffer.size(), kLongTokens), [&](kthena_error* error) {
    return kthena_prefix_query_extend_tokens(query_, buffer.as<const std::uint32_t>(), buffer.size(), error);
  });
}

void Query::extend_contents(const py::object& contents, const py::object& uppers) {
  Buffer buffer;
  Buffer upper;
  acquire(buffer, contents, "contents", Element::kUint64);
  if (!uppers.is_none()) {
    acquire(upper, uppers, "uppers", Element::kUint64);
    if (upper.size() != buffer.size())
      raise_error(KTHENA_INVALID_ARGUMENT, "extend_contents: uppers: " + std::to_string(upper.size()) + " for " +
                                               std::to_string(buffer.size()) + " contents");
  }
  write(length_of(buffer.size(), kLongTokens), [&](kthena_error* error) {
    return kthena_prefix_query_extend_contents(query_, buffer.as<const std::uint64_t>(),
                                               upper.as<const std::uint64_t>(), buffer.size(), error);
  });
}

void Query::clear() {
  write(Length::kShort, [&](kthena_error*) {
    kthena_prefix_query_clear(query_);
    return KTHENA_OK;
  });
}

std::size_t Query::blocks() {
  std::size_t blocks = 0;
  run_locked<ReadLock>(mutex_, Length::kShort, [&] { blocks = kthena_prefix_query_blocks(query_); });
  return blocks;
}

PrefixAccess access_prefix_index(const py::object& object) {
  if (!py::isinstance<Index>(object)) throw py::type_error("index must be a PrefixIndex");
  auto& index = object.cast<Index&>();
  return {index.get(), &index.mutex()};
}

void register_prefix(py::module_& module, State& state) {
  py::class_<Index> index(module, "PrefixIndex", "Who holds how much of a prompt.");
  py::class_<Query> query(module, "PrefixQuery", "A prompt prepared for lookups in the index that made it.");
  query.def(py::init(&make_query), "index"_a, py::kw_only(), "model"_a = "", "adapter"_a = "", "tenant"_a = "")
      .def("extend", &Query::extend, "tokens"_a, "Appends tokens, uint32.")
      .def("extend_contents", &Query::extend_contents, "contents"_a, "uppers"_a = py::none(),
           "Appends content hashes of whole blocks, uint64.")
      .def("clear", &Query::clear, "Forgets the prompt.")
      .def_property_readonly("blocks", &Query::blocks, "Full blocks so far: `prefix_total` of a request.");
  index
      .def(py::init([&state](std::uint64_t seed, std::uint32_t block_tokens, std::uint32_t max_workers,
                             std::uint64_t max_orphan_blocks, bool shared_engine_hashes,
                             std::uint64_t max_expected_blocks, std::int64_t expected_ttl_ns, bool count_copies,
                             bool wide_contents, const py::object& dump) {
             return make_index(state, seed, block_tokens, max_workers, max_orphan_blocks, shared_engine_hashes,
                               max_expected_blocks, expected_ttl_ns, count_copies, wide_contents, dump);
           }),
           py::kw_only(), "seed"_a, "block_tokens"_a = 16, "max_workers"_a = 1024, "max_orphan_blocks"_a = 65536,
           "shared_engine_hashes"_a = false, "max_expected_blocks"_a = 0, "expected_ttl_ns"_a = 0,
           "count_copies"_a = false, "wide_contents"_a = false, "dump"_a = py::none())
      .def("options", &options_of, "The options in force.")
      .def_property_readonly("block_tokens", &Index::block_tokens, "Tokens per block.")
      .def_property_readonly("worker_limit", &Index::worker_limit,
                             "One more than the largest worker in use: the length of what `find` gives without "
                             "`workers`.")
      .def("add_worker", &add_worker, "name"_a,
           "A new worker, or the one of that name. Its number is used in the other calls.")
      .def("find_worker", &find_worker, "name"_a, "The number of a worker; None when no worker has that name.")
      .def("worker_name", &worker_name, "worker"_a, "The name of a worker; None when the number is not in use.")
      .def("remove_worker", &remove_worker, "worker"_a,
           "Drops a worker and all it holds: no answer and no count has it any more, and its number may be given out "
           "again. Its blocks stay in memory until `sweep`.")
      .def("sweep", &sweep, "max_blocks"_a,
           "Frees what removed workers held, looking at `max_blocks` places at most. Gives what is left: 0 at the end.")
      .def("namespace_key", &namespace_key, py::kw_only(), "model"_a = "", "adapter"_a = "", "tenant"_a = "",
           "Key under which blocks of a namespace are filed.")
      .def("hash_blocks", &hash_blocks, "tokens"_a, "Content hashes of the full blocks of tokens.")
      .def("hash_blocks_upper", &hash_blocks_upper, "tokens"_a, "Upper halves of contents of 128 bits.")
      .def("store", &store, "worker"_a, py::kw_only(), "engine_hashes"_a, "tokens"_a = py::none(),
           "contents"_a = py::none(), "uppers"_a = py::none(), "parent"_a = py::none(), "namespace_key"_a, "tier"_a = 0,
           "A worker stored blocks.")
      .def("remove", &remove, "worker"_a, py::kw_only(), "engine_hashes"_a, "tier"_a = 0, "A worker dropped blocks.")
      .def("clear", &clear, "worker"_a, "A worker dropped everything.")
      .def("expect", &expect, "worker"_a, "query"_a, py::kw_only(), "now_ns"_a,
           "The prompt was sent to this worker: until its blocks are stored, evicted or expired they count as held.")
      .def("expire", &expire, py::kw_only(), "now_ns"_a, "max_blocks"_a,
           "Drops guesses that are due, `max_blocks` at most, and gives their number: less when none is left.")
      .def("stats", &stats_of, "Counters.")
      .def("dump", &dump, "All of the index as bytes, the same on every machine: what `PrefixIndex.load` takes.")
      .def("dump_events", &dump_events, "worker"_a, "What a worker holds, as events.");
  state.prefix_index_type = reinterpret_cast<PyTypeObject*>(index.ptr());
  state.prefix_query_type = reinterpret_cast<PyTypeObject*>(query.ptr());
  register_find(index, state);
}

}  // namespace kthena::python
