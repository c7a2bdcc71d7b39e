"""What a replay found out, by policy: the report of the simulator and what is derived from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setup:
    """Under which conditions all policies ran."""

    workload: str
    requests: int  #: of one run
    replicas: int
    engine: str
    engine_constants: dict[str, Any]
    concurrency: int  #: 0: open loop
    speed: float
    runs: int
    seed: int
    poll_interval_s: float
    command: str  #: repeats it

    @property
    def loop(self) -> str:
        if self.concurrency:
            return f"closed loop of {self.concurrency:,} requests"
        return "open loop" if self.speed == 1 else f"open loop at {self.speed:g} times the trace's speed"

    @property
    def caches(self) -> str:
        if self.runs == 1:
            return "caches cold at the start"
        return "caches cold at the start of run 1, warm after"

    def sentence(self) -> str:
        runs = "1 run" if self.runs == 1 else f"{self.runs} runs"
        return (
            f"Simulated engine {self.engine}, {self.replicas} replicas; {self.loop}; {runs} of {self.requests:,} "
            f"requests; {self.caches}; engine metrics read every {self.poll_interval_s:g} s; seed {self.seed}."
        )


@dataclass(frozen=True)
class PolicyResult:
    """One policy's report and its place in the comparison."""

    policy: str
    report: dict[str, Any]
    published: dict[str, float] | None
    ratio_to_random: float | None
    published_ratio_to_random: float | None

    @property
    def total(self) -> dict[str, Any]:
        total: dict[str, Any] = self.report["total"]
        return total

    def row(self) -> dict[str, Any]:
        """The row of `--json`."""
        total = self.total
        return {
            "policy": self.policy,
            "throughput_rps": total["throughput_rps"],
            "e2e_mean_s": total["e2e_s"]["mean"],
            "e2e_p99_s": total["e2e_s"]["p99"],
            "ttft_mean_s": total["ttft_s"]["mean"],
            "ttft_p50_s": total["ttft_s"]["p50"],
            "ttft_p99_s": total["ttft_s"]["p99"],
            "hit_ratio": total["hit_ratio"],
            "load_max_over_mean": total["load_max_over_mean"],
            "ratio_to_random": self.ratio_to_random,
            "published": self.published,
            "requests": total["requests"],
            "waited_for_poll": total["waited_for_poll"],
            "unroutable": total["unroutable"],
            "preemptions": total["preemptions"],
            "runs": [
                {
                    "throughput_rps": run["throughput_rps"],
                    "ttft_mean_s": run["ttft_s"]["mean"],
                    "hit_ratio": run["hit_ratio"],
                }
                for run in self.report["runs"]
            ],
        }


def compare(reports: list[tuple[str, dict[str, Any]]], published: dict[str, dict[str, float]]) -> list[PolicyResult]:
    """Results in the order of the reports, each beside its published row and as a ratio to random."""

    def ratio(value: float | None, base: float | None) -> float | None:
        return value / base if value is not None and base else None

    throughput = {name: report["total"]["throughput_rps"] for name, report in reports}
    published_throughput = {name: row["throughput_rps"] for name, row in published.items()}
    return [
        PolicyResult(
            policy=name,
            report=report,
            published=published.get(name),
            ratio_to_random=ratio(throughput[name], throughput.get("random")),
            published_ratio_to_random=ratio(published_throughput.get(name), published_throughput.get("random")),
        )
        for name, report in reports
    ]
