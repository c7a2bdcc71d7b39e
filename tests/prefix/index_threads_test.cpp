// P11: one writer and several readers. Every depth that a reader gets must be the truth of some version of the index between the begin
// and the end of its call. The versions are worked out beforehand, block by block, in ordinary maps. When orphans find their parent they
// come to their places one after another, so a depth between that before and that after is right as well.
#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "kthena/base/hash.hpp"
#include "kthena/prefix.hpp"

using namespace kthena;
using prefix::Pick;
using prefix::PrefixIndex;
using prefix::PrefixQuery;

namespace {

constexpr std::size_t kWorkers = 9;  // and one whose blocks nobody asks for, which makes tables grow and memory go
constexpr std::size_t kBlocks = 26;
constexpr std::uint64_t kSpace = 9;
constexpr std::uint64_t kOtherSpace = 10;

/// A prompt: one character per block, so that its prefixes are strings.
using Prompt = std::string;

std::uint64_t label(const Prompt& prefix) { return xxh3_64(std::as_bytes(std::span(prefix)), 3); }

struct Operation {
  enum Kind { kStore, kRemove, kClear, kRestart, kRestartAll, kNoise, kNoiseGone } kind = kStore;
  std::size_t worker = 0;
  Prompt prompt;
  std::size_t first = 0;
  std::size_t last = 0;
  KvTier tier = KvTier::kDevice;
  std::size_t before = 0;  // versions
  std::size_t after = 0;
};

/// Depths of all workers for all queries, in any tier and in the first one, at one version.
using Truth = std::vector<std::uint8_t>;

class History {
 public:
  History(std::uint64_t seed, std::size_t length, bool with_orphans) : with_orphans_(with_orphans) {
    std::mt19937_64 random(seed);
    const auto any = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    // Prompts that branch off one another anywhere.
    for (int i = 0; i < 10; ++i) {
      Prompt prompt = prompts.empty() ? Prompt() : prompts[any(prompts.size())].substr(0, any(kBlocks));
      while (prompt.size() < kBlocks) prompt += static_cast<char>('a' + any(3));
      prompts.push_back(prompt);
    }
    versions.assign(1, Truth(2 * kWorkers * prompts.size(), 0));
    for (std::size_t i = 0; i < length; ++i) {
      Operation one;
      one.before = versions.size() - 1;
      one.worker = any(kWorkers);
      one.prompt = prompts[any(prompts.size())];
      one.tier = any(4) == 0 ? KvTier::kHost : KvTier::kDevice;
      const std::size_t what = any(100);
      if (what < 50) {
        one.kind = Operation::kStore;
        one.first = any(3) == 0 ? any(kBlocks) : 0;
        if (!with_orphans && one.first != 0 && held_[one.worker][one.prompt.substr(0, one.first)] == 0) one.first = 0;
        one.last = std::min(kBlocks, one.first + 1 + any(kBlocks));
        for (std::size_t block = one.first; block < one.last; ++block) {
          held_[one.worker][one.prompt.substr(0, block + 1)] |= 1 << static_cast<int>(one.tier);
          note(one.worker);
        }
      } else if (what < 90) {
        one.kind = Operation::kRemove;
        one.first = any(kBlocks);
        one.last = std::min(kBlocks, one.first + 1 + (any(2) == 0 ? 0 : any(6)));
        for (std::size_t block = one.last; block-- > one.first;) {
          auto& tiers = held_[one.worker][one.prompt.substr(0, block + 1)];
          tiers &= ~(1 << static_cast<int>(one.tier));
          note(one.worker);
        }
      } else if (what < 97) {
        one.kind = any(8) == 0 ? Operation::kNoiseGone : Operation::kNoise;
      } else if (what == 97) {
        one.kind = Operation::kClear;
        held_[one.worker].clear();
        note(one.worker);
      } else if (what == 98) {
        one.kind = Operation::kRestart;
        held_[one.worker].clear();
        note(one.worker);
      } else if (any(4) == 0) {
        one.kind = Operation::kRestartAll;
        for (std::size_t worker = 0; worker < kWorkers; ++worker) {
          held_[worker].clear();
          note(worker);
        }
      }
      one.after = versions.size() - 1;
      operations.push_back(one);
    }
  }

  [[nodiscard]] bool ever(std::size_t from, std::size_t to, std::size_t query, std::size_t worker, std::size_t tier,
                          std::uint32_t depth) const {
    const std::size_t cell = (query * kWorkers + worker) * 2 + tier;
    for (std::size_t version = from; version <= to; ++version) {
      if (versions[version][cell] == depth) return true;
      if (with_orphans_ && version != to && versions[version][cell] < depth && depth < versions[version + 1][cell])
        return true;
    }
    return false;
  }

  std::vector<Prompt> prompts;
  std::vector<Operation> operations;
  std::vector<Truth> versions;

 private:
  void note(std::size_t worker) {
    Truth truth = versions.back();
    for (std::size_t query = 0; query < prompts.size(); ++query) {
      for (std::size_t tier = 0; tier < 2; ++tier) {
        std::uint8_t depth = 0;
        while (depth < kBlocks) {
          const auto it = held_[worker].find(prompts[query].substr(0, depth + 1u));
          if (it == held_[worker].end() || (tier == 0 ? it->second == 0 : (it->second & 1) == 0)) break;
          ++depth;
        }
        truth[(query * kWorkers + worker) * 2 + tier] = depth;
      }
    }
    versions.push_back(std::move(truth));
  }

  bool with_orphans_;
  std::map<Prompt, int> held_[kWorkers];
};

class Writer {
 public:
  explicit Writer(PrefixIndex& index) : index_(index) {
    for (std::size_t i = 0; i < kWorkers; ++i) REQUIRE(add(i).value == i);
    noise_ = index.add_worker("noise").value();
  }

  bool apply(const Operation& one) {
    const WorkerId worker{static_cast<std::uint32_t>(one.worker)};
    switch (one.kind) {
      case Operation::kStore: {
        std::vector<std::uint64_t> labels;
        std::vector<std::uint64_t> contents;
        for (std::size_t block = one.first; block < one.last; ++block) {
          labels.push_back(label(one.prompt.substr(0, block + 1)));
          contents.push_back(static_cast<std::uint64_t>(one.prompt[block]));
        }
        BlockStored stored{worker, kSpace, std::nullopt, labels, contents, one.tier};
        if (one.first != 0) stored.parent = label(one.prompt.substr(0, one.first));
        return index_.apply(stored).ok();
      }
      case Operation::kRemove: {
        std::vector<std::uint64_t> labels;
        for (std::size_t block = one.last; block-- > one.first;)
          labels.push_back(label(one.prompt.substr(0, block + 1)));
        return index_.apply(BlockRemoved{worker, labels, one.tier}).ok();
      }
      case Operation::kClear:
        return index_.apply(AllBlocksCleared{worker}).ok();
      case Operation::kRestart:
        if (!index_.remove_worker(worker).ok()) return false;
        index_.sweep(20);
        return add(one.worker) == worker;
      case Operation::kRestartAll: {
        bool all = true;
        for (std::uint32_t i = 0; i < kWorkers; ++i) all &= index_.remove_worker({i}).ok();
        all &= index_.remove_worker(noise_).ok();  // nobody is left
        for (std::uint32_t i = 0; i < kWorkers; ++i) all &= add(i).value == i;
        noise_ = index_.add_worker("noise").value();
        return all;
      }
      case Operation::kNoise: {
        std::vector<std::uint64_t> labels(1 + random_() % 300);
        for (std::uint64_t& one_label : labels) one_label = random_();
        const std::uint64_t space = random_() % 2 == 0 ? kSpace : kOtherSpace;
        return index_.apply(BlockStored{noise_, space, std::nullopt, labels, labels, KvTier::kDevice}).ok();
      }
      case Operation::kNoiseGone:
        return index_.apply(AllBlocksCleared{noise_}).ok();
    }
    return false;
  }

 private:
  WorkerId add(std::size_t worker) {
    return index_.add_worker(std::string(1, static_cast<char>('0' + worker))).value();
  }

  PrefixIndex& index_;
  WorkerId noise_;
  std::mt19937_64 random_{7};
};

/// What the writer is at: versions before `done` are past, those after `started` have not begun.
struct Progress {
  alignas(64) std::atomic<std::size_t> done = 0;
  alignas(64) std::atomic<std::size_t> started = 0;
  alignas(64) std::atomic<bool> over = false;
};

struct Counts {
  std::size_t wrong = 0;
  std::size_t lookups = 0;
  std::size_t overtaken = 0;  // by a version at least
  std::string first;
};

void read(const PrefixIndex& index, const History& history, const Progress& progress, std::uint64_t seed,
          Counts& counts) {
  std::mt19937_64 random(seed);
  std::vector<PrefixQuery> queries;
  for (const Prompt& prompt : history.prompts) {
    PrefixQuery query(kSpace, 16, 0);
    std::vector<std::uint64_t> contents;
    for (const char block : prompt) contents.push_back(static_cast<std::uint64_t>(block));
    (void)query.extend_contents(contents);
    queries.push_back(query);
  }
  const std::vector<WorkerId> ids = {{3}, {0}, {8}, {1}, {7}, {2}, {5}, {4}, {6}};
  constexpr std::size_t kWidth = kWorkers + 1;
  std::vector<std::uint32_t> depths(kWidth * 4);
  while (!progress.over || counts.lookups < 100) {
    const std::size_t query = random() % queries.size();
    const std::uint64_t form = random() % 5;
    const std::size_t from = progress.done;
    std::size_t to = from;
    const auto check = [&](std::size_t asked, std::size_t worker, std::size_t tier, std::uint32_t depth) {
      if (history.ever(from, to, asked, worker, tier, depth)) return;
      if (counts.wrong++ < 10) {
        counts.first += "\nform " + std::to_string(form) + " query " + history.prompts[asked] + " worker " +
                        std::to_string(worker) + " tier " + std::to_string(tier) + " got " + std::to_string(depth) +
                        " in versions " + std::to_string(from) + ".." + std::to_string(to) + ":";
        for (std::size_t version = from; version <= to; ++version)
          counts.first += " " + std::to_string(history.versions[version][(asked * kWorkers + worker) * 2 + tier]);
        for (const Operation& one : history.operations) {
          if (one.after <= from || one.before >= to) continue;
          counts.first += "\n  op " + std::to_string(one.kind) + " worker " + std::to_string(one.worker) + " " +
                          one.prompt + " " + std::to_string(one.first) + ".." + std::to_string(one.last) + " tier " +
                          std::to_string(static_cast<int>(one.tier)) + " v " + std::to_string(one.before) + ".." +
                          std::to_string(one.after);
        }
      }
    };
    switch (form) {
      case 0:
        index.find_by_worker(queries[query], {}, std::span(depths).first(kWidth));
        to = progress.started;
        for (std::size_t worker = 0; worker < kWorkers; ++worker) check(query, worker, 0, depths[worker]);
        break;
      case 1:
        index.find(queries[query], ids, std::span(depths).first(kWorkers));
        to = progress.started;
        for (std::size_t i = 0; i < kWorkers; ++i) check(query, ids[i].value, 0, depths[i]);
        break;
      case 2: {
        const std::size_t other = random() % queries.size();
        const PrefixQuery* const both[] = {&queries[query], &queries[other]};
        index.find_batch(both, {}, std::span(depths).first(2 * kWidth));
        to = progress.started;
        for (std::size_t worker = 0; worker < kWorkers; ++worker) {
          check(query, worker, 0, depths[worker]);
          check(other, worker, 0, depths[kWidth + worker]);
        }
        break;
      }
      case 3:
        index.find_tiers(queries[query], {}, depths);
        to = progress.started;
        for (std::size_t worker = 0; worker < kWorkers; ++worker) {
          check(query, worker, 1, depths[worker]);
          check(query, worker, 0, depths[3 * kWidth + worker]);
        }
        break;
      default: {
        const std::uint32_t loads[kWorkers] = {3, 2, 5, 4, 3, 2, 5, 4, 1};
        const Pick pick = index.find_best(queries[query], {}, loads);
        to = progress.started;
        // Nobody is in use for a moment of kRestartAll.
        if (pick.worker.valid()) check(query, pick.worker.value, 0, pick.depth);
      }
    }
    ++counts.lookups;
    counts.overtaken += to != from;
  }
}

}  // namespace

TEST_CASE("P11 what readers get beside a writer was true during their call", "[prefix][threads]") {
  const std::uint64_t seed = GENERATE(1, 2, 3, 4, 5, 6);
  const bool shared = seed % 2 == 0;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr std::size_t kOperations = 2'000;
#else
  constexpr std::size_t kOperations = 12'000;
#endif
  constexpr std::size_t kReaders = 2;
  const History history(seed, kOperations, seed > 4);
  PrefixIndex index = PrefixIndex::create({.max_workers = 16, .shared_engine_hashes = shared}).value();
  const std::uint64_t base = index.stats().approximate_bytes;
  Writer writer(index);
  Progress progress;
  Counts counts[kReaders];
  std::vector<std::thread> readers;
  for (std::size_t i = 0; i < kReaders; ++i)
    readers.emplace_back([&, i] { read(index, history, progress, seed * 10 + i, counts[i]); });
  bool applied = true;
  for (const Operation& one : history.operations) {
    progress.started = one.after;
    applied &= writer.apply(one);
    progress.done = one.after;
    if (one.after % 16 == 0) std::this_thread::yield();
  }
  progress.over = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(applied);
  for (const Counts& one : counts) {
    INFO(one.first);
    CAPTURE(one.lookups, one.overtaken);
    CHECK(one.wrong == 0);
  }
  // With nobody about, all is exact, and all memory goes.
  for (std::size_t query = 0; query < history.prompts.size(); ++query) {
    PrefixQuery prepared(kSpace, 16, 0);
    std::vector<std::uint64_t> contents(history.prompts[query].begin(), history.prompts[query].end());
    REQUIRE(prepared.extend_contents(contents).ok());
    std::vector<std::uint32_t> depths(kWorkers + 1);
    index.find_by_worker(prepared, {}, depths);
    const std::size_t last = history.versions.size() - 1;
    for (std::size_t worker = 0; worker < kWorkers; ++worker)
      CHECK(history.ever(last, last, query, worker, 0, depths[worker]));
  }
  for (std::uint32_t worker = 0; worker <= kWorkers; ++worker) REQUIRE(index.remove_worker({worker}).ok());
  CHECK(index.stats().unique_blocks == 0);
  CHECK(index.stats().approximate_bytes < base + 1024);
}

TEST_CASE("P11 a run that grows and is cut does not disturb who holds its beginning", "[prefix][threads]") {
  const std::size_t more = GENERATE(16u, 256u);
  constexpr std::uint32_t kHeld = 40;
  PrefixIndex index = PrefixIndex::create({}).value();
  const WorkerId a = index.add_worker("a").value();
  const WorkerId b = index.add_worker("b").value();
  std::vector<std::uint64_t> hashes(kHeld + more);
  for (std::size_t i = 0; i < hashes.size(); ++i) hashes[i] = mix64(i + 1);
  const std::span<const std::uint64_t> all = hashes;
  for (const WorkerId worker : {a, b}) {
    const BlockStored stored{worker, kSpace, std::nullopt, all.first(kHeld), all.first(kHeld), KvTier::kDevice};
    REQUIRE(index.apply(stored).ok());
  }
  const BlockStored grows{b, kSpace, hashes[kHeld - 1], all.subspan(kHeld), all.subspan(kHeld), KvTier::kDevice};
  const BlockRemoved is_cut{b, all.subspan(kHeld), KvTier::kDevice};
  PrefixQuery query(kSpace, 16, 0);
  REQUIRE(query.extend_contents(all.first(kHeld)).ok());
  std::atomic<bool> over = false;
  std::size_t lookups = 0;
  std::size_t wrong = 0;
  std::thread reader([&] {
    std::vector<std::uint32_t> depths(2);
    while (!over || lookups < 1000) {
      index.find_by_worker(query, {}, depths);
      ++lookups;
      wrong += depths[0] != kHeld || depths[1] != kHeld;
    }
  });
  bool applied = true;
  for (int i = 0; i < 4000; ++i) {
    applied &= index.apply(grows).ok();
    applied &= index.apply(is_cut).ok();
    if (i % 16 == 0) std::this_thread::yield();
  }
  over = true;
  reader.join();
  CHECK(applied);
  CAPTURE(lookups);
  CHECK(wrong == 0);
}
