// batch.cpp
#include "batch.hpp"

#include <pybind11/numpy.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "buffer.hpp"
#include "errors.hpp"
#include "pool.hpp"
#include "request.hpp"
#include "scorer.hpp"
#include "text.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace kthena::python {
namespace {

void require(bool fine) {
  if (!fine) throw py::error_already_set();
}

[[noreturn]] void refuse(const std::string& message) { raise_error(KTHENA_INVALID_ARGUMENT, message); }

/// The ids of the requests: those given, or the decimal forms of their sequence numbers.
class Ids {
 public:
  Ids(const py::object& ids, const py::object& count, std::uint64_t sequence_start) : sequence_start_(sequence_start) {
    if (ids.is_none() == count.is_none()) throw py::type_error("decide_many() takes either ids or count");
    if (ids.is_none()) {
      std::uint64_t given = 0;
      require(read_u64(count.ptr(), "count", given));
      if (given > kMost) refuse("count must be in 0 .. 2^31 - 1");
      size_ = static_cast<std::size_t>(given);
      return;
    }
    if (PyUnicode_Check(ids.ptr())) throw py::type_error("ids must be a sequence of str, not one str");
    held_ = py::tuple(ids);  // of its own: the strings stay although another thread changes the list
    size_ = held_.size();
    given_.reserve(size_);
    for (py::handle id : held_) {
      if (!PyUnicode_Check(id.ptr()))
        throw py::type_error("ids[" + std::to_string(given_.size()) + "] must be str, not " +
                             Py_TYPE(id.ptr())->tp_name);
      Py_ssize_t size = 0;
      const char* data = PyUnicode_AsUTF8AndSize(id.ptr(), &size);
      require(data != nullptr);
      given_.push_back({data, static_cast<std::size_t>(size)});
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Valid until the next call. Touches no Python.
  kthena_str operator[](std::size_t i) noexcept {
    if (!given_.empty()) return given_[i];
    const auto end = std::to_chars(digits_.data(), digits_.data() + digits_.size(), sequence_start_ + i).ptr;
    return {digits_.data(), static_cast<std::size_t>(end - digits_.data())};
  }

 private:
  static constexpr std::uint64_t kMost = (1ULL << 31) - 1;

  std::uint64_t sequence_start_;
  std::size_t size_ = 0;
  py::tuple held_;
  std::vector<kthena_str> given_;
  std::array<char, 20> digits_{};
};

/// prefix_totals: one number for all requests, or an array with one for each.
struct Totals {
  std::uint32_t all = 0;
  Buffer each;
  bool has_each = false;

  void read(const py::object& totals, std::size_t requests) {
    if (PyIndex_Check(totals.ptr()) && !PySequence_Check(totals.ptr())) {
      require(read_u32(totals.ptr(), "prefix_totals", all));
      return;
    }
    require(each.acquire(totals.ptr(), "prefix_totals", Element::kUint32));
    if (each.size() != requests)
      refuse("prefix_totals: " + std::to_string(each.size()) + " for " + std::to_string(requests) + " requests");
    has_each = true;
  }

  [[nodiscard]] std::uint32_t operator[](std::size_t i) const noexcept {
    return has_each ? each.as<const std::uint32_t>()[i] : all;
  }
};

py::array_t<std::uint32_t> decide_many(const Policy& policy, Pool& pool, const py::object& ids, const py::object& count,
                                       std::string_view model, const py::object& prefix_depths,
                                       const py::object& prefix_totals, const py::object& sequence_start,
                                       const py::object& now_ns, const py::object& seed) {
  kthena_request request{};
  request.struct_size = sizeof(kthena_request);
  request.model = borrow(model);
  require(read_u64(sequence_start.ptr(), "sequence_start", request.sequence));
  require(read_i64(now_ns.ptr(), "now_ns", request.now_ns));
  require(read_u64(seed.ptr(), "seed", request.seed));
  Ids names(ids, count, request.sequence);
  const std::size_t requests = names.size();
  if (requests > 0 && requests - 1 > std::numeric_limits<std::uint64_t>::max() - request.sequence)
    refuse("sequence_start: the last sequence number must be in 0 .. 2^64 - 1");

  Buffer depths;
  const std::uint32_t* rows = nullptr;
  if (!prefix_depths.is_none()) {
    require(depths.acquire(prefix_depths.ptr(), "prefix_depths", Element::kUint32, Access::kRead, 2));
    if (depths.size() != requests || depths.columns() != pool.size())
      refuse("prefix_depths: " + std::to_string(depths.size()) + " x " + std::to_string(depths.columns()) + " for " +
             std::to_string(requests) + " requests and " + std::to_string(pool.size()) + " endpoints");
    rows = depths.as<const std::uint32_t>();
    request.depth_count = pool.size();
  }
  Totals totals;
  totals.read(prefix_totals, requests);

  py::array_t<std::uint32_t> chosen(static_cast<py::ssize_t>(requests));
  std::uint32_t* out = chosen.mutable_data();
  Error error;
  kthena_status status = KTHENA_OK;
  std::size_t done = 0;
  pool.run_batch([&] {
    kthena_workspace* scratch = workspace();
    const std::uint64_t abstentions = kthena_workspace_abstentions(scratch);
    kthena_decision decision;
    decision.struct_size = sizeof(kthena_decision);
    for (; done < requests; ++done, ++request.sequence) {
      request.id = names[done];
      request.prefix_total = totals[done];
      if (rows != nullptr) request.prefix_depths = rows + done * request.depth_count;
      status = kthena_decide(policy.get(), pool.get(), &request, scratch, &decision, &error);
      if (status != KTHENA_OK) break;
      out[done] = decision.endpoint;
    }
    policy.add_abstentions(kthena_workspace_abstentions(scratch) - abstentions);
  });
  if (status != KTHENA_OK && restore_scorer_error()) throw py::error_already_set();
  if (status != KTHENA_OK) raise_error(status, "request " + std::to_string(done) + ": " + std::string(error.text()));
  return chosen;
}

}  // namespace

void register_decide_many(py::class_<Policy>& type) {
  type.def("decide_many", &decide_many, "pool"_a, py::kw_only(), "ids"_a = py::none(), "count"_a = py::none(),
           "model"_a = "", "prefix_depths"_a = py::none(), "prefix_totals"_a = 0, "sequence_start"_a = 0,
           "now_ns"_a = 0, "seed"_a = 0, "Positions of the endpoints that many requests go to.");
}

}  // namespace kthena::python
