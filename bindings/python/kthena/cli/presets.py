"""`kthena presets`: the policies that exist by name."""

from __future__ import annotations

import argparse
import json

from kthena import routing
from kthena.cli import table, terminal


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "presets", help="list the policies that exist by name", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--json", action="store_true", help="the policies in their full JSON form, as one object by name"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    policies = {name: routing.Policy(name).to_dict() for name in routing.presets()}
    if options.json:
        terminal.write(json.dumps(policies, indent=2))
        return
    rows = [
        [
            name,
            ", ".join(_part(part) for part in policy["filters"]) or "-",
            " + ".join(_part(part) for part in policy["scorers"]) or "-",
            _part(policy["picker"]),
        ]
        for name, policy in policies.items()
    ]
    terminal.write(table.render(["preset", "filters", "scorers", "picker"], rows, left=4))


def _part(part: dict[str, object]) -> str:
    weight = part.get("weight", 1)
    return str(part["name"]) if weight == 1 else f"{weight:g} {part['name']}"
