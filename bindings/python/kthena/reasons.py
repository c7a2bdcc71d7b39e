"""Reason codes: why a decision came out as it did. Made from base/reasons.def by tools/gen_reasons.py; do not edit."""
# ruff: noqa: E501

from enum import IntEnum


class Reason(IntEnum):
    """A code of the registry; `TEXTS[reason]` is its sentence."""

    NONE = 0
    BEST_SCORE = 100
    TIE_BROKEN = 101
    ONLY_CANDIDATE = 102
    ROUND_ROBIN = 103
    SOFTMAX_DRAWN = 104
    WEIGHTED_DRAWN = 105
    BEST_OF_SAMPLE = 106
    EXPLORED = 107
    POOL_EMPTY = 110
    ALL_FILTERED = 111
    SCORER_FAILED = 112
    WAITING_LIMIT = 120
    MODEL_NOT_LOADED = 121
    LOADS_UNEVEN = 122
    LOADS_EVEN = 123
    ABOVE_LOAD_BOUND = 124
    NOT_LEAST_LOADED = 125
    PREFIX_TOO_SHORT = 126
    DOES_NOT_FIT = 127
    STALE_SIGNAL = 140
    SLOW_START = 141


TEXTS: dict[Reason, str] = {
    Reason.NONE: "no reason was needed",
    Reason.BEST_SCORE: "the highest total score",
    Reason.TIE_BROKEN: "several shared the highest score; the seeded hash of request and endpoint id decided",
    Reason.ONLY_CANDIDATE: "only one endpoint was left after the filters",
    Reason.ROUND_ROBIN: "next in the order of endpoint ids",
    Reason.SOFTMAX_DRAWN: "drawn by chance, the likelier the higher the total (softmax)",
    Reason.WEIGHTED_DRAWN: "drawn by chance, in proportion to the total",
    Reason.BEST_OF_SAMPLE: "the highest total score among some endpoints drawn by chance",
    Reason.EXPLORED: "any endpoint, drawn by chance, to learn how it does",
    Reason.POOL_EMPTY: "the pool has no endpoints",
    Reason.ALL_FILTERED: "filters dropped every endpoint",
    Reason.SCORER_FAILED: "a scorer of the caller's own failed",
    Reason.WAITING_LIMIT: "as many or more requests wait than allowed",
    Reason.MODEL_NOT_LOADED: "the endpoint does not serve the model or adapter that was asked for",
    Reason.LOADS_UNEVEN: "the loads of the endpoints differ too much for this stage",
    Reason.LOADS_EVEN: "the loads of the endpoints differ too little for this stage",
    Reason.ABOVE_LOAD_BOUND: "the endpoint's load is too far above the mean",
    Reason.NOT_LEAST_LOADED: "others are less loaded",
    Reason.PREFIX_TOO_SHORT: "the endpoint holds too little of the prompt",
    Reason.DOES_NOT_FIT: "the endpoint is not made for requests of this length",
    Reason.STALE_SIGNAL: "a signal of the endpoint is older than the policy allows",
    Reason.SLOW_START: "the endpoint is new and sits out some requests while its share grows",
}
