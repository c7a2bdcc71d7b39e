// bindings/c/calls.cpp
#include "calls.hpp"

namespace kthena::c {
namespace {

/// The longest start of `text` of at most `capacity` bytes that does not end inside a UTF-8 character.
std::size_t cut(std::string_view text, std::size_t capacity) noexcept {
  if (text.size() <= capacity) return text.size();
  std::size_t end = capacity;
  // At most three continuation bytes belong to a character; where there are more it is not UTF-8 and any place is as good.
  for (int back = 0; back < 3 && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u; ++back) --end;
  return (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u ? capacity : end;
}

}  // namespace

kthena_status fail(kthena_error* error, kthena_status code, std::string_view message) noexcept {
  constexpr std::size_t kText = offsetof(kthena_error, message);
  if (error == nullptr || error->struct_size <= kText) return code;
  const std::size_t known = error->struct_size < sizeof(kthena_error) ? error->struct_size : sizeof(kthena_error);
  const std::size_t size = cut(message, known - kText - 1);
  error->code = code;
  error->message_size = message.size();
  char* text = reinterpret_cast<char*>(error) + kText;
  if (size != 0) std::memcpy(text, message.data(), size);
  text[size] = '\0';
  return code;
}

kthena_status refuse(kthena_error* error, std::string_view parameter, std::string_view fault) {
  if (error == nullptr) return KTHENA_INVALID_ARGUMENT;
  std::string message(parameter);
  message += ": ";
  message += fault;
  return fail(error, KTHENA_INVALID_ARGUMENT, message);
}

kthena_status refuse_size(kthena_error* error, std::string_view parameter, std::uint32_t size) {
  return refuse(error, std::string(parameter) + ".struct_size",
                std::to_string(size) + " is no size this struct has; begin with KTHENA_INIT");
}

kthena_status check_offsets(const uint64_t* offsets, std::size_t n, const char* bytes, std::string_view name,
                            std::string_view bytes_name, kthena_error* error) {
  if (n == 0) return KTHENA_OK;
  if (offsets == nullptr) return refuse_null(error, name);
  for (std::size_t i = 0; i < n; ++i) {
    if (offsets[i] > offsets[i + 1]) {
      return refuse(error, std::string(name) + "[" + std::to_string(i + 1) + "]",
                    std::to_string(offsets[i + 1]) + " is less than the one before, " + std::to_string(offsets[i]));
    }
  }
  return check_array(bytes, offsets[n], bytes_name, error);
}

}  // namespace kthena::c
