#!/usr/bin/env python3
"""Compares what libkthena.so exports with the golden list tests/abi/symbols.txt.

    tests/abi/symbols.py [--nm NM] LIBRARY            exit code 0: equal, 1: different, 77: no C interface yet
    tests/abi/symbols.py [--nm NM] --update LIBRARY   rewrites the list (`make abi-update`)

Every exported symbol must begin with kthena_ and carry a version node; a removed symbol breaks programs already built.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

GOLDEN = Path(__file__).parent / "symbols.txt"


def exported(nm: str, library: str) -> list[str]:
    result = subprocess.run(
        [nm, "--dynamic", "--defined-only", "--extern-only", "--with-symbol-versions", library],
        check=True,
        capture_output=True,
        text=True,
    )
    symbols = []
    for line in result.stdout.splitlines():
        kind, name = line.split()[-2:]
        if kind != "A":  # A: the version node itself
            symbols.append(name.replace("@@", "@"))
    return sorted(symbols)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("library")
    arguments = parser.parse_args()

    symbols = exported(arguments.nm, arguments.library)
    foreign = [symbol for symbol in symbols if not symbol.startswith("kthena_") or "@KTHENA_" not in symbol]
    for symbol in foreign:
        print(f"exported but not part of the C interface: {symbol}")
    if foreign:
        return 1
    if arguments.update:
        GOLDEN.write_text("".join(f"{symbol}\n" for symbol in symbols), encoding="utf-8")
        print(f"{GOLDEN.name}: {len(symbols)} symbols")
        return 0
    if not symbols and not GOLDEN.exists():
        print("the library exports nothing yet")
        return 77
    golden = GOLDEN.read_text(encoding="utf-8").split() if GOLDEN.exists() else []
    removed = [symbol for symbol in golden if symbol not in symbols]
    added = [symbol for symbol in symbols if symbol not in golden]
    for symbol in removed:
        print(f"gone: {symbol}")
    for symbol in added:
        print(f"new: {symbol}")
    if removed or added:
        print("If this is intended: make abi-update, and say so in CHANGELOG.md.")
        return 1
    print(f"{len(symbols)} symbols as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
