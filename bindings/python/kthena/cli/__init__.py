"""The command `kthena`: one file per subcommand."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Sequence

from kthena.cli import diff, explain, lint, parts, presets, replay, terminal
from kthena.cli.faults import Refused
from kthena.version import __version__

COMMANDS = (replay, explain, diff, lint, presets, parts)


class Parser(argparse.ArgumentParser):
    """One that does not pass over a failure to write --help or --version."""

    def _print_message(self, message: str, file: object = None) -> None:
        if file is None or file is sys.stderr:
            super()._print_message(message, sys.stderr)
        else:
            terminal.write(message.removesuffix("\n"))


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="kthena", description="Routing decisions for LLM fleets, on a simulated fleet.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"kthena {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 something failed on the way, 2 bad input, 130 interrupted."""
    if sys.stderr is None:  # closed: what would be said there is for nobody
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    name = "kthena"
    try:
        options = make_parser().parse_args(arguments)
        name = f"kthena {options.command}"
        return _run(options)
    except Refused as refused:
        faults, code = refused.faults, refused.exit_code
    except BrokenPipeError:  # the reader of a pipe has seen enough
        faults, code = [], 1
    except OSError as error:
        faults, code = [terminal.reason(error)], 1
    except KeyboardInterrupt:
        faults, code = ["interrupted"], 130
    with contextlib.suppress(OSError):
        for fault in faults:
            print(f"{name}: {terminal.printable(fault)}", file=sys.stderr)
    terminal.give_up_stdout()
    return code


def _run(options: argparse.Namespace) -> int:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)  # so that no half-written file stays behind
    options.run(options)
    return 0


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
