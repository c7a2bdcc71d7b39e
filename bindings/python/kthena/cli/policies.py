"""Policies as they are named on a command line: a preset, or a file with the JSON form of a policy."""

from __future__ import annotations

import json
import os
from pathlib import PurePath
from typing import NamedTuple

from kthena.cli.faults import Faults
from kthena.cli.files import read_text
from kthena.errors import KthenaError
from kthena.routing import Policy, presets


class NamedPolicy(NamedTuple):
    """A policy, the name to show and the JSON text to hand on."""

    name: str
    text: str


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
        return NamedPolicy(item, json.dumps(item))
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
    return NamedPolicy(document["name"], json.dumps(document))
