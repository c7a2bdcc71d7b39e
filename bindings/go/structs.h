// Structs of the C interface that are made in C, because a struct that holds Go pointers may not go there: what they hold goes one by one.
#ifndef KTHENA_GO_STRUCTS_H
#define KTHENA_GO_STRUCTS_H

#include "kthena/kthena.h"

// All of a request that is no pointer.
typedef struct kthena_go_numbers {
  uint64_t sequence, seed;
  int64_t now_ns;
  double slo_ttft_s, slo_tpot_s;
  size_t id_size, model_size, session_size, depth_count;
  size_t near_sizes[KTHENA_PLACE_LEVELS];
  uint32_t prompt_tokens, output_tokens;
  uint32_t prefix_total, prefix_block_tokens;
  uint32_t history_total, history_block_tokens;
} kthena_go_numbers;

#define KTHENA_GO_STRINGS                                                                                       \
  const char *id, const char *model, const char *session, const char *host, const char *rack, const char *zone, \
      const char *region
#define KTHENA_GO_POINTERS                                                                             \
  KTHENA_GO_STRINGS, const uint32_t *prefix, const uint32_t *prefix_host, const uint32_t *prefix_disk, \
      const uint32_t *history, const uint32_t *history_host, const uint32_t *history_disk
#define KTHENA_GO_PLAIN_REQUEST                                                        \
  kthena_request request = KTHENA_INIT(kthena_request);                                \
  request.prompt_tokens = numbers->prompt_tokens;                                      \
  request.id = (kthena_str){id, numbers->id_size};                                     \
  request.model = (kthena_str){model, numbers->model_size};                            \
  request.sequence = numbers->sequence;                                                \
  request.now_ns = numbers->now_ns;                                                    \
  request.seed = numbers->seed;                                                        \
  request.output_tokens = numbers->output_tokens;                                      \
  request.session = (kthena_str){session, numbers->session_size};                      \
  request.near_to[KTHENA_PLACE_HOST] = (kthena_str){host, numbers->near_sizes[0]};     \
  request.near_to[KTHENA_PLACE_RACK] = (kthena_str){rack, numbers->near_sizes[1]};     \
  request.near_to[KTHENA_PLACE_ZONE] = (kthena_str){zone, numbers->near_sizes[2]};     \
  request.near_to[KTHENA_PLACE_REGION] = (kthena_str){region, numbers->near_sizes[3]}; \
  request.slo_ttft_s = numbers->slo_ttft_s;                                            \
  request.slo_tpot_s = numbers->slo_tpot_s
#define KTHENA_GO_REQUEST                                       \
  KTHENA_GO_PLAIN_REQUEST;                                      \
  request.prefix_depths = prefix;                               \
  request.history_depths = history;                             \
  request.depth_count = numbers->depth_count;                   \
  request.prefix_total = numbers->prefix_total;                 \
  request.history_total = numbers->history_total;               \
  request.prefix_block_tokens = numbers->prefix_block_tokens;   \
  request.history_block_tokens = numbers->history_block_tokens; \
  request.prefix_host_depths = prefix_host;                     \
  request.prefix_disk_depths = prefix_disk;                     \
  request.history_host_depths = history_host;                   \
  request.history_disk_depths = history_disk

#define KTHENA_GO_ENDPOINT_POINTERS                                                                         \
  const char *id_bytes, const uint64_t *id_offsets, const char *model_bytes, const uint64_t *model_offsets, \
      const uint64_t *endpoint_models, const char *waiting_bytes, const uint64_t *waiting_offsets,          \
      const uint64_t *endpoint_waiting, const char *place_bytes, const uint64_t *place_offsets
#define KTHENA_GO_ENDPOINTS                                             \
  kthena_pool_endpoints endpoints = KTHENA_INIT(kthena_pool_endpoints); \
  endpoints.n = n;                                                      \
  endpoints.id_bytes = id_bytes;                                        \
  endpoints.id_offsets = id_offsets;                                    \
  endpoints.model_bytes = model_bytes;                                  \
  endpoints.model_offsets = model_offsets;                              \
  endpoints.endpoint_models = endpoint_models;                          \
  endpoints.waiting_bytes = waiting_bytes;                              \
  endpoints.waiting_offsets = waiting_offsets;                          \
  endpoints.endpoint_waiting = endpoint_waiting;                        \
  endpoints.place_bytes = place_bytes;                                  \
  endpoints.place_offsets = place_offsets

#endif
