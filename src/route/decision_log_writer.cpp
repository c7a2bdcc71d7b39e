// src/route/decision_log_writer.cpp
#include <algorithm>
#include <string>

#include "decision_log_columns.hpp"
#include "decision_log_format.hpp"
#include "kthena/route/policy.hpp"

namespace kthena::route {

using namespace detail;

namespace {

/// Bytes of one element of a list: its distance and itself.
constexpr std::size_t kValueBytes = 2 * kVarintBytes;

template <class T>
bool equal(const T* one, const std::vector<T>& other, std::size_t count) noexcept {
  return count == 0 || std::memcmp(one, other.data(), count * sizeof(T)) == 0;
}

Status refuse(const std::string& message) { return invalid_argument(message); }

bool in_range(const double* values, std::size_t size, Signal signal) noexcept {
  const double maximum = info(signal).maximum;
  unsigned off = 0;  // without branches: columns are long and nearly always right
  for (std::size_t i = 0; i < size; ++i) {
    const double value = values[i];
    const unsigned missing = value != value ? 1 : 0;
    const unsigned inside = (value >= 0 ? 1u : 0u) & (value <= maximum ? 1u : 0u);
    off |= 1u ^ (missing | inside);
  }
  return off == 0;
}

Status refuse_value(const double* values, std::size_t size, Signal signal) {
  std::size_t at = 0;
  while (at + 1 < size && holds(signal, values[at])) ++at;
  return refuse("view." + std::string(info(signal).name) + "[" + std::to_string(at) +
                "]: must be in range, or missing");
}

Status check_ids(const PoolView& view, std::span<const std::string> ids) {
  if (ids.size() != view.size)
    return refuse("ids: " + std::to_string(ids.size()) + " for " + std::to_string(view.size) + " endpoints");
  if (view.size > kMaxLogEndpoints)
    return refuse("view.size: a log holds " + std::to_string(kMaxLogEndpoints) + " endpoints at most");
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::string where = "ids[" + std::to_string(i) + "]: ";
    if (ids[i].empty()) return refuse(where + "must not be empty");
    if (i > 0 && !(ids[i - 1] < ids[i])) return refuse(where + "must come after the one before");
    if (hash_id(ids[i]) != view.keys[i]) return refuse(where + "is not that of view.keys");
    bytes += ids[i].size() + kVarintBytes;
  }
  for (const std::string_view name : view.model_names) bytes += name.size() + kVarintBytes;
  if (view.model_offsets != nullptr) bytes += kVarintBytes * (view.size + view.model_offsets[view.size]);
  bytes += 8 * kPlaceLevels * view.size;
  return bytes < kMaxLogRecord - 64 ? Status() : refuse("view: too large for a log");
}

Status check_text(const Request& request) {
  std::size_t bytes = request.id.size() + request.model.size() + request.session.size();
  for (const std::string_view name : request.near) bytes += name.size();
  return bytes <= kMaxLogText ? Status()
                              : refuse("request: more than " + std::to_string(kMaxLogText) + " bytes of text");
}

Status check_decision(const Decision& decision, std::size_t size) {
  if (decision.ranked_count > kMaxRanked)
    return refuse("decision.ranked_count: must not exceed " + std::to_string(kMaxRanked));
  for (std::uint32_t i = 0; i < decision.ranked_count; ++i)
    if (decision.ranked[i].value >= size) return refuse("decision.ranked[" + std::to_string(i) + "]: no such endpoint");
  if (decision.outcome == Outcome::kRouted ? decision.endpoint.value >= size : decision.endpoint.valid())
    return refuse("decision.endpoint: no such endpoint");
  if (reason_name(decision.reason.code).empty()) return refuse("decision.reason: unknown");
  return {};
}

bool is_known(const PrefixMatch& match) noexcept {
  return match.total_blocks != 0 || match.block_tokens != 0 || !match.depth_blocks.empty();
}

void write_match(const PrefixMatch& match, std::uint32_t* places, LogPen& pen) {
  const bool device = !match.depth_blocks.empty();
  const bool host = !match.host_depth_blocks.empty();
  const bool disk = !match.disk_depth_blocks.empty();
  pen.byte(static_cast<std::uint8_t>((device ? 1 : 0) | (host ? 2 : 0) | (disk ? 4 : 0)));
  pen.varint(match.total_blocks);
  pen.varint(match.block_tokens);
  if (device) write_tier(match.depth_blocks, {}, places, pen);
  if (host) write_tier(match.host_depth_blocks, match.depth_blocks, places, pen);
  if (disk) write_tier(match.disk_depth_blocks, host ? match.host_depth_blocks : match.depth_blocks, places, pen);
}

void write_request(const Request& request, LogState& state, std::uint32_t* places, LogPen& pen) {
  const bool same_model = request.model == state.model;
  const bool near =
      std::any_of(request.near.begin(), request.near.end(), [](std::string_view name) { return !name.empty(); });
  const bool promise = request.slo_ttft_s != 0 || request.slo_tpot_s != 0;
  unsigned flags = 0;
  if (same_model) flags |= kSameModel;
  if (request.seed == state.seed) flags |= kSameSeed;
  if (!request.session.empty()) flags |= kWithSession;
  if (near) flags |= kWithNear;
  if (promise) flags |= kWithPromise;
  if (is_known(request.prefix)) flags |= kWithPrefix;
  if (is_known(request.history)) flags |= kWithHistory;
  pen.byte(static_cast<std::uint8_t>(flags));
  pen.varint(zigzag(request.sequence - state.sequence - 1));
  pen.text(request.id);
  if (!same_model) pen.text(request.model);
  if (request.seed != state.seed) pen.fixed(request.seed, 8);
  pen.varint(request.prompt_tokens);
  pen.varint(request.output_tokens);
  if (!request.session.empty()) pen.text(request.session);
  if (near)
    for (const std::string_view name : request.near) pen.text(name);
  if (promise) {
    pen.number(request.slo_ttft_s);
    pen.number(request.slo_tpot_s);
  }
  if ((flags & kWithPrefix) != 0) write_match(request.prefix, places, pen);
  if ((flags & kWithHistory) != 0) write_match(request.history, places, pen);
  if (!same_model) state.model = request.model;
  state.seed = request.seed;
  state.sequence = request.sequence;
}

void write_outcome(const Decision& decision, std::size_t size, LogPen& pen) noexcept {
  const bool routed = decision.outcome == Outcome::kRouted;
  const bool chosen_is_first = routed && decision.ranked_count > 0 && decision.ranked[0] == decision.endpoint;
  const bool a_is_score = same_bits(decision.reason.a, decision.score);
  const bool b_is_margin = same_bits(decision.reason.b, decision.margin);
  unsigned flags = 0;
  if (routed) flags |= kDecisionRouted;
  if (a_is_score) flags |= kReasonAIsScore;
  if (b_is_margin) flags |= kReasonBIsMargin;
  if (chosen_is_first) flags |= kChosenIsFirst;
  if (decision.stage != 0) flags |= kWithStage;
  if (decision.reason.subject != 0) flags |= kWithSubject;
  if (decision.candidates == size) flags |= kAllAreCandidates;
  pen.byte(static_cast<std::uint8_t>(flags));
  pen.varint(static_cast<std::uint32_t>(decision.reason.code));
  if (decision.reason.subject != 0) pen.varint(decision.reason.subject);
  if (!a_is_score) pen.number(decision.reason.a);
  if (!b_is_margin) pen.number(decision.reason.b);
  pen.number(decision.score);
  pen.number(decision.margin);
  if (decision.candidates != size) pen.varint(decision.candidates);
  pen.varint(decision.ranked_count);
  for (const EndpointIndex endpoint : decision.ranking()) pen.varint(endpoint.value);
  if (routed && !chosen_is_first) pen.varint(decision.endpoint.value);
  if (decision.stage != 0) pen.varint(decision.stage);
}

}  // namespace

void LogState::forget_columns() noexcept {
  has_values.fill(false);
  has_times.fill(false);
  for (auto& column : values) std::fill(column.begin(), column.end(), kMissing);
  for (auto& column : times) std::fill(column.begin(), column.end(), kNever);
}

void DecisionLogWriter::set_policy(LoggedPolicy policy) {
  if (policy == policy_) return;
  policy_ = std::move(policy);
  policy_told_ = false;
}

void DecisionLogWriter::restart() noexcept {
  begun_ = false;
  policy_told_ = false;
}

bool DecisionLogWriter::same_pool(const PoolView& view) const noexcept {
  const std::size_t n = view.size;
  if (!state_.has_pool || state_.size != n || !equal(view.keys, state_.keys, n)) return false;
  const bool models = view.model_offsets != nullptr;
  const bool waiting = models && view.model_waiting != nullptr;
  if (models != state_.has_models || waiting != state_.has_waiting) return false;
  if (models) {
    if (view.model_names.size() != state_.model_names.size() || !equal(view.model_offsets, state_.model_offsets, n + 1))
      return false;
    if (!equal(view.model_ids, state_.model_ids, state_.model_ids.size())) return false;
    if (waiting && !equal(view.model_waiting, state_.model_waiting, state_.model_waiting.size())) return false;
    for (std::size_t i = 0; i < view.model_names.size(); ++i)
      if (view.model_names[i] != state_.model_names[i]) return false;
  }
  for (std::size_t level = 0; level < kPlaceLevels; ++level) {
    const std::uint64_t* places = view.places[level];
    if ((places != nullptr && n > 0) != !state_.places[level].empty()) return false;
    if (places != nullptr && !equal(places, state_.places[level], n)) return false;
  }
  return true;
}

void DecisionLogWriter::write_policy(std::vector<std::byte>& out) {
  const std::size_t room = 8 + 2 * kVarintBytes + policy_.name.size() + policy_.document.size();
  if (body_.size() < room) body_.resize(room);
  LogPen pen(body_.data());
  pen.fixed(policy_.hash, 8);
  pen.text(policy_.name);
  pen.text(policy_.document);
  finish(kLogPolicy, static_cast<std::size_t>(pen.at() - body_.data()), out);
  policy_told_ = true;
}

void DecisionLogWriter::write_pool(const PoolView& view, std::span<const std::string> ids,
                                   std::vector<std::byte>& out) {
  const std::size_t n = view.size;
  state_.has_pool = true;
  state_.size = n;
  state_.keys.assign(view.keys, view.keys + n);
  state_.has_models = view.model_offsets != nullptr;
  state_.has_waiting = state_.has_models && view.model_waiting != nullptr;
  state_.model_names.clear();
  state_.model_offsets.clear();
  state_.model_ids.clear();
  state_.model_waiting.clear();
  if (state_.has_models) {
    const std::size_t entries = view.model_offsets[n];
    state_.model_names.assign(view.model_names.begin(), view.model_names.end());
    state_.model_offsets.assign(view.model_offsets, view.model_offsets + n + 1);
    if (entries > 0) state_.model_ids.assign(view.model_ids, view.model_ids + entries);
    if (state_.has_waiting) state_.model_waiting.assign(view.model_waiting, view.model_waiting + entries);
  }
  unsigned flags = (state_.has_models ? kPoolModels : 0u) | (state_.has_waiting ? kPoolWaiting : 0u);
  for (std::size_t level = 0; level < kPlaceLevels; ++level) {
    state_.places[level].clear();
    if (view.places[level] == nullptr || n == 0) continue;
    state_.places[level].assign(view.places[level], view.places[level] + n);
    flags |= 1u << (kPoolPlaces + level);
  }
  state_.forget_columns();

  std::size_t room =
      64 + kVarintBytes * (2 * n + state_.model_names.size() + state_.model_ids.size()) + 8 * kPlaceLevels * n;
  for (const std::string& id : ids) room += id.size();
  for (const std::string& name : state_.model_names) room += name.size();
  if (body_.size() < room) body_.resize(room);
  LogPen pen(body_.data());
  pen.varint(n);
  pen.byte(static_cast<std::uint8_t>(flags));
  for (const std::string& id : ids) pen.text(id);
  if (state_.has_models) {
    pen.varint(state_.model_names.size());
    for (const std::string& name : state_.model_names) pen.text(name);
    for (std::size_t i = 0; i < n; ++i) {
      pen.varint(state_.model_offsets[i + 1] - state_.model_offsets[i]);
      for (std::uint32_t k = state_.model_offsets[i]; k < state_.model_offsets[i + 1]; ++k) {
        const std::uint64_t waits = state_.has_waiting && state_.model_waiting[k] != 0 ? 1 : 0;
        pen.varint(std::uint64_t{state_.model_ids[k]} << 1 | waits);
      }
    }
  }
  for (const auto& places : state_.places)
    for (const std::uint64_t place : places) pen.fixed(place, 8);
  finish(kLogPool, static_cast<std::size_t>(pen.at() - body_.data()), out);
}

void DecisionLogWriter::finish(std::uint8_t type, std::size_t size, std::vector<std::byte>& out) {
  std::byte front[1 + kVarintBytes];
  LogPen pen(front);
  pen.byte(type);
  pen.varint(size);
  const std::size_t start = out.size();
  const auto front_size = static_cast<std::size_t>(pen.at() - front);
  out.resize(start + front_size + size + kCheckBytes);
  std::byte* const record = out.data() + start;
  std::memcpy(record, front, front_size);
  if (size > 0) std::memcpy(record + front_size, body_.data(), size);
  state_.check = log_check({record, front_size + size}, state_.check);
  LogPen(record + front_size + size).fixed(state_.check, kCheckBytes);
}

Status DecisionLogWriter::append(const PoolView& view, std::span<const std::string> ids, const Request& request,
                                 const Decision& decision, std::vector<std::byte>& out) {
  const std::size_t n = view.size;
  const bool new_pool = !begun_ || !same_pool(view);
  // Everything is checked before anything is written or remembered.
  if (new_pool)
    if (Status status = check_ids(view, ids); !status.ok()) return status;
  if (policy_.name.size() + policy_.document.size() > kMaxLogText)
    return refuse("policy: more than " + std::to_string(kMaxLogText) + " bytes of text");
  if (Status status = check_text(request); !status.ok()) return status;
  if (Status status = check_request(view, request); !status.ok()) return status;
  if (Status status = check_decision(decision, n); !status.ok()) return status;
  std::size_t changed = 0;
  std::array<std::uint8_t, kSignalCount> signals;
  for (std::size_t s = 0; s < kSignalCount; ++s) {
    const double* values = view.values[s];
    const Time* times = values == nullptr ? nullptr : view.sampled[s];
    const bool had = !new_pool && state_.has_values[s];
    const bool had_times = !new_pool && state_.has_times[s];
    if ((values != nullptr) == had && (times != nullptr) == had_times) {
      if (values == nullptr ||
          (equal(values, state_.values[s], n) && (times == nullptr || equal(times, state_.times[s], n))))
        continue;
    }
    if (values != nullptr && !in_range(values, n, static_cast<Signal>(s)))
      return refuse_value(values, n, static_cast<Signal>(s));
    signals[changed++] = static_cast<std::uint8_t>(s);
  }

  if (!begun_) {
    std::byte head[kLogHead];
    std::memcpy(head, kLogMagic.data(), kLogMagic.size());
    LogPen(head + kLogMagic.size()).fixed(kLogVersion, 4);
    out.insert(out.end(), head, head + kLogHead);
    state_.check = 0;
    state_.model.clear();
    state_.seed = 0;
    state_.sequence = 0;
    state_.now_ns = 0;
    begun_ = true;
  }
  if (!policy_told_) write_policy(out);
  if (new_pool) write_pool(view, ids, out);

  std::size_t room = 512 + request.id.size() + request.model.size() + request.session.size() +
                     changed * (2 * kVarintBytes + 2 * n * kValueBytes) + kMaxRanked * kVarintBytes;
  for (const std::string_view name : request.near) room += name.size();
  for (const PrefixMatch* match : {&request.prefix, &request.history})
    room +=
        kValueBytes * (match->depth_blocks.size() + match->host_depth_blocks.size() + match->disk_depth_blocks.size());
  if (body_.size() < room) body_.resize(room);
  if (places_.size() < n) places_.resize(n);
  LogPen pen(body_.data());
  pen.varint(zigzag(static_cast<std::uint64_t>(request.now_ns) - static_cast<std::uint64_t>(state_.now_ns)));
  state_.now_ns = request.now_ns;
  pen.varint(changed);
  for (std::size_t i = 0; i < changed; ++i) write_column(signals[i], view, request.now_ns, state_, places_.data(), pen);
  write_request(request, state_, places_.data(), pen);
  write_outcome(decision, n, pen);
  finish(kLogDecision, static_cast<std::size_t>(pen.at() - body_.data()), out);
  return {};
}

}  // namespace kthena::route
