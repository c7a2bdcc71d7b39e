#include <algorithm>

#include "kthena/engine/metrics.hpp"

namespace kthena::engine {

namespace {

/// Adds `more` to `total` at the bounds that both have.
void add(Histogram& total, const Histogram& more) {
  std::size_t kept = 0;
  std::size_t k = 0;
  for (std::size_t i = 0; i < total.bounds.size(); ++i) {
    while (k < more.bounds.size() && more.bounds[k] < total.bounds[i]) ++k;
    if (k == more.bounds.size()) break;
    if (more.bounds[k] != total.bounds[i]) continue;
    total.bounds[kept] = total.bounds[i];
    total.cumulative[kept] = total.cumulative[i] + more.cumulative[k];
    ++kept;
  }
  total.bounds.resize(kept);
  total.cumulative.resize(kept);
  total.count += more.count;
  total.sum += more.sum;
}

const EngineReading* find_rank(const EngineSample& sample, std::uint32_t rank) noexcept {
  const auto it = std::lower_bound(sample.ranks.begin(), sample.ranks.end(), rank,
                                   [](const EngineRank& r, std::uint32_t number) { return r.rank < number; });
  return it != sample.ranks.end() && it->rank == rank ? &it->reading : nullptr;
}

}  // namespace

EngineInterval interval(const EngineSample& before, const EngineSample& now) {
  EngineInterval result;
  result.elapsed_ns = before.sampled_ns == kNever || now.sampled_ns == kNever ? 0 : now.sampled_ns - before.sampled_ns;
  const EngineReading nothing;
  Histogram part;
  for (const EngineRank& rank : now.ranks) {
    const EngineReading* const found = find_rank(before, rank.rank);
    const EngineReading& old = found != nullptr ? *found : nothing;
    for (std::size_t i = 0; i < kEngineSignalCount; ++i) {
      const double value = rank.reading.values[i];
      if (!kEngineSignals[i].counter || !is_reported(value)) continue;
      // Engines publish some counters from their first count on: one that was not there has counted from zero.
      const bool fell = value < old.values[i];
      const double from = is_reported(old.values[i]) && !fell ? old.values[i] : 0;
      result.restarted |= fell;
      result.growth[i] = (is_reported(result.growth[i]) ? result.growth[i] : 0) + (value - from);
    }
    for (std::size_t i = 0; i < kEngineLatencyCount; ++i) {
      if (!rank.reading.has[i]) continue;
      if (old.has[i]) {
        result.restarted |= difference(old.latencies[i], rank.reading.latencies[i], part);
      } else {
        part = rank.reading.latencies[i];
      }
      if (result.has[i]) {
        add(result.latencies[i], part);
      } else {
        result.latencies[i] = part;
        result.has[i] = true;
      }
    }
  }
  return result;
}

}  // namespace kthena::engine
