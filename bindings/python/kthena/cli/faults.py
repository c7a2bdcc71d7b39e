"""Bad input: all faults of a call are collected, then reported together."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable


class Refused(Exception):
    """A command cannot be carried out; one message per fault."""

    def __init__(self, faults: Iterable[str], exit_code: int = 2) -> None:
        super().__init__()
        self.faults = list(faults)
        self.exit_code = exit_code


def split_message(message: str) -> list[str]:
    """The faults of a message of the library: each begins with a place and a colon, and they are joined by `"; "`."""
    return re.split(r"; (?=line \d+\b|[^\s:]+: )", message)


def _plain(text: str) -> str:
    """Python reads `1_000`, blanks and the digits of all scripts as numbers as well; here they are none."""
    if not text.isascii() or not text.isprintable() or "_" in text or " " in text:
        raise ValueError(text)
    return text


class Faults:
    """Collects faults. Equal ones are kept once."""

    def __init__(self) -> None:
        self._faults: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(self, fault: str) -> None:
        if fault not in self._faults:
            self._faults.append(fault)

    def add_message(self, where: str, message: str) -> None:
        """A message of the library about the document that `where` holds."""
        for fault in split_message(message):
            self.add(f"{where}: {fault.removeprefix('document: ').removeprefix('parse error at ')}")

    def raise_if_any(self) -> None:
        if self._faults:
            raise Refused(self._faults)

    def integer(self, option: str, text: str | None, least: int, most: int) -> int | None:
        """The number of an option, or None where it was not given or is at fault."""
        if text is None:
            return None
        try:
            value = int(_plain(text))
        except ValueError:
            self.add(f"{option}: {text!r} is no integer")
            return None
        if not least <= value <= most:
            self.add(f"{option}: {value} is not in {least} .. {most}")
            return None
        return value

    def number(self, option: str, text: str | None, least: float, most: float) -> float | None:
        if text is None:
            return None
        try:
            value = float(_plain(text))
        except ValueError:
            self.add(f"{option}: {text!r} is no number")
            return None
        if math.isnan(value) or not least <= value <= most:
            self.add(f"{option}: {text} is not in {least:g} .. {most:g}")
            return None
        return value
