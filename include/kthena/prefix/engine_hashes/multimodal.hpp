// include/kthena/prefix/engine_hashes/multimodal.hpp
//
// Where images, audio and the like stand in a prompt. Their placeholder tokens are the same for all of them, so systems
// that hash blocks add what the placeholders stand for.
#pragma once

#include <cstdint>
#include <string_view>

namespace kthena::prefix {

struct MultimodalItem {
  std::string_view identifier;  ///< what the system calls the content; usually a hash of it. Not empty.
  std::uint32_t offset = 0;     ///< its first placeholder, counted from the start of the prompt
  std::uint32_t length = 0;     ///< its placeholders, >= 1
};

}  // namespace kthena::prefix
