// Workloads that are made, not read: the generated-shared-prefix benchmark and Poisson arrivals.
#include <array>
#include <string>
#include <utility>

#include "kthena/base/faults.hpp"
#include "kthena/base/random.hpp"
#include "kthena/sim/workload.hpp"
#include "sim/random_streams.hpp"

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
  if (!faults.empty()) return faults.status();

  const auto n = static_cast<std::uint32_t>(total);
  std::vector<std::uint32_t> order(n);  // group * requests_per_group + question
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
    if (spec.rate_rps > 0) at += from_seconds(arrivals.next_exponential(1 / spec.rate_rps));
    if (spec.system_tokens > 0) {
      workload.segment_ids.push_back(question / spec.requests_per_group);
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
  if (!faults.empty()) return faults.status();

  Workload workload;
  workload.name = "poisson";
  workload.prompt_tokens.assign(spec.requests, spec.prompt_tokens);
  workload.output_tokens.assign(spec.requests, spec.output_tokens);
  workload.segment_tokens.assign(spec.requests, spec.prompt_tokens);
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
