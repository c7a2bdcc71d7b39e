from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import Files, run

POOL = {
    "endpoints": [
        {"id": "pod-a", "running": 8, "waiting": 1, "in_flight": 9, "sampled_ns": 1_000_000},
        {"id": "pod-b", "running": 2, "waiting": 0, "in_flight": 2, "sampled_ns": 1_000_000},
        {"id": "pod-c", "running": 2, "waiting": 50, "in_flight": 60, "sampled_ns": 1_000_000},
    ]
}
REQUEST = {"id": "x", "now_ns": 5_000_000, "prefix": {"total_blocks": 4, "depth_blocks": {"pod-b": 2}}}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(tmp_path)
    files.write("pool.json", POOL)
    files.write("request.json", REQUEST)
    return files


def arguments(policy: str = "kthena-default") -> list[str]:
    return ["explain", "--pool", "pool.json", "--request", "request.json", "--policy", policy]


def test_table(files: Files) -> None:
    result = run(arguments(), files)
    assert result.returncode == 0 and result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0].startswith("kthena-default: pod-b, score ")
    assert lines[1].startswith("  best_score: the highest total score (score = ")
    assert ", margin over the runner-up = " in lines[1]
    header = lines[3]
    assert header.split()[:3] == ["rank", "endpoint", "total"]
    assert "least-request" in header and "prefix-cache" in header and "oldest signal" in header
    assert [line.split()[:2] for line in lines[5:]] == [["1", "pod-b"], ["2", "pod-a"], ["-", "pod-c"]]
    assert lines[-1].endswith("least-request: waiting_limit (waiting 50, limit 10)")
    assert "4 ms" in lines[5] and "50" in lines[5].split()


def test_json(files: Files) -> None:
    result = run([*arguments(), "--json"], files)
    document = json.loads(result.stdout)
    assert document["decision"]["endpoint"] == "pod-b"
    assert len(document["candidates"]) == 3
    assert result.stdout == run([*arguments(), "--json"], files).stdout


def test_policy_from_a_file(files: Files) -> None:
    files.write("mine.json", {"scorers": [{"name": "gpu-usage", "weight": 0.5}, "random"]})
    result = run(arguments("mine.json"), files)
    assert result.returncode == 0
    assert result.stdout.startswith("mine: ") and "0.5 x gpu-usage" in result.stdout and "abstains" in result.stdout


def test_nobody(files: Files) -> None:
    files.write("pool.json", {"endpoints": []})
    files.write("request.json", {"id": "x"})
    result = run(arguments(), files)
    assert result.returncode == 0
    assert result.stdout.splitlines()[0] == "kthena-default: no endpoint"
    assert "pool_empty" in result.stdout


def test_all_faults_together(files: Files) -> None:
    files.write("pool.json", {"endpoints": [{"id": "a", "running": -1}, {"id": "a", "kv_usage": 2}]})
    files.write("request.json", {"id": "x", "seed": -1, "colour": "red"})
    result = run(arguments(), files)
    assert result.returncode == 2 and result.stdout == ""
    faults = result.stderr.splitlines()
    assert len(faults) >= 4 and all(fault.startswith("kthena explain: ") for fault in faults)
    for place in (
        "pool.json: endpoints[0].running",
        "pool.json: endpoints[1].id",
        "request.json: request.seed",
    ):
        assert any(f"kthena explain: {place}" in fault for fault in faults), place


def test_a_fault_of_syntax_hides_no_other_file(files: Files) -> None:
    files.write("pool.json", '{"endpoints": [{"id": "a",\n"running": NaN}]}')
    files.write("request.json", {"id": "x", "seed": -1})
    result = run(arguments("best"), files)
    assert result.returncode == 2
    for message in ("pool.json: line 2, column 12: ", "request.json: request.seed: ", "unknown policy 'best'"):
        assert f"kthena explain: {message}" in result.stderr
    assert len(result.stderr.splitlines()) == 3


def test_control_characters_are_shown_and_not_sent(files: Files) -> None:
    files.write("pool.json", {"endpoints": [{"id": "\x1b[31mred\nrow"}, {"id": "pod"}]})
    files.write("request.json", {"id": "x"})
    files.write("mine.json", {"name": "\x1b[2J", "scorers": ["random"]})
    result = run(arguments("mine.json"), files)
    assert result.returncode == 0 and "\x1b" not in result.stdout and r"\x1b[31mred\nrow" in result.stdout
    assert result.stdout.startswith(r"\x1b[2J: ") and len(result.stdout.splitlines()) == 8
    assert "\x1b" not in run(arguments("\x1b[2J"), files).stderr


@pytest.mark.parametrize(
    "command", [arguments(), [*arguments(), "--json"], ["presets"], ["parts", "--json"], ["--help"]]
)
@pytest.mark.parametrize(("shell", "message"), [("> /dev/full", "no space left on device"), (">&-", "closed")])
def test_standard_output_that_fails(files: Files, command: list[str], shell: str, message: str) -> None:
    if command == ["--help"] and shell == ">&-":
        return  # argparse says it on stderr then
    result = run(command, files, shell=shell)
    name = "kthena" if command == ["--help"] else f"kthena {command[0]}"
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"{name}: ") and message in result.stderr


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("pool.json", None, "pool.json: no such file or directory"),
        ("request.json", None, "request.json: no such file or directory"),
        ("pool.json", '{"endpoints": [\n{"id": "a"\n', "pool.json: line "),
        ("pool.json", '{"endpoints": [{"id": "a", "running": NaN}]}', "pool.json: line 1, column 39: "),
        ("pool.json", '{"endpoints": [{"id": "a", "running": 1e999}]}', "pool.json: "),
        ("pool.json", '{"endpoints": [{"id": "a", "id": "b"}]}', "pool.json: "),
        ("pool.json", b"\n\xff", "pool.json: line 2: not UTF-8"),
        ("pool.json", "[" * 100_000, "pool.json: "),
        ("pool.json", [], "pool.json: must be an object"),
        ("request.json", "{}, {}", "request.json: line 1, column 3: "),
        ("request.json", '{"id": "x",\n "seed": NaN}', "request.json: line 2, column 10: "),
        ("request.json", '{"id": "x"}, "explain": false', "request.json: line 1, column 12: "),
        ("request.json", '{"id": "x"}}', "request.json: line 1, column 12: "),
        ("request.json", '{"id": "x", "id": "y"}', "request.json: member "),
        ("request.json", "", "request.json: line 1, column 1: "),
        ("request.json", "7", "request.json: must be an object"),
        (
            "request.json",
            {"pool": {}, "policy": "random", "request": {}},
            "request.json: request.policy: unknown member",
        ),
    ],
)
def test_bad_files(files: Files, name: str, text: Any, message: str) -> None:
    files.write(name, text)
    result = run(arguments(), files)
    assert result.returncode == 2
    assert f"kthena explain: {message}" in result.stderr
    assert "Traceback" not in result.stderr and result.stdout == ""


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("best", "unknown policy 'best': neither a preset (cost, random, "),
        ("none.json", "none.json: no such file or directory"),
        ("mine.json", "mine.json: scorers[0].weight"),
    ],
)
def test_bad_policies(files: Files, policy: str, message: str) -> None:
    files.write("mine.json", {"scorers": [{"name": "random", "weight": -1}]})
    result = run(arguments(policy), files)
    assert result.returncode == 2 and message in result.stderr


def test_missing_arguments(files: Files) -> None:
    result = run(["explain", "--pool", "pool.json"], files)
    assert result.returncode == 2 and "--request, --policy" in result.stderr
    assert run([], files).returncode == 2
    assert run(["dance"], files).returncode == 2
    assert "--pol" in run([*arguments()[:-2], "--pol", "random"], files).stderr  # no abbreviations
    assert "an empty name" in run(arguments(""), files).stderr


def test_presets_and_parts(files: Files) -> None:
    result = run(["presets"], files)
    assert result.returncode == 0 and "kthena-2025-09/least-request+kv" in result.stdout
    assert json.loads(run(["presets", "--json"], files).stdout)["random"]["picker"]["name"] == "best-score"
    result = run(["parts"], files)
    assert result.returncode == 0 and "kvcache-aware" in result.stdout and "max_waiting" in result.stdout
    assert {part["kind"] for part in json.loads(run(["parts", "--json"], files).stdout)} == {
        "filter",
        "scorer",
        "picker",
    }


def test_a_reader_that_leaves(files: Files) -> None:
    result = run(["presets"], files, shell="| head -n 1")
    assert result.stdout.startswith("preset") and result.stderr == ""
