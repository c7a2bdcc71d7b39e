#!/usr/bin/env python3
"""The schemas of docs/schemas against the vectors: what is decided validates, what only a schema can refuse is refused.

The validator knows the words that our schemas use and fails on any other, so that no word is written in vain.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEMAS = {
    path.name: json.loads(path.read_text()) for path in sorted((ROOT / "docs" / "schemas").glob("*.schema.json"))
}
ROUTE = ("policy", "pool", "request", "decision", "explanation")
NOTES = {"$schema", "$id", "$defs", "title", "description"}
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}


def is_type(value: Any, name: str) -> bool:
    if isinstance(value, bool) and name != "boolean":
        return False
    return isinstance(value, TYPES[name])


def resolve(reference: str, home: str) -> tuple[Any, str]:
    file, _, pointer = reference.partition("#")
    home = file or home
    found = SCHEMAS[home]
    for name in pointer.strip("/").split("/") if pointer else []:
        found = found[name]
    return found, home


def faults(value: Any, schema: Any, home: str, path: str = "") -> list[str]:
    found: list[str] = []
    for word, given in schema.items():
        if word in NOTES:
            continue
        if word == "$ref":
            found += faults(value, *resolve(given, home), path)
        elif word == "anyOf":
            tried = [faults(value, option, home, path) for option in given]
            if all(tried):
                found.append(f"{path}: fits none of anyOf: {min(tried, key=len)}")
        elif word == "enum":
            if value not in given:
                found.append(f"{path}: {value!r} is not one of {given}")
        elif word == "type":
            names = given if isinstance(given, list) else [given]
            if not any(is_type(value, name) for name in names):
                found.append(f"{path}: {value!r} is not {given}")
        elif word in ("minimum", "maximum"):
            if is_type(value, "number") and (value < given if word == "minimum" else value > given):
                found.append(f"{path}: {value!r} is beyond the {word} {given}")
        elif word == "minLength":
            if isinstance(value, str) and len(value) < given:
                found.append(f"{path}: too short")
        elif word == "maxItems":
            if isinstance(value, list) and len(value) > given:
                found.append(f"{path}: too many")
        elif word == "uniqueItems":
            if isinstance(value, list) and len({json.dumps(item) for item in value}) < len(value):
                found.append(f"{path}: an item is there twice")
        elif word == "items":
            for i, item in enumerate(value if isinstance(value, list) else []):
                found += faults(item, given, home, f"{path}[{i}]")
        elif word == "required":
            if isinstance(value, dict):
                found += [f"{path}.{name}: is needed" for name in given if name not in value]
        elif word == "dependentRequired":
            for name, others in given.items():
                if isinstance(value, dict) and name in value:
                    found += [f"{path}.{other}: is needed beside {name}" for other in others if other not in value]
        elif word == "properties":
            for name, member in given.items():
                if isinstance(value, dict) and name in value:
                    found += faults(value[name], member, home, f"{path}.{name}")
        elif word == "additionalProperties":
            others = (
                [name for name in value if name not in schema.get("properties", {})] if isinstance(value, dict) else []
            )
            for name in others:
                found += (
                    [f"{path}.{name}: unknown member"]
                    if given is False
                    else faults(value[name], given, home, f"{path}.{name}")
                )
        else:
            raise ValueError(f"{home}: the word {word} is not known here")
    return found


def check(value: Any, name: str) -> list[str]:
    home = f"{name}.schema.json"
    return faults(value, SCHEMAS[home], home)


# Refused documents that a schema cannot refuse: they compare members with each other, or need the registry of options.
BEYOND = {
    "an id is there twice",
    "an id is there three times",
    "one fault in each of three rows",
    "a latency share of -0.1",
    "a latency share of 1.1",
    "an unknown option",
    "an option of a part that has none",
    "a scorer that is there twice",
    "a filter that is there twice",
    "no scorer for a picker that needs one",
    "a weight above 1 in a product",
    "a tolerance without tiers",
    "a weight in tiers",
    "a stage without a scorer",
    "a temperature of -1",
    "a sample of one",
    "an epsilon of 2",
    "stale before it is fresh",
    "two rules for one signal",
    "depths of an endpoint that is not there",
    "an adapter that waits and is served",
    "slower tiers that hold less",
    "no pool, but depths",
    "nulls count as absent",
}
# Scenarios whose fault is in the trace's text or between members.
SIM_BEYOND = {
    "a block size that does not divide the trace's",
    "a prompt that no engine can hold",
    "a trace that is cut off",
    "an empty line between JSON lines",
    "a block id of 2^64",
}


def load(directory: str) -> list[tuple[str, Any]]:
    paths = sorted((ROOT / "tests" / "vectors" / directory).glob("*.json"))
    return [(f"{path.name}: {case['name']}", case) for path in paths for case in json.loads(path.read_text())["cases"]]


def main() -> int:
    problems = [f"docs/schemas/{name}.schema.json is missing" for name in ROUTE if f"{name}.schema.json" not in SCHEMAS]
    for label, case in load("route"):
        for member, name in (("pool", "pool"), ("policy", "policy"), ("request", "request"), ("expect", "decision")):
            problems += [f"{label}: {member}{fault}" for fault in check(case[member], name)]
    refused = 0
    for label, case in load("route_errors"):
        document = case.get("document")
        if not isinstance(document, dict) or "explain" in document or case["name"] in BEYOND:
            continue
        found = [
            fault for name in ("pool", "policy", "request") if name in document for fault in check(document[name], name)
        ]
        refused += 1
        if not found and {"pool", "policy"} <= document.keys():
            problems.append(f"{label}: the schemas accept it")
    for label, case in load("lint"):
        fleet = case["document"].get("fleet", {})
        found = check(fleet, "fleet")
        if "expect" in case:
            problems += [f"{label}: fleet{fault}" for fault in found]
            problems += [f"{label}: policy{fault}" for fault in check(case["document"]["policy"], "policy")]
    for label, case in load("sim"):
        found = check(case["scenario"], "scenario")
        if "expect" in case:
            problems += [f"{label}: scenario{fault}" for fault in found]
            problems += [f"{label}: expect{fault}" for fault in check(case["expect"], "report")]
        elif not found and case["name"] not in SIM_BEYOND:
            problems.append(f"{label}: the schema accepts it")
    for fault in problems:
        print(fault, file=sys.stderr)
    print(
        f"schemas: {len(load('route'))} decisions validate, {refused} documents at fault do not; {len(problems)} problems"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
