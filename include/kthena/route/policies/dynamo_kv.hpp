// include/kthena/route/policies/dynamo_kv.hpp
//
// Dynamo's KV router: blocks to prefill, less those that are cached, and blocks in decode; the least wins.
//
//   Use when   cached blocks, backlog and decode load should stand in one unit, and engines offload to host memory or disk.
//   Cost       one or two passes over three columns and the depths; no state, no allocation.
//   Source     ai-dynamo/dynamo lib/kv-router/src/scheduling/selector/default.rs and config.rs (defaults).
//   Known for  pricing a prefix by what it saves now, not by what it evicts: popular prefixes spread over the fleet when loads differ.
#pragma once

#include <array>

#include "kthena/route/option.hpp"
#include "kthena/route/policies/opinion.hpp"
#include "kthena/route/policies/prompt.hpp"
#include "kthena/route/scoring.hpp"

namespace kthena::route {

struct DynamoKvOptions {
  /// Weight of prefill against decode. Range [0, 1e6]. DEFAULT: 1.
  double prefill_scale = 1;
  /// Blocks that a cached block saves, by tier. Range [0, 1e6]. DEFAULT: 1, 0.75, 0.25.
  double device_credit = 1;
  double host_credit = 0.75;
  double disk_credit = 0.25;
  /// How fast the device credit falls with the backlog above the least one: 1 / (1 + decay * excess / blocks of the prompt). Range [0, 1e6].
  /// DEFAULT: 0, not at all.
  double credit_decay = 0;
  /// Blocks that a request in flight costs beside its own. Range [0, 1e6]. DEFAULT: 0.
  double request_weight = 0;
  /// Tokens per block where the request does not say. Range [1, 65536]. DEFAULT: 16.
  double block_tokens = 16;
  /// Which match is read: 0 = Request::history first, 1 = Request::prefix first. DEFAULT: 1.
  double match = detail::kPrefixFirst;
};

/// In blocks: cost = prefill_scale * max(0, (uncached_tokens + prompt) - credit) + kv_tokens + request_weight * in_flight, where credit =
/// device_credit (decayed) * device + host_credit * (host - device) + disk_credit * (disk - host). Opinion 100 / (1 + cost), computed in tokens
/// as 100 * (block / (block + cost)); bookings never sampled count as 0.
class DynamoKv {
 public:
  static constexpr std::string_view kName = "dynamo-kv";
  using Options = DynamoKvOptions;
  static constexpr std::array kOptions = {Option<Options>{"prefill_scale", 0, 1e6, &Options::prefill_scale},
                                          Option<Options>{"device_credit", 0, 1e6, &Options::device_credit},
                                          Option<Options>{"host_credit", 0, 1e6, &Options::host_credit},
                                          Option<Options>{"disk_credit", 0, 1e6, &Options::disk_credit},
                                          Option<Options>{"credit_decay", 0, 1e6, &Options::credit_decay},
                                          Option<Options>{"request_weight", 0, 1e6, &Options::request_weight},
                                          Option<Options>{"block_tokens", 1, 65536, &Options::block_tokens},
                                          Option<Options>{"match", 0, 1, &Options::match}};

  explicit DynamoKv(Options options = {}) : options_(options) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    const detail::PromptMatch prompt(context, options_.match);
    const double* backlog = context.column(Signal::kUncachedTokens).data();
    const double* decode = context.column(Signal::kKvTokens).data();
    const double* sent = context.column(Signal::kInFlight).data();
    const Options options = options_;  // a copy: `out` might be where options_ is, for all that the compiler knows
    const double block = prompt.size().blocks > 0 ? prompt.size().block_tokens : options.block_tokens;
    const double asked = prompt.size().tokens / block;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = detail::known_or(backlog[i], 0);
    const double least = column_range(out).min;
    const double decay = asked > 0 ? options.credit_decay / asked : 0;
    const bool decays = decay > 0;
    // In tokens, so that one division is left.
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double device = prompt.device(i);
      const double host = prompt.host(i);
      const double disk = prompt.disk(i);
      double device_credit = options.device_credit;
      if (decays) device_credit = options.device_credit / (1 + decay * ((out[i] - least) / block));
      const double credit =
          device_credit * device + options.host_credit * (host - device) + options.disk_credit * (disk - host);
      const double rest = out[i] + prompt.size().tokens - credit * block;
      const double prefill = rest > 0 ? rest : 0;
      const double cost = options.prefill_scale * prefill + detail::known_or(decode[i], 0) +
                          options.request_weight * detail::known_or(sent[i], 0) * block;
      out[i] = 100 * (block / (block + cost));
    }
  }

 private:
  Options options_;
};

}  // namespace kthena::route
