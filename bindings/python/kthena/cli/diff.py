"""`kthena diff`: what another policy would have decided of the decisions in a log."""

from __future__ import annotations

import argparse
import json
from typing import Any

from kthena import _core
from kthena.cli import table, terminal
from kthena.cli.faults import Faults
from kthena.cli.files import read_bytes
from kthena.cli.policies import read_policy
from kthena.errors import KthenaError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "diff", help="decide a log again under another policy", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--log", required=True, metavar="FILE", help="a decision log (docs/decision-log.md)")
    parser.add_argument("--policy", required=True, metavar="P", help="a preset's name or a file with a policy as JSON")
    parser.add_argument(
        "--limit", metavar="N", default="10", help="changed decisions that are told one by one; default 10"
    )
    parser.add_argument("--json", action="store_true", help="for machines (docs/schemas/log_diff.schema.json)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    faults = Faults()
    limit = faults.integer("--limit", options.limit, 0, 2**32 - 1)
    policy = read_policy(options.policy, faults)
    log = read_bytes(options.log, faults)
    text = ""
    if policy is not None and log is not None and limit is not None:
        try:
            text = _core.log_diff_json(log, f'{{"policy":{policy.text},"limit":{limit}}}')
        except KthenaError as error:
            faults.add_message(options.log, error.message.removeprefix("log: "))
    faults.raise_if_any()
    terminal.write(text if options.json else render(json.loads(text)))


def render(report: dict[str, Any]) -> str:
    """How many decisions are others, by endpoint, by reason, and the first ones."""
    log = report["log"]
    names = ", ".join(terminal.printable(policy["name"] or policy["hash"]) for policy in log["policies"]) or "-"
    share = f"{report['changed_share']:.2%}"
    lines = [
        f"{report['decisions']:,} decisions of {names}, decided again by {terminal.printable(report['policy']['name'])}",
        f"  {report['same']:,} the same choice ({report['identical']:,} to the last bit), {report['changed']:,} another ({share})",
    ]
    if log["cut_at"] is not None:
        lines.append(f"  the log is cut at byte {log['cut_at']:,}: what follows was not read")
    if report["changed"]:
        margins = ", ".join(
            f"{side} {figure['mean']:.4g} on average, {figure['max']:.4g} at most"
            for side, figure in report["margin"].items()
            if figure["count"]
        )
        lines.append(f"  margin of the changed: {margins}")
    regret = report["regret"]
    if regret["count"]:
        lines.append(
            f"  regret under the logged policy, of {regret['count']:,}: {regret['mean']:.4g} on average, {regret['max']:.4g} at most"
        )
    rows = [
        [row["endpoint"], f"{row['before']:,}", f"{row['after']:,}", f"{row['after'] - row['before']:+,}"]
        for row in report["endpoints"]
    ]
    lines += ["", table.render(["endpoint", "before", "after", "difference"], rows)]
    rows = [[row["name"], f"{row['before']:,}", f"{row['after']:,}"] for row in report["reasons"]]
    lines += ["", table.render(["reason", "before", "after"], rows)]
    if report["first"]:
        rows = [_row(changed) for changed in report["first"]]
        lines += [
            "",
            table.render(
                ["decision", "request", "before", "after", "regret", "contributions before", "after"], rows, left=7
            ),
        ]
    return "\n".join(lines)


def _row(changed: dict[str, Any]) -> list[str]:
    before, after = changed["before"], changed["after"]
    return [
        f"{changed['number']:,}",
        changed["request"],
        before["endpoint"] or "-",
        after["endpoint"] or "-",
        _number(changed["regret"]),
        _terms(before),
        _terms(after),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _terms(side: dict[str, Any]) -> str:
    """ "least-request 100 > 80": what each scorer gave the choice before, then the choice after."""
    return ", ".join(f"{term['scorer']} {_number(term['before'])} > {_number(term['after'])}" for term in side["terms"])
