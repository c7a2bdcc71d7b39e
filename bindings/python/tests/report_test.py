"""Tables, files and pages from a report with made-up numbers."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import stat
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from kthena.cli import replay_html, replay_text, svg, table
from kthena.cli.faults import Faults, Refused
from kthena.cli.files import Outputs
from kthena.cli.progress import Progress
from kthena.cli.results import PolicyResult, Setup, compare
from made_up_report import nobody, report

PUBLISHED = {
    "random": {"throughput_rps": 11.81, "e2e_mean_s": 25.23, "ttft_mean_s": 2.15},
    "kthena-2025-09/least-request": {"throughput_rps": 9.86, "e2e_mean_s": 30.13, "ttft_mean_s": 12.46},
}
SETUP = Setup(
    workload="gsp-long",
    is_trace=False,
    requests=100,
    replicas=3,
    engine="engine@made-up",
    engine_constants={"t0_s": 0.0166, "kv_capacity_tokens": 547_000, "name": "<b>"},
    concurrency=300,
    speed=1.0,
    runs=2,
    seed=1,
    poll_interval_s=2.7,
    spread_tick_s=0.0,
    prefix_source="kthena",
    reads_prefixes=True,
    command="kthena replay --workload gsp-long --policies 'a&b'",
)


@pytest.fixture
def results() -> list[PolicyResult]:
    reports = [
        ("random", report(11.4, 1.83, 0.1, published=PUBLISHED["random"])),
        (
            "kthena-2025-09/least-request",
            report(10.2, 9.55, 0.9, published=PUBLISHED["kthena-2025-09/least-request"]),
        ),
        ("<mine> & co", report(28.0, 0.4, 0.2)),
    ]
    return compare(reports, 0)


def test_ratios(results: list[PolicyResult]) -> None:
    assert [result.ratio_to_random for result in results] == [1.0, 10.2 / 11.4, 28.0 / 11.4]
    assert [result.published_ratio_to_random for result in results] == [1.0, 9.86 / 11.81, None]
    alone = compare([("other", report(1.0, 1.0, 0.0))], None)
    assert alone[0].ratio_to_random is None and alone[0].published is None
    assert [result.ttft_ratio_to_random for result in results] == [1.0, 9.55 / 1.83, 0.4 / 1.83]


def test_the_baseline_is_not_found_by_its_label() -> None:
    labelled = compare([("random", report(1.0, 1.0, 0.0)), ("b", report(2.0, 1.0, 0.0))], None)
    assert [result.ratio_to_random for result in labelled] == [None, None]
    last = compare([("a", report(1.0, 1.0, 0.0)), ("random", report(2.0, 1.0, 0.0))], 1)
    assert [result.ratio_to_random for result in last] == [0.5, 1.0]


def test_json(results: list[PolicyResult]) -> None:
    document = json.loads(replay_text.render_json(SETUP, results))
    assert document["workload"] == "gsp-long" and document["simulated"] is True
    row = document["rows"][1]
    names = "policy throughput_rps e2e_mean_s e2e_p99_s ttft_mean_s ttft_p50_s ttft_p99_s hit_ratio load_max_over_mean"
    assert list(row)[:12] == [*names.split(), "ratio_to_random", "ttft_ratio_to_random", "published"]
    assert row["published"]["throughput_rps"] == 9.86
    assert document["rows"][2]["published"] is None


def test_table(results: list[PolicyResult]) -> None:
    text = replay_text.render_table(SETUP, results)
    first = text.splitlines()[0]
    assert "imulated engine engine@made-up" in first and "closed loop of 300" in first and "seed 1" in first
    assert "2 runs of 100 requests" in first and "cold" in first and "warm" in first
    assert "10.20  (9.86)" in text and "0.89 (0.83)" in text
    plain = replay_text.render_table(SETUP, compare([("other", report(1.0, 1.0, 0.0))], None))
    assert "(" not in plain.splitlines()[-1]


def sentence(**changes: Any) -> str:
    return dataclasses.replace(SETUP, **changes).sentence()


def test_the_heading() -> None:
    one = sentence(replicas=1, runs=1, requests=1, concurrency=1)
    assert "1 replica;" in one and "1 run of 1 request;" in one and "closed loop of 1 request;" in one
    assert "3 replicas" in sentence() and "2 runs of 100 requests" in sentence()
    assert "2 times the trace's speed" in sentence(concurrency=0, speed=2.0, is_trace=True)
    assert "2 times the workload's speed" in sentence(concurrency=0, speed=2.0)
    assert "ticks of 3 s" in sentence(spread_tick_s=3.0) and "ticks" not in sentence()
    assert "Kthena's two stores" in sentence() and "exact index" in sentence(prefix_source="exact")
    assert "prefixes" not in sentence(reads_prefixes=False)


def test_an_open_loop_compares_times(results: list[PolicyResult]) -> None:
    setup = dataclasses.replace(SETUP, concurrency=0)
    text = replay_text.render_table(setup, results)
    assert text.splitlines()[2].endswith("  TTFT x random") and "5.22" in text and "In an open loop" in text
    assert "TTFT x random" not in replay_text.render_table(SETUP, results)
    page = replay_html.render_html(setup, results)
    assert "TTFT times random" in page and "5.22" in page and "In an open loop" in page
    assert "shortest mean time to first token: 0.40 s; random: 1.83 s." in page


@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize("concurrency", [0, 300])
def test_a_policy_that_serves_nobody(null: bool, concurrency: int) -> None:
    setup = dataclasses.replace(SETUP, concurrency=concurrency)
    results = compare([("nobody", nobody(null=null)), ("random", report(2.0, 1.0, 0.0))], 1)
    line = next(line for line in replay_text.render_table(setup, results).splitlines() if line.startswith("nobody"))
    times = ["-"] if concurrency == 0 else []
    assert line.split() == ["nobody", "0.00", *["-"] * 7, "0.00", *times]
    row = json.loads(replay_text.render_json(setup, results))["rows"][0]
    assert row["requests"] == 0 and row["throughput_rps"] == 0
    for name in ("e2e_mean_s", "e2e_p99_s", "ttft_mean_s", "ttft_p50_s", "ttft_p99_s", "hit_ratio"):
        assert row[name] is None
    assert row["load_max_over_mean"] is None and row["runs"][0]["ttft_mean_s"] is None
    page = replay_html.render_html(setup, results)
    assert "nothing served" in page and "random" in page
    alone = compare([("random", nobody(null=null))], 0)
    assert "No request was served." in replay_html.render_html(setup, alone)
    assert "In an open loop" not in replay_text.render_table(setup, alone)


def test_notes() -> None:
    made = report(1.0, 1.0, 0.0)
    made["total"]["waited_for_poll"], made["total"]["unroutable"] = 1234, 5
    text = replay_text.render_table(SETUP, compare([("mine", made)], None))
    assert "mine: 1,234 requests found no eligible endpoint" in text
    assert "mine: 5 requests were given up" in text
    made["total"]["waited_for_poll"], made["total"]["unroutable"] = 1, 1
    text = replay_text.render_table(SETUP, compare([("mine", made)], None))
    assert "mine: 1 request found no" in text and "mine: 1 request was given up" in text


def test_csv() -> None:
    text = replay_text.render_csv([("a", "run,x\n0,1\n0,2\n"), ('b,"c"', "run,x\n0,3\n")])
    assert text == 'policy,run,x\na,0,1\na,0,2\n"b,""c""",0,3\n'


class Page(HTMLParser):
    """Tags that are open, those that were ever seen, and what is wrong."""

    VOID = frozenset({"meta", "path", "line"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page(results: list[PolicyResult]) -> None:
    text = replay_html.render_html(SETUP, results)
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    tags = [tag for tag, _ in page.seen]
    assert "script" not in tags and "img" not in tags and "link" not in tags and "iframe" not in tags
    assert not re.search(r"https?:|//|@import|url\(", text)
    assert not any(name in attributes for _, attributes in page.seen for name in ("src", "href", "onclick"))
    charts = [attributes for tag, attributes in page.seen if tag == "svg" and attributes.get("role") == "img"]
    assert len(charts) == 1 + len(results) and all(attributes["aria-labelledby"] for attributes in charts)
    assert tags.count("title") == tags.count("desc") + 1 == len(charts) + 1
    identifiers = [attributes["id"] for _, attributes in page.seen if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert tags.count("caption") == tags.count("table") == 3
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in page.seen if tag == "th")
    for needed in (
        "prefers-color-scheme",
        "viewport",
        "Simulated engine engine@made-up",
        "&lt;mine&gt; &amp; co",
        "9.86",
    ):
        assert needed in text
    assert "&#x27;a&amp;b&#x27;" in text and "547,000" in text and "&lt;b&gt;" in text
    assert "nan" not in text.lower().replace("finance", "")
    assert text == replay_html.render_html(SETUP, results)


def test_a_page_of_many_engines_and_of_almost_nothing() -> None:
    replay_html.render_html(SETUP, compare([("a", report(1.0, 1.0, 0.5, engines=40, samples=1024))], None))
    tiny = report(1.0, 0.0, 0.0, engines=1, samples=1)
    assert "Too short" in replay_html.render_html(SETUP, compare([("a", tiny)], None))
    empty = report(1.0, 0.0, 0.0, engines=1, samples=2)
    empty["load"] = {"at_ns": [0, 0], "running": [0, 0], "waiting": [0, 0]}
    empty["total"]["throughput_rps"] = 0.0
    replay_html.render_html(SETUP, compare([("random", empty), ("b", empty)], 0))


def test_scales() -> None:
    assert svg.Scale(0, 10, 0, 100).ticks(5) == [0, 2, 4, 6, 8, 10]
    assert svg.Scale(0, 1, 0, 100).ticks(4) == [0, 0.25, 0.5, 0.75, 1]
    assert svg.Scale(0.05, 200, 0, 1, log=True).ticks(5) == [0.1, 1, 10, 100]
    assert svg.Scale(0.5, 5, 0, 1, log=True).ticks(5) == [0.5, 1, 2, 5]
    assert svg.Scale(1, 100, 0, 200, log=True)(10) == pytest.approx(100)
    assert svg.Scale(1, 100, 0, 200, log=True)(0) == 0
    assert [svg.number(value) for value in (0, 0.1, 2.5, 300, 12_000)] == ["0", "0.1", "2.5", "300", "12k"]


def test_text_tables() -> None:
    assert table.render(["a", "bb"], [["x", "1"], ["yy", "22"]]) == "a   bb\n--  --\nx    1\nyy  22"
    assert table.render(["a"], [["\x1b[31m\n"]]).splitlines()[2] == r"\x1b[31m\n"


class Terminal:
    def __init__(self, terminal: bool) -> None:
        self.text = ""
        self.terminal = terminal

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return self.terminal


def test_progress() -> None:
    terminal = Terminal(True)
    bar = Progress(200, "requests", terminal)  # type: ignore[arg-type]
    bar.update(50, "random")
    bar.close()
    assert "25%" in terminal.text and "50 of 200 requests" in terminal.text and terminal.text.endswith("\r\x1b[2K")
    plain = Terminal(False)
    lines = Progress(200, "requests", plain)  # type: ignore[arg-type]
    lines.update(1, "random")
    lines.update(50, "random")
    lines.close()
    assert plain.text == " 25 %  random\n"


def outputs(paths: dict[str, str | None]) -> Outputs:
    faults = Faults()
    made = Outputs(paths, faults)
    with made:
        faults.raise_if_any()
        for option in paths:
            if made.wants(option):
                made.set(option, "new\n")
    return made


def test_outputs_appear_together(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("old")
    first.chmod(0o600)
    outputs({"--json": str(first), "--csv": str(second), "--html": None})
    assert first.read_text() == second.read_text() == "new\n"
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}
    assert stat.S_IMODE(first.stat().st_mode) == 0o600


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        outputs({"--json": str(tmp_path), "--csv": str(tmp_path / "none" / "x"), "--html": str(tmp_path / "fine")})
    assert refused.value.exit_code == 2 and len(refused.value.faults) == 2
    assert "is a directory" in refused.value.faults[0] and "no such file" in refused.value.faults[1]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Refused):
        outputs({"--json": str(tmp_path / "x"), "--csv": str(tmp_path / "." / "x")})
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    faults = Faults()
    with pytest.raises(KeyboardInterrupt), Outputs({"--json": str(path)}, faults) as made:
        made.set("--json", "new")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_links_and_devices(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    outputs({"--json": str(link)})
    assert link.is_symlink() and target.read_text() == "new\n"
    outputs({"--json": os.devnull})
    assert not os.path.isfile(os.devnull)
