// engine.cpp
//
// What engines say: metrics pages to samples, KV events to a prefix index. All calls that read text let other threads run.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "buffer.hpp"
#include "errors.hpp"
#include "locking.hpp"
#include "prefix.hpp"
#include "state.hpp"
#include "text.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace kthena::python {
namespace {

/// Any object with bytes in one piece; str is none.
class Bytes {
 public:
  explicit Bytes(const py::object& object, const char* name) {
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_SIMPLE) != 0) {
      PyErr_Clear();
      PyErr_Format(PyExc_TypeError, "%s must be bytes, not %s", name, Py_TYPE(object.ptr())->tp_name);
      throw py::error_already_set();
    }
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() { PyBuffer_Release(&view_); }

  [[nodiscard]] kthena_str get() const noexcept {
    return {static_cast<const char*>(view_.buf), static_cast<std::size_t>(view_.len)};
  }

 private:
  Py_buffer view_{};
};

py::tuple tuple_of(const std::array<double, KTHENA_ENGINE_SIGNAL_COUNT>& values) {
  py::tuple tuple(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) tuple[i] = values[i];
  return tuple;
}

py::array_t<double> array_of(const double* values, std::size_t n) {
  return py::array_t<double>(static_cast<py::ssize_t>(n), n == 0 ? nullptr : values);  // a copy
}

/// (bounds, cumulative, count, sum), or None when it is not published.
py::object histogram_of(const kthena_histogram& histogram) {
  if (histogram.size == 0 && histogram.count == 0) return py::none();
  return py::make_tuple(array_of(histogram.bounds, histogram.size), array_of(histogram.cumulative, histogram.size),
                        histogram.count, histogram.sum);
}

/// Never changes once it was made, so no lock guards it.
class Sample {
 public:
  Sample() : sample_(kthena_engine_sample_create()) {
    if (sample_ == nullptr) raise_error(KTHENA_RESOURCE_EXHAUSTED, "out of memory");
  }
  Sample(const Sample&) = delete;
  Sample& operator=(const Sample&) = delete;
  ~Sample() { kthena_engine_sample_free(sample_); }

  [[nodiscard]] kthena_engine_sample* get() const noexcept { return sample_; }
  kthena_engine_counts& counts() noexcept { return counts_; }

  py::dict counts_dict() const {
    return py::dict("lines"_a = counts_.lines, "used"_a = counts_.used, "other"_a = counts_.other,
                    "broken"_a = counts_.broken, "unusable"_a = counts_.unusable,
                    "other_models"_a = counts_.other_models, "over_limits"_a = counts_.over_limits);
  }

  py::object sampled_ns() const {
    const std::int64_t time = info().sampled_ns;
    return time == KTHENA_NEVER ? py::object(py::none()) : py::object(py::int_(time));
  }

  py::tuple ranks() const {
    std::vector<std::uint32_t> ranks(kthena_engine_sample_ranks(sample_, nullptr, 0));
    kthena_engine_sample_ranks(sample_, ranks.data(), ranks.size());
    py::tuple tuple(ranks.size());
    for (std::size_t i = 0; i < ranks.size(); ++i) tuple[i] = ranks[i];
    return tuple;
  }

  py::tuple values(std::optional<std::uint32_t> rank) const {
    std::array<double, KTHENA_ENGINE_SIGNAL_COUNT> values;
    Error error;
    check(kthena_engine_sample_values(sample_, rank.value_or(KTHENA_NONE), values.data(), values.size(), &error),
          error);
    return tuple_of(values);
  }

  py::object histogram(std::optional<std::uint32_t> rank, std::int32_t latency) const {
    kthena_histogram histogram{};
    histogram.struct_size = sizeof histogram;
    Error error;
    check(kthena_engine_sample_histogram(sample_, rank.value_or(KTHENA_NONE), latency, &histogram, &error), error);
    return histogram_of(histogram);
  }

  py::tuple models() const { return names(KTHENA_ENGINE_MODEL, info().models); }

  /// (maximum, running, waiting), or None when the engine does not list them.
  py::object adapters() const {
    const kthena_engine_sample_info known = info();
    if (known.has_adapters == 0) return py::none();
    return py::make_tuple(known.adapters_maximum, names(KTHENA_ENGINE_ADAPTER_RUNNING, known.adapters_running),
                          names(KTHENA_ENGINE_ADAPTER_WAITING, known.adapters_waiting));
  }

  py::str json() const {
    return text_of([&](char* buffer, size_t capacity, size_t* needed, kthena_error* error) {
      return kthena_engine_sample_json(sample_, buffer, capacity, needed, error);
    });
  }

 private:
  [[nodiscard]] kthena_engine_sample_info info() const {
    kthena_engine_sample_info info{};
    info.struct_size = sizeof info;
    Error error;
    check(kthena_engine_sample_get_info(sample_, &info, &error), error);
    return info;
  }

  [[nodiscard]] py::tuple names(std::int32_t kind, std::uint64_t n) const {
    py::tuple tuple(n);
    for (std::size_t i = 0; i < n; ++i) {
      const kthena_str name = kthena_engine_sample_name(sample_, kind, i);
      PyObject* const text = PyUnicode_DecodeUTF8(name.data, static_cast<py::ssize_t>(name.size), "replace");
      if (text == nullptr) throw py::error_already_set();
      tuple[i] = py::reinterpret_steal<py::str>(text);
    }
    return tuple;
  }

  kthena_engine_sample* sample_;
  kthena_engine_counts counts_{.struct_size = sizeof(kthena_engine_counts)};
};

class Parser {
 public:
  Parser(std::string_view profile, std::string_view model, std::uint32_t max_ranks, std::uint64_t max_bytes) {
    kthena_engine_parser_options options{};
    options.struct_size = sizeof options;
    options.max_ranks = max_ranks;
    options.model = borrow(model);
    options.max_bytes = max_bytes;
    Error error;
    check(kthena_engine_parser_create(borrow(profile), &options, &parser_, &error), error);
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { kthena_engine_parser_free(parser_); }

  std::unique_ptr<Sample> parse(std::string_view text, std::optional<std::int64_t> sampled_ns) {
    auto sample = std::make_unique<Sample>();
    Error error;
    kthena_status status = KTHENA_OK;
    run_locked<std::unique_lock<std::mutex>>(mutex_, Length::kLong, [&] {
      status = kthena_engine_parse(parser_, borrow(text), sampled_ns.value_or(KTHENA_NEVER), sample->get(),
                                   &sample->counts(), &error);
    });
    check(status, error);
    return sample;
  }

 private:
  kthena_engine_parser* parser_ = nullptr;
  std::mutex mutex_;
};

class Interval {
 public:
  Interval(const Sample* before, const Sample& now) {
    Error error;
    check(kthena_engine_interval_create(before == nullptr ? nullptr : before->get(), now.get(), &interval_, &error),
          error);
    check(kthena_engine_interval_values(interval_, values_.data(), values_.size(), &elapsed_ns_, &restarted_, &error),
          error);
  }
  Interval(const Interval&) = delete;
  Interval& operator=(const Interval&) = delete;
  ~Interval() { kthena_engine_interval_free(interval_); }

  [[nodiscard]] std::int64_t elapsed_ns() const noexcept { return elapsed_ns_; }
  [[nodiscard]] bool restarted() const noexcept { return restarted_ != 0; }
  [[nodiscard]] py::tuple values() const { return tuple_of(values_); }

  py::object histogram(std::int32_t latency) const {
    kthena_histogram histogram{};
    histogram.struct_size = sizeof histogram;
    Error error;
    check(kthena_engine_interval_histogram(interval_, latency, &histogram, &error), error);
    return histogram_of(histogram);
  }

  py::str json() const {
    return text_of([&](char* buffer, size_t capacity, size_t* needed, kthena_error* error) {
      return kthena_engine_interval_json(interval_, buffer, capacity, needed, error);
    });
  }

 private:
  kthena_engine_interval* interval_ = nullptr;
  std::array<double, KTHENA_ENGINE_SIGNAL_COUNT> values_{};
  std::int64_t elapsed_ns_ = 0;
  std::uint8_t restarted_ = 0;
};

class Stream {
 public:
  Stream(std::string_view profile, std::uint32_t worker, std::string_view model, std::uint32_t group, bool replay,
         std::optional<std::uint32_t> rank, std::uint64_t max_bytes, std::uint64_t max_tracked_blocks) {
    kthena_kv_stream_options options{};
    options.struct_size = sizeof options;
    options.worker = worker;
    options.model = borrow(model);
    options.group = group;
    options.no_replay = replay ? 0 : 1;
    options.has_rank = rank ? 1 : 0;
    options.rank = rank.value_or(0);
    options.max_bytes = max_bytes;
    options.max_tracked_blocks = max_tracked_blocks;
    Error error;
    check(kthena_kv_stream_create(borrow(profile), &options, &stream_, &error), error);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { kthena_kv_stream_free(stream_); }

  /// sequence None: the next one.
  py::tuple feed(const py::object& payload, const py::object& index, std::optional<std::uint64_t> sequence) {
    const Bytes bytes(payload, "payload");
    return step(index, [&](kthena_prefix_index* to, kthena_kv_step* step, kthena_error* error) {
      return kthena_kv_stream_feed(stream_, sequence ? *sequence : info_now().next_sequence, bytes.get(), to, step,
                                   error);
    });
  }

  py::tuple feed_replay(const py::object& payload, const py::object& index, std::uint64_t sequence) {
    const Bytes bytes(payload, "payload");
    return step(index, [&](kthena_prefix_index* to, kthena_kv_step* step, kthena_error* error) {
      return kthena_kv_stream_feed_replay(stream_, sequence, bytes.get(), to, step, error);
    });
  }

  py::tuple replay_failed(const py::object& index) {
    return step(index, [&](kthena_prefix_index* to, kthena_kv_step* step, kthena_error* error) {
      return kthena_kv_stream_replay_failed(stream_, to, step, error);
    });
  }

  py::dict info() {
    kthena_kv_stream_info now{};
    run_locked<std::unique_lock<std::mutex>>(mutex_, Length::kShort, [&] { now = info_now(); });
    return py::dict("state"_a = now.state, "next_sequence"_a = now.next_sequence, "applied"_a = now.applied,
                    "duplicates"_a = now.duplicates, "held_back"_a = now.held_back, "gaps"_a = now.gaps,
                    "lost"_a = now.lost, "restarts"_a = now.restarts, "malformed"_a = now.malformed,
                    "tracked_blocks"_a = now.tracked_blocks);
  }

 private:
  [[nodiscard]] kthena_kv_stream_info info_now() const noexcept {
    kthena_kv_stream_info info{};
    info.struct_size = sizeof info;
    kthena_kv_stream_get_info(stream_, &info, nullptr);
    return info;
  }

  /// Locks the stream, then the index: always in this order.
  template <class Call>
  py::tuple step(const py::object& index, Call&& call) {
    const PrefixAccess access = access_prefix_index(index);
    kthena_kv_step step{};
    step.struct_size = sizeof step;
    Error error;
    kthena_status status = KTHENA_OK;
    run_locked<std::unique_lock<std::mutex>>(mutex_, Length::kLong, [&] {
      const WriteLock lock(*access.mutex);
      status = call(access.index, &step, &error);
    });
    check(status, error);
    py::object replay = py::none();
    if (step.wants_replay != 0) replay = py::make_tuple(step.replay_from, step.replay_to);
    return py::make_tuple(step.outcome, step.state, step.cleared != 0, replay, step.stored_blocks, step.removed_blocks,
                          step.clears, step.unknown_events, step.unknown_fields, step.unknown_media, step.other_groups,
                          step.unmapped, step.over_limits, step.refused);
  }

  kthena_kv_stream* stream_ = nullptr;
  std::mutex mutex_;
};

double histogram_quantile(const py::object& bounds, const py::object& cumulative, double count, double q) {
  Buffer upper;
  Buffer below;
  if (!upper.acquire(bounds.ptr(), "bounds", Element::kFloat64)) throw py::error_already_set();
  if (!below.acquire(cumulative.ptr(), "cumulative", Element::kFloat64)) throw py::error_already_set();
  if (upper.size() != below.size())
    raise_error(KTHENA_INVALID_ARGUMENT, "cumulative: " + std::to_string(below.size()) + " counts for " +
                                             std::to_string(upper.size()) + " bounds");
  kthena_histogram histogram{};
  histogram.struct_size = sizeof histogram;
  histogram.size = static_cast<std::uint32_t>(upper.size());
  histogram.bounds = upper.as<const double>();
  histogram.cumulative = below.as<const double>();
  histogram.count = count;
  return kthena_histogram_quantile(&histogram, q);
}

}  // namespace

void register_engine(py::module_& module) {
  module.def(
      "engine_profiles_json", [] { return text_of(kthena_engine_profiles_json); },
      "All profiles with what they publish.");
  module.def(
      "kv_batch_json",
      [](std::string_view profile, const py::object& payload) {
        const Bytes bytes(payload, "payload");
        return text_of([&](char* buffer, size_t capacity, size_t* needed, kthena_error* error) {
          return kthena_kv_batch_json(borrow(profile), bytes.get(), buffer, capacity, needed, error);
        });
      },
      "profile"_a, "payload"_a, "One batch of KV events, decoded.");
  module.def(
      "kv_message_sequence",
      [](const py::object& frame) {
        const Bytes bytes(frame, "frame");
        std::uint64_t sequence = 0;
        Error error;
        check(kthena_kv_message_sequence(bytes.get(), &sequence, &error), error);
        return sequence;
      },
      "frame"_a, "The sequence number in the frame before a message's last.");
  module.def("histogram_quantile", &histogram_quantile, "bounds"_a, "cumulative"_a, "count"_a, "q"_a,
             "The value below which a share q of the observations lie.");
  py::class_<Sample>(module, "EngineSample", "What one engine said at one moment.")
      .def_property_readonly("sampled_ns", &Sample::sampled_ns, "When; None: not known.")
      .def_property_readonly("ranks", &Sample::ranks, "Numbers of the data-parallel ranks.")
      .def_property_readonly("models", &Sample::models, "Names of served models.")
      .def_property_readonly("adapters", &Sample::adapters, "(maximum, running, waiting) or None.")
      .def_property_readonly("counts", &Sample::counts_dict, "What became of the lines.")
      .def("values", &Sample::values, "rank"_a, "All signals of a rank, or of all (None).")
      .def("histogram", &Sample::histogram, "rank"_a, "latency"_a, "(bounds, cumulative, count, sum) or None.")
      .def("json", &Sample::json, "All of it.");
  py::class_<Parser>(module, "EngineParser", "A reader of metrics pages of one kind of engine.")
      .def(py::init<std::string_view, std::string_view, std::uint32_t, std::uint64_t>(), "profile"_a, py::kw_only(),
           "model"_a = "", "max_ranks"_a = 0, "max_bytes"_a = 0)
      .def("parse", &Parser::parse, "text"_a, "sampled_ns"_a, "Reads a page.");
  py::class_<Interval>(module, "EngineInterval", "What happened between two samples.")
      .def(py::init<const Sample*, const Sample&>(), "before"_a, "now"_a)
      .def_property_readonly("elapsed_ns", &Interval::elapsed_ns, "Time between them.")
      .def_property_readonly("restarted", &Interval::restarted, "Whether a counter fell.")
      .def_property_readonly("values", &Interval::values, "Growth of the counters.")
      .def("histogram", &Interval::histogram, "latency"_a, "(bounds, cumulative, count, sum) or None.")
      .def("json", &Interval::json, "All of it.");
  py::class_<Stream>(module, "KvStream", "The KV events of one publisher.")
      .def(py::init<std::string_view, std::uint32_t, std::string_view, std::uint32_t, bool,
                    std::optional<std::uint32_t>, std::uint64_t, std::uint64_t>(),
           "profile"_a, py::kw_only(), "worker"_a, "model"_a = "", "group"_a = 0, "replay"_a = true,
           "rank"_a = py::none(), "max_bytes"_a = 0, "max_tracked_blocks"_a = 0)
      .def("feed", &Stream::feed, "payload"_a, "index"_a, "sequence"_a, "A live message.")
      .def("feed_replay", &Stream::feed_replay, "payload"_a, "index"_a, "sequence"_a, "A message of a replay.")
      .def("replay_failed", &Stream::replay_failed, "index"_a, "No replay will come.")
      .def("info", &Stream::info, "State and counters.");
}

}  // namespace kthena::python
