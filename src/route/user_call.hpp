// src/route/user_call.hpp
//
// UserCall: a UserScorer as a Scorer. Nothing is thrown out of it; what became of it is left in the Workspace.
#pragma once

#include <algorithm>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "kthena/route/user_scorer.hpp"

namespace kthena::route {

class UserCall {
 public:
  static constexpr std::string_view kName = "user";
  UserCall(const UserScorer& scorer, Workspace& workspace) noexcept : scorer_(scorer), workspace_(workspace) {}

  void score(const ScoreContext& context, std::span<double> out) const noexcept {
    workspace_.failure_ = Status();
    std::fill(out.begin(), out.end(), kMissing);
    try {
      const Status status = scorer_.score(ScoreInput(context), out);
      if (!status.ok()) fail(status.code(), status.message());
    } catch (const std::bad_alloc&) {
      fail(StatusCode::kResourceExhausted, "out of memory");
    } catch (const std::exception& exception) {
      fail(StatusCode::kUnknown, exception.what());
    } catch (...) {
      fail(StatusCode::kUnknown, "an exception of unknown type");
    }
    if (failed()) return;
    for (const double opinion : out) workspace_.user_abstentions_ += opinion - opinion == 0 ? 0 : 1;
  }
  /// Of the last score().
  [[nodiscard]] bool failed() const noexcept { return !workspace_.failure_.ok(); }

 private:
  /// Where memory is short, without the message.
  void fail(StatusCode code, std::string_view message) const noexcept {
    try {
      std::string text = "scorer \"" + std::string(kUserPrefix) + scorer_.name + "\"";
      if (!message.empty()) text.append(": ").append(message);
      workspace_.failure_ = Status(code, std::move(text));
    } catch (...) {
      workspace_.failure_ = Status(code, std::string());
    }
  }

  const UserScorer& scorer_;
  Workspace& workspace_;
};

}  // namespace kthena::route
