"""What do engines say? Metrics pages and KV events of vLLM, SGLang and others, in one vocabulary.

>>> from kthena import engine
>>> sample = engine.parse_metrics('vllm:num_requests_waiting{engine="0"} 3', "vllm")
>>> sample.waiting, sample.published
(3.0, {'waiting': 3.0})

Which engine it is, is the caller's to say, by the name of a profile (`profiles()`); nothing is guessed. `docs/engine.md`
has the rules: ranks, restarts, broken lines, gaps and replays.
"""

from __future__ import annotations

from kthena.engine.kv_events import (
    REPLAY_END,
    KvOutcome,
    KvState,
    KvStep,
    KvStream,
    KvStreamInfo,
    ReplayRequest,
    decode_kv_events,
    read_kv_message,
)
from kthena.engine.metrics import (
    LATENCIES,
    SIGNALS,
    EngineAdapters,
    EngineInterval,
    EngineReading,
    EngineSample,
    Histogram,
    MetricsCounts,
    MetricsParser,
    ProfileInfo,
    interval,
    parse_metrics,
    profiles,
)
from kthena.engine.zmq import Subscription, subscribe

__all__ = [
    "LATENCIES",
    "REPLAY_END",
    "SIGNALS",
    "EngineAdapters",
    "EngineInterval",
    "EngineReading",
    "EngineSample",
    "Histogram",
    "KvOutcome",
    "KvState",
    "KvStep",
    "KvStream",
    "KvStreamInfo",
    "MetricsCounts",
    "MetricsParser",
    "ProfileInfo",
    "ReplayRequest",
    "Subscription",
    "decode_kv_events",
    "interval",
    "parse_metrics",
    "profiles",
    "read_kv_message",
    "subscribe",
]
