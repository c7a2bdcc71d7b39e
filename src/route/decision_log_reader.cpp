// src/route/decision_log_reader.cpp
#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "decision_log_format.hpp"
#include "kthena/route/policy.hpp"

namespace kthena::route {

using namespace detail;

/// Reads a body; after the first fault everything reads as 0.
class DecisionLogReader::Cursor {
 public:
  explicit Cursor(std::span<const std::byte> body) noexcept : body_(body) {}

  [[nodiscard]] bool ok() const noexcept { return why_.empty(); }
  [[nodiscard]] std::string_view why() const noexcept { return why_; }
  /// Where the fault is, in the body.
  [[nodiscard]] std::size_t at() const noexcept { return at_; }
  [[nodiscard]] std::size_t left() const noexcept { return body_.size() - at_; }

  void fail(std::string_view why) noexcept {
    if (ok()) why_ = why;
  }
  std::uint8_t byte() noexcept {
    if (!ok() || left() < 1) return fail("the record ends too early"), std::uint8_t{0};
    return static_cast<std::uint8_t>(body_[at_++]);
  }
  std::uint64_t varint() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; ok(); shift += 7) {
      const std::uint8_t next = byte();
      if (shift == 63 && next > 1) return fail("a number is too long"), 0u;
      if (shift > 0 && next == 0 && ok()) return fail("a number is longer than it need be"), 0u;
      value |= std::uint64_t{next & 0x7Fu} << shift;
      if (next < 0x80) break;
    }
    return ok() ? value : 0;
  }
  /// Not above `maximum`.
  std::uint64_t varint(std::uint64_t maximum, std::string_view why) noexcept {
    const std::uint64_t value = varint();
    if (value > maximum) return fail(why), 0u;
    return value;
  }
  std::uint64_t fixed(std::size_t bytes) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value |= std::uint64_t{byte()} << 8 * i;
    return value;
  }
  double number() noexcept {
    const std::uint64_t code = varint();
    if (code % 2 == 0 && code >> 1 < static_cast<std::uint64_t>(kWholeLimit)) return static_cast<double>(code >> 1);
    if (code == kMissingNumber) return kMissing;
    if (code != kRaw) return fail("no number"), 0.0;
    return std::bit_cast<double>(fixed(8));
  }
  std::string_view text(std::size_t maximum = kMaxLogText) noexcept {
    const std::uint64_t size = varint();
    if (size > left() || size > maximum) return fail("a text is too long"), std::string_view();
    const std::string_view text(reinterpret_cast<const char*>(body_.data()) + at_, static_cast<std::size_t>(size));
    at_ += static_cast<std::size_t>(size);
    return ok() ? text : std::string_view();
  }

 private:
  std::span<const std::byte> body_;
  std::size_t at_ = 0;
  std::string_view why_;
};

namespace {

/// Calls `each(position)` for the elements of a list over `size` places.
template <class Cursor, class Each>
void read_list(Cursor& body, std::size_t size, const Each& each) {
  const std::uint64_t count = body.varint(size, "more elements than endpoints");
  std::uint64_t next = 0;
  for (std::uint64_t i = 0; i < count && body.ok(); ++i) {
    const std::uint64_t gap = body.varint(size, "no such endpoint");
    if (gap >= size - next) return body.fail("no such endpoint");
    each(static_cast<std::size_t>(next + gap));
    next += gap + 1;
  }
}

}  // namespace

Status DecisionLogReader::refuse(std::size_t at, std::string_view why) const {
  return invalid_argument("byte " + std::to_string(offset_ + at) + ": " + std::string(why));
}

Result<DecisionLogReader::Step> DecisionLogReader::next(std::span<const std::byte> bytes) {
  const Step cut{};
  if (bytes.empty()) return cut;
  const auto type = static_cast<std::uint8_t>(bytes[0]);
  if (type == static_cast<std::uint8_t>(kLogMagic[0])) {
    const std::size_t magic = std::min(bytes.size(), kLogMagic.size());
    for (std::size_t i = 0; i < magic; ++i)
      if (static_cast<char>(bytes[i]) != kLogMagic[i]) return refuse(i, "no decision log begins like this");
    if (bytes.size() < kLogHead) return cut;
    std::uint64_t version = 0;
    for (std::size_t i = 0; i < 4; ++i)
      version |= std::uint64_t{static_cast<std::uint8_t>(bytes[kLogMagic.size() + i])} << 8 * i;
    if (version != kLogVersion) return refuse(kLogMagic.size(), "version " + std::to_string(version) + " is not known");
    state_ = {};
    policy_ = {};
    ids_.clear();
    bind();
    begun_ = true;
    offset_ += kLogHead;
    return Step{LogRecord::kHead, kLogHead};
  }
  if (!begun_) return refuse(0, "no decision log begins like this");
  if (type != kLogPolicy && type != kLogPool && type != kLogDecision) return refuse(0, "no record begins like this");

  std::uint64_t size = 0;
  std::size_t at = 1;
  for (unsigned shift = 0;; shift += 7, ++at) {
    if (at == bytes.size()) return cut;
    const auto next = static_cast<std::uint8_t>(bytes[at]);
    size |= std::uint64_t{next & 0x7Fu} << shift;
    if (size > kMaxLogRecord || shift > 28) return refuse(at, "a record is too long");
    if (next < 0x80) break;
  }
  ++at;
  if (bytes.size() - at < size + kCheckBytes) return cut;
  const std::size_t end = at + static_cast<std::size_t>(size);
  const std::uint32_t check = log_check(bytes.first(end), state_.check);
  std::uint32_t found = 0;
  for (std::size_t i = 0; i < kCheckBytes; ++i)
    found |= std::uint32_t{static_cast<std::uint8_t>(bytes[end + i])} << 8 * i;
  if (found != check) return refuse(0, "the record is damaged, or one before it is missing: its check is another");
  state_.check = check;

  Cursor body(bytes.subspan(at, static_cast<std::size_t>(size)));
  LogRecord record = LogRecord::kDecision;
  if (type == kLogPolicy) {
    read_policy(body);
    record = LogRecord::kPolicy;
  } else if (type == kLogPool) {
    read_pool(body);
    record = LogRecord::kPool;
  } else {
    read_decision(body);
  }
  if (body.ok() && body.left() > 0) body.fail("the record is longer than what it says");
  if (!body.ok()) return refuse(at + body.at(), body.why());
  if (record == LogRecord::kDecision)
    if (const Status status = check_request(view_, request_); !status.ok()) return refuse(0, status.message());
  offset_ += end + kCheckBytes;
  return Step{record, end + kCheckBytes};
}

void DecisionLogReader::read_policy(Cursor& body) {
  policy_.hash = body.fixed(8);
  policy_.name = body.text();
  policy_.document = body.text();
}

void DecisionLogReader::read_pool(Cursor& body) {
  state_.has_pool = false;
  const auto n = static_cast<std::size_t>(body.varint(kMaxLogEndpoints, "too many endpoints"));
  const std::uint8_t flags = body.byte();
  if (flags >= 1u << (kPoolPlaces + kPlaceLevels) || (flags & (kPoolModels | kPoolWaiting)) == kPoolWaiting)
    body.fail("unknown flags");
  state_.size = n;
  state_.has_models = (flags & kPoolModels) != 0;
  state_.has_waiting = (flags & kPoolWaiting) != 0;
  state_.keys.clear();
  state_.model_names.clear();
  state_.model_offsets.clear();
  state_.model_ids.clear();
  state_.model_waiting.clear();
  ids_.clear();
  for (std::size_t i = 0; i < n && body.ok(); ++i) {
    const std::string_view id = body.text(kMaxLogRecord);
    if (id.empty() || (i > 0 && !(ids_.back() < id))) return body.fail("ids are not in order");
    ids_.emplace_back(id);
    state_.keys.push_back(hash_id(id));
  }
  if (state_.has_models) {
    const std::uint64_t names = body.varint(body.left(), "too many names");
    for (std::uint64_t i = 0; i < names && body.ok(); ++i) {
      const std::string_view name = body.text(kMaxLogRecord);
      if (i > 0 && !(state_.model_names.back() < name)) return body.fail("names are not in order");
      state_.model_names.emplace_back(name);
    }
    state_.model_offsets.push_back(0);
    for (std::size_t i = 0; i < n && body.ok(); ++i) {
      const std::uint64_t served = body.varint(names, "more names than there are");
      for (std::uint64_t k = 0; k < served && body.ok(); ++k) {
        const std::uint64_t code = body.varint();
        if (code >> 1 >= names || (code % 2 != 0 && !state_.has_waiting)) return body.fail("no such name");
        const auto name = static_cast<std::uint32_t>(code >> 1);
        if (k > 0 && state_.model_ids.back() >= name) return body.fail("names are not in order");
        state_.model_ids.push_back(name);
        if (state_.has_waiting) state_.model_waiting.push_back(static_cast<std::uint8_t>(code % 2));
      }
      state_.model_offsets.push_back(static_cast<std::uint32_t>(state_.model_ids.size()));
    }
  }
  for (std::size_t level = 0; level < kPlaceLevels; ++level) {
    state_.places[level].clear();
    if ((flags & 1u << (kPoolPlaces + level)) == 0) continue;
    if (body.left() / 8 < n) return body.fail("the record ends too early");
    for (std::size_t i = 0; i < n; ++i) state_.places[level].push_back(body.fixed(8));
  }
  state_.forget_columns();
  state_.has_pool = body.ok();
  bind();
}

void DecisionLogReader::bind() {
  view_ = {};
  view_.size = ids_.size();
  view_.keys = state_.keys.data();
  model_views_.assign(state_.model_names.begin(), state_.model_names.end());
  view_.model_names = model_views_;
  if (state_.has_models) {
    view_.model_offsets = state_.model_offsets.data();
    view_.model_ids = state_.model_ids.data();
    if (state_.has_waiting) view_.model_waiting = state_.model_waiting.data();
  }
  for (std::size_t level = 0; level < kPlaceLevels; ++level)
    view_.places[level] = state_.places[level].empty() ? nullptr : state_.places[level].data();
}

void DecisionLogReader::read_decision(Cursor& body) {
  if (!state_.has_pool) return body.fail("a decision without a pool");
  state_.now_ns = static_cast<Time>(static_cast<std::uint64_t>(state_.now_ns) + unzigzag(body.varint()));
  read_columns(body);
  read_request(body);
  read_outcome(body);
}

void DecisionLogReader::read_columns(Cursor& body) {
  const std::size_t n = state_.size;
  const std::uint64_t count = body.varint(kSignalCount, "too many columns");
  int last = -1;
  for (std::uint64_t c = 0; c < count && body.ok(); ++c) {
    const std::uint8_t signal = body.byte();
    const std::uint8_t how = body.byte();
    if (!body.ok()) return;
    if (signal >= kSignalCount || signal <= last) return body.fail("no such signal, or not in order");
    last = signal;
    const unsigned value_kind = how & 3u;
    const unsigned time_kind = how >> kTimesShift & 3u;
    const bool has_values = (how & kHasValues) != 0;
    const bool has_times = (how & kHasTimes) != 0;
    if (how >= 64 || value_kind == 3 || (value_kind != 0 && !has_values) || (time_kind != 0 && !has_times) ||
        (has_times && !has_values))
      return body.fail("unknown flags");
    std::vector<double>& values = state_.values[signal];
    std::vector<Time>& times = state_.times[signal];
    if (values.size() < n) values.resize(n, kMissing);
    if (times.size() < n) times.resize(n, kNever);
    const auto read_value = [&](std::size_t i) {
      const double value = body.number();
      if (!holds(static_cast<Signal>(signal), value)) return body.fail("a value is out of range");
      values[i] = is_missing(value) ? kMissing : value;
    };
    if (value_kind == kListed) read_list(body, n, read_value);
    if (value_kind == kWhole)
      for (std::size_t i = 0; i < n && body.ok(); ++i) read_value(i);
    auto before = static_cast<std::uint64_t>(state_.now_ns);
    const auto read_time = [&](std::size_t i) {
      before += unzigzag(body.varint());
      times[i] = static_cast<Time>(before);
    };
    if (time_kind == kListed) read_list(body, n, read_time);
    if (time_kind == kWhole)
      for (std::size_t i = 0; i < n && body.ok(); ++i) read_time(i);
    if (time_kind == kAllAlike) {
      before += unzigzag(body.varint());
      std::fill_n(times.begin(), n, static_cast<Time>(before));
    }
    if (!has_values) std::fill(values.begin(), values.end(), kMissing);
    if (!has_times) std::fill(times.begin(), times.end(), kNever);
    state_.has_values[signal] = has_values;
    state_.has_times[signal] = has_times;
    view_.values[signal] = has_values ? values.data() : nullptr;
    view_.sampled[signal] = has_times ? times.data() : nullptr;
  }
}

void DecisionLogReader::read_match(Cursor& body, std::array<std::vector<std::uint32_t>, 3>& tiers, PrefixMatch& match) {
  constexpr std::uint64_t kLimit = std::numeric_limits<std::uint32_t>::max();
  const std::uint8_t known = body.byte();
  if (known >= 8 || (known > 1 && known % 2 == 0)) body.fail("unknown flags");
  match.total_blocks = static_cast<std::uint32_t>(body.varint(kMaxBlocks, "too many blocks"));
  match.block_tokens = static_cast<std::uint32_t>(body.varint(kMaxBlockTokens, "a block is too large"));
  std::array<std::span<const std::uint32_t>, 3> depths;
  std::span<const std::uint32_t> faster;
  for (std::size_t tier = 0; tier < tiers.size() && body.ok(); ++tier) {
    if ((known & 1u << tier) == 0) continue;
    tiers[tier].assign(state_.size, 0);
    if (!faster.empty()) tiers[tier].assign(faster.begin(), faster.end());
    read_list(body, state_.size, [&](std::size_t i) {
      const std::uint64_t depth = tiers[tier][i] + body.varint(kLimit, "a depth is too large");
      if (depth > kLimit) return body.fail("a depth is too large");
      tiers[tier][i] = static_cast<std::uint32_t>(depth);
    });
    depths[tier] = faster = tiers[tier];
  }
  match.depth_blocks = depths[0];
  match.host_depth_blocks = depths[1];
  match.disk_depth_blocks = depths[2];
}

void DecisionLogReader::read_request(Cursor& body) {
  constexpr std::uint64_t kLimit = std::numeric_limits<std::uint32_t>::max();
  request_ = {};
  const std::uint8_t flags = body.byte();
  if (flags >= 128) body.fail("unknown flags");
  state_.sequence += 1 + unzigzag(body.varint());
  id_ = body.text();
  if ((flags & kSameModel) == 0) state_.model = body.text();
  if ((flags & kSameSeed) == 0) state_.seed = body.fixed(8);
  request_.prompt_tokens = static_cast<std::uint32_t>(body.varint(kLimit, "too many tokens"));
  request_.output_tokens = static_cast<std::uint32_t>(body.varint(kLimit, "too many tokens"));
  session_ = (flags & kWithSession) != 0 ? body.text() : std::string_view();
  for (std::size_t level = 0; level < kPlaceLevels; ++level) {
    near_[level] = (flags & kWithNear) != 0 ? body.text() : std::string_view();
    request_.near[level] = near_[level];
  }
  if ((flags & kWithPromise) != 0) {
    request_.slo_ttft_s = body.number();
    request_.slo_tpot_s = body.number();
  }
  if ((flags & kWithPrefix) != 0) read_match(body, prefix_, request_.prefix);
  if ((flags & kWithHistory) != 0) read_match(body, history_, request_.history);
  request_.id = id_;
  request_.model = state_.model;
  request_.seed = state_.seed;
  request_.sequence = state_.sequence;
  request_.now_ns = state_.now_ns;
  request_.session = session_;
}

void DecisionLogReader::read_outcome(Cursor& body) {
  constexpr std::uint64_t kLimit = std::numeric_limits<std::uint32_t>::max();
  decision_ = {};
  const std::size_t n = state_.size;
  const std::uint8_t flags = body.byte();
  if (flags >= 128) body.fail("unknown flags");
  const bool routed = (flags & kDecisionRouted) != 0;
  if (!routed && (flags & kChosenIsFirst) != 0) body.fail("unknown flags");
  decision_.outcome = routed ? Outcome::kRouted : Outcome::kNoEndpoint;
  decision_.reason.code = static_cast<ReasonCode>(body.varint(0x7FFFFFFF, "no such reason"));
  if (reason_name(decision_.reason.code).empty()) body.fail("no such reason");
  if (!routed && decision_.reason.code == ReasonCode::scorer_failed) decision_.outcome = Outcome::kScorerFailed;
  if ((flags & kWithSubject) != 0)
    decision_.reason.subject = static_cast<std::uint32_t>(body.varint(kLimit, "a subject is too large"));
  const double a = (flags & kReasonAIsScore) == 0 ? body.number() : 0;
  const double b = (flags & kReasonBIsMargin) == 0 ? body.number() : 0;
  decision_.score = body.number();
  decision_.margin = body.number();
  decision_.reason.a = (flags & kReasonAIsScore) != 0 ? decision_.score : a;
  decision_.reason.b = (flags & kReasonBIsMargin) != 0 ? decision_.margin : b;
  decision_.candidates =
      static_cast<std::uint32_t>((flags & kAllAreCandidates) != 0 ? n : body.varint(kLimit, "too many candidates"));
  decision_.ranked_count = static_cast<std::uint32_t>(body.varint(kMaxRanked, "too many in the ranking"));
  const auto endpoint = [&]() -> EndpointIndex {
    const std::uint64_t at = body.varint();
    if (at >= n) body.fail("no such endpoint");
    return {static_cast<std::uint32_t>(at)};
  };
  for (std::uint32_t i = 0; i < decision_.ranked_count && body.ok(); ++i) decision_.ranked[i] = endpoint();
  if ((flags & kChosenIsFirst) != 0) {
    if (decision_.ranked_count == 0) return body.fail("no ranking");
    decision_.endpoint = decision_.ranked[0];
  } else if (routed) {
    decision_.endpoint = endpoint();
  }
  if ((flags & kWithStage) != 0) decision_.stage = static_cast<std::uint32_t>(body.varint(kLimit, "no such stage"));
}

}  // namespace kthena::route
