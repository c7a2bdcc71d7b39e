"""A replay as a table on a terminal, as JSON and as CSV."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kthena.cli import herding, table
from kthena.cli.results import PolicyResult, Setup, number
from kthena.cli.terminal import counted, printable
from kthena.version import __version__

PUBLISHED_NOTE = (
    "In parentheses: published by Kthena (benchmark of 2025-09, mean of 3 runs, hardware and weights not stated)."
)
OPEN_LOOP_NOTE = "In an open loop req/s follows the arrivals: compare the times, as TTFT x random does."


def render_table(setup: Setup, results: list[PolicyResult], points: Sequence[herding.Point] = ()) -> str:
    header = [
        "policy",
        "req/s",
        "E2E mean s",
        "E2E p99 s",
        "TTFT mean s",
        "TTFT p50 s",
        "TTFT p99 s",
        "hit %",
        "load max/mean",
        "x random",
        *(["TTFT x random"] if setup.open_loop else []),
    ]
    published = any(result.published for result in results)
    rows = []
    for result in results:
        row, beside = result.row(), result.published or {}

        def both(value: float | None, name: str, beside: dict[str, float] = beside) -> str:
            if not published:
                return number(value)
            known = f"({beside[name]:.2f})" if name in beside else ""
            return f"{number(value)} {known:>7}"

        ratio = number(result.ratio_to_random)
        if published:
            known = "" if result.published_ratio_to_random is None else f"({result.published_ratio_to_random:.2f})"
            ratio += f" {known:>6}"
        rows.append(
            [
                result.policy,
                both(row["throughput_rps"], "throughput_rps"),
                both(row["e2e_mean_s"], "e2e_mean_s"),
                number(row["e2e_p99_s"]),
                both(row["ttft_mean_s"], "ttft_mean_s"),
                number(row["ttft_p50_s"]),
                number(row["ttft_p99_s"]),
                number(row["hit_ratio"] and row["hit_ratio"] * 100, ".1f"),
                number(row["load_max_over_mean"]),
                ratio,
                *([number(result.ttft_ratio_to_random)] if setup.open_loop else []),
            ]
        )
    lines = [f"{printable(setup.workload)}. {setup.sentence()}", "", table.render(header, rows), ""]
    if published:
        lines.append(PUBLISHED_NOTE)
    if setup.open_loop and any(result.ratio_to_random is not None for result in results):
        lines.append(OPEN_LOOP_NOTE)
    lines += [printable(note) for note in [*setup.remarks(), *notes(results)]]
    if points:
        lines += ["", herding.render_table(points)] if lines[-1] else [herding.render_table(points)]
    return "\n".join(lines).rstrip()


def notes(results: list[PolicyResult]) -> list[str]:
    """What the columns do not show."""
    lines = []
    for result in results:
        waited, unroutable = result.total.count("waited_for_poll"), result.total.count("unroutable")
        if waited:
            lines.append(
                f"{result.policy}: {counted(waited, 'request')} found no eligible endpoint and waited for a poll."
            )
        if unroutable:
            were = "was" if unroutable == 1 else "were"
            lines.append(
                f"{result.policy}: {counted(unroutable, 'request')} {were} given up: nobody was ever eligible."
            )
    return lines


def render_json(setup: Setup, results: list[PolicyResult], points: Sequence[herding.Point] = ()) -> str:
    document: dict[str, Any] = {
        "workload": setup.workload,
        "rows": [result.row() for result in results],
        "simulated": True,
        "engine": setup.engine,
        "engine_constants": setup.engine_constants,
        "replicas": setup.replicas,
        "requests_per_run": setup.requests,
        "runs": setup.runs,
        "seed": setup.seed,
        "concurrency": setup.concurrency,
        "speed": setup.speed,
        "loop": "closed" if setup.concurrency else "open",
        "poll_interval_s": setup.poll_interval_s,
        "spread_tick_s": setup.spread_tick_s,
        "prefix_source": setup.prefix_source,
        "caches": setup.caches,
        "command": setup.command,
        "version": __version__,
    }
    if setup.routers != 1:
        document["routers"] = setup.routers
    if setup.zipf_s:
        document["zipf_s"] = setup.zipf_s
    if setup.engine_groups:
        document["engine_groups"] = setup.engine_groups
    if points:
        document["herding"] = [point.row() for point in points]
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def render_csv(tables: list[tuple[str, str]]) -> str:
    """The per-request tables of all policies under one header, with a first column that names the policy."""
    lines: list[str] = []
    for policy, text in tables:
        header, _, rest = text.partition("\n")
        if not lines:
            lines.append(f"policy,{header}\n")
        quoted = policy if not any(c in policy for c in ',"\n\r') else '"' + policy.replace('"', '""') + '"'
        lines += [f"{quoted},{line}\n" for line in rest.splitlines()]
    return "".join(lines)
