// tests/c/vectors.hpp
//
// The cases of a folder of tests/vectors, from all its files.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

namespace kthena::test {

inline std::vector<nlohmann::ordered_json> cases_of(const char* directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(KTHENA_SOURCE_DIR) / "tests/vectors" / directory))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<nlohmann::ordered_json> cases;
  for (const auto& file : files) {
    std::ifstream stream(file);
    nlohmann::ordered_json document = nlohmann::ordered_json::parse(stream);
    for (nlohmann::ordered_json& each : document["cases"]) cases.push_back(std::move(each));
  }
  return cases;
}

}  // namespace kthena::test
