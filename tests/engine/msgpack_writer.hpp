// Writes msgpack for tests. The golden vectors come from tools/gen_engine_vectors.py; this is for batches that a test makes up.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace kthena::test {

class MsgpackWriter {
 public:
  MsgpackWriter& array(std::size_t size) { return head(size, 0x90, 16, 0xDC); }
  MsgpackWriter& map(std::size_t size) { return head(size, 0x80, 16, 0xDE); }
  MsgpackWriter& text(std::string_view text) {
    if (text.size() < 32) {
      byte(0xA0 | text.size());
    } else {
      byte(0xDB).big_endian(text.size(), 4);
    }
    for (const char c : text) byte(static_cast<unsigned char>(c));
    return *this;
  }
  MsgpackWriter& number(double value) { return byte(0xCB).big_endian(std::bit_cast<std::uint64_t>(value), 8); }
  MsgpackWriter& nil() { return byte(0xC0); }
  MsgpackWriter& count(std::uint64_t value) {
    if (value < 0x80) return byte(value);
    if (value < 0x100) return byte(0xCC).big_endian(value, 1);
    if (value < 0x10000) return byte(0xCD).big_endian(value, 2);
    if (value < 0x100000000ull) return byte(0xCE).big_endian(value, 4);
    return byte(0xCF).big_endian(value, 8);
  }

  // ---- events, as vLLM 0.32 writes them: the head of a batch of `events` events, then each
  MsgpackWriter& batch(std::size_t events, double timestamp_s = 1) {
    return array(2).number(timestamp_s).array(events);
  }
  MsgpackWriter& stored(std::span<const std::uint64_t> hashes, std::optional<std::uint64_t> parent,
                        std::span<const std::uint32_t> tokens, std::uint32_t block_tokens,
                        std::string_view medium = "GPU", std::string_view salt = {}, std::string_view lora = {}) {
    map(8).text("type").text("BlockStored").text("block_hashes").array(hashes.size());
    for (const std::uint64_t hash : hashes) count(hash);
    text("parent_block_hash");
    parent ? count(*parent) : nil();
    text("token_ids").array(tokens.size());
    for (const std::uint32_t token : tokens) count(token);
    text("block_size").count(block_tokens).text("medium").text(medium).text("lora_name");
    lora.empty() ? nil() : text(lora);
    text("extra_keys").array(hashes.size());
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      const bool salted = i == 0 && !parent && !salt.empty();
      if (!salted && lora.empty()) {
        nil();
        continue;
      }
      array((lora.empty() ? 0u : 1u) + (salted ? 1u : 0u));
      if (!lora.empty()) text(lora);
      if (salted) text(salt);
    }
    return *this;
  }
  MsgpackWriter& removed(std::span<const std::uint64_t> hashes, std::string_view medium = "GPU") {
    map(4).text("type").text("BlockRemoved").text("block_hashes").array(hashes.size());
    for (const std::uint64_t hash : hashes) count(hash);
    return text("medium").text(medium).text("group_idx").count(0);
  }
  MsgpackWriter& cleared() { return map(1).text("type").text("AllBlocksCleared"); }

  [[nodiscard]] const std::vector<std::byte>& bytes() const noexcept { return bytes_; }

 private:
  MsgpackWriter& byte(std::uint64_t value) {
    bytes_.push_back(static_cast<std::byte>(value));
    return *this;
  }
  MsgpackWriter& big_endian(std::uint64_t value, int width) {
    for (int i = width - 1; i >= 0; --i) byte((value >> (8 * i)) & 0xFF);
    return *this;
  }
  MsgpackWriter& head(std::size_t size, unsigned fixed, std::size_t limit, unsigned wide) {
    if (size < limit) return byte(fixed | size);
    return byte(wide + 1).big_endian(size, 4);
  }

  std::vector<std::byte> bytes_;
};

}  // namespace kthena::test
