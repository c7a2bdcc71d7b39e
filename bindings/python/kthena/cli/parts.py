"""`kthena parts`: the filters, scorers and pickers that policies are made of."""

from __future__ import annotations

import argparse
import json

from kthena import _core, routing
from kthena.cli import table, terminal


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "parts", help="list what policies are made of", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    if options.json:
        terminal.write(json.dumps(json.loads(_core.parts_json()), indent=2))
        return
    rows = []
    for part in routing.parts():
        rows.append([part.kind, part.name, "", "", "", ""])
        for i, option in enumerate(part.options):
            default = "none" if option.default is None else f"{option.default:g}"
            cells = [option.name, f"{option.minimum:g}", f"{option.maximum:g}", default]
            if i == 0:
                rows[-1][2:] = cells
            else:
                rows.append(["", "", *cells])
    terminal.write(table.render(["kind", "name", "option", "least", "most", "default"], rows, left=3))
