// simulation.cpp
#include <pybind11/pybind11.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "errors.hpp"
#include "state.hpp"
#include "text.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace kthena::python {
namespace {

/// One thread at a time; all calls let other threads run.
class Simulation {
 public:
  Simulation(std::string_view scenario, std::string_view trace) {
    Error error;
    kthena_status status = KTHENA_OK;
    {
      py::gil_scoped_release release;
      status = kthena_simulation_create(borrow(scenario), borrow(trace), &simulation_, &error);
    }
    check(status, error);
  }
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;
  ~Simulation() { kthena_simulation_free(simulation_); }

  bool advance(std::uint64_t max_events) {
    std::uint8_t done = 0;
    run([&](Error& error) { return kthena_simulation_advance(simulation_, max_events, &done, &error); });
    return done != 0;
  }

  std::pair<std::uint64_t, std::uint64_t> progress() {
    std::uint64_t ended = 0;
    std::uint64_t total = 0;
    run([&](Error&) {
      kthena_simulation_progress(simulation_, &ended, &total);
      return KTHENA_OK;
    });
    return {ended, total};
  }

  py::str report_json() {
    return text([&](char* buffer, size_t capacity, size_t* needed, kthena_error* error) {
      return kthena_simulation_report_json(simulation_, buffer, capacity, needed, error);
    });
  }

  py::str requests_csv() {
    return text([&](char* buffer, size_t capacity, size_t* needed, kthena_error* error) {
      return kthena_simulation_requests_csv(simulation_, buffer, capacity, needed, error);
    });
  }

 private:
  template <class Call>
  void run(Call&& call) {
    Error error;
    kthena_status status = KTHENA_OK;
    {
      py::gil_scoped_release release;
      std::lock_guard lock(mutex_);
      status = call(error);
    }
    check(status, error);
  }

  template <class Call>
  py::str text(Call&& call) {
    std::string text;
    run([&](Error& error) { return read_text(call, text, error); });
    return py::str(text);
  }

  kthena_simulation* simulation_ = nullptr;
  std::mutex mutex_;
};

}  // namespace

void register_simulation(py::module_& module) {
  py::class_<Simulation>(module, "Simulation", "A fleet under a workload and a policy.")
      .def(py::init<std::string_view, std::string_view>(), "scenario"_a, "trace"_a = py::bytes())
      .def("advance", &Simulation::advance, "max_events"_a, "Runs events; True once nothing is left.")
      .def("progress", &Simulation::progress, "Requests that have ended, and how many there will be.")
      .def("report_json", &Simulation::report_json, "The report, after the end.")
      .def("requests_csv", &Simulation::requests_csv, "A row per request, after the end.");
}

}  // namespace kthena::python
