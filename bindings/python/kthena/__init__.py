"""kthena: where does a request to an LLM fleet go? Snapshot in, decision out, with the reason attached.

>>> import kthena
>>> pool = kthena.Pool(["pod-a", "pod-b"])
>>> pool.update(in_flight=[3, 1], running=[3, 1], sampled_ns=0)
>>> policy = kthena.Policy("kthena-default")
>>> decision = policy.decide(pool, id="request-1", model="llama", seed=1)
>>> decision.endpoint, decision.ranked, decision.reason.name
('pod-b', ('pod-b', 'pod-a'), 'BEST_SCORE')

The module reads no clock, no file and no random source: the moment and the seed are arguments, and equal arguments give
equal decisions in C++, C, Python and Go.
"""

from __future__ import annotations

from kthena import engine, hashes
from kthena._core import Decision, ScoreInput, hash_id, random_u64, reason_numbers
from kthena.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    KthenaError,
    NotFoundError,
    OutOfRangeError,
    ResourceExhaustedError,
    StatusCode,
)
from kthena.fleet import Estimator, Fleet, FleetCounts, FleetIndex, Ticket, TicketOutcome
from kthena.logs import DecisionLog, lint, lint_json, log_diff, policy_hash
from kthena.prefix import PrefixIndex, PrefixQuery
from kthena.reasons import Reason
from kthena.routing import Policy, Pool, decide_json, parts, presets
from kthena.simulation import Simulation
from kthena.types import (
    NO_ENDPOINT,
    NO_WORKER,
    SIGNALS,
    CandidateExplanation,
    Explanation,
    OptionInfo,
    Outcome,
    PartInfo,
    Place,
    PrefixEvent,
    PrefixIndexOptions,
    PrefixPick,
    PrefixStats,
    ScoreTerm,
    SignalColumns,
    Tier,
)
from kthena.version import __version__

__all__ = [
    "NO_ENDPOINT",
    "NO_WORKER",
    "SIGNALS",
    "CandidateExplanation",
    "Decision",
    "DecisionLog",
    "Estimator",
    "Explanation",
    "FailedPreconditionError",
    "Fleet",
    "FleetCounts",
    "FleetIndex",
    "InvalidArgumentError",
    "KthenaError",
    "NotFoundError",
    "OptionInfo",
    "OutOfRangeError",
    "Outcome",
    "PartInfo",
    "Place",
    "Policy",
    "Pool",
    "PrefixEvent",
    "PrefixIndex",
    "PrefixIndexOptions",
    "PrefixPick",
    "PrefixQuery",
    "PrefixStats",
    "Reason",
    "ResourceExhaustedError",
    "ScoreInput",
    "ScoreTerm",
    "SignalColumns",
    "Simulation",
    "StatusCode",
    "Ticket",
    "TicketOutcome",
    "Tier",
    "__version__",
    "decide_json",
    "engine",
    "hash_id",
    "hashes",
    "lint",
    "lint_json",
    "log_diff",
    "parts",
    "policy_hash",
    "presets",
    "random_u64",
    "reason_numbers",
]
