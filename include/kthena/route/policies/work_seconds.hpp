// include/kthena/route/policies/work_seconds.hpp
//
// Capability and Preble's E2: work in seconds, by what each endpoint can compute in a second.
//
//   Use when   the fleet is mixed (prefill_tps and decode_tps differ). E2 where prefixes are shared as well.
//   Cost       one or two passes over up to six columns and the depths; no state, no allocation.
//   Source     capability: seconds of work = tokens / rate. E2: Preble (ICLR 2025): exploit the cached prefix when it is longer than the rest
//              of the prompt, else explore by load + eviction + prefill.
//   Known for  hanging on rates that are right; E2 counts every cached token that has to go as one that is computed again, where Preble
//              keeps a window of hits to know how many are.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/policies/prompt.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct CapabilityOptions {
  /// Which match says what is cached: 0 = Request::history first, 1 = Request::prefix first. DEFAULT: 1.
  double match = detail::kPrefixFirst;
};

/// cost = (uncached_tokens + uncached of this request) / prefill_tps + (output_tokens + Request::output_tokens) / decode_tps seconds;
/// opinion 100 / (1 + cost). An endpoint without both rates abstains; bookings never sampled count as 0.
class Capability {
 public:
  static constexpr std::string_view kName = "capability";
  using Options = CapabilityOptions;
  static constexpr std::array kOptions = {Option<Options>{"match", 0, 1, &Options::match}};

  explicit Capability(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const detail::PromptMatch prompt(context, options_.match);
    const double* prompts = context.column(Signal::kUncachedTokens).data();
    const double* answers = context.column(Signal::kOutputTokens).data();
    const double* prefill = context.column(Signal::kPrefillTps).data();
    const double* decode = context.column(Signal::kDecodeTps).data();
    const double output = context.request().output_tokens;
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = (detail::known_or(prompts[i], 0) + prompt.uncached_tokens(i)) / prefill[i] +
               (detail::known_or(answers[i], 0) + output) / decode[i];
    }
    detail::score_by_cost(out);
  }

 private:
  Options options_;
};

struct PrebleOptions {
  /// Rates where they were never sampled. Range [1e-3, 1e9]. DEFAULT: 15928 (llm-d's figure for a 32B model on two H100), 2000 (SMG).
  double prefill_tps = 15928;
  double decode_tps = 2000;
  /// Which match is read: 0 = Request::history first, 1 = Request::prefix first. DEFAULT: 1.
  double match = detail::kPrefixFirst;
};

/// new = uncached tokens of this request; evicted = max(0, held_blocks * tokens per block + new - kv_capacity_tokens), 0 where either was
/// never sampled; load = uncached_tokens / prefill_tps + output_tokens / decode_tps; cost = (uncached_tokens + evicted + new) / prefill_tps +
/// output_tokens / decode_tps. Where the longest cached prefix among the candidates is more than the rest of the prompt, those that hold it
/// get 50 + 50 / (1 + load), the others 50 / (1 + cost). Else all get 100 / (1 + cost). Bookings never sampled count as 0.
class Preble {
 public:
  static constexpr std::string_view kName = "preble";
  using Options = PrebleOptions;
  static constexpr std::array kOptions = {Option<Options>{"prefill_tps", 1e-3, 1e9, &Options::prefill_tps},
                                          Option<Options>{"decode_tps", 1e-3, 1e9, &Options::decode_tps},
                                          Option<Options>{"match", 0, 1, &Options::match}};

  explicit Preble(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const detail::PromptMatch prompt(context, options_.match);
    const double* prompts = context.column(Signal::kUncachedTokens).data();
    const double* answers = context.column(Signal::kOutputTokens).data();
    const double* prefill_rates = context.column(Signal::kPrefillTps).data();
    const double* decode_rates = context.column(Signal::kDecodeTps).data();
    const double* held = context.column(Signal::kHeldBlocks).data();
    const double* capacity = context.column(Signal::kKvCapacityTokens).data();
    const double block = prompt.size().block_tokens;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = prompt.device(i);
    const double longest = column_max(out);
    const bool exploit = longest * block > prompt.size().tokens - longest * block;
    const double home = exploit ? longest : -1;  // blocks that those have who are exploited
    const double best = exploit ? 50 : 100;
    const double whole = prompt.size().tokens;
    const double usual_prefill = options_.prefill_tps;
    const double usual_decode = options_.decode_tps;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double depth = out[i];
      const double rest = whole - depth * block;
      const double fresh = rest > 0 ? rest : 0;
      const double prefill_tps = prefill_rates[i] > 0 ? prefill_rates[i] : usual_prefill;
      const double decode_tps = decode_rates[i] > 0 ? decode_rates[i] : usual_decode;
      const double over = held[i] * block + fresh - capacity[i];
      const double more = (over > 0 ? over : 0) + fresh;
      const double tokens = detail::known_or(prompts[i], 0) + (depth == home ? 0 : more);
      const double cost = tokens / prefill_tps + detail::known_or(answers[i], 0) / decode_tps;
      out[i] = best / (1 + cost) + (depth == home ? 50 : 0);
    }
  }

 private:
  Options options_;
};

}  // namespace kthena::route
