"""tools/gen_reasons.py finds each kind of disagreement with reasons.def, and refuses a malformed one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

GENERATOR = Path(__file__).parents[2] / "tools" / "gen_reasons.py"
REGISTRY = """\
// A comment.
KTHENA_REASON(0, none, "no reason was needed", "")
KTHENA_REASON(100, best_score, "highest total score", "a = score")
KTHENA_REASON(210, over_limit, "over the limit", "a = used, b = limit")
"""


class GenReasons(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.registry = self.root / "include/kthena/base/reasons.def"
        self.registry.parent.mkdir(parents=True)
        self.registry.write_text(REGISTRY)

    def run_it(self, *arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-B", str(GENERATOR), "--root", str(self.root), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        self.assertIn(old, text)
        (self.root / path).write_text(text.replace(old, new))

    def test_what_it_makes_passes_its_check(self) -> None:
        code, text = self.run_it("--check")
        self.assertEqual(code, 1)
        self.assertEqual(text.count("is missing"), 4)
        self.assertEqual(self.run_it(), (0, ""))
        self.assertEqual(self.run_it("--check"), (0, "3 reasons agree in 4 files\n"))
        self.assertIn("KTHENA_REASON_BEST_SCORE = 100,", (self.root / "include/kthena/reasons.h").read_text())
        self.assertIn("OVER_LIMIT = 210", (self.root / "bindings/python/kthena/reasons.py").read_text())
        self.assertIn("ReasonOverLimit Reason = 210", (self.root / "bindings/go/reasons.go").read_text())
        self.assertIn("| 210 | `over_limit` | flow |", (self.root / "docs/reasons.md").read_text())

    def test_every_difference_is_found_by_reading_back(self) -> None:
        for path, old, new in [
            ("include/kthena/reasons.h", "BEST_SCORE = 100", "BEST_SCORE = 101"),
            ("include/kthena/reasons.h", "  KTHENA_REASON_BEST_SCORE = 100,\n", ""),
            ("bindings/python/kthena/reasons.py", "OVER_LIMIT = 210", "OVER_LIMIT = 211"),
            ("bindings/python/kthena/reasons.py", "over the limit", "under the limit"),
            ("bindings/go/reasons.go", "Reason = 210", "Reason = 211"),
            ("bindings/go/reasons.go", 'return "over_limit"', 'return "overlimit"'),
            ("bindings/go/reasons.go", "over the limit", "under the limit"),
            ("docs/reasons.md", "| 100 |", "| 102 |"),
            ("docs/reasons.md", "highest total", "lowest total"),
            ("docs/reasons.md", "a = used", "a = left"),
        ]:
            with self.subTest(path=path, new=new):
                self.assertEqual(self.run_it()[0], 0)
                self.replace(path, old, new)
                code, text = self.run_it("--check")
                self.assertEqual(code, 1)
                self.assertIn(f"{path}: lacks ", text)
                self.assertIn("is stale", text)

    def test_a_new_code_makes_all_four_stale(self) -> None:
        self.assertEqual(self.run_it()[0], 0)
        self.registry.write_text(REGISTRY + 'KTHENA_REASON(300, no_room, "no node has room", "")\n')
        code, text = self.run_it("--check")
        self.assertEqual(code, 1)
        self.assertEqual(text.count("lacks 300 no_room"), 4)

    def test_a_malformed_registry_is_refused_with_all_its_faults(self) -> None:
        self.registry.write_text(
            REGISTRY
            + 'KTHENA_REASON(100, again, "twice", "")\nKTHENA_REASON(x)\nKTHENA_REASON(900, none, "no area", "")\n'
        )
        code, text = self.run_it()
        self.assertEqual(code, 2)
        for fault in [
            "line 5: code 100 is also",
            "line 6: is not",
            "line 7: name none",
            "line 7: code 900 belongs to no area",
        ]:
            self.assertIn(fault, text)
        self.assertFalse((self.root / "docs/reasons.md").exists())
        self.registry.unlink()
        self.assertEqual(self.run_it()[0], 2)


if __name__ == "__main__":
    unittest.main()
