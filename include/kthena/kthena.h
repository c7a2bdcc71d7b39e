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
 *  7. Text out: `capacity` bytes at `buffer` are filled and *needed is the size of the text, without a terminating zero. When it does not
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
  KTHENA_SIGNAL_COUNT = 6
} kthena_signal;

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
  size_t depth_count;             /* n of both arrays; must be the pool's size where one is given */
  uint32_t prefix_total;          /* full blocks of the prompt, 0..2^31 - 1; depths above it count as it */
  uint32_t history_total;         /* the same for history_depths */
  uint64_t sequence;              /* count of requests so far; round robin follows it */
  int64_t now_ns;
  uint64_t seed;
} kthena_request;

enum { KTHENA_ROUTED = 0, KTHENA_NO_ENDPOINT = 1 };

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
  uint32_t reserved;             /* 0 */
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

/* ---- prefix: who holds how much of this prompt --------------------------------------------------------------------------------- */

typedef struct kthena_prefix_index kthena_prefix_index;
typedef struct kthena_prefix_query kthena_prefix_query;

typedef struct kthena_prefix_index_options {
  uint32_t struct_size;
  uint32_t block_tokens;      /* 1..65536; 0: 16 */
  uint32_t max_workers;       /* 1..16384; 0: 1024 */
  uint32_t reserved;          /* 0 */
  uint64_t max_orphan_blocks; /* 0: 65536 */
  uint64_t seed;              /* secret; random in production */
} kthena_prefix_index_options;

typedef struct kthena_prefix_stats {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t workers;
  uint64_t memberships;
  uint64_t unique_blocks;
  uint64_t orphan_blocks;
  uint64_t orphans_dropped;
  uint64_t unknown_removes;
  uint64_t rehashed_blocks;
  uint64_t approximate_bytes;
} kthena_prefix_stats;

enum { KTHENA_TIER_DEVICE = 0, KTHENA_TIER_HOST = 1, KTHENA_TIER_DISK = 2, KTHENA_TIER_EXTERNAL = 3 };

/* `options` NULL: defaults. [any thread]; the index: [one writer, many readers: no find while somebody writes] */
KTHENA_API kthena_status kthena_prefix_index_create(const kthena_prefix_index_options* options,
                                                    kthena_prefix_index** index, kthena_error* error);
KTHENA_API void kthena_prefix_index_free(kthena_prefix_index* index);
/* A new worker or the one of that name. [writer] */
KTHENA_API kthena_status kthena_prefix_add_worker(kthena_prefix_index* index, kthena_str name, uint32_t* worker,
                                                  kthena_error* error);
/* KTHENA_NONE when no worker has that name. [reader] */
KTHENA_API uint32_t kthena_prefix_find_worker(const kthena_prefix_index* index, kthena_str name);
KTHENA_API kthena_status kthena_prefix_remove_worker(kthena_prefix_index* index, uint32_t worker, kthena_error* error);
/* Length of the depths that kthena_prefix_find fills: one more than the largest worker in use. [reader] */
KTHENA_API size_t kthena_prefix_worker_limit(const kthena_prefix_index* index);

/* The key of a namespace under a seed: nothing matches across namespaces. Empty adapter: base model; empty tenant: shared; block_tokens 0:
 * 16. [any thread] */
KTHENA_API uint64_t kthena_prefix_namespace_key(kthena_str model, kthena_str adapter, kthena_str tenant,
                                                uint32_t block_tokens, uint64_t seed);
/* Content hashes of the full blocks of n tokens: floor(n / block_tokens) numbers into `hashes`; block_tokens 0: 16. Returns how many; 0
 * when a pointer is NULL. [any thread] */
KTHENA_API size_t kthena_prefix_hash_blocks(const uint32_t* tokens, size_t n, uint32_t block_tokens, uint64_t seed,
                                            uint64_t* hashes);

/* `worker` stored n blocks that follow one another; `parent` points to the engine hash of the block before, or is NULL at the start of a
 * prompt. engine_hashes and content_hashes are arrays of n. [writer] */
KTHENA_API kthena_status kthena_prefix_store(kthena_prefix_index* index, uint32_t worker, uint64_t namespace_key,
                                             const uint64_t* parent, const uint64_t* engine_hashes,
                                             const uint64_t* content_hashes, size_t n, int32_t tier,
                                             kthena_error* error);
/* `worker` dropped n blocks from a tier. Unknown ones are counted and skipped. [writer] */
KTHENA_API kthena_status kthena_prefix_remove(kthena_prefix_index* index, uint32_t worker,
                                              const uint64_t* engine_hashes, size_t n, int32_t tier,
                                              kthena_error* error);
/* `worker` dropped everything. [writer] */
KTHENA_API kthena_status kthena_prefix_clear(kthena_prefix_index* index, uint32_t worker, kthena_error* error);

/* A prepared prompt in the namespace (model, adapter, tenant) of an index, with its block size and seed. [any thread]; the query:
 * [one thread while it is extended, many readers after]. It does not hold on to the index. */
KTHENA_API kthena_status kthena_prefix_query_create(const kthena_prefix_index* index, kthena_str model,
                                                    kthena_str adapter, kthena_str tenant, kthena_prefix_query** query,
                                                    kthena_error* error);
KTHENA_API void kthena_prefix_query_free(kthena_prefix_query* query);
KTHENA_API kthena_status kthena_prefix_query_extend_tokens(kthena_prefix_query* query, const uint32_t* tokens, size_t n,
                                                           kthena_error* error);
KTHENA_API kthena_status kthena_prefix_query_extend_contents(kthena_prefix_query* query, const uint64_t* content_hashes,
                                                             size_t n, kthena_error* error);
KTHENA_API void kthena_prefix_query_clear(kthena_prefix_query* query);
KTHENA_API size_t kthena_prefix_query_blocks(const kthena_prefix_query* query);

/* depths[w] = leading blocks that worker w holds, for w < n; n >= kthena_prefix_worker_limit. `candidates`: bit w % 64 of word w / 64, array
 * of candidate_words, bits beyond it are 0; NULL: all. [reader] */
KTHENA_API kthena_status kthena_prefix_find(const kthena_prefix_index* index, const kthena_prefix_query* query,
                                            const uint64_t* candidates, size_t candidate_words, uint32_t* depths,
                                            size_t n, kthena_error* error);
/* depths[i] belongs to workers[i]; both arrays of n. KTHENA_NONE gives 0. Workers in the order of a pool's endpoints give the
 * prefix_depths of a request. [reader] */
KTHENA_API kthena_status kthena_prefix_find_for(const kthena_prefix_index* index, const kthena_prefix_query* query,
                                                const uint32_t* workers, size_t n, uint32_t* depths,
                                                kthena_error* error);
KTHENA_API kthena_status kthena_prefix_get_stats(const kthena_prefix_index* index, kthena_prefix_stats* stats,
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

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* KTHENA_KTHENA_H */
