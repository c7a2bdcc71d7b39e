// A fleet in which everything that a log can hold changes now and then, for the tests of the decision log.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kthena/route/decision_log.hpp"
#include "support.hpp"

namespace kthena::route::test {

class LoggedFleet {
 public:
  explicit LoggedFleet(std::uint64_t seed, std::size_t largest = 20) : random_(seed, 4711), largest_(largest) {
    replace_pool();
  }

  /// The next request, after what has happened to the fleet in between.
  Request next() {
    now_ns_ += static_cast<Time>(random_.next_below(2'000'000'000));
    switch (random_.next_below(8)) {
      case 0:
        replace_pool();
        break;
      case 1:
      case 2:
        scrape();
        break;
      default:
        for (std::uint64_t i = random_.next_below(3); i > 0 && pool_.size() > 0; --i) book();
    }
    request_ = random_request(random_, pool_.size());
    request_.now_ns = now_ns_;
    request_.sequence = random_.next_below(3) == 0 ? random_.next_u64() : ++sequence_;
    request_.seed = random_.next_below(4) == 0 ? random_.next_u64() : 42;
    request_.prompt_tokens = static_cast<std::uint32_t>(random_.next_below(5000));
    request_.output_tokens = static_cast<std::uint32_t>(random_.next_below(500));
    request_.prefix_block_tokens = random_.next_below(2) == 0 ? 16 : 0;
    add_tiers(request_.prefix, request_.prefix_tiers);
    add_tiers(request_.history, request_.history_tiers);
    if (random_.next_below(3) == 0) request_.session = "session-" + std::to_string(random_.next_below(9));
    if (random_.next_below(3) == 0) request_.near = {"h1", "", "z1", "r1"};
    if (random_.next_below(3) == 0) request_.slo_ttft_s = 0.5 + random_.next_double();
    if (random_.next_below(3) == 0) request_.slo_tpot_s = random_.next_double();
    return request_.view();
  }

  [[nodiscard]] const PoolSnapshot& pool() const { return pool_; }
  RandomStream& random() { return random_; }

 private:
  void replace_pool() {
    std::vector<Endpoint> rows = random_rows(random_, random_.next_below(largest_ + 1));
    const bool places = random_.next_below(2) == 0;
    for (Endpoint& row : rows) {
      if (!row.models.empty() && random_.next_below(3) == 0) {
        row.waiting_models.push_back(row.models.back());
        row.models.pop_back();
      }
      if (places && random_.next_below(3) != 0)
        row.place = {"h" + std::to_string(random_.next_below(3)), "", "z" + std::to_string(random_.next_below(2)),
                     "r1"};
    }
    pool_ = pool_of(rows);
  }

  void scrape() {
    for (const Signal signal : {Signal::kRunning, Signal::kWaiting, Signal::kKvUsage, Signal::kTtft, Signal::kTpot}) {
      std::vector<double> values(pool_.size());
      for (double& value : values) {
        value = signal == Signal::kKvUsage || signal == Signal::kTtft || signal == Signal::kTpot
                    ? random_.next_double()
                    : static_cast<double>(random_.next_below(9));
        if (random_.next_below(9) == 0) value = kMissing;
      }
      const Status status = pool_.set_signal(signal, values, random_.next_below(9) == 0 ? kNever : now_ns_);
      REQUIRE(status.ok());
    }
  }

  void book() {
    const EndpointIndex endpoint{static_cast<std::uint32_t>(random_.next_below(pool_.size()))};
    const Status status =
        pool_.set_value(endpoint, Signal::kInFlight, static_cast<double>(random_.next_below(30)), now_ns_);
    REQUIRE(status.ok());
  }

  void add_tiers(const std::vector<std::uint32_t>& depths, std::array<std::vector<std::uint32_t>, 2>& tiers) {
    const std::vector<std::uint32_t>* faster = &depths;
    for (std::vector<std::uint32_t>& tier : tiers) {
      if (depths.empty() || random_.next_below(3) != 0) continue;
      tier = *faster;
      for (std::uint32_t& depth : tier) depth += static_cast<std::uint32_t>(random_.next_below(3));
      faster = &tier;
    }
  }

  RandomStream random_;
  std::size_t largest_;
  PoolSnapshot pool_;
  OwnedRequest request_;
  Time now_ns_ = 1'700'000'000'000'000'000;
  std::uint64_t sequence_ = 0;
};

}  // namespace kthena::route::test
