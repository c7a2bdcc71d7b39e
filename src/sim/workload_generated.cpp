// Workloads that are made, not read: the generated-shared-prefix benchmark and Poisson arrivals.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "kthena/base/faults.hpp"
#include "kthena/base/random.hpp"
#include "kthena/sim/workload.hpp"
#include "sim/random_streams.hpp"
#include "sim/zipf.hpp"

namespace kthena::sim {
namespace {

constexpr std::uint64_t kMaxRequests = 1u << 26;
constexpr std::array<std::string_view, 2> kNames = {"gsp-long", "gsp-short"};

void in_range(std::uint64_t value, std::uint64_t least, std::uint64_t most, const char* field, Faults& faults) {
  if (value < least || value > most)
    faults.add(field, std::to_string(value) + " is not in " + std::to_string(least) + ".." + std::to_string(most));
}

void check_rate(double rate, double least, Faults& faults) {
  if (!(rate >= least && rate <= 1e9)) faults.add("rate_rps", std::to_string(rate) + " is out of range");
}

void check_exponent(double s, const char* field, Faults& faults) {
  if (!(s >= 0 && s <= 10)) faults.add(field, std::to_string(s) + " is not in 0..10");
}

void check_adapters(std::uint32_t adapters, double s, Faults& faults) {
  if (adapters > kMaxAdapters) in_range(adapters, 0, kMaxAdapters, "adapters", faults);
  check_exponent(s, "adapter_zipf_s", faults);
}

/// One adapter for each of `count`; none without adapters.
std::vector<std::uint32_t> draw_adapters(std::uint32_t count, std::uint32_t adapters, double s, std::uint64_t seed) {
  std::vector<std::uint32_t> drawn;
  if (adapters == 0) return drawn;
  const detail::ZipfDraws draws(adapters, s);
  RandomStream random(seed, detail::kAdapterStream);
  for (std::uint32_t i = 0; i < count; ++i) drawn.push_back(draws.next(random));
  return drawn;
}

/// By the polar method, which needs no more than a logarithm and a root.
double next_normal(RandomStream& random) {
  for (;;) {
    const double x = 2 * random.next_double() - 1;
    const double y = 2 * random.next_double() - 1;
    const double square = x * x + y * y;
    if (square > 0 && square < 1) return x * std::sqrt(-2 * log_fixed(square) / square);
  }
}

/// Tokens with this mean; `sigma` is the standard deviation of their logarithm.
std::uint32_t next_lognormal(RandomStream& random, double mean, double sigma) {
  const double tokens = mean * exp_fixed(sigma * next_normal(random) - sigma * sigma / 2) + 0.5;
  return static_cast<std::uint32_t>(std::clamp(tokens, 1.0, static_cast<double>(kMaxTokens)));
}

}  // namespace

Result<Workload> make_generated_shared_prefix(const GeneratedSharedPrefix& spec) {
  Faults faults;
  in_range(spec.groups, 1, kMaxRequests, "groups", faults);
  in_range(spec.requests_per_group, 1, kMaxRequests, "requests_per_group", faults);
  const std::uint64_t total = std::uint64_t{spec.groups} * spec.requests_per_group;
  if (faults.empty() && total > kMaxRequests)
    faults.add("requests_per_group", std::to_string(total) + " requests are more than " + std::to_string(kMaxRequests));
  in_range(spec.system_tokens, 0, kMaxTokens / 2, "system_tokens", faults);
  in_range(spec.question_tokens, 1, kMaxTokens / 2, "question_tokens", faults);
  in_range(spec.output_tokens, 1, kMaxTokens, "output_tokens", faults);
  check_rate(spec.rate_rps, 0, faults);
  check_exponent(spec.zipf_s, "zipf_s", faults);
  check_adapters(spec.adapters, spec.adapter_zipf_s, faults);
  if (!faults.empty()) return faults.status();

  const auto n = static_cast<std::uint32_t>(total);
  std::vector<std::uint32_t> group_of;  // of a question; those of a group are neighbours
  group_of.reserve(n);
  if (spec.zipf_s == 0) {
    for (std::uint32_t i = 0; i < n; ++i) group_of.push_back(i / spec.requests_per_group);
  } else {
    const std::vector<std::uint32_t> counts = detail::zipf_counts(spec.groups, n, spec.zipf_s);
    for (std::uint32_t group = 0; group < spec.groups; ++group) group_of.insert(group_of.end(), counts[group], group);
  }
  const std::vector<std::uint32_t> adapter_of =
      draw_adapters(spec.groups, spec.adapters, spec.adapter_zipf_s, spec.seed);
  std::vector<std::uint32_t> order(n);  // questions
  for (std::uint32_t i = 0; i < n; ++i) order[i] = i;
  RandomStream shuffle(spec.seed, detail::kShuffleStream);
  for (std::uint32_t i = n; i > 1; --i) std::swap(order[i - 1], order[shuffle.next_below(i)]);

  Workload workload;
  workload.name = "generated-shared-prefix";
  workload.prompt_tokens.assign(n, spec.system_tokens + spec.question_tokens);
  workload.output_tokens.assign(n, spec.output_tokens);
  RandomStream arrivals(spec.seed, detail::kArrivalStream);
  Time at = 0;
  for (const std::uint32_t question : order) {
    workload.arrival_ns.push_back(at);
    workload.group_ids.push_back(group_of[question]);
    if (!adapter_of.empty()) workload.adapter_ids.push_back(adapter_of[group_of[question]]);
    if (spec.rate_rps > 0) at += from_seconds(arrivals.next_exponential(1 / spec.rate_rps));
    if (spec.system_tokens > 0) {
      workload.segment_ids.push_back(group_of[question]);
      workload.segment_tokens.push_back(spec.system_tokens);
    }
    workload.segment_ids.push_back(spec.groups + question);
    workload.segment_tokens.push_back(spec.question_tokens);
    workload.segment_offsets.push_back(static_cast<std::uint32_t>(workload.segment_ids.size()));
  }
  return workload;
}

std::span<const std::string_view> workload_names() noexcept { return kNames; }

Result<Workload> named_workload(std::string_view name, std::uint64_t seed) {
  GeneratedSharedPrefix spec;  // the long one
  spec.seed = seed;
  if (name == "gsp-short") {
    spec.system_tokens = 256;
    spec.question_tokens = 4096;
  } else if (name != "gsp-long") {
    return not_found("workload: \"" + std::string(name) + "\" is none of gsp-long, gsp-short");
  }
  Result<Workload> workload = make_generated_shared_prefix(spec);
  if (workload.ok()) workload->name = name;
  return workload;
}

Result<Workload> make_poisson(const PoissonArrivals& spec) {
  Faults faults;
  in_range(spec.requests, 1, kMaxRequests, "requests", faults);
  in_range(spec.prompt_tokens, 1, kMaxTokens, "prompt_tokens", faults);
  in_range(spec.output_tokens, 1, kMaxTokens, "output_tokens", faults);
  check_rate(spec.rate_rps, 1e-6, faults);
  if (!(spec.output_sigma >= 0 && spec.output_sigma <= 4))
    faults.add("output_sigma", std::to_string(spec.output_sigma) + " is not in 0..4");
  check_adapters(spec.adapters, spec.adapter_zipf_s, faults);
  if (!faults.empty()) return faults.status();

  Workload workload;
  workload.name = "poisson";
  workload.prompt_tokens.assign(spec.requests, spec.prompt_tokens);
  workload.output_tokens.assign(spec.requests, spec.output_tokens);
  workload.segment_tokens.assign(spec.requests, spec.prompt_tokens);
  if (spec.output_sigma > 0) {
    RandomStream lengths(spec.seed, detail::kLengthStream);
    for (std::uint32_t& tokens : workload.output_tokens)
      tokens = next_lognormal(lengths, spec.output_tokens, spec.output_sigma);
  }
  workload.adapter_ids = draw_adapters(spec.requests, spec.adapters, spec.adapter_zipf_s, spec.seed);
  RandomStream arrivals(spec.seed, detail::kArrivalStream);
  Time at = 0;
  for (std::uint32_t i = 0; i < spec.requests; ++i) {
    at += from_seconds(arrivals.next_exponential(1 / spec.rate_rps));
    workload.arrival_ns.push_back(at);
    workload.segment_ids.push_back(i);
    workload.segment_offsets.push_back(i + 1);
  }
  return workload;
}

}  // namespace kthena::sim
