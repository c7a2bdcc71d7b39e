"""Policies as they are named on a command line: a preset, or a file with the JSON form of a policy."""

from __future__ import annotations

import json
import os
from pathlib import PurePath
from typing import Any, NamedTuple

from kthena.cli.faults import Faults
from kthena.cli.files import read_text
from kthena.errors import KthenaError
from kthena.routing import Policy, presets

#: Parts that read how much of a prompt an endpoint holds.
PREFIX_PARTS = frozenset(
    {
        *(("filters", name) for name in ("prefix-affinity", "prefix-threshold")),
        *(
            ("scorers", name)
            for name in ("prefix-cache", "kvcache-aware", "prefix-ratio", "prefix-tiers", "cached-tokens")
        ),
        *(
            ("scorers", name)
            for name in ("cost", "dynamo-kv", "preble", "lmetric", "token-load", "capability", "no-hit-lru")
        ),
    }
)
#: Parts that need nothing but what Kthena's router has: readings of metrics, requests in flight, the stores of two plugins.
KTHENA_PARTS = frozenset(
    {
        *(("filters", name) for name in ("least-request", "lora-affinity")),
        *(("scorers", name) for name in ("least-request", "least-request-2025-09", "least-latency", "gpu-usage")),
        *(("scorers", name) for name in ("prefix-cache", "kvcache-aware", "random")),
        *(("picker", name) for name in ("best-score", "round-robin")),
    }
)


class NamedPolicy(NamedTuple):
    """A policy, the name to show and the JSON text to hand on."""

    name: str
    text: str
    is_preset: bool
    parts: frozenset[tuple[str, str]]  #: ("scorers", "least-request"), of all stages

    @property
    def reads_prefixes(self) -> bool:
        return not self.parts.isdisjoint(PREFIX_PARTS)

    @property
    def is_kthenas(self) -> bool:
        """Whether it is made of Kthena's own parts alone."""
        return self.parts <= KTHENA_PARTS


def read_policies(text: str, faults: Faults) -> list[NamedPolicy]:
    """A list separated by commas."""
    policies: list[NamedPolicy] = []
    for item in text.split(","):
        if not item.strip():
            faults.add("--policies: an empty name in the list")
            continue
        policy = read_policy(item.strip(), faults)
        if policy is None:
            continue
        if any(policy.name == other.name for other in policies):
            faults.add(f"--policies: {policy.name} is there twice")
        policies.append(policy)
    return policies


def read_policy(item: str, faults: Faults) -> NamedPolicy | None:
    """None with a fault when there is no such policy."""
    known = presets()
    if item in known:
        return _named(item, json.dumps(item), Policy(item).to_dict(), is_preset=True)
    if not item:
        faults.add("an empty name where a policy is wanted")
        return None
    if not item.endswith(".json") and not os.path.isfile(item):
        faults.add(f"unknown policy {item!r}: neither a preset ({', '.join(known)}) nor a file")
        return None
    text = read_text(item, faults)
    if text is None:
        return None
    try:
        policy = Policy.from_json(text)
    except KthenaError as error:
        faults.add_message(item, error.message)
        return None
    document = policy.to_dict()
    document["name"] = document["name"] or PurePath(item).stem
    return _named(document["name"], json.dumps(document), document, is_preset=False)


def _named(name: str, text: str, document: dict[str, Any], *, is_preset: bool) -> NamedPolicy:
    parts: set[tuple[str, str]] = set()
    for stage in (document, *document.get("otherwise", [])):
        parts.add(("picker", stage["picker"]["name"]))
        parts.update((kind, part["name"]) for kind in ("filters", "scorers") for part in stage[kind])
    return NamedPolicy(name, text, is_preset, frozenset(parts))
