// Any bytes as a document for the JSON door of route: an answer or a refusal, never a crash, an exception or an empty text.
//
// A document that is answered is answered alike twice; a policy that is read is written and read back.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "kthena/manifest/route.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto answer = kthena::manifest::decide_document(text);
  if (!answer.ok()) {
    if (answer.status().code() != kthena::StatusCode::kInvalidArgument || answer.status().message().empty())
      std::abort();
  } else {
    const auto again = kthena::manifest::decide_document(text);
    if (answer->empty() || !again.ok() || *again != *answer) std::abort();
  }

  // The readers of the parts, which take other documents than the door does.
  const auto policy = kthena::manifest::parse_policy(text);
  if (policy.ok()) {
    const std::string written = kthena::manifest::write_policy(*policy);
    const auto read = kthena::manifest::parse_policy(written);
    if (!read.ok() || kthena::manifest::write_policy(*read) != written) std::abort();
  }
  const auto pool = kthena::manifest::parse_pool(text);
  if (pool.ok()) (void)kthena::manifest::parse_request(text, *pool);
  return 0;
}
