"""Files in and out. An output is whole or not there: it is written beside its place and then moved."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import TracebackType

from kthena.cli.faults import Faults, Refused
from kthena.cli.terminal import reason


def read_bytes(path: str, faults: Faults) -> bytes | None:
    """What is in a file; None with a fault when it cannot be read."""
    if not path:
        faults.add("an empty name where a file is wanted")
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        faults.add(f"{path}: {reason(error)}")
        return None


def read_text(path: str, faults: Faults) -> str | None:
    """The same as text; None with a fault when it is not UTF-8."""
    data = read_bytes(path, faults)
    if data is None:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        faults.add(f"{path}: line {line}: not UTF-8")
        return None


class Output:
    """A file to be written at the end. Whether that is possible is found out at once."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.content: str | None = None
        self._target = os.path.realpath(path)
        self._temporary: str | None = None
        self._handle: int | None = None

    def open(self) -> None:
        if os.path.isdir(self._target):
            raise IsADirectoryError(21, "is a directory")
        if os.path.exists(self._target) and not stat.S_ISREG(os.stat(self._target).st_mode):
            self._handle = os.open(self._target, os.O_WRONLY)  # a terminal or a pipe: written in place
            return
        if os.path.exists(self._target) and not os.access(self._target, os.W_OK):
            raise PermissionError(13, "permission denied")
        directory, name = os.path.split(self._target)
        temporary = os.path.join(directory, f".{name}.{os.getpid()}.part")
        self._handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        self._temporary = temporary
        if os.path.exists(self._target):
            os.fchmod(self._handle, stat.S_IMODE(os.stat(self._target).st_mode))

    def write(self) -> None:
        """Puts `content` into the temporary file, not yet in place."""
        if self._handle is None or self.content is None:
            return
        handle, self._handle = self._handle, None
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(self.content)

    def move(self) -> None:
        if self._temporary is not None:
            os.replace(self._temporary, self._target)
            self._temporary = None

    def discard(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        if self._temporary is not None:
            os.unlink(self._temporary)
            self._temporary = None


class Outputs:
    """The outputs of a command: all of them appear at the end of the `with` block, or none.

    `stdout` is the option whose output goes to standard output, `-` on the command line. That is for the command to do.
    """

    def __init__(self, paths: dict[str, str | None], faults: Faults) -> None:
        self.stdout: str | None = None
        self._outputs: dict[str, Output] = {}
        seen: dict[str, str] = {}
        for option, path in paths.items():
            if path is None:
                continue
            if not path:
                faults.add(f"{option}: an empty name; give a file, or - for standard output")
                continue
            real = "-" if path == "-" else os.path.realpath(path)
            if real in seen:
                faults.add(f"{option}: {path} is also the output of {seen[real]}")
                continue
            seen[real] = option
            if path == "-":
                self.stdout = option
                continue
            output = Output(path)
            try:
                output.open()
            except OSError as error:
                faults.add(f"{option}: {path}: {reason(error)}")
                continue
            self._outputs[option] = output

    def wants(self, option: str) -> bool:
        return option in self._outputs

    def set(self, option: str, content: str) -> None:
        self._outputs[option].content = content

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        output = None
        try:
            if kind is None:
                for output in self._outputs.values():
                    output.write()
                for output in self._outputs.values():
                    output.move()
        except OSError as failure:
            path = "" if output is None else output.path
            raise Refused([f"{path}: {reason(failure)}"], exit_code=1) from None
        finally:
            for output in self._outputs.values():
                output.discard()
