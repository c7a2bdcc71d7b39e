"""What was decided, what another policy would have decided, and what of a policy is known to go wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kthena import _core
from kthena.routing import Document

DecisionLog = _core.DecisionLog


def policy_hash(policy: _core.Policy) -> int:
    """A hash of all of a policy but its names, the same in every language."""
    return _core.policy_hash(policy)


def log_diff(log: bytes, policy: _core.Policy, *, limit: int = 10) -> dict[str, Any]:
    """What `policy` would have decided of each decision in a log (docs/schemas/log_diff.schema.json).

    `limit` changed decisions are told one by one. A log that is damaged is an InvalidArgumentError with the byte; one that
    is cut is decided again up to the cut, and `report["log"]["cut_at"]` says where that is. Other threads run meanwhile.
    """
    question = f'{{"policy":{policy.to_json()},"limit":{json.dumps(limit)}}}'
    report: dict[str, Any] = json.loads(_core.log_diff_json(log, question))
    return report


def lint(policy: _core.Policy, fleet: Document | None = None) -> list[dict[str, str]]:
    """What of a policy is known to go wrong: findings with code, severity, path, message, why and advice (docs/lint.md).

    `fleet`: what is known of the fleet, as text or a dict (docs/schemas/fleet.schema.json).
    """
    facts = fleet if isinstance(fleet, str) else json.dumps({} if fleet is None else dict(fleet))
    findings: list[dict[str, str]] = json.loads(lint_json(f'{{"policy":{policy.to_json()},"fleet":{facts}}}'))[
        "findings"
    ]
    return findings


def lint_json(document: str | Mapping[str, Any]) -> str:
    """One document with `policy` and `fleet` in, findings out; the same byte for byte in every language."""
    return _core.lint_json(document if isinstance(document, str) else json.dumps(document))
