/* kthena.h - the C interface of kthena: decisions of an LLM-inference platform as functions from a snapshot.
 *
 * Conventions
 *  1. Handles are opaque and distinct. Every kthena_X_create has one kthena_X_free; freeing NULL is fine.
 *  2. Functions that can fail return a kthena_status; KTHENA_OK is 0, the numbers are gRPC's. An outcome ("no endpoint") is not an error:
 *     it is in the result.
 *  3. The last parameter of a function that can fail is a kthena_error*, owned by the caller, or NULL. It is written on failure only; one
 *     whose struct_size does not reach beyond message_size is left alone. On failure outputs are untouched and nothing has changed.
 *     Memory that runs out is KTHENA_RESOURCE_EXHAUSTED in kthena_decide; elsewhere it is that or the end of the program.
 *  4. A kthena_str {data, size} is borrowed for the call, or, where a function returns one, from the handle it came from. Nothing needs a
 *     terminating zero; what is returned has one all the same and is never NULL. {NULL, 0} is the empty string. {NULL, n} is
 *     KTHENA_INVALID_ARGUMENT, or empty where a function cannot fail.
 *  5. The first member of every options and result struct is struct_size = sizeof(the struct) as the caller knows it; members are only
 *     ever added at the end and no struct ends in padding, so the size tells which members there are. KTHENA_INIT(type) makes a zeroed one.
 *       smaller, up to the end of a member   members beyond it read as 0 (= the default) and are not written
 *       larger, up to 4096                   of a newer caller: input beyond what is known must be 0, output beyond it is left as it was
 *       anything else                        KTHENA_INVALID_ARGUMENT
 *  6. "array of n" means that the caller provides n elements; it may be NULL when n is 0. Lists of strings travel flat: bytes and n + 1
 *     ascending offsets.
 *  7. Text and bytes out: `capacity` bytes at `buffer` are filled and *needed is the size, without a terminating zero. When it does not
 *     fit, nothing is written, *needed is set all the same and the status is KTHENA_OUT_OF_RANGE: ask again with that much.
 *  8. Each function says who may call it when: [any thread], [one thread per handle], [one writer, many readers].
 *  9. Nothing here reads a clock, a file, the environment or a random source: now_ns and seed are parameters.
 * 10. Endpoints are numbered as the caller gave them: position in the arrays of kthena_pool_create. The order never changes a decision.
 */
#ifndef KTHENA_KTHENA_H
#define KTHENA_KTHENA_H

#include <stddef.h>
#include <stdint.h>

#include "kthena/reasons.h"

#if defined(KTHENA_BUILDING) && defined(__GNUC__)
#define KTHENA_API __attribute__((visibility("default")))
#else
#define KTHENA_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version, status, strings -------------------------------------------------------------------------------------------------- */

#define KTHENA_VERSION_MAJOR 0
#define KTHENA_VERSION_MINOR 1
#define KTHENA_VERSION_PATCH 0

/* major << 16 | minor << 8 | patch of the library that is linked. [any thread] */
KTHENA_API uint32_t kthena_version(void);

typedef int32_t kthena_status;
enum {
  KTHENA_OK = 0,
  KTHENA_CANCELLED = 1,
  KTHENA_UNKNOWN = 2,
  KTHENA_INVALID_ARGUMENT = 3,
  KTHENA_DEADLINE_EXCEEDED = 4,
  KTHENA_NOT_FOUND = 5,
  KTHENA_ALREADY_EXISTS = 6,
  KTHENA_PERMISSION_DENIED = 7,
  KTHENA_RESOURCE_EXHAUSTED = 8,
  KTHENA_FAILED_PRECONDITION = 9,
  KTHENA_ABORTED = 10,
  KTHENA_OUT_OF_RANGE = 11,
  KTHENA_UNIMPLEMENTED = 12,
  KTHENA_INTERNAL = 13,
  KTHENA_UNAVAILABLE = 14,
  KTHENA_DATA_LOSS = 15,
  KTHENA_UNAUTHENTICATED = 16
};

/* No endpoint, no worker. */
#define KTHENA_NONE 0xFFFFFFFFu
/* Sample time of a signal that was never sampled, or at a time that is not known. */
#define KTHENA_NEVER INT64_MIN
/* Length of the longest ranked list. */
#define KTHENA_MAX_RANKED 16

/* kthena_request request = KTHENA_INIT(kthena_request); */
#ifdef __cplusplus
#define KTHENA_INIT(type)                                           \
  ([] {                                                             \
    type kthena_value{};                                            \
    kthena_value.struct_size = static_cast<uint32_t>(sizeof(type)); \
    return kthena_value;                                            \
  }())
#else
#define KTHENA_INIT(type) \
  { .struct_size = (uint32_t)sizeof(type) }
#endif

typedef struct kthena_str {
  const char* data;
  size_t size;
} kthena_str;

/* KTHENA_STR("kthena-default"), of a string literal. */
#ifdef __cplusplus
#define KTHENA_STR(literal) (kthena_str{"" literal, sizeof(literal) - 1})
#else
#define KTHENA_STR(literal) ((kthena_str){"" literal, sizeof(literal) - 1})
#endif

typedef struct kthena_error {
  uint32_t struct_size;
  kthena_status code;
  size_t message_size; /* of the whole message; what is beyond the buffer was cut off at a character */
  char message[4072];  /* zero-terminated UTF-8 */
} kthena_error;

/* Of a reason code: its name, a sentence, and what reason_subject, reason_a and reason_b are ("a = score"). Empty for one that is not in
 * the registry. Live for ever. [any thread] */
KTHENA_API kthena_str kthena_reason_name(int32_t reason);
KTHENA_API kthena_str kthena_reason_text(int32_t reason);
KTHENA_API kthena_str kthena_reason_numbers(int32_t reason);

/* ---- hashing and random numbers: the same in every language -------------------------------------------------------------------- */

/* Hash of an id, as used for ties. [any thread] */
KTHENA_API uint64_t kthena_hash_id(kthena_str id);
/* The number at place `counter` of stream `stream` of seed `seed`, uniform over 64 bits. [any thread] */
KTHENA_API uint64_t kthena_random_u64(uint64_t seed, uint64_t stream, uint64_t counter);

/* ---- pool: endpoints and what is known about them ------------------------------------------------------------------------------ */

typedef enum kthena_signal {
  KTHENA_SIGNAL_RUNNING = 0,   /* requests in the engine's batch, as scraped */
  KTHENA_SIGNAL_WAITING = 1,   /* requests in the engine's queue, as scraped */
  KTHENA_SIGNAL_KV_USAGE = 2,  /* share of KV blocks in use, 0..1, as scraped */
  KTHENA_SIGNAL_TTFT_S = 3,    /* mean time to first token since the scrape before, seconds; 0: none finished */
  KTHENA_SIGNAL_TPOT_S = 4,    /* mean time per output token since the scrape before, seconds; 0: none finished */
  KTHENA_SIGNAL_IN_FLIGHT = 5, /* requests this router sent and that have not ended */
  /* the router's own bookings too: of those in flight */
  KTHENA_SIGNAL_PREFILL_REQUESTS = 6, /* without a first token */
  KTHENA_SIGNAL_PREFILL_TOKENS = 7,   /* their prompt tokens */
  KTHENA_SIGNAL_UNCACHED_TOKENS = 8,  /* of these, not in the endpoint's cache when they were sent */
  KTHENA_SIGNAL_OUTPUT_TOKENS = 9,    /* reserved for answers and not produced yet */
  KTHENA_SIGNAL_KV_TOKENS = 10,       /* prompts and answers of all in flight */
  /* what the endpoint can do: facts, or learned */
  KTHENA_SIGNAL_KV_CAPACITY_TOKENS = 11, /* tokens its KV memory holds */
  KTHENA_SIGNAL_PREFILL_TPS = 12,        /* prompt tokens it computes in a second when it does nothing else */
  KTHENA_SIGNAL_DECODE_TPS = 13,         /* answer tokens it makes in a second with a usual batch */
  KTHENA_SIGNAL_MAX_RUNNING = 14,        /* requests its batch holds at most */
  KTHENA_SIGNAL_MAX_ADAPTERS = 15,       /* adapters (LoRA) that may run at once */
  KTHENA_SIGNAL_CONTEXT_MIN_TOKENS = 16, /* shortest and longest request that it is meant for */
  KTHENA_SIGNAL_CONTEXT_MAX_TOKENS = 17,
  /* what the router remembers */
  KTHENA_SIGNAL_HELD_BLOCKS = 18, /* blocks that it holds by the router's prefix index */
  KTHENA_SIGNAL_COLD_TURN = 19,   /* sequence of the last request without a hit that was sent there */
  KTHENA_SIGNAL_READY_AT_S = 20,  /* when it became ready, seconds on the clock of now_ns */
  KTHENA_SIGNAL_COUNT = 21
} kthena_signal;

/* Of a signal: its name in documents, "running". Empty for a number that is none. Live for ever. [any thread] */
KTHENA_API kthena_str kthena_signal_name(int32_t signal);

/* Levels of a place, from near to far: where an endpoint runs, or a peer that a request should be near to. */
enum {
  KTHENA_PLACE_HOST = 0,
  KTHENA_PLACE_RACK = 1,
  KTHENA_PLACE_ZONE = 2,
  KTHENA_PLACE_REGION = 3,
  KTHENA_PLACE_LEVELS = 4
};

typedef struct kthena_pool kthena_pool;

/* A pool of n endpoints. Ids are id_bytes[id_offsets[i] .. id_offsets[i + 1]): unique, not empty. Endpoint i serves the names
 * endpoint_models[i] .. endpoint_models[i + 1] (n + 1 elements, which count names; NULL: nobody says). Name m is
 * model_bytes[model_offsets[m] .. model_offsets[m + 1]), so model_offsets has endpoint_models[n] + 1 elements, which count bytes.
 *   "pod-a" serves "llama" and "sql", "pod-b" serves "qwen":
 *     id_bytes "pod-apod-b"      id_offsets {0, 5, 10}           n 2
 *     model_bytes "llamasqlqwen" model_offsets {0, 5, 8, 12}     endpoint_models {0, 2, 3}
 * No signal is sampled yet. All faults are reported together. [any thread] */
KTHENA_API kthena_status kthena_pool_create(const char* id_bytes, const uint64_t* id_offsets, size_t n,
                                            const char* model_bytes, const uint64_t* model_offsets,
                                            const uint64_t* endpoint_models, kthena_pool** pool, kthena_error* error);
/* All that stays as it is about the endpoints of a pool. Lists of names as in kthena_pool_create. */
typedef struct kthena_pool_endpoints {
  uint32_t struct_size;
  uint32_t reserved; /* 0 */
  size_t n;
  const char* id_bytes;
  const uint64_t* id_offsets;
  const char* model_bytes; /* models and adapters that endpoints serve */
  const uint64_t* model_offsets;
  const uint64_t* endpoint_models; /* NULL: nobody says */
  const char* waiting_bytes;       /* adapters that requests wait for and that are not loaded; none that is served */
  const uint64_t* waiting_offsets;
  const uint64_t* endpoint_waiting; /* NULL: none */
  const char* place_bytes;       /* name p, of level p % KTHENA_PLACE_LEVELS of endpoint p / KTHENA_PLACE_LEVELS, is */
  const uint64_t* place_offsets; /* place_bytes[place_offsets[p] .. place_offsets[p + 1]), empty where not known:
                                       KTHENA_PLACE_LEVELS * n + 1 elements; NULL: nobody says */
} kthena_pool_endpoints;

/* kthena_pool_create with all that can be said about endpoints. [any thread] */
KTHENA_API kthena_status kthena_pool_create_from(const kthena_pool_endpoints* endpoints, kthena_pool** pool,
                                                 kthena_error* error);
/* From its JSON form (docs/schemas/pool.schema.json); endpoints are numbered as in the document. [any thread] */
KTHENA_API kthena_status kthena_pool_create_json(kthena_str json, kthena_pool** pool, kthena_error* error);
KTHENA_API void kthena_pool_free(kthena_pool* pool);
KTHENA_API size_t kthena_pool_size(const kthena_pool* pool); /* [many readers] */
/* Empty when there is no such endpoint. Borrowed from the pool. [many readers] */
KTHENA_API kthena_str kthena_pool_id(const kthena_pool* pool, uint32_t endpoint);
/* KTHENA_NONE when there is no such id. [many readers] */
KTHENA_API uint32_t kthena_pool_find(const kthena_pool* pool, kthena_str id);
/* Replaces one column: `values` array of n (= kthena_pool_size), NaN where not sampled, else finite and in range; `sampled_ns` array of n,
 * or NULL: `all_sampled_ns` for all. Every element at fault is named. [one writer, many readers: not while a decision reads the pool] */
KTHENA_API kthena_status kthena_pool_set_signal(kthena_pool* pool, int32_t signal, const double* values, size_t n,
                                                const int64_t* sampled_ns, int64_t all_sampled_ns, kthena_error* error);
/* Sets one value, or forgets it (NaN): for a signal that changes with every request, as in_flight does. O(1) once any of its column is
 * sampled. KTHENA_NEVER: sampled at a time that is not known. [as kthena_pool_set_signal] */
KTHENA_API kthena_status kthena_pool_set_value(kthena_pool* pool, uint32_t endpoint, int32_t signal, double value,
                                               int64_t sampled_ns, kthena_error* error);
/* Reads one column back; NaN and KTHENA_NEVER where not sampled. `sampled_ns` may be NULL. Both arrays of n. [many readers] */
KTHENA_API kthena_status kthena_pool_get_signal(const kthena_pool* pool, int32_t signal, double* values,
                                                int64_t* sampled_ns, size_t n, kthena_error* error);

/* ---- policy and decision ------------------------------------------------------------------------------------------------------- */

typedef struct kthena_policy kthena_policy;
typedef struct kthena_workspace kthena_workspace;

/* A policy from a preset's name ("kthena-default") or from the JSON form of a policy (docs/schemas/policy.schema.json). [any thread] */
KTHENA_API kthena_status kthena_policy_create_preset(kthena_str name, kthena_policy** policy, kthena_error* error);
KTHENA_API kthena_status kthena_policy_create_json(kthena_str json, kthena_policy** policy, kthena_error* error);
KTHENA_API void kthena_policy_free(kthena_policy* policy);
/* The policy in its full JSON form. [any thread] */
KTHENA_API kthena_status kthena_policy_json(const kthena_policy* policy, char* buffer, size_t capacity, size_t* needed,
                                            kthena_error* error);
/* JSON array of the names of all presets; JSON array of all parts with their options. [any thread] */
KTHENA_API kthena_status kthena_presets_json(char* buffer, size_t capacity, size_t* needed, kthena_error* error);
KTHENA_API kthena_status kthena_parts_json(char* buffer, size_t capacity, size_t* needed, kthena_error* error);

/* Scratch memory of decisions. One per thread; for any pool and policy. NULL when memory is exhausted. */
KTHENA_API kthena_workspace* kthena_workspace_create(void);
KTHENA_API void kthena_workspace_free(kthena_workspace* workspace);

typedef struct kthena_request {
  uint32_t struct_size;
  uint32_t prompt_tokens;
  kthena_str id;                  /* ties and random choices hang on it */
  kthena_str model;               /* model or adapter asked for */
  const uint32_t* prefix_depths;  /* array of n: leading blocks each endpoint holds; NULL: not known */
  const uint32_t* history_depths; /* array of n: by the router's own memory; NULL: not known */
  size_t depth_count;             /* n of these arrays and those below; must be the pool's size where one is given */
  uint32_t prefix_total;          /* full blocks of the prompt, 0..2^31 - 1; depths above it count as it */
  uint32_t history_total;         /* the same for history_depths */
  uint64_t sequence;              /* count of requests so far; round robin follows it */
  int64_t now_ns;
  uint64_t seed;
  uint32_t output_tokens;        /* that the answer is expected or allowed to have; 0: not known */
  uint32_t prefix_block_tokens;  /* tokens per block, 0..65536; 0: prompt_tokens / prefix_total */
  uint32_t history_block_tokens; /* the same of the router's own memory */
  uint32_t reserved;             /* 0 */
  /* arrays of n: leading blocks held in host memory or faster, and on disk or faster, beside the depths above: no less than the faster
   * tier has; NULL: not known */
  const uint32_t* prefix_host_depths;
  const uint32_t* prefix_disk_depths;
  const uint32_t* history_host_depths;
  const uint32_t* history_disk_depths;
  kthena_str session;                      /* what is to be kept together: a conversation, a user; empty: nothing */
  kthena_str near_to[KTHENA_PLACE_LEVELS]; /* names of the place to be near to; empty: not known */
  double slo_ttft_s;                       /* what the client was promised, seconds; 0: nothing */
  double slo_tpot_s;
} kthena_request;

enum {
  KTHENA_ROUTED = 0,
  KTHENA_NO_ENDPOINT = 1,
  KTHENA_SCORER_FAILED = 2 /* in kthena_fleet_decide_batch only: elsewhere it is a status */
};

typedef struct kthena_decision {
  uint32_t struct_size;
  int32_t outcome;         /* KTHENA_ROUTED or KTHENA_NO_ENDPOINT */
  uint32_t endpoint;       /* the chosen one; KTHENA_NONE when not routed */
  int32_t reason;          /* a kthena_reason */
  uint32_t reason_subject; /* what it is about, as its text says */
  uint32_t candidates;     /* endpoints left after the filters */
  double reason_a;         /* the numbers behind the reason */
  double reason_b;
  double score;  /* total of the chosen one */
  double margin; /* score minus that of the runner-up */
  uint32_t ranked_count;
  uint32_t
      ranked[KTHENA_MAX_RANKED]; /* best first: the chosen one, then those to try when it fails; then KTHENA_NONE */
  uint32_t stage;                /* whose parts decided: 0 the policy's own, n its n-th stage of "otherwise" */
} kthena_decision;

/* One decision. Allocates only while the workspace is smaller than the pool. [many readers of pool and policy; one thread per workspace] */
KTHENA_API kthena_status kthena_decide(const kthena_policy* policy, const kthena_pool* pool,
                                       const kthena_request* request, kthena_workspace* workspace,
                                       kthena_decision* decision, kthena_error* error);
/* The same decision taken apart, as JSON (docs/schemas/explanation.schema.json). [many readers] */
KTHENA_API kthena_status kthena_explain_json(const kthena_policy* policy, const kthena_pool* pool,
                                             const kthena_request* request, char* buffer, size_t capacity,
                                             size_t* needed, kthena_error* error);
/* One document in ({"pool", "policy", "request", "explain"}), one decision or explanation out. [any thread] */
KTHENA_API kthena_status kthena_route_decide_json(kthena_str json, char* buffer, size_t capacity, size_t* needed,
                                                  kthena_error* error);

/* ---- scorers of one's own ------------------------------------------------------------------------------------------------------ */

/* What a scorer may see of a decision: candidates, numbered 0..n - 1. It and all that comes from it live for the call of the scorer and are
 * for its thread. */
typedef struct kthena_score_input kthena_score_input;

/* The values of a signal, array of n; NaN where never sampled. NULL for a signal that is not known. */
KTHENA_API const double* kthena_score_input_column(const kthena_score_input* input, int32_t signal);
/* kthena_hash_id of the ids, array of n. */
KTHENA_API const uint64_t* kthena_score_input_keys(const kthena_score_input* input);
/* Leading blocks of the prompt that each holds, array of n, all 0 when it is not known; *total (or NULL) is the blocks of the prompt. By
 * the router's own memory: where there is none, the first. */
KTHENA_API const uint32_t* kthena_score_input_prefix_depths(const kthena_score_input* input, uint32_t* total);
KTHENA_API const uint32_t* kthena_score_input_history_depths(const kthena_score_input* input, uint32_t* total);
/* Writes the endpoint of the pool behind each candidate: array of n. */
KTHENA_API void kthena_score_input_endpoints(const kthena_score_input* input, uint32_t* endpoints);
/* The request, without the arrays of depths. */
KTHENA_API kthena_status kthena_score_input_request(const kthena_score_input* input, kthena_request* request,
                                                    kthena_error* error);

/* A scorer of the caller's own, which a policy names "user:" and its name.
 *
 * `score` writes an opinion for each of n candidates, higher is better, by convention 0..100. NaN or infinity abstains, and so does what it
 * does not write; abstentions are counted. Another status than KTHENA_OK fails the decision with that status and a message that names the
 * scorer and what was written into `error`, which is never NULL. It is called on the thread that decides, at once on several where
 * several decide, must not throw or jump out, and must not use the workspace or free the policy of the decision.
 *
 * From the success of kthena_policy_create_with on the policy owns `context`: free_context (or NULL) is called once, by the thread that
 * frees the policy. When the policy was refused, it is not called. */
typedef struct kthena_scorer {
  uint32_t struct_size;
  uint32_t reserved; /* 0 */
  kthena_str name;   /* not empty, unique */
  void* context;     /* for the functions */
  kthena_status (*score)(void* context, const kthena_score_input* input, double* out, size_t n, kthena_error* error);
  void (*free_context)(void* context);
} kthena_scorer;

/* kthena_policy_create_json with scorers: array of n pointers. Those that the document does not name are not asked. [any thread] */
KTHENA_API kthena_status kthena_policy_create_with(kthena_str json, const kthena_scorer* const* scorers, size_t n,
                                                   kthena_policy** policy, kthena_error* error);
/* Opinions of scorers of the caller's own that were NaN or infinite, in all decisions with this workspace. [one thread per workspace] */
KTHENA_API uint64_t kthena_workspace_abstentions(const kthena_workspace* workspace);

/* ---- decision log and lint: what another policy would have decided, and what of a policy is known to go wrong ------------------ */

/* A hash of all of a policy but its names, the same in every language. 0 for NULL. [any thread] */
KTHENA_API uint64_t kthena_policy_hash(const kthena_policy* policy);

typedef struct kthena_decision_log kthena_decision_log;

/* Collects decisions with all that they hung on as bytes (docs/decision-log.md). `policy` is who decides, and may be freed. [any thread];
 * the log: [one thread per handle] */
KTHENA_API kthena_status kthena_decision_log_create(const kthena_policy* policy, kthena_decision_log** log,
                                                    kthena_error* error);
KTHENA_API void kthena_decision_log_free(kthena_decision_log* log);
/* Who decides from the next decision on. [one thread per handle] */
KTHENA_API kthena_status kthena_decision_log_set_policy(kthena_decision_log* log, const kthena_policy* policy,
                                                        kthena_error* error);
/* The next decision begins a log of its own, for the next file. [one thread per handle] */
KTHENA_API kthena_status kthena_decision_log_restart(kthena_decision_log* log, kthena_error* error);
/* A decision that was made of this pool, as it still is, and this request. Allocates only while something grows. [one thread per handle; many
 * readers of the pool] */
KTHENA_API kthena_status kthena_decision_log_append(kthena_decision_log* log, const kthena_pool* pool,
                                                    const kthena_request* request, const kthena_decision* decision,
                                                    kthena_error* error);
/* The bytes since they were taken last, which are then forgotten: to be put behind those of before. When they do not fit nothing is
 * forgotten. [one thread per handle] */
KTHENA_API kthena_status kthena_decision_log_take(kthena_decision_log* log, char* buffer, size_t capacity,
                                                  size_t* needed, kthena_error* error);

/* What another policy would have decided: {"policy", "limit"} in, a report out (docs/schemas/log_diff.schema.json). A log that is damaged is
 * KTHENA_INVALID_ARGUMENT with the byte; one that is cut is decided again up to the cut. [any thread] */
KTHENA_API kthena_status kthena_log_diff_json(kthena_str log, kthena_str json, char* buffer, size_t capacity,
                                              size_t* needed, kthena_error* error);
/* What of a policy is known to go wrong: {"policy", "fleet"} in, findings out (docs/lint.md, docs/schemas/lint.schema.json). [any thread] */
KTHENA_API kthena_status kthena_lint_json(kthena_str json, char* buffer, size_t capacity, size_t* needed,
                                          kthena_error* error);

/* ---- prefix: who holds how much of this prompt --------------------------------------------------------------------------------- */

typedef struct kthena_prefix_index kthena_prefix_index;
typedef struct kthena_prefix_query kthena_prefix_query;
typedef struct kthena_prefix_events kthena_prefix_events;

typedef struct kthena_prefix_index_options {
  uint32_t struct_size;
  uint32_t block_tokens;         /* 1..65536; 0: 16 */
  uint32_t max_workers;          /* 1..16384; 0: 1024 */
  uint32_t shared_engine_hashes; /* 1: the engines mean the same block by the same hash, so one table serves all */
  uint64_t max_orphan_blocks;    /* blocks that wait for a parent, 1..2^32-1; 0: 65536 */
  uint64_t seed;                 /* secret; random in production */
  uint64_t max_expected_blocks;  /* blocks each worker may be expected to hold, 0..2^32-1; 0: no expectations */
  int64_t expected_ttl_ns;       /* how long an expected block counts; 0: until it is evicted */
  /* 1: a store of a block that is held there already is one more copy, held until as many removals have come (vLLM) */
  uint32_t count_copies;
  uint32_t wide_contents; /* 1: contents have 128 bits; stores and queries need content_uppers */
} kthena_prefix_index_options;

typedef struct kthena_prefix_stats {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t workers;
  uint64_t memberships;   /* (worker, block) pairs held whose place is known */
  uint64_t unique_blocks; /* distinct blocks that some worker holds */
  uint64_t orphan_blocks; /* waiting for a parent */
  uint64_t orphans_dropped;
  uint64_t unknown_removes;
  uint64_t rehashed_blocks; /* ever: an engine hash stored again under another parent or content */
  uint64_t approximate_bytes;
  uint64_t runs;              /* stretches of blocks that the tree is made of */
  uint64_t unswept_blocks;    /* of removed workers, still in memory */
  uint64_t sweeps;            /* ever: removed workers that the sweep was done with */
  uint64_t unresolved_stores; /* ever: blocks stored without contents whose hash means nothing here */
  uint64_t expected_blocks;   /* (worker, block) pairs that are only expected; among the memberships */
  uint64_t promoted_blocks;   /* ever: expected, then stored */
  uint64_t expired_blocks;    /* ever: expected, and gone because of expected_ttl_ns */
  uint64_t evicted_blocks;    /* ever: expected, and gone because of max_expected_blocks */
  uint64_t copied_blocks;     /* copies beyond the first (count_copies) */
} kthena_prefix_stats;

enum { KTHENA_TIER_DEVICE = 0, KTHENA_TIER_HOST = 1, KTHENA_TIER_DISK = 2, KTHENA_TIER_EXTERNAL = 3 };
/* Rows that kthena_prefix_find_tiers fills. */
#define KTHENA_TIER_COUNT 4

/* `options` NULL: defaults. [any thread] The index: one thread at a time calls what says [writer], and beside it any
 * number call what says [reader]: they take no lock, wait for nothing, and each depth that they give was true at
 * some moment of the call. What says [at rest] belongs to the writer's thread, or to any number of threads while
 * nobody writes. */
KTHENA_API kthena_status kthena_prefix_index_create(const kthena_prefix_index_options* options,
                                                    kthena_prefix_index** index, kthena_error* error);
KTHENA_API void kthena_prefix_index_free(kthena_prefix_index* index);
/* The options in force, defaults filled in. [reader] */
KTHENA_API kthena_status kthena_prefix_index_get_options(const kthena_prefix_index* index,
                                                         kthena_prefix_index_options* options, kthena_error* error);
/* A new worker or the one of that name. [writer] */
KTHENA_API kthena_status kthena_prefix_add_worker(kthena_prefix_index* index, kthena_str name, uint32_t* worker,
                                                  kthena_error* error);
/* KTHENA_NONE when no worker has that name. [at rest] */
KTHENA_API uint32_t kthena_prefix_find_worker(const kthena_prefix_index* index, kthena_str name);
/* Empty for a number that is not in use. Borrowed from the index until the worker is removed. [at rest] */
KTHENA_API kthena_str kthena_prefix_worker_name(const kthena_prefix_index* index, uint32_t worker);
/* Drops the worker and all it holds: no answer and no count has it any more, its number may be given out again. Its
 * blocks stay in memory until kthena_prefix_sweep. [writer] */
KTHENA_API kthena_status kthena_prefix_remove_worker(kthena_prefix_index* index, uint32_t worker, kthena_error* error);
/* Frees what removed workers held, looking at max_blocks places of their tables at most. *left: what there is left
 * to do, 0 at the end; may be NULL. [writer] */
KTHENA_API kthena_status kthena_prefix_sweep(kthena_prefix_index* index, uint64_t max_blocks, uint64_t* left,
                                             kthena_error* error);
/* One more than the largest worker in use: with as many elements kthena_prefix_find_by_worker leaves nobody out.
 * [reader] */
KTHENA_API size_t kthena_prefix_worker_limit(const kthena_prefix_index* index);

/* The key of a namespace under a seed: nothing matches across namespaces. Empty adapter: base model; empty tenant:
 * shared; block_tokens 0: 16. [any thread] */
KTHENA_API uint64_t kthena_prefix_namespace_key(kthena_str model, kthena_str adapter, kthena_str tenant,
                                                uint32_t block_tokens, uint64_t seed);
/* Content hashes of the full blocks of n tokens: floor(n / block_tokens) numbers into `hashes`, and the upper halves of
 * contents of 128 bits into `uppers`; either may be NULL. block_tokens 0: 16. Returns how many; 0 when `tokens` or both
 * others are NULL. [any thread] */
KTHENA_API size_t kthena_prefix_hash_blocks(const uint32_t* tokens, size_t n, uint32_t block_tokens, uint64_t seed,
                                            uint64_t* hashes, uint64_t* uppers);
/* Both with the block size and the seed of an index; 0 when it is NULL. [reader] */
KTHENA_API uint64_t kthena_prefix_index_namespace_key(const kthena_prefix_index* index, kthena_str model,
                                                      kthena_str adapter, kthena_str tenant);
KTHENA_API size_t kthena_prefix_index_hash_blocks(const kthena_prefix_index* index, const uint32_t* tokens, size_t n,
                                                  uint64_t* hashes, uint64_t* uppers);

/* `worker` stored n blocks that follow one another; `parent` points to the engine hash of the block before, or is
 * NULL at the start of a prompt. engine_hashes and content_hashes are arrays of n, and so is content_uppers of an
 * index of wide contents, else NULL. content_hashes NULL: a store without contents (offloading). Each engine hash by
 * itself then is a block that the worker holds or that waits, now in this tier too; parent and namespace_key are not
 * looked at, and hashes that mean nothing are counted (unresolved_stores). [writer] */
KTHENA_API kthena_status kthena_prefix_store(kthena_prefix_index* index, uint32_t worker, uint64_t namespace_key,
                                             const uint64_t* parent, const uint64_t* engine_hashes,
                                             const uint64_t* content_hashes, const uint64_t* content_uppers, size_t n,
                                             int32_t tier, kthena_error* error);
/* `worker` dropped n blocks from a tier. Unknown ones are counted and skipped. [writer] */
KTHENA_API kthena_status kthena_prefix_remove(kthena_prefix_index* index, uint32_t worker,
                                              const uint64_t* engine_hashes, size_t n, int32_t tier,
                                              kthena_error* error);
/* `worker` dropped everything. [writer] */
KTHENA_API kthena_status kthena_prefix_clear(kthena_prefix_index* index, uint32_t worker, kthena_error* error);

/* A prepared prompt in the namespace (model, adapter, tenant) of an index, with its block size and seed. [reader];
 * the query: [one thread while it is extended, many readers after]. It does not hold on to the index. */
KTHENA_API kthena_status kthena_prefix_query_create(const kthena_prefix_index* index, kthena_str model,
                                                    kthena_str adapter, kthena_str tenant, kthena_prefix_query** query,
                                                    kthena_error* error);
KTHENA_API void kthena_prefix_query_free(kthena_prefix_query* query);
KTHENA_API kthena_status kthena_prefix_query_extend_tokens(kthena_prefix_query* query, const uint32_t* tokens, size_t n,
                                                           kthena_error* error);
KTHENA_API kthena_status kthena_prefix_query_extend_contents(kthena_prefix_query* query, const uint64_t* content_hashes,
                                                             const uint64_t* content_uppers, size_t n,
                                                             kthena_error* error);
KTHENA_API void kthena_prefix_query_clear(kthena_prefix_query* query);
KTHENA_API size_t kthena_prefix_query_blocks(const kthena_prefix_query* query);

/* The prompt was sent to `worker`, which will soon hold its full blocks: until they are stored, evicted or expired
 * they count as held. The engine's word ends a guess (docs/prefix-index.md). now_ns: a steady clock of the caller's.
 * KTHENA_FAILED_PRECONDITION where max_expected_blocks is 0, KTHENA_INVALID_ARGUMENT for a query under another seed.
 * [writer] */
KTHENA_API kthena_status kthena_prefix_expect(kthena_prefix_index* index, uint32_t worker,
                                              const kthena_prefix_query* query, int64_t now_ns, kthena_error* error);
/* Drops guesses that were expected last expected_ttl_ns or longer ago, max_blocks at most. *expired: how many; less
 * than max_blocks when none is left that is due; may be NULL. [writer] */
KTHENA_API kthena_status kthena_prefix_expire(kthena_prefix_index* index, int64_t now_ns, uint64_t max_blocks,
                                              uint64_t* expired, kthena_error* error);

/* depths[i]: leading blocks that workers[i] holds, in any tier; both arrays of n. KTHENA_NONE gives 0. Workers in
 * the order of a pool's endpoints give the prefix_depths of a request. [reader] */
KTHENA_API kthena_status kthena_prefix_find(const kthena_prefix_index* index, const kthena_prefix_query* query,
                                            const uint32_t* workers, size_t n, uint32_t* depths, kthena_error* error);
/* depths[w] = leading blocks that worker w holds, for w < n: all n are written, workers from n on are left out.
 * `candidates`: bit w % 64 of word w / 64, array of candidate_words, bits beyond it are 0; NULL: all. [reader] */
KTHENA_API kthena_status kthena_prefix_find_by_worker(const kthena_prefix_index* index,
                                                      const kthena_prefix_query* query, const uint64_t* candidates,
                                                      size_t candidate_words, uint32_t* depths, size_t n,
                                                      kthena_error* error);
/* The same for query_count queries, whose waits for memory overlap: depths is a row of n for each, an array of
 * query_count * n. [reader] */
KTHENA_API kthena_status kthena_prefix_find_batch(const kthena_prefix_index* index,
                                                  const kthena_prefix_query* const* queries, size_t query_count,
                                                  const uint64_t* candidates, size_t candidate_words, uint32_t* depths,
                                                  size_t n, kthena_error* error);
/* Depths by tier: depths is a row of n for each, an array of KTHENA_TIER_COUNT * n. Row t: leading blocks held in
 * tier t or a faster one; the last row is what kthena_prefix_find_by_worker says. [reader] */
KTHENA_API kthena_status kthena_prefix_find_tiers(const kthena_prefix_index* index, const kthena_prefix_query* query,
                                                  const uint64_t* candidates, size_t candidate_words, uint32_t* depths,
                                                  size_t n, kthena_error* error);

/* What kthena_prefix_find_best minimises: loads[worker] + block cost * blocks of the query that the worker lacks, in
 * integers. */
typedef struct kthena_prefix_pick_rule {
  uint32_t struct_size;
  /* 0: a block that has to be computed costs 1, in the unit of the loads; 1: it costs block_cost */
  uint32_t has_block_cost;
  uint64_t tie_seed; /* equal costs go to the worker with the smallest mix of this and its number */
  uint32_t block_cost;
  uint32_t reserved; /* 0 */
} kthena_prefix_pick_rule;

typedef struct kthena_prefix_pick {
  uint32_t struct_size;
  uint32_t worker; /* KTHENA_NONE: there is no candidate */
  uint32_t depth;  /* leading blocks of the query that it holds */
  uint32_t reserved;
  uint64_t cost;
} kthena_prefix_pick;

/* The candidate of the least cost. loads[w] belongs to worker w, array of n; workers from n on are no candidates.
 * `rule` NULL: a block costs 1, tie_seed 0. [reader] */
KTHENA_API kthena_status kthena_prefix_find_best(const kthena_prefix_index* index, const kthena_prefix_query* query,
                                                 const uint64_t* candidates, size_t candidate_words,
                                                 const uint32_t* loads, size_t n, const kthena_prefix_pick_rule* rule,
                                                 kthena_prefix_pick* pick, kthena_error* error);

KTHENA_API kthena_status kthena_prefix_get_stats(const kthena_prefix_index* index, kthena_prefix_stats* stats,
                                                 kthena_error* error); /* [at rest] */

/* All of it as bytes, the same on every machine (docs/prefix-index.md), by convention 7. Costs the same whether they
 * fit or not: begin with a large buffer. [at rest] */
KTHENA_API kthena_status kthena_prefix_index_dump(const kthena_prefix_index* index, char* buffer, size_t capacity,
                                                  size_t* needed, kthena_error* error);
/* The index that was dumped. KTHENA_FAILED_PRECONDITION names the option that differs: block_tokens, seed and
 * shared_engine_hashes must be equal, the limits large enough. KTHENA_INVALID_ARGUMENT for bytes that no dump has;
 * any bytes are safe. [any thread] */
KTHENA_API kthena_status kthena_prefix_index_load(kthena_str dump, const kthena_prefix_index_options* options,
                                                  kthena_prefix_index** index, kthena_error* error);

enum { KTHENA_EVENT_STORED = 0, KTHENA_EVENT_REMOVED = 1, KTHENA_EVENT_CLEARED = 2 };

/* One call of kthena_prefix_store, _remove or _clear. Arrays of n, borrowed from the kthena_prefix_events. */
typedef struct kthena_prefix_event {
  uint32_t struct_size;
  int32_t kind; /* KTHENA_EVENT_STORED, ... */
  uint32_t worker;
  int32_t tier;
  uint64_t namespace_key;
  uint64_t parent;
  uint32_t has_parent; /* 0: the first block starts a prompt */
  uint32_t reserved;
  size_t n;
  const uint64_t* engine_hashes;
  const uint64_t* content_hashes; /* NULL: without contents */
  const uint64_t* content_uppers; /* NULL: contents of 64 bits */
} kthena_prefix_event;

/* What a worker holds as events, for another index: replayed in order they give equal depths in every tier and equal
 * orphans. Begins with KTHENA_EVENT_CLEARED. Guesses are left out. [at rest]; the events live on without the index:
 * [many readers] */
KTHENA_API kthena_status kthena_prefix_events_create(const kthena_prefix_index* index, uint32_t worker,
                                                     kthena_prefix_events** events, kthena_error* error);
KTHENA_API void kthena_prefix_events_free(kthena_prefix_events* events);
KTHENA_API size_t kthena_prefix_events_count(const kthena_prefix_events* events);
/* KTHENA_OUT_OF_RANGE from kthena_prefix_events_count on. */
KTHENA_API kthena_status kthena_prefix_events_get(const kthena_prefix_events* events, size_t position,
                                                  kthena_prefix_event* event, kthena_error* error);

/* ---- fleet: what one router keeps, and decisions that are booked as they are made ---------------------------------------------- */

/* docs/fleet.md. An endpoint's number is given when it is added and stays until it is removed, then it may be given again. It is also the
 * number of its worker in the fleet's index. */
typedef struct kthena_fleet kthena_fleet;

enum {
  KTHENA_ESTIMATE_DEFAULT = 0,
  KTHENA_ESTIMATE_OWN = 1,
  KTHENA_ESTIMATE_SAMPLE = 2,
  KTHENA_ESTIMATE_SAMPLE_PLUS_LATER = 3,
  KTHENA_ESTIMATE_MAXIMUM = 4
};

typedef struct kthena_fleet_options {
  uint32_t struct_size;
  uint32_t max_tickets;                      /* in flight at once, 1..2^24; 0: 2^20 */
  uint32_t max_endpoints;                    /* 1..2^20; 0: 65536 */
  uint32_t max_home_entries;                 /* prefixes whose last endpoint is remembered, 4..2^28; 0: 2^18 */
  uint32_t routers;                          /* that send to these endpoints, this one included, 1..65536; 0: 1 */
  int32_t estimator;                         /* of in_flight, KTHENA_ESTIMATE_...; 0: sample plus later bookings */
  uint32_t fixed_rates;                      /* 1: rates of endpoints are not learned */
  uint32_t reserved;                         /* 0 */
  int64_t idle_limit_ns;                     /* a ticket silent for so long is expired, 1 ms..30 days; 0: 600 s */
  int64_t arrival_ns;                        /* from a booking until the endpoint counts it, 0..1 h */
  const kthena_prefix_index_options* prefix; /* of its index; NULL: defaults */
} kthena_fleet_options;

/* A prompt as token ids, in the namespace of engines that would share its blocks. */
typedef struct kthena_prompt {
  uint32_t struct_size;
  uint32_t reserved;      /* 0 */
  const uint32_t* tokens; /* array of n */
  size_t n;
  kthena_str model;
  kthena_str adapter;
  kthena_str tenant;
} kthena_prompt;

/* A booked request; all zero: none, which is stale everywhere. A value, to be copied. */
typedef struct kthena_ticket {
  uint64_t generation;
  uint32_t slot;
  uint32_t reserved;
} kthena_ticket;

/* What became of a call with a ticket; KTHENA_TICKET_STALE: it is not in flight (any more), counted, nothing else changed. */
enum { KTHENA_TICKET_APPLIED = 0, KTHENA_TICKET_REPEATED = 1, KTHENA_TICKET_STALE = 2 };
enum { KTHENA_END_DONE = 0, KTHENA_END_FAILED = 1 };

/* booked = done + failed + expired + dropped + in_flight. */
typedef struct kthena_fleet_counts {
  uint32_t struct_size;
  uint32_t in_flight;
  uint64_t booked;
  uint64_t done;
  uint64_t failed;
  uint64_t expired;
  uint64_t dropped;       /* with an endpoint that restarted or was removed */
  uint64_t stale;         /* calls with a ticket that was not in flight */
  uint64_t older_samples; /* samples that came too late */
  uint64_t clock_behind;  /* calls whose now_ns was before the latest */
} kthena_fleet_counts;

/* `options` NULL: defaults. [any thread] All below: [one thread per handle], its index and what is borrowed included. */
KTHENA_API kthena_status kthena_fleet_create(const kthena_fleet_options* options, kthena_fleet** fleet,
                                             kthena_error* error);
KTHENA_API void kthena_fleet_free(kthena_fleet* fleet);
/* Adds all or none. numbers: array of endpoints->n, or NULL. What is known of them beside names is told by kthena_fleet_sample. */
KTHENA_API kthena_status kthena_fleet_add_endpoints(kthena_fleet* fleet, const kthena_pool_endpoints* endpoints,
                                                    int64_t now_ns, uint32_t* numbers, kthena_error* error);
/* Its tickets are dropped. */
KTHENA_API kthena_status kthena_fleet_remove_endpoint(kthena_fleet* fleet, uint32_t endpoint, int64_t now_ns,
                                                      kthena_error* error);
/* Its process began anew: tickets, samples, cache and learned rates are gone. */
KTHENA_API kthena_status kthena_fleet_restart_endpoint(kthena_fleet* fleet, uint32_t endpoint, int64_t now_ns,
                                                       kthena_error* error);
/* What it serves, and adapters that requests wait for: names flat, `models` and `waiting` of them. */
KTHENA_API kthena_status kthena_fleet_set_models(kthena_fleet* fleet, uint32_t endpoint, const char* model_bytes,
                                                 const uint64_t* model_offsets, size_t models,
                                                 const char* waiting_bytes, const uint64_t* waiting_offsets,
                                                 size_t waiting, kthena_error* error);
/* What an endpoint said at sampled_ns: both arrays of n, NaN forgets. Not in_flight and the other signals that are made of bookings, and
 * not held_blocks. Running and waiting together are a sample of load. A value older than the one at hand is ignored. */
KTHENA_API kthena_status kthena_fleet_sample(kthena_fleet* fleet, uint32_t endpoint, const int32_t* signals,
                                             const double* values, size_t n, int64_t sampled_ns, int64_t now_ns,
                                             kthena_error* error);
KTHENA_API size_t kthena_fleet_size(const kthena_fleet* fleet);
/* KTHENA_NONE when there is no such id. */
KTHENA_API uint32_t kthena_fleet_find(const kthena_fleet* fleet, kthena_str id);
/* Empty when there is no such endpoint. Borrowed until the next change of membership. */
KTHENA_API kthena_str kthena_fleet_id(const kthena_fleet* fleet, uint32_t endpoint);
/* NaN and KTHENA_NEVER where never sampled. `sampled_ns` may be NULL. */
KTHENA_API kthena_status kthena_fleet_get_signal(const kthena_fleet* fleet, uint32_t endpoint, int32_t signal,
                                                 double* value, int64_t* sampled_ns, kthena_error* error);
/* For KV events; borrowed from the fleet, not to be freed. Workers are added and removed by the fleet alone. NULL for NULL. */
KTHENA_API kthena_prefix_index* kthena_fleet_index(kthena_fleet* fleet);

/* A decision, booked at request->now_ns when it is routed; *ticket is all zero when it is not. `prompt` NULL: nothing is known of it but
 * request->prompt_tokens; with it prompt_tokens 0 becomes its n. Depths of the request must not be given, they are found here;
 * output_tokens 0 becomes the mean of answers so far. KTHENA_RESOURCE_EXHAUSTED: max_tickets are in flight. */
KTHENA_API kthena_status kthena_fleet_decide(kthena_fleet* fleet, const kthena_policy* policy,
                                             const kthena_request* request, const kthena_prompt* prompt,
                                             kthena_workspace* workspace, kthena_decision* decision,
                                             kthena_ticket* ticket, kthena_error* error);
/* n at once, one after the other, each seeing the bookings of those before it. All arrays of n; `prompts` or an element of it may be NULL. All
 * are checked first: what is wrong is named by its place and then none is booked. *decided: how many were decided, fewer than n when max_tickets are
 * in flight, and then only so many decisions and tickets are written. */
KTHENA_API kthena_status kthena_fleet_decide_batch(kthena_fleet* fleet, const kthena_policy* policy,
                                                   const kthena_request* const* requests,
                                                   const kthena_prompt* const* prompts, size_t n,
                                                   kthena_workspace* workspace, kthena_decision* const* decisions,
                                                   kthena_ticket* tickets, size_t* decided, kthena_error* error);
/* Books a request that was sent to `endpoint` whatever a decision said, a failover say. */
KTHENA_API kthena_status kthena_fleet_book(kthena_fleet* fleet, uint32_t endpoint, const kthena_request* request,
                                           const kthena_prompt* prompt, kthena_ticket* ticket, kthena_error* error);

/* Each gives a KTHENA_TICKET_... */
KTHENA_API int32_t kthena_fleet_first_token(kthena_fleet* fleet, kthena_ticket ticket, int64_t now_ns);
/* So many answer tokens since the start. */
KTHENA_API int32_t kthena_fleet_progress(kthena_fleet* fleet, kthena_ticket ticket, int64_t output_tokens,
                                         int64_t now_ns);
/* `end`: KTHENA_END_DONE, else it failed. output_tokens: of the whole answer; negative: not known. */
KTHENA_API int32_t kthena_fleet_finish(kthena_fleet* fleet, kthena_ticket ticket, int32_t end, int64_t output_tokens,
                                       int64_t now_ns);
/* Releases tickets that were silent for idle_limit_ns and expected blocks that are due; gives the number of tickets. */
KTHENA_API uint32_t kthena_fleet_expire(kthena_fleet* fleet, int64_t now_ns);
KTHENA_API kthena_status kthena_fleet_get_counts(const kthena_fleet* fleet, kthena_fleet_counts* counts,
                                                 kthena_error* error);

/* ---- engine: what engines say about themselves --------------------------------------------------------------------------------- */

/* Which engine it is, is the caller's to say: the name of a profile, KTHENA_NOT_FOUND for another. JSON array of all of them with what each
 * publishes. [any thread] */
KTHENA_API kthena_status kthena_engine_profiles_json(char* buffer, size_t capacity, size_t* needed,
                                                     kthena_error* error);

/* Positions in arrays of values. "ever": a counter that grows while the engine runs. */
typedef enum kthena_engine_signal {
  KTHENA_ENGINE_RUNNING = 0,         /* requests in the batch */
  KTHENA_ENGINE_WAITING = 1,         /* requests in the queue */
  KTHENA_ENGINE_KV_USAGE = 2,        /* share of KV blocks in use, 0..1 */
  KTHENA_ENGINE_KV_USED_BLOCKS = 3,  /* KV blocks in use */
  KTHENA_ENGINE_KV_TOTAL_BLOCKS = 4, /* KV blocks there are */
  KTHENA_ENGINE_KV_TOTAL_TOKENS = 5, /* tokens that fit into the KV cache */
  KTHENA_ENGINE_BLOCK_TOKENS = 6,    /* tokens per KV block */
  KTHENA_ENGINE_HIT_RATE = 7,    /* share of prompt tokens that were cached, 0..1, over a time of the engine's choice */
  KTHENA_ENGINE_PREFIX_HITS = 8, /* ever: prompt tokens found in the engine's own cache */
  KTHENA_ENGINE_PREFIX_QUERIES = 9,           /* ever: prompt tokens looked up there */
  KTHENA_ENGINE_EXTERNAL_PREFIX_HITS = 10,    /* ever: prompt tokens fetched from a cache outside the engine */
  KTHENA_ENGINE_EXTERNAL_PREFIX_QUERIES = 11, /* ever: prompt tokens looked up there */
  KTHENA_ENGINE_PROMPT_TOKENS = 12,           /* ever */
  KTHENA_ENGINE_GENERATION_TOKENS = 13,       /* ever */
  KTHENA_ENGINE_PREEMPTIONS = 14,             /* ever: running requests sent back to the queue */
  KTHENA_ENGINE_FINISHED = 15,                /* ever: requests that ended, for whatever reason */
  KTHENA_ENGINE_SIGNAL_COUNT = 16
} kthena_engine_signal;

typedef enum kthena_engine_latency {
  KTHENA_ENGINE_TTFT_S = 0,  /* from arrival to the first token */
  KTHENA_ENGINE_ITL_S = 1,   /* between two output tokens of a request */
  KTHENA_ENGINE_E2E_S = 2,   /* from arrival to the end */
  KTHENA_ENGINE_QUEUE_S = 3, /* from arrival into the batch */
  KTHENA_ENGINE_LATENCY_COUNT = 4
} kthena_engine_latency;

typedef struct kthena_engine_parser kthena_engine_parser;
typedef struct kthena_engine_sample kthena_engine_sample;
typedef struct kthena_engine_interval kthena_engine_interval;

typedef struct kthena_engine_parser_options {
  uint32_t struct_size;
  uint32_t max_ranks; /* data-parallel ranks that are kept apart, 1..65536; 0: 1024 */
  kthena_str model;   /* only series of this served model, and those that name none; empty: all */
  uint64_t max_bytes; /* longest text, 1..2^31; 0: 16 MiB */
} kthena_engine_parser_options;

/* What became of the lines of a text. */
typedef struct kthena_engine_counts {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t lines;        /* without empty ones; the sum of those below but over_limits */
  uint64_t used;         /* samples that the profile names */
  uint64_t other;        /* comments and other metrics */
  uint64_t broken;       /* not in the format */
  uint64_t unusable;     /* values that cannot be: NaN, infinite, negative, too large */
  uint64_t other_models; /* of models that were not asked for */
  uint64_t over_limits;  /* ranks or buckets beyond the limits */
} kthena_engine_counts;

/* A reader of metrics pages (Prometheus' text format) of one kind of engine. `options` NULL: defaults. [any thread]; the parser: [one thread
 * per handle] */
KTHENA_API kthena_status kthena_engine_parser_create(kthena_str profile, const kthena_engine_parser_options* options,
                                                     kthena_engine_parser** parser, kthena_error* error);
KTHENA_API void kthena_engine_parser_free(kthena_engine_parser* parser);

/* What one engine said at one moment; nothing so far. One per engine, two for intervals: parsing overwrites it and uses its memory again.
 * NULL when memory is exhausted. [any thread]; the sample: [one writer, many readers] */
KTHENA_API kthena_engine_sample* kthena_engine_sample_create(void);
KTHENA_API void kthena_engine_sample_free(kthena_engine_sample* sample);

/* Reads a page, scraped at sampled_ns. Broken lines and values that cannot be are counted and skipped; only a text without any line of the
 * format is KTHENA_INVALID_ARGUMENT. `counts` may be NULL. Allocates only while parser and sample are smaller than the page needs. [one thread
 * per parser; writer of the sample] */
KTHENA_API kthena_status kthena_engine_parse(kthena_engine_parser* parser, kthena_str text, int64_t sampled_ns,
                                             kthena_engine_sample* sample, kthena_engine_counts* counts,
                                             kthena_error* error);

typedef struct kthena_engine_sample_info {
  uint32_t struct_size;
  uint32_t has_adapters;     /* 1: the engine lists its adapters */
  int64_t sampled_ns;        /* KTHENA_NEVER: nothing was read so far */
  double adapters_maximum;   /* adapters at once; NaN: not published */
  uint64_t ranks;            /* data-parallel ranks; engines without have one, number 0 */
  uint64_t models;           /* names of served models, as far as series carry one */
  uint64_t adapters_running; /* names */
  uint64_t adapters_waiting; /* names; one that runs and waits is in both */
} kthena_engine_sample_info;

KTHENA_API kthena_status kthena_engine_sample_get_info(const kthena_engine_sample* sample,
                                                       kthena_engine_sample_info* info,
                                                       kthena_error* error); /* [reader] */
/* The numbers of the ranks, ascending, into an array of n. Returns how many there are. [reader] */
KTHENA_API size_t kthena_engine_sample_ranks(const kthena_engine_sample* sample, uint32_t* ranks, size_t n);

/* All signals of a rank, or of all ranks joined (KTHENA_NONE), by kthena_engine_signal into an array of n: NaN where not published, which is
 * not 0, and beyond KTHENA_ENGINE_SIGNAL_COUNT. KTHENA_NOT_FOUND without that rank. [reader] */
KTHENA_API kthena_status kthena_engine_sample_values(const kthena_engine_sample* sample, uint32_t rank, double* values,
                                                     size_t n, kthena_error* error);

enum { KTHENA_ENGINE_MODEL = 0, KTHENA_ENGINE_ADAPTER_RUNNING = 1, KTHENA_ENGINE_ADAPTER_WAITING = 2 };
/* Name i, ascending; empty beyond the last. Borrowed until the sample is parsed into again. [reader] */
KTHENA_API kthena_str kthena_engine_sample_name(const kthena_engine_sample* sample, int32_t kind, size_t i);

/* Seconds. cumulative[i] observations were <= bounds[i]; both ascend, the last bound may be infinite. Mean: sum / count. */
typedef struct kthena_histogram {
  uint32_t struct_size;
  uint32_t size;            /* buckets; 0 with count 0: not published */
  const double* bounds;     /* array of size */
  const double* cumulative; /* array of size */
  double count;             /* all observations */
  double sum;               /* of the observed values; NaN when it is not published */
} kthena_histogram;

/* The value below which a share q (0..1) of the observations lie, as Prometheus' histogram_quantile: linear inside a bucket. NaN when there
 * are no observations, or no histogram. [any thread] */
KTHENA_API double kthena_histogram_quantile(const kthena_histogram* histogram, double q);

/* A latency since the engine started. The arrays are borrowed until the sample is parsed into again. [reader] */
KTHENA_API kthena_status kthena_engine_sample_histogram(const kthena_engine_sample* sample, uint32_t rank,
                                                        int32_t latency, kthena_histogram* histogram,
                                                        kthena_error* error);
/* The whole sample (docs/schemas/engine_sample.schema.json). [reader] */
KTHENA_API kthena_status kthena_engine_sample_json(const kthena_engine_sample* sample, char* buffer, size_t capacity,
                                                   size_t* needed, kthena_error* error);

/* What happened between two samples of one engine, rank by rank, then joined; `before` NULL: since the engine started. It does not hold on to
 * the samples. A counter that fell, or a histogram of which anything fell, was restarted and counts from zero. [reader of both]; the
 * interval: [many readers] */
KTHENA_API kthena_status kthena_engine_interval_create(const kthena_engine_sample* before,
                                                       const kthena_engine_sample* now,
                                                       kthena_engine_interval** interval, kthena_error* error);
KTHENA_API void kthena_engine_interval_free(kthena_engine_interval* interval);
/* Growth of the counters by kthena_engine_signal, as kthena_engine_sample_values; NaN for gauges. elapsed_ns: 0 where a time is not known;
 * restarted: 1 when a counter fell. Either may be NULL. [many readers] */
KTHENA_API kthena_status kthena_engine_interval_values(const kthena_engine_interval* interval, double* values, size_t n,
                                                       int64_t* elapsed_ns, uint8_t* restarted, kthena_error* error);
/* What was observed in between: its mean and quantiles are what a router wants as KTHENA_SIGNAL_TTFT_S and KTHENA_SIGNAL_TPOT_S. Borrowed from
 * the interval. [many readers] */
KTHENA_API kthena_status kthena_engine_interval_histogram(const kthena_engine_interval* interval, int32_t latency,
                                                          kthena_histogram* histogram, kthena_error* error);
/* All of it, with means and quantiles (docs/schemas/engine_interval.schema.json). [many readers] */
KTHENA_API kthena_status kthena_engine_interval_json(const kthena_engine_interval* interval, char* buffer,
                                                     size_t capacity, size_t* needed, kthena_error* error);

/* One batch of KV events (msgpack), decoded and checked, as JSON (docs/schemas/kv_batch.schema.json): to look at it. An index is fed by a
 * kthena_kv_stream. KTHENA_FAILED_PRECONDITION for an engine that publishes none. [any thread] */
KTHENA_API kthena_status kthena_kv_batch_json(kthena_str profile, kthena_str payload, char* buffer, size_t capacity,
                                              size_t* needed, kthena_error* error);

/* The sequence number that ends a replay. */
#define KTHENA_KV_REPLAY_END UINT64_MAX

typedef struct kthena_kv_stream kthena_kv_stream;

typedef struct kthena_kv_stream_options {
  uint32_t struct_size;
  uint32_t worker;    /* of the index: who publishes */
  kthena_str model;   /* served model, for the namespace; adapter and cache salt come from the events */
  uint32_t group;     /* the KV cache group that is indexed, if it is a full-attention one */
  uint32_t no_replay; /* 1: the publisher answers no replay; then a gap is at once one that cannot be filled */
  uint32_t has_rank;  /* 1: batches of another data-parallel rank than `rank` are refused */
  uint32_t rank;
  uint64_t max_bytes;          /* longest payload, 1..2^31; 0: 16 MiB */
  uint64_t max_tracked_blocks; /* blocks that must be remembered beside the index (docs/engine.md); 0: 4194304 */
} kthena_kv_stream_options;

/* What a message came to. */
enum {
  KTHENA_KV_APPLIED = 0,   /* the index heard of it */
  KTHENA_KV_DUPLICATE = 1, /* came before; dropped */
  KTHENA_KV_HELD_BACK = 2, /* lies behind a gap; the replay brings it again */
  KTHENA_KV_ENDED = 3      /* it was the end of a replay, or none came */
};
enum {
  KTHENA_KV_WAITING = 0,    /* nothing was seen yet */
  KTHENA_KV_LIVE = 1,       /* the index has everything that was published */
  KTHENA_KV_CATCHING_UP = 2 /* a gap is open: the index is stale until it is filled or given up */
};

typedef struct kthena_kv_step {
  uint32_t struct_size;
  int32_t outcome;  /* KTHENA_KV_APPLIED, ... */
  int32_t state;    /* of the stream after it: KTHENA_KV_WAITING, ... */
  uint32_t cleared; /* 1: the index was first told that the worker holds nothing: it restarted, or batches are lost */
  uint32_t wants_replay; /* 1: ask the publisher for its batches from replay_from on, and feed_replay the answers */
  uint32_t reserved;
  uint64_t replay_from;
  uint64_t replay_to;      /* the last that is missing */
  uint64_t stored_blocks;  /* blocks of the index that were stored */
  uint64_t removed_blocks; /* and removed */
  uint64_t clears;
  uint64_t unknown_events;
  uint64_t unknown_fields;
  uint64_t unknown_media; /* taken for external */
  uint64_t other_groups;  /* events of KV cache groups that are not indexed */
  uint64_t unmapped;      /* engine blocks that fit no block of the index: size, parent, no tokens */
  uint64_t over_limits;   /* engine blocks beyond max_tracked_blocks */
  uint64_t refused;       /* events that the index refused; the others were applied */
} kthena_kv_step;

/* Since the stream was made. */
typedef struct kthena_kv_stream_info {
  uint32_t struct_size;
  int32_t state;
  uint64_t next_sequence; /* of the batch that is applied next */
  uint64_t applied;       /* batches */
  uint64_t duplicates;
  uint64_t held_back;
  uint64_t gaps;
  uint64_t lost; /* gaps that could not be filled */
  uint64_t restarts;
  uint64_t malformed;      /* payloads that were refused */
  uint64_t tracked_blocks; /* now */
} kthena_kv_stream_info;

/* The KV events of one publisher (one per data-parallel rank), kept whole: every batch once and in order, gaps replayed. `options` NULL:
 * defaults, worker 0. [any thread]; the stream: [one thread per handle] */
KTHENA_API kthena_status kthena_kv_stream_create(kthena_str profile, const kthena_kv_stream_options* options,
                                                 kthena_kv_stream** stream, kthena_error* error);
KTHENA_API void kthena_kv_stream_free(kthena_kv_stream* stream);

/* The sequence number in the frame before the last of a message: 8 bytes. The last frame is the payload. [any thread] */
KTHENA_API kthena_status kthena_kv_message_sequence(kthena_str frame, uint64_t* sequence, kthena_error* error);
/* A live message is checked and applied to the index. Block size and seed are taken from the index that is fed first; later ones must have
 * the same. On an error nothing was applied and the number stays open (a malformed payload is counted). Allocates only while something
 * grows. [one thread per stream; writer of the index] */
KTHENA_API kthena_status kthena_kv_stream_feed(kthena_kv_stream* stream, uint64_t sequence, kthena_str payload,
                                               kthena_prefix_index* index, kthena_kv_step* step, kthena_error* error);
/* A message of a replay; KTHENA_KV_REPLAY_END with any payload ends it. [as kthena_kv_stream_feed] */
KTHENA_API kthena_status kthena_kv_stream_feed_replay(kthena_kv_stream* stream, uint64_t sequence, kthena_str payload,
                                                      kthena_prefix_index* index, kthena_kv_step* step,
                                                      kthena_error* error);
/* No replay will come: clears the worker if a gap is open, and goes on with what is live. [as kthena_kv_stream_feed] */
KTHENA_API kthena_status kthena_kv_stream_replay_failed(kthena_kv_stream* stream, kthena_prefix_index* index,
                                                        kthena_kv_step* step, kthena_error* error);
KTHENA_API kthena_status kthena_kv_stream_get_info(const kthena_kv_stream* stream, kthena_kv_stream_info* info,
                                                   kthena_error* error);

/* ---- sim: what would a fleet do with these decisions --------------------------------------------------------------------------- */

typedef struct kthena_simulation kthena_simulation;

/* A simulation from a scenario (docs/schemas/scenario.schema.json) and, where the scenario names a trace, the text of the trace. Both are
 * borrowed for the call. [any thread]; the handle: [one thread per handle] */
KTHENA_API kthena_status kthena_simulation_create(kthena_str scenario_json, kthena_str trace,
                                                  kthena_simulation** simulation, kthena_error* error);
KTHENA_API void kthena_simulation_free(kthena_simulation* simulation);
/* Runs at most max_events more events; *done is 1 once nothing is left. How the events are cut up changes nothing. When memory runs out on
 * the way, only kthena_simulation_free may follow. */
KTHENA_API kthena_status kthena_simulation_advance(kthena_simulation* simulation, uint64_t max_events, uint8_t* done,
                                                   kthena_error* error);
/* Requests that have ended, over all runs, and how many there will be. Either may be NULL. */
KTHENA_API void kthena_simulation_progress(const kthena_simulation* simulation, uint64_t* ended, uint64_t* total);
/* The report as JSON (docs/simulator.md). KTHENA_FAILED_PRECONDITION before the end. */
KTHENA_API kthena_status kthena_simulation_report_json(const kthena_simulation* simulation, char* buffer,
                                                       size_t capacity, size_t* needed, kthena_error* error);
/* The per-request rows as CSV with a header line. KTHENA_FAILED_PRECONDITION before the end. */
KTHENA_API kthena_status kthena_simulation_requests_csv(const kthena_simulation* simulation, char* buffer,
                                                        size_t capacity, size_t* needed, kthena_error* error);

/* ---- hashes of other systems: what engines and other routers call the blocks of these tokens ----------------------------------- */

/* All take n tokens and fill arrays with one element per full block, floor(n / block_tokens); what is left over has no hash.
 * block_tokens is 1..65536; 0 is KTHENA_INVALID_ARGUMENT, since a block size that is guessed gives hashes of nothing. Output
 * arrays may be NULL when they are not wanted. `options` NULL: defaults. Texts are UTF-8 of at most 65536 bytes; empty:
 * none. A prompt that grows is continued behind `parent`, the hash of the block before tokens[0], which has the number
 * first_block - 1 in the prompt. All faults are named. [any thread] */

enum { KTHENA_VLLM_SHA256_CBOR = 0, KTHENA_VLLM_XXHASH_CBOR = 1 };
/* How extra keys are written: as by vLLM 0.31 and newer, or as up to 0.30. */
enum { KTHENA_VLLM_KEYS_TAGGED = 0, KTHENA_VLLM_KEYS_PLAIN = 1 };

typedef struct kthena_vllm_hash_options {
  uint32_t struct_size;
  int32_t algorithm; /* --prefix-caching-hash-algo: sha256_cbor or xxhash_cbor. vLLM's default, sha256, is neither */
  int32_t key_form;
  uint32_t reserved;     /* 0 */
  kthena_str seed;       /* PYTHONHASHSEED; empty: not set, which xxhash_cbor cannot be computed for */
  kthena_str lora_name;  /* goes into every block */
  kthena_str lora_path;  /* tagged keys need it beside lora_name, plain keys have no place for it */
  kthena_str cache_salt; /* goes into the first block of a prompt */
  /* Images and the like, by offset, none overlapping. Identifier i is multimodal_ids[multimodal_id_offsets[i] ..
   * multimodal_id_offsets[i + 1]); its placeholders are the multimodal_lengths[i] tokens from multimodal_offsets[i] of
   * the prompt on. */
  const char* multimodal_ids;
  const uint64_t* multimodal_id_offsets; /* array of multimodal_count + 1 */
  const uint32_t* multimodal_offsets;    /* array of multimodal_count */
  const uint32_t* multimodal_lengths;    /* array of multimodal_count; each >= 1 */
  size_t multimodal_count;
  const uint8_t* prompt_embeds; /* for each block 32 bytes of SHA-256 over its embeddings; NULL: none */
  size_t prompt_embeds_size;
  const uint8_t* parent; /* a digest; NULL: the prompt starts with tokens[0] */
  size_t parent_size;
  uint64_t first_block;
} kthena_vllm_hash_options;

/* digests: array of 32 bytes per block, 16 of xxhash_cbor. hashes: the 64 bits that KV events carry. */
KTHENA_API kthena_status kthena_hash_vllm(const uint32_t* tokens, size_t n, uint32_t block_tokens,
                                          const kthena_vllm_hash_options* options, uint8_t* digests, uint64_t* hashes,
                                          kthena_error* error);

enum { KTHENA_SGLANG_EVENTS = 0, KTHENA_SGLANG_STORAGE = 1 };

typedef struct kthena_sglang_hash_options {
  uint32_t struct_size;
  int32_t kind; /* as KV events have it (extra_key does not count), or as storage backends are keyed (it does) */
  kthena_str extra_key;  /* of the request */
  kthena_str cache_salt; /* of the request */
  const uint8_t* parent; /* a digest of 32 bytes; NULL: the prompt starts with tokens[0] */
  size_t parent_size;
} kthena_sglang_hash_options;

/* digests: array of 32 bytes per page. hashes: the 64 bits that KV events carry, which they write as a signed number. */
KTHENA_API kthena_status kthena_hash_sglang(const uint32_t* tokens, size_t n, uint32_t page_tokens,
                                            const kthena_sglang_hash_options* options, uint8_t* digests,
                                            uint64_t* hashes, kthena_error* error);

typedef struct kthena_xxh3_hash_options {
  uint32_t struct_size;
  uint32_t has_seed; /* 0: the seed is 1337, as Dynamo and SMG have it; 1: it is `seed` */
  uint64_t seed;
  kthena_str lora_name;       /* Dynamo's */
  kthena_str cache_namespace; /* Dynamo's */
  const uint64_t* parent;     /* a chained hash; NULL: the prompt starts with tokens[0] */
} kthena_xxh3_hash_options;

/* The XXH3 chain of Dynamo and SMG. local: of the tokens of the block alone; chained: of all up to its end. */
KTHENA_API kthena_status kthena_hash_xxh3_chain(const uint32_t* tokens, size_t n, uint32_t block_tokens,
                                                const kthena_xxh3_hash_options* options, uint64_t* local,
                                                uint64_t* chained, kthena_error* error);

typedef struct kthena_llmd_hash_options {
  uint32_t struct_size;
  uint32_t reserved;                     /* 0 */
  kthena_str seed;                       /* hashSeed */
  kthena_str model;                      /* or the name of the LoRA adapter */
  kthena_str cache_salt;                 /* goes into the first block of a prompt */
  const char* multimodal_ids;            /* as in kthena_vllm_hash_options */
  const uint64_t* multimodal_id_offsets; /* array of multimodal_count + 1 */
  const uint32_t* multimodal_offsets;    /* array of multimodal_count */
  const uint32_t* multimodal_lengths;    /* array of multimodal_count; each >= 1 */
  size_t multimodal_count;
  const uint64_t* parent; /* a key; NULL: the prompt starts with tokens[0] */
  uint64_t first_block;
} kthena_llmd_hash_options;

/* hashes: the request keys of llm-d's indexer. */
KTHENA_API kthena_status kthena_hash_llm_d(const uint32_t* tokens, size_t n, uint32_t block_tokens,
                                           const kthena_llmd_hash_options* options, uint64_t* hashes,
                                           kthena_error* error);

/* Kthena's kvcache-aware plugin: blocks alone, not chained. The last partial block counts, so `hashes` is an array of
 * ceil(n / block_tokens). */
KTHENA_API kthena_status kthena_hash_kthena_blocks(const uint32_t* tokens, size_t n, uint32_t block_tokens,
                                                   uint64_t* hashes, kthena_error* error);
/* Kthena's prefix-cache plugin: the chain over bytes of the prompt. The last partial block counts, so `hashes` is an array
 * of ceil(prompt.size / block_bytes). block_bytes is 1..65536. */
KTHENA_API kthena_status kthena_hash_kthena_bytes(kthena_str model, kthena_str prompt, uint32_t block_bytes,
                                                  uint64_t* hashes, kthena_error* error);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* KTHENA_KTHENA_H */
