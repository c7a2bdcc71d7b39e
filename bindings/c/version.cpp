// bindings/c/version.cpp
//
// Version, reasons, hashing and random numbers.
#include "calls.hpp"
#include "kthena/base/hash.hpp"
#include "kthena/base/random.hpp"
#include "kthena/base/reason.hpp"

using namespace kthena;

uint32_t kthena_version(void) {
  return (KTHENA_VERSION_MAJOR << 16) | (KTHENA_VERSION_MINOR << 8) | KTHENA_VERSION_PATCH;
}

kthena_str kthena_reason_name(int32_t reason) { return c::borrow(reason_name(static_cast<ReasonCode>(reason))); }

kthena_str kthena_reason_text(int32_t reason) { return c::borrow(reason_text(static_cast<ReasonCode>(reason))); }

kthena_str kthena_reason_numbers(int32_t reason) { return c::borrow(reason_numbers(static_cast<ReasonCode>(reason))); }

uint64_t kthena_hash_id(kthena_str id) { return hash_id(c::view(id)); }

uint64_t kthena_random_u64(uint64_t seed, uint64_t stream, uint64_t counter) {
  return random_u64(seed, stream, counter);
}
