"""How much each policy suffers from old metrics and from routers that do not know of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kthena.cli import table
from kthena.cli.jobs import LateJob
from kthena.cli.results import Measured, number
from kthena.cli.terminal import counted
from kthena.simulation import Simulation

#: Ages that metrics reach before they are read again, seconds.
METRIC_AGES_S = (0.1, 0.3, 1.0, 3.0)
ROUTERS = (1, 4, 8)


@dataclass(frozen=True)
class Point:
    """One policy with so many routers and metrics of that age. No times where no request finished."""

    policy: str
    routers: int
    poll_interval_s: float
    ttft_mean_s: float | None
    ttft_p99_s: float | None

    def row(self) -> dict[str, Any]:
        """The row of `--json`."""
        return {
            "policy": self.policy,
            "routers": self.routers,
            "poll_interval_s": self.poll_interval_s,
            "ttft_mean_s": self.ttft_mean_s,
            "ttft_p99_s": self.ttft_p99_s,
        }


class HerdingJob(LateJob):
    """The simulation behind a point: a policy's scenario, but with these routers and these polls."""

    def __init__(
        self, policy: str, scenario: dict[str, Any], trace: bytes, routers: int, age_s: float, total: int
    ) -> None:
        def make() -> Simulation:
            return Simulation({**scenario, "routers": routers, "poll_interval_s": age_s}, trace)

        super().__init__(f"{policy} ({counted(routers, 'router')}, {age_s:g} s)", make, total)
        self.policy, self.routers, self.age_s = policy, routers, age_s

    def point(self) -> Point:
        assert self.measured is not None
        measured = Measured(self.measured)
        mean, p99 = measured.seconds("ttft_s", "mean"), measured.seconds("ttft_s", "p99")
        return Point(self.policy, self.routers, self.age_s, mean, p99)


def make_jobs(policy: str, scenario: dict[str, Any], trace: bytes, total: int) -> list[HerdingJob]:
    """`total`: requests of all runs, for the progress."""
    return [
        HerdingJob(policy, scenario, trace, routers, age_s, total) for routers in ROUTERS for age_s in METRIC_AGES_S
    ]


def render_table(points: Sequence[Point]) -> str:
    """A row per number of routers and policy, a column per age."""
    found = {(point.policy, point.routers, point.poll_interval_s): point for point in points}
    policies = list(dict.fromkeys(point.policy for point in points))
    rows = []
    for routers in ROUTERS:
        for policy in policies:
            row = [found[policy, routers, age_s] for age_s in METRIC_AGES_S]
            cells = [f"{number(point.ttft_mean_s)} / {number(point.ttft_p99_s)}" for point in row]
            rows.append([policy, str(routers), *cells])
    heading = "Herding: TTFT mean / p99 in seconds, by routers and by the age that engine metrics reach."
    header = ["policy", "routers", *(f"{age_s:g} s" for age_s in METRIC_AGES_S)]
    return f"{heading}\n\n{table.render(header, rows)}"
