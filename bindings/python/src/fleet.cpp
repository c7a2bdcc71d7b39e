// fleet.cpp
//
// Fleet: what a router keeps. decide() and book() are plain C methods; the lock of the fleet's index is that of all of the fleet. Who
// changes the set of endpoints holds it and the GIL.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "buffer.hpp"
#include "decision.hpp"
#include "errors.hpp"
#include "fast_call.hpp"
#include "policy.hpp"
#include "pool.hpp"
#include "prefix.hpp"
#include "request.hpp"
#include "scorer.hpp"
#include "text.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace kthena::python {
namespace {

/// From here on a prompt takes 2 us or more, as in PrefixQuery.extend.
constexpr std::size_t kLongPrompt = 4096;

/// An Index frees what it holds, and this one belongs to the fleet: its destructor, which has nothing else to do, never runs.
union BorrowedIndex {
  BorrowedIndex(kthena_prefix_index* borrowed, std::uint32_t block_tokens, bool wide_contents, const State& state)
      : index(borrowed, block_tokens, wide_contents, state) {}
  BorrowedIndex(const BorrowedIndex&) = delete;
  BorrowedIndex& operator=(const BorrowedIndex&) = delete;
  ~BorrowedIndex() {}  // NOLINT(modernize-use-equals-default)

  Index index;
};

struct FreeFleet {
  void operator()(kthena_fleet* fleet) const noexcept { kthena_fleet_free(fleet); }
};
using Handle = std::unique_ptr<kthena_fleet, FreeFleet>;

class Fleet {
 public:
  Fleet(Handle fleet, const kthena_prefix_index_options& prefix, const State& state, py::type ticket_type,
        py::tuple outcomes)
      : fleet_(std::move(fleet)),
        index_(kthena_fleet_index(fleet_.get()), prefix.block_tokens, prefix.wide_contents == 1, state),
        ticket_type_(std::move(ticket_type)),
        outcomes_(std::move(outcomes)) {}

  [[nodiscard]] kthena_fleet* get() const noexcept { return fleet_.get(); }
  [[nodiscard]] Index& index() noexcept { return index_.index; }
  [[nodiscard]] const State& state() const noexcept { return index_.index.state(); }
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }
  [[nodiscard]] std::size_t slots() const noexcept { return names_.size(); }
  [[nodiscard]] const py::tuple& outcomes() const noexcept { return outcomes_; }

  /// A scorer that a decision of this fleet asks may not use it: its thread has the lock already.
  void refuse_inside() const {
    if (scorers_asked_by_.load(std::memory_order_relaxed) == std::this_thread::get_id())
      raise_error(KTHENA_FAILED_PRECONDITION, "a scorer cannot use the fleet that asks it");
  }

  /// Runs `call` with the lock and the GIL. It must not touch Python: a finalizer may run then, and use the fleet.
  template <class Call>
  auto with_both(Call&& call) {
    refuse_inside();
    WriteLock lock(index_.index.mutex(), std::try_to_lock);
    if (!lock.owns_lock()) {
      py::gil_scoped_release release;
      lock.lock();
    }
    return call();
  }

  /// Runs `call`, which must not touch Python, with the lock.
  template <class Call>
  void run(Length length, Call&& call) {
    run_locked<WriteLock>(index_.index.mutex(), length, call);
  }
  template <class Call>
  void run_asking(Call&& call) {
    run(Length::kLong, [&] {
      scorers_asked_by_.store(std::this_thread::get_id(), std::memory_order_relaxed);
      call();
      scorers_asked_by_.store({}, std::memory_order_relaxed);
    });
  }

  /// Ids by number, empty where there is no endpoint, and the version of them.
  std::pair<py::tuple, std::uint64_t> ids() {
    if (kHasGil && ids_version_ == version_) return {ids_, ids_version_};
    std::vector<std::string> names;
    std::uint64_t version = 0;
    with_both([&] {
      names = names_;
      version = version_;
    });
    py::tuple made(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) made[i] = py::str(names[i]);
    if constexpr (kHasGil) {
      ids_ = made;
      ids_version_ = version;
    }
    return {std::move(made), version};
  }
  /// With the lock and the GIL.
  void set_id(std::uint32_t number, std::string id) {
    if (names_.size() <= number) names_.resize(number + std::size_t{1});
    names_[number] = std::move(id);
    ++version_;
  }

  /// A Ticket; nullptr with an exception set.
  [[nodiscard]] PyObject* new_ticket(const kthena_ticket& ticket) const {
    auto* type = reinterpret_cast<PyTypeObject*>(ticket_type_.ptr());
    auto made = py::reinterpret_steal<py::object>(type->tp_alloc(type, 2));
    PyObject* generation = made ? PyLong_FromUnsignedLongLong(ticket.generation) : nullptr;
    PyObject* slot = generation == nullptr ? nullptr : PyLong_FromUnsignedLong(ticket.slot);
    if (slot == nullptr) {
      Py_XDECREF(generation);
      return nullptr;
    }
    PyTuple_SET_ITEM(made.ptr(), 0, generation);
    PyTuple_SET_ITEM(made.ptr(), 1, slot);
    return made.release().ptr();
  }
  [[nodiscard]] kthena_ticket ticket_of(const py::handle& object) const {
    if (!PyObject_TypeCheck(object.ptr(), reinterpret_cast<PyTypeObject*>(ticket_type_.ptr())) ||
        PyTuple_GET_SIZE(object.ptr()) != 2)
      throw py::type_error(std::string("ticket must be a Ticket, not ") + Py_TYPE(object.ptr())->tp_name);
    kthena_ticket ticket{};
    if (!read_u64(PyTuple_GET_ITEM(object.ptr(), 0), "ticket.generation", ticket.generation) ||
        !read_u32(PyTuple_GET_ITEM(object.ptr(), 1), "ticket.slot", ticket.slot))
      throw py::error_already_set();
    return ticket;
  }

 private:
  Handle fleet_;
  BorrowedIndex index_;
  py::type ticket_type_;
  py::tuple outcomes_;
  std::vector<std::string> names_;  // ids by number
  std::uint64_t version_ = 0;
  py::tuple ids_;  // as names_ were
  std::uint64_t ids_version_ = 0;
  std::atomic<std::thread::id> scorers_asked_by_{};
};

// ---- arguments of decide and book ------------------------------------------------------------------------------------------------

constexpr const char* kNames[kFleetArguments] = {
    "tokens",        "id",      "now_ns", "model",      "adapter",    "tenant",   "prompt_tokens",
    "output_tokens", "session", "near",   "slo_ttft_s", "slo_tpot_s", "sequence", "seed"};

bool read_str(PyObject* value, const char* name, kthena_str& out) {
  if (!PyUnicode_Check(value)) {
    PyErr_Format(PyExc_TypeError, "%s must be str, not %s", name, Py_TYPE(value)->tp_name);
    return false;
  }
  Py_ssize_t size = 0;
  out.data = PyUnicode_AsUTF8AndSize(value, &size);
  out.size = static_cast<std::size_t>(size);
  return out.data != nullptr;
}

/// A request, its prompt and what they borrow.
class Call {
 public:
  /// `first` is the name of the argument that comes before the tokens. False with a Python exception set.
  bool read(const State& state, const char* function, const char* first, PyObject* const* arguments,
            Py_ssize_t positional, PyObject* names) {
    if (positional > 2) {
      PyErr_Format(PyExc_TypeError, "%s() takes %s and tokens by position and the rest by name", function, first);
      return false;
    }
    if (positional > 0) subject = arguments[0];
    if (positional > 1 && !assign(kFleetTokens, arguments[1])) return false;
    const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; i < named; ++i) {
      PyObject* name = PyTuple_GET_ITEM(names, i);
      std::size_t at = 0;
      // Names in a call are interned.
      while (at < kFleetArguments && state.fleet_names[at] != name) ++at;
      if (at == kFleetArguments) {
        at = 0;
        while (at < kFleetArguments && PyUnicode_CompareWithASCIIString(name, kNames[at]) != 0) ++at;
      }
      if (at == kFleetArguments && subject == nullptr && PyUnicode_CompareWithASCIIString(name, first) == 0) {
        subject = arguments[positional + i];
        continue;
      }
      if (at == kFleetArguments || (at == kFleetTokens && positional > 1)) {
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function, name);
        return false;
      }
      if (!assign(at, arguments[positional + i])) return false;
    }
    const char* missing = subject == nullptr ? first : !has_id_ ? "id" : !has_now_ ? "now_ns" : nullptr;
    if (missing != nullptr) {
      PyErr_Format(PyExc_TypeError, "%s() missing required argument: '%s'", function, missing);
      return false;
    }
    request.model = prompt_.adapter.size != 0 ? prompt_.adapter : prompt_.model;
    return true;
  }

  /// NULL when there are no tokens.
  [[nodiscard]] const kthena_prompt* prompt() const noexcept { return has_tokens_ ? &prompt_ : nullptr; }
  [[nodiscard]] std::size_t tokens() const noexcept { return prompt_.n; }

  PyObject* subject = nullptr;
  kthena_request request = kNoRequest;

 private:
  bool assign(std::size_t argument, PyObject* value) {
    const char* name = kNames[argument];
    switch (argument) {
      case kFleetTokens:
        if (value == Py_None) return true;
        if (!tokens_.acquire(value, name, Element::kUint32)) return false;
        has_tokens_ = true;
        prompt_.tokens = tokens_.as<const std::uint32_t>();
        prompt_.n = tokens_.size();
        return true;
      case kFleetId:
        has_id_ = true;
        return read_str(value, name, request.id);
      case kFleetNowNs:
        has_now_ = true;
        return read_i64(value, name, request.now_ns);
      case kFleetModel:
        return read_str(value, name, prompt_.model);
      case kFleetAdapter:
        return read_str(value, name, prompt_.adapter);
      case kFleetTenant:
        return read_str(value, name, prompt_.tenant);
      case kFleetPromptTokens:
        return read_u32(value, name, request.prompt_tokens);
      case kFleetOutputTokens:
        return read_u32(value, name, request.output_tokens);
      case kFleetSession:
        return read_str(value, name, request.session);
      case kFleetNear:
        near_ = std::make_unique<Place>();
        if (!near_->read(value, name)) return false;
        std::copy_n(near_->names(), KTHENA_PLACE_LEVELS, request.near_to);
        return true;
      case kFleetSloTtft:
        return read_double(value, name, request.slo_ttft_s);
      case kFleetSloTpot:
        return read_double(value, name, request.slo_tpot_s);
      case kFleetSequence:
        return read_u64(value, name, request.sequence);
      default:
        return read_u64(value, name, request.seed);
    }
  }

  bool has_id_ = false;
  bool has_now_ = false;
  bool has_tokens_ = false;
  kthena_prompt prompt_ = KTHENA_INIT(kthena_prompt);
  Buffer tokens_;
  std::unique_ptr<Place> near_;
};

PyObject* decide(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* names) {
  Fleet* fleet = self_of<Fleet>(self);
  if (fleet == nullptr) return nullptr;
  const State& state = fleet->state();
  Call call;
  if (!call.read(state, "decide", "policy", arguments, positional, names)) return nullptr;
  const Policy* policy = unwrap<Policy>(call.subject, state.policy_type, "policy");
  if (policy == nullptr) return nullptr;
  fleet->refuse_inside();
  Error error;
  kthena_status status = KTHENA_OK;
  kthena_ticket ticket{};
  py::object made;
  for (bool current = false; !current;) {
    // Ids that change between here and the lock are read again.
    const auto [ids, version] = fleet->ids();
    made = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(new_decision(state, ids.ptr())));
    if (!made) return nullptr;
    auto* decision = reinterpret_cast<Decision*>(made.ptr());
    const auto make = [&, version = version] {
      current = version == fleet->version();
      if (!current) return;
      status = kthena_fleet_decide(fleet->get(), policy->get(), &call.request, call.prompt(), workspace(),
                                   &decision->value, &ticket, &error);
    };
    if (policy->asks_scorers()) {
      fleet->run_asking([&] {
        const std::uint64_t before = kthena_workspace_abstentions(workspace());
        make();
        policy->add_abstentions(kthena_workspace_abstentions(workspace()) - before);
      });
    } else {
      const bool is_long = call.tokens() >= kLongPrompt || fleet->slots() >= Pool::kLongEndpoints;
      fleet->run(is_long ? Length::kLong : Length::kShort, make);
    }
  }
  if (status != KTHENA_OK) {
    if (!restore_scorer_error()) set_error(status, error.text());
    return nullptr;
  }
  PyObject* booked = ticket.generation == 0 ? Py_NewRef(Py_None) : fleet->new_ticket(ticket);
  PyObject* pair = booked == nullptr ? nullptr : PyTuple_New(2);
  if (pair == nullptr) {
    Py_XDECREF(booked);
    return nullptr;
  }
  PyTuple_SET_ITEM(pair, 0, made.release().ptr());
  PyTuple_SET_ITEM(pair, 1, booked);
  return pair;
}

/// Runs `call(number, error)` with the lock for the endpoint of that id or number. Throws.
template <class Call>
void with_endpoint(Fleet& fleet, const py::handle& endpoint, Call&& call) {
  kthena_str id{};
  std::uint32_t number = 0;
  const bool by_id = PyUnicode_Check(endpoint.ptr());
  if (by_id ? !read_str(endpoint.ptr(), "endpoint", id) : !read_u32(endpoint.ptr(), "endpoint", number))
    throw py::error_already_set();
  Error error;
  kthena_status status = KTHENA_OK;
  bool known = true;
  fleet.with_both([&] {
    if (by_id) number = kthena_fleet_find(fleet.get(), id);
    known = !by_id || number != KTHENA_NONE;
    if (known) status = call(number, &error);
  });
  if (!known) raise_error(KTHENA_NOT_FOUND, "there is no endpoint \"" + std::string(id.data, id.size) + "\"");
  check(status, error);
}

PyObject* book(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* names) {
  Fleet* fleet = self_of<Fleet>(self);
  if (fleet == nullptr) return nullptr;
  Call call;
  if (!call.read(fleet->state(), "book", "endpoint", arguments, positional, names)) return nullptr;
  kthena_ticket ticket{};
  with_endpoint(*fleet, call.subject, [&](std::uint32_t number, kthena_error* error) {
    return kthena_fleet_book(fleet->get(), number, &call.request, call.prompt(), &ticket, error);
  });
  return fleet->new_ticket(ticket);
}

#define KTHENA_FLEET_SIGNATURE                                                                                    \
  ", tokens=None, *, id, now_ns, model='', adapter='', tenant='', prompt_tokens=0, output_tokens=0, session='', " \
  "near=None, slo_ttft_s=0.0, slo_tpot_s=0.0, sequence=0, seed=0)\n--\n\n"

PyMethodDef kMethods[] = {
    method<&decide>("decide", "decide($self, policy" KTHENA_FLEET_SIGNATURE
                              "Where the request goes, booked: the decision and its Ticket, None when not routed."),
    method<&book>("book", "book($self, endpoint" KTHENA_FLEET_SIGNATURE
                          "Books a request that was sent to this endpoint whatever a decision said: a Ticket."),
};

// ---- the rest -------------------------------------------------------------------------------------------------------------------

/// Lists of strings as the C interface takes them.
struct Flat {
  std::string bytes;
  std::vector<std::uint64_t> offsets{0};
  std::vector<std::uint64_t> starts;

  explicit Flat(const std::vector<std::string>& names) { add(names); }
  explicit Flat(const std::vector<std::vector<std::string>>& lists) : starts{0} {
    for (const std::vector<std::string>& names : lists) {
      add(names);
      starts.push_back(offsets.size() - 1);
    }
  }
  void add(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      bytes += name;
      offsets.push_back(bytes.size());
    }
  }
};
using Names = std::vector<std::string>;
using NameLists = std::optional<std::vector<Names>>;

std::vector<std::uint32_t> add_endpoints(Fleet& fleet, const Names& ids, const NameLists& models,
                                         const NameLists& waiting_models, const std::optional<Names>& places,
                                         std::int64_t now_ns) {
  const Flat id_text(ids);
  const Flat served(models.value_or(std::vector<Names>{}));
  const Flat waiting(waiting_models.value_or(std::vector<Names>{}));
  const Flat place_text(places.value_or(Names{}));
  kthena_pool_endpoints endpoints = KTHENA_INIT(kthena_pool_endpoints);
  endpoints.n = ids.size();
  endpoints.id_bytes = id_text.bytes.data();
  endpoints.id_offsets = id_text.offsets.data();
  endpoints.model_bytes = served.bytes.data();
  endpoints.model_offsets = served.offsets.data();
  endpoints.endpoint_models = models ? served.starts.data() : nullptr;
  endpoints.waiting_bytes = waiting.bytes.data();
  endpoints.waiting_offsets = waiting.offsets.data();
  endpoints.endpoint_waiting = waiting_models ? waiting.starts.data() : nullptr;
  endpoints.place_bytes = places ? place_text.bytes.data() : nullptr;
  endpoints.place_offsets = places ? place_text.offsets.data() : nullptr;
  std::vector<std::uint32_t> numbers(ids.size());
  Error error;
  kthena_status status = KTHENA_OK;
  fleet.with_both([&] {
    status = kthena_fleet_add_endpoints(fleet.get(), &endpoints, now_ns, numbers.data(), &error);
    for (std::size_t i = 0; status == KTHENA_OK && i < ids.size(); ++i) fleet.set_id(numbers[i], ids[i]);
  });
  check(status, error);
  return numbers;
}

void remove_endpoint(Fleet& fleet, const py::object& endpoint, std::int64_t now_ns) {
  with_endpoint(fleet, endpoint, [&](std::uint32_t number, kthena_error* error) {
    const kthena_status status = kthena_fleet_remove_endpoint(fleet.get(), number, now_ns, error);
    if (status == KTHENA_OK) fleet.set_id(number, "");
    return status;
  });
}

void restart_endpoint(Fleet& fleet, const py::object& endpoint, std::int64_t now_ns) {
  with_endpoint(fleet, endpoint, [&](std::uint32_t number, kthena_error* error) {
    return kthena_fleet_restart_endpoint(fleet.get(), number, now_ns, error);
  });
}

void set_models(Fleet& fleet, const py::object& endpoint, const Names& models, const Names& waiting_models) {
  const Flat served(models);
  const Flat waiting(waiting_models);
  with_endpoint(fleet, endpoint, [&](std::uint32_t number, kthena_error* error) {
    return kthena_fleet_set_models(fleet.get(), number, served.bytes.data(), served.offsets.data(), models.size(),
                                   waiting.bytes.data(), waiting.offsets.data(), waiting_models.size(), error);
  });
}

/// -1 when there is none of that name.
std::int32_t signal_of(std::string_view name) noexcept {
  for (std::int32_t i = 0; i < KTHENA_SIGNAL_COUNT; ++i) {
    const kthena_str known = kthena_signal_name(i);
    if (std::string_view(known.data, known.size) == name) return i;
  }
  return -1;
}

void put_sample(Fleet& fleet, const py::object& endpoint, const py::dict& by_name, std::int64_t sampled_ns,
                std::int64_t now_ns) {
  std::vector<std::int32_t> signals;
  std::vector<double> values;
  for (const auto& [name, value] : by_name) {
    const auto text = name.cast<std::string>();
    signals.push_back(signal_of(text));
    if (signals.back() < 0) throw py::type_error("sample() got an unexpected keyword argument '" + text + "'");
    if (!read_double(value.ptr(), text.c_str(), values.emplace_back())) throw py::error_already_set();
  }
  with_endpoint(fleet, endpoint, [&](std::uint32_t number, kthena_error* error) {
    return kthena_fleet_sample(fleet.get(), number, signals.data(), values.data(), values.size(), sampled_ns, now_ns,
                               error);
  });
}

double get_signal(Fleet& fleet, const py::object& endpoint, std::string_view name) {
  const std::int32_t signal = signal_of(name);
  if (signal < 0) raise_error(KTHENA_NOT_FOUND, "there is no signal \"" + std::string(name) + "\"");
  double value = 0;
  with_endpoint(fleet, endpoint, [&](std::uint32_t number, kthena_error* error) {
    return kthena_fleet_get_signal(fleet.get(), number, signal, &value, nullptr, error);
  });
  return value;
}

/// The fleet's index as an object of `type`, a subclass of PrefixIndex: the one that there is, or a new one, which keeps the fleet.
py::object index_as(const py::object& self, const py::type& type) {
  auto* wanted = reinterpret_cast<PyTypeObject*>(type.ptr());
  Index& index = self.cast<Fleet&>().index();
  if (PyType_IsSubtype(wanted, index.state().prefix_index_type) == 0)
    throw py::type_error("type must be a PrefixIndex");
  const auto* info = py::detail::get_type_info(wanted);
  if (const py::handle there = py::detail::find_registered_python_instance(&index, info))
    return py::reinterpret_steal<py::object>(there);
  auto made = py::reinterpret_steal<py::object>(py::detail::make_new_instance(wanted));
  auto* instance = reinterpret_cast<py::detail::instance*>(made.ptr());
  instance->owned = false;
  py::detail::values_and_holders(instance).begin()->value_ptr() = &index;
  info->init_instance(instance, nullptr);
  py::detail::keep_alive_impl(made, self);
  return made;
}

/// `call(ticket)` gives a KTHENA_TICKET_...
template <class Call>
py::object with_ticket(Fleet& fleet, const py::object& object, Call&& call) {
  const kthena_ticket ticket = fleet.ticket_of(object);
  const std::int32_t outcome = fleet.with_both([&] { return call(fleet.get(), ticket); });
  return fleet.outcomes()[static_cast<std::size_t>(outcome)];
}

py::object first_token(Fleet& self, const py::object& object, std::int64_t now_ns) {
  return with_ticket(self, object, [&](kthena_fleet* fleet, const kthena_ticket& ticket) {
    return kthena_fleet_first_token(fleet, ticket, now_ns);
  });
}

py::object progress(Fleet& self, const py::object& object, std::int64_t output_tokens, std::int64_t now_ns) {
  return with_ticket(self, object, [&](kthena_fleet* fleet, const kthena_ticket& ticket) {
    return kthena_fleet_progress(fleet, ticket, output_tokens, now_ns);
  });
}

py::object finish(Fleet& self, const py::object& object, const std::optional<std::int64_t>& output_tokens,
                  std::int64_t now_ns, bool failed) {
  return with_ticket(self, object, [&](kthena_fleet* fleet, const kthena_ticket& ticket) {
    return kthena_fleet_finish(fleet, ticket, failed ? KTHENA_END_FAILED : KTHENA_END_DONE, output_tokens.value_or(-1),
                               now_ns);
  });
}

std::uint32_t expire(Fleet& fleet, std::int64_t now_ns) {
  fleet.refuse_inside();
  std::uint32_t expired = 0;
  fleet.run(Length::kLong, [&] { expired = kthena_fleet_expire(fleet.get(), now_ns); });
  return expired;
}

py::dict counts_of(Fleet& fleet) {
  kthena_fleet_counts counts = KTHENA_INIT(kthena_fleet_counts);
  Error error;
  kthena_status status = KTHENA_OK;
  fleet.with_both([&] { status = kthena_fleet_get_counts(fleet.get(), &counts, &error); });
  check(status, error);
  return py::dict("in_flight"_a = counts.in_flight, "booked"_a = counts.booked, "done"_a = counts.done,
                  "failed"_a = counts.failed, "expired"_a = counts.expired, "dropped"_a = counts.dropped,
                  "stale"_a = counts.stale, "older_samples"_a = counts.older_samples,
                  "clock_behind"_a = counts.clock_behind);
}

py::object find(Fleet& fleet, std::string_view id) {
  const std::uint32_t number = fleet.with_both([&] { return kthena_fleet_find(fleet.get(), borrow(id)); });
  return number == KTHENA_NONE ? py::object(py::none()) : py::int_(number);
}

std::size_t size_of(Fleet& fleet) {
  return fleet.with_both([&] { return kthena_fleet_size(fleet.get()); });
}

}  // namespace

void register_fleet(py::module_& module, State& state) {
  for (std::size_t i = 0; i < kFleetArguments; ++i) state.fleet_names[i] = PyUnicode_InternFromString(kNames[i]);
  py::class_<Fleet> type(module, "Fleet", "What a router keeps.");
  type.def(py::init([&state](const py::type& ticket_type, const py::tuple& outcomes, std::uint64_t seed,
                             std::uint32_t max_tickets, std::uint32_t max_endpoints, std::uint32_t max_home_entries,
                             std::uint32_t routers, std::int32_t estimator, bool learn_rates,
                             std::int64_t idle_limit_ns, std::int64_t arrival_ns, std::uint32_t block_tokens,
                             std::uint32_t max_workers, std::uint64_t max_orphan_blocks, bool shared_engine_hashes,
                             std::uint64_t max_expected_blocks, std::int64_t expected_ttl_ns, bool count_copies,
                             bool wide_contents) {
             if (PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(ticket_type.ptr()), &PyTuple_Type) == 0 ||
                 outcomes.size() != 3)
               throw py::type_error("ticket_type must be a tuple of two, outcomes three values");
             kthena_prefix_index_options prefix = KTHENA_INIT(kthena_prefix_index_options);
             prefix.block_tokens = block_tokens;
             prefix.max_workers = max_workers;
             prefix.max_orphan_blocks = max_orphan_blocks;
             prefix.seed = seed;
             prefix.shared_engine_hashes = shared_engine_hashes ? 1 : 0;
             prefix.max_expected_blocks = max_expected_blocks;
             prefix.expected_ttl_ns = expected_ttl_ns;
             prefix.count_copies = count_copies ? 1 : 0;
             prefix.wide_contents = wide_contents ? 1 : 0;
             kthena_fleet_options options = KTHENA_INIT(kthena_fleet_options);
             options.max_tickets = max_tickets;
             options.max_endpoints = max_endpoints;
             options.max_home_entries = max_home_entries;
             options.routers = routers;
             options.estimator = estimator;
             options.fixed_rates = learn_rates ? 0 : 1;
             options.idle_limit_ns = idle_limit_ns;
             options.arrival_ns = arrival_ns;
             options.prefix = &prefix;
             kthena_fleet* fleet = nullptr;
             Error error;
             check(kthena_fleet_create(&options, &fleet, &error), error);
             return std::make_unique<Fleet>(Handle(fleet), prefix, state, ticket_type, outcomes);
           }),
           py::kw_only(), "ticket_type"_a, "outcomes"_a, "seed"_a, "max_tickets"_a, "max_endpoints"_a,
           "max_home_entries"_a, "routers"_a, "estimator"_a, "learn_rates"_a, "idle_limit_ns"_a, "arrival_ns"_a,
           "block_tokens"_a, "max_workers"_a, "max_orphan_blocks"_a, "shared_engine_hashes"_a, "max_expected_blocks"_a,
           "expected_ttl_ns"_a, "count_copies"_a, "wide_contents"_a)
      .def("__len__", &size_of)
      .def_property_readonly("ids", [](Fleet& self) { return self.ids().first; })
      .def("find", &find, "id"_a)
      .def("add", &add_endpoints, "ids"_a, "models"_a, "waiting_models"_a, "places"_a, "now_ns"_a)
      .def("remove_endpoint", &remove_endpoint, "endpoint"_a, py::kw_only(), "now_ns"_a)
      .def("restart_endpoint", &restart_endpoint, "endpoint"_a, py::kw_only(), "now_ns"_a)
      .def("put_models", &set_models, "endpoint"_a, "models"_a, "waiting_models"_a)
      .def("put_sample", &put_sample, "endpoint"_a, "values"_a, py::kw_only(), "sampled_ns"_a, "now_ns"_a)
      .def("signal", &get_signal, "endpoint"_a, "name"_a)
      .def("index_as", &index_as, "type"_a)
      .def("first_token", &first_token, "ticket"_a, py::kw_only(), "now_ns"_a)
      .def("progress", &progress, "ticket"_a, "output_tokens"_a, py::kw_only(), "now_ns"_a)
      .def("finish", &finish, "ticket"_a, "output_tokens"_a = py::none(), py::kw_only(), "now_ns"_a, "failed"_a = false)
      .def("expire", &expire, py::kw_only(), "now_ns"_a)
      .def("counts", &counts_of);
  for (PyMethodDef& definition : kMethods) add_method(type, definition);
}

}  // namespace kthena::python
