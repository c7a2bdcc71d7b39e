// tests/support/trace_data.hpp
//
// The trace extracts (CSV), for tests and benchmarks that can do without them: they lie in the folder that the environment variable
// KTHENA_DATA names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace kthena::test {

/// The file's text; none when it is not there.
inline std::optional<std::string> trace_data(const std::string& name) {
  const char* const folder = std::getenv("KTHENA_DATA");
  if (folder == nullptr) return std::nullopt;
  std::ifstream file(std::string(folder) + "/" + name, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// What a test says when it does nothing without its trace. ctest shows a test that prints this as skipped (cmake/KthenaTests.cmake).
inline std::string skipped_without(const std::string& name) {
  return "skipped: set KTHENA_DATA to a folder that holds " + name;
}

/// Block ids of each request of a Mooncake extract, whose last column holds "12 14-16 20". Equal ids have equal ids before them.
inline std::vector<std::vector<std::uint64_t>> mooncake_blocks(const std::string& csv, std::size_t limit = SIZE_MAX) {
  std::istringstream lines(csv);
  std::vector<std::vector<std::uint64_t>> requests;
  std::string line;
  std::getline(lines, line);  // the header
  while (requests.size() < limit && std::getline(lines, line)) {
    std::istringstream ids(line.substr(line.rfind(',') + 1));
    std::vector<std::uint64_t> blocks;
    for (std::string piece; ids >> piece;) {
      const std::size_t dash = piece.find('-');
      const std::uint64_t first = std::stoull(piece);
      const std::uint64_t last = dash == std::string::npos ? first : std::stoull(piece.substr(dash + 1));
      for (std::uint64_t id = first; id <= last; ++id) blocks.push_back(id);
    }
    requests.push_back(std::move(blocks));
  }
  return requests;
}

}  // namespace kthena::test
