/* tests/c/c99_program.c - what a C99 program sees of the interface: it compiles without a warning and every part of it works. */
#include "c99_program.h"

#include <string.h>

#include "kthena/kthena.h"

#define EXPECT(condition)                \
  do {                                   \
    if (!(condition)) return #condition; \
  } while (0)

static const kthena_request no_request = KTHENA_INIT(kthena_request);

static const char* pool_and_decision(void) {
  const char bytes[] = "pod-bpod-a";
  const uint64_t offsets[] = {0, 5, 10};
  const char models[] = "llama";
  const uint64_t model_offsets[] = {0, 5};
  const uint64_t endpoint_models[] = {0, 0, 1};
  const double usage[] = {0.75, 0.25};
  const uint32_t depths[] = {8, 0};
  kthena_pool* pool = NULL;
  kthena_policy* policy = NULL;
  kthena_workspace* workspace = kthena_workspace_create();
  kthena_request request = KTHENA_INIT(kthena_request);
  kthena_decision decision = KTHENA_INIT(kthena_decision);
  kthena_error error = KTHENA_INIT(kthena_error);
  char text[4096];
  size_t size = 0;

  kthena_pool_endpoints endpoints = KTHENA_INIT(kthena_pool_endpoints);

  EXPECT(no_request.struct_size == sizeof(kthena_request) && no_request.seed == 0);
  endpoints.n = 2;
  endpoints.id_bytes = bytes;
  endpoints.id_offsets = offsets;
  EXPECT(kthena_pool_create_from(&endpoints, &pool, &error) == KTHENA_OK && kthena_pool_size(pool) == 2);
  kthena_pool_free(pool);
  EXPECT(kthena_signal_name(KTHENA_SIGNAL_READY_AT_S).size == 10);
  EXPECT(kthena_pool_create(bytes, offsets, 2, models, model_offsets, endpoint_models, &pool, &error) == KTHENA_OK);
  EXPECT(kthena_pool_set_signal(pool, KTHENA_SIGNAL_KV_USAGE, usage, 2, NULL, 5, &error) == KTHENA_OK);
  EXPECT(kthena_policy_create_json(
             KTHENA_STR("{\"scorers\": [\"gpu-usage\", {\"name\": \"prefix-cache\", \"weight\": 2}]}"), &policy,
             &error) == KTHENA_OK);
  request.id = KTHENA_STR("request-1");
  request.model = KTHENA_STR("llama");
  request.prefix_depths = depths;
  request.depth_count = 2;
  request.prefix_total = 8;
  request.near_to[KTHENA_PLACE_ZONE] = KTHENA_STR("z1");
  EXPECT(kthena_decide(policy, pool, &request, workspace, &decision, &error) == KTHENA_OK);
  EXPECT(decision.outcome == KTHENA_ROUTED && decision.endpoint == 0 && decision.reason == KTHENA_REASON_BEST_SCORE);
  EXPECT(decision.ranked_count == 2 && decision.ranked[1] == 1 && decision.ranked[2] == KTHENA_NONE);
  EXPECT(kthena_pool_id(pool, decision.endpoint).size == 5);
  EXPECT(memcmp(kthena_pool_id(pool, decision.endpoint).data, "pod-b", 5) == 0);
  EXPECT(kthena_explain_json(policy, pool, &request, text, sizeof text, &size, &error) == KTHENA_OK && size > 100);
  EXPECT(kthena_policy_json(policy, text, 4, &size, &error) == KTHENA_OUT_OF_RANGE &&
         error.code == KTHENA_OUT_OF_RANGE && size > 4);
  kthena_workspace_free(workspace);
  kthena_policy_free(policy);
  kthena_pool_free(pool);
  return NULL;
}

static const char* prefix(void) {
  const uint32_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8};
  const uint64_t engine[] = {101, 102};
  uint64_t contents[2];
  uint32_t worker = KTHENA_NONE, depth = 0;
  const uint32_t load = 3;
  kthena_prefix_pick pick = KTHENA_INIT(kthena_prefix_pick);
  kthena_prefix_index_options options = KTHENA_INIT(kthena_prefix_index_options);
  kthena_prefix_stats stats = KTHENA_INIT(kthena_prefix_stats);
  kthena_error error = KTHENA_INIT(kthena_error);
  kthena_prefix_index* index = NULL;
  kthena_prefix_query* query = NULL;
  uint64_t space;

  options.block_tokens = 4;
  options.seed = 9;
  EXPECT(kthena_prefix_index_create(&options, &index, &error) == KTHENA_OK);
  EXPECT(kthena_prefix_add_worker(index, KTHENA_STR("pod-a"), &worker, &error) == KTHENA_OK);
  space = kthena_prefix_namespace_key(KTHENA_STR("llama"), KTHENA_STR(""), KTHENA_STR(""), 4, 9);
  EXPECT(kthena_prefix_hash_blocks(tokens, 8, 4, 9, contents, NULL) == 2);
  EXPECT(kthena_prefix_store(index, worker, space, NULL, engine, contents, NULL, 2, KTHENA_TIER_DEVICE, &error) ==
         KTHENA_OK);
  EXPECT(kthena_prefix_query_create(index, KTHENA_STR("llama"), KTHENA_STR(""), KTHENA_STR(""), &query, &error) ==
         KTHENA_OK);
  EXPECT(kthena_prefix_query_extend_tokens(query, tokens, 8, &error) == KTHENA_OK);
  EXPECT(kthena_prefix_find(index, query, &worker, 1, &depth, &error) == KTHENA_OK && depth == 2);
  EXPECT(kthena_prefix_find_best(index, query, NULL, 0, &load, 1, NULL, &pick, &error) == KTHENA_OK);
  EXPECT(pick.worker == worker && pick.depth == 2 && pick.cost == 3);
  EXPECT(kthena_prefix_get_stats(index, &stats, &error) == KTHENA_OK && stats.memberships == 2);
  kthena_prefix_query_free(query);
  kthena_prefix_index_free(index);
  return NULL;
}

static const char* hashes(void) {
  const uint32_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8};
  kthena_vllm_hash_options vllm = KTHENA_INIT(kthena_vllm_hash_options);
  kthena_sglang_hash_options sglang = KTHENA_INIT(kthena_sglang_hash_options);
  kthena_error error = KTHENA_INIT(kthena_error);
  uint64_t made[2];

  vllm.seed = KTHENA_STR("0");
  vllm.key_form = KTHENA_VLLM_KEYS_PLAIN;
  EXPECT(kthena_hash_vllm(tokens, 8, 4, &vllm, NULL, made, &error) == KTHENA_OK);
  EXPECT(made[0] == UINT64_C(2164874634404590027) && made[1] == UINT64_C(17270480062156288726));
  EXPECT(kthena_hash_sglang(tokens, 4, 4, &sglang, NULL, made, &error) == KTHENA_OK);
  EXPECT((int64_t)made[0] == INT64_C(-3488128144981237669));
  EXPECT(kthena_hash_vllm(tokens, 8, 0, &vllm, NULL, made, &error) == KTHENA_INVALID_ARGUMENT);
  return NULL;
}

const char* kthena_c99_program(void) {
  const char* failed = pool_and_decision();
  if (failed == NULL) failed = prefix();
  return failed != NULL ? failed : hashes();
}
