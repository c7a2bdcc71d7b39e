// include/kthena/route/policies/cost.hpp
//
// Cost: the seconds that a request would add to the fleet, its own and those of everybody else in the engine; the default policy.
//
//   Use when   always; docs/policies.md, "The cost policy", has the cells in which it was compared.
//   Cost       three passes over eight columns and the depths; no state, no allocation.
//   Source     own. An engine computes prompts and answers in one batch, so u tokens of a prompt take u / prefill_tps seconds from every
//              request in it, and a sequence that decodes takes a little from every step. Measured in such request-seconds a prefix that
//              is computed again on a second engine costs as much as hundreds of requests of imbalance: that is the externality which
//              "queue + uncached tokens" leaves out (it replicates prefixes until they evict each other).
//   Known for  favouring short requests, as everything does that minimises the mean: first_token_weight and patience_s hold against it. Bookings that are
//              not known count as 0, then only prefixes and rates are compared: feed it from a LoadLedger.
#pragma once

#include <algorithm>
#include <array>

#include "kthena/route/column.hpp"
#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/policies/prompt.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct CostOptions {
  /// A second of waiting for the prompts in front weighs as much as so many seconds of the rest. Range [0, 1e6]. DEFAULT: 2.
  double first_token_weight = 2;
  /// A queue that is longer than the shortest one by so many seconds weighs its length once more, one that is longer by twice as much twice
  /// more: without it long prompts collect where few wait, which is best for the mean and bad for the last per cent. Not where KV memory
  /// is full (kv_usage above 0.9): requests wait for memory there, not for those in front. Range [1e-3, 1e9]. DEFAULT: 0.5.
  double patience_s = 0.5;
  /// A block that an endpoint is only remembered for (Request::history) counts as this share of one that it holds (Request::prefix).
  /// Range [0, 1]. DEFAULT: 0.6.
  double home_share = 0.6;
  /// What one more sequence adds to a step, in tokens of prefill: for itself, and per token of its context. Both are ratios of a
  /// machine's arithmetic to its memory and much alike among accelerators. Range [0, 1e6] and [0, 1]. DEFAULT: 2, 0.001.
  double sequence_tokens = 2;
  double context_share = 0.001;
  /// Chance that a token of the cache would have been asked for again, had it not been evicted. Range [0, 1]. DEFAULT: 0.5.
  double evicted_share = 0.5;
  /// Answer where Request::output_tokens is 0. Range [1, 1e9]. DEFAULT: 256.
  double output_tokens = 256;
  /// Rate of endpoints when nobody's is known; where some are, the others get their mean. Range [1e-3, 1e9]. DEFAULT: 10000.
  double prefill_tps = 10000;
  /// Seconds until an adapter that an endpoint does not serve is loaded. Range [0, 1e6]. DEFAULT: 0.1.
  double adapter_load_s = 0.1;
};

/// opinion = -(own + others + evicted) seconds, with n requests in flight, their kv tokens, rate r = prefill_tps and
///   u       = uncached tokens of this request, at least 1
///   step(t) = sequence_tokens + context_share * t
///   longer  = uncached_tokens - the least of all candidates, 0 where kv_usage > 0.9
///   own     = (first_token_weight * uncached_tokens + longer^2 / (patience_s * r) + u + answer * (n * sequence_tokens + context_share * kv_tokens)) / r
///             + answer / decode_tps
///   others  = n * (u + answer * step(prompt + answer / 2)) / r
///   evicted = (1 + n) * evicted_share * max(0, u + answer - (kv_capacity_tokens - held_blocks * tokens per block)) / r, 0 while the
///             cache has room or is not known
/// and (1 + n) * adapter_load_s where the model is not served and somebody among the endpoints serves it. decode_tps counts only where known
/// of all candidates.
class Cost {
 public:
  static constexpr std::string_view kName = "cost";
  using Options = CostOptions;
  static constexpr std::array kOptions = {Option<Options>{"first_token_weight", 0, 1e6, &Options::first_token_weight},
                                          Option<Options>{"patience_s", 1e-3, 1e9, &Options::patience_s},
                                          Option<Options>{"home_share", 0, 1, &Options::home_share},
                                          Option<Options>{"sequence_tokens", 0, 1e6, &Options::sequence_tokens},
                                          Option<Options>{"context_share", 0, 1, &Options::context_share},
                                          Option<Options>{"evicted_share", 0, 1, &Options::evicted_share},
                                          Option<Options>{"output_tokens", 1, 1e9, &Options::output_tokens},
                                          Option<Options>{"prefill_tps", 1e-3, 1e9, &Options::prefill_tps},
                                          Option<Options>{"adapter_load_s", 0, 1e6, &Options::adapter_load_s}};

  explicit Cost(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const Options& o = options_;
    const Request& request = context.request();
    const detail::PromptMatch held(context, detail::kPrefixFirst);
    const detail::PromptMatch home(context, detail::kHistoryFirst);
    const double* in_flight = context.column(Signal::kInFlight).data();
    const double* queued = context.column(Signal::kUncachedTokens).data();
    const double* usage = context.column(Signal::kKvUsage).data();
    const double* kv = context.column(Signal::kKvTokens).data();
    const double* rates = context.column(Signal::kPrefillTps).data();
    const double* decode = context.column(Signal::kDecodeTps).data();
    const double* blocks = context.column(Signal::kHeldBlocks).data();
    const double* capacity = context.column(Signal::kKvCapacityTokens).data();

    const std::size_t size = out.size();
    std::size_t rated = 0;
    std::size_t decoders = 0;
    std::size_t unknown = 0;
    for (std::size_t i = 0; i < size; ++i) {
      rated += rates[i] > 0 ? 1 : 0;
      decoders += decode[i] > 0 ? 1 : 0;
      unknown += is_missing(queued[i]) ? 1 : 0;
    }
    double usual = o.prefill_tps;
    if (rated > 0 && rated < size) {
      double sum = 0;
      for (std::size_t i = 0; i < size; ++i) sum += rates[i] > 0 ? rates[i] : 0;
      usual = sum / static_cast<double>(rated);
    }
    const bool decode_known = decoders == size;
    const double shortest = unknown > 0 ? 0 : column_min({queued, size});

    const double prompt = std::max(held.size().tokens, home.size().tokens);
    const double answer = request.output_tokens > 0 ? request.output_tokens : o.output_tokens;
    const double step = o.sequence_tokens + o.context_share * (prompt + answer / 2);
    const double block = held.size().block_tokens;
    const double home_block = home.size().block_tokens;
    // Neither is one of the columns that are read.
    double* __restrict const fresh = context.scratch().data();
    double* __restrict const result = out.data();
    for (std::size_t i = 0; i < size; ++i) {
      const double here = held.device(i) * block;
      const double remembered = home.device(i) * home_block - here;
      const double more = remembered > 0 ? remembered : 0;
      const double rest = prompt - here - o.home_share * more;
      fresh[i] = rest > 1 ? rest : 1;
    }
    for (std::size_t i = 0; i < size; ++i) {
      const double n = detail::known_or(in_flight[i], 0);
      const double rate = rates[i] > 0 ? rates[i] : usual;
      const double queue = detail::known_or(queued[i], 0);
      const double behind = queue - shortest;
      const double longer = usage[i] > kFull ? 0 : behind;
      const double own = o.first_token_weight * queue + longer * longer / (o.patience_s * rate) + fresh[i] +
                         answer * (n * o.sequence_tokens + o.context_share * detail::known_or(kv[i], 0));
      const double others = n * (fresh[i] + answer * step);
      const double over = fresh[i] + answer - (capacity[i] - blocks[i] * block);
      const double evicted = over > 0 ? over : 0;  // not known: NaN is not above 0
      const double tokens = own + others + (1 + n) * o.evicted_share * evicted;
      result[i] = -(tokens / rate);
    }
    if (decode_known)
      for (std::size_t i = 0; i < size; ++i) result[i] -= answer / decode[i];
    if (!request.model.empty()) add_adapter(context, in_flight, out);
  }

 private:
  static constexpr double kFull = 0.9;  // kv_usage

  /// Does nothing where nobody serves the model: then names are not what tells them apart.
  void add_adapter(const ScoreContext& context, const double* in_flight, std::span<double> out) const noexcept {
    const PoolView& view = context.view();
    if (view.model_offsets == nullptr) return;
    const auto name = std::lower_bound(view.model_names.begin(), view.model_names.end(), context.request().model);
    if (name == view.model_names.end() || *name != context.request().model) return;
    const auto wanted = static_cast<std::uint32_t>(name - view.model_names.begin());
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::uint32_t at = context.endpoint(i).value;
      bool serves = false;
      for (std::uint32_t k = view.model_offsets[at]; k < view.model_offsets[at + 1]; ++k)
        serves =
            serves || (view.model_ids[k] == wanted && (view.model_waiting == nullptr || view.model_waiting[k] == 0));
      if (!serves) out[i] -= (1 + detail::known_or(in_flight[i], 0)) * options_.adapter_load_s;
    }
  }

  Options options_;
};

}  // namespace kthena::route
