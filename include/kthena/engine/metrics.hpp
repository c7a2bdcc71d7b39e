// include/kthena/engine/metrics.hpp
//
// Metrics: the text of an engine's metrics page (Prometheus' text format) -> EngineSample.
//
//   Use when   a host has scraped an engine; it hands over the text and its own clock.
//   Cost       one pass over the bytes; lines of other metrics cost their name. No allocation once the parser and the sample have grown.
//   Memory     a few times the text at most, whatever it says; limits below.
//   Joins      series of one rank by their source's rule, ranks by the signal's rule (kEngineSignals).
//   Bad input  a broken line is counted and skipped. Values that cannot be (NaN, infinite, negative, above the signal's maximum) are
//              counted and not used. Only a text without any line of the format is an error.
//   Known for  engines that list one metric under two names for a while: the profile's first name wins, nothing is counted twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "kthena/base/engine_sample.hpp"
#include "kthena/base/status.hpp"
#include "kthena/base/time.hpp"
#include "kthena/engine/profile.hpp"

namespace kthena::engine {

struct MetricsOptions {
  /// Only series of this served model, and those that name none. DEFAULT: empty, all.
  std::string model = {};
  /// Longest text that is read, bytes. Range 1..2^31. DEFAULT: 16 MiB.
  std::size_t max_bytes = std::size_t{1} << 24;
  /// Data-parallel ranks that are kept apart; lines of others are counted and skipped. Range 1..65536. DEFAULT: 1024.
  std::uint32_t max_ranks = 1024;
};

/// What became of the lines of a text.
struct MetricsCounts {
  std::uint64_t lines = 0;     ///< without empty ones
  std::uint64_t used = 0;      ///< samples that a source names, whether or not a better source won
  std::uint64_t other = 0;     ///< comments and metrics that no source names; the rest of these lines is not looked at
  std::uint64_t broken = 0;    ///< not in the format
  std::uint64_t unusable = 0;  ///< samples whose value cannot be
  std::uint64_t other_models = 0;  ///< samples of models that were not asked for
  std::uint64_t over_limits = 0;   ///< ranks or buckets beyond the limits
};

/// Reads pages of one kind of engine. A value that keeps its memory; one thread at a time.
class MetricsParser {
 public:
  /// Buckets of one histogram that are kept; more are counted as over_limits.
  static constexpr std::size_t kMaxBuckets = 256;

  /// The profile's own data (names, spans) must outlive the parser; the row itself is copied. kInvalidArgument names each option out of
  /// range and each source without a name.
  static Result<MetricsParser> create(const EngineProfile& profile, const MetricsOptions& options = {});
  MetricsParser(MetricsParser&&) noexcept;
  MetricsParser& operator=(MetricsParser&&) noexcept;
  ~MetricsParser();

  /// Overwrites `out` and uses its memory again. On an error `out` is as before: kResourceExhausted for a text longer than max_bytes,
  /// kInvalidArgument for one that holds no line of the format.
  Status parse(std::string_view text, Time sampled_ns, EngineSample& out);
  /// Of the last text that was parsed.
  [[nodiscard]] const MetricsCounts& counts() const noexcept;

 private:
  struct State;
  explicit MetricsParser(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

/// One text, once. Errors of create() and parse(). [any thread]
Result<EngineSample> parse_metrics(const EngineProfile& profile, std::string_view text, Time sampled_ns = 0,
                                   const MetricsOptions& options = {});

/// What happened from `before` to `now`, rank by rank, then joined. A rank or counter that is new counts from zero; one that is gone
/// adds nothing. A counter that fell, or a histogram of which anything fell, was restarted and counts from zero. [any thread]
EngineInterval interval(const EngineSample& before, const EngineSample& now);

}  // namespace kthena::engine
