// include/kthena/route/pool.hpp
//
// PoolSnapshot: the endpoints a request may go to and what is known about them, as a struct of arrays in the order of endpoint ids.
// PoolView: the same by pointers, for a host that has its own arrays.
//
//   Build      PoolBuilder checks everything, lists all faults together, sorts by id.
//   Refresh    PoolSnapshot::set_signal replaces one column; membership never changes, a new set of endpoints is a new snapshot.
//   Threads    a snapshot may be read by any number of threads while nobody calls set_signal or set_value. Beside deciding threads: copy
//              it (O(n), about 100 bytes per endpoint), change the copy, hand it over by a shared pointer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kthena/base/faults.hpp"
#include "kthena/base/hash.hpp"
#include "kthena/base/ids.hpp"
#include "kthena/base/status.hpp"
#include "kthena/base/time.hpp"
#include "kthena/route/place.hpp"
#include "kthena/route/signal.hpp"

namespace kthena::route {

/// Borrowed columns of `size` endpoints in the order of their ids. A null signal column means that nobody reports it.
struct PoolView {
  std::size_t size = 0;
  const std::uint64_t* keys = nullptr;               ///< hash_id(endpoint id); needed
  std::array<const double*, kSignalCount> values{};  ///< kMissing where never sampled
  std::array<const Time*, kSignalCount> sampled{};   ///< kNever where never sampled; only explanations read it
  std::span<const std::string_view> model_names;     ///< sorted, without repeats
  const std::uint32_t* model_offsets = nullptr;      ///< size + 1, or null: nobody says what it serves
  const std::uint32_t* model_ids = nullptr;          ///< positions in model_names, ascending per endpoint
  const std::uint8_t* model_waiting = nullptr;  ///< by place in model_ids: 1 for Endpoint::waiting_models; null: none
  std::array<const std::uint64_t*, kPlaceLevels>
      places{};  ///< hash_id of the names in Place, 0 where not known; null: nobody says
};

/// One signal of one endpoint.
struct Sample {
  double value = 0;          ///< finite, 0..info(signal).maximum
  Time sampled_ns = kNever;  ///< kNever: at a time that is not known
};

/// One endpoint as a row.
struct Endpoint {
  std::string id{};                                           ///< unique, not empty
  std::array<std::optional<Sample>, kSignalCount> signals{};  ///< by Signal; nullopt: never sampled
  std::vector<std::string> models{};                          ///< served model and adapter names; any order
  std::vector<std::string>
      waiting_models{};  ///< adapters that requests wait for and that are not loaded; none in `models`
  Place place{};

  Endpoint& set(Signal signal, double value, Time sampled_ns = kNever) {
    signals[static_cast<std::size_t>(signal)] = Sample{value, sampled_ns};
    return *this;
  }
};

class PoolSnapshot {
 public:
  PoolSnapshot();
  PoolSnapshot(const PoolSnapshot&);
  PoolSnapshot(PoolSnapshot&&) noexcept;
  PoolSnapshot& operator=(const PoolSnapshot&);
  PoolSnapshot& operator=(PoolSnapshot&&) noexcept;
  ~PoolSnapshot();

  [[nodiscard]] std::size_t size() const noexcept { return ids_.size(); }
  /// Empty when there is no such endpoint.
  [[nodiscard]] std::string_view id(EndpointIndex endpoint) const noexcept {
    return endpoint.value < ids_.size() ? std::string_view(ids_[endpoint.value]) : std::string_view();
  }
  /// Ids in pool order, ascending by bytes.
  [[nodiscard]] std::span<const std::string> ids() const noexcept { return ids_; }
  /// None when there is no such endpoint. O(log n).
  [[nodiscard]] EndpointIndex find(std::string_view id) const noexcept;
  /// Nullopt when it was never sampled.
  [[nodiscard]] std::optional<Sample> sample(EndpointIndex endpoint, Signal signal) const noexcept;
  /// Names of what the endpoint serves, ascending; those of waiting_models are not among them.
  [[nodiscard]] std::vector<std::string_view> models(EndpointIndex endpoint) const;

  /// Replaces a whole column: `values` in pool order, kMissing (NaN) where not sampled, otherwise finite and in range; one sample time
  /// for all. On a fault nothing changes and every element at fault is named, by id.
  Status set_signal(Signal signal, std::span<const double> values, Time sampled_ns);
  /// The same with a sample time for each endpoint.
  Status set_signal(Signal signal, std::span<const double> values, std::span<const Time> sampled_ns);

  /// Sets one value, or forgets it (kMissing): for signals that change with every request, as in_flight does. O(1) once the column exists.
  Status set_value(EndpointIndex endpoint, Signal signal, double value, Time sampled_ns);

  /// Valid while the snapshot lives and is not assigned to.
  [[nodiscard]] const PoolView& view() const noexcept { return view_; }

 private:
  friend class PoolBuilder;
  void rebind();
  void set_column(Signal signal, std::vector<double> values, std::vector<Time> sampled_ns) noexcept;

  std::vector<std::string> ids_;
  std::vector<std::uint64_t> keys_;
  std::array<std::vector<double>, kSignalCount> values_;  // empty: nobody reports it
  std::array<std::vector<Time>, kSignalCount> sampled_;
  std::vector<std::string> model_names_;
  std::vector<std::string_view> model_name_views_;
  std::vector<std::uint32_t> model_offsets_;
  std::vector<std::uint32_t> model_ids_;
  std::vector<std::uint8_t> model_waiting_;                      // empty: none waits
  std::array<std::vector<std::uint64_t>, kPlaceLevels> places_;  // empty: nobody says
  PoolView view_;
};

/// Collects rows in any order. One thread.
class PoolBuilder {
 public:
  PoolBuilder& add(Endpoint endpoint);
  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }

  /// The snapshot, or kInvalidArgument with every fault: empty or repeated id, value not finite, negative or too large, empty model
  /// name. Paths read "endpoints[3].kv_usage" with the position in order of add().
  [[nodiscard]] Result<PoolSnapshot> build() const;
  /// What build() would complain of.
  [[nodiscard]] Faults find_faults() const;

 private:
  std::vector<Endpoint> rows_;
};

}  // namespace kthena::route
