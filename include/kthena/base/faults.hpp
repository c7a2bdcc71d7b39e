// include/kthena/base/faults.hpp
//
// Faults: all that is wrong with one input, each with the path of its field, so that a user mends a document once and not six times.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "kthena/base/status.hpp"

namespace kthena {

/// One fault. `path` is the field as its owner wrote it: "endpoints[3].kv_usage".
struct Fault {
  std::string path;
  std::string message;
};

/// Collects faults in the order found. One thread.
class Faults {
 public:
  void add(std::string path, std::string message) { list_.push_back({std::move(path), std::move(message)}); }
  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  [[nodiscard]] const std::vector<Fault>& list() const noexcept { return list_; }

  /// Ok when empty; else kInvalidArgument with "path: message" for every fault, joined by "; ".
  [[nodiscard]] Status status() const {
    if (list_.empty()) return {};
    std::string text;
    for (const Fault& fault : list_) {
      if (!text.empty()) text += "; ";
      if (!fault.path.empty()) text += fault.path + ": ";
      text += fault.message;
    }
    return invalid_argument(std::move(text));
  }

 private:
  std::vector<Fault> list_;
};

}  // namespace kthena
