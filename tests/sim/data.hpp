// Where the trace extracts lie, for tests that skip without them.
#pragma once

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

namespace test_data {

/// The file's text; none when it is not there. KTHENA_DATA names the directory; else it is `data` beside the source tree.
inline std::optional<std::string> read(const std::string& name) {
  const char* set = std::getenv("KTHENA_DATA");
  const std::string directory = set != nullptr ? set : KTHENA_SOURCE_DIR "/../shared/data";
  std::ifstream file(directory + "/" + name, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace test_data
