#!/usr/bin/env python3
"""Makes docs/fleet-report.md and its pictures from what bench/fleet_matrix.cpp wrote.

    tools/fleet_report.py MATRIX.json [--docs DIRECTORY]

Equal input gives equal bytes. All intervals are 95 %, Student's t over paired differences of seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OURS = "cost"
BASE = "random"
BOUND = "partition"  # knows what no router is told, so it is never "best"
KV = "kthena-2025-09/least-request+kv"
NEAR = 0.03  # of the best
TAIL = 0.10  # more than the best's TTFT p99 is worth a line, though nothing is promised

# 97.5 % quantiles of Student's t by degrees of freedom; beyond them the normal one.
T975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131]


@dataclass(frozen=True)
class Metric:
    key: str
    title: str
    up: bool  # more is better


THROUGHPUT = Metric("throughput_rps", "req/s", True)
TTFT_P50 = Metric("ttft_p50_s", "TTFT p50 s", False)
TTFT_P99 = Metric("ttft_p99_s", "TTFT p99 s", False)
E2E = Metric("e2e_mean_s", "E2E mean s", False)
METRICS = [THROUGHPUT, TTFT_P50, TTFT_P99, E2E]  # of the promise "never below random"
RANKED = [THROUGHPUT, E2E]  # of the promise "near the best"


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@dataclass(frozen=True)
class Difference:
    """a - b over paired seeds, in units of b's mean."""

    mean: float
    half: float  # of the 95 % interval; 0 with one seed

    @staticmethod
    def of(a: list[float], b: list[float]) -> Difference:
        differences = [x - y for x, y in zip(a, b, strict=True)]
        n, middle = len(differences), mean(differences)
        half = 0.0
        if n > 1:
            deviation = math.sqrt(sum((d - middle) ** 2 for d in differences) / (n - 1))
            half = (T975[n - 2] if n - 2 < len(T975) else 1.96) * deviation / math.sqrt(n)
        scale = abs(mean(b)) or 1.0
        return Difference(middle / scale, half / scale)

    def worse(self, metric: Metric) -> bool:
        """Outside the interval."""
        return self.mean + self.half < 0 if metric.up else self.mean - self.half > 0

    def text(self) -> str:
        return f"{100 * self.mean:+.1f} ± {100 * self.half:.1f} %"


@dataclass
class Cell:
    name: str
    group: str
    about: str
    routers: int
    poll_s: float
    results: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # policy -> metric -> one per seed
    lost: dict[str, int] = field(default_factory=dict)  # policy -> requests never answered
    behind: dict[str, int] = field(default_factory=dict)  # policy -> seeds in which it did not keep up

    def value(self, policy: str, metric: Metric) -> float:
        return mean(self.results[policy][metric.key])

    def against(self, policy: str, metric: Metric, ours: str = OURS) -> Difference:
        return Difference.of(self.results[ours][metric.key], self.results[policy][metric.key])

    def others(self, ours: str = OURS) -> list[str]:
        """Presets that answered everything."""
        return [p for p in self.results if p not in (ours, BOUND) and not self.lost[p]]

    def best(self, metric: Metric, ours: str = OURS) -> str:
        pick = max if metric.up else min
        return pick(self.others(ours), key=lambda policy: self.value(policy, metric))

    def over_best(self, policy: str, metric: Metric) -> float:
        """How far from the best of all presets, itself included: 1 is the best, more is worse."""
        values = [self.value(p, metric) for p in [*self.others(policy), policy]]
        mine = self.value(policy, metric)
        ratio = max(values) / mine if metric.up else mine / max(min(values), 1e-12)
        return ratio if math.isfinite(ratio) else 1.0

    def below_random(self, policy: str = OURS) -> list[Metric]:
        return [m for m in METRICS if self.against(BASE, m, policy).worse(m)]

    def far_from_best(self, policy: str = OURS) -> list[Metric]:
        """By ratios of means: 3 % less throughput, 3 % more seconds."""
        far = []
        for metric in RANKED:
            best = self.value(self.best(metric, policy), metric)
            mine = self.value(policy, metric)
            if mine < (1 - NEAR) * best if metric.up else mine > (1 + NEAR) * best:
                far.append(metric)
        return far


def read_cells(document: dict[str, Any]) -> list[Cell]:
    if document.get("format") != "fleet-matrix/1":
        raise ValueError("not a document of fleet_matrix: its format is not fleet-matrix/1")
    cells = []
    for raw in document["cells"]:
        cell = Cell(raw["name"], raw["group"], raw["about"], raw["routers"], raw["poll_s"])
        asked = max((r["requests"] for r in raw["results"]), default=0)
        for result in raw["results"]:
            policy = result["policy"]
            metrics = cell.results.setdefault(policy, {})
            for key, value in result.items():
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    metrics.setdefault(key, []).append(float(value))
            cell.lost[policy] = cell.lost.get(policy, 0) + asked - result["requests"]
            cell.behind[policy] = cell.behind.get(policy, 0) + (not result["kept_up"])
        cells.append(cell)
    return cells


def number(value: float) -> str:
    """Three digits or more."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if 0 < value < 100 else f"{value:.0f}"


# ---------------------------------------------------------------- the page


def verdict(cell: Cell) -> str:
    faults = [f"below random in {m.title}: {cell.against(BASE, m).text()}" for m in cell.below_random()]
    for metric in cell.far_from_best():
        best = cell.best(metric)
        faults.append(f"{metric.title} {cell.against(best, metric).text()} of {best}'s")
    return "; ".join(faults)


def cell_table(cell: Cell) -> list[str]:
    best = cell.best(E2E)
    rows = [(OURS, OURS), (BASE, BASE)]
    if best != BASE:
        rows.append((f"best other: {best}", best))
    if BOUND in cell.results:
        rows.append((BOUND, BOUND))
    lines = ["| | " + " | ".join(m.title for m in METRICS) + " | hit % | load max / mean |", "|---" * 7 + "|"]
    for title, policy in rows:
        hit = 100 * mean(cell.results[policy]["hit_ratio"])
        load = mean(cell.results[policy]["load_max_over_mean"])
        values = " | ".join(number(cell.value(policy, m)) for m in METRICS)
        lines.append(f"| {title} | {values} | {hit:.1f} | {load:.2f} |")
        if policy in (BASE, best):
            lines.append(
                f"| *{OURS} - {policy}* | " + " | ".join(cell.against(policy, m).text() for m in METRICS) + " | | |"
            )
    return lines


def summary(cells: list[Cell], skipped: list[str], seeds: int, limit: int) -> list[str]:
    random_holds = [c for c in cells if not c.below_random()]
    near_holds = [c for c in cells if not c.far_from_best()]
    both = [c for c in cells if not verdict(c)]
    lines = [
        f"{len(cells)} cells, seeds 1 to {seeds}, {sum(len(c.results) for c in cells) * seeds} simulations.",
        "",
        f"| promise of `{OURS}` | cells that hold |",
        "|---|---:|",
        "| never below random outside the 95 % interval in throughput, TTFT p50, TTFT p99 and mean E2E | "
        f"{len(random_holds)} of {len(cells)} |",
        f"| within 3 % of the best preset in throughput and in mean E2E | {len(near_holds)} of {len(cells)} |",
        f"| both | {len(both)} of {len(cells)} |",
    ]
    if limit:
        lines += ["", f"**Cut short**: only the first {limit} requests of each workload."]
    if skipped:
        lines += ["", f"**Skipped**, for their traces were not there (KTHENA_DATA): {', '.join(skipped)}."]
    failed = [c for c in cells if verdict(c)]
    lines += ["", "Cells that do not hold:" if failed else "All cells hold.", ""]
    lines += [f"- {c.name}: {verdict(c)}" for c in failed]
    tails = [(c, c.best(TTFT_P99)) for c in cells if c.over_best(OURS, TTFT_P99) > 1 + TAIL]
    if tails:
        lines += ["", "Not promised: TTFT p99 is more than 10 % above that of the preset which has the best in", ""]
        lines += [f"- {c.name}: {c.against(best, TTFT_P99).text()} of {best}'s" for c, best in tails]
    behind = [(c.name, p, c.behind[p]) for c in cells for p in c.results if c.behind[p]]
    if behind:
        lines += ["", "Did not keep up with an open loop, in so many seeds: "]
        lines[-1] += "; ".join(f"{name}: {policy} {count}" for name, policy, count in behind) + "."
    lost = [(c.name, p, c.lost[p]) for c in cells for p in c.results if c.lost[p]]
    if lost:
        lines += ["", "Left requests without an answer, and never count as the best: "]
        lines[-1] += "; ".join(f"{name}: {policy} {count}" for name, policy, count in lost) + "."
    return lines


def policies_of(cells: list[Cell]) -> list[str]:
    return list(dict.fromkeys(p for c in cells for p in c.results if p != BOUND))


def by_policy(cells: list[Cell]) -> list[str]:
    lines = [
        "| policy | cells | near the best | below random | E2E over the best: geometric mean | worst |",
        "|---|---:|---:|---:|---:|---|",
    ]
    rows = []
    for policy in policies_of(cells):
        mine = [c for c in cells if policy in c.results]
        ratios = [(c.over_best(policy, E2E), c.name) for c in mine]
        average = math.exp(mean([math.log(ratio) for ratio, _ in ratios]))
        near = sum(not c.far_from_best(policy) for c in mine)
        below = "" if policy == BASE else str(sum(bool(c.below_random(policy)) for c in mine))
        worst, where = max(ratios)
        rows.append((average, f"| {policy} | {len(mine)} | {near} | {below} | {average:.3f} | {worst:.2f} {where} |"))
    return lines + [row for _, row in sorted(rows)]


def goals(cells: list[Cell]) -> list[str]:
    by_name = {c.name: c for c in cells}
    lines = ["| goal | cell | reached | |", "|---|---|---:|---|"]

    def row(goal: str, cell: str, text: str, holds: bool) -> None:
        lines.append(f"| {goal} | {cell} | {text} | {'yes' if holds else '**no**'} |")

    bounds = [(f"gsp-long/{k}", 0.95) for k in ("547k", "400k", "270k", "200k")]
    bounds += [("zipf-0.8/547k", 1.02), ("zipf-1.0/547k", 1.06), ("zipf-1.2/547k", 1.17)]
    for name, factor in bounds:
        if (cell := by_name.get(name)) and BOUND in cell.results:
            ratio = cell.value(OURS, THROUGHPUT) / cell.value(BOUND, THROUGHPUT)
            row(f"req/s >= {factor} x partition", name, f"{ratio:.3f}", ratio >= factor)
    for name, _ in bounds:
        if (cell := by_name.get(name)) and KV in cell.results:
            for metric in (THROUGHPUT, TTFT_P99):
                ratio = cell.value(OURS, metric) / cell.value(KV, metric)
                sign = ">=" if metric.up else "<="
                row(
                    f"{metric.title} {sign} {KV}'s",
                    name,
                    f"{ratio:.3f}",
                    ratio >= 1 if metric.up else ratio <= 1,
                )
    return lines if len(lines) > 2 else []


def herding_table(cells: list[Cell]) -> list[str]:
    lines = []
    for routers in sorted({c.routers for c in cells}):
        row_of = sorted((c for c in cells if c.routers == routers), key=lambda c: c.poll_s)
        lines += ["", f"{routers} router{'s' if routers > 1 else ''}:", ""]
        lines.append("| polls every | " + " | ".join(f"{c.poll_s:g} s" for c in row_of) + " |")
        lines.append("|---" + "|---:" * len(row_of) + "|")
        for policy in policies_of(row_of):
            texts = []
            for cell in row_of:
                values = cell.results[policy]
                wait, ttft, p99 = (1e3 * mean(values[k]) for k in ("wait_mean_s", "ttft_mean_s", "ttft_p99_s"))
                texts.append(f"{number(wait)} / {number(ttft)} / {number(p99)}")
            lines.append(f"| {policy} | " + " | ".join(texts) + " |")
    return lines[1:]


def page(cells: list[Cell], herding: list[Cell], document: dict[str, Any]) -> str:
    lines = [
        "# The fleet report",
        "",
        f"Is `{OURS}`, the default policy, ever worse than a policy that one would have chosen for the case, and by how much?",
        "",
        "`make bench-fleet` writes this page: presets on simulated fleets ([simulator](simulator.md)), with the same seeds. A second here is one",
        "of a modelled engine; what can be claimed is a ratio of two policies in one cell. *a - b* is the mean over the seeds and its paired 95 %",
        "interval (Student t), in per cent of b. With some 200 comparisons with random about five of these intervals mislead by chance alone.",
        "Real traces: Mooncake's of FAST 2025 (Apache-2.0), Azure's of 2023 (AzurePublicDataset, CC-BY-4.0; Patel et al., Splitwise, ISCA 2024).",
        "",
    ]
    if cells:
        lines += ["## Summary", "", *summary(cells, document["skipped"], document["seeds"], document["limit"]), ""]
        lines += [
            "E2E, over the best preset of the cell:",
            "",
            "![Mean E2E of each policy in each cell](images/fleet-e2e.svg)",
            "",
        ]
        lines += [
            "TTFT p99, over the best:",
            "",
            "![TTFT p99 of each policy in each cell](images/fleet-ttft-p99.svg)",
            "",
        ]
        lines += [
            "## By policy",
            "",
            "Near the best: within 3 % in throughput and mean E2E. Below random: in any of the four figures.",
            "",
        ]
        lines += [*by_policy(cells), ""]
        if table := goals(cells):
            lines += [
                "## Goals on gsp-long",
                "",
                "`partition` is clairvoyant: it knows the groups, which no router is told.",
                "",
                *table,
                "",
            ]
    if herding:
        lines += [
            "## Herding",
            "",
            "8 servers of 16 slots, 100 requests a second, lognormal service of mean 1.1 s and sigma 0.8: 86 % load. Mean wait / mean TTFT / TTFT",
            "p99 in ms, against the age that metrics reach.",
            "",
            *herding_table(herding),
            "",
            "![Mean wait against the age of metrics](images/herding.svg)",
            "",
        ]
    for group in dict.fromkeys(c.group for c in cells):
        lines += [f"## {group[0].upper()}{group[1:]}", ""]
        for cell in (c for c in cells if c.group == group):
            lines += [
                f"### {cell.name}",
                "",
                f"{cell.about}. {'Does not hold: ' + verdict(cell) if verdict(cell) else 'Holds'}.",
                "",
            ]
            lines += [*cell_table(cell), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


# ---------------------------------------------------------------- pictures

FONT = 'font-family="Helvetica, Arial, sans-serif"'
STEPS = [(1.03, "#f1f5f9"), (1.1, "#cfe0ee"), (1.25, "#9cc1dd"), (1.5, "#5f9bc6"), (2, "#2f74a8"), (4, "#174f7c")]
BEYOND = "#0a2540"


def svg(width: float, height: float, title: str, body: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'role="img" {FONT} font-size="11">'
    )
    return "\n".join(
        [
            head,
            f"<title>{escape(title)}</title>",
            f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>',
            *body,
            "</svg>",
            "",
        ]
    )


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def text(x: float, y: float, words: str, extra: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="#222"{" " + extra if extra else ""}>{escape(words)}</text>'


def colour(ratio: float) -> str:
    return next((c for limit, c in STEPS if ratio <= limit), BEYOND)


def heat_map(cells: list[Cell], metric: Metric) -> str:
    side, left, top = 17, 235, 40
    policies = sorted(
        policies_of(cells), key=lambda p: mean([math.log(c.over_best(p, metric)) for c in cells if p in c.results])
    )
    body = [
        text(
            8,
            20,
            f"{metric.title.removesuffix(' s')} over the best preset of the cell",
            'font-weight="bold" font-size="13"',
        )
    ]
    for y, policy in enumerate(policies):
        weight = 'font-weight="bold" ' if policy == OURS else ""
        body.append(text(left - 6, top + y * side + 12, policy, f'{weight}text-anchor="end"'))
        for x, cell in enumerate(cells):
            place = f'x="{left + x * side}" y="{top + y * side}" width="{side - 1}" height="{side - 1}"'
            if policy not in cell.results:
                body.append(f'<rect {place} fill="none" stroke="#ddd"/>')
                continue
            ratio = cell.over_best(policy, metric)
            tip = f"<title>{escape(f'{policy}, {cell.name}: {ratio:.2f}')}</title>"
            body.append(f'<rect {place} fill="{colour(ratio)}">{tip}</rect>')
    bottom = top + len(policies) * side
    for x, cell in enumerate(cells):
        at = left + x * side + 12
        body.append(text(at, bottom + 6, cell.name, f'text-anchor="end" transform="rotate(-60 {at:g} {bottom + 6:g})"'))
    longest = max(len(c.name) for c in cells)
    legend = bottom + 30 + longest * 5.2
    names = [*(f"up to {limit:g}" for limit, _ in STEPS), "more"]
    for i, (name, fill) in enumerate(zip(names, [*(c for _, c in STEPS), BEYOND], strict=True)):
        body.append(f'<rect x="{left + i * 85}" y="{legend:g}" width="14" height="14" fill="{fill}" stroke="#bbb"/>')
        body.append(text(left + i * 85 + 19, legend + 11, name))
    return svg(
        max(left + len(cells) * side, left + 7 * 85) + 15,
        legend + 25,
        f"{metric.title} over the best preset, by policy and cell",
        body,
    )


# Okabe and Ito's colours, which the colour-blind can tell apart.
LINES = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000", "#56B4E9"]


def herding_picture(cells: list[Cell]) -> str:
    wide, high, left, top, gap = 250.0, 300.0, 60.0, 60.0, 30.0
    routers = sorted({c.routers for c in cells})
    polls = sorted({c.poll_s for c in cells})
    policies = policies_of(cells)
    waits = [1e3 * mean(c.results[p]["wait_mean_s"]) for c in cells for p in c.results]
    low = math.floor(math.log10(max(min(waits), 1e-3)))
    top_decade = max(math.ceil(math.log10(max(waits))), low + 1)

    def x_of(panel: int, poll: float) -> float:
        span = math.log(polls[-1] / polls[0]) or 1.0
        return left + panel * (wide + gap) + 12 + (wide - 24) * math.log(poll / polls[0]) / span

    def y_of(wait: float) -> float:
        return top + high * (top_decade - math.log10(max(wait, 10**low))) / (top_decade - low)

    body = [text(8, 20, "Mean wait, ms, against the age that metrics reach, s", 'font-weight="bold" font-size="13"')]
    for panel, count in enumerate(routers):
        begin = left + panel * (wide + gap)
        body.append(
            text(begin + wide / 2, top - 12, f"{count} router{'s' if count > 1 else ''}", 'text-anchor="middle"')
        )
        for decade in range(low, top_decade + 1):
            y = y_of(10.0**decade)
            body.append(f'<line x1="{begin:g}" y1="{y:.1f}" x2="{begin + wide:g}" y2="{y:.1f}" stroke="#ddd"/>')
            if panel == 0:
                body.append(text(begin - 6, y + 4, f"{10.0**decade:g}", 'text-anchor="end"'))
        for poll in polls:
            body.append(text(x_of(panel, poll), top + high + 16, f"{poll:g}", 'text-anchor="middle"'))
        for policy, stroke in zip(policies, LINES * len(policies), strict=False):
            row = sorted((c for c in cells if c.routers == count and policy in c.results), key=lambda c: c.poll_s)
            points = [
                (x_of(panel, c.poll_s), y_of(1e3 * c.value(policy, Metric("wait_mean_s", "", False)))) for c in row
            ]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            width = 3 if policy == OURS else 1.5
            body.append(f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="{width}"/>')
            body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{stroke}"/>' for x, y in points]
    x = left
    for policy, stroke in zip(policies, LINES * len(policies), strict=False):
        y = top + high + 42
        body.append(
            f'<line x1="{x:g}" y1="{y - 4:g}" x2="{x + 18:g}" y2="{y - 4:g}" stroke="{stroke}" stroke-width="3"/>'
        )
        body.append(text(x + 23, y, policy))
        x += 45 + 6.2 * len(policy)
    total = max(left + len(routers) * (wide + gap), x)
    return svg(total, top + high + 58, "Mean wait against the age of metrics", body)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("matrix", type=Path)
    parser.add_argument("--docs", type=Path, default=Path(__file__).resolve().parents[1] / "docs")
    arguments = parser.parse_args()
    try:
        document = json.loads(arguments.matrix.read_text())
        all_cells = read_cells(document)
    except (OSError, ValueError, KeyError) as fault:
        print(f"{arguments.matrix}: {fault}", file=sys.stderr)
        return 1
    herding = [c for c in all_cells if c.group == "herding"]
    cells = [c for c in all_cells if c.group != "herding"]
    for cell in cells:
        for policy in (OURS, BASE):
            if policy not in cell.results:
                print(f"{arguments.matrix}: {cell.name}: there is no row of {policy}", file=sys.stderr)
                return 1
    images = arguments.docs / "images"
    images.mkdir(parents=True, exist_ok=True)
    if cells:
        (images / "fleet-e2e.svg").write_text(heat_map(cells, E2E))
        (images / "fleet-ttft-p99.svg").write_text(heat_map(cells, TTFT_P99))
    if herding:
        (images / "herding.svg").write_text(herding_picture(herding))
    (arguments.docs / "fleet-report.md").write_text(page(cells, herding, document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
