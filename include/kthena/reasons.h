/* Reason codes: why a decision came out as it did. Made from base/reasons.def by tools/gen_reasons.py; do not edit. */
#ifndef KTHENA_REASONS_H
#define KTHENA_REASONS_H

enum kthena_reason {
  KTHENA_REASON_NONE = 0,
  KTHENA_REASON_BEST_SCORE = 100,
  KTHENA_REASON_TIE_BROKEN = 101,
  KTHENA_REASON_ONLY_CANDIDATE = 102,
  KTHENA_REASON_ROUND_ROBIN = 103,
  KTHENA_REASON_POOL_EMPTY = 110,
  KTHENA_REASON_ALL_FILTERED = 111,
  KTHENA_REASON_WAITING_LIMIT = 120,
  KTHENA_REASON_MODEL_NOT_LOADED = 121
};

#endif
