#!/usr/bin/env python3
"""Makes the reason codes of every language from include/kthena/base/reasons.def.

    tools/gen_reasons.py           write include/kthena/reasons.h, bindings/python/kthena/reasons.py,
                                   bindings/go/reasons.go and docs/reasons.md
    tools/gen_reasons.py --check   write nothing; exit code 1 when one of them is stale (with a diff) or, read back by
                                   the rules of its own language, does not say what reasons.def says
    --root DIR                     the source tree (default: the one this file is in)

Exit code 2: reasons.def is malformed; nothing was written.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

REGISTRY = "include/kthena/base/reasons.def"
_ROW = r'KTHENA_REASON\((\d+), ([a-z][a-z0-9_]*), "([^"\\]+)", "([^"\\]*)"\)'
AREAS = {
    1: "route", 2: "flow", 3: "place", 4: "scale", 5: "serve", 6: "boost", 7: "engine",
}  # fmt: skip


@dataclass(frozen=True)
class Reason:
    code: int
    name: str  # snake_case, as in reasons.def
    text: str
    numbers: str = ""  # what subject, a and b are; in the documentation only

    @property
    def camel(self) -> str:
        return "".join(part.capitalize() for part in self.name.split("_"))


def parse_registry(text: str) -> list[Reason]:
    """Reads reasons.def. All faults are listed together."""
    reasons: list[Reason] = []
    faults: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("//"):
            continue
        match = re.fullmatch(_ROW, line.rstrip())
        if match is None:
            faults.append(f'line {number}: is not KTHENA_REASON(code, name, "text", "numbers"): {line.strip()}')
            continue
        reason = Reason(int(match[1]), match[2], match[3], match[4])
        for other in reasons:
            if other.code == reason.code:
                faults.append(f"line {number}: code {reason.code} is also {other.name}'s")
            if other.name == reason.name:
                faults.append(f"line {number}: name {reason.name} is used twice")
        if reasons and reason.code < reasons[-1].code:
            faults.append(f"line {number}: code {reason.code} stands after {reasons[-1].code}")
        if reason.code != 0 and reason.code // 100 not in AREAS:
            faults.append(f"line {number}: code {reason.code} belongs to no area")
        reasons.append(reason)
    if not reasons or reasons[0].code != 0:
        faults.append("the first code must be 0")
    if faults:
        raise ValueError("\n".join(f"{REGISTRY}: {fault}" for fault in faults))
    return reasons


# ------------------------------------------------ one language each: how it is written, how it is read back


def write_c(reasons: list[Reason]) -> str:
    values = ",\n".join(f"  KTHENA_REASON_{reason.name.upper()} = {reason.code}" for reason in reasons)
    return f"""\
/* Reason codes: why a decision came out as it did. Made from base/reasons.def by tools/gen_reasons.py; do not edit. */
#ifndef KTHENA_REASONS_H
#define KTHENA_REASONS_H

enum kthena_reason {{
{values}
}};

#endif
"""


def read_c(text: str) -> list[Reason]:
    body = re.search(r"enum kthena_reason \{(.*?)\};", text, re.S)
    values = re.findall(r"\bKTHENA_REASON_([A-Z0-9_]+)\s*=\s*(\d+)", body[1] if body else "")
    return [Reason(int(code), name.lower(), "") for name, code in values]


def write_python(reasons: list[Reason]) -> str:
    members = "\n".join(f"    {reason.name.upper()} = {reason.code}" for reason in reasons)
    texts = "\n".join(f'    Reason.{reason.name.upper()}: "{reason.text}",' for reason in reasons)
    return f'''\
"""Reason codes: why a decision came out as it did. Made from base/reasons.def by tools/gen_reasons.py; do not edit."""
# ruff: noqa: E501

from enum import IntEnum


class Reason(IntEnum):
    """A code of the registry; `TEXTS[reason]` is its sentence."""

{members}


TEXTS: dict[Reason, str] = {{
{texts}
}}
'''


def read_python(text: str) -> list[Reason]:
    codes: dict[str, int] = {}
    texts: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and node.name == "Reason":
            for item in node.body:
                if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
                    codes[item.targets[0].id] = ast.literal_eval(item.value)
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Attribute):
                    texts[key.attr] = ast.literal_eval(value)
    return [Reason(code, name.lower(), texts.get(name, "no text")) for name, code in codes.items()]


def write_go(reasons: list[Reason]) -> str:
    width = max(len(f"Reason{reason.camel}") for reason in reasons)
    constants = "\n".join(f"\t{f'Reason{reason.camel}':<{width}} Reason = {reason.code}" for reason in reasons)
    names = "\n".join(f'\tcase Reason{reason.camel}:\n\t\treturn "{reason.name}"' for reason in reasons)
    texts = "\n".join(f'\tcase Reason{reason.camel}:\n\t\treturn "{reason.text}"' for reason in reasons)
    return f"""\
// Code generated from base/reasons.def by tools/gen_reasons.py; DO NOT EDIT.

package kthena

import "strconv"

// Reason says why a decision came out as it did.
type Reason int32

// The codes of the registry.
const (
{constants}
)

// String gives the name as in the registry, "Reason(n)" for a code that is not in it.
func (r Reason) String() string {{
	switch r {{
{names}
	}}
	return "Reason(" + strconv.Itoa(int(r)) + ")"
}}

// Text gives one sentence for people, "" for a code that is not in the registry.
func (r Reason) Text() string {{
	switch r {{
{texts}
	}}
	return ""
}}
"""


def read_go(text: str) -> list[Reason]:
    codes: dict[str, str] = dict(re.findall(r"^\tReason(\w+) +Reason = (\d+)$", text, re.M))
    methods: dict[str, str] = dict(re.findall(r"^func \(r Reason\) (\w+)\(\) string \{\n(.*?)^\}", text, re.M | re.S))
    case = r'case Reason(\w+):\n\t\treturn "([^"]*)"'
    names: dict[str, str] = dict(re.findall(case, methods.get("String", "")))
    texts: dict[str, str] = dict(re.findall(case, methods.get("Text", "")))
    return [Reason(int(code), names.get(key, key), texts.get(key, "no text")) for key, code in codes.items()]


def write_docs(reasons: list[Reason]) -> str:
    def area(reason: Reason) -> str:
        return AREAS.get(reason.code // 100, "any")

    rows = "\n".join(
        f"| {reason.code} | `{reason.name}` | {area(reason)} | {reason.text} | {reason.numbers} |" for reason in reasons
    )
    return f"""\
# Reason codes

Which reasons can a decision carry, and what are the numbers behind them?

| code | name | area | meaning | numbers |
|---:|---|---|---|---|
{rows}

A `Reason` is a code, a `subject` (an index; 0 where none is named) and two numbers `a` and `b`. Codes are
never reused or renumbered. This page, the C enum, the Python enum and the Go constants are made from
`include/kthena/base/reasons.def` by `tools/gen_reasons.py`; `tools/gen_reasons.py --check` fails when one differs.
"""


def read_docs(text: str) -> list[Reason]:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| \w+ \| ([^|]*) \| ([^|]*) \|$", text, re.M)
    return [Reason(int(code), name, meaning, numbers) for code, name, meaning, numbers in rows]


Writer = Callable[[list[Reason]], str]
Reader = Callable[[str], list[Reason]]
OUTPUTS: dict[str, tuple[Writer, Reader]] = {
    "include/kthena/reasons.h": (write_c, read_c),
    "bindings/python/kthena/reasons.py": (write_python, read_python),
    "bindings/go/reasons.go": (write_go, read_go),
    "docs/reasons.md": (write_docs, read_docs),
}
WITHOUT_TEXTS = {"include/kthena/reasons.h"}
WITH_NUMBERS = {"docs/reasons.md"}


def check(path: str, found: str | None, reasons: list[Reason]) -> list[str]:
    """What is wrong with one generated file; `found` is its content, None when it is missing."""
    if found is None:
        return [f"{path}: is missing"]
    writer, reader = OUTPUTS[path]
    complaints = []
    expected = [
        Reason(r.code, r.name, "" if path in WITHOUT_TEXTS else r.text, r.numbers if path in WITH_NUMBERS else "")
        for r in reasons
    ]
    read_back = reader(found)
    for reason in expected:
        if reason not in read_back:
            complaints.append(f"{path}: lacks {reason.code} {reason.name}, or has it with another code or text")
    for reason in read_back:
        if reason not in expected:
            complaints.append(f"{path}: has {reason.code} {reason.name}, which is not so in {REGISTRY}")
    made = writer(reasons)
    if made != found:
        complaints += difflib.unified_diff(
            found.splitlines(), made.splitlines(), f"{path} (found)", f"{path} (expected)", lineterm=""
        )
        complaints.append(f"{path}: is stale, run tools/gen_reasons.py")
    return complaints


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes the reason codes of every language from reasons.def.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a generated file is stale")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    arguments = parser.parse_args()
    root: Path = arguments.root
    try:
        reasons = parse_registry((root / REGISTRY).read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        print(fault, file=sys.stderr)
        return 2
    if not arguments.check:
        for path, (writer, _) in OUTPUTS.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(writer(reasons), encoding="utf-8")
        return 0
    complaints: list[str] = []
    for path in OUTPUTS:
        file = root / path
        complaints += check(path, file.read_text(encoding="utf-8") if file.exists() else None, reasons)
    print("\n".join(complaints) if complaints else f"{len(reasons)} reasons agree in {len(OUTPUTS)} files")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
