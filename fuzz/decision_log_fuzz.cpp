// Any bytes as a decision log: refused with a byte, cut, or decisions that can be decided again and written again.
//
// The checks of records are put right first, or no input would get far.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <vector>

#include "kthena/manifest/decision_log.hpp"
#include "kthena/route.hpp"
#include "route/decision_log_format.hpp"

using namespace kthena;
using namespace kthena::route;

namespace {

using Bytes = std::vector<std::byte>;

void require(bool held) {
  if (!held) std::abort();
}

void mend(Bytes& log) {
  std::uint32_t check = 0;
  std::size_t at = 0;
  while (at < log.size()) {
    if (log[at] == static_cast<std::byte>(detail::kLogMagic[0])) {
      check = 0;
      at += detail::kLogHead;
      continue;
    }
    std::size_t size = 0;
    std::size_t end = at + 1;
    for (unsigned shift = 0; shift <= 28; shift += 7) {
      if (end >= log.size()) return;
      const auto next = static_cast<std::uint8_t>(log[end++]);
      size |= std::size_t{next & 0x7Fu} << shift;
      if (next < 0x80) break;
    }
    if (log.size() - end < size || log.size() - end - size < detail::kCheckBytes) return;
    end += size;
    check = detail::log_check(std::span(log).subspan(at, end - at), check);
    for (std::size_t i = 0; i < detail::kCheckBytes; ++i) log[end + i] = static_cast<std::byte>(check >> 8 * i);
    at = end + detail::kCheckBytes;
  }
}

/// Reads `log` to its end; `again` becomes what a writer makes of it.
void read(const Bytes& log, Bytes* again) {
  static const Policy policies[] = {
      Policy::create(preset("kthena-helm").value()).value(), Policy::create(preset("preble").value()).value(),
      Policy::create(preset("dynamo-kv").value()).value(), Policy::create(preset("aibrix-prefix").value()).value()};
  DecisionLogReader reader;
  DecisionLogWriter writer;
  Workspace workspace;
  std::size_t at = 0;
  while (at < log.size()) {
    // Memory of exactly that size, so that a read beyond it is seen.
    const Bytes rest(log.begin() + static_cast<std::ptrdiff_t>(at), log.end());
    const auto step = reader.next(rest);
    if (!step.ok()) {
      require(step.status().code() == StatusCode::kInvalidArgument && step.status().message().starts_with("byte "));
      return;
    }
    if (step->record == LogRecord::kCut) return;
    require(step->size > 0 && step->size <= rest.size());
    at += step->size;
    if (step->record == LogRecord::kHead) writer.restart();
    if (step->record != LogRecord::kDecision) continue;
    writer.set_policy(reader.policy());
    if (again != nullptr)
      require(writer.append(reader.view(), reader.ids(), reader.request(), reader.decision(), *again).ok());
    for (const Policy& policy : policies) {
      const Decision decision = policy.decide(reader.view(), reader.request(), workspace);
      require(decision.endpoint.valid() == (decision.outcome == Outcome::kRouted));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto* const begin = reinterpret_cast<const std::byte*>(data);
  Bytes log(begin, begin + size);
  read(log, nullptr);
  mend(log);
  Bytes again;
  read(log, &again);
  Bytes once_more;
  read(again, &once_more);
  require(again == once_more);
  const auto report = manifest::diff_document(log, R"({"policy": "least-request+kv", "limit": 3})");
  require(report.ok() || report.status().message().starts_with("log: byte "));
  return 0;
}
