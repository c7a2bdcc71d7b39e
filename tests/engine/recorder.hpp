// A sink that writes down what it is told, in a form that can be compared, and models an engine's cache beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kthena/base/kv_event.hpp"

namespace kthena::test {

/// One event with its own memory.
struct Told {
  enum Kind { kStored, kRemoved, kCleared } kind = kStored;
  std::uint32_t worker = 0;
  std::uint64_t space = 0;
  std::optional<std::uint64_t> parent = {};
  std::vector<std::uint64_t> hashes = {};
  std::vector<std::uint64_t> contents = {};
  KvTier tier = KvTier::kDevice;

  friend bool operator==(const Told&, const Told&) = default;
};

class Recorder {
 public:
  void operator()(const KvEvent& event) {
    if (const auto* stored = std::get_if<BlockStored>(&event)) {
      events.push_back({Told::kStored,
                        stored->worker.value,
                        stored->namespace_key,
                        stored->parent,
                        {stored->engine_hashes.begin(), stored->engine_hashes.end()},
                        {stored->content_hashes.begin(), stored->content_hashes.end()},
                        stored->tier});
    } else if (const auto* removed = std::get_if<BlockRemoved>(&event)) {
      events.push_back({Told::kRemoved,
                        removed->worker.value,
                        0,
                        std::nullopt,
                        {removed->engine_hashes.begin(), removed->engine_hashes.end()},
                        {},
                        removed->tier});
    } else {
      events.push_back(
          {Told::kCleared, std::get<AllBlocksCleared>(event).worker.value, 0, std::nullopt, {}, {}, KvTier::kDevice});
    }
  }

  std::vector<Told> events;
};

}  // namespace kthena::test
