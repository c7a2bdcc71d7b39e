// tests/support/recording.hpp
//
// Recordings of real engines (tools/record_vllm.py says what their lines are), and what an engine holds as a set of
// token prefixes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "kthena/engine/kv_events.hpp"

namespace kthena::test {

using Tokens = std::vector<std::uint32_t>;

struct Recording {
  std::string name;
  nlohmann::json header;
  std::vector<nlohmann::json> lines;  // behind the header
};

/// The folder that the environment variable KTHENA_RECORDINGS names, else the one in the tree.
inline std::filesystem::path recordings_folder() {
  const char* const named = std::getenv("KTHENA_RECORDINGS");
  return named != nullptr ? named : std::filesystem::path(KTHENA_SOURCE_DIR) / "tests/vectors/recordings";
}

/// All recordings of engines with that profile, by name.
inline std::vector<Recording> recordings(std::string_view profile) {
  std::vector<Recording> found;
  for (const auto& entry : std::filesystem::directory_iterator(recordings_folder())) {
    if (entry.path().extension() != ".jsonl") continue;
    Recording recording{entry.path().stem().string(), {}, {}};
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) recording.lines.push_back(nlohmann::json::parse(line));
    recording.header = recording.lines.at(0);
    recording.lines.erase(recording.lines.begin());
    if (recording.header.at("profile") == profile) found.push_back(std::move(recording));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return found;
}

inline std::vector<std::byte> from_base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::byte> bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(kDigits.find(c));
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<std::byte>(bits >> count & 0xFF));
  }
  return bytes;
}

/// A message of the transport with its own memory.
struct Message {
  explicit Message(const nlohmann::json& encoded) {
    for (const auto& frame : encoded) frames.push_back(from_base64(frame.get<std::string>()));
    spans.assign(frames.begin(), frames.end());
  }

  std::vector<std::vector<std::byte>> frames;
  std::vector<std::span<const std::byte>> spans;
};

/// What one engine's cache holds, by its own events: every block is named by all tokens before its end, and counted,
/// because vLLM holds a block twice when it has computed it twice. No hash of ours, no tree.
class CacheOracle {
 public:
  /// Adapter, cache salt, and all tokens from the start of the prompt to the end of the block.
  using Name = std::tuple<std::string, std::string, Tokens>;

  void apply(const engine::WireBatch& batch) {
    for (const engine::WireEvent& event : batch.events) {
      if (event.kind == engine::WireEvent::Kind::kCleared) copies_.clear();
      if (event.kind == engine::WireEvent::Kind::kRemoved)
        for (const std::uint64_t hash : event.hashes) --copies_[hash];
      if (event.kind != engine::WireEvent::Kind::kStored) continue;
      Name name{std::string(event.lora_name), std::string(event.salt), {}};
      if (event.parent) name = names_.at(*event.parent);
      for (std::size_t i = 0; i < event.hashes.size(); ++i) {
        const auto block = event.tokens.subspan(i * event.block_tokens, event.block_tokens);
        std::get<Tokens>(name).insert(std::get<Tokens>(name).end(), block.begin(), block.end());
        names_[event.hashes[i]] = name;
        hashes_[name] = event.hashes[i];
        if (++copies_[event.hashes[i]] > 1) copied_[event.hashes[i]] = true;
      }
    }
  }

  struct Depth {
    std::uint32_t blocks = 0;
    bool copied = false;  // one of them, or the one behind, was held twice at some time
  };
  [[nodiscard]] Depth depth(const std::string& adapter, const std::string& salt, const Tokens& prompt,
                            std::uint32_t block_tokens) const {
    Depth depth;
    for (std::size_t end = block_tokens; end <= prompt.size(); end += block_tokens) {
      const auto hash =
          hashes_.find(Name{adapter, salt, Tokens(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(end))});
      if (hash == hashes_.end()) break;
      depth.copied = depth.copied || copied_.count(hash->second) != 0;
      const auto copies = copies_.find(hash->second);
      if (copies == copies_.end() || copies->second <= 0) break;
      ++depth.blocks;
    }
    return depth;
  }

  /// Every block that was ever stored -> its hash.
  [[nodiscard]] const std::map<Name, std::uint64_t>& hashes() const { return hashes_; }

 private:
  std::map<Name, std::uint64_t> hashes_;
  std::map<std::uint64_t, Name> names_;
  std::map<std::uint64_t, int> copies_;
  std::map<std::uint64_t, bool> copied_;
};

}  // namespace kthena::test
