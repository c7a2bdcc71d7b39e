// Any bytes as a metrics page of any engine: read or refused, every number in its range, the same when read again.
//
// The first byte chooses the profile.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "kthena/engine.hpp"

using namespace kthena;
using namespace kthena::engine;

namespace {

void require(bool held) {
  if (!held) std::abort();
}

void check(const EngineReading& reading) {
  for (std::size_t i = 0; i < kEngineSignalCount; ++i) {
    require(!is_reported(reading.values[i]) || (reading.values[i] >= 0 && reading.values[i] <= 1e24));
  }
  for (const Histogram& histogram : reading.latencies) {
    require(histogram.bounds.size() == histogram.cumulative.size());
    require(histogram.bounds.size() <= MetricsParser::kMaxBuckets);
    require(std::is_sorted(histogram.bounds.begin(), histogram.bounds.end()));
    require(std::is_sorted(histogram.cumulative.begin(), histogram.cumulative.end()));
    require(histogram.cumulative.empty() || histogram.count >= histogram.cumulative.back());
    const double half = quantile(histogram, 0.5);
    require(half != half || histogram.count > 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const EngineProfile& profile = profiles()[data[0] % profiles().size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  MetricsOptions options;
  options.max_ranks = 4;
  if (size % 3 == 0) options.model = "m";
  MetricsParser parser = MetricsParser::create(profile, options).value();
  EngineSample sample;
  if (!parser.parse(text, 1, sample).ok()) {
    require(sample.ranks.empty());
    return 0;
  }
  require(sample.ranks.size() <= 4);
  check(sample.engine);
  for (const EngineRank& rank : sample.ranks) check(rank.reading);
  const MetricsCounts first = parser.counts();
  require(parser.parse(text, 1, sample).ok());
  require(parser.counts().used == first.used && parser.counts().broken == first.broken);
  const EngineInterval none = interval(sample, sample);
  require(!none.restarted);
  for (const double growth : none.growth) require(!is_reported(growth) || growth == 0);
  return 0;
}
