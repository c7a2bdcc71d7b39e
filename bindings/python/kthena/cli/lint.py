"""`kthena lint`: what of a policy is known to go wrong."""

from __future__ import annotations

import argparse
import json

from kthena.cli import terminal
from kthena.cli.faults import Faults, Refused, split_message
from kthena.cli.files import read_text
from kthena.cli.policies import read_policy
from kthena.errors import KthenaError
from kthena.logs import lint_json


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "lint",
        help="say what of a policy is known to go wrong",
        description=__doc__ + " The exit code is 1 where there are warnings.",
        allow_abbrev=False,
    )
    parser.add_argument("--policy", required=True, metavar="P", help="a preset's name or a file with a policy as JSON")
    parser.add_argument(
        "--fleet", metavar="FILE", help="what is known of the fleet, as JSON (docs/schemas/fleet.schema.json)"
    )
    parser.add_argument("--json", action="store_true", help="for machines (docs/schemas/lint.schema.json)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    faults = Faults()
    policy = read_policy(options.policy, faults)
    fleet = "{}" if options.fleet is None else read_text(options.fleet, faults)
    text = ""
    if fleet is not None:
        chosen = '"random"' if policy is None else policy.text
        try:
            json.loads(fleet)
            text = lint_json(f'{{"policy":{chosen},"fleet":{fleet}}}')
        except ValueError as error:
            if isinstance(error, KthenaError):
                for fault in split_message(error.message):
                    faults.add(f"{options.fleet}: {fault}")
            else:
                faults.add(f"{options.fleet}: {error}")
    faults.raise_if_any()
    answer = json.loads(text)
    terminal.write(text if options.json else render(answer))
    if answer["warnings"]:
        raise Refused([], exit_code=1)


def render(answer: dict[str, object]) -> str:
    """Each finding in three lines, then how many there are."""
    lines = []
    findings = answer["findings"]
    assert isinstance(findings, list)
    for finding in findings:
        found = terminal.printable(f"{finding['path']}: {finding['message']}")
        lines.append(f"{finding['severity']:7}  {finding['code']}  {found}")
        lines.append(f"         why: {finding['why']}")
        lines.append(f"         do:  {finding['advice']}")
    warnings, notes = answer["warnings"], answer["notes"]
    lines.append(f"{warnings} warning{'' if warnings == 1 else 's'}, {notes} note{'' if notes == 1 else 's'}")
    return "\n".join(lines)
