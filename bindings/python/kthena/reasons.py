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
    POOL_EMPTY = 110
    ALL_FILTERED = 111
    WAITING_LIMIT = 120
    MODEL_NOT_LOADED = 121


TEXTS: dict[Reason, str] = {
    Reason.NONE: "no reason was needed",
    Reason.BEST_SCORE: "the highest total score",
    Reason.TIE_BROKEN: "several shared the highest score; the seeded hash of request and endpoint id decided",
    Reason.ONLY_CANDIDATE: "only one endpoint was left after the filters",
    Reason.ROUND_ROBIN: "next in the order of endpoint ids",
    Reason.POOL_EMPTY: "the pool has no endpoints",
    Reason.ALL_FILTERED: "filters dropped every endpoint",
    Reason.WAITING_LIMIT: "as many or more requests wait than allowed",
    Reason.MODEL_NOT_LOADED: "the endpoint does not serve the model or adapter that was asked for",
}
