"""Metrics pages (Prometheus' text format) to samples, and what happened between two of them."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from kthena import _core
from kthena.arrays import Float64

#: Names of the signals; `EngineReading` says what they are.
SIGNALS = (
    "running",
    "waiting",
    "kv_usage",
    "kv_used_blocks",
    "kv_total_blocks",
    "kv_total_tokens",
    "block_tokens",
    "hit_rate",
    "prefix_hits",
    "prefix_queries",
    "external_prefix_hits",
    "external_prefix_queries",
    "prompt_tokens",
    "generation_tokens",
    "preemptions",
    "finished",
)

#: Names of the latencies, all in seconds.
LATENCIES = ("ttft_s", "itl_s", "e2e_s", "queue_s")


class ProfileInfo(NamedTuple):
    """What one kind of engine publishes."""

    name: str
    signals: tuple[str, ...]
    latencies: tuple[str, ...]
    ranks: bool  #: tells its data-parallel ranks apart
    adapters: bool  #: lists its adapters
    kv_events: bool  #: publishes KV events, for `KvStream`


def profiles() -> tuple[ProfileInfo, ...]:
    """The kinds of engines that are known."""
    return tuple(
        ProfileInfo(**row | {"signals": tuple(row["signals"]), "latencies": tuple(row["latencies"])})
        for row in json.loads(_core.engine_profiles_json())
    )


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts of observations: `cumulative[i]` were <= `bounds[i]` seconds. Both ascend; the last bound may be infinite."""

    bounds: Float64
    cumulative: Float64
    count: float  #: all observations
    sum: float  #: of the observed values; NaN when it is not published

    @property
    def mean(self) -> float:
        """NaN when nothing was observed."""
        return self.sum / self.count if self.count > 0 else math.nan

    def quantile(self, q: float) -> float:
        """The value below which a share `q` (0 .. 1) lies, linear inside a bucket; NaN when nothing was observed."""
        return _core.histogram_quantile(self.bounds, self.cumulative, self.count, q)


@dataclass(frozen=True, slots=True, eq=False)
class EngineReading:
    """What an engine, or one data-parallel rank of it, reports. NaN or None: not published, which is not 0.

    "ever": a counter that grows while the engine runs.
    """

    running: float  #: requests in the batch
    waiting: float  #: requests in the queue
    kv_usage: float  #: share of KV blocks in use, 0..1
    kv_used_blocks: float
    kv_total_blocks: float
    kv_total_tokens: float  #: tokens that fit into the KV cache
    block_tokens: float  #: tokens per KV block
    hit_rate: float  #: share of prompt tokens that were cached, 0..1, over a time of the engine's choice
    prefix_hits: float  #: ever: prompt tokens found in the engine's own cache
    prefix_queries: float  #: ever: prompt tokens looked up there
    external_prefix_hits: float  #: ever: prompt tokens fetched from a cache outside the engine
    external_prefix_queries: float  #: ever: prompt tokens looked up there
    prompt_tokens: float  #: ever
    generation_tokens: float  #: ever
    preemptions: float  #: ever: running requests sent back to the queue
    finished: float  #: ever: requests that ended, for whatever reason
    ttft_s: Histogram | None  #: from arrival to the first token, since the engine started
    itl_s: Histogram | None  #: between two output tokens of a request
    e2e_s: Histogram | None  #: from arrival to the end
    queue_s: Histogram | None  #: from arrival into the batch

    @property
    def published(self) -> dict[str, float]:
        """The signals that are published, by name."""
        return {name: value for name in SIGNALS if not math.isnan(value := getattr(self, name))}


class EngineAdapters(NamedTuple):
    """Adapters by name, ascending. One that runs and waits is in both."""

    maximum: float  #: adapters at once; NaN: not published
    running: tuple[str, ...]
    waiting: tuple[str, ...]


class MetricsCounts(NamedTuple):
    """What became of the lines of a page."""

    lines: int  #: without empty ones; the sum of those below but `over_limits`
    used: int  #: samples that the profile names
    other: int  #: comments and other metrics
    broken: int  #: not in the format
    unusable: int  #: values that cannot be: NaN, infinite, negative, too large
    other_models: int  #: of models that were not asked for
    over_limits: int  #: ranks or buckets beyond the limits


@dataclass(frozen=True, slots=True, eq=False)
class EngineSample(EngineReading):
    """What one engine said at one moment: all ranks joined, and each."""

    sampled_ns: int | None  #: given by who scraped
    ranks: dict[int, EngineReading]  #: ascending; engines without ranks have one, number 0
    adapters: EngineAdapters | None  #: None: the engine does not list them
    models: tuple[str, ...]  #: names of served models, as far as series carry one
    counts: MetricsCounts
    _sample: _core.EngineSample

    def json(self) -> str:
        """The same as a document (docs/schemas/engine_sample.schema.json)."""
        return self._sample.json()

    def __repr__(self) -> str:
        return f"<kthena.engine.EngineSample of {len(self.ranks)} ranks, {self.published}>"


class EngineInterval:
    """What happened between two samples of one engine, rank by rank, then joined."""

    __slots__ = ("_interval", "e2e_s", "elapsed_ns", "growth", "itl_s", "queue_s", "restarted", "ttft_s")

    elapsed_ns: int  #: 0 where a time is not known
    restarted: bool  #: a counter fell, or a histogram: that rank's later values count from zero
    growth: dict[str, float]  #: of the counters that the later sample publishes
    ttft_s: Histogram | None  #: what was observed in between; None: not published
    itl_s: Histogram | None
    e2e_s: Histogram | None
    queue_s: Histogram | None

    def __init__(self, before: EngineSample | None, now: EngineSample) -> None:
        self._interval = _core.EngineInterval(None if before is None else before._sample, now._sample)
        self.elapsed_ns = self._interval.elapsed_ns
        self.restarted = self._interval.restarted
        values = zip(SIGNALS, self._interval.values, strict=True)
        self.growth = {name: value for name, value in values if not math.isnan(value)}
        self.ttft_s, self.itl_s, self.e2e_s, self.queue_s = (
            _histogram(self._interval.histogram(latency)) for latency in range(len(LATENCIES))
        )

    def rate(self, name: str) -> float:
        """Growth of a counter per second; NaN where it is not known or no time passed."""
        if self.elapsed_ns <= 0:
            return math.nan
        return self.growth.get(name, math.nan) / (self.elapsed_ns / 1e9)

    def json(self) -> str:
        """The same as a document (docs/schemas/engine_interval.schema.json)."""
        return self._interval.json()

    def __repr__(self) -> str:
        return f"<kthena.engine.EngineInterval of {self.elapsed_ns / 1e9:g} s, {self.growth}>"


class MetricsParser:
    """Reads pages of one kind of engine. It keeps its memory.

    `model`: only series of this served model, and those that name none; empty: all. `max_ranks` (1 .. 65536, 0: 1024)
    and `max_bytes` (0: 16 MiB) bound memory.

    Threads: any number; they wait for one another.
    """

    __slots__ = ("_parser", "profile")

    def __init__(self, profile: str, *, model: str = "", max_ranks: int = 0, max_bytes: int = 0) -> None:
        self.profile = profile
        self._parser = _core.EngineParser(profile, model=model, max_ranks=max_ranks, max_bytes=max_bytes)

    def parse(self, text: str | bytes, *, sampled_ns: int | None = None) -> EngineSample:
        """A page, scraped at `sampled_ns`.

        Broken lines and values that cannot be are counted and skipped; a text without any line of the format is an
        InvalidArgumentError.
        """
        sample = self._parser.parse(text, sampled_ns)
        adapters = sample.adapters
        return EngineSample(
            **_reading(sample, None),
            sampled_ns=sample.sampled_ns,
            ranks={rank: EngineReading(**_reading(sample, rank)) for rank in sample.ranks},
            adapters=None if adapters is None else EngineAdapters(*adapters),
            models=sample.models,
            counts=MetricsCounts(**sample.counts),
            _sample=sample,
        )

    def __repr__(self) -> str:
        return f"<kthena.engine.MetricsParser of {self.profile}>"


def parse_metrics(text: str | bytes, profile: str, *, sampled_ns: int | None = None, model: str = "") -> EngineSample:
    """A page, as `MetricsParser(profile, model=model).parse(text, sampled_ns=sampled_ns)`. The parser is kept."""
    return _parser(profile, model).parse(text, sampled_ns=sampled_ns)


@functools.lru_cache(maxsize=16)
def _parser(profile: str, model: str) -> MetricsParser:
    return MetricsParser(profile, model=model)


def interval(before: EngineSample | None, now: EngineSample) -> EngineInterval:
    """What happened from `before` to `now`; None: since the engine started."""
    return EngineInterval(before, now)


def _histogram(parts: tuple[Float64, Float64, float, float] | None) -> Histogram | None:
    return None if parts is None else Histogram(*parts)


def _reading(sample: _core.EngineSample, rank: int | None) -> dict[str, Any]:
    """Arguments of an EngineReading."""
    histograms = (_histogram(sample.histogram(rank, latency)) for latency in range(len(LATENCIES)))
    return dict(zip(SIGNALS, sample.values(rank), strict=True)) | dict(zip(LATENCIES, histograms, strict=True))
