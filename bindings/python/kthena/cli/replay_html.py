"""A replay as one HTML page that needs nothing else: no network, no scripts, no fonts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

from kthena.cli import charts
from kthena.cli.herding import Point
from kthena.cli.replay_text import OPEN_LOOP_NOTE, notes
from kthena.cli.results import PolicyResult, Setup, number
from kthena.version import __version__

PUBLISHED = (
    "Below a number: what Kthena published for its benchmark of 2025-09, a mean of 3 runs, and how far the model is from it. Hardware and "
    "weights are not stated there."
)


def render_html(setup: Setup, results: list[PolicyResult], points: Sequence[Point] = ()) -> str:
    policies = "1 policy" if len(results) == 1 else f"{len(results)} policies"
    title = f"{setup.workload} under {policies}"
    remarks = [OPEN_LOOP_NOTE] if setup.open_loop and any(result.is_baseline for result in results) else []
    style = files("kthena.cli").joinpath("report.css").read_text(encoding="utf-8")
    loads = [charts.Load(result) for result in results]
    most = max(load.most for load in loads)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="lead">{escape(_finding(setup, results))}</p>',
        f'<p class="soft">{escape(setup.sentence())} No hardware was run: this compares policies in a model.</p>',
        "<h2>Results</h2>",
        f"<p>{escape(PUBLISHED)}</p>" if any(result.published for result in results) else "",
        _table(setup, results),
        *(f'<p class="note">{escape(note)}</p>' for note in [*remarks, *setup.remarks(), *notes(results)]),
        "<h2>Time to first token</h2>",
        "<p>How large a share of all requests had its first token within a time. Further left is better.</p>",
        _legend(results),
        f'<div class="wide">{charts.ttft_cdf(results)}</div>',
        "<h2>Load per engine over time</h2>",
        "<p>Requests running or waiting in each engine, all panels on one scale. Engines that swap between empty and "
        "full are herding: all requests go to the one that looked best at the last reading of the metrics, until the "
        "next.</p>",
    ]
    for i, (result, load) in enumerate(zip(results, loads, strict=True)):
        busiest = f"busiest engine: {load.imbalance():.2f} times the mean, {load.most:,} at most"
        body.append(f'<h3>{_swatch(i)}{escape(result.policy)} <span class="soft">{busiest}</span></h3>')
        body.append(f'<div class="wide">{charts.load_over_time(f"load{i}", load, most, f"p{i % 8}")}</div>')
    if 1 < setup.runs <= 12:
        body += ["<h2>Run by run</h2>", _runs(setup, results)]
    if points:
        body += _herding(results, points)
    body += [
        "<h2>Engine model</h2>",
        *_constants(setup),
        "<h2>Repeat it</h2>",
        f"<pre><code>{escape(setup.command)}</code></pre>",
        f'<p class="note">kthena {escape(__version__)}. Equal commands give equal numbers.</p>',
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _finding(setup: Setup, results: list[PolicyResult]) -> str:
    """A closed loop shows how much a fleet can do; in an open loop all do the same, but at different speed."""
    served = [(mean, result) for result in results if (mean := result.row()["ttft_mean_s"]) is not None]
    if not served:
        return "No request was served."
    before, base = next(((mean, result) for mean, result in served if result.is_baseline), (None, None))
    if setup.open_loop:
        after, best = min(served, key=lambda pair: pair[0])
        text = f"{best.policy} has the shortest mean time to first token: {after:.2f} s"
        return text + ("." if before is None or best is base else f"; random: {before:.2f} s.")
    after, best = max(served, key=lambda pair: pair[1].total.throughput_rps)
    if before is None or best is base or best.ratio_to_random is None:
        return f"{best.policy} serves most: {best.total.throughput_rps:.2f} requests per second."
    return (
        f"{best.policy} serves {best.ratio_to_random:.2f} times as many requests per second as random, with a mean time to "
        f"first token of {after:.2f} s instead of {before:.2f} s."
    )


def _herding(results: list[PolicyResult], points: Sequence[Point]) -> list[str]:
    names = "".join(f"<li>{_swatch(i)}{escape(result.policy)}</li>" for i, result in enumerate(results))
    return [
        "<h2>Herding</h2>",
        "<p>The same requests again, with metrics that get older before they are read, and with more routers that do not "
        "know of each other; everything else as above. A line that rises with the age is a policy that sends all requests "
        "to the engine that looked best at the last reading; a line that rises from panel to panel relies on its own "
        "counts. Lower is better; all panels have one scale.</p>",
        f'<ul class="legend">{names}</ul>',
        "<h3>Mean time to first token, s (logarithmic)</h3>",
        f'<div class="wide">{charts.herding(points, "ttft_mean_s")}</div>',
        "<h3>99 % of requests have their first token within, s (logarithmic)</h3>",
        f'<div class="wide">{charts.herding(points, "ttft_p99_s")}</div>',
    ]


def _swatch(i: int) -> str:
    line = f'<path class="curve p{i % 8}" d="M0 5H26"/>'
    return f'<svg class="swatch" viewBox="0 0 26 10" aria-hidden="true">{line}</svg>'


def _legend(results: list[PolicyResult]) -> str:
    items = []
    for i, result in enumerate(results):
        p50 = result.row()["ttft_p50_s"]
        median = "nothing served" if p50 is None else f"median {p50:.2f} s"
        items.append(f'<li>{_swatch(i)}{escape(result.policy)} <span class="soft">{median}</span></li>')
    return f'<ul class="legend">{"".join(items)}</ul>'


def _grid(caption: str, heads: list[str], rows: list[str], css: str = "") -> str:
    """A table with a caption and headers, which scrolls sideways by itself where the page is narrow."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    return (
        f'<div class="scroll {css}"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _table(setup: Setup, results: list[PolicyResult]) -> str:
    """The best cell of the column that the finding is about stands out."""
    decisive = "ttft_mean_s" if setup.open_loop else "throughput_rps"
    choose = min if setup.open_loop else max
    best = choose((value for result in results if (value := result.row()[decisive]) is not None), default=None)
    top = max(result.total.throughput_rps for result in results)
    caption = "Simulated; times in seconds from the client's send."
    heads = [
        "policy",
        "req / s",
        "times random",
        *(["TTFT times random"] if setup.open_loop else []),
        "E2E mean",
        "E2E p99",
        "TTFT mean",
        "TTFT p50",
        "TTFT p99",
        "cache hits",
        "load max / mean",
    ]
    rows = []
    for i, result in enumerate(results):
        row = result.row()
        beside = result.published or {}

        def cell(name: str, row: dict[str, Any] = row, beside: dict[str, float] = beside) -> str:
            shown = number(row[name])
            if name == decisive and row[name] is not None and row[name] == best:
                shown = f"<strong>{shown}</strong>"
            return f"{shown}{_beside(row[name], beside.get(name))}"

        bar = f'<span class="bar p{i % 8}" style="width:{_share(row["throughput_rps"], top):.0f}%"></span>'
        cells = [
            cell("throughput_rps") + ("" if setup.open_loop else bar),
            number(result.ratio_to_random) + _beside(result.ratio_to_random, result.published_ratio_to_random),
            *([number(result.ttft_ratio_to_random)] if setup.open_loop else []),
            cell("e2e_mean_s"),
            cell("e2e_p99_s"),
            cell("ttft_mean_s"),
            cell("ttft_p50_s"),
            cell("ttft_p99_s"),
            number(row["hit_ratio"], ".1%"),
            cell("load_max_over_mean"),
        ]
        columns = "".join(f"<td>{text}</td>" for text in cells)
        rows.append(f'<tr><th scope="row">{_swatch(i)}{escape(result.policy)}</th>{columns}</tr>')
    return _grid(caption, heads, rows)


def _share(value: float, top: float) -> float:
    return 100 * value / top if top > 0 else 0


def _beside(value: float | None, published: float | None) -> str:
    if published is None or value is None:
        return ""
    return f"<small>{published:.2f} ({(value - published) / published:+.0%})</small>"


def _runs(setup: Setup, results: list[PolicyResult]) -> str:
    rows = []
    for i, result in enumerate(results):
        cells = ""
        for run in result.row()["runs"]:
            more = "nothing served"
            if run["ttft_mean_s"] is not None:
                more = f"{run['hit_ratio']:.1%} hits, TTFT {run['ttft_mean_s']:.2f} s"
            cells += f"<td>{run['throughput_rps']:.2f}<small>{more}</small></td>"
        rows.append(f'<tr><th scope="row">{_swatch(i)}{escape(result.policy)}</th>{cells}</tr>')
    caption = "Requests per second, by run. The same requests are sent in each; engines keep their caches in between."
    return _grid(caption, ["policy", *(f"run {run + 1}" for run in range(setup.runs))], rows)


def _constants(setup: Setup) -> list[str]:
    """A table per engine model."""
    models = [(setup.engine, setup.engine_constants)]
    for group in setup.engine_groups:
        if (group["engine"], group["engine_model"]) not in models:
            models.append((group["engine"], group["engine_model"]))
    tables = []
    for engine, constants in models:
        rows = [
            f'<tr><th scope="row">{escape(name)}</th><td>{escape(_constant(value))}</td></tr>'
            for name, value in constants.items()
        ]
        caption = (
            f"Constants of {engine}, in seconds (_s) and tokens; docs/simulator.md says what they mean and where they "
            "come from."
        )
        tables.append(_grid(caption, ["constant", "value"], rows, "constants"))
    return tables


def _constant(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
