"""The command `kthena`: one file per subcommand."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from kthena.cli import explain, parts, presets, replay
from kthena.cli.faults import Refused
from kthena.version import __version__

COMMANDS = (replay, explain, presets, parts)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kthena", description="Routing decisions for LLM fleets, on a simulated fleet."
    )
    parser.add_argument("--version", action="version", version=f"kthena {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 something failed on the way, 2 bad input, 130 interrupted."""
    options = make_parser().parse_args(arguments)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)  # so that no half-written file stays behind
    try:
        options.run(options)
        sys.stdout.flush()
    except Refused as refused:
        for fault in refused.faults:
            print(f"kthena {options.command}: {fault}", file=sys.stderr)
        return refused.exit_code
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print(f"kthena {options.command}: interrupted", file=sys.stderr)
        return 130
    return 0


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
