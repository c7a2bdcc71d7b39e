#include "kthena/engine/metrics.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "engine/metrics_line.hpp"
#include "kthena/base/faults.hpp"
#include "kthena/base/hash.hpp"

namespace kthena::engine {

namespace {

using detail::Label;
using detail::Labels;

constexpr std::size_t kMaxModels = 256;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What a sample name means. Several rules may share a name; `next` leads on.
struct Rule {
  enum Kind : std::uint8_t { kSignal, kBucket, kSum, kCount, kAdapters };

  std::string name;
  Kind kind = kSignal;
  std::uint16_t index = 0;     ///< of the source among the profile's signals or latencies
  std::uint16_t priority = 0;  ///< 0 is best
  std::uint16_t next = 0;      ///< rule + 1; 0: none
};

/// Rules by name, in a table with room for eight times as many.
class RuleTable {
 public:
  void add(Rule rule) {
    const auto id = static_cast<std::uint16_t>(rules_.size() + 1);
    rules_.push_back(std::move(rule));
    for (Rule& other : rules_) {
      if (&other != &rules_.back() && other.name == rules_.back().name && other.next == 0) {
        other.next = id;
        return;
      }
    }
    first_.push_back(id);
  }
  void build() {
    slots_.assign(std::bit_ceil(8 * rules_.size() + 1), 0);
    for (const std::uint16_t id : first_) {
      std::size_t slot = hash(rules_[id - 1u].name) & (slots_.size() - 1);
      while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = id;
    }
  }
  /// The first rule of that name + 1, or 0.
  [[nodiscard]] std::uint16_t find(std::string_view name) const noexcept {
    for (std::size_t slot = hash(name) & (slots_.size() - 1);; slot = (slot + 1) & (slots_.size() - 1)) {
      const std::uint16_t id = slots_[slot];
      if (id == 0 || rules_[id - 1u].name == name) return id;
    }
  }
  [[nodiscard]] const Rule& operator[](std::uint16_t id) const noexcept { return rules_[id - 1u]; }

 private:
  // Names of one engine begin alike and end alike: length, middle and end tell them apart.
  static std::size_t hash(std::string_view name) noexcept {
    std::uint64_t middle = 0;
    std::uint64_t last = 0;
    if (name.size() >= 8) {
      std::memcpy(&middle, name.data() + (name.size() - 8) / 2, 8);
      std::memcpy(&last, name.data() + name.size() - 8, 8);
    } else {
      std::memcpy(&last, name.data(), name.size());
    }
    const std::uint64_t mixed = (middle * 0x9E3779B97F4A7C15ull) ^ (last * 0xBF58476D1CE4E5B9ull) ^ name.size();
    return static_cast<std::size_t>((mixed * 0x94D049BB133111EBull) >> 32);
  }

  std::vector<Rule> rules_;
  std::vector<std::uint16_t> first_;
  std::vector<std::uint16_t> slots_;
};

/// A value put together from several series.
struct Cell {
  double value = 0;
  std::uint32_t series = 0;

  void add(double more, Join join) noexcept {
    value = series == 0 ? more : join == Join::kMax ? std::max(value, more) : value + more;
    ++series;
  }
  [[nodiscard]] double joined(Join join) const noexcept {
    if (series == 0) return kNotReported;
    return join == Join::kMean && series > 1 ? value / series : value;
  }
};

/// A histogram put together from several series. Only bounds that all series have are kept: elsewhere their sum would be no count.
struct Buckets {
  struct Bucket {
    double bound;
    double count;
    std::uint32_t series;
  };
  std::vector<Bucket> list;  // ascending
  std::size_t next = 0;      // where the series that is being read goes on
  Cell count;
  Cell sum;

  void clear() noexcept {
    list.clear();
    next = 0;
    count = sum = {};
  }
  /// False when there are too many.
  bool add(double bound, double value) {
    if (next >= list.size() || list[next].bound != bound) {
      if (!list.empty() && bound <= list.back().bound) {
        const auto it =
            std::lower_bound(list.begin(), list.end(), bound, [](const Bucket& b, double x) { return b.bound < x; });
        next = static_cast<std::size_t>(it - list.begin());
      } else {
        next = list.size();
      }
      if (next == list.size() || list[next].bound != bound) {
        if (list.size() == MetricsParser::kMaxBuckets) return false;
        list.insert(list.begin() + static_cast<std::ptrdiff_t>(next), {bound, 0, 0});
      }
    }
    list[next].count += value;
    ++list[next].series;
    next = bound == kInfinity ? 0 : next + 1;
    return true;
  }
  [[nodiscard]] bool empty() const noexcept { return list.empty() && count.series == 0; }
  /// Adds all of another rank's.
  void merge(const Buckets& other) {
    next = 0;
    for (const Bucket& bucket : other.list) {
      if (!add(bucket.bound, bucket.count)) break;
      list[next == 0 ? list.size() - 1 : next - 1].series += bucket.series - 1;
    }
    if (other.count.series > 0) count.add(other.count.value, Join::kSum);
    if (other.sum.series > 0) sum.add(other.sum.value, Join::kSum);
  }
  void write(double unit, Histogram& out) const {
    out.clear();
    std::uint32_t series = 0;
    for (const Bucket& bucket : list) series = std::max(series, bucket.series);
    double below = 0;
    for (const Bucket& bucket : list) {
      if (bucket.series != series) continue;
      below = std::max(below, bucket.count);
      out.bounds.push_back(bucket.bound * unit);
      out.cumulative.push_back(below);
    }
    out.count = std::max(below, count.series > 0 ? count.value : 0.0);
    out.sum = sum.series > 0 ? sum.value * unit : kNotReported;
  }
};

struct RankCells {
  std::uint32_t rank = 0;
  std::array<Cell, kEngineSignalCount> cells;
  std::array<Buckets, kEngineLatencyCount> latencies;

  void start(std::uint32_t number) {
    rank = number;
    cells.fill({});
    for (Buckets& buckets : latencies) buckets.clear();
  }
};

constexpr std::uint16_t kNoSource = 0xFFFF;

/// Splits "a, b" into names.
void split_names(const std::string& text, std::vector<std::string>& out) {
  std::size_t used = 0;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    std::string_view name = std::string_view(text).substr(begin, comma - begin);
    while (!name.empty() && detail::is_blank(name.front())) name.remove_prefix(1);
    while (!name.empty() && detail::is_blank(name.back())) name.remove_suffix(1);
    if (!name.empty()) {
      if (used == out.size()) out.emplace_back();
      out[used++].assign(name);
    }
    begin = comma + 1;
  }
  out.resize(used);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
}

/// Fills in what follows from other signals.
void derive(EngineReading& reading) noexcept {
  using enum EngineSignal;
  const double used = reading[kKvUsedBlocks];
  if (!is_reported(reading[kKvTotalBlocks]) && reading[kBlockTokens] > 0 && is_reported(reading[kKvTotalTokens])) {
    reading[kKvTotalBlocks] =
        static_cast<double>(static_cast<std::uint64_t>(reading[kKvTotalTokens] / reading[kBlockTokens]));
  }
  if (!is_reported(reading[kKvTotalTokens]) && is_reported(reading[kBlockTokens]) &&
      is_reported(reading[kKvTotalBlocks])) {
    reading[kKvTotalTokens] = reading[kKvTotalBlocks] * reading[kBlockTokens];
  }
  if (!is_reported(reading[kKvUsage]) && is_reported(used) && reading[kKvTotalBlocks] > 0 &&
      used <= reading[kKvTotalBlocks]) {
    reading[kKvUsage] = used / reading[kKvTotalBlocks];
  }
}

}  // namespace

struct MetricsParser::State {
  EngineProfile profile;
  MetricsOptions options;
  RuleTable rules;
  MetricsCounts counts;  // of the last text that was parsed

  // Of the text being read.
  MetricsCounts now;
  Labels labels;
  std::array<std::uint16_t, kEngineSignalCount> best_signal{};
  std::array<std::uint16_t, kEngineLatencyCount> best_latency{};
  std::vector<RankCells> ranks;  // the first ranks_used
  std::size_t ranks_used = 0;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> rank_order;  // (number, position in ranks), ascending
  std::size_t last_rank = 0;                                        // position in ranks
  std::string_view last_rank_text;
  std::vector<std::string> models;  // the first models_used
  std::size_t models_used = 0;
  std::string_view last_model;
  bool last_model_wanted = true;
  struct AdapterLine {
    bool found = false;
    double value = 0;
    Label maximum, running, waiting;
  } adapters;
  RankCells joined;
  std::string scratch;

  void start();
  void read_line(std::uint16_t rule, const char* p, const char* end);
  bool wanted_model();
  RankCells* find_rank();
  bool apply(const Rule& rule, RankCells& cells, double value);
  bool use_signal(const Rule& rule, RankCells& cells, double value);
  bool use_latency(const Rule& rule, RankCells& cells, double value);
  bool use_adapters(double value);
  void write(Time sampled_ns, EngineSample& out);
  void write_reading(const RankCells& cells, EngineReading& out) const;
  void write_names(const Label& label, std::vector<std::string>& out);
};

void MetricsParser::State::start() {
  now = {};
  labels.forget();
  best_signal.fill(kNoSource);
  best_latency.fill(kNoSource);
  ranks_used = 0;
  rank_order.clear();
  last_rank_text = {};
  models_used = 0;
  last_model = {};
  last_model_wanted = true;
  adapters = {};
}

/// Whether the line's model is asked for; notes its name.
bool MetricsParser::State::wanted_model() {
  if (profile.model_label.empty()) return true;
  const Label* const label = labels.find(profile.model_label);
  if (label == nullptr) return true;
  if (last_model.data() != nullptr && label->raw == last_model) return last_model_wanted;
  std::string_view model = label->raw;
  if (label->escaped) {
    detail::unescape(label->raw, scratch);
    model = scratch;
  }
  last_model = label->raw;
  last_model_wanted = options.model.empty() || model == options.model;
  const auto end = models.begin() + static_cast<std::ptrdiff_t>(models_used);
  if (std::find(models.begin(), end, model) == end) {
    if (models_used == kMaxModels) {
      ++now.over_limits;
    } else {
      if (models_used == models.size()) models.emplace_back();
      models[models_used++].assign(model);
    }
  }
  return last_model_wanted;
}

/// The line's rank; null when its number is none or there are too many, which is counted.
RankCells* MetricsParser::State::find_rank() {
  std::string_view text;
  if (!profile.rank_label.empty()) {
    if (const Label* const label = labels.find(profile.rank_label); label != nullptr) text = label->raw;
  }
  if (ranks_used > 0 && text == last_rank_text) return &ranks[last_rank];
  std::uint32_t number = 0;
  if (!text.empty()) {
    const auto [stop, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (fault != std::errc() || stop != text.data() + text.size()) {
      ++now.unusable;
      return nullptr;
    }
  }
  const std::pair key(number, 0u);
  auto it = std::lower_bound(rank_order.begin(), rank_order.end(), key);
  if (it == rank_order.end() || it->first != number) {
    if (ranks_used == options.max_ranks) {
      ++now.over_limits;
      return nullptr;
    }
    if (ranks_used == ranks.size()) ranks.emplace_back();
    ranks[ranks_used].start(number);
    it = rank_order.insert(it, {number, static_cast<std::uint32_t>(ranks_used++)});
  }
  last_rank = it->second;
  last_rank_text = text;
  return &ranks[last_rank];
}

bool MetricsParser::State::use_signal(const Rule& rule, RankCells& cells, double value) {
  const SignalSource& source = profile.signals[rule.index];
  const auto signal = static_cast<std::size_t>(source.signal);
  if (!(value >= 0 && value <= kEngineSignals[signal].maximum)) return false;
  if (rule.priority > best_signal[signal]) return true;
  if (rule.priority < best_signal[signal]) {
    if (best_signal[signal] != kNoSource) {
      for (std::size_t i = 0; i < ranks_used; ++i) ranks[i].cells[signal] = {};
    }
    best_signal[signal] = rule.priority;
  }
  cells.cells[signal].add(value, source.series);
  return true;
}

bool MetricsParser::State::use_latency(const Rule& rule, RankCells& cells, double value) {
  const auto latency = static_cast<std::size_t>(profile.latencies[rule.index].latency);
  double bound = 0;
  if (rule.kind == Rule::kBucket) {
    const Label* const label = labels.find("le");
    if (label == nullptr) return false;
    const char* const end = label->raw.data() + label->raw.size();
    const detail::Decimal number = detail::read_decimal(label->raw.data(), end);
    if (number.end != end || number.value != number.value) return false;
    bound = number.value;
  }
  if (!(value >= 0 && value <= 1e18)) return false;
  if (rule.priority > best_latency[latency]) return true;
  if (rule.priority < best_latency[latency]) {
    if (best_latency[latency] != kNoSource) {
      for (std::size_t i = 0; i < ranks_used; ++i) ranks[i].latencies[latency].clear();
    }
    best_latency[latency] = rule.priority;
  }
  Buckets& buckets = cells.latencies[latency];
  if (rule.kind == Rule::kSum) {
    buckets.sum.add(value, Join::kSum);
  } else if (rule.kind == Rule::kCount) {
    buckets.count.add(value, Join::kSum);
  } else if (!buckets.add(bound, value)) {
    ++now.over_limits;
  }
  return true;
}

bool MetricsParser::State::use_adapters(double value) {
  if (!(value >= 0 && value < kInfinity)) return false;
  if (adapters.found && value < adapters.value) return true;
  const auto take = [this](std::string_view name) {
    const Label* const label = name.empty() ? nullptr : labels.find(name);
    return label != nullptr ? *label : Label{};
  };
  adapters = {true, value, take(profile.adapters.maximum), take(profile.adapters.running),
              take(profile.adapters.waiting)};
  return true;
}

/// False: the value cannot be.
bool MetricsParser::State::apply(const Rule& rule, RankCells& cells, double value) {
  switch (rule.kind) {
    case Rule::kSignal: {
      const SignalSource& source = profile.signals[rule.index];
      if (!source.where.empty()) {
        const Label* const label = labels.find(source.where);
        if (label == nullptr || label->raw != source.equals) return true;
      }
      if (!source.label.empty()) {
        const Label* const label = labels.find(source.label);
        if (label == nullptr) return true;
        const char* const end = label->raw.data() + label->raw.size();
        const detail::Decimal number = detail::read_decimal(label->raw.data(), end);
        if (number.end != end) return false;
        value = number.value;
      }
      return use_signal(rule, cells, value);
    }
    case Rule::kBucket:
    case Rule::kSum:
    case Rule::kCount:
      return use_latency(rule, cells, value);
    case Rule::kAdapters:
      return use_adapters(value);
  }
  return false;
}

/// A line whose name has rules; `p` is behind the name.
void MetricsParser::State::read_line(std::uint16_t rule, const char* p, const char* end) {
  p = detail::skip_blanks(p, end);
  if (p != end && *p == '{') {
    p = labels.read(p + 1, end);
    if (p == nullptr) {
      ++now.broken;
      return;
    }
  } else {
    labels.clear();
  }
  double value = 0;
  if (!detail::read_value(p, end, value)) {
    ++now.broken;
    return;
  }
  if (!wanted_model()) {
    ++now.other_models;
    return;
  }
  RankCells* const cells = find_rank();
  if (cells == nullptr) return;
  bool usable = true;
  for (; rule != 0; rule = rules[rule].next) usable &= apply(rules[rule], *cells, value);
  ++(usable ? now.used : now.unusable);
}

void MetricsParser::State::write_reading(const RankCells& cells, EngineReading& out) const {
  for (std::size_t i = 0; i < kEngineSignalCount; ++i) {
    const std::uint16_t best = best_signal[i];
    Join join = Join::kSum;
    if (best != kNoSource) {
      // Priorities count the sources of one signal; find the one that won.
      std::uint16_t priority = 0;
      for (const SignalSource& source : profile.signals) {
        if (static_cast<std::size_t>(source.signal) != i) continue;
        if (priority++ == best) join = source.series;
      }
    }
    out.values[i] = cells.cells[i].joined(join);
  }
  derive(out);
  for (std::size_t i = 0; i < kEngineLatencyCount; ++i) {
    out.has[i] = !cells.latencies[i].empty();
    if (!out.has[i]) {
      out.latencies[i].clear();
      continue;
    }
    double unit = 1;
    std::uint16_t priority = 0;
    for (const LatencySource& source : profile.latencies) {
      if (static_cast<std::size_t>(source.latency) == i && priority++ == best_latency[i]) unit = source.unit_s;
    }
    cells.latencies[i].write(unit, out.latencies[i]);
  }
}

void MetricsParser::State::write_names(const Label& label, std::vector<std::string>& out) {
  if (label.escaped) {
    detail::unescape(label.raw, scratch);
  } else {
    scratch.assign(label.raw);
  }
  split_names(scratch, out);
}

void MetricsParser::State::write(Time sampled_ns, EngineSample& out) {
  out.sampled_ns = sampled_ns;
  out.ranks.resize(ranks_used);
  for (std::size_t i = 0; i < ranks_used; ++i) {
    const RankCells& cells = ranks[rank_order[i].second];
    out.ranks[i].rank = cells.rank;
    write_reading(cells, out.ranks[i].reading);
  }

  if (ranks_used == 1) {
    out.engine = out.ranks[0].reading;
  } else {
    joined.start(0);
    for (std::size_t i = 0; i < ranks_used; ++i) {
      const RankCells& cells = ranks[rank_order[i].second];
      for (std::size_t k = 0; k < kEngineLatencyCount; ++k) joined.latencies[k].merge(cells.latencies[k]);
    }
    write_reading(joined, out.engine);
    for (std::size_t k = 0; k < kEngineSignalCount; ++k) {
      Cell cell;
      for (const EngineRank& rank : out.ranks) {
        if (is_reported(rank.reading.values[k])) cell.add(rank.reading.values[k], kEngineSignals[k].ranks);
      }
      out.engine.values[k] = cell.joined(kEngineSignals[k].ranks);
    }
  }

  out.adapters.reported = adapters.found;
  out.adapters.maximum = kNotReported;
  if (adapters.found && !adapters.maximum.raw.empty()) {
    const char* const end = adapters.maximum.raw.data() + adapters.maximum.raw.size();
    const detail::Decimal number = detail::read_decimal(adapters.maximum.raw.data(), end);
    if (number.end == end && number.value >= 0 && number.value <= 1e9) out.adapters.maximum = number.value;
  }
  write_names(adapters.running, out.adapters.running);
  write_names(adapters.waiting, out.adapters.waiting);

  out.models.resize(models_used);
  for (std::size_t i = 0; i < models_used; ++i) out.models[i].assign(models[i]);
  std::sort(out.models.begin(), out.models.end());
}

MetricsParser::MetricsParser(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
MetricsParser::MetricsParser(MetricsParser&&) noexcept = default;
MetricsParser& MetricsParser::operator=(MetricsParser&&) noexcept = default;
MetricsParser::~MetricsParser() = default;

const MetricsCounts& MetricsParser::counts() const noexcept { return state_->counts; }

Result<MetricsParser> MetricsParser::create(const EngineProfile& profile, const MetricsOptions& options) {
  Faults faults;
  if (options.max_bytes < 1 || options.max_bytes > std::size_t{1} << 31) {
    faults.add("max_bytes", std::to_string(options.max_bytes) + " is not in 1..2147483648");
  }
  if (options.max_ranks < 1 || options.max_ranks > 65536) {
    faults.add("max_ranks", std::to_string(options.max_ranks) + " is not in 1..65536");
  }
  const std::size_t most = kNoSource / 8;
  if (profile.signals.size() > most) faults.add("signals", "more than " + std::to_string(most) + " sources");
  if (profile.latencies.size() > most) faults.add("latencies", "more than " + std::to_string(most) + " sources");

  auto state = std::make_unique<State>();
  state->profile = profile;
  state->options = options;
  std::array<std::uint16_t, kEngineSignalCount> signal_sources{};
  std::array<std::uint16_t, kEngineLatencyCount> latency_sources{};
  for (std::size_t i = 0; i < profile.signals.size(); ++i) {
    const SignalSource& source = profile.signals[i];
    const std::string path = "signals[" + std::to_string(i) + "]";
    if (source.metric.empty()) faults.add(path + ".metric", "is empty");
    const auto signal = static_cast<std::size_t>(source.signal);
    if (signal >= kEngineSignalCount) {
      faults.add(path + ".signal", std::to_string(signal) + " is not a signal");
    } else if (faults.empty()) {
      state->rules.add(
          {std::string(source.metric), Rule::kSignal, static_cast<std::uint16_t>(i), signal_sources[signal]++, 0});
    }
  }
  for (std::size_t i = 0; i < profile.latencies.size(); ++i) {
    const LatencySource& source = profile.latencies[i];
    const std::string path = "latencies[" + std::to_string(i) + "]";
    if (source.metric.empty()) faults.add(path + ".metric", "is empty");
    if (!(source.unit_s > 0 && source.unit_s < kInfinity)) faults.add(path + ".unit_s", "is not a positive number");
    const auto latency = static_cast<std::size_t>(source.latency);
    if (latency >= kEngineLatencyCount) {
      faults.add(path + ".latency", std::to_string(latency) + " is not a latency");
    } else if (faults.empty()) {
      const std::uint16_t priority = latency_sources[latency]++;
      const auto index = static_cast<std::uint16_t>(i);
      state->rules.add({std::string(source.metric) + "_bucket", Rule::kBucket, index, priority, 0});
      state->rules.add({std::string(source.metric) + "_sum", Rule::kSum, index, priority, 0});
      state->rules.add({std::string(source.metric) + "_count", Rule::kCount, index, priority, 0});
    }
  }
  if (!profile.adapters.metric.empty())
    state->rules.add({std::string(profile.adapters.metric), Rule::kAdapters, 0, 0, 0});
  if (!faults.empty()) return faults.status();
  state->rules.build();
  return MetricsParser(std::move(state));
}

Status MetricsParser::parse(std::string_view text, Time sampled_ns, EngineSample& out) {
  State& state = *state_;
  if (text.size() > state.options.max_bytes) {
    return resource_exhausted("text: " + std::to_string(text.size()) + " bytes where max_bytes is " +
                              std::to_string(state.options.max_bytes));
  }
  state.start();
  MetricsCounts& now = state.now;
  std::string_view last_name;
  std::uint16_t last_rule = 0;
  const char* const text_end = text.data() + text.size();
  for (const char* line = text.data(); line != text_end;) {
    const void* const found = std::memchr(line, '\n', static_cast<std::size_t>(text_end - line));
    const char* end = found != nullptr ? static_cast<const char*>(found) : text_end;
    const char* p = line;
    line = end == text_end ? text_end : end + 1;
    if (end != p && end[-1] == '\r') --end;
    p = detail::skip_blanks(p, end);
    if (p == end) continue;
    ++now.lines;
    if (*p == '#') {
      ++now.other;
      continue;
    }
    const char* name_end = p + last_name.size();
    if (last_name.empty() || static_cast<std::size_t>(end - p) <= last_name.size() ||
        std::memcmp(p, last_name.data(), last_name.size()) != 0 || (*name_end != '{' && !detail::is_blank(*name_end))) {
      name_end = detail::find_name_end(p, end);
      if (name_end == p || !detail::is_name_start(*p) || name_end == end) {
        ++now.broken;
        continue;
      }
      last_name = {p, static_cast<std::size_t>(name_end - p)};
      last_rule = state.rules.find(last_name);
    }
    if (last_rule == 0) {
      ++now.other;
      continue;
    }
    state.read_line(last_rule, name_end, end);
  }
  if (now.broken == now.lines) {
    return invalid_argument("text: no line of " + std::to_string(now.lines) + " is in the Prometheus text format");
  }
  state.counts = now;
  state.write(sampled_ns, out);
  return {};
}

Result<EngineSample> parse_metrics(const EngineProfile& profile, std::string_view text, Time sampled_ns,
                                   const MetricsOptions& options) {
  Result<MetricsParser> parser = MetricsParser::create(profile, options);
  if (!parser.ok()) return parser.status();
  EngineSample sample;
  if (Status status = parser->parse(text, sampled_ns, sample); !status.ok()) return status;
  return sample;
}

}  // namespace kthena::engine
