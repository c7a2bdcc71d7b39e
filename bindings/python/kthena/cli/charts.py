"""The charts of a replay: how long until the first token, who carries the load when, and what old metrics do to both."""

from __future__ import annotations

from collections.abc import Sequence

from kthena.cli import svg
from kthena.cli.herding import METRIC_AGES_S, ROUTERS, Point
from kthena.cli.results import PolicyResult, number
from kthena.cli.terminal import counted

#: Samples in the close-up of the load: enough to see several polls.
CLOSE_UP = 48


def ttft_cdf(results: Sequence[PolicyResult]) -> str:
    """Share of requests whose first token came within a time, by policy; time by its logarithm."""
    curves = [result.report["ttft_cdf_s"] if result.total.requests else [] for result in results]
    positive = [value for curve in curves for value in curve if value > 0]
    low = max(min(positive, default=0.01), 1e-3)
    high = max(max(positive, default=1.0), low * 10)
    x = svg.Scale(low * 0.9, high * 1.1, 48, 748, log=True)
    y = svg.Scale(0, 100, 300, 24)
    body = svg.axes(x, y, "time to first token, s (logarithmic)", "% of requests")
    for i, curve in enumerate(curves):
        if not curve:
            continue
        body += svg.line([x(value) for value in curve], [y(k) for k in range(len(curve))], f"curve p{i % 8}")
    p50s = ((result.policy, result.total.seconds("ttft_s", "p50")) for result in results)
    medians = "; ".join(f"{policy} none" if p50 is None else f"{policy} {p50:.2f} s" for policy, p50 in p50s)
    return svg.figure(
        "cdf", 760, 340, "Time to first token", f"Cumulative share of requests by policy. Medians: {medians}.", body
    )


class Load:
    """Requests in each engine over time, of one policy."""

    def __init__(self, result: PolicyResult) -> None:
        load = result.report["load"]
        engines = len(result.report["engines"])
        self.times = [at / 1e9 for at in load["at_ns"]]
        totals = [a + b for a, b in zip(load["running"], load["waiting"], strict=True)]
        self.samples = [totals[i : i + engines] for i in range(0, len(totals), engines)]

    @property
    def most(self) -> int:
        return max((max(sample) for sample in self.samples), default=0)

    def imbalance(self) -> float:
        """Busiest engine over the mean of all, averaged over the samples in which there is work."""
        ratios = [max(sample) * len(sample) / sum(sample) for sample in self.samples if sum(sample)]
        return sum(ratios) / len(ratios) if ratios else 1.0


def load_over_time(name: str, load: Load, most: int, css: str) -> str:
    """The range between the engines over the whole time, and a close-up with a line per engine."""
    if len(load.times) < 2:
        return "<p>Too short for samples of the load.</p>"
    y = svg.Scale(0, max(most, 1), 148, 20)
    x = svg.Scale(0, max(load.times[-1], 1e-9), 48, 468)
    lows, highs = [min(sample) for sample in load.samples], [max(sample) for sample in load.samples]
    means = [sum(sample) / len(sample) for sample in load.samples]
    times = [x(at) for at in load.times]
    body = svg.axes(x, y, "time, s", "requests per engine: least, mean and most", x_ticks=5, y_ticks=3)
    body += svg.band(times, [y(low) for low in lows], [y(high) for high in highs], f"band {css}")
    body += svg.line(times, [y(mean) for mean in means], f"mean {css}")

    first = max((len(load.times) - CLOSE_UP) // 2, 0)
    part = slice(first, first + CLOSE_UP)
    begin, end = load.times[part][0], load.times[part][-1]
    x = svg.Scale(begin, max(end, begin + 1e-9), 516, 748)
    body += svg.axes(x, y, "time, s", "close-up, a line per engine", x_ticks=3, y_ticks=3)
    times = [x(at) for at in load.times[part]]
    for engine in range(len(load.samples[0])):
        body += svg.line(times, [y(sample[engine]) for sample in load.samples[part]], f"engine e{engine % 4}")
    description = (
        f"Requests running or waiting per engine. On average the busiest engine holds {load.imbalance():.2f} times the "
        f"mean; the most at any sample is {load.most}."
    )
    return svg.figure(name, 760, 184, "Load per engine over time", description, body)


def herding(points: Sequence[Point], statistic: str) -> str:
    """`ttft_mean_s` or `ttft_p99_s` against the age of metrics: a panel per number of routers, a line per policy."""
    values = {(p.policy, p.routers, p.poll_interval_s): p.row()[statistic] for p in points}
    policies = list(dict.fromkeys(point.policy for point in points))
    shown = [value for value in values.values() if value is not None]
    low = max(min(shown, default=0.1), 1e-3) * 0.9
    y = svg.Scale(low, max(max(shown, default=1.0) * 1.1, low * 5), 224, 24, log=True)
    left, width, gap = 48, 204, 44
    body = ""
    for panel, routers in enumerate(ROUTERS):
        start = left + panel * (width + gap)
        x = svg.Scale(METRIC_AGES_S[0], METRIC_AGES_S[-1], start, start + width, log=True, marks=METRIC_AGES_S)
        body += svg.axes(x, y, "age of metrics, s", counted(routers, "router"))
        for i, policy in enumerate(policies):
            line = [(age_s, value) for age_s in METRIC_AGES_S if (value := values[policy, routers, age_s]) is not None]
            if line:
                body += svg.line([x(age_s) for age_s, _ in line], [y(value) for _, value in line], f"curve p{i % 8}")
    name = {"ttft_mean_s": "Mean time to first token", "ttft_p99_s": "Time to first token of the slowest hundredth"}[
        statistic
    ]
    oldest = "; ".join(
        f"{policy} {number(values[policy, 1, METRIC_AGES_S[0]])} to {number(values[policy, 1, METRIC_AGES_S[-1]])} s"
        for policy in policies
    )
    description = (
        f"By the age that metrics reach, a panel per number of routers, both axes logarithmic. With 1 router, from "
        f"{METRIC_AGES_S[0]:g} s to {METRIC_AGES_S[-1]:g} s old: {oldest}."
    )
    return svg.figure(f"herding-{statistic}", 760, 264, name, description, body)
