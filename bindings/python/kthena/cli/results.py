"""What a replay found out, by policy: the report of the simulator and what is derived from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kthena.cli.terminal import counted

#: What tells prefix scorers who holds what: the values of --prefix-source.
PREFIX_SOURCES = {
    "kthena": "Kthena's two stores",
    "exact": "an exact index of KV events",
    "fleet": "an exact index of KV events, with bookings and homes",
    "fleet-expected": "where prompts were sent, with bookings and homes",
}


@dataclass(frozen=True)
class Setup:
    """Under which conditions all policies ran."""

    workload: str
    is_trace: bool
    requests: int  #: of one run
    replicas: int
    engine: str
    engine_constants: dict[str, Any]
    concurrency: int  #: 0: open loop
    speed: float
    runs: int
    seed: int
    poll_interval_s: float
    spread_tick_s: float  #: 0: the trace's arrivals as they are
    prefix_source: str  #: of PREFIX_SOURCES
    reads_prefixes: bool  #: whether any of the policies does, or whether routers book
    command: str  #: repeats it
    routers: int = 1
    zipf_s: float = 0.0  #: 0: groups of a generated workload are alike
    engine_groups: tuple[dict[str, Any], ...] = ()  #: of the report, where engines are not all alike
    needs_fleet: tuple[str, ...] = ()  #: policies for which the prefix source is "fleet" without having been asked for

    @property
    def loop(self) -> str:
        if self.concurrency:
            return f"closed loop of {counted(self.concurrency, 'request')}"
        if self.speed == 1:
            return "open loop"
        return f"open loop at {self.speed:g} times the {'trace' if self.is_trace else 'workload'}'s speed"

    @property
    def open_loop(self) -> bool:
        return self.concurrency == 0

    @property
    def caches(self) -> str:
        if self.runs == 1:
            return "caches cold at the start"
        return "caches cold at the start of run 1, warm after"

    def sentence(self) -> str:
        parts = [self._fleet(), self.loop]
        if self.zipf_s:
            parts.append(f"unequal groups, Zipf exponent {self.zipf_s:g}")
        if self.spread_tick_s:
            parts.append(f"arrivals spread over ticks of {self.spread_tick_s:g} s")
        parts += [f"{counted(self.runs, 'run')} of {counted(self.requests, 'request')}", self.caches]
        parts.append(f"engine metrics read every {self.poll_interval_s:g} s")
        if self.reads_prefixes:
            parts.append(f"prefixes known from {PREFIX_SOURCES[self.prefix_source]}")
        return "; ".join([*parts, f"seed {self.seed}"]) + "."

    def _fleet(self) -> str:
        groups = ", ".join(f"{group['count']:,} of {group['engine']}" for group in self.engine_groups)
        engines = f"engines, {groups}" if groups else f"engine {self.engine}, {counted(self.replicas, 'replica')}"
        routers = "" if self.routers == 1 else f", {self.routers} routers that do not know of each other"
        return f"Simulated {engines}{routers}"

    def remarks(self) -> list[str]:
        """What was chosen for the caller."""
        if not self.needs_fleet:
            return []
        names, have = ", ".join(self.needs_fleet), "has" if len(self.needs_fleet) == 1 else "have"
        return [f"Prefix source fleet for all policies: {names} {have} parts that Kthena's router has not."]


@dataclass(frozen=True)
class PolicyResult:
    """One policy's report and its place in the comparison."""

    policy: str
    report: dict[str, Any]
    published: dict[str, float] | None  #: where the library finds the two comparable
    is_baseline: bool
    ratio_to_random: float | None  #: of requests per second
    ttft_ratio_to_random: float | None  #: of the means
    published_ratio_to_random: float | None

    @property
    def total(self) -> Measured:
        return Measured(self.report["total"])

    @property
    def runs(self) -> list[Measured]:
        return [Measured(run) for run in self.report["runs"]]

    def row(self) -> dict[str, Any]:
        """The row of `--json`."""
        total = self.total
        return {
            "policy": self.policy,
            "throughput_rps": total.throughput_rps,
            "e2e_mean_s": total.seconds("e2e_s", "mean"),
            "e2e_p99_s": total.seconds("e2e_s", "p99"),
            "ttft_mean_s": total.seconds("ttft_s", "mean"),
            "ttft_p50_s": total.seconds("ttft_s", "p50"),
            "ttft_p99_s": total.seconds("ttft_s", "p99"),
            "hit_ratio": total.ratio("hit_ratio"),
            "load_max_over_mean": total.ratio("load_max_over_mean"),
            "ratio_to_random": self.ratio_to_random,
            "ttft_ratio_to_random": self.ttft_ratio_to_random,
            "published": self.published,
            "requests": total.requests,
            "waited_for_poll": total.count("waited_for_poll"),
            "unroutable": total.count("unroutable"),
            "preemptions": total.count("preemptions"),
            "runs": [
                {
                    "throughput_rps": run.throughput_rps,
                    "ttft_mean_s": run.seconds("ttft_s", "mean"),
                    "hit_ratio": run.ratio("hit_ratio"),
                }
                for run in self.runs
            ],
        }


class Measured:
    """What a run, or all together, came to. Where no request finished there are no times and no shares: None, never 0."""

    def __init__(self, run: dict[str, Any]) -> None:
        self._run = run
        self.requests: int = run["requests"]
        self.throughput_rps: float = run["throughput_rps"] or 0.0

    def count(self, name: str) -> int:
        value: int = self._run[name]
        return value

    def seconds(self, name: str, statistic: str) -> float | None:
        value: float | None = self._run[name][statistic] if self.requests else None
        return value

    def ratio(self, name: str) -> float | None:
        value: float | None = self._run[name] if self.requests else None
        return value


def number(value: float | None, form: str = ".2f") -> str:
    """For a cell; "-" where there is none."""
    return "-" if value is None else format(value, form)


def compare(reports: list[tuple[str, dict[str, Any]]], baseline: int | None) -> list[PolicyResult]:
    """Results in the order of the reports, as ratios to the one at position `baseline`, which is the preset `random`."""

    def ratio(value: float | None, base: float | None) -> float | None:
        return value / base if value is not None and base else None

    def published_throughput(report: dict[str, Any]) -> float | None:
        row = report["published"]
        return None if row is None else float(row["throughput_rps"])

    totals = [Measured(report["total"]) for _, report in reports]
    ttfts = [total.seconds("ttft_s", "mean") for total in totals]
    published = [published_throughput(report) for _, report in reports]
    return [
        PolicyResult(
            policy=name,
            report=report,
            published=report["published"],
            is_baseline=i == baseline,
            ratio_to_random=ratio(
                totals[i].throughput_rps, None if baseline is None else totals[baseline].throughput_rps
            ),
            ttft_ratio_to_random=ratio(ttfts[i], None if baseline is None else ttfts[baseline]),
            published_ratio_to_random=ratio(published[i], None if baseline is None else published[baseline]),
        )
        for i, (name, report) in enumerate(reports)
    ]
