"""`kthena explain`: one decision, taken apart candidate by candidate."""

from __future__ import annotations

import argparse
import json

from kthena import _core
from kthena.cli import table
from kthena.cli.faults import Faults, split_message
from kthena.cli.files import read_text
from kthena.cli.policies import read_policy
from kthena.errors import KthenaError
from kthena.routing import Pool, decide_json
from kthena.types import CandidateExplanation, Explanation


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("explain", help="take one routing decision apart", description=__doc__)
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
    pool = _read_json(options.pool, faults)
    request = _read_json(options.request, faults)
    policy = read_policy(options.policy, faults)
    faults.raise_if_any()
    assert policy is not None
    # The texts as they are: what is wrong in them is for the library to say.
    try:
        Pool.from_json(pool or "")
    except KthenaError as error:
        faults.add_message(options.pool, error.message)
    document = f'{{"pool":{pool},"policy":{policy.text},"request":{request},"explain":true}}'
    try:
        text = decide_json(document)
    except KthenaError as error:
        for fault in split_message(error.message):
            if fault.startswith("request") or not faults:
                faults.add(f"{options.request}: {fault}")
    faults.raise_if_any()
    if options.json:
        print(text)
    else:
        print(render(Explanation.from_dict(json.loads(text)), policy.name))


def _read_json(path: str, faults: Faults) -> str | None:
    """The text of a file that holds one JSON value; None with a fault otherwise."""
    text = read_text(path, faults)
    if text is None:
        return None
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        faults.add(f"{path}: line {error.lineno}, column {error.colno}: {error.msg}")
    except (ValueError, RecursionError) as error:
        faults.add(f"{path}: {error}")
    return text


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def render(explanation: Explanation, policy: str) -> str:
    """The decision in two lines and a table of all endpoints, best first."""
    if explanation.endpoint is None:
        lines = [f"{policy}: no endpoint"]
    else:
        lines = [f"{policy}: {explanation.endpoint}, score {explanation.score:g}, margin {explanation.margin:g}"]
    lines.append(f"  {explanation.reason.name.lower()}: {explanation.reason_text}{_numbers(explanation)}")
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


def _numbers(explanation: Explanation) -> str:
    """ " (score = 12, margin over the runner-up = 3)"; empty for a reason without numbers."""
    values = {"subject": explanation.reason_subject, "a": explanation.reason_a, "b": explanation.reason_b}
    named = []
    for part in filter(None, _core.reason_numbers(explanation.reason).split(", ")):
        name, _, meaning = part.partition(" = ")
        named.append(f"{meaning} = {values[name]:g}")
    return f" ({', '.join(named)})" if named else ""


def _row(candidate: CandidateExplanation, scorers: int) -> list[str]:
    age = f"{candidate.oldest_age_ns / 1e6:,.0f} ms" if candidate.oldest_age_ns else "-"
    if candidate.dropped is not None:
        dropped = f"{candidate.dropped_by}: {candidate.dropped.name.lower()}"
        return ["-", candidate.endpoint, "-", *["-"] * scorers, age, dropped]
    terms = ["abstains" if term.abstained else f"{term.contribution:g}" for term in candidate.terms]
    return [str(candidate.rank), candidate.endpoint, f"{candidate.total:g}", *terms, age, ""]
