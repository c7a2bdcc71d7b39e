// include/kthena/route/policies/smg_least_load.hpp
//
// SMG's least load: seconds until an endpoint has worked off its prompts, and a barrier in front of full KV memory.
//
//   Use when   prompts differ in length and KV memory runs full; the best single load score of the routers read for this library.
//   Cost       two passes over four columns; no state, no allocation.
//   Source     lightseekorg/smg model_gateway/src/policies/least_load.rs. SMG counts what it dispatched since its last poll and forgets it
//              when any report arrives; here uncached_tokens is the ledger's sum, which is as of now.
//   Known for  dividing prompt tokens by the rate at which answers are made, which is slower than prefill.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct SmgLeastLoadOptions {
  /// Seconds that a half full KV memory costs. Range [0, 1e6]. DEFAULT: 0.15.
  double kv_weight_s = 0.15;
  /// Tokens a second where decode_tps is 0 or was never sampled. Range [1e-3, 1e9]. DEFAULT: 2000.
  double default_tps = 2000;
  /// Tokens of a request where only their number is known. Range [1, 1e9]. DEFAULT: 1024.
  double request_tokens = 1024;
};

/// cost = uncached_tokens / tps + kv_weight_s * k / (1 - k) seconds with k = min(kv_usage, 0.999). An endpoint without kv_usage reports
/// nothing: in_flight * request_tokens / mean tps of those that report. Where nobody reports: in_flight. Opinion 100 / (1 + cost); bookings
/// never sampled count as 0.
class SmgLeastLoad {
 public:
  static constexpr std::string_view kName = "smg-least-load";
  using Options = SmgLeastLoadOptions;
  static constexpr std::array kOptions = {Option<Options>{"kv_weight_s", 0, 1e6, &Options::kv_weight_s},
                                          Option<Options>{"default_tps", 1e-3, 1e9, &Options::default_tps},
                                          Option<Options>{"request_tokens", 1, 1e9, &Options::request_tokens}};

  explicit SmgLeastLoad(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const double* usage = context.column(Signal::kKvUsage).data();
    const double* tokens = context.column(Signal::kUncachedTokens).data();
    const double* rates = context.column(Signal::kDecodeTps).data();
    const double* sent = context.column(Signal::kInFlight).data();
    double sum = 0;
    double rated = 0;
    double reporting = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const bool reports = usage[i] == usage[i];
      const bool has_rate = reports & (rates[i] > 0);
      reporting += reports ? 1 : 0;
      rated += has_rate ? 1 : 0;
      sum += has_rate ? rates[i] : 0;
    }
    const double nominal = rated > 0 ? sum / rated : options_.default_tps;
    const bool dark = reporting == 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double rate = rates[i] > 0 ? rates[i] : options_.default_tps;
      const double k = usage[i] > 0.999 ? 0.999 : usage[i];
      const double reported = detail::known_or(tokens[i], 0) / rate + options_.kv_weight_s * k / (1 - k);
      const double requests = detail::known_or(sent[i], 0);
      const double guessed = requests * options_.request_tokens / nominal;
      out[i] = dark ? requests : usage[i] == usage[i] ? reported : guessed;
    }
    detail::score_by_cost(out);
  }

 private:
  Options options_;
};

}  // namespace kthena::route
