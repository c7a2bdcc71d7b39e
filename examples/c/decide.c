/* examples/c/decide.c - one routing decision: three endpoints, two columns of signals, one request. */
#include <kthena/kthena.h>
#include <stdio.h>

int main(void) {
  const uint64_t ids[] = {0, 5, 10, 15};
  const double waiting[] = {5, 0, 0}, kv_usage[] = {0.4, 0.9, 0.2};
  kthena_pool* pool = NULL;
  kthena_policy* policy = NULL;
  kthena_workspace* workspace = kthena_workspace_create(); /* one per thread */
  kthena_request request = KTHENA_INIT(kthena_request);
  kthena_decision decision = KTHENA_INIT(kthena_decision);
  kthena_error error = KTHENA_INIT(kthena_error);

  request.id = KTHENA_STR("request-1");
  request.seed = 1;
  int failed = kthena_pool_create("pod-apod-bpod-c", ids, 3, NULL, NULL, NULL, &pool, &error) ||
               kthena_pool_set_signal(pool, KTHENA_SIGNAL_WAITING, waiting, 3, NULL, 0, &error) ||
               kthena_pool_set_signal(pool, KTHENA_SIGNAL_KV_USAGE, kv_usage, 3, NULL, 0, &error) ||
               kthena_policy_create_preset(KTHENA_STR("kthena-helm"), &policy, &error) ||
               kthena_decide(policy, pool, &request, workspace, &decision, &error);
  if (failed) {
    fprintf(stderr, "%s\n", error.message);
  } else if (decision.outcome == KTHENA_ROUTED) {
    kthena_str id = kthena_pool_id(pool, decision.endpoint);
    printf("%.*s: %s\n", (int)id.size, id.data, kthena_reason_text(decision.reason).data);
  }
  kthena_workspace_free(workspace);
  kthena_policy_free(policy);
  kthena_pool_free(pool);
  return failed;
}
