// src/prefix/engine_hashes/hash_faults.hpp
//
// Collects what is wrong with the arguments of a hash function, each fault with the field it is about.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "kthena/base/status.hpp"
#include "kthena/prefix/engine_hashes/multimodal.hpp"

namespace kthena::prefix::detail {

class HashFaults {
 public:
  static constexpr std::uint32_t kMaxBlockTokens = 65536;
  static constexpr std::size_t kMaxText = 65536;

  void add(std::string_view field, std::string_view fault) {
    if (!message_.empty()) message_ += "; ";
    message_.append(field).append(": ").append(fault);
  }

  /// Whether blocks can be counted at all.
  bool block_tokens(std::string_view field, std::uint32_t tokens) {
    if (tokens >= 1 && tokens <= kMaxBlockTokens) return true;
    add(field, "must be in 1..65536, not " + std::to_string(tokens));
    return false;
  }

  void text(std::string_view field, std::string_view text) {
    if (text.size() > kMaxText) add(field, std::to_string(text.size()) + " bytes, at most 65536 are taken");
  }

  /// An output that is left out or has room for exactly `wanted`.
  void output(std::string_view field, std::size_t size, std::size_t wanted) {
    if (size != 0 && size != wanted)
      add(field, "room for " + std::to_string(size) + " where " + std::to_string(wanted) + " are made");
  }

  void start(bool has_parent, std::uint64_t first_block) {
    if (!has_parent && first_block != 0) add("parent", "needed where first_block is not 0");
    if (has_parent && first_block == 0) add("first_block", "must not be 0 behind a parent");
    if (first_block > UINT32_MAX) add("first_block", "must be below 2^32, not " + std::to_string(first_block));
  }

  void multimodal(std::span<const MultimodalItem> items) {
    std::uint64_t end = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const auto field = [i](const char* name) { return "multimodal[" + std::to_string(i) + "]." + name; };
      if (items[i].identifier.empty()) add(field("identifier"), "must not be empty");
      text(field("identifier"), items[i].identifier);
      if (items[i].length == 0) add(field("length"), "must not be 0");
      if (items[i].offset < end) add(field("offset"), "lies before the end of the item before it");
      end = std::uint64_t{items[i].offset} + items[i].length;
    }
  }

  [[nodiscard]] Status status() const { return message_.empty() ? Status() : invalid_argument(message_); }

 private:
  std::string message_;
};

}  // namespace kthena::prefix::detail
