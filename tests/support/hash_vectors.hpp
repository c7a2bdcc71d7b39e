// tests/support/hash_vectors.hpp
//
// The cases of tests/vectors/engine_hashes, as their README describes them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kthena::test {

using Json = nlohmann::json;
using Bytes = std::vector<std::uint8_t>;

/// All cases with this member: "expect" or "faults".
inline std::vector<Json> hash_cases(const char* member) {
  std::vector<Json> found;
  const std::filesystem::path folder = std::filesystem::path(KTHENA_SOURCE_DIR) / "tests/vectors/engine_hashes";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream stream(entry.path());
    const Json document = Json::parse(stream);
    for (const Json& row : document.at("cases"))
      if (row.contains(member)) found.push_back(row);
  }
  return found;
}

inline Bytes unhex(const std::string& text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

/// One text for every `width` bytes.
inline std::vector<std::string> hex(std::span<const std::uint8_t> bytes, std::size_t width) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::vector<std::string> rows;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i % width == 0) rows.emplace_back();
    rows.back() += kDigits[bytes[i] >> 4];
    rows.back() += kDigits[bytes[i] & 15];
  }
  return rows;
}

/// Whether `message` consists of faults that begin so, in this order.
inline bool says(const std::string& message, const Json& faults) {
  std::string rest = "; " + message;
  for (const Json& fault : faults) {
    const std::size_t at = rest.find("; " + fault.get<std::string>());
    if (at == std::string::npos) return false;
    rest = rest.substr(at + 1);
  }
  return std::size_t(std::count(message.begin(), message.end(), ';')) + 1 == faults.size();
}

/// What a case gives, in a form that can be borrowed.
struct HashArguments {
  explicit HashArguments(const Json& row) : options(row.at("options")) {
    if (row.contains("long"))
      for (const Json& name : row["long"]) options[name] = std::string(65537, 'x');
    for (const char* name : {"seed", "lora_name", "lora_path", "cache_salt", "extra_key", "cache_namespace", "model"})
      if (options.contains(name) && options[name].is_string()) texts[name] = options[name];
    for (const Json& item : options.value("multimodal", Json::array())) {
      identifiers.push_back(item["identifier"]);
      identifier_bytes += identifiers.back();
      identifier_offsets.push_back(identifier_bytes.size());
      offsets.push_back(item["offset"]);
      lengths.push_back(item["length"]);
    }
    if (options.contains("parent") && options["parent"].is_string()) parent = unhex(options["parent"]);
    if (options.contains("parent") && options["parent"].is_number()) parent_hash = options["parent"];
    embeds = unhex(options.value("prompt_embeds", ""));
    if (row.contains("tokens")) tokens = row["tokens"].get<std::vector<std::uint32_t>>();
    prompt = row.value("prompt", "");
  }

  [[nodiscard]] std::string_view text(const char* name) const {
    return texts.contains(name) ? texts.at(name) : std::string_view();
  }
  [[nodiscard]] std::uint32_t size(const char* name) const { return options.at(name); }
  [[nodiscard]] std::uint64_t first_block() const { return options.value("first_block", std::uint64_t{0}); }
  [[nodiscard]] bool is(const char* name, const char* value) const { return options.value(name, "") == value; }
  [[nodiscard]] std::size_t blocks(std::uint32_t block) const { return block == 0 ? 0 : tokens.size() / block; }

  Json options;
  std::map<std::string, std::string> texts;
  std::vector<std::string> identifiers;
  std::string identifier_bytes;
  std::vector<std::uint64_t> identifier_offsets{0};
  std::vector<std::uint32_t> offsets, lengths, tokens;
  Bytes parent, embeds;
  std::optional<std::uint64_t> parent_hash;
  std::string prompt;
};

}  // namespace kthena::test
