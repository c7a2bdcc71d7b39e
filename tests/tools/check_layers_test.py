"""tools/check_layers.py finds each kind of violation, at its line, and nothing in a clean tree."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECKER = Path(__file__).parents[2] / "tools" / "check_layers.py"

CLEAN = {
    "include/kthena/kthena.hpp": '#include "kthena/route.hpp"\n#include "kthena/manifest.hpp"\n',
    "include/kthena/kthena.h": '#include <stdint.h>\n#include "kthena/reasons.h"\n',
    "include/kthena/reasons.h": "",
    "include/kthena/base.hpp": "#include <vector>\n",
    "include/kthena/prefix.hpp": '#include "kthena/base.hpp"\n',
    "include/kthena/prefix/index.hpp": "#include <span>\n",
    "include/kthena/route.hpp": '#include "kthena/prefix.hpp"\n#include <kthena/base.hpp>\n',
    "include/kthena/place.hpp": "",
    "include/kthena/sim.hpp": '#include "kthena/route.hpp"\n#include "kthena/place.hpp"\n',
    "include/kthena/manifest.hpp": '#include "kthena/sim.hpp"\n',
    "src/base/containers.hpp": "#include <absl/container/flat_hash_map.h>\n",
    "src/base/hash.cpp": "#include <xxhash.h>\n#include <fmt/format.h>\n",
    "src/prefix/tree.hpp": "",
    "src/prefix/index.cpp": '#include "kthena/prefix/index.hpp"\n#include "base/containers.hpp"\n#include "tree.hpp"\n',
    "src/route/policy.cpp": '#include "kthena/route.hpp"\n/* #include <thread>\n#include "kthena/sim.hpp" */\n',
    "src/manifest/json.cpp": "#include <nlohmann/json.hpp>\n",
    "bindings/c/handles.hpp": '#include "kthena/route.hpp"\n',
    "bindings/c/json.cpp": '#include "handles.hpp"\n#include "kthena/kthena.h"\n#include <nlohmann/json.hpp>\n',
    "bindings/python/src/core.cpp": "#include <pybind11/pybind11.h>\n#include <chrono>\n#include <Python.h>\n",
}

# A file to add or replace, and what must be said about it.
VIOLATIONS = [
    ("include/kthena/base.hpp", '\n#include "kthena/route.hpp"\n', "base.hpp:2: area base may not include area route"),
    ("include/kthena/prefix/index.hpp", '#include "kthena/route.hpp"', "area prefix may not include area route"),
    ("src/route/policy.cpp", '#include "kthena/place.hpp"\n', "area route may not include area place"),
    ("src/route/policy.cpp", '#include "kthena/sim.hpp"\n', "area route may not include area sim"),
    ("include/kthena/sim.hpp", "#include <kthena/manifest.hpp>\n", "area sim may not include area manifest"),
    ("src/route/policy.cpp", '#include "prefix/tree.hpp"\n', "tree.hpp is private to area prefix"),
    ("src/route/policy.cpp", '#include "../prefix/tree.hpp"\n', "tree.hpp is private to area prefix"),
    ("src/place/solve.cpp", '#include "prefix/tree.hpp"\n', "area place may not include area prefix"),
    ("include/kthena/route.hpp", '#include "base/containers.hpp"\n', "a public header includes the private"),
    ("include/kthena/route.hpp", '#include "../../src/base/containers.hpp"\n', "a public header includes the private"),
    ("include/kthena/route.hpp", "#include <fmt/format.h>\n", "a public header includes fmt"),
    ("include/kthena/route.hpp", "  #  include <absl/types/span.h>\n", "a public header includes Abseil"),
    ("include/kthena/route.hpp", "#include <zlib.h>\n", "<zlib.h> is neither the standard library"),
    ("include/kthena/kthena.h", '#include "kthena/base.hpp"\n', "the C header includes no C++ header"),
    ("src/route/policy.cpp", '#include "kthena/kthena.h"\n', "the C header is for bindings"),
    ("include/kthena/route.hpp", '#include "kthena/reasons.h"\n', "the C header is for bindings"),
    ("src/route/policy.cpp", '#include "kthena/kthena.hpp"\n', "the umbrella header is for users"),
    ("src/prefix/tree.hpp", "#include <fmt/format.h>\n", "fmt in a header"),
    ("src/prefix/index.cpp", "#include <absl/container/btree_map.h>\n", "Abseil is for src/base only"),
    ("src/prefix/index.cpp", '#include "xxhash.h"\n', "xxHash is for src/base only"),
    ("src/route/policy.cpp", "#include <nlohmann/json.hpp>\n", "nlohmann/json is for src/manifest and bindings/c only"),
    ("bindings/python/src/core.cpp", "#include <nlohmann/json.hpp>\n", "nlohmann/json is for src/manifest and"),
    ("bindings/c/json.cpp", '#include "base/containers.hpp"\n', "bindings include public headers only"),
    ("bindings/python/src/core.cpp", '#include "../../c/handles.hpp"\n', "handles.hpp is private to bindings/c"),
    ("src/route/policy.cpp", "#include <thread>\n", "<thread>: the library reads no clock"),
    ("src/sim/clock.cpp", "#include <chrono>\n", "<chrono>: the library reads no clock"),
    ("include/kthena/route.hpp", "#include <random>\n", "<random>: the library reads no clock"),
    ("src/route/policy.cpp", '#include "kthena/rout.hpp"\n', '"kthena/rout.hpp" is not a header of this project'),
    ("src/misc/x.cpp", "", "src/misc/x.cpp: belongs to no known area"),
    ("include/kthena/misc.hpp", "", "include/kthena/misc.hpp: belongs to no known area"),
    ("include/other/x.hpp", "", "public headers live under include/kthena"),
]


def check(files: dict[str, str]) -> tuple[int, str]:
    with tempfile.TemporaryDirectory() as directory:
        for name, text in files.items():
            path = Path(directory, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        result = subprocess.run(
            [sys.executable, "-B", str(CHECKER), directory], capture_output=True, text=True, check=False
        )
        return result.returncode, result.stdout + result.stderr


class CheckLayers(unittest.TestCase):
    def test_clean_tree(self) -> None:
        code, output = check(CLEAN)
        self.assertEqual((code, output), (0, "check_layers: 0 violations\n"))

    def test_empty_tree(self) -> None:
        self.assertEqual(check({})[0], 0)

    def test_each_violation_is_found(self) -> None:
        for path, text, expected in VIOLATIONS:
            with self.subTest(path=path, text=text):
                code, output = check({**CLEAN, path: text})
                self.assertEqual(code, 1, output)
                self.assertIn(expected, output)
                self.assertIn("check_layers: 1 violation\n", output)

    def test_all_violations_are_listed_together(self) -> None:
        text = "#include <fmt/format.h>\n#include <thread>\n"
        code, output = check({**CLEAN, "include/kthena/base.hpp": text})
        self.assertEqual(code, 1)
        self.assertIn("base.hpp:1:", output)
        self.assertIn("base.hpp:2:", output)

    def test_bad_usage(self) -> None:
        for arguments in (["--what"], ["a", "b"], ["/no/such/directory"]):
            result = subprocess.run([sys.executable, "-B", str(CHECKER), *arguments], capture_output=True, check=False)
            self.assertEqual(result.returncode, 2)


if __name__ == "__main__":
    unittest.main()
