#!/usr/bin/env python3
"""Compares sizes and offsets of every struct, and the value of every enumerator, in kthena.h with tests/abi/layout.txt.

    tests/abi/layout.py [--cc CC]            exit code 0: equal, 1: different, 77: no golden file and no struct
    tests/abi/layout.py [--cc CC] --update   rewrites the file (`make abi-update`)

The header is read for names only; the compiler (C99) tells the numbers. The golden file holds those of LP64 machines.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEADER = ROOT / "include" / "kthena" / "kthena.h"
GOLDEN = Path(__file__).parent / "layout.txt"

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
DEFINITION = re.compile(r"(typedef\s+)?(struct|enum)\s*(\w+)?\s*\{([^{}]*)\}\s*(\w+)?\s*;")
MEMBER_NAME = re.compile(r"(?:\(\s*\*\s*(\w+)\s*\)\s*\([^;]*\)|(\w+)\s*(?:\[[^\]]*\]\s*)*)$")


def member_names(body: str) -> list[str]:
    names = []
    for declaration in body.split(";"):
        parts = [declaration] if "(" in declaration else declaration.split(",")
        for part in parts:
            if not part.strip():
                continue
            match = MEMBER_NAME.search(part.strip())
            if match is None:
                raise SystemExit(f"layout.py: cannot read the member {part.strip()!r}")
            names.append(match.group(1) or match.group(2))
    return names


def enumerators(body: str) -> list[str]:
    return [match.group(1) for part in body.split(",") if (match := re.match(r"\s*(\w+)", part))]


def probe_program(cc: str) -> tuple[str, int]:
    """A C program that prints the layout, and how many types it covers."""
    # Macros and included .def lists are expanded first, so that generated enumerators are seen.
    text = subprocess.run(
        [cc, "-std=c99", "-E", "-P", "-I", str(ROOT / "include"), str(HEADER)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    text = COMMENT.sub(" ", text)
    lines = []
    types = 0
    for match in DEFINITION.finditer(text):
        typedef, kind, tag, body, alias = match.groups()
        name = alias if typedef and alias else f"{kind} {tag}" if tag else None
        # the system's own structs come along with the preprocessed text
        if "kthena" not in f"{tag} {alias} {body}".lower():
            continue
        types += 1
        if kind == "enum":
            for value in enumerators(body):
                lines.append(f'  printf("{value} = %lld\\n", (long long)({value}));')
            continue
        if name is None:
            continue
        lines.append(f'  printf("{name}: size %zu\\n", sizeof({name}));')
        for member in member_names(body):
            lines.append(
                f'  printf("{name}.{member}: offset %zu size %zu\\n", offsetof({name}, {member}), '
                f"sizeof((({name}*)0)->{member}));"
            )
    body = "\n".join(lines)
    return (
        f'#include <stddef.h>\n#include <stdio.h>\n#include "kthena/kthena.h"\nint main(void) {{\n{body}\n  return 0;\n}}\n',
        types,
    )


def layout(cc: str) -> tuple[str, int]:
    program, types = probe_program(cc)
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "layout.c")
        source.write_text(program, encoding="utf-8")
        binary = Path(directory, "layout")
        subprocess.run([cc, "-std=c99", "-I", str(ROOT / "include"), str(source), "-o", str(binary)], check=True)
        return subprocess.run([str(binary)], check=True, capture_output=True, text=True).stdout, types


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--update", action="store_true")
    arguments = parser.parse_args()
    if sys.maxsize <= 2**32:
        print("not an LP64 machine")
        return 77

    if not HEADER.exists():
        print("there is no C header yet")
        return 77
    now, types = layout(arguments.cc)
    if arguments.update:
        GOLDEN.write_text(now, encoding="utf-8")
        print(f"{GOLDEN.name}: {types} types, {len(now.splitlines())} lines")
        return 0
    if not types and not GOLDEN.exists():
        print("no struct yet")
        return 77
    golden = GOLDEN.read_text(encoding="utf-8").splitlines() if GOLDEN.exists() else []
    current = now.splitlines()
    different = False
    for line in golden:
        if line not in current:
            print(f"was: {line}")
            different = True
    for line in current:
        if line not in golden:
            print(f"now: {line}")
            different = True
    if different:
        print("If this is intended: make abi-update, and say so in CHANGELOG.md.")
        return 1
    print(f"{types} types as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
