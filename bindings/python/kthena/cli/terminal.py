"""Text for standard output: nothing in it can steer a terminal, and a failure to write it is one message."""

from __future__ import annotations

import io
import os
import sys

from kthena.cli.faults import Refused


def printable(text: str) -> str:
    """Control characters and others that are not for display as escapes such as `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def counted(count: int, noun: str) -> str:
    """ "1 run", "2,000 runs"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def write(text: str) -> None:
    """To standard output, at once. Refused when that fails; BrokenPipeError when its reader has gone."""
    if sys.stdout is None:
        raise Refused(["standard output: is closed"], exit_code=1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refused([f"standard output: {reason(error)}"], exit_code=1) from None


def give_up_stdout() -> None:
    """What cannot be written goes nowhere, so that the end of the program does not fail on it."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        return
    except OSError:
        pass
    if isinstance(sys.stdout, io.TextIOWrapper):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
