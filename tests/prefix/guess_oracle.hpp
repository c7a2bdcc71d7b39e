// GuessOracle: which blocks workers are expected to hold, as a plain list of token prefixes per worker, most recent first. Shares no code
// with the library.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "oracle.hpp"

namespace kthena::test {

class GuessOracle {
 public:
  GuessOracle(std::size_t capacity, std::int64_t ttl_ns) : capacity_(capacity), ttl_ns_(ttl_ns) {}

  /// `told`: what the engine says it holds.
  void expect(const std::string& worker, const TokenPrefix& prompt, std::size_t block_tokens, std::int64_t now_ns,
              const std::set<TokenPrefix>& told) {
    now_ns_ = std::max(now_ns_, now_ns);
    std::vector<Guess> after;
    for (std::size_t end = block_tokens; end <= prompt.tokens.size() && after.size() < capacity_; end += block_tokens) {
      TokenPrefix prefix{prompt.space,
                         {prompt.tokens.begin(), prompt.tokens.begin() + static_cast<std::ptrdiff_t>(end)}};
      if (!told.contains(prefix)) after.push_back({prefix, now_ns_});
    }
    for (const Guess& old : guesses_[worker]) {
      if (std::none_of(after.begin(), after.end(), [&](const Guess& one) { return one.prefix == old.prefix; }))
        after.push_back(old);
    }
    for (; after.size() > capacity_; after.pop_back()) ++evicted_;
    guesses_[worker] = after;
  }
  void expire(std::int64_t now_ns) {
    now_ns_ = std::max(now_ns_, now_ns);
    if (ttl_ns_ == 0) return;
    for (auto& [worker, guesses] : guesses_)
      expired_ += std::erase_if(guesses, [&](const Guess& one) { return now_ns_ - one.touched_ns >= ttl_ns_; });
  }
  /// After an event.
  void promote(const std::string& worker, const std::set<TokenPrefix>& told) {
    promoted_ += std::erase_if(guesses_[worker], [&](const Guess& one) { return told.contains(one.prefix); });
  }
  void clear(const std::string& worker) { guesses_.erase(worker); }

  [[nodiscard]] std::set<TokenPrefix> of(const std::string& worker) const {
    std::set<TokenPrefix> prefixes;
    if (const auto it = guesses_.find(worker); it != guesses_.end()) {
      for (const Guess& one : it->second) prefixes.insert(one.prefix);
    }
    return prefixes;
  }
  [[nodiscard]] std::size_t size() const {
    std::size_t size = 0;
    for (const auto& [worker, guesses] : guesses_) size += guesses.size();
    return size;
  }
  [[nodiscard]] std::uint64_t promoted() const { return promoted_; }
  [[nodiscard]] std::uint64_t expired() const { return expired_; }
  [[nodiscard]] std::uint64_t evicted() const { return evicted_; }

 private:
  struct Guess {
    TokenPrefix prefix;
    std::int64_t touched_ns;
  };

  std::size_t capacity_;
  std::int64_t ttl_ns_;
  std::int64_t now_ns_ = std::numeric_limits<std::int64_t>::min();
  std::map<std::string, std::vector<Guess>> guesses_;
  std::uint64_t promoted_ = 0;
  std::uint64_t expired_ = 0;
  std::uint64_t evicted_ = 0;
};

}  // namespace kthena::test
