#!/usr/bin/env python3
"""The examples in README.md are the programs in examples/, letter for letter (their first comment line aside), and print what it says.

Those programs are compiled and run by other tests, so what the README shows works.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = {
    "cpp": "examples/cpp/decide.cpp",
    "c": "examples/c/decide.c",
    "python": "examples/python/decide.py",
    "go": "examples/go/main.go",
}


def body(program: str) -> str:
    """The program without its leading comment and blank lines."""
    lines = program.splitlines()
    while lines and (not lines[0].strip() or re.match(r"\s*(//|#(?!include)|/\*| \*|\"\"\")", lines[0])):
        lines.pop(0)
    return "\n".join(lines).strip()


def main() -> int:
    readme = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", readme, re.M | re.S)
    faults = []
    printed = (ROOT / "examples" / "decide.txt").read_text().strip()
    if f"Each prints `{printed}`" not in readme:
        faults.append("README.md does not say what examples/decide.txt holds")
    for language, path in EXAMPLES.items():
        shown = [text.strip() for name, text in blocks if name == language]
        wanted = body((ROOT / path).read_text())
        if wanted not in [body(text) for text in shown]:
            faults.append(f"README.md has no ```{language} block equal to {path}")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
