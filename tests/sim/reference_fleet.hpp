// A second simulator, too simple to be wrong and far too slow to use: every token is a number, a block is named by all tokens before
// its end, every sequence is visited in every step. Its router has scores of its own over metrics that it reads itself, and remembers
// prompts as tokens. It shares no code with the library but Workload (which it takes apart), EngineModel, and the hashes
// that break ties and share requests out to routers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "kthena/base/engine_model.hpp"
#include "kthena/base/random.hpp"
#include "kthena/route/request.hpp"
#include "kthena/sim/workload.hpp"

namespace reference {

using Tokens = std::vector<long>;

struct Row {
  std::int64_t arrival = -1;
  std::int64_t admitted = -1;
  std::int64_t first = -1;
  std::int64_t end = -1;
  unsigned engine = 0;
  unsigned router = 0;
  unsigned hit = 0;
  friend bool operator==(const Row&, const Row&) = default;
};

struct Request {
  std::size_t row = 0;
  std::size_t asked = 0;  // its number in the workload
  Tokens tokens;          // prompt, then answer as it comes
  std::size_t prompt = 0;
  std::size_t answer = 0;  // tokens wanted
  std::size_t computed = 0;
  long adapter = -1;
  std::vector<int> blocks;
  bool prefilling = true;
  bool admitted_before = false;
  std::int64_t token_at = 0;  // when it was sent, then when its last token came
  std::size_t scheduled = 0;  // tokens of this step
};

class Engine {
 public:
  explicit Engine(const kthena::EngineModel& model) : model_(model), size_(model.block_tokens) {
    const auto count = static_cast<int>(model.kv_capacity_tokens / model.block_tokens);
    references_.assign(static_cast<std::size_t>(count), 0);
    names_.resize(static_cast<std::size_t>(count));
    for (int b = 0; b < count; ++b) free_.push_back(b);
  }

  std::deque<Request*> waiting;
  std::vector<Request*> running;
  bool busy = false;
  std::vector<Row>* rows = nullptr;
  std::uint64_t steps = 0, preemptions = 0, admissions = 0, computed = 0, hits = 0, lost = 0, chunks = 0;
  std::uint64_t adapter_loads = 0, passed = 0;
  std::size_t peak = 0;
  std::vector<std::int64_t> ttft, tpot;  // ns, one per token

  std::int64_t schedule(std::int64_t now) {
    busy = true;
    std::uint64_t loads = 0;
    std::size_t budget = model_.max_batched_tokens;
    bool preempted = false;
    for (Request* r : running) r->scheduled = 0;
    for (std::size_t i = 0; i < running.size() && budget > 0; ++i) {
      Request* r = running[i];
      const std::size_t n = std::min(budget, r->tokens.size() - r->computed);
      const std::size_t need = ceil_blocks(r->computed + n) - r->blocks.size();
      bool gone = false;
      while (need > free_.size() && !gone) {
        Request* victim = running.back();
        running.pop_back();
        gone = victim == r;
        lost += victim->computed;
        victim->computed = 0;
        victim->prefilling = true;
        victim->scheduled = 0;
        release(*victim);
        waiting.push_front(victim);
        ++preemptions;
        preempted = true;
      }
      if (gone) break;
      allocate(*r, n);
      budget -= n;
    }
    for (std::size_t at = 0; !preempted && at < waiting.size() && budget > 0 && running.size() < model_.max_running;) {
      Request* r = waiting[at];
      std::set<long> batch;
      for (const Request* other : running)
        if (other->adapter >= 0) batch.insert(other->adapter);
      if (r->adapter >= 0 && model_.max_adapters > 0 && batch.count(r->adapter) == 0 &&
          batch.size() == model_.max_adapters) {
        ++at;
        ++passed;
        continue;
      }
      std::vector<int> found;
      while ((found.size() + 1) * size_ <= r->tokens.size() - 1) {
        const auto hit = cached_.find(name(*r, found.size() + 1));
        if (hit == cached_.end()) break;
        found.push_back(hit->second.front());
      }
      const std::size_t cached = found.size() * size_;
      const std::size_t n = std::min(budget, r->tokens.size() - cached);
      const auto idle = static_cast<std::size_t>(std::count_if(
          found.begin(), found.end(), [&](int b) { return references_[static_cast<std::size_t>(b)] == 0; }));
      if (ceil_blocks(r->tokens.size()) - found.size() + idle > free_.size()) break;
      waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(at));
      running.push_back(r);
      if (r->adapter >= 0 && used_.count(r->adapter) == 0) {
        ++loads;
        if (model_.max_adapters > 0 && used_.size() == model_.max_adapters) {
          std::vector<std::pair<std::uint64_t, long>> idle_adapters;  // last step, number
          for (const auto& [adapter, step] : used_)
            if (batch.count(adapter) == 0) idle_adapters.emplace_back(step, adapter);
          used_.erase(std::min_element(idle_adapters.begin(), idle_adapters.end())->second);
        }
        used_[r->adapter] = steps;
      }
      for (const int b : found) {
        if (references_[static_cast<std::size_t>(b)]++ == 0) free_.erase(std::find(free_.begin(), free_.end(), b));
      }
      r->blocks = found;
      r->computed = cached;
      if (!r->admitted_before) (*rows)[r->row].hit = static_cast<unsigned>(cached);
      if (!r->admitted_before) (*rows)[r->row].admitted = now;
      r->admitted_before = true;
      ++admissions;
      hits += cached;
      if (n < r->tokens.size() - cached) ++chunks;
      allocate(*r, n);
      budget -= n;
    }
    peak = std::max(peak, references_.size() - free_.size());

    for (const Request* r : running)
      if (r->adapter >= 0) used_[r->adapter] = steps;
    adapter_loads += loads;

    double tokens = 0, pairs = 0, context = 0, sequences = 0;
    for (const Request* r : running) {
      if (r->scheduled == 0) continue;
      const auto c = static_cast<double>(r->scheduled);
      const auto k = static_cast<double>(r->computed);
      tokens += c;
      sequences += 1;
      if (r->prefilling) {
        pairs += c * (2 * k + c);
      } else {
        context += k + 1;
      }
    }
    double t = model_.t0_s + std::max(model_.t_mem_s, model_.c_token_s * tokens);
    t += model_.c_prefill_s * (pairs * 0.5);
    t += model_.c_context_s * context;
    t += model_.c_sequence_s * sequences;
    t += model_.adapter_load_s * static_cast<double>(loads);
    return static_cast<std::int64_t>(t * 1e9 + 0.5);
  }

  std::vector<Request*> finish_step(std::int64_t now) {
    busy = false;
    ++steps;
    std::vector<Request*> ended;
    for (Request* r : running) {
      r->computed += r->scheduled;
      computed += r->scheduled;
      if (r->scheduled == 0 || r->computed < r->tokens.size()) continue;
      r->prefilling = false;
      (r->tokens.size() == r->prompt ? ttft : tpot).push_back(now - r->token_at);
      r->token_at = now;
      if (r->tokens.size() == r->prompt && (*rows)[r->row].first < 0) (*rows)[r->row].first = now;
      // Answer tokens are unlike any other; asked again in a later run, the answer is the same.
      r->tokens.push_back(-static_cast<long>(r->asked * 100'000 + r->tokens.size()) - 1);
      if (r->tokens.size() == r->prompt + r->answer) ended.push_back(r);
    }
    for (Request* r : ended) {
      release(*r);
      running.erase(std::find(running.begin(), running.end(), r));
      (*rows)[r->row].end = now;
    }
    return ended;
  }

  [[nodiscard]] std::size_t referenced() const { return references_.size() - free_.size(); }
  [[nodiscard]] std::size_t blocks() const { return references_.size(); }

 private:
  [[nodiscard]] std::size_t ceil_blocks(std::size_t tokens) const { return (tokens + size_ - 1) / size_; }
  [[nodiscard]] Tokens name(const Request& r, std::size_t blocks) const {
    return {r.tokens.begin(), r.tokens.begin() + static_cast<std::ptrdiff_t>(blocks * size_)};
  }
  void allocate(Request& r, std::size_t n) {
    while (r.blocks.size() < ceil_blocks(r.computed + n)) {
      const int b = free_.front();
      free_.pop_front();
      auto& old = names_[static_cast<std::size_t>(b)];
      if (old) {
        std::vector<int>& copies = cached_[*old];
        copies.erase(std::find(copies.begin(), copies.end(), b));
        if (copies.empty()) cached_.erase(*old);
      }
      old.reset();
      references_[static_cast<std::size_t>(b)] = 1;
      r.blocks.push_back(b);
    }
    for (std::size_t i = r.computed / size_; i < (r.computed + n) / size_; ++i) {
      names_[static_cast<std::size_t>(r.blocks[i])] = name(r, i + 1);
      cached_[name(r, i + 1)].push_back(r.blocks[i]);
    }
    r.scheduled = n;
  }
  void release(Request& r) {
    for (auto it = r.blocks.rbegin(); it != r.blocks.rend(); ++it) {
      if (--references_[static_cast<std::size_t>(*it)] > 0) continue;
      if (names_[static_cast<std::size_t>(*it)]) {
        free_.push_back(*it);
      } else {
        free_.push_front(*it);
      }
    }
    r.blocks.clear();
  }

  kthena::EngineModel model_;
  std::size_t size_;
  std::vector<int> references_;
  std::vector<std::optional<Tokens>> names_;
  std::deque<int> free_;
  std::map<Tokens, std::vector<int>> cached_;  // oldest copy first
  std::map<long, std::uint64_t> used_;         // adapters that are loaded, with the last step they ran in
};

/// What a router reads of one engine; means in seconds.
struct Metrics {
  double running = 0, waiting = 0, kv_usage = 0, ttft = 0, tpot = 0;
  double in_flight = 0;  // not read: its own count
  friend bool operator==(const Metrics&, const Metrics&) = default;
};

struct Poll {
  std::int64_t at = 0;
  std::vector<Metrics> engines;
};

struct Fleet {
  std::vector<Engine> engines;
  std::vector<Row> rows;
  std::vector<std::vector<Poll>> polls;  // of each router
};

enum class Routing { kRoundRobin, kLeastRequest, kGpuUsage, kLeastLatency, kLeastRequestPrefix };

struct Setup {
  const kthena::sim::Workload& workload;
  const kthena::EngineModel& model;
  unsigned replicas = 1;
  unsigned concurrency = 0;
  unsigned runs = 1;
  std::int64_t poll_interval = 0;
  Routing routing = Routing::kRoundRobin;
  std::uint64_t seed = 1;
  std::vector<kthena::EngineModel> models{};  // of each engine; none: all have `model`
  unsigned routers = 1;
};

/// Kthena's plugins of 2025-09, as its Go code reads.
class Router {
 public:
  Router(Routing routing, unsigned replicas, std::uint64_t seed)
      : metrics(replicas), routing_(routing), seed_(seed), told_(replicas) {}

  std::vector<Metrics> metrics;
  std::uint64_t given = 0;  // requests

  [[nodiscard]] unsigned choose(std::uint64_t row, const Tokens& prompt) const {
    const auto replicas = static_cast<unsigned>(metrics.size());
    if (routing_ == Routing::kRoundRobin) return static_cast<unsigned>(row % replicas);
    std::vector<long> score(replicas);
    for (unsigned e = 0; e < replicas; ++e) {
      if (routing_ == Routing::kGpuUsage) score[e] = static_cast<long>((1 - metrics[e].kv_usage) * 100);
      if (routing_ == Routing::kLeastLatency) score[e] = latency_score(metrics[e]);
      if (routing_ == Routing::kLeastRequest) score[e] = load_score(metrics[e]);
      if (routing_ == Routing::kLeastRequestPrefix) score[e] = load_score(metrics[e]) + history_score(e, prompt);
    }
    kthena::route::Request asked;
    asked.sequence = row;
    asked.seed = seed_;
    const auto tie = [&](unsigned e) {
      return kthena::route::tie_order(kthena::route::request_key(asked),
                                      kthena::hash_id("engine-000" + std::to_string(e)));
    };
    unsigned best = 0;
    for (unsigned e = 1; e < replicas; ++e)
      if (score[e] > score[best] || (score[e] == score[best] && tie(e) < tie(best))) best = e;
    return best;
  }

  /// An answer is complete: its engine now counts as one that knows the prompt.
  void answered(unsigned engine, const Tokens& prompt) {
    for (const Tokens& prefix : prefixes(prompt)) told_[engine].insert(prefix);
  }

 private:
  [[nodiscard]] long load_score(const Metrics& mine) const {
    double most = 0;
    for (const Metrics& m : metrics) most = std::max(most, m.running + 100 * m.waiting);
    if (most == 0) return 100;
    return static_cast<long>((most - (mine.running + 100 * mine.waiting)) / most * 100);
  }

  [[nodiscard]] long latency_score(const Metrics& mine) const {
    if (mine.ttft == 0 || mine.tpot == 0) return 50;
    double ttft[2] = {1e300, 0};
    double tpot[2] = {1e300, 0};
    for (const Metrics& m : metrics) {
      if (m.ttft == 0 || m.tpot == 0) continue;
      ttft[0] = std::min(ttft[0], m.ttft);
      ttft[1] = std::max(ttft[1], m.ttft);
      tpot[0] = std::min(tpot[0], m.tpot);
      tpot[1] = std::max(tpot[1], m.tpot);
    }
    const double first = ttft[0] == ttft[1] ? 100 : 100 * (ttft[1] - mine.ttft) / (ttft[1] - ttft[0]);
    const double token = tpot[0] == tpot[1] ? 100 : 100 * (tpot[1] - mine.tpot) / (tpot[1] - tpot[0]);
    return static_cast<long>(0.5 * first + 0.5 * token);
  }

  [[nodiscard]] long history_score(unsigned engine, const Tokens& prompt) const {
    const std::vector<Tokens> all = prefixes(prompt);
    std::size_t depth = 0;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (told_[engine].count(all[i]) != 0) depth = i + 1;
    return static_cast<long>(static_cast<double>(depth) / static_cast<double>(all.size()) * 100);
  }

  /// After each 16 tokens and at the end of the prompt, but of 2,048 tokens at most.
  [[nodiscard]] static std::vector<Tokens> prefixes(const Tokens& prompt) {
    std::vector<Tokens> out;
    const std::size_t seen = std::min<std::size_t>(prompt.size(), 2048);
    for (std::size_t at = 0; at < seen; at += 16)
      out.emplace_back(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(std::min(seen, at + 16)));
    return out;
  }

  Routing routing_;
  std::uint64_t seed_;
  std::vector<std::set<Tokens>> told_;
};

inline long adapter_of(const kthena::sim::Workload& workload, std::size_t i) {
  if (workload.adapter_ids.empty() || workload.adapter_ids[i] == kthena::sim::kNoAdapter) return -1;
  return static_cast<long>(workload.adapter_ids[i]);
}

/// Token number: segment, place in it, and who the prompt is for.
inline Tokens prompt_of(const kthena::sim::Workload& workload, std::size_t i) {
  Tokens tokens;
  for (std::size_t s = workload.segment_offsets[i]; s < workload.segment_offsets[i + 1]; ++s)
    for (std::uint32_t t = 0; t < workload.segment_tokens[s]; ++t)
      tokens.push_back(static_cast<long>(workload.segment_ids[s]) * 100'000 + static_cast<long>(t) +
                       (adapter_of(workload, i) + 1) * 10'000'000'000);
  return tokens;
}

inline Fleet run(const Setup& setup) {
  const auto replicas = setup.models.empty() ? setup.replicas : static_cast<unsigned>(setup.models.size());
  const kthena::sim::Workload& workload = setup.workload;
  const std::size_t n = workload.size();
  Fleet fleet;
  fleet.rows.resize(n * setup.runs);
  for (unsigned e = 0; e < replicas; ++e)
    fleet.engines.emplace_back(setup.models.empty() ? setup.model : setup.models[e]).rows = &fleet.rows;
  std::vector<Request> requests(n * setup.runs);
  std::vector<Router> routers;
  for (unsigned r = 0; r < setup.routers; ++r)
    routers.emplace_back(setup.routing, replicas, r == 0 ? setup.seed : kthena::combine64(setup.seed, r));
  fleet.polls.resize(setup.routers);
  struct Read {
    std::size_t ttft = 0, tpot = 0;
  };
  std::vector<std::vector<Read>> read(setup.routers, std::vector<Read>(replicas));

  struct Event {
    std::int64_t at;
    std::uint64_t order;
    std::function<void()> act;
    bool operator<(const Event& other) const { return std::tie(other.at, other.order) < std::tie(at, order); }
  };
  std::priority_queue<Event> queue;
  std::uint64_t order = 0;
  std::int64_t now = 0;
  const auto later = [&](std::int64_t at, std::function<void()> act) { queue.push({at, order++, std::move(act)}); };

  std::size_t run = 0, arrived = 0, sent = 0, answered = 0;
  std::function<void(unsigned)> step;
  std::function<void()> send, arrive, start_run;
  std::function<void(unsigned)> poll;
  std::int64_t started = 0;
  bool over = false;
  step = [&](unsigned e) {
    later(now + fleet.engines[e].schedule(now), [&, e] {
      const std::vector<Request*> ended = fleet.engines[e].finish_step(now);
      for (std::size_t k = 0; k < ended.size(); ++k)
        later(now, [&, e, row = ended[k]->row] {
          Router& router = routers[fleet.rows[row].router];
          router.metrics[e].in_flight -= 1;
          router.answered(e, prompt_of(workload, row % n));
          if (++answered < n) {
            send();
          } else if (++run < setup.runs) {
            later(now + setup.poll_interval, start_run);
          } else {
            over = true;
          }
        });
      if (!fleet.engines[e].running.empty() || !fleet.engines[e].waiting.empty()) step(e);
    });
  };
  send = [&] {
    while (sent < arrived && (setup.concurrency == 0 || sent - answered < setup.concurrency)) {
      const std::size_t row = run * n + sent;
      Request& r = requests[row];
      r.row = row;
      r.asked = sent;
      r.tokens = prompt_of(workload, sent);
      r.prompt = r.tokens.size();
      r.answer = workload.output_tokens[sent];
      r.token_at = now;
      r.adapter = adapter_of(workload, sent);
      const auto chosen =
          setup.routers == 1 ? 0 : kthena::scale_to(kthena::random_u64(setup.seed, 4, row), setup.routers);
      Router& router = routers[chosen];
      fleet.rows[row].router = static_cast<unsigned>(chosen);
      const unsigned e = router.choose(router.given++, r.tokens);
      router.metrics[e].in_flight += 1;
      fleet.rows[row].arrival = now;
      fleet.rows[row].engine = e;
      fleet.engines[e].waiting.push_back(&r);
      ++sent;
      if (!fleet.engines[e].busy) step(e);
    }
  };
  arrive = [&] {
    if (++arrived < n) later(started + workload.arrival_ns[arrived], arrive);
    send();
  };
  start_run = [&] {
    arrived = sent = answered = 0;
    started = now;
    later(now + workload.arrival_ns[0], arrive);
  };
  poll = [&](unsigned r) {
    Router& router = routers[r];
    const auto mean_s = [](const std::vector<std::int64_t>& samples, std::size_t& from) {
      std::int64_t sum = 0;
      const std::size_t count = samples.size() - from;
      for (; from < samples.size(); ++from) sum += samples[from];
      return count == 0 ? 0 : static_cast<double>(sum) / 1e9 / static_cast<double>(count);
    };
    for (unsigned e = 0; e < replicas; ++e) {
      Engine& engine = fleet.engines[e];
      Metrics& seen = router.metrics[e];
      seen.running = static_cast<double>(engine.running.size());
      seen.waiting = static_cast<double>(engine.waiting.size());
      seen.kv_usage = static_cast<double>(engine.referenced()) / static_cast<double>(engine.blocks());
      seen.ttft = mean_s(engine.ttft, read[r][e].ttft);
      seen.tpot = mean_s(engine.tpot, read[r][e].tpot);
    }
    fleet.polls[r].push_back({now, router.metrics});
    later(now + setup.poll_interval, [&, r] { poll(r); });
  };
  for (unsigned r = 0; r < setup.routers; ++r) later(setup.poll_interval * r / setup.routers, [&, r] { poll(r); });
  later(0, start_run);
  while (!over) {
    const Event event = queue.top();
    queue.pop();
    now = event.at;
    event.act();
  }
  return fleet;
}

}  // namespace reference
