/* A C99 program against the installed libkthena.so. */
#include <kthena/kthena.h>
#include <stdio.h>
#include <string.h>

static int fail(const char* what, const kthena_error* error) {
  fprintf(stderr, "%s: %s\n", what, error->message);
  return 1;
}

int main(void) {
  static const char ids[] = "pod-apod-b";
  static const uint64_t id_offsets[] = {0, 5, 10};
  static const double running[] = {9, 1}, waiting[] = {5, 0};
  static const char preset[] = "kthena-2025-09/least-request";
  kthena_str name;
  kthena_error error;
  kthena_pool* pool = NULL;
  kthena_policy* policy = NULL;
  kthena_workspace* workspace = NULL;
  kthena_request request;
  kthena_decision decision;

  memset(&error, 0, sizeof error);
  error.struct_size = sizeof error;
  memset(&request, 0, sizeof request);
  request.struct_size = sizeof request;
  request.id.data = "req-1";
  request.id.size = 5;
  request.seed = 1;
  memset(&decision, 0, sizeof decision);
  decision.struct_size = sizeof decision;
  name.data = preset;
  name.size = sizeof preset - 1;

  if (kthena_pool_create(ids, id_offsets, 2, NULL, NULL, NULL, &pool, &error) != KTHENA_OK) return fail("pool", &error);
  if (kthena_pool_set_signal(pool, KTHENA_SIGNAL_RUNNING, running, 2, NULL, 0, &error) != KTHENA_OK)
    return fail("running", &error);
  if (kthena_pool_set_signal(pool, KTHENA_SIGNAL_WAITING, waiting, 2, NULL, 0, &error) != KTHENA_OK)
    return fail("waiting", &error);
  if (kthena_policy_create_preset(name, &policy, &error) != KTHENA_OK) return fail("policy", &error);
  workspace = kthena_workspace_create();
  if (kthena_decide(policy, pool, &request, workspace, &decision, &error) != KTHENA_OK) return fail("decide", &error);
  kthena_workspace_free(workspace);
  kthena_policy_free(policy);
  kthena_pool_free(pool);
  if (decision.outcome != KTHENA_ROUTED || decision.endpoint != 1) return 1;
  puts("pod-b");
  return 0;
}
