"""tools/fleet_report.py on small documents that were made up; with --matrix PROGRAM, on what bench/fleet_matrix.cpp writes too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "tools" / "fleet_report.py"
MATRIX: str | None = None


def result(policy: str, seed: int, rps: float, e2e: float, **more: Any) -> dict[str, Any]:
    return {
        "policy": policy,
        "seed": seed,
        "requests": 100,
        "throughput_rps": rps,
        "ttft_mean_s": 0.5,
        "ttft_p50_s": 0.4,
        "ttft_p99_s": 2.0,
        "e2e_mean_s": e2e,
        "e2e_p99_s": 9.0,
        "wait_mean_s": 0.25,
        "wait_p99_s": 1.0,
        "hit_ratio": 0.5,
        "load_max_over_mean": 1.1,
        "unroutable": 0,
        "preemptions": 0,
        "kept_up": True,
        **more,
    }


def cell(
    name: str, results: list[dict[str, Any]], group: str = "KV memory", routers: int = 1, poll_s: float = 1
) -> dict[str, Any]:
    return {
        "name": name,
        "group": group,
        "about": "made up",
        "engines": 3,
        "routers": routers,
        "concurrency": 300,
        "speed": 1,
        "runs": 1,
        "poll_s": poll_s,
        "results": results,
    }


def document(*cells: dict[str, Any], seeds: int = 5, skipped: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"format": "fleet-matrix/1", "seeds": seeds, "limit": 0, "skipped": list(skipped), "cells": list(cells)}


def rows(policy: str, rps: list[float], e2e: list[float], **more: Any) -> list[dict[str, Any]]:
    return [result(policy, i + 1, r, e, **more) for i, (r, e) in enumerate(zip(rps, e2e, strict=True))]


class InDirectory(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.docs = Path(directory.name)

    def run_it(self, text: str) -> tuple[int, str]:
        (self.docs / "matrix.json").write_text(text)
        command = [sys.executable, "-B", str(REPORT), str(self.docs / "matrix.json"), "--docs", str(self.docs)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def page_of(self, text: str) -> str:
        code, said = self.run_it(text)
        self.assertEqual((code, said), (0, ""))
        return (self.docs / "fleet-report.md").read_text()


class FleetReport(InDirectory):
    def test_differences_are_paired_and_their_interval_is_students(self) -> None:
        # cost - random is 1, 2, 3, 4, 5 requests/s of 10: 30 %, and 2.776 * sqrt(2.5 / 5) = 1.963 of 10.
        page = self.page_of(
            json.dumps(
                document(
                    cell(
                        "a", rows("random", [8, 9, 10, 11, 12], [10] * 5) + rows("cost", [9, 11, 13, 15, 17], [10] * 5)
                    )
                )
            )
        )
        self.assertIn("| *cost - random* | +30.0 ± 19.6 % | +0.0 ± 0.0 % |", page)
        self.assertIn("| both | 1 of 1 |", page)
        self.assertIn("All cells hold.", page)

    def test_below_random_only_outside_of_the_interval(self) -> None:
        same = [10.0] * 5
        noisy = cell("noisy", rows("random", same, same) + rows("cost", [9, 9.5, 10, 10.2, 10.3], same))
        below = cell("below", rows("random", same, same) + rows("cost", [9.8, 9.8, 9.8, 9.9, 9.9], same))
        page = self.page_of(json.dumps(document(noisy, below)))
        self.assertIn("in throughput, TTFT p50, TTFT p99 and mean E2E | 1 of 2 |", page)
        self.assertIn("- below: below random in req/s: -1.6 ± 0.7 %", page)
        self.assertNotIn("- noisy", page)

    def test_the_best_is_no_clairvoyant_and_answers_everything(self) -> None:
        same = [10.0] * 5
        results = (
            rows("random", same, same) + rows("lmetric", [10.5] * 5, [9.6] * 5) + rows("cost", [10.1] * 5, [9.9] * 5)
        )
        results += rows("partition", [20] * 5, [5] * 5) + rows("kthena-default", [30] * 5, [2] * 5, requests=99)
        page = self.page_of(json.dumps(document(cell("a", results))))
        self.assertIn("| best other: lmetric | 10.5 |", page)
        self.assertIn("- a: req/s -3.8 ± 0.0 % of lmetric's; E2E mean s +3.1 ± 0.0 % of lmetric's", page)
        self.assertIn("Left requests without an answer, and never count as the best: a: kthena-default 5.", page)
        self.assertIn("| partition | 20.0 |", page)

    def test_what_was_skipped_or_fell_behind_is_said(self) -> None:
        same = [10.0] * 5
        results = rows("random", same, same, kept_up=False) + rows("cost", same, same)
        page = self.page_of(json.dumps(document(cell("a", results), skipped=("azure", "mooncake"))))
        self.assertIn("(KTHENA_DATA): azure, mooncake.", page)
        self.assertIn("in so many seeds: a: random 5.", page)

    def test_a_long_tail_is_told_though_nothing_is_promised(self) -> None:
        same = [10.0] * 5
        results = rows("random", same, same, ttft_p99_s=9.0) + rows("cost", same, same, ttft_p99_s=5.0)
        results += rows("preble", same, same, ttft_p99_s=4.0)
        page = self.page_of(json.dumps(document(cell("a", results))))
        self.assertIn("All cells hold.", page)
        self.assertIn("- a: +25.0 ± 0.0 % of preble's", page)

    def test_goals_are_ratios_of_means(self) -> None:
        same = [10.0] * 5
        results = rows("random", same, same) + rows("cost", [9.4] * 5, same) + rows("partition", same, same)
        page = self.page_of(json.dumps(document(cell("gsp-long/547k", results))))
        self.assertIn("| req/s >= 0.95 x partition | gsp-long/547k | 0.940 | **no** |", page)

    def test_pictures_are_xml_with_a_mark_for_every_value(self) -> None:
        same = [10.0] * 5
        results = rows("random", same, same) + rows("cost", same, [5.0] * 5)
        herding = [
            cell(f"herding/{routers}/{poll}", results, group="herding", routers=routers, poll_s=poll)
            for routers in (1, 4)
            for poll in (0.1, 1.0)
        ]
        page = self.page_of(json.dumps(document(cell("a<b", results), cell("c", results), *herding)))
        space = "{http://www.w3.org/2000/svg}"
        heat = ElementTree.parse(self.docs / "images/fleet-e2e.svg").getroot()
        tips = [title.text for rect in heat.iter(f"{space}rect") for title in rect.iter(f"{space}title")]
        self.assertEqual(tips, ["cost, a<b: 1.00", "cost, c: 1.00", "random, a<b: 2.00", "random, c: 2.00"])
        curve = ElementTree.parse(self.docs / "images/herding.svg").getroot()
        self.assertEqual(len(list(curve.iter(f"{space}circle"))), 2 * 2 * 2)
        self.assertIn("| cost | 250 / 500 / 2000 | 250 / 500 / 2000 |", page)
        self.assertIn("2 cells, seeds 1 to 5", page)  # herding has a table of its own

    def test_equal_input_gives_equal_bytes(self) -> None:
        same = [10.0, 11.0]
        text = json.dumps(document(cell("a", rows("random", same, same) + rows("cost", same, same)), seeds=2))
        first = self.page_of(text), (self.docs / "images/fleet-e2e.svg").read_bytes()
        self.assertEqual(first, (self.page_of(text), (self.docs / "images/fleet-e2e.svg").read_bytes()))

    def test_a_wrong_document_is_refused(self) -> None:
        same = [10.0]
        for text, said in [
            ("{", "Expecting property name"),
            ('{"format": "other"}', "its format is not fleet-matrix/1"),
            (json.dumps(document(cell("a", rows("random", same, same)), seeds=1)), "a: there is no row of cost"),
        ]:
            code, message = self.run_it(text)
            self.assertEqual(code, 1)
            self.assertIn(said, message)
            self.assertFalse((self.docs / "fleet-report.md").exists())


class FleetMatrix(InDirectory):
    def setUp(self) -> None:
        if MATRIX is None:
            self.skipTest("no --matrix")
        super().setUp()

    def matrix(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if k != "KTHENA_DATA"}
        command = [str(MATRIX), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    def test_a_small_part_gives_a_report_and_equal_bytes_with_one_thread_and_two(self) -> None:
        part = [
            "--cells",
            "^gsp-long/547k$|^herding/4-routers/1s$|^azure-code/60%/1-",
            "--seeds",
            "2",
            "--limit",
            "300",
        ]
        part += ["--policies", "random,least-request,kthena-2025-09/least-request+kv,cost,partition"]
        one = self.matrix(*part, "--threads", "1")
        self.assertEqual(one.returncode, 0, one.stderr)
        two = self.matrix(*part, "--threads", "2", "--out", str(self.docs / "two.json"))
        self.assertEqual((two.returncode, two.stdout), (0, ""))
        self.assertEqual(one.stdout, (self.docs / "two.json").read_text())

        written = json.loads(one.stdout)
        self.assertEqual(written["skipped"], ["azure-code/60%/1-router"])
        self.assertEqual([c["name"] for c in written["cells"]], ["gsp-long/547k", "herding/4-routers/1s"])
        ran = [(r["policy"], r["seed"]) for r in written["cells"][0]["results"]]
        names = ["random", "least-request", "kthena-2025-09/least-request+kv", "cost", "partition"]
        self.assertEqual(ran, [(name, seed) for name in names for seed in (1, 2)])
        self.assertTrue(all(r["requests"] == 900 for r in written["cells"][0]["results"]))  # 3 runs of 300
        self.assertEqual(len({r["policy"] for r in written["cells"][1]["results"]}), 3)
        page = self.page_of(one.stdout)
        self.assertIn("**Cut short**: only the first 300 requests", page)
        self.assertIn("azure-code/60%/1-router", page)

    def test_there_are_at_most_60_cells_beside_the_herding_curve(self) -> None:
        names = [line.split(":")[0] for line in self.matrix("--list").stdout.splitlines()]
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual(sum(not name.startswith("herding/") for name in names), 60)

    def test_options_that_are_wrong_are_refused(self) -> None:
        for arguments, said in [
            (["--seeds", "0"], "--seeds: not in 1..100"),
            (["--threads", "x"], "--threads: not in 1..256"),
            (["--policies", "random,nobody"], '"nobody" is none of: random'),
            (["--cells", "("], "--cells: "),
            (["--what"], "--what is no option"),
            (["--out"], "--out is no option or lacks its value"),
        ]:
            done = self.matrix(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(said, done.stderr)


if __name__ == "__main__":
    if "--matrix" in sys.argv:
        at = sys.argv.index("--matrix")
        MATRIX = sys.argv[at + 1]
        del sys.argv[at : at + 2]
    unittest.main()
