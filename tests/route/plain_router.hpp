// Kthena's default scheduling written the plain way, after its Go source: endpoints as structs, a map from endpoint to score for
// each plugin, a map of totals, a sort of everything. It shares no code with the library; tests compare decisions with it and
// benchmarks measure against it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace kthena::plain {

/// A metric that was never scraped reads 0.
struct Pod {
  std::string name;
  double running = 0;
  double waiting = 0;
  double kv_usage = 0;
  double ttft = 0;
  double tpot = 0;
  double in_flight = 0;
  int matched_blocks = 0;
};

using Pods = std::vector<const Pod*>;
using Scores = std::unordered_map<const Pod*, int>;

inline Pods filter_by_queue(const Pods& pods, double max_waiting) {
  Pods left;
  for (const Pod* pod : pods)
    if (pod->waiting < max_waiting) left.push_back(pod);
  return left;
}

inline Scores least_request(const Pods& pods) {
  Scores scores;
  std::unordered_map<const Pod*, double> bases;
  double max = 0;
  for (const Pod* pod : pods) {
    const double base = pod->in_flight + 100 * std::max(pod->in_flight - pod->running, 0.0);
    bases[pod] = base;
    max = std::max(max, base);
  }
  for (const Pod* pod : pods) scores[pod] = max > 0 ? static_cast<int>(((max - bases[pod]) / max) * 100) : 100;
  return scores;
}

inline Scores least_latency(const Pods& pods) {
  Scores scores;
  bool any = false;
  double min_ttft = 0, max_ttft = 0, min_tpot = 0, max_tpot = 0;
  for (const Pod* pod : pods) {
    if (pod->ttft <= 0 || pod->tpot <= 0) continue;
    min_ttft = any ? std::min(min_ttft, pod->ttft) : pod->ttft;
    max_ttft = any ? std::max(max_ttft, pod->ttft) : pod->ttft;
    min_tpot = any ? std::min(min_tpot, pod->tpot) : pod->tpot;
    max_tpot = any ? std::max(max_tpot, pod->tpot) : pod->tpot;
    any = true;
  }
  for (const Pod* pod : pods) {
    if (pod->ttft <= 0 || pod->tpot <= 0) {
      scores[pod] = 50;
      continue;
    }
    const double first = max_ttft > min_ttft ? 100 * (max_ttft - pod->ttft) / (max_ttft - min_ttft) : 100;
    const double token = max_tpot > min_tpot ? 100 * (max_tpot - pod->tpot) / (max_tpot - min_tpot) : 100;
    scores[pod] = static_cast<int>(0.5 * first + 0.5 * token);
  }
  return scores;
}

inline Scores prefix_cache(const Pods& pods, int total_blocks) {
  Scores scores;
  if (total_blocks == 0) return scores;
  for (const Pod* pod : pods)
    scores[pod] =
        static_cast<int>((static_cast<double>(std::min(pod->matched_blocks, total_blocks)) / total_blocks) * 100);
  return scores;
}

inline Scores gpu_usage(const Pods& pods) {
  Scores scores;
  for (const Pod* pod : pods) scores[pod] = static_cast<int>((1 - pod->kv_usage) * 100);
  return scores;
}

/// The best five with their totals, best first; among equals whoever `before` says. `with_gpu`: the set of Kthena's chart.
template <class Before>
std::vector<std::pair<const Pod*, int>> schedule(const std::vector<Pod>& pods, int total_blocks, bool with_gpu,
                                                 Before before) {
  Pods candidates;
  for (const Pod& pod : pods) candidates.push_back(&pod);
  candidates = filter_by_queue(candidates, 10);
  Scores totals;
  const auto add = [&totals](const Scores& scores) {
    for (const auto& [pod, score] : scores) totals[pod] += 1 * score;
  };
  for (const Pod* pod : candidates) totals[pod] = 0;
  add(least_request(candidates));
  add(least_latency(candidates));
  add(prefix_cache(candidates, total_blocks));
  if (with_gpu) add(gpu_usage(candidates));
  std::vector<std::pair<const Pod*, int>> ranked(totals.begin(), totals.end());
  std::sort(ranked.begin(), ranked.end(), [&](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : before(*a.first, *b.first);
  });
  if (ranked.size() > 5) ranked.resize(5);
  return ranked;
}

}  // namespace kthena::plain
