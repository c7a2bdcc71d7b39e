"""Decision logs, diff and lint, from Python and from the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import command
import kthena
import numpy as np
import pytest
import vectors

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "tools"))
import schemas_test as schemas

LINT = [
    {**case, "file": path.name}
    for path in sorted((vectors.ROOT / "tests" / "vectors" / "lint").glob("*.json"))
    for case in json.loads(path.read_text())["cases"]
]


class Done(NamedTuple):
    code: int
    out: str
    err: str


def run(folder: Path, *arguments: str) -> Done:
    done = command.run(arguments, command.Files(folder))
    return Done(done.returncode, done.stdout, done.stderr)


def make_log(preset: str = "llmd-default", decisions: int = 50) -> bytes:
    pool = kthena.Pool([f"pod-{i}" for i in (2, 0, 1, 3)])
    policy = kthena.Policy(preset)
    log = kthena.DecisionLog(policy)
    bytes_ = b""
    for i in range(decisions):
        pool.update(waiting=[i % 5, 3, i % 2, 1], kv_usage=[0.1, 0.2, 0.3, i / 100], sampled_ns=i)
        pool.update(in_flight=[i % 3, i % 7, 2, 1], sampled_ns=i)
        request: dict[str, Any] = {
            "id": f"r{i}",
            "prefix_depths": np.array([0, i % 4, 0, 2], np.uint32),
            "prefix_total": 8,
        }
        decision = policy.decide(pool, **request, sequence=i, seed=7, now_ns=i, near={"zone": "z"})
        log.append(pool, decision, **request, sequence=i, seed=7, now_ns=i, near={"zone": "z"})
        if i % 20 == 0:
            bytes_ += log.take()
    return bytes_ + log.take()


@pytest.mark.parametrize("preset", kthena.presets())
def test_the_same_policy_changes_nothing(preset: str) -> None:
    report = kthena.log_diff(make_log(preset), kthena.Policy(preset))
    assert (report["decisions"], report["identical"], report["changed"]) == (50, 50, 0)
    assert report["log"]["policies"] == [{**report["policy"], "known": True}]
    assert report["policy"]["hash"] == f"{kthena.policy_hash(kthena.Policy(preset)):016x}"


def test_another_policy() -> None:
    report = kthena.log_diff(make_log(), kthena.Policy("least-request"), limit=3)
    assert not schemas.check(report, "log_diff")
    assert report["changed"] == report["decisions"] - report["same"] > 3
    assert len(report["first"]) == 3
    assert report["regret"]["count"] == report["changed"]
    assert all(changed["regret"] >= 0 for changed in report["first"])
    assert sum(row["before"] for row in report["endpoints"]) == 50


def test_cut_and_damaged() -> None:
    log = make_log()
    report = kthena.log_diff(log[:-1], kthena.Policy("random"))
    assert report["decisions"] == 49
    assert report["log"]["cut_at"] == report["log"]["bytes"] < len(log)
    with pytest.raises(kthena.InvalidArgumentError, match=r"^log: byte \d+: "):
        kthena.log_diff(log[:100] + b"\0" + log[101:], kthena.Policy("random"))


def test_bad_arguments() -> None:
    pool, other = kthena.Pool(["a"]), kthena.Pool(["a"])
    policy = kthena.Policy("random")
    log = kthena.DecisionLog(policy)
    decision = policy.decide(pool, id="r")
    with pytest.raises(ValueError, match="another pool"):
        log.append(other, decision, id="r")
    with pytest.raises(TypeError, match="by position"):
        log.append(pool, id="r")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="decision must be"):
        log.append(pool, 5, id="r")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        log.append(pool, decision, ids="r")  # type: ignore[call-arg]
    with pytest.raises(kthena.InvalidArgumentError, match="slo_ttft_s"):
        log.append(pool, decision, id="r", slo_ttft_s=-1)
    assert log.take() == b""
    log.append(pool, decision, id="r")
    whole = log.take()
    log.restart()
    log.set_policy(policy)
    log.append(pool, decision, id="r")
    assert log.take() == whole


@pytest.mark.parametrize("case", LINT, ids=lambda case: f"{case['file']}: {case['name']}")
def test_lint(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(kthena.InvalidArgumentError) as refused:
            kthena.lint_json(case["document"])
        assert refused.value.message == case["error"]
        return
    answer = json.loads(kthena.lint_json(case["document"]))
    assert not schemas.check(answer, "lint")
    assert not schemas.check(case["document"].get("fleet", {}), "fleet")
    assert [[f["code"], f["severity"], f["path"]] for f in answer["findings"]] == case["expect"]


def test_lint_of_a_policy() -> None:
    assert kthena.lint(kthena.Policy("p2c")) == []
    assert [f["code"] for f in kthena.lint(kthena.Policy("p2c"), {"routers": 2})] == ["own-counts-unscaled"]


def test_lint_command(tmp_path: Path) -> None:
    clean = run(tmp_path, "lint", "--policy", "p2c")
    assert (clean.code, clean.out, clean.err) == (0, "0 warnings, 0 notes\n", "")
    bad = run(tmp_path, "lint", "--policy", "kthena-2025-09/least-latency")
    assert bad.code == 1 and bad.err == ""
    assert bad.out.startswith("warning  scraped-load-herds  scorers: ")
    assert bad.out.endswith("1 warning, 0 notes\n")
    fleet = tmp_path / "fleet.json"
    fleet.write_text('{"scrape_interval_s": 0.05}')
    assert run(tmp_path, "lint", "--policy", "kthena-2025-09/least-latency", "--fleet", str(fleet)).code == 0
    assert json.loads(run(tmp_path, "lint", "--policy", "p2c", "--json").out)["warnings"] == 0
    for text, fault in (
        ('{"routers": 0}', f"{fleet}: fleet.routers: must be in [1, 1000000]"),
        ("{", f"{fleet}: "),
        ('{}, "policy": 1', f"{fleet}: "),
    ):
        fleet.write_text(text)
        refused = run(tmp_path, "lint", "--policy", "p2c", "--fleet", str(fleet))
        assert refused.code == 2 and refused.err.startswith(f"kthena lint: {fault}"), refused.err
    assert run(tmp_path, "lint", "--policy", "none-such").code == 2


def test_diff_command(tmp_path: Path) -> None:
    log = tmp_path / "decisions.log"
    log.write_bytes(make_log())
    done = run(tmp_path, "diff", "--log", str(log), "--policy", "least-request", "--limit", "2")
    assert done.code == 0 and done.err == ""
    assert "50 decisions of llmd-default, decided again by least-request" in done.out
    assert "regret under the logged policy" in done.out
    report = json.loads(run(tmp_path, "diff", "--log", str(log), "--policy", "least-request", "--json").out)
    assert report == kthena.log_diff(log.read_bytes(), kthena.Policy("least-request"))
    log.write_bytes(log.read_bytes()[:-3])
    assert "the log is cut at byte" in run(tmp_path, "diff", "--log", str(log), "--policy", "random").out
    log.write_bytes(b"nothing")
    refused = run(tmp_path, "diff", "--log", str(log), "--policy", "random", "--limit", "-1")
    assert refused.code == 2
    assert refused.err.splitlines() == ["kthena diff: --limit: -1 is not in 0 .. 4294967295"]
    refused = run(tmp_path, "diff", "--log", str(log), "--policy", "random")
    assert refused.err.splitlines() == [f"kthena diff: {log}: byte 0: no decision log begins like this"]
