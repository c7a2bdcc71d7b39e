"""`kthena explain`: one decision, taken apart candidate by candidate."""

from __future__ import annotations

import argparse
import json
import re

from kthena import _core
from kthena.cli import table, terminal
from kthena.cli.faults import Faults, split_message
from kthena.cli.files import read_text
from kthena.cli.policies import read_policy
from kthena.errors import KthenaError
from kthena.reasons import Reason
from kthena.routing import Pool, decide_json
from kthena.types import CandidateExplanation, Explanation


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "explain", help="take one routing decision apart", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--pool", required=True, metavar="FILE", help="the endpoints, as JSON (docs/schemas/pool.schema.json)"
    )
    parser.add_argument(
        "--request", required=True, metavar="FILE", help="the request, as JSON (docs/schemas/request.schema.json)"
    )
    parser.add_argument("--policy", required=True, metavar="P", help="a preset's name or a file with a policy as JSON")
    parser.add_argument("--json", action="store_true", help="for machines (docs/schemas/explanation.schema.json)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    faults = Faults()
    pool = _read_pool(options.pool, faults)
    request = _read_request(options.request, faults)
    policy = read_policy(options.policy, faults)
    text = ""
    if request is not None:
        # A pool or policy that is at fault has been named; what remains is what is wrong with the request.
        chosen = "null" if policy is None else policy.text
        document = f'{{"pool":{pool or "null"},"policy":{chosen},"request":{request},"explain":true}}'
        try:
            text = decide_json(document)
        except KthenaError as error:
            for fault in split_message(error.message):
                if re.match(r"(pool|policy)\b", fault) is None or not faults:
                    faults.add(f"{options.request}: {fault}")
    faults.raise_if_any()
    assert policy is not None
    if options.json:
        terminal.write(text)
    else:
        terminal.write(render(Explanation.from_dict(json.loads(text)), policy.name))


def _read_pool(path: str, faults: Faults) -> str | None:
    """The text of a pool; None with faults, all that the library finds."""
    text = read_text(path, faults)
    if text is None:
        return None
    try:
        Pool.from_json(text)
    except KthenaError as error:
        faults.add_message(path, error.message)
        return None
    return text


def _read_request(path: str, faults: Faults) -> str | None:
    """The text of a request that is one JSON object; None with a fault otherwise.

    The library reads a request only inside of a whole document. Given the text alone, what it says of the document is what
    is wrong with it as JSON, by line and column; that members are missing or unknown goes without saying.
    """
    text = read_text(path, faults)
    if text is None:
        return None
    try:
        decide_json(text)
    except KthenaError as error:
        wrong = [fault for fault in split_message(error.message) if fault.startswith("document: ")]
        for fault in wrong:
            faults.add_message(path, fault)
        if wrong:
            return None
    return text


def render(explanation: Explanation, policy: str) -> str:
    """The decision in two lines and a table of all endpoints, best first."""
    name = terminal.printable(policy)
    if explanation.endpoint is None:
        lines = [f"{name}: no endpoint"]
    else:
        chosen = terminal.printable(explanation.endpoint)
        lines = [f"{name}: {chosen}, score {explanation.score:g}, margin {explanation.margin:g}"]
    lines.append(f"  {explanation.reason.name.lower()}: {explanation.reason_text}{_of_decision(explanation)}")
    lines += [
        f"  {terminal.printable(stage.name) or f'stage {number}'}: nobody was left by {stage.filters[stage.reason_subject]}"
        for number, stage in enumerate(explanation.earlier)
    ]
    if explanation.runner_up is not None and explanation.runner_up.flips:
        flips = ", ".join(f"{flip.scorer} {flip.when} {flip.weight:.4g}" for flip in explanation.runner_up.flips)
        lines.append(f"  {terminal.printable(explanation.runner_up.endpoint)} would be ahead with a weight of {flips}")
    if not explanation.candidates:
        return "\n".join(lines)
    weights = [
        name if weight == 1 else f"{weight:g} x {name}"
        for name, weight in zip(explanation.scorers, explanation.weights, strict=True)
    ]
    rows = [
        _row(candidate, len(explanation.scorers))
        for candidate in sorted(explanation.candidates, key=lambda c: (c.rank == 0, c.rank))
    ]
    lines += ["", table.render(["rank", "endpoint", "total", *weights, "oldest signal", "dropped"], rows, left=2)]
    return "\n".join(lines)


def _numbers(reason: Reason, subject: float, a: float, b: float) -> list[tuple[str, str]]:
    """What the numbers behind a reason are, and the numbers."""
    values = {"subject": subject, "a": a, "b": b}
    parts = (part.partition(" = ") for part in filter(None, _core.reason_numbers(reason).split(", ")))
    return [(meaning, f"{values[name]:.10g}") for name, _, meaning in parts]


def _of_decision(explanation: Explanation) -> str:
    """ " (score = 12, margin over the runner-up = 3)"; empty for a reason without numbers."""
    e = explanation
    named = _numbers(e.reason, e.reason_subject, e.reason_a, e.reason_b)
    return f" ({', '.join(f'{meaning} = {value}' for meaning, value in named)})" if named else ""


def _of_drop(reason: Reason, candidate: CandidateExplanation) -> str:
    """ "least-request: waiting_limit (waiting 50, limit 10)"."""
    c = candidate
    named = _numbers(reason, c.dropped_subject, c.dropped_a, c.dropped_b)
    numbers = f" ({', '.join(f'{meaning} {value}' for meaning, value in named)})" if named else ""
    return f"{c.dropped_by}: {reason.name.lower()}{numbers}"


def _row(candidate: CandidateExplanation, scorers: int) -> list[str]:
    age = f"{candidate.oldest_age_ns / 1e6:,.0f} ms" if candidate.oldest_age_ns else "-"
    if candidate.dropped is not None:
        return ["-", candidate.endpoint, "-", *["-"] * scorers, age, _of_drop(candidate.dropped, candidate)]
    terms = ["abstains" if term.abstained else f"{term.contribution:g}" for term in candidate.terms]
    return [str(candidate.rank), candidate.endpoint, f"{candidate.total:g}", *terms, age, ""]
