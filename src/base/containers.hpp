// src/base/containers.hpp
//
// The containers that private code uses: Abseil's when KTHENA_USE_ABSL is defined, else std's. Both hash with Hash below, so that
// neither library's own hash function (salted per process) can reach a result. Never in a public header; never iterated where the
// order could reach a result.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "kthena/base/hash.hpp"

#ifdef KTHENA_USE_ABSL
#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/container/inlined_vector.h>
#else
#include <map>
#include <unordered_map>
#include <unordered_set>
#endif

namespace kthena::detail {

/// Hash of integers and strings under a seed, which a table whose keys come from outside takes from its owner's secret. Transparent: a
/// map of std::string is searched by std::string_view.
struct Hash {
  using is_transparent = void;

  std::uint64_t seed = 0;

  template <std::integral T>
  std::size_t operator()(T key) const noexcept {
    return static_cast<std::size_t>(mix64(static_cast<std::uint64_t>(key) ^ seed));
  }
  std::size_t operator()(std::string_view key) const noexcept {
    return static_cast<std::size_t>(xxh3_64(std::as_bytes(std::span(key)), seed));
  }
};

#ifdef KTHENA_USE_ABSL
template <class Key, class Value, class Hasher = Hash>
using HashMap = absl::flat_hash_map<Key, Value, Hasher, std::equal_to<>>;
template <class Key, class Hasher = Hash>
using HashSet = absl::flat_hash_set<Key, Hasher, std::equal_to<>>;
template <class Key, class Value>
using OrderedMap = absl::btree_map<Key, Value, std::less<>>;
template <class T, std::size_t kInline>
using SmallVector = absl::InlinedVector<T, kInline>;
#else
template <class Key, class Value, class Hasher = Hash>
using HashMap = std::unordered_map<Key, Value, Hasher, std::equal_to<>>;
template <class Key, class Hasher = Hash>
using HashSet = std::unordered_set<Key, Hasher, std::equal_to<>>;
template <class Key, class Value>
using OrderedMap = std::map<Key, Value, std::less<>>;
template <class T, std::size_t kInline>
using SmallVector = std::vector<T>;
#endif

/// Heap bytes that a hash map asks for now, without what its keys and values own. Exact for Abseil's layout (a slot and a control byte
/// per place); for std's an estimate from libstdc++'s (a bucket pointer; a node with a next pointer and the cached hash).
template <class Key, class Value, class Hasher>
std::size_t heap_bytes(const HashMap<Key, Value, Hasher>& map) noexcept {
#ifdef KTHENA_USE_ABSL
  return map.capacity() * (sizeof(typename HashMap<Key, Value, Hasher>::value_type) + 1);
#else
  return (map.bucket_count() > 1 ? map.bucket_count() : 0) * sizeof(void*) +
         map.size() * (sizeof(typename HashMap<Key, Value, Hasher>::value_type) + sizeof(void*));
#endif
}

template <class T>
std::size_t heap_bytes(const std::vector<T>& vector) noexcept {
  return vector.capacity() * sizeof(T);
}
#ifdef KTHENA_USE_ABSL
template <class T, std::size_t kInline>
std::size_t heap_bytes(const absl::InlinedVector<T, kInline>& vector) noexcept {
  return vector.capacity() > kInline ? vector.capacity() * sizeof(T) : 0;
}
#endif

}  // namespace kthena::detail
