// include/kthena/route/decision_log.hpp
//
// Decision log: decisions with all that they hung on, as bytes that another policy can decide again (log_diff.hpp).
//
//   Bytes      docs/decision-log.md: records of a type, a size, a body and a check that covers the records before it too
//   Small      of the pool only what changed since the last decision: 50 to 100 bytes for a decision in a fleet of 64
//   Exact      doubles keep their bits; what is read back decides as it did
//   Rotation   logs may be put one behind the other: each begins with a head, after which everything is said again
//   Left out   names of places: the log has their hashes, as the pool has
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kthena/base/status.hpp"
#include "kthena/route/decision.hpp"
#include "kthena/route/pool.hpp"
#include "kthena/route/request.hpp"

namespace kthena::route {

/// Endpoints of a pool, bytes of a record and bytes of the texts of a request or a policy that a log can hold.
inline constexpr std::size_t kMaxLogEndpoints = 65536;
inline constexpr std::size_t kMaxLogRecord = std::size_t{64} << 20;
inline constexpr std::size_t kMaxLogText = std::size_t{1} << 20;

/// Who decided.
struct LoggedPolicy {
  std::string name{};
  std::uint64_t hash = 0;  ///< manifest::policy_hash(); 0: not known
  std::string document{};  ///< its JSON form; empty: not known
  friend bool operator==(const LoggedPolicy&, const LoggedPolicy&) = default;
};

namespace detail {

/// What records leave out because the one before said it; reader and writer keep the same.
struct LogState {
  bool has_pool = false;
  std::size_t size = 0;
  std::vector<std::uint64_t> keys;
  bool has_models = false;
  bool has_waiting = false;
  std::vector<std::string> model_names;
  std::vector<std::uint32_t> model_offsets;
  std::vector<std::uint32_t> model_ids;
  std::vector<std::uint8_t> model_waiting;
  std::array<std::vector<std::uint64_t>, kPlaceLevels> places;  // empty: nobody says
  std::array<bool, kSignalCount> has_values{};
  std::array<bool, kSignalCount> has_times{};
  std::array<std::vector<double>, kSignalCount> values;  // missing where there is no column
  std::array<std::vector<Time>, kSignalCount> times;     // never where there is none
  std::string model;
  std::uint64_t seed = 0;
  std::uint64_t sequence = 0;
  Time now_ns = 0;
  std::uint32_t check = 0;

  /// No column is reported; room is kept.
  void forget_columns() noexcept;
};

}  // namespace detail

/// Turns decisions into bytes behind those of the caller. One thread. Allocates only while it or `out` grows.
class DecisionLogWriter {
 public:
  DecisionLogWriter() = default;
  explicit DecisionLogWriter(LoggedPolicy policy) : policy_(std::move(policy)) {}

  /// Who decides from the next decision on.
  void set_policy(LoggedPolicy policy);
  [[nodiscard]] const LoggedPolicy& policy() const noexcept { return policy_; }
  /// The next decision begins a log of its own: a head, and everything said again.
  void restart() noexcept;

  /// `ids` are the endpoints of `view`, in its order; the log believes view.keys. kInvalidArgument names what a log cannot hold: a pool,
  /// request or text beyond the limits above, ids that are not ascending, values out of range, what check_request() refuses, a decision about
  /// endpoints that there are not. Then nothing was appended.
  Status append(const PoolView& view, std::span<const std::string> ids, const Request& request,
                const Decision& decision, std::vector<std::byte>& out);
  Status append(const PoolSnapshot& pool, const Request& request, const Decision& decision,
                std::vector<std::byte>& out) {
    return append(pool.view(), pool.ids(), request, decision, out);
  }

 private:
  [[nodiscard]] bool same_pool(const PoolView& view) const noexcept;
  void write_policy(std::vector<std::byte>& out);
  void write_pool(const PoolView& view, std::span<const std::string> ids, std::vector<std::byte>& out);
  /// A record of the first `size` bytes of body_.
  void finish(std::uint8_t type, std::size_t size, std::vector<std::byte>& out);

  detail::LogState state_;
  LoggedPolicy policy_;
  bool begun_ = false;
  bool policy_told_ = false;
  std::vector<std::byte> body_;
  std::vector<std::uint32_t> places_;
};

enum class LogRecord : std::uint8_t {
  kHead,      ///< a log begins
  kPolicy,    ///< policy() is another
  kPool,      ///< ids() and view() are others
  kDecision,  ///< view(), request() and decision() are those of this decision
  kCut,  ///< the bytes end before the record does: nothing was read; at the end of a log it was cut here, or 0 bytes were given
};

/// Reads a log record by record. One thread. Memory: the pool, at most 25 MB, and the texts of one record. Any bytes are safe.
class DecisionLogReader {
 public:
  struct Step {
    LogRecord record = LogRecord::kCut;
    std::size_t size = 0;  ///< bytes read
  };

  /// Reads the record that `bytes` begin with, the next one of the log. `bytes` may end anywhere and are not kept. kInvalidArgument
  /// "byte 17: ..." (counted over all calls) for what no writer writes; the reader is of no use then.
  Result<Step> next(std::span<const std::byte> bytes);

  /// Bytes read by all calls.
  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  [[nodiscard]] const LoggedPolicy& policy() const noexcept { return policy_; }
  /// All below are borrowed from the reader until the next call.
  [[nodiscard]] std::span<const std::string> ids() const noexcept { return ids_; }
  [[nodiscard]] const PoolView& view() const noexcept { return view_; }
  [[nodiscard]] const Request& request() const noexcept { return request_; }
  [[nodiscard]] const Decision& decision() const noexcept { return decision_; }

 private:
  class Cursor;
  [[nodiscard]] Status refuse(std::size_t at, std::string_view why) const;
  void read_policy(Cursor& body);
  void read_pool(Cursor& body);
  void read_decision(Cursor& body);
  void read_columns(Cursor& body);
  void read_request(Cursor& body);
  void read_outcome(Cursor& body);
  void read_match(Cursor& body, std::array<std::vector<std::uint32_t>, 3>& tiers, PrefixMatch& match);
  void bind();

  detail::LogState state_;
  LoggedPolicy policy_;
  bool begun_ = false;
  std::uint64_t offset_ = 0;
  std::vector<std::string> ids_;
  std::vector<std::string_view> model_views_;
  PoolView view_;
  std::string id_;
  std::string session_;
  Place near_;
  std::array<std::vector<std::uint32_t>, 3> prefix_;
  std::array<std::vector<std::uint32_t>, 3> history_;
  Request request_;
  Decision decision_;
};

}  // namespace kthena::route
