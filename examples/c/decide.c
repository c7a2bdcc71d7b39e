/* Two endpoints, one request, one decision with its reason. */
#include <kthena/kthena.h>
#include <stdio.h>

int main(void) {
  const uint64_t ids[] = {0, 5, 10};
  const double running[] = {7, 2}, in_flight[] = {9, 2};
  kthena_pool* pool = NULL;
  kthena_policy* policy = NULL;
  kthena_workspace* workspace = kthena_workspace_create(); /* one per thread */
  kthena_error error = KTHENA_INIT(kthena_error);
  kthena_request request = KTHENA_INIT(kthena_request);
  kthena_decision decision = KTHENA_INIT(kthena_decision);
  request.id = KTHENA_STR("request-1");
  request.model = KTHENA_STR("llama");
  request.seed = 42;
  int failed = kthena_pool_create("pod-apod-b", ids, 2, NULL, NULL, NULL, &pool, &error) ||
               kthena_pool_set_signal(pool, KTHENA_SIGNAL_RUNNING, running, 2, NULL, 0, &error) ||
               kthena_pool_set_signal(pool, KTHENA_SIGNAL_IN_FLIGHT, in_flight, 2, NULL, 0, &error) ||
               kthena_policy_create_preset(KTHENA_STR("kthena-default"), &policy, &error) ||
               kthena_decide(policy, pool, &request, workspace, &decision, &error);
  if (failed)
    puts(error.message);
  else
    printf("%s: %s\n", kthena_pool_id(pool, decision.endpoint).data, kthena_reason_text(decision.reason).data);
  kthena_workspace_free(workspace);
  kthena_policy_free(policy);
  kthena_pool_free(pool);
  return failed;
}
