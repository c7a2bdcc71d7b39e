// A second simulator, too simple to be wrong and far too slow to use: every token is a number, a block is named by all tokens before
// its end, every sequence is visited in every step. It shares no code with the library but Workload (which it takes apart) and
// EngineModel. Routing is round robin.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <tuple>
#include <vector>

#include "kthena/base/engine_model.hpp"
#include "kthena/sim/workload.hpp"

namespace reference {

using Tokens = std::vector<long>;

struct Row {
  std::int64_t arrival = -1;
  std::int64_t first = -1;
  std::int64_t end = -1;
  unsigned engine = 0;
  unsigned hit = 0;
  friend bool operator==(const Row&, const Row&) = default;
};

struct Request {
  std::size_t row = 0;
  Tokens tokens;  // prompt, then answer as it comes
  std::size_t prompt = 0;
  std::size_t answer = 0;  // tokens wanted
  std::size_t computed = 0;
  std::vector<int> blocks;
  bool prefilling = true;
  bool admitted_before = false;
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
  std::size_t peak = 0;

  std::int64_t schedule() {
    busy = true;
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
    while (!preempted && !waiting.empty() && budget > 0 && running.size() < model_.max_running) {
      Request* r = waiting.front();
      std::vector<int> found;
      while ((found.size() + 1) * size_ <= r->tokens.size() - 1) {
        const auto hit = cached_.find(name(*r, found.size() + 1));
        if (hit == cached_.end()) break;
        found.push_back(hit->second);
      }
      const std::size_t cached = found.size() * size_;
      const std::size_t n = std::min(budget, r->tokens.size() - cached);
      const auto idle = static_cast<std::size_t>(std::count_if(
          found.begin(), found.end(), [&](int b) { return references_[static_cast<std::size_t>(b)] == 0; }));
      if (ceil_blocks(cached + n) - found.size() + idle > free_.size()) break;
      waiting.pop_front();
      running.push_back(r);
      for (const int b : found) {
        if (references_[static_cast<std::size_t>(b)]++ == 0) free_.erase(std::find(free_.begin(), free_.end(), b));
      }
      r->blocks = found;
      r->computed = cached;
      if (!r->admitted_before) (*rows)[r->row].hit = static_cast<unsigned>(cached);
      r->admitted_before = true;
      ++admissions;
      hits += cached;
      if (n < r->tokens.size() - cached) ++chunks;
      allocate(*r, n);
      budget -= n;
    }
    peak = std::max(peak, references_.size() - free_.size());

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
      if (r->tokens.size() == r->prompt && (*rows)[r->row].first < 0) (*rows)[r->row].first = now;
      // Answer tokens are unlike any other.
      r->tokens.push_back(-static_cast<long>(r->row * 100'000 + r->tokens.size()) - 1);
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
      if (old) cached_.erase(*old);
      old.reset();
      references_[static_cast<std::size_t>(b)] = 1;
      r.blocks.push_back(b);
    }
    for (std::size_t i = r.computed / size_; i < (r.computed + n) / size_; ++i) {
      const Tokens key = name(r, i + 1);
      if (cached_.emplace(key, r.blocks[i]).second) names_[static_cast<std::size_t>(r.blocks[i])] = key;
    }
    r.scheduled = n;
  }
  void release(Request& r) {
    for (auto it = r.blocks.rbegin(); it != r.blocks.rend(); ++it)
      if (--references_[static_cast<std::size_t>(*it)] == 0) free_.push_back(*it);
    r.blocks.clear();
  }

  kthena::EngineModel model_;
  std::size_t size_;
  std::vector<int> references_;
  std::vector<std::optional<Tokens>> names_;
  std::deque<int> free_;
  std::map<Tokens, int> cached_;
};

struct Fleet {
  std::vector<Engine> engines;
  std::vector<Row> rows;
};

/// Token number: segment and place in it.
inline Tokens prompt_of(const kthena::sim::Workload& workload, std::size_t i) {
  Tokens tokens;
  for (std::size_t s = workload.segment_offsets[i]; s < workload.segment_offsets[i + 1]; ++s)
    for (std::uint32_t t = 0; t < workload.segment_tokens[s]; ++t)
      tokens.push_back(static_cast<long>(workload.segment_ids[s]) * 100'000 + static_cast<long>(t));
  return tokens;
}

inline Fleet run(const kthena::sim::Workload& workload, const kthena::EngineModel& model, unsigned replicas,
                 unsigned concurrency, unsigned runs, std::int64_t gap) {
  const std::size_t n = workload.size();
  Fleet fleet;
  fleet.rows.resize(n * runs);
  for (unsigned e = 0; e < replicas; ++e) fleet.engines.emplace_back(model).rows = &fleet.rows;
  std::vector<Request> requests(n * runs);

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
  std::int64_t started = 0;
  step = [&](unsigned e) {
    later(now + fleet.engines[e].schedule(), [&, e] {
      const std::vector<Request*> ended = fleet.engines[e].finish_step(now);
      for (std::size_t k = 0; k < ended.size(); ++k)
        later(now, [&] {
          if (++answered < n) {
            send();
          } else if (++run < runs) {
            later(now + gap, start_run);
          }
        });
      if (!fleet.engines[e].running.empty() || !fleet.engines[e].waiting.empty()) step(e);
    });
  };
  send = [&] {
    while (sent < arrived && (concurrency == 0 || sent - answered < concurrency)) {
      const std::size_t row = run * n + sent;
      Request& r = requests[row];
      r.row = row;
      r.tokens = prompt_of(workload, sent);
      r.prompt = r.tokens.size();
      r.answer = workload.output_tokens[sent];
      const auto e = static_cast<unsigned>(row % replicas);
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
  later(0, start_run);
  while (!queue.empty()) {
    const Event event = queue.top();
    queue.pop();
    now = event.at;
    event.act();
  }
  return fleet;
}

}  // namespace reference
