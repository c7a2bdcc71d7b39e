"""The cases of tests/vectors: input documents and expected bytes (see the READMEs there)."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kthena
import numpy as np

ROOT = Path(__file__).parents[3]
ROUTE = ROOT / "tests" / "vectors" / "route"
ROUTE_ERRORS = ROOT / "tests" / "vectors" / "route_errors"
SIM = ROOT / "tests" / "vectors" / "sim"
ENGINE = ROOT / "tests" / "vectors" / "engine"
REQUEST_MEMBERS = (
    "model",
    "prompt_tokens",
    "output_tokens",
    "session",
    "near",
    "slo_ttft_s",
    "slo_tpot_s",
    "sequence",
    "now_ns",
    "seed",
)


def cases(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.json")):
        text = path.read_text(encoding="utf-8")
        found = json.loads(text)["cases"]
        raw = expected_texts(text)
        for i, case in enumerate(found):
            yield case | {"file": path.name, "expect_text": raw[i] if raw else None}


def expected_texts(text: str) -> list[str]:
    """What stands after each "expect", as it is in the file."""
    texts = []
    for match in re.finditer(r'"expect":\s*', text):
        _, end = json.JSONDecoder().raw_decode(text, match.end())
        texts.append(text[match.end() : end])
    return texts


def schema_checker() -> Callable[[Any, str], list[str]]:
    """`check(document, schema)` of tests/tools/schemas_test.py: the faults of a document under docs/schemas."""
    path = ROOT / "tests" / "tools" / "schemas_test.py"
    spec = importlib.util.spec_from_file_location("schemas_test", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    check: Callable[[Any, str], list[str]] = module.check
    return check


def assert_faults(message: str, faults: list[str]) -> None:
    """The beginnings of all faults, in order; one may itself hold a semicolon."""
    at = 0
    for i, begin in enumerate(faults):
        begin = begin if i == 0 else f"; {begin}"
        at = message.find(begin, at) if i else 0
        assert message.startswith(begin, at), (begin, message)
        at += len(begin)


def pool_of(document: dict[str, Any]) -> kthena.Pool:
    """The pool through the typed interface, column by column."""
    rows = document["endpoints"]
    names: dict[str, list[list[str]]] = {
        member: [row.get(member, []) for row in rows]
        for member in ("models", "waiting_models")
        if any(member in row for row in rows)
    }
    places = [row.get("place") for row in rows] if any("place" in row for row in rows) else None
    pool = kthena.Pool([row["id"] for row in rows], **names, places=places)
    for name in kthena.SIGNALS:
        values, times = [], []
        for row in rows:
            sample = row.get(name)
            sampled_ns = row.get("sampled_ns", 0)
            if isinstance(sample, dict):
                sampled_ns = sample.get("sampled_ns", sampled_ns)
                sample = sample["value"]
            values.append(np.nan if sample is None else float(sample))
            times.append(sampled_ns)
        column: Any = {name: np.array(values, dtype=np.float64)}
        pool.update(**column, sampled_ns=np.array(times, dtype=np.int64))
    return pool


def policy_of(document: Any) -> kthena.Policy:
    if isinstance(document, str):
        return kthena.Policy(document)
    return kthena.Policy.from_json(document)


def request_of(document: dict[str, Any], pool: kthena.Pool) -> dict[str, Any]:
    """Arguments of decide()."""
    arguments: dict[str, Any] = {"id": document.get("id", "")}
    for name in REQUEST_MEMBERS:
        if document.get(name) is not None:
            arguments[name] = document[name]
    for name in ("prefix", "history"):
        match = document.get(name)
        if match is None:
            continue
        arguments[f"{name}_total"] = match.get("total_blocks", 0)
        arguments[f"{name}_block_tokens"] = match.get("block_tokens", 0)
        depths = [0] * len(pool)
        for member, argument in (("", "depths"), ("host_", "host_depths"), ("disk_", "disk_depths")):
            tier = match.get(f"{member}depth_blocks", None if member else {})
            if tier is not None:  # who is not named holds what the faster tier does
                depths = [tier.get(id, depths[i]) for i, id in enumerate(pool.ids)]
                arguments[f"{name}_{argument}"] = np.array(depths, dtype=np.uint32)
    return arguments
