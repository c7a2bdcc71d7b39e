// FaultList: all faults of one input; the first hundred in full, the rest as a count.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "kthena/base/faults.hpp"

namespace kthena::sim::detail {

class FaultList {
 public:
  static constexpr std::size_t kShown = 100;

  void add(std::string path, std::string message) {
    if (count_++ < kShown) faults_.add(std::move(path), std::move(message));
  }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

  [[nodiscard]] Status status() const {
    if (count_ <= kShown) return faults_.status();
    return invalid_argument(faults_.status().message() + "; and " + std::to_string(count_ - kShown) + " more");
  }

 private:
  Faults faults_;
  std::size_t count_ = 0;
};

}  // namespace kthena::sim::detail
