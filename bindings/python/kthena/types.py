"""Plain values that decisions and indexes give back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

from kthena.reasons import Reason

#: One number for each endpoint, as `Pool.update` takes it.
Column: TypeAlias = npt.NDArray[np.float64] | Sequence[float] | None


class SignalColumns(TypedDict, total=False):
    """What is known about endpoints as a number, by name, as `Pool.update` takes it."""

    running: Column  #: requests in the engine's batch, as scraped
    waiting: Column  #: requests in the engine's queue, as scraped
    kv_usage: Column  #: share of KV blocks in use, 0..1, as scraped
    ttft_s: Column  #: mean time to first token since the scrape before, seconds; 0: none finished
    tpot_s: Column  #: mean time per output token since the scrape before, seconds; 0: none finished
    in_flight: Column  #: requests this router sent and that have not ended
    # the router's own bookings too: of those in flight
    prefill_requests: Column  #: without a first token
    prefill_tokens: Column  #: their prompt tokens
    uncached_tokens: Column  #: of these, not in the endpoint's cache when they were sent
    output_tokens: Column  #: reserved for answers and not produced yet
    kv_tokens: Column  #: prompts and answers of all in flight
    # what the endpoint can do: facts, or learned
    kv_capacity_tokens: Column  #: tokens its KV memory holds
    prefill_tps: Column  #: prompt tokens it computes in a second when it does nothing else
    decode_tps: Column  #: answer tokens it makes in a second with a usual batch
    max_running: Column  #: requests its batch holds at most
    max_adapters: Column  #: adapters (LoRA) that may run at once
    context_min_tokens: Column  #: shortest and longest request that it is meant for
    context_max_tokens: Column
    # what the router remembers
    held_blocks: Column  #: blocks that it holds by the router's prefix index
    cold_turn: Column  #: sequence of the last request without a hit that was sent there
    ready_at_s: Column  #: when it became ready, seconds on the clock of `now_ns`


#: Names of an endpoint's signals, in the order of their numbers.
SIGNALS: tuple[str, ...] = tuple(SignalColumns.__annotations__)


class Place(TypedDict, total=False):
    """Where an endpoint runs, or a peer that a request should be near to. Names are unique within their level."""

    host: str
    rack: str
    zone: str
    region: str


#: The number that stands for "no worker" in arrays of workers, and for "no endpoint" in those of `Policy.decide_many`.
NO_WORKER = 0xFFFFFFFF
NO_ENDPOINT = 0xFFFFFFFF


class Outcome(IntEnum):
    """What a decision came to."""

    ROUTED = 0
    NO_ENDPOINT = 1


class Tier(IntEnum):
    """Where an engine keeps KV blocks."""

    DEVICE = 0
    HOST = 1
    DISK = 2
    EXTERNAL = 3


class OptionInfo(NamedTuple):
    """A number that a part of a policy can be given. Bounds are inclusive."""

    name: str
    minimum: float
    maximum: float
    default: float | None


class PartInfo(NamedTuple):
    """A filter, scorer or picker that policies are made of."""

    kind: str
    name: str
    options: tuple[OptionInfo, ...]


class PrefixStats(NamedTuple):
    """Counters of a prefix index."""

    workers: int
    memberships: int  #: pairs of worker and block that are held
    unique_blocks: int
    orphan_blocks: int  #: blocks that wait for their parent
    orphans_dropped: int
    unknown_removes: int
    rehashed_blocks: int
    approximate_bytes: int
    runs: int  #: stretches of blocks that the tree is made of
    unswept_blocks: int  #: of removed workers, still in memory
    sweeps: int  #: removed workers that the sweep was done with
    unresolved_stores: int  #: blocks stored without contents whose hash means nothing here
    expected_blocks: int  #: pairs that are only expected; they are among the memberships
    promoted_blocks: int  #: expected, then stored
    expired_blocks: int  #: expected, and gone because of `expected_ttl_ns`
    evicted_blocks: int  #: expected, and gone because of `max_expected_blocks`
    copied_blocks: int  #: copies beyond the first, where `count_copies` is set


class PrefixIndexOptions(NamedTuple):
    """The options of a prefix index, as its constructor takes them by name."""

    block_tokens: int
    max_workers: int
    max_orphan_blocks: int
    seed: int
    shared_engine_hashes: bool
    max_expected_blocks: int
    expected_ttl_ns: int
    count_copies: bool
    wide_contents: bool


class PrefixPick(NamedTuple):
    """The worker that `PrefixIndex.find_best` chose."""

    worker: int
    depth: int  #: leading blocks of the query that it holds
    cost: int


class PrefixEvent(NamedTuple):
    """One call of `store`, `remove` or `clear` of a prefix index."""

    kind: str  #: "stored", "removed" or "cleared"
    worker: int
    engine_hashes: npt.NDArray[np.uint64]
    contents: npt.NDArray[np.uint64] | None  #: None: without contents
    uppers: npt.NDArray[np.uint64] | None  #: upper halves of contents of 128 bits
    parent: int | None
    namespace_key: int
    tier: Tier


@dataclass(frozen=True)
class ScoreTerm:
    """What one scorer said about one endpoint. An abstaining one had no opinion, because a signal is missing."""

    scorer: str
    score: float
    weight: float
    contribution: float
    abstained: bool


@dataclass(frozen=True)
class CorrectedSignal:
    """A value that a rule of staleness changed; None: missing."""

    signal: str
    read: float | None
    used: float | None


@dataclass(frozen=True)
class CandidateExplanation:
    """One endpoint of an explanation: either ranked, with its score taken apart, or dropped by a filter."""

    endpoint: str
    rank: int  #: 1: chosen; 0: dropped
    total: float
    dropped: Reason | None
    dropped_by: str | None  #: the filter, or the rule of the policy: "staleness", "slow_start_s"
    dropped_subject: int  #: what the reason `dropped` is about, and the numbers behind it, as `reason_numbers` says
    dropped_a: float
    dropped_b: float
    terms: tuple[ScoreTerm, ...]
    oldest_age_ns: int  #: age of the oldest signal at the moment of the decision; 0 when there is none
    oldest_signal: str | None  #: which that is
    tie_group: int  #: 1: the highest total; who shares a total shares a group; 0: dropped
    corrected: tuple[CorrectedSignal, ...]


@dataclass(frozen=True)
class EarlierDrop:
    """Why an endpoint was no candidate of an earlier stage."""

    endpoint: str
    dropped: Reason
    dropped_by: str
    dropped_subject: int
    dropped_a: float
    dropped_b: float


@dataclass(frozen=True)
class EarlierStage:
    """A stage whose filters left nobody."""

    name: str
    reason: Reason
    reason_subject: int
    reason_a: float
    reason_b: float
    filters: tuple[str, ...]
    dropped: tuple[EarlierDrop, ...]


@dataclass(frozen=True)
class Flip:
    """The weight of a scorer, the others as they are, at which the runner-up is even with the chosen endpoint."""

    scorer: str
    weight: float
    when: str  #: where the runner-up is ahead: "above" or "below"


@dataclass(frozen=True)
class RunnerUp:
    """The second of the ranking, where the picker takes the highest total."""

    endpoint: str
    flips: tuple[Flip, ...]


@dataclass(frozen=True)
class Explanation:
    """A decision taken apart, candidate by candidate, in the order of endpoint ids."""

    outcome: Outcome
    endpoint: str | None
    reason: Reason
    reason_text: str
    reason_subject: int
    reason_a: float
    reason_b: float
    score: float
    margin: float
    ranked: tuple[str, ...]
    filters: tuple[str, ...]
    scorers: tuple[str, ...]
    weights: tuple[float, ...]
    combine: str  #: "sum", "product" or "tiers"
    picker: str
    candidates: tuple[CandidateExplanation, ...]
    stage: int  #: whose parts these are: 0 the policy's own, n its n-th stage of otherwise
    earlier: tuple[EarlierStage, ...]
    runner_up: RunnerUp | None

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Explanation:
        """From the JSON form (docs/schemas/explanation.schema.json)."""
        decision = document["decision"]
        reason = decision["reason"]
        return cls(
            outcome=Outcome.ROUTED if decision["outcome"] == "routed" else Outcome.NO_ENDPOINT,
            endpoint=decision["endpoint"],
            reason=Reason(reason["code"]),
            reason_text=document["reason_text"],
            reason_subject=reason["subject"],
            reason_a=reason["a"],
            reason_b=reason["b"],
            score=decision["score"],
            margin=decision["margin"],
            ranked=tuple(decision["ranked"]),
            filters=tuple(document["filters"]),
            scorers=tuple(document["scorers"]),
            weights=tuple(document["weights"]),
            combine=document["combine"],
            picker=document["picker"],
            candidates=tuple(_candidate(row) for row in document["candidates"]),
            stage=decision["stage"],
            earlier=tuple(_earlier(row) for row in document["earlier"]),
            runner_up=_runner_up(document["runner_up"]),
        )


def _earlier(row: Mapping[str, Any]) -> EarlierStage:
    reason = row["reason"]
    return EarlierStage(
        name=row["name"],
        reason=Reason(reason["code"]),
        reason_subject=reason["subject"],
        reason_a=reason["a"],
        reason_b=reason["b"],
        filters=tuple(row["filters"]),
        dropped=tuple(
            EarlierDrop(
                endpoint=drop["endpoint"],
                dropped=Reason(drop["dropped"]["code"]),
                dropped_by=drop["dropped_by"],
                dropped_subject=drop["dropped"]["subject"],
                dropped_a=drop["dropped"]["a"],
                dropped_b=drop["dropped"]["b"],
            )
            for drop in row["dropped"]
        ),
    )


def _runner_up(row: Mapping[str, Any] | None) -> RunnerUp | None:
    return None if row is None else RunnerUp(row["endpoint"], tuple(Flip(**flip) for flip in row["flips"]))


def _candidate(row: Mapping[str, Any]) -> CandidateExplanation:
    dropped = row["dropped"] or {"code": None, "subject": 0, "a": 0.0, "b": 0.0}
    return CandidateExplanation(
        endpoint=row["endpoint"],
        rank=row["rank"],
        total=row["total"],
        dropped=None if dropped["code"] is None else Reason(dropped["code"]),
        dropped_by=row["dropped_by"],
        dropped_subject=dropped["subject"],
        dropped_a=dropped["a"],
        dropped_b=dropped["b"],
        terms=tuple(ScoreTerm(**term) for term in row["terms"]),
        oldest_age_ns=row["oldest_age_ns"],
        oldest_signal=row["oldest_signal"],
        tie_group=row["tie_group"],
        corrected=tuple(CorrectedSignal(**value) for value in row["corrected"]),
    )
