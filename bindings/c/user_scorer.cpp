// bindings/c/user_scorer.cpp
#include "user_scorer.hpp"

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "calls.hpp"
#include "kthena/manifest/route.hpp"
#include "kthena/route/user_scorer.hpp"

using namespace kthena;
using c::guarded;

struct kthena_score_input {
  const route::ScoreInput& input;
  c::Asked asked;
};

namespace {

thread_local c::Asked asking;

/// Frees the caller's context once the policy is made.
class Context {
 public:
  explicit Context(const kthena_scorer& scorer) noexcept : scorer_(scorer) {}
  ~Context() {
    if (owned_ && scorer_.free_context != nullptr) scorer_.free_context(scorer_.context);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  void own() noexcept { owned_ = true; }

  Status score(const route::ScoreInput& input, std::span<double> out) const {
    const kthena_score_input given{input, asking};
    kthena_error error;
    error.struct_size = sizeof(error);
    error.code = KTHENA_OK;
    error.message_size = 0;
    error.message[0] = '\0';
    const kthena_status status = scorer_.score(scorer_.context, &given, out.data(), out.size(), &error);
    if (status == KTHENA_OK) return {};
    const void* end = std::memchr(error.message, 0, sizeof(error.message));
    const std::size_t size = end == nullptr ? sizeof(error.message)
                                            : static_cast<std::size_t>(static_cast<const char*>(end) - error.message);
    const bool known = status > KTHENA_OK && status <= KTHENA_UNAUTHENTICATED;
    return {known ? static_cast<StatusCode>(status) : StatusCode::kUnknown, std::string(error.message, size)};
  }

 private:
  kthena_scorer scorer_;
  bool owned_ = false;
};

kthena_status read_scorer(const kthena_scorer* given, const std::string& path, kthena_scorer& scorer,
                          kthena_error* error) {
  if (kthena_status status = c::read_struct(given, path, scorer, error); status != KTHENA_OK) return status;
  if (kthena_status status = c::check(scorer.name, path + ".name", error); status != KTHENA_OK) return status;
  if (scorer.reserved != 0) return c::refuse(error, path + ".reserved", "must be 0");
  return scorer.score == nullptr ? c::refuse_null(error, path + ".score") : KTHENA_OK;
}

}  // namespace

c::Asking::Asking(Asked asked) noexcept : before_(std::exchange(asking, asked)) {}
c::Asking::~Asking() { asking = before_; }

kthena_status kthena_policy_create_with(kthena_str json, const kthena_scorer* const* scorers, size_t n,
                                        kthena_policy** policy, kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (policy == nullptr) return c::refuse_null(error, "policy");
    if (kthena_status status = c::check(json, "json", error); status != KTHENA_OK) return status;
    if (kthena_status status = c::check_array(scorers, n, "scorers", error); status != KTHENA_OK) return status;
    std::vector<std::shared_ptr<Context>> contexts;
    std::vector<route::UserScorer> users;
    for (std::size_t i = 0; i < n; ++i) {
      kthena_scorer scorer;
      if (kthena_status status = read_scorer(scorers[i], "scorers[" + std::to_string(i) + "]", scorer, error);
          status != KTHENA_OK)
        return status;
      contexts.push_back(std::make_shared<Context>(scorer));
      users.push_back({std::string(c::view(scorer.name)),
                       [context = contexts.back()](const route::ScoreInput& input, std::span<double> out) {
                         return context->score(input, out);
                       }});
    }
    const Result<route::PolicySpec> spec = manifest::parse_policy(c::view(json), users);
    if (!spec.ok()) return c::fail(error, spec.status());
    Result<route::Policy> made = route::Policy::create(*spec, users);
    if (!made.ok()) return c::fail(error, made.status());
    *policy = new kthena_policy{std::move(*made), n > 0};
    for (const std::shared_ptr<Context>& context : contexts) context->own();
    return KTHENA_OK;
  });
}

uint64_t kthena_workspace_abstentions(const kthena_workspace* workspace) {
  return workspace == nullptr ? 0 : workspace->workspace.user_abstentions();
}

const double* kthena_score_input_column(const kthena_score_input* input, int32_t signal) {
  if (input == nullptr || signal < 0 || signal >= KTHENA_SIGNAL_COUNT) return nullptr;
  return input->input.column(static_cast<route::Signal>(signal)).data();
}

const uint64_t* kthena_score_input_keys(const kthena_score_input* input) {
  return input == nullptr ? nullptr : input->input.keys().data();
}

const uint32_t* kthena_score_input_prefix_depths(const kthena_score_input* input, uint32_t* total) {
  if (input == nullptr) return nullptr;
  if (total != nullptr) *total = input->input.prefix_total();
  return input->input.prefix_depths().data();
}

const uint32_t* kthena_score_input_history_depths(const kthena_score_input* input, uint32_t* total) {
  if (input == nullptr) return nullptr;
  if (total != nullptr) *total = input->input.history_total();
  return input->input.history_depths().data();
}

void kthena_score_input_endpoints(const kthena_score_input* input, uint32_t* endpoints) {
  if (input == nullptr || endpoints == nullptr) return;
  for (std::size_t i = 0; i < input->input.size(); ++i) {
    const EndpointIndex endpoint = input->input.endpoint(i);
    endpoints[i] = input->asked.fleet == nullptr ? input->asked.pool->for_caller(endpoint)
                                                 : input->asked.fleet->fleet.worker(endpoint).value;
  }
}

kthena_status kthena_score_input_request(const kthena_score_input* input, kthena_request* request,
                                         kthena_error* error) {
  return guarded(error, [&]() -> kthena_status {
    if (input == nullptr) return c::refuse_null(error, "input");
    if (kthena_status status = c::check_struct(request, "request", error); status != KTHENA_OK) return status;
    const route::Request& asked = input->input.request();
    kthena_request whole = {};
    whole.prompt_tokens = asked.prompt_tokens;
    whole.id = c::borrow(asked.id);
    whole.model = c::borrow(asked.model);
    whole.prefix_total = asked.prefix.total_blocks;
    whole.history_total = asked.history.total_blocks;
    whole.sequence = asked.sequence;
    whole.now_ns = asked.now_ns;
    whole.seed = asked.seed;
    whole.output_tokens = asked.output_tokens;
    whole.prefix_block_tokens = asked.prefix.block_tokens;
    whole.history_block_tokens = asked.history.block_tokens;
    whole.session = c::borrow(asked.session);
    for (std::size_t level = 0; level < KTHENA_PLACE_LEVELS; ++level)
      whole.near_to[level] = c::borrow(asked.near[level]);
    whole.slo_ttft_s = asked.slo_ttft_s;
    whole.slo_tpot_s = asked.slo_tpot_s;
    c::write_struct(request, whole);
    return KTHENA_OK;
  });
}
