// bench/prefix_events.cpp
//
// Replays a neutral event file into a PrefixIndex and says how many of its queries were answered wrongly, how long finds take by class, what
// applying the events costs per block and what a membership takes in memory. The same file can be given to other indexes.
//
//   usage    prefix_events FILE [--json] [--shared] [--passes N]
//   --shared one table of engine hashes for all workers, whose hash spaces are one in these files
//   File     little endian. Header: magic "PIXEV001", u32 workers, u32 block_tokens, u32 n_contents, u32 n_records, u64 memberships and
//            u64 unique blocks at the end; n_contents x u64 (not needed here); then records: u8 op, u8 phase, u16 worker, u32 n, and
//              op 1 store   u64 parent (0: none), n x (u64 engine hash, u64 content hash)
//              op 2 remove  n x u64 engine hash
//              op 3 clear   nothing
//              op 4 query   n x u64 content hash, u32 m, m x u32 (worker << 16 | depth) with depth > 0, workers ascending
//            Phase 0 fills, 1 is live, 2 are queries at the end.
//   Finds    the queries of phase 2: each is prepared and then timed alone, N times (DEFAULT: 9); p50 and p99 are those of the best pass,
//            less what an empty measurement takes. hit: a worker holds the whole query; cold: none holds its first block; else partial.
//   Apply    CPU time of the events of phase 1 in a second index, without queries between them.
//   Exit     0 if every answer and the counts at the end are right, else 1; 2 for a file that cannot be read.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kthena/base.hpp"
#include "kthena/prefix.hpp"

namespace {

using namespace kthena;
using namespace kthena::prefix;

constexpr std::uint64_t kSpace = 7;
constexpr std::uint64_t kSeed = 0x9E3779B97F4A7C15ull;

enum Op : std::uint8_t { kStore = 1, kRemove = 2, kClear = 3, kQuery = 4 };

struct Record {
  std::uint8_t op = 0;
  std::uint8_t phase = 0;
  std::uint16_t worker = 0;
  std::optional<std::uint64_t> parent;
  std::vector<std::uint64_t> hashes;    // engine hashes
  std::vector<std::uint64_t> contents;  // of stores and queries
  std::vector<std::uint32_t> answer;    // worker << 16 | depth
};

struct EventFile {
  std::uint32_t workers = 0;
  std::uint32_t block_tokens = 0;
  std::uint64_t memberships = 0;
  std::uint64_t unique_blocks = 0;
  std::vector<Record> records;
};

/// Reads integers from bytes and remembers when there were too few.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T read() {
    T value{};
    if (bytes_.size() < sizeof value) {
      short_ = true;
      bytes_ = {};
      return value;
    }
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }
  /// False, and nothing is read, unless `count` items of `size` bytes are there.
  bool has(std::uint64_t count, std::size_t size) {
    if (count <= bytes_.size() / size) return true;
    short_ = true;
    return false;
  }
  [[nodiscard]] bool was_short() const { return short_; }

 private:
  std::string_view bytes_;
  bool short_ = false;
};

std::optional<EventFile> parse(std::string_view bytes) {
  if (!bytes.starts_with("PIXEV001")) return std::nullopt;
  Reader in(bytes.substr(8));
  EventFile file;
  file.workers = in.read<std::uint32_t>();
  file.block_tokens = in.read<std::uint32_t>();
  const auto contents = in.read<std::uint32_t>();
  const auto records = in.read<std::uint32_t>();
  file.memberships = in.read<std::uint64_t>();
  file.unique_blocks = in.read<std::uint64_t>();
  if (file.workers == 0 || file.workers > 16384 || !in.has(contents, 8)) return std::nullopt;
  for (std::uint32_t i = 0; i < contents; ++i) (void)in.read<std::uint64_t>();
  for (std::uint32_t i = 0; i < records && !in.was_short(); ++i) {
    Record record;
    record.op = in.read<std::uint8_t>();
    record.phase = in.read<std::uint8_t>();
    record.worker = in.read<std::uint16_t>();
    const auto n = in.read<std::uint32_t>();
    if (record.op < kStore || record.op > kQuery || record.worker >= file.workers) return std::nullopt;
    if (record.op == kStore) {
      if (const auto parent = in.read<std::uint64_t>(); parent != 0) record.parent = parent;
    }
    if (record.op != kClear && !in.has(n, record.op == kStore ? 16 : 8)) return std::nullopt;
    for (std::uint32_t block = 0; record.op != kClear && block < n; ++block) {
      if (record.op != kQuery) record.hashes.push_back(in.read<std::uint64_t>());
      if (record.op != kRemove) record.contents.push_back(in.read<std::uint64_t>());
    }
    if (record.op == kQuery) {
      const auto m = in.read<std::uint32_t>();
      if (!in.has(m, 4)) return std::nullopt;
      for (std::uint32_t pair = 0; pair < m; ++pair) {
        record.answer.push_back(in.read<std::uint32_t>());
        if (record.answer.back() >> 16 >= file.workers) return std::nullopt;
      }
    }
    file.records.push_back(std::move(record));
  }
  if (in.was_short()) return std::nullopt;
  return file;
}

PrefixIndex new_index(const EventFile& file, bool shared) {
  PrefixIndexOptions options;
  options.block_tokens = std::clamp(file.block_tokens, 1u, 65536u);
  options.max_workers = file.workers;
  options.seed = kSeed;
  options.shared_engine_hashes = shared;
  PrefixIndex index = PrefixIndex::create(options).value();
  for (std::uint32_t i = 0; i < file.workers; ++i) (void)index.add_worker("worker" + std::to_string(i));
  return index;
}

void apply(PrefixIndex& index, const Record& record) {
  Status status;
  if (record.op == kStore) {
    status = index.apply(
        BlockStored{{record.worker}, kSpace, record.parent, record.hashes, record.contents, KvTier::kDevice});
  } else if (record.op == kRemove) {
    status = index.apply(BlockRemoved{{record.worker}, record.hashes, KvTier::kDevice});
  } else if (record.op == kClear) {
    status = index.apply(AllBlocksCleared{{record.worker}});
  }
  if (!status.ok()) fmt::print(stderr, "prefix_events: {}\n", status.message());
}

double cpu_ns() { return static_cast<double>(std::clock()) * (1e9 / CLOCKS_PER_SEC); }

struct Quantiles {
  std::size_t count = 0;
  double p50 = 0;
  double p99 = 0;
};

/// Those of the best pass; `passes` hold one time per query.
Quantiles best_of(std::vector<std::vector<double>> passes, double empty) {
  Quantiles best{passes.front().size(), 1e300, 1e300};
  if (best.count == 0) return {};
  for (std::vector<double>& times : passes) {
    std::sort(times.begin(), times.end());
    best.p50 = std::min(best.p50, std::max(0.0, times[times.size() / 2] - empty));
    best.p99 = std::min(best.p99, std::max(0.0, times[times.size() * 99 / 100] - empty));
  }
  return best;
}

double elapsed_ns(std::chrono::steady_clock::time_point since) {
  return static_cast<double>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - since).count());
}

int replay(const EventFile& file, std::size_t passes, bool json, bool shared) {
  PrefixIndex index = new_index(file, shared);
  PrefixQuery query(kSpace, index.options().block_tokens, kSeed);
  std::vector<std::uint32_t> depths(file.workers);
  std::vector<std::uint32_t> truth(file.workers);
  std::size_t queries = 0;
  std::size_t wrong = 0;
  for (const Record& record : file.records) {
    if (record.op != kQuery) {
      apply(index, record);
      continue;
    }
    ++queries;
    query.clear();
    if (!query.extend_contents(record.contents).ok()) return 2;
    index.find_by_worker(query, {}, depths);
    std::fill(truth.begin(), truth.end(), 0);
    for (const std::uint32_t pair : record.answer) truth[pair >> 16] = pair & 0xFFFF;
    wrong += depths != truth;
  }
  const PrefixIndexStats stats = index.stats();

  // Finds, by class.
  std::vector<std::vector<double>> times[3];
  for (auto& of_class : times) of_class.resize(passes);
  std::vector<double> nothing;
  for (std::size_t pass = 0; pass < passes; ++pass) {
    for (const Record& record : file.records) {
      if (record.op != kQuery || record.phase != 2) continue;
      const bool hit = std::any_of(record.answer.begin(), record.answer.end(),
                                   [&](std::uint32_t pair) { return (pair & 0xFFFF) == record.contents.size(); });
      const std::size_t which = hit ? 0 : record.answer.empty() ? 2 : 1;
      query.clear();
      (void)query.extend_contents(record.contents);
      const auto before = std::chrono::steady_clock::now();
      index.find_by_worker(query, {}, depths);
      times[which][pass].push_back(elapsed_ns(before));
      const auto idle = std::chrono::steady_clock::now();
      nothing.push_back(elapsed_ns(idle));
    }
  }
  std::sort(nothing.begin(), nothing.end());
  const double empty = nothing.empty() ? 0 : nothing[nothing.size() / 2];

  // Events alone, in an index that holds what came before them.
  double apply_ns = 1e300;
  std::size_t blocks = 0;
  for (std::size_t pass = 0; pass < std::min<std::size_t>(passes, 3); ++pass) {
    PrefixIndex other = new_index(file, shared);
    for (const Record& record : file.records) {
      if (record.phase == 0) apply(other, record);
    }
    blocks = 0;
    const double before = cpu_ns();
    for (const Record& record : file.records) {
      if (record.phase != 1 || record.op == kQuery) continue;
      apply(other, record);
      blocks += record.hashes.size();
    }
    apply_ns = std::min(apply_ns, cpu_ns() - before);
  }
  const double per_block = blocks == 0 ? 0 : apply_ns / static_cast<double>(blocks);
  const double bytes =
      static_cast<double>(stats.approximate_bytes) / static_cast<double>(std::max<std::uint64_t>(1, stats.memberships));
  const bool counts_right = stats.memberships == file.memberships && stats.unique_blocks == file.unique_blocks;

  static constexpr const char* kClasses[] = {"hit", "partial", "cold"};
  if (json) {
    fmt::print("{{\"queries\":{},\"wrong\":{},\"counts_right\":{}", queries, wrong, counts_right);
    for (std::size_t i = 0; i < 3; ++i) {
      const Quantiles found = best_of(times[i], empty);
      fmt::print(",\"find_{}\":{{\"count\":{},\"p50_ns\":{:.0f},\"p99_ns\":{:.0f}}}", kClasses[i], found.count,
                 found.p50, found.p99);
    }
    fmt::print(
        ",\"apply_blocks\":{},\"apply_cpu_ns_per_block\":{:.1f},\"memberships\":{},\"unique_blocks\":{},\"runs\":{}",
        blocks, per_block, stats.memberships, stats.unique_blocks, stats.runs);
    fmt::print(",\"bytes_per_membership\":{:.1f}}}\n", bytes);
  } else {
    fmt::print("queries       {:>9}   wrong {}\n", queries, wrong);
    for (std::size_t i = 0; i < 3; ++i) {
      const Quantiles found = best_of(times[i], empty);
      if (found.count == 0) continue;
      fmt::print("find {:<8} {:>9}   p50 {:.0f} ns   p99 {:.0f} ns\n", kClasses[i], found.count, found.p50, found.p99);
    }
    fmt::print("apply         {:>9} blocks   {:.1f} ns of CPU per block\n", blocks, per_block);
    fmt::print("memberships   {:>9}   {:.1f} bytes each\n", stats.memberships, bytes);
    fmt::print("unique blocks {:>9}   in {} runs\n", stats.unique_blocks, stats.runs);
    if (!counts_right)
      fmt::print("the file says {} memberships, {} unique blocks\n", file.memberships, file.unique_blocks);
  }
  return wrong == 0 && counts_right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::string path;
  bool json = false;
  bool shared = false;
  std::size_t passes = 9;
  bool usage = argc < 2;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--json") {
      json = true;
    } else if (argument == "--shared") {
      shared = true;
    } else if (argument == "--passes" && i + 1 < argc) {
      passes = static_cast<std::size_t>(std::clamp(std::atoi(argv[++i]), 1, 1000));
    } else if (!argument.starts_with("-") && path.empty()) {
      path = argument;
    } else {
      usage = true;
    }
  }
  if (usage || path.empty()) {
    fmt::print(stderr, "usage: prefix_events FILE [--json] [--shared] [--passes N]\n");
    return 2;
  }
  std::ifstream stream(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  const std::optional<EventFile> file = parse(bytes);
  if (!file) {
    fmt::print(stderr, "prefix_events: {}: cannot be read, or is not an event file\n", path);
    return 2;
  }
  return replay(*file, passes, json, shared);
}
