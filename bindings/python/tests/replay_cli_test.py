from __future__ import annotations

import csv
import importlib.util
import io
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command import Files, run

ROOT = Path(__file__).parents[3]
POLICIES = "random,kthena-2025-09/least-request,kthena-2025-09/least-request+kv"
SMALL = [
    "replay",
    "--workload",
    "gsp-long",
    "--policies",
    POLICIES,
    "--limit",
    "64",
    "--concurrency",
    "16",
    "--runs",
    "2",
]
TRACE = (
    "timestamp_ms,input_tokens,output_tokens,block_ids_512\n0,1000,20,0-1\n5,600,10,0 7\n5,512,5,0\n900,1024,9,0-1\n"
)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def schema_faults(document: Any) -> list[str]:
    """By the validator that checks all other schemas too."""
    path = ROOT / "tests" / "tools" / "schemas_test.py"
    spec = importlib.util.spec_from_file_location("schemas_test", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: list[str] = module.faults(document, module.SCHEMAS["replay.schema.json"], "replay.schema.json")
    return found


def test_a_replay(files: Files) -> None:
    result = run([*SMALL, "--json", "r.json", "--csv", "r.csv", "--html", "r.html"], files)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    first = result.stdout.splitlines()[0]
    for words in (
        "imulated engine qwen2.5-7b@910b-fit",
        "3 replicas",
        "closed loop of 16",
        "2 runs of 64",
        "seed 1",
        "cold",
    ):
        assert words in first
    for policy in POLICIES.split(","):
        assert f"\n{policy} " in result.stdout
    assert files.names() == {"r.json", "r.csv", "r.html"}

    document = json.loads((files.folder / "r.json").read_text())
    assert schema_faults(document) == []
    assert document["workload"] == "gsp-long"
    rows = {row["policy"]: row for row in document["rows"]}
    assert list(rows) == POLICIES.split(",")
    base = rows["random"]["throughput_rps"]
    for row in rows.values():
        assert row["ratio_to_random"] == row["throughput_rps"] / base
        assert row["requests"] == 128 and len(row["runs"]) == 2
        assert row["published"] is None  # that was another number of requests

    table = list(csv.DictReader(io.StringIO((files.folder / "r.csv").read_text())))
    assert len(table) == 3 * 128
    assert {row["policy"] for row in table} == set(rows) and {row["run"] for row in table} == {"0", "1"}
    for policy, row in rows.items():
        waits = [(int(r["first_token_ns"]) - int(r["arrival_ns"])) / 1e9 for r in table if r["policy"] == policy]
        assert sum(waits) / len(waits) == pytest.approx(row["ttft_mean_s"])

    page = (files.folder / "r.html").read_text()
    assert not re.search(r"https?://", page) and "<script" not in page
    assert document["command"].replace("'", "&#x27;") in page and "imulated engine" in page


def test_the_same_call_gives_the_same_bytes(files: Files) -> None:
    texts = []
    for i in range(2):
        names = [f"{i}.json", f"{i}.csv", f"{i}.html"]
        result = run([*SMALL, "--json", names[0], "--csv", names[1], "--html", names[2]], files)
        texts.append([result.stdout, *((files.folder / name).read_bytes() for name in names)])
    assert texts[0] == texts[1]
    again = run([*SMALL, "--seed", "2", "--json", "2.json"], files)
    assert again.returncode == 0 and (files.folder / "2.json").read_bytes() != texts[0][1]


def test_the_command_in_the_file_repeats_it(files: Files) -> None:
    run([*SMALL, "--json", "a.json"], files)
    command = json.loads((files.folder / "a.json").read_text())["command"].split()
    assert command[0] == "kthena"
    assert run([*command[1:], "--json", "b.json"], files).returncode == 0
    assert (files.folder / "a.json").read_bytes() == (files.folder / "b.json").read_bytes()


def test_without_random_there_is_no_ratio(files: Files) -> None:
    arguments = ["replay", "--workload", "gsp-short", "--policies", "round-robin", "--limit", "10", "--json", "r.json"]
    assert run(arguments, files).returncode == 0
    document = json.loads((files.folder / "r.json").read_text())
    assert document["rows"][0]["ratio_to_random"] is None and document["concurrency"] == 300
    assert document["poll_interval_s"] == 2.7


def test_an_open_loop(files: Files) -> None:
    arguments = [
        "replay",
        "--workload",
        "gsp-short",
        "--policies",
        "random",
        "--limit",
        "10",
        "--speed",
        "2",
        "--json",
        "r.json",
    ]
    result = run(arguments, files)
    assert result.returncode == 0 and "open loop" in result.stdout
    document = json.loads((files.folder / "r.json").read_text())
    assert (document["loop"], document["speed"], document["concurrency"]) == ("open", 2.0, 0)


@pytest.mark.parametrize("loop", [[], ["--concurrency", "2"], ["--speed", "4"]])
def test_a_trace(files: Files, loop: list[str]) -> None:
    files.write("trace.csv", TRACE)
    result = run(
        ["replay", "--workload", "trace.csv", "--policies", "random,kthena-default", "--json", "r.json", *loop], files
    )
    assert result.returncode == 0, result.stderr
    document = json.loads((files.folder / "r.json").read_text())
    assert schema_faults(document) == []
    assert document["workload"] == "trace.csv" and document["engine"] == "llama3-8b@a100" and document["replicas"] == 8
    assert [row["requests"] for row in document["rows"]] == [4, 4]


def test_policies_from_files(files: Files) -> None:
    files.write("mine.json", {"scorers": [{"name": "gpu-usage", "weight": 2}]})
    files.write("named.json", {"name": "with, comma", "scorers": ["random"]})
    files.write("preset.json", {"preset": "round-robin"})
    arguments = ["replay", "--workload", "gsp-short", "--policies", "mine.json,named.json,preset.json", "--limit", "5"]
    result = run([*arguments, "--json", "r.json", "--csv", "r.csv"], files)
    assert result.returncode == 0, result.stderr
    rows = json.loads((files.folder / "r.json").read_text())["rows"]
    names = [row["policy"] for row in rows]
    assert names == ["mine", "with, comma", "round-robin"]
    table = list(csv.DictReader(io.StringIO((files.folder / "r.csv").read_text())))
    assert {row["policy"] for row in table} == set(names)


def rows_of(files: Files, *arguments: str) -> dict[str, dict[str, Any]]:
    result = run(["replay", *arguments, "--json", "r.json"], files)
    assert result.returncode == 0, result.stderr
    document = json.loads((files.folder / "r.json").read_text())
    assert schema_faults(document) == []
    return {row["policy"]: row for row in document["rows"]}


def test_a_label_is_no_baseline(files: Files) -> None:
    files.write("random.json", {"scorers": ["least-request"]})
    rows = rows_of(files, "--workload", "gsp-short", "--policies", "random.json,round-robin", "--limit", "10")
    assert [row["ratio_to_random"] for row in rows.values()] == [None, None]


def test_spread_ticks(files: Files) -> None:
    files.write("trace.csv", TRACE)
    base = ["replay", "--workload", "trace.csv", "--policies", "random"]
    for name, options in (("as-is", []), ("spread", ["--spread-tick", "3"])):
        result = run([*base, *options, "--json", f"{name}.json", "--csv", f"{name}.csv"], files)
        assert result.returncode == 0, result.stderr
        assert ("ticks of 3 s" in result.stdout) == (name == "spread")
    arrivals = [
        [int(row["arrival_ns"]) for row in csv.DictReader(io.StringIO((files.folder / name).read_text()))]
        for name in ("as-is.csv", "spread.csv")
    ]
    assert max(arrivals[0]) < 1_000_000_000 <= max(arrivals[1]) < 3_000_000_000
    document = json.loads((files.folder / "spread.json").read_text())
    assert document["spread_tick_s"] == 3 and "--spread-tick 3" in document["command"]
    assert json.loads((files.folder / "as-is.json").read_text())["spread_tick_s"] == 0


def test_prefix_sources(files: Files) -> None:
    documents = {}
    arguments = ["replay", "--workload", "gsp-long", "--policies", "kthena-2025-09/least-request+prefix"]
    arguments += ["--limit", "300", "--concurrency", "40", "--html", "r.html"]
    for source, words in (("kthena", "Kthena&#x27;s two stores"), ("exact", "an exact index")):
        result = run([*arguments, "--prefix-source", source, "--json", "r.json"], files)
        assert result.returncode == 0, result.stderr
        assert words.replace("&#x27;", "'") in result.stdout.splitlines()[0]
        assert words in (files.folder / "r.html").read_text()
        documents[source] = json.loads((files.folder / "r.json").read_text())
        assert schema_faults(documents[source]) == [] and documents[source]["prefix_source"] == source
        assert f"--prefix-source {source}" in documents[source]["command"]
    assert documents["kthena"]["rows"] != documents["exact"]["rows"]
    plain = run(["replay", "--workload", "gsp-short", "--policies", "random", "--limit", "10"], files)
    assert "prefixes known" not in plain.stdout  # random reads none


#: What policies get where --prefix-source is not given.
DEFAULT_SOURCES = [
    ("random,round-robin,kthena-default,kthena-2025-09/least-request+kv", "kthena"),
    ("plugins.json", "kthena"),
    ("random,cost", "fleet"),
    ("dynamo-kv", "fleet"),
    ("smg-least-load", "fleet"),
    ("aibrix-prefix", "fleet"),
    ("stage.json", "fleet"),
]


@pytest.mark.parametrize(("policies", "source"), DEFAULT_SOURCES)
def test_the_prefix_source_follows_from_what_policies_need(files: Files, policies: str, source: str) -> None:
    files.write("plugins.json", {"filters": ["least-request"], "scorers": ["gpu-usage", "prefix-cache"]})
    files.write("stage.json", {"scorers": ["random"], "otherwise": [{"scorers": ["cost"]}]})
    arguments = ["replay", "--workload", "gsp-short", "--limit", "10", "--policies", policies, "--html", "r.html"]
    result = run([*arguments, "--json", "r.json"], files)
    assert result.returncode == 0, result.stderr
    document = json.loads((files.folder / "r.json").read_text())
    assert document["prefix_source"] == source
    remark = "Prefix source fleet for all policies: "
    assert (remark in result.stdout) == (remark in (files.folder / "r.html").read_text()) == (source == "fleet")
    if source == "fleet":
        assert "with bookings and homes" in result.stdout.splitlines()[0]
    asked = run([*arguments, "--prefix-source", source], files)
    assert remark not in asked.stdout  # the caller knows


def test_a_fleet_is_as_good_as_its_bookings(files: Files) -> None:
    base = ["--workload", "gsp-long", "--policies", "random,cost", "--limit", "600", "--concurrency", "100"]
    rows = {
        source: rows_of(files, *base, "--prefix-source", source) for source in ("kthena", "fleet", "fleet-expected")
    }
    assert rows["fleet"]["cost"]["throughput_rps"] > 1.1 * rows["fleet"]["random"]["throughput_rps"]
    assert len({json.dumps(found["cost"]) for found in rows.values()}) == 3
    assert len({json.dumps(found["random"]) for found in rows.values()}) == 1
    assert all(found["random"]["ratio_to_random"] == 1 for found in rows.values())


def test_the_output_before_there_were_routers(files: Files) -> None:
    """Members, options of the command and words of the table that only came with newer options."""
    result = run([*SMALL, "--json", "r.json", "--html", "r.html"], files)
    document = json.loads((files.folder / "r.json").read_text())
    assert list(document) == OLD_MEMBERS
    assert document["command"] == (
        f"kthena replay --workload gsp-long --policies {POLICIES} --replicas 3 --engine-model qwen2.5-7b@910b-fit "
        "--concurrency 16 --runs 2 --seed 1 --poll-interval 2.7 --prefix-source kthena --limit 64"
    )
    assert result.stdout.splitlines()[0] == (
        "gsp-long. Simulated engine qwen2.5-7b@910b-fit, 3 replicas; closed loop of 16 requests; 2 runs of 64 requests; "
        "caches cold at the start of run 1, warm after; engine metrics read every 2.7 s; prefixes known from Kthena's two "
        "stores; seed 1."
    )
    page = (files.folder / "r.html").read_text()
    assert "Herding" not in page and "router" not in page
    same = run([*SMALL, "--routers", "1", "--zipf", "0", "--prefix-source", "kthena", "--html", "s.html"], files)
    assert same.stdout == result.stdout and (files.folder / "s.html").read_text() == page


OLD_MEMBERS = (
    "workload rows simulated engine engine_constants replicas requests_per_run runs seed concurrency speed loop "
    "poll_interval_s spread_tick_s prefix_source caches command version".split()
)


OLD_TABLE = """\
trace.csv. Simulated engine llama3-8b@a100, 8 replicas; open loop; arrivals spread over ticks of 3 s; 1 run of 4 requests; \
caches cold at the start; engine metrics read every 1 s; prefixes known from Kthena's two stores; seed 1.

policy          req/s  E2E mean s  E2E p99 s  TTFT mean s  TTFT p50 s  TTFT p99 s  hit %  load max/mean  x random  TTFT x random
--------------  -----  ----------  ---------  -----------  ----------  ----------  -----  -------------  --------  -------------
random           1.74        0.18       0.30         0.06        0.06        0.07    0.0           2.60      1.00           1.00
kthena-default   1.77        0.17       0.30         0.04        0.04        0.07   28.6           4.04      1.02           0.74

In an open loop req/s follows the arrivals: compare the times, as TTFT x random does.
"""


def test_the_table_before_there_were_routers(files: Files) -> None:
    """Byte by byte what it was. Numbers change with the simulator only."""
    files.write("trace.csv", TRACE)
    arguments = ["--workload", "trace.csv", "--policies", "random,kthena-default", "--spread-tick", "3"]
    assert run(["replay", *arguments], files).stdout == OLD_TABLE


def test_routers_mixed_engines_and_unequal_groups(files: Files) -> None:
    engines = [
        {"engine": "llama3-8b@a100", "count": 2},
        {"engine": {"name": "small", "max_running": 16}},
        {"engine": None},
    ]
    files.write("mixed engines.json", engines)
    arguments = ["--workload", "gsp-short", "--policies", "random,round-robin", "--limit", "40", "--html", "r.html"]
    arguments += ["--engines", "mixed engines.json", "--routers", "4", "--zipf", "1.5"]
    rows_of(files, *arguments)
    first = (files.folder / "r.json").read_bytes()
    document = json.loads(first)
    assert (document["routers"], document["zipf_s"], document["replicas"]) == (4, 1.5, 4)
    assert [(group["engine"], group["count"]) for group in document["engine_groups"]] == [
        ("llama3-8b@a100", 2),
        ("small", 1),
        ("qwen2.5-7b@910b-fit", 1),  # the default of --engine-model
    ]
    page = (files.folder / "r.html").read_text()
    for words in ("4 routers that do not know of each other", "Zipf exponent 1.5", "1 of small", "Constants of small"):
        assert words in page
    assert run([*shlex.split(document["command"])[1:], "--json", "s.json"], files).returncode == 0
    assert (files.folder / "s.json").read_bytes() == first


def test_unequal_groups_have_more_hits(files: Files) -> None:
    base = ["--workload", "gsp-long", "--policies", "random", "--limit", "300", "--concurrency", "40"]
    hits = [rows_of(files, *base, "--zipf", zipf)["random"]["hit_ratio"] for zipf in ("0", "1.5")]
    assert hits[1] > hits[0] + 0.1


def test_herding(files: Files) -> None:
    policies = ["random", "kthena-2025-09/least-request", "cost"]
    arguments = [
        "replay",
        "--workload",
        "gsp-long",
        "--policies",
        ",".join(policies),
        "--limit",
        "1000",
        "--speed",
        "0.02",
    ]
    arguments += ["--replicas", "8", "--poll-interval", "1", "--json", "r.json", "--csv", "r.csv", "--html", "r.html"]
    result = run([*arguments, "--herding"], files)
    assert result.returncode == 0, result.stderr
    document = json.loads((files.folder / "r.json").read_text())
    assert schema_faults(document) == [] and document["command"].endswith(" --herding")
    points = {(p["policy"], p["routers"], p["poll_interval_s"]): p for p in document["herding"]}
    assert list(points) == [(policy, n, age) for policy in policies for n in (1, 4, 8) for age in (0.1, 0.3, 1.0, 3.0)]

    usual = {row["policy"]: row for row in document["rows"]}
    for policy in policies:  # the same scenario
        assert points[policy, 1, 1.0]["ttft_mean_s"] == usual[policy]["ttft_mean_s"]
        assert points[policy, 1, 1.0]["ttft_p99_s"] == usual[policy]["ttft_p99_s"]
    ages = [points["kthena-2025-09/least-request", 1, age]["ttft_mean_s"] for age in (0.1, 0.3, 1.0, 3.0)]
    assert ages == sorted(ages) and ages[3] > 2 * ages[0]  # herds
    assert len({points["random", 4, age]["ttft_mean_s"] for age in (0.1, 0.3, 1.0, 3.0)}) == 1  # reads no metrics

    table = result.stdout[result.stdout.index("Herding: ") :].splitlines()
    assert table[2].split("  ")[0] == "policy" and len(table) == 4 + 9
    mean, p99 = (points["cost", 1, 0.1][name] for name in ("ttft_mean_s", "ttft_p99_s"))
    assert f"{mean:.2f} / {p99:.2f}" in next(line for line in table if line.startswith("cost "))
    page = (files.folder / "r.html").read_text()
    for statistic in ("ttft_mean_s", "ttft_p99_s"):
        figure = page[page.index(f'aria-labelledby="herding-{statistic}-t') :]
        figure = figure[: figure.index("</svg>")]
        assert figure.count('class="curve ') == 9 and "8 routers" in figure
    assert not re.search(r"https?://", page) and "<script" not in page

    without = run([arg.replace("r.", "s.") if arg.startswith("r.") else arg for arg in arguments], files)
    assert result.stdout.startswith(without.stdout)
    assert (files.folder / "s.csv").read_bytes() == (files.folder / "r.csv").read_bytes()
    assert json.loads((files.folder / "s.json").read_text())["rows"] == document["rows"]


def test_herding_of_a_policy_that_serves_nobody(files: Files) -> None:
    files.write(
        "mine.json", {"filters": [{"name": "least-request", "options": {"max_waiting": 0}}], "scorers": ["random"]}
    )
    arguments = ["replay", "--workload", "gsp-short", "--limit", "5", "--policies", "mine.json", "--herding"]
    result = run([*arguments, "--json", "r.json", "--html", "r.html"], files)
    assert result.returncode == 0, result.stderr
    document = json.loads((files.folder / "r.json").read_text())
    assert schema_faults(document) == [] and {p["ttft_mean_s"] for p in document["herding"]} == {None}
    assert result.stdout.splitlines()[-1].split() == ["mine", "8", *["-", "/", "-"] * 4]


def test_an_open_loop_shows_times_beside_random(files: Files) -> None:
    files.write("trace.csv", TRACE)
    rows = rows_of(files, "--workload", "trace.csv", "--policies", "random,kthena-default")
    base = rows["random"]["ttft_mean_s"]
    assert all(row["ttft_ratio_to_random"] == row["ttft_mean_s"] / base for row in rows.values())


def test_a_policy_that_serves_nobody(files: Files) -> None:
    files.write(
        "mine.json", {"filters": [{"name": "least-request", "options": {"max_waiting": 0}}], "scorers": ["random"]}
    )
    base = ["--workload", "gsp-short", "--limit", "10", "--html", "r.html"]
    rows = rows_of(files, *base, "--policies", "mine.json,random")
    assert rows["mine"]["requests"] == 0 and rows["mine"]["unroutable"] == 10
    assert rows["mine"]["ttft_mean_s"] is None and rows["mine"]["ttft_ratio_to_random"] is None
    table = run(["replay", *base, "--policies", "mine.json"], files).stdout
    assert next(line for line in table.splitlines() if line.startswith("mine ")).split()[2:9] == ["-"] * 7


def test_output_to_standard_output(files: Files) -> None:
    base = ["replay", "--workload", "gsp-short", "--policies", "random", "--limit", "10"]
    result = run([*base, "--json", "-", "--csv", "r.csv"], files)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["workload"] == "gsp-short"
    assert run([*base, "--csv", "-"], files).stdout == (files.folder / "r.csv").read_text()
    assert files.names() == {"r.csv"}


def test_a_full_disk_behind_standard_output(files: Files) -> None:
    base = ["replay", "--workload", "gsp-short", "--policies", "random", "--limit", "10", "--json", "r.json"]
    result = run(base, files, shell="> /dev/full")
    assert result.returncode == 1 and files.names() == set()
    assert result.stderr.splitlines()[-1] == "kthena replay: standard output: no space left on device"
    assert "Traceback" not in result.stderr and "Exception" not in result.stderr


def test_control_characters_are_shown_and_not_sent(files: Files) -> None:
    files.write("\x1b[2J.csv", TRACE)
    files.write("mine.json", {"name": "a\nb\x07", "scorers": ["random"]})
    result = run(["replay", "--workload", "\x1b[2J.csv", "--policies", "mine.json"], files)
    assert result.returncode == 0 and "\x1b" not in result.stdout + result.stderr
    assert result.stdout.startswith(r"\x1b[2J.csv. ") and r"a\nb\x07" in result.stdout


BAD: list[tuple[str, list[str], list[str]]] = [
    ("no workload file", ["--workload", "none.csv"], ["none.csv: no such file or directory"]),
    ("a folder as workload", ["--workload", "."], [".: is a directory"]),
    ("truncated line", ["--workload", "cut.csv"], ["cut.csv: line 4"]),
    ("block id of 2^64", ["--workload", "huge.csv"], ["huge.csv: line 2: "]),
    ("an empty trace", ["--workload", "empty.csv"], ["empty.csv: is empty, a trace was expected"]),
    ("a trace of blank lines", ["--workload", "blank.csv"], ["blank.csv: is empty"]),
    ("a workload without a name", ["--workload", ""], ["an empty name where a file is wanted"]),
    ("replicas with an underscore", ["--replicas", "1_0"], ["--replicas: '1_0' is no integer"]),
    ("digits of another script", ["--limit", "\u0661"], ["--limit: '\u0661' is no integer"]),
    ("speed with an underscore", ["--speed", "1_0.5"], ["--speed: '1_0.5' is no number"]),
    ("poll interval with blanks", ["--poll-interval", " 1"], ["--poll-interval: ' 1' is no number"]),
    ("ticks without a trace", ["--spread-tick", "3"], ["--spread-tick: gsp-short is no trace"]),
    ("negative ticks", ["--spread-tick", "-1"], ["--spread-tick: -1 is not in 0 .. 3600"]),
    ("ticks that are no number", ["--spread-tick", "x"], ["--spread-tick: 'x' is no number"]),
    (
        "unknown prefix source",
        ["--prefix-source", "auto"],
        ["--prefix-source: 'auto' is none of kthena, exact, fleet, fleet-"],
    ),
    ("routers 0", ["--routers", "0"], ["--routers: 0 is not in 1 .. 64"]),
    ("routers 65", ["--routers", "65"], ["--routers: 65 is not in 1 .. 64"]),
    ("zipf 11", ["--zipf", "11"], ["--zipf: 11 is not in 0 .. 10"]),
    ("zipf of a trace", ["--workload", "cut.csv", "--zipf", "1"], ["--zipf: cut.csv is a trace"]),
    ("no file with engines", ["--engines", "none.json"], ["none.json: no such file or directory"]),
    ("engines that are no JSON", ["--engines", "cut.csv"], ["cut.csv: line 1, column "]),
    ("engines with NaN", ["--engines", "nan.json"], ["nan.json: NaN is no number of JSON"]),
    ("engines with a member twice", ["--engines", "twice.json"], ['twice.json: member "count" is there twice']),
    ("engines that are no list", ["--engines", "negative.json"], ["negative.json: engine_groups: must be an array"]),
    (
        "unknown engine",
        ["--engines", "wrong.json"],
        ["wrong.json: engine_groups[0].engine", "wrong.json: engine_groups[1].count"],
    ),
    ("engines twice", ["--engines", "none.json", "--replicas", "2"], ["--engines, --replicas: ", "none.json: no such"]),
    ("output without a name", ["--json", ""], ["--json: an empty name; give a file, or - for standard output"]),
    ("two outputs on one stream", ["--json", "-", "--csv", "-"], ["--csv: - is also the output of --json"]),
    ("unknown policy", ["--policies", "best"], ["unknown policy 'best'", "kthena-default"]),
    ("two unknown policies", ["--policies", "best,worst"], ["'best'", "'worst'"]),
    ("policy twice", ["--policies", "random,random"], ["random is there twice"]),
    ("no policy", ["--policies", ","], ["an empty name"]),
    ("no policy file", ["--policies", "none.json"], ["none.json: no such file or directory"]),
    ("weight -1", ["--policies", "negative.json"], ["negative.json: scorers[0].weight"]),
    ("weight NaN", ["--policies", "nan.json"], ["nan.json: ", "line 1"]),
    ("replicas 0", ["--replicas", "0"], ["--replicas: 0 is not in 1 .. 4096"]),
    ("replicas that are no number", ["--replicas", "many"], ["--replicas: 'many' is no integer"]),
    ("unknown engine", ["--engine-model", "abacus"], ["--engine-model: engine: ", "llama3-8b@a100"]),
    ("concurrency and speed", ["--concurrency", "2", "--speed", "1"], ["--concurrency, --speed: "]),
    ("speed NaN", ["--speed", "nan"], ["--speed: nan is not in"]),
    ("speed 0", ["--speed", "0"], ["--speed: 0 is not in"]),
    ("runs 0", ["--runs", "0"], ["--runs: 0"]),
    ("seed -1", ["--seed", "-1"], ["--seed: -1"]),
    ("poll interval 0", ["--poll-interval", "0"], ["--poll-interval: 0"]),
    ("limit 0", ["--limit", "0"], ["--limit: 0"]),
    ("output in no folder", ["--json", "none/r.json"], ["--json: none/r.json: no such file or directory"]),
    ("output is a folder", ["--html", "folder"], ["--html: folder: is a directory"]),
    ("one output twice", ["--json", "r", "--csv", "./r"], ["is also the output of --json"]),
    (
        "all together",
        ["--policies", "best,negative.json", "--seed", "x", "--limit", "0", "--json", "none/r.json"],
        ["'best'", "negative.json: ", "--seed", "--limit", "--json"],
    ),
]


@pytest.mark.parametrize(("arguments", "messages"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input(files: Files, arguments: list[str], messages: list[str]) -> None:
    files.write("cut.csv", TRACE[: TRACE.index("5,512") + 4])
    files.write("huge.csv", TRACE.replace("0-1", "18446744073709551616 1", 1))
    files.write("empty.csv", "")
    files.write("blank.csv", "\n \n")
    files.write("negative.json", {"scorers": [{"name": "random", "weight": -1}]})
    files.write("nan.json", '{"scorers": [{"name": "random", "weight": NaN}]}')
    files.write("twice.json", '[{"count": 1, "count": 2}]')
    files.write("wrong.json", [{"engine": "abacus"}, {"count": -1}])
    (files.folder / "folder").mkdir()
    before = files.names()
    base = [] if "--workload" in arguments else ["--workload", "gsp-short"]
    result = run(["replay", *base, *arguments, "--html" if "--html" not in arguments else "--csv", "out"], files)
    assert result.returncode == 2, result.stderr
    assert result.stdout == "" and "Traceback" not in result.stderr
    for message in messages:
        assert message in result.stderr
    assert all(line.startswith("kthena replay: ") for line in result.stderr.splitlines())
    assert files.names() == before


def test_no_abbreviations(files: Files) -> None:
    result = run(["replay", "--work", "gsp-short"], files)
    assert result.returncode == 2 and "--workload" in result.stderr


def test_an_unwritable_output_is_found_before_the_simulation(files: Files) -> None:
    start = time.monotonic()
    result = run(["replay", "--workload", "gsp-long", "--runs", "1000", "--json", "none/r.json"], files)
    assert result.returncode == 2 and time.monotonic() - start < 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(files: Files, number: signal.Signals) -> None:
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("this process and those it starts ignore the signal")
    arguments = ["replay", "--workload", "gsp-long", "--runs", "1000", "--json", "r.json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "kthena", *arguments], cwd=files.folder, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not files.names() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "kthena replay: interrupted"
    assert files.names() == set()
