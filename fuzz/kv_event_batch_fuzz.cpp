// Any bytes as a stream of KV events: every batch is applied whole or refused, and an index hears nothing of a refused one.
//
// First byte: profile and block size of the index. Then batches, each behind a 16-bit length and a byte for its sequence number.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "kthena/engine.hpp"
#include "kthena/prefix.hpp"

using namespace kthena;
using namespace kthena::engine;

namespace {

void require(bool held) {
  if (!held) std::abort();
}

bool same(const prefix::PrefixIndexStats& a, const prefix::PrefixIndexStats& b) {
  return a.memberships == b.memberships && a.unique_blocks == b.unique_blocks && a.orphan_blocks == b.orphan_blocks &&
         a.unknown_removes == b.unknown_removes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static constexpr const char* kEngines[] = {"vllm", "sglang", "llmd-sim", "vllm-v0"};
  static constexpr std::uint32_t kSizes[] = {1, 2, 4, 16};
  const EngineProfile& profile = *find_profile(kEngines[data[0] % 4]);
  KvReadOptions options;
  options.block_tokens = kSizes[data[0] / 4 % 4];
  options.max_tracked_blocks = 64;
  prefix::PrefixIndex index =
      prefix::PrefixIndex::create({.block_tokens = options.block_tokens, .max_orphan_blocks = 64}).value();
  options.worker = index.add_worker("w").value();
  KvStream stream = KvStream::create(profile, options).value();
  KvReader reader = KvReader::create(profile, options).value();

  std::size_t at = 1;
  while (at + 3 <= size) {
    const std::size_t length = std::min<std::size_t>(data[at] * 256u + data[at + 1], size - at - 3);
    const std::uint8_t number = data[at + 2];
    at += 3;
    // Memory of exactly that size, so that a read beyond it is seen.
    const auto* begin = reinterpret_cast<const std::byte*>(data + at);
    const std::vector<std::byte> payload(begin, begin + length);
    at += length;

    if (const Result<WireBatch> batch = reader.decode(payload); batch.ok()) {
      for (const WireEvent& event : batch->events) {
        require(event.tokens.empty() || event.tokens.size() == event.hashes.size() * event.block_tokens);
        require(event.extras.empty() || event.extras.size() == event.hashes.size());
        require(event.block_tokens <= 65536);
      }
    }
    const prefix::PrefixIndexStats before = index.stats();
    const KvStreamState state = stream.state();
    const std::uint64_t next = stream.next_sequence();
    const Result<KvStep> step = number & 1
                                    ? stream.feed_replay(number / 2 == 127 ? kReplayEnd : number / 2, payload, index)
                                    : stream.feed(number / 2, payload, index);
    if (!step.ok()) {
      require(same(before, index.stats()));
      require(stream.state() == state && stream.next_sequence() == next);
    } else if (!step->applied && !step->cleared) {
      require(same(before, index.stats()));
    }
    require(stream.reader().tracked_blocks() <= 2 * options.max_tracked_blocks);
  }
  stream.replay_failed(index);
  return 0;
}
